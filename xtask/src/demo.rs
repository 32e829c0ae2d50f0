//! `cargo xtask demo`: a retailer's day on the local AWS.

use std::io::BufRead;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::odoo;
use crate::process::exit_code;
use crate::project::Project;
use crate::world::World;

/// Arguments of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Orders that are placed
    #[arg(long, default_value_t = 200)]
    orders: u32,
    /// Seed of the day and of its faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many processes of functions are killed with -9 while the day is played
    #[arg(long, default_value_t = 0)]
    kills: u32,
    /// Functions that may be killed, separated by commas; without it any
    #[arg(long, value_name = "FUNCTIONS", requires = "kills")]
    kill: Option<String>,
    /// Keep everything running afterwards, until Enter is pressed
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    odoo: odoo::Args,
}

/// Plays the day of `waybill-tools demo` in a world of its own; its exit status, which follows the invariants, becomes ours.
pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode, Failure> {
    let world = World::start(project, "demo", args.seed, &args.odoo)?;
    let mut arguments = vec![
        format!("--orders={}", args.orders),
        format!("--seed={}", args.seed),
        format!("--kills={}", args.kills),
    ];
    arguments.extend(args.kill.iter().map(|names| format!("--kill={names}")));
    let status = world.run(project, "demo", &arguments)?;
    if args.keep {
        println!(
            "still running: {} (state: .waybill/runs/demo); Enter ends it",
            world.base_url()
        );
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|e| Failure::new(format!("cannot read the terminal: {e}")))?;
    }
    Ok(exit_code(status))
}
