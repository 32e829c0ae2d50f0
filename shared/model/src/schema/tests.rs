use super::*;
use crate::command::CommandKind;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../infra/schemas")
}

#[test]
fn every_command_and_event_has_a_schema() {
    let paths: BTreeSet<String> = all().into_iter().map(|f| f.path).collect();
    for kind in CommandKind::ALL {
        let path = format!("commands/{}.v1.json", kind.as_str());
        assert!(paths.contains(&path), "{path}");
    }
    let events = paths.iter().filter(|p| p.starts_with("events/")).count();
    assert_eq!(events, 12);
    assert!(paths.contains("envelope.v1.json"));
}

#[test]
fn each_schema_holds_all_that_it_refers_to() {
    for file in all() {
        let definitions = file.schema.get("$defs").cloned().unwrap_or_default();
        for name in references(&file.schema) {
            assert!(definitions.get(&name).is_some(), "{}: `{name}`", file.path);
        }
    }
}

#[test]
fn stored_schemas_are_those_of_the_types() {
    let mut stored = 0;
    for file in all() {
        let found = std::fs::read_to_string(folder().join(&file.path)).unwrap_or_default();
        assert!(
            found == file.text(),
            "`infra/schemas/{}` is not that of the types: run `cargo xtask schemas --write`; if \
             readers of the old one break, raise the major version",
            file.path
        );
        stored += 1;
    }
    let count = |folder: &str| {
        std::fs::read_dir(super::tests::folder().join(folder))
            .unwrap()
            .count()
    };
    assert_eq!(
        count("events") + count("commands") + 1,
        stored,
        "a schema of no type is stored"
    );
}
