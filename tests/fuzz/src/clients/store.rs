//! The store, reading rows that something else wrote.

use crate::answers::{Answers, with_server};
use crate::draw::Draw;
use crate::model::text;
use crate::mutate::MARKER;
use crate::properties::{in_time, tells_no_person};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use waybill_flow::ports::{
    ArchiveQuery, CaseQuery, Clock, EffectStore as _, InfraError, OrderStore as _,
};
use waybill_model::id::{MessageId, RefKind, Reference};
use waybill_store::{DynamoEffects, DynamoOrders, Retention};
use waybill_testkit::{ManualClock, build};

fn rows() -> Answers {
    let case = serde_json::to_string(&crate::world::World::case()).unwrap();
    let entry = serde_json::to_string(&build::timeline_entry("e-1", 0)).unwrap();
    let order = build::correlation("1001");
    let key = |pk: &str, sk: &str| json!({"pk": {"S": pk}, "sk": {"S": sk}});
    let with = |mut item: Value, more: Value| {
        item.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        item
    };
    let body = "KLUv/SQCEQAAe31o7h6F"; // An empty object, compressed.
    let state = with(
        key(&format!("ORDER#{order}"), "STATE"),
        json!({"revision": {"N": "3"}, "format": {"N": "1"},
        "state": {"B": body}, "outbox": {"B": body}, "deadline_ms": {"N": "1"}, "stage_shard": {"S": "0"}}),
    );
    let items = [
        state.clone(),
        with(
            key(&format!("ORDER#{order}"), "EVENT#2026#e-1"),
            json!({"entry": {"S": entry}}),
        ),
        with(
            key(&format!("ORDER#{order}"), "CASE#1"),
            json!({"case": {"S": case}}),
        ),
        with(
            key("RECEIPT#receipt-1", "RAW#1"),
            json!({"receipt": {"S": "receipt-1"}, "part": {"B": body},
            "received_at": {"S": "2026-03-02T10:00:00Z"}, "correlation": {"S": order}}),
        ),
        with(
            key("RECEIPT#receipt-1", "RECEIPT"),
            json!({"raw_pk": {"S": "RECEIPT#receipt-1"}, "raw_prefix": {"S": "RAW#"}}),
        ),
        with(
            key("REF#any#ticket#1", &format!("ORDER#{order}")),
            json!({}),
        ),
        with(
            key("REF#any#ticket#1", "PARKED#e-1"),
            json!({"event": {"B": body}, "since_ms": {"N": "1"}}),
        ),
        with(
            key("EFFECT#key-1", "EFFECT"),
            json!({"status": {"S": "claimed"}, "owner": {"S": "o"},
            "lease_expires_ms": {"N": "1"}, "payload": {"S": MARKER}, "in_doubt": {"BOOL": false},
            "outcome": {"S": "{}"}, "version": {"N": "2"}}),
        ),
        with(
            key("SEEN#d-1", "SEEN"),
            json!({"ttl_epoch_s": {"N": "99999999999"}}),
        ),
        with(
            key("CHECKPOINT#shop", "poll"),
            json!({"value": {"B": body}, "version": {"N": "1"}}),
        ),
    ];
    let mut known: Vec<(&'static str, Value)> = Vec::new();
    for item in &items {
        known.push((".GetItem", json!({"Item": item})));
        known.push((
            ".Query",
            json!({"Items": [item, item], "Count": 2, "ScannedCount": 2}),
        ));
        known.push((".Query", json!({"Items": [item], "Count": 1, "ScannedCount": 1, "LastEvaluatedKey": key("a", "b")})));
        known.push((
            ".BatchGetItem",
            json!({"Responses": {"effects": [item], "orders": [item]}, "UnprocessedKeys": {}}),
        ));
    }
    known.push(("Item", json!({})));
    known.push(("", json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": MARKER, "Item": items[7]})));
    known.push(("", json!({"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "message": MARKER,
        "CancellationReasons": [{"Code": "ConditionalCheckFailed"}]})));
    Answers {
        known,
        headers: &[],
    }
}

/// Rows of the tables, as another version, a person or a fault may have left them.
///
/// # Panics
/// A property does not hold.
pub fn store(input: &[u8]) {
    static ROWS: OnceLock<Answers> = OnceLock::new();
    let mut draw = Draw::new(input);
    let cursor = draw.once_in(3).then(|| text(&mut draw));
    let limit = *draw.of(&[1, 5, 200, usize::MAX]);
    let what = draw.below(8);
    in_time("the store", || {
        with_server(ROWS.get_or_init(rows), &mut draw, |url| async move {
            let config = aws_sdk_dynamodb::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new("test", "test", None, None, "test"))
                .retry_config(RetryConfig::disabled())
                .endpoint_url(url)
                .build();
            let client = aws_sdk_dynamodb::Client::from_conf(config);
            let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
            let orders = DynamoOrders::new(
                client.clone(),
                "orders",
                clock.clone(),
                Retention::default(),
            );
            let effects = DynamoEffects::new(client, "effects", clock, Retention::default());
            let (order, now) = (build::correlation("1001"), build::start());
            let id = MessageId::new("key-1").unwrap();
            let failed: Option<InfraError> = match what {
                0 => orders.load(order).await.err(),
                1 => orders.timeline(order).await.err(),
                2 => {
                    let query = CaseQuery {
                        limit,
                        cursor,
                        ..CaseQuery::default()
                    };
                    orders.cases(&query).await.err()
                }
                3 => {
                    let query = ArchiveQuery {
                        from: now,
                        to: now.plus_ms(3_600_000),
                        limit,
                        cursor,
                    };
                    orders.archived_between(&query).await.err()
                }
                4 => orders
                    .receipt(&id)
                    .await
                    .err()
                    .or(orders.archived(order).await.err()),
                5 => {
                    let reference = Reference::anywhere(RefKind::Ticket, build::external("1"));
                    orders
                        .resolve(&reference)
                        .await
                        .err()
                        .or(orders.parked(&reference).await.err())
                }
                6 => effects
                    .claim(&id, "payload", "owner", now, 1000)
                    .await
                    .err(),
                _ => effects.seen(&[id]).await.err(),
            };
            if let Some(error) = failed {
                assert!(!error.to_string().is_empty());
                // What DynamoDB says of a call is its own; of a row that cannot be read we say where it is.
                if let InfraError::Corrupt { detail, .. } = &error {
                    tells_no_person(detail.split(" in `").next().unwrap_or_default());
                }
            }
        });
    });
}
