//! How the shipped functions are compiled.

use crate::project;

/// Without this line cargo-lambda compiles release builds with `panic=abort`, where nothing catches the panic of one
/// record: Lambda would retry its whole batch until the neighbours are in the dead-letter queue too.
#[test]
fn a_shipped_function_survives_the_panic_of_a_record() {
    let manifest: toml::Table = project::read("Cargo.toml").parse().unwrap();
    let release = &manifest["profile"]["release"];
    assert_eq!(
        release.get("panic").and_then(toml::Value::as_str),
        Some("unwind")
    );
}
