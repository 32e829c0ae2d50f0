//! What the simulator holds, for invariants.
use serde_json::{Map, Value, json};

use super::compute;
use super::db::{Db, id_list};
use super::env::World;
use super::payments;

pub(super) fn snapshot(db: &Db, world: &World) -> Value {
    let orders: Vec<Value> = db
        .all("sale.order")
        .into_iter()
        .map(|id| order(db, world, id))
        .collect();
    let of_kind = |kind: &str| -> Vec<Value> {
        let ids = db
            .all("account.move")
            .into_iter()
            .filter(|id| db.text("account.move", *id, "move_type") == kind);
        ids.map(|id| invoice(db, world, id)).collect()
    };
    json!({
        "version": world.version.digits(),
        "orders": orders,
        "stock": stock(db, world),
        "invoices": of_kind("out_invoice"),
        "credit_notes": of_kind("out_refund"),
        "payments": db.all("account.payment").into_iter().map(|id| payment(db, world.version, id)).collect::<Vec<_>>(),
        "partners": db.all("res.partner").len(),
        "external_ids": db.xid_rows().filter(|(_, row)| row.model == "sale.order").count(),
    })
}

fn get(db: &Db, world: &World, model: &str, id: i64, field: &str) -> Value {
    compute::field(db, world, model, id, field, &Map::new())
}

fn sku(db: &Db, model: &str, id: i64) -> Value {
    Value::from(db.text(
        "product.product",
        db.id_in(model, id, "product_id"),
        "default_code",
    ))
}

fn external_id(db: &Db, model: &str, id: i64) -> Value {
    db.xids_of(model, id)
        .into_iter()
        .next()
        .map_or(Value::Null, Value::from)
}

fn order(db: &Db, world: &World, id: i64) -> Value {
    let value = |field: &str| get(db, world, "sale.order", id, field);
    let lines: Vec<Value> = db
        .ids("sale.order", id, "order_line")
        .into_iter()
        .map(|line| {
            let value = |field: &str| get(db, world, "sale.order.line", line, field);
            json!({
                "sku": sku(db, "sale.order.line", line), "quantity": value("product_uom_qty"), "price_unit": value("price_unit"),
                "discount": value("discount"), "subtotal": value("price_subtotal"), "delivered": value("qty_delivered"),
                "invoiced": value("qty_invoiced"),
            })
        })
        .collect();
    let currency = db.text("res.currency", compute::order_currency(db, id), "name");
    let invoices = id_list(&value("invoice_ids"));
    let names = |kind: &str| -> Vec<&str> {
        invoices
            .iter()
            .filter(|id| db.text("account.move", **id, "move_type") == kind)
            .map(|id| db.text("account.move", *id, "name"))
            .collect()
    };
    json!({
        "id": id,
        "name": value("name"),
        "external_id": external_id(db, "sale.order", id),
        "client_order_ref": value("client_order_ref"),
        "customer": value("partner_id"),
        "invoiced_to": value("partner_invoice_id"),
        "shipped_to": value("partner_shipping_id"),
        "warehouse": value("warehouse_id"),
        "state": value("state"),
        "currency": currency,
        "amount_untaxed": value("amount_untaxed"),
        "amount_tax": value("amount_tax"),
        "amount_total": value("amount_total"),
        "date_order": value("date_order"),
        "invoice_status": value("invoice_status"),
        "lines": lines,
        "pickings": db.ids("sale.order", id, "picking_ids").into_iter().map(|id| picking(db, world, id)).collect::<Vec<_>>(),
        "invoices": names("out_invoice"),
        "credit_notes": names("out_refund"),
    })
}

fn picking(db: &Db, world: &World, id: i64) -> Value {
    let value = |field: &str| get(db, world, "stock.picking", id, field);
    let moves: Vec<Value> = db
        .ids("stock.picking", id, "move_ids")
        .into_iter()
        .map(|id| {
            let value = |field: &str| get(db, world, "stock.move", id, field);
            json!({
                "id": id, "sku": sku(db, "stock.move", id), "demand": value("product_uom_qty"), "quantity": value("quantity"),
                "picked": value("picked"), "state": value("state"),
            })
        })
        .collect();
    json!({
        "id": id,
        "name": value("name"),
        "kind": value("picking_type_code"),
        "state": value("state"),
        "tracking": value("carrier_tracking_ref"),
        "backorder_of": value("backorder_id"),
        "return_of": value("return_id"),
        "moves": moves,
    })
}

fn stock(db: &Db, world: &World) -> Value {
    let mut all = Map::new();
    for id in db.all("product.product") {
        let value = |field: &str| get(db, world, "product.product", id, field);
        if db.text("product.product", id, "type") != "service" {
            let free = value("free_qty").as_f64().unwrap_or(0.0);
            let on_hand = value("qty_available").as_f64().unwrap_or(0.0);
            let row = json!({"on_hand": on_hand, "reserved": on_hand - free, "free": free});
            all.insert(
                db.text("product.product", id, "default_code").to_owned(),
                row,
            );
        }
    }
    Value::Object(all)
}

fn invoice(db: &Db, world: &World, id: i64) -> Value {
    let value = |field: &str| get(db, world, "account.move", id, field);
    let reversed = db.id_in("account.move", id, "reversed_entry_id");
    json!({
        "id": id,
        "name": value("name"),
        "external_id": external_id(db, "account.move", id),
        "state": value("state"),
        "ref": value("ref"),
        "origin": value("invoice_origin"),
        "amount_untaxed": value("amount_untaxed"),
        "amount_total": value("amount_total"),
        "amount_residual": value("amount_residual"),
        "payment_state": value("payment_state"),
        "reverses": if reversed == 0 { Value::Null } else { Value::from(db.text("account.move", reversed, "name")) },
    })
}

fn payment(db: &Db, version: super::Version, id: i64) -> Value {
    let invoices: Vec<&str> = db
        .ids("account.payment", id, "reconciled_invoice_ids")
        .into_iter()
        .map(|id| db.text("account.move", id, "name"))
        .collect();
    json!({
        "id": id,
        "amount": db.num("account.payment", id, "amount"),
        "kind": db.text("account.payment", id, "payment_type"),
        "state": db.text("account.payment", id, "state"),
        "memo": db.text("account.payment", id, payments::memo_field(version)),
        "date": db.text("account.payment", id, "date"),
        "invoices": invoices,
    })
}
