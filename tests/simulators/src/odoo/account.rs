//! Invoices, credit notes and payments.
use serde_json::{Value, json};

use super::access::Right;
use super::db::id_list;
use super::env::{Env, Vals, cents, link};
use super::fault::Fault;
use super::{Version, compute, orm, payments};

const NOTHING_TO_INVOICE: &str = "Cannot create an invoice. No items are available to invoice.\n\nTo resolve this issue, please ensure that:\n   \u{2022} The products have been delivered before attempting to invoice them.\n   \u{2022} The invoicing policy of the product is configured correctly.\n\nIf you want to invoice based on ordered quantities instead:\n   \u{2022} For consumable or storable products, open the product, go to the 'General Information' tab and change the 'Invoicing Policy' from 'Delivered Quantities' to 'Ordered Quantities'.\n   \u{2022} For services (and other products), change the 'Invoicing Policy' to 'Prepaid/Fixed Price'.\n";

fn journal(env: &Env<'_>, kind: &str) -> i64 {
    env.db
        .find("account.journal", "type", &Value::from(kind))
        .unwrap_or(0)
}

/// `sale.advance.payment.inv.create_invoices`: the action that shows the drafts.
pub(super) fn create_invoices(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("sale.advance.payment.inv", Right::Write)?;
    env.check_exist("sale.advance.payment.inv", ids)?;
    let mut made = Vec::new();
    for wizard in ids.iter().copied() {
        if env
            .db
            .text("sale.advance.payment.inv", wizard, "advance_payment_method")
            != "delivered"
        {
            return Err(Fault::new(
                super::fault::Class::NotSimulated,
                "the simulator makes regular invoices only, no down payments",
            ));
        }
        let orders = env
            .db
            .ids("sale.advance.payment.inv", wizard, "sale_order_ids");
        env.check_exist("sale.order", &orders)?;
        let together = env
            .db
            .flag("sale.advance.payment.inv", wizard, "consolidated_billing");
        // Without this, what is below zero is left for later.
        let last = env
            .db
            .flag("sale.advance.payment.inv", wizard, "deduct_down_payments");
        made.extend(invoice_orders(env, &orders, together, last)?);
    }
    Ok(invoices_action(env, &made))
}

fn invoice_orders(
    env: &mut Env<'_>,
    orders: &[i64],
    together: bool,
    last: bool,
) -> Result<Vec<i64>, Fault> {
    let mut groups: Vec<((i64, i64, i64), Vec<i64>)> = Vec::new();
    for order in orders.iter().copied() {
        if !env
            .db
            .ids("sale.order", order, "order_line")
            .into_iter()
            .any(|line| is_due(env, line, last))
        {
            continue;
        }
        let partner = env.db.id_in("sale.order", order, "partner_invoice_id");
        let key = (
            if together { 0 } else { order },
            partner,
            compute::order_currency(env.db, order),
        );
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, members)) => members.push(order),
            None => groups.push((key, vec![order])),
        }
    }
    if groups.is_empty() {
        return Err(Fault::user(NOTHING_TO_INVOICE));
    }
    groups
        .into_iter()
        .map(|((_, partner, currency), members)| invoice(env, &members, partner, currency, last))
        .collect()
}

fn is_due(env: &Env<'_>, line: i64, last: bool) -> bool {
    let quantity = compute::to_invoice(env.db, line);
    quantity > 0.0 || (last && quantity < 0.0)
}

