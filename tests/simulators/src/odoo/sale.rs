//! Confirming, changing and cancelling sales orders.
use serde_json::{Value, json};

use super::access::Right;
use super::env::{Env, Vals};
use super::fault::{Class, Fault};
use super::{Version, compute, orm, stock};

fn names(env: &Env<'_>, ids: &[i64]) -> String {
    ids.iter()
        .map(|id| env.db.text("sale.order", *id, "name"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `action_confirm`: all orders or none.
pub(super) fn action_confirm(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("sale.order", Right::Read)?;
    env.check_exist("sale.order", ids)?;
    if env.version() == Version::V17 && env.flag(super::concurrency::LOST) {
        // Both calls subscribe the customer; the loser meets the unique index before it looks at states again.
        let text = "The operation cannot be completed: Error, a partner cannot follow twice the same object.";
        return Err(Fault::validation(text));
    }
    if ids
        .iter()
        .any(|id| !matches!(env.db.text("sale.order", *id, "state"), "draft" | "sent"))
    {
        return Err(Fault::user(match env.version() {
            // All orders of the batch are named, not only those in a wrong state.
            Version::V17 => format!(
                "The following orders are not in a state requiring confirmation: {}",
                names(env, ids)
            ),
            Version::V19 => "Some orders are not in a state requiring confirmation.".to_owned(),
        }));
    }
    if env.version() == Version::V19
        && ids
            .iter()
            .flat_map(|id| env.db.ids("sale.order", *id, "order_line"))
            .any(|line| no_product(env, line))
    {
        return Err(Fault::user(
            "Some order lines are missing a product, you need to correct them before going further.",
        ));
    }
    env.check("sale.order", Right::Write)?;
    for id in ids {
        env.db.set("sale.order", *id, "state", Value::from("sale"));
        let now = env.now_text();
        env.db.set("sale.order", *id, "date_order", now);
    }
    launch(env, ids)?;
    Ok(Value::Bool(true))
}

fn no_product(env: &Env<'_>, line: i64) -> bool {
    env.db.id_in("sale.order.line", line, "product_id") == 0
        && env
            .db
            .text("sale.order.line", line, "display_type")
            .is_empty()
}

/// Makes the deliveries of confirmed orders.
pub(super) fn launch(env: &mut Env<'_>, ids: &[i64]) -> Result<(), Fault> {
    let mut missing: Vec<String> = Vec::new();
    for id in ids {
        let stranded = unserved(env, *id);
        for line in env.db.ids("sale.order", *id, "order_line") {
            let product = env.db.id_in("sale.order.line", line, "product_id");
            let code = env
                .db
                .text("product.product", product, "default_code")
                .to_owned();
            if goods(env, product)
                && (stranded.is_some() || env.world.config.unroutable_skus.contains(&code))
            {
                missing.push(no_rule(env, product, stranded));
            }
        }
    }
    if !missing.is_empty() {
        return Err(Fault::user(missing.join("\n")));
    }
    for id in ids {
        let lines: Vec<(i64, f64)> = env
            .db
            .ids("sale.order", *id, "order_line")
            .into_iter()
            .map(|line| (line, env.db.num("sale.order.line", line, "product_uom_qty")))
            .collect();
        procure(env, *id, &lines)?;
    }
    Ok(())
}

/// Where the customer's goods go, if no rule serves that place: the seeded rules serve customers only.
fn unserved(env: &Env<'_>, order: i64) -> Option<i64> {
    let partner = env.db.id_in("sale.order", order, "partner_shipping_id");
    let place = env
        .db
        .id_in("res.partner", partner, "property_stock_customer");
    (place != 0 && env.db.text("stock.location", place, "usage") != "customer").then_some(place)
}

/// Odoo names the product and the place, not the order.
fn no_rule(env: &Env<'_>, product: i64, place: Option<i64>) -> String {
    let product = env.display("product.product", product);
    let place = match (place, env.version()) {
        (Some(place), _) => env.display("stock.location", place),
        (None, Version::V17) => "Partners/Customers".to_owned(),
        (None, Version::V19) => "Customers".to_owned(),
    };
    match env.version() {
        Version::V17 => format!(
            "No rule has been found to replenish '{product}' in '{place}'.\nVerify the routes configuration on the product."
        ),
        Version::V19 => {
            format!(
                "No rule has been found to replenish \"{product}\" in \"{place}\".\nVerify the routes configuration on the product."
            )
        }
    }
}

fn goods(env: &Env<'_>, product: i64) -> bool {
    product != 0 && env.db.text("product.product", product, "type") != "service"
}

/// Adds moves for `(line, quantity)` to the order's open delivery, or makes one.
pub(super) fn procure(env: &mut Env<'_>, order: i64, lines: &[(i64, f64)]) -> Result<(), Fault> {
    let wanted: Vec<(i64, i64, f64)> = lines
        .iter()
        .map(|(line, quantity)| {
            (
                *line,
                env.db.id_in("sale.order.line", *line, "product_id"),
                *quantity,
            )
        })
        .filter(|(_, product, quantity)| *quantity > 0.0 && goods(env, *product))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let open = env
        .db
        .ids("sale.order", order, "picking_ids")
        .into_iter()
        .find(|picking| {
            let state = compute::picking_state(env.db, *picking);
            !matches!(state.as_str(), "done" | "cancel")
                && env.db.id_in("stock.picking", *picking, "return_id") == 0
        });
    let picking = match open {
        Some(picking) => picking,
        None => stock::create_delivery(env, order)?,
    };
    for (line, product, quantity) in wanted {
        let id = stock::create_move(env, picking, product, quantity, Some(line))?;
        stock::assign(env, id)?;
    }
    Ok(())
}

/// Writing a line of a confirmed order changes its deliveries too.
pub(super) fn write_line(env: &mut Env<'_>, id: i64, mut vals: Vals) -> Result<(), Fault> {
    super::models::cut_price(env, &mut vals);
    let order = env.db.id_in("sale.order.line", id, "order_id");
    let confirmed = env.db.text("sale.order", order, "state") == "sale";
    let before = env.db.num("sale.order.line", id, "product_uom_qty");
    let product = env.db.id_in("sale.order.line", id, "product_id");
    let new_product = vals
        .get("product_id")
        .and_then(Value::as_i64)
        .is_some_and(|new| new != product);
    if confirmed && new_product && env.version() == Version::V19 {
        return Err(Fault::user(
            "You cannot modify the product of this order line.",
        ));
    }
    let priced = vals.contains_key("price_unit");
    orm::store(env, "sale.order.line", id, vals)?;
    let quantity = env.db.num("sale.order.line", id, "product_uom_qty");
    if quantity != before && !priced {
        price_again(env, id);
    }
    let change = env.db.num("sale.order.line", id, "product_uom_qty") - before;
    if !confirmed || change == 0.0 {
        return Ok(());
    }
    let open = env
        .db
        .ids("sale.order.line", id, "move_ids")
        .into_iter()
        .find(|id| stock::is_open(env.db.text("stock.move", *id, "state")));
    match open {
        Some(id) => {
            let demand = (env.db.num("stock.move", id, "product_uom_qty") + change).max(0.0);
            env.db
                .set("stock.move", id, "product_uom_qty", json!(demand));
            if env.db.num("stock.move", id, "quantity") > demand {
                stock::set_quantity(env, id, demand)?;
            }
            if demand == 0.0 {
                return stock::cancel_moves(env, &[id]);
            }
            stock::assign(env, id)
        }
        None => procure(env, order, &[(id, change)]),
    }
}

/// A quantity that is written without a price sets the price to that of the price list. 19 leaves a price alone that was
/// written after the line was made, and both leave alone what is invoiced.
fn price_again(env: &mut Env<'_>, id: i64) {
    let by_hand = env.version() == Version::V19
        && env.db.num("sale.order.line", id, "__first_price")
            != env.db.num("sale.order.line", id, "price_unit");
    let product = env.db.id_in("sale.order.line", id, "product_id");
    if product == 0 || by_hand || compute::invoiced(env.db, id) > 0.0 {
        return;
    }
    let order = env.db.id_in("sale.order.line", id, "order_id");
    let price = json!(super::models::list_price(env, order, product));
    env.db
        .set("sale.order.line", id, "price_unit", price.clone());
    env.db.set("sale.order.line", id, "__first_price", price);
}

/// `action_cancel`. On 17, without the flag, an order that is no draft only gets a wizard, and nothing is cancelled.
pub(super) fn action_cancel(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("sale.order", Right::Read)?;
    env.check_exist("sale.order", ids)?;
    if ids
        .iter()
        .any(|id| env.db.flag("sale.order", *id, "locked"))
    {
        return Err(Fault::user(
            "You cannot cancel a locked order. Please unlock it first.",
        ));
    }
    let drafts = ids
        .iter()
        .all(|id| env.db.text("sale.order", *id, "state") == "draft");
    if env.version() == Version::V17 && !env.flag("disable_cancel_warning") && !drafts {
        let [id] = ids else {
            let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
            return Err(Fault::new(
                Class::Value,
                format!("Expected singleton: sale.order({})", list.join(", ")),
            ));
        };
        return Ok(cancel_wizard(*id));
    }
    env.check("sale.order", Right::Write)?;
    for id in ids {
        for picking in env.db.ids("sale.order", *id, "picking_ids") {
            stock::cancel_moves(env, &env.db.ids("stock.picking", picking, "move_ids"))?;
        }
        for invoice in super::db::id_list(&env.get("sale.order", *id, "invoice_ids")) {
            if env.db.text("account.move", invoice, "state") == "draft" {
                env.db
                    .set("account.move", invoice, "state", Value::from("cancel"));
            }
        }
        env.db
            .set("sale.order", *id, "state", Value::from("cancel"));
    }
    Ok(Value::Bool(true))
}

fn cancel_wizard(id: i64) -> Value {
    json!({
        "name": "Cancel Sales Order", "view_mode": "form", "res_model": "sale.order.cancel", "view_id": 1164,
        "type": "ir.actions.act_window", "target": "new",
        "context": {
            "default_template_id": 19, "default_order_id": id, "mark_so_as_canceled": true, "model_description": "Sales Order",
            "default_email_layout_xmlid": "mail.mail_notification_layout_with_responsible_signature",
        },
    })
}

/// `action_draft`: cancelled orders become quotations again.
pub(super) fn action_draft(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("sale.order", Right::Write)?;
    env.check_exist("sale.order", ids)?;
    for id in ids.iter().copied() {
        if matches!(env.db.text("sale.order", id, "state"), "cancel" | "sent") {
            env.db.set("sale.order", id, "state", Value::from("draft"));
        }
    }
    Ok(Value::Bool(true))
}
