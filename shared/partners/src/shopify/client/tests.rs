//! Calls against a scripted shop on loopback: what is sent, and how answers are classed.

use crate::client::Call;
use crate::shopify::map::tests::{ORDER, connection};
use crate::shopify::{execute, parse, poll};
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use waybill_flow::connections::Connection;
use waybill_flow::ports::{Attempt, ConnectionSecrets, Secret};
use waybill_model::command::{Command, PublishFulfillment, PublishStock};
use waybill_model::failure::Failure;
use waybill_model::id::{
    ChannelOrderId, ConnectionId, CorrelationId, ExternalId, LineId, MessageId, Reference, Sku,
    TrackingNumber,
};
use waybill_model::order::Version;
use waybill_model::quantity::Quantity;
use waybill_model::shipment::{Parcel, Shipment, ShipmentStatus, ShippedLine};
use waybill_model::stock::{StockKind, StockLevel};
use waybill_model::time::Instant;

/// One scripted answer.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Value,
}

fn ok(body: Value) -> Reply {
    Reply {
        status: 200,
        headers: Vec::new(),
        body,
    }
}

struct Seen {
    target: String,
    token: Option<String>,
    body: Value,
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// A shop that gives these answers in this order.
async fn shop(replies: Vec<Reply>) -> (Connection, Log) {
    let log = Log::default();
    let replies = Arc::new(Mutex::new(VecDeque::from(replies)));
    let seen = Arc::clone(&log);
    let answer = move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let token = headers.get("x-shopify-access-token");
        seen.lock().unwrap().push(Seen {
            target: uri.to_string(),
            token: token.map(|t| t.to_str().unwrap().to_owned()),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        });
        let reply = replies.lock().unwrap().pop_front();
        async move {
            let reply = reply.expect("one call more than scripted");
            let mut headers = HeaderMap::new();
            for (name, value) in reply.headers {
                headers.insert(name, value.parse().unwrap());
            }
            let status = StatusCode::from_u16(reply.status).unwrap();
            (status, headers, reply.body.to_string())
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        axum::serve(listener, axum::Router::new().fallback(answer))
            .await
            .unwrap();
    });
    let mut connection = connection();
    connection.base_url = format!("http://{address}");
    let channel = connection.channel.as_mut().unwrap();
    channel.stock_location = Some("1001".to_owned());
    channel
        .sku_aliases
        .insert(Sku::new("THEIR-CUP").unwrap(), Sku::new("CUP").unwrap());
    (connection, log)
}

fn secrets() -> ConnectionSecrets {
    ConnectionSecrets {
        api: BTreeMap::from([("access_token".to_owned(), Secret::new("token-1"))]),
        ..ConnectionSecrets::default()
    }
}

async fn run(
    connection: &Connection,
    command: Command,
    attempt: Attempt,
) -> Result<Vec<Reference>, Failure> {
    let call = Call {
        http: &crate::http::client().unwrap(),
        connection,
        secrets: &secrets(),
        correlation: CorrelationId::for_connection(&connection.id),
        key: &MessageId::new("key-1").unwrap(),
        attempt,
        now: Instant::EPOCH,
    };
    execute(call, &command).await
}

fn shipment(lines: &[(Option<&str>, &str, i64)], numbers: &[&str]) -> Command {
    let warehouse = ConnectionId::new("shipbob").unwrap();
    Command::PublishFulfillment(PublishFulfillment {
        channel: ConnectionId::new("shop").unwrap(),
        order_id: ChannelOrderId::new("9007199254740995").unwrap(),
        notify_customer: true,
        shipment: Shipment {
            warehouse,
            id: ExternalId::new("S-1").unwrap(),
            fulfillment_order: None,
            status: ShipmentStatus::Shipped,
            lines: lines
                .iter()
                .map(|(id, sku, units)| ShippedLine {
                    line_id: id.map(|id| LineId::new(id).unwrap()),
                    sku: Sku::new(sku).unwrap(),
                    quantity: Quantity::from_units(*units).unwrap(),
                    lots: Vec::new(),
                })
                .collect(),
            parcels: numbers
                .iter()
                .map(|n| Parcel {
                    tracking_number: Some(TrackingNumber::new(n).unwrap()),
                    carrier: Some("UPS".to_owned()),
                    url: None,
                })
                .collect(),
            shipped_at: None,
            version: Version(1),
        },
    })
}

fn fulfilled(fulfillments: Value) -> Reply {
    ok(json!({ "data": { "order": { "cancelledAt": null, "fulfillments": fulfillments } } }))
}

