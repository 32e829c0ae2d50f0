//! Goods that come back. The money is a refund, the accounting a credit note.

use crate::id::{ConnectionId, ExternalId, LineId, Sku};
use crate::order::Version;
use crate::quantity::Quantity;
use crate::shipment::Lot;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A return as one system tells it. The channel's and the warehouse's story of one return carry
/// the same `id` and different `source`s.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Return {
    /// The return's id: the channel's where the warehouse carries it as its reference.
    pub id: ExternalId,
    /// Who tells this.
    pub source: ConnectionId,
    /// Where it stands.
    pub status: ReturnStatus,
    /// What comes back.
    pub lines: Vec<ReturnLine>,
    /// The source's version.
    pub version: Version,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ReturnLine {
    /// The channel's line id, where known.
    pub line_id: Option<LineId>,
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
    /// What became of the goods.
    pub disposition: Disposition,
    /// Which lots or serial numbers, where the warehouse says; then they add up to `quantity`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<Lot>,
}

/// What became of returned goods.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Not yet looked at.
    Unknown,
    /// Back to saleable stock.
    Restock,
    /// Kept apart.
    Quarantine,
    /// Thrown away.
    Scrap,
}

/// Where a return stands; monotonic over all sources.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ReturnStatus {
    /// Asked for.
    Requested,
    /// Allowed: goods may come.
    Authorized,
    /// Refused or called off.
    Declined,
    /// Goods are at the warehouse.
    Received,
    /// Goods were inspected; dispositions are final.
    Completed,
}
