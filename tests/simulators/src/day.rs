//! The day: a script of orders that the simulators play, and what its end must look like.
//!
//! Control API (JSON, under `/_sim`):
//! - `POST day` `{"orders": N, "seed": S?, "pace_ms"?, "api_faults"?, "webhook_faults"?,
//!   "wait_limit_s"?}` begins it and answers at once with the number of orders of each kind. One
//!   process plays one day at a time.
//! - `GET day` tells how far it is: see [`DayReport`]. `finished` means that every step of every
//!   order was done, or waited for in vain (`stuck`); what Waybill still has to do then is in its
//!   own queues. `webhooks_pending` counts webhooks under way, delayed ones and retries included.
//! - `GET expectations` tells for every placed order what must be true in the end: see
//!   [`expect::Expectation`], with `id` and `number` of the order and its `kind` in words.
//! - `GET state`, `GET faults`, `GET webhooks` tell what the outside holds and what was done to it.
//!
//! The plan depends on nothing but seed and number of orders. The faults of webhooks are drawn by
//! the process' own seed for each event, those of the APIs for each call.

pub mod expect;
mod life;
pub mod plan;

use crate::canonical::marketplace;
use crate::faults::ApiFaults;
use crate::shopify::actions::{Placed, place};
use crate::sim::Sim;
use crate::webhooks::WebhookFaults;
use crate::world::{World, lock};
use life::{Life, Stuck};
use plan::{DayPlan, Kind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How a day is played.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DayOptions {
    /// Orders that are placed.
    pub orders: u32,
    /// Seed of the plan; the process' own if absent.
    pub seed: Option<u64>,
    /// Milliseconds between two orders, before scaling.
    pub pace_ms: u64,
    /// Whether the partners' APIs have faults.
    pub api_faults: bool,
    /// Faults of webhooks while the day lasts.
    pub webhook_faults: WebhookFaults,
    /// Longest wait of one step, in seconds of real time.
    pub wait_limit_s: u64,
}

impl Default for DayOptions {
    fn default() -> Self {
        Self {
            orders: 200,
            seed: None,
            pace_ms: 120,
            api_faults: true,
            webhook_faults: WebhookFaults {
                duplicate: 120,
                reorder: 120,
                delay: 40,
                drop: 15,
            },
            wait_limit_s: 300,
        }
    }
}

/// The faults of an ordinary bad day, in 1000 calls. The helpdesk's outage and the 3PL's rate limit
/// come on top.
const API_FAULTS: [(Sim, ApiFaults); 8] = [
    (Sim::Shopify, faults(30, 10, 10, 20)),
    (Sim::Stripe, faults(20, 20, 20, 60)),
    (Sim::Shipbob, faults(40, 15, 15, 30)),
    (Sim::Easypost, faults(20, 20, 10, 20)),
    (Sim::Zendesk, faults(20, 10, 10, 20)),
    (Sim::Canonical, faults(40, 20, 20, 60)),
    (Sim::Marketplace, faults(40, 20, 20, 60)),
    (Sim::Odoo, faults(0, 5, 10, 40)),
];

const fn faults(throttle: u32, server_error: u32, cut: u32, lost_answer: u32) -> ApiFaults {
    ApiFaults {
        throttle,
        server_error,
        cut,
        lost_answer,
        slow: 20,
        slow_ms: 800,
    }
}

/// How long the helpdesk is down, in milliseconds before scaling.
const OUTAGE_MS: u64 = 5_000;

/// Something that happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Placed at the shop.
    Placed,
    /// The warehouse has it.
    Released,
    /// It left; the last parcel's instant.
    Shipped,
    /// It arrived; the last parcel's instant.
    Delivered,
    /// The shop cancelled it.
    Cancelled,
    /// The gateway has paid back.
    PaidBack,
    /// Returned goods are in stock again.
    CameBack,
}

/// What is known of the day so far.
#[derive(Debug, Default)]
pub struct DayState {
    plan: Option<DayPlan>,
    orders: BTreeMap<usize, Played>,
    ended: usize,
    running: bool,
}

#[derive(Debug, Clone)]
struct Played {
    placed: Placed,
    kind: Kind,
    moments: BTreeMap<Moment, u64>,
    stuck: Option<Stuck>,
}

/// How far a day is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayReport {
    /// Seed of the plan.
    pub seed: Option<u64>,
    /// Orders of the plan.
    pub planned: usize,
    /// Orders placed so far.
    pub placed: usize,
    /// Orders whose script has ended.
    pub ended: usize,
    /// Whether all have.
    pub finished: bool,
    /// Webhooks that are on their way.
    pub webhooks_pending: usize,
    /// Orders of each kind in the plan.
    pub kinds: BTreeMap<&'static str, usize>,
    /// Orders that waited in vain: name, kind and for what.
    pub stuck: Vec<String>,
}

fn record(world: &World, index: usize, moment: Moment) {
    let now = world.env.elapsed_ms();
    if let Some(played) = lock(&world.day).orders.get_mut(&index) {
        played.moments.insert(moment, now);
    }
}

