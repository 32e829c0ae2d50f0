//! Returns, as far as the channel may tell them: asked for, allowed, refused. What came back is
//! the warehouse's to tell.

use super::{correlation, money};
use crate::shopify::verify::TRIGGERED_AT;
use crate::shopify::wire::WireReturn;
use crate::webhook::{Fact, Unreadable};
use waybill_flow::connections::Connection;
use waybill_model::delivery::Delivery;
use waybill_model::event::{Event, Subject};
use waybill_model::id::{ExternalId, LineId};
use waybill_model::order::Version;
use waybill_model::returns::{Disposition, Return, ReturnLine, ReturnStatus};
use waybill_model::time::Instant;

/// The fact, and the return's id.
pub(super) fn fact(
    connection: &Connection,
    delivery: &Delivery,
    topic: &str,
    wire: &WireReturn,
) -> Result<(Fact, ExternalId), Unreadable> {
    let order = wire.order.as_ref().and_then(|o| o.id.as_ref());
    let order = order
        .or(wire.order_id.as_ref())
        .ok_or_else(|| Unreadable::new("no_order", "at `order.id`: the return names no order"))?;
    let id = ExternalId::new(&wire.id.0)
        .map_err(|e| Unreadable::new("bad_id", format!("at `id`: {e}")))?;
    let at = instant(delivery, wire)?;
    let returned = Return {
        id: id.clone(),
        source: connection.id.clone(),
        status: status(topic, wire.status.as_deref())?,
        lines: lines(wire)?,
        version: Version::from(at),
    };
    let fact = Fact {
        subject: Subject::Order(correlation(connection, &order.0)?),
        at: Some(at),
        event: Event::ReturnObserved(returned),
    };
    Ok((fact, id))
}

/// The body's own status, which is signed; the topic only where it has none. A closed return was
/// allowed: that goods came is for the warehouse to tell.
fn status(topic: &str, status: Option<&str>) -> Result<ReturnStatus, Unreadable> {
    let status = status.map(|s| s.trim().to_ascii_lowercase());
    Ok(match status.as_deref() {
        Some("requested") => ReturnStatus::Requested,
        Some("open" | "closed" | "close") => ReturnStatus::Authorized,
        Some("declined" | "canceled" | "cancelled") => ReturnStatus::Declined,
        Some(s) if !s.is_empty() => {
            return Err(Unreadable::new(
                "unknown_return_status",
                "at `status`: not one of the states that Shopify documents",
            ));
        }
        _ => match topic {
            "returns/request" => ReturnStatus::Requested,
            "returns/approve" | "returns/close" | "returns/reopen" | "returns/process" => {
                ReturnStatus::Authorized
            }
            "returns/decline" | "returns/cancel" => ReturnStatus::Declined,
            _ => {
                return Err(Unreadable::new(
                    "unknown_return_status",
                    "at `status`: it is missing, and the topic does not tell it",
                ));
            }
        },
    })
}

/// When the return changed. Bodies are documented without instants: then the header that tells
/// when the webhook was triggered, which is the same on every retry.
fn instant(delivery: &Delivery, wire: &WireReturn) -> Result<Instant, Unreadable> {
    if let Some(text) = wire.updated_at.as_deref() {
        return money::instant("updated_at", text);
    }
    if let Some(text) = delivery.headers.get(TRIGGERED_AT) {
        return money::instant(TRIGGERED_AT, text);
    }
    match wire.created_at.as_deref() {
        Some(text) => money::instant("created_at", text),
        None => Ok(delivery.received_at),
    }
}

/// Lines that name their SKU. Shopify's name only the order's line, so most returns come without:
/// the goods are what the warehouse receives.
fn lines(wire: &WireReturn) -> Result<Vec<ReturnLine>, Unreadable> {
    let mut lines = Vec::new();
    let items = wire.return_line_items.as_deref().unwrap_or_default();
    for (i, line) in items.iter().enumerate() {
        let item = line
            .fulfillment_line_item
            .as_ref()
            .and_then(|f| f.line_item.as_ref());
        let Some(sku) = super::order::sku(item.and_then(|l| l.sku.as_deref())) else {
            continue;
        };
        let path = format!("return_line_items[{i}]");
        lines.push(ReturnLine {
            line_id: item
                .and_then(|l| l.id.as_ref())
                .and_then(|id| LineId::new(&id.0).ok()),
            sku,
            quantity: money::quantity(&format!("{path}.quantity"), line.quantity.unwrap_or(0))?,
            disposition: Disposition::Unknown,
            lots: Vec::new(),
        });
    }
    Ok(lines)
}
