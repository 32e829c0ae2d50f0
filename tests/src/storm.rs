//! Orders into an Odoo while everything goes wrong: answers are cut, late and lost, two writers work at once, and their
//! processes are killed. In the end every order must be there once, confirmed, with one delivery and the right total.
//!
//! | module | does |
//! |---|---|
//! | [`queue`] | a queue as SQS keeps one: batches, visibility, redelivery |
//! | [`control`] | what the writers' processes talk to |
//! | [`worker`] | one such process: the handler of `odoo-writer` with its real adapter |
//! | [`crew`] | starts the processes, and kills them |
//! | [`tally`] | what happened, counted |

pub mod control;
pub mod crew;
pub mod queue;
pub mod tally;
pub mod worker;

use crate::Stop;
use crate::odoo::{Access, Prepared, RealOdoo, prepare};
use crate::simulated;
use crate::workload::held::{self, Found};
use crate::workload::link::Link;
use crate::workload::meter::Meter;
use crate::workload::orders::{self, Plan, Run, unique_name};
use control::Control;
use crew::Crew;
use rand::SeedableRng as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::Tally;
use waybill_flow::ports::Clock as _;
use waybill_lambda_kit::clock::SystemClock;
use waybill_model::command::Command;
use waybill_model::envelope::{CommandEnvelope, Envelope};
use waybill_model::id::ConnectionId;
use waybill_simulators::faults::ApiFaults;
use waybill_simulators::secrets::Secrets;
use waybill_simulators::sim::Sim;
use waybill_simulators::{Options as WorldOptions, World, serve};

/// Write orders into an Odoo through faults and kills, and check that each is there exactly once.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    #[command(flatten)]
    real: RealOdoo,
    /// Orders
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    orders: u32,
    /// How often a writer's process is killed while it has a batch in hand
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// Seed of the faults and kills
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Calls in 1000 that are cut, late or answered to nobody: a third each
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=900))]
    faults: u32,
    /// Writers at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    writers: u32,
    /// Release of the simulated Odoo, where `--odoo` names no real one
    #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(u32).range(17..=19), conflicts_with = "odoo")]
    simulated: u32,
    /// Minutes after which the storm is given up
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Also write the counts to this file, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How long things take: a real Odoo needs seconds for a batch, the simulated one far less.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long a message that was handed out is invisible. Longer than a batch takes, as a rule: what takes longer is
    /// written by two at once.
    pub visibility: Duration,
    /// Real time for a second of a wait that a writer asks for.
    pub second: Duration,
    /// How long the queue waits for a batch to become full.
    pub window: Duration,
    /// How late an answer is, in milliseconds.
    pub slow_ms: u64,
    /// Longest random wait before a kill.
    pub aim: Duration,
}

const REAL: Pace = Pace {
    visibility: Duration::from_secs(45),
    second: Duration::from_millis(250),
    window: Duration::from_secs(1),
    slow_ms: 3_000,
    aim: Duration::from_secs(2),
};
const SIMULATED: Pace = Pace {
    visibility: Duration::from_secs(3),
    second: Duration::from_millis(20),
    window: Duration::from_millis(50),
    slow_ms: 100,
    aim: Duration::from_millis(60),
};

/// Where the storm is: an Odoo, behind the meter, behind the faults.
struct Sea {
    access: Access,
    ready: Prepared,
    pace: Pace,
    meter: Meter,
    world: Arc<World>,
    /// Base URL of the faults.
    url: String,
}

/// Runs the storm with writers started from `program`; false when something is not as it must be.
///
/// # Errors
/// Odoo cannot be reached, entered or used, or the storm does not end in time.
pub async fn run(options: &Options, program: &Path) -> Result<bool, Stop> {
    let sea = Sea::fill(options).await?;
    let run = Run {
        name: unique_name("S"),
        currency: "EUR".to_owned(),
        tax_bp: sea.ready.tax_on_top_bp,
        addresses: true,
    };
    let plans: Vec<Plan> = (0..u64::from(options.orders))
        .map(|n| run.plan(n, customer(n, options.orders)))
        .collect();
    let link = Link::to(&sea.access, &sea.ready, &sea.url);
    let control = Control::start(messages(&run, &plans)?, sea.pace).await?;
    let setting = worker::Setting {
        control: control.url.clone(),
        connections: link.text(),
        key: sea.access.key.clone(),
    };
    let begun = Instant::now();
    let rng = rand_chacha::ChaCha8Rng::seed_from_u64(options.seed);
    let crew = Crew::start(program, setting, options.writers)?;
    let kills = tokio::time::timeout(
        Duration::from_secs(options.minutes * 60),
        crew.weather(&control, &sea.meter, rng, options.kills, sea.pace),
    )
    .await
    .map_err(|_| {
        let left = control.open();
        Stop::new(
            "waiting for the storm's end",
            format!(
                "{left} messages are still open after {} minutes",
                options.minutes
            ),
        )
    })??;
    let took = begun.elapsed();
    let found = held::look(&sea.access, &run.name, &plans).await?;
    let tally = sea.tally(&control, kills, took);
    let untold = control.untold(&run, &plans)?;
    say(&tally.text());
    say(&judgement(&found, &untold, options, kills));
    if let Some(out) = &options.out {
        let doing = || format!("writing `{}`", out.display());
        let json = tally.json(&found, &untold);
        let text = serde_json::to_string_pretty(&json).map_err(|e| Stop::new(doing(), e))?;
        std::fs::write(out, text + "\n").map_err(|e| Stop::new(doing(), e))?;
    }
    Ok(found.is_right() && untold.is_empty() && kills == options.kills)
}

