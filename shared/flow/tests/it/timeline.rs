//! What the timeline says of an event, which references are learned from it, and what stock does.

use crate::told::{
    decided, event, finished, parcel, payment, refund, returned, shipment, tracking,
    warehouse_order,
};
use crate::world::{CONNECTIONS, World};
use waybill_flow::connections::Connections;
use waybill_flow::decide::stock;
use waybill_flow::plan::keys;
use waybill_model::case::CaseId;
use waybill_model::command::{Command, CommandKind};
use waybill_model::correction::Correction;
use waybill_model::event::{ClockPassed, Decision, Event, Finding, OrderObserved, StockObserved};
use waybill_model::id::{RefKind, Reference};
use waybill_model::order::Version;
use waybill_model::payment::{PaymentStatus, RefundStatus};
use waybill_model::returns::ReturnStatus;
use waybill_model::shipment::{FulfillmentStatus, ShipmentStatus, TrackingStatus};
use waybill_model::stock::{StockKind, StockLevel};
use waybill_model::ticket::{Ticket, TicketStatus};
use waybill_testkit::build::{self, OrderBuilder, connection, external, reference, text};

fn ticket() -> Ticket {
    Ticket {
        helpdesk: connection("zendesk"),
        id: external("T-1"),
        status: TicketStatus::Open,
        version: Version(1),
    }
}

fn levels() -> StockObserved {
    let level = StockLevel {
        location: connection("threepl"),
        sku: build::sku("MUG-RED"),
        kind: StockKind::OnHand,
        quantity: build::units(4),
        at: build::start(),
        lot: None,
    };
    StockObserved {
        levels: vec![level],
    }
}

fn facts() -> Vec<(&'static str, Event, &'static str)> {
    let mut parcels = shipment("SHP-1", ShipmentStatus::Shipped, &[("L1", "MUG-RED", 2)]);
    parcels.parcels = vec![parcel(Some("1Z1")), parcel(None)];
    let finding = Finding {
        code: build::code("total_mismatch"),
        detail: "a cent is missing".to_owned(),
        remedy: "mend the test".to_owned(),
    };
    let odd = OrderObserved {
        order: build::order("1001"),
        findings: vec![finding],
    };
    let money = refund("shop-main", "R-1", RefundStatus::Pending, "5.00");
    vec![
        (
            "shop-main",
            build::observed(build::order("1001")).body,
            "order #1001 told: 59.90 EUR",
        ),
        (
            "shop-main",
            Event::OrderObserved(Box::new(odd)),
            "order #1001 told: 59.90 EUR, 1 finding(s)",
        ),
        (
            "shop-main",
            build::observed(OrderBuilder::new("1001").version(2).cancelled().build()).body,
            "order #1001 cancelled: 59.90 EUR",
        ),
        (
            "stripe",
            Event::PaymentObserved(payment(PaymentStatus::Captured, "59.90")),
            "payment pi_1: Captured 59.90 EUR",
        ),
        (
            "shop-main",
            Event::RefundObserved(money),
            "refund R-1: Pending 5.00 EUR",
        ),
        (
            "threepl",
            Event::FulfillmentOrderObserved(warehouse_order("FO-1", FulfillmentStatus::OnHold)),
            "warehouse order FO-1: OnHold",
        ),
        (
            "threepl",
            Event::ShipmentObserved(parcels),
            "shipment SHP-1: Shipped, 2 parcel(s)",
        ),
        (
            "easypost",
            Event::TrackingObserved(tracking("1Z1", TrackingStatus::Delivered)),
            "parcel 1Z1: Delivered",
        ),
        (
            "shop-main",
            Event::ReturnObserved(returned("shop-main", "RET-1", ReturnStatus::Requested)),
            "return RET-1: Requested",
        ),
        (
            "threepl",
            Event::StockObserved(levels()),
            "1 stock level(s)",
        ),
        (
            "zendesk",
            Event::TicketObserved(ticket()),
            "ticket T-1: Open",
        ),
        (
            "waybill",
            Event::ClockPassed(ClockPassed {
                now: build::start(),
            }),
            "the clock passed 2026-01-31T09:30:00Z",
        ),
    ]
}

#[test]
fn a_fact_is_one_line_of_the_timeline() {
    for (source, body, wanted) in facts() {
        let mut world = World::new();
        assert_eq!(world.decide(&event(source, body)).summary, wanted);
    }
}

