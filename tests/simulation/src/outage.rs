//! Odoo is away for hours while the shop goes on selling: what is lost, what a person is told, and how
//! long it takes to catch up.

use crate::lambda;
use crate::sim::{MINUTE, Sim};
use crate::world::{ODOO, World};
use crate::{invariants, life, run};
use std::collections::BTreeMap;
use std::sync::Arc;
use waybill_model::case::CaseStatus;

/// The shop sells for so long before Odoo goes away.
const BEFORE_MS: u64 = 10 * MINUTE;
/// How long catching up may take.
const MOST_MINUTES: u64 = 24 * 60;

/// What came of it.
#[derive(Debug, Clone)]
pub struct Report {
    /// Orders sold while Odoo was away, and in the minutes before.
    pub orders: u64,
    /// Of them confirmed in Odoo when it came back.
    pub confirmed_before: usize,
    /// Open cases at the end of the outage, by code.
    pub cases: BTreeMap<String, usize>,
    /// Messages in dead-letter queues.
    pub dead: usize,
    /// Calls that were made to Odoo while it was away.
    pub calls_in_vain: u64,
    /// Minutes from its return until every order was confirmed.
    pub minutes_to_drain: u64,
    /// Cases still open then, by code.
    pub cases_after: BTreeMap<String, usize>,
    /// What is wrong; empty where all invariants hold.
    pub wrong: Vec<String>,
}

/// Runs it on a clock of its own.
#[must_use]
pub fn run(seed: u64, hours: u64, orders_an_hour: u64) -> Report {
    run::on_a_clock(seed, day(seed, hours, orders_an_hour))
}

async fn day(seed: u64, hours: u64, orders_an_hour: u64) -> Report {
    let sim = Sim::new(seed, false, None);
    sim.calm();
    let ms = |ms: u64| i64::try_from(ms).expect("a span");
    let away = sim.now().plus_ms(ms(BEFORE_MS));
    let back = away.plus_ms(ms(hours * 60 * MINUTE));
    let world = World::new(sim, vec![(ODOO.to_owned(), away, back)]);
    lambda::start(&world);
    let selling_ms = BEFORE_MS + hours * 60 * MINUTE;
    let orders = orders_an_hour * selling_ms / (60 * MINUTE);
    for n in 0..orders {
        world.plan(1);
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            world.sim.wait_ms(n * selling_ms / orders.max(1)).await;
            life::sell(&world, n);
            world.plan(-1);
        });
    }
    world.sim.wait_ms(selling_ms).await;
    let confirmed_before = confirmed(&world);
    let cases = open_cases(&world);
    let calls_in_vain = world
        .sim
        .summary()
        .1
        .get("partner away")
        .copied()
        .unwrap_or(0);
    let mut minutes = 0;
    while confirmed(&world) < usize::try_from(orders).expect("a count") && minutes < MOST_MINUTES {
        world.sim.wait_ms(MINUTE).await;
        minutes += 1;
    }
    // Goods leave for hours after; then all is quiet.
    run::settle(&world).await;
    invariants::check(&world, 0);
    world.end();
    Report {
        orders,
        confirmed_before,
        cases,
        dead: world.sqs.lock().unwrap().dead().len(),
        calls_in_vain,
        minutes_to_drain: minutes,
        cases_after: open_cases(&world),
        wrong: world.sim.all_wrong(),
    }
}

fn confirmed(world: &World) -> usize {
    let odoo = world.erp.lock().unwrap();
    odoo.orders.values().filter(|o| o.confirmed).count()
}

fn open_cases(world: &World) -> BTreeMap<String, usize> {
    let mut cases = BTreeMap::new();
    for case in world.orders.all_cases() {
        if case.status == CaseStatus::Open {
            *cases.entry(case.code.to_string()).or_default() += 1;
        }
    }
    cases
}
