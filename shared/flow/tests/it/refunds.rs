//! Refunds that the shop executed itself.

use crate::world::World;
use std::collections::BTreeMap;
use waybill_model::envelope::{Envelope, EventEnvelope};
use waybill_model::event::Event;
use waybill_model::order::{Order, Version};
use waybill_model::payment::{Payment, PaymentStatus, Refund, RefundStatus};
use waybill_testkit::build::{self, connection, external};

/// A refund as `source` tells it.
fn story(
    order: &Order,
    source: &str,
    (id, gateway_id): (&str, Option<&str>),
    status: RefundStatus,
    amount: &str,
    version: i64,
) -> EventEnvelope {
    let body = Event::RefundObserved(Refund {
        id: external(id),
        source: connection(source),
        gateway_id: gateway_id.map(external),
        payment_id: Some(external("pi_1")),
        status,
        amount: build::eur(amount),
        lines: Vec::new(),
        shipping: build::amount("0"),
        version: Version(version),
        refunded_at: None,
    });
    let name = build::message(&format!("{source}-{id}-{version}"));
    let at = order.correlation();
    Envelope::new(name, connection(source), build::start(), at, body)
}

fn by_gateway(order: &Order, id: &str, status: RefundStatus, version: i64) -> EventEnvelope {
    story(order, "stripe", (id, Some(id)), status, "5.00", version)
}

/// A world with this order, written and paid.
fn paid(order: &Order) -> World {
    let mut world = World::new();
    tell(&mut world, &build::observed(order.clone()));
    let body = Event::PaymentObserved(Payment {
        gateway: connection("stripe"),
        id: external("pi_1"),
        status: PaymentStatus::Captured,
        amount: build::eur(&order.totals.total.to_string()),
        version: Version(1),
        paid_at: None,
        method: None,
    });
    let name = build::message("payment");
    let at = order.correlation();
    let source = connection("stripe");
    tell(
        &mut world,
        &Envelope::new(name, source, build::start(), at, body),
    );
    world
}

fn tell(world: &mut World, event: &EventEnvelope) {
    world.tell(event);
    world.settle();
}

#[test]
fn a_refund_that_the_shop_executed_is_one_with_the_gateways_story() {
    use RefundStatus::{Failed, Succeeded};
    for channel_first in [true, false] {
        let order = build::order("21");
        let mut world = paid(&order);
        let ids = ("R-1", Some("re_9"));
        let mut stories = [
            story(&order, "shop-main", ids, Succeeded, "5.00", 1),
            by_gateway(&order, "re_9", Succeeded, 1),
        ];
        if !channel_first {
            stories.reverse();
        }
        for event in &stories {
            tell(&mut world, event);
        }
        assert_eq!(world.open_cases(), Vec::<String>::new());
        let note = |reversed| BTreeMap::from([(external("R-1"), (build::eur("5.00"), reversed))]);
        assert_eq!(world.outside.credit_notes, note(false));
        tell(&mut world, &by_gateway(&order, "re_9", Failed, 2));
        assert_eq!(world.open_cases(), ["refund_failed"]);
        assert_eq!(world.outside.credit_notes, note(true));
        assert!(world.outside.gateway_refunds.is_empty());
    }
}

#[test]
fn what_the_gateway_may_have_paid_already_is_not_paid_again() {
    use RefundStatus::{Requested, Succeeded};
    let order = build::order("22");
    let mut world = paid(&order);
    tell(&mut world, &by_gateway(&order, "re_7", Succeeded, 1));
    assert_eq!(world.open_cases(), ["refund_unknown_to_channel"]);
    let due = story(&order, "shop-main", ("R-2", None), Requested, "5.00", 1);
    tell(&mut world, &due);
    assert!(world.outside.gateway_refunds.is_empty(), "paid twice");
    assert!(world.open_cases().contains(&"refund_maybe_paid".to_owned()));
    // Another amount is surely another refund.
    let other = story(&order, "shop-main", ("R-3", None), Requested, "6.00", 1);
    tell(&mut world, &other);
    let gone: Vec<_> = world.outside.gateway_refunds.keys().cloned().collect();
    assert_eq!(gone, [external("R-3")]);
    let ids = ("R-2", Some("re_7"));
    let recorded = story(&order, "shop-main", ids, Succeeded, "5.00", 2);
    tell(&mut world, &recorded);
    assert_eq!(world.open_cases(), Vec::<String>::new());
    assert_eq!(world.outside.gateway_refunds.len(), 1);
}

#[test]
fn a_gateway_refund_that_failed_stands_in_nobodys_way() {
    let order = build::order("23");
    let mut world = paid(&order);
    let failed = by_gateway(&order, "re_7", RefundStatus::Failed, 1);
    tell(&mut world, &failed);
    let ids = ("R-2", None);
    let due = story(&order, "shop-main", ids, RefundStatus::Requested, "5.00", 1);
    tell(&mut world, &due);
    assert_eq!(world.outside.gateway_refunds.len(), 1);
}
