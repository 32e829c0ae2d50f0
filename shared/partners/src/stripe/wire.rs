//! Shapes of Stripe's events and of its refunds.
//!
//! Source: docs.stripe.com/api, objects Event, PaymentIntent, Charge, Dispute and Refund. The shape
//! follows the `api_version` of the account or endpoint, so that only fields are read that all
//! versions since 2018 share. Amounts are integers in the currency's minor unit, currencies lower
//! case, times seconds since the epoch.

use crate::reading::or_default;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The envelope, its object not yet read.
#[derive(Debug, Deserialize)]
pub(super) struct EventBody {
    /// `evt_…`, the same on every delivery.
    pub(super) id: String,
    /// When it happened, in seconds; the only version there is.
    pub(super) created: i64,
    /// `payment_intent.succeeded` and others.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) livemode: bool,
}

/// The envelope again, now that its type tells the object.
#[derive(Debug, Deserialize)]
pub(super) struct With<T> {
    pub(super) data: Data<T>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Data<T> {
    pub(super) object: T,
}

/// What people and other systems wrote on the object: texts only.
pub(super) type Metadata = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    pub(super) amount: i64,
    /// 0 until it is captured.
    pub(super) amount_received: Option<i64>,
    /// 0 unless it is authorised.
    pub(super) amount_capturable: Option<i64>,
    pub(super) currency: String,
    /// Ways of paying that it may use; the one it used once there is only one.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) payment_method_types: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) metadata: Metadata,
}

#[derive(Debug, Deserialize)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) amount: i64,
    /// Absent before 2020.
    pub(super) amount_captured: Option<i64>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) captured: bool,
    /// `succeeded`, `pending`, `failed`.
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) disputed: bool,
    pub(super) currency: String,
    /// Null for charges that were made without one.
    pub(super) payment_intent: Option<Expandable>,
    pub(super) payment_method_details: Option<MethodDetails>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) metadata: Metadata,
}

/// How a charge was paid.
#[derive(Debug, Deserialize)]
pub(super) struct MethodDetails {
    /// Such as `card`.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Dispute {
    /// What is contested.
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) charge: Option<Expandable>,
    pub(super) payment_intent: Option<Expandable>,
    /// `won` and `warning_closed` give the money back; the rest contests it or has lost it.
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) metadata: Metadata,
}

/// A refund, in events and as the API answers it.
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) charge: Option<Expandable>,
    pub(super) payment_intent: Option<Expandable>,
    /// `pending`, `requires_action`, `succeeded`, `failed`, `canceled`; null where Stripe does not
    /// yet know.
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) metadata: Metadata,
}

/// An id, or the object where the account asks for it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Expandable {
    /// `pi_…`
    Id(String),
    /// `{"id": "pi_…", …}`
    Object { id: String },
}

impl Expandable {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Object { id } => id,
        }
    }
}

/// Answer of `GET /v1/refunds`.
#[derive(Debug, Deserialize)]
pub(super) struct RefundList {
    pub(super) data: Vec<Refund>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) has_more: bool,
}

/// What an answer to create a refund must have to be one.
#[derive(Debug, Deserialize)]
pub(super) struct RefundCreated {
    pub(super) id: String,
}

/// `{"error": {"type", "code", "param", "message"}}`.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: ErrorDetail,
}

/// The message is left out: it can repeat what was sent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorDetail {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) param: Option<String>,
}
