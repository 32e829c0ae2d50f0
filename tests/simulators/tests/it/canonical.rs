//! The partners that speak our schemas.

use crate::harness::{Rig, rig};
use serde_json::{Value, json};
use waybill_simulators::Options;
use waybill_simulators::canonical::warehouse;
use waybill_simulators::sign::{Scheme, sign};

pub(crate) const SIGNING: &str = "whsec_Y29tbWFuZHM=";
const WEBHOOKS: &str = "whsec_Y2Fub25pY2Fs";

/// Sends a command as Waybill does; the status and the answer.
pub(crate) async fn command(
    rig: &Rig,
    to: &str,
    id: &str,
    secret: &str,
    body: &Value,
) -> (u16, Value) {
    let bytes = body.to_string().into_bytes();
    let now = rig.world.env.now();
    let mut call = rig.http.post(format!("{}/{to}/waybill/commands", rig.base));
    for (name, value) in sign(Scheme::StandardWebhooks, secret, id, now, &bytes).unwrap() {
        call = call.header(name, value);
    }
    let answer = call.body(bytes).send().await.unwrap();
    (
        answer.status().as_u16(),
        answer.json().await.unwrap_or_default(),
    )
}

fn create(reference: &str) -> Value {
    json!({
        "type": "waybill.fulfillment_order.create", "correlationid": "c-1",
        "data": {
            "reference": reference, "order_number": "#1001",
            "lines": [{"line_id": "7", "sku": "SKU-0001", "quantity": "2"}],
        },
    })
}

#[tokio::test]
async fn a_signed_command_is_taken_once_and_an_unsigned_one_refused() {
    let rig = rig(Options::default()).await;
    let send = async |id: &'static str, secret: &'static str| {
        command(&rig, "canonical", id, secret, &create("r-1")).await
    };
    let (status, first) = send("m-1", SIGNING).await;
    assert_eq!(status, 202);
    assert_eq!(first["references"][0]["kind"], "fulfillment_order");
    assert_eq!(send("m-1", SIGNING).await, (409, first.clone()));
    // Another message with the same reference: the same order.
    assert_eq!(send("m-2", SIGNING).await, (409, first));
    // What signs the partner's own webhooks does not sign commands.
    assert_eq!(send("m-3", WEBHOOKS).await.0, 401);
    let state = rig.state("canonical").await;
    assert_eq!(state["orders"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&state["repeated"], &state["unsigned"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn what_is_picked_is_too_late_to_call_off_and_is_told_when_it_leaves() {
    let rig = rig(Options::default()).await;
    let (_, made) = command(&rig, "canonical", "m-1", SIGNING, &create("r-1")).await;
    let id = made["references"][0]["id"].as_str().unwrap();
    warehouse::pick(&rig.world, id).unwrap();
    let cancel = json!({"type": "waybill.fulfillment_order.cancel", "data": {"reference": "r-1"}});
    let (status, refused) = command(&rig, "canonical", "m-2", SIGNING, &cancel).await;
    assert_eq!((status, &refused["code"]), (422, &json!("too_late")));
    let number = warehouse::ship(&rig.world, id).unwrap();
    let told = rig
        .hooks(1, |h| h.body["type"] == "waybill.shipment.observed")
        .await
        .remove(0);
    assert_eq!(told.connection, "canonical-main");
    assert_eq!(told.body["correlationid"], "c-1");
    assert_eq!(
        told.body["data"]["parcels"][0]["tracking_number"],
        number.as_str()
    );
}

#[tokio::test]
async fn a_marketplace_order_is_a_cloud_event_that_adds_up() {
    let rig = rig(Options::default()).await;
    let url = format!("{}/_sim/marketplace/orders", rig.base);
    let call = rig.http.post(url).json(&json!({}));
    let placed: Value = call.send().await.unwrap().json().await.unwrap();
    let hook = rig
        .hooks(1, |h| h.connection == "marketplace-main")
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
    assert_eq!(placed["total_minor"], sum);
}
