//! Named situations of an order.

use crate::world::World;
use waybill_flow::state::LOST_MS;
use waybill_model::envelope::Envelope;
use waybill_model::event::{Decision, Event, Finding, OperatorDecided, OrderObserved, Outcome};
use waybill_model::id::Code;
use waybill_model::order::{OrderPayment, Version};
use waybill_model::time::Instant;
use waybill_testkit::build;

fn rejection(code: &'static str) -> Outcome {
    Outcome::Rejected {
        code: Code::literal(code),
        detail: "no".to_owned(),
        remedy: "mend it".to_owned(),
    }
}

#[test]
fn an_unpaid_order_is_held_and_released_when_the_payment_comes() {
    let mut order = build::order("1");
    order.payment = OrderPayment::Pending;
    let mut world = World::new();
    world.tell(&build::observed(order.clone()));
    world.settle();
    assert!(world.outside.sale_order.is_none());
    order.payment = OrderPayment::Paid;
    order.version = Version(order.version.0 + 1);
    world.tell(&build::observed(order));
    world.settle();
    assert!(world.outside.sale_order.is_some());
    assert!(world.outside.release.is_some());
}

#[test]
fn a_finding_blocks_opens_a_case_and_a_waiver_lets_it_pass() {
    let order = build::order("2");
    let code = Code::literal("test_order");
    let mut event = build::observed(order);
    if let Event::OrderObserved(observed) = &mut event.body {
        let OrderObserved { findings, .. } = observed.as_mut();
        findings.push(Finding {
            code: code.clone(),
            detail: "a test".to_owned(),
            remedy: "waive it".to_owned(),
        });
    }
    let mut world = World::new();
    world.tell(&event);
    world.settle();
    assert!(world.outside.sale_order.is_none());
    assert_eq!(world.open_cases(), vec!["test_order"]);
    let decided = OperatorDecided {
        decision: Decision::Waive { code },
        operator: "alice".to_owned(),
    };
    world.tell(&Envelope::new(
        build::message("waive"),
        build::connection("waybill"),
        world.now,
        event.correlationid,
        Event::OperatorDecided(decided),
    ));
    world.settle();
    assert!(world.outside.sale_order.is_some());
    assert!(world.open_cases().is_empty());
}

#[test]
fn an_effect_that_was_lost_on_the_way_is_issued_again_by_an_operator_after_a_day() {
    let event = build::observed(build::order("3"));
    let effect = build::effect("sale_order.create");
    let mut world = World::new();
    world.tell(&event);
    // The command was put aside, or its outcome was: nobody tells it.
    world.answers.clear();
    world.outside.sale_order = None;
    let retry = |n: &str, at: Instant| {
        let decided = OperatorDecided {
            decision: Decision::Retry {
                effect: effect.clone(),
            },
            operator: "alice".to_owned(),
        };
        let ourselves = build::connection("waybill");
        let event_of = Event::OperatorDecided(decided);
        Envelope::new(
            build::message(n),
            ourselves,
            at,
            event.correlationid,
            event_of,
        )
    };
    world.now = build::start().plus_ms(LOST_MS - 1);
    world.tell(&retry("retry-1", world.now));
    assert_eq!(world.issued.len(), 1, "it may still run");
    world.now = build::start().plus_ms(LOST_MS);
    world.tell(&retry("retry-2", world.now));
    assert_eq!(world.issued, [effect.clone(), effect.clone()]);
    world.settle();
    assert!(world.outside.release.is_some(), "the order goes on");
    assert!(world.open_cases().is_empty());
}

