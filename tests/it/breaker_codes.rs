//! The codes that open a breaker are those that the adapters use: one that is renamed there would count no longer.

use crate::project;
use std::path::Path;
use waybill_flow::breaker::{DOWN, OURS, THROTTLED};

/// Sources of the functions and of what they share, but for the list itself and for fakes.
fn sources(folder: &Path, found: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["testkit", "tests", "breaker", "target"].contains(&name) {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs")
            && !["breaker.rs", "tests.rs"].contains(&name)
        {
            found.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_code_that_a_breaker_knows_is_used() {
    let mut text = String::new();
    for folder in ["shared", "functions"] {
        sources(&project::at(folder), &mut text);
    }
    let is_used = |code: &str| text.contains(&format!("\"{code}\""));
    let known = DOWN.iter().chain(&THROTTLED).chain(&OURS);
    let unused: Vec<_> = known.filter(|code| !is_used(code)).collect();
    assert!(unused.is_empty(), "no adapter tells {unused:?}");
    assert!(!is_used("a_code_that_nobody_uses"));
}
