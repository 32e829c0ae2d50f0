//! `waybill-sim`: seeds of the simulation, from the command line.
#![allow(clippy::print_stdout, reason = "it talks to whoever runs it")]

use clap::{Parser, ValueEnum as _};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use waybill_model::id::CorrelationId;
use waybill_simulation::breakage::Breakage;
use waybill_simulation::outage;
use waybill_simulation::run::{Outcome, Settings, seed};

/// What the shop sells while Odoo is away.
const ORDERS_AN_HOUR: u64 = 2_000;
/// Most steps that are shown of an order.
const MOST_LINES: usize = 120;
/// Seeds that may be needed to find a fault of the product.
const MOST_SEEDS: u64 = 300;

/// Simulates all functions under faults: every seed is a day of its own, and the same seed is the same day.
#[derive(Debug, Parser)]
struct Options {
    /// How many seeds, from `--seed` on
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Orders in each
    #[arg(long, default_value_t = 50)]
    orders: u64,
    /// Print every step of the first seed
    #[arg(long)]
    trace: bool,
    /// With `--trace`: only steps that name this, such as an order's correlation id
    #[arg(long)]
    only: Option<String>,
    /// Break the product on purpose
    #[arg(long, value_enum)]
    broken: Option<Breakage>,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Run so many seeds twice, and compare the two runs step by step
    #[arg(long, default_value_t = 10)]
    twice: u64,
    /// Instead: Odoo is away for so many hours while 2,000 orders an hour come in
    #[arg(long, value_name = "HOURS")]
    outage: Option<u64>,
    /// Then break the product in every way that is known, one after the other, and see that each is found
    #[arg(long)]
    bites: bool,
}

fn main() -> std::process::ExitCode {
    let options = Options::parse();
    let settings = Settings {
        orders: options.orders,
        trace: options.trace,
        breakage: options.broken,
    };
    if let Some(hours) = options.outage {
        return tell_outage(&outage::run(options.seed, hours, ORDERS_AN_HOUR));
    }
    if options.trace {
        let outcome = seed(options.seed, settings);
        for line in &outcome.lines {
            if options
                .only
                .as_ref()
                .is_none_or(|only| line.contains(only.as_str()))
            {
                println!("{line}");
            }
        }
        return tell(&[outcome], 0.0);
    }
    let begun = Instant::now();
    let seeds: Vec<u64> = (options.seed..options.seed + options.seeds).collect();
    let outcomes = side_by_side(options.threads, &seeds, |n| {
        let mut outcome = seed(*n, settings);
        let again = *n < options.seed + options.twice;
        if again && seed(*n, settings).hash != outcome.hash {
            outcome
                .wrong
                .push("the second run was another one".to_owned());
        }
        outcome
    });
    let code = tell(&outcomes, begun.elapsed().as_secs_f64());
    if let Some(bad) = outcomes.iter().find(|o| !o.wrong.is_empty()) {
        explain(bad, settings);
    }
    if options.bites && !all_bite(options.threads, settings) {
        return std::process::ExitCode::FAILURE;
    }
    code
}