#[test]
fn a_refused_order_is_a_case_until_an_operator_retries_it() {
    let event = build::observed(build::order("3"));
    let effect = build::effect("sale_order.create");
    let mut world = World::new();
    world
        .refusals
        .insert(effect.clone(), rejection("unknown_sku"));
    world.tell(&event);
    world.settle();
    assert_eq!(world.open_cases(), vec!["unknown_sku"]);
    world.refusals.clear();
    let decided = OperatorDecided {
        decision: Decision::Retry { effect },
        operator: "alice".to_owned(),
    };
    let retry = |n: &str| {
        Envelope::new(
            build::message(n),
            build::connection("waybill"),
            build::start(),
            event.correlationid,
            Event::OperatorDecided(decided.clone()),
        )
    };
    world.tell(&retry("retry-1"));
    assert!(world.open_cases().is_empty(), "closed while the retry runs");
    // The answer of the retry has the id of the first answer in this world: give it its own.
    let mut answer = world.answers.pop_front().unwrap();
    answer.id = build::message("answer-of-retry");
    world.tell(&answer);
    world.settle();
    assert!(world.outside.release.is_some());
    world.tell(&retry("retry-2"));
    world.settle();
    assert_eq!(
        world
            .issued
            .iter()
            .filter(|e| e.as_str() == "sale_order.create")
            .count(),
        2
    );
}

#[test]
fn only_one_erp_command_is_under_way_at_a_time() {
    let mut world = World::new();
    world.tell(&build::observed(build::order("4")));
    assert_eq!(
        world.answers.len(),
        1,
        "nothing goes to the warehouse before the ERP has it"
    );
    world.settle();
    assert!(world.outside.release.is_some());
}

#[test]
fn a_stage_that_waits_too_long_becomes_a_case_and_closes_when_it_moves_on() {
    let event = build::observed(build::order("5"));
    let mut world = World::new();
    world.tell(&event);
    let answer = world.answers.pop_front().unwrap();
    world.now = world.now.plus_ms(16 * 60_000);
    let tick = Envelope::new(
        build::message("tick"),
        build::connection("waybill"),
        world.now,
        event.correlationid,
        Event::ClockPassed(waybill_model::event::ClockPassed { now: world.now }),
    );
    world.tell(&tick);
    assert_eq!(world.open_cases(), vec!["erp_overdue"]);
    world.tell(&answer);
    world.settle();
    assert!(world.open_cases().is_empty());
}

#[test]
fn the_state_survives_its_own_serialisation() {
    let mut world = World::new();
    world.tell(&build::observed(build::order("6")));
    world.settle();
    let json = serde_json::to_string(world.state()).unwrap();
    let back: waybill_flow::state::OrderState = serde_json::from_str(&json).unwrap();
    assert_eq!(&back, world.state());
}

#[test]
fn an_ignored_case_stays_ignored_and_the_timeline_says_who_and_why() {
    let event = build::observed(build::order("9"));
    let mut world = World::new();
    let effect = build::effect("sale_order.create");
    world.refusals.insert(effect, rejection("unknown_sku"));
    world.tell(&event);
    world.settle();
    let case = *world.state().cases.keys().next().unwrap();
    let decide = |n: &str, decision| {
        let decided = OperatorDecided {
            decision,
            operator: "alice".to_owned(),
        };
        Envelope::new(
            build::message(n),
            build::connection("waybill"),
            build::start(),
            event.correlationid,
            Event::OperatorDecided(decided),
        )
    };
    let owner = build::text("bob");
    let given = world.decide(&decide("assign", Decision::Assign { case, owner }));
    assert!(given.changed);
    assert_eq!(given.cases.len(), 1, "the store is told the owner");
    assert_eq!(world.open_cases(), vec!["unknown_sku"]);
    let reason = build::text("sold by hand");
    let ignored = world.decide(&decide("ignore", Decision::Ignore { case, reason }));
    assert_eq!(
        ignored.summary,
        format!("alice ignored case {case}: sold by hand")
    );
    assert!(world.open_cases().is_empty());
    world.tell(&event);
    world.settle();
    let kept = &world.state().cases[&case];
    assert_eq!(kept.owner.as_ref().unwrap().as_str(), "bob");
    assert!(world.open_cases().is_empty());
}
