//! What operators do: mend what was refused and retry it, and replay orders now and then, by the
//! operations API.

use crate::causes::{self, Cases};
use crate::gateway::{self, Request};
use crate::sandbox::Sandbox;
use crate::world::World;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use waybill_flow::ports::Queue;
use waybill_model::case::{CaseStatus, Retry};
use waybill_model::id::CorrelationId;

/// The secret of the operations API: SHA-256 of `operator`, the token.
pub const TOKENS: &str = r#"{"tokens": [{"id": "op", "scopes": ["admin"],
    "sha256": "06e55b633481f7bb072957eabcf110c972e86691c3cfedabe088024bffe42f23"}]}"#;

/// Most calls in a row that redrive a queue: some may be lost.
const REDRIVES: usize = 10;

/// The function's timeout.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Replays orders now and then, and mends what Odoo refuses.
pub async fn work(world: &Arc<World>, times: u64) {
    let sim = &world.sim;
    for _ in 0..times {
        sim.wait_ms(sim.between(600_000, 7_200_000)).await;
        let ids: Vec<CorrelationId> = world
            .partners
            .lock()
            .unwrap()
            .sold
            .keys()
            .copied()
            .collect();
        if !ids.is_empty() {
            let id = ids[usize::try_from(sim.below(ids.len() as u64)).expect("a place")];
            post(
                world,
                &format!("/ops/orders/{id}/replay"),
                serde_json::json!({}),
            )
            .await;
        }
        if sim.chance(400) {
            mend(world);
        }
        retry_all(world).await;
        if sim.chance(500) {
            redrive_all(world).await;
        }
    }
}

/// Somebody makes the product that Odoo lacked.
pub fn mend(world: &World) {
    world.erp.lock().unwrap().is_complete = true;
}

/// Sends back what was put aside into dead-letter queues.
pub async fn redrive_all(world: &Arc<World>) {
    for queue in Queue::ALL {
        // A call takes a bounded number.
        for _ in 0..REDRIVES {
            if world.sqs.lock().unwrap().dead_of(queue) == 0 {
                break;
            }
            post(
                world,
                &format!("/ops/dead-letters/{}/redrive", queue.as_str()),
                serde_json::json!({}),
            )
            .await;
        }
    }
}

/// Retries what cases say can be tried again. What no case tells of, no operator mends.
pub async fn retry_all(world: &Arc<World>) {
    nothing_else_refused(world);
    for case in world.orders.all_cases() {
        if case.status == CaseStatus::Open && matches!(case.retry, Some(Retry::Effect { .. })) {
            let path = format!("/ops/cases/{}/retry", case.id);
            post(world, &path, serde_json::json!({})).await;
        }
    }
}

/// Retries what nothing was heard of for a day, as the cases of unreadable messages say.
pub async fn retry_lost(world: &Arc<World>) {
    let mut lost = Vec::new();
    world.orders.look(|orders| {
        for (id, order) in orders.iter().filter(|(id, _)| world.garbled_of(**id) > 0) {
            let effects = order.state.effects.iter();
            let open = effects.filter(|(_, effect)| effect.outcome.is_none());
            lost.extend(open.map(|(key, _)| (*id, key.clone())));
        }
    });
    for (id, key) in lost {
        let path = format!("/ops/orders/{id}/retry");
        post(world, &path, serde_json::json!({"effect": key})).await;
    }
}

/// Nothing counts as refused but what a partner or Odoo has refused: what is away, or busy, says not now.
fn nothing_else_refused(world: &World) {
    causes::check(world, &Cases::new(), |_| false);
}

/// One call; an operator who gets no answer does it again later.
async fn post(world: &Arc<World>, path: &str, body: Value) {
    let request = Request {
        path,
        headers: Map::from_iter([("authorization".to_owned(), "Bearer operator".into())]),
        body: &body.to_string(),
    };
    let handle = |sandbox: Sandbox, event| async move {
        let ports = ops_api::Ports {
            connections: sandbox.connections(),
            orders: &sandbox,
            effects: &sandbox,
            queues: &sandbox,
            tokens: sandbox.tokens(),
            parse: waybill_partners::parse,
            clock: &sandbox,
        };
        ops_api::handle(&ports, event).await
    };
    let status = gateway::post(world, "ops-api", TIMEOUT, request, handle).await;
    world.sim.note(format_args!("operator: {path}: {status:?}"));
    if let Some(400 | 401 | 403) = status {
        world.sim.wrong(format!(
            "an operator's request was refused with {status:?}: {path}"
        ));
    }
}
