//! Deliveries: moves, reservations, validation with backorder.
use serde_json::{Value, json};

use super::access::Right;
use super::db::id_list;
use super::env::{Env, Vals, link};
use super::fault::Fault;
use super::{Version, compute, orm, quants};

pub(super) fn is_open(state: &str) -> bool {
    !matches!(state, "done" | "cancel")
}

pub(super) fn new_name(env: &mut Env<'_>, kind: i64) -> String {
    let warehouse = env.db.id_in("stock.picking.type", kind, "warehouse_id");
    let code = env.db.text("stock.warehouse", warehouse, "code").to_owned();
    let prefix = env
        .db
        .text("stock.picking.type", kind, "sequence_code")
        .to_owned();
    let number = env.db.next_in(&format!("stock.picking.{kind}"));
    format!("{code}/{prefix}/{number:05}")
}

/// The delivery of an order, still empty.
pub(super) fn create_delivery(env: &mut Env<'_>, order: i64) -> Result<i64, Fault> {
    let warehouse = env.db.id_in("sale.order", order, "warehouse_id");
    let kind = env.db.id_in("stock.warehouse", warehouse, "out_type_id");
    let mut vals = Vals::new();
    vals.insert("name".into(), Value::from(new_name(env, kind)));
    vals.insert(
        "origin".into(),
        env.db.get("sale.order", order, "name").clone(),
    );
    vals.insert(
        "partner_id".into(),
        env.db
            .get("sale.order", order, "partner_shipping_id")
            .clone(),
    );
    vals.insert("picking_type_id".into(), link(kind));
    vals.insert(
        "location_id".into(),
        env.db
            .get("stock.picking.type", kind, "default_location_src_id")
            .clone(),
    );
    vals.insert(
        "location_dest_id".into(),
        env.db
            .get("stock.picking.type", kind, "default_location_dest_id")
            .clone(),
    );
    vals.insert("sale_id".into(), json!(order));
    vals.insert(
        "carrier_id".into(),
        env.db.get("sale.order", order, "carrier_id").clone(),
    );
    vals.insert(
        "move_type".into(),
        env.db.get("sale.order", order, "picking_policy").clone(),
    );
    vals.insert("scheduled_date".into(), env.now_text());
    vals.insert("date_deadline".into(), env.now_text());
    vals.insert("company_id".into(), json!(env.company()));
    orm::insert(env, "stock.picking", vals)
}

pub(super) fn create_move(
    env: &mut Env<'_>,
    picking: i64,
    product: i64,
    quantity: f64,
    line: Option<i64>,
) -> Result<i64, Fault> {
    let mut vals = Vals::new();
    vals.insert(
        "name".into(),
        Value::from(env.display("product.product", product)),
    );
    vals.insert("product_id".into(), json!(product));
    vals.insert("picking_id".into(), json!(picking));
    vals.insert("product_uom_qty".into(), json!(quantity));
    for field in ["location_id", "location_dest_id", "origin"] {
        vals.insert(
            field.into(),
            env.db.get("stock.picking", picking, field).clone(),
        );
    }
    vals.insert("sale_line_id".into(), link(line.unwrap_or(0)));
    // 19 marks every delivery of an order so; a return decides for itself.
    vals.insert(
        "to_refund".into(),
        json!(env.version() == Version::V19 && line.is_some()),
    );
    vals.insert("state".into(), Value::from("confirmed"));
    vals.insert("date".into(), env.now_text());
    vals.insert(
        "date_deadline".into(),
        env.db
            .get("stock.picking", picking, "date_deadline")
            .clone(),
    );
    vals.insert("company_id".into(), json!(env.company()));
    orm::insert(env, "stock.move", vals)
}

/// Is stock counted at the move's source?
fn counted(env: &Env<'_>, id: i64) -> bool {
    let product = env.db.id_in("stock.move", id, "product_id");
    let storable = match env.version() {
        Version::V17 => env.db.text("product.product", product, "type") == "product",
        Version::V19 => env.db.flag("product.product", product, "is_storable"),
    };
    storable
        && env.db.text(
            "stock.location",
            env.db.id_in("stock.move", id, "location_id"),
            "usage",
        ) == "internal"
}

/// Reserves what is there for a move.
pub(super) fn assign(env: &mut Env<'_>, id: i64) -> Result<(), Fault> {
    let demand = env.db.num("stock.move", id, "product_uom_qty");
    let quantity = env.db.num("stock.move", id, "quantity");
    if !counted(env, id) {
        return set_quantity(env, id, demand);
    }
    let (product, location) = (
        env.db.id_in("stock.move", id, "product_id"),
        env.db.id_in("stock.move", id, "location_id"),
    );
    let more = (demand - quantity)
        .min(quants::available(env, product, location))
        .max(0.0);
    set_quantity(env, id, quantity + more)
}