fn invoice(
    env: &mut Env<'_>,
    orders: &[i64],
    partner: i64,
    currency: i64,
    last: bool,
) -> Result<i64, Fault> {
    let names: Vec<&str> = orders
        .iter()
        .map(|order| env.db.text("sale.order", *order, "name"))
        .collect();
    let refs: Vec<&str> = orders
        .iter()
        .map(|order| env.db.text("sale.order", *order, "client_order_ref"))
        .filter(|text| !text.is_empty())
        .collect();
    let mut vals = Vals::new();
    vals.insert("move_type".into(), Value::from("out_invoice"));
    vals.insert("invoice_origin".into(), Value::from(names.join(", ")));
    vals.insert("ref".into(), Value::from(refs.join(", ")));
    vals.insert("partner_id".into(), link(partner));
    if let Some(order) = orders.first() {
        vals.insert(
            "partner_shipping_id".into(),
            env.db
                .get("sale.order", *order, "partner_shipping_id")
                .clone(),
        );
    }
    vals.insert("journal_id".into(), link(journal(env, "sale")));
    vals.insert("currency_id".into(), link(currency));
    vals.insert("date".into(), env.today_text());
    vals.insert("company_id".into(), json!(env.company()));
    vals.insert("invoice_user_id".into(), json!(env.user.uid));
    let id = orm::insert(env, "account.move", vals)?;
    draft_name(env, id);
    for line in orders
        .iter()
        .flat_map(|order| env.db.ids("sale.order", *order, "order_line"))
        .collect::<Vec<_>>()
    {
        let quantity = compute::to_invoice(env.db, line);
        if is_due(env, line, last) {
            invoice_line(env, id, line, quantity)?;
        }
    }
    Ok(id)
}

fn invoice_line(env: &mut Env<'_>, invoice: i64, line: i64, quantity: f64) -> Result<(), Fault> {
    let mut vals = Vals::new();
    vals.insert("move_id".into(), json!(invoice));
    for field in ["name", "product_id", "price_unit", "discount", "sequence"] {
        vals.insert(
            field.into(),
            env.db.get("sale.order.line", line, field).clone(),
        );
    }
    let product = env.db.id_in("sale.order.line", line, "product_id");
    let (own, shown) = (
        env.db.text("sale.order.line", line, "name"),
        env.display("product.product", product),
    );
    if env.version() == Version::V19 && product != 0 && !own.starts_with(&shown) {
        vals.insert("name".into(), Value::from(format!("{shown}\n{own}")));
    }
    vals.insert("account_id".into(), json!(1));
    vals.insert("quantity".into(), json!(quantity));
    vals.insert(
        "tax_ids".into(),
        json!(
            env.db
                .ids("sale.order.line", line, compute::tax_field(env.version()))
        ),
    );
    vals.insert("sale_line_ids".into(), json!([line]));
    let id = orm::insert(env, "account.move.line", vals)?;
    let mut mirrored = env.db.ids("sale.order.line", line, "__invoice_lines");
    mirrored.push(id);
    env.db
        .set("sale.order.line", line, "__invoice_lines", json!(mirrored));
    Ok(())
}

/// 17 names the first draft of a period at once; 19 names nothing before it is posted.
fn draft_name(env: &mut Env<'_>, id: i64) {
    let kind = env.db.get("account.move", id, "move_type").clone();
    let first = env
        .db
        .all("account.move")
        .into_iter()
        .all(|other| other == id || *env.db.get("account.move", other, "move_type") != kind);
    if env.version() == Version::V17 {
        let name = if first {
            next_name(env, id)
        } else {
            "/".to_owned()
        };
        env.db.set("account.move", id, "name", Value::from(name));
    }
}

fn next_name(env: &mut Env<'_>, id: i64) -> String {
    let prefix = if env.db.text("account.move", id, "move_type") == "out_refund" {
        "RINV"
    } else {
        "INV"
    };
    let year = env.now.strftime("%Y").to_string();
    let number = env.db.next_in(&format!("{prefix}/{year}"));
    format!("{prefix}/{year}/{number:05}")
}

