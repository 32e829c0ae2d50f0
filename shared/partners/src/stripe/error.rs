//! What can go wrong in a call to Stripe, and what follows from it.

use super::wire::{ErrorBody, ErrorDetail};
use crate::exchange::{Access, Answer};
use waybill_model::failure::Failure;
use waybill_model::id::Code;

/// Why a call to Stripe did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StripeError {
    /// The connection lacks something.
    #[error("the connection has no `{what}`")]
    NotConfigured {
        /// Which secret.
        what: &'static str,
    },
    /// The amount has a part that Stripe cannot move.
    #[error("`{amount}` cannot be paid back: it is not a positive count of the minor unit")]
    Unpayable {
        /// The amount, with its currency.
        amount: String,
    },
    /// Below HTTP.
    #[error("{0}")]
    Transport(Failure),
    /// Too many calls, or another call holds the payment.
    #[error("the call was put off with status {status} and code `{code}`")]
    Busy {
        /// 409 or 429.
        status: u16,
        /// Stripe's code.
        code: String,
        /// How long to wait.
        retry_after_ms: Option<u64>,
    },
    /// The key is not accepted, or may not do this.
    #[error("the key was refused with status {status}")]
    Unauthorized {
        /// 401 or 403.
        status: u16,
    },
    /// All of the payment is paid back.
    #[error("the payment is paid back already")]
    AlreadyRefunded,
    /// More than what is left of the payment.
    #[error("the amount is more than what is left of the payment")]
    TooMuch,
    /// The account cannot pay.
    #[error("the balance at the gateway does not suffice")]
    NoBalance,
    /// The customer contests the payment.
    #[error("the payment is disputed")]
    Disputed,
    /// The payment is not known there.
    #[error("the payment is not known at the gateway")]
    UnknownPayment,
    /// The idempotency key was used with other parameters.
    #[error("the idempotency key was used for another refund")]
    KeyReused,
    /// Stripe does not accept what was sent.
    #[error("the refund was refused with type `{kind}`, code `{code}`, parameter `{param}`")]
    Refused {
        /// Stripe's type.
        kind: String,
        /// Stripe's code.
        code: String,
        /// The parameter that it names.
        param: String,
    },
    /// Stripe's own fault, or an answer that cannot be read.
    #[error("the answer with status {status} says nothing of use")]
    Unclear {
        /// HTTP status.
        status: u16,
        /// What the call was.
        access: Access,
        /// Whether Stripe repeated a saved answer: nothing was done by this call.
        replayed: bool,
    },
}

impl StripeError {
    /// Classes an answer that is no success, by its body.
    #[must_use]
    pub fn of(answer: &Answer, access: Access) -> Self {
        let status = answer.status;
        let body: Option<ErrorBody> = answer.json();
        let error = body.map_or_else(ErrorDetail::default, |b| b.error);
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        let (kind, code, param) = (word(&error.kind), word(&error.code), word(&error.param));
        match (status, code.as_str()) {
            (500.., _) => Self::unclear(answer, access),
            (401 | 403, _) => Self::Unauthorized { status },
            (_, "charge_already_refunded") => Self::AlreadyRefunded,
            (_, "charge_disputed") => Self::Disputed,
            (_, "balance_insufficient" | "insufficient_funds") => Self::NoBalance,
            (_, "amount_too_large") => Self::TooMuch,
            (404, _) | (_, "resource_missing") => Self::UnknownPayment,
            (409 | 429, _) | (_, "rate_limit" | "lock_timeout" | "idempotency_key_in_use") => {
                Self::Busy {
                    status,
                    code,
                    retry_after_ms: answer.seconds_header_ms("retry-after"),
                }
            }
            (400..500, _) => match kind.as_str() {
                "idempotency_error" => Self::KeyReused,
                // Stripe gives this no code: "Refund amount is greater than unrefunded amount".
                "invalid_request_error" if param == "amount" => Self::TooMuch,
                _ => Self::Refused { kind, code, param },
            },
            _ => Self::unclear(answer, access),
        }
    }

    /// An answer that tells nothing, with what its header says of where it came from.
    #[must_use]
    pub fn unclear(answer: &Answer, access: Access) -> Self {
        Self::Unclear {
            status: answer.status,
            access,
            replayed: answer.header("idempotent-replayed") == Some("true"),
        }
    }
}

impl From<StripeError> for Failure {
    fn from(error: StripeError) -> Self {
        let detail = error.to_string();
        let rejected = |code: &'static str, remedy: &str| Self::Rejected {
            code: Code::literal(code),
            detail: error.to_string(),
            remedy: remedy.to_owned(),
        };
        match &error {
            StripeError::NotConfigured { .. } => rejected(
                "not_configured",
                "add it to the connection's secret, then retry",
            ),
            StripeError::Unpayable { .. } => rejected(
                "amount_not_payable",
                "correct the refund's amount at the channel",
            ),
            StripeError::Transport(failure) => failure.clone(),
            StripeError::Busy { retry_after_ms, .. } => Self::Transient {
                code: Code::literal("rate_limited"),
                detail,
                retry_after_ms: *retry_after_ms,
            },
            // A key that rotates is replaced within minutes.
            StripeError::Unauthorized { .. } => Self::Transient {
                code: Code::literal("unauthorized"),
                detail,
                retry_after_ms: None,
            },
            StripeError::AlreadyRefunded => rejected(
                "already_refunded",
                "compare the refunds at the channel and in Stripe: one was made by hand",
            ),
            StripeError::TooMuch => rejected(
                "refund_too_large",
                "compare the refunds at the channel and in Stripe, and pay back what is left",
            ),
            StripeError::NoBalance => rejected(
                "insufficient_balance",
                "add funds to the Stripe balance, then retry",
            ),
            StripeError::Disputed => rejected(
                "payment_disputed",
                "answer or accept the dispute in Stripe: it pays back by itself",
            ),
            StripeError::UnknownPayment => rejected(
                "unknown_payment",
                "check that the order was paid through this Stripe account and mode",
            ),
            StripeError::KeyReused => rejected(
                "idempotency_key_reused",
                "look in Stripe whether the refund is there, and make it by hand if not",
            ),
            StripeError::Refused { .. } => rejected(
                "refused_by_gateway",
                "look up the code in Stripe's error reference, mend it, then retry",
            ),
            StripeError::Unclear { access, .. } => access.unclear("partner_error", detail),
        }
    }
}
