//! Any order, duplication and delay of an order's events ends in the same facts and the same
//! effects.

use crate::world::World;
use proptest::prelude::*;
use waybill_flow::state::Facts;
use waybill_model::command::PaymentDirection;
use waybill_model::envelope::{Envelope, EventEnvelope};
use waybill_model::event::Event;
use waybill_model::id::{CorrelationId, ExternalId};
use waybill_model::order::{Cancellation, Order, OrderPayment, Version};
use waybill_model::payment::{Payment, PaymentStatus, Refund, RefundLine, RefundStatus};
use waybill_model::returns::{Disposition, Return, ReturnLine, ReturnStatus};
use waybill_model::shipment::{
    FulfillmentOrder, FulfillmentStatus, Parcel, Shipment, ShipmentStatus, ShippedLine, Tracking,
    TrackingStatus,
};
use waybill_testkit::build::{self, connection, external, text};

fn event(name: &str, source: &str, correlation: CorrelationId, body: Event) -> EventEnvelope {
    Envelope::new(
        build::message(name),
        connection(source),
        build::start(),
        correlation,
        body,
    )
}

fn order_events(order: &Order, cancelled: bool) -> Vec<EventEnvelope> {
    let mut unpaid = order.clone();
    unpaid.payment = OrderPayment::Pending;
    let mut paid = order.clone();
    paid.version = Version(order.version.0 + 1);
    let mut events = vec![build::observed(unpaid), build::observed(paid.clone())];
    if cancelled {
        let mut last = paid;
        last.version = Version(order.version.0 + 2);
        last.cancelled = Some(Cancellation {
            at: build::start(),
            reason: Some("customer".to_owned()),
        });
        events.push(build::observed(last));
    }
    events
}

fn shipment(order: &Order, name: &str, line: usize, tracked: bool) -> Shipment {
    let line = &order.lines[line];
    Shipment {
        warehouse: connection("threepl"),
        id: external(name),
        fulfillment_order: Some(external("FO-1")),
        status: ShipmentStatus::Shipped,
        lines: vec![ShippedLine {
            line_id: Some(line.id.clone()),
            sku: line.sku.clone().unwrap(),
            quantity: line.quantity,
            lots: Vec::new(),
        }],
        parcels: vec![Parcel {
            tracking_number: tracked.then(|| text(&format!("TRK-{name}"))),
            carrier: Some("UPS".to_owned()),
            url: None,
        }],
        shipped_at: Some(build::start()),
        version: Version(0),
    }
}

/// Everything that happens to an order that goes well, is shipped in two parcels, one of them told
/// without tracking first, comes back in part, and is refunded twice, one refund failing later.
fn whole_life() -> Vec<EventEnvelope> {
    let order = build::order("1001");
    let at = order.correlation();
    let mut events = order_events(&order, false);
    let payment = |status, version| {
        Event::PaymentObserved(Payment {
            gateway: connection("stripe"),
            id: external("pi_1"),
            status,
            amount: build::eur(&order.totals.total.to_string()),
            version: Version(version),
            paid_at: None,
            method: None,
        })
    };
    events.push(event(
        "pay-1",
        "stripe",
        at,
        payment(PaymentStatus::Pending, 1),
    ));
    events.push(event(
        "pay-2",
        "stripe",
        at,
        payment(PaymentStatus::Captured, 2),
    ));
    for (name, status) in [
        ("fo-1", FulfillmentStatus::Accepted),
        ("fo-2", FulfillmentStatus::Shipped),
    ] {
        let told = FulfillmentOrder {
            warehouse: connection("threepl"),
            id: external("FO-1"),
            reference: None,
            status,
            version: Version(0),
        };
        events.push(event(
            name,
            "threepl",
            at,
            Event::FulfillmentOrderObserved(told),
        ));
    }
    let with_status = |status| Shipment {
        status,
        ..shipment(&order, "SHP-A", 0, true)
    };
    for (name, told) in [
        ("ship-a0", with_status(ShipmentStatus::Pending)),
        ("ship-a9", with_status(ShipmentStatus::Delivered)),
        ("ship-a", shipment(&order, "SHP-A", 0, true)),
        ("ship-b1", shipment(&order, "SHP-B", 1, false)),
        ("ship-b2", shipment(&order, "SHP-B", 1, true)),
    ] {
        events.push(event(name, "threepl", at, Event::ShipmentObserved(told)));
    }
    for (name, status, minute) in [
        ("trk-1", TrackingStatus::InTransit, 1),
        ("trk-2", TrackingStatus::Delivered, 2),
    ] {
        let told = Tracking {
            source: connection("easypost"),
            tracking_number: text("TRK-SHP-A"),
            status,
            carrier: None,
            expected_at: None,
            at: build::start().plus_ms(minute * 60_000),
        };
        events.push(event(name, "easypost", at, Event::TrackingObserved(told)));
    }
    for (name, source, status) in [
        ("ret-1", "shop-main", ReturnStatus::Requested),
        ("ret-2", "threepl", ReturnStatus::Received),
        ("ret-3", "threepl", ReturnStatus::Completed),
    ] {
        let done = status == ReturnStatus::Completed;
        let told = Return {
            id: external("RET-1"),
            source: connection(source),
            status,
            lines: vec![ReturnLine {
                line_id: None,
                sku: order.lines[0].sku.clone().unwrap(),
                quantity: build::units(1),
                disposition: if done {
                    Disposition::Restock
                } else {
                    Disposition::Unknown
                },
                lots: Vec::new(),
            }],
            version: Version(0),
        };
        events.push(event(name, source, at, Event::ReturnObserved(told)));
    }
    events.extend(refund_events(&order, "RF-OK", RefundStatus::Succeeded));
    events.extend(refund_events(&order, "RF-BAD", RefundStatus::Failed));
    events
}