/// Sets the quantity of a move; the reservation follows as far as stock allows.
pub(super) fn set_quantity(env: &mut Env<'_>, id: i64, quantity: f64) -> Result<(), Fault> {
    if counted(env, id) {
        let (product, location) = (
            env.db.id_in("stock.move", id, "product_id"),
            env.db.id_in("stock.move", id, "location_id"),
        );
        let reserved = env.db.num("stock.move", id, "__reserved");
        quants::reserve(env, product, location, -reserved)?;
        let now = quantity
            .min(quants::available(env, product, location))
            .max(0.0);
        quants::reserve(env, product, location, now)?;
        env.db.set("stock.move", id, "__reserved", json!(now));
    }
    env.db.set("stock.move", id, "quantity", json!(quantity));
    let demand = env.db.num("stock.move", id, "product_uom_qty");
    let state = if quantity >= demand {
        "assigned"
    } else if quantity > 0.0 {
        "partially_available"
    } else {
        "confirmed"
    };
    env.db.set("stock.move", id, "state", Value::from(state));
    Ok(())
}

fn release(env: &mut Env<'_>, id: i64) -> Result<(), Fault> {
    let reserved = env.db.num("stock.move", id, "__reserved");
    let (product, location) = (
        env.db.id_in("stock.move", id, "product_id"),
        env.db.id_in("stock.move", id, "location_id"),
    );
    quants::reserve(env, product, location, -reserved)?;
    env.db.set("stock.move", id, "__reserved", json!(0.0));
    Ok(())
}

pub(super) fn write_move(env: &mut Env<'_>, id: i64, mut vals: Vals) -> Result<(), Fault> {
    let open = is_open(env.db.text("stock.move", id, "state"));
    if let Some(quantity) = vals.remove("quantity") {
        let quantity = quantity.as_f64().unwrap_or(0.0);
        if open {
            set_quantity(env, id, quantity)?;
        } else if env.db.text("stock.move", id, "state") == "done" {
            // A done move can be corrected: the goods follow.
            let change = quantity - env.db.num("stock.move", id, "quantity");
            shift(env, id, change)?;
            env.db.set("stock.move", id, "quantity", json!(quantity));
        }
    }
    orm::store(env, "stock.move", id, vals)
}

fn shift(env: &mut Env<'_>, id: i64, quantity: f64) -> Result<(), Fault> {
    let id_in = |field: &str| env.db.id_in("stock.move", id, field);
    let (product, from, to) = (
        id_in("product_id"),
        id_in("location_id"),
        id_in("location_dest_id"),
    );
    quants::transfer(env, product, from, to, quantity)
}

pub(super) fn cancel_moves(env: &mut Env<'_>, ids: &[i64]) -> Result<(), Fault> {
    for id in ids.iter().copied() {
        if is_open(env.db.text("stock.move", id, "state")) {
            release(env, id)?;
            env.db.set("stock.move", id, "quantity", json!(0.0));
            env.db.set("stock.move", id, "state", Value::from("cancel"));
        }
    }
    Ok(())
}

/// `action_cancel` of pickings.
pub(super) fn action_cancel(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("stock.picking", Right::Write)?;
    env.check_exist("stock.picking", ids)?;
    for id in ids {
        let moves = env.db.ids("stock.picking", *id, "move_ids");
        if moves
            .iter()
            .any(|id| env.db.text("stock.move", *id, "state") == "done")
        {
            return Err(Fault::user(
                "You cannot cancel a stock move that has been set to 'Done'. Create a return in order to reverse the moves which took place.",
            ));
        }
        cancel_moves(env, &moves)?;
    }
    Ok(Value::Bool(true))
}

/// `action_assign`: reserve again.
pub(super) fn action_assign(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("stock.picking", Right::Write)?;
    env.check_exist("stock.picking", ids)?;
    let moves: Vec<i64> = ids
        .iter()
        .flat_map(|id| env.db.ids("stock.picking", *id, "move_ids"))
        .collect();
    let open: Vec<i64> = moves
        .into_iter()
        .filter(|id| is_open(env.db.text("stock.move", *id, "state")))
        .collect();
    if open.is_empty() {
        return Err(Fault::user("Nothing to check the availability for."));
    }
    for id in open {
        assign(env, id)?;
    }
    Ok(Value::Bool(true))
}

