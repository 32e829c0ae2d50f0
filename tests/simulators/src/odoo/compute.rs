//! Fields that Odoo computes.
use serde_json::{Map, Value, json};

use super::Version;
use super::db::Db;
use super::env::{World, cents, link};
use super::payments;
use super::tax::{self, Line, Totals};

/// The value of one field, computed or stored, in raw form.
pub(super) fn field(
    db: &Db,
    world: &World,
    model: &str,
    id: i64,
    name: &str,
    context: &Map<String, Value>,
) -> Value {
    if name == "id" {
        return Value::from(id);
    }
    if name == "display_name" {
        return Value::from(display_name(db, world.version, model, id));
    }
    let computed = match model {
        "res.partner" if name == "email_normalized" => {
            let email = db.text(model, id, "email").trim().to_lowercase();
            Some(if email.is_empty() {
                Value::Bool(false)
            } else {
                Value::from(email)
            })
        }
        "sale.order" => order(db, world, id, name),
        "sale.order.line" => order_line(db, world, id, name),
        "product.product" => product(db, id, name, context),
        "stock.picking" => picking(db, id, name),
        "stock.move" if name == "reference" => {
            let picking = db.id_in(model, id, "picking_id");
            Some(Value::from(db.text("stock.picking", picking, "name")))
        }
        "stock.quant" => quant(db, id, name),
        "account.move" => invoice(db, world, id, name),
        "res.partner" if name == "commercial_partner_id" => {
            let parent = db.id_in(model, id, "parent_id");
            Some(link(if parent == 0 { id } else { parent }))
        }
        "account.move.line" => invoice_line(db, world, id, name),
        _ => None,
    };
    computed.unwrap_or_else(|| db.get(model, id, name).clone())
}

pub(super) fn display_name(db: &Db, version: Version, model: &str, id: i64) -> String {
    let name = db.text(model, id, "name");
    match model {
        "product.product" => match db.text(model, id, "default_code") {
            "" => name.to_owned(),
            code => format!("[{code}] {name}"),
        },
        "res.partner" => match db.id_in(model, id, "parent_id") {
            0 => name.to_owned(),
            parent => format!("{}, {name}", db.text(model, parent, "name")),
        },
        "sale.order.line" => {
            let order = db.id_in(model, id, "order_id");
            let partner = db.id_in("sale.order", order, "partner_id");
            let product = db.id_in(model, id, "product_id");
            let own = name.lines().next().unwrap_or("").to_owned();
            let first = if version == Version::V19 && product != 0 {
                display_name(db, version, "product.product", product)
            } else {
                own
            };
            format!(
                "{} - {first} ({})",
                db.text("sale.order", order, "name"),
                db.text("res.partner", partner, "name")
            )
        }
        "account.account" => format!("{} {name}", db.text(model, id, "code")),
        "res.country.state" => {
            let country = db.id_in(model, id, "country_id");
            format!("{name} ({})", db.text("res.country", country, "code"))
        }
        // Messages write `Sales/Administrator`, forms `Sales / Administrator`.
        "res.groups" if !name.contains(" / ") => name.replace('/', " / "),
        "product.pricelist" => {
            let currency = db.id_in(model, id, "currency_id");
            format!("{name} ({})", db.text("res.currency", currency, "name"))
        }
        "stock.location" => {
            let full = db.text(model, id, "complete_name");
            if full.is_empty() { name } else { full }.to_owned()
        }
        "stock.picking.type" => {
            let warehouse = db.id_in(model, id, "warehouse_id");
            format!("{}: {name}", db.text("stock.warehouse", warehouse, "name"))
        }
        "account.move" => {
            let kind = if db.text(model, id, "move_type") == "out_refund" {
                "Credit Note"
            } else {
                "Invoice"
            };
            let head = match (name, db.text(model, id, "state")) {
                ("" | "/", _) if version == Version::V19 => format!("Draft {kind}"),
                ("" | "/", _) => format!("Draft {kind} (* {id})"),
                (_, "draft") => format!("Draft {kind} {name}"),
                _ => name.to_owned(),
            };
            match db.text(model, id, "ref") {
                "" => head,
                reference => format!("{head} ({reference})"),
            }
        }
        "stock.move" => {
            let place = |field: &str| db.text("stock.location", db.id_in(model, id, field), "name");
            let code = db.text(
                "product.product",
                db.id_in(model, id, "product_id"),
                "default_code",
            );
            let origin = db.text(model, id, "origin");
            let head = if origin.is_empty() {
                code.to_owned()
            } else {
                format!("{origin}/{code}")
            };
            format!(
                "{head}: {}>{}",
                place("location_id"),
                place("location_dest_id")
            )
        }
        "stock.quant" => {
            let product = db.id_in(model, id, "product_id");
            db.text("product.product", product, "name").to_owned()
        }
        _ if name.is_empty() => format!("{model},{id}"),
        _ => name.to_owned(),
    }
}

