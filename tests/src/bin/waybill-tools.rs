//! Tools that need the product's crates; `cargo xtask` starts them.

use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use waybill_tests::Stop;
use waybill_tests::demo::{Options, run};

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
}

#[tokio::main]
async fn main() -> ExitCode {
    let (options, probing) = match Args::parse().tool {
        Tool::Demo(options) => (options, false),
        Tool::E2e(options) => (options, true),
    };
    match run(
        &options,
        probing,
        file("WAYBILL_STACK_FILE"),
        file("WAYBILL_SIMULATORS_FILE"),
    )
    .await
    {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Stop(message)) => {
            // Nobody is left to tell if stderr is closed.
            drop(writeln!(std::io::stderr(), "waybill-tools: {message}"));
            ExitCode::FAILURE
        }
    }
}

fn file(name: &str) -> PathBuf {
    std::env::var_os(name)
        .map(PathBuf::from)
        .unwrap_or_default()
}
