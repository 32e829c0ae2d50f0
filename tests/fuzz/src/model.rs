//! The vocabulary: values that parse or fail, and documents of our own queues and tables.

pub(crate) mod commands;
pub(crate) mod state;

use crate::draw::Draw;
use crate::mutate::{self, TEXTS};
use crate::properties::{document, error_tells_no_person, in_time, survives_the_wire};
use crate::seeds;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::sync::OnceLock;
use waybill_flow::pace::Pace;
use waybill_flow::state::OrderState;
use waybill_model::case::{Case, CaseClass, CaseId};
use waybill_model::correction::Correction;
use waybill_model::envelope::{CommandEnvelope, EventEnvelope};
use waybill_model::event::{Event, OrderObserved};
use waybill_model::id::{
    ChannelOrderId, Code, ConnectionId, CorrelationId, EffectKey, ExternalId, LineId, LotNumber,
    MessageId, OperatorId, OrderNumber, Reason, RefKind, Reference, Sku, TrackingNumber,
};
use waybill_model::money::{Amount, Currency};
use waybill_model::order::Order;
use waybill_model::payment::{Payment, Refund};
use waybill_model::quantity::Quantity;
use waybill_model::shipment::Shipment;
use waybill_model::stock::StockLevel;
use waybill_model::strict::unknown_field;
use waybill_model::time::Instant;
use waybill_testkit::build;

/// A text: one that is often read wrongly, a number, or any.
pub(crate) fn text(draw: &mut Draw<'_>) -> String {
    match draw.below(4) {
        0 => (*draw.of(&TEXTS)).to_owned(),
        1 => {
            let (whole, places) = (
                draw.number().cast_signed() >> draw.below(64),
                draw.below(30),
            );
            let digits = whole.unsigned_abs().to_string();
            let sign = if whole < 0 { "-" } else { "" };
            let at = digits.len().saturating_sub(places);
            let (head, tail) = digits.split_at(at);
            format!(
                "{sign}{head}.{}{tail}",
                "0".repeat(places.saturating_sub(digits.len()))
            )
        }
        2 => {
            let mut bytes = draw.of(&TEXTS).as_bytes().to_vec();
            mutate::damage(&mut bytes, draw);
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => String::from_utf8_lossy(draw.rest()).into_owned(),
    }
}

/// The value of a decimal text in units of 10⁻²⁰, if it is one: reckoned by hand.
fn exact(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let places = places.replace('_', "");
    let places = places.trim_end_matches('0');
    let whole = whole.replace('_', "");
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        some => some,
    };
    if places.len() > 20 || whole.len() > 18 {
        return None;
    }
    let number: i128 = format!("{whole}{places:0<20}").parse().ok()?;
    Some(if negative { -number } else { number })
}

/// Amounts, currencies and quantities lose nothing by being read and printed.
///
/// # Panics
/// They do.
pub fn money(input: &[u8]) {
    let mut draw = Draw::new(input);
    let currency = Currency::new(draw.of::<&str>(&["EUR", "jpy", "KWD", " usd "])).unwrap();
    let minor = draw.number().cast_signed() >> draw.below(64);
    let amount = Amount::from_minor(minor, currency);
    assert_eq!(
        amount.to_minor(currency),
        Some(minor),
        "{amount} {currency}"
    );
    let text = text(&mut draw);
    match Currency::new(&text) {
        Ok(currency) => survives_the_wire(&currency),
        Err(error) => error_tells_no_person(&error),
    }
    match Amount::parse(&text) {
        Ok(amount) => {
            survives_the_wire(&amount);
            assert_eq!(
                exact(&amount.to_string()),
                exact(&text),
                "`{text}` became `{amount}`"
            );
            if let Some(minor) = amount.to_minor(currency) {
                assert_eq!(Amount::from_minor(minor, currency), amount);
            }
            let rounded = amount.rounded(currency);
            assert!(rounded.to_minor(currency).is_some(), "{rounded} {currency}");
            assert_eq!(amount.minus(amount).map(Amount::is_zero), Some(true));
        }
        Err(error) => error_tells_no_person(&error),
    }
    match Quantity::parse(&text) {
        Ok(quantity) => {
            survives_the_wire(&quantity);
            assert_eq!(
                exact(&quantity.to_string()),
                exact(&text),
                "`{text}` became `{quantity}`"
            );
            survives_the_wire(&quantity.plus(quantity));
            assert!(quantity.minus(quantity).is_zero());
        }
        Err(error) => error_tells_no_person(&error),
    }
}

