//! How fast orders get into a real Odoo: Waybill's writer against those that write order by order.
//!
//! All modes are run in turn within one run, several rounds, every order new; every answer is timed by the same proxy;
//! and every order is looked at in the end, so that a fast writer that is wrong cannot win.
//!
//! | module | does |
//! |---|---|
//! | [`modes`] | what is compared |
//! | [`rival`] | order by order, in 8 calls and in 5 |
//! | [`ours`] | Waybill's writer, by the port that the function uses |
//! | [`report`] | the table and the JSON |

pub mod modes;
pub mod ours;
pub mod report;
pub mod rival;

use crate::Stop;
use crate::odoo::{Access, Prepared, RealOdoo, prepare};
use crate::workload::held;
use crate::workload::link::Link;
use crate::workload::meter::{Meter, plain_client};
use crate::workload::orders::{Plan, Run, unique_name};
use modes::{MODES, Mode, Size, Way};
use ours::Ours;
use report::{Report, Sample};
use rival::Rival;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Cheap calls by which the proxy's own cost is found.
const PROBES: usize = 20;
/// Currency of all orders: that of the price list that the preparation makes sure of.
const CURRENCY: &str = "EUR";

/// Compare Waybill's writer with writing order by order, on a real Odoo: use a database made for trials.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    #[command(flatten)]
    real: RealOdoo,
    /// Orders of each of Waybill's modes in a round, rounded to whole batches; order by order it is a sixth of them
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
    orders: u32,
    /// Rounds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Only modes whose name contains this, and those that they are compared with
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Give every order a delivery address: one more contact each, in all modes
    #[arg(long)]
    addresses: bool,
    /// Write without chatter in all modes (`suppress_chatter` of a connection)
    #[arg(long)]
    suppress_chatter: bool,
    /// How far away Odoo is to seem: milliseconds that every call of every mode takes on its way, besides Odoo's own time
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1000))]
    round_trip_ms: u64,
    /// Also write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Options {
    fn round_trip(&self) -> Duration {
        Duration::from_millis(self.round_trip_ms)
    }
}

/// Everything that a mode runs with.
struct Bench {
    run: Run,
    meter: Meter,
    link: Link,
    key: crate::workload::link::Key,
    rivals: Vec<Rival>,
    ours: Vec<Ours>,
    /// Every order that was begun.
    begun: Vec<Plan>,
}

/// Runs the comparison; false when an order is not in Odoo as it must be.
///
/// # Errors
/// Odoo cannot be reached, entered or used.
pub async fn run(options: &Options) -> Result<bool, Stop> {
    let access = options.real.access()?;
    let access = access.ok_or_else(|| Stop::new("measuring an Odoo", "`--odoo` is needed"))?;
    let ready = prepare(&access).await?;
    let meter = Meter::start(&access.url, false, options.round_trip())?;
    let mut bench = Bench::new(options, &access, &ready, meter).await?;
    let meter_ms = bench.meter_cost(&access).await? - options.round_trip().as_secs_f64() * 1e3;
    bench.warm_up().await?;
    let modes: Vec<Mode> = MODES
        .into_iter()
        .filter(|m| {
            options
                .only
                .as_deref()
                .is_none_or(|only| m.is_asked_for(only))
        })
        .collect();
    let begun = Instant::now();
    let mut samples: Vec<Sample> = Vec::new();
    for round in 0..options.rounds {
        // Each round begins with another mode, so that no mode always comes first.
        let first = usize::try_from(round).unwrap_or_default() * 3 % modes.len().max(1);
        for mode in modes.iter().cycle().skip(first).take(modes.len()) {
            let sample = bench.sample(*mode, round, options).await?;
            say(&report::progress(&sample));
            samples.push(sample);
        }
    }
    let took = begun.elapsed();
    let found = held::look(&access, &bench.run.name, &bench.begun).await?;
    let report = Report {
        odoo_version: ready.version,
        protocol: ready.protocol,
        orders: options.orders,
        rounds: options.rounds,
        addresses: options.addresses,
        suppress_chatter: options.suppress_chatter,
        round_trip: options.round_trip(),
        meter_ms,
        took,
        samples: &samples,
        found: &found,
    };
    say(&report.table());
    if let Some(out) = &options.out {
        let doing = || format!("writing `{}`", out.display());
        let text =
            serde_json::to_string_pretty(&report.json()).map_err(|e| Stop::new(doing(), e))?;
        std::fs::write(out, text + "\n").map_err(|e| Stop::new(doing(), e))?;
    }
    Ok(found.is_right())
}

