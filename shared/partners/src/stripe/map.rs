//! Stripe's events to canonical facts. No I/O.
//!
//! Events come in any order, twice, and two events can tell one change. Each becomes a snapshot
//! whose version is the event's second; between equal seconds the order of the canonical statuses
//! decides, so that a success that failed later has failed.

use super::from_minor;
use super::wire::{
    Charge, Dispute, EventBody, Expandable, Metadata, PaymentIntent, Refund as SentRefund, With,
};
use crate::webhook::{Fact, Parsed, Unreadable, event_id, read_json};
use serde::de::DeserializeOwned;
use waybill_flow::connections::Connection;
use waybill_model::delivery::Delivery;
use waybill_model::event::{Event, Subject};
use waybill_model::id::{
    ChannelOrderId, Code, ConnectionId, CorrelationId, ExternalId, RefKind, Reference,
};
use waybill_model::money::{Amount, Currency, Money};
use waybill_model::order::Version;
use waybill_model::payment::{Payment, PaymentStatus, Refund, RefundStatus};
use waybill_model::time::Instant;

/// Metadata that Waybill writes on its refunds: the order.
pub(super) const CORRELATION_KEY: &str = "waybill_correlation";
/// Metadata that Waybill writes on its refunds: the refund's own id.
pub(super) const REFUND_KEY: &str = "waybill_refund";
/// Metadata in which shops write their order id, unless the connection says otherwise.
const ORDER_KEY: &str = "order_id";

/// Reads an event.
///
/// # Errors
/// No JSON, an object that has not the shape of its type, or an impossible amount.
pub fn parse(connection: &Connection, delivery: &Delivery) -> Result<Parsed, Unreadable> {
    let event: EventBody = read_json(&delivery.body)?;
    if event.livemode != expects_live(connection)? {
        return Ok(ignored("wrong_mode"));
    }
    let reader = Reader {
        connection,
        body: &delivery.body,
        at: Instant::from_epoch_s(event.created),
    };
    let fact = match event.kind.as_str() {
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            reader.refund(event.kind == "refund.failed")?
        }
        "charge.refunded" => return Ok(ignored("told_by_refund_events")),
        kind if kind.starts_with("charge.dispute.") => reader.dispute()?,
        kind => match (intent_status(kind), kind.strip_prefix("charge.")) {
            (Some(status), _) => reader.intent(status)?,
            (None, Some("succeeded" | "captured" | "updated" | "pending")) => {
                reader.charge(None)?
            }
            (None, Some("failed")) => reader.charge(Some(PaymentStatus::Failed))?,
            (None, Some("expired")) => reader.charge(Some(PaymentStatus::Cancelled))?,
            _ => return Ok(ignored("unused_topic")),
        },
    };
    Ok(Parsed::Facts {
        dedupe_id: event_id(event.id)?,
        facts: vec![fact],
    })
}

fn expects_live(connection: &Connection) -> Result<bool, Unreadable> {
    match connection.settings.get("livemode").map(String::as_str) {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(Unreadable::new(
            "invalid_setting",
            "the connection's `settings.livemode` is neither `true` nor `false`",
        )),
    }
}

/// The event's type, not the object's status, tells what happened: the object is what it was when
/// the event was made, and its status names need not be those of this API version.
fn intent_status(kind: &str) -> Option<PaymentStatus> {
    let status = match kind.strip_prefix("payment_intent.")? {
        "succeeded" => PaymentStatus::Captured,
        "amount_capturable_updated" => PaymentStatus::Authorized,
        "payment_failed" => PaymentStatus::Failed,
        "canceled" => PaymentStatus::Cancelled,
        "created" | "processing" | "requires_action" | "partially_funded" => PaymentStatus::Pending,
        _ => return None,
    };
    Some(status)
}

struct Reader<'a> {
    connection: &'a Connection,
    body: &'a [u8],
    at: Instant,
}

