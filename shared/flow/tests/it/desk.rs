//! What a case tells the desk: how it is tried again, and whom it is about.

use crate::world::World;
use waybill_model::case::{Case, Retry};
use waybill_model::event::{Event, Finding, OrderObserved};
use waybill_model::id::EffectKey;
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
