//! Money that was never taken, and cancels that come too late.

use crate::world::World;
use waybill_model::command::Command;
use waybill_model::envelope::{Envelope, EventEnvelope};
use waybill_model::event::{ClockPassed, Event, Outcome};
use waybill_model::id::Code;
use waybill_model::order::{Order, OrderPayment, Version};
use waybill_model::payment::{Payment, PaymentStatus, Refund, RefundStatus};
use waybill_model::shipment::{Parcel, Shipment, ShipmentStatus, ShippedLine};
use waybill_testkit::build::{self, OrderBuilder};

fn event(id: &str, source: &str, order: &Order, body: Event) -> EventEnvelope {
    Envelope::new(
        build::message(id),
        build::connection(source),
        build::start(),
        order.correlation(),
        body,
    )
}

/// The shop decides to pay back all of it, from this payment if one is named.
fn refund(order: &Order, payment: Option<&str>) -> EventEnvelope {
    let told = Refund {
        id: build::external("RF-1"),
        source: build::connection("shop-main"),
        gateway_id: None,
        payment_id: payment.map(build::external),
        status: RefundStatus::Requested,
        amount: build::eur("5.00"),
        lines: Vec::new(),
        shipping: build::amount("0"),
        version: Version(1),
        refunded_at: None,
    };
    event("refund", "shop-main", order, Event::RefundObserved(told))
}

/// All of it went back.
fn all_paid_back(order: &Order) -> EventEnvelope {
    let mut told = refund(order, None);
    if let Event::RefundObserved(refund) = &mut told.body {
        refund.status = RefundStatus::Succeeded;
        refund.amount = build::eur(&order.totals.total.to_string());
        refund.refunded_at = Some(build::start());
    }
    told
}

fn payment(order: &Order, status: PaymentStatus, version: i64) -> EventEnvelope {
    let told = Payment {
        gateway: build::connection("stripe"),
        id: build::external("pi_1"),
        status,
        amount: build::eur(&order.totals.total.to_string()),
        version: Version(version),
        paid_at: None,
        method: None,
    };
    let id = format!("payment-{version}");
    event(&id, "stripe", order, Event::PaymentObserved(told))
}

pub(crate) fn shipped(order: &Order) -> EventEnvelope {
    let line = &order.lines[0];
    let told = Shipment {
        warehouse: build::connection("threepl"),
        id: build::external("SHP-1"),
        fulfillment_order: None,
        status: ShipmentStatus::Shipped,
        lines: vec![ShippedLine {
            line_id: None,
            sku: line.sku.clone().unwrap(),
            quantity: line.quantity,
            lots: Vec::new(),
        }],
        parcels: vec![Parcel {
            tracking_number: Some(build::text("TRK-1")),
            carrier: None,
            url: None,
        }],
        shipped_at: Some(build::start()),
        version: Version(1),
    };
    event("shipped", "threepl", order, Event::ShipmentObserved(told))
}

fn cancelled(id: &str) -> EventEnvelope {
    let order = OrderBuilder::new(id).cancelled().version(i64::MAX).build();
    let mut told = build::observed(order);
    told.id = build::message("cancelled");
    told
}

#[test]
fn what_was_only_reserved_is_not_paid_back_whether_the_refund_names_it_or_not() {
    for named in [None, Some("pi_1")] {
        for known in [
            None,
            Some(PaymentStatus::Pending),
            Some(PaymentStatus::Authorized),
        ] {
            let order = OrderBuilder::new("1")
                .payment(OrderPayment::Authorized)
                .build();
            let mut world = World::new();
            world.tell(&build::observed(order.clone()));
            if let Some(status) = known {
                world.tell(&payment(&order, status, 1));
            }
            world.tell(&refund(&order, named));
            world.settle();
            assert!(
                world.outside.gateway_refunds.is_empty(),
                "{named:?} {known:?}"
            );
            assert_eq!(world.open_cases(), vec!["refund_without_payment"]);
        }
    }
}

#[test]
fn a_refund_that_overtook_its_payment_is_paid_back_once_it_is_captured() {
    let order = build::order("2");
    let mut world = World::new();
    world.tell(&build::observed(order.clone()));
    world.tell(&refund(&order, Some("pi_1")));
    world.settle();
    assert!(world.outside.gateway_refunds.is_empty());
    world.tell(&payment(&order, PaymentStatus::Captured, 2));
    world.settle();
    assert_eq!(world.outside.gateway_refunds.len(), 1);
    assert!(world.open_cases().is_empty(), "{:?}", world.open_cases());
}

