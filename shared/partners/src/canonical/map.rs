//! Messages to facts. The types check themselves; here is checked who tells what.

use super::wire::Message;
use crate::reading::correlation_in;
use crate::webhook::{Fact, Parsed, Unreadable, read_json};
use serde::de::DeserializeOwned;
use waybill_flow::connections::Connection;
use waybill_model::delivery::Delivery;
use waybill_model::event::{Event, OrderObserved, StockObserved, Subject};
use waybill_model::id::{
    ChannelOrderId, Code, ConnectionId, CorrelationId, ExternalId, RefKind, Reference, name_uuid,
};
use waybill_model::ownership::{Field, Role};
use waybill_model::payment::{Payment, Refund};
use waybill_model::returns::{Return, ReturnStatus};
use waybill_model::shipment::{FulfillmentOrder, Shipment, Tracking};
use waybill_model::strict::unknown_field;
use waybill_model::time::Instant;

/// Roles that a canonical partner can have.
const ROLES: [Role; 2] = [Role::Channel, Role::Warehouse];

/// Reads a delivery.
///
/// # Errors
/// Where and why it cannot be read.
pub fn parse(connection: &Connection, delivery: &Delivery) -> Result<Parsed, Unreadable> {
    let message: Message = read_json(&delivery.body)?;
    if message
        .dataschema
        .as_deref()
        .is_some_and(|s| s != "waybill/v1")
    {
        return Err(Unreadable::new(
            "unsupported_schema",
            "at `dataschema`: only `waybill/v1` is understood",
        ));
    }
    let Some(event) = event(&message)? else {
        return Ok(ignored("unknown_topic"));
    };
    let Some((field, tellers)) = told(&event) else {
        return Ok(ignored("not_owner"));
    };
    if !ROLES
        .iter()
        .any(|role| connection.has_role(*role) && field.is_owned_by(*role))
    {
        return Ok(ignored("not_owner"));
    }
    if tellers.iter().any(|t| *t != &connection.id) {
        return Err(Unreadable::new(
            "wrong_connection",
            format!(
                "in `data`: it is told in another connection's name; only `{}` may stand there",
                connection.id
            ),
        ));
    }
    let subject = subject(connection, &message, &event)?;
    let at = message
        .time
        .as_deref()
        .map(|t| Instant::parse(t).map_err(|_| bad("time", "not an instant with an offset")))
        .transpose()?;
    Ok(Parsed::Facts {
        dedupe_id: dedupe_id(delivery, &message),
        facts: vec![Fact { subject, at, event }],
    })
}

fn dedupe_id(delivery: &Delivery, message: &Message) -> String {
    delivery
        .dedupe_id
        .clone()
        .or_else(|| message.id.clone().filter(|id| !id.trim().is_empty()))
        // Told twice alike is told once.
        .unwrap_or_else(|| name_uuid(&["message", &message.kind, message.data.get()]).to_string())
}

/// The event; absent for types that are not of the model.
fn event(message: &Message) -> Result<Option<Event>, Unreadable> {
    fn data<T: DeserializeOwned>(message: &Message) -> Result<T, Unreadable> {
        let content = message.data.get();
        let read = read_json(content.as_bytes()).map_err(|mut e| {
            e.detail = format!("in `data` {}", e.detail);
            e
        })?;
        // The types let pass what a newer version of ourselves wrote; a partner is held to the
        // schema.
        match unknown_field::<T>(content) {
            Some(place) => Err(Unreadable::new(
                "unreadable_json",
                format!("in `data` at `{place}`: it has a field that the schema does not know"),
            )),
            None => Ok(read),
        }
    }
    Ok(Some(match message.kind.as_str() {
        "waybill.order.observed" => {
            let observed: OrderObserved = data(message)?;
            if !observed.findings.is_empty() {
                return Err(bad("data.findings", "findings are ours to make"));
            }
            Event::OrderObserved(Box::new(observed))
        }
        "waybill.payment.observed" => Event::PaymentObserved(data::<Payment>(message)?),
        "waybill.refund.observed" => Event::RefundObserved(data::<Refund>(message)?),
        "waybill.fulfillment_order.observed" => {
            Event::FulfillmentOrderObserved(data::<FulfillmentOrder>(message)?)
        }
        "waybill.shipment.observed" => Event::ShipmentObserved(data::<Shipment>(message)?),
        "waybill.tracking.observed" => Event::TrackingObserved(data::<Tracking>(message)?),
        "waybill.return.observed" => Event::ReturnObserved(data::<Return>(message)?),
        "waybill.stock.observed" => Event::StockObserved(data::<StockObserved>(message)?),
        _ => return Ok(None),
    }))
}

