//! Messages of a canonical channel and of a canonical warehouse.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use waybill_model::delivery::Origin;
use waybill_model::id::MessageId;

const CORRELATION: &str = "6f2c1f6e-5a0d-5c57-9d1e-2f1d4f3a9b10";

fn connection(channel: bool, warehouse: bool) -> Connection {
    serde_json::from_value(json!({
        "id": "north", "partner": "canonical", "base_url": "https://north.example.com",
        "api_version": null, "webhook_url": null, "calls_per_minute": null, "helpdesk": null, "erp": null,
        "channel": channel.then(|| json!({ "erp": "odoo" })),
        "warehouse": warehouse.then(|| json!({ "default_shipping_method": "standard" })),
    }))
    .unwrap()
}

fn read(connection: &Connection, body: &[u8]) -> Result<Parsed, Unreadable> {
    let delivery = Delivery {
        receipt: MessageId::new("r-1").unwrap(),
        connection: connection.id.clone(),
        origin: Origin::Webhook,
        topic: None,
        dedupe_id: Some("msg-1".to_owned()),
        headers: BTreeMap::new(),
        received_at: Instant::EPOCH,
        replayed_at: None,
        traceparent: None,
        body: body.to_vec(),
    };
    parse(connection, &delivery)
}

fn told(connection: &Connection, message: &Value) -> Result<Parsed, Unreadable> {
    read(connection, &serde_json::to_vec(message).unwrap())
}

fn fact(connection: &Connection, message: &Value) -> Fact {
    match told(connection, message).unwrap() {
        Parsed::Facts {
            mut facts,
            dedupe_id,
        } => {
            assert_eq!(dedupe_id, "msg-1");
            facts.swap_remove(0)
        }
        other => panic!("no fact: {other:?}"),
    }
}

fn code(result: Result<Parsed, Unreadable>) -> String {
    match result {
        Ok(Parsed::Ignored { code }) => code.to_string(),
        Err(e) => e.code.to_string(),
        other => panic!("neither ignored nor refused: {other:?}"),
    }
}

fn order() -> Value {
    json!({ "type": "waybill.order.observed", "time": "2026-03-02T10:00:00Z", "data": { "order": {
        "channel": "north", "id": "A-1", "number": "A-1", "version": 7, "placed_at": "2026-03-02T09:00:00Z",
        "test": false, "currency": "EUR", "taxes_included": true, "payment": "paid", "cancelled": null,
        "customer": null, "billing": null, "shipping": null,
        "lines": [{ "id": "1", "sku": "MUG", "title": "Mug", "quantity": "2", "current_quantity": "2",
            "unit_price": "12.00", "discount": "0.00", "requires_shipping": true, "gift_card": false,
            "taxes": [{ "title": "VAT", "rate": "0.2", "amount": "4.00" }] }],
        "shipping_lines": [], "gift_card_paid": "0", "tip": "0", "rounding": "0",
        "totals": { "subtotal": "24.00", "shipping": "0", "tax": "4.00", "total": "24.00" }, "note": null,
    } } })
}

fn shipment() -> Value {
    json!({ "type": "waybill.shipment.observed", "correlationid": CORRELATION, "data": {
        "warehouse": "north", "id": "SHP-1", "fulfillment_order": "FO-1", "status": "shipped",
        "lines": [{ "line_id": "1", "sku": "MUG", "quantity": "2" }],
        "parcels": [{ "tracking_number": "1Z1", "carrier": "UPS", "url": null }],
        "shipped_at": "2026-03-03T09:00:00Z", "version": 1,
    } })
}

#[test]
fn a_channel_tells_its_order_without_findings() {
    let fact = fact(&connection(true, false), &order());
    let Event::OrderObserved(observed) = &fact.event else {
        panic!("no order")
    };
    assert_eq!(fact.subject, Subject::Order(observed.order.correlation()));
    assert_eq!(
        fact.at,
        Some(Instant::parse("2026-03-02T10:00:00Z").unwrap())
    );
    let mut with_findings = order();
    with_findings["data"]["findings"] = json!([{ "code": "x", "detail": "", "remedy": "" }]);
    assert_eq!(
        code(told(&connection(true, false), &with_findings)),
        "bad_value"
    );
}

#[test]
fn each_role_tells_only_what_it_owns() {
    let (channel, warehouse) = (connection(true, false), connection(false, true));
    assert_eq!(code(told(&warehouse, &order())), "not_owner");
    assert_eq!(code(told(&channel, &shipment())), "not_owner");
    let clock =
        json!({ "type": "waybill.clock.passed", "data": { "now": "2026-03-02T10:00:00Z" } });
    assert_eq!(code(told(&connection(true, true), &clock)), "unknown_topic");
    let returned = |status: &str| {
        json!({ "type": "waybill.return.observed", "correlationid": CORRELATION, "orderid": "A-1", "data": {
            "id": "RET-1", "source": "north", "status": status, "lines": [], "version": 1 } })
    };
    assert_eq!(code(told(&channel, &returned("received"))), "not_owner");
    assert!(told(&channel, &returned("authorized")).is_ok());
    assert!(told(&warehouse, &returned("completed")).is_ok());
}

