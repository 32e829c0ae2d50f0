//! What an agent is told of an order in the helpdesk.

use crate::told::{decided, event, parcel, refund, returned, shipment, tracking};
use crate::world::{CONNECTIONS, World};
use waybill_flow::stages::STATUS_MINUTES;
use waybill_model::command::{Command, OrderContext};
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{ClockPassed, Decision, Event};
use waybill_model::order::Version;
use waybill_model::payment::RefundStatus;
use waybill_model::returns::ReturnStatus;
use waybill_model::shipment::{Shipment, ShipmentStatus, TrackingStatus};
use waybill_model::ticket::{Ticket, TicketStatus};
use waybill_model::time::Instant;
use waybill_testkit::build::{self, OrderBuilder, connection, external};

const ALL: [(&str, &str, i64); 2] = [("L1", "MUG-RED", 2), ("L2", "TEE-M", 1)];

fn observed() -> Event {
    build::observed(build::order("1001")).body
}

/// Tells and settles; what the helpdesk was asked to show.
fn tell(world: &mut World, source: &str, body: Event) -> Vec<OrderContext> {
    let mut commands = world.decide(&event(source, body)).commands;
    while let Some(answer) = world.answers.pop_front() {
        commands.extend(world.decide(&answer).commands);
    }
    let contexts = commands
        .into_iter()
        .filter_map(|issued| match issued.command {
            Command::UpdateTicket(update) => Some(update.context),
            _ => None,
        });
    contexts.collect()
}

fn written() -> World {
    let mut world = World::new();
    assert_eq!(tell(&mut world, "shop-main", observed()), []);
    world
}

fn left() -> Shipment {
    let mut shipment = shipment("SHP-1", ShipmentStatus::Shipped, &ALL);
    shipment.parcels.push(parcel(Some("1Z1")));
    shipment
}

#[test]
fn an_order_that_goes_its_way_is_not_worth_a_ticket_unless_each_is_wanted() {
    written();
    let every = CONNECTIONS.replace(
        "[connections.helpdesk]",
        "[connections.helpdesk]\nticket_for_every_order = true",
    );
    let mut world = World::with_rules(&every);
    let contexts = tell(&mut world, "shop-main", observed());
    let summaries: Vec<&str> = contexts.iter().map(|c| c.summary.as_str()).collect();
    assert_eq!(
        summaries,
        [
            "order writing, payment paid, fulfillment none, return none",
            "order confirmed, payment paid, fulfillment releasing, return none",
            "order confirmed, payment paid, fulfillment released, return none",
        ]
    );
    let none = CONNECTIONS.replace("helpdesk = \"zendesk\"", "");
    let mut world = World::with_rules(&none);
    tell(&mut world, "shop-main", observed());
    assert_eq!(
        tell(&mut world, "threepl", Event::ShipmentObserved(left())),
        []
    );
}

#[test]
fn what_agents_are_asked_about_is_worth_a_ticket() {
    let back = returned("shop-main", "RET-1", ReturnStatus::Requested);
    let money = refund("shop-main", "R-1", RefundStatus::Pending, "5.00");
    let ticket = Ticket {
        helpdesk: connection("zendesk"),
        id: external("T-1"),
        status: TicketStatus::Open,
        version: Version(1),
    };
    let edited = OrderBuilder::new("1001").version(2);
    let edited = edited.with(|o| o.lines[0].unit_price = build::amount("13.00"));
    for (source, body) in [
        ("threepl", Event::ShipmentObserved(left())),
        ("shop-main", Event::ReturnObserved(back)),
        ("shop-main", Event::RefundObserved(money)),
        ("zendesk", Event::TicketObserved(ticket)),
        ("shop-main", build::observed(edited.build()).body),
    ] {
        let mut world = written();
        assert_eq!(tell(&mut world, source, body.clone()).len(), 1, "{body:?}");
    }
}

#[test]
fn a_ticket_says_where_the_order_stands() {
    let mut world = written();
    let told = tell(&mut world, "threepl", Event::ShipmentObserved(left()));
    let context = told.last().unwrap();
    assert_eq!(context.order_number.as_str(), "#1001");
    assert_eq!(context.email.as_deref(), Some("ada@example.com"));
    assert_eq!(
        context.summary,
        "order confirmed, payment paid, fulfillment shipped, return none"
    );
    assert_eq!(context.axes["fulfillment"], "shipped");
    assert_eq!(context.tracking_numbers, [build::text("1Z1")]);
    assert_eq!(context.exceptions, Vec::<String>::new());
    assert!(!context.needs_attention);
    assert_eq!(context.revision, 1);
}

#[test]
fn only_cases_of_the_service_are_for_agents() {
    let mut world = written();
    tell(&mut world, "threepl", Event::ShipmentObserved(left()));
    let trouble = Event::TrackingObserved(tracking("1Z1", TrackingStatus::Exception));
    let told = tell(&mut world, "easypost", trouble);
    let exceptions = ["parcel_delayed: the carrier reports trouble with parcel `1Z1`"];
    assert_eq!(told[0].exceptions, exceptions);
    assert!(told[0].needs_attention);
    assert_eq!(told[0].revision, 2);
    // A case of the finances changes nothing that an agent sees.
    let disputed = crate::told::payment(waybill_model::payment::PaymentStatus::Captured, "59.90");
    assert_eq!(
        tell(&mut world, "stripe", Event::PaymentObserved(disputed)),
        []
    );
    // Closed by its cause, it is told no more.
    let mut mended = tracking("1Z1", TrackingStatus::Delivered);
    mended.at = mended.at.plus_ms(1);
    let told = tell(&mut world, "easypost", Event::TrackingObserved(mended));
    assert_eq!(told[0].exceptions, Vec::<String>::new());
}

