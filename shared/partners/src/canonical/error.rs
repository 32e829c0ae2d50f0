//! What can go wrong in a call to a canonical partner, and what follows from it.

use super::wire::Refused;
use crate::exchange::{Access, Answer};
use waybill_model::failure::Failure;
use waybill_model::id::Code;

/// Longest text of a partner that is passed on.
const MAX_WORDS: usize = 300;

/// Why a call to a canonical partner did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// No usable secret to sign with.
    #[error("the connection has no `api.signing_secret` and no `webhook_secrets`")]
    NoSecret,
    /// The command does not become JSON: a fault of ours.
    #[error("the command cannot be written as JSON")]
    Unwritable,
    /// Below HTTP.
    #[error("{0}")]
    Transport(Failure),
    /// Not now; nothing was done.
    #[error("the partner asks to come back later: status {status}")]
    Later {
        /// 429 or 503.
        status: u16,
        /// How long to wait.
        retry_after_ms: Option<u64>,
    },
    /// The partner does not accept our signature. A secret that rotates is replaced within minutes.
    #[error("the signature was refused")]
    Unauthorized,
    /// The partner does not let us do this.
    #[error("the partner does not allow this command")]
    Forbidden,
    /// The business says no.
    #[error("{detail}")]
    Refused {
        /// The partner's code.
        code: Code,
        /// The partner's words, shortened.
        detail: String,
        /// What the partner says is to be done.
        remedy: String,
    },
    /// The partner does not understand the command.
    #[error("the command was refused with status {status}")]
    NotUnderstood {
        /// Any other 4xx, or a redirect.
        status: u16,
    },
    /// The partner's own fault: it may have been carried out.
    #[error("the answer with status {status} says nothing of use")]
    Unclear {
        /// HTTP status.
        status: u16,
    },
}

impl CanonicalError {
    /// Classes an answer; absent if the command is carried out, now or before.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let status = answer.status;
        let retry_after_ms = answer.seconds_header_ms("retry-after");
        match status {
            200..300 | 409 => None,
            429 => Some(Self::Later {
                status,
                retry_after_ms,
            }),
            503 if retry_after_ms.is_some() => Some(Self::Later {
                status,
                retry_after_ms,
            }),
            401 => Some(Self::Unauthorized),
            403 => Some(Self::Forbidden),
            422 => Some(refused(&answer.json().unwrap_or_default())),
            300..500 => Some(Self::NotUnderstood { status }),
            _ => Some(Self::Unclear { status }),
        }
    }
}

fn refused(body: &Refused) -> CanonicalError {
    let words = |text: Option<&String>, default: &str| -> String {
        let text = text.map(|t| t.trim()).filter(|t| !t.is_empty());
        let text = text.unwrap_or(default).chars();
        text.filter(|c| !c.is_control()).take(MAX_WORDS).collect()
    };
    CanonicalError::Refused {
        code: body
            .code
            .as_deref()
            .and_then(|c| Code::new(c).ok())
            .unwrap_or_else(|| Code::literal("partner_refused")),
        detail: words(body.detail.as_ref(), "the partner refused without a reason"),
        remedy: words(body.remedy.as_ref(), "ask the partner, then retry"),
    }
}

impl From<Failure> for CanonicalError {
    fn from(failure: Failure) -> Self {
        Self::Transport(failure)
    }
}

impl From<CanonicalError> for Failure {
    fn from(error: CanonicalError) -> Self {
        let detail = error.to_string();
        let rejected = |code: &'static str, remedy: &str| Self::Rejected {
            code: Code::literal(code),
            detail: detail.clone(),
            remedy: remedy.to_owned(),
        };
        match error {
            CanonicalError::NoSecret => rejected(
                "not_configured",
                "store a `whsec_…` secret for the connection, then retry",
            ),
            CanonicalError::Unwritable => {
                rejected("unwritable_command", "this is a fault of the adapter")
            }
            CanonicalError::Transport(failure) => failure,
            CanonicalError::Later { retry_after_ms, .. } => Self::Transient {
                code: Code::literal("rate_limited"),
                detail,
                retry_after_ms,
            },
            CanonicalError::Unauthorized => Self::Transient {
                code: Code::literal("unauthorized"),
                detail,
                retry_after_ms: None,
            },
            CanonicalError::Forbidden => rejected(
                "access_denied",
                "agree with the partner on the commands that it takes, then retry",
            ),
            CanonicalError::Refused {
                code,
                detail,
                remedy,
            } => Self::Rejected {
                code,
                detail,
                remedy,
            },
            CanonicalError::NotUnderstood { .. } => rejected(
                "request_refused",
                "check the connection's `base_url`, and that the partner takes the commands of \
                 `infra/schemas`",
            ),
            CanonicalError::Unclear { .. } => Access::Write.unclear("partner_error", detail),
        }
    }
}
