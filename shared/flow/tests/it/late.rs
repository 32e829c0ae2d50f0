//! What comes late: edits, answers, tracking numbers, second thoughts.

use crate::world::World;
use waybill_flow::axes::axes;
use waybill_flow::state::LOST_MS;
use waybill_model::envelope::{Envelope, EventEnvelope};
use waybill_model::event::{ClockPassed, Decision, Event, OperatorDecided, Outcome};
use waybill_model::id::{Code, CorrelationId, EffectKey};
use waybill_model::order::{Cancellation, Order, Version};
use waybill_model::payment::{Refund, RefundStatus};
use waybill_model::shipment::{Parcel, Shipment, ShipmentStatus, ShippedLine};
use waybill_testkit::build::{self, connection, external, text};

fn rejected(code: &'static str) -> Outcome {
    Outcome::Rejected {
        code: Code::literal(code),
        detail: "no".to_owned(),
        remedy: "mend it".to_owned(),
    }
}

fn told(world: &World, name: &str, source: &str, at: CorrelationId, body: Event) -> EventEnvelope {
    Envelope::new(
        build::message(name),
        connection(source),
        world.now,
        at,
        body,
    )
}

fn retry(world: &World, order: &Order, effect: &EffectKey) -> EventEnvelope {
    let decided = OperatorDecided {
        decision: Decision::Retry {
            effect: effect.clone(),
        },
        operator: "alice".to_owned(),
    };
    let body = Event::OperatorDecided(decided);
    told(
        world,
        &format!("retry-{effect}"),
        "waybill",
        order.correlation(),
        body,
    )
}

/// The order's n-th later snapshot.
fn later(order: &Order, n: i64, change: impl FnOnce(&mut Order)) -> EventEnvelope {
    let mut next = order.clone();
    next.version = Version(order.version.0 + n);
    change(&mut next);
    build::observed(next)
}

fn cancelled(order: &Order, n: i64) -> EventEnvelope {
    later(order, n, |o| {
        o.cancelled = Some(Cancellation {
            at: build::start(),
            reason: None,
        });
    })
}

fn shipment(order: &Order, line: usize, numbers: &[&str]) -> Event {
    let line = &order.lines[line];
    let parcel = |number: &&str| Parcel {
        tracking_number: Some(text(number)),
        carrier: None,
        url: None,
    };
    Event::ShipmentObserved(Shipment {
        warehouse: connection("threepl"),
        id: external("SHP"),
        fulfillment_order: None,
        status: ShipmentStatus::Shipped,
        lines: vec![ShippedLine {
            line_id: Some(line.id.clone()),
            sku: line.sku.clone().unwrap(),
            quantity: line.quantity,
            lots: Vec::new(),
        }],
        parcels: numbers.iter().map(parcel).collect(),
        shipped_at: Some(build::start()),
        version: Version(0),
    })
}

fn times(world: &World, effect: &str) -> usize {
    world.issued.iter().filter(|e| e.as_str() == effect).count()
}

#[test]
fn an_edit_after_a_refused_amendment_is_written_and_the_order_released() {
    let order = build::order("1");
    let mut world = World::new();
    world
        .refusals
        .insert(build::effect("sale_order.amend/1"), rejected("unknown_sku"));
    world.tell(&build::observed(order.clone()));
    let created = world.answers.pop_front().unwrap();
    world.tell(&later(&order, 1, |o| {
        o.lines[0].current_quantity = build::units(1)
    }));
    world.tell(&created);
    world.settle();
    assert_eq!(world.open_cases(), vec!["unknown_sku"]);
    assert!(world.outside.release.is_none());
    world.tell(&later(&order, 2, |o| {
        o.lines[1].current_quantity = build::units(0)
    }));
    world.settle();
    assert!(
        world.open_cases().is_empty(),
        "the first edit is nobody's work any more"
    );
    assert!(world.outside.release.is_some());
}

#[test]
fn an_order_edited_there_and_back_is_written_each_time() {
    let mut order = build::order("2");
    for line in &mut order.lines {
        line.requires_shipping = false;
    }
    let mut world = World::new();
    world.tell(&build::observed(order.clone()));
    world.settle();
    for n in 1..=4 {
        let units = build::units(if n % 2 == 1 { 1 } else { 2 });
        world.tell(&later(&order, n, |o| o.lines[0].current_quantity = units));
        world.settle();
        let lines = &world.outside.sale_order.as_ref().unwrap().lines;
        assert_eq!(lines[&order.lines[0].id], units);
    }
}

