//! Edit and retry (features X1): what a person corrects, and what the channel tells afterwards.

use crate::world::World;
use waybill_model::correction::Correction;
use waybill_model::envelope::{Envelope, EventEnvelope};
use waybill_model::event::{Decision, Event, Finding, OperatorDecided, OrderObserved, Outcome};
use waybill_model::id::{EffectKey, Sku};
use waybill_model::order::{Order, Version};
use waybill_testkit::build::{self, OrderBuilder, connection, text};

/// An order whose first line has no SKU.
fn without_sku() -> Order {
    OrderBuilder::new("1001")
        .with(|order| order.lines[0].sku = None)
        .build()
}

fn observed(order: &Order) -> EventEnvelope {
    let findings = waybill_flow::validate::findings(order, &settings());
    let mut event = build::observed(order.clone());
    event.body = Event::OrderObserved(Box::new(OrderObserved {
        order: order.clone(),
        findings,
    }));
    event
}

fn settings() -> waybill_flow::connections::ChannelSettings {
    let rules = waybill_flow::connections::Connections::parse(crate::world::CONNECTIONS).unwrap();
    rules.channel(&connection("shop-main")).unwrap().clone()
}

fn corrected(
    order: &Order,
    name: &str,
    correction: Correction,
    effect: Option<EffectKey>,
) -> EventEnvelope {
    let decision = Decision::Correct {
        correction: Box::new(correction),
        reason: text("the shop was called"),
        effect,
    };
    let operator = "alice".to_owned();
    let body = Event::OperatorDecided(OperatorDecided { decision, operator });
    let (id, source) = (build::message(name), connection("waybill"));
    Envelope::new(id, source, build::start(), order.correlation(), body)
}

fn sku(order: &Order, told: Option<&str>, sku: &str) -> Correction {
    Correction::Sku {
        line: order.lines[0].id.clone(),
        told: told.map(build::sku),
        sku: build::sku(sku),
    }
}

fn first_sku(world: &World) -> Option<Sku> {
    world.state().facts.order.as_ref().unwrap().lines[0]
        .sku
        .clone()
}

#[test]
fn a_corrected_sku_unblocks_the_order_and_is_what_is_written() {
    let order = without_sku();
    let mut world = World::new();
    world.tell(&observed(&order));
    assert_eq!(world.open_cases(), ["sku_missing"]);
    assert!(world.issued.is_empty());
    let decided = world.decide(&corrected(&order, "c-1", sku(&order, None, "MUG-01"), None));
    assert!(decided.summary.contains("alice corrected the SKU of line"));
    assert!(decided.summary.contains("the shop was called"));
    assert_eq!(world.open_cases(), Vec::<String>::new());
    let Some(issued) = decided.commands.first() else {
        panic!("nothing was issued");
    };
    let waybill_model::command::Command::CreateSaleOrder(written) = &issued.command else {
        panic!("{:?}", issued.command);
    };
    assert_eq!(written.order.lines[0].sku, Some(build::sku("MUG-01")));
}

#[test]
fn a_refused_effect_goes_out_again_with_the_correction() {
    let order = build::order("1001");
    let told = order.lines[0].sku.clone().unwrap();
    let mut world = World::new();
    let create = EffectKey::of("sale_order.create", None);
    let refusal = build::rejected("unknown_sku");
    world.refusals.insert(create.clone(), refusal);
    world.tell(&observed(&order));
    world.settle();
    assert_eq!(world.open_cases(), ["unknown_sku"]);
    world.refusals.clear();
    let correction = sku(&order, Some(told.as_str()), "MUG-01");
    let decided = world.decide(&corrected(&order, "c-1", correction, Some(create.clone())));
    assert_eq!(decided.commands[0].effect, create);
    // The second answer is another event than the first.
    let mut answer = world.answers.pop_front().unwrap();
    answer.id = build::message("second-answer");
    world.tell(&answer);
    let effect = &world.state().effects[&create];
    assert!(matches!(effect.outcome, Some(Outcome::Done { .. })));
    assert_eq!(effect.attempt, 2);
    assert_eq!(world.open_cases(), Vec::<String>::new());
}

