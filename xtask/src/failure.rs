//! What ends a command early.

use std::fmt;
use std::path::Path;

/// A message for the person at the terminal: what failed, where, and how to mend it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure with `message`, in lowercase and without full stop.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// A failed file operation on `path`; `doing` is a verb phrase such as `read`.
    pub(crate) fn file(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self(format!("cannot {doing} `{}`: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
