//! What can go wrong in a call to Shopify, and what follows from it.
//!
//! Shopify answers 200 to most errors: throttling and refused documents stand in `errors`,
//! business errors in a mutation's `userErrors`.

use crate::exchange::{Access, Answer};
use serde::Deserialize;
use waybill_model::failure::Failure;
use waybill_model::id::Code;

/// Longest part of Shopify's own words that is passed on.
const MAX_WORDS: usize = 200;
/// Wait where Shopify says that it throttles and not for how long.
const DEFAULT_WAIT_MS: u64 = 1000;

/// Why a call to Shopify did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShopifyError {
    /// The connection lacks something.
    #[error("the connection has no `{what}`")]
    NotConfigured {
        /// Which setting or secret.
        what: &'static str,
    },
    /// Below HTTP.
    #[error("{0}")]
    Transport(Failure),
    /// Too many calls or points: nothing was executed.
    #[error("the rate limit is exceeded")]
    Throttled {
        /// How long to wait.
        retry_after_ms: Option<u64>,
    },
    /// The token is not accepted. One that rotates is replaced within minutes.
    #[error("the token was refused")]
    Unauthorized,
    /// The token lacks a scope.
    #[error("the token may not do this: {why}")]
    Forbidden {
        /// The status, or Shopify's code.
        why: String,
    },
    /// The shop is frozen, locked or gone, or there is none at this URL.
    #[error("the shop cannot be used: status {status}")]
    NoShop {
        /// 402, 404 or 423.
        status: u16,
    },
    /// The request is not one that this version of the API takes.
    #[error("the request was refused: {words}")]
    Request {
        /// Shopify's words, shortened.
        words: String,
    },
    /// The business says no.
    #[error("`{field}`: {words}")]
    Refused {
        /// The path of the input that it is about.
        field: String,
        /// Shopify's words, shortened.
        words: String,
    },
    /// The order is not there.
    #[error("the order `{id}` is not known at the shop")]
    UnknownOrder {
        /// The order's id.
        id: String,
    },
    /// The order is cancelled: nothing of it can be fulfilled.
    #[error("the order `{id}` is cancelled at the shop")]
    OrderCancelled {
        /// The order's id.
        id: String,
    },
    /// The shop has less left to fulfil than was shipped.
    #[error("the shop has {missing} of `{sku}` less to fulfil than was shipped")]
    NothingLeft {
        /// The first SKU that is short.
        sku: String,
        /// How many are missing.
        missing: i64,
    },
    /// The stock of some items was not taken; that of all others was.
    #[error("the stock of {} was not taken: {words}", some(.skus))]
    StockRefused {
        /// The channel's SKUs.
        skus: Vec<String>,
        /// Shopify's words about the first, shortened.
        words: String,
    },
    /// Shopify's own fault, or an answer that cannot be read.
    #[error("the answer with status {status} says nothing of use")]
    Unclear {
        /// HTTP status.
        status: u16,
        /// What the call was.
        access: Access,
    },
}

#[derive(Deserialize)]
struct Errors {
    errors: Option<serde_json::Value>,
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    cost: Option<Cost>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
    requested_query_cost: Option<f64>,
    throttle_status: Option<ThrottleStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThrottleStatus {
    currently_available: Option<f64>,
    restore_rate: Option<f64>,
}

/// One entry of a mutation's `userErrors`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct UserError {
    #[serde(default)]
    pub(super) field: Option<Vec<String>>,
    pub(super) message: String,
}

impl ShopifyError {
    /// Classes an answer by status and body; absent if it is a success without `errors`.
    pub(super) fn of(answer: &Answer, access: Access) -> Option<Self> {
        let status = answer.status;
        let body: Option<Errors> = answer.json();
        let errors = body.as_ref().and_then(|b| b.errors.as_ref());
        if status == 429 || errors.is_some_and(|e| codes(e).any(|c| c == "THROTTLED")) {
            let retry_after_ms = answer
                .seconds_header_ms("retry-after")
                .or_else(|| body.as_ref().and_then(wait_ms))
                .or(Some(DEFAULT_WAIT_MS));
            return Some(Self::Throttled { retry_after_ms });
        }
        match status {
            200..300 => {
                let errors = errors.filter(|e| !e.is_null())?;
                Some(Self::of_document(errors, status, access))
            }
            401 => Some(Self::Unauthorized),
            403 => Some(Self::Forbidden {
                why: format!("status {status}"),
            }),
            402 | 404 | 423 => Some(Self::NoShop { status }),
            400 | 406 | 414 | 415 | 422 => Some(Self::Request {
                words: format!("status {status}"),
            }),
            _ => Some(Self::Unclear { status, access }),
        }
    }

