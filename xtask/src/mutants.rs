//! `cargo xtask mutants`: changes the code of the crates that hold the rules, one place at a time, and sees whether a test
//! notices.
//!
//! Changes that no test notices stand in `tests/mutants.txt`, each with the reason why it is left. The command fails on one
//! that does not stand there, and on one that stands there and is noticed by now.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use crate::failure::Failure;
use crate::process::Task;
use crate::project::{Project, write};
use crate::tools::Tools;

/// Crates whose rules are worth it: without I/O of their own, or with tests that need nothing but themselves.
const PACKAGES: [&str; 3] = ["waybill-model", "waybill-flow", "waybill-store"];
/// The changes that are left, below the project's root.
const BASELINE: &str = "tests/mutants.txt";
/// Property tests are the slowest by far: fewer tries, the same ones each time, and none to shrink what is to fail anyway.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("PROPTEST_CASES", "16"),
    ("PROPTEST_RNG_SEED", "20261123"),
    ("PROPTEST_MAX_SHRINK_ITERS", "0"),
    ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1"),
    ("CARGO_INCREMENTAL", "1"),
];

/// Arguments of `cargo xtask mutants`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this crate, such as waybill-flow
    #[arg(long, value_parser = PACKAGES)]
    package: Option<String>,
    /// Only every n-th change, from the k-th on: k/n, from 0/n
    #[arg(long)]
    shard: Option<String>,
    /// Only changes whose name matches this expression, such as 'breaker.rs|in Quota::reserve'
    #[arg(long)]
    matching: Option<String>,
}

/// A change's name without its place in the file, so that it stays the same while lines move. Several may share one.
type Name = String;

/// What became of the changes of one name.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    caught: usize,
    timeout: usize,
    missed: usize,
    unviable: usize,
}

/// Runs `cargo xtask mutants`.
pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode, Failure> {
    let path = project.at(BASELINE);
    let text = std::fs::read_to_string(&path).map_err(|e| Failure::file("read", &path, &e))?;
    let baseline = parse_baseline(&text)?;
    let tools = Tools::install_for_mutants(project)?;
    let chosen = args.package.as_deref();
    let packages = PACKAGES
        .into_iter()
        .filter(|package| chosen.is_none_or(|only| only == *package));
    let mut faults = Vec::new();
    let mut sum = Tally::default();
    for package in packages {
        let told = test_package(project, &tools, args, package)?;
        let tally = told.values().fold(Tally::default(), Tally::plus);
        println!("{}", tally.line(package));
        sum = sum.plus(&tally);
        let listed = list_package(project, &tools, package)?;
        faults.extend(compare(&baseline, &told, &listed, &folder_of(package)));
    }
    println!("{}", sum.line("all"));
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(format!(
        "{} difference(s) to `{BASELINE}`: test what is new, or write there why it is left; remove what is caught or gone",
        faults.len()
    )))
}

/// Runs the changes of one crate. Its copy of the tree is thrown away; nothing here is changed.
fn test_package(
    project: &Project,
    tools: &Tools,
    args: &Args,
    package: &str,
) -> Result<BTreeMap<Name, Tally>, Failure> {
    let out = project.scratch("mutants").join(package);
    write(&out.join("started"), "")?;
    let mut task = mutants(project, tools, package).arg("--output").arg(&out);
    if let Some(shard) = &args.shard {
        task = task.args(["--sharding", "round-robin", "--shard", shard]);
    }
    if let Some(matching) = &args.matching {
        task = task.args(["--re", matching]);
    }
    // 2: some were missed, 3: some took too long. Both are for us to judge.
    let status = task.status(project)?;
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        return Err(Failure::new(format!(
            "cargo-mutants ended with {status}: see `{}`",
            out.join("mutants.out/log").display()
        )));
    }
    outcomes(&read_json(&out.join("mutants.out/outcomes.json"))?)
}

/// All changes that there are, by name, however many are run.
fn list_package(
    project: &Project,
    tools: &Tools,
    package: &str,
) -> Result<BTreeMap<Name, usize>, Failure> {
    let log = project.log(&format!("mutants-{package}"))?;
    let task = mutants(project, tools, package).args(["--list", "--line-col", "false"]);
    task.run_logged(project, &log)?;
    let text = std::fs::read_to_string(&log).map_err(|e| Failure::file("read", &log, &e))?;
    let mut listed = BTreeMap::new();
    for name in text.lines().filter(|l| l.starts_with("shared/")) {
        *listed.entry(name.to_owned()).or_default() += 1;
    }
    Ok(listed)
}

