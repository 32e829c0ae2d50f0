//! What stands when partners tell the same thing twice and differently.

use crate::told::{event, parcel, shipment};
use crate::world::{CONNECTIONS, World};
use waybill_flow::connections::Connections;
use waybill_flow::intake::refine;
use waybill_model::event::{Event, OrderObserved};
use waybill_model::order::Order;
use waybill_model::payment::{RefundLine, RefundStatus};
use waybill_model::returns::{Disposition, ReturnLine, ReturnStatus};
use waybill_model::shipment::{Shipment, ShipmentStatus};
use waybill_testkit::build::{self, connection, external};

/// The shipment that stands after both were told, whichever came first.
fn joined(one: &Shipment, other: &Shipment) -> Shipment {
    let tell = |first: &Shipment, second: &Shipment| {
        let mut world = World::new();
        for told in [first, second] {
            world.tell(&event("threepl", Event::ShipmentObserved(told.clone())));
        }
        world.state().facts.shipments[&external("SHP-1")].clone()
    };
    let stands = tell(one, other);
    assert_eq!(stands, tell(other, one));
    stands
}

#[test]
fn a_shipment_keeps_the_most_that_was_told_of_it() {
    let short = || shipment("SHP-1", ShipmentStatus::Shipped, &[("L9", "MUG-RED", 9)]);
    let long = || {
        let lines = [("L1", "MUG-RED", 1), ("L2", "TEE-M", 1)];
        shipment("SHP-1", ShipmentStatus::Shipped, &lines)
    };
    assert_eq!(joined(&short(), &long()).lines, long().lines);
    let mut tracked = short();
    tracked.parcels = vec![parcel(Some("1Z1"))];
    let mut untracked = long();
    untracked.parcels = vec![parcel(None), parcel(None)];
    assert_eq!(joined(&tracked, &untracked).parcels, tracked.parcels);
    assert_eq!(joined(&tracked, &untracked).lines, untracked.lines);
}

#[test]
fn a_shipment_has_left_when_it_was_first_said_to_have() {
    let at = |ms: Option<i64>| {
        let mut told = shipment("SHP-1", ShipmentStatus::Shipped, &[]);
        told.shipped_at = ms.map(|ms| build::start().plus_ms(ms));
        told
    };
    assert_eq!(
        joined(&at(Some(1)), &at(Some(2))).shipped_at,
        at(Some(1)).shipped_at
    );
    assert_eq!(
        joined(&at(Some(1)), &at(None)).shipped_at,
        at(Some(1)).shipped_at
    );
}

#[test]
fn a_warehouse_that_names_only_skus_fills_the_lines_of_that_sku() {
    let mut unnamed = shipment("SHP-1", ShipmentStatus::Shipped, &[("L1", "MUG-RED", 2)]);
    unnamed.lines[0].line_id = None;
    let order = build::order("1001");
    let mut world = World::new();
    world.tell(&event("shop-main", build::observed(order.clone()).body));
    world.tell(&event("threepl", Event::ShipmentObserved(unnamed)));
    let facts = &world.state().facts;
    let left = waybill_flow::amendment::shipped_by_line(&order, facts);
    assert_eq!(left[&order.lines[0].id], build::units(2));
    assert!(!left.contains_key(&order.lines[1].id));
}

#[test]
fn the_shops_names_of_products_become_ours_wherever_it_tells_them() {
    let table = "[connections.channel]\n";
    let aliases = format!("{table}sku_aliases = {{ \"MUG-RED\" = \"MUG-01\" }}\n");
    let rules = Connections::parse(&CONNECTIONS.replace(table, &aliases)).unwrap();
    let shop = rules.get(&connection("shop-main")).unwrap();
    let observed = |order: Order| {
        let findings = Vec::new();
        Event::OrderObserved(Box::new(OrderObserved { order, findings }))
    };
    let mut wanted = build::order("1001");
    wanted.lines[0].sku = Some(build::sku("MUG-01"));
    assert_eq!(
        refine(shop, observed(build::order("1001"))),
        observed(wanted)
    );
    let refunded = |sku: &str| {
        let status = RefundStatus::Succeeded;
        let mut refund = crate::told::refund("shop-main", "R-1", status, "5.00");
        refund.lines.push(RefundLine {
            line_id: build::text("L1"),
            sku: Some(build::sku(sku)),
            quantity: build::units(1),
            amount: build::amount("5.00"),
            restock: false,
        });
        Event::RefundObserved(refund)
    };
    assert_eq!(refine(shop, refunded("MUG-RED")), refunded("MUG-01"));
    assert_eq!(refine(shop, refunded("TEE-M")), refunded("TEE-M"));
    let returned = |sku: &str| {
        let status = ReturnStatus::Requested;
        let mut told = crate::told::returned("shop-main", "RET-1", status);
        told.lines.push(ReturnLine {
            line_id: None,
            sku: build::sku(sku),
            quantity: build::units(1),
            disposition: Disposition::Unknown,
            lots: Vec::new(),
        });
        Event::ReturnObserved(told)
    };
    assert_eq!(refine(shop, returned("MUG-RED")), returned("MUG-01"));
    // What is no channel has no names of its own.
    let warehouse = rules.get(&connection("threepl")).unwrap();
    assert_eq!(refine(warehouse, returned("MUG-RED")), returned("MUG-RED"));
}

#[test]
fn what_blocks_an_order_is_found_when_it_is_told() {
    let rules = Connections::parse(CONNECTIONS).unwrap();
    let shop = rules.get(&connection("shop-main")).unwrap();
    let mut order = build::order("1001");
    order.lines[0].sku = None;
    let findings = Vec::new();
    let told = Event::OrderObserved(Box::new(OrderObserved { order, findings }));
    let Event::OrderObserved(refined) = refine(shop, told) else {
        panic!("another event");
    };
    let codes: Vec<&str> = refined.findings.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["sku_missing"]);
}
