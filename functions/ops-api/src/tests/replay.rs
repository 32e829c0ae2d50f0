//! Replay: by order, receipt and time.

use super::*;
use waybill_model::case::Retry;

fn delivery_of(receipt: &str, connection: &str) -> Delivery {
    Delivery {
        receipt: build::message(receipt),
        connection: build::connection(connection),
        origin: Origin::Webhook,
        topic: Some("orders/create".to_owned()),
        dedupe_id: None,
        headers: BTreeMap::new(),
        received_at: build::start(),
        replayed_at: None,
        traceparent: None,
        body: b"order".to_vec(),
    }
}

fn archived(correlation: Option<CorrelationId>, raw: String) -> Archived {
    Archived {
        receipt: build::message("receipt-1"),
        correlation,
        delivery: raw,
        received_at: build::start(),
    }
}

#[tokio::test]
async fn a_replay_hands_in_the_same_bytes_marked_as_a_replay() {
    let world = World::new();
    let id = world.order().await;
    let delivery = delivery_of("receipt-1", "shop-main");
    let raw = delivery::encode(&delivery).unwrap();
    world
        .orders
        .archive(&archived(Some(id), raw))
        .await
        .unwrap();
    for path in [
        format!("/ops/orders/{id}/replay"),
        "/ops/receipts/receipt-1/replay".to_owned(),
    ] {
        let (status, answer) = world.post(&path, none()).await;
        assert_eq!(status, 202, "{answer}");
    }
    let sent = world.queues.sent(Queue::Inbound);
    assert_eq!(sent.len(), 2);
    let replayed = delivery::decode(&sent[0].body).unwrap();
    assert_eq!(
        (replayed.origin, replayed.body),
        (Origin::Replay, delivery.body)
    );
}

#[tokio::test]
async fn what_never_was_a_delivery_cannot_be_replayed() {
    let world = World::new();
    let raw = archived(None, "no json".to_owned());
    world.orders.archive(&raw).await.unwrap();
    let (status, answer) = world.post("/ops/receipts/receipt-1/replay", none()).await;
    assert_eq!(status, 409);
    assert_eq!(answer["error"]["code"], "not_replayable");
}

/// Three deliveries a minute apart, the second through another connection.
async fn archive_three(world: &World) {
    for (minute, connection) in ["shop-main", "shop-two", "shop-main"]
        .into_iter()
        .enumerate()
    {
        let receipt = format!("receipt-{minute}");
        let raw = delivery::encode(&delivery_of(&receipt, connection)).unwrap();
        let mut one = archived(None, raw);
        one.receipt = build::message(&receipt);
        let minute = i64::try_from(minute).unwrap();
        one.received_at = build::start().plus_ms(minute * 60_000);
        world.orders.archive(&one).await.unwrap();
    }
}

fn range(from_minute: i64, to_minute: i64) -> serde_json::Value {
    let at = |minute: i64| build::start().plus_ms(minute * 60_000).to_string();
    serde_json::json!({"from": at(from_minute), "to": at(to_minute)})
}

#[tokio::test]
async fn a_range_of_time_is_replayed_its_start_included_and_its_end_not() {
    let world = World::new();
    archive_three(&world).await;
    let (status, answer) = world.post("/ops/replay", range(1, 2)).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(answer["ids"], serde_json::json!(["receipt-1"]));
    let sent = world.queues.sent(Queue::Inbound);
    let replayed = delivery::decode(&sent[0].body).unwrap();
    assert_eq!((sent.len(), replayed.origin), (1, Origin::Replay));
    // It is another delivery, and what it tells is no newer for that.
    assert!(replayed.replayed_at.is_some());
    assert_eq!(replayed.received_at, build::start());
}

#[tokio::test]
async fn a_replay_by_connection_leaves_other_connections_alone() {
    let world = World::new();
    archive_three(&world).await;
    let mut body = range(0, 9);
    body["connection"] = "shop-main".into();
    let (_, answer) = world.post("/ops/replay", body.clone()).await;
    assert_eq!(answer["ids"], serde_json::json!(["receipt-0", "receipt-2"]));
    body["topic"] = "refunds/create".into();
    let (status, answer) = world.post("/ops/replay", body).await;
    assert_eq!((status, &answer["ids"]), (202, &serde_json::json!([])));
    assert_eq!(world.queues.sent(Queue::Inbound).len(), 2);
}

#[tokio::test]
async fn a_replay_of_many_is_continued_by_its_cursor() {
    let world = World::new();
    archive_three(&world).await;
    let mut body = range(0, 9);
    body["limit"] = 2.into();
    let (_, first) = world.post("/ops/replay", body.clone()).await;
    assert_eq!(first["ids"].as_array().unwrap().len(), 2);
    body["cursor"] = first["cursor"].clone();
    let (_, second) = world.post("/ops/replay", body).await;
    assert_eq!(second["ids"], serde_json::json!(["receipt-2"]));
    assert!(second["cursor"].is_null());
}

#[tokio::test]
async fn a_range_that_ends_before_it_begins_is_refused() {
    let world = World::new();
    assert_eq!(world.post("/ops/replay", range(2, 2)).await.0, 400);
}

#[tokio::test]
async fn a_case_of_a_delivery_that_was_put_aside_is_retried_by_a_replay() {
    let world = World::new();
    let raw = delivery::encode(&delivery_of("receipt-1", "shop-main")).unwrap();
    world.orders.archive(&archived(None, raw)).await.unwrap();
    let mut case = build::case(None, CaseClass::Integration, "unreadable_json");
    case.retry = Some(Retry::Receipt {
        receipt: build::message("receipt-1"),
    });
    world.orders.put_case(&case).await.unwrap();
    let (status, answer) = world
        .post(&format!("/ops/cases/{}/retry", case.id), none())
        .await;
    assert_eq!((status, &answer["ids"][0]), (202, &"receipt-1".into()));
    assert_eq!(world.queues.sent(Queue::Inbound).len(), 1);
}

#[tokio::test]
async fn an_event_of_our_own_that_can_be_read_now_goes_back_to_its_queue_and_closes_its_case() {
    let world = World::new();
    let event = build::observed(build::order("1001"));
    let raw = serde_json::to_string(&event).unwrap();
    world
        .orders
        .archive(&archived(None, raw.clone()))
        .await
        .unwrap();
    let mut case = build::case(None, CaseClass::Integration, "unreadable_event");
    case.id = waybill_lambda_kit::quarantine::case_of(&build::message("receipt-1"));
    world.orders.put_case(&case).await.unwrap();
    let (status, _) = world.post("/ops/receipts/receipt-1/replay", none()).await;
    assert_eq!(status, 202);
    let sent = world.queues.sent(Queue::Events);
    let back: EventEnvelope = serde_json::from_str(&sent[0].body).unwrap();
    assert_eq!(back, event);
    let kept = world.orders.case(case.id).await.unwrap().unwrap();
    assert_eq!(kept.status, CaseStatus::Resolved);
}
