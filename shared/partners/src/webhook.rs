//! What every partner's webhooks have in common.

use std::collections::BTreeMap;
use std::fmt;
use waybill_model::event::{Event, Subject};
use waybill_model::id::Code;
use waybill_model::time::Instant;

/// A webhook call as it came in.
#[derive(Clone, Copy)]
pub struct WebhookRequest<'a> {
    /// Headers, names in lower case.
    pub headers: &'a BTreeMap<String, String>,
    /// The rest of the path behind the connection, for partners without a topic header.
    pub topic_path: Option<&'a str>,
    /// The raw bytes.
    pub body: &'a [u8],
    /// When it came.
    pub now: Instant,
}

impl WebhookRequest<'_> {
    /// A header, its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

impl fmt::Debug for WebhookRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookRequest")
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Proof that a partner sent a request, and what its transport told. Only an adapter's `verify`
/// makes one.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The partner's topic.
    pub topic: Option<String>,
    /// The partner's stable id of the event, where a header has it.
    pub dedupe_id: Option<String>,
    /// The headers that `parse` needs, names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Verified {
    pub(crate) fn new(
        topic: Option<String>,
        dedupe_id: Option<String>,
        headers: BTreeMap<String, String>,
    ) -> Self {
        Self {
            topic,
            dedupe_id,
            headers,
        }
    }
}

/// Why a request is refused. The partner learns no more than the status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header that the scheme needs is not there.
    #[error("the header `{name}` is missing")]
    MissingHeader {
        /// Which.
        name: &'static str,
    },
    /// A header that cannot be read.
    #[error("the header `{name}` is malformed")]
    MalformedHeader {
        /// Which.
        name: &'static str,
    },
    /// No accepted key gives this signature.
    #[error("the signature does not match")]
    BadSignature,
    /// Signed too long ago, or for the future.
    #[error("the timestamp is {age_s} s old; the limit is {limit_s} s")]
    Stale {
        /// Age in seconds; negative for the future.
        age_s: i64,
        /// Largest accepted distance in seconds.
        limit_s: i64,
    },
    /// The body is empty or cannot be what was signed.
    #[error("the body is not acceptable: {why}")]
    BadBody {
        /// Why.
        why: &'static str,
    },
    /// The connection has no key: nothing can be accepted.
    #[error("no webhook secret is stored for this connection")]
    NoSecret,
    /// This partner sends none.
    #[error("this partner sends no webhooks")]
    NoWebhooks,
}

impl Refusal {
    /// For metrics and logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingHeader { .. } => "missing_header",
            Self::MalformedHeader { .. } => "malformed_header",
            Self::BadSignature => "bad_signature",
            Self::Stale { .. } => "stale_timestamp",
            Self::BadBody { .. } => "bad_body",
            Self::NoSecret => "no_secret",
            Self::NoWebhooks => "no_webhooks",
        }
    }
}

/// What a delivery says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// Canonical facts.
    Facts {
        /// The partner's stable id of the event: header, body, or computed from id and version.
        dedupe_id: String,
        /// At least one.
        facts: Vec<Fact>,
    },
    /// Nothing that Waybill uses: acknowledged and counted.
    Ignored {
        /// Why, from the documented table of codes.
        code: Code,
    },
    /// The delivery only names something: fetch its current state and parse that.
    Refetch {
        /// The partner's stable id of the event.
        dedupe_id: String,
    },
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Which order it belongs to.
    pub subject: Subject,
    /// When it happened, as far as the partner says.
    pub at: Option<Instant>,
    /// The fact.
    pub event: Event,
}

/// A delivery that cannot be read, or says something impossible: where and why, without personal
/// data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{code}`: {detail}")]
pub struct Unreadable {
    /// From the documented table of codes.
    pub code: Code,
    /// Where (a path into the body) and why.
    pub detail: String,
}

impl Unreadable {
    /// With a code of our own.
    #[must_use]
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code: Code::literal(code),
            detail: detail.into(),
        }
    }
}

/// Reads JSON into a wire type; the error names the path, never the content.
///
/// # Errors
/// Not UTF-8, not JSON, or not of this shape.
pub fn read_json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|e| {
        Unreadable::new("not_utf8", format!("byte {} is not UTF-8", e.valid_up_to()))
    })?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let (line, column) = (e.inner().line(), e.inner().column());
        let why = match e.inner().classify() {
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Syntax => "it is not JSON",
            serde_json::error::Category::Data => "it has another type or lacks a field",
            serde_json::error::Category::Io => "it cannot be read",
        };
        // The name of a missing field is ours, not the sender's: it is safe to tell.
        let inner = e.inner().to_string();
        let why = match inner.strip_prefix("missing field ") {
            Some(rest) => format!(
                "the field {} is missing",
                rest.split(" at line").next().unwrap_or_default()
            ),
            None => why.to_owned(),
        };
        Unreadable::new(
            "unreadable_json",
            format!(
                "at `{}` (line {line}, column {column}): {why}",
                place(e.path())
            ),
        )
    })?;
    reader.end().map_err(|e| {
        let (line, column) = (e.line(), e.column());
        let detail = format!("line {line}, column {column}: there is more behind the JSON");
        Unreadable::new("unreadable_json", detail)
    })?;
    Ok(value)
}

/// The sender's id of an event. A blank one is refused: all events without one would be one and the same,
/// of which only the first is taken.
///
/// # Errors
/// It is blank.
pub(crate) fn event_id(id: String) -> Result<String, Unreadable> {
    if id.trim().is_empty() {
        return Err(Unreadable::new("invalid_value", "at `id`: it is blank"));
    }
    Ok(id)
}

/// Longest name of a field that is told.
const MAX_FIELD: usize = 40;

/// The path as its text, but for names that no partner's field has: a sender chose those.
fn place(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    use std::fmt::Write as _;

    let is_field = |name: &str| {
        name.len() <= MAX_FIELD && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let mut text = String::new();
    for segment in path {
        let name = match segment {
            Segment::Seq { index } => {
                // Writing to a text does not fail.
                write!(text, "[{index}]").unwrap_or_default();
                continue;
            }
            Segment::Map { key } if is_field(key) => key,
            Segment::Enum { variant } if is_field(variant) => variant,
            Segment::Map { .. } | Segment::Enum { .. } => "…",
            Segment::Unknown => "?",
        };
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(name);
    }
    if text.is_empty() {
        ".".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_fields_and_not_what_a_sender_made_up() {
        type Any = std::collections::BTreeMap<String, Vec<u8>>;
        let detail = |body: &str| read_json::<Any>(body.as_bytes()).unwrap_err().detail;
        assert!(detail(r#"{"lines":[1,"x"]}"#).starts_with("at `lines[1]` (line 1"));
        assert!(detail(r#"{"jane@example.com":1}"#).starts_with("at `…` (line 1"));
        assert!(detail(r#"{"a":[]}{"b":[]}"#).contains("more behind"));
        assert!(read_json::<Any>(b"{\"a\":[]}\r\n").is_ok());
        assert!(detail("7").starts_with("at `.` (line 1"));
    }
}
