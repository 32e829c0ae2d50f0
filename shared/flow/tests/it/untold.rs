//! Money that comes for an order that its channel does not tell.

use crate::told::{event, payment};
use crate::world::{CONNECTIONS, World};
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{ClockPassed, Event};
use waybill_model::id::MessageId;
use waybill_model::payment::PaymentStatus;
use waybill_model::time::Instant;
use waybill_testkit::build;

const HOUR_MS: i64 = 60 * 60 * 1000;

fn paid(world: &World, status: PaymentStatus) -> EventEnvelope {
    let mut payment = payment(status, "20.00");
    payment.paid_at = Some(world.now);
    event("stripe", Event::PaymentObserved(payment))
}

fn pass(world: &mut World, until: Instant) -> Option<Instant> {
    world.now = until;
    let mut clock = event("waybill", Event::ClockPassed(ClockPassed { now: until }));
    clock.id = MessageId::new(until.to_string()).unwrap();
    world.tell(&clock)
}

#[test]
fn a_payment_whose_order_does_not_come_is_a_case_until_it_comes() {
    let mut world = World::new();
    let told = paid(&world, PaymentStatus::Captured);
    let deadline = world.tell(&told).unwrap();
    assert_eq!(deadline, world.now.plus_ms(2 * HOUR_MS));
    assert_eq!(pass(&mut world, deadline.plus_ms(-1)), Some(deadline));
    assert_eq!(world.open_cases(), Vec::<String>::new());
    assert_eq!(pass(&mut world, deadline), None, "the clock has told all");
    assert_eq!(world.open_cases(), vec!["order_untold"]);
    let case = world.state().cases.values().next().unwrap();
    assert_eq!(case.value, Some(build::eur("20.00")));
    assert_eq!(case.connection, Some(build::connection("stripe")));
    world.tell(&build::observed(build::order("1001")));
    world.settle();
    assert_eq!(world.open_cases(), Vec::<String>::new());
}

#[test]
fn money_that_is_only_reserved_or_of_another_time_is_nobodys_case() {
    let started = CONNECTIONS.replace(
        "tracker = \"easypost\"",
        "tracker = \"easypost\"\norders_from = \"2099-01-01T00:00:00Z\"",
    );
    let of_a_year_ago = |world: &World| {
        let mut told = payment(PaymentStatus::Captured, "20.00");
        told.paid_at = Some(world.now.plus_ms(-365 * 24 * HOUR_MS));
        event("stripe", Event::PaymentObserved(told))
    };
    for (mut world, told) in [
        (World::new(), paid(&World::new(), PaymentStatus::Authorized)),
        (World::new(), of_a_year_ago(&World::new())),
        (
            World::with_rules(&started),
            paid(&World::new(), PaymentStatus::Captured),
        ),
    ] {
        assert_eq!(world.tell(&told), None);
        let later = world.now.plus_ms(24 * HOUR_MS);
        pass(&mut world, later);
        assert_eq!(world.open_cases(), Vec::<String>::new());
    }
}