/// Begins a day in the background. Refused while another is played.
///
/// # Errors
/// A day is under way.
pub fn begin(world: &Arc<World>, options: DayOptions) -> Result<DayReport, &'static str> {
    let seed = options.seed.unwrap_or(world.env.seed());
    let plan = plan::draw(seed, options.orders, options.pace_ms, world.options.skus);
    {
        let mut day = lock(&world.day);
        if day.running {
            return Err("a day is under way");
        }
        *day = DayState {
            plan: Some(plan.clone()),
            running: true,
            ..DayState::default()
        };
    }
    let played = Arc::clone(world);
    tokio::spawn(async move {
        play(&played, plan, &options).await;
    });
    Ok(report(world))
}

/// Plays a day to its end.
///
/// # Errors
/// A day is under way.
pub async fn run_day(world: &Arc<World>, options: DayOptions) -> Result<DayReport, &'static str> {
    begin(world, options)?;
    while !report(world).finished {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(report(world))
}

async fn play(world: &Arc<World>, plan: DayPlan, options: &DayOptions) {
    world.webhooks.set_faults(options.webhook_faults);
    if options.api_faults {
        for (sim, rates) in API_FAULTS {
            world.faults.set_rates(sim, rates);
        }
        let outage = Arc::clone(world);
        let noon_ms = options.pace_ms * u64::from(options.orders) / 2;
        tokio::spawn(async move {
            tokio::time::sleep(outage.env.pause(noon_ms)).await;
            let window = outage.env.pause(OUTAGE_MS);
            outage.faults.begin_outage(Sim::Zendesk, window);
        });
    }
    let limit = Duration::from_secs(options.wait_limit_s);
    let mut lives = tokio::task::JoinSet::new();
    let mut now_ms = 0;
    let seed = plan.seed;
    for (index, planned) in plan.orders.into_iter().enumerate() {
        tokio::time::sleep(world.env.pause(planned.at_ms.saturating_sub(now_ms))).await;
        now_ms = planned.at_ms.max(now_ms);
        let silent = planned.kind == Kind::Silent;
        let placed = match planned.kind.channel() {
            Sim::Marketplace => marketplace::place(world, &planned.spec),
            _ => place(world, &planned.spec, silent),
        };
        let played = Played {
            placed: placed.clone(),
            kind: planned.kind,
            moments: BTreeMap::from([(Moment::Placed, world.env.elapsed_ms())]),
            stuck: None,
        };
        lock(&world.day).orders.insert(index, played);
        let world = Arc::clone(world);
        lives.spawn(async move {
            let life = Life {
                world: &world,
                plan: &planned,
                seed,
                index,
                limit,
            };
            let outcome = life.play(&placed).await;
            let mut day = lock(&world.day);
            day.ended += 1;
            if let Some(played) = day.orders.get_mut(&index) {
                played.stuck = outcome.err();
            }
        });
    }
    while lives.join_next().await.is_some() {}
    // In the evening the partners are well again, so that what is under way can settle.
    for (sim, _) in API_FAULTS {
        world.faults.set_rates(sim, ApiFaults::default());
    }
    lock(&world.day).running = false;
}

/// How far the day is.
#[must_use]
pub fn report(world: &World) -> DayReport {
    let day = lock(&world.day);
    let planned = day.plan.as_ref().map_or(&[][..], |p| p.orders.as_slice());
    let mut kinds = BTreeMap::new();
    for order in planned {
        *kinds.entry(order.kind.as_str()).or_insert(0) += 1;
    }
    let stuck = day.orders.values().filter_map(|p| {
        let waits_for = p.stuck?;
        Some(format!(
            "{} ({}): {waits_for}",
            p.placed.name,
            p.kind.as_str()
        ))
    });
    DayReport {
        seed: day.plan.as_ref().map(|p| p.seed),
        planned: planned.len(),
        placed: day.orders.len(),
        ended: day.ended,
        finished: day.plan.is_some() && !day.running,
        webhooks_pending: world.webhooks.pending(),
        kinds,
        stuck: stuck.collect(),
    }
}

/// What must be true of every placed order in the end.
#[must_use]
pub fn expectations(world: &World) -> Value {
    let day = lock(&world.day);
    let orders: Vec<Value> = day
        .orders
        .values()
        .map(|p| {
            let mut value = json!(expect::expectation(p.kind));
            if let Some(fields) = value.as_object_mut() {
                let channel = p.kind.channel().connection();
                fields.insert("channel".to_owned(), json!(channel));
                fields.insert("id".to_owned(), json!(p.placed.id.to_string()));
                fields.insert("number".to_owned(), json!(p.placed.name));
                fields.insert("kind".to_owned(), json!(p.kind.as_str()));
                fields.insert("total_minor".to_owned(), json!(p.placed.total_minor));
                fields.insert("moments_ms".to_owned(), json!(p.moments));
                fields.insert("stuck".to_owned(), json!(p.stuck));
            }
            value
        })
        .collect();
    json!({"orders": orders})
}
