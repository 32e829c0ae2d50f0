//! Trackers to the canonical tracking. No I/O.

use super::wire::{EventBody, Tracker, TrackerEvent};
use crate::reading::instant;
use crate::webhook::{Fact, Parsed, Unreadable, event_id, read_json};
use waybill_flow::connections::Connection;
use waybill_model::delivery::Delivery;
use waybill_model::event::{Event, Subject};
use waybill_model::id::{Code, ExternalId, RefKind, Reference, TrackingNumber};
use waybill_model::party::clean;
use waybill_model::shipment::{Tracking, TrackingStatus};

/// Reads an event.
///
/// # Errors
/// No JSON, no tracker where one was expected, or a tracking number that cannot be one.
pub fn parse(connection: &Connection, delivery: &Delivery) -> Result<Parsed, Unreadable> {
    let event: EventBody = read_json(&delivery.body)?;
    let expected = connection.settings.get("mode");
    if expected.is_some() && event.mode.as_ref() != expected {
        return Ok(ignored("wrong_mode"));
    }
    if !matches!(
        event.description.as_str(),
        "tracker.created" | "tracker.updated"
    ) {
        return Ok(ignored("unused_topic"));
    }
    let body: TrackerEvent = read_json(&delivery.body)?;
    let tracker = body.result.ok_or_else(|| {
        Unreadable::new("wrong_shape", "`result` is missing: a tracker was expected")
    })?;
    Ok(Parsed::Facts {
        dedupe_id: event_id(event.id)?,
        facts: vec![fact(connection, delivery, &tracker)?],
    })
}

fn fact(
    connection: &Connection,
    delivery: &Delivery,
    tracker: &Tracker,
) -> Result<Fact, Unreadable> {
    let refuse = |why: &dyn std::fmt::Display| {
        Unreadable::new("invalid_value", format!("at `result.tracking_code`: {why}"))
    };
    let tracking_number = TrackingNumber::new(&tracker.tracking_code).map_err(|e| refuse(&e))?;
    let id = ExternalId::new(tracking_number.as_str()).map_err(|e| refuse(&e))?;
    let newest = tracker
        .tracking_details
        .iter()
        .filter_map(|d| instant(d.datetime.as_deref()))
        .max();
    let at = newest
        .or_else(|| instant(tracker.updated_at.as_deref()))
        .unwrap_or(delivery.received_at);
    Ok(Fact {
        subject: Subject::Reference(vec![Reference::anywhere(RefKind::TrackingNumber, id)]),
        at: Some(at),
        event: Event::TrackingObserved(Tracking {
            source: connection.id.clone(),
            tracking_number,
            status: status(tracker.status.as_deref()),
            carrier: clean(tracker.carrier.as_deref()),
            expected_at: instant(tracker.est_delivery_date.as_deref()),
            at,
        }),
    })
}

/// `error` and names that we do not know say nothing of the parcel; a label that was cancelled
/// while the order stands is an exception.
fn status(text: Option<&str>) -> TrackingStatus {
    match text.unwrap_or_default() {
        "pre_transit" => TrackingStatus::PreTransit,
        "in_transit" => TrackingStatus::InTransit,
        "out_for_delivery" => TrackingStatus::OutForDelivery,
        "available_for_pickup" => TrackingStatus::AvailableForPickup,
        "delivered" => TrackingStatus::Delivered,
        "return_to_sender" => TrackingStatus::ReturnToSender,
        "failure" | "cancelled" => TrackingStatus::Exception,
        _ => TrackingStatus::Unknown,
    }
}

fn ignored(code: &'static str) -> Parsed {
    Parsed::Ignored {
        code: Code::literal(code),
    }
}