pub(super) fn tax_field(version: Version) -> &'static str {
    match version {
        Version::V17 => "tax_id",
        Version::V19 => "tax_ids",
    }
}

fn line_of(db: &Db, model: &str, id: i64, quantity: &str, taxes: &str) -> Line {
    Line {
        price: db.num(model, id, "price_unit"),
        quantity: db.num(model, id, quantity),
        discount: db.num(model, id, "discount"),
        taxes: db
            .ids(model, id, taxes)
            .into_iter()
            .map(|tax| tax::tax(db, tax))
            .collect(),
        places: places_of(db, model, id),
    }
}

/// Places of the currency of a line's document.
fn places_of(db: &Db, model: &str, id: i64) -> i32 {
    let currency = match model {
        "sale.order.line" => order_currency(db, db.id_in(model, id, "order_id")),
        _ => db.id_in(
            "account.move",
            db.id_in(model, id, "move_id"),
            "currency_id",
        ),
    };
    match db.text("res.currency", currency, "name") {
        "JPY" => 0,
        "KWD" => 3,
        _ => 2,
    }
}

fn order_totals(db: &Db, world: &World, id: i64) -> Totals {
    let taxes = tax_field(world.version);
    let lines: Vec<Line> = db
        .ids("sale.order", id, "order_line")
        .into_iter()
        .map(|line| line_of(db, "sale.order.line", line, "product_uom_qty", taxes))
        .collect();
    tax::totals(&lines, world.config.rounding(), world.version)
}

pub(super) fn order_currency(db: &Db, id: i64) -> i64 {
    match db.id_in("sale.order", id, "pricelist_id") {
        0 => db.id_in("res.company", 1, "currency_id"),
        pricelist => db.id_in("product.pricelist", pricelist, "currency_id"),
    }
}

fn order(db: &Db, world: &World, id: i64, name: &str) -> Option<Value> {
    Some(match name {
        "amount_untaxed" => json!(order_totals(db, world, id).untaxed),
        "amount_tax" => json!(order_totals(db, world, id).tax),
        "amount_total" => json!(order_totals(db, world, id).total),
        "currency_id" => link(order_currency(db, id)),
        "invoice_ids" => json!(order_invoices(db, id)),
        "invoice_count" => json!(order_invoices(db, id).len()),
        "amount_invoiced" => {
            let posted = order_invoices(db, id)
                .into_iter()
                .filter(|invoice| db.text("account.move", *invoice, "state") == "posted");
            json!(cents(
                posted
                    .map(|invoice| sign(db, invoice) * invoice_totals(db, world, invoice).total)
                    .sum()
            ))
        }
        "invoice_status" => Value::from(invoice_status(db, id)),
        "delivery_count" => json!(db.ids("sale.order", id, "picking_ids").len()),
        "delivery_status" => delivery_status(db, id),
        _ => return None,
    })
}

