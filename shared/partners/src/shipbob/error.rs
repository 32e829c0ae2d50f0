//! What can go wrong in a call to ShipBob, and what follows from it.

use crate::exchange::{Access, Answer};
use serde_json::Value;
use waybill_model::failure::{Failure, TOO_LATE};
use waybill_model::id::Code;

/// Why a call to ShipBob did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShipbobError {
    /// The connection lacks something.
    #[error("the connection has no `{what}`")]
    NotConfigured {
        /// Which setting or secret.
        what: &'static str,
    },
    /// The command cannot be put into ShipBob's words.
    #[error("{detail}")]
    Unfit {
        /// From the documented table of codes.
        code: &'static str,
        /// What is wrong.
        detail: String,
        /// What to change, and where.
        remedy: &'static str,
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
    /// The reference is taken already.
    #[error("an order with this reference exists")]
    DuplicateReference,
    /// ShipBob does not accept what was sent.
    #[error("the order was refused with status {status}; it names {}", listed(.fields, .skus))]
    Refused {
        /// 400 or 422.
        status: u16,
        /// The fields that it names.
        fields: Vec<String>,
        /// The SKUs of the order that it names.
        skus: Vec<String>,
        /// Whether it speaks of a product that it does not know.
        unknown_sku: bool,
    },
    /// ShipBob holds the order as cancelled.
    #[error("the order `{id}` is cancelled at the warehouse")]
    Cancelled {
        /// ShipBob's id.
        id: String,
    },
    /// Too far to be called off.
    #[error("the order `{id}` is too far to be cancelled")]
    TooLate {
        /// ShipBob's id.
        id: String,
    },
    /// The id is not known there.
    #[error("the order `{id}` is not known at the warehouse")]
    Unknown {
        /// ShipBob's id.
        id: String,
    },
    /// The look-up by reference found nothing, which is not yet proof.
    #[error("no order with the reference `{reference}` is found so far")]
    NotFoundYet {
        /// Ours.
        reference: String,
    },
    /// ShipBob's own fault, or an answer that cannot be read.
    #[error("the answer with status {status} says nothing of use")]
    Unclear {
        /// HTTP status.
        status: u16,
        /// What the call was.
        access: Access,
    },
}

impl ShipbobError {
    /// Classes an answer to create an order with these SKUs, in this order. ShipBob names a product
    /// by its reference or by its place.
    #[must_use]
    pub fn of_create(answer: &Answer, ordered: &[&str]) -> Self {
        let mut error = Self::of(answer, Access::Write);
        if let Self::Refused { skus, .. } = &mut error {
            let text = answer.text();
            let named = |(place, sku): &(usize, &&str)| {
                text.contains(**sku)
                    || text.contains(&format!("products[{place}]"))
                    || text.contains(&format!("Products[{place}]"))
            };
            let found = ordered.iter().enumerate().filter(named);
            *skus = found.take(10).map(|(_, sku)| (*sku).to_owned()).collect();
        }
        error
    }

    /// Classes an answer that is no success.
    #[must_use]
    pub fn of(answer: &Answer, access: Access) -> Self {
        let status = answer.status;
        match status {
            429 => Self::Throttled {
                retry_after_ms: answer
                    .seconds_header_ms("x-retry-after")
                    .or_else(|| answer.seconds_header_ms("retry-after"))
                    .or_else(|| wait_in_text(&answer.text())),
            },
            401 | 403 => Self::Unauthorized { status },
            400 | 404 | 409 | 422 => refused(status, answer),
            _ => Self::Unclear { status, access },
        }
    }
}

