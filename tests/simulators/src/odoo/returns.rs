//! The return wizard. Its lines are prefilled on 17 and zero on 19; its method has another name in each.
use serde_json::{Value, json};

use super::access::Right;
use super::env::{Env, Vals, link};
use super::fault::Fault;
use super::{Version, orm, stock};

pub(super) fn create_wizard(env: &mut Env<'_>, mut vals: Vals) -> Result<i64, Fault> {
    let active = env.context.get("active_id").and_then(Value::as_i64);
    let picking = vals
        .get("picking_id")
        .and_then(Value::as_i64)
        .or(active)
        .unwrap_or(0);
    if picking != 0 {
        // Whether it is done is asked by the form alone.
        env.check_exist("stock.picking", &[picking])?;
    }
    vals.insert("picking_id".into(), link(picking));
    let given = vals.contains_key("product_return_moves");
    let id = orm::insert(env, "stock.return.picking", vals)?;
    if !given {
        prefill(env, id, picking)?;
    }
    Ok(id)
}

fn prefill(env: &mut Env<'_>, wizard: i64, picking: i64) -> Result<(), Fault> {
    for id in env.db.ids("stock.picking", picking, "move_ids") {
        if env.db.text("stock.move", id, "state") != "done" {
            continue;
        }
        let returned: f64 = env
            .db
            .ids("stock.move", id, "returned_move_ids")
            .into_iter()
            .filter(|id| env.db.text("stock.move", *id, "state") != "cancel")
            .map(|id| env.db.num("stock.move", id, "quantity"))
            .sum();
        let left = env.db.num("stock.move", id, "quantity") - returned;
        let quantity = if env.version() == Version::V17 {
            left.max(0.0)
        } else {
            0.0
        };
        let mut vals = Vals::new();
        vals.insert("wizard_id".into(), json!(wizard));
        vals.insert(
            "product_id".into(),
            env.db.get("stock.move", id, "product_id").clone(),
        );
        vals.insert("move_id".into(), json!(id));
        vals.insert("quantity".into(), json!(quantity));
        vals.insert("to_refund".into(), json!(true));
        orm::insert(env, "stock.return.picking.line", vals)?;
    }
    Ok(())
}

/// `create_returns` (17), `action_create_returns` (19): the action that shows the new picking.
pub(super) fn create_returns(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("stock.return.picking", Right::Write)?;
    env.check_exist("stock.return.picking", ids)?;
    let [wizard] = ids else {
        return Err(Fault::new(
            super::fault::Class::Value,
            "Expected singleton: stock.return.picking()",
        ));
    };
    let source = env.db.id_in("stock.return.picking", *wizard, "picking_id");
    let lines: Vec<(i64, f64)> = env
        .db
        .ids("stock.return.picking", *wizard, "product_return_moves")
        .into_iter()
        .map(|line| {
            (
                line,
                env.db.num("stock.return.picking.line", line, "quantity"),
            )
        })
        .filter(|(_, quantity)| *quantity > 0.0)
        .collect();
    if lines.is_empty() {
        return Err(Fault::user(
            "Please specify at least one non-zero quantity.",
        ));
    }
    let new = create_picking(env, source)?;
    for (line, quantity) in lines {
        let origin = env.db.id_in("stock.return.picking.line", line, "move_id");
        let product = env
            .db
            .id_in("stock.return.picking.line", line, "product_id");
        let sale_line = env.db.id_in("stock.move", origin, "sale_line_id");
        let id = stock::create_move(env, new, product, quantity, Some(sale_line))?;
        let refund = env
            .db
            .get("stock.return.picking.line", line, "to_refund")
            .clone();
        env.db.set("stock.move", id, "to_refund", refund);
        env.db
            .set("stock.move", id, "origin_returned_move_id", link(origin));
        let source_document = env.db.get("stock.move", origin, "origin").clone();
        env.db.set("stock.move", id, "origin", source_document);
        stock::assign(env, id)?;
    }
    Ok(action(env, new))
}

fn create_picking(env: &mut Env<'_>, source: i64) -> Result<i64, Fault> {
    let out = env.db.id_in("stock.picking", source, "picking_type_id");
    let warehouse = env.db.id_in("stock.picking.type", out, "warehouse_id");
    let kind = env.db.id_in("stock.warehouse", warehouse, "in_type_id");
    let mut vals = Vals::new();
    vals.insert("name".into(), Value::from(stock::new_name(env, kind)));
    vals.insert(
        "origin".into(),
        Value::from(format!(
            "Return of {}",
            env.db.text("stock.picking", source, "name")
        )),
    );
    vals.insert("picking_type_id".into(), json!(kind));
    vals.insert(
        "location_id".into(),
        env.db
            .get("stock.picking", source, "location_dest_id")
            .clone(),
    );
    vals.insert(
        "location_dest_id".into(),
        env.db.get("stock.picking", source, "location_id").clone(),
    );
    vals.insert(
        "partner_id".into(),
        env.db.get("stock.picking", source, "partner_id").clone(),
    );
    vals.insert(
        "sale_id".into(),
        env.db.get("stock.picking", source, "sale_id").clone(),
    );
    vals.insert("return_id".into(), json!(source));
    vals.insert("scheduled_date".into(), env.now_text());
    vals.insert("company_id".into(), json!(env.company()));
    orm::insert(env, "stock.picking", vals)
}

fn action(env: &Env<'_>, picking: i64) -> Value {
    if env.version() == Version::V19 {
        return json!({
            "name": "Returned Picking", "view_mode": "form", "res_model": "stock.picking", "res_id": picking,
            "type": "ir.actions.act_window", "context": {},
        });
    }
    let kind = env.db.id_in("stock.picking", picking, "picking_type_id");
    json!({
        "name": "Returned Picking", "view_mode": "form,tree,calendar", "res_model": "stock.picking", "res_id": picking,
        "type": "ir.actions.act_window",
        "context": {
            "default_partner_id": env.db.get("stock.picking", picking, "partner_id"), "search_default_picking_type_id": kind,
            "search_default_draft": false, "search_default_assigned": false, "search_default_confirmed": false,
            "search_default_ready": false, "search_default_planning_issues": false, "search_default_available": false,
        },
    })
}
