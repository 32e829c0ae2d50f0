//! Findings that a person lets pass.

use super::*;
use waybill_flow::decide::decide;
use waybill_model::time::DAY_MS;
use waybill_testkit::build::OrderBuilder;

const CONNECTIONS: &str = r#"
    version = "test"
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
"#;

/// A world with an order that was first heard of sixty days after it was placed.
async fn late() -> (World, CorrelationId) {
    let mut world = World::new();
    world.connections = Connections::parse(CONNECTIONS).unwrap();
    let order = OrderBuilder::new("1001").build();
    let at = order.placed_at.plus_ms(60 * DAY_MS);
    let told = build::observed(order);
    let decided = decide(None, &told, &world.connections, at);
    assert!(decided.commands.is_empty(), "{:?}", decided.commands);
    let id = told.correlationid;
    let commit = build::commit(id, None, decided.state, "first");
    world.orders.commit(commit).await.unwrap();
    (world, id)
}

async fn shown(world: &World, id: CorrelationId) -> serde_json::Value {
    let query = serde_json::json!({"correlation": id.to_string()});
    let (status, answer) = world.get("/ops/orders", query).await;
    assert_eq!(status, 200, "{answer}");
    answer["orders"][0].clone()
}

fn codes(order: &serde_json::Value) -> Vec<&str> {
    let findings = order["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|f| f["code"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn only_what_was_found_can_be_waived() {
    let world = World::new();
    let id = world.order().await;
    let body = serde_json::json!({"code": "total_mismatch"});
    let (status, answer) = world.post(&format!("/ops/orders/{id}/waive"), body).await;
    assert_eq!(status, 409);
    assert_eq!(answer["error"]["code"], "not_found_in_order");
}

#[tokio::test]
async fn an_order_that_came_late_shows_it_and_goes_on_once_that_is_waived() {
    let (world, id) = late().await;
    assert_eq!(codes(&shown(&world, id).await), ["order_too_old"]);
    let body = serde_json::json!({"code": "order_too_old"});
    let (status, answer) = world.post(&format!("/ops/orders/{id}/waive"), body).await;
    assert_eq!(status, 202, "{answer}");
    let sent = world.queues.sent(Queue::Events);
    let event: EventEnvelope = serde_json::from_str(&sent[0].body).unwrap();
    let stored = world.orders.load(id).await.unwrap().unwrap();
    let decided = decide(
        Some(&stored.state),
        &event,
        &world.connections,
        world.clock.now(),
    );
    let commands: Vec<_> = decided.commands.iter().map(|c| c.command.kind()).collect();
    assert_eq!(commands, [CommandKind::CreateSaleOrder]);
    let open = decided
        .state
        .cases
        .values()
        .filter(|c| c.status == CaseStatus::Open);
    assert_eq!(open.count(), 0);
    // What was let pass still stands in the order.
    let commit = build::commit(id, Some(stored.revision), decided.state, "second");
    world.orders.commit(commit).await.unwrap();
    let order = shown(&world, id).await;
    assert_eq!(codes(&order), ["order_too_old"]);
    assert_eq!(order["waived"], serde_json::json!(["order_too_old"]));
}