/// The window action after invoicing; long on real servers, here with the keys that matter and the ids.
fn invoices_action(env: &Env<'_>, made: &[i64]) -> Value {
    let v17 = env.version() == Version::V17;
    let list = if v17 { "tree" } else { "list" };
    let mut context = json!({"default_move_type": "out_invoice"});
    if let ([one], Some(map)) = (made, context.as_object_mut()) {
        map.insert(
            "default_partner_id".into(),
            env.db.get("account.move", *one, "partner_id").clone(),
        );
        map.insert(
            "default_partner_shipping_id".into(),
            env.db
                .get("account.move", *one, "partner_shipping_id")
                .clone(),
        );
        map.insert("default_invoice_payment_term_id".into(), Value::Null);
        if v17 {
            map.insert(
                "default_invoice_origin".into(),
                env.db.get("account.move", *one, "invoice_origin").clone(),
            );
        }
    }
    let mut action = json!({
        "id": 261, "name": "Invoices", "display_name": "Invoices", "type": "ir.actions.act_window", "res_model": "account.move",
        "xml_id": "account.action_move_out_invoice_type", "help": "", "binding_model_id": false, "binding_type": "action",
        "binding_view_types": "list,form", "view_id": [694, format!("account.out.invoice.{list}")], "context": context, "target": "current",
        "view_mode": format!("{list},kanban,form,activity"), "mobile_view_mode": "kanban", "limit": 80, "filter": false,
        "search_view_id": [704, "account.invoice.select"], "views": [[701, "form"], [694, list], [false, "kanban"], [false, "activity"]],
    });
    if let Some(map) = action.as_object_mut() {
        let extra = if v17 {
            json!({"groups_id": []})
        } else {
            json!({"group_ids": [], "path": "invoicing", "embedded_action_ids": [], "cache": true})
        };
        map.extend(extra.as_object().cloned().unwrap_or_default());
        let one = made.first().filter(|_| made.len() == 1);
        map.insert("res_id".into(), one.map_or(json!(0), |id| json!(id)));
        let domain = if v17 {
            "[('move_type', '=', 'out_invoice')]"
        } else {
            "[('move_type', 'in', ['out_invoice', 'out_refund', 'out_receipt'])]"
        };
        map.insert(
            "domain".into(),
            if one.is_some() {
                json!(domain)
            } else {
                json!([["id", "in", made]])
            },
        );
    }
    action
}

/// `action_post`: answers `false` when all went well.
pub(super) fn action_post(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("account.move", Right::Read)?;
    env.check_exist("account.move", ids)?;
    if !env.in_group("account.group_account_invoice") {
        return Err(Fault::new(
            super::fault::Class::Access,
            "You don't have the access rights to post an invoice.",
        ));
    }
    let posted: Vec<String> = ids
        .iter()
        .filter(|id| env.db.text("account.move", **id, "state") != "draft")
        .map(|id| {
            format!(
                "The entry {} (id {id}) must be in draft.",
                env.db.text("account.move", *id, "name")
            )
        })
        .collect();
    if let Some(first) = posted.first() {
        // 19 collects what is wrong, 17 stops at the first.
        return Err(Fault::user(if env.version() == Version::V17 {
            first.clone()
        } else {
            posted.join("\n")
        }));
    }
    for id in ids.iter().copied() {
        if env
            .db
            .ids("account.move", id, "invoice_line_ids")
            .is_empty()
        {
            return Err(Fault::user("You need to add a line before posting."));
        }
    }
    for id in ids.iter().copied() {
        payments::open_line(env, id)?;
        post(env, id);
    }
    Ok(Value::Bool(false))
}

fn post(env: &mut Env<'_>, id: i64) {
    if matches!(env.db.text("account.move", id, "name"), "" | "/") {
        let name = next_name(env, id);
        env.db.set("account.move", id, "name", Value::from(name));
    }
    let name = env.db.get("account.move", id, "name").clone();
    if env.db.text("account.move", id, "move_type") == "out_invoice"
        && env
            .db
            .text("account.move", id, "payment_reference")
            .is_empty()
    {
        env.db.set("account.move", id, "payment_reference", name);
    }
    if env.db.text("account.move", id, "invoice_date").is_empty() {
        let today = env.today_text();
        env.db.set("account.move", id, "invoice_date", today);
    }
    env.db
        .set("account.move", id, "state", Value::from("posted"));
    let origin = env.db.id_in("account.move", id, "reversed_entry_id");
    if origin != 0 && env.db.text("account.move", origin, "state") == "posted" {
        let amount = compute::residual(env.db, env.world, id)
            .min(compute::residual(env.db, env.world, origin));
        if amount > 0.0 {
            settle(
                env,
                origin,
                json!({"move": id, "entry": id, "amount": amount}),
            );
            settle(
                env,
                id,
                json!({"move": origin, "entry": origin, "amount": amount}),
            );
        }
    }
}