#[test]
fn a_refusal_of_what_the_order_no_longer_calls_for_is_no_case() {
    let order = build::order("3");
    let mut world = World::new();
    world
        .refusals
        .insert(build::effect("sale_order.create"), rejected("unknown_sku"));
    world.tell(&build::observed(order.clone()));
    world.settle();
    assert_eq!(world.open_cases(), vec!["unknown_sku"]);
    world.tell(&cancelled(&order, 1));
    assert!(world.open_cases().is_empty());
    let effect = build::effect("sale_order.create");
    world.tell(&retry(&world, &order, &effect));
    world.settle();
    assert_eq!(times(&world, "sale_order.create"), 1);
    assert!(!world.state().effects[&effect].retry_wanted);
}

#[test]
fn a_retried_ticket_is_written_anew() {
    let order = build::order("4");
    let mut world = World::new();
    world
        .refusals
        .insert(build::effect("ticket.update/1"), rejected("gave_up"));
    world.tell(&build::observed(order.clone()));
    world.settle();
    let ship = told(
        &world,
        "ship",
        "threepl",
        order.correlation(),
        shipment(&order, 0, &["T1"]),
    );
    world.tell(&ship);
    world.settle();
    assert_eq!(world.open_cases(), vec!["gave_up"]);
    world.tell(&retry(&world, &order, &build::effect("ticket.update/1")));
    world.settle();
    assert!(world.open_cases().is_empty());
    assert_eq!(times(&world, "ticket.update/2"), 1);
}

#[test]
fn a_refund_before_a_cancel_is_credited_as_well_as_the_one_after_it() {
    let order = build::order("5");
    let at = order.correlation();
    let mut world = World::new();
    world.tell(&build::observed(order.clone()));
    world.settle();
    let refund = |id: &str| {
        Event::RefundObserved(Refund {
            id: external(id),
            source: connection("shop-main"),
            gateway_id: None,
            payment_id: None,
            status: RefundStatus::Succeeded,
            amount: build::eur("5.00"),
            lines: Vec::new(),
            shipping: build::amount("0"),
            version: Version(1),
            refunded_at: None,
        })
    };
    world.tell(&told(&world, "r-1", "shop-main", at, refund("RF-1")));
    world.settle();
    world.tell(&cancelled(&order, 1));
    world.tell(&told(&world, "r-2", "shop-main", at, refund("RF-2")));
    assert!(
        !world.outside.credit_notes.contains_key(&external("RF-2")),
        "the cancel goes first"
    );
    world.settle();
    assert!(world.outside.sale_order.as_ref().unwrap().cancelled);
    assert_eq!(world.outside.credit_notes.len(), 2);
}

/// Odoo inserts what is absent: if the attempt that was given up did succeed, it holds what the order was then.
#[test]
fn an_edit_of_an_order_that_was_given_up_in_doubt_is_amended_after_the_retry() {
    for (code, amendments) in [("gave_up", 1), ("no_outcome", 1), ("unknown_sku", 0)] {
        let order = build::order("12");
        let mut world = World::new();
        let create = build::effect("sale_order.create");
        world.refusals.insert(create.clone(), rejected(code));
        world.tell(&build::observed(order.clone()));
        world.settle();
        world.refusals.clear();
        world.tell(&later(&order, 1, |o| {
            o.lines[0].current_quantity = build::units(1)
        }));
        world.tell(&retry(&world, &order, &create));
        world.settle();
        assert_eq!(times(&world, "sale_order.amend/1"), amendments, "{code}");
        assert!(world.outside.release.is_some(), "{code}");
    }
}

