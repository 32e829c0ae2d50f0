//! What is still to be booked of a shipment.

use super::*;
use crate::catalog::Product;
use serde_json::{Value, json};
use waybill_model::id::Sku;
use waybill_model::order::Order;

fn order() -> Order {
    serde_json::from_value(json!({
        "channel": "shop", "id": "1", "number": "#1", "version": 1,
        "placed_at": "2026-01-31T10:00:00Z", "test": false, "currency": "USD",
        "taxes_included": false, "payment": "paid", "cancelled": null, "customer": null,
        "billing": null, "shipping": null, "lines": [], "shipping_lines": [],
        "gift_card_paid": "0", "tip": "0", "rounding": "0",
        "totals": {"subtotal": "0", "shipping": "0", "tax": "0", "total": "0"}, "note": null
    }))
    .unwrap()
}

/// Three of `SKU-A` (product 1) and two of `SKU-B` (product 2) in one parcel.
fn shipment(tracking: Option<&str>) -> Shipment {
    let line =
        |sku: &str, quantity: &str| json!({"line_id": null, "sku": sku, "quantity": quantity});
    serde_json::from_value(json!({
        "warehouse": "wh", "id": "S1", "fulfillment_order": null, "status": "shipped",
        "lines": [line("SKU-A", "3"), line("SKU-B", "2")],
        "parcels": [{"tracking_number": tracking, "carrier": null, "url": null}],
        "shipped_at": null, "version": 1
    }))
    .unwrap()
}

fn picking(id: i64, state: &str, origin: &str) -> Picking {
    serde_json::from_value(json!({
        "id": id, "name": format!("WH/OUT/{id}"), "state": state, "origin": origin,
        "sale_id": [7, "S00007"], "picking_type_code": "outgoing", "carrier_tracking_ref": false
    }))
    .unwrap()
}

/// A move of `product` on `picking`: demand, and what was moved.
fn item(id: i64, picking: i64, product: i64, demand: f64, moved: f64, state: &str) -> Move {
    serde_json::from_value(json!({
        "id": id, "picking_id": [picking, "P"], "product_id": [product, "A"],
        "product_uom_qty": demand, "quantity": moved, "state": state,
        "origin_returned_move_id": false, "date_deadline": false
    }))
    .unwrap()
}

fn world(state: &str, pickings: Vec<Picking>, moves: Vec<Move>) -> World {
    let found: Value = json!({
        "id": 7, "name": "S00007", "state": state, "amount_total": 0.0,
        "currency_id": [1, "USD"], "date_order": "2026-01-31 10:00:00"
    });
    let products = [("SKU-A", 1), ("SKU-B", 2)];
    let products = products.map(|(sku, id)| (Sku::new(sku).unwrap(), Product::One(id)));
    World {
        orders: [(
            order().correlation(),
            serde_json::from_value(found).unwrap(),
        )]
        .into(),
        pickings,
        moves,
        catalog: Catalog {
            products: products.into(),
            ..Catalog::default()
        },
        lots: Lots::default(),
        gone: Goods::new(),
    }
}

const MARKED: &str = "S00007 [shipment wh:S1]";

/// The first of two transfers was validated, the second was refused.
fn half_booked() -> World {
    world(
        "sale",
        vec![picking(21, "done", MARKED), picking(22, "assigned", MARKED)],
        vec![
            item(31, 21, 1, 3.0, 3.0, "done"),
            item(32, 22, 2, 2.0, 2.0, "assigned"),
        ],
    )
}

#[test]
fn of_two_transfers_of_which_one_is_done_the_other_is_booked() {
    let plan = plan(&half_booked(), order().correlation(), &shipment(Some("T1"))).unwrap();
    assert_eq!(plan.done, [21]);
    assert_eq!(plan.untracked, [(21, "T1".to_owned())]);
    let booked: Vec<_> = plan
        .bookings
        .iter()
        .map(|b| (b.picking, &b.moves))
        .collect();
    assert_eq!(booked, [(22, &vec![(32, Decimal::from(2))])]);
    assert_eq!(plan.pickings(), [21, 22]);
}

#[test]
fn what_is_done_in_full_is_booked_no_more() {
    let mut world = half_booked();
    world.pickings[1] = picking(22, "done", MARKED);
    world.moves[1] = item(32, 22, 2, 2.0, 2.0, "done");
    // A backorder that Odoo copied the mark to is not this shipment's.
    world.pickings.push(picking(23, "assigned", MARKED));
    world.moves.push(item(33, 23, 1, 9.0, 0.0, "assigned"));
    let plan = plan(&world, order().correlation(), &shipment(None)).unwrap();
    assert_eq!((plan.done.len(), plan.bookings.len()), (2, 0));
}

#[test]
fn a_move_of_a_done_transfer_that_did_not_leave_does_not_count() {
    let mut world = half_booked();
    world.moves[0] = item(31, 21, 1, 1.0, 1.0, "done");
    world.moves.push(item(34, 21, 1, 2.0, 2.0, "cancel"));
    world.pickings.push(picking(23, "assigned", "S00007"));
    world.moves.push(item(35, 23, 1, 2.0, 0.0, "assigned"));
    let plan = plan(&world, order().correlation(), &shipment(None)).unwrap();
    let booked: Vec<_> = plan
        .bookings
        .iter()
        .map(|b| (b.picking, &b.moves))
        .collect();
    let two = Decimal::from(2);
    assert_eq!(booked, [(22, &vec![(32, two)]), (23, &vec![(35, two)])]);
}

#[test]
fn a_rest_without_an_open_transfer_is_refused_and_not_called_done() {
    let mut world = half_booked();
    world.pickings.truncate(1);
    let refused = plan(&world, order().correlation(), &shipment(None)).unwrap_err();
    assert_eq!(refused.code().as_str(), "no_open_delivery");
}

#[test]
fn a_shipment_without_goods_is_refused_unless_it_was_booked() {
    let mut empty = shipment(Some("T1"));
    empty.lines.clear();
    let booked = plan(&half_booked(), order().correlation(), &empty).unwrap();
    assert_eq!((booked.done, booked.bookings.len()), (vec![21], 0));
    let open = world("sale", vec![picking(22, "assigned", "S00007")], Vec::new());
    let refused = plan(&open, order().correlation(), &empty).unwrap_err();
    assert_eq!(refused.code().as_str(), "empty_shipment");
}
