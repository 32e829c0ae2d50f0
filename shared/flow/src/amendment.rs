//! What of an order matters to the ERP and the warehouse, and whether it changed since it was
//! written.

use crate::state::Facts;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use waybill_model::id::{LineId, name_uuid};
use waybill_model::order::Order;
use waybill_model::quantity::Quantity;
use waybill_model::shipment::ShipmentStatus;

/// A fingerprint of what was or would be written: lines with the quantities still wanted, prices,
/// the shipping and where it goes. What has left stays wanted though it was refunded since: its
/// credit note and its return follow by themselves. What was refunded before it left is an edit.
#[must_use]
pub fn fingerprint(order: &Order, facts: &Facts) -> String {
    let shipped = shipped_by_line(order, facts);
    let mut text = String::new();
    for line in &order.lines {
        let left = shipped.get(&line.id).copied().unwrap_or_default();
        let wanted = line.current_quantity.max(left.min(line.quantity));
        // Writing to a String cannot fail.
        let written = write!(
            text,
            "{}|{}|{wanted}|{}|{};",
            line.id,
            line.sku.as_ref().map_or("", |s| s.as_str()),
            line.unit_price,
            line.discount
        );
        debug_assert!(written.is_ok());
    }
    let shipping: Vec<String> = order
        .shipping_lines
        .iter()
        .map(|s| format!("{}|{}|{}", s.method, s.price, s.discount))
        .collect();
    let place = order.shipping.as_ref().map(|a| {
        [
            &a.name, &a.company, &a.street, &a.street2, &a.city, &a.zip, &a.region, &a.country,
        ]
        .map(|part| part.as_deref().unwrap_or_default())
        .join("|")
    });
    name_uuid(&[
        "written",
        &text,
        &shipping.join(","),
        &place.unwrap_or_default(),
    ])
    .to_string()
}

/// What has left, by line of the order. A warehouse that names only the SKU fills the lines of
/// that SKU in their order.
#[must_use]
pub fn shipped_by_line(order: &Order, facts: &Facts) -> BTreeMap<LineId, Quantity> {
    let mut shipped: BTreeMap<LineId, Quantity> = BTreeMap::new();
    let left = facts
        .shipments
        .values()
        .filter(|s| s.status >= ShipmentStatus::Shipped);
    for line in left.flat_map(|s| &s.lines) {
        let mut rest = line.quantity;
        let named = |l: &&waybill_model::order::OrderLine| match &line.line_id {
            Some(id) => l.id == *id,
            None => l.sku.as_ref() == Some(&line.sku),
        };
        for wanted in order.lines.iter().filter(named) {
            let have = shipped.entry(wanted.id.clone()).or_default();
            let taken = rest.min(wanted.quantity.minus(*have));
            *have = have.plus(taken);
            rest = rest.minus(taken);
        }
    }
    shipped
}

/// Everything that ships has left: each line in the quantity still wanted of it, or a shipment that
/// does not say what is in it.
#[must_use]
pub fn is_all_shipped(order: &Order, facts: &Facts) -> bool {
    let left = shipped_by_line(order, facts);
    let mut shipped = facts.shipments.values();
    shipped.any(|s| s.status >= ShipmentStatus::Shipped && s.lines.is_empty())
        || order
            .lines
            .iter()
            .filter(|l| l.requires_shipping && l.sku.is_some())
            .all(|l| left.get(&l.id).copied().unwrap_or_default() >= l.current_quantity)
}
