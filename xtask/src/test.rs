//! `cargo xtask test`: every check of the project, one line each, stopping at the first that fails.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::delegate;
use crate::failure::Failure;
use crate::process::Task;
use crate::project::{Project, host_target};
use crate::tools::Tools;

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave out what needs the local AWS: the tables' suites and the end-to-end run
    #[arg(long)]
    no_e2e: bool,
}

/// A check: its name, and the command that makes it.
struct Step {
    name: &'static str,
    task: Task,
}

/// Runs `cargo xtask test`. Its last line is `N passed, N failed`, where each test case and each other step counts as one.
pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode, Failure> {
    let start = Instant::now();
    Tools::install(project)?;
    let tools = Tools::install_for_tests(project)?;
    println!(
        "{:<14}{:<6} {:>7.1} s",
        "tools",
        "ok",
        start.elapsed().as_secs_f32()
    );
    let mut passed = 0_u64;
    for step in steps(project, &tools, args)? {
        let log = project.log(&format!("test-{}", step.name))?;
        let outcome = timed(step.name, || step.task.run_logged(project, &log));
        if let Err(failure) = outcome {
            eprintln!("error: {failure}");
            println!("{passed} passed, 1 failed");
            return Ok(ExitCode::FAILURE);
        }
        passed += cases(step.name, &log)?;
    }
    println!("all steps in {:.0} s", start.elapsed().as_secs_f32());
    println!("{passed} passed, 0 failed");
    Ok(ExitCode::SUCCESS)
}

fn steps(project: &Project, tools: &Tools, args: &Args) -> Result<Vec<Step>, Failure> {
    let target = host_target()?;
    let cargo = |words: &[&str]| tools.cargo(project).args(words);
    let workspace = ["--locked", "--workspace", "--target", target];
    let mut steps = vec![
        Step {
            name: "fmt",
            task: cargo(&["fmt", "--all", "--check"]),
        },
        Step {
            name: "clippy",
            task: cargo(&["clippy", "--all-targets"])
                .args(workspace)
                .args(["--", "-D", "warnings"]),
        },
        Step {
            name: "nextest",
            task: cargo(&[
                "nextest",
                "run",
                "--no-fail-fast",
                "--failure-output",
                "final",
                "--status-level",
                "fail",
            ])
            .args(workspace),
        },
        Step {
            name: "sam-validate",
            task: tools
                .sam(project)
                .args(["validate", "--lint", "--config-env", "local"]),
        },
        // Advisories need a download that not every network allows: the CI workflow checks them by themselves.
        Step {
            name: "cargo-deny",
            task: cargo(&[
                "deny",
                "--workspace",
                "check",
                "bans",
                "licenses",
                "sources",
            ]),
        },
        Step {
            name: "schemas",
            task: delegate::task(project, "schemas")?.arg("--check"),
        },
        Step {
            name: "sim",
            task: delegate::task(project, "sim")?.args(["--seeds", "200", "--bites"]),
        },
        Step {
            name: "sim-outage",
            task: delegate::task(project, "sim")?.args(["--outage", "1"]),
        },
    ];
    if !args.no_e2e {
        // Processes of their own, so that their output goes to its log like that of the others.
        let this = std::env::current_exe()
            .map_err(|e| Failure::new(format!("cannot find this program: {e}")))?;
        steps.extend(["tables", "e2e"].map(|name| Step {
            name,
            task: Task::new(project, &this).arg(name),
        }));
    }
    Ok(steps)
}

fn timed<T>(name: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    print!("{name:<14}");
    std::io::stdout()
        .flush()
        .map_err(|e| Failure::new(format!("cannot write to the terminal: {e}")))?;
    let start = Instant::now();
    let outcome = work();
    let word = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("{word:<6} {:>7.1} s", start.elapsed().as_secs_f32());
    outcome
}

/// How many checks a passed step counts for: the test cases of a test runner, else one.
fn cases(name: &str, log: &Path) -> Result<u64, Failure> {
    let text = std::fs::read_to_string(log).map_err(|e| Failure::file("read", log, &e))?;
    if name != "nextest" {
        return Ok(1);
    }
    passed_cases(&text)
        .ok_or_else(|| Failure::new(format!("`{}` has no summary of the tests", log.display())))
}

/// The count in nextest's closing line, `Summary [   0.5s] 12 tests run: 12 passed, 1 skipped`.
fn passed_cases(log: &str) -> Option<u64> {
    let summary = log
        .lines()
        .rev()
        .find(|line| line.trim_start().starts_with("Summary ["))?;
    let (before, _) = summary.split_once(" passed")?;
    before.split_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::passed_cases;

    #[test]
    fn the_summary_of_nextest_is_counted() {
        let log = "PASS x\n------------\n     Summary [   0.012s] 12 tests run: 12 passed (1 slow), 2 skipped\n";
        assert_eq!(passed_cases(log), Some(12));
        assert_eq!(passed_cases("error: no test binaries"), None);
    }
}
