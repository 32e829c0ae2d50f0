//! Who may tell what (features M2), and what comes back of what we did ourselves.

use crate::world::World;
use waybill_model::envelope::{Envelope, EventEnvelope};
use waybill_model::event::Event;
use waybill_model::order::{Order, Version};
use waybill_model::payment::{Payment, PaymentStatus};
use waybill_model::shipment::{FulfillmentOrder, FulfillmentStatus, Tracking, TrackingStatus};
use waybill_testkit::build::{self, connection, external, text};

fn told(world: &World, name: &str, source: &str, order: &Order, body: Event) -> EventEnvelope {
    let id = build::message(name);
    Envelope::new(id, connection(source), world.now, order.correlation(), body)
}

fn delivered() -> Event {
    Event::TrackingObserved(Tracking {
        source: connection("shop-main"),
        tracking_number: text("T-1"),
        status: TrackingStatus::Delivered,
        carrier: None,
        expected_at: None,
        at: build::start(),
    })
}

#[test]
fn what_a_system_tells_that_it_does_not_own_is_dropped_and_stands_in_the_timeline() {
    let order = build::order("1001");
    let mut world = World::new();
    world.tell(&build::observed(order.clone()));
    let known = world.state().facts.clone();
    let mut edited = order.clone();
    edited.version = Version(order.version.0 + 1);
    edited.lines.clear();
    let mut by_carrier = build::observed(edited);
    by_carrier.source = connection("easypost");
    let payment = Event::PaymentObserved(Payment {
        gateway: connection("threepl"),
        id: external("pi_1"),
        status: PaymentStatus::Captured,
        amount: build::eur("1.00"),
        version: Version(1),
        paid_at: None,
        method: None,
    });
    for (event, field) in [
        (by_carrier, "Order"),
        (told(&world, "m-1", "threepl", &order, payment), "Payment"),
        (
            told(&world, "m-2", "shop-main", &order, delivered()),
            "Tracking",
        ),
    ] {
        let decided = world.decide(&event);
        assert!(!decided.changed);
        assert!(decided.summary.contains(field), "{}", decided.summary);
        assert!(decided.summary.contains("dropped"), "{}", decided.summary);
        assert_eq!(world.state().facts, known);
        assert!(world.state().applied.contains(&event.id));
    }
    let by_carrier = told(&world, "m-3", "easypost", &order, delivered());
    assert!(world.decide(&by_carrier).changed, "a carrier owns tracking");
}

#[test]
fn what_waybill_released_comes_back_from_the_warehouse_and_asks_for_nothing() {
    let order = build::order("1001");
    let mut world = World::new();
    world.tell(&build::observed(order.clone()));
    world.settle();
    let issued = world.issued.clone();
    let echo = Event::FulfillmentOrderObserved(FulfillmentOrder {
        warehouse: connection("threepl"),
        id: external("SB-1"),
        reference: Some(external(&order.correlation().to_string())),
        status: FulfillmentStatus::Accepted,
        version: Version(1),
    });
    world.tell(&told(&world, "m-1", "threepl", &order, echo));
    world.settle();
    assert_eq!(world.issued, issued);
    assert_eq!(world.open_cases(), Vec::<String>::new());
}

#[test]
fn a_snapshot_that_says_nothing_new_asks_for_nothing() {
    let order = build::order("1001");
    let mut world = World::new();
    world.tell(&build::observed(order.clone()));
    world.settle();
    let issued = world.issued.clone();
    let mut echo = order.clone();
    echo.version = Version(order.version.0 + 1);
    world.tell(&build::observed(echo));
    world.settle();
    assert_eq!(world.issued, issued);
}
