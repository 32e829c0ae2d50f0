//! Subcommands that need the product's crates: `waybill-tools`, a binary of `waybill-tests`, `waybill-sim`, and examples of
//! single crates.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::process::{Task, exit_code};
use crate::project::{Project, host_target};

/// Arguments handed on as they are.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Arguments of the tool; --help lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Builds and runs the tool `name`; its exit status becomes ours.
pub(crate) fn run(project: &Project, name: &str, args: &Args) -> Result<ExitCode, Failure> {
    let task = task(project, name)?.args(&args.rest).in_users_folder();
    task.status(project).map(exit_code)
}

/// The command that builds and runs the tool NAME: an example of the one crate that it needs, or a subcommand of
/// `waybill-tools`.
pub(crate) fn task(project: &Project, name: &str) -> Result<Task, Failure> {
    let target = host_target()?;
    let cargo = ["run", "--quiet", "--locked", "--target", target];
    let task = Task::new(project, "cargo").args(cargo);
    let example = |package: &str| ["-p", package, "--example", name, "--"].map(str::to_owned);
    Ok(match name {
        "vectors" | "parse" => task.args(example("waybill-partners")),
        "schemas" => task.args(example("waybill-model")),
        // What is measured must be compiled as what is shipped, but for the long link.
        "bench-odoo" => task
            .args(["--profile", "measured"])
            .args(["-p", "waybill-tests", "--bin", "waybill-tools", "--"])
            .arg(name),
        // Seeds are many.
        "sim" => task.args(["--profile", "measured"]).args([
            "-p",
            "waybill-simulation",
            "--bin",
            "waybill-sim",
            "--",
        ]),
        _ => task
            .args(["-p", "waybill-tests", "--bin", "waybill-tools", "--"])
            .arg(name),
    })
}
