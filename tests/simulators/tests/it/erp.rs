//! The simulated Odoo behind the same port and faults.

use crate::harness::rig;
use serde_json::{Value, json};
use waybill_simulators::Options;

#[tokio::test]
async fn the_integration_user_logs_in_with_what_the_control_api_tells() {
    let rig = rig(Options::default()).await;
    let url = format!("{}/_sim/odoo-access", rig.base);
    let access: Value = rig
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(access["key"], "odoo_1");
    let login = || {
        rig.http
            .post(format!("{}/odoo/jsonrpc", rig.base))
            .json(
                &json!({"jsonrpc": "2.0", "method": "call", "id": 1, "params": {
                    "service": "common", "method": "authenticate",
                    "args": [access["database"], access["login"], access["key"], {}],
                }}),
            )
            .send()
    };
    let answer: Value = login().await.unwrap().json().await.unwrap();
    assert!(answer["result"].is_i64(), "{answer}");
    rig.set_faults(json!({"simulator": "odoo", "next": "lost_answer"}))
        .await;
    assert!(login().await.is_err());
    rig.set_faults(json!({"simulator": "odoo", "next": "server_error"}))
        .await;
    assert_eq!(login().await.unwrap().status(), 502);
    assert!(rig.state("odoo").await.is_object());
}
