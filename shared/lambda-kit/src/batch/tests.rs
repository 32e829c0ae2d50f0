use super::*;
use std::sync::Mutex;
use waybill_model::id::Code;

#[derive(Default)]
struct Changes(Mutex<Vec<(String, String, u32)>>);

impl Visibility for &Changes {
    async fn change(&self, queue: &str, entries: Vec<(String, u32)>) -> Result<(), InfraError> {
        let mut changes = self.0.lock().unwrap();
        for (handle, delay_s) in entries {
            changes.push((queue.to_owned(), handle, delay_s));
        }
        Ok(())
    }
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Instant {
        Instant::EPOCH
    }
}

fn runner(changes: &Changes) -> Runner<&Changes, Stopped> {
    Runner {
        step: "test",
        visibility: changes,
        clock: Stopped,
    }
}

fn event(records: &[(&str, &str, Option<&str>)]) -> SqsEvent {
    let records: Vec<_> = records
        .iter()
        .map(|(id, body, group)| {
            let mut attributes = serde_json::json!({"ApproximateReceiveCount": "3", "SentTimestamp": "1700000000000"});
            if let Some(group) = group {
                attributes["MessageGroupId"] = (*group).into();
            }
            serde_json::json!({
                "messageId": id, "receiptHandle": format!("handle-{id}"), "body": body,
                "attributes": attributes,
                "eventSourceARN": "arn:aws:sqs:eu-west-1:1:waybill-local-erp",
            })
        })
        .collect();
    serde_json::from_value(serde_json::json!({ "Records": records })).unwrap()
}

fn transient(retry_after_ms: Option<u64>) -> Handled {
    Ended::Transient {
        code: Code::literal("throttled"),
        detail: "slow down".to_owned(),
        retry_after_ms,
    }
    .into()
}

async fn by_body(record: Record) -> Handled {
    match record.body.as_str() {
        "panic" => panic!("as the test asks"),
        "later" => transient(Some(120_000)),
        "empty" => Ended::Ignored {
            code: Code::literal("nothing"),
        }
        .into(),
        _ => Ended::Done.into(),
    }
}

fn failed(response: &SqsBatchResponse) -> Vec<&str> {
    response
        .batch_item_failures
        .iter()
        .map(|f| f.item_identifier.as_str())
        .collect()
}

#[tokio::test]
async fn a_panicking_record_fails_alone() {
    let changes = Changes::default();
    let event = event(&[
        ("a", "ok", None),
        ("b", "panic", None),
        ("c", "empty", None),
    ]);
    let response = runner(&changes).each(event, by_body).await.unwrap();
    assert_eq!(failed(&response), ["b"]);
}

#[tokio::test]
async fn what_the_partner_asked_for_becomes_the_visibility_timeout() {
    let changes = Changes::default();
    let response = runner(&changes)
        .each(event(&[("a", "later", None)]), by_body)
        .await
        .unwrap();
    assert_eq!(failed(&response), ["a"]);
    let changes = changes.0.into_inner().unwrap();
    assert_eq!(
        changes,
        [("waybill-local-erp".to_owned(), "handle-a".to_owned(), 120)]
    );
}

#[tokio::test]
async fn after_a_failure_the_rest_of_the_group_fails_and_comes_back_with_it() {
    let changes = Changes::default();
    let event = event(&[
        ("a1", "later", Some("a")),
        ("b1", "ok", Some("b")),
        ("a2", "ok", Some("a")),
        ("b2", "ok", Some("b")),
    ]);
    let response = runner(&changes).in_groups(event, by_body).await.unwrap();
    assert_eq!(failed(&response), ["a1", "a2"]);
    let delays: Vec<u32> = changes
        .0
        .into_inner()
        .unwrap()
        .into_iter()
        .map(|(_, _, delay_s)| delay_s)
        .collect();
    assert_eq!(delays, [120, 120]);
}

#[tokio::test]
async fn a_batch_that_panics_is_run_again_record_by_record() {
    let changes = Changes::default();
    let event = event(&[("a", "ok", None), ("b", "panic", None)]);
    let response = runner(&changes)
        .together(event, |records| async move {
            let mut handled = Vec::new();
            for record in records {
                handled.push(by_body(record).await);
            }
            handled
        })
        .await
        .unwrap();
    assert_eq!(failed(&response), ["b"]);
}

#[tokio::test]
async fn a_record_without_an_id_fails_the_batch_loudly() {
    let changes = Changes::default();
    let event = serde_json::from_value(serde_json::json!({"Records": [{"body": "x"}]})).unwrap();
    let result = runner(&changes).each(event, by_body).await;
    assert_eq!(result.unwrap_err(), BatchError::NoMessageId);
}
