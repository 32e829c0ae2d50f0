//! How customers and partners tell us: signed calls of the intake, repeated until they are taken, and
//! sometimes twice, late, in another order, or never.

use crate::gateway::{self, Request};
use crate::sandbox::Sandbox;
use crate::world::{CARRIER, GATEWAY, World};
use base64::Engine as _;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use waybill_flow::ports::{ConnectionSecrets, Secret};
use waybill_model::id::{CorrelationId, MessageId};
use waybill_model::time::Instant;
use waybill_partners::signature::{Encoding, sign};
use waybill_partners::standard_webhooks;
use waybill_testkit::build;

/// What the ids of messages begin with that nobody can read.
pub const POISON: &str = "poison-";
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
    let forgotten = message.polled && world.partners.lock().unwrap().is_unsubscribed;
    if forgotten || (message.polled && sim.fault("webhook never comes", weather.dropped)) {
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

/// Tells it, or it never comes, and no poll finds it: then the order's clock must.
pub fn spawn_unpolled(world: &Arc<World>, id: CorrelationId, message: Message) {
    let sim = &world.sim;
    if !sim.fault("never told", sim.weather().unheard) {
        return spawn(world, message);
    }
    sim.note(format_args!("{id}: {} is never told", message.id));
    let mut partners = world.partners.lock().unwrap();
    partners.unheard.entry(id).or_default().insert(message.id);
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

/// Tells it until it is taken.
pub async fn post(world: &Arc<World>, message: &Message) {
    let sim = &world.sim;
    for attempt in 0..ATTEMPTS {
        if message.id.starts_with(POISON) {
            world.partners.lock().unwrap().unreadable_again += 1;
        }
        let headers = headers(world, message, &message.body.to_string());
        let status = call(world, message, headers.clone()).await;
        sim.note(format_args!(
            "webhook {} to {}: {status:?}",
            message.id, message.connection
        ));
        if status.is_some_and(|s| (200..300).contains(&s)) {
            let (told_by, id) = (message.connection, &message.id);
            let event = MessageId::for_delivery(&build::connection(told_by), id, 0);
            let name = format!("`{id}` of {told_by}");
            let mut partners = world.partners.lock().unwrap();
            // What nobody can read is known by its case.
            let is_readable = !id.starts_with(POISON);
            if is_readable && partners.acknowledged.insert(event, name).is_none() {
                partners.told.push((message.clone(), headers));
            }
            drop(partners);
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
async fn call(world: &Arc<World>, message: &Message, headers: Map<String, Value>) -> Option<i64> {
    let body = message.body.to_string();
    let request = Request {
        path: &format!("/webhooks/{}", message.connection),
        headers,
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

/// How a partner signs a message now.
fn headers(world: &World, message: &Message, body: &str) -> Map<String, Value> {
    let key = world.signing_key(message.connection);
    let now = world.sim.now();
    let mut headers = Map::new();
    match message.connection {
        GATEWAY => {
            headers.insert(
                "stripe-signature".to_owned(),
                stripe(&key, now, body).into(),
            );
        }
        CARRIER => {
            let signature = sign(key.as_bytes(), &[body.as_bytes()], Encoding::Hex);
            let value = format!("hmac-sha256-hex={signature}");
            headers.insert("x-hmac-signature".to_owned(), value.into());
        }
        _ => {
            let secrets = ConnectionSecrets {
                webhook_secrets: vec![Secret::new(key)],
                api: BTreeMap::new(),
            };
            let signed = standard_webhooks::headers(&secrets, &message.id, now, body.as_bytes());
            for (name, value) in signed.expect("a key") {
                headers.insert(name.to_owned(), value.into());
            }
        }
    }
    headers
}

fn stripe(key: &str, now: Instant, body: &str) -> String {
    let seconds = now.epoch_s().to_string();
    let parts: [&[u8]; 3] = [seconds.as_bytes(), b".", body.as_bytes()];
    format!(
        "t={seconds},v1={}",
        sign(key.as_bytes(), &parts, Encoding::Hex)
    )
}

/// The n-th signing key of a connection, in the form that Standard Webhooks write it.
#[must_use]
pub fn key(connection: &str, n: u32) -> String {
    let text = format!("{connection:-<24}{n:08}");
    format!(
        "whsec_{}",
        base64::engine::general_purpose::STANDARD.encode(text)
    )
}

/// Partners tell again what they told before: most of it as they would tell it now, some of it exactly as
/// it was, which is too old to be believed.
pub async fn tell_again(world: &Arc<World>) {
    let sim = &world.sim;
    let told = world.partners.lock().unwrap().told.clone();
    for (message, before) in told {
        if !sim.chance(250) {
            continue;
        }
        if message.connection != CARRIER && sim.chance(300) {
            sim.count("old call repeated");
            let status = call(world, &message, before).await;
            if status.is_some_and(|s| s != 401 && s != 503) {
                sim.wrong(format!(
                    "a call of long ago was answered with {status:?}: {}",
                    message.id
                ));
            }
        } else {
            sim.count("old webhook told again");
            post(world, &message).await;
        }
    }
}