#[test]
fn nobody_tells_in_anothers_name() {
    let mut message = order();
    message["data"]["order"]["channel"] = json!("south");
    assert_eq!(
        code(told(&connection(true, false), &message)),
        "wrong_connection"
    );
    let stock = json!({ "type": "waybill.stock.observed", "data": { "levels": [
        { "location": "north", "sku": "MUG", "kind": "on_hand", "quantity": "4", "at": "2026-03-02T10:00:00Z" },
        { "location": "south", "sku": "MUG", "kind": "on_hand", "quantity": "4", "at": "2026-03-02T10:00:00Z" },
    ] } });
    assert_eq!(
        code(told(&connection(false, true), &stock)),
        "wrong_connection"
    );
}

#[test]
fn a_warehouse_names_the_order_as_our_command_did_or_by_its_own_ids() {
    let warehouse = connection(false, true);
    let by_id = fact(&warehouse, &shipment());
    assert_eq!(
        by_id.subject,
        Subject::Order(CorrelationId::parse(CORRELATION).unwrap())
    );
    let mut message = shipment();
    message["correlationid"] = Value::Null;
    let Subject::Reference(references) = fact(&warehouse, &message).subject else {
        panic!("no references")
    };
    let kinds: Vec<RefKind> = references.iter().map(|r| r.kind).collect();
    assert_eq!(kinds, [RefKind::FulfillmentOrder, RefKind::Shipment]);
    let work = json!({ "type": "waybill.fulfillment_order.observed", "data": {
        "warehouse": "north", "id": "FO-1", "reference": CORRELATION, "status": "accepted", "version": 1 } });
    assert_eq!(fact(&warehouse, &work).subject, by_id.subject);
}

#[test]
fn money_is_told_of_a_channels_own_orders_only() {
    let refund = |order: Value| {
        json!({ "type": "waybill.refund.observed", "orderid": order, "correlationid": CORRELATION, "data": {
            "id": "R-1", "source": "north", "gateway_id": null, "payment_id": null, "status": "succeeded",
            "amount": { "amount": "5.00", "currency": "EUR" }, "lines": [], "shipping": "0", "version": 1 } })
    };
    let both = connection(true, true);
    let told_of = fact(&both, &refund(json!("A-1"))).subject;
    let id = ChannelOrderId::new("A-1").unwrap();
    assert_eq!(
        told_of,
        Subject::Order(CorrelationId::for_order(&both.id, &id))
    );
    assert_eq!(code(told(&both, &refund(Value::Null))), "no_order");
    assert_eq!(
        code(told(&connection(false, true), &refund(json!("A-1")))),
        "not_owner"
    );
}

#[test]
fn what_is_not_of_the_schema_is_refused_with_its_place() {
    let channel = connection(true, false);
    let mut message = order();
    message["data"]["order"]["lines"][0]["quantity"] = json!(2);
    let error = told(&channel, &message).unwrap_err();
    assert!(error.detail.contains("order.lines[0].quantity"), "{error}");
    let mut message = order();
    message["dataschema"] = json!("waybill/v2");
    assert_eq!(code(told(&channel, &message)), "unsupported_schema");
    assert_eq!(code(read(&channel, b"[]")), "unreadable_json");
    assert_eq!(code(read(&channel, &[0xff])), "not_utf8");
}

proptest! {
    #[test]
    fn mutated_messages_never_panic(
        which in any::<bool>(),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let message = if which { order() } else { shipment() };
        let mut bytes = serde_json::to_vec(&message).unwrap();
        for (at, byte) in cuts {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _parsed = read(&connection(true, true), &bytes);
    }
}

#[test]
fn a_field_that_the_schema_does_not_know_is_refused() {
    let channel = connection(true, false);
    let mut nested = order();
    nested["data"]["order"]["lines"][0]["qty"] = json!("2");
    let error = told(&channel, &nested).unwrap_err();
    assert_eq!(error.code.as_str(), "unreadable_json");
    assert!(error.detail.contains("`order.lines.0`"), "{}", error.detail);
    assert!(
        !error.detail.contains("qty"),
        "the sender's words are not told"
    );
    let mut outer = order();
    outer["data"]["note"] = json!("x");
    assert_eq!(code(told(&channel, &outer)), "unreadable_json");
}
