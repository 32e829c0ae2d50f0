//! Calls to ShipBob.

use crate::support::{Server, connection, execute, failure, id, names, reply};
use serde_json::json;
use waybill_flow::connections::{Connection, PartnerKind};
use waybill_flow::ports::Attempt;
use waybill_model::command::{CancelFulfillmentOrder, Command, CreateFulfillmentOrder};
use waybill_model::failure::Failure;
use waybill_model::id::Reference;
use waybill_model::money::{Amount, Currency, Money};
use waybill_model::order::ShippingLine;
use waybill_model::party::Address;
use waybill_model::quantity::Quantity;
use waybill_model::shipment::ShippedLine;

fn shipbob() -> Connection {
    connection(PartnerKind::Shipbob, &[("shipbob_channel_id", "433")])
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
                lots: Vec::new(),
            })
            .to_vec(),
        shipping: Some(ShippingLine {
            method: "express".to_owned(),
            title: "Express".to_owned(),
            price: Amount::ZERO,
            discount: Amount::ZERO,
            taxes: Vec::new(),
        }),
        value: Money::new(
            Amount::parse("31.50").unwrap(),
            Currency::new("USD").unwrap(),
        ),
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
    assert_eq!(body["financials"]["total_price"], 31.5);
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
    let refused = run(&server, Attempt::First, &create()).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "unknown_sku");
    assert!(refused.detail().contains("`MUG-BLUE`"), "{refused}");
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
    let nothing = || reply(200, json!([]));
    let server = Server::start(vec![nothing(), nothing()]).await;
    let once = run(&server, Attempt::First, &cancel(false)).await;
    assert_eq!(failure(once), "indeterminate/not_found_yet");
    let twice = run(&server, Attempt::InDoubt, &cancel(false)).await;
    assert_eq!(twice, Ok(vec![]));
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
