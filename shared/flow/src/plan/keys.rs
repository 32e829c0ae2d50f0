//! Names of effects. A key is part of ids at partners: a change here orphans what is under way.

use waybill_model::id::{ConnectionId, EffectKey, ExternalId, TrackingNumber};

/// Prefix of [`release`].
pub const RELEASE: &str = "fulfillment_order.create";
/// Prefix of [`refund`].
pub const REFUND: &str = "refund.create";

/// Write and confirm the sale order.
#[must_use]
pub fn sale_order() -> EffectKey {
    EffectKey::of("sale_order.create", None)
}

/// Bring an unreleased sale order to a newer snapshot.
#[must_use]
pub fn amend(fingerprint: &str) -> EffectKey {
    EffectKey::of("sale_order.amend", Some(fingerprint))
}

/// Cancel the sale order.
#[must_use]
pub fn cancel_sale_order() -> EffectKey {
    EffectKey::of("sale_order.cancel", None)
}

/// Release to a warehouse.
#[must_use]
pub fn release(warehouse: &ConnectionId) -> EffectKey {
    EffectKey::of(RELEASE, Some(warehouse.as_str()))
}

/// Call a release off.
#[must_use]
pub fn cancel_release(warehouse: &ConnectionId) -> EffectKey {
    EffectKey::of("fulfillment_order.cancel", Some(warehouse.as_str()))
}

/// Register a shipment as delivery in the ERP.
#[must_use]
pub fn delivery(shipment: &ExternalId) -> EffectKey {
    EffectKey::of("delivery.register", Some(shipment.as_str()))
}

/// Add tracking to a delivery that was registered without: a second effect, so that the delivery
/// need not wait for it.
#[must_use]
pub fn delivery_tracking(shipment: &ExternalId) -> EffectKey {
    EffectKey::of("delivery.track", Some(shipment.as_str()))
}

/// Receive a return.
#[must_use]
pub fn receive(id: &ExternalId) -> EffectKey {
    EffectKey::of("return.receive", Some(id.as_str()))
}

/// Ask the gateway to pay back.
#[must_use]
pub fn refund(id: &ExternalId) -> EffectKey {
    EffectKey::of(REFUND, Some(id.as_str()))
}

/// Account for a refund.
#[must_use]
pub fn credit_note(id: &ExternalId) -> EffectKey {
    EffectKey::of("credit_note.create", Some(id.as_str()))
}

/// Undo that.
#[must_use]
pub fn reverse(id: &ExternalId) -> EffectKey {
    EffectKey::of("credit_note.reverse", Some(id.as_str()))
}

/// Follow a parcel.
#[must_use]
pub fn track(number: &TrackingNumber) -> EffectKey {
    EffectKey::of("tracking.subscribe", Some(number.as_str()))
}

/// Tell the channel of a shipment.
#[must_use]
pub fn publish(shipment: &ExternalId) -> EffectKey {
    EffectKey::of("channel_fulfillment.publish", Some(shipment.as_str()))
}

/// Bring the helpdesk up to date.
#[must_use]
pub fn ticket(revision: u64) -> EffectKey {
    EffectKey::of("ticket.update", Some(&revision.to_string()))
}
