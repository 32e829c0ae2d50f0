//! Sends signed webhooks as the partners do: retries by the partner's rules, and by seed
//! duplicates, reordering, delays and drops.

use crate::env::utc_millis;
use crate::sign::sign;
use crate::sim::Sim;
use crate::world::{World, lock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Longest wait for an acknowledgement. Shopify allows 5 s; a local AWS on a busy machine is given
/// more, so that its slowness is seen in the latencies and not as duplicates.
const DEADLINE: Duration = Duration::from_secs(15);
/// Calls at the same time.
const CONCURRENCY: usize = 24;

/// Faults on the way to the receiver, each in 1000 events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookFaults {
    /// Sent twice with the same event id.
    pub duplicate: u32,
    /// Held until events behind it have overtaken it.
    pub reorder: u32,
    /// Sent seconds late.
    pub delay: u32,
    /// Never sent. Only events of the shop's orders are dropped: for them there is a poll.
    pub drop: u32,
}

/// What one event says, before it is signed.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Who sends.
    pub sim: Sim,
    /// The partner's topic.
    pub topic: String,
    /// What it is about (an order's name, a tracker's id): faults are drawn for it.
    pub key: String,
    /// The partner's id of the event.
    pub event_id: String,
    /// Headers beside the signature.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The script wants this event to be lost.
    pub drop: bool,
}

/// One event and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Sent {
    /// Who sent.
    pub sim: Sim,
    /// The partner's topic.
    pub topic: String,
    /// What it is about.
    pub key: String,
    /// The partner's id of the event.
    pub event_id: String,
    /// Milliseconds since the run began when it happened.
    pub at_ms: u64,
    /// Faults that were put on it.
    pub faults: Vec<&'static str>,
    /// Calls made, retries and duplicates included.
    pub attempts: u32,
    /// `pending`, `accepted`, `dropped`, `given_up` or `not_configured`.
    pub outcome: &'static str,
    /// Status of the last answer; 0 if none came.
    pub status: u16,
    /// Milliseconds from call to acknowledgement of the accepted attempt.
    pub ack_ms: Option<u64>,
}

/// Sender of all simulators.
#[derive(Debug)]
pub struct Sender {
    http: reqwest::Client,
    base: Mutex<Option<String>>,
    faults: Mutex<WebhookFaults>,
    log: Mutex<Log>,
    slots: Semaphore,
}

#[derive(Debug, Default)]
struct Log {
    events: Vec<Sent>,
    nth: BTreeMap<String, u32>,
}

impl Sender {
    /// A sender that posts to `{base}/webhooks/{connection}`.
    #[must_use]
    pub fn new(http: reqwest::Client, base: Option<String>, faults: WebhookFaults) -> Self {
        Self {
            http,
            base: Mutex::new(base),
            faults: Mutex::new(faults),
            log: Mutex::new(Log::default()),
            slots: Semaphore::new(CONCURRENCY),
        }
    }

    /// Where webhooks go from now on; a base that ends in `/webhooks` is taken without it.
    pub fn set_base(&self, base: Option<String>) {
        let clean = |b: String| {
            let b = b.trim_end_matches('/');
            b.strip_suffix("/webhooks").unwrap_or(b).to_owned()
        };
        *lock(&self.base) = base.map(clean);
    }

    /// Where webhooks go.
    #[must_use]
    pub fn base(&self) -> Option<String> {
        lock(&self.base).clone()
    }

    /// Changes the rates of faults.
    pub fn set_faults(&self, faults: WebhookFaults) {
        *lock(&self.faults) = faults;
    }

    /// The rates of faults.
    #[must_use]
    pub fn faults(&self) -> WebhookFaults {
        *lock(&self.faults)
    }

    /// Every event so far, from index `from`.
    #[must_use]
    pub fn log(&self, from: usize) -> Vec<Sent> {
        lock(&self.log).events.iter().skip(from).cloned().collect()
    }

    /// Events that are still being delivered.
    #[must_use]
    pub fn pending(&self) -> usize {
        let log = lock(&self.log);
        log.events.iter().filter(|e| e.outcome == "pending").count()
    }