fn judgement(found: &Found, untold: &[String], options: &Options, kills: u32) -> String {
    let mut text = found.text();
    for fault in untold.iter().take(10) {
        text.push_str("\n  WRONG: ");
        text.push_str(fault);
    }
    if kills != options.kills {
        text.push_str(&format!(
            "\n  WRONG: {kills} of {} kills could be made: give it more orders",
            options.kills
        ));
    }
    let right = found.is_right() && untold.is_empty() && kills == options.kills;
    text.push_str(if right {
        "\nevery order once, confirmed, with one delivery and the right total; every outcome told"
    } else {
        "\nFAILED"
    });
    text
}

/// Most orders have a customer of their own. Every fifth shares that of its neighbour, and of the second half every seventh
/// one's of the first, so that batches at once write the same customers.
fn customer(number: u64, orders: u32) -> u64 {
    let half = u64::from(orders / 2);
    if number % 5 == 4 {
        number - 1
    } else if number >= half && number.is_multiple_of(7) {
        number - half
    } else {
        number
    }
}

fn messages(run: &Run, plans: &[Plan]) -> Result<Vec<String>, Stop> {
    let erp = crate::workload::link::erp()?;
    let ours = ConnectionId::new(CommandEnvelope::OURSELVES)
        .map_err(|e| Stop::new("naming the sender", e))?;
    let effect = orders::effect()?;
    let message = |plan: &Plan| {
        let command = orders::command(&erp, run.order(plan)?)?;
        let envelope: CommandEnvelope = Envelope::new(
            command.key,
            ours.clone(),
            SystemClock.now(),
            command.correlation,
            Command::clone(&command.command),
        )
        .for_effect(effect.clone());
        serde_json::to_string(&envelope).map_err(|e| Stop::new("writing a command", e))
    };
    plans.iter().map(message).collect()
}

impl Sea {
    async fn fill(options: &Options) -> Result<Self, Stop> {
        let (access, pace) = match options.real.access()? {
            Some(access) => (access, REAL),
            None => {
                let access = simulated::odoo(options.simulated, |_| {}).await?;
                (access, SIMULATED)
            }
        };
        let ready = prepare(&access).await?;
        let meter = Meter::start(&access.url, true, Duration::ZERO)?;
        let options_of_world = WorldOptions {
            seed: options.seed,
            real_odoo: Some(meter.url.clone()),
            ..WorldOptions::default()
        };
        let world = World::new(options_of_world, Secrets::default());
        let third = options.faults / 3;
        let rates = ApiFaults {
            cut: third,
            slow: third,
            lost_answer: options.faults - 2 * third,
            slow_ms: pace.slow_ms,
            ..ApiFaults::default()
        };
        world.faults.set_rates(Sim::Odoo, rates);
        let stop = |e: std::io::Error| Stop::new("starting the faults", e);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(stop)?;
        let address = listener.local_addr().map_err(stop)?;
        let serving = serve(listener, Arc::clone(&world), std::future::pending());
        drop(tokio::spawn(serving));
        let url = format!("http://{address}/{}", Sim::Odoo.as_str());
        Ok(Self {
            access,
            ready,
            pace,
            meter,
            world,
            url,
        })
    }

    fn tally(&self, control: &Control, kills: u32, took: Duration) -> Tally {
        let counts = self.world.faults.counts();
        let faults = counts.get(Sim::Odoo.as_str()).cloned().unwrap_or_default();
        let calls = self.world.faults.calls();
        Tally {
            odoo_version: self.ready.version,
            protocol: self.ready.protocol,
            took,
            kills,
            attempted: calls.get(Sim::Odoo.as_str()).copied().unwrap_or_default(),
            faults,
            queue: control.counts(),
            calls: tally::Calls::of(&self.meter.take()),
        }
    }
}

fn say(text: &str) {
    use std::io::Write as _;
    // A closed terminal must not end the run.
    drop(writeln!(std::io::stdout(), "{text}"));
}