fn mutants(project: &Project, tools: &Tools, package: &str) -> Task {
    let task = tools.cargo(project).args(["mutants", "--package", package]);
    ENVIRONMENT
        .iter()
        .fold(task, |task, (name, value)| task.env(name, value))
}

fn read_json(path: &Path) -> Result<Value, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file("read", path, &e))?;
    serde_json::from_str(&text)
        .map_err(|e| Failure::new(format!("`{}` is not JSON: {e}", path.display())))
}

/// Reads `outcomes.json` of cargo-mutants.
fn outcomes(report: &Value) -> Result<BTreeMap<Name, Tally>, Failure> {
    let unread = || {
        Failure::new("the report of cargo-mutants has another form than that of the pinned version")
    };
    let outcomes = report.get("outcomes").and_then(Value::as_array);
    let mut told: BTreeMap<Name, Tally> = BTreeMap::new();
    for outcome in outcomes.ok_or_else(unread)? {
        // The run without a change has another scenario.
        let Some(mutant) = outcome.pointer("/scenario/Mutant/name") else {
            continue;
        };
        let name = mutant.as_str().and_then(without_place).ok_or_else(unread)?;
        let tally = told.entry(name).or_default();
        match outcome.get("summary").and_then(Value::as_str) {
            Some("CaughtMutant") => tally.caught += 1,
            Some("Timeout") => tally.timeout += 1,
            Some("MissedMutant") => tally.missed += 1,
            Some("Unviable") => tally.unviable += 1,
            _ => return Err(unread()),
        }
    }
    Ok(told)
}

/// `FILE: CHANGE` of `FILE:LINE:COLUMN: CHANGE`.
fn without_place(name: &str) -> Option<Name> {
    let (place, change) = name.split_once(": ")?;
    let (file, _) = place.split_once(':')?;
    Some(format!("{file}: {change}"))
}

fn folder_of(package: &str) -> String {
    format!("{}/", package.replace("waybill-", "shared/"))
}

impl Tally {
    fn plus(self, other: &Self) -> Self {
        Self {
            caught: self.caught + other.caught,
            timeout: self.timeout + other.timeout,
            missed: self.missed + other.missed,
            unviable: self.unviable + other.unviable,
        }
    }

    fn viable(&self) -> usize {
        self.caught + self.timeout + self.missed
    }

    /// A change that makes a test hang is noticed; one that does not compile says nothing.
    fn line(&self, package: &str) -> String {
        let noticed = self.caught + self.timeout;
        let tenths = (noticed * 1000).checked_div(self.viable()).unwrap_or(1000);
        format!(
            "{package:<14} {:>4} caught, {:>3} timed out, {:>3} missed, {:>3} unviable: score {}.{} %",
            self.caught,
            self.timeout,
            self.missed,
            self.unviable,
            tenths / 10,
            tenths % 10
        )
    }
}

/// Reads the baseline: a name at the beginning of a line, its reason indented below; `#` begins a comment. A name stands as
/// often as there are changes of that name which nothing notices.
fn parse_baseline(text: &str) -> Result<BTreeMap<Name, usize>, Failure> {
    let mut entries: BTreeMap<Name, usize> = BTreeMap::new();
    let mut unexplained: Option<&str> = None;
    let fault = |name: &str| Failure::new(format!("`{BASELINE}` has no reason for `{name}`"));
    for line in text.lines() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with(' ') {
            unexplained = None;
            continue;
        }
        if let Some(name) = unexplained.replace(line) {
            return Err(fault(name));
        }
        *entries.entry(line.to_owned()).or_default() += 1;
    }
    unexplained.map_or(Ok(entries), |name| Err(fault(name)))
}

