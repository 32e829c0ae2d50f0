//! What can go wrong in a call to Zendesk, and what follows from it.

use super::wire::ErrorBody;
use crate::exchange::{Access, Answer};
use waybill_model::failure::Failure;
use waybill_model::id::Code;

/// Why a call to Zendesk did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZendeskError {
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
    /// The token is not accepted, or may not do this.
    #[error("the token was refused with status {status}")]
    Unauthorized {
        /// 401 or 403.
        status: u16,
    },
    /// An agent changed the ticket between our look and our write.
    #[error("the ticket changed while it was updated")]
    Conflict,
    /// The ticket was closed between our look and our write.
    #[error("the ticket was closed while it was updated")]
    Closed,
    /// The key was used with another content: an earlier attempt wrote something.
    #[error("the idempotency key was used with another content")]
    KeyReused,
    /// The ticket is gone.
    #[error("the ticket does not exist any more")]
    Gone,
    /// Zendesk does not accept what was sent.
    #[error("the ticket was refused with `{error}`; it names {}", listed(.fields))]
    Refused {
        /// Zendesk's name of the error.
        error: String,
        /// The fields that it names.
        fields: Vec<String>,
    },
    /// Zendesk's own fault, or an answer that cannot be read.
    #[error("the answer with status {status} says nothing of use")]
    Unclear {
        /// HTTP status.
        status: u16,
        /// What the call was.
        access: Access,
    },
}

impl ZendeskError {
    /// Classes an answer that is no success.
    #[must_use]
    pub fn of(answer: &Answer, access: Access) -> Self {
        let status = answer.status;
        let body: Option<ErrorBody> = answer.json();
        let name = body.as_ref().and_then(|b| b.error.as_str()).unwrap_or("");
        match (status, name) {
            (429, _) => Self::Throttled {
                retry_after_ms: answer.seconds_header_ms("retry-after"),
            },
            (401 | 403, _) => Self::Unauthorized { status },
            (409, _) => Self::Conflict,
            (_, "IdempotentRequestError") => Self::KeyReused,
            (404, _) | (_, "RecordNotFound") => Self::Gone,
            (400 | 413 | 422, _) => {
                if answer.text().contains("closed prevents ticket update") {
                    return Self::Closed;
                }
                let fields = body.as_ref().map_or_else(Vec::new, |b| {
                    b.details
                        .keys()
                        .filter(|k| is_name(k))
                        .take(10)
                        .cloned()
                        .collect()
                });
                let error = if is_name(name) { name } else { "unnamed" };
                Self::Refused {
                    error: error.to_owned(),
                    fields,
                }
            }
            _ => Self::Unclear { status, access },
        }
    }
}

impl From<ZendeskError> for Failure {
    fn from(error: ZendeskError) -> Self {
        let detail = error.to_string();
        let transient = |code: &'static str, retry_after_ms| Self::Transient {
            code: Code::literal(code),
            detail: error.to_string(),
            retry_after_ms,
        };
        match &error {
            ZendeskError::NotConfigured { what } => Self::Rejected {
                code: Code::literal("not_configured"),
                detail,
                remedy: format!("add `{what}` to the connection's secret, then retry"),
            },
            ZendeskError::Transport(failure) => failure.clone(),
            ZendeskError::Throttled { retry_after_ms } => {
                transient("rate_limited", *retry_after_ms)
            }
            // A token that rotates is replaced within minutes.
            ZendeskError::Unauthorized { .. } => transient("unauthorized", None),
            ZendeskError::Conflict => transient("conflict", None),
            ZendeskError::Closed => transient("ticket_closed", None),
            ZendeskError::Gone => transient("ticket_gone", None),
            ZendeskError::KeyReused => Self::Indeterminate {
                code: Code::literal("idempotency_key_reused"),
                detail,
            },
            ZendeskError::Refused { .. } => Self::Rejected {
                code: Code::literal("refused_by_helpdesk"),
                detail,
                remedy: "make the named fields optional for the API in Zendesk, or correct the customer's address, then retry".to_owned(),
            },
            ZendeskError::Unclear { access, .. } => access.unclear("partner_error", detail),
        }
    }
}

fn listed(fields: &[String]) -> String {
    if fields.is_empty() {
        "no field".to_owned()
    } else {
        format!("`{}`", fields.join("`, `"))
    }
}

/// Names of errors and fields are words; sentences could hold what a person wrote.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 60
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}
