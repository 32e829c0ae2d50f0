//! The window in which a customer may still change an order (features C5).

use crate::world::{CONNECTIONS, World};
use waybill_model::envelope::{Envelope, EventEnvelope};
use waybill_model::event::{ClockPassed, Event};
use waybill_model::order::{Order, OrderPayment};
use waybill_model::time::Instant;
use waybill_testkit::build::{self, OrderBuilder};

const MINUTE_MS: i64 = 60_000;

/// A shop that holds orders for an hour; they are seen half an hour after they were placed.
fn held() -> World {
    let held = "[connections.channel]\nhold_minutes = 60\n";
    World::with_rules(&CONNECTIONS.replace("[connections.channel]\n", held))
}

fn ends(order: &Order) -> Instant {
    order.placed_at.plus_ms(60 * MINUTE_MS)
}

fn clock(world: &mut World, order: &Order, now: Instant) -> EventEnvelope {
    world.now = now;
    Envelope::new(
        build::message(&format!("clock-{now}")),
        build::connection("waybill"),
        now,
        order.correlation(),
        Event::ClockPassed(ClockPassed { now }),
    )
}

#[test]
fn nothing_is_written_or_released_before_the_window_ends_and_the_clock_is_asked_to_wake() {
    let order = build::order("1");
    let mut world = held();
    let wake = world.tell(&build::observed(order.clone()));
    assert_eq!(wake, Some(ends(&order)));
    let early = clock(&mut world, &order, ends(&order).plus_ms(-1));
    assert_eq!(world.tell(&early), Some(ends(&order)));
    assert!(world.issued.is_empty());
    assert!(world.open_cases().is_empty(), "a held order is not late");
    let wake = clock(&mut world, &order, ends(&order));
    world.tell(&wake);
    world.settle();
    assert!(world.outside.sale_order.is_some());
    assert!(world.outside.release.is_some());
}

#[test]
fn what_the_customer_changes_in_the_window_is_written_once_and_never_amended() {
    let order = build::order("1");
    let mut world = held();
    world.tell(&build::observed(order.clone()));
    let changed = OrderBuilder::new("1").version(2).line("CAP-01", 1, "9.00");
    let changed = changed.build();
    world.tell(&build::observed(changed.clone()));
    let wake = clock(&mut world, &changed, ends(&order));
    world.tell(&wake);
    world.settle();
    assert_eq!(world.outside.sale_order.as_ref().unwrap().lines.len(), 3);
    assert_eq!(world.outside.release.as_ref().unwrap().lines.len(), 3);
    let amended = world.issued.iter().any(|e| e.as_str().contains("amend"));
    assert!(!amended, "{:?}", world.issued);
}

#[test]
fn a_cancel_in_the_window_leaves_no_trace_outside() {
    let order = build::order("1");
    let mut world = held();
    world.tell(&build::observed(order.clone()));
    let cancelled = OrderBuilder::new("1").version(2).cancelled().build();
    world.tell(&build::observed(cancelled));
    let wake = clock(&mut world, &order, ends(&order));
    world.tell(&wake);
    world.settle();
    assert!(world.outside.sale_order.is_none());
    assert!(world.outside.release.is_none());
}

#[test]
fn an_order_that_is_paid_after_the_window_does_not_wait_again() {
    let mut world = held();
    let unpaid = OrderBuilder::new("1").payment(OrderPayment::Pending);
    let order = unpaid.build();
    world.tell(&build::observed(order.clone()));
    let wake = clock(&mut world, &order, ends(&order));
    world.tell(&wake);
    assert!(world.issued.is_empty(), "the gate is another one");
    world.now = ends(&order).plus_ms(MINUTE_MS);
    let paid = OrderBuilder::new("1").version(2).build();
    world.tell(&build::observed(paid));
    world.settle();
    assert!(world.outside.release.is_some());
}

#[test]
fn a_wake_that_comes_twice_or_late_releases_once() {
    let order = build::order("1");
    let mut world = held();
    world.tell(&build::observed(order.clone()));
    for late in [7, 7, 12] {
        let wake = clock(&mut world, &order, ends(&order).plus_ms(late * MINUTE_MS));
        world.tell(&wake);
        world.settle();
    }
    let created = world.issued.iter();
    let created = created.filter(|e| e.as_str() == "sale_order.create");
    assert_eq!(created.count(), 1);
}
