//! The 3PL: references, rate limit, life cycle, the race of cancel and pick.

use crate::harness::{Rig, rig};
use serde_json::{Value, json};
use waybill_simulators::shipbob::actions::{Leave, deliver, pick, ship, split};
use waybill_simulators::shipbob::returns;
use waybill_simulators::{Options, world::lock};

fn body(reference: &str) -> Value {
    json!({
        "reference_id": reference,
        "order_number": "#1001",
        "type": "DTC",
        "shipping_method": "Standard",
        "recipient": {"name": "A B", "address": {"address1": "Kade 1", "city": "Utrecht", "country": "NL"}},
        "products": [{"reference_id": "SKU-0001", "quantity": 2}, {"reference_id": "SKU-0002", "quantity": 1}],
    })
}

async fn call(rig: &Rig, path: &str, body: Option<Value>) -> (u16, Value) {
    let url = format!("{}/shipbob/2026-01{path}", rig.base);
    let request = match body {
        Some(body) => rig.http.post(url).json(&body),
        None => rig.http.get(url),
    };
    let answer = request
        .bearer_auth("sb_1")
        .header("shipbob_channel_id", "100001")
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

async fn create(rig: &Rig, reference: &str) -> (i64, i64) {
    let (status, order) = call(rig, "/order", Some(body(reference))).await;
    assert_eq!(status, 201, "{order}");
    let shipment = order["shipments"][0]["id"].as_i64().unwrap();
    (order["id"].as_i64().unwrap(), shipment)
}

const NOW: Leave = Leave {
    with_tracking: true,
    tell: true,
};

#[tokio::test]
async fn a_reference_is_taken_once_and_found_again() {
    let rig = rig(Options::default()).await;
    let (id, _) = create(&rig, "ref-1").await;
    let (status, refused) = call(&rig, "/order", Some(body("REF-1"))).await;
    assert_eq!(status, 422);
    assert!(
        refused["errors"][0]
            .as_str()
            .unwrap()
            .contains("already exists")
    );
    let (_, found) = call(&rig, "/order?ReferenceIds=ref-1,ref-2", None).await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(found[0]["id"], id);
    assert_eq!(rig.state("shipbob").await["duplicates_refused"], 1);
}

#[tokio::test]
async fn beyond_the_rate_limit_the_wait_is_in_its_own_header_and_sentence() {
    let options = Options {
        shipbob_calls_per_minute: 1,
        ..Options::default()
    };
    let rig = rig(options).await;
    create(&rig, "ref-1").await;
    let (status, refused) = call(&rig, "/order", Some(body("ref-2"))).await;
    assert_eq!(status, 429);
    assert_eq!(refused["statusCode"], 429);
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .starts_with("Rate limit is exceeded. Try again in")
    );
}

#[tokio::test]
async fn stock_moves_once_and_the_order_is_told_with_its_shipments() {
    let rig = rig(Options::default()).await;
    let (order, shipment) = create(&rig, "ref-1").await;
    let number = ship(&rig.world, order, shipment, NOW).unwrap();
    assert!(ship(&rig.world, order, shipment, NOW).is_err());
    deliver(&rig.world, order, shipment).unwrap();
    let hook = rig
        .hooks(1, |h| h.header("x-webhook-topic") == "order.shipped")
        .await
        .remove(0);
    assert_eq!(hook.body["reference_id"], "ref-1");
    let told = &hook.body["shipments"][0];
    assert_eq!(told["tracking"]["tracking_number"], number);
    assert_eq!(told["products"][0]["inventory_items"][0]["quantity"], 2);
    rig.hooks(1, |h| {
        h.header("x-webhook-topic") == "order.shipment.delivered"
    })
    .await;
    let ledger = &rig.state("shipbob").await["ledger"];
    assert_eq!(ledger.as_array().unwrap().len(), 2);
    assert_eq!(ledger[0]["units"], -2);
}

#[tokio::test]
async fn what_is_picked_cannot_be_cancelled_and_what_waits_can() {
    let rig = rig(Options::default()).await;
    let (order, shipment) = create(&rig, "ref-1").await;
    pick(&rig.world, order, shipment).unwrap();
    let (status, _) = call(&rig, &format!("/order/{order}/cancel"), Some(json!({}))).await;
    assert_eq!(status, 422);
    let (other, _) = create(&rig, "ref-2").await;
    let (status, done) = call(&rig, &format!("/order/{other}/cancel"), Some(json!({}))).await;
    assert_eq!(status, 200);
    assert_eq!(done["order"]["status"], "Cancelled");
    assert_eq!(done["canceled_shipment_results"][0]["is_success"], true);
    rig.hooks(1, |h| {
        h.header("x-webhook-topic") == "order.shipment.cancelled"
    })
    .await;
}

#[tokio::test]
async fn a_split_order_is_partly_fulfilled_until_both_have_left() {
    let rig = rig(Options::default()).await;
    let (order, _) = create(&rig, "ref-1").await;
    let (first, second) = split(&rig.world, order, &[("SKU-0001".to_owned(), 1)]).unwrap();
    ship(&rig.world, order, first, NOW).unwrap();
    let status = || lock(&rig.world.shipbob).orders().next().unwrap().status();
    assert_eq!(status(), "PartiallyFulfilled");
    ship(&rig.world, order, second, NOW).unwrap();
    assert_eq!(status(), "Fulfilled");
}

#[tokio::test]
async fn a_return_restocks_once() {
    let rig = rig(Options::default()).await;
    let (order, shipment) = create(&rig, "ref-1").await;
    ship(&rig.world, order, shipment, NOW).unwrap();
    let lines = [("SKU-0001".to_owned(), 1)];
    let back = returns::announce(&rig.world, order, "77", &lines).unwrap();
    returns::arrive(&rig.world, back).unwrap();
    returns::complete(&rig.world, back).unwrap();
    assert!(returns::complete(&rig.world, back).is_err());
    let hook = rig
        .hooks(1, |h| h.header("x-webhook-topic") == "return.completed")
        .await
        .remove(0);
    assert_eq!(hook.body["reference_id"], "77");
    assert_eq!(
        hook.body["inventory"][0]["action_taken"][0]["action"],
        "Restock"
    );
    assert_eq!(rig.state("shipbob").await["on_hand"]["SKU-0001"], 9_999);
}
