//! Goods on their way: work at a warehouse, parcels, and what carriers tell.

use crate::id::{ConnectionId, ExternalId, LineId, LotNumber, Sku, TrackingNumber};
use crate::order::Version;
use crate::quantity::Quantity;
use crate::time::Instant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Work for one warehouse, as the warehouse tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FulfillmentOrder {
    /// The warehouse.
    pub warehouse: ConnectionId,
    /// The warehouse's id.
    pub id: ExternalId,
    /// The reference that we gave it.
    pub reference: Option<ExternalId>,
    /// Where it stands.
    pub status: FulfillmentStatus,
    /// The warehouse's version.
    pub version: Version,
}

/// Where the work stands; later variants win between equal versions.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FulfillmentStatus {
    /// Taken on.
    Accepted,
    /// Being picked or packed.
    Processing,
    /// Stopped until somebody acts.
    OnHold,
    /// Cannot go on (missing stock, bad address).
    Exception,
    /// Some parcels have left.
    PartiallyShipped,
    /// All parcels have left.
    Shipped,
    /// Called off before shipping.
    Cancelled,
}

/// One or more parcels that leave a warehouse together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Shipment {
    /// Who sends.
    pub warehouse: ConnectionId,
    /// The warehouse's id.
    pub id: ExternalId,
    /// The warehouse's id of the work that this fulfils.
    pub fulfillment_order: Option<ExternalId>,
    /// Where it stands.
    pub status: ShipmentStatus,
    /// What is in it.
    pub lines: Vec<ShippedLine>,
    /// Parcels; a shipment can be announced before they have numbers.
    pub parcels: Vec<Parcel>,
    /// When it left.
    pub shipped_at: Option<Instant>,
    /// The warehouse's version.
    pub version: Version,
}

/// What is in a shipment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ShippedLine {
    /// The channel's line id, where the warehouse echoes it.
    pub line_id: Option<LineId>,
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
    /// Which lots or serial numbers, where the warehouse says; then they add up to `quantity`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<Lot>,
}

/// Goods of one lot, or the one with a serial number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Lot {
    /// Its number.
    pub number: LotNumber,
    /// How many of it.
    pub quantity: Quantity,
}

impl Shipment {
    /// The numbers of its parcels, as far as they are known.
    #[must_use]
    pub fn tracking_numbers(&self) -> BTreeSet<TrackingNumber> {
        let numbers = self.parcels.iter();
        numbers.filter_map(|p| p.tracking_number.clone()).collect()
    }
}

/// One parcel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Parcel {
    /// The carrier's number, once known.
    pub tracking_number: Option<TrackingNumber>,
    /// The carrier as the warehouse names it.
    pub carrier: Option<String>,
    /// Page where the customer can follow it.
    pub url: Option<String>,
}

/// Where a shipment stands at the warehouse; monotonic.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ShipmentStatus {
    /// Planned or labelled; still in the building.
    Pending,
    /// Stopped in the building.
    Exception,
    /// Called off.
    Cancelled,
    /// Left the building.
    Shipped,
    /// Reached the customer.
    Delivered,
}

/// What a carrier tells about one parcel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Tracking {
    /// Who tells.
    pub source: ConnectionId,
    /// Which parcel.
    pub tracking_number: TrackingNumber,
    /// Where it is.
    pub status: TrackingStatus,
    /// The carrier.
    pub carrier: Option<String>,
    /// When it is expected.
    pub expected_at: Option<Instant>,
    /// When this happened.
    pub at: Instant,
}

/// Where a parcel is; later variants win between equal instants.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TrackingStatus {
    /// The carrier says nothing of use.
    Unknown,
    /// Announced to the carrier.
    PreTransit,
    /// Moving.
    InTransit,
    /// On the last van.
    OutForDelivery,
    /// Waits to be fetched.
    AvailableForPickup,
    /// Delayed or failed to deliver; may still arrive.
    Exception,
    /// On its way back.
    ReturnToSender,
    /// Arrived.
    Delivered,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_shipment_has_the_numbers_of_its_parcels_each_once() {
        let parcel = |number: Option<&str>| json!({ "tracking_number": number, "carrier": null, "url": null });
        let shipment: Shipment = serde_json::from_value(json!({
            "warehouse": "north", "id": "SHP-1", "fulfillment_order": null, "status": "shipped",
            "lines": [], "shipped_at": null, "version": 1,
            "parcels": [parcel(Some("1Z2")), parcel(None), parcel(Some("1Z1")), parcel(Some("1Z2"))],
        }))
        .unwrap();
        let numbers: Vec<String> = shipment
            .tracking_numbers()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(numbers, ["1Z1", "1Z2"]);
    }
}