    /// Counts by fault and by outcome.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        let log = lock(&self.log);
        for event in &log.events {
            *counts.entry("events".to_owned()).or_insert(0) += 1;
            *counts.entry(event.outcome.to_owned()).or_insert(0) += 1;
            *counts.entry("attempts".to_owned()).or_insert(0) += u64::from(event.attempts);
            for fault in &event.faults {
                *counts.entry((*fault).to_owned()).or_insert(0) += 1;
            }
        }
        counts
    }

    fn register(&self, world: &World, out: &Outgoing) -> (usize, Vec<&'static str>) {
        let rates = self.faults();
        let mut log = lock(&self.log);
        let name = format!("{}/{}/{}", out.sim.as_str(), out.topic, out.key);
        let nth = log.nth.entry(name.clone()).or_insert(0);
        *nth += 1;
        let faults = draw(world, &rates, out, &format!("{name}/{nth}"));
        log.events.push(Sent {
            sim: out.sim,
            topic: out.topic.clone(),
            key: out.key.clone(),
            event_id: out.event_id.clone(),
            at_ms: world.env.elapsed_ms(),
            faults: faults.clone(),
            attempts: 0,
            outcome: "pending",
            status: 0,
            ack_ms: None,
        });
        (log.events.len().saturating_sub(1), faults)
    }

    fn note(&self, index: usize, change: impl FnOnce(&mut Sent)) {
        if let Some(event) = lock(&self.log).events.get_mut(index) {
            change(event);
        }
    }
}

fn draw(world: &World, rates: &WebhookFaults, out: &Outgoing, key: &str) -> Vec<&'static str> {
    let droppable = out.sim == Sim::Shopify && out.topic.starts_with("orders/");
    if out.drop || (droppable && world.env.chance("webhook/drop", key, rates.drop)) {
        return vec!["drop"];
    }
    let mut faults = Vec::new();
    for (name, concern, rate) in [
        ("duplicate", "webhook/duplicate", rates.duplicate),
        ("reorder", "webhook/reorder", rates.reorder),
        ("delay", "webhook/delay", rates.delay),
    ] {
        if world.env.chance(concern, key, rate) {
            faults.push(name);
        }
    }
    faults
}

/// Sends an event in the background.
pub fn emit(world: &Arc<World>, out: Outgoing) {
    let (index, faults) = world.webhooks.register(world, &out);
    if faults.contains(&"drop") {
        world.webhooks.note(index, |e| e.outcome = "dropped");
        return;
    }
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let hold_ms = if faults.contains(&"delay") { 3_000 } else { 0 }
            + if faults.contains(&"reorder") { 400 } else { 0 };
        if hold_ms > 0 {
            tokio::time::sleep(world.env.pause(hold_ms)).await;
        }
        deliver(&world, index, &out).await;
        if faults.contains(&"duplicate") {
            tokio::time::sleep(world.env.pause(150)).await;
            deliver(&world, index, &out).await;
        }
    });
}

async fn deliver(world: &Arc<World>, index: usize, out: &Outgoing) {
    let mut waits = out.sim.retry_waits_ms().iter();
    loop {
        match attempt(world, index, out).await {
            Ok(ack_ms) => {
                world.webhooks.note(index, |e| {
                    e.outcome = "accepted";
                    e.ack_ms = e.ack_ms.or(Some(ack_ms));
                });
                return;
            }
            Err(Stop::NotConfigured) => {
                world.webhooks.note(index, |e| e.outcome = "not_configured");
                return;
            }
            Err(Stop::Retry) => {}
        }
        let Some(wait) = waits.next() else {
            world.webhooks.note(index, |e| {
                if e.outcome == "pending" {
                    e.outcome = "given_up";
                }
            });
            return;
        };
        tokio::time::sleep(world.env.pause(*wait)).await;
    }
}

enum Stop {
    NotConfigured,
    Retry,
}

async fn attempt(world: &World, index: usize, out: &Outgoing) -> Result<u64, Stop> {
    let connection = out.sim.connection();
    let (Some(base), Some(secret), Some(scheme)) = (
        world.webhooks.base(),
        world.secrets.webhook_secret(connection),
        out.sim.scheme(),
    ) else {
        return Err(Stop::NotConfigured);
    };
    let signed = sign(scheme, secret, &out.event_id, world.env.now(), &out.body)
        .map_err(|_| Stop::NotConfigured)?;
    let Ok(_slot) = world.webhooks.slots.acquire().await else {
        return Err(Stop::NotConfigured);
    };
    let mut request = world
        .webhooks
        .http
        .post(format!("{base}/webhooks/{connection}"))
        .timeout(DEADLINE)
        .header("Content-Type", "application/json")
        .body(out.body.clone());
    for (name, value) in signed.iter().chain(&out.headers) {
        request = request.header(*name, value);
    }
    let begun = Instant::now();
    let status = request.send().await.map_or(0, |a| a.status().as_u16());
    let ack_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    world.webhooks.note(index, |e| {
        e.attempts += 1;
        e.status = status;
    });
    if (200..300).contains(&status) {
        Ok(ack_ms)
    } else {
        Err(Stop::Retry)
    }
}

/// For logs and states: the wall clock now.
#[must_use]
pub fn now_text(world: &World) -> String {
    utc_millis(world.env.now())
}
