//! Files of the project.

use std::path::{Path, PathBuf};

/// `path` below the project's root.
pub(crate) fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Text of the file `path` below the project's root.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(at(path)).unwrap_or_else(|e| panic!("cannot read `{path}`: {e}"))
}
