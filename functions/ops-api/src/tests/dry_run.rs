//! Dry runs: what a replay would change.

use super::*;
use waybill_flow::decide::decide;
use waybill_testkit::build::OrderBuilder;

/// A connections file of this version that knows these products by other names.
fn connections(version: &str, aliases: &str) -> String {
    format!(
        r#"
        version = "{version}"
        [[connections]]
        id = "odoo"
        partner = "odoo"
        base_url = "https://erp.example.com"
        [connections.erp]
        database = "acme"
        login = "integration"
        protocol = "json2"
        shipping_sku = "SHIPPING"
        [[connections]]
        id = "shop-main"
        partner = "shopify"
        base_url = "https://acme.myshopify.com"
        [connections.channel]
        erp = "odoo"
        sku_aliases = {{ {aliases} }}
        [[connections]]
        id = "carrier"
        partner = "easypost"
        base_url = "https://api.easypost.com"
        "#
    )
}

fn ordered() -> Order {
    OrderBuilder::new("1001")
        .without_lines()
        .line("MUG-RED", 1, "12.50")
        .build()
}

/// What a connection told, as it is archived.
async fn archive(world: &World, receipt: &str, connection: &str, body: &[u8]) {
    let delivery = Delivery {
        receipt: build::message(receipt),
        connection: build::connection(connection),
        origin: Origin::Webhook,
        topic: None,
        dedupe_id: None,
        headers: BTreeMap::new(),
        received_at: build::start(),
        replayed_at: None,
        traceparent: None,
        body: body.to_vec(),
    };
    let archived = Archived {
        receipt: delivery.receipt.clone(),
        correlation: Some(ordered().correlation()),
        delivery: delivery::encode(&delivery).unwrap(),
        received_at: build::start(),
    };
    world.orders.archive(&archived).await.unwrap();
}

/// The world with order `1001` as version `1` of the connections file read it.
async fn world() -> World {
    let mut world = World::new();
    world.connections = Connections::parse(&connections("1", "")).unwrap();
    let order = ordered();
    let mut event = build::observed(order.clone());
    event.configversion = Some("1".to_owned());
    let state = decide(None, &event, &world.connections, world.clock.now()).state;
    let commit = build::commit(order.correlation(), None, state, "event-1");
    world.orders.commit(commit).await.unwrap();
    let body = serde_json::to_vec(&order).unwrap();
    archive(&world, "receipt-1", "shop-main", &body).await;
    world
}

async fn dry_run(world: &World, file: Option<String>) -> serde_json::Value {
    let path = format!("/ops/orders/{}/dry-run", ordered().correlation());
    let body = serde_json::json!({"connections": file});
    let (status, answer) = world.call(READER, "POST", &path, none(), body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn a_mended_mapping_is_shown_field_by_field_and_nothing_is_written() {
    let world = world().await;
    let before = world.orders.all();
    let file = connections("2", r#""MUG-RED" = "MUG-01""#);
    let answer = dry_run(&world, Some(file)).await;
    assert_eq!(answer["connections_version"], "2");
    assert_eq!(answer["deliveries"][0]["reading"], "read");
    let differences = answer["orders"][0]["differences"].as_array().unwrap();
    let of = |what: &str| differences.iter().find(|d| d["what"] == what).unwrap();
    let sku = of("order.lines[L1].sku");
    assert_eq!(
        (&sku["stored"], &sku["replayed"]),
        (&"MUG-RED".into(), &"MUG-01".into())
    );
    assert_eq!(world.orders.all(), before);
    assert!(world.queues.is_empty());
    assert_eq!(
        world
            .orders
            .timeline(ordered().correlation())
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn what_reads_the_same_as_stored_differs_in_nothing() {
    let world = world().await;
    let answer = dry_run(&world, None).await;
    assert_eq!(answer["orders"][0]["differences"], serde_json::json!([]));
    assert_eq!(answer["orders"][0]["effects"], serde_json::json!([]));
}

#[tokio::test]
async fn a_reading_that_would_not_replace_the_stored_one_is_told() {
    let world = world().await;
    let file = connections("1", r#""MUG-RED" = "AAA""#);
    let answer = dry_run(&world, Some(file)).await;
    assert_eq!(answer["deliveries"][0]["reading"], "kept");
    assert_eq!(answer["orders"][0]["differences"], serde_json::json!([]));
}

#[tokio::test]
async fn of_personal_data_only_that_it_differs_is_told() {
    let world = world().await;
    let mut moved = ordered();
    moved.version.0 += 1;
    moved.customer.as_mut().unwrap().email = Some("new@example.com".to_owned());
    moved.shipping.as_mut().unwrap().city = Some("Lyon".to_owned());
    archive(
        &world,
        "receipt-2",
        "shop-main",
        &serde_json::to_vec(&moved).unwrap(),
    )
    .await;
    let answer = dry_run(&world, None).await;
    let text = answer.to_string();
    assert!(text.contains("order.customer.email"), "{text}");
    assert!(text.contains("order.shipping.city"), "{text}");
    assert!(
        !text.contains("example.com") && !text.contains("Lyon"),
        "{text}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_or_is_not_read_is_named() {
    let world = world().await;
    for (receipt, connection, body, reading) in [
        ("r-1", "shop-main", b"garbage".as_slice(), "unreadable"),
        ("r-2", "shop-main", b"nothing", "ignored"),
        ("r-3", "shop-main", b"thin", "needs_the_partner"),
        ("r-4", "nobody", b"nothing", "unreadable"),
    ] {
        archive(&world, receipt, connection, body).await;
        let path = format!("/ops/receipts/{receipt}/dry-run");
        let (status, answer) = world.post(&path, none()).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["deliveries"][0]["reading"], reading, "{answer}");
        assert_eq!(answer["orders"], serde_json::json!([]));
    }
    let order = serde_json::to_vec(&ordered()).unwrap();
    archive(&world, "r-5", "carrier", &order).await;
    let (_, answer) = world.post("/ops/receipts/r-5/dry-run", none()).await;
    assert_eq!(answer["deliveries"][0]["reading"], "not_owner", "{answer}");
}

#[tokio::test]
async fn of_an_order_that_is_not_known_the_effects_are_told() {
    let world = world().await;
    let new = OrderBuilder::new("2002").build();
    let body = serde_json::to_vec(&new).unwrap();
    archive(&world, "receipt-2", "shop-main", &body).await;
    let (_, answer) = world.post("/ops/receipts/receipt-2/dry-run", none()).await;
    let told = &answer["orders"][0];
    assert_eq!(
        (&told["known"], &told["axes"]["order"]),
        (&false.into(), &"writing".into())
    );
    assert_eq!(told["effects"][0]["effect"], "sale_order.create");
    assert_eq!(told["effects"][0]["connection"], "odoo");
}

#[tokio::test]
async fn a_range_is_tried_and_a_wrong_file_is_refused_with_its_faults() {
    let world = world().await;
    let range = serde_json::json!({
        "from": build::start().to_string(), "to": build::start().plus_ms(1).to_string(),
    });
    let body = serde_json::json!({"range": range});
    let (status, answer) = world.post("/ops/replay/dry-run", body).await;
    assert_eq!(
        (status, answer["orders"].as_array().unwrap().len()),
        (200, 1)
    );
    let body = serde_json::json!({"range": range, "connections": "version = 1"});
    let (status, answer) = world.post("/ops/replay/dry-run", body).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (400, &"invalid_connections".into())
    );
    assert!(world.queues.is_empty());
}
