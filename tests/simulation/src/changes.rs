//! What changes under the running system: partners replace their signing keys, a new version of
//! Waybill is deployed, and months go by.

use crate::erp_keys;
use crate::sim::{DAY, HOUR, MINUTE, Sim};
use crate::webhooks;
use crate::world::{DEPOT, GATEWAY, MARKET, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use waybill_lambda_kit::env::FUNCTIONS;
use waybill_model::envelope::CommandEnvelope;
use waybill_model::time::Instant;

/// When each function becomes the new version.
#[derive(Debug, Default)]
pub struct Deploy(BTreeMap<&'static str, Instant>);

impl Deploy {
    /// Draws one, or none. Functions are replaced within minutes of each other, in any order.
    #[must_use]
    pub fn draw(sim: &Sim) -> Self {
        if !sim.chance(sim.weather().deploy) {
            return Self::default();
        }
        sim.count("deploy of a new version");
        let begins = sim.below(8 * HOUR);
        let at = |_| begins + sim.below(20 * MINUTE);
        let after = |ms| sim.now().plus_ms(i64::try_from(ms).expect("a span"));
        Self(FUNCTIONS.iter().map(|(f, _)| (*f, after(at(f)))).collect())
    }

    /// Whether a function is the new version.
    #[must_use]
    pub fn is_new(&self, function: &str, now: Instant) -> bool {
        self.0.get(function).is_some_and(|at| *at <= now)
    }
}

/// A message as the new version writes it: of another major version, with more in it.
#[must_use]
pub fn newer(body: &str) -> String {
    let body = body.replace(
        r#""dataschema":"waybill/v1""#,
        r#""dataschema":"waybill/v2""#,
    );
    match body.strip_prefix('{') {
        Some(rest) if rest.starts_with('"') => format!(r#"{{"novelty":{{"a":[1]}},{rest}"#),
        _ => body,
    }
}

/// Whether the new version wrote a message.
#[must_use]
pub fn is_newer(body: &str) -> bool {
    body.contains(r#""dataschema":"waybill/v2""#)
}

/// A command as if it had been issued now; anything else as it is.
#[must_use]
pub fn younger(body: &str, now: Instant) -> String {
    match serde_json::from_str::<CommandEnvelope>(body) {
        Ok(mut command) => {
            command.time = now;
            serde_json::to_string(&command).expect("a command")
        }
        Err(_) => body.to_owned(),
    }
}

/// A message as the new version reads it: it knows both.
#[must_use]
pub fn readable(body: &str) -> String {
    body.replace(
        r#""dataschema":"waybill/v2""#,
        r#""dataschema":"waybill/v1""#,
    )
}

/// Partners replace their signing keys, one after the other.
pub async fn rotate(world: &Arc<World>, times: u32) {
    let sim = &world.sim;
    for n in 0..times {
        sim.wait_ms(sim.between(10 * MINUTE, 5 * HOUR)).await;
        let place = usize::try_from(sim.below(3)).expect("a place");
        let connection = [MARKET, DEPOT, GATEWAY][place];
        let new = webhooks::key(connection, n + 1);
        let old = world.signing_key(connection);
        sim.count("signing key replaced");
        let both = [new.as_str(), old.as_str()];
        // Who tells us first, and who does it first.
        if sim.chance(500) {
            world.set_webhook_secrets(connection, &both);
            sim.wait_ms(sim.below(20 * MINUTE)).await;
            world.sign_with(connection, &new);
        } else {
            world.sign_with(connection, &new);
            sim.wait_ms(sim.below(10 * MINUTE)).await;
            world.set_webhook_secrets(connection, &both);
        }
        sim.note(format_args!("{connection} signs with another key"));
        sim.wait_ms(sim.between(20 * MINUTE, 2 * HOUR)).await;
        world.set_webhook_secrets(connection, &[new.as_str()]);
    }
}

/// The channel forgets where it should send webhooks, now and then.
pub async fn unsubscribe(world: &Arc<World>, times: u32) {
    let sim = &world.sim;
    for _ in 0..times {
        sim.wait_ms(sim.between(10 * MINUTE, 5 * HOUR)).await;
        sim.count("subscription lost");
        sim.note(format_args!("the channel forgets our subscription"));
        world.partners.lock().unwrap().is_unsubscribed = true;
    }
}

/// Months go by in which nothing happens; then partners tell again what they told before.
pub async fn months_later(world: &Arc<World>, days: u32) {
    let sim = &world.sim;
    sim.note(format_args!("{days} days go by"));
    world.sleep(true);
    sim.wait_ms(u64::from(days) * DAY).await;
    world.sleep(false);
    // Every job has run, and a key that was replaced is of no use any more.
    sim.wait_ms(49 * HOUR).await;
    erp_keys::check_few(world);
    if world.is_forgotten_after(days) {
        world.forget();
    }
    sim.storm();
    webhooks::tell_again(world).await;
    sim.calm();
    sim.wait_ms(2 * HOUR).await;
}
