//! The shop: webhooks, fulfilment over GraphQL, the poll.

use crate::harness::{Rig, rig};
use serde_json::{Value, json};
use waybill_simulators::Options;

async fn graphql(rig: &Rig, query: &str, variables: Value) -> Value {
    rig.http
        .post(format!(
            "{}/shopify/admin/api/2026-01/graphql.json",
            rig.base
        ))
        .header("X-Shopify-Access-Token", "shpat_1")
        .json(&json!({"query": query, "variables": variables}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

const FULFILLMENT_ORDERS: &str = "query ($id: ID!) { order(id: $id) { fulfillmentOrders(first: 5) { nodes { id status lineItems(first: 50) { nodes { id remainingQuantity sku lineItem { id } } } } } } }";
const FULFILL: &str = "mutation ($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) { fulfillment { id status trackingInfo { number company } } userErrors { field message } } }";

#[tokio::test]
async fn a_placed_order_is_told_signed_and_adds_up() {
    let rig = rig(Options::default()).await;
    let placed = rig.place(json!({})).await;
    let hook = rig.shop_topic("orders/create", 1).await.remove(0);
    assert_eq!(hook.connection, "shopify-main");
    assert!(!hook.header("x-shopify-hmac-sha256").is_empty());
    assert!(!hook.header("x-shopify-event-id").is_empty());
    assert_eq!(hook.body["id"].to_string(), placed["id"].as_str().unwrap());
    assert_eq!(hook.body["financial_status"], "paid");
    rig.shop_topic("orders/paid", 1).await;
}

#[tokio::test]
async fn a_fulfilment_through_graphql_echoes_and_cannot_be_repeated() {
    let rig = rig(Options::default()).await;
    let placed = rig
        .place(json!({"lines": [{"sku": "SKU-0001", "quantity": 3}]}))
        .await;
    let gid = format!("gid://shopify/Order/{}", placed["id"].as_str().unwrap());
    let found = graphql(&rig, FULFILLMENT_ORDERS, json!({"id": gid})).await;
    let order = &found["data"]["order"]["fulfillmentOrders"]["nodes"][0];
    assert_eq!(order["status"], "OPEN");
    let line = &order["lineItems"]["nodes"][0];
    assert_eq!(line["remainingQuantity"], 3);
    let input = |quantity: i64| {
        json!({"f": {
            "lineItemsByFulfillmentOrder": [{
                "fulfillmentOrderId": order["id"],
                "fulfillmentOrderLineItems": [{"id": line["id"], "quantity": quantity}],
            }],
            "trackingInfo": {"company": "DHL", "number": "JD1"},
            "notifyCustomer": true,
        }})
    };
    let made = graphql(&rig, FULFILL, input(2)).await;
    let created = &made["data"]["fulfillmentCreate"];
    assert_eq!(created["userErrors"], json!([]));
    assert_eq!(created["fulfillment"]["trackingInfo"][0]["number"], "JD1");
    let echo = rig.shop_topic("fulfillments/create", 1).await.remove(0);
    assert_eq!(echo.body["line_items"][0]["quantity"], 2);
    assert_eq!(echo.body["tracking_number"], "JD1");
    rig.shop_topic("orders/partially_fulfilled", 1).await;

    let again = graphql(&rig, FULFILL, input(2)).await;
    let refused = &again["data"]["fulfillmentCreate"];
    assert_eq!(refused["fulfillment"], Value::Null);
    assert_eq!(refused["userErrors"][0]["field"], json!(["fulfillment"]));
    assert_eq!(rig.state("shopify").await["customers_notified"], 1);
}

#[tokio::test]
async fn throttling_is_a_200_and_a_bad_token_a_401() {
    let rig = rig(Options::default()).await;
    rig.set_faults(json!({"simulator": "shopify", "next": "throttle"}))
        .await;
    let throttled = graphql(&rig, "{ shop { name } }", json!({})).await;
    assert_eq!(throttled["errors"][0]["extensions"]["code"], "THROTTLED");
    assert!(throttled.get("data").is_none());
    let answer = rig
        .http
        .post(format!(
            "{}/shopify/admin/api/2026-01/graphql.json",
            rig.base
        ))
        .header("X-Shopify-Access-Token", "wrong")
        .json(&json!({"query": "{ shop { name } }"}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn stock_is_set_by_inventory_item_and_location() {
    let rig = rig(Options::default()).await;
    let found = graphql(
        &rig,
        "query ($q: String!) { inventoryItems(first: 2, query: $q) { nodes { id sku } } }",
        json!({"q": "sku:SKU-0002 OR sku:'SKU-0003'"}),
    )
    .await;
    let items = &found["data"]["inventoryItems"]["nodes"];
    assert_eq!(items.as_array().unwrap().len(), 2);
    let set = "mutation ($i: InventorySetQuantitiesInput!) { inventorySetQuantities(input: $i) { inventoryAdjustmentGroup { changes { delta } } userErrors { field message } } }";
    let input = |location: &str| {
        json!({"i": {"name": "available", "reason": "correction", "ignoreCompareQuantity": true,
            "quantities": [{"inventoryItemId": items[0]["id"], "locationId": location, "quantity": 7}]}})
    };
    let refused = graphql(&rig, set, input("gid://shopify/Location/9")).await;
    let errors = &refused["data"]["inventorySetQuantities"]["userErrors"];
    assert_eq!(
        errors[0]["field"],
        json!(["input", "quantities", "0", "locationId"])
    );
    let done = graphql(&rig, set, input("gid://shopify/Location/1001")).await;
    assert_eq!(
        done["data"]["inventorySetQuantities"]["userErrors"],
        json!([])
    );
    assert_eq!(rig.state("shopify").await["stock"]["SKU-0002"], 7);
}

#[tokio::test]
async fn the_poll_finds_silent_orders_page_by_page_oldest_first() {
    let rig = rig(Options::default()).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let placed = rig.place(json!({"silent": true})).await;
        ids.push(placed["id"].as_str().unwrap().to_owned());
    }
    let mut url = format!(
        "{}/shopify/admin/api/2026-01/orders.json?status=any&limit=2&order=updated_at+asc&updated_at_min=2020-01-01T00:00:00Z",
        rig.base
    );
    let mut found = Vec::new();
    loop {
        let answer = rig
            .http
            .get(&url)
            .header("X-Shopify-Access-Token", "shpat_1")
            .send()
            .await
            .unwrap();
        let link = answer
            .headers()
            .get("link")
            .map(|l| l.to_str().unwrap().to_owned());
        let body: Value = answer.json().await.unwrap();
        for order in body["orders"].as_array().unwrap() {
            found.push(order["id"].to_string());
        }
        let Some(link) = link else { break };
        assert!(link.ends_with("rel=\"next\""));
        url = link.split(['<', '>']).nth(1).unwrap().to_owned();
    }
    assert_eq!(found, ids);
    let log = rig.world.webhooks.log(0);
    let mut of_shop = log.iter().filter(|e| e.topic.starts_with("orders/"));
    assert!(of_shop.all(|e| e.outcome == "dropped"), "{log:?}");
}

#[tokio::test]
async fn a_cancel_of_a_paid_order_refunds_all_of_it_to_the_cent() {
    let rig = rig(Options::default()).await;
    for _ in 0..10 {
        let placed = rig.place(json!({})).await;
        let id = placed["id"].as_str().unwrap();
        assert_eq!(rig.act(id, "cancel", json!({})).await.0, 200);
        assert_eq!(rig.act(id, "cancel", json!({})).await.0, 409);
    }
    let state = rig.state("shopify").await;
    for order in state["orders"].as_array().unwrap() {
        assert_eq!(order["refunded_minor"], order["paid_minor"]);
        assert_eq!(order["financial_status"], "refunded");
    }
    let cancelled = rig.shop_topic("orders/cancelled", 10).await;
    assert!(
        cancelled
            .iter()
            .all(|h| h.body["current_total_price"] == "0.00")
    );
    rig.shop_topic("refunds/create", 10).await;
}

#[tokio::test]
async fn an_answer_that_is_lost_is_carried_out_and_a_cut_call_is_not() {
    let rig = rig(Options::default()).await;
    let placed = rig
        .place(json!({"lines": [{"sku": "SKU-0001", "quantity": 1}]}))
        .await;
    let gid = format!("gid://shopify/Order/{}", placed["id"].as_str().unwrap());
    let found = graphql(&rig, FULFILLMENT_ORDERS, json!({"id": gid})).await;
    let order = &found["data"]["order"]["fulfillmentOrders"]["nodes"][0];
    let input =
        json!({"f": {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": order["id"]}]}});
    let send = || {
        rig.http
            .post(format!(
                "{}/shopify/admin/api/2026-01/graphql.json",
                rig.base
            ))
            .header("X-Shopify-Access-Token", "shpat_1")
            .json(&json!({"query": FULFILL, "variables": input}))
            .send()
    };
    let fulfilled = async || {
        rig.state("shopify").await["orders"][0]["fulfillments"]
            .as_array()
            .unwrap()
            .len()
    };
    rig.set_faults(json!({"simulator": "shopify", "next": "cut"}))
        .await;
    assert!(send().await.is_err());
    assert_eq!(fulfilled().await, 0);
    rig.set_faults(json!({"simulator": "shopify", "next": "lost_answer"}))
        .await;
    assert!(send().await.is_err());
    assert_eq!(fulfilled().await, 1);
}

#[tokio::test]
async fn duplicates_carry_the_same_event_id() {
    let mut options = Options::default();
    options.webhook_faults.duplicate = 1000;
    let rig = rig(options).await;
    rig.place(json!({})).await;
    let hooks = rig.shop_topic("orders/create", 2).await;
    assert_eq!(
        hooks[0].header("x-shopify-event-id"),
        hooks[1].header("x-shopify-event-id")
    );
}
