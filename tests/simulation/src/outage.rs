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
/// What is overdue while Odoo is away.
const OVERDUE: &str = "erp_overdue";
/// Probes of both queues' writers and the jobs that ask Odoo.
const MOST_CALLS_AN_HOUR: u64 = 60;
/// What two writers get into this Odoo at least, with all that follows an order.
const ORDERS_A_MINUTE: u64 = 1_000;
/// What waited longest is tried again that late, as is the endpoint.
const BACKOFF_MINUTES: u64 = 30;
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
    let dead = world.sqs.lock().unwrap().dead().len();
    let cases_after = open_cases(&world);
    bounds(
        &world,
        hours,
        orders,
        (calls_in_vain, minutes),
        (&cases, &cases_after),
    );
    world.end();
    Report {
        orders,
        confirmed_before,
        cases,
        dead,
        calls_in_vain,
        minutes_to_drain: minutes,
        cases_after,
        wrong: world.sim.all_wrong(),
    }
}

/// A person is told of what is overdue and of nothing else, few calls are made in vain, and what waited is written about as
/// fast as Odoo takes it.
fn bounds(
    world: &World,
    hours: u64,
    orders: u64,
    (calls, minutes): (u64, u64),
    (cases, after): (&BTreeMap<String, usize>, &BTreeMap<String, usize>),
) {
    let wrong = |what: String| world.sim.wrong(what);
    if cases.keys().any(|code| code != OVERDUE) || !after.is_empty() {
        wrong(format!(
            "open cases at its return {cases:?}, and in the end {after:?}"
        ));
    }
    if calls > MOST_CALLS_AN_HOUR * hours {
        wrong(format!("{calls} calls were made in vain in {hours} hours"));
    }
    let most = BACKOFF_MINUTES + orders / ORDERS_A_MINUTE;
    if minutes > most {
        wrong(format!(
            "it took {minutes} minutes to catch up, more than {most}"
        ));
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
