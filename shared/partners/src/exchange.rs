//! One request and its answer, read whole and within bounds, for partners that speak JSON.

use crate::http::{MAX_ANSWER, transport_failure};
use serde::de::DeserializeOwned;
use waybill_model::failure::Failure;
use waybill_model::id::Code;

/// Whether a call changes anything at the partner. A lost answer to a write leaves us in doubt;
/// a lost answer to a read has cost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Changes nothing: may be repeated at will.
    Read,
    /// May change something.
    Write,
}

impl Access {
    /// The class of a failure after which it is not known whether the partner acted.
    #[must_use]
    pub fn unclear(self, code: &'static str, detail: impl Into<String>) -> Failure {
        let (code, detail) = (Code::literal(code), detail.into());
        match self {
            Self::Write => Failure::Indeterminate { code, detail },
            Self::Read => Failure::Transient {
                code,
                detail,
                retry_after_ms: None,
            },
        }
    }
}

/// An answer, whatever its status.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A header that counts seconds, such as `retry-after`, in milliseconds. Dates give nothing.
    #[must_use]
    pub fn seconds_header_ms(&self, name: &str) -> Option<u64> {
        seconds_to_ms(self.header(name)?)
    }

    /// The body as JSON of this shape, if it is.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as text; for finding words in it, never for logs.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Whole or broken seconds as milliseconds, rounded up so that we never come too early.
#[must_use]
pub fn seconds_to_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, broken) = text.split_once('.').unwrap_or((text, ""));
    let seconds: u64 = whole.parse().ok()?;
    let up = u64::from(broken.bytes().any(|b| b != b'0'));
    Some(seconds.saturating_add(up).saturating_mul(1000))
}

/// Sends, and reads the answer within [`MAX_ANSWER`].
///
/// # Errors
/// Transient if nothing was sent, or nothing could have changed; else indeterminate.
pub async fn send(request: reqwest::RequestBuilder, access: Access) -> Result<Answer, Failure> {
    let lost = |error: &reqwest::Error| match (access, transport_failure(error)) {
        (Access::Read, Failure::Indeterminate { code, detail }) => Failure::Transient {
            code,
            detail,
            retry_after_ms: None,
        },
        (_, failure) => failure,
    };
    let mut response = request.send().await.map_err(|e| lost(&e))?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| lost(&e))? {
        if body.len().saturating_add(chunk.len()) > MAX_ANSWER {
            return Err(access.unclear(
                "answer_too_large",
                format!("the answer is larger than {MAX_ANSWER} bytes"),
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_and_dates_are_no_waits() {
        assert_eq!(seconds_to_ms("25"), Some(25_000));
        assert_eq!(seconds_to_ms(" 0.5 "), Some(1000));
        assert_eq!(seconds_to_ms("3.0"), Some(3000));
        assert_eq!(seconds_to_ms("Fri, 31 Dec 1999 23:59:59 GMT"), None);
        assert_eq!(seconds_to_ms("-1"), None);
    }
}