fn settle(env: &mut Env<'_>, id: i64, item: Value) {
    let mut items = env
        .db
        .get("account.move", id, "__settled")
        .as_array()
        .cloned()
        .unwrap_or_default();
    items.push(item);
    env.db
        .set("account.move", id, "__settled", Value::Array(items));
}

/// `button_draft` and `button_cancel` of journal entries.
pub(super) fn set_state(env: &mut Env<'_>, ids: &[i64], state: &str) -> Result<Value, Fault> {
    env.check("account.move", Right::Write)?;
    env.check_exist("account.move", ids)?;
    for id in ids {
        env.db.set("account.move", *id, "state", Value::from(state));
    }
    Ok(Value::Null)
}

pub(super) fn write(env: &mut Env<'_>, id: i64, vals: Vals) -> Result<(), Fault> {
    let posted = env.db.text("account.move", id, "state") == "posted";
    if posted && vals.contains_key("invoice_line_ids") {
        return Err(Fault::user(
            "You cannot modify a posted entry of this journal because it is in strict mode.",
        ));
    }
    let before = env.db.ids("account.move", id, "invoice_line_ids");
    orm::store(env, "account.move", id, vals)?;
    let after = env.db.ids("account.move", id, "invoice_line_ids");
    for gone in before.into_iter().filter(|line| !after.contains(line)) {
        forget_line(env, gone);
    }
    Ok(())
}

/// A removed invoice line no longer counts as invoiced.
pub(super) fn forget_line(env: &mut Env<'_>, gone: i64) {
    for line in env.db.all("sale.order.line") {
        let lines = env.db.ids("sale.order.line", line, "__invoice_lines");
        if lines.contains(&gone) {
            let kept: Vec<i64> = lines.into_iter().filter(|id| *id != gone).collect();
            env.db
                .set("sale.order.line", line, "__invoice_lines", json!(kept));
        }
    }
}

fn active_moves(env: &Env<'_>) -> Vec<i64> {
    let of_moves = env.context.get("active_model").and_then(Value::as_str) == Some("account.move");
    let ids = env
        .context
        .get("active_ids")
        .map(id_list)
        .unwrap_or_default();
    if of_moves { ids } else { Vec::new() }
}

pub(super) fn create_reversal(env: &mut Env<'_>, mut vals: Vals) -> Result<i64, Fault> {
    if !vals.contains_key("move_ids") {
        vals.insert("move_ids".into(), json!(active_moves(env)));
    }
    // Plain ids, or one `[6, 0, ids]` command.
    let set = vals
        .get("move_ids")
        .and_then(|value| value.pointer("/0/2"))
        .map(id_list);
    let moves = set.unwrap_or_else(|| vals.get("move_ids").map(id_list).unwrap_or_default());
    env.check_exist("account.move", &moves)?;
    if moves
        .iter()
        .any(|id| env.db.text("account.move", *id, "state") != "posted")
    {
        return Err(Fault::user(match env.version() {
            Version::V17 => "You can only reverse posted moves.",
            Version::V19 => "To reverse a journal entry, it has to be posted first.",
        }));
    }
    vals.entry("date".into())
        .or_insert_with(|| env.today_text());
    vals.insert("company_id".into(), json!(env.company()));
    orm::insert(env, "account.move.reversal", vals)
}