fn bad(path: &str, why: &str) -> Unreadable {
    Unreadable::new("bad_value", format!("at `{path}`: {why}"))
}

/// What is told, and in whose name; absent for what no partner may tell.
fn told(event: &Event) -> Option<(Field, Vec<&ConnectionId>)> {
    Some(match event {
        Event::OrderObserved(o) => (Field::Order, vec![&o.order.channel]),
        Event::PaymentObserved(p) => (Field::Payment, vec![&p.gateway]),
        Event::RefundObserved(r) => (Field::RefundReason, vec![&r.source]),
        Event::FulfillmentOrderObserved(f) => (Field::Fulfillment, vec![&f.warehouse]),
        Event::ShipmentObserved(s) => (Field::Fulfillment, vec![&s.warehouse]),
        Event::TrackingObserved(t) => (Field::Tracking, vec![&t.source]),
        Event::ReturnObserved(r) => {
            let field = match r.status {
                ReturnStatus::Requested | ReturnStatus::Authorized | ReturnStatus::Declined => {
                    Field::ReturnRequest
                }
                ReturnStatus::Received | ReturnStatus::Completed => Field::ReturnReceipt,
            };
            (field, vec![&r.source])
        }
        Event::StockObserved(s) => (
            Field::StockCount,
            s.levels.iter().map(|l| &l.location).collect(),
        ),
        Event::TicketObserved(_)
        | Event::CommandFinished(_)
        | Event::ClockPassed(_)
        | Event::OperatorDecided(_) => return None,
    })
}

/// The order that it belongs to. A channel names its own orders only; a warehouse works for all
/// channels, and names what our command named.
fn subject(
    connection: &Connection,
    message: &Message,
    event: &Event,
) -> Result<Subject, Unreadable> {
    match event {
        Event::OrderObserved(o) => return Ok(Subject::Order(o.order.correlation())),
        Event::StockObserved(_) => return Ok(Subject::Connection),
        _ => {}
    }
    if connection.has_role(Role::Channel)
        && let Some(id) = message.orderid.as_deref()
    {
        let id = ChannelOrderId::new(id).map_err(|e| bad("orderid", &e.to_string()))?;
        return Ok(Subject::Order(CorrelationId::for_order(
            &connection.id,
            &id,
        )));
    }
    if matches!(event, Event::PaymentObserved(_) | Event::RefundObserved(_)) {
        // Money is told of a channel's own orders only.
        return Err(no_order());
    }
    if connection.has_role(Role::Warehouse)
        && let Some(id) = message.correlationid.as_deref()
    {
        let id = CorrelationId::parse(id.trim()).map_err(|_| bad("correlationid", "not a UUID"))?;
        return Ok(Subject::Order(id));
    }
    // Our reference at a warehouse is the correlation id, or begins with it.
    if let Event::FulfillmentOrderObserved(f) = event
        && let Some(id) = f
            .reference
            .as_ref()
            .and_then(|r| correlation_in(r.as_str()))
    {
        return Ok(Subject::Order(id));
    }
    let references = references(connection, event);
    if references.is_empty() {
        return Err(no_order());
    }
    Ok(Subject::Reference(references))
}

fn no_order() -> Unreadable {
    Unreadable::new(
        "no_order",
        "at `orderid`: the message does not tell which order it belongs to",
    )
}

fn references(connection: &Connection, event: &Event) -> Vec<Reference> {
    let here =
        |kind: RefKind, id: &ExternalId| Reference::new(connection.id.clone(), kind, id.clone());
    match event {
        Event::FulfillmentOrderObserved(f) => vec![here(RefKind::FulfillmentOrder, &f.id)],
        Event::ShipmentObserved(s) => s
            .fulfillment_order
            .iter()
            .map(|id| here(RefKind::FulfillmentOrder, id))
            .chain([here(RefKind::Shipment, &s.id)])
            .collect(),
        Event::TrackingObserved(t) => ExternalId::new(t.tracking_number.as_str())
            .map(|id| Reference::anywhere(RefKind::TrackingNumber, id))
            .into_iter()
            .collect(),
        Event::ReturnObserved(r) => vec![here(RefKind::Return, &r.id)],
        Event::RefundObserved(_)
        | Event::PaymentObserved(_)
        | Event::OrderObserved(_)
        | Event::StockObserved(_)
        | Event::TicketObserved(_)
        | Event::CommandFinished(_)
        | Event::ClockPassed(_)
        | Event::OperatorDecided(_) => Vec::new(),
    }
}

fn ignored(code: &'static str) -> Parsed {
    Parsed::Ignored {
        code: Code::literal(code),
    }
}

#[cfg(test)]
mod tests;
