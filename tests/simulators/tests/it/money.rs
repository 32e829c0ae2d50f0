//! The gateway's idempotency keys and the carrier service's trackers.

use crate::harness::{Rig, rig};
use serde_json::{Value, json};
use waybill_simulators::{Options, easypost, stripe, world::lock};

async fn refund(rig: &Rig, payment: &str, amount: &str, key: &str) -> (u16, bool, Value) {
    let form = [
        ("payment_intent", payment),
        ("amount", amount),
        ("metadata[waybill_refund]", "77"),
    ];
    let answer = rig
        .http
        .post(format!("{}/stripe/v1/refunds", rig.base))
        .bearer_auth("sk_test_1")
        .header("Idempotency-Key", key)
        .form(&form)
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let replayed = answer.headers().contains_key("idempotent-replayed");
    (status, replayed, answer.json().await.unwrap())
}

async fn paid(rig: &Rig) -> (String, i64) {
    rig.place(json!({})).await;
    let hook = rig
        .hooks(1, |h| h.body["type"] == "payment_intent.succeeded")
        .await
        .remove(0);
    let object = &hook.body["data"]["object"];
    assert!(!hook.header("stripe-signature").is_empty());
    (
        object["id"].as_str().unwrap().to_owned(),
        object["amount_received"].as_i64().unwrap(),
    )
}

#[tokio::test]
async fn the_same_key_pays_back_once_and_other_parameters_are_an_error() {
    let rig = rig(Options::default()).await;
    let (payment, total) = paid(&rig).await;
    let (status, replayed, first) = refund(&rig, &payment, "100", "k1").await;
    assert_eq!((status, replayed), (200, false), "{first}");
    let (status, replayed, again) = refund(&rig, &payment, "100", "k1").await;
    assert_eq!((status, replayed), (200, true));
    assert_eq!(first["id"], again["id"]);
    let (status, _, other) = refund(&rig, &payment, "200", "k1").await;
    assert_eq!(
        (status, &other["error"]["type"]),
        (400, &json!("idempotency_error"))
    );
    let (status, _, _) = refund(&rig, &payment, &total.to_string(), "k2").await;
    assert_eq!(status, 400);
    let state = rig.state("stripe").await;
    assert_eq!(state["refunds"].as_array().unwrap().len(), 1);
    assert_eq!(state["refunds"][0]["metadata"]["waybill_refund"], "77");
    rig.hooks(1, |h| h.body["type"] == "refund.created").await;
}

#[tokio::test]
async fn a_500_is_kept_for_its_key_and_another_key_goes_through() {
    let rig = rig(Options::default()).await;
    let (payment, _) = paid(&rig).await;
    lock(&rig.world.stripe).fail_next(1);
    assert_eq!(refund(&rig, &payment, "100", "k1").await.0, 500);
    let (status, replayed, _) = refund(&rig, &payment, "100", "k1").await;
    assert_eq!((status, replayed), (500, true));
    assert_eq!(refund(&rig, &payment, "100", "k2").await.0, 200);
}

#[tokio::test]
async fn a_refund_that_fails_later_is_told_in_a_later_second() {
    let rig = rig(Options::default()).await;
    let (payment, _) = paid(&rig).await;
    let (_, _, made) = refund(&rig, &payment, "100", "k1").await;
    assert!(stripe::fail_refund(
        &rig.world,
        made["id"].as_str().unwrap()
    ));
    let failed = rig
        .hooks(1, |h| h.body["type"] == "refund.failed")
        .await
        .remove(0);
    let created = rig
        .hooks(1, |h| h.body["type"] == "refund.created")
        .await
        .remove(0);
    assert_eq!(failed.body["data"]["object"]["status"], "failed");
    assert!(failed.body["created"].as_i64() > created.body["created"].as_i64());
    let state = rig.state("stripe").await;
    assert_eq!(state["payments"][0]["refunded"], 0);
}

#[tokio::test]
async fn a_parcel_is_followed_once_and_its_scans_are_told_in_full() {
    let rig = rig(Options::default()).await;
    let create = || {
        rig.http
            .post(format!("{}/easypost/v2/trackers", rig.base))
            .basic_auth("EZTK_1", Some(""))
            .json(&json!({"tracker": {"tracking_code": "JD1"}}))
            .send()
    };
    let first: Value = create().await.unwrap().json().await.unwrap();
    let again: Value = create().await.unwrap().json().await.unwrap();
    assert_eq!(first["id"], again["id"]);
    assert!(easypost::scan(&rig.world, "JD1", "in_transit"));
    assert!(easypost::scan(&rig.world, "JD1", "delivered"));
    assert!(!easypost::scan(&rig.world, "JD2", "delivered"));
    let hooks = rig
        .hooks(2, |h| h.body["description"] == "tracker.updated")
        .await;
    let full = |h: &&crate::harness::Hook| h.body["result"]["status"] == "delivered";
    let delivered = hooks.iter().find(full).unwrap();
    assert_eq!(
        delivered.body["result"]["tracking_details"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        delivered.body["previous_attributes"]["status"],
        "in_transit"
    );
    assert!(
        delivered
            .header("x-hmac-signature")
            .starts_with("hmac-sha256-hex=")
    );
}