/// Issued as it was, as it was edited, and edited back before an answer: whichever of the two Odoo has, it is amended.
#[test]
fn an_edit_there_and_back_of_an_order_in_doubt_is_amended_before_the_release() {
    let order = build::order("13");
    let mut world = World::new();
    let create = build::effect("sale_order.create");
    world.refusals.insert(create.clone(), rejected("gave_up"));
    world.tell(&build::observed(order.clone()));
    world.settle();
    world.refusals.clear();
    world.tell(&later(&order, 1, |o| {
        o.lines[0].current_quantity = build::units(1)
    }));
    assert_eq!(times(&world, "sale_order.create"), 2);
    world.tell(&later(&order, 2, |_| {}));
    world.settle();
    assert_eq!(times(&world, "sale_order.amend/1"), 1);
    let held = &world.outside.sale_order.as_ref().unwrap().lines;
    for line in &order.lines {
        assert_eq!(held[&line.id], line.current_quantity);
    }
    assert!(world.outside.release.is_some());
}

/// Nobody asked for more: one edit is one more day of attempts, and then a case again.
#[test]
fn an_edit_of_an_order_in_doubt_is_issued_once_and_is_a_case_when_it_is_given_up_again() {
    let order = build::order("14");
    let mut world = World::new();
    let create = build::effect("sale_order.create");
    world.refusals.insert(create.clone(), rejected("gave_up"));
    world.tell(&build::observed(order.clone()));
    world.settle();
    world.tell(&later(&order, 1, |o| {
        o.lines[0].current_quantity = build::units(1)
    }));
    world.refusals.insert(create, rejected("gave_up"));
    for _ in 0..3 {
        world.settle();
    }
    assert_eq!(times(&world, "sale_order.create"), 2);
    assert_eq!(world.open_cases(), ["gave_up"]);
}

#[test]
fn a_release_given_up_in_doubt_is_called_off_before_the_sale_order() {
    let order = build::order("6");
    let mut world = World::new();
    let release = build::effect("fulfillment_order.create/threepl");
    world.refusals.insert(release, rejected("gave_up"));
    world.outside.release = Some(crate::world::Release::default());
    world.tell(&build::observed(order.clone()));
    world.settle();
    world.tell(&cancelled(&order, 1));
    assert_eq!(times(&world, "fulfillment_order.cancel/threepl"), 1);
    assert!(!world.outside.sale_order.as_ref().unwrap().cancelled);
    world.settle();
    assert!(world.outside.sale_order.as_ref().unwrap().cancelled);
}

#[test]
fn a_release_whose_outcome_was_lost_is_called_off_once_it_is_retried_after_a_cancel() {
    let order = build::order("11");
    let release = build::effect("fulfillment_order.create/threepl");
    let mut world = World::new();
    world.tell(&build::observed(order.clone()));
    let created = world.answers.pop_front().unwrap();
    world.tell(&created);
    assert!(world.outside.release.is_some(), "the warehouse took it");
    let is_release = |e: &EventEnvelope| matches!(&e.body, Event::CommandFinished(finished) if finished.effect == release);
    world.answers.retain(|answer| !is_release(answer));
    world.settle();
    world.tell(&cancelled(&order, 1));
    assert_eq!(times(&world, "fulfillment_order.cancel/threepl"), 0);
    world.now = world.now.plus_ms(LOST_MS);
    world.tell(&retry(&world, &order, &release));
    assert!(
        !world.outside.sale_order.as_ref().unwrap().cancelled,
        "the warehouse may have it"
    );
    world.settle();
    assert!(world.outside.release.as_ref().unwrap().cancelled);
    assert!(world.outside.sale_order.as_ref().unwrap().cancelled);
    assert_eq!(times(&world, release.as_str()), 1);
}

#[test]
fn a_release_that_no_warehouse_refused_is_called_off_whatever_we_refused_it_by() {
    for code in [
        "gave_up",
        "no_outcome",
        "payload_mismatch",
        "unreadable_answer",
        "not_looked_up",
    ] {
        let order = build::order("12");
        let mut world = World::new();
        let release = build::effect("fulfillment_order.create/threepl");
        world.refusals.insert(release, rejected(code));
        world.outside.release = Some(crate::world::Release::default());
        world.tell(&build::observed(order.clone()));
        world.settle();
        world.tell(&cancelled(&order, 1));
        assert!(!world.outside.sale_order.as_ref().unwrap().cancelled);
        world.settle();
        assert!(
            world.outside.release.as_ref().unwrap().cancelled,
            "`{code}`"
        );
        assert!(world.outside.sale_order.as_ref().unwrap().cancelled);
    }
}