/// `refund_moves`: a draft credit note for each invoice, all lines in full.
pub(super) fn refund_moves(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("account.move.reversal", Right::Write)?;
    env.check_exist("account.move.reversal", ids)?;
    let mut made = Vec::new();
    for wizard in ids.iter().copied() {
        for source in env.db.ids("account.move.reversal", wizard, "move_ids") {
            made.push(refund(env, wizard, source)?);
        }
        env.db
            .set("account.move.reversal", wizard, "new_move_ids", json!(made));
    }
    let mut action = json!({"name": "Reverse Moves", "type": "ir.actions.act_window", "res_model": "account.move"});
    if let Some(map) = action.as_object_mut() {
        if let [one] = made.as_slice() {
            map.insert("view_mode".into(), Value::from("form"));
            map.insert("res_id".into(), json!(one));
            map.insert("context".into(), json!({"default_move_type": "out_refund"}));
        } else {
            let list = if env.version() == Version::V17 {
                "tree,form"
            } else {
                "list,form"
            };
            map.insert("view_mode".into(), Value::from(list));
            map.insert("domain".into(), json!([["id", "in", made]]));
        }
    }
    Ok(action)
}

fn refund(env: &mut Env<'_>, wizard: i64, source: i64) -> Result<i64, Fault> {
    let reason = env
        .db
        .text("account.move.reversal", wizard, "reason")
        .to_owned();
    let name = env.db.text("account.move", source, "name");
    let reference = if reason.is_empty() {
        format!("Reversal of: {name}")
    } else {
        format!("Reversal of: {name}, {reason}")
    };
    let mut vals = Vals::new();
    // A credit note is reversed by an entry up to 18, and by an invoice since.
    let kind = match (
        env.db.text("account.move", source, "move_type"),
        env.version(),
    ) {
        ("out_refund", Version::V19) => "out_invoice",
        ("out_refund", Version::V17) => "entry",
        _ => "out_refund",
    };
    vals.insert("move_type".into(), Value::from(kind));
    vals.insert("ref".into(), Value::from(reference));
    vals.insert("reversed_entry_id".into(), json!(source));
    for field in [
        "partner_id",
        "partner_shipping_id",
        "currency_id",
        "company_id",
        "invoice_origin",
    ] {
        vals.insert(
            field.into(),
            env.db.get("account.move", source, field).clone(),
        );
    }
    let date = env.db.get("account.move.reversal", wizard, "date").clone();
    vals.insert("invoice_date".into(), date.clone());
    vals.insert("date".into(), date);
    vals.insert(
        "journal_id".into(),
        env.db
            .get("account.move.reversal", wizard, "journal_id")
            .clone(),
    );
    vals.insert("invoice_user_id".into(), json!(env.user.uid));
    let id = orm::insert(env, "account.move", vals)?;
    draft_name(env, id);
    for line in env.db.ids("account.move", source, "invoice_line_ids") {
        let mut vals: Vals = env
            .db
            .record("account.move.line", line)
            .cloned()
            .unwrap_or_default();
        vals.insert("move_id".into(), json!(id));
        let sale_lines = env.db.ids("account.move.line", line, "sale_line_ids");
        let new = orm::insert(env, "account.move.line", vals)?;
        for sale_line in sale_lines {
            let mut mirrored = env.db.ids("sale.order.line", sale_line, "__invoice_lines");
            mirrored.push(new);
            env.db.set(
                "sale.order.line",
                sale_line,
                "__invoice_lines",
                json!(mirrored),
            );
        }
    }
    Ok(id)
}

