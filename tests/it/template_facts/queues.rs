//! Queues, their dead-letter queues, and who reads them.

use serde_json::{Value, json};
use waybill_lambda_kit::backoff::delay_s;
use waybill_lambda_kit::execute::{COUNT_GIVE_UP_MS, GIVE_UP_MS};

use super::{assert_bites, assert_holds};
use crate::template::{Template, attribute_of, reference};

/// SQS keeps a message for at most 14 days.
const RETENTION_MAX_S: i64 = 1_209_600;
/// AWS's advice for a queue that a function reads: room for the retries of a throttled function.
const VISIBILITY_FACTOR: i64 = 6;

fn dead_letter_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    let mut used = Vec::new();
    for queue in template.queues() {
        let dlq = attribute_of(
            &queue.property("RedrivePolicy")["deadLetterTargetArn"],
            "Arn",
        );
        let Some(dlq) = dlq.and_then(|id| template.resource(id)) else {
            faults.push(format!("{} has no dead-letter queue", queue.id));
            continue;
        };
        if used.contains(&dlq.id) {
            faults.push(format!(
                "{} shares its dead-letter queue {} with another",
                queue.id, dlq.id
            ));
        }
        used.push(dlq.id);
        if queue.property("FifoQueue") != dlq.property("FifoQueue") {
            faults.push(format!(
                "{} and {} should both be FIFO or both not",
                queue.id, dlq.id
            ));
        }
    }
    faults
}

fn keeping_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for queue in template.resources("AWS::SQS::Queue") {
        if reference(queue.property("KmsMasterKeyId")) != Some("DataKey") {
            faults.push(format!(
                "{} is not encrypted with the stack's key",
                queue.id
            ));
        }
        if queue.property("MessageRetentionPeriod").as_i64() != Some(RETENTION_MAX_S) {
            faults.push(format!("{} does not keep messages for 14 days", queue.id));
        }
    }
    faults
}

fn visibility_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for (function, queue, event) in template.queue_events() {
        let timeout = function
            .property("Timeout")
            .as_i64()
            .unwrap_or(i64::MAX / VISIBILITY_FACTOR);
        let window = event["MaximumBatchingWindowInSeconds"]
            .as_i64()
            .unwrap_or(0);
        let needed = VISIBILITY_FACTOR * timeout + window;
        let visibility = template
            .resource(queue)
            .and_then(|queue| queue.property("VisibilityTimeout").as_i64());
        if visibility.is_none_or(|visibility| visibility < needed) {
            faults.push(format!(
                "{queue} hides messages for {visibility:?} s; {} needs {needed} s",
                function.id
            ));
        }
    }
    faults
}

fn reading_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    let events = template.queue_events();
    for queue in template.queues() {
        if events
            .iter()
            .filter(|(_, read, _)| *read == queue.id)
            .count()
            != 1
        {
            faults.push(format!("{} is not read by exactly one function", queue.id));
        }
    }
    for (function, queue, event) in &events {
        let at = format!("{} reading {queue}", function.id);
        if event["FunctionResponseTypes"] != json!(["ReportBatchItemFailures"]) {
            faults.push(format!("{at} fails the whole batch for one record"));
        }
        if event["ScalingConfig"]["MaximumConcurrency"].is_null() {
            faults.push(format!("{at} has no maximum concurrency"));
        }
        let batch = event["BatchSize"].as_i64().unwrap_or(10);
        if batch > 10 && event["MaximumBatchingWindowInSeconds"].is_null() {
            faults.push(format!("{at} needs a window for more than ten records"));
        }
    }
    faults
}

#[test]
fn every_queue_has_a_dead_letter_queue_of_its_own() {
    assert_holds(dead_letter_faults);
    let template = Template::of_the_project();
    assert_eq!(template.queues().count(), 6);
    let erp = "/Resources/ErpQueue/Properties";
    assert_bites(
        dead_letter_faults,
        &template.without(&format!("{erp}/RedrivePolicy")),
        "ErpQueue has no",
    );
    let target = format!("{erp}/RedrivePolicy/deadLetterTargetArn/Fn::GetAtt");
    assert_bites(
        dead_letter_faults,
        &template.with(&target, json!("StatusDlq.Arn")),
        "shares",
    );
    let fifo = "/Resources/EventsDlq/Properties/FifoQueue";
    assert_bites(dead_letter_faults, &template.without(fifo), "both be FIFO");
}

