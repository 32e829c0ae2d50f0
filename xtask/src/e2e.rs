//! `cargo xtask e2e`: the end-to-end run on the local AWS.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::odoo;
use crate::process::exit_code;
use crate::project::Project;
use crate::world::World;

/// Functions that hold no lease when they die: what they had in hand goes on once the queue hands it out again. A killed
/// writer keeps its seat at Odoo for 90 s, which is for `cargo xtask demo --kills`.
const QUICKLY_BACK: &str = "webhook-intake,validator,coordinator";

/// Arguments of `cargo xtask e2e`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Orders that are placed
    #[arg(long, default_value_t = 40)]
    orders: u32,
    /// Seed of the simulators' faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many processes of functions are killed with -9 while the day is played
    #[arg(long, default_value_t = 4)]
    kills: u32,
}

/// Runs the scenarios of `waybill-tools e2e` in a world of their own; its exit status becomes ours.
pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode, Failure> {
    let world = World::start(project, "e2e", args.seed, &odoo::Args::default())?;
    let arguments = [
        format!("--orders={}", args.orders),
        format!("--seed={}", args.seed),
        format!("--kills={}", args.kills),
        format!("--kill={QUICKLY_BACK}"),
    ];
    let status = world.run(project, "e2e", &arguments)?;
    Ok(exit_code(status))
}
