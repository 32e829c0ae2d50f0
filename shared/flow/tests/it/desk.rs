//! What a case tells the desk: how it is tried again, and whom it is about.

use crate::told::{event, refund};
use crate::world::World;
use waybill_flow::state::LOST_MS;
use waybill_model::case::{Case, Retry};
use waybill_model::event::{ClockPassed, Event, Finding, OrderObserved};
use waybill_model::id::EffectKey;
use waybill_model::payment::RefundStatus;
use waybill_testkit::build::{self, connection};

fn only_case(world: &World) -> Case {
    let cases: Vec<&Case> = world.state().cases.values().collect();
    assert_eq!(cases.len(), 1, "{cases:?}");
    cases[0].clone()
}

#[test]
fn a_refusal_is_about_whoever_refused_and_is_retried_by_its_effect() {
    for (effect, refused_by) in [
        (EffectKey::of("sale_order.create", None), "odoo"),
        (
            EffectKey::of("fulfillment_order.create", Some("threepl")),
            "threepl",
        ),
    ] {
        let mut world = World::new();
        let refusal = build::rejected("unknown_sku");
        world.refusals.insert(effect.clone(), refusal);
        world.tell(&build::observed(build::order("1001")));
        world.settle();
        let case = only_case(&world);
        assert_eq!(case.retry, Some(Retry::Effect { effect }));
        assert_eq!(case.connection, Some(connection(refused_by)));
        assert!(case.value.is_some());
    }
}

#[test]
fn a_finding_is_about_the_channel_and_is_retried_by_reading_the_order_again() {
    let mut event = build::observed(build::order("1001"));
    let finding = Finding {
        code: build::code("total_mismatch"),
        detail: "a cent is missing".to_owned(),
        remedy: "mend the test".to_owned(),
    };
    event.body = Event::OrderObserved(Box::new(OrderObserved {
        order: build::order("1001"),
        findings: vec![finding],
    }));
    let mut world = World::new();
    world.tell(&event);
    let case = only_case(&world);
    assert_eq!(case.retry, Some(Retry::Order));
    assert_eq!(case.connection, Some(connection("shop-main")));
}

/// The order is written, and what becomes of it is never heard.
#[test]
fn what_waits_for_an_outcome_is_retried_by_the_effect_that_has_none() {
    let mut world = World::new();
    world.tell(&build::observed(build::order("1001")));
    world.answers.clear();
    world.now = world.now.plus_ms(LOST_MS);
    let now = world.now;
    world.tell(&event("waybill", Event::ClockPassed(ClockPassed { now })));
    let case = only_case(&world);
    assert_eq!(case.code.as_str(), "erp_overdue");
    let effect = EffectKey::of("sale_order.create", None);
    assert_eq!(case.retry, Some(Retry::Effect { effect }));
}

#[test]
fn a_case_about_a_refund_is_worth_the_refund_and_not_the_order() {
    let mut world = World::new();
    world.tell(&build::observed(build::order("1001")));
    world.settle();
    let failed = refund("stripe", "R-1", RefundStatus::Failed, "7.00");
    world.tell(&event("stripe", Event::RefundObserved(failed)));
    let cases = world.state().cases.values();
    let worth: Vec<_> = cases.map(|c| (c.code.as_str(), c.value.unwrap())).collect();
    let seven = build::eur("7.00");
    let wanted = ["refund_failed", "refund_unknown_to_channel"].map(|code| (code, seven));
    assert_eq!(worth.len(), 2);
    assert!(wanted.iter().all(|w| worth.contains(w)), "{worth:?}");
}
