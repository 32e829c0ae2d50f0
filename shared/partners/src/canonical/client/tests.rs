//! Commands to a scripted partner on loopback.

use super::*;
use crate::webhook::WebhookRequest;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use waybill_flow::connections::Connection;
use waybill_flow::ports::{Attempt, Secret};
use waybill_model::command::CancelFulfillmentOrder;
use waybill_model::id::{CorrelationId, ExternalId, MessageId};
use waybill_model::time::Instant;

/// The instant of every attempt: what is signed is as old as the caller's clock says.
fn now() -> Instant {
    Instant::from_epoch_s(1_750_000_000)
}

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A partner that always answers this.
async fn partner(status: u16, wait: Option<&'static str>, body: Value) -> (Connection, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let answer = move |headers: HeaderMap, sent: Bytes| {
        log.lock().unwrap().push((headers, sent));
        let mut headers = HeaderMap::new();
        if let Some(wait) = wait {
            headers.insert("retry-after", wait.parse().unwrap());
        }
        let answer = (
            StatusCode::from_u16(status).unwrap(),
            headers,
            body.to_string(),
        );
        async move { answer }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().route("/waybill/commands", axum::routing::post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let connection = serde_json::from_value(json!({
        "id": "north", "partner": "canonical", "base_url": format!("http://{address}"),
        "api_version": null, "webhook_url": null, "calls_per_minute": null, "helpdesk": null, "erp": null,
        "channel": null, "warehouse": { "default_shipping_method": "standard" },
    }))
    .unwrap();
    (connection, seen)
}

fn secrets() -> ConnectionSecrets {
    ConnectionSecrets {
        webhook_secrets: vec![Secret::new("whsec_aW4=")],
        api: [("signing_secret".to_owned(), Secret::new("whsec_b3V0"))].into(),
    }
}

async fn run(connection: &Connection) -> Result<Vec<Reference>, Failure> {
    let command = Command::CancelFulfillmentOrder(CancelFulfillmentOrder {
        warehouse: connection.id.clone(),
        reference: ExternalId::new("ref-1").unwrap(),
        id: None,
    });
    let call = Call {
        http: &crate::http::client().unwrap(),
        connection,
        secrets: &secrets(),
        correlation: CorrelationId::for_connection(&connection.id),
        key: &MessageId::new("key-1").unwrap(),
        attempt: Attempt::InDoubt,
        now: now(),
    };
    execute(call, &command).await
}

#[tokio::test]
async fn a_command_is_a_signed_cloud_event_under_its_key() {
    let answer = json!({ "references": [{ "kind": "fulfillment_order", "id": "FO-1" }] });
    let (connection, seen) = partner(202, None, answer).await;
    let references = run(&connection).await.unwrap();
    assert_eq!(references[0].system, connection.id);
    assert_eq!(references[0].id.as_str(), "FO-1");
    let seen = seen.lock().unwrap();
    let (headers, body) = &seen[0];
    let headers = headers
        .iter()
        .map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()))
        .collect();
    let request = WebhookRequest {
        headers: &headers,
        topic_path: None,
        body,
        now: now(),
    };
    let theirs = signing(&secrets());
    assert_eq!(standard_webhooks::verify(&request, &theirs), Ok("key-1"));
    let event: CommandEnvelope = serde_json::from_slice(body).unwrap();
    assert_eq!(event.id.as_str(), "key-1");
    assert_eq!(event.time, now());
    assert_eq!(
        event.body.kind().as_str(),
        "waybill.fulfillment_order.cancel"
    );
}

#[tokio::test]
async fn answers_are_classed_as_the_contract_says() {
    for (status, wait, expected) in [
        (409, None, Ok(())),
        (429, Some("7"), Err(("transient", "rate_limited"))),
        (503, Some("7"), Err(("transient", "rate_limited"))),
        (503, None, Err(("indeterminate", "partner_error"))),
        (500, None, Err(("indeterminate", "partner_error"))),
        (401, None, Err(("transient", "unauthorized"))),
        (403, None, Err(("rejected", "access_denied"))),
        (404, None, Err(("rejected", "request_refused"))),
        (302, None, Err(("rejected", "request_refused"))),
        (422, None, Err(("rejected", "partner_refused"))),
    ] {
        let (connection, _) = partner(status, wait, json!({})).await;
        let found = run(&connection).await.map(|_| ());
        let found = found.map_err(|f| (f.class(), f.code().to_string()));
        let found = found
            .as_ref()
            .map_err(|(class, code)| (*class, code.as_str()));
        assert_eq!(found.copied(), expected, "status {status}");
    }
}

#[tokio::test]
async fn a_refusal_carries_the_partners_reason() {
    let body =
        json!({ "code": "too_late", "detail": "it is packed", "remedy": "ask for a return" });
    let (connection, _) = partner(422, None, body).await;
    let Err(Failure::Rejected {
        code,
        detail,
        remedy,
    }) = run(&connection).await
    else {
        panic!("not rejected")
    };
    assert_eq!(code.as_str(), "too_late");
    assert_eq!(
        (detail.as_str(), remedy.as_str()),
        ("it is packed", "ask for a return")
    );
}

#[tokio::test]
async fn a_command_of_a_role_that_it_does_not_have_is_not_sent() {
    let (mut connection, seen) = partner(200, None, json!({})).await;
    connection.warehouse = None;
    let failure = run(&connection).await.unwrap_err();
    assert_eq!(failure.code().as_str(), "unsupported_command");
    assert!(seen.lock().unwrap().is_empty());
}
