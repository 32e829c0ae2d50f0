//! What the crates depend on, as `cargo tree` tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::project;

/// Lines of `cargo tree` with these arguments, without drawing and without repetition.
fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none"])
        .args(arguments)
        .current_dir(project::at(""))
        .output()
        .expect("cargo should run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    text.lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect()
}

/// Crates that `package` reaches, with what it builds for its tests or without.
fn reached(package: &str) -> BTreeSet<String> {
    let lines = tree(&["-p", package, "-e", "normal", "-f", "{p}"]);
    lines
        .iter()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_model_and_the_rules_of_the_process_reach_no_network() {
    for package in ["waybill-model", "waybill-flow"] {
        let bad: Vec<String> = reached(package)
            .into_iter()
            .filter(|name| {
                name.starts_with("aws")
                    || name.starts_with("lambda")
                    || name == "reqwest"
                    || name == "tokio"
            })
            .collect();
        assert!(bad.is_empty(), "`{package}` reaches {bad:?}");
    }
    assert!(
        reached("waybill-lambda-kit").contains("lambda_runtime"),
        "the check should see what is there"
    );
}

#[test]
fn imports_go_one_way() {
    let ours = |package: &str| -> BTreeSet<String> {
        let names = reached(package)
            .into_iter()
            .filter(|name| name.starts_with("waybill-") && name != package);
        names.collect()
    };
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(ours("waybill-model"), set(&[]));
    assert_eq!(ours("waybill-flow"), set(&["waybill-model"]));
    for package in [
        "waybill-store",
        "waybill-odoo",
        "waybill-partners",
        "waybill-lambda-kit",
    ] {
        let beyond: Vec<_> = ours(package)
            .difference(&set(&["waybill-model", "waybill-flow"]))
            .cloned()
            .collect();
        assert!(beyond.is_empty(), "`{package}` reaches {beyond:?}");
    }
}

/// A crate that tests build with other features than the functions is compiled twice, and so is all that depends on it.
#[test]
fn tests_and_functions_share_compiled_dependencies() {
    let format = ["--workspace", "-f", "{p}|{f}", "-e"];
    let features = |edges: &str| -> BTreeMap<String, String> {
        let lines = tree(&[format.as_slice(), &[edges]].concat());
        lines
            .iter()
            .filter_map(|line| line.split_once('|'))
            .map(|(p, f)| (p.to_owned(), f.to_owned()))
            .collect()
    };
    let functions = features("normal,build");
    let differing: Vec<String> = features("normal,build,dev")
        .into_iter()
        .filter(|(package, with_tests)| functions.get(package).is_some_and(|own| own != with_tests))
        .map(|(package, _)| package)
        .collect();
    assert!(
        differing.is_empty(),
        "tests switch on more features of {differing:?}: list the crate that does so in tests/features/Cargo.toml"
    );
}