fn nothing_reserved(version: Version) -> Fault {
    Fault::user(match version {
        Version::V17 => {
            "You cannot validate a transfer if no quantities are reserved. To force the transfer, encode quantities."
        }
        Version::V19 => {
            "Transfer trouble alert! Validating a zero quantity transfer? You're not moving invisible goods around are you?\nSet some \
             quantities and let's get moving!"
        }
    })
}

/// `button_validate`: `true`, or the action of a wizard that a person would see.
pub(super) fn button_validate(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("stock.picking", Right::Read)?;
    env.check_exist("stock.picking", ids)?;
    let v17 = env.version() == Version::V17;
    let todo: Vec<i64> = ids
        .iter()
        .copied()
        .filter(|id| v17 || compute::picking_state(env.db, *id) != "done")
        .collect();
    sanity_check(env, &todo)?;
    env.check("stock.picking", Right::Write)?;
    for id in todo.iter().copied() {
        pick_all_if_none_is_picked(env, id);
    }
    let short: Vec<i64> = todo
        .iter()
        .copied()
        .filter(|id| is_short(env, *id))
        .collect();
    if !short.is_empty() && !env.flag("skip_backorder") {
        return Ok(backorder_wizard(env, &todo, &short));
    }
    if !env.flag("skip_sms")
        && !env.db.flag("res.company", env.company(), "__sms_warned")
        && todo.iter().any(|id| has_phone(env, *id))
    {
        return Ok(sms_wizard(env, &todo));
    }
    let dropped = env
        .context
        .get("picking_ids_not_to_backorder")
        .map(id_list)
        .unwrap_or_default();
    for id in todo {
        action_done(env, id, dropped.contains(&id))?;
    }
    Ok(Value::Bool(true))
}

fn sanity_check(env: &Env<'_>, ids: &[i64]) -> Result<(), Fault> {
    let moves = |id: i64| env.db.ids("stock.picking", id, "move_ids");
    let empty: Vec<i64> = ids
        .iter()
        .copied()
        .filter(|id| moves(*id).is_empty())
        .collect();
    if let [_] = ids {
        if !empty.is_empty() {
            return Err(Fault::user(
                "You can’t validate an empty transfer. Please add some products to move before proceeding.",
            ));
        }
        let v17 = env.version() == Version::V17;
        let unreserved = ids.iter().any(|id| {
            let open: Vec<i64> = moves(*id)
                .into_iter()
                .filter(|id| is_open(env.db.text("stock.move", *id, "state")))
                .collect();
            let any_picked = open
                .iter()
                .any(|id| env.db.flag("stock.move", *id, "picked"));
            open.iter()
                .filter(|id| v17 || !any_picked || env.db.flag("stock.move", **id, "picked"))
                .all(|id| env.db.num("stock.move", *id, "quantity") == 0.0)
        });
        if unreserved {
            return Err(nothing_reserved(env.version()));
        }
    } else if !empty.is_empty() {
        let names: Vec<&str> = empty
            .iter()
            .map(|id| env.db.text("stock.picking", *id, "name"))
            .collect();
        return Err(Fault::user(format!(
            "Transfers {}: Please add some items to move.",
            names.join(", ")
        )));
    }
    Ok(())
}

fn pick_all_if_none_is_picked(env: &mut Env<'_>, id: i64) {
    let moves = env.db.ids("stock.picking", id, "move_ids");
    let picked = moves
        .iter()
        .any(|id| env.db.flag("stock.move", *id, "picked"));
    let quantity = moves
        .iter()
        .any(|id| env.db.num("stock.move", *id, "quantity") != 0.0);
    if quantity && !picked {
        for id in moves {
            env.db.set("stock.move", id, "picked", json!(true));
        }
    }
}

fn is_short(env: &Env<'_>, id: i64) -> bool {
    env.db
        .ids("stock.picking", id, "move_ids")
        .into_iter()
        .filter(|id| env.db.text("stock.move", *id, "state") != "cancel")
        .any(|id| {
            let demand = env.db.num("stock.move", id, "product_uom_qty");
            let picked = env.db.flag("stock.move", id, "picked");
            (demand != 0.0 && !picked)
                || (picked && env.db.num("stock.move", id, "quantity") < demand)
        })
}