impl Bench {
    async fn new(
        options: &Options,
        access: &Access,
        ready: &Prepared,
        meter: Meter,
    ) -> Result<Self, Stop> {
        let link = Link {
            suppress_chatter: options.suppress_chatter,
            ..Link::to(access, ready, &meter.url)
        };
        let run = Run {
            name: unique_name("B"),
            currency: CURRENCY.to_owned(),
            tax_bp: ready.tax_on_top_bp,
            addresses: options.addresses,
        };
        let key = crate::workload::link::Key::of(access);
        let mut rivals = Vec::new();
        let mut ours = Vec::new();
        for _ in 0..2 {
            rivals.push(Rival::open(access, ready, &link, &run).await?);
            ours.push(Ours::new(&link, &key)?);
        }
        Ok(Self {
            run,
            meter,
            link,
            key,
            rivals,
            ours,
            begun: Vec::new(),
        })
    }

    /// New orders, each of a new customer.
    fn plans(&mut self, count: usize) -> Vec<Plan> {
        let first = self.begun.len();
        let new = (first..first + count).map(|n| {
            let n = u64::try_from(n).unwrap_or_default();
            self.run.plan(n, n)
        });
        let new: Vec<Plan> = new.collect();
        self.begun.extend(new.iter().cloned());
        new
    }

    /// One order each way: Odoo's workers have loaded what they need, Waybill's writers know every product.
    async fn warm_up(&mut self) -> Result<(), Stop> {
        for writer in 0..self.ours.len() {
            let plans = self.plans(2);
            let number = u64::try_from(self.begun.len()).unwrap_or_default();
            let everything = self.run.plan_of_everything(number);
            self.begun.push(everything.clone());
            if let (Some(rival), [a, b]) = (self.rivals.get_mut(writer), plans.as_slice()) {
                rival.write(Way::PerOrder, a).await?;
                rival.write(Way::Searched, b).await?;
            }
            if let Some(ours) = self.ours.get(writer) {
                ours.write(&self.run, &[everything], 1).await?;
            }
        }
        Ok(())
    }

    async fn sample(&mut self, mode: Mode, round: u32, options: &Options) -> Result<Sample, Stop> {
        let Size { each, writers } = mode.size(options.orders);
        let plans = self.plans(each * writers);
        let shares: Vec<&[Plan]> = plans.chunks(each).collect();
        let cold: Vec<Ours> = match mode.way {
            Way::Batch { cold: true, .. } => (0..writers)
                .map(|_| Ours::new(&self.link, &self.key))
                .collect::<Result<_, _>>()?,
            Way::PerOrder | Way::Searched | Way::Batch { .. } => Vec::new(),
        };
        drop(self.meter.take());
        let begun = Instant::now();
        let repeats = match mode.way {
            Way::PerOrder | Way::Searched => {
                let work = self
                    .rivals
                    .iter_mut()
                    .zip(shares)
                    .map(|(rival, share)| async move {
                        for plan in share {
                            rival.write(mode.way, plan).await?;
                        }
                        Ok::<usize, Stop>(0)
                    });
                futures::future::try_join_all(work).await?
            }
            Way::Batch {
                size,
                cold: is_cold,
            } => {
                let writers = if is_cold { &cold } else { &self.ours };
                let work = writers
                    .iter()
                    .zip(shares)
                    .map(|(ours, share)| ours.write(&self.run, share, size));
                futures::future::try_join_all(work).await?
            }
        };
        let wall = begun.elapsed();
        let calls = self.meter.take();
        Ok(Sample {
            mode,
            round,
            orders: plans.len(),
            wall,
            calls: calls.len(),
            odoo: calls.iter().map(|c| c.took).sum(),
            network: calls.iter().map(|_| options.round_trip()).sum(),
            repeats: repeats.into_iter().sum(),
        })
    }

    /// What the proxy costs a call, in milliseconds: the difference of medians of a cheap call with and without it.
    async fn meter_cost(&mut self, access: &Access) -> Result<f64, Stop> {
        let mut direct = Vec::new();
        let mut metered = Vec::new();
        let http = plain_client().map_err(|e| Stop::new("making a client", e))?;
        for _ in 0..PROBES {
            for (url, times) in [(&access.url, &mut direct), (&self.meter.url, &mut metered)] {
                let begun = Instant::now();
                let sent = http
                    .post(format!("{url}/jsonrpc"))
                    .json(
                        &serde_json::json!({"jsonrpc": "2.0", "method": "call", "id": 1,
                        "params": {"service": "common", "method": "version", "args": []}}),
                    )
                    .send();
                let answer = sent
                    .await
                    .map_err(|e| Stop::new("asking Odoo for its version", e.without_url()))?;
                drop(answer.bytes().await);
                times.push(begun.elapsed());
            }
        }
        let ms = |times: &mut Vec<Duration>| {
            times.sort_unstable();
            times.get(PROBES / 2).map_or(0.0, Duration::as_secs_f64) * 1e3
        };
        Ok(ms(&mut metered) - ms(&mut direct))
    }
}

fn say(text: &str) {
    use std::io::Write as _;
    // A closed terminal must not end the run.
    drop(writeln!(std::io::stdout(), "{text}"));
}
