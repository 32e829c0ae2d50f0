//! Facts that must hold for `template.yaml`. Each check returns the faults it finds; each is also given a template that was
//! broken on purpose, and must name what is wrong with it.

mod access;
mod alarms;
mod environment;
mod queues;
mod simulated;
mod stores;

use crate::template::Template;

/// Asserts that the project's template is free of the faults that `check` looks for.
fn assert_holds(check: fn(&Template) -> Vec<String>) {
    let faults = check(&Template::of_the_project());
    assert!(
        faults.is_empty(),
        "template.yaml:\n  {}",
        faults.join("\n  ")
    );
}

/// Asserts that `check` finds exactly one fault in a broken template, and that the fault names `what`.
fn assert_bites(check: fn(&Template) -> Vec<String>, broken: &Template, what: &str) {
    let faults = check(broken);
    assert!(
        matches!(faults.as_slice(), [fault] if fault.contains(what)),
        "expected one fault about {what}: {faults:?}"
    );
}
