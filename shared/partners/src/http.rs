//! One HTTP client for all partners, and what their calls have in common.

use std::time::Duration;
use waybill_model::failure::Failure;
use waybill_model::id::Code;

/// Longest wait for a whole answer. An attempt may make several calls; that it ends inside its
/// invocation is seen to by whoever runs it, and this leaves it time for two slow ones.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// The client that all partners share: no redirects (credentials would follow them), bounded waits.
///
/// # Errors
/// The TLS stack could not be set up.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("waybill/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Classes an error below HTTP: what was never sent is transient, all else is not known.
#[must_use]
pub fn transport_failure(error: &reqwest::Error) -> Failure {
    if error.is_connect() || error.is_builder() {
        Failure::Transient {
            code: Code::literal("partner_unreachable"),
            detail: "the connection could not be made".to_owned(),
            retry_after_ms: None,
        }
    } else {
        let detail = if error.is_timeout() {
            "no answer in time"
        } else {
            "the answer was cut off"
        };
        Failure::Indeterminate {
            code: Code::literal("answer_lost"),
            detail: detail.to_owned(),
        }
    }
}