/// The channel decides, the gateway pays back; the end may be a failure after a success.
fn refund_events(order: &Order, id: &str, end: RefundStatus) -> Vec<EventEnvelope> {
    let at = order.correlation();
    let story = |source: &str, status, version| {
        let channel = source == "shop-main";
        Event::RefundObserved(Refund {
            id: external(id),
            source: connection(source),
            gateway_id: (!channel).then(|| external(&format!("re_{id}"))),
            payment_id: Some(external("pi_1")),
            status,
            amount: build::eur("5.00"),
            lines: if channel {
                vec![RefundLine {
                    line_id: order.lines[0].id.clone(),
                    sku: order.lines[0].sku.clone(),
                    quantity: build::units(1),
                    amount: build::amount("5.00"),
                    restock: false,
                }]
            } else {
                Vec::new()
            },
            shipping: build::amount("0"),
            version: Version(version),
            refunded_at: None,
        })
    };
    let told = |n: &str, source: &str, status, version| {
        event(
            &format!("{id}-{n}"),
            source,
            at,
            story(source, status, version),
        )
    };
    vec![
        told("1", "shop-main", RefundStatus::Requested, 1),
        told("2", "stripe", RefundStatus::Pending, 1),
        told("3", "stripe", RefundStatus::Succeeded, 2),
        told("4", "stripe", end, 3),
    ]
}

/// A plan for telling events: each at least once, some twice, answers late or at once.
fn tellings(events: usize) -> impl Strategy<Value = Vec<(usize, bool)>> {
    let once: Vec<usize> = (0..events).collect();
    (Just(once), prop::collection::vec(0..events, 0..events))
        .prop_map(|(mut all, twice)| {
            all.extend(twice);
            all
        })
        .prop_shuffle()
        .prop_flat_map(|all| {
            let n = all.len();
            (Just(all), prop::collection::vec(any::<bool>(), n))
        })
        .prop_map(|(all, answers)| all.into_iter().zip(answers).collect())
}

fn run(events: &[EventEnvelope], telling: &[(usize, bool)]) -> World {
    let mut world = World::new();
    for (index, answered) in telling {
        world.tell(&events[*index]);
        if *answered {
            world.settle();
        }
    }
    world.settle();
    world
}

fn in_order(events: &[EventEnvelope]) -> World {
    run(
        events,
        &(0..events.len()).map(|i| (i, true)).collect::<Vec<_>>(),
    )
}

/// How many orders of events each property is tried with; `PROPTEST_CASES` may lower it, for a run
/// over many mutants.
fn tries() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.min(96),
        ..config
    }
}

/// The facts, and of the effects what a partner would hold: a failed refund that was credited and
/// undone equals one that was never credited.
fn ends(world: &World) -> (Facts, crate::world::Outside) {
    let mut outside = world.outside.clone();
    outside.credit_notes.retain(|_, (_, reversed)| !*reversed);
    // Whether we asked the gateway or it had paid already when we learned of the refund depends on
    // the order of events; the gateway's own facts say what it holds.
    outside.gateway_refunds.clear();
    (world.state().facts.clone(), outside)
}

