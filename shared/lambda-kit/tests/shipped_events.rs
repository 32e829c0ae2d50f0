//! The events that functions ship for `sam local` are what the functions read.
#![allow(
    clippy::unwrap_used,
    reason = "a fixture that is not there must fail the test"
)]

use aws_lambda_events::event::sqs::SqsEvent;
use std::path::PathBuf;
use waybill_lambda_kit::batch::{Record, records};
use waybill_lambda_kit::delivery;
use waybill_model::envelope::{CommandEnvelope, EventEnvelope};

fn record(path: &str) -> Record {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../functions");
    let text = std::fs::read_to_string(root.join(path)).unwrap();
    let event: SqsEvent = serde_json::from_str(&text).unwrap();
    let mut records = records(event).unwrap();
    assert_eq!(records.len(), 1, "{path}");
    records.remove(0)
}

#[test]
fn the_validators_event_is_a_delivery_and_the_other_is_none() {
    let record_of = |name: &str| record(&format!("validator/events/{name}.json"));
    assert!(delivery::decode(&record_of("shopify-order").body).is_ok());
    assert!(delivery::decode(&record_of("not-a-delivery").body).is_err());
}

#[test]
fn the_coordinators_event_is_an_event_with_its_group() {
    let record = record("coordinator/events/order-observed.json");
    let event: EventEnvelope = serde_json::from_str(&record.body).unwrap();
    assert_eq!(record.group, Some(event.correlationid.to_string()));
}

#[test]
fn the_executors_events_are_commands_of_their_queue() {
    for (path, queue) in [
        ("odoo-writer/events/create-sale-order.json", "erp"),
        (
            "fulfillment-dispatcher/events/create-fulfillment-order.json",
            "fulfillment",
        ),
        ("status-publisher/events/subscribe-tracking.json", "status"),
    ] {
        let record = record(path);
        assert!(record.queue.ends_with(queue), "{path}: `{}`", record.queue);
        let command: CommandEnvelope = serde_json::from_str(&record.body).unwrap();
        let named = format!("{:?}", command.body.kind().queue()).to_lowercase();
        assert_eq!(named, queue);
        assert!(command.effect.is_some());
    }
}
