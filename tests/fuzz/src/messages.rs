//! Messages of the queues: deliveries in their compressed form, and the records that SQS hands over.

use crate::draw::Draw;
use crate::mutate::{self, TEXTS};
use crate::properties::{error_tells_no_person, in_time};
use crate::seeds;
use aws_lambda_events::event::sqs::SqsEvent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use waybill_lambda_kit::batch::records;
use waybill_lambda_kit::delivery::{MAX_RAW_BYTES, decode, encode};
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::id::{ConnectionId, MessageId};
use waybill_testkit::build;

/// A delivery of these bytes.
pub(crate) fn of(connection: &str, topic: Option<&str>, body: Vec<u8>) -> Delivery {
    Delivery {
        receipt: MessageId::new("receipt-1").unwrap(),
        connection: ConnectionId::new(connection).unwrap(),
        origin: Origin::Webhook,
        topic: topic.map(str::to_owned),
        dedupe_id: None,
        headers: BTreeMap::from([("x-test".to_owned(), mutate::MARKER.to_owned())]),
        received_at: build::start(),
        replayed_at: None,
        traceparent: None,
        body,
    }
}

/// Deliveries: byte for byte what was put in, or a refusal; never more than the limit.
///
/// # Panics
/// A property does not hold.
pub fn delivery(input: &[u8]) {
    let mut draw = Draw::new(input);
    let body = match draw.below(4) {
        0 => draw.of(&TEXTS).as_bytes().to_vec(),
        1 => vec![draw.byte(); draw.below(20_000) * draw.below(60)],
        _ => mutate::document(&[json!({"id": 1, "name": mutate::MARKER})], &mut draw),
    };
    let sent = of("shop", draw.once_in(2).then_some("orders/create"), body);
    let message = encode(&sent).unwrap();
    assert_eq!(decode(&message), Ok(sent));
    let mut value: Value = serde_json::from_str(&message).unwrap();
    if draw.once_in(2) {
        let mut packed = STANDARD.decode(value["body"].as_str().unwrap()).unwrap();
        mutate::damage(&mut packed, &mut draw);
        value["body"] = json!(STANDARD.encode(packed));
    }
    let made = mutate::document(&[value], &mut draw);
    let made = String::from_utf8_lossy(&made);
    let read = in_time("decoding", || decode(&made));
    match read {
        Ok(read) => {
            assert!(read.body.len() <= MAX_RAW_BYTES);
            if let Ok(again) = encode(&read) {
                assert_eq!(decode(&again), Ok(read));
            }
        }
        Err(error) => error_tells_no_person(&error),
    }
}

/// Batches of SQS: each record by itself, none lost.
///
/// # Panics
/// A property does not hold.
pub fn batch(input: &[u8]) {
    static SEEDS: OnceLock<Vec<Value>> = OnceLock::new();
    let init = || {
        vec![
            seeds::json("functions/coordinator/events/order-observed.json"),
            seeds::json("functions/validator/events/not-a-delivery.json"),
        ]
    };
    let made = mutate::document(SEEDS.get_or_init(init), &mut Draw::new(input));
    // What is no event of SQS is refused by the runtime.
    let Ok(event) = serde_json::from_slice::<SqsEvent>(&made) else {
        return;
    };
    let sent = event.records.len();
    match in_time("reading a batch", || records(event)) {
        Ok(records) => {
            assert_eq!(records.len(), sent);
            assert!(records.iter().all(|r| !r.message_id.is_empty()));
        }
        Err(error) => error_tells_no_person(&error),
    }
}
