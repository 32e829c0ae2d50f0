//! Shipments: where they stand, and what is in them.

use super::super::wire::{InventoryItem, Order, Shipment as Sent, ShipmentProduct};
use super::{ShipmentTopic, external};
use crate::reading::instant;
use crate::webhook::Unreadable;
use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::connections::Connection;
use waybill_model::id::{ExternalId, LotNumber, Sku, TrackingNumber};
use waybill_model::order::Version;
use waybill_model::party::clean;
use waybill_model::quantity::Quantity;
use waybill_model::shipment::{Lot, Parcel, Shipment, ShipmentStatus, ShippedLine};

/// Called off as a whole.
pub(in super::super) fn is_cancelled(order: &Order) -> bool {
    order.status.as_deref() == Some("Cancelled")
}

/// Some of it is so far that it cannot be called off.
pub(in super::super) fn is_underway(order: &Order) -> bool {
    matches!(
        order.status.as_deref(),
        Some("Fulfilled" | "PartiallyFulfilled")
    ) || order.shipments.iter().flatten().any(|s| {
        matches!(
            s.status.as_deref(),
            Some("Completed" | "LabeledCreated" | "CleanSweeped")
        ) || has_left(s)
    })
}

/// The newest update of any of them; 0 if none is dated.
pub(super) fn version<'a>(shipments: impl Iterator<Item = &'a Sent>) -> Version {
    shipments
        .flat_map(|s| [&s.last_update_at, &s.last_tracking_update_at])
        .filter_map(|t| instant(t.as_deref()))
        .max()
        .map_or(Version(0), Version::from)
}

/// A shipment in the body of its order.
pub(super) fn of_order(
    connection: &Connection,
    order: &Order,
    all: &[Sent],
    index: usize,
    sent: &Sent,
) -> Result<Shipment, Unreadable> {
    let path = format!("shipments[{index}]");
    let alone = all.iter().filter(|s| !called_off(s)).count() == 1;
    let quantities = ordered(order, all, sent);
    let status = status_in_order(sent, alone);
    build(
        connection,
        &external(&order.id, "id")?,
        sent,
        status,
        &quantities,
        &path,
    )
}

/// A shipment that is a body of its own.
pub(super) fn alone(
    connection: &Connection,
    order_id: &ExternalId,
    topic: ShipmentTopic,
    sent: &Sent,
) -> Result<Shipment, Unreadable> {
    let status = match topic {
        ShipmentTopic::Delivered => ShipmentStatus::Delivered,
        ShipmentTopic::Exception | ShipmentTopic::OnHold => ShipmentStatus::Exception,
        ShipmentTopic::Cancelled => ShipmentStatus::Cancelled,
    };
    build(connection, order_id, sent, status, &BTreeMap::new(), "")
}

/// `order.shipped` comes when labels are printed, while the status is still `Processing`: it is
/// believed where the shipment shows a sign of it, or where no other shipment can be meant.
fn status_in_order(sent: &Sent, alone: bool) -> ShipmentStatus {
    match sent.status.as_deref().unwrap_or_default() {
        "Completed" | "CleanSweeped" if delivered(sent) => ShipmentStatus::Delivered,
        "Completed" | "CleanSweeped" | "LabeledCreated" => ShipmentStatus::Shipped,
        "Cancelled" => ShipmentStatus::Cancelled,
        "Exception" | "OnHold" | "ImportReview" => ShipmentStatus::Exception,
        "Processing" if alone || has_left(sent) => ShipmentStatus::Shipped,
        _ => ShipmentStatus::Pending,
    }
}

fn called_off(sent: &Sent) -> bool {
    sent.status.as_deref() == Some("Cancelled")
}

fn delivered(sent: &Sent) -> bool {
    instant(sent.delivery_date.as_deref()).is_some() || has_detail(sent, "Delivered")
}

fn has_left(sent: &Sent) -> bool {
    instant(sent.actual_fulfillment_date.as_deref()).is_some()
        || has_detail(sent, "Labeled")
        || sent
            .tracking
            .as_ref()
            .is_some_and(|t| clean(t.tracking_number.as_deref()).is_some())
}

fn has_detail(sent: &Sent, name: &str) -> bool {
    sent.status_details
        .iter()
        .any(|d| d.name.as_deref() == Some(name))
}

fn build(
    connection: &Connection,
    order_id: &ExternalId,
    sent: &Sent,
    status: ShipmentStatus,
    quantities: &BTreeMap<String, i64>,
    path: &str,
) -> Result<Shipment, Unreadable> {
    let path = |field: &str| match path {
        "" => field.to_owned(),
        path => format!("{path}.{field}"),
    };
    let lines = lines(sent, quantities, &path("products"))?;
    let left = status >= ShipmentStatus::Shipped;
    if left && lines.is_empty() {
        return Err(Unreadable::new(
            "shipment_without_goods",
            format!(
                "at `{}`: goods left, but no product has a quantity",
                path("products")
            ),
        ));
    }
    let shipped_at = sent
        .tracking
        .as_ref()
        .and_then(|t| instant(t.shipping_date.as_deref()))
        .or_else(|| instant(sent.actual_fulfillment_date.as_deref()));
    Ok(Shipment {
        warehouse: connection.id.clone(),
        id: external(&sent.id, &path("id"))?,
        fulfillment_order: Some(order_id.clone()),
        status,
        lines,
        parcels: parcels(sent, &path("tracking.tracking_number"))?,
        shipped_at: shipped_at.filter(|_| left),
        version: version(std::iter::once(sent)),
    })
}