pub(super) fn create_payment_register(env: &mut Env<'_>, mut vals: Vals) -> Result<i64, Fault> {
    let moves = active_moves(env);
    env.check_exist("account.move", &moves)?;
    if env.version() == Version::V17
        && moves
            .iter()
            .any(|id| env.db.text("account.move", *id, "state") != "posted")
    {
        return Err(Fault::user(
            "You can only register payment for posted journal entries.",
        ));
    }
    let open: f64 = moves
        .iter()
        .map(|id| compute::residual(env.db, env.world, *id))
        .sum();
    if open == 0.0 {
        return Err(Fault::user(match env.version() {
            Version::V17 => {
                "You can't register a payment because there is nothing left to pay on the selected journal items."
            }
            Version::V19 => {
                "There's nothing left to pay for the selected journal items, so no payment registration is necessary. You've got your \
                 finances under control like a boss!"
            }
        }));
    }
    let first = moves.first().copied().unwrap_or(0);
    vals.entry("payment_date".into())
        .or_insert_with(|| env.today_text());
    vals.entry("amount".into())
        .or_insert_with(|| json!(cents(open)));
    vals.entry("journal_id".into())
        .or_insert_with(|| link(journal(env, "bank")));
    vals.entry("currency_id".into())
        .or_insert_with(|| env.db.get("account.move", first, "currency_id").clone());
    vals.entry("communication".into())
        .or_insert_with(|| env.db.get("account.move", first, "name").clone());
    vals.insert("line_ids".into(), json!(moves));
    orm::insert(env, "account.payment.register", vals)
}

/// `action_create_payments`: pays, posts and reconciles.
pub(super) fn create_payments(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("account.payment.register", Right::Write)?;
    env.check_exist("account.payment.register", ids)?;
    let mut made = Vec::new();
    for wizard in ids.iter().copied() {
        let mut left = env.db.num("account.payment.register", wizard, "amount");
        let moves = env.db.ids("account.payment.register", wizard, "line_ids");
        let single = moves.len() == 1;
        for invoice in moves {
            let open = compute::residual(env.db, env.world, invoice);
            let amount = if single { left } else { open };
            left -= amount;
            made.push(pay(env, wizard, invoice, amount, open)?);
        }
    }
    let mut action = json!({"name": "Payments", "type": "ir.actions.act_window", "res_model": "account.payment", "context": {"create": false}});
    if let Some(map) = action.as_object_mut() {
        if let [one] = made.as_slice() {
            map.insert("view_mode".into(), Value::from("form"));
            map.insert("res_id".into(), json!(one));
        } else {
            let list = if env.version() == Version::V17 {
                "tree,form"
            } else {
                "list,form"
            };
            map.insert("view_mode".into(), Value::from(list));
            map.insert("domain".into(), json!([["id", "in", made]]));
        }
    }
    Ok(action)
}

fn pay(env: &mut Env<'_>, wizard: i64, invoice: i64, amount: f64, open: f64) -> Result<i64, Fault> {
    let v17 = env.version() == Version::V17;
    let refund = env.db.text("account.move", invoice, "move_type") == "out_refund";
    let number = env.db.next_in("account.payment");
    let year = env.now.strftime("%Y").to_string();
    let mut vals = Vals::new();
    vals.insert(
        "name".into(),
        Value::from(format!("PBNK1/{year}/{number:05}")),
    );
    vals.insert("amount".into(), json!(amount));
    vals.insert(
        "payment_type".into(),
        Value::from(if refund { "outbound" } else { "inbound" }),
    );
    // The commercial entity pays, not the invoice address.
    let partner = env.db.id_in("account.move", invoice, "partner_id");
    let commercial = env.db.id_in("res.partner", partner, "parent_id");
    vals.insert(
        "partner_id".into(),
        link(if commercial == 0 { partner } else { commercial }),
    );
    for (field, from) in [
        ("journal_id", "journal_id"),
        ("currency_id", "currency_id"),
        ("date", "payment_date"),
    ] {
        vals.insert(
            field.into(),
            env.db.get("account.payment.register", wizard, from).clone(),
        );
    }
    let memo = env
        .db
        .get("account.payment.register", wizard, "communication")
        .clone();
    vals.insert(if v17 { "ref" } else { "memo" }.into(), memo);
    vals.insert(
        "state".into(),
        Value::from(if v17 { "posted" } else { "paid" }),
    );
    vals.insert("reconciled_invoice_ids".into(), json!([invoice]));
    vals.insert("company_id".into(), json!(env.company()));
    let id = orm::insert(env, "account.payment", vals)?;
    settle(
        env,
        invoice,
        json!({"payment": id, "amount": amount.min(open)}),
    );
    Ok(id)
}