fn fulfillment(number: Option<&str>, line: &str, quantity: i64) -> Value {
    let tracking: Vec<Value> = number.iter().map(|n| json!({ "number": n })).collect();
    json!({
        "id": "gid://shopify/Fulfillment/77", "status": "SUCCESS", "trackingInfo": tracking,
        "fulfillmentLineItems": {
            "nodes": [{ "quantity": quantity, "lineItem": { "id": format!("gid://shopify/LineItem/{line}"), "sku": "MUG" } }],
            "pageInfo": { "hasNextPage": false, "endCursor": null },
        },
    })
}

/// One fulfillment order with two mugs (line 11) and a cup (line 12, under the shop's own SKU).
fn work(mugs: i64) -> Reply {
    ok(
        json!({ "data": { "order": { "fulfillmentOrders": { "nodes": [
        { "id": "gid://shopify/FulfillmentOrder/4", "status": "CLOSED", "assignedLocation": null,
          "lineItems": { "nodes": [{ "id": "gid://shopify/FulfillmentOrderLineItem/40", "remainingQuantity": 9, "sku": "MUG", "lineItem": { "id": "gid://shopify/LineItem/11" } }] } },
        { "id": "gid://shopify/FulfillmentOrder/5", "status": "OPEN",
          "assignedLocation": { "location": { "id": "gid://shopify/Location/1001" } },
          "lineItems": { "nodes": [
            { "id": "gid://shopify/FulfillmentOrderLineItem/50", "remainingQuantity": mugs, "sku": "MUG", "lineItem": { "id": "gid://shopify/LineItem/11" } },
            { "id": "gid://shopify/FulfillmentOrderLineItem/51", "remainingQuantity": 1, "sku": "THEIR-CUP", "lineItem": { "id": "gid://shopify/LineItem/12" } },
        ] } },
    ] } } } }),
    )
}

fn created(field: &str) -> Reply {
    ok(
        json!({ "data": { field: { "fulfillment": { "id": "gid://shopify/Fulfillment/78" }, "userErrors": [] } } }),
    )
}

fn class(result: Result<Vec<Reference>, Failure>) -> (String, String) {
    let failure = result.unwrap_err();
    (failure.class().to_owned(), failure.code().to_string())
}

#[tokio::test]
async fn a_partial_shipment_is_fulfilled_with_its_tracking() {
    let (connection, log) = shop(vec![
        fulfilled(json!([])),
        work(2),
        created("fulfillmentCreate"),
    ])
    .await;
    let command = shipment(&[(Some("11"), "MUG", 1), (None, "CUP", 1)], &["1Z1", "1Z2"]);
    let references = run(&connection, command, Attempt::First).await.unwrap();
    assert_eq!(references[0].id.as_str(), "78");
    let log = log.lock().unwrap();
    assert_eq!(log[2].target, "/admin/api/2026-07/graphql.json");
    assert_eq!(log[2].token.as_deref(), Some("token-1"));
    let sent = &log[2].body["variables"]["fulfillment"];
    assert_eq!(
        sent["lineItemsByFulfillmentOrder"],
        json!([{
            "fulfillmentOrderId": "gid://shopify/FulfillmentOrder/5",
            "fulfillmentOrderLineItems": [
                { "id": "gid://shopify/FulfillmentOrderLineItem/50", "quantity": 1 },
                { "id": "gid://shopify/FulfillmentOrderLineItem/51", "quantity": 1 },
            ],
        }])
    );
    assert_eq!(sent["trackingInfo"]["numbers"], json!(["1Z1", "1Z2"]));
    assert_eq!(sent["trackingInfo"]["company"], "UPS");
    assert_eq!(sent["notifyCustomer"], true);
}