#[test]
fn an_outcome_and_a_decision_are_one_line_of_the_timeline() {
    let (key, kind) = (keys::sale_order(), CommandKind::CreateSaleOrder);
    let done = build::done(reference("odoo", RefKind::SaleOrder, "42"));
    let case = CaseId::new("1001", &build::code("overdue"), "");
    let correction = Correction::ShippingMethod {
        told: "standard".to_owned(),
        method: "express".to_owned(),
    };
    let correct = Decision::Correct {
        correction: Box::new(correction),
        reason: text("the shop was called"),
        effect: None,
    };
    let ignore = Decision::Ignore {
        case,
        reason: text("known"),
    };
    let assign = Decision::Assign {
        case,
        owner: text("bob"),
    };
    let (effect, code) = (key.clone(), build::code("test_order"));
    for (told, wanted) in [
        (
            finished(key.clone(), kind, done),
            "sale_order.create done".to_owned(),
        ),
        (
            finished(key, kind, build::rejected("unknown_sku")),
            "sale_order.create refused: unknown_sku".to_owned(),
        ),
        (
            decided(Decision::Retry { effect }),
            "alice retried sale_order.create".to_owned(),
        ),
        (
            decided(Decision::Waive { code }),
            "alice waived test_order".to_owned(),
        ),
        (decided(ignore), format!("alice ignored case {case}: known")),
        (
            decided(correct),
            "alice corrected the way of delivery from `standard` to `express`: the shop was called"
                .to_owned(),
        ),
        (decided(assign), format!("alice gave case {case} to bob")),
    ] {
        assert_eq!(World::new().decide(&told).summary, wanted);
    }
}

#[test]
fn what_does_not_own_what_it_tells_is_dropped_with_a_line_that_says_so() {
    let mut world = World::new();
    let told = payment(PaymentStatus::Captured, "59.90");
    let decided = world.decide(&event("threepl", Event::PaymentObserved(told)));
    assert_eq!(
        decided.summary,
        "dropped: `threepl` does not own `Payment`, which it told"
    );
    assert!(!decided.changed);
    assert!(decided.state.facts.payments.is_empty());
}

#[test]
fn every_id_that_a_partner_may_come_back_with_leads_to_the_order() {
    let mut world = World::new();
    let mut learned = Vec::new();
    for (source, mut body, _) in facts() {
        if let Event::RefundObserved(story) = &mut body {
            story.gateway_id = Some(external("re_9"));
        }
        learned.extend(world.decide(&event(source, body)).references);
    }
    let done = build::done(reference("odoo", RefKind::SaleOrder, "42"));
    let answer = finished(keys::sale_order(), CommandKind::CreateSaleOrder, done);
    learned.extend(world.decide(&answer).references);
    assert_eq!(
        learned,
        [
            Reference::anywhere(RefKind::OrderNumber, external("#1001")),
            Reference::email("ada@example.com"),
            reference("stripe", RefKind::Payment, "pi_1"),
            reference("shop-main", RefKind::Refund, "R-1"),
            reference("shop-main", RefKind::Refund, "re_9"),
            reference("threepl", RefKind::FulfillmentOrder, "FO-1"),
            reference("threepl", RefKind::Shipment, "SHP-1"),
            Reference::anywhere(RefKind::TrackingNumber, external("1Z1")),
            reference("shop-main", RefKind::Return, "RET-1"),
            reference("zendesk", RefKind::Ticket, "T-1"),
            reference("odoo", RefKind::SaleOrder, "42"),
        ]
    );
    // What is known is not learned twice.
    assert!(world.decide(&answer).references.is_empty());
}

#[test]
fn stock_is_written_where_its_warehouse_owns_it() {
    let owner = |lines: &str| {
        let warehouse = "[connections.warehouse]\n";
        let rules = CONNECTIONS.replace(warehouse, &format!("{warehouse}{lines}"));
        Connections::parse(&rules).unwrap()
    };
    let owned = owner("owns_stock = true\nerp = \"odoo\"\n");
    let told = event("threepl", Event::StockObserved(levels()));
    let issued = stock(&told, &owned);
    assert_eq!(issued.len(), 1);
    let Command::SetStock(command) = &issued[0].command else {
        panic!("{issued:?}");
    };
    assert_eq!(command.erp, connection("odoo"));
    assert_eq!(command.levels, levels().levels);
    assert_eq!(stock(&told, &owner("erp = \"odoo\"\n")), []);
    assert_eq!(stock(&told, &owner("owns_stock = true\n")), []);
    assert_eq!(
        stock(&event("shop-main", Event::StockObserved(levels())), &owned),
        []
    );
    assert_eq!(
        stock(&event("zendesk", Event::TicketObserved(ticket())), &owned),
        []
    );
}