fn backorder_wizard(env: &Env<'_>, ids: &[i64], short: &[i64]) -> Value {
    let view = if env.version() == Version::V17 {
        927
    } else {
        1017
    };
    let picks: Vec<Value> = short.iter().map(|id| json!([4, id])).collect();
    let mut context = env.context.clone();
    context.insert("button_validate_picking_ids".into(), json!(ids));
    context.insert("default_show_transfers".into(), json!(ids.len() > 1));
    context.insert("default_pick_ids".into(), json!(picks));
    json!({
        "name": "Create Backorder?", "type": "ir.actions.act_window", "view_mode": "form", "res_model": "stock.backorder.confirmation",
        "views": [[view, "form"]], "view_id": view, "target": "new",
        "context": context,
    })
}

fn has_phone(env: &Env<'_>, id: i64) -> bool {
    let partner = env.db.id_in("stock.picking", id, "partner_id");
    let kind = env.db.id_in("stock.picking", id, "picking_type_id");
    let reachable = ["phone", "mobile"]
        .iter()
        .any(|field| !env.db.text("res.partner", partner, field).is_empty());
    env.db.text("stock.picking.type", kind, "code") == "outgoing" && reachable
}

fn sms_wizard(env: &Env<'_>, ids: &[i64]) -> Value {
    let view = if env.version() == Version::V17 {
        1100
    } else {
        1190
    };
    let mut context = env.context.clone();
    context.insert("button_validate_picking_ids".into(), json!(ids));
    json!({
        "name": "SMS", "type": "ir.actions.act_window", "view_mode": "form", "res_model": "confirm.stock.sms",
        "views": [[view, "form"]], "view_id": view, "target": "new", "res_id": 1, "context": context,
    })
}

/// Moves the goods that were picked; the rest goes to a backorder or is dropped.
fn action_done(env: &mut Env<'_>, picking: i64, drop_rest: bool) -> Result<(), Fault> {
    let open: Vec<i64> = env
        .db
        .ids("stock.picking", picking, "move_ids")
        .into_iter()
        .filter(|id| is_open(env.db.text("stock.move", *id, "state")))
        .collect();
    for id in open {
        let quantity = env.db.num("stock.move", id, "quantity");
        if quantity <= 0.0 || !env.db.flag("stock.move", id, "picked") {
            if drop_rest {
                cancel_moves(env, &[id])?;
            }
            continue;
        }
        let rest = env.db.num("stock.move", id, "product_uom_qty") - quantity;
        if rest > 0.0 && !drop_rest {
            split(env, id, rest)?;
        }
        release(env, id)?;
        shift(env, id, quantity)?;
        let now = env.now_text();
        env.db.set("stock.move", id, "date", now);
        env.db.set("stock.move", id, "state", Value::from("done"));
    }
    let now = env.now_text();
    env.db.set("stock.picking", picking, "date_done", now);
    backorder(env, picking)
}

fn split(env: &mut Env<'_>, id: i64, rest: f64) -> Result<(), Fault> {
    let picking = env.db.id_in("stock.move", id, "picking_id");
    let product = env.db.id_in("stock.move", id, "product_id");
    let line = env.db.id_in("stock.move", id, "sale_line_id");
    let done = env.db.num("stock.move", id, "product_uom_qty") - rest;
    env.db.set("stock.move", id, "product_uom_qty", json!(done));
    let new = create_move(env, picking, product, rest, Some(line))?;
    for field in ["origin_returned_move_id", "to_refund"] {
        let value = env.db.get("stock.move", id, field).clone();
        env.db.set("stock.move", new, field, value);
    }
    Ok(())
}

fn backorder(env: &mut Env<'_>, picking: i64) -> Result<(), Fault> {
    let rest: Vec<i64> = env
        .db
        .ids("stock.picking", picking, "move_ids")
        .into_iter()
        .filter(|id| is_open(env.db.text("stock.move", *id, "state")))
        .collect();
    if rest.is_empty() {
        return Ok(());
    }
    let kind = env.db.id_in("stock.picking", picking, "picking_type_id");
    let mut vals: Vals = env
        .db
        .record("stock.picking", picking)
        .cloned()
        .unwrap_or_default();
    // Not copied: what belongs to the parcel that left.
    for field in [
        "carrier_tracking_ref",
        "carrier_price",
        "date_done",
        "move_ids",
        "backorder_ids",
        "return_ids",
    ] {
        vals.remove(field);
    }
    vals.insert("name".into(), Value::from(new_name(env, kind)));
    vals.insert("backorder_id".into(), json!(picking));
    let new = orm::insert(env, "stock.picking", vals)?;
    for id in rest {
        env.db.set("stock.move", id, "picking_id", json!(new));
        env.db.set("stock.move", id, "picked", json!(false));
        assign(env, id)?;
    }
    Ok(())
}
