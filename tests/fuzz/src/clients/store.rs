//! The store, reading rows that something else wrote.

use crate::answers::{Answers, with_server};
use crate::draw::Draw;
use crate::model::text;
use crate::mutate::{self, MARKER};
use crate::properties::{in_time, survives_the_wire, tells_no_person};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use waybill_flow::ports::{
    ArchiveQuery, CaseQuery, Clock, EffectStore as _, InfraError, OrderStore as _,
};
use waybill_lambda_kit::delivery;
use waybill_model::id::{MessageId, RefKind, Reference};
use waybill_store::{DynamoEffects, DynamoOrders, Retention};
use waybill_testkit::{ManualClock, build};

/// What rows hold packed.
struct Packed {
    state: String,
    outbox: String,
    event: String,
    note: String,
    part: String,
}

impl Packed {
    /// One of them is changed as `draw` decides: behind the packing no change of the row gets to it.
    fn new(changed: usize, draw: &mut Draw<'_>) -> Self {
        static WHOLE: OnceLock<[Value; 5]> = OnceLock::new();
        let whole = WHOLE.get_or_init(|| {
            let told = crate::messages::of("shopify-main", Some("orders/create"), b"{}".to_vec());
            let archived = delivery::encode(&told).unwrap();
            [
                json!(crate::model::state::state()),
                json!(crate::model::commands::commands()),
                json!(build::in_transit("1Z1")),
                crate::model::pace(),
                serde_json::from_str(&archived).unwrap(),
            ]
        });
        let mut nth = |n: usize| match n == changed {
            true => mutate::document(&whole[n..=n], draw),
            false => whole[n].to_string().into_bytes(),
        };
        let zstd = |bytes: Vec<u8>| STANDARD.encode(zstd::encode_all(bytes.as_slice(), 3).unwrap());
        Self {
            state: zstd(nth(0)),
            outbox: zstd(nth(1)),
            event: zstd(nth(2)),
            note: zstd(nth(3)),
            part: STANDARD.encode(nth(4)),
        }
    }
}

