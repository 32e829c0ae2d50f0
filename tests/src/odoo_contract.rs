//! The contract suite: what Waybill relies on of Odoo, tried on the simulated Odoo 17 and 19 and on real ones.
//!
//! A case talks the wire itself, notes what it saw, and fails where something that Waybill relies on does not hold. Where
//! the notes of a real database and of the simulator of its version differ, one of the two is wrong: the simulator.
//!
//! | module | holds |
//! |---|---|
//! | `wire` | one call in both protocols |
//! | `target` | the databases |
//! | `cx` | what a case works with: calls, and its notes |
//! | `draft` | orders of its own, as Waybill writes them |
//! | `view` | an order with all that hangs on it, as a note |
//! | `cases` | the cases, a file for each group |
//! | `table` | case × database, and what differs |

mod cases;
mod cx;
mod draft;
mod table;
mod target;
mod view;
mod wire;

use crate::Stop;
use crate::odoo::{Access, prepare};
use cases::Case;
use cx::{Cx, Halt};
use futures::StreamExt as _;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::Duration;
use table::Table;
use target::{Real, Target};
use waybill_flow::ports::Clock as _;
use waybill_lambda_kit::clock::SystemClock;
use waybill_simulators::odoo::Version;

/// Cases under way at once on a simulator alone.
const AT_ONCE: usize = 4;
/// Longest time for one case: the slowest waits for 25 tries of Odoo 17.
const CASE_LIMIT: Duration = Duration::from_secs(240);

/// Arguments of the suite. Without a real Odoo it runs on the simulated ones alone.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// Base URL of a real Odoo; once for each, with its own --odoo-db, --odoo-user and --odoo-key-file in the same order.
    #[arg(long)]
    pub odoo: Vec<String>,
    /// Its database: a database for trials, for the cases leave their orders there.
    #[arg(long)]
    pub odoo_db: Vec<String>,
    /// Login of the integration user.
    #[arg(long)]
    pub odoo_user: Vec<String>,
    /// File that holds the user's API key.
    #[arg(long)]
    pub odoo_key_file: Vec<PathBuf>,
    /// File that holds an API key of the user `admin`, for cases that need one; `-` for none. Without it they are skipped.
    #[arg(long)]
    pub odoo_admin_key_file: Vec<PathBuf>,
    /// Run the cases whose name contains this.
    #[arg(long = "case")]
    pub only: Option<String>,
    /// Run also the cases that take a minute or two.
    #[arg(long)]
    pub slow: bool,
    /// File that gets everything as JSON.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

impl Options {
    fn reals(&self) -> Result<Vec<Real>, Stop> {
        let doing = "reading the arguments";
        let count = self.odoo.len();
        for (name, given) in [
            ("--odoo-db", self.odoo_db.len()),
            ("--odoo-user", self.odoo_user.len()),
            ("--odoo-key-file", self.odoo_key_file.len()),
        ] {
            if given != count {
                return Err(Stop::new(
                    doing,
                    format!(
                        "`--odoo` is there {count} times and `{name}` {given} times: every Odoo needs its own"
                    ),
                ));
            }
        }
        let admins = self.odoo_admin_key_file.len();
        if admins != 0 && admins != count {
            return Err(Stop::new(
                doing,
                format!(
                    "`--odoo` is there {count} times and `--odoo-admin-key-file` {admins} times: give `-` for an Odoo without"
                ),
            ));
        }
        let mut reals = Vec::new();
        for (index, url) in self.odoo.iter().enumerate() {
            let (Some(database), Some(login), Some(file)) = (
                self.odoo_db.get(index),
                self.odoo_user.get(index),
                self.odoo_key_file.get(index),
            ) else {
                continue;
            };
            let admin = self.odoo_admin_key_file.get(index);
            let admin = admin.filter(|file| *file != Path::new("-"));
            reals.push(Real {
                access: Access {
                    url: url.trim_end_matches('/').to_owned(),
                    database: database.clone(),
                    login: login.clone(),
                    key: key(file)?,
                },
                admin_key: admin.map(|file| key(file)).transpose()?,
            });
        }
        Ok(reals)
    }
}

fn key(file: &Path) -> Result<String, Stop> {
    let doing = || format!("reading `{}`", file.display());
    let text = std::fs::read_to_string(file).map_err(|e| Stop::new(doing(), e))?;
    match text.trim() {
        "" => Err(Stop::new(doing(), "it is empty: put the API key into it")),
        key => Ok(key.to_owned()),
    }
}

