//! Redrive on SQS's own protocol: nothing is taken out of a dead-letter queue that was not sent.

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use waybill_flow::ports::{DeadLetters, InfraError, Queue};
use waybill_lambda_kit::queues::SqsQueues;
use waybill_tests::loopback::serve;

/// One queue and its dead letters, in the few calls that a redrive makes.
#[derive(Debug, Default)]
struct Sqs {
    dead: Vec<String>,
    hidden: Vec<String>,
    sent: Vec<Value>,
    /// Bodies that are not accepted.
    refused: Vec<String>,
    /// Whether sending fails altogether.
    down: bool,
}

type Shared = Arc<Mutex<Sqs>>;

impl Sqs {
    fn receive(&mut self, most: usize) -> Value {
        let taken: Vec<String> = self.dead.drain(..most.min(self.dead.len())).collect();
        self.hidden.extend(taken.iter().cloned());
        let message = |body: &String| {
            json!({"MessageId": body, "ReceiptHandle": body, "Body": body,
                "Attributes": {"MessageGroupId": "order-1"}})
        };
        json!({"Messages": taken.iter().map(message).collect::<Vec<_>>()})
    }

    fn send(&mut self, entries: &[Value]) -> Value {
        let (mut accepted, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            let body = entry["MessageBody"].as_str().unwrap();
            if self.refused.iter().any(|r| r == body) {
                failed.push(
                    json!({"Id": entry["Id"], "Code": "InternalError", "SenderFault": false}),
                );
            } else {
                self.sent.push(entry.clone());
                accepted
                    .push(json!({"Id": entry["Id"], "MessageId": body, "MD5OfMessageBody": ""}));
            }
        }
        json!({"Successful": accepted, "Failed": failed})
    }

    fn delete(&mut self, entries: &[Value]) -> Value {
        let gone = |entry: &Value| entry["ReceiptHandle"].as_str().unwrap().to_owned();
        let gone: Vec<String> = entries.iter().map(gone).collect();
        self.hidden.retain(|body| !gone.contains(body));
        let ids: Vec<Value> = entries.iter().map(|e| json!({"Id": e["Id"]})).collect();
        json!({"Successful": ids, "Failed": []})
    }
}

async fn call(
    State(sqs): State<Shared>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, Json<Value>) {
    let asked: Value = serde_json::from_str(&body).unwrap();
    let of_the_dead = asked["QueueUrl"].as_str().unwrap().ends_with("/dead");
    let entries = asked["Entries"].as_array().cloned().unwrap_or_default();
    let mut sqs = sqs.lock().unwrap();
    let answer = match headers["x-amz-target"].to_str().unwrap() {
        "AmazonSQS.ReceiveMessage" if of_the_dead => {
            let most = asked["MaxNumberOfMessages"].as_u64().unwrap();
            sqs.receive(usize::try_from(most).unwrap())
        }
        "AmazonSQS.SendMessageBatch" if !of_the_dead && sqs.down => {
            return (
                StatusCode::INTERNAL_SERVER_ERROR,
                Json(json!({"__type": "InternalError"})),
            );
        }
        "AmazonSQS.SendMessageBatch" if !of_the_dead => sqs.send(&entries),
        "AmazonSQS.DeleteMessageBatch" if of_the_dead => sqs.delete(&entries),
        "AmazonSQS.GetQueueAttributes" if of_the_dead => {
            json!({"Attributes": {"ApproximateNumberOfMessages": sqs.dead.len().to_string()}})
        }
        other => panic!("`{other}` on `{}`", asked["QueueUrl"]),
    };
    (StatusCode::OK, Json(answer))
}

async fn queues(sqs: Sqs) -> (SqsQueues, Shared) {
    let shared = Arc::new(Mutex::new(sqs));
    let app = Router::new()
        .route("/", post(call))
        .with_state(Arc::clone(&shared));
    let endpoint = serve(app).await.unwrap().url;
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(&endpoint)
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    let urls = |name: &str| BTreeMap::from([(Queue::Events, format!("{endpoint}/1/{name}"))]);
    let queues = SqsQueues::new(client, urls("events.fifo")).with_dead_letters(urls("dead"));
    (queues, shared)
}

fn dead(count: usize) -> Sqs {
    Sqs {
        dead: (0..count).map(|n| format!("event {n:02}")).collect(),
        ..Sqs::default()
    }
}

#[tokio::test]
async fn a_redrive_moves_over_several_calls_and_stops_at_its_limit() {
    let (queues, sqs) = queues(dead(25)).await;
    assert_eq!(queues.waiting(Queue::Events).await, Ok(25));
    assert_eq!(queues.redrive(Queue::Events, 12).await, Ok(12));
    assert_eq!(queues.waiting(Queue::Events).await, Ok(13));
    assert_eq!(queues.redrive(Queue::Events, 100).await, Ok(13));
    let sqs = sqs.lock().unwrap();
    assert!(sqs.dead.is_empty() && sqs.hidden.is_empty());
    let bodies: Vec<&str> = sqs
        .sent
        .iter()
        .map(|e| e["MessageBody"].as_str().unwrap())
        .collect();
    assert!(bodies.is_sorted() && bodies.len() == 25, "{bodies:?}");
    assert!(
        sqs.sent
            .iter()
            .all(|entry| entry["MessageGroupId"] == "order-1")
    );
    let ids = sqs
        .sent
        .iter()
        .map(|e| e["MessageDeduplicationId"].to_string());
    let ids: std::collections::BTreeSet<String> = ids.collect();
    assert_eq!(ids.len(), 25);
}

#[tokio::test]
async fn what_was_not_accepted_stays_in_the_dead_letter_queue() {
    let mut sqs = dead(3);
    sqs.refused = vec!["event 01".to_owned()];
    let (queues, sqs) = queues(sqs).await;
    assert_eq!(queues.redrive(Queue::Events, 3).await, Ok(2));
    assert_eq!(sqs.lock().unwrap().hidden, ["event 01"]);
}

#[tokio::test]
async fn nothing_is_taken_away_while_the_queue_cannot_be_reached() {
    let mut sqs = dead(3);
    sqs.down = true;
    let (queues, sqs) = queues(sqs).await;
    let failed = queues.redrive(Queue::Events, 3).await;
    assert!(
        matches!(failed, Err(InfraError::Unavailable { .. })),
        "{failed:?}"
    );
    let sqs = sqs.lock().unwrap();
    assert_eq!((sqs.hidden.len(), sqs.sent.len()), (3, 0));
}

#[tokio::test]
async fn a_function_without_the_address_of_the_dead_letters_says_so() {
    let (queues, _) = queues(dead(1)).await;
    let failed = queues.waiting(Queue::Inbound).await.unwrap_err();
    assert!(failed.to_string().contains("Inbound"), "{failed}");
}
