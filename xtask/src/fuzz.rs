//! `cargo xtask fuzz`: the fuzz targets for as long as one likes, guided by what each input reaches.

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::failure::Failure;
use crate::process::Task;
use crate::project::{Project, host_target};
use crate::tools::Tools;

const PACKAGE: &str = "waybill-fuzz";

/// Arguments of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only targets whose name contains this, such as `verify` or `webhooks::shopify`
    #[arg(long, default_value = "")]
    target: String,
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Draw inputs at random, without libFuzzer: needs no C++ compiler and nothing to be built anew
    #[arg(long)]
    unguided: bool,
    /// List the targets
    #[arg(long)]
    list: bool,
}

/// Runs `cargo xtask fuzz`. It goes on to the next target where one fails, and fails in the end.
pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode, Failure> {
    let targets: Vec<String> = targets(project)?
        .into_iter()
        .filter(|name| name.contains(&args.target))
        .collect();
    if args.list {
        println!("{}", targets.join("\n"));
        return Ok(ExitCode::SUCCESS);
    }
    if targets.is_empty() {
        return Err(Failure::new(format!(
            "no target's name contains `{}`: `--list` shows them",
            args.target
        )));
    }
    let tools = match args.unguided {
        true => None,
        false => Some(guided_tools(project)?),
    };
    let mut failed = Vec::new();
    for (n, name) in targets.iter().enumerate() {
        let log = project.log(&format!("fuzz-{}", name.replace("::", "-")))?;
        let task = match &tools {
            Some(tools) => guided(project, tools, name, args.seconds)?,
            None => unguided(project, name, args.seconds)?,
        };
        let start = Instant::now();
        let outcome = task.run_logged(project, &log);
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        let took = start.elapsed().as_secs_f32();
        let inputs = inputs(&text).map_or_else(|| "?".to_owned(), |n| n.to_string());
        println!(
            "{:>2}/{} {name:<24} {word:<6} {inputs:>12} inputs {took:>7.1} s",
            n + 1,
            targets.len()
        );
        if let Err(failure) = outcome {
            eprintln!("{failure}");
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "{} target(s) failed; what failed them is in `tests/fuzz/tests/it/__fuzz__`, and `cargo nextest run -p {PACKAGE}` repeats it: mend its cause with a named test, which holds when seeds and mutations have changed",
        failed.len()
    );
    Ok(ExitCode::FAILURE)
}

/// Names of the tests that are targets.
fn targets(project: &Project) -> Result<Vec<String>, Failure> {
    let cannot = |e: &dyn std::fmt::Display| Failure::new(format!("cannot list the targets: {e}"));
    let output = Command::new("cargo")
        .args(["test", "--quiet", "--locked", "--target", host_target()?])
        .args(["-p", PACKAGE, "--test", "it", "--", "--list"])
        .current_dir(project.root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| cannot(&e))?;
    if !output.status.success() {
        return Err(cannot(&output.status));
    }
    Ok(listed(&String::from_utf8_lossy(&output.stdout)))
}

fn listed(text: &str) -> Vec<String> {
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    names.map(str::to_owned).collect()
}

/// cargo-bolero, and the compiler that it needs for libFuzzer.
fn guided_tools(project: &Project) -> Result<Tools, Failure> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let found = Command::new(&compiler)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        return Err(Failure::new(format!(
            "no C++ compiler `{compiler}`, which libFuzzer is built with: install one (on Debian `g++`), name one in the variable `CXX`, or draw inputs at random with `--unguided`"
        )));
    }
    Tools::install_for_fuzzing(project)
}

/// The target under libFuzzer. Every crate is built with counters of what was reached; stable Rust has
/// those, only the sanitizers are of nightly, and without `unsafe` they find little.
fn guided(project: &Project, tools: &Tools, name: &str, seconds: u64) -> Result<Task, Failure> {
    // What was found to reach something new is kept for the next run, and is no part of the project.
    let corpus = project.scratch("fuzz").join(name.replace("::", "-"));
    Ok(tools
        .cargo(project)
        .args(["bolero", "test", name, "--package", PACKAGE])
        .args(["--target", host_target()?, "--sanitizer", "NONE"])
        .arg("--target-dir")
        .arg(project.scratch("fuzz/target"))
        .arg("--corpus-dir")
        .arg(corpus)
        .args(["--max-input-length", "512", "--timeout", "20s"])
        .args(["-T", &format!("{seconds}s")])
        .arg("--engine-args=-print_final_stats=1"))
}

/// The target's own brief run, for longer and from other seeds.
fn unguided(project: &Project, name: &str, seconds: u64) -> Result<Task, Failure> {
    Ok(Task::new(project, "cargo")
        .args(["test", "--quiet", "--locked", "--target", host_target()?])
        .args(["-p", PACKAGE, "--test", "it"])
        .args(["--", "--exact", name, "--nocapture"])
        .env("WAYBILL_FUZZ_SECONDS", seconds.to_string()))
}

/// How many inputs were tried, as libFuzzer or the target itself says.
fn inputs(log: &str) -> Option<u64> {
    log.lines().rev().find_map(|line| {
        let number = match line.strip_prefix("stat::number_of_executed_units:") {
            Some(number) => number,
            None => line.strip_suffix(" inputs")?,
        };
        number.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::{inputs, listed};

    #[test]
    fn targets_are_read_from_the_list_of_tests() {
        let text = "verify::stripe: test\nmodel::money: test\n\n2 tests, 0 benchmarks\n";
        assert_eq!(listed(text), ["verify::stripe", "model::money"]);
    }

    #[test]
    fn the_number_of_inputs_is_read_from_either_log() {
        let log = "Done 7\nstat::number_of_executed_units: 1234\nstat::peak_rss_mb: 90\n";
        assert_eq!(inputs(log), Some(1234));
        assert_eq!(inputs("test a ... 500 inputs\n600 inputs\nok\n"), Some(600));
        assert_eq!(inputs("nothing"), None);
    }
}