#[tokio::test]
async fn a_fulfilment_with_the_same_tracking_number_is_this_one_and_nothing_is_written() {
    let (connection, log) = shop(vec![fulfilled(json!([fulfillment(Some("1Z1"), "11", 2)]))]).await;
    let command = shipment(&[(Some("11"), "MUG", 2)], &["1Z1"]);
    let references = run(&connection, command, Attempt::First).await.unwrap();
    assert_eq!(references[0].id.as_str(), "77");
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_number_the_same_goods_are_this_one_only_in_doubt() {
    let made = || fulfilled(json!([fulfillment(None, "11", 1)]));
    let command = || shipment(&[(Some("11"), "MUG", 1)], &[]);
    let (connection, log) = shop(vec![made()]).await;
    run(&connection, command(), Attempt::InDoubt).await.unwrap();
    assert_eq!(log.lock().unwrap().len(), 1);
    let (connection, log) = shop(vec![made(), work(1), created("fulfillmentCreate")]).await;
    run(&connection, command(), Attempt::First).await.unwrap();
    assert_eq!(
        log.lock().unwrap().len(),
        3,
        "a second parcel of the same goods"
    );
}

#[tokio::test]
async fn a_number_that_came_later_is_put_on_the_fulfilment() {
    let (connection, log) = shop(vec![
        fulfilled(json!([fulfillment(None, "11", 2)])),
        work(0),
        created("fulfillmentTrackingInfoUpdate"),
    ])
    .await;
    let command = shipment(&[(Some("11"), "MUG", 2)], &["1Z1"]);
    run(&connection, command, Attempt::First).await.unwrap();
    let log = log.lock().unwrap();
    assert_eq!(
        log[2].body["variables"]["id"],
        "gid://shopify/Fulfillment/77"
    );
    assert_eq!(
        log[2].body["variables"]["tracking"]["numbers"],
        json!(["1Z1"])
    );
}

#[tokio::test]
async fn more_than_is_left_is_rejected_before_anything_is_written() {
    let (connection, log) = shop(vec![fulfilled(json!([])), work(1)]).await;
    let command = shipment(&[(Some("11"), "MUG", 2)], &["1Z1"]);
    let result = run(&connection, command, Attempt::First).await;
    assert_eq!(
        class(result),
        ("rejected".into(), "nothing_to_fulfill".into())
    );
    assert_eq!(log.lock().unwrap().len(), 2);
    let (connection, _) = shop(vec![ok(json!({ "data": { "order": null } }))]).await;
    let result = run(&connection, shipment(&[], &[]), Attempt::First).await;
    assert_eq!(class(result), ("rejected".into(), "unknown_order".into()));
}

#[tokio::test]
async fn throttling_tells_when_to_come_back_whatever_its_status() {
    let throttled = |status| Reply {
        status,
        headers: Vec::new(),
        body: json!({
            "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
            "extensions": { "cost": { "requestedQueryCost": 352, "throttleStatus": { "maximumAvailable": 1000.0, "currentlyAvailable": 52, "restoreRate": 100.0 } } },
        }),
    };
    for status in [200, 429] {
        let (connection, _) = shop(vec![throttled(status)]).await;
        let command = shipment(&[(None, "MUG", 1)], &["1Z1"]);
        match run(&connection, command, Attempt::First).await {
            Err(Failure::Transient { retry_after_ms, .. }) => {
                assert_eq!(retry_after_ms, Some(3000));
            }
            other => panic!("not transient: {other:?}"),
        }
    }
}

#[tokio::test]
async fn answers_are_classed_by_body_and_by_what_the_call_was() {
    let after_reading = |last: Reply| vec![fulfilled(json!([])), work(2), last];
    let failed = |status| Reply {
        status,
        headers: Vec::new(),
        body: json!("<html>"),
    };
    let coded =
        |code: &str| ok(json!({ "errors": [{ "message": "m", "extensions": { "code": code } }] }));
    let refused = ok(
        json!({ "data": { "fulfillmentCreate": { "fulfillment": null, "userErrors": [{ "field": ["fulfillment"], "message": "Fulfillment order is on hold." }] } } }),
    );
    for (replies, expected) in [
        (vec![failed(503)], ("transient", "partner_error")),
        (
            after_reading(failed(503)),
            ("indeterminate", "partner_error"),
        ),
        (
            after_reading(coded("INTERNAL_SERVER_ERROR")),
            ("indeterminate", "partner_error"),
        ),
        (
            after_reading(coded("THROTTLED")),
            ("transient", "rate_limited"),
        ),
        (after_reading(refused), ("rejected", "channel_refused")),
        (vec![coded("ACCESS_DENIED")], ("rejected", "access_denied")),
        (vec![failed(401)], ("transient", "unauthorized")),
        (vec![failed(402)], ("rejected", "shop_unavailable")),
        (
            vec![ok(
                json!({ "errors": [{ "message": "Field 'x' doesn't exist" }] }),
            )],
            ("rejected", "request_refused"),
        ),
    ] {
        let (connection, _) = shop(replies).await;
        let command = shipment(&[(Some("11"), "MUG", 1)], &["1Z1"]);
        let found = class(run(&connection, command, Attempt::First).await);
        assert_eq!((found.0.as_str(), found.1.as_str()), expected);
    }
}

#[tokio::test]
async fn without_a_token_or_a_shop_nothing_is_done() {
    let (mut connection, _) = shop(Vec::new()).await;
    connection.base_url = "http://127.0.0.1:9".to_owned();
    let result = run(&connection, shipment(&[], &[]), Attempt::First).await;
    assert_eq!(
        class(result),
        ("transient".into(), "partner_unreachable".into())
    );
    let call = Call {
        http: &crate::http::client().unwrap(),
        connection: &connection,
        secrets: &ConnectionSecrets::default(),
        correlation: CorrelationId::for_connection(&connection.id),
        key: &MessageId::new("key-1").unwrap(),
        attempt: Attempt::First,
        now: Instant::EPOCH,
    };
    let result = execute(call, &shipment(&[], &[])).await;
    assert_eq!(class(result), ("rejected".into(), "not_configured".into()));
}

fn levels(levels: &[(&str, &str)]) -> Command {
    Command::PublishStock(PublishStock {
        channel: ConnectionId::new("shop").unwrap(),
        levels: levels
            .iter()
            .map(|(sku, quantity)| StockLevel {
                location: ConnectionId::new("odoo").unwrap(),
                sku: Sku::new(sku).unwrap(),
                kind: StockKind::Available,
                quantity: Quantity::parse(quantity).unwrap(),
                at: Instant::EPOCH,
                lot: None,
            })
            .collect(),
    })
}

fn items(items: &[(i64, &str)]) -> Reply {
    let nodes: Vec<Value> = items
        .iter()
        .map(|(id, sku)| json!({ "id": format!("gid://shopify/InventoryItem/{id}"), "sku": sku }))
        .collect();
    ok(json!({ "data": { "inventoryItems": { "nodes": nodes } } }))
}

fn stock_set() -> Reply {
    ok(json!({ "data": { "inventorySetQuantities": { "userErrors": [] } } }))
}

#[tokio::test]
async fn stock_goes_to_whole_skus_by_the_channels_names() {
    // The search also finds what only begins like the SKU.
    let (connection, log) = shop(vec![
        items(&[(1, "MUG"), (2, "MUG-XL"), (3, "THEIR-CUP")]),
        stock_set(),
    ])
    .await;
    let command = levels(&[("MUG", "7.5"), ("CUP", "0"), ("NOT-SOLD-HERE", "3")]);
    run(&connection, command, Attempt::First).await.unwrap();
    let log = log.lock().unwrap();
    let search = log[0].body["variables"]["query"].as_str().unwrap();
    assert_eq!(
        search,
        "sku:\"MUG\" OR sku:\"NOT-SOLD-HERE\" OR sku:\"THEIR-CUP\""
    );
    let input = &log[1].body["variables"]["input"];
    assert_eq!(input["name"], "available");
    let entry = |id: i64, units: i64| {
        json!({
            "inventoryItemId": format!("gid://shopify/InventoryItem/{id}"),
            "locationId": "gid://shopify/Location/1001", "quantity": units, "changeFromQuantity": null,
        })
    };
    assert_eq!(input["quantities"], json!([entry(1, 7), entry(3, 0)]));
    assert!(log[1].body["variables"]["key"].is_string());
}

fn stock_refused(places: &[&str]) -> Reply {
    let errors: Vec<Value> = places
        .iter()
        .map(|place| {
            let message = "The inventory item is not stocked at the location.";
            json!({ "field": ["input", "quantities", place, "locationId"], "message": message })
        })
        .collect();
    ok(json!({ "data": { "inventorySetQuantities": { "userErrors": errors } } }))
}

#[tokio::test]
async fn items_that_the_shop_refuses_hold_up_no_others_and_are_named() {
    let found = items(&[(1, "MUG"), (2, "CAP"), (3, "PEN")]);
    let (connection, log) = shop(vec![found, stock_refused(&["1"]), stock_set()]).await;
    let command = levels(&[("MUG", "7"), ("CAP", "5"), ("PEN", "3")]);
    let refused = run(&connection, command, Attempt::First).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "stock_refused");
    assert!(refused.detail().contains("`CAP`"), "{refused}");
    assert!(!refused.detail().contains("MUG"), "{refused}");
    let log = log.lock().unwrap();
    let sent: Vec<Vec<i64>> = log[1..]
        .iter()
        .map(|s| {
            let quantities = s.body["variables"]["input"]["quantities"].as_array();
            let units = quantities.unwrap().iter();
            units.map(|q| q["quantity"].as_i64().unwrap()).collect()
        })
        .collect();
    assert_eq!(sent, [vec![7, 5, 3], vec![7, 3]]);
    let key = |n: usize| log[n].body["variables"]["key"].clone();
    assert_ne!(
        key(1),
        key(2),
        "the same key with another input is an error"
    );
}

