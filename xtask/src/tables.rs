//! `cargo xtask tables`: the suites of the tables, which the simulation's pass too, on the local AWS.

use std::process::ExitCode;

use crate::aws::{LocalAws, endpoint};
use crate::failure::Failure;
use crate::process::exit_code;
use crate::project::{Project, host_target};
use crate::tools::Tools;

/// What holds for every implementation of the ports, and random histories against the memory tables.
const SUITES: &str = "package(waybill-store) & (test(conformance) | test(model))";

/// Runs `cargo xtask tables`; the exit status of the tests becomes ours.
pub(crate) fn run(project: &Project) -> Result<ExitCode, Failure> {
    let tools = Tools::install(project)?;
    Tools::install_for_tests(project)?;
    let aws = LocalAws::start(project, &tools)?;
    // All of the workspace, so that what `cargo xtask test` built is what is run.
    let status = tools
        .cargo(project)
        .args(["nextest", "run", "--locked", "--workspace"])
        .args(["--target", host_target()?, "--no-fail-fast"])
        .args(["--status-level", "fail", "-E", SUITES])
        .env("WAYBILL_TEST_ENDPOINT", endpoint(aws.port()))
        .status(project)?;
    Ok(exit_code(status))
}
