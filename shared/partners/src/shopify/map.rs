//! Shopify's bodies to canonical facts. No I/O.
//!
//! The topic header is not signed, so a captured body can come again under another topic. What a
//! fact says is therefore read from the body alone; the topic only selects the reader, and each
//! reader checks that the body is of its kind.

mod money;
mod order;
mod refund;
mod returns;

use super::verify::SHOP;
use super::wire::{WireFulfillment, WireOrder, WireRefund, WireReturn, Wrapped};
use crate::webhook::{Fact, Parsed, Unreadable, read_json};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use waybill_flow::connections::Connection;
use waybill_model::delivery::Delivery;
use waybill_model::event::{Event, OrderObserved, Subject};
use waybill_model::id::{ChannelOrderId, Code, CorrelationId};
use waybill_model::order::OrderPayment;
use waybill_model::payment::RefundStatus;

/// What a topic is to Waybill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    /// The body is the whole order.
    Order,
    Refund,
    Return,
    Fulfillment,
    /// Acknowledged and counted under this code.
    Ignored(&'static str),
}

fn classify(topic: &str) -> Topic {
    match topic {
        "orders/create"
        | "orders/updated"
        | "orders/paid"
        | "orders/edited"
        | "orders/cancelled"
        | "orders/fulfilled"
        | "orders/partially_fulfilled" => Topic::Order,
        "orders/delete" => Topic::Ignored("order_deleted"),
        "refunds/create" => Topic::Refund,
        "returns/request" | "returns/approve" | "returns/decline" | "returns/cancel"
        | "returns/close" | "returns/reopen" | "returns/update" | "returns/process" => {
            Topic::Return
        }
        "fulfillments/create" | "fulfillments/update" => Topic::Fulfillment,
        "app/uninstalled" => Topic::Ignored("app_uninstalled"),
        "shop/redact" | "customers/redact" | "customers/data_request" => {
            Topic::Ignored("privacy_request")
        }
        // Every order told by `orders/*` states its payment, and every refund its transactions.
        "order_transactions/create" | "tender_transactions/create" => {
            Topic::Ignored("told_by_order")
        }
        _ => match topic.split('/').next().unwrap_or_default() {
            // Work, parcels, counts and receipts belong to the warehouse.
            "fulfillment_orders"
            | "fulfillment_events"
            | "inventory_levels"
            | "reverse_deliveries"
            | "reverse_fulfillment_orders" => Topic::Ignored("not_owner"),
            _ => Topic::Ignored("unknown_topic"),
        },
    }
}

/// Reads a delivery, whether it came by webhook, poll or replay.
///
/// # Errors
/// Where and why it cannot be read.
pub fn parse(connection: &Connection, delivery: &Delivery) -> Result<Parsed, Unreadable> {
    check_shop(connection, delivery)?;
    let topic = delivery.topic.as_deref().unwrap_or_default();
    let topic = topic.trim().to_ascii_lowercase();
    match classify(&topic) {
        Topic::Order => parse_orders(connection, delivery, &topic),
        Topic::Refund => parse_refunds(connection, delivery, &topic),
        Topic::Return => {
            let wire: WireReturn = read_json(&delivery.body)?;
            check_kind(wire.admin_graphql_api_id.as_deref(), "Return")?;
            let (fact, id) = returns::fact(connection, delivery, &topic, &wire)?;
            Ok(facts(delivery, || format!("{topic}/{id}"), vec![fact]))
        }
        Topic::Fulfillment => {
            // What we published comes back as an echo. Gift cards are fulfilled by Shopify itself:
            // no goods move.
            let service = read_json::<WireFulfillment>(&delivery.body)?.service;
            Ok(ignored(match service.as_deref() {
                Some("gift_card") => "gift_card_fulfillment",
                _ => "not_owner",
            }))
        }
        Topic::Ignored(code) => Ok(ignored(code)),
    }
}

fn parse_orders(
    connection: &Connection,
    delivery: &Delivery,
    topic: &str,
) -> Result<Parsed, Unreadable> {
    let wrapped: Wrapped = read_json(&delivery.body)?;
    if wrapped.order_edit.is_some() {
        // A difference without the order; `orders/updated` tells the order that results.
        return Ok(ignored("order_edit_difference"));
    }
    let mut found = Vec::new();
    let mut name = String::new();
    for wire in each::<WireOrder>(delivery, wrapped.order, wrapped.orders)? {
        check_kind(wire.admin_graphql_api_id.as_deref(), "Order")?;
        let order = order::order(connection, delivery, &wire)?;
        name = format!("{topic}/{}/{}", order.id, order.version.0);
        let subject = Subject::Order(order.correlation());
        let unpaid = matches!(
            order.payment,
            OrderPayment::Pending | OrderPayment::Authorized | OrderPayment::Voided
        );
        let context = refund::Context {
            connection,
            currency: Some(order.currency),
            taxes_included: Some(order.taxes_included),
        };
        let mut refunds = Vec::new();
        for wire in wire.refunds.as_deref().unwrap_or_default() {
            if let refund::Reading::Fact(refund, at) = refund::refund(&context, wire)? {
                // Where nothing was taken there is nothing to pay back: the goods were cancelled.
                if !(unpaid && refund.status == RefundStatus::Requested) {
                    refunds.push(Fact {
                        subject: subject.clone(),
                        at,
                        event: Event::RefundObserved(*refund),
                    });
                }
            }
        }
        found.push(Fact {
            subject,
            at: order::updated_at(&wire).ok(),
            event: Event::OrderObserved(Box::new(OrderObserved {
                order,
                findings: Vec::new(),
            })),
        });
        found.append(&mut refunds);
    }
    if found.is_empty() {
        return Ok(ignored("empty_list"));
    }
    Ok(facts(delivery, || name, found))
}