fn parcels(sent: &Sent, path: &str) -> Result<Vec<Parcel>, Unreadable> {
    let Some(tracking) = &sent.tracking else {
        return Ok(Vec::new());
    };
    let tracking_number = clean(tracking.tracking_number.as_deref())
        .map(TrackingNumber::new)
        .transpose()
        .map_err(|e| Unreadable::new("invalid_value", format!("at `{path}`: {e}")))?;
    let carrier = clean(tracking.carrier.as_deref());
    if tracking_number.is_none() && carrier.is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![Parcel {
        tracking_number,
        carrier,
        url: clean(tracking.tracking_url.as_deref()),
    }])
}

/// What was ordered of the products that no other live shipment holds.
fn ordered(order: &Order, all: &[Sent], sent: &Sent) -> BTreeMap<String, i64> {
    let holders = |sku: &str| {
        all.iter()
            .filter(|s| !called_off(s) || std::ptr::eq(*s, sent))
            .filter(|s| s.products.iter().any(|p| product_sku(p) == Some(sku)))
            .count()
    };
    let mut quantities = BTreeMap::new();
    for product in &order.products {
        let sku = first(&product.reference_id, &product.sku);
        if let (Some(sku), Some(quantity)) = (sku, product.quantity)
            && quantity > 0
            && holders(sku) == 1
        {
            let sum: &mut i64 = quantities.entry(sku.to_owned()).or_default();
            *sum = sum.saturating_add(quantity);
        }
    }
    quantities
}

/// What was picked, but not more than was ordered where that is known: of a bundle that holds an
/// item twice, twice as many are picked. A product of which nothing is said was shipped as ordered.
fn lines(
    sent: &Sent,
    ordered: &BTreeMap<String, i64>,
    path: &str,
) -> Result<Vec<ShippedLine>, Unreadable> {
    let mut units: BTreeMap<(Sku, &str), Option<i64>> = BTreeMap::new();
    let mut by_lot: BTreeMap<Sku, Vec<Lot>> = BTreeMap::new();
    for (index, product) in sent.products.iter().enumerate() {
        let refuse =
            |why: String| Unreadable::new("invalid_value", format!("at `{path}[{index}]`: {why}"));
        let text = product_sku(product)
            .ok_or_else(|| refuse("neither `reference_id` nor `sku` is given".to_owned()))?;
        let sku = Sku::new(text).map_err(|e| refuse(e.to_string()))?;
        let lots = by_lot.entry(sku.clone()).or_default();
        lots.extend(picked_lots(&product.inventory_items));
        let sum = units.entry((sku, text)).or_default();
        if let Some(picked) = picked(&product.inventory_items) {
            *sum = Some(sum.unwrap_or(0).saturating_add(picked));
        }
    }
    let mut lines = Vec::with_capacity(units.len());
    for ((sku, text), picked) in units {
        let units = match (picked, ordered.get(text)) {
            (Some(picked), Some(ordered)) => picked.min(*ordered),
            (picked, ordered) => picked.or(ordered.copied()).unwrap_or(0),
        };
        let quantity = Quantity::from_units(units)
            .map_err(|e| Unreadable::new("invalid_value", format!("at `{path}`: {e}")))?;
        if !quantity.is_zero() {
            let mut lots = by_lot.remove(&sku).unwrap_or_default();
            // A part of the lots would pass for all of them.
            if lots
                .iter()
                .fold(Quantity::ZERO, |sum, l| sum.plus(l.quantity))
                != quantity
            {
                lots.clear();
            }
            lines.push(ShippedLine {
                line_id: None,
                sku,
                quantity,
                lots,
            });
        }
    }
    Ok(lines)
}

/// Lots of one item add up. A bundle has several items; its count is that of its scarcest item,
/// which is right where the bundle holds one of it. None if no item has a quantity.
fn picked(items: &[InventoryItem]) -> Option<i64> {
    let mut by_item: BTreeMap<Option<String>, i64> = BTreeMap::new();
    for item in items {
        if let Some(quantity) = item.quantity {
            let id = item.id.as_ref().map(crate::reading::AnyId::text);
            let sum = by_item.entry(id).or_default();
            *sum = sum.saturating_add(quantity);
        }
    }
    by_item.into_values().min()
}

/// Lots and serial numbers of a product that is one item; those of a bundle's parts are not its own.
fn picked_lots(items: &[InventoryItem]) -> Vec<Lot> {
    let ids: BTreeSet<Option<String>> = items
        .iter()
        .map(|i| i.id.as_ref().map(crate::reading::AnyId::text))
        .collect();
    if ids.len() != 1 {
        return Vec::new();
    }
    let lot = |number: &str, units: i64| {
        Some(Lot {
            number: LotNumber::new(number.trim()).ok()?,
            quantity: Quantity::from_units(units).ok()?,
        })
    };
    let mut lots = Vec::new();
    for item in items {
        let serials: Vec<&String> = item.serial_numbers.iter().flatten().collect();
        if serials.is_empty() {
            let number = item.lot.as_deref().unwrap_or_default();
            lots.extend(lot(number, item.quantity.unwrap_or(0)));
        } else {
            lots.extend(serials.into_iter().filter_map(|s| lot(s, 1)));
        }
    }
    lots.retain(|l| !l.quantity.is_zero());
    lots
}

/// We order by `reference_id`, and give the SKU there.
fn product_sku(product: &ShipmentProduct) -> Option<&str> {
    first(&product.reference_id, &product.sku)
}

fn first<'a>(a: &'a Option<String>, b: &'a Option<String>) -> Option<&'a str> {
    [a, b]
        .into_iter()
        .filter_map(|t| t.as_deref())
        .map(str::trim)
        .find(|t| !t.is_empty())
}
