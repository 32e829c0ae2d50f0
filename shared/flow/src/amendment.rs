//! What of an order matters to the ERP and the warehouse, and whether it changed since it was
//! written.

use crate::state::Facts;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use waybill_model::id::{LineId, name_uuid};
use waybill_model::order::Order;
use waybill_model::quantity::Quantity;

/// A fingerprint of what was or would be written: lines with the quantities still wanted, prices
/// and the way of delivery. A refund lowers the channel's current quantity without an edit, so
/// what was refunded counts as wanted.
#[must_use]
pub fn fingerprint(order: &Order, facts: &Facts) -> String {
    let refunded = refunded_by_line(facts);
    let mut text = String::new();
    for line in &order.lines {
        let back = refunded.get(&line.id).copied().unwrap_or_default();
        let wanted = line.current_quantity.plus(back).min(line.quantity);
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
    let methods: Vec<&str> = order
        .shipping_lines
        .iter()
        .map(|s| s.method.as_str())
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
        &methods.join(","),
        &place.unwrap_or_default(),
    ])
    .to_string()
}

fn refunded_by_line(facts: &Facts) -> BTreeMap<LineId, Quantity> {
    let mut refunded: BTreeMap<LineId, Quantity> = BTreeMap::new();
    for stories in facts.refunds.values() {
        // Stories of one refund repeat its lines: the channel's are the longest.
        if let Some(story) = stories.values().max_by_key(|r| r.lines.len()) {
            for line in &story.lines {
                let sum = refunded.entry(line.line_id.clone()).or_default();
                *sum = sum.plus(line.quantity);
            }
        }
    }
    refunded
}