proptest! {
    #![proptest_config(tries())]

    #[test]
    fn any_order_and_duplication_ends_in_the_same_facts_and_effects(
        telling in tellings(whole_life().len())
    ) {
        let events = whole_life();
        let expected = in_order(&events);
        let world = run(&events, &telling);
        prop_assert_eq!(ends(&world), ends(&expected));
        prop_assert_eq!(world.open_cases(), vec!["refund_failed"]);
        let credited: Vec<_> = ends(&world).1.credit_notes.into_keys().collect();
        prop_assert_eq!(credited, vec![external("RF-OK")]);
        let booked: Vec<_> = world.outside.payments.into_keys().collect();
        prop_assert_eq!(booked, vec![
            (PaymentDirection::Received, external("pi_1")),
            (PaymentDirection::PaidBack, external("RF-OK")),
        ]);
    }

    #[test]
    fn a_cancelled_order_never_stays_at_the_warehouse(
        telling in tellings(3)
    ) {
        let order = build::order("1002");
        let events = order_events(&order, true);
        let world = run(&events, &telling);
        let outside = &world.outside;
        prop_assert!(outside.sale_order.as_ref().is_none_or(|s| s.cancelled));
        prop_assert!(outside.release.as_ref().is_none_or(|r| r.cancelled));
        prop_assert!(world.open_cases().is_empty());
    }

    #[test]
    fn a_cancel_that_loses_the_race_is_named_and_the_goods_are_registered(
        telling in tellings(4)
    ) {
        let order = build::order("1003");
        let mut events = order_events(&order, true);
        events.push(event(
            "ship",
            "threepl",
            order.correlation(),
            Event::ShipmentObserved(shipment(&order, "SHP-1", 0, true)),
        ));
        let world = run(&events, &telling);
        if let Some(sale) = &world.outside.sale_order {
            prop_assert!(world.open_cases().contains(&"too_late".to_owned()));
            // Cancelled in the ERP only if that was asked before the parcel was known to have left.
            let registered = world.outside.deliveries.contains_key(&ExternalId::new("SHP-1").unwrap());
            prop_assert!(registered || sale.cancelled);
        }
    }
}

proptest! {
    #![proptest_config(tries())]

    /// Goods that were refunded before they left never ship in silence: they are taken off the sale
    /// order, or a person is asked.
    #[test]
    fn goods_refunded_before_they_left_are_taken_off_or_named(telling in tellings(4)) {
        let order = build::order("1004");
        let gone = order.lines[1].id.clone();
        let mut events = order_events(&order, false);
        let mut less = order.clone();
        less.version = Version(order.version.0 + 2);
        less.lines[1].current_quantity = build::units(0);
        events.push(build::observed(less));
        let mut refund = refund_events(&order, "RF-GONE", RefundStatus::Succeeded).remove(0);
        if let Event::RefundObserved(story) = &mut refund.body {
            story.status = RefundStatus::Succeeded;
            story.lines[0].line_id = gone.clone();
        }
        events.push(refund);
        let world = run(&events, &telling);
        let release = world.outside.release.as_ref().unwrap();
        if release.lines.contains(&gone) {
            prop_assert_eq!(world.open_cases(), vec!["edited_after_release"]);
        } else {
            let sale = world.outside.sale_order.as_ref().unwrap();
            prop_assert_eq!(sale.lines[&gone], build::units(0));
            prop_assert!(world.open_cases().is_empty());
        }
    }
}

proptest! {
    #![proptest_config(tries())]

    /// Of an order in two parts one is shipped, the other refunded unshipped: nothing is to follow.
    #[test]
    fn a_rest_that_is_wanted_no_more_is_dropped_once(telling in tellings(4)) {
        let order = build::order("1005");
        let mut events = order_events(&order, false);
        events.push(event(
            "ship",
            "threepl",
            order.correlation(),
            Event::ShipmentObserved(shipment(&order, "SHP-1", 0, true)),
        ));
        let rest = &order.lines[1];
        let mut refund = refund_events(&order, "RF-REST", RefundStatus::Succeeded).remove(0);
        if let Event::RefundObserved(story) = &mut refund.body {
            story.status = RefundStatus::Succeeded;
            story.lines[0].line_id = rest.id.clone();
            story.lines[0].quantity = rest.quantity;
            story.lines[0].restock = true;
        }
        let mut kept = refund.clone();
        events.push(refund);
        let world = run(&events, &telling);
        prop_assert!(world.outside.rest_dropped);
        // Refunded and not said to be unshipped: it may still leave.
        if let Event::RefundObserved(story) = &mut kept.body {
            story.lines[0].restock = false;
        }
        events[3] = kept;
        prop_assert!(!run(&events, &telling).outside.rest_dropped);
    }
}

#[test]
fn the_whole_life_in_order_makes_every_effect_once() {
    let world = in_order(&whole_life());
    let outside = &world.outside;
    assert!(outside.sale_order.as_ref().is_some_and(|s| !s.cancelled));
    assert_eq!(outside.deliveries.len(), 2);
    assert!(
        outside
            .deliveries
            .values()
            .all(|numbers| numbers.len() == 1)
    );
    assert_eq!(outside.returns.len(), 1);
    assert_eq!(outside.published.len(), 2);
    assert_eq!(outside.followed.len(), 2);
    assert!(
        outside.credit_notes[&external("RF-BAD")].1,
        "the failed refund's note is reversed"
    );
    assert!(!outside.credit_notes[&external("RF-OK")].1);
}
