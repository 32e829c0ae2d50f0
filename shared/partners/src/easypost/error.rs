//! What can go wrong in a call to EasyPost, and what follows from it.

use super::wire::ErrorBody;
use crate::exchange::{Access, Answer};
use waybill_model::failure::Failure;
use waybill_model::id::Code;

/// Why a call to EasyPost did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EasypostError {
    /// The connection lacks something.
    #[error("the connection has no `{what}`")]
    NotConfigured {
        /// Which secret.
        what: &'static str,
    },
    /// Below HTTP.
    #[error("{0}")]
    Transport(Failure),
    /// Too many calls.
    #[error("the rate limit is exceeded")]
    Throttled {
        /// How long to wait.
        retry_after_ms: Option<u64>,
    },
    /// The key is not accepted, or may not do this.
    #[error("the key was refused with status {status} and code `{code}`")]
    Unauthorized {
        /// 401, 402 or 403.
        status: u16,
        /// EasyPost's code.
        code: String,
    },
    /// EasyPost does not accept what was sent.
    #[error("the tracker was refused with status {status} and code `{code}`")]
    Refused {
        /// HTTP status.
        status: u16,
        /// EasyPost's code.
        code: String,
    },
    /// EasyPost's own fault, or an answer that cannot be read.
    #[error("the answer with status {status} says nothing of use")]
    Unclear {
        /// HTTP status.
        status: u16,
        /// What the call was.
        access: Access,
    },
}

impl EasypostError {
    /// Classes an answer that is no success.
    #[must_use]
    pub fn of(answer: &Answer, access: Access) -> Self {
        let status = answer.status;
        let body: Option<ErrorBody> = answer.json();
        let code = body
            .and_then(|b| b.error.code)
            .filter(|c| is_code(c))
            .unwrap_or_else(|| "none".to_owned());
        match (status, code.as_str()) {
            (429, _) | (_, "RATE_LIMITED") => Self::Throttled {
                retry_after_ms: answer.seconds_header_ms("retry-after"),
            },
            (401..=403, _) => Self::Unauthorized { status, code },
            (408, _) => Self::Unclear { status, access },
            (400..500, _) => Self::Refused { status, code },
            _ => Self::Unclear { status, access },
        }
    }
}

impl From<EasypostError> for Failure {
    fn from(error: EasypostError) -> Self {
        let detail = error.to_string();
        match error {
            EasypostError::NotConfigured { what } => Self::Rejected {
                code: Code::literal("not_configured"),
                detail,
                remedy: format!("add `{what}` to the connection's secret, then retry"),
            },
            EasypostError::Transport(failure) => failure,
            EasypostError::Throttled { retry_after_ms } => Self::Transient {
                code: Code::literal("rate_limited"),
                detail,
                retry_after_ms,
            },
            // A key that rotates is replaced within minutes.
            EasypostError::Unauthorized { .. } => Self::Transient {
                code: Code::literal("unauthorized"),
                detail,
                retry_after_ms: None,
            },
            EasypostError::Refused { .. } => Self::Rejected {
                code: Code::literal("refused_by_carrier_service"),
                detail,
                remedy: "check the tracking number, and map the carrier's name in the connection's settings, then retry".to_owned(),
            },
            EasypostError::Unclear { access, .. } => access.unclear("partner_error", detail),
        }
    }
}

fn is_code(text: &str) -> bool {
    text.len() <= 80
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_')
}
