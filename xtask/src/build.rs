//! `cargo xtask build`: the functions as they are shipped, small and fast, in `.aws-sam/build`, from where
//! `cargo xtask sam deploy --config-env ENV` takes them.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::failure::Failure;
use crate::process::Task;
use crate::project::Project;
use crate::tools::{Tools, python};

/// Arguments of `cargo xtask build`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instruction set; the same value goes to `sam deploy` as the parameter Architecture
    #[arg(long, default_value = "arm64", value_parser = ["arm64", "x86_64"])]
    arch: String,
}

/// Runs `cargo xtask build`: release profile, linked by zig against the C library of Lambda's Amazon Linux.
pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode, Failure> {
    let start = Instant::now();
    let tools = Tools::install(project)?;
    Tools::install_for_cross_builds(project, &args.arch)?;
    println!(
        "building for {}; the first time takes some ten minutes",
        args.arch
    );
    let status = tools
        .sam(project)
        .args(["build", "--config-env", "default", "--parameter-overrides"])
        .arg(format!("Architecture={}", args.arch))
        .without_env("SAM_BUILD_MODE")
        .status(project)?;
    if !status.success() {
        return Err(Failure::new("`sam build` failed; its output is above"));
    }
    print_sizes(project, &project.at(".aws-sam/build"))?;
    println!(
        "built in {:.0} s; deploy with `cargo xtask sam deploy --config-env dev`",
        start.elapsed().as_secs_f32()
    );
    Ok(ExitCode::SUCCESS)
}

/// Prints each function's size, bare and zipped as it will be uploaded.
fn print_sizes(project: &Project, folder: &Path) -> Result<(), Failure> {
    let script = "import os, sys, zlib
for name in sorted(os.listdir(sys.argv[1])):
    path = os.path.join(sys.argv[1], name, 'bootstrap')
    if os.path.exists(path):
        data = open(path, 'rb').read()
        print(f'{name:32} {len(data) / 1e6:6.2f} MB  zipped {len(zlib.compress(data)) / 1e6:6.2f} MB')";
    let status = Task::new(project, python()?)
        .args(["-c", script])
        .arg(folder)
        .status(project)?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new("cannot measure the built functions"))
    }
}
