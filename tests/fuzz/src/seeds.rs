//! Documents to begin with: the fixtures of the crates, by path, and values of the model.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// `path` below the project's root.
#[must_use]
pub fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Text of a file of the project.
///
/// # Panics
/// It cannot be read.
#[must_use]
pub fn text(path: &str) -> String {
    std::fs::read_to_string(at(path)).unwrap_or_else(|e| panic!("cannot read `{path}`: {e}"))
}

/// A JSON file of the project.
///
/// # Panics
/// It cannot be read.
#[must_use]
pub fn json(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|e| panic!("`{path}` is no JSON: {e}"))
}

/// All JSON files of a folder of the project, by name.
///
/// # Panics
/// There are none, or one cannot be read.
#[must_use]
pub fn folder(path: &str) -> Vec<Value> {
    let entries =
        std::fs::read_dir(at(path)).unwrap_or_else(|e| panic!("cannot read `{path}`: {e}"));
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.sort();
    let found: Vec<Value> = files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "json"))
        .map(|f| serde_json::from_str(&std::fs::read_to_string(f).unwrap()).unwrap())
        .collect();
    assert!(!found.is_empty(), "`{path}` has no JSON");
    found
}