#[tokio::test]
async fn stock_that_is_refused_again_is_tried_no_third_time() {
    let found = items(&[(1, "MUG"), (2, "CAP")]);
    let (connection, log) = shop(vec![found, stock_refused(&["0"]), stock_refused(&["0"])]).await;
    let command = levels(&[("MUG", "7"), ("CAP", "5")]);
    let refused = run(&connection, command, Attempt::First).await.unwrap_err();
    assert!(refused.detail().contains("`MUG`, `CAP`"), "{refused}");
    assert_eq!(log.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn older_versions_get_the_older_input() {
    let (mut connection, log) = shop(vec![items(&[(1, "MUG")]), stock_set()]).await;
    connection.api_version = Some("2025-10".to_owned());
    run(&connection, levels(&[("MUG", "7")]), Attempt::First)
        .await
        .unwrap();
    let log = log.lock().unwrap();
    let input = &log[1].body["variables"]["input"];
    assert_eq!(input["ignoreCompareQuantity"], true);
    assert_eq!(input["quantities"][0].get("changeFromQuantity"), None);
}

#[tokio::test]
async fn hundreds_of_skus_go_in_searches_of_fifty_and_one_mutation_of_250() {
    let names: Vec<String> = (0..260).map(|n| format!("S-{n:03}")).collect();
    let mut replies: Vec<Reply> = names
        .chunks(50)
        .map(|chunk| {
            let found: Vec<(i64, &str)> = (0..).zip(chunk.iter().map(String::as_str)).collect();
            items(&found)
        })
        .collect();
    replies.extend([stock_set(), stock_set()]);
    let (connection, log) = shop(replies).await;
    let wanted: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "1")).collect();
    run(&connection, levels(&wanted), Attempt::First)
        .await
        .unwrap();
    let log = log.lock().unwrap();
    let sizes: Vec<usize> = log
        .iter()
        .filter_map(|s| {
            s.body["variables"]["input"]["quantities"]
                .as_array()
                .map(Vec::len)
        })
        .collect();
    assert_eq!(sizes, [250, 10]);
}

