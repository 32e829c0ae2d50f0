//! One seed, and many.

use crate::breakage::Breakage;
use crate::lambda;
use crate::life;
use crate::sim::{DAY, HOUR, MINUTE, Sim};
use crate::world::{CARRIER, DEPOT, DESK, GATEWAY, MARKET, ODOO, World};
use crate::{by_hand, changes, invariants, operator, panics, quiet};
use std::collections::BTreeMap;
use std::sync::Arc;
use waybill_lambda_kit::{chance, telemetry};
use waybill_model::time::Instant;

/// Orders are placed within so long.
const PLACED_WITHIN_MS: u64 = 2 * 60 * MINUTE;
/// How long a run may take until all is told.
const TOLD_WITHIN_MS: u64 = 96 * HOUR;
/// The longest outage.
const LONG_OUTAGE_MS: u64 = 36 * HOUR;
/// How long it may take to settle once the faults have stopped.
pub const SETTLED_WITHIN_MS: u64 = 4 * 60 * MINUTE;
/// How long it takes at most until a person is asked for what did not come: what a warehouse has to ship, and six hours.
const OVERDUE_WITHIN_MS: u64 = 4 * DAY;
/// How long nothing may move before it counts as settled: the jobs have run in it.
const QUIET_MS: u64 = 21 * MINUTE;

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Orders.
    pub orders: u64,
    /// Whether every step is kept as text.
    pub trace: bool,
    /// What is wrong with the product on purpose.
    pub breakage: Option<Breakage>,
}

/// What became of a seed.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Steps.
    pub steps: u64,
    /// Points at which nothing moved, and all was looked at.
    pub quiet_points: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Of all steps: equal where two runs are equal.
    pub hash: u64,
    /// What is wrong; empty where all invariants hold.
    pub wrong: Vec<String>,
    /// The steps, where they were kept.
    pub lines: Vec<String>,
    /// Simulated minutes from the end of the faults until nothing moved.
    pub settled_minutes: u64,
}

/// Runs a seed on a clock of its own.
#[must_use]
pub fn seed(seed: u64, settings: Settings) -> Outcome {
    on_a_clock(seed, day(seed, settings))
}

/// Runs a world on a clock that goes on when nothing else does, with all chance from a seed.
pub(crate) fn on_a_clock<T>(seed: u64, day: impl Future<Output = T>) -> T {
    telemetry::silence();
    panics::watch();
    chance::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let outcome = runtime.block_on(day);
    runtime.shutdown_background();
    outcome
}

async fn day(seed: u64, settings: Settings) -> Outcome {
    let sim = Sim::new(seed, settings.trace, settings.breakage);
    let outages = outages(&sim);
    let weather = sim.weather();
    let poisons = weather.poison;
    let world = World::new(sim, outages);
    lambda::start(&world);
    tokio::spawn(quiet::watch(Arc::clone(&world)));
    for n in 0..settings.orders {
        world.plan(1);
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            life::live(&world, n, PLACED_WITHIN_MS).await;
            world.plan(-1);
        });
    }
    world.plan(1);
    let other = Arc::clone(&world);
    tokio::spawn(async move {
        tokio::join!(
            life::count(&other, 8),
            life::poison(&other, poisons),
            changes::rotate(&other, weather.rotations),
            by_hand::meddle(&other, weather.meddled),
            changes::unsubscribe(&other, weather.unsubscribed),
            operator::work(&other, 4)
        );
        other.plan(-1);
    });
    told(&world).await;
    while world.will_be_out(world.sim.now()) {
        world.sim.wait_ms(MINUTE).await;
    }
    world.sim.calm();
    if world.all_garbled() > 0 {
        // So long nobody can tell whether the outcome is still to come.
        operator::redrive_all(&world).await;
        world.sim.wait_ms(25 * HOUR).await;
        operator::retry_lost(&world).await;
    }
    let settled_minutes = settle(&world).await;
    // What was refused while Odoo lacked a product is mended in the end.
    operator::mend(&world);
    operator::redrive_all(&world).await;
    settle(&world).await;
    operator::retry_all(&world).await;
    world.sim.wait_ms(30 * MINUTE).await;
    settle(&world).await;
    if !world.partners.lock().unwrap().unheard.is_empty() {
        // Until the clock asks for what nobody told.
        world.sim.wait_ms(OVERDUE_WITHIN_MS).await;
        settle(&world).await;
    }
    invariants::check(&world, u64::from(poisons));
    if weather.days > 0 {
        changes::months_later(&world, weather.days).await;
        settle(&world).await;
        // Of what is forgotten, whoever is asked for it twice tells at once.
        if world.is_forgotten_after(weather.days) {
            invariants::check_forgotten(&world);
        } else {
            invariants::check(&world, u64::from(poisons));
        }
    }
    world.end();
    for panic in panics::take() {
        world.sim.wrong(format!("a function panicked: {panic}"));
    }
    let (steps, faults, hash) = world.sim.summary();
    Outcome {
        seed,
        steps,
        quiet_points: world.sim.quiet_points(),
        faults,
        hash,
        wrong: world.sim.all_wrong(),
        lines: world.sim.lines(),
        settled_minutes,
    }
}

/// Every endpoint may be away for minutes or hours, once; one of them for so long that what is asked of it is given up.
fn outages(sim: &Sim) -> Vec<(String, Instant, Instant)> {
    let span = |ms: u64| i64::try_from(ms).expect("a span");
    let endpoints = [ODOO, DEPOT, GATEWAY, MARKET, DESK, CARRIER];
    let for_a_day = sim.fault("away for a day", sim.weather().away_for_a_day);
    let which = sim.below(endpoints.len() as u64);
    let mut outages = Vec::new();
    for (place, endpoint) in (0..).zip(endpoints) {
        let is_long = for_a_day && place == which;
        if is_long || sim.chance(300) {
            let longest = if is_long { LONG_OUTAGE_MS } else { 4 * HOUR };
            let shortest = if is_long { 25 * HOUR } else { MINUTE };
            let from = sim.now().plus_ms(span(sim.below(6 * HOUR)));
            let to = from.plus_ms(span(sim.between(shortest, longest)));
            outages.push((endpoint.to_owned(), from, to));
        }
    }
    outages
}

async fn told(world: &World) {
    let mut minutes = 0;
    while !world.is_told() {
        world.sim.wait_ms(MINUTE).await;
        minutes += 1;
        if minutes * MINUTE > TOLD_WITHIN_MS {
            return world
                .sim
                .wrong("customers and partners did not come to an end".to_owned());
        }
    }
}

/// Waits until customers and partners have done all and nothing moves for a while; the minutes of ours until it did.
pub(crate) async fn settle(world: &World) -> u64 {
    let (mut minutes, mut quiet) = (0, 0);
    while quiet * MINUTE < QUIET_MS {
        world.sim.wait_ms(MINUTE).await;
        // What was done late has late consequences: the customers' and partners' time is not ours.
        told(world).await;
        minutes += 1;
        quiet = if world.is_quiet() { quiet + 1 } else { 0 };
        if minutes * MINUTE > SETTLED_WITHIN_MS + QUIET_MS {
            let waiting = world.sqs.lock().unwrap().waiting();
            let moves = world.moves();
            world
                .sim
                .wrong(format!("it does not settle: {waiting:?} wait, {moves}"));
            break;
        }
    }
    minutes - quiet.min(minutes)
}