/// Rows by what is in the keys of whoever asks for them.
fn rows(packed: &Packed) -> Answers {
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
    let at = "2026-01-31T09:30:00Z";
    let effect = with(
        key("EFFECT#key-1", "EFFECT"),
        json!({"status": {"S": "claimed"}, "owner": {"S": "o"},
            "lease_expires_ms": {"N": "1"}, "payload": {"S": MARKER}, "in_doubt": {"BOOL": false},
            "outcome": {"S": "{}"}, "version": {"N": "2"}}),
    );
    let single = [
        (
            "\"STATE\"",
            with(
                key(&format!("ORDER#{order}"), "STATE"),
                json!({"revision": {"N": "3"}, "format": {"N": "1"}, "state": {"B": packed.state},
                    "outbox": {"B": packed.outbox}, "deadline_ms": {"N": "1"}, "stage_shard": {"S": "0"}}),
            ),
        ),
        (
            "\"RECEIPT\"",
            with(
                key("RECEIPT#receipt-1", "RECEIPT"),
                json!({"raw_pk": {"S": "RECEIPT#receipt-1"}, "raw_prefix": {"S": "RAW#"}}),
            ),
        ),
        ("\"EFFECT\"", effect.clone()),
        (
            "\"pace\"",
            with(
                key("CHECKPOINT#odoo-main", "pace"),
                json!({"value": {"B": packed.note}, "version": {"N": "1"}}),
            ),
        ),
    ];
    let listed = [
        (
            "\"EVENT#\"",
            with(
                key(&format!("ORDER#{order}"), "EVENT#2026#e-1"),
                json!({"entry": {"S": entry}}),
            ),
        ),
        (
            "case_shard",
            with(
                key(&format!("ORDER#{order}"), "CASE#1"),
                json!({"case": {"S": case}, "case_sort": {"S": format!("{at}#1")}}),
            ),
        ),
        (
            "\"RAW#",
            with(
                key("RECEIPT#receipt-1", "RAW#1"),
                json!({"receipt": {"S": "receipt-1"}, "part": {"B": packed.part},
                    "received_at": {"S": at}, "correlation": {"S": order}}),
            ),
        ),
        (
            "\"ARCHIVE#",
            with(
                key(
                    "ARCHIVE#2026-01-31T09#0",
                    "2026-01-31T09:30:00.000000Z#receipt-1",
                ),
                json!({"receipt": {"S": "receipt-1"}}),
            ),
        ),
        (
            "\"ORDER#\"",
            with(
                key("REF#any#ticket#1", &format!("ORDER#{order}")),
                json!({"correlation": {"S": order}}),
            ),
        ),
        (
            "\"PARKED#\"",
            with(
                key("REF#any#ticket#1", "PARKED#e-1"),
                json!({"event": {"B": packed.event}, "since": {"S": at}}),
            ),
        ),
    ];
    let mut known: Vec<(&'static str, Value)> = Vec::new();
    for (word, item) in single {
        known.push((word, json!({"Item": item})));
    }
    for (word, item) in listed {
        known.push((
            word,
            json!({"Items": [item, item], "Count": 2, "ScannedCount": 2}),
        ));
        known.push((word, json!({"Items": [item], "Count": 1, "ScannedCount": 1, "LastEvaluatedKey": key("a", "b")})));
    }
    let seen = with(
        key("SEEN#d-1", "SEEN"),
        json!({"ttl_epoch_s": {"N": "99999999999"}}),
    );
    known.push((
        ".BatchGetItem",
        json!({"Responses": {"effects": [seen], "orders": [effect]}, "UnprocessedKeys": {}}),
    ));
    known.push(("PutItem", json!({})));
    known.push(("UpdateItem", json!({})));
    known.push(("", json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": MARKER, "Item": effect})));
    known.push(("", json!({"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "message": MARKER,
        "CancellationReasons": [{"Code": "ConditionalCheckFailed"}]})));
    Answers {
        known,
        headers: &[],
    }
}

fn stores(url: String) -> (DynamoOrders, DynamoEffects) {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    let (kept, retention) = (client.clone(), Retention::default());
    (
        DynamoOrders::new(client, "orders", clock.clone(), retention),
        DynamoEffects::new(kept, "effects", clock, retention),
    )
}

/// Rows of the tables, as another version, a person or a fault may have left them.
///
/// # Panics
/// A property does not hold.
pub fn store(input: &[u8]) {
    let mut draw = Draw::new(input);
    let cursor = draw.once_in(3).then(|| text(&mut draw));
    let limit = *draw.of(&[1, 5, 200, usize::MAX]);
    let what = draw.below(9);
    let changed = match what {
        0 => draw.below(2),
        5 => 2,
        8 => 3,
        3 | 4 => 4,
        _ => usize::MAX,
    };
    let rows = rows(&Packed::new(changed, &mut draw));
    in_time("the store", || {
        with_server(&rows, &mut draw, |url| async move {
            let (orders, effects) = stores(url);
            let (order, now) = (build::correlation("1001"), build::start());
            let id = MessageId::new("key-1").unwrap();
            let failed: Option<InfraError> = match what {
                0 => match orders.load(order).await {
                    Ok(stored) => {
                        stored.iter().for_each(|s| survives_the_wire(&s.state));
                        None
                    }
                    Err(error) => Some(error),
                },
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
                7 => effects.seen(&[id]).await.err(),
                _ => effects
                    .checkpoint(&build::connection("odoo-main"), "pace")
                    .await
                    .err(),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that no change was made to are read: what is changed in them is reached.
    #[test]
    fn every_row_is_one_that_this_version_writes() {
        let nothing = &mut Draw::new(&[]);
        let rows = rows(&Packed::new(usize::MAX, nothing));
        let (order, now) = (build::correlation("1001"), build::start());
        with_server(&rows, nothing, |url| async move {
            let (orders, effects) = stores(url);
            let stored = orders.load(order).await.unwrap().unwrap();
            assert_eq!(&stored.state, crate::model::state::state());
            assert!(!stored.outbox.is_empty());
            assert!(!orders.timeline(order).await.unwrap().is_empty());
            let cases = orders
                .cases(&CaseQuery {
                    limit: 5,
                    ..CaseQuery::default()
                })
                .await;
            assert!(!cases.unwrap().0.is_empty());
            let receipt = MessageId::new("receipt-1").unwrap();
            let body = orders.receipt(&receipt).await.unwrap().unwrap();
            assert!(!body.delivery.is_empty());
            let query = ArchiveQuery {
                from: now,
                to: now.plus_ms(1000),
                limit: 5,
                cursor: None,
            };
            assert!(orders.archived_between(&query).await.is_ok());
            let reference = Reference::anywhere(RefKind::Ticket, build::external("1"));
            assert!(orders.resolve(&reference).await.unwrap().contains(&order));
            assert!(!orders.parked(&reference).await.unwrap().is_empty());
            let note = effects
                .checkpoint(&build::connection("odoo-main"), "pace")
                .await;
            assert_eq!(note, Ok(Some(crate::model::pace().to_string())));
            assert!(effects.seen(&[receipt]).await.is_ok());
        });
    }
}
