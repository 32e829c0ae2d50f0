//! Webhooks to the canonical ticket. No I/O.

use super::verify::TIMESTAMP;
use super::wire::{EventBody, TriggerBody};
use crate::reading::{AnyId, correlation_in, instant};
use crate::webhook::{Fact, Parsed, Unreadable, read_json};
use serde::Deserialize;
use waybill_flow::connections::Connection;
use waybill_model::delivery::Delivery;
use waybill_model::event::{Event, Subject};
use waybill_model::id::{Code, RefKind, Reference};
use waybill_model::order::Version;
use waybill_model::ticket::{Ticket, TicketStatus};
use waybill_model::time::Instant;

/// Enough to tell the two kinds of webhook apart.
#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "type")]
    kind: Option<String>,
    ticket_id: Option<serde::de::IgnoredAny>,
}

/// Reads a webhook of either kind.
///
/// # Errors
/// No JSON, neither of the two shapes, or a status that Zendesk does not document.
pub fn parse(connection: &Connection, delivery: &Delivery) -> Result<Parsed, Unreadable> {
    if delivery.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(ignored("empty_body"));
    }
    let probe: Probe = read_json(&delivery.body)?;
    match (&probe.kind, &probe.ticket_id) {
        (Some(kind), _) if kind.starts_with("zen:event-type:ticket.") => {
            event(connection, delivery)
        }
        (Some(kind), None) if kind.starts_with("zen:") => Ok(ignored("unused_topic")),
        (_, Some(_)) => trigger(connection, delivery),
        _ => Err(Unreadable::new(
            "wrong_shape",
            "neither `ticket_id` (our trigger's template) nor an event `type` is there",
        )),
    }
}

fn trigger(connection: &Connection, delivery: &Delivery) -> Result<Parsed, Unreadable> {
    let body: TriggerBody = read_json(&delivery.body)?;
    let signed_at = delivery.headers.get(TIMESTAMP).map(String::as_str);
    let told = Told {
        id: &body.ticket_id,
        id_path: "ticket_id",
        external_id: body.external_id.as_deref(),
        status: body.status.as_deref(),
        status_path: "status",
        at: to_the_second(instant(body.updated_at.as_deref()), instant(signed_at)),
    };
    let fact = fact(connection, &told)?;
    let Event::TicketObserved(ticket) = &fact.event else {
        return Ok(ignored("unused_topic"));
    };
    let dedupe_id = format!(
        "trigger/{}/{}/{:?}",
        ticket.id, ticket.version.0, ticket.status
    );
    Ok(Parsed::Facts {
        dedupe_id,
        facts: vec![fact],
    })
}

/// Triggers write minutes only. The call follows the change at once, so that its own signed instant
/// is the better one if it lies in that minute.
fn to_the_second(updated: Option<Instant>, signed: Option<Instant>) -> Option<Instant> {
    match (updated, signed) {
        (Some(updated), Some(signed)) if (0..60_000).contains(&signed.ms_since(updated)) => {
            Some(signed)
        }
        (updated, signed) => updated.or(signed),
    }
}

fn event(connection: &Connection, delivery: &Delivery) -> Result<Parsed, Unreadable> {
    let body: EventBody = read_json(&delivery.body)?;
    let detail = body.detail.as_ref().ok_or_else(|| {
        Unreadable::new("wrong_shape", "`detail` is missing: a ticket was expected")
    })?;
    let gone = ["soft_deleted", "permanently_deleted", "merged"]
        .iter()
        .any(|suffix| body.kind.ends_with(suffix));
    if gone {
        return Ok(ignored("ticket_gone"));
    }
    let at = instant(detail.updated_at.as_deref()).or_else(|| instant(body.time.as_deref()));
    let told = Told {
        id: &detail.id,
        id_path: "detail.id",
        external_id: detail.external_id.as_deref(),
        status: detail.status.as_deref(),
        status_path: "detail.status",
        at,
    };
    let fact = fact(connection, &told)?;
    let dedupe_id = body.id.filter(|id| !id.trim().is_empty()).map_or_else(
        || {
            let version = at.map_or(0, |at| Version::from(at).0);
            format!("{}/{}/{version}", body.kind, detail.id.text())
        },
        |id| format!("event/{id}"),
    );
    Ok(Parsed::Facts {
        dedupe_id,
        facts: vec![fact],
    })
}

/// What both kinds tell.
struct Told<'a> {
    id: &'a AnyId,
    id_path: &'static str,
    external_id: Option<&'a str>,
    status: Option<&'a str>,
    status_path: &'static str,
    at: Option<Instant>,
}

fn fact(connection: &Connection, told: &Told<'_>) -> Result<Fact, Unreadable> {
    let id = told.id.external().ok_or_else(|| {
        Unreadable::new(
            "invalid_value",
            format!("at `{}`: the id is blank or too long", told.id_path),
        )
    })?;
    let subject = told.external_id.and_then(correlation_in).map_or_else(
        || {
            let known = Reference::new(connection.id.clone(), RefKind::Ticket, id.clone());
            Subject::Reference(vec![known])
        },
        Subject::Order,
    );
    Ok(Fact {
        subject,
        at: told.at,
        event: Event::TicketObserved(Ticket {
            helpdesk: connection.id.clone(),
            id,
            status: status(told.status, told.status_path)?,
            version: told.at.map_or(Version(0), Version::from),
        }),
    })
}

/// On hold waits for somebody outside the helpdesk, as pending does.
fn status(text: Option<&str>, path: &str) -> Result<TicketStatus, Unreadable> {
    let text = text.unwrap_or_default().trim().to_ascii_lowercase();
    match text.as_str() {
        "new" | "open" => Ok(TicketStatus::Open),
        "pending" | "hold" | "on-hold" | "on hold" => Ok(TicketStatus::Pending),
        "solved" => Ok(TicketStatus::Solved),
        "closed" => Ok(TicketStatus::Closed),
        _ => Err(Unreadable::new(
            "unknown_status",
            format!("at `{path}`: no status of a ticket; the trigger's account must use English"),
        )),
    }
}

fn ignored(code: &'static str) -> Parsed {
    Parsed::Ignored {
        code: Code::literal(code),
    }
}