fn parse_refunds(
    connection: &Connection,
    delivery: &Delivery,
    topic: &str,
) -> Result<Parsed, Unreadable> {
    let wrapped: Wrapped = read_json(&delivery.body)?;
    let refunds = if wrapped.line_items.is_some() {
        None
    } else {
        wrapped.refunds
    };
    let context = refund::Context {
        connection,
        currency: None,
        taxes_included: None,
    };
    let mut found = Vec::new();
    let mut name = String::new();
    let mut skipped = "empty_list";
    for wire in each::<WireRefund>(delivery, wrapped.refund, refunds)? {
        check_kind(wire.admin_graphql_api_id.as_deref(), "Refund")?;
        let order = wire.order_id.as_ref().ok_or_else(|| {
            Unreadable::new("no_order", "at `order_id`: the refund names no order")
        })?;
        match refund::refund(&context, &wire)? {
            refund::Reading::Fact(refund, at) => {
                name = format!("{topic}/{}/{}", refund.id, refund.version.0);
                found.push(Fact {
                    subject: Subject::Order(correlation(connection, &order.0)?),
                    at,
                    event: Event::RefundObserved(*refund),
                });
            }
            refund::Reading::NoMoney => skipped = "refund_without_money",
            refund::Reading::NeedsOrder => skipped = "refund_needs_order",
        }
    }
    if found.is_empty() {
        return Ok(ignored(skipped));
    }
    Ok(facts(delivery, || name, found))
}

/// The objects of a body: one without a wrapper, or what the wrappers of REST answers hold.
fn each<T: DeserializeOwned>(
    delivery: &Delivery,
    one: Option<Box<RawValue>>,
    many: Option<Vec<Box<RawValue>>>,
) -> Result<Vec<T>, Unreadable> {
    match (one, many) {
        (Some(one), _) => Ok(vec![read_json(one.get().as_bytes())?]),
        (None, Some(many)) => many.iter().map(|o| read_json(o.get().as_bytes())).collect(),
        (None, None) => Ok(vec![read_json(&delivery.body)?]),
    }
}

/// A body tells its own kind inside what is signed.
fn check_kind(gid: Option<&str>, kind: &'static str) -> Result<(), Unreadable> {
    let Some(found) = gid.and_then(|g| g.strip_prefix("gid://shopify/")) else {
        return Ok(());
    };
    if found.split('/').next() == Some(kind) {
        Ok(())
    } else {
        Err(Unreadable::new(
            "wrong_kind",
            format!("at `admin_graphql_api_id`: the topic tells a `{kind}`, the body is none"),
        ))
    }
}

/// A body captured at one shop is validly signed at every other that has the same app.
fn check_shop(connection: &Connection, delivery: &Delivery) -> Result<(), Unreadable> {
    let (Some(ours), Some(told)) = (
        connection.settings.get("shop_domain"),
        delivery.headers.get(SHOP),
    ) else {
        return Ok(());
    };
    if ours.trim().eq_ignore_ascii_case(told.trim()) {
        Ok(())
    } else {
        Err(Unreadable::new(
            "wrong_shop",
            "the delivery names another shop than the connection's `shop_domain`: point that \
             shop's webhook at its own connection",
        ))
    }
}

fn correlation(connection: &Connection, order_id: &str) -> Result<CorrelationId, Unreadable> {
    let id = ChannelOrderId::new(order_id)
        .map_err(|e| Unreadable::new("bad_id", format!("at `order_id`: {e}")))?;
    Ok(CorrelationId::for_order(&connection.id, &id))
}

fn facts(delivery: &Delivery, computed: impl FnOnce() -> String, facts: Vec<Fact>) -> Parsed {
    Parsed::Facts {
        dedupe_id: delivery.dedupe_id.clone().unwrap_or_else(computed),
        facts,
    }
}

fn ignored(code: &'static str) -> Parsed {
    Parsed::Ignored {
        code: Code::literal(code),
    }
}

#[cfg(test)]
pub(crate) mod tests;
