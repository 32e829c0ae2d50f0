//! What operators do: mend what was refused and retry it, and replay orders now and then, by the
//! operations API.

use crate::sandbox::Sandbox;
use crate::world::World;
use std::sync::Arc;
use waybill_flow::ports::InfraError;
use waybill_lambda_kit::secrets::SecretSource;
use waybill_model::event::Outcome;
use waybill_model::id::CorrelationId;

/// SHA-256 of `operator`, the token.
const TOKENS: &str = r#"{"tokens": [{"id": "op", "scopes": ["admin"],
    "sha256": "06e55b633481f7bb072957eabcf110c972e86691c3cfedabe088024bffe42f23"}]}"#;

struct Source;

impl SecretSource for Source {
    async fn fetch(&self, _: &str) -> Result<String, InfraError> {
        Ok(TOKENS.to_owned())
    }
}

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
    }
}

/// Somebody makes the product that Odoo lacked.
pub fn mend(world: &World) {
    world.erp.lock().unwrap().is_complete = true;
    for sold in world.partners.lock().unwrap().sold.values_mut() {
        sold.known = true;
    }
}

/// Retries everything that was refused.
pub async fn retry_all(world: &Arc<World>) {
    for (id, stored) in world.orders.all() {
        for (key, effect) in &stored.state.effects {
            if matches!(effect.outcome, Some(Outcome::Rejected { .. })) {
                post(
                    world,
                    &format!("/ops/orders/{id}/retry"),
                    serde_json::json!({"effect": key}),
                )
                .await;
            }
        }
    }
}

/// One call; an operator who gets no answer does it again later.
async fn post(world: &Arc<World>, path: &str, body: serde_json::Value) {
    let sandbox = Sandbox::new(world, "ops-api");
    let event = serde_json::json!({
        "version": "2.0", "rawPath": path, "headers": {"authorization": "Bearer operator"},
        "body": body.to_string(), "isBase64Encoded": false,
        "requestContext": {"http": {"method": "POST", "path": path, "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1", "userAgent": "simulation"}, "timeEpoch": 0},
    });
    let tokens = ops_api::Tokens::new(Source, sandbox.clone(), "waybill/simulation");
    let ports = ops_api::Ports {
        connections: &world.connections,
        orders: &sandbox,
        queues: &sandbox,
        tokens: &tokens,
        parse: waybill_partners::parse,
        clock: &sandbox,
    };
    world.running(1);
    let work = ops_api::handle(&ports, serde_json::from_value(event).expect("a request"));
    let status = tokio::select! {
        biased;
        () = sandbox.dead() => None,
        answer = work => Some(answer.status_code),
    };
    world.running(-1);
    world.sim.note(format_args!("operator: {path}: {status:?}"));
    if let Some(401 | 403 | 400) = status {
        world.sim.wrong(format!(
            "an operator's request was refused with {status:?}: {path}"
        ));
    }
}
