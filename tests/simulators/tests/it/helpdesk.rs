//! The helpdesk: idempotency keys, safe updates, outages.

use crate::harness::{Rig, rig};
use serde_json::{Value, json};
use waybill_simulators::Options;

async fn send(
    rig: &Rig,
    method: reqwest::Method,
    path: &str,
    key: Option<&str>,
    body: Value,
) -> (u16, String, Value) {
    let mut request = rig
        .http
        .request(method, format!("{}/zendesk/api/v2{path}", rig.base))
        .basic_auth("a@example.com/token", Some("zd_1"))
        .json(&body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let lookup = answer
        .headers()
        .get("x-idempotency-lookup")
        .map_or("", |v| v.to_str().unwrap())
        .to_owned();
    (status, lookup, answer.json().await.unwrap())
}

fn ticket(subject: &str) -> Value {
    json!({"ticket": {"subject": subject, "external_id": "ext-1", "comment": {"body": "x", "public": false}}})
}

#[tokio::test]
async fn the_same_key_gives_the_same_ticket_and_other_content_an_error() {
    let rig = rig(Options::default()).await;
    let post = reqwest::Method::POST;
    let (status, lookup, first) =
        send(&rig, post.clone(), "/tickets", Some("k"), ticket("a")).await;
    assert_eq!((status, lookup.as_str()), (201, "miss"));
    let (status, lookup, again) =
        send(&rig, post.clone(), "/tickets", Some("k"), ticket("a")).await;
    assert_eq!((status, lookup.as_str()), (201, "hit"));
    assert_eq!(first["ticket"]["id"], again["ticket"]["id"]);
    let (status, _, _) = send(&rig, post, "/tickets", Some("k"), ticket("b")).await;
    assert_eq!(status, 400);
    let get = reqwest::Method::GET;
    let (_, _, found) = send(&rig, get, "/tickets?external_id=ext-1", None, json!(null)).await;
    assert_eq!(found["tickets"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_safe_update_with_an_old_stamp_is_a_conflict() {
    let rig = rig(Options::default()).await;
    let post = reqwest::Method::POST;
    let (_, _, made) = send(&rig, post, "/tickets", None, ticket("a")).await;
    let path = format!("/tickets/{}", made["ticket"]["id"]);
    let stamp = &made["ticket"]["updated_at"];
    let update =
        json!({"ticket": {"status": "pending", "safe_update": true, "updated_stamp": stamp}});
    let put = reqwest::Method::PUT;
    assert_eq!(
        send(&rig, put.clone(), &path, None, update.clone()).await.0,
        200
    );
    let (status, _, refused) = send(&rig, put, &path, None, update).await;
    assert_eq!((status, &refused["error"]), (409, &json!("UpdateConflict")));
    let hook = rig
        .hooks(1, |h| {
            h.body["type"] == "zen:event-type:ticket.status_changed"
        })
        .await
        .remove(0);
    assert_eq!(hook.body["detail"]["status"], "PENDING");
    assert!(!hook.header("x-zendesk-webhook-signature").is_empty());
}

#[tokio::test]
async fn an_outage_refuses_every_call_until_it_is_over() {
    let rig = rig(Options::default()).await;
    rig.set_faults(json!({"simulator": "zendesk", "outage_ms": 300}))
        .await;
    let post = reqwest::Method::POST;
    assert_eq!(
        send(&rig, post.clone(), "/tickets", None, ticket("a"))
            .await
            .0,
        503
    );
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    assert_eq!(send(&rig, post, "/tickets", None, ticket("a")).await.0, 201);
}
