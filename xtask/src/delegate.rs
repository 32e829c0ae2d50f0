//! Subcommands that need the product's crates run in `waybill-tools`, a binary of `waybill-tests`.

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

/// Builds `waybill-tools` and runs its subcommand `name`; its exit status becomes ours.
pub(crate) fn run(project: &Project, name: &str, args: &Args) -> Result<ExitCode, Failure> {
    let task = task(project, name)?.args(&args.rest).in_users_folder();
    task.status(project).map(exit_code)
}

/// The command that builds and runs `waybill-tools NAME`.
pub(crate) fn task(project: &Project, name: &str) -> Result<Task, Failure> {
    let target = host_target()?;
    let cargo = [
        "run",
        "--quiet",
        "--locked",
        "--target",
        target,
        "-p",
        "waybill-tests",
        "--bin",
        "waybill-tools",
        "--",
    ];
    Ok(Task::new(project, "cargo").args(cargo).arg(name))
}