fn order_invoices(db: &Db, id: i64) -> Vec<i64> {
    let mut invoices: Vec<i64> = db
        .ids("sale.order", id, "order_line")
        .into_iter()
        .flat_map(|line| db.ids("sale.order.line", line, "__invoice_lines"))
        .map(|line| db.id_in("account.move.line", line, "move_id"))
        .filter(|invoice| *invoice != 0 && !is_entry(db, *invoice))
        .collect();
    invoices.sort_unstable();
    invoices.dedup();
    invoices
}

/// What undoes a credit note on 17 is a journal entry: no invoice of the order, and nothing of it is due.
fn is_entry(db: &Db, invoice: i64) -> bool {
    db.text("account.move", invoice, "move_type") == "entry"
}

fn invoice_status(db: &Db, id: i64) -> &'static str {
    if db.text("sale.order", id, "state") != "sale" {
        return "no";
    }
    let lines = db.ids("sale.order", id, "order_line");
    if lines.iter().any(|line| to_invoice(db, *line) != 0.0) {
        "to invoice"
    } else if !lines.is_empty()
        && lines
            .iter()
            .all(|line| invoiced(db, *line) >= db.num("sale.order.line", *line, "product_uom_qty"))
    {
        "invoiced"
    } else {
        "no"
    }
}

fn delivery_status(db: &Db, id: i64) -> Value {
    let states: Vec<String> = db
        .ids("sale.order", id, "picking_ids")
        .into_iter()
        .map(|picking| picking_state(db, picking))
        .filter(|state| state != "cancel")
        .collect();
    let done = states.iter().filter(|state| *state == "done").count();
    if states.is_empty() {
        Value::Bool(false)
    } else if done == states.len() {
        "full".into()
    } else if done > 0 {
        "partial".into()
    } else {
        "pending".into()
    }
}

/// What of a line is delivered: goods sent minus goods that came back to be refunded.
pub(super) fn delivered(db: &Db, line: i64) -> f64 {
    db.ids("sale.order.line", line, "move_ids")
        .into_iter()
        .filter(|id| db.text("stock.move", *id, "state") == "done")
        .map(|id| {
            let quantity = db.num("stock.move", id, "quantity");
            let outgoing = db.text(
                "stock.location",
                db.id_in("stock.move", id, "location_dest_id"),
                "usage",
            ) == "customer";
            match (outgoing, db.flag("stock.move", id, "to_refund")) {
                (true, _) => quantity,
                (false, true) => -quantity,
                (false, false) => 0.0,
            }
        })
        .fold(0.0, |sum, quantity| sum + quantity)
}

pub(super) fn invoiced(db: &Db, line: i64) -> f64 {
    db.ids("sale.order.line", line, "__invoice_lines")
        .into_iter()
        .map(|id| {
            (
                db.id_in("account.move.line", id, "move_id"),
                db.num("account.move.line", id, "quantity"),
            )
        })
        .filter(|(invoice, _)| {
            db.text("account.move", *invoice, "state") != "cancel" && !is_entry(db, *invoice)
        })
        .map(|(invoice, quantity)| sign(db, invoice) * quantity)
        .fold(0.0, |sum, quantity| sum + quantity)
}

pub(super) fn to_invoice(db: &Db, line: i64) -> f64 {
    let order = db.id_in("sale.order.line", line, "order_id");
    if db.text("sale.order", order, "state") != "sale" {
        return 0.0;
    }
    let product = db.id_in("sale.order.line", line, "product_id");
    let due = if db.text("product.product", product, "invoice_policy") == "delivery" {
        delivered(db, line)
    } else {
        db.num("sale.order.line", line, "product_uom_qty")
    };
    due - invoiced(db, line)
}

fn order_line(db: &Db, world: &World, id: i64, name: &str) -> Option<Value> {
    let totals = || {
        tax::line_totals(
            &line_of(
                db,
                "sale.order.line",
                id,
                "product_uom_qty",
                tax_field(world.version),
            ),
            world.config.rounding(),
            world.version,
        )
    };
    let order = db.id_in("sale.order.line", id, "order_id");
    Some(match name {
        "price_subtotal" => json!(totals().untaxed),
        "price_tax" => json!(totals().tax),
        "price_total" => json!(totals().total),
        "qty_delivered" => json!(delivered(db, id)),
        "qty_invoiced" => json!(invoiced(db, id)),
        "qty_to_invoice" => json!(to_invoice(db, id)),
        "state" => db.get("sale.order", order, "state").clone(),
        "currency_id" => link(order_currency(db, order)),
        "invoice_lines" => json!(db.ids("sale.order.line", id, "__invoice_lines")),
        _ => return None,
    })
}

