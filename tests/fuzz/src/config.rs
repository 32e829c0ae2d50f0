//! Configuration: connections files, environment variables, documents of secrets.

use crate::draw::Draw;
use crate::model::text;
use crate::mutate;
use crate::properties::{error_tells_no_person, in_time};
use crate::seeds;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use waybill_flow::connections::{Connections, Override};
use waybill_flow::ports::{InfraError, Secret, SecretStore as _, Secrets as _};
use waybill_lambda_kit::env;
use waybill_lambda_kit::secrets::{CachedSecrets, SecretSink, SecretSource};
use waybill_model::id::ConnectionId;
use waybill_testkit::ManualClock;

/// Connections files: lines lost, doubled, exchanged, values replaced. What is refused says why; what is
/// accepted is accepted alike again.
///
/// # Panics
/// A property does not hold.
pub fn connections(input: &[u8]) {
    static FILES: OnceLock<Vec<String>> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        ["local", "dev", "staging", "prod"]
            .map(|stage| seeds::text(&format!("infra/connections/{stage}.toml")))
            .to_vec()
    });
    let mut draw = Draw::new(input);
    let mut lines: Vec<String> = draw.of(files).lines().map(str::to_owned).collect();
    for _ in 0..draw.below(6) {
        let at = draw.below(lines.len());
        let other = lines[draw.below(lines.len())].clone();
        let name = lines[at]
            .split('=')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        match draw.below(6) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, other),
            2 => lines[at] = other,
            3 => lines[at] = format!("{name} = {}", json!(text(&mut draw))),
            4 => {
                lines[at] = format!(
                    "{name} = {}",
                    draw.of(&["-1", "1e308", "[]", "{}", "true", "nan", "99999999999"])
                )
            }
            _ => lines[at] = format!("{name} = {}1{}", "[".repeat(300), "]".repeat(300)),
        }
    }
    let mut bytes = lines.join("\n").into_bytes();
    if draw.once_in(8) {
        mutate::damage(&mut bytes, &mut draw);
    }
    let file = String::from_utf8_lossy(&bytes);
    let read = in_time("reading connections", || Connections::parse(&file));
    match &read {
        Ok(connections) => {
            for connection in connections.iter() {
                assert_eq!(connections.get(&connection.id), Some(connection));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert_eq!(read.is_ok(), Connections::parse(&file).is_ok());
}

/// Environment variables, the overrides of a local run among them.
///
/// # Panics
/// What is refused does not say why.
pub fn environment(input: &[u8]) {
    let mut draw = Draw::new(input);
    let overrides = json!({
        "shopify-main": "http://127.0.0.1:1",
        "odoo-main": {"base_url": "http://127.0.0.1:2", "database": "d", "login": "l", "protocol": "json_rpc"},
    });
    let overrides = mutate::document(&[overrides], &mut draw);
    let overrides = String::from_utf8_lossy(&overrides).into_owned();
    let needs: BTreeSet<&str> = [env::WEBHOOK_INTAKE, env::ODOO_WRITER, env::OPS_API]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    let needs: Vec<&str> = needs.into_iter().collect();
    let mut values: BTreeMap<&str, String> = needs
        .iter()
        .map(|name| (*name, "https://sqs.test/1".to_owned()))
        .collect();
    values.insert(env::STAGE, "local".to_owned());
    for _ in 0..draw.below(4) {
        let name = *draw.of(&needs);
        values.insert(name, text(&mut draw));
    }
    values.insert(env::LOCAL_OVERRIDES, overrides.clone());
    let read = in_time("reading the environment", || {
        env::Config::read(|name| values.get(name).cloned(), &needs)
    });
    if let Err(error) = read {
        assert!(!error.faults.is_empty());
        error
            .faults
            .iter()
            .for_each(|fault| assert!(!fault.is_empty()));
    }
    if let Ok(overrides) = serde_json::from_str::<BTreeMap<ConnectionId, Override>>(&overrides) {
        let file = waybill_lambda_kit::connections::text(env::Stage::Local);
        let _connections = Connections::parse(file).unwrap().with_overrides(&overrides);
    }
}

/// A secret as Secrets Manager holds it.
struct Source(std::sync::Mutex<String>);

impl SecretSource for Source {
    async fn fetch(&self, _: &str) -> Result<String, InfraError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

impl SecretSink for Source {
    async fn store(&self, _: &str, text: String) -> Result<(), InfraError> {
        *self.0.lock().unwrap() = text;
        Ok(())
    }
}

/// Documents of secrets: no error shows any of one, and what is not understood is never written over.
///
/// # Panics
/// A property does not hold.
pub fn secrets(input: &[u8]) {
    let seed = json!({"webhook_secrets": ["whsec_Qwertovna", "Qwertovna2"],
        "api": {"access_token": "Qwertovna3", "key": "Qwertovna4"}});
    let made = mutate::document(&[seed], &mut Draw::new(input));
    let Ok(document) = String::from_utf8(made) else {
        return;
    };
    let id = ConnectionId::new("shop").unwrap();
    let source = Source(std::sync::Mutex::new(document.clone()));
    let secrets = CachedSecrets::new(source, Arc::new(ManualClock::default()), "waybill/test");
    crate::block_on(async {
        let read = secrets.get(&id).await;
        if let Err(error) = &read {
            error_tells_no_person(error);
        }
        let key = BTreeMap::from([("key".to_owned(), Secret::new("new"))]);
        let set = secrets.set_api(&id, &key).await;
        if let Err(error) = &set {
            error_tells_no_person(error);
        }
        assert_eq!(
            read.is_ok(),
            set.is_ok(),
            "{read:?} and {set:?}: {document}"
        );
        let latest = secrets.latest(&id).await;
        match (read, latest) {
            (Ok(before), Ok(after)) => {
                assert_eq!(before.webhook_secrets, after.webhook_secrets);
                assert_eq!(after.api["key"].expose(), "new");
                let others = |of: &BTreeMap<String, Secret>| {
                    of.iter()
                        .filter(|(k, _)| *k != "key")
                        .map(|(k, v)| (k.clone(), v.clone()))
                        .collect::<Vec<_>>()
                };
                assert_eq!(others(&before.api), others(&after.api));
            }
            (Err(_), Err(_)) => {}
            (before, after) => panic!("{before:?} became {after:?}"),
        }
    });
    if serde_json::from_str::<Value>(&document).is_err() {
        crate::block_on(async { assert!(secrets.latest(&id).await.is_err()) });
    }
}
