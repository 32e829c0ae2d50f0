//! How customers and partners tell us: signed calls of the intake, repeated until they are taken, and
//! sometimes twice, late, in another order, or never.

use crate::gateway::{self, Request};
use crate::sandbox::Sandbox;
use crate::sim::Sim;
use crate::world::{GATEWAY, World};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use waybill_model::time::Instant;
use waybill_partners::signature::{Encoding, sign};
use waybill_partners::standard_webhooks;

/// Attempts of a partner until a webhook is taken.
const ATTEMPTS: u32 = 40;
/// The function's timeout.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A message to us.
#[derive(Debug, Clone)]
pub struct Message {
    /// To which connection's webhook.
    pub connection: &'static str,
    /// The partner's id of the event.
    pub id: String,
    /// The body.
    pub body: Value,
    /// Whether a poll finds it too, so that it may be lost.
    pub polled: bool,
}

/// Tells it, for better or worse; returns when it was taken for the last time.
pub async fn tell(world: &Arc<World>, message: Message) {
    let sim = &world.sim;
    let weather = sim.weather();
    if message.polled && sim.fault("webhook never comes", weather.dropped) {
        sim.note(format_args!("webhook {} is lost", message.id));
        return;
    }
    if sim.fault("webhook late", weather.late) {
        sim.wait_ms(sim.between(10_000, 3_600_000)).await;
    } else {
        sim.wait_ms(sim.between(50, 2_000)).await;
    }
    post(world, &message).await;
    if sim.fault("webhook twice", weather.duplicate) {
        sim.wait_ms(sim.between(10, 7_200_000)).await;
        post(world, &message).await;
    }
}

/// Tells it without waiting for its end.
pub fn spawn(world: &Arc<World>, message: Message) {
    world.plan(1);
    let world = Arc::clone(world);
    tokio::spawn(async move {
        tell(&world, message).await;
        world.plan(-1);
    });
}

async fn post(world: &Arc<World>, message: &Message) {
    let sim = &world.sim;
    for attempt in 0..ATTEMPTS {
        let status = call(world, message).await;
        sim.note(format_args!(
            "webhook {} to {}: {status:?}",
            message.id, message.connection
        ));
        if status.is_some_and(|s| (200..300).contains(&s)) {
            let what = (message.connection, message.id.clone());
            world.partners.lock().unwrap().acknowledged.insert(what);
            // The partner may not have heard it.
            if !sim.fault("acknowledgement lost", sim.weather().lost) {
                return;
            }
        } else if let Some(status @ 400..=499) = status
            && status != 401
        {
            sim.wrong(format!(
                "a good webhook was refused with {status}: {}",
                message.id
            ));
            return;
        }
        let ms = 1_000_u64 << attempt.min(10);
        sim.wait_ms(ms + sim.below(1_000)).await;
    }
    sim.wrong(format!(
        "webhook {} was not taken in {ATTEMPTS} attempts",
        message.id
    ));
}

/// One call of the intake; nothing if it was not answered.
async fn call(world: &Arc<World>, message: &Message) -> Option<i64> {
    let body = message.body.to_string();
    let request = Request {
        path: &format!("/webhooks/{}", message.connection),
        headers: headers(&world.sim, message, &body),
        body: &body,
    };
    let handle = |sandbox: Sandbox, event| async move {
        let ports = webhook_intake::Ports {
            connections: sandbox.connections(),
            secrets: &sandbox,
            queues: &sandbox,
            clock: &sandbox,
        };
        webhook_intake::handle(&ports, event).await
    };
    gateway::post(world, "webhook-intake", TIMEOUT, request, handle).await
}

fn headers(sim: &Sim, message: &Message, body: &str) -> Map<String, Value> {
    let now = sim.now();
    let mut headers = Map::new();
    if message.connection == GATEWAY {
        headers.insert("stripe-signature".to_owned(), stripe(now, body).into());
    } else {
        let secrets = World::signing();
        let signed = standard_webhooks::headers(&secrets, &message.id, now, body.as_bytes());
        for (name, value) in signed.expect("a key") {
            headers.insert(name.to_owned(), value.into());
        }
    }
    headers
}

fn stripe(now: Instant, body: &str) -> String {
    let seconds = now.epoch_s().to_string();
    let parts: [&[u8]; 3] = [seconds.as_bytes(), b".", body.as_bytes()];
    let key = crate::world::STANDARD_KEY.as_bytes();
    format!("t={seconds},v1={}", sign(key, &parts, Encoding::Hex))
}
