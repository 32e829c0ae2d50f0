//! Money that moved or was reserved, and money that goes back.

use crate::id::{ConnectionId, ExternalId, LineId, Sku};
use crate::money::{Amount, Money};
use crate::order::Version;
use crate::quantity::Quantity;
use crate::time::Instant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A payment at a gateway: snapshot with a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Payment {
    /// The gateway.
    pub gateway: ConnectionId,
    /// The gateway's id, such as a payment intent.
    pub id: ExternalId,
    /// Where it stands.
    pub status: PaymentStatus,
    /// Captured, or reserved while authorised.
    pub amount: Money,
    /// The gateway's version.
    pub version: Version,
    /// When the money was taken, where the gateway says; the day it is booked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Instant>,
    /// The way of paying as the gateway names it, such as `card` or `klarna`, where it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// Where a payment stands. The order of the variants breaks ties between equal versions.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Begun.
    Pending,
    /// Refused.
    Failed,
    /// Reserved.
    Authorized,
    /// Given up.
    Cancelled,
    /// Taken.
    Captured,
    /// Taken and contested by the customer.
    Disputed,
}

/// A refund as one system tells it. The channel's and the gateway's story of the same refund
/// carry the same `id` and different `source`s.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Refund {
    /// The refund's own id: the channel's where the channel knows it, else the gateway's.
    pub id: ExternalId,
    /// Who tells this.
    pub source: ConnectionId,
    /// The gateway's id of the refund, once it has one.
    pub gateway_id: Option<ExternalId>,
    /// The gateway's id of the payment that it pays back.
    pub payment_id: Option<ExternalId>,
    /// Where it stands.
    pub status: RefundStatus,
    /// How much goes back, positive.
    pub amount: Money,
    /// Goods it is for; empty where the source does not say (a gateway).
    pub lines: Vec<RefundLine>,
    /// Shipping paid back, positive, contained in `amount`.
    pub shipping: Amount,
    /// The source's version.
    pub version: Version,
    /// When the money went back, where the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded_at: Option<Instant>,
}

/// Goods that a refund is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RefundLine {
    /// The channel's line id.
    pub line_id: LineId,
    /// What.
    pub sku: Option<Sku>,
    /// How many.
    pub quantity: Quantity,
    /// How much for all of them, tax contained.
    pub amount: Amount,
    /// Whether the goods go back to stock without a return (not yet shipped).
    pub restock: bool,
}

/// Where a refund stands. Later variants win between equal versions: a success that failed later
/// has failed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Decided by the channel; no money has moved: Waybill asks the gateway.
    Requested,
    /// On its way.
    Pending,
    /// The money has gone back.
    Succeeded,
    /// The money did not go back, or came back.
    Failed,
    /// Called off.
    Cancelled,
}
