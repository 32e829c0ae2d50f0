//! Returns: goods that came back to ShipBob.

use super::super::wire::{Return as Sent, ReturnInventory};
use super::{ReturnTopic, at, external};
use crate::reading::{AnyId, correlation_in, instant};
use crate::webhook::{Fact, Unreadable};
use std::collections::BTreeMap;
use waybill_flow::connections::Connection;
use waybill_model::event::{Event, Subject};
use waybill_model::id::{ConnectionId, ExternalId, RefKind, Reference, Sku};
use waybill_model::order::Version;
use waybill_model::quantity::Quantity;
use waybill_model::returns::{Disposition, Return, ReturnLine, ReturnStatus};

pub(super) fn facts(
    connection: &Connection,
    topic: ReturnTopic,
    sent: &Sent,
) -> Result<(String, Vec<Fact>), Unreadable> {
    let inventory = sent.inventory.as_ref().ok_or_else(|| {
        Unreadable::new(
            "wrong_shape",
            "`inventory` is missing: a return was expected",
        )
    })?;
    let own_id = external(&sent.id, "id")?;
    let status = status(topic, sent);
    let version = version(sent);
    let fact = Fact {
        subject: subject(connection, sent, &own_id),
        at: at(version),
        event: Event::ReturnObserved(Return {
            id: channel_id(sent.reference_id.as_deref()).unwrap_or_else(|| own_id.clone()),
            source: connection.id.clone(),
            status,
            lines: lines(inventory, status)?,
            version,
        }),
    };
    Ok((format!("{own_id}/{}", version.0), vec![fact]))
}

fn status(topic: ReturnTopic, sent: &Sent) -> ReturnStatus {
    if topic == ReturnTopic::Completed {
        return ReturnStatus::Completed;
    }
    match sent.status.as_deref().unwrap_or_default() {
        "Completed" => ReturnStatus::Completed,
        "Arrived" | "Processing" => ReturnStatus::Received,
        "Cancelled" => ReturnStatus::Declined,
        "AwaitingArrival" => ReturnStatus::Authorized,
        _ if topic == ReturnTopic::Created => ReturnStatus::Authorized,
        _ if sent.completed_date.is_some() => ReturnStatus::Completed,
        _ if sent.cancelled_date.is_some() => ReturnStatus::Declined,
        _ if sent.arrived_date.is_some() => ReturnStatus::Received,
        _ => ReturnStatus::Authorized,
    }
}

/// The newest date in the body.
fn version(sent: &Sent) -> Version {
    let dates = [
        &sent.insert_date,
        &sent.awaiting_arrival_date,
        &sent.arrived_date,
        &sent.processing_date,
        &sent.completed_date,
        &sent.cancelled_date,
    ];
    dates
        .into_iter()
        .chain(sent.status_history.iter().map(|h| &h.timestamp))
        .filter_map(|t| instant(t.as_deref()))
        .max()
        .map_or(Version(0), Version::from)
}

/// Channels number their returns, plainly or as a `gid://`; returns that were made at ShipBob
/// carry names that people thought of, which no channel knows.
fn channel_id(reference: Option<&str>) -> Option<ExternalId> {
    let reference = reference?.trim();
    let numbered = !reference.is_empty() && reference.bytes().all(|b| b.is_ascii_digit());
    if numbered || reference.starts_with("gid://") {
        ExternalId::new(reference).ok()
    } else {
        None
    }
}

fn subject(connection: &Connection, sent: &Sent, own_id: &ExternalId) -> Subject {
    let ours = [&sent.store_order_id, &sent.reference_id]
        .into_iter()
        .filter_map(|t| t.as_deref())
        .find_map(correlation_in);
    if let Some(correlation) = ours {
        return Subject::Order(correlation);
    }
    let here = |kind, id| Reference::new(connection.id.clone(), kind, id);
    let shipment = sent
        .original_shipment_id
        .as_ref()
        .and_then(AnyId::external)
        .map(|id| here(RefKind::Shipment, id));
    let parcel = sent
        .shipment_tracking_number
        .as_deref()
        .and_then(|t| ExternalId::new(t).ok())
        .map(|id| Reference::anywhere(RefKind::TrackingNumber, id));
    let at_channel = connection
        .settings
        .get("channel")
        .and_then(|c| ConnectionId::new(c).ok())
        .zip(channel_id(sent.reference_id.as_deref()))
        .map(|(channel, id)| Reference::new(channel, RefKind::Return, id));
    Subject::Reference(
        shipment
            .into_iter()
            .chain(parcel)
            .chain(at_channel)
            .chain([here(RefKind::Return, own_id.clone())])
            .collect(),
    )
}

/// What became of the goods is final only when all is inspected; until then nobody knows it.
fn lines(
    inventory: &[ReturnInventory],
    status: ReturnStatus,
) -> Result<Vec<ReturnLine>, Unreadable> {
    let mut lines: BTreeMap<(Sku, Disposition), Quantity> = BTreeMap::new();
    for (index, item) in inventory.iter().enumerate() {
        let refuse = |why: String| {
            Unreadable::new("invalid_value", format!("at `inventory[{index}]`: {why}"))
        };
        let sku = item.sku.as_deref().ok_or_else(|| {
            refuse("`sku` is missing: nobody could tell what came back".to_owned())
        })?;
        let sku = Sku::new(sku).map_err(|e| refuse(e.to_string()))?;
        for (disposition, units) in dispositions(item, status) {
            let quantity = Quantity::from_units(units).map_err(|e| refuse(e.to_string()))?;
            if !quantity.is_zero() {
                let sum = lines.entry((sku.clone(), disposition)).or_default();
                *sum = sum.plus(quantity);
            }
        }
    }
    Ok(lines
        .into_iter()
        .map(|((sku, disposition), quantity)| ReturnLine {
            line_id: None,
            sku,
            quantity,
            disposition,
            lots: Vec::new(),
        })
        .collect())
}

/// Completed without a word on what was done means that what was asked for was done.
fn dispositions(item: &ReturnInventory, status: ReturnStatus) -> Vec<(Disposition, i64)> {
    let announced = item.quantity.unwrap_or(0);
    if status != ReturnStatus::Completed {
        return vec![(Disposition::Unknown, announced)];
    }
    if item.action_taken.is_empty() {
        let asked = item
            .action_requested
            .as_ref()
            .and_then(|a| a.action.as_deref());
        return vec![(disposition(asked), announced)];
    }
    item.action_taken
        .iter()
        .map(|a| {
            (
                disposition(a.action.as_deref()),
                a.quantity_processed.unwrap_or(0),
            )
        })
        .collect()
}

fn disposition(action: Option<&str>) -> Disposition {
    match action.unwrap_or_default() {
        "Restock" => Disposition::Restock,
        "Quarantine" => Disposition::Quarantine,
        "Dispose" => Disposition::Scrap,
        _ => Disposition::Unknown,
    }
}
