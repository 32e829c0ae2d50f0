//! Orders of a time that Waybill did not see, or has forgotten.

use crate::cancels::shipped;
use crate::world::{CONNECTIONS, World};
use waybill_flow::axes::axes;
use waybill_flow::connections::Connections;
use waybill_flow::validate::findings;
use waybill_model::envelope::{Envelope, EventEnvelope};
use waybill_model::event::{Decision, Event, OperatorDecided};
use waybill_model::order::Order;
use waybill_model::time::Instant;
use waybill_testkit::build::{self, OrderBuilder};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn order(version: i64) -> Order {
    OrderBuilder::new("1001").version(version).build()
}

/// A world in which it is so many days after the order was placed.
fn after(days: i64) -> World {
    let mut world = World::new();
    world.now = order(1).placed_at.plus_ms(days * DAY_MS);
    world
}

fn waives(code: &str, at: Instant) -> EventEnvelope {
    let waive = OperatorDecided {
        operator: "alice".to_owned(),
        decision: Decision::Waive {
            code: build::code(code),
        },
    };
    Envelope::new(
        build::message("waive"),
        build::connection("waybill"),
        at,
        order(1).correlation(),
        Event::OperatorDecided(waive),
    )
}

#[test]
fn an_order_that_is_first_heard_of_long_after_it_was_placed_waits_for_a_person() {
    let mut world = after(45);
    world.tell(&build::observed(order(1)));
    let left = shipped(&order(1));
    world.tell(&left);
    world.settle();
    assert!(world.issued.is_empty(), "{:?}", world.issued);
    assert_eq!(world.open_cases(), ["order_too_old"]);
    assert_eq!(axes(world.state()).order, "held");
    let waived = waives("order_too_old", world.now);
    world.tell(&waived);
    world.settle();
    assert!(world.outside.release.is_some());
    assert!(world.open_cases().is_empty());
}

#[test]
fn an_order_that_was_known_in_time_goes_on_however_late() {
    let mut world = after(44);
    let unpaid = OrderBuilder::new("1001").payment(waybill_model::order::OrderPayment::Pending);
    world.tell(&build::observed(unpaid.version(1).build()));
    world.now = world.now.plus_ms(100 * DAY_MS);
    world.tell(&build::observed(order(2)));
    world.settle();
    assert!(world.outside.release.is_some());
}

#[test]
fn an_order_placed_before_the_channel_was_taken_over_is_named() {
    let from = |start: &str| {
        let rules = CONNECTIONS.replace(
            "[connections.channel]\n",
            &format!("[connections.channel]\norders_from = \"{start}\"\n"),
        );
        let rules = Connections::parse(&rules).unwrap();
        let settings = rules.channel(&build::connection("shop-main")).unwrap();
        let found = findings(&order(1), settings).into_iter();
        found.map(|f| f.code.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(order(1).placed_at.to_string(), "2026-01-31T09:00:00Z");
    assert!(from("2026-01-31T09:00:00Z").is_empty());
    assert_eq!(from("2026-01-31T09:00:01Z"), ["placed_before_start"]);
}