/// Instants of partners, of headers and of our own.
///
/// # Panics
/// A property does not hold.
pub fn time(input: &[u8]) {
    let mut draw = Draw::new(input);
    let any = Instant::from_epoch_ms(draw.number().cast_signed() >> draw.below(64));
    let moved = any.plus_ms(draw.number().cast_signed());
    for instant in [
        any,
        moved,
        Instant::from_epoch_s(draw.number().cast_signed()),
    ] {
        survives_the_wire(&instant);
        assert_eq!(Instant::parse(&instant.to_string()), Ok(instant));
        assert_eq!(Instant::from_epoch_ms(instant.epoch_ms()), instant);
        assert!(!instant.to_naive_utc().is_empty());
        assert_eq!(instant.ms_since(instant), 0);
    }
    let text = text(&mut draw);
    match Instant::parse(&text) {
        Ok(instant) => survives_the_wire(&instant),
        Err(error) => error_tells_no_person(&error),
    }
    if let Some(instant) = waybill_partners::reading::instant(Some(&text)) {
        survives_the_wire(&instant);
    }
    if let Some(ms) = waybill_partners::exchange::seconds_to_ms(&text) {
        assert_eq!(ms % 1000, if ms == u64::MAX { ms % 1000 } else { 0 });
    }
}

