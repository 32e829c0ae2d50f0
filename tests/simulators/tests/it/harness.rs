//! A world that listens, and a receiver of its webhooks.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use waybill_simulators::secrets::Secrets;
use waybill_simulators::{Options, World, serve};

pub(crate) const SECRETS: &str = r#"{
    "connection/odoo-main": {"api": {"key": "odoo_1"}},
    "connection/shopify-main": {"webhook_secrets": ["shpss_1"], "api": {"access_token": "shpat_1"}},
    "connection/stripe-main": {"webhook_secrets": ["whsec_stripe"], "api": {"secret_key": "sk_test_1"}},
    "connection/shipbob-main": {"webhook_secrets": ["whsec_c2hpcGJvYi1zZWNyZXQ="], "api": {"token": "sb_1"}},
    "connection/easypost-main": {"webhook_secrets": ["easy sécret"], "api": {"api_key": "EZTK_1"}},
    "connection/zendesk-main": {"webhook_secrets": ["zd"], "api": {"email": "a@example.com", "token": "zd_1"}},
    "connection/canonical-main": {"webhook_secrets": ["whsec_Y2Fub25pY2Fs"], "api": {"signing_secret": "whsec_Y29tbWFuZHM="}},
    "connection/marketplace-main": {"webhook_secrets": ["whsec_bWFya2V0"], "api": {"signing_secret": "whsec_Y29tbWFuZHM="}}
}"#;

/// A webhook as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) connection: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

impl Hook {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or("")
    }
}

type Hooks = Arc<Mutex<Vec<Hook>>>;

pub(crate) struct Rig {
    pub(crate) world: Arc<World>,
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    hooks: Hooks,
}

async fn receive(
    State(hooks): State<Hooks>,
    Path(connection): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> &'static str {
    let headers = headers
        .iter()
        .map(|(k, v)| (k.to_string(), v.to_str().unwrap().to_owned()))
        .collect();
    let body = serde_json::from_slice(&body).unwrap();
    hooks.lock().unwrap().push(Hook {
        connection,
        headers,
        body,
    });
    ""
}

pub(crate) async fn rig(mut options: Options) -> Rig {
    let hooks = Hooks::default();
    let receiver = Router::new()
        .route("/webhooks/{connection}", post(receive))
        .with_state(Arc::clone(&hooks));
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    options.webhook_base = Some(format!("http://{}", socket.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(socket, receiver).await.unwrap() });
    let world = World::new(options, Secrets::parse(SECRETS).unwrap());
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", socket.local_addr().unwrap());
    let served = Arc::clone(&world);
    tokio::spawn(async move {
        serve(socket, served, std::future::pending()).await.unwrap();
    });
    Rig {
        world,
        base,
        http: reqwest::Client::new(),
        hooks,
    }
}

impl Rig {
    /// Waits until `count` webhooks of this topic header or type have come.
    pub(crate) async fn hooks(&self, count: usize, fits: impl Fn(&Hook) -> bool) -> Vec<Hook> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let found: Vec<Hook> = {
                let hooks = self.hooks.lock().unwrap();
                hooks.iter().filter(|h| fits(h)).cloned().collect()
            };
            if found.len() >= count {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "{} of {count} webhooks came",
                found.len()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Every webhook from index `from`.
    pub(crate) fn hooks_from(&self, from: usize) -> Vec<Hook> {
        self.hooks
            .lock()
            .unwrap()
            .iter()
            .skip(from)
            .cloned()
            .collect()
    }

    pub(crate) async fn shop_topic(&self, topic: &str, count: usize) -> Vec<Hook> {
        self.hooks(count, |h| h.header("x-shopify-topic") == topic)
            .await
    }

    pub(crate) async fn place(&self, spec: Value) -> Value {
        let url = format!("{}/_sim/shopify/orders", self.base);
        let answer = self.http.post(url).json(&spec).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    pub(crate) async fn act(&self, id: &str, action: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/_sim/shopify/orders/{id}/{action}", self.base);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn state(&self, sim: &str) -> Value {
        let url = format!("{}/_sim/state/{sim}", self.base);
        self.http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub(crate) async fn set_faults(&self, set: Value) {
        let url = format!("{}/_sim/faults", self.base);
        let answer = self.http.post(url).json(&set).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}