/// Is `location` at or below `root`? 0 as root means any internal location.
fn within(db: &Db, location: i64, root: i64) -> bool {
    if root == 0 {
        return db.text("stock.location", location, "usage") == "internal";
    }
    let mut current = location;
    while current != 0 {
        if current == root {
            return true;
        }
        current = db.id_in("stock.location", current, "location_id");
    }
    false
}

fn stock_root(db: &Db, context: &Map<String, Value>) -> i64 {
    let id = |key: &str| {
        context.get(key).and_then(|value| {
            value
                .as_i64()
                .or_else(|| value.get(0).and_then(Value::as_i64))
        })
    };
    if let Some(location) = id("location") {
        return location;
    }
    let warehouse = id("warehouse_id").or_else(|| id("warehouse")).unwrap_or(0);
    db.id_in("stock.warehouse", warehouse, "view_location_id")
}

fn product(db: &Db, id: i64, name: &str, context: &Map<String, Value>) -> Option<Value> {
    if name == "lst_price" {
        return Some(json!(db.num("product.product", id, "list_price")));
    }
    if !matches!(
        name,
        "qty_available" | "free_qty" | "virtual_available" | "incoming_qty" | "outgoing_qty"
    ) {
        return None;
    }
    let root = stock_root(db, context);
    let quants = || {
        db.ids("product.product", id, "__quants")
            .into_iter()
            .filter(|quant| within(db, db.id_in("stock.quant", *quant, "location_id"), root))
    };
    let on_hand = quants()
        .map(|quant| db.num("stock.quant", quant, "quantity"))
        .fold(0.0, |sum, one| sum + one);
    if name == "qty_available" {
        return Some(json!(on_hand));
    }
    if name == "free_qty" {
        let reserved = quants()
            .map(|quant| db.num("stock.quant", quant, "reserved_quantity"))
            .fold(0.0, |sum, one| sum + one);
        return Some(json!(on_hand - reserved));
    }
    let (mut incoming, mut outgoing) = (0.0, 0.0);
    for id in db.ids("product.product", id, "__moves") {
        if matches!(
            db.text("stock.move", id, "state"),
            "done" | "cancel" | "draft"
        ) {
            continue;
        }
        let quantity = db.num("stock.move", id, "product_uom_qty");
        let from = within(db, db.id_in("stock.move", id, "location_id"), root);
        let to = within(db, db.id_in("stock.move", id, "location_dest_id"), root);
        match (from, to) {
            (true, false) => outgoing += quantity,
            (false, true) => incoming += quantity,
            _ => {}
        }
    }
    Some(json!(match name {
        "incoming_qty" => incoming,
        "outgoing_qty" => outgoing,
        _ => on_hand + incoming - outgoing,
    }))
}

pub(super) fn picking_state(db: &Db, id: i64) -> String {
    let states: Vec<&str> = db
        .ids("stock.picking", id, "move_ids")
        .into_iter()
        .map(|id| db.text("stock.move", id, "state"))
        .collect();
    let live: Vec<&&str> = states.iter().filter(|state| **state != "cancel").collect();
    if states.is_empty() || live.iter().any(|state| **state == "draft") {
        "draft"
    } else if live.is_empty() {
        "cancel"
    } else if live.iter().all(|state| **state == "done") {
        "done"
    } else if live
        .iter()
        .any(|state| matches!(**state, "assigned" | "partially_available"))
    {
        "assigned"
    } else {
        "confirmed"
    }
    .to_owned()
}

