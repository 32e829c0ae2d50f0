//! ShipBob.

use crate::support::{
    Server, connection, correlation, delivery, execute, facts, failure, fixture, id, ignored_code,
    names, only, parse, reply, verify,
};
use serde_json::json;
use waybill_flow::connections::{Connection, PartnerKind};
use waybill_flow::ports::Attempt;
use waybill_model::command::{CancelFulfillmentOrder, Command, CreateFulfillmentOrder};
use waybill_model::event::{Event, Subject};
use waybill_model::failure::Failure;
use waybill_model::id::Reference;
use waybill_model::money::{Amount, Currency, Money};
use waybill_model::order::ShippingLine;
use waybill_model::party::Address;
use waybill_model::quantity::Quantity;
use waybill_model::returns::{Disposition, Return, ReturnStatus};
use waybill_model::shipment::{
    FulfillmentOrder, FulfillmentStatus, Shipment, ShipmentStatus, ShippedLine,
};
use waybill_partners::{Parsed, Refusal};

const SECRET: &str = "whsec_dGVzdC1zZWNyZXQtb2YtMjQtYnl0ZXMh";
const PREVIOUS: &str = "whsec_cHJldmlvdXMtc2VjcmV0LTI0LWJ5dGVz";

fn shipbob() -> Connection {
    connection(PartnerKind::Shipbob, &[("shipbob_channel_id", "433")])
}

fn observed(path: &str) -> (FulfillmentOrder, Vec<Shipment>) {
    let facts = facts(&shipbob(), Some("order.shipped"), path);
    let mut order = None;
    let mut shipments = Vec::new();
    for fact in facts {
        assert_eq!(fact.subject, Subject::Order(correlation()));
        match fact.event {
            Event::FulfillmentOrderObserved(o) => order = Some(o),
            Event::ShipmentObserved(s) => shipments.push(s),
            other => panic!("{other:?}"),
        }
    }
    (order.unwrap(), shipments)
}

fn goods(shipment: &Shipment) -> Vec<String> {
    let line = |l: &ShippedLine| format!("{} {}", l.quantity, l.sku);
    shipment.lines.iter().map(line).collect()
}