#[test]
fn a_release_that_the_warehouse_refused_is_not_called_off() {
    let order = build::order("13");
    let mut world = World::new();
    let release = build::effect("fulfillment_order.create/threepl");
    world.refusals.insert(release, rejected("bad_address"));
    world.tell(&build::observed(order.clone()));
    world.settle();
    world.tell(&cancelled(&order, 1));
    world.settle();
    assert_eq!(times(&world, "fulfillment_order.cancel/threepl"), 0);
    assert!(world.outside.sale_order.as_ref().unwrap().cancelled);
}

/// A retry looks for it, and what is found is cancelled.
#[test]
fn a_sale_order_that_may_be_there_is_a_case_of_a_cancelled_order_until_a_retry_cancels_it() {
    for code in [
        "gave_up",
        "no_outcome",
        "payload_mismatch",
        "unreadable_answer",
        "not_looked_up",
    ] {
        let order = build::order("14");
        let create = build::effect("sale_order.create");
        let mut world = World::new();
        world.refusals.insert(create.clone(), rejected(code));
        world.tell(&build::observed(order.clone()));
        world.settle();
        world.tell(&cancelled(&order, 1));
        world.settle();
        assert_eq!(world.open_cases(), vec![code]);
        assert_eq!(axes(world.state()).order, "cancelling");
        world.refusals.clear();
        world.tell(&retry(&world, &order, &create));
        world.settle();
        assert!(world.outside.sale_order.as_ref().unwrap().cancelled);
        assert!(world.open_cases().is_empty(), "`{code}`");
        assert_eq!(axes(world.state()).order, "cancelled");
    }
}

#[test]
fn a_refused_cancel_is_named_as_what_it_is() {
    for (code, case) in [
        ("not_configured", "not_configured"),
        ("too_late", "too_late"),
    ] {
        let order = build::order("7");
        let mut world = World::new();
        let cancel = build::effect("fulfillment_order.cancel/threepl");
        world.refusals.insert(cancel, rejected(code));
        world.tell(&build::observed(order.clone()));
        world.settle();
        world.tell(&cancelled(&order, 1));
        world.settle();
        assert_eq!(world.open_cases(), vec![case]);
        assert!(!world.outside.sale_order.as_ref().unwrap().cancelled);
    }
}

#[test]
fn a_second_tracking_number_reaches_the_shop_and_the_erp() {
    let order = build::order("8");
    let at = order.correlation();
    let mut world = World::new();
    world.tell(&build::observed(order.clone()));
    world.settle();
    for (name, numbers) in [("s-1", vec!["T1"]), ("s-2", vec!["T1", "T2"])] {
        let event = told(&world, name, "threepl", at, shipment(&order, 0, &numbers));
        world.tell(&event);
        world.settle();
        let id = external("SHP");
        assert_eq!(world.outside.published[&id].len(), numbers.len());
        assert_eq!(world.outside.deliveries[&id].len(), numbers.len());
    }
}

#[test]
fn the_rest_of_a_partly_shipped_order_has_a_clock() {
    let order = build::order("9");
    let at = order.correlation();
    let mut world = World::new();
    world.tell(&build::observed(order.clone()));
    world.settle();
    world.tell(&told(
        &world,
        "s-1",
        "threepl",
        at,
        shipment(&order, 0, &["T1"]),
    ));
    world.settle();
    world.now = world.now.plus_ms(30 * 24 * 60 * 60 * 1000);
    let passed = Event::ClockPassed(ClockPassed { now: world.now });
    let deadline = world.tell(&told(&world, "tick", "waybill", at, passed));
    assert_eq!(world.open_cases(), vec!["ship_overdue"]);
    assert!(
        deadline.is_some_and(|at| at > world.now),
        "it is looked at again"
    );
}

#[test]
fn the_tenth_version_of_the_rules_comes_after_the_ninth() {
    let order = build::order("10");
    let mut world = World::new();
    for (name, version, number) in [("a", "2026-11-23.9", "old"), ("b", "2026-11-23.10", "new")] {
        let mut event = build::observed(order.clone());
        event.id = build::message(name);
        event.configversion = Some(version.to_owned());
        if let Event::OrderObserved(observed) = &mut event.body {
            observed.order.note = Some(number.to_owned());
        }
        world.tell(&event);
    }
    let known = world.state().facts.order.as_ref().unwrap();
    assert_eq!(known.note.as_deref(), Some("new"));
}
