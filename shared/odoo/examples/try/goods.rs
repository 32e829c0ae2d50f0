//! Lots and serial numbers, rests that are dropped. Needs products `LOT-1` with lots `A` and `B`,
//! `SER-1` with serial numbers `S1` and on, and `LOT-0` by lot without stock.

use super::Trial;
use serde_json::{Value, json};
use waybill_flow::ports::ErpCommand;
use waybill_model::command::{Command, ReceiveReturn, RegisterDelivery, SetStock};
use waybill_model::order::Order;

/// SKU, how many, and lots with how many of each.
type Goods<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

fn lines(goods: &[Goods<'_>], more: &Value) -> Vec<Value> {
    let line = |(sku, quantity, lots): &Goods<'_>| {
        let lots = lots.iter();
        let lots: Vec<Value> = lots
            .map(|(number, quantity)| json!({"number": number, "quantity": quantity}))
            .collect();
        let mut line = json!({"line_id": null, "sku": sku, "quantity": quantity, "lots": lots});
        if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
            line.extend(more.clone());
        }
        line
    };
    goods.iter().map(line).collect()
}

pub(super) fn ship(
    t: &Trial,
    order: &Order,
    id: &str,
    last: bool,
    goods: &[Goods<'_>],
) -> ErpCommand {
    let content = json!({"last": last, "shipment": {
        "warehouse": "three-pl", "id": id, "fulfillment_order": null, "status": "shipped",
        "shipped_at": null, "version": 1, "lines": lines(goods, &json!({})),
        "parcels": [{"tracking_number": format!("T-{id}"), "carrier": null, "url": null}]
    }});
    t.command(
        order,
        Command::RegisterDelivery(t.data::<RegisterDelivery>(content)),
    )
}

pub(super) fn receive(
    t: &Trial,
    order: &Order,
    id: &str,
    to: &str,
    goods: &[Goods<'_>],
) -> ErpCommand {
    let content = json!({"returned": {
        "id": id, "source": "three-pl", "status": "completed", "version": 1,
        "lines": lines(goods, &json!({ "disposition": to }))
    }});
    t.command(
        order,
        Command::ReceiveReturn(t.data::<ReceiveReturn>(content)),
    )
}

fn count(t: &Trial, levels: &[(&str, &str, Option<&str>)]) -> ErpCommand {
    let anyone = t.order("counted", &[], None, "0", false);
    let levels: Vec<Value> = levels
        .iter()
        .map(|(sku, quantity, lot)| {
            json!({"location": "three-pl", "sku": sku, "kind": "on_hand", "quantity": quantity,
                "at": "2026-01-31T10:00:00Z", "lot": lot})
        })
        .collect();
    t.command(
        &anyone,
        Command::SetStock(t.data::<SetStock>(json!({ "levels": levels }))),
    )
}

pub(super) fn order(t: &Trial, name: &str) -> Order {
    t.order(
        name,
        &[
            ("LOT-1", 5, 5, "10.00", "0", "0.1", "5.00"),
            ("SKU-0003", 2, 2, "10.00", "0", "0.1", "2.00"),
        ],
        None,
        "77.00",
        false,
    )
}

pub(super) async fn lots(t: &Trial) {
    let first = order(t, "lots");
    t.twice("an order of goods by lot", &[t.create(&first)], &["done"])
        .await;
    for (title, goods, expected) in [
        (
            "a lot that is not there",
            ("LOT-1", "1", &[("NOPE", "1")][..]),
            "unknown_lot",
        ),
        (
            "lots of less",
            ("LOT-1", "2", &[("A", "1")][..]),
            "lot_quantity_mismatch",
        ),
    ] {
        t.twice(
            title,
            &[ship(t, &first, "S0", false, &[goods])],
            &[expected],
        )
        .await;
    }
    t.twice(
        "two lots, one of them on a shelf",
        &[ship(
            t,
            &first,
            "S1",
            false,
            &[
                ("LOT-1", "3", &[("A", "1"), ("B", "2")]),
                ("SKU-0003", "1", &[]),
            ],
        )],
        &["done"],
    )
    .await;
    t.twice(
        "the rest as Odoo reserved it",
        &[ship(t, &first, "S2", false, &[("LOT-1", "1", &[])])],
        &["done"],
    )
    .await;
    t.twice(
        "nothing is to follow",
        &[ship(t, &first, "S2", true, &[("LOT-1", "1", &[])])],
        &["done"],
    )
    .await;
    t.twice(
        "of what was dropped",
        &[ship(t, &first, "S3", false, &[("LOT-1", "1", &[])])],
        &["no_open_delivery"],
    )
    .await;
    t.twice(
        "one of each lot comes back, to two places",
        &[
            receive(t, &first, "R1", "restock", &[("LOT-1", "1", &[("B", "1")])]),
            receive(
                t,
                &first,
                "R2",
                "quarantine",
                &[("LOT-1", "1", &[("A", "1")])],
            ),
        ],
        &["done", "done"],
    )
    .await;
    let serial = t.order(
        "serial",
        &[("SER-1", 2, 2, "10.00", "0", "0.1", "2.00")],
        None,
        "22.00",
        false,
    );
    t.twice("two by serial number", &[t.create(&serial)], &["done"])
        .await;
    t.twice(
        "both, with other numbers than were reserved",
        &[ship(
            t,
            &serial,
            "S1",
            false,
            &[("SER-1", "2", &[("S28", "1"), ("S29", "1")])],
        )],
        &["done"],
    )
    .await;
    let none = t.order(
        "none",
        &[("LOT-0", 1, 1, "10.00", "0", "0.1", "1.00")],
        None,
        "11.00",
        false,
    );
    t.twice("by lot and not in stock", &[t.create(&none)], &["done"])
        .await;
    t.twice(
        "no lot told, none reserved",
        &[ship(t, &none, "S1", false, &[("LOT-0", "1", &[])])],
        &["lot_needed"],
    )
    .await;
    t.twice(
        "counts by lot",
        &[count(
            t,
            &[
                ("LOT-1", "900", Some("A")),
                ("SER-1", "1", Some("S27")),
                ("SKU-0012", "4", None),
            ],
        )],
        &["done"],
    )
    .await;
    for (title, level, expected) in [
        ("by lot, without one", ("LOT-1", "4", None), "lot_needed"),
        (
            "of an unknown lot",
            ("LOT-1", "4", Some("NOPE")),
            "unknown_lot",
        ),
        (
            "two of a serial number",
            ("SER-1", "2", Some("S26")),
            "serial_counted_twice",
        ),
    ] {
        t.twice(title, &[count(t, &[level])], &[expected]).await;
    }
}