/// Prints what came of hours without Odoo.
fn tell_outage(report: &outage::Report) -> std::process::ExitCode {
    let outage::Report {
        orders,
        confirmed_before,
        cases,
        dead,
        calls_in_vain,
        minutes_to_drain,
        cases_after,
        wrong,
    } = report;
    println!("orders sold                      {orders}");
    println!("confirmed before Odoo came back  {confirmed_before}");
    println!("calls to Odoo in vain            {calls_in_vain}");
    println!("open cases at its return         {cases:?}");
    println!("messages in dead-letter queues   {dead}");
    println!("minutes until all were confirmed {minutes_to_drain}");
    println!("open cases in the end            {cases_after:?}");
    for what in wrong.iter().take(10) {
        println!("    {what}");
    }
    if wrong.is_empty() {
        println!("all invariants hold");
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}

/// What happened to the order that a seed got wrong: a run with the trace, of which only its steps are shown.
fn explain(bad: &Outcome, settings: Settings) {
    let Some(what) = bad.wrong.first() else {
        return;
    };
    let outcome = seed(
        bad.seed,
        Settings {
            trace: true,
            ..settings
        },
    );
    let before = outcome.lines.iter().position(|l| l.contains(what.as_str()));
    let lines = outcome.lines.get(..=before.unwrap_or_default());
    let id: String = what.chars().take(36).collect();
    let names_order = CorrelationId::parse(&id).is_ok();
    let of_it = |l: &&String| !names_order || l.contains(&id);
    let lines: Vec<&String> = lines.unwrap_or_default().iter().filter(of_it).collect();
    let (shown, left) = (
        lines.len().min(MOST_LINES),
        lines.len().saturating_sub(MOST_LINES),
    );
    println!(
        "\nseed {}, the last {shown} steps until `{what}` ({left} before):",
        bad.seed
    );
    for line in lines.iter().skip(left) {
        println!("{line}");
    }
}

/// Works on every item, on so many threads; what comes of it is in the order of the items.
fn side_by_side<I: Sync, T: Send>(
    threads: usize,
    items: &[I],
    work: impl Fn(&I) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let Some(item) = items.get(at) else { return };
                    let made = work(item);
                    if let Ok(mut done) = done.lock() {
                        done.push((at, made));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, made)| made).collect()
}

/// Breaks the product in every way; whether each was found.
fn all_bite(threads: usize, settings: Settings) -> bool {
    println!("\nthe product is broken on purpose:");
    let found = side_by_side(threads, Breakage::value_variants(), |breakage| {
        let settings = Settings {
            breakage: Some(*breakage),
            ..settings
        };
        let words = breakage.found_as();
        let is_it = |what: &String| words.iter().any(|word| what.contains(word));
        let wrong = |n| {
            seed(n, settings)
                .wrong
                .into_iter()
                .find(is_it)
                .map(|w| (n, w))
        };
        (1..=MOST_SEEDS).find_map(wrong)
    });
    for (breakage, found) in Breakage::value_variants().iter().zip(&found) {
        let name = breakage.to_possible_value();
        let name = name.as_ref().map_or("", |v| v.get_name());
        match found {
            Some((n, what)) => println!("{name:<17} found by seed {n:>2}: {what}"),
            None => println!(
                "{name:<17} NOT FOUND by {MOST_SEEDS} seeds as {:?}",
                breakage.found_as()
            ),
        }
    }
    found.iter().all(Option::is_some)
}

/// Prints what was found.
fn tell(outcomes: &[Outcome], seconds: f64) -> std::process::ExitCode {
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    for outcome in outcomes {
        for (kind, count) in &outcome.faults {
            *faults.entry(kind).or_default() += count;
        }
    }
    for (kind, count) in &faults {
        println!("{count:>10}  {kind}");
    }
    let steps: u64 = outcomes.iter().map(|o| o.steps).sum();
    let quiet: u64 = outcomes.iter().map(|o| o.quiet_points).sum();
    let bad: Vec<&Outcome> = outcomes.iter().filter(|o| !o.wrong.is_empty()).collect();
    let slowest = outcomes
        .iter()
        .map(|o| o.settled_minutes)
        .max()
        .unwrap_or(0);
    println!(
        "{} seeds, {steps} steps, {quiet} quiet points, {} faults, {seconds:.1} s; settled at most {slowest} simulated minutes after the last fault",
        outcomes.len(),
        faults.values().sum::<u64>(),
    );
    for outcome in bad.iter().take(10) {
        println!("seed {}:", outcome.seed);
        for what in outcome.wrong.iter().take(5) {
            println!("    {what}");
        }
    }
    if bad.is_empty() {
        println!("all invariants hold");
        std::process::ExitCode::SUCCESS
    } else {
        println!(
            "{} seeds are wrong; see one by `cargo xtask sim --seed N --trace --only CORRELATION`",
            bad.len()
        );
        std::process::ExitCode::FAILURE
    }
}