impl From<ShipbobError> for Failure {
    fn from(error: ShipbobError) -> Self {
        let detail = error.to_string();
        let rejected = |code: &'static str, remedy: String| Self::Rejected {
            code: Code::literal(code),
            detail: detail.clone(),
            remedy,
        };
        match error {
            ShipbobError::NotConfigured { what } => rejected(
                "not_configured",
                format!("add `{what}` to the connection or its secret, then retry"),
            ),
            ShipbobError::Unfit { code, remedy, .. } => rejected(code, remedy.to_owned()),
            ShipbobError::Transport(failure) => failure,
            ShipbobError::Throttled { retry_after_ms } => Self::Transient {
                code: Code::literal("rate_limited"),
                detail,
                retry_after_ms,
            },
            // A token that rotates is replaced within minutes; orders must not become cases by it.
            ShipbobError::Unauthorized { .. } => Self::Transient {
                code: Code::literal("unauthorized"),
                detail,
                retry_after_ms: None,
            },
            ShipbobError::DuplicateReference => rejected(
                "duplicate_reference",
                "find the order by its reference in ShipBob and see to which channel it belongs"
                    .to_owned(),
            ),
            ShipbobError::Refused {
                unknown_sku: true, ..
            } => rejected(
                "unknown_sku",
                "create the product in ShipBob with our SKU as its reference id, or correct the SKU, then retry".to_owned(),
            ),
            ShipbobError::Refused { .. } => rejected(
                "refused_by_warehouse",
                "correct the named fields in the order or the shipping methods of the connection, then retry".to_owned(),
            ),
            ShipbobError::Cancelled { .. } => rejected(
                "cancelled_at_warehouse",
                "ask ShipBob to reopen it, or route the order to another warehouse".to_owned(),
            ),
            ShipbobError::TooLate { .. } => rejected(
                TOO_LATE,
                "let it be delivered and refused, or arrange a return".to_owned(),
            ),
            ShipbobError::Unknown { .. } => rejected(
                "unknown_fulfillment_order",
                "check that the connection's token and channel are those that created it"
                    .to_owned(),
            ),
            ShipbobError::NotFoundYet { .. } => Self::Indeterminate {
                code: Code::literal("not_found_yet"),
                detail,
            },
            ShipbobError::Unclear { access, .. } => access.unclear("partner_error", detail),
        }
    }
}

fn listed(fields: &[String], skus: &[String]) -> String {
    if fields.is_empty() && skus.is_empty() {
        return "no field".to_owned();
    }
    let all: Vec<&str> = fields.iter().chain(skus).map(String::as_str).collect();
    format!("`{}`", all.join("`, `"))
}

/// Words by which ShipBob's messages name what is wrong. Only these are repeated: the messages
/// themselves can hold an address.
const FIELD_WORDS: [(&str, &str); 13] = [
    ("reference", "reference_id"),
    ("product", "products"),
    ("quantity", "quantity"),
    ("shipping method", "shipping_method"),
    ("shipping_method", "shipping_method"),
    ("ship option", "shipping_method"),
    ("address", "recipient.address"),
    ("zip", "recipient.address.zip_code"),
    ("state", "recipient.address.state"),
    ("country", "recipient.address.country"),
    ("email", "recipient.email"),
    ("phone", "recipient.phone_number"),
    ("channel", "shipbob_channel_id"),
];

/// Bodies of refusals: `{"field": ["message"]}`, `{"errors": ["message"]}` or problem details.
fn refused(status: u16, answer: &Answer) -> ShipbobError {
    let text = answer.text().to_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if has(&["reference"])
        && has(&[
            "already exist",
            "already been",
            "already in use",
            "duplicate",
            "must be unique",
            "already used",
        ])
    {
        return ShipbobError::DuplicateReference;
    }
    let mut fields: Vec<String> = match answer.json::<Value>() {
        Some(Value::Object(map)) => map
            .into_iter()
            .filter(|(_, v)| v.is_array())
            .map(|(k, _)| k)
            .filter(|k| k != "errors" && is_field_name(k))
            .collect(),
        _ => Vec::new(),
    };
    for (word, field) in FIELD_WORDS {
        if text.contains(word) && !fields.iter().any(|f| f == field) {
            fields.push(field.to_owned());
        }
    }
    fields.truncate(10);
    let unknown_sku = has(&["product", "sku"])
        && has(&[
            "not found",
            "not exist",
            "unknown",
            "no matching",
            "inactive",
            "name is required",
            "name field is required",
        ]);
    ShipbobError::Refused {
        status,
        fields,
        skus: Vec::new(),
        unknown_sku,
    }
}

fn is_field_name(text: &str) -> bool {
    text.len() <= 80
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.[]$-".contains(&b))
}

/// "Rate limit is exceeded. Try again in 25 seconds."
fn wait_in_text(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("Try again in ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    crate::exchange::seconds_to_ms(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_read_from_the_body_where_no_header_has_it() {
        let text =
            r#"{"statusCode":429,"message":"Rate limit is exceeded. Try again in 25 seconds."}"#;
        assert_eq!(wait_in_text(text), Some(25_000));
        assert_eq!(wait_in_text("Rate limit is exceeded."), None);
    }

    #[test]
    fn server_errors_leave_a_write_in_doubt_and_a_read_not() {
        let of = |access| {
            Failure::from(ShipbobError::Unclear {
                status: 500,
                access,
            })
            .class()
        };
        assert_eq!(of(Access::Write), "indeterminate");
        assert_eq!(of(Access::Read), "transient");
    }
}