#[test]
fn a_case_that_was_ignored_is_no_exception() {
    let mut world = written();
    tell(&mut world, "threepl", Event::ShipmentObserved(left()));
    let trouble = Event::TrackingObserved(tracking("1Z1", TrackingStatus::Exception));
    tell(&mut world, "easypost", trouble);
    let case = world.state().cases.values().next().unwrap().id;
    let ignore = Decision::Ignore {
        case,
        reason: build::text("the customer knows"),
    };
    let told = tell(&mut world, "waybill", decided(ignore).body);
    assert!(!told[0].needs_attention);
}

#[test]
fn while_one_update_is_under_way_the_next_waits_and_then_tells_all() {
    let mut world = written();
    let mut second = left();
    second.parcels[0].tracking_number = Some(build::text("1Z2"));
    second.id = external("SHP-2");
    world.tell(&event("threepl", Event::ShipmentObserved(left())));
    let waits = world.decide(&event("threepl", Event::ShipmentObserved(second)));
    let updates =
        |c: &waybill_model::command::Issued| matches!(c.command, Command::UpdateTicket(_));
    assert!(!waits.commands.iter().any(updates));
    let mut commands = Vec::new();
    while let Some(answer) = world.answers.pop_front() {
        commands.extend(world.decide(&answer).commands);
    }
    let later: Vec<_> = commands.into_iter().filter(updates).collect();
    assert_eq!(later.len(), 1);
    let Command::UpdateTicket(update) = &later[0].command else {
        panic!("{later:?}");
    };
    assert_eq!(update.context.tracking_numbers.len(), 2);
}

#[test]
fn an_update_that_was_refused_is_told_again_when_a_person_says_so() {
    let mut world = written();
    let key = waybill_flow::plan::keys::ticket(1);
    world
        .refusals
        .insert(key.clone(), build::rejected("ticket_closed"));
    tell(&mut world, "threepl", Event::ShipmentObserved(left()));
    assert_eq!(world.open_cases(), ["ticket_closed"]);
    let again = Decision::Retry { effect: key };
    let told = tell(&mut world, "waybill", decided(again).body);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].revision, 2);
    assert_eq!(world.open_cases(), Vec::<String>::new());
}

#[test]
fn an_update_whose_outcome_was_lost_is_a_case_until_it_is_retried_or_a_newer_one_is_told() {
    for retried in [true, false] {
        let mut world = written();
        world.tell(&event("threepl", Event::ShipmentObserved(left())));
        let key = waybill_flow::plan::keys::ticket(1);
        let is_ticket = |e: &EventEnvelope| matches!(&e.body, Event::CommandFinished(finished) if finished.effect == key);
        world.answers.retain(|answer| !is_ticket(answer));
        world.settle();
        world.now = build::start().plus_ms(i64::from(STATUS_MINUTES) * 60_000 - 1);
        let now = world.now;
        tell(&mut world, "waybill", clock(now));
        assert_eq!(world.open_cases(), Vec::<String>::new());
        world.now = now.plus_ms(1);
        assert_eq!(tell(&mut world, "waybill", clock(now.plus_ms(1))), []);
        assert_eq!(world.open_cases(), ["status_overdue"]);
        let told = if retried {
            let again = Decision::Retry {
                effect: key.clone(),
            };
            tell(&mut world, "waybill", decided(again).body)
        } else {
            let arrived = tracking("1Z1", TrackingStatus::Delivered);
            tell(&mut world, "easypost", Event::TrackingObserved(arrived))
        };
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].revision, 2);
        assert_eq!(world.open_cases(), Vec::<String>::new());
    }
}

/// Its command may be tried still.
#[test]
fn an_update_that_was_not_given_up_for_certain_keeps_a_newer_one_back() {
    let mut world = written();
    world.tell(&event("threepl", Event::ShipmentObserved(left())));
    let key = waybill_flow::plan::keys::ticket(1);
    let is_ticket = |e: &EventEnvelope| matches!(&e.body, Event::CommandFinished(finished) if finished.effect == key);
    world.answers.retain(|answer| !is_ticket(answer));
    world.settle();
    let over = build::start().plus_ms(i64::from(STATUS_MINUTES) * 60_000);
    world.now = over.plus_ms(-1);
    let arrived = tracking("1Z1", TrackingStatus::Delivered);
    let told = tell(&mut world, "easypost", Event::TrackingObserved(arrived));
    assert_eq!(told, []);
    world.now = over;
    let told = tell(&mut world, "waybill", clock(over));
    assert_eq!(told.len(), 1);
}

fn clock(now: Instant) -> Event {
    Event::ClockPassed(ClockPassed { now })
}
