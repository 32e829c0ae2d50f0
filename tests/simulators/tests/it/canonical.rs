//! The partner that speaks our schemas.

use crate::harness::rig;
use serde_json::{Value, json};
use waybill_simulators::Options;
use waybill_simulators::sign::{Scheme, sign};

const SECRET: &str = "whsec_Y2Fub25pY2Fs";

#[tokio::test]
async fn a_signed_command_is_taken_once_and_an_unsigned_one_refused() {
    let rig = rig(Options::default()).await;
    let body = json!({"type": "waybill.fulfillment_order.create", "data": {"reference": "r-1"}});
    let send = async |id: &str, secret: &str| {
        let bytes = body.to_string().into_bytes();
        let now = rig.world.env.now();
        let mut call = rig.http.post(format!("{}/canonical/commands", rig.base));
        for (name, value) in sign(Scheme::StandardWebhooks, secret, id, now, &bytes).unwrap() {
            call = call.header(name, value);
        }
        call.body(bytes).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send("m-1", SECRET).await, 202);
    assert_eq!(send("m-1", SECRET).await, 200);
    assert_eq!(send("m-2", "whsec_b3RoZXI=").await, 401);
    let state = rig.state("canonical").await;
    assert_eq!(state["commands"].as_array().unwrap().len(), 1);
    assert_eq!(state["repeated"], 1);
}

#[tokio::test]
async fn a_marketplace_order_is_a_cloud_event_that_adds_up() {
    let rig = rig(Options::default()).await;
    let url = format!("{}/_sim/canonical/orders", rig.base);
    let placed: Value = rig
        .http
        .post(url)
        .json(&json!({}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let hook = rig
        .hooks(1, |h| h.connection == "canonical-main")
        .await
        .remove(0);
    assert_eq!(hook.body["type"], "waybill.order.observed");
    assert_eq!(hook.header("webhook-id"), hook.body["id"]);
    let order = &hook.body["data"]["order"];
    assert_eq!(order["id"], placed["id"]);
    let cents = |v: &Value| v.as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
    let totals = &order["totals"];
    let mut sum = cents(&totals["subtotal"]) + cents(&totals["shipping"]);
    if order["taxes_included"] == false {
        sum += cents(&totals["tax"]);
    }
    assert_eq!(sum, cents(&totals["total"]));
}
