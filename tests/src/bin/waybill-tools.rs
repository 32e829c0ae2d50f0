//! Tools that need the product's crates; `cargo xtask` starts them.

use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use waybill_tests::Stop;
use waybill_tests::demo::{Options, run};
use waybill_tests::odoo::{RealOdoo, prepare};
use waybill_tests::odoo_contract;

#[derive(Debug, Parser)]
#[command(name = "waybill-tools")]
struct Args {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// Play a day on the local AWS and check the invariants.
    Demo(Options),
    /// The same, as a test: also bad input.
    E2e(Options),
    /// Measure how fast orders get into a real Odoo.
    BenchOdoo(waybill_tests::bench::Options),
    /// Write a batch with bad orders in it, and show what each is told.
    OdooBadOrders(waybill_tests::bad_orders::Options),
    /// Write orders into an Odoo through faults and kills.
    OdooStorm(waybill_tests::storm::Options),
    /// One writer of a storm; its setting comes on standard input.
    #[command(hide = true)]
    OdooStormWorker {
        /// Which one.
        #[arg(long)]
        writer: u32,
    },
    /// Make a real Odoo ready for a day.
    PrepareOdoo {
        #[command(flatten)]
        real: RealOdoo,
        /// File that gets what the day must know of it, as JSON.
        #[arg(long)]
        out: PathBuf,
    },
    /// Try what Waybill relies on of Odoo, on the simulated Odoos and on real ones.
    OdooContract(odoo_contract::Options),
    /// The operations API of a deployed stack.
    Ops(waybill_tests::ops::Options),
    /// Check whether an Odoo has all that the connections file uses of it.
    OdooCheck(waybill_tests::odoo_check::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let stack = || file("WAYBILL_STACK_FILE");
    let simulators = || file("WAYBILL_SIMULATORS_FILE");
    let ended = match Args::parse().tool {
        Tool::Demo(options) => run(&options, false, stack(), simulators()).await,
        Tool::E2e(options) => run(&options, true, stack(), simulators()).await,
        Tool::BenchOdoo(options) => waybill_tests::bench::run(&options).await,
        Tool::OdooBadOrders(options) => waybill_tests::bad_orders::run(&options).await,
        Tool::OdooStorm(options) => storm(&options).await,
        Tool::OdooStormWorker { writer } => storm_worker(writer).await,
        Tool::PrepareOdoo { real, out } => prepare_odoo(&real, &out).await,
        Tool::OdooContract(options) => odoo_contract::run(&options).await,
        Tool::Ops(options) => waybill_tests::ops::run(&options).await,
        Tool::OdooCheck(options) => waybill_tests::odoo_check::run(&options).await,
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Stop(message)) => {
            // Nobody is left to tell if stderr is closed.
            drop(writeln!(std::io::stderr(), "waybill-tools: {message}"));
            ExitCode::FAILURE
        }
    }
}

async fn storm(options: &waybill_tests::storm::Options) -> Result<bool, Stop> {
    let program = std::env::current_exe().map_err(|e| Stop::new("finding this program", e))?;
    waybill_tests::storm::run(options, &program).await
}

async fn storm_worker(writer: u32) -> Result<bool, Stop> {
    let doing = "reading the setting of a writer";
    let setting = std::io::read_to_string(std::io::stdin()).map_err(|e| Stop::new(doing, e))?;
    let setting = serde_json::from_str(&setting).map_err(|e| Stop::new(doing, e))?;
    waybill_tests::storm::worker::run(writer, &setting).await?;
    Ok(true)
}

async fn prepare_odoo(real: &RealOdoo, out: &Path) -> Result<bool, Stop> {
    let access = real.access()?;
    let access = access.ok_or_else(|| Stop::new("preparing an Odoo", "--odoo is needed"))?;
    let ready = prepare(&access).await?;
    let mut text = format!(
        "Odoo {} at {}, database `{}`: ready ({})",
        ready.version, access.url, access.database, ready.protocol
    );
    for thing in &ready.made {
        text.push_str("\n  made: ");
        text.push_str(thing);
    }
    // A closed terminal must not end the run.
    drop(writeln!(std::io::stdout(), "{text}"));
    let json = serde_json::to_string(&ready).map_err(|e| Stop::new("writing JSON", e))?;
    let doing = || format!("writing `{}`", out.display());
    std::fs::write(out, json).map_err(|e| Stop::new(doing(), e))?;
    Ok(true)
}

fn file(name: &str) -> PathBuf {
    std::env::var_os(name)
        .map(PathBuf::from)
        .unwrap_or_default()
}
