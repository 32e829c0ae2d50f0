//! `cargo xtask sam`: the pinned SAM CLI, for deploying to AWS.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::project::Project;
use crate::tools::Tools;

/// Arguments handed on as they are.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Arguments of `sam`, for example `deploy --config-env dev`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Runs `sam` with the caller's own AWS configuration; its exit status is ours.
pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode, Failure> {
    Err(Tools::install(project)?
        .sam(project)
        .args(&args.rest)
        .exec())
}
