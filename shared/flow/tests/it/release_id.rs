//! Cancels by the id that the release gave.

use crate::world::{CONNECTIONS, World};
use waybill_flow::connections::Connections;
use waybill_flow::decide::decide;
use waybill_model::command::Command;
use waybill_model::event::Outcome;
use waybill_model::id::{RefKind, Reference};
use waybill_model::order::{Cancellation, Version};
use waybill_testkit::build::{self, connection, external};

#[test]
fn a_cancel_names_the_id_that_the_release_answered() {
    let order = build::order("24");
    let mut world = World::new();
    let of = |id: &str| {
        let warehouse = connection("threepl");
        Reference::new(warehouse, RefKind::FulfillmentOrder, external(id))
    };
    let references = vec![
        Reference::new(connection("threepl"), RefKind::Shipment, external("99001")),
        of("88001"),
    ];
    world.refusals.insert(
        build::effect("fulfillment_order.create/threepl"),
        Outcome::Done { references },
    );
    world.tell(&build::observed(order.clone()));
    world.settle();
    let mut cancelled = order;
    cancelled.version = Version(cancelled.version.0 + 1);
    cancelled.cancelled = Some(Cancellation {
        at: build::start(),
        reason: None,
    });
    let rules = Connections::parse(CONNECTIONS).unwrap();
    let event = build::observed(cancelled);
    let decided = decide(world.state.as_ref(), &event, &rules, world.now);
    let ids: Vec<_> = decided
        .commands
        .iter()
        .filter_map(|issued| match &issued.command {
            Command::CancelFulfillmentOrder(c) => Some(c.id.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, [Some(external("88001"))]);
}
