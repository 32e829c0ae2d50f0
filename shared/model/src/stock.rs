//! Stock levels: absolute counts with the instant they were true.

use crate::id::{ConnectionId, LotNumber, Sku};
use crate::quantity::Quantity;
use crate::time::Instant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many of one SKU one place has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct StockLevel {
    /// Who counted: a warehouse, or the ERP.
    pub location: ConnectionId,
    /// What.
    pub sku: Sku,
    /// Meaning of `quantity`.
    pub kind: StockKind,
    /// How many.
    pub quantity: Quantity,
    /// When this was true.
    pub at: Instant,
    /// Of which lot or serial number, where they are counted by lot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot: Option<LotNumber>,
}

/// Meaning of a count.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StockKind {
    /// In the building.
    OnHand,
    /// In the building and promised to nobody.
    Available,
}
