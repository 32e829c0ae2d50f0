//! ShipBob's models to canonical facts. No I/O.
//!
//! ShipBob counts no versions. The newest `last_update_at` stands in where it is sent, and 0 where
//! it is not; between equal versions the order of the canonical statuses decides.

mod returns;
mod shipments;

use super::wire::{Order, Return, Shipment};
use crate::reading::correlation_in;
use crate::webhook::{Fact, Parsed, Unreadable, read_json};
use waybill_flow::connections::Connection;
use waybill_model::delivery::Delivery;
use waybill_model::event::{Event, Subject};
use waybill_model::id::{Code, ExternalId, RefKind, Reference};
use waybill_model::order::Version;
use waybill_model::shipment::{FulfillmentOrder, FulfillmentStatus, ShipmentStatus};
use waybill_model::time::Instant;

pub(super) use shipments::{is_cancelled, is_underway};

/// What a webhook is about; both spellings of each topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    OrderShipped,
    Shipment(ShipmentTopic),
    Return(ReturnTopic),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShipmentTopic {
    Delivered,
    Exception,
    OnHold,
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReturnTopic {
    Created,
    Updated,
    Completed,
}

impl Topic {
    fn parse(text: &str) -> Option<Self> {
        let topic = match text.trim() {
            "order.shipped" | "order_shipped" => Self::OrderShipped,
            "order.shipment.delivered" | "shipment_delivered" | "order_shipment_delivered" => {
                Self::Shipment(ShipmentTopic::Delivered)
            }
            "order.shipment.exception" | "shipment_exception" | "order_shipment_exception" => {
                Self::Shipment(ShipmentTopic::Exception)
            }
            "order.shipment.on_hold"
            | "shipment_onhold"
            | "shipment_on_hold"
            | "order_shipment_on_hold" => Self::Shipment(ShipmentTopic::OnHold),
            "order.shipment.cancelled" | "shipment_cancelled" | "order_shipment_cancelled" => {
                Self::Shipment(ShipmentTopic::Cancelled)
            }
            "return.created" | "return_created" => Self::Return(ReturnTopic::Created),
            "return.updated" | "return_updated" => Self::Return(ReturnTopic::Updated),
            "return.completed" | "return_completed" => Self::Return(ReturnTopic::Completed),
            _ => return None,
        };
        Some(topic)
    }
}

/// Reads a webhook.
///
/// # Errors
/// No topic, no JSON, a body that has not the shape of its topic, or goods that left without a
/// SKU or a quantity.
pub fn parse(connection: &Connection, delivery: &Delivery) -> Result<Parsed, Unreadable> {
    let text = delivery.topic.as_deref().ok_or_else(|| {
        Unreadable::new(
            "missing_topic",
            "neither the header `x-webhook-topic` nor the path names a topic",
        )
    })?;
    let Some(topic) = Topic::parse(text) else {
        return Ok(Parsed::Ignored {
            code: Code::literal("unused_topic"),
        });
    };
    let (key, facts) = match topic {
        Topic::OrderShipped => order_shipped(connection, &delivery.body)?,
        Topic::Shipment(topic) => shipment_changed(connection, topic, &delivery.body)?,
        Topic::Return(topic) => {
            let body: Return = read_json(&delivery.body)?;
            returns::facts(connection, topic, &body)?
        }
    };
    let dedupe_id = delivery
        .dedupe_id
        .clone()
        .unwrap_or_else(|| format!("{}/{key}", text.trim()));
    Ok(Parsed::Facts { dedupe_id, facts })
}

fn order_shipped(connection: &Connection, body: &[u8]) -> Result<(String, Vec<Fact>), Unreadable> {
    let order: Order = read_json(body)?;
    let sent = order.shipments.as_ref().ok_or_else(|| {
        Unreadable::new(
            "wrong_shape",
            "`shipments` is missing: an order was expected",
        )
    })?;
    let order_id = external(&order.id, "id")?;
    let subject = subject(
        connection,
        order.reference_id.as_deref(),
        Some(&order_id),
        None,
    );
    let version = shipments::version(sent.iter());
    let mut shipments = Vec::with_capacity(sent.len());
    for (index, shipment) in sent.iter().enumerate() {
        shipments.push(shipments::of_order(
            connection, &order, sent, index, shipment,
        )?);
    }
    let statuses: Vec<ShipmentStatus> = shipments.iter().map(|s| s.status).collect();
    let mut facts = vec![Fact {
        subject: subject.clone(),
        at: at(version),
        event: Event::FulfillmentOrderObserved(FulfillmentOrder {
            warehouse: connection.id.clone(),
            id: order_id.clone(),
            reference: reference(order.reference_id.as_deref()),
            status: order_status(order.status.as_deref(), &statuses),
            version,
        }),
    }];
    facts.extend(shipments.into_iter().map(|shipment| Fact {
        subject: subject.clone(),
        at: at(shipment.version),
        event: Event::ShipmentObserved(shipment),
    }));
    Ok((format!("{order_id}/{}", version.0), facts))
}

/// A shipment stopped, was called off or arrived. What stops or ends it stops or ends the work
/// too, as far as one shipment can tell; a newer snapshot of the order says it for all of them.
fn shipment_changed(
    connection: &Connection,
    topic: ShipmentTopic,
    body: &[u8],
) -> Result<(String, Vec<Fact>), Unreadable> {
    let sent: Shipment = read_json(body)?;
    let order_id = sent.order_id.as_ref().ok_or_else(|| {
        Unreadable::new(
            "wrong_shape",
            "`order_id` is missing: a shipment was expected",
        )
    })?;
    let order_id = external(order_id, "order_id")?;
    let shipment = shipments::alone(connection, &order_id, topic, &sent)?;
    let version = shipment.version;
    let subject = subject(
        connection,
        sent.reference_id.as_deref(),
        Some(&order_id),
        Some(&shipment.id),
    );
    let work = match topic {
        ShipmentTopic::Delivered => None,
        ShipmentTopic::Exception => Some(FulfillmentStatus::Exception),
        ShipmentTopic::OnHold => Some(FulfillmentStatus::OnHold),
        ShipmentTopic::Cancelled => Some(FulfillmentStatus::Cancelled),
    };
    let key = format!("{}/{}", shipment.id, version.0);
    let mut facts = vec![Fact {
        subject: subject.clone(),
        at: at(version),
        event: Event::ShipmentObserved(shipment),
    }];
    facts.extend(work.map(|status| Fact {
        subject,
        at: at(version),
        event: Event::FulfillmentOrderObserved(FulfillmentOrder {
            warehouse: connection.id.clone(),
            id: order_id,
            reference: reference(sent.reference_id.as_deref()),
            status,
            version,
        }),
    }));
    Ok((key, facts))
}

/// `Processing` is also said of orders whose labels are printed, for which `order.shipped` comes:
/// the shipments know better.
fn order_status(text: Option<&str>, shipments: &[ShipmentStatus]) -> FulfillmentStatus {
    let live = || {
        shipments
            .iter()
            .filter(|s| **s != ShipmentStatus::Cancelled)
    };
    let left = live().filter(|s| **s >= ShipmentStatus::Shipped).count();
    let by_shipments = match (left, live().count()) {
        (0, _) => None,
        (left, all) if left < all => Some(FulfillmentStatus::PartiallyShipped),
        _ => Some(FulfillmentStatus::Shipped),
    };
    match text.unwrap_or_default() {
        "Fulfilled" => FulfillmentStatus::Shipped,
        "PartiallyFulfilled" => FulfillmentStatus::PartiallyShipped,
        "Cancelled" => FulfillmentStatus::Cancelled,
        "Exception" => FulfillmentStatus::Exception,
        "ImportReview" | "OnHold" => FulfillmentStatus::OnHold,
        "Processing" => by_shipments.unwrap_or(FulfillmentStatus::Processing),
        _ => by_shipments.unwrap_or(FulfillmentStatus::Accepted),
    }
}

/// Our reference names the order; else those who know ShipBob's ids do.
fn subject(
    connection: &Connection,
    reference: Option<&str>,
    order: Option<&ExternalId>,
    shipment: Option<&ExternalId>,
) -> Subject {
    if let Some(correlation) = reference.and_then(correlation_in) {
        return Subject::Order(correlation);
    }
    let known = |kind, id: &ExternalId| Reference::new(connection.id.clone(), kind, id.clone());
    Subject::Reference(
        order
            .map(|id| known(RefKind::FulfillmentOrder, id))
            .into_iter()
            .chain(shipment.map(|id| known(RefKind::Shipment, id)))
            .collect(),
    )
}

fn reference(text: Option<&str>) -> Option<ExternalId> {
    text.and_then(|t| ExternalId::new(t).ok())
}

fn external(id: &crate::reading::AnyId, path: &str) -> Result<ExternalId, Unreadable> {
    id.external().ok_or_else(|| {
        Unreadable::new(
            "invalid_value",
            format!("at `{path}`: the id is blank or too long"),
        )
    })
}

fn at(version: Version) -> Option<Instant> {
    (version.0 > 0).then(|| Instant::from_epoch_ms(version.0 / 1000))
}
