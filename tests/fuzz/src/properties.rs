//! What must hold whatever comes in.

use crate::mutate::MARKER_CORE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Longest that one input may take. Far above what the largest needs, far below what a reader that is
/// not linear takes: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `work` and holds it to its time.
///
/// # Panics
/// It took too long.
pub fn in_time<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    let took = started.elapsed();
    assert!(took < PATIENCE, "{what} took {took:?}");
    result
}

/// A text for logs or cases names where and what, and nothing of the person in the input.
///
/// # Panics
/// It does.
pub fn tells_no_person(text: &str) {
    assert!(
        !text.to_lowercase().contains(MARKER_CORE),
        "personal data in `{text}`"
    );
}

/// The same for both forms of an error.
///
/// # Panics
/// One of them tells of a person.
pub fn error_tells_no_person(error: &impl std::error::Error) {
    assert!(!error.to_string().is_empty(), "{error:?} says nothing");
    tells_no_person(&error.to_string());
    tells_no_person(&format!("{error:?}"));
}

/// What was read is written and read again as the same.
///
/// # Panics
/// It cannot be written or read, or is another.
pub fn survives_the_wire<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    let back: T = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("what was read is refused when it is read again: {e}: {text}"));
    assert_eq!(&back, value, "{text}");
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
}

/// Reads text as a `T`; what reads must survive the wire.
///
/// # Panics
/// It does not.
pub fn document<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &[u8]) -> Option<T> {
    let read: Result<T, _> = in_time("reading", || serde_json::from_slice(text));
    let value = read.ok()?;
    survives_the_wire(&value);
    Some(value)
}
