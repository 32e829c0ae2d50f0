//! `cargo xtask`: the project's own tools.
//!
//! Each subcommand has its own file. What needs the product's crates runs in a binary of `waybill-tests`, which
//! [`delegate`] starts, so that this crate stays quick to build.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to its user"
)]

mod aws;
mod build;
mod delegate;
mod demo;
mod e2e;
mod failure;
mod fuzz;
mod http;
mod measure;
mod mutants;
mod odoo;
mod process;
mod project;
mod sam;
mod tables;
mod test;
mod tools;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::project::Project;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    about = "Waybill's own tools",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install the pinned tools into .waybill/tools (every other command does so itself)
    Tools(tools::Args),
    /// Start, stop and deploy to the local AWS
    Aws(aws::Args),
    /// Build the functions as they are shipped
    Build(build::Args),
    /// Measure what was built for this machine: zip sizes, and process start to the first request for work
    Measure(measure::Args),
    /// Run the pinned SAM CLI, for deploying to AWS
    Sam(sam::Args),
    /// Run every check of the project
    Test(test::Args),
    /// Play a retailer's day on the local AWS and check what came of it
    Demo(demo::Args),
    /// Run the end-to-end tests on the local AWS
    E2e(e2e::Args),
    /// Run the suites of the tables on the local AWS
    Tables,
    /// Measure Waybill's writer against others on a real system
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
    /// Simulate all functions under faults: many days by seed, on a clock of their own
    Sim(delegate::Args),
    /// Fuzz every parser and verifier, guided by what each input reaches
    Fuzz(fuzz::Args),
    /// Change the rules one place at a time and see whether a test notices; hours, see --shard
    Mutants(mutants::Args),
    /// Try what Waybill relies on of Odoo: the same cases on the simulated Odoos and on any real ones
    OdooContract(delegate::Args),
    /// Tools for a real Odoo
    Odoo(odoo::Tool),
    /// Write a batch of 50 orders into an Odoo, real or simulated, seven of them bad in seven ways, and show what each is told
    OdooBadOrders(delegate::Args),
    /// Write orders into an Odoo, real or simulated, through faults and kills, and check that each is there once
    OdooStorm(delegate::Args),
    /// Cases, retry, replay, dry run and redrive by the operations API of a deployed stack
    Ops(delegate::Args),
    /// Run signature and mapping vectors of a folder through the real verifiers
    Vectors(delegate::Args),
    /// Print the canonical events of partner payloads as JSON lines
    Parse(delegate::Args),
    /// Write the JSON Schemas of the canonical model; --check only compares
    Schemas(delegate::Args),
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// How fast orders get into a real Odoo, against writing them one by one
    Odoo(delegate::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    let project = Project::find()?;
    match command {
        Command::Tools(args) => tools::run(&project, &args),
        Command::Aws(args) => aws::run(&project, &args),
        Command::Build(args) => build::run(&project, &args),
        Command::Measure(args) => measure::run(&project, &args),
        Command::Sam(args) => sam::run(&project, &args),
        Command::Test(args) => test::run(&project, &args),
        Command::Demo(args) => demo::run(&project, &args),
        Command::E2e(args) => e2e::run(&project, &args),
        Command::Tables => tables::run(&project),
        Command::Bench {
            what: Bench::Odoo(args),
        } => delegate::run(&project, "bench-odoo", &args),
        Command::Sim(args) => delegate::run(&project, "sim", &args),
        Command::Fuzz(args) => fuzz::run(&project, &args),
        Command::Mutants(args) => mutants::run(&project, &args),
        Command::OdooContract(args) => delegate::run(&project, "odoo-contract", &args),
        Command::Odoo(tool) => odoo::run(&project, &tool),
        Command::OdooBadOrders(args) => delegate::run(&project, "odoo-bad-orders", &args),
        Command::OdooStorm(args) => delegate::run(&project, "odoo-storm", &args),
        Command::Ops(args) => delegate::run(&project, "ops", &args),
        Command::Vectors(args) => delegate::run(&project, "vectors", &args),
        Command::Parse(args) => delegate::run(&project, "parse", &args),
        Command::Schemas(args) => delegate::run(&project, "schemas", &args),
    }
}