fn returned(topic: &str, path: &str) -> (Subject, Return) {
    match only(&shipbob(), Some(topic), path) {
        (subject, Event::ReturnObserved(r)) => (subject, r),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signature_made_by_hand_fits_and_the_topic_comes_from_its_header() {
    let body = br#"{"id":1}"#;
    let now_s = 1_772_460_000;
    let signature = {
        use base64::Engine;
        use hmac::{KeyInit, Mac};
        let engine = base64::engine::general_purpose::STANDARD;
        let key = engine.decode(SECRET.trim_start_matches("whsec_")).unwrap();
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(b"msg_1.1772460000.");
        mac.update(body);
        format!("v1,{}", engine.encode(mac.finalize().into_bytes()))
    };
    let headers = [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", "1772460000"),
        ("webhook-signature", signature.as_str()),
        ("X-Webhook-Topic", "order.shipped"),
    ];
    let check = |secrets: &[&str], body: &[u8], now_s| {
        verify(PartnerKind::Shipbob, secrets, &headers, body, now_s)
    };
    let verified = check(&[SECRET], body, now_s).unwrap();
    assert_eq!(verified.topic.as_deref(), Some("order.shipped"));
    assert_eq!(verified.dedupe_id.as_deref(), Some("msg_1"));
    assert!(check(&[PREVIOUS, SECRET], body, now_s + 300).is_ok());
    assert!(check(&[SECRET], body, now_s - 300).is_ok());
    assert_eq!(check(&[PREVIOUS], body, now_s), Err(Refusal::BadSignature));
    assert_eq!(check(&[SECRET], b"{}", now_s), Err(Refusal::BadSignature));
    for now_s in [now_s + 301, now_s - 301] {
        let refusal = check(&[SECRET], body, now_s).unwrap_err();
        assert_eq!(refusal.code(), "stale_timestamp");
    }
}

#[test]
fn shipped_with_tracking_tells_the_order_and_its_shipment() {
    let (order, shipments) = observed("shipbob/order_shipped.json");
    assert_eq!(order.status, FulfillmentStatus::Shipped);
    assert_eq!(order.id.as_str(), "88001");
    assert_eq!(order.reference.unwrap().as_str(), correlation().to_string());
    let [shipment] = shipments.as_slice() else {
        panic!("{shipments:?}")
    };
    assert_eq!(shipment.status, ShipmentStatus::Shipped);
    assert_eq!(goods(shipment), ["2 MUG-BLUE", "1 TEE-M"]);
    let parcel = &shipment.parcels[0];
    assert_eq!(
        parcel.tracking_number.as_ref().unwrap().as_str(),
        "9400100000000000000001"
    );
    assert_eq!(parcel.carrier.as_deref(), Some("USPS"));
    assert_eq!(
        shipment.shipped_at.unwrap().to_string(),
        "2026-03-02T15:00:00Z"
    );
    // 2026-03-02T15:04:05.25Z in microseconds.
    assert_eq!(shipment.version.0, 1_772_463_845_250_000);
}

#[test]
fn shipped_without_tracking_has_left_and_has_no_parcel_yet() {
    let (order, shipments) = observed("shipbob/order_shipped_without_tracking.json");
    assert_eq!(order.status, FulfillmentStatus::Shipped);
    assert_eq!(shipments[0].status, ShipmentStatus::Shipped);
    assert!(shipments[0].parcels.is_empty());
    assert_eq!(goods(&shipments[0]), ["2 MUG-BLUE"]);
}

#[test]
fn of_a_split_order_only_what_left_has_left() {
    let (order, shipments) = observed("shipbob/order_shipped_split.json");
    assert_eq!(order.status, FulfillmentStatus::PartiallyShipped);
    assert_eq!(shipments[0].status, ShipmentStatus::Shipped);
    // The set is one product of two items; the mugs are in both shipments.
    assert_eq!(goods(&shipments[0]), ["2 MUG-BLUE", "1 SET"]);
    assert_eq!(shipments[1].status, ShipmentStatus::Pending);
    assert_eq!(goods(&shipments[1]), ["1 MUG-BLUE", "1 TEE-M"]);
    assert!(order.version == shipments[1].version && order.version > shipments[0].version);
}

#[test]
fn an_order_that_is_not_ours_is_found_by_shipbobs_ids() {
    let facts = facts(
        &shipbob(),
        Some("order_shipped"),
        "shipbob/order_shipped_foreign.json",
    );
    let Subject::Reference(references) = &facts[0].subject else {
        panic!("{facts:?}")
    };
    assert_eq!(references[0].kind.as_str(), "fulfillment_order");
    assert_eq!(references[0].id.as_str(), "88001");
}

#[test]
fn delivered_and_exception_are_read_in_both_spellings() {
    for topic in ["order.shipment.delivered", "shipment_delivered"] {
        let (_, event) = only(&shipbob(), Some(topic), "shipbob/shipment_delivered.json");
        let Event::ShipmentObserved(shipment) = event else {
            panic!("{event:?}")
        };
        assert_eq!(shipment.status, ShipmentStatus::Delivered);
    }
    for (topic, work, goods) in [
        (
            "shipment_exception",
            FulfillmentStatus::Exception,
            ShipmentStatus::Exception,
        ),
        (
            "order.shipment.exception",
            FulfillmentStatus::Exception,
            ShipmentStatus::Exception,
        ),
        (
            "shipment_onhold",
            FulfillmentStatus::OnHold,
            ShipmentStatus::Exception,
        ),
        (
            "order.shipment.on_hold",
            FulfillmentStatus::OnHold,
            ShipmentStatus::Exception,
        ),
        (
            "order.shipment.cancelled",
            FulfillmentStatus::Cancelled,
            ShipmentStatus::Cancelled,
        ),
    ] {
        let facts = facts(&shipbob(), Some(topic), "shipbob/shipment_exception.json");
        assert!(
            matches!(&facts[0].event, Event::ShipmentObserved(s) if s.status == goods),
            "{topic}"
        );
        assert!(
            matches!(&facts[1].event, Event::FulfillmentOrderObserved(o) if o.status == work),
            "{topic}"
        );
    }
}

#[test]
fn the_header_id_dedupes_and_without_it_topic_id_and_version_do() {
    let shipbob = shipbob();
    let mut delivery = delivery(
        &shipbob,
        Some("order.shipped"),
        &fixture("shipbob/order_shipped.json"),
    );
    let dedupe = |delivery: &waybill_model::delivery::Delivery| match waybill_partners::parse(
        &shipbob, delivery,
    )
    .unwrap()
    {
        Parsed::Facts { dedupe_id, .. } => dedupe_id,
        other => panic!("{other:?}"),
    };
    assert_eq!(dedupe(&delivery), "order.shipped/88001/1772463845250000");
    delivery.dedupe_id = Some("msg_1".to_owned());
    assert_eq!(dedupe(&delivery), "msg_1");
}

#[test]
fn a_topic_that_is_missing_is_refused_and_one_that_is_unused_ignored() {
    let path = "shipbob/order_shipped.json";
    let refused = parse(&shipbob(), None, path).unwrap_err();
    assert_eq!(refused.code.as_str(), "missing_topic");
    let ignored = parse(&shipbob(), Some("billing.charge.created"), path);
    assert_eq!(ignored_code(ignored), "unused_topic");
}

#[test]
fn a_return_carries_the_channels_id_and_is_found_by_its_shipment() {
    let (subject, created) = returned("return.created", "shipbob/return_created.json");
    assert_eq!(created.id.as_str(), "7700123");
    assert_eq!(created.status, ReturnStatus::Authorized);
    assert_eq!(created.lines[0].disposition, Disposition::Unknown);
    let Subject::Reference(references) = subject else {
        panic!("{subject:?}")
    };
    let kinds: Vec<&str> = references.iter().map(|r| r.kind.as_str()).collect();
    assert_eq!(kinds, ["shipment", "tracking_number", "return"]);
    assert_eq!(references[0].id.as_str(), "99001");
}

#[test]
fn a_completed_return_says_what_became_of_each_piece() {
    for topic in ["return.completed", "return_updated"] {
        let (_, done) = returned(topic, "shipbob/return_completed.json");
        assert_eq!(done.status, ReturnStatus::Completed);
        let found: Vec<_> = done
            .lines
            .iter()
            .map(|l| (l.sku.as_str(), l.quantity.to_string(), l.disposition))
            .collect();
        assert_eq!(
            found,
            [
                ("MUG-BLUE", "1".to_owned(), Disposition::Restock),
                ("MUG-BLUE", "1".to_owned(), Disposition::Scrap)
            ]
        );
        assert_eq!(done.version.0 / 1_000_000, 1_773_306_000);
    }
}

fn create() -> Command {
    Command::CreateFulfillmentOrder(CreateFulfillmentOrder {
        warehouse: id("shipbob"),
        reference: id("ref-1"),
        order_number: id("#5001"),
        ship_to: Address {
            name: Some("Test Person".to_owned()),
            company: None,
            street: Some("1 Example Street".to_owned()),
            street2: None,
            city: Some("Springfield".to_owned()),
            zip: Some("62701".to_owned()),
            region: Some("IL".to_owned()),
            country: Some("US".to_owned()),
            phone: None,
        },
        email: Some("person@example.com".to_owned()),
        lines: ["2", "1"]
            .map(|q| ShippedLine {
                line_id: None,
                sku: id("MUG-BLUE"),
                quantity: Quantity::parse(q).unwrap(),
            })
            .to_vec(),
        shipping: Some(ShippingLine {
            method: "express".to_owned(),
            title: "Express".to_owned(),
            price: Amount::ZERO,
            discount: Amount::ZERO,
            taxes: Vec::new(),
        }),
        value: Money::new(Amount::ZERO, Currency::new("USD").unwrap()),
    })
}

fn cancel(known: bool) -> Command {
    Command::CancelFulfillmentOrder(CancelFulfillmentOrder {
        warehouse: id("shipbob"),
        reference: id("ref-1"),
        id: known.then(|| id("88001")),
    })
}

fn order(status: &str) -> serde_json::Value {
    json!({ "id": 88001, "reference_id": "ref-1", "status": status,
            "shipments": [{ "id": 99001, "status": status }] })
}

const TOKEN: [(&str, &str); 1] = [("token", "pat-test")];

async fn run(
    server: &Server,
    attempt: Attempt,
    command: &Command,
) -> Result<Vec<Reference>, Failure> {
    execute(server, shipbob(), &TOKEN, attempt, command).await
}

#[tokio::test]
async fn create_sends_what_shipbob_needs_and_returns_its_ids() {
    let server = Server::start(vec![reply(201, order("Processing"))]).await;
    let made = run(&server, Attempt::First, &create()).await;
    assert_eq!(names(made), ["fulfillment_order:88001", "shipment:99001"]);
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "POST /2026-01/order");
    assert_eq!(asked.header("authorization"), "Bearer pat-test");
    assert_eq!(asked.header("shipbob_channel_id"), "433");
    let body = asked.json();
    assert_eq!(body["reference_id"], "ref-1");
    assert_eq!(body["shipping_method"], "2-Day");
    assert_eq!(body["type"], "DTC");
    assert_eq!(
        body["products"],
        json!([{ "reference_id": "MUG-BLUE", "quantity": 3 }])
    );
    assert_eq!(body["recipient"]["address"]["zip_code"], "62701");
}

#[tokio::test]
async fn in_doubt_create_looks_first_and_makes_no_second_order() {
    let other = json!({ "id": 5, "reference_id": "ref-10", "shipments": [] });
    let server = Server::start(vec![reply(200, json!([other, order("Processing")]))]).await;
    let found = run(&server, Attempt::InDoubt, &create()).await;
    assert_eq!(names(found), ["fulfillment_order:88001", "shipment:99001"]);
    assert_eq!(server.lines(), ["GET /2026-01/order?ReferenceIds=ref-1"]);

    let server = Server::start(vec![reply(200, json!([])), reply(201, order("Processing"))]).await;
    assert!(run(&server, Attempt::InDoubt, &create()).await.is_ok());
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn a_duplicate_reference_is_our_own_earlier_order() {
    let refusal = json!({ "errors": ["Order with reference id ref-1 already exists"] });
    let server = Server::start(vec![
        reply(422, refusal.clone()),
        reply(200, json!({ "items": [order("Processing")] })),
    ])
    .await;
    let found = run(&server, Attempt::First, &create()).await;
    assert_eq!(names(found), ["fulfillment_order:88001", "shipment:99001"]);

    let server = Server::start(vec![reply(422, refusal), reply(200, json!([]))]).await;
    let nobody = run(&server, Attempt::First, &create()).await;
    assert_eq!(failure(nobody), "rejected/duplicate_reference");
}

#[tokio::test]
async fn an_order_that_the_warehouse_cancelled_is_no_success() {
    let server = Server::start(vec![reply(200, json!([order("Cancelled")]))]).await;
    let found = run(&server, Attempt::InDoubt, &create()).await;
    assert_eq!(failure(found), "rejected/cancelled_at_warehouse");
}

#[tokio::test]
async fn refusals_name_fields_and_repeat_nothing_personal() {
    let server = Server::start(vec![reply(
        422,
        json!({ "recipient.address.zip_code": ["62701 of Test Person is not valid"] }),
    )])
    .await;
    let refused = run(&server, Attempt::First, &create()).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "refused_by_warehouse");
    assert!(refused.detail().contains("`recipient.address.zip_code`"));
    assert!(!refused.detail().contains("Test Person"));

    let server = Server::start(vec![reply(
        422,
        json!({ "errors": ["Product with reference id MUG-BLUE not found"] }),
    )])
    .await;
    let refused = run(&server, Attempt::First, &create()).await;
    assert_eq!(failure(refused), "rejected/unknown_sku");
}

#[tokio::test]
async fn the_wait_of_a_429_is_read_from_header_or_body() {
    let body = json!({ "statusCode": 429,
                       "message": "Rate limit is exceeded. Try again in 25 seconds." });
    let server = Server::start(vec![
        reply(429, body.clone()).with("x-retry-after", "7"),
        reply(429, body),
    ])
    .await;
    for wait in [7000, 25_000] {
        let put_off = run(&server, Attempt::First, &create()).await.unwrap_err();
        assert!(
            matches!(put_off, Failure::Transient { retry_after_ms: Some(ms), .. } if ms == wait),
            "{put_off:?}"
        );
    }
}

#[tokio::test]
async fn server_errors_and_unreadable_answers_leave_a_create_in_doubt() {
    let server = Server::start(vec![
        reply(500, json!({})),
        reply(201, json!("what")),
        reply(401, json!({})),
    ])
    .await;
    for expected in [
        "indeterminate/partner_error",
        "indeterminate/partner_error",
        "transient/unauthorized",
    ] {
        let outcome = run(&server, Attempt::First, &create()).await;
        assert_eq!(failure(outcome), expected);
    }
    // The look-up changes nothing.
    let server = Server::start(vec![reply(502, json!({}))]).await;
    let outcome = run(&server, Attempt::InDoubt, &create()).await;
    assert_eq!(failure(outcome), "transient/partner_error");
}

#[tokio::test]
async fn what_shipbob_cannot_ship_is_rejected_without_a_call() {
    let server = Server::start(Vec::new()).await;
    let Command::CreateFulfillmentOrder(good) = create() else {
        unreachable!()
    };
    let mut no_street = good.clone();
    no_street.ship_to.street = Some(" ".to_owned());
    let mut half = good.clone();
    half.lines[0].quantity = Quantity::parse("0.5").unwrap();
    let mut nothing = good;
    nothing.lines.clear();
    for (command, expected) in [
        (no_street, "rejected/incomplete_address"),
        (half, "rejected/fractional_quantity"),
        (nothing, "rejected/nothing_to_ship"),
    ] {
        let command = Command::CreateFulfillmentOrder(command);
        let outcome = run(&server, Attempt::First, &command).await;
        assert_eq!(failure(outcome), expected);
    }
    let unset = connection(PartnerKind::Shipbob, &[]);
    let outcome = execute(&server, unset, &TOKEN, Attempt::First, &create()).await;
    assert_eq!(failure(outcome), "rejected/not_configured");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn cancel_by_id_and_by_reference() {
    let done = json!({ "order_id": 88001, "status": "Success", "order": order("Cancelled"),
        "canceled_shipment_results": [{ "shipment_id": 99001, "is_success": true }] });
    let server = Server::start(vec![reply(200, done.clone())]).await;
    assert!(run(&server, Attempt::First, &cancel(true)).await.is_ok());
    assert_eq!(server.lines(), ["POST /2026-01/order/88001/cancel"]);

    let server = Server::start(vec![
        reply(200, json!([order("Processing")])),
        reply(200, done),
    ])
    .await;
    assert!(run(&server, Attempt::First, &cancel(false)).await.is_ok());
    assert_eq!(
        server.lines(),
        [
            "GET /2026-01/order?ReferenceIds=ref-1",
            "POST /2026-01/order/88001/cancel"
        ]
    );
}

#[tokio::test]
async fn what_was_never_created_or_is_cancelled_needs_no_cancelling() {
    let server = Server::start(vec![reply(200, json!([]))]).await;
    assert_eq!(
        run(&server, Attempt::First, &cancel(false)).await,
        Ok(vec![])
    );
    let server = Server::start(vec![reply(200, order("Cancelled"))]).await;
    assert!(run(&server, Attempt::InDoubt, &cancel(true)).await.is_ok());
    assert_eq!(server.lines(), ["GET /2026-01/order/88001"]);
    // The refusal says only that it cannot; the order says why.
    let server = Server::start(vec![
        reply(422, json!({ "": ["cannot be cancelled"] })),
        reply(200, order("Cancelled")),
    ])
    .await;
    assert!(run(&server, Attempt::First, &cancel(true)).await.is_ok());
}

#[tokio::test]
async fn a_cancel_that_comes_too_late_says_so() {
    let partly = json!({ "order": order("Processing"), "status": "Failure",
        "canceled_shipment_results": [{ "shipment_id": 99001, "is_success": false }] });
    for first in [
        reply(422, json!({ "order": ["is processing"] })),
        reply(200, partly),
    ] {
        for now in ["Fulfilled", "Processing"] {
            let first = reply(first.status, serde_json::from_str(&first.body).unwrap());
            let server = Server::start(vec![first, reply(200, order(now))]).await;
            let late = run(&server, Attempt::First, &cancel(true)).await;
            assert_eq!(failure(late), "rejected/too_late");
        }
    }
    let server = Server::start(vec![reply(404, json!({ "detail": "no" }))]).await;
    let unknown = run(&server, Attempt::First, &cancel(true)).await;
    assert_eq!(failure(unknown), "rejected/unknown_fulfillment_order");
}