/// What came of one case at one database.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// None where all holds.
    halt: Option<Halt>,
    notes: Map<String, Value>,
    took: Duration,
}

/// Runs the suite and prints its table; true where everything holds and nothing differs.
///
/// # Errors
/// A database cannot be reached, entered or made ready.
pub async fn run(options: &Options) -> Result<bool, Stop> {
    let cases = chosen(options);
    let mut reals = Vec::new();
    for real in options.reals()? {
        // Before the simulators, which are set up alike.
        let ready = prepare(&real.access).await?;
        reals.push((real, ready));
    }
    let mut targets = Vec::new();
    for (version, digits) in [(Version::V17, 17), (Version::V19, 19)] {
        let of_version = || {
            reals
                .iter()
                .filter(move |(_, ready)| version_of(ready.version) == digits)
        };
        if !reals.is_empty() && of_version().next().is_none() {
            continue;
        }
        let tax = of_version()
            .next()
            .map_or(1000, |(_, ready)| ready.tax_on_top_bp);
        targets.push(Target::simulated(version, tax).await?);
        for (real, _) in of_version() {
            targets.push(Target::open("real", real, None).await?);
        }
    }
    let run = token();
    let columns = targets
        .iter()
        .map(|target| column(target, &cases, &run, options.slow));
    let columns = futures::future::join_all(columns).await;
    let table = Table::new(&cases, &targets, columns);
    table.print();
    if let Some(out) = &options.out {
        let doing = || format!("writing `{}`", out.display());
        std::fs::write(out, table.json().to_string()).map_err(|e| Stop::new(doing(), e))?;
    }
    Ok(table.holds())
}

/// The simulator that stands for a version.
fn version_of(version: u64) -> u64 {
    if version < 18 { 17 } else { 19 }
}

/// The suite on a simulated Odoo alone: a message for each case that does not hold.
///
/// # Errors
/// It does not start.
pub async fn broken_on_the_simulator(version: Version) -> Result<Vec<String>, Stop> {
    let target = Target::simulated(version, 1000).await?;
    let run = token();
    let (alone, together): (Vec<&'static Case>, Vec<_>) = chosen(&Options::default())
        .into_iter()
        .partition(|c| c.slow);
    // Cases do not know of each other, but for those that make the simulator fail.
    let outcomes = together.iter().map(|case| one(&target, case, &run, true));
    let mut outcomes: Vec<Outcome> = futures::stream::iter(outcomes)
        .buffered(AT_ONCE)
        .collect()
        .await;
    for case in &alone {
        outcomes.push(one(&target, case, &run, true).await);
    }
    let mut broken = Vec::new();
    for (case, outcome) in together.iter().chain(&alone).zip(outcomes) {
        // What a version does not have is skipped.
        if let Some(halt) = outcome.halt.filter(|h| !matches!(h, Halt::Skipped(_))) {
            broken.push(format!("{} {}: {halt:?}", target.name, case.title()));
        }
    }
    Ok(broken)
}

fn chosen(options: &Options) -> Vec<&'static Case> {
    let wanted = |case: &&Case| {
        options
            .only
            .as_ref()
            .is_none_or(|only| case.title().contains(only.as_str()))
    };
    cases::all().filter(wanted).collect()
}

/// What no other run has.
fn token() -> String {
    let seconds = SystemClock.now().epoch_s();
    format!("{seconds:x}{:x}", std::process::id())
}

async fn column(target: &Target, cases: &[&'static Case], run: &str, slow: bool) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for case in cases {
        outcomes.push(one(target, case, run, slow || target.sim.is_some()).await);
    }
    outcomes
}

async fn one(target: &Target, case: &Case, run: &str, slow: bool) -> Outcome {
    let start = std::time::Instant::now();
    let cx = Cx::new(
        target,
        format!("{run}{}", case.title().replace(['/', '_', ' '], "")),
    );
    let ended = if case.slow && !slow {
        Err(Halt::Skipped(
            "takes a minute or two: give --slow".to_owned(),
        ))
    } else {
        match tokio::time::timeout(CASE_LIMIT, (case.run)(&cx)).await {
            Ok(ended) => ended,
            Err(_) => Err(Halt::Broken(format!(
                "not done after {} s",
                CASE_LIMIT.as_secs()
            ))),
        }
    };
    Outcome {
        halt: ended.err(),
        notes: cx.notes(),
        took: start.elapsed(),
    }
}