fn picking(db: &Db, id: i64, name: &str) -> Option<Value> {
    Some(match name {
        "state" => Value::from(picking_state(db, id)),
        "picking_type_code" => {
            let kind = db.id_in("stock.picking", id, "picking_type_id");
            Value::from(db.text("stock.picking.type", kind, "code"))
        }
        _ => return None,
    })
}

fn quant(db: &Db, id: i64, name: &str) -> Option<Value> {
    let number = |field: &str| db.num("stock.quant", id, field);
    Some(match name {
        "available_quantity" => json!(number("quantity") - number("reserved_quantity")),
        "inventory_quantity_auto_apply" => json!(number("quantity")),
        "inventory_diff_quantity" if db.flag("stock.quant", id, "inventory_quantity_set") => {
            json!(number("inventory_quantity") - number("quantity"))
        }
        "inventory_diff_quantity" => json!(0.0),
        "warehouse_id" => db
            .get(
                "stock.location",
                db.id_in("stock.quant", id, "location_id"),
                "warehouse_id",
            )
            .clone(),
        _ => return None,
    })
}

fn sign(db: &Db, invoice: i64) -> f64 {
    if db.text("account.move", invoice, "move_type") == "out_refund" {
        -1.0
    } else {
        1.0
    }
}

pub(super) fn invoice_totals(db: &Db, world: &World, id: i64) -> Totals {
    let lines: Vec<Line> = db
        .ids("account.move", id, "invoice_line_ids")
        .into_iter()
        .map(|line| line_of(db, "account.move.line", line, "quantity", "tax_ids"))
        .collect();
    tax::totals(&lines, world.config.rounding(), world.version)
}

/// What is still open, from the totals and what was reconciled with it.
pub(super) fn residual(db: &Db, world: &World, id: i64) -> f64 {
    let total = payments::amount(db, id).unwrap_or_else(|| invoice_totals(db, world, id).total);
    let settled: f64 = settlements(db, id)
        .iter()
        .filter_map(|item| item.get("amount").and_then(Value::as_f64))
        .sum();
    cents(total - settled)
}

fn settlements(db: &Db, id: i64) -> Vec<Value> {
    db.get("account.move", id, "__settled")
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn payment_state(db: &Db, world: &World, id: i64) -> &'static str {
    let settled = settlements(db, id);
    if db.text("account.move", id, "state") != "posted" {
        return "not_paid";
    }
    let open = residual(db, world, id);
    if is_entry(db, id) {
        return "not_paid";
    }
    if open == 0.0 && (!settled.is_empty() || invoice_totals(db, world, id).total == 0.0) {
        let only_reversals =
            !settled.is_empty() && settled.iter().all(|item| item.get("move").is_some());
        let reversal = db.text("account.move", id, "move_type") == "out_refund";
        if only_reversals && !reversal {
            "reversed"
        } else {
            "paid"
        }
    } else if settled.is_empty() {
        "not_paid"
    } else {
        "partial"
    }
}

fn invoice(db: &Db, world: &World, id: i64, name: &str) -> Option<Value> {
    Some(match name {
        "amount_untaxed" => json!(invoice_totals(db, world, id).untaxed),
        "amount_tax" => json!(invoice_totals(db, world, id).tax),
        "amount_total" => json!(invoice_totals(db, world, id).total),
        // What is open of an entry is told by its lines only.
        "amount_residual" if is_entry(db, id) => json!(0.0),
        "amount_residual" => json!(residual(db, world, id)),
        "payment_state" => Value::from(payment_state(db, world, id)),
        _ => return None,
    })
}

fn invoice_line(db: &Db, world: &World, id: i64, name: &str) -> Option<Value> {
    if let Some(value) = payments::line_field(db, world, id, name) {
        return Some(value);
    }
    let totals = tax::line_totals(
        &line_of(db, "account.move.line", id, "quantity", "tax_ids"),
        world.config.rounding(),
        world.version,
    );
    Some(match name {
        "price_subtotal" => json!(totals.untaxed),
        "price_total" => json!(totals.total),
        _ => return None,
    })
}
