//! Answers that no local DynamoDB gives: throttling, transaction conflicts, leftovers of batches.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use waybill_flow::ports::{Claim, Clock, CommitError, EffectStore, InfraError, OrderStore};
use waybill_flow::state::OrderState;
use waybill_model::event::Outcome;
use waybill_model::id::MessageId;
use waybill_store::{DynamoEffects, DynamoOrders, Retention};
use waybill_testkit::ManualClock;
use waybill_testkit::build::{case, commit, connection, correlation, message, start};

/// Bodies of the requests, in order.
type Requests = Arc<Mutex<Vec<Value>>>;

/// Answers each request with the next status and body; the last one again and again.
async fn scripted(answers: Vec<(u16, Value)>) -> (Client, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        for n in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let (status, body) = &answers[n.min(answers.len() - 1)];
            let request = answer(stream, *status, body).await;
            seen.lock().unwrap().push(request);
        }
    });
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(format!("http://{address}"))
        .build();
    (Client::from_conf(config), requests)
}

/// Reads one request, answers it, closes.
async fn answer(mut stream: TcpStream, status: u16, body: &Value) -> Value {
    let mut bytes = Vec::new();
    let request = loop {
        let mut chunk = [0_u8; 8192];
        let read = stream.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let whole = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        if let Some(Ok(request)) = whole.map(|body| serde_json::from_str(&body)) {
            break request;
        }
        assert!(read > 0, "the request ended early");
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    request
}

fn orders(client: Client) -> DynamoOrders {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    DynamoOrders::new(client, "orders", clock, Retention::default())
}

fn effects(client: Client) -> DynamoEffects {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    DynamoEffects::new(client, "effects", clock, Retention::default())
}

fn failure(name: &str) -> Value {
    json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": "scripted"})
}

fn cancelled(codes: &[&str]) -> Value {
    let reasons: Vec<Value> = codes.iter().map(|code| json!({"Code": code})).collect();
    let mut body = failure("TransactionCanceledException");
    body["CancellationReasons"] = Value::Array(reasons);
    body
}

async fn commit_against(status: u16, body: Value) -> CommitError {
    let (client, _) = scripted(vec![(status, body)]).await;
    let first = commit(correlation("1"), None, OrderState::default(), "e-1");
    orders(client).commit(first).await.unwrap_err()
}

fn is_unavailable(error: &CommitError) -> bool {
    matches!(error, CommitError::Infra(InfraError::Unavailable { .. }))
}

#[tokio::test]
async fn a_refused_condition_is_a_conflict_whatever_else_went_wrong() {
    for codes in [
        ["ConditionalCheckFailed", "None"],
        ["ConditionalCheckFailed", "TransactionConflict"],
    ] {
        let error = commit_against(400, cancelled(&codes)).await;
        assert_eq!(error, CommitError::Conflict);
    }
}

#[tokio::test]
async fn a_transaction_cancelled_for_other_reasons_is_unavailable_and_says_why() {
    for code in ["TransactionConflict", "ThrottlingError"] {
        let error = commit_against(400, cancelled(&["None", code])).await;
        assert!(is_unavailable(&error), "{error}");
        assert!(error.to_string().contains(&format!("item 1: {code}")));
    }
}

#[tokio::test]
async fn throttling_is_unavailable_and_a_server_fault_is_unknown() {
    for name in [
        "ThrottlingException",
        "RequestLimitExceeded",
        "ResourceNotFoundException",
    ] {
        let error = commit_against(400, failure(name)).await;
        assert!(is_unavailable(&error), "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let error = commit_against(500, failure("InternalServerError")).await;
    let unknown = matches!(error, CommitError::Infra(InfraError::Unknown { .. }));
    assert!(unknown, "{error}");
}

#[tokio::test]
async fn a_case_that_always_changes_under_the_writer_is_given_up() {
    // `GetItem` finds nothing, the transaction finds something, again and again.
    let rounds = (0..20).flat_map(|_| {
        let refused = cancelled(&["ConditionalCheckFailed"]);
        [(200, json!({})), (400, refused)]
    });
    let (client, requests) = scripted(rounds.collect()).await;
    let found = case(None, waybill_model::case::CaseClass::Data, "unknown_sku");
    let error = orders(client).put_case(&found).await.unwrap_err();
    assert!(matches!(error, InfraError::Unavailable { .. }), "{error}");
    assert_eq!(requests.lock().unwrap().len(), 16);
}

fn ids(count: usize) -> Vec<MessageId> {
    (0..count).map(|n| message(&format!("d-{n}"))).collect()
}

#[tokio::test]
async fn unprocessed_marks_are_written_again_and_only_they() {
    let left = json!({"PutRequest": {"Item": {"pk": {"S": "SEEN#d-1"}, "sk": {"S": "SEEN"}}}});
    let partly = json!({"UnprocessedItems": {"effects": [left]}});
    let (client, requests) = scripted(vec![(200, partly), (200, json!({}))]).await;
    let marked = effects(client).mark_seen(&ids(3), start()).await;
    marked.unwrap();
    let requests = requests.lock().unwrap();
    let sizes: Vec<usize> = requests
        .iter()
        .map(|request| request["RequestItems"]["effects"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, vec![3, 1]);
}

#[tokio::test]
async fn unprocessed_keys_are_read_again_and_every_answer_counts() {
    let row = |id: &str| {
        json!({"pk": {"S": format!("SEEN#{id}")}, "sk": {"S": "SEEN"},
               "ttl_epoch_s": {"N": "99999999999"}})
    };
    let key = json!({"pk": {"S": "SEEN#d-1"}, "sk": {"S": "SEEN"}});
    let partly = json!({"Responses": {"effects": [row("d-0")]},
                        "UnprocessedKeys": {"effects": {"Keys": [key]}}});
    let rest = json!({"Responses": {"effects": [row("d-1")]}, "UnprocessedKeys": {}});
    let (client, _) = scripted(vec![(200, partly), (200, rest)]).await;
    let seen = effects(client).seen(&ids(3)).await.unwrap();
    assert_eq!(seen, ids(2));
}

#[tokio::test]
async fn a_batch_that_is_never_processed_is_given_up_after_bounded_rounds() {
    let key = json!({"pk": {"S": "SEEN#d-0"}, "sk": {"S": "SEEN"}});
    let never = json!({"Responses": {}, "UnprocessedKeys": {"effects": {"Keys": [key]}}});
    let (client, requests) = scripted(vec![(200, never)]).await;
    let error = effects(client).seen(&ids(1)).await.unwrap_err();
    assert!(matches!(error, InfraError::Unavailable { .. }), "{error}");
    assert_eq!(requests.lock().unwrap().len(), 6);
}

/// What each write on a condition answers when the service says no like this.
async fn conditional_writes(name: &str) -> Vec<Result<String, InfraError>> {
    let say_no = || async { scripted(vec![(400, failure(name))]).await.0 };
    let (shop, key) = (connection("shop-main"), message("e-1"));
    let done = Outcome::Done {
        references: Vec::new(),
    };
    let mark = [("north/MUG".to_owned(), start())];
    let store = effects(say_no().await);
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    vec![
        store
            .complete(&key, "o-1", &done, start())
            .await
            .map(|v| text(&v)),
        store.release(&key, "o-1", true).await.map(|v| text(&v)),
        store.reopen(&key).await.map(|v| text(&v)),
        store.advance(&shop, &mark).await.map(|v| text(&v)),
        store
            .swap_checkpoint(&shop, "pace", None, "1")
            .await
            .map(|v| text(&v)),
        orders(say_no().await)
            .clear_outbox(correlation("1"), 1)
            .await
            .map(|v| text(&v)),
    ]
}

#[tokio::test]
async fn a_write_that_is_throttled_is_not_taken_for_one_that_lost_a_race() {
    let lost = conditional_writes("ConditionalCheckFailedException").await;
    let lost: Vec<String> = lost.into_iter().map(Result::unwrap).collect();
    assert_eq!(lost, ["()", "()", "()", "[false]", "false", "()"]);
    for throttled in conditional_writes("ThrottlingException").await {
        let error = throttled.unwrap_err();
        assert!(matches!(error, InfraError::Unavailable { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_listing_that_never_ends_is_an_error_and_not_a_part_of_it() {
    let last = json!({"pk": {"S": "ORDER#1"}, "sk": {"S": "EVENT#1"}});
    let page = json!({"Items": [], "LastEvaluatedKey": last});
    let (client, requests) = scripted(vec![(200, page)]).await;
    let error = orders(client).timeline(correlation("1")).await.unwrap_err();
    assert!(error.to_string().contains("more than 64 pages"), "{error}");
    assert_eq!(requests.lock().unwrap().len(), 64);
}

#[tokio::test]
async fn a_claim_that_is_refused_without_the_row_reads_it() {
    let until = start().plus_ms(1000);
    let held = json!({"Item": {
        "pk": {"S": "EFFECT#e-1"}, "sk": {"S": "EFFECT"}, "status": {"S": "claimed"},
        "owner": {"S": "o-2"}, "payload": {"S": "p/event"}, "in_doubt": {"BOOL": false},
        "version": {"N": "1"}, "lease_expires_ms": {"N": until.epoch_ms().to_string()},
    }});
    let refused = (400, failure("ConditionalCheckFailedException"));
    let (client, requests) = scripted(vec![refused, (200, held)]).await;
    let key = message("e-1");
    let claim = effects(client)
        .claim(&key, "p/event", "o-1", start(), 1000)
        .await;
    assert_eq!(claim, Ok(Claim::Held { until }));
    assert_eq!(requests.lock().unwrap().len(), 2);
}
