//! scratch: JSON lines in, outcomes out
#![allow(clippy::all, clippy::pedantic, clippy::restriction, clippy::nursery)]
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use waybill_flow::connections::Connections;
use waybill_flow::ports::{ConnectionSecrets, Erp, ErpCommand, InfraError, Secret, Secrets};
use waybill_model::command::Command;
use waybill_model::id::{ConnectionId, CorrelationId, EffectKey, MessageId};
use waybill_odoo::Odoo;
struct Key(Secret);
impl Secrets for Key {
    async fn get(&self, _: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        Ok(ConnectionSecrets {
            webhook_secrets: Vec::new(),
            api: BTreeMap::from([("key".to_owned(), self.0.clone())]),
        })
    }
}
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let text = std::fs::read_to_string(&args[1]).unwrap();
    let key = std::fs::read_to_string(&args[2]).unwrap();
    let odoo = Odoo::new(
        Connections::parse(&text).unwrap(),
        Key(Secret::new(key.trim())),
        reqwest::Client::new(),
    );
    let erp = ConnectionId::new("odoo").unwrap();
    for line in std::io::stdin().lock().lines() {
        let v: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let batch: Vec<ErpCommand> = v
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
            .map(|(i, c)| {
                let command: Command = serde_json::from_value(c["command"].clone()).unwrap();
                let correlation = match c.get("order") {
                    Some(o) => CorrelationId::for_order(
                        &o["channel"].as_str().unwrap().parse().unwrap(),
                        &o["id"].as_str().unwrap().parse().unwrap(),
                    ),
                    None => serde_json::from_value::<waybill_model::order::Order>(
                        c["command"]["data"]["order"].clone(),
                    )
                    .unwrap()
                    .correlation(),
                };
                ErpCommand {
                    correlation,
                    key: MessageId::for_effect(
                        correlation,
                        &EffectKey::new(format!("e{i}")).unwrap(),
                    ),
                    command,
                }
            })
            .collect();
        let out = odoo.write(&erp, &batch).await;
        let j: Vec<serde_json::Value> = out.iter().map(|o| match o {
            Ok(r) => serde_json::json!({"ok": r.iter().map(|r| format!("{}:{}", r.kind.as_str(), r.id)).collect::<Vec<_>>()}),
            Err(f) => serde_json::json!({"code": f.code().as_str(), "text": format!("{f:?}")}),
        }).collect();
        println!("{}", serde_json::Value::from(j));
        std::io::stdout().flush().unwrap();
    }
}
