//! Valid values in few words. Every text that does not parse fails the test at once.

use std::str::FromStr;
use waybill_flow::ports::{Commit, TimelineEntry};
use waybill_flow::state::OrderState;
use waybill_model::case::{Case, CaseClass, CaseId, CaseStatus};
use waybill_model::command::{CancelSaleOrder, Command};
use waybill_model::envelope::{CommandEnvelope, Envelope, EventEnvelope};
use waybill_model::event::{Event, OrderObserved, Outcome};
use waybill_model::id::{
    ChannelOrderId, Code, ConnectionId, CorrelationId, EffectKey, ExternalId, MessageId, RefKind,
    Reference, Sku,
};
use waybill_model::money::{Amount, Currency, Money};
use waybill_model::order::Order;
use waybill_model::quantity::Quantity;
use waybill_model::shipment::{Tracking, TrackingStatus};
use waybill_model::time::Instant;

mod order;
pub use order::OrderBuilder;

/// Where the clocks of tests begin.
pub const START: &str = "2026-01-31T09:30:00Z";

/// [`START`] as an instant.
#[must_use]
pub fn start() -> Instant {
    instant(START)
}

/// Parses RFC 3339.
#[must_use]
pub fn instant(text: &str) -> Instant {
    Instant::parse(text).expect("an RFC 3339 instant")
}

/// Parses any of the text newtypes: `let sku: Sku = text("MUG-RED")`.
///
/// # Panics
/// The text is outside the type's limits.
#[must_use]
pub fn text<T: FromStr<Err = waybill_model::id::TextError>>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|error| panic!("`{text}` in a test: {error}"))
}

/// A connection id.
#[must_use]
pub fn connection(id: &str) -> ConnectionId {
    text(id)
}

/// A message id.
#[must_use]
pub fn message(id: &str) -> MessageId {
    text(id)
}

/// A code.
#[must_use]
pub fn code(name: &str) -> Code {
    text(name)
}

/// An effect key.
#[must_use]
pub fn effect(name: &str) -> EffectKey {
    text(name)
}

/// A partner's id.
#[must_use]
pub fn external(id: &str) -> ExternalId {
    text(id)
}

/// A SKU.
#[must_use]
pub fn sku(name: &str) -> Sku {
    text(name)
}

/// A decimal amount.
#[must_use]
pub fn amount(decimal: &str) -> Amount {
    Amount::parse(decimal).expect("an amount")
}

/// A whole quantity.
#[must_use]
pub fn units(count: i64) -> Quantity {
    Quantity::from_units(count).expect("a quantity")
}

/// A currency.
#[must_use]
pub fn currency(name: &str) -> Currency {
    Currency::new(name).expect("a currency")
}

/// Euros.
#[must_use]
pub fn eur(decimal: &str) -> Money {
    Money::new(amount(decimal), currency("EUR"))
}

/// Correlation id of the order with this id at `shop-main`.
#[must_use]
pub fn correlation(order_id: &str) -> CorrelationId {
    CorrelationId::for_order(&connection("shop-main"), &text::<ChannelOrderId>(order_id))
}

/// A reference.
#[must_use]
pub fn reference(system: &str, kind: RefKind, id: &str) -> Reference {
    Reference::new(connection(system), kind, external(id))
}

/// A valid order of `shop-main`: two lines, shipping, 20 % VAT contained, paid, totals right to
/// the cent.
#[must_use]
pub fn order(id: &str) -> Order {
    OrderBuilder::new(id).build()
}

/// A parcel on its way, as the warehouse `depot` tells it: of which order is not known yet.
#[must_use]
pub fn in_transit(number: &str) -> EventEnvelope {
    let depot = connection("depot");
    EventEnvelope::new(
        message("tracking-1"),
        depot.clone(),
        start(),
        CorrelationId::for_connection(&depot),
        Event::TrackingObserved(Tracking {
            source: depot,
            tracking_number: text(number),
            status: TrackingStatus::InTransit,
            carrier: None,
            expected_at: None,
            at: start(),
        }),
    )
}

/// The event that a channel told this order and validation found nothing.
#[must_use]
pub fn observed(order: Order) -> EventEnvelope {
    let id = MessageId::for_delivery(
        &order.channel,
        &format!("{}@{}", order.id, order.version.0),
        0,
    );
    Envelope::new(
        id,
        order.channel.clone(),
        order.placed_at,
        order.correlation(),
        Event::OrderObserved(Box::new(OrderObserved {
            order,
            findings: Vec::new(),
        })),
    )
}

/// A small command for an effect of an order.
#[must_use]
pub fn command(correlation: CorrelationId, effect_name: &str) -> CommandEnvelope {
    let effect = effect(effect_name);
    Envelope::new(
        MessageId::for_effect(correlation, &effect),
        connection(CommandEnvelope::OURSELVES),
        start(),
        correlation,
        Command::CancelSaleOrder(CancelSaleOrder {
            erp: connection("odoo-main"),
        }),
    )
    .for_effect(effect)
}

/// An outcome with one reference.
#[must_use]
pub fn done(reference: Reference) -> Outcome {
    Outcome::Done {
        references: vec![reference],
    }
}

/// A rejection.
#[must_use]
pub fn rejected(name: &str) -> Outcome {
    Outcome::Rejected {
        code: code(name),
        detail: format!("`{name}` in a test"),
        remedy: "mend the test".to_owned(),
    }
}

/// An open case about an order.
#[must_use]
pub fn case(correlation: Option<CorrelationId>, class: CaseClass, name: &str) -> Case {
    let code = code(name);
    let subject = correlation.map_or_else(|| "receipt-1".to_owned(), |c| c.to_string());
    Case {
        id: CaseId::new(&subject, &code, ""),
        correlation_id: correlation,
        class,
        code,
        detail: format!("`{name}` in a test"),
        remedy: "mend the test".to_owned(),
        value: Some(eur("12.50")),
        status: CaseStatus::Open,
        opened_at: start(),
        closed_at: None,
        owner: None,
        reason: None,
        connection: None,
        retry: None,
    }
}

/// One line of a timeline, `seconds` after [`START`].
#[must_use]
pub fn timeline_entry(id: &str, seconds: i64) -> TimelineEntry {
    let at = start().plus_ms(seconds * 1000);
    TimelineEntry {
        id: message(id),
        at,
        recorded_at: at,
        kind: "waybill.order.observed".to_owned(),
        source: "shop-main".to_owned(),
        summary: "order told".to_owned(),
        commands: Vec::new(),
        changed: true,
    }
}

/// A commit of one event on top of `expected`: the event's id is added to `state.applied`.
#[must_use]
pub fn commit(
    correlation: CorrelationId,
    expected: Option<u64>,
    mut state: OrderState,
    event_id: &str,
) -> Commit {
    state.applied.push(message(event_id));
    Commit {
        correlation,
        expected,
        state,
        event: timeline_entry(event_id, 0),
        outbox: Vec::new(),
        references: Vec::new(),
        cases: Vec::new(),
        deadline: None,
    }
}