#[tokio::test]
async fn a_poll_gives_the_facts_of_the_webhook_and_goes_on_by_token() {
    let order: Value = serde_json::from_str(ORDER).unwrap();
    let first = Reply {
        status: 200,
        headers: vec![(
            "link",
            "<https://elsewhere.example/orders.json?limit=50&page_info=tok%3D1>; rel=\"next\"",
        )],
        body: json!({ "orders": [order, { "id": 5 }] }),
    };
    let (connection, log) = shop(vec![first, ok(json!({ "orders": [] }))]).await;
    let http = crate::http::client().unwrap();
    let since = Instant::parse("2026-03-02T09:00:00Z").unwrap();
    let now = Instant::parse("2026-03-02T09:20:00Z").unwrap();
    let page = poll(&http, &connection, &secrets(), since, None, now)
        .await
        .unwrap();
    assert_eq!(page.cursor.as_deref(), Some("tok=1"));
    assert_eq!(page.deliveries.len(), 2);
    let polled = &page.deliveries[0];
    let dedupe_id = polled.dedupe_id.as_deref().unwrap();
    assert!(
        dedupe_id.starts_with("poll/9007199254740995/2026-03-02T10:15:31+01:00/"),
        "{dedupe_id}"
    );
    let mut webhook = polled.clone();
    webhook.topic = Some("orders/create".to_owned());
    webhook.body = ORDER.as_bytes().to_vec();
    assert_eq!(parse(&connection, polled), parse(&connection, &webhook));
    assert!(parse(&connection, &page.deliveries[1]).is_err());
    let last = poll(&http, &connection, &secrets(), since, Some("tok=1"), now)
        .await
        .unwrap();
    assert_eq!((last.deliveries.len(), last.cursor), (0, None));
    let log = log.lock().unwrap();
    assert_eq!(
        log[0].target,
        "/admin/api/2026-07/orders.json?status=any&updated_at_min=2026-03-02T09%3A00%3A00Z&order=updated_at+asc&limit=50"
    );
    assert_eq!(
        log[1].target,
        "/admin/api/2026-07/orders.json?limit=50&page_info=tok%3D1"
    );
}