#[test]
fn a_cancel_that_came_too_late_is_one_case_and_the_shop_is_not_told_of_the_parcel() {
    let order = build::order("3");
    let mut world = World::new();
    let refused = Outcome::Rejected {
        code: Code::literal("too_late"),
        detail: "it is picked".to_owned(),
        remedy: "none".to_owned(),
    };
    let call_off = build::effect("fulfillment_order.cancel/threepl");
    world.refusals.insert(call_off, refused);
    world.tell(&build::observed(order.clone()));
    world.settle();
    world.tell(&cancelled("3"));
    world.tell(&shipped(&order));
    world.settle();
    assert_eq!(world.open_cases(), vec!["too_late"]);
    assert!(world.outside.published.is_empty());
    assert_eq!(world.outside.deliveries.len(), 1, "the goods did leave");
}

#[test]
fn a_shop_that_refused_the_parcel_because_it_had_cancelled_gives_no_second_case() {
    let order = build::order("4");
    let mut world = World::new();
    let refused = Outcome::Rejected {
        code: Code::literal("order_cancelled"),
        detail: "the shop cancelled it".to_owned(),
        remedy: "none".to_owned(),
    };
    let publish = build::effect("channel_fulfillment.publish/SHP-1");
    world.refusals.insert(publish, refused);
    world.tell(&build::observed(order.clone()));
    world.settle();
    // The shop has cancelled, and its webhook is late.
    world.tell(&shipped(&order));
    world.settle();
    assert_eq!(world.open_cases(), vec!["order_cancelled"]);
    world.tell(&cancelled("4"));
    world.settle();
    assert_eq!(world.open_cases(), vec!["too_late"]);
}

#[test]
fn a_full_refund_that_overtook_its_cancel_makes_no_credit_note_and_one_after_shipping_does() {
    for ships in [false, true] {
        let order = build::order("5");
        let mut world = World::new();
        world.tell(&build::observed(order.clone()));
        world.settle();
        world.tell(&all_paid_back(&order));
        world.settle();
        assert!(world.outside.credit_notes.is_empty(), "the cancel may come");
        world.tell(&if ships {
            shipped(&order)
        } else {
            cancelled("5")
        });
        world.settle();
        assert_eq!(world.outside.credit_notes.len(), usize::from(ships));
        assert_eq!(world.outside.sale_order.as_ref().unwrap().cancelled, !ships);
    }
}

#[test]
fn a_full_refund_whose_cancel_does_not_come_is_a_case_until_it_does() {
    let order = build::order("5");
    let mut world = World::new();
    world.tell(&build::observed(order.clone()));
    world.settle();
    let told = all_paid_back(&order);
    let deadline = world.tell(&told).unwrap();
    world.settle();
    assert_eq!(world.open_cases(), Vec::<String>::new());
    assert_eq!(deadline, world.now.plus_ms(60 * 60_000));
    world.now = deadline;
    let mut clock = told.clone();
    clock.id = build::message("clock");
    clock.body = Event::ClockPassed(ClockPassed { now: deadline });
    world.tell(&clock);
    assert_eq!(world.open_cases(), vec!["cancel_overdue"]);
    world.tell(&cancelled("5"));
    world.settle();
    assert_eq!(world.open_cases(), Vec::<String>::new());
    assert!(world.outside.credit_notes.is_empty());
}

#[test]
fn a_credit_note_says_whether_waybill_has_cancelled_the_order_there() {
    for cancels in [false, true] {
        let order = build::order("5");
        let mut world = World::new();
        world.tell(&build::observed(order.clone()));
        world.settle();
        world.tell(&if cancels {
            cancelled("5")
        } else {
            shipped(&order)
        });
        world.settle();
        let mut told = refund(&order, None);
        if let Event::RefundObserved(refund) = &mut told.body {
            refund.status = RefundStatus::Succeeded;
        }
        let commands = world.decide(&told).commands;
        let stands = commands.iter().find_map(|issued| match &issued.command {
            Command::CreateCreditNote(note) => Some(note.stands),
            _ => None,
        });
        assert_eq!(stands, Some(!cancels));
    }
}