/// Age decides when a command is given up, never the count of receives: on average a message comes
/// back for a day longer than that age before its queue takes it away.
fn patience_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for queue in template.queues() {
        let receives = queue.property("RedrivePolicy")["maxReceiveCount"].as_u64();
        let receives = u32::try_from(receives.unwrap_or_default()).unwrap();
        // The last receive is the last chance: nothing waits after it.
        let waits = (1..receives).map(|n| i64::from(delay_s(n, None, 0.5)));
        let seconds: i64 = waits.sum();
        let longest = match queue.id {
            "ErpBulkQueue" => COUNT_GIVE_UP_MS,
            _ => GIVE_UP_MS,
        };
        if seconds * 1000 < longest + GIVE_UP_MS {
            faults.push(format!(
                "{} moves messages to its DLQ after {} h",
                queue.id,
                seconds / 3600
            ));
        }
    }
    faults
}

#[test]
fn a_message_is_given_up_by_its_age_before_its_receives_run_out() {
    assert_holds(patience_faults);
    let template = Template::of_the_project();
    let count = "/Resources/ErpQueue/Properties/RedrivePolicy/maxReceiveCount";
    let bites = |receives: u32, said: &str| {
        assert_bites(
            patience_faults,
            &template.with(count, json!(receives)),
            said,
        );
    };
    bites(100, "ErpQueue moves messages to its DLQ after 11 h");
    bites(200, "ErpQueue moves");
    assert_bites(patience_faults, &template.without(count), "after 0 h");
}

#[test]
fn every_queue_is_encrypted_and_keeps_messages_as_long_as_it_can() {
    assert_holds(keeping_faults);
    let template = Template::of_the_project();
    let key = "/Resources/InboundDlq/Properties/KmsMasterKeyId";
    assert_bites(
        keeping_faults,
        &template.without(key),
        "InboundDlq is not encrypted",
    );
    let retention = "/Resources/StatusQueue/Properties/MessageRetentionPeriod";
    assert_bites(
        keeping_faults,
        &template.with(retention, json!(345_600)),
        "StatusQueue does not keep",
    );
}

#[test]
fn visibility_is_at_least_six_times_the_timeout() {
    assert_holds(visibility_faults);
    let template = Template::of_the_project();
    let visibility = "/Resources/FulfillmentQueue/Properties/VisibilityTimeout";
    assert_bites(
        visibility_faults,
        &template.with(visibility, json!(179)),
        "FulfillmentQueue hides",
    );
    let timeout = "/Resources/CoordinatorFunction/Properties/Timeout";
    assert_bites(
        visibility_faults,
        &template.with(timeout, json!(16)),
        "CoordinatorFunction needs 96 s",
    );
    assert_bites(
        visibility_faults,
        &template.without(timeout),
        "EventsQueue hides",
    );
}

#[test]
fn every_queue_is_read_with_partial_failures_and_a_cap() {
    assert_holds(reading_faults);
    let template = Template::of_the_project();
    let event = "/Resources/OdooWriterFunction/Properties/Events/ErpBulk/Properties";
    let response = template.without(&format!("{event}/FunctionResponseTypes"));
    assert_bites(
        reading_faults,
        &response,
        "OdooWriterFunction reading ErpBulkQueue fails the whole batch",
    );
    assert_bites(
        reading_faults,
        &template.without(&format!("{event}/ScalingConfig")),
        "no maximum concurrency",
    );
    assert_bites(
        reading_faults,
        &template.without(&format!("{event}/MaximumBatchingWindowInSeconds")),
        "window",
    );
    let events = "/Resources/StatusPublisherFunction/Properties/Events";
    assert_bites(
        reading_faults,
        &template.with(events, Value::Null),
        "StatusQueue is not read",
    );
}

#[test]
fn erp_commands_are_taken_fifty_at_a_time() {
    let template = Template::of_the_project();
    let events = template.queue_events();
    let (_, _, erp) = events
        .iter()
        .find(|(_, queue, _)| *queue == "ErpQueue")
        .unwrap();
    assert_eq!(erp["BatchSize"], 50);
    assert_eq!(erp["MaximumBatchingWindowInSeconds"], 1);
    let concurrency = reference(&erp["ScalingConfig"]["MaximumConcurrency"]).unwrap();
    assert_eq!(template.0["Parameters"][concurrency]["Default"], 2);
}

#[test]
fn events_keep_their_order_within_an_order_and_scale_across_orders() {
    let template = Template::of_the_project();
    let events = template.resource("EventsQueue").unwrap();
    assert_eq!(events.property("FifoQueue"), true);
    assert_eq!(events.property("DeduplicationScope"), "messageGroup");
    assert_eq!(events.property("FifoThroughputLimit"), "perMessageGroupId");
}