fn id<T>(text: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + std::str::FromStr<Err: std::error::Error>,
{
    match text.parse::<T>() {
        Ok(id) => survives_the_wire(&id),
        Err(error) => error_tells_no_person(&error),
    }
}

/// Ids of every kind.
///
/// # Panics
/// A property does not hold.
pub fn ids(input: &[u8]) {
    let mut draw = Draw::new(input);
    let long = draw.below(300);
    let mut text = text(&mut draw);
    if draw.once_in(3) {
        text = text.repeat(long);
    }
    id::<ConnectionId>(&text);
    id::<ChannelOrderId>(&text);
    id::<OrderNumber>(&text);
    id::<Sku>(&text);
    id::<LineId>(&text);
    id::<ExternalId>(&text);
    id::<TrackingNumber>(&text);
    id::<LotNumber>(&text);
    id::<Code>(&text);
    id::<MessageId>(&text);
    id::<EffectKey>(&text);
    id::<OperatorId>(&text);
    id::<Reason>(&text);
    survives_the_wire(&EffectKey::of(
        "delivery.register",
        Some(&text)
            .filter(|t| !t.contains(char::is_control))
            .map(String::as_str),
    ));
    survives_the_wire(&Reference::email(&text));
    if let Ok(id) = ExternalId::new(&text) {
        survives_the_wire(&Reference::anywhere(RefKind::Ticket, id));
    }
    if let Ok(id) = CorrelationId::parse(&text) {
        survives_the_wire(&id);
    }
    if let Ok(id) = CaseId::parse(&text) {
        survives_the_wire(&id);
    }
    if let Some(id) = waybill_partners::reading::correlation_in(&text) {
        survives_the_wire(&id);
    }
}

/// What travels in the records of shipped events of functions.
pub(crate) fn bodies(path: &str) -> Vec<Value> {
    let event = seeds::json(path);
    let records = event["Records"].as_array().unwrap();
    let read = |record: &Value| serde_json::from_str(record["body"].as_str().unwrap()).unwrap();
    records.iter().map(read).collect()
}

/// Envelopes of events: one of every canonical message, and those of the functions.
pub(crate) fn events() -> Vec<Value> {
    let mut seeds = bodies("functions/coordinator/events/order-observed.json");
    for mut message in seeds::folder("tests/fuzz/corpus/canonical") {
        message["correlationid"] = json!(build::correlation("1001"));
        seeds.push(message);
    }
    seeds.extend(state::events());
    let decisions = [
        json!({"kind": "retry", "effect": "sale_order.create"}),
        json!({"kind": "waive", "code": "total_mismatch"}),
        json!({"kind": "ignore", "case": build::correlation("1"), "reason": "done by hand"}),
        json!({"kind": "assign", "case": build::correlation("1"), "owner": "alice"}),
        json!({"kind": "correct", "reason": "typo", "effect": null, "correction":
            {"field": "sku", "line": "1", "told": "MUG", "sku": "MUG-RED"}}),
    ];
    let mut own = vec![
        json!({"type": "waybill.clock.passed", "data": {"now": "2026-03-02T10:00:00Z"}}),
        json!({"type": "waybill.command.finished", "data": {"effect": "sale_order.create",
            "command": "waybill.sale_order.create", "outcome": {"result": "done", "references":
                [{"system": "odoo", "kind": "sale_order", "id": "7"}]}}}),
        json!({"type": "waybill.command.finished", "data": {"effect": "sale_order.create",
            "command": "waybill.sale_order.create", "outcome": {"result": "rejected",
                "code": "unknown_sku", "detail": "no product `A`", "remedy": "make it"}}}),
    ];
    own.extend(decisions.map(|decision| {
        json!({"type": "waybill.operator.decided", "data": {"operator": "alice", "decision": decision}})
    }));
    let envelope = seeds[0].clone();
    seeds.extend(own.into_iter().map(|body| {
        let mut event = envelope.clone();
        event["type"] = body["type"].clone();
        event["data"] = body["data"].clone();
        event
    }));
    for seed in &seeds {
        let read: Result<EventEnvelope, _> = serde_json::from_value(seed.clone());
        read.unwrap_or_else(|e| panic!("a seed is no event: {e}: {seed}"));
    }
    seeds
}

fn made(seeds: &'static OnceLock<Vec<Value>>, init: fn() -> Vec<Value>, input: &[u8]) -> Vec<u8> {
    mutate::document(seeds.get_or_init(init), &mut Draw::new(input))
}

/// Envelopes of events, as the queues carry them.
pub fn event(input: &[u8]) {
    static SEEDS: OnceLock<Vec<Value>> = OnceLock::new();
    document::<EventEnvelope>(&made(&SEEDS, events, input));
}

/// Envelopes of commands, as the queues carry them.
pub fn command(input: &[u8]) {
    static SEEDS: OnceLock<Vec<Value>> = OnceLock::new();
    document::<CommandEnvelope>(&made(&SEEDS, commands::commands, input));
}

/// Documents of tables and requests: orders and what is known of them, cases, corrections, paces.
pub fn records(input: &[u8]) {
    static SEEDS: OnceLock<Vec<Value>> = OnceLock::new();
    let init = || {
        let corrections = [
            json!({"field": "sku", "line": "1", "told": null, "sku": "MUG"}),
            json!({"field": "shipping_address", "told": null, "address": {"city": "Delft"}}),
            json!({"field": "shipping_method", "told": "fast", "method": "express"}),
        ];
        let case = build::case(
            Some(build::correlation("1")),
            CaseClass::Data,
            "unknown_sku",
        );
        corrections
            .into_iter()
            .chain([json!(build::order("1001")), json!(case)])
            .chain([json!(state::state()), pace()])
            .collect()
    };
    let made = made(&SEEDS, init, input);
    document::<Order>(&made);
    document::<Case>(&made);
    document::<OrderState>(&made);
    document::<Pace>(&made);
    if let Some(correction) = document::<Correction>(&made) {
        assert!(!correction.subject().is_empty());
        correction.apply(&mut build::order("1001"));
    }
}

/// What is known of an ERP's pace, with two seats taken.
pub(crate) fn pace() -> Value {
    json!({"batch": 20, "writers": 2, "calm": 3, "took": {
        "1": {"us_per_command": 120_000, "at": "2026-01-31T09:00:00Z"},
        "2": {"us_per_command": 150_000, "at": "2026-01-31T09:20:00Z"},
    }, "seats": {
        "one": {"until": "2026-01-31T09:31:00Z", "lane": "orders"},
        "other": {"until": "2026-01-31T09:31:30Z", "lane": "bulk"},
    }})
}

/// The look for fields that a schema does not know agrees with the reader, and names no such field.
///
/// # Panics
/// It does not.
pub fn strict(input: &[u8]) {
    static SEEDS: OnceLock<Vec<Value>> = OnceLock::new();
    let init = || {
        seeds::folder("tests/fuzz/corpus/canonical")
            .iter()
            .map(|m| m["data"].clone())
            .collect()
    };
    let Ok(text) = String::from_utf8(made(&SEEDS, init, input)) else {
        return;
    };
    look::<OrderObserved>(&text);
    look::<Payment>(&text);
    look::<Refund>(&text);
    look::<Shipment>(&text);
    look::<Vec<StockLevel>>(&text);
    look::<Event>(&text);
}

fn look<T: DeserializeOwned>(text: &str) {
    let place = in_time("looking for unknown fields", || unknown_field::<T>(text));
    if let Some(place) = place {
        assert!(
            serde_json::from_str::<T>(text).is_ok(),
            "found in what does not read"
        );
        crate::properties::tells_no_person(&place);
    }
}
