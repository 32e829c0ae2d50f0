//! Names of effects. A key is part of ids at partners: a change here orphans what is under way.

use std::collections::BTreeSet;
use waybill_model::id::{ConnectionId, EffectKey, ExternalId, TrackingNumber, name_uuid};

/// Prefix of [`release`].
pub const RELEASE: &str = "fulfillment_order.create";
/// Prefix of [`refund`].
pub const REFUND: &str = "refund.create";

/// Write and confirm the sale order.
#[must_use]
pub fn sale_order() -> EffectKey {
    EffectKey::of("sale_order.create", None)
}

/// Prefix of [`amend`].
pub const AMEND: &str = "sale_order.amend";

/// Bring an unreleased sale order to a newer snapshot: its n-th amendment. Numbered, for an order
/// may be edited there and back.
#[must_use]
pub fn amend(number: u64) -> EffectKey {
    EffectKey::of(AMEND, Some(&number.to_string()))
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

/// Drop what is open of an order whose rest is wanted no more.
#[must_use]
pub fn drop_rest() -> EffectKey {
    EffectKey::of("delivery.drop_rest", None)
}

/// Prefix of the effects that add later tracking numbers to a delivery: effects of their own, so
/// that the delivery need not wait for them.
pub const DELIVERY_TRACKING: &str = "delivery.track";
/// The same for the channel.
pub const PUBLISH_TRACKING: &str = "channel_fulfillment.track";

/// Tell these numbers of a shipment, as [`DELIVERY_TRACKING`] or [`PUBLISH_TRACKING`].
#[must_use]
pub fn later_tracking(
    prefix: &'static str,
    shipment: &ExternalId,
    numbers: &BTreeSet<TrackingNumber>,
) -> EffectKey {
    let parts: Vec<&str> = numbers.iter().map(TrackingNumber::as_str).collect();
    let name = name_uuid(&parts);
    EffectKey::of(prefix, Some(&format!("{shipment}/{name}")))
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

/// Invoice what can be invoiced since `after`: a shipment, or [`ALL_PAID`], or [`NOTHING_SHIPS`].
#[must_use]
pub fn invoice(after: &str) -> EffectKey {
    EffectKey::of("invoice.create", Some(after))
}

/// Of [`invoice`]: the order was paid.
pub const ALL_PAID: &str = "paid";
/// Of [`invoice`]: the order has nothing to ship.
pub const NOTHING_SHIPS: &str = "nothing_ships";

/// Book money that came.
#[must_use]
pub fn payment(id: &ExternalId) -> EffectKey {
    EffectKey::of("payment.register", Some(id.as_str()))
}

/// Book money that went back with a refund.
#[must_use]
pub fn paid_back(refund: &ExternalId) -> EffectKey {
    EffectKey::of("payment.pay_back", Some(refund.as_str()))
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