    fn of_document(errors: &serde_json::Value, status: u16, access: Access) -> Self {
        let has = |wanted: &str| codes(errors).any(|c| c == wanted);
        if has("ACCESS_DENIED") {
            return Self::Forbidden {
                why: "`ACCESS_DENIED`".to_owned(),
            };
        }
        if has("SHOP_INACTIVE") {
            return Self::NoShop { status };
        }
        if has("INTERNAL_SERVER_ERROR") || has("TIMEOUT") {
            return Self::Unclear { status, access };
        }
        let words = errors
            .as_array()
            .and_then(|e| e.first())
            .and_then(|e| e.get("message"))
            .and_then(serde_json::Value::as_str)
            .unwrap_or("no message");
        Self::Request {
            words: shortened(words),
        }
    }

    /// What `userErrors` say; absent if there are none.
    pub(super) fn of_users(errors: &[UserError]) -> Option<Self> {
        let first = errors.first()?;
        Some(Self::Refused {
            field: first.field.as_deref().unwrap_or_default().join("."),
            words: shortened(&first.message),
        })
    }
}

/// Most SKUs that a message lists.
const MAX_LISTED: usize = 20;

fn some(skus: &[String]) -> String {
    let listed: Vec<String> = skus
        .iter()
        .take(MAX_LISTED)
        .map(|s| format!("`{s}`"))
        .collect();
    match skus.len().saturating_sub(MAX_LISTED) {
        0 => listed.join(", "),
        more => format!("{} and {more} more", listed.join(", ")),
    }
}

pub(super) fn shortened(words: &str) -> String {
    words
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_WORDS)
        .collect()
}

fn codes(errors: &serde_json::Value) -> impl Iterator<Item = &str> {
    errors
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|e| e.get("extensions")?.get("code")?.as_str())
}

/// Time until the bucket holds what the request costs.
fn wait_ms(body: &Errors) -> Option<u64> {
    let cost = body.extensions.as_ref()?.cost.as_ref()?;
    let status = cost.throttle_status.as_ref()?;
    let rate = status.restore_rate.filter(|r| *r > 0.0)?;
    let missing = cost.requested_query_cost? - status.currently_available?;
    let ms = (missing.max(0.0) / rate * 1000.0).ceil();
    // No cost and no rate of Shopify's comes near an hour: beyond it the figures are wrong.
    (ms.is_finite() && ms < 3_600_000.0).then_some((ms as u64).max(100))
}

impl From<Failure> for ShopifyError {
    fn from(failure: Failure) -> Self {
        Self::Transport(failure)
    }
}

impl From<ShopifyError> for Failure {
    fn from(error: ShopifyError) -> Self {
        let detail = error.to_string();
        let rejected = |code: &'static str, remedy: &str| Self::Rejected {
            code: Code::literal(code),
            detail: detail.clone(),
            remedy: remedy.to_owned(),
        };
        match error {
            ShopifyError::NotConfigured { what } => rejected(
                "not_configured",
                &format!("add `{what}` to the connection or its secret, then retry"),
            ),
            ShopifyError::Transport(failure) => failure,
            ShopifyError::Throttled { retry_after_ms } => Self::Transient {
                code: Code::literal("rate_limited"),
                detail,
                retry_after_ms,
            },
            ShopifyError::Unauthorized => Self::Transient {
                code: Code::literal("unauthorized"),
                detail,
                retry_after_ms: None,
            },
            ShopifyError::Forbidden { .. } => rejected(
                "access_denied",
                "store an `api.access_token` with the scopes `read_orders`, \
                 `write_merchant_managed_fulfillment_orders` and `write_inventory`, then retry",
            ),
            ShopifyError::NoShop { .. } => rejected(
                "shop_unavailable",
                "check the shop's plan and the connection's `base_url` and `api_version`, then \
                 retry",
            ),
            ShopifyError::Request { .. } => rejected(
                "request_refused",
                "check the connection's `api_version`; if it is supported, this is a fault of \
                 the adapter",
            ),
            ShopifyError::Refused { .. } => rejected(
                "channel_refused",
                "mend what the shop names in its admin, then retry; or do it there by hand and \
                 ignore this case",
            ),
            ShopifyError::UnknownOrder { .. } => rejected(
                "unknown_order",
                "check whether the order was deleted at the shop",
            ),
            ShopifyError::OrderCancelled { .. } => rejected(
                "order_cancelled",
                "the goods have left: agree with the customer, then reorder or return",
            ),
            ShopifyError::NothingLeft { .. } => rejected(
                "nothing_to_fulfill",
                "compare the shipment with the order's fulfilments in the shop's admin: the \
                 order was edited, refunded or fulfilled by hand",
            ),
            ShopifyError::StockRefused { .. } => rejected(
                "stock_refused",
                "in the shop's admin, track these products' inventory and stock them at the \
                 connection's `stock_location`, or route them elsewhere; the next full run \
                 publishes them by itself",
            ),
            ShopifyError::Unclear { status, access } => access.unclear(
                "partner_error",
                format!("the answer with status {status} says nothing of use"),
            ),
        }
    }
}
