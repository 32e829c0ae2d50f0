//! A real Odoo behind the faults; another simulated one plays it.

use crate::harness::{Rig, rig};
use serde_json::{Value, json};
use waybill_simulators::Options;

/// The Odoo that plays the real one, and the world whose calls go on to it.
async fn pair() -> (Rig, Rig) {
    let real = rig(Options::default()).await;
    let front = rig(Options {
        real_odoo: Some(format!("{}/odoo/", real.base)),
        ..Options::default()
    })
    .await;
    (real, front)
}

async fn call(at: &Rig, method: &str, body: Value) -> Result<(u16, Value), reqwest::Error> {
    let answer = at
        .http
        .post(format!("{}/odoo/json/2/res.partner/{method}", at.base))
        .bearer_auth("odoo_1")
        .header("X-Odoo-Database", "odoo19")
        .json(&body)
        .send()
        .await?;
    let status = answer.status().as_u16();
    Ok((status, answer.json().await.unwrap_or_default()))
}

async fn create(at: &Rig, name: &str) -> Result<(u16, Value), reqwest::Error> {
    call(at, "create", json!({"vals_list": [{"name": name}]})).await
}

async fn count(at: &Rig, name: &str) -> Value {
    let body = json!({"domain": [["name", "=", name]]});
    call(at, "search_count", body).await.unwrap().1
}

#[tokio::test]
async fn calls_go_on_with_their_credentials_and_answers_come_back_as_they_are() {
    let (real, front) = pair().await;
    let (status, ids) = create(&front, "Ada").await.unwrap();
    assert_eq!((status, ids.as_array().map(Vec::len)), (200, Some(1)));
    assert_eq!(count(&real, "Ada").await, 1);
    let (status, fault) = call(&front, "no_such_method", json!({})).await.unwrap();
    assert_eq!(status, 404);
    assert_eq!(fault["name"], "werkzeug.exceptions.NotFound");
    let refused = front
        .http
        .post(format!(
            "{}/odoo/json/2/res.partner/search_count",
            front.base
        ))
        .bearer_auth("wrong")
        .json(&json!({"domain": []}))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
}

#[tokio::test]
async fn a_lost_answer_is_committed_a_cut_call_never_arrives_and_a_slow_one_does() {
    let (real, front) = pair().await;
    for (fault, kept) in [("lost_answer", 1), ("cut", 0)] {
        front
            .set_faults(json!({"simulator": "odoo", "next": fault}))
            .await;
        assert!(create(&front, fault).await.is_err(), "{fault}");
        assert_eq!(count(&real, fault).await, kept, "{fault}");
    }
    front
        .set_faults(json!({"simulator": "odoo", "next": "slow"}))
        .await;
    assert_eq!(create(&front, "slow").await.unwrap().0, 200);
    assert_eq!(count(&real, "slow").await, 1);
    let counts = front.world.faults.counts();
    assert_eq!(
        json!(counts["odoo"]),
        json!({"lost_answer": 1, "cut": 1, "slow": 1})
    );
    assert!(front.state("odoo").await.is_null());
}

#[tokio::test]
async fn a_server_that_is_away_is_a_bad_gateway() {
    let front = rig(Options {
        real_odoo: Some("http://127.0.0.1:9".to_owned()),
        ..Options::default()
    })
    .await;
    assert_eq!(create(&front, "Ada").await.unwrap().0, 502);
}