/// What differs from the baseline, for the crate in `folder`.
fn compare(
    baseline: &BTreeMap<Name, usize>,
    told: &BTreeMap<Name, Tally>,
    listed: &BTreeMap<Name, usize>,
    folder: &str,
) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, tally) in told {
        let known = baseline.get(name).copied().unwrap_or_default();
        // Of a name that was run in part, the others may be the ones that stand there.
        let whole = listed
            .get(name)
            .is_none_or(|n| *n == tally.viable() + tally.unviable);
        if tally.missed > known {
            faults.push(format!("not caught: {name}"));
        } else if tally.missed < known && whole {
            faults.push(format!("caught, remove it: {name}"));
        }
    }
    let gone = baseline
        .keys()
        .filter(|name| name.starts_with(folder) && !listed.contains_key(*name));
    faults.extend(gone.map(|name| format!("gone, remove it: {name}")));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tally(caught: usize, missed: usize) -> Tally {
        Tally {
            caught,
            missed,
            ..Tally::default()
        }
    }

    fn names<T>(entries: &[(&str, T)]) -> BTreeMap<Name, T>
    where
        T: Copy,
    {
        let entries = entries.iter();
        entries.map(|(name, n)| ((*name).to_owned(), *n)).collect()
    }

    #[test]
    fn a_report_is_counted_by_name_without_lines() {
        let outcome = |name: &str, summary: &str| json!({ "scenario": { "Mutant": { "name": name } }, "summary": summary });
        let report = json!({ "outcomes": [
            { "scenario": "Baseline", "summary": "Success" },
            outcome("shared/a.rs:1:2: replace + with - in f", "CaughtMutant"),
            outcome("shared/a.rs:1:9: replace + with - in f", "MissedMutant"),
            outcome("shared/a.rs:3:1: replace g -> u8 with 0", "Timeout"),
        ]});
        let told = outcomes(&report).unwrap();
        assert_eq!(told["shared/a.rs: replace + with - in f"], tally(1, 1));
        assert_eq!(told["shared/a.rs: replace g -> u8 with 0"].timeout, 1);
        assert!(outcomes(&json!({})).is_err());
        assert!(outcomes(&json!({ "outcomes": [outcome("x", "Lost")] })).is_err());
    }

    #[test]
    fn what_is_new_caught_or_gone_is_told() {
        let baseline = names(&[
            ("shared/a: x", 1),
            ("shared/a: y", 1),
            ("shared/a: z", 1),
            ("shared/b: w", 1),
        ]);
        let listed = names(&[("shared/a: x", 2), ("shared/a: y", 1), ("shared/a: n", 1)]);
        let told = |x, y, n| names(&[("shared/a: x", x), ("shared/a: y", y), ("shared/a: n", n)]);
        let gone = "gone, remove it: shared/a: z";
        let compare = |told| compare(&baseline, &told, &listed, "shared/a");
        assert_eq!(compare(told(tally(1, 1), tally(0, 1), tally(1, 0))), [gone]);
        assert_eq!(
            compare(told(tally(0, 2), tally(1, 0), tally(0, 1))),
            [
                "not caught: shared/a: n",
                "not caught: shared/a: x",
                "caught, remove it: shared/a: y",
                gone
            ]
        );
        // One of two was run: the other may be the one that is left.
        assert_eq!(compare(told(tally(1, 0), tally(0, 1), tally(1, 0))), [gone]);
    }

    #[test]
    fn the_score_counts_what_took_too_long_and_not_what_does_not_compile() {
        let tally = Tally {
            caught: 6,
            timeout: 1,
            missed: 1,
            unviable: 9,
        };
        assert!(
            tally.line("x").ends_with("score 87.5 %"),
            "{}",
            tally.line("x")
        );
    }

    #[test]
    fn an_entry_without_a_reason_is_refused() {
        assert!(
            parse_baseline("a: x\n    why\n\n# more\na: x\n    why\n    still\n")
                .is_ok_and(|b| b["a: x"] == 2)
        );
        assert!(parse_baseline("a: x\na: y\n    why\n").is_err());
        assert!(parse_baseline("a: x\n").is_err());
    }

    /// The function that a change is in, if it is in one.
    fn function_of(change: &str) -> Option<&str> {
        let path = match change.rsplit_once(" in ") {
            Some((_, path)) => path,
            None => {
                let path = change.strip_prefix("replace ")?;
                path.split_once(" -> ").or(path.split_once(" with "))?.0
            }
        };
        let name = path.rsplit("::").next()?;
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_')
            .then_some(name)
    }

    #[test]
    fn every_entry_names_a_function_that_is_still_there() {
        let project = Project::find().unwrap();
        let text = std::fs::read_to_string(project.at(BASELINE)).unwrap();
        for name in parse_baseline(&text).unwrap().keys() {
            let (file, change) = name.split_once(": ").unwrap();
            let source = std::fs::read_to_string(project.at(file)).unwrap_or_default();
            assert!(!source.is_empty(), "{name}: no such file");
            let there = function_of(change).is_none_or(|f| source.contains(&format!("fn {f}")));
            assert!(there, "{name}: no such function");
        }
        assert_eq!(
            function_of("replace > with >= in join_order"),
            Some("join_order")
        );
        assert_eq!(
            function_of("replace View<'a>::is_paid -> bool with true"),
            Some("is_paid")
        );
        assert_eq!(function_of("replace * with +"), None);
    }
}