#[test]
fn a_correction_holds_over_newer_snapshots_that_tell_the_same_and_not_over_others() {
    let order = without_sku();
    let mut world = World::new();
    world.tell(&observed(&order));
    world.tell(&corrected(&order, "c-1", sku(&order, None, "MUG-01"), None));
    let mut same = order.clone();
    same.version = Version(order.version.0 + 1);
    world.tell(&observed(&same));
    assert_eq!(first_sku(&world), Some(build::sku("MUG-01")));
    let mut mended = same.clone();
    mended.version = Version(same.version.0 + 1);
    mended.lines[0].sku = Some(build::sku("MUG-77"));
    world.tell(&observed(&mended));
    assert_eq!(
        first_sku(&world),
        Some(build::sku("MUG-77")),
        "the shop owns it"
    );
    assert_eq!(world.state().facts.told, None);
}

#[test]
fn snapshots_and_corrections_end_in_the_same_facts_in_any_order() {
    let order = without_sku();
    let mut newer = order.clone();
    newer.version = Version(order.version.0 + 1);
    newer.note = Some("ring twice".to_owned());
    let mut later = corrected(&order, "c-2", sku(&order, None, "MUG-02"), None);
    later.time = build::start().plus_ms(1);
    let events = [
        observed(&order),
        observed(&newer),
        corrected(&order, "c-1", sku(&order, None, "MUG-01"), None),
        later,
    ];
    let mut ends = Vec::new();
    for turn in 0..24_usize {
        // Every order of four: the digits of the turn in the factorial number system.
        let mut left: Vec<&EventEnvelope> = events.iter().collect();
        let mut world = World::new();
        for place in [turn / 6, turn / 2 % 3, turn % 2, 0] {
            world.tell(left.remove(place));
        }
        ends.push(world.state().facts.clone());
    }
    assert!(ends.iter().all(|facts| *facts == ends[0]));
    assert_eq!(
        ends[0].order.as_ref().unwrap().lines[0].sku,
        Some(build::sku("MUG-02"))
    );
    assert_eq!(ends[0].order.as_ref().unwrap().note, newer.note);
}

#[test]
fn a_completed_address_unblocks_and_stands_nowhere_in_the_timeline() {
    let full = build::order("1001");
    let address = full.shipping.clone().unwrap();
    let order = OrderBuilder::new("1001")
        .with(|order| order.shipping.as_mut().unwrap().city = None)
        .build();
    let mut world = World::new();
    world.tell(&observed(&order));
    assert_eq!(world.open_cases(), ["address_incomplete"]);
    let correction = Correction::ShippingAddress {
        told: order.shipping.clone().map(Box::new),
        address: Box::new(address.clone()),
    };
    let decided = world.decide(&corrected(&order, "c-1", correction, None));
    let city = address.city.as_deref().unwrap();
    assert!(!decided.summary.contains(city), "{}", decided.summary);
    assert!(!format!("{:?}", decided.state.facts.corrections).contains(city));
    assert_eq!(world.open_cases(), Vec::<String>::new());
    assert_eq!(world.issued.len(), 1);
}

#[test]
fn what_a_correction_does_not_mend_still_blocks() {
    let order = OrderBuilder::new("1001")
        .with(|order| order.lines.iter_mut().for_each(|l| l.sku = None))
        .build();
    let mut world = World::new();
    let mut event = observed(&order);
    // What the channel's adapter found stays too: it is not ours to judge.
    if let Event::OrderObserved(told) = &mut event.body {
        told.findings.push(Finding {
            code: build::code("currency_unknown"),
            detail: "the shop's currency has no price list".to_owned(),
            remedy: "mend the test".to_owned(),
        });
    }
    world.tell(&event);
    let mut cases = world.open_cases();
    cases.sort();
    assert_eq!(cases, ["currency_unknown", "sku_missing", "sku_missing"]);
    world.tell(&corrected(&order, "c-1", sku(&order, None, "MUG-01"), None));
    let mut cases = world.open_cases();
    cases.sort();
    assert_eq!(cases, ["currency_unknown", "sku_missing"]);
    assert!(world.issued.is_empty());
    let facts = &world.state().facts;
    assert_eq!(facts.told_order(), Some(&order));
    assert_ne!(facts.order.as_ref(), Some(&order));
}

#[test]
fn the_order_as_told_is_the_order_where_nothing_was_corrected() {
    let order = build::order("1001");
    let mut world = World::new();
    world.tell(&observed(&order));
    assert_eq!(world.state().facts.told_order(), Some(&order));
}