impl Reader<'_> {
    fn object<T: DeserializeOwned>(&self) -> Result<T, Unreadable> {
        let with: With<T> = read_json(self.body)?;
        Ok(with.data.object)
    }

    fn intent(&self, status: PaymentStatus) -> Result<Fact, Unreadable> {
        let sent: PaymentIntent = self.object()?;
        let minor = match status {
            PaymentStatus::Captured => sent.amount_received,
            PaymentStatus::Authorized => sent.amount_capturable,
            _ => None,
        };
        let minor = minor.filter(|m| *m > 0).unwrap_or(sent.amount);
        let id = external(&sent.id)?;
        let money = money(minor, &sent.currency)?;
        let known = vec![(RefKind::Payment, id.clone())];
        let method = match sent.payment_method_types.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        };
        Ok(self.payment(id, status, money, method, &sent.metadata, known))
    }

    /// A charge belongs to a payment intent, whose id is the payment's; those without one stand
    /// for themselves.
    fn charge(&self, status: Option<PaymentStatus>) -> Result<Fact, Unreadable> {
        let sent: Charge = self.object()?;
        let status = status.unwrap_or(match sent.status.as_deref() {
            Some("failed") => PaymentStatus::Failed,
            Some("pending") => PaymentStatus::Pending,
            _ if sent.disputed => PaymentStatus::Disputed,
            _ if sent.captured => PaymentStatus::Captured,
            _ => PaymentStatus::Authorized,
        });
        let taken = matches!(status, PaymentStatus::Captured | PaymentStatus::Disputed);
        let minor = sent
            .amount_captured
            .filter(|m| taken && *m > 0)
            .unwrap_or(sent.amount);
        let charge = external(&sent.id)?;
        let intent = optional(sent.payment_intent.as_ref())?;
        let money = money(minor, &sent.currency)?;
        let id = intent.clone().unwrap_or_else(|| charge.clone());
        let known = payments(intent, Some(charge));
        let method = sent.payment_method_details.and_then(|d| d.kind);
        Ok(self.payment(id, status, money, method, &sent.metadata, known))
    }

    fn dispute(&self) -> Result<Fact, Unreadable> {
        let sent: Dispute = self.object()?;
        let status = match sent.status.as_deref() {
            Some("won" | "warning_closed") => PaymentStatus::Captured,
            _ => PaymentStatus::Disputed,
        };
        let charge = optional(sent.charge.as_ref())?;
        let intent = optional(sent.payment_intent.as_ref())?;
        let id = intent.clone().or_else(|| charge.clone()).ok_or_else(|| {
            Unreadable::new(
                "wrong_shape",
                "at `data.object`: neither `payment_intent` nor `charge` is given",
            )
        })?;
        let money = money(sent.amount, &sent.currency)?;
        let known = payments(intent, charge);
        Ok(self.payment(id, status, money, None, &sent.metadata, known))
    }

    fn payment(
        &self,
        id: ExternalId,
        status: PaymentStatus,
        amount: Money,
        method: Option<String>,
        metadata: &Metadata,
        known: Vec<(RefKind, ExternalId)>,
    ) -> Fact {
        Fact {
            subject: self.subject(metadata, known),
            at: Some(self.at),
            event: Event::PaymentObserved(Payment {
                gateway: self.connection.id.clone(),
                id,
                status,
                amount,
                version: Version::from(self.at),
                paid_at: (status == PaymentStatus::Captured).then_some(self.at),
                method,
            }),
        }
    }

    fn refund(&self, failed: bool) -> Result<Fact, Unreadable> {
        let sent: SentRefund = self.object()?;
        let status = if failed {
            RefundStatus::Failed
        } else {
            refund_status(sent.status.as_deref())?
        };
        let gateway_id = external(&sent.id)?;
        let charge = optional(sent.charge.as_ref())?;
        let intent = optional(sent.payment_intent.as_ref())?;
        let own = sent
            .metadata
            .get(REFUND_KEY)
            .and_then(|id| ExternalId::new(id).ok());
        let mut known = vec![(RefKind::Refund, gateway_id.clone())];
        known.extend(payments(intent.clone(), charge.clone()));
        Ok(Fact {
            subject: self.subject(&sent.metadata, known),
            at: Some(self.at),
            event: Event::RefundObserved(Refund {
                id: own.unwrap_or_else(|| gateway_id.clone()),
                source: self.connection.id.clone(),
                gateway_id: Some(gateway_id),
                payment_id: intent.or(charge),
                status,
                amount: money(sent.amount, &sent.currency)?,
                lines: Vec::new(),
                shipping: Amount::ZERO,
                version: Version::from(self.at),
                refunded_at: (status == RefundStatus::Succeeded).then_some(self.at),
            }),
        })
    }

    fn subject(&self, metadata: &Metadata, known: Vec<(RefKind, ExternalId)>) -> Subject {
        let ours = metadata
            .get(CORRELATION_KEY)
            .and_then(|text| CorrelationId::parse(text.trim()).ok());
        if let Some(correlation) = ours {
            return Subject::Order(correlation);
        }
        let settings = &self.connection.settings;
        let key = settings
            .get("order_metadata_key")
            .map_or(ORDER_KEY, String::as_str);
        let order = metadata.get(key).and_then(|t| ChannelOrderId::new(t).ok());
        let channel = settings
            .get("channel")
            .and_then(|c| ConnectionId::new(c).ok());
        if let (Some(channel), Some(order)) = (channel, order) {
            return Subject::Order(CorrelationId::for_order(&channel, &order));
        }
        Subject::Reference(
            known
                .into_iter()
                .map(|(kind, id)| Reference::new(self.connection.id.clone(), kind, id))
                .collect(),
        )
    }
}

fn refund_status(text: Option<&str>) -> Result<RefundStatus, Unreadable> {
    match text {
        None | Some("pending" | "requires_action") => Ok(RefundStatus::Pending),
        Some("succeeded") => Ok(RefundStatus::Succeeded),
        Some("failed") => Ok(RefundStatus::Failed),
        Some("canceled") => Ok(RefundStatus::Cancelled),
        Some(_) => Err(Unreadable::new(
            "unknown_status",
            "at `data.object.status`: no status of a refund",
        )),
    }
}

fn payments(intent: Option<ExternalId>, charge: Option<ExternalId>) -> Vec<(RefKind, ExternalId)> {
    intent
        .into_iter()
        .chain(charge)
        .map(|id| (RefKind::Payment, id))
        .collect()
}

fn money(minor: i64, currency: &str) -> Result<Money, Unreadable> {
    let currency = Currency::new(currency).map_err(|_| {
        Unreadable::new(
            "invalid_value",
            "at `data.object.currency`: three letters are needed",
        )
    })?;
    let amount = from_minor(minor, currency).ok_or_else(|| {
        Unreadable::new(
            "invalid_amount",
            "at `data.object.amount`: negative, or of more than 15 digits",
        )
    })?;
    Ok(Money::new(amount, currency))
}

fn external(id: &str) -> Result<ExternalId, Unreadable> {
    ExternalId::new(id)
        .map_err(|e| Unreadable::new("invalid_value", format!("at `data.object`, an id: {e}")))
}

fn optional(id: Option<&Expandable>) -> Result<Option<ExternalId>, Unreadable> {
    id.map(|id| external(id.id())).transpose()
}

fn ignored(code: &'static str) -> Parsed {
    Parsed::Ignored {
        code: Code::literal(code),
    }
}
