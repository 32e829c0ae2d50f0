//! Connections, deliveries, and a server that answers by script and remembers what it was asked.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use waybill_flow::connections::{Connection, PartnerKind, WarehouseSettings};
use waybill_flow::ports::{Attempt, ConnectionSecrets, Secret};
use waybill_model::command::Command;
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::event::{Event, Subject};
use waybill_model::failure::Failure;
use waybill_model::id::{ChannelOrderId, ConnectionId, CorrelationId, MessageId, Reference};
use waybill_model::time::Instant;
use waybill_partners::client::Call;
use waybill_partners::{Fact, Parsed, Refusal, Unreadable, Verified, WebhookRequest};

/// When every delivery of these tests came in.
pub(crate) fn now() -> Instant {
    Instant::parse("2026-03-10T12:00:00Z").unwrap()
}

/// The order that the fixtures are about.
pub(crate) fn correlation() -> CorrelationId {
    CorrelationId::for_order(
        &ConnectionId::new("shop").unwrap(),
        &ChannelOrderId::new("5001").unwrap(),
    )
}

pub(crate) fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

pub(crate) fn connection(partner: PartnerKind, settings: &[(&str, &str)]) -> Connection {
    Connection {
        id: id(partner.as_str()),
        partner,
        base_url: "http://127.0.0.1:9".to_owned(),
        api_version: None,
        webhook_url: None,
        calls_per_minute: None,
        settings: settings
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        channel: None,
        warehouse: (partner == PartnerKind::Shipbob).then(|| WarehouseSettings {
            erp: None,
            shipping_methods: BTreeMap::from([("express".to_owned(), "2-Day".to_owned())]),
            default_shipping_method: "Standard".to_owned(),
            owns_stock: false,
            odoo_warehouse: None,
            odoo_location: None,
        }),
        helpdesk: None,
        erp: None,
    }
}

pub(crate) fn secrets(webhook: &[&str], api: &[(&str, &str)]) -> ConnectionSecrets {
    ConnectionSecrets {
        webhook_secrets: webhook.iter().map(|s| Secret::new(*s)).collect(),
        api: api
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Secret::new(*v)))
            .collect(),
    }
}

pub(crate) fn verify(
    partner: PartnerKind,
    webhook_secrets: &[&str],
    headers: &[(&str, &str)],
    body: &[u8],
    now_s: i64,
) -> Result<Verified, Refusal> {
    let headers: BTreeMap<String, String> = headers
        .iter()
        .map(|(k, v)| (k.to_lowercase(), (*v).to_owned()))
        .collect();
    let request = WebhookRequest {
        headers: &headers,
        topic_path: None,
        body,
        now: Instant::from_epoch_s(now_s),
    };
    waybill_partners::verify(
        &connection(partner, &[]),
        &request,
        &secrets(webhook_secrets, &[]),
    )
}

pub(crate) fn delivery(connection: &Connection, topic: Option<&str>, body: &[u8]) -> Delivery {
    Delivery {
        receipt: id("receipt-1"),
        connection: connection.id.clone(),
        origin: Origin::Webhook,
        topic: topic.map(str::to_owned),
        dedupe_id: None,
        headers: BTreeMap::new(),
        received_at: now(),
        replayed_at: None,
        traceparent: None,
        body: body.to_vec(),
    }
}

pub(crate) fn fixture(path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(path);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Reads a fixture with its partner's adapter.
pub(crate) fn parse(
    connection: &Connection,
    topic: Option<&str>,
    fixture_path: &str,
) -> Result<Parsed, Unreadable> {
    waybill_partners::parse(
        connection,
        &delivery(connection, topic, &fixture(fixture_path)),
    )
}

/// The facts of a fixture; fails the test if it has none.
pub(crate) fn facts(connection: &Connection, topic: Option<&str>, fixture_path: &str) -> Vec<Fact> {
    match parse(connection, topic, fixture_path).unwrap() {
        Parsed::Facts { facts, .. } => facts,
        other => panic!("{fixture_path} gave {other:?}"),
    }
}

/// The only event of a fixture, with its subject.
pub(crate) fn only(connection: &Connection, topic: Option<&str>, path: &str) -> (Subject, Event) {
    let mut facts = facts(connection, topic, path);
    assert_eq!(facts.len(), 1, "{facts:?}");
    let fact = facts.remove(0);
    (fact.subject, fact.event)
}

pub(crate) fn ignored_code(parsed: Result<Parsed, Unreadable>) -> String {
    match parsed.unwrap() {
        Parsed::Ignored { code } => code.to_string(),
        other => panic!("not ignored: {other:?}"),
    }
}

/// The folder with vectors and samples, if this checkout stands beside it.
pub(crate) fn wire_folder(sub: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("WAYBILL_WIRE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/wire"),
        PathBuf::from,
    );
    let folder = folder.join(sub);
    if folder.is_dir() {
        Some(folder)
    } else {
        eprintln!("skipped: {} is not there", folder.display());
        None
    }
}

/// One request as the server got it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Method, path and query: `GET /v1/refunds?limit=100`.
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What the server answers.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: String,
}

pub(crate) fn reply(status: u16, body: Value) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        body: body.to_string(),
    }
}

impl Reply {
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A partner that answers the scripted replies in their order, and 599 after the last.
pub(crate) struct Server {
    pub(crate) base_url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(crate) async fn start(script: Vec<Reply>) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(std::collections::VecDeque::from(script)));
        let seen = Arc::clone(&asked);
        let app = axum::Router::new().fallback(
            move |method: axum::http::Method,
                  uri: axum::http::Uri,
                  headers: axum::http::HeaderMap,
                  body: String| {
                let headers = headers
                    .iter()
                    .map(|(k, v)| (k.to_string(), v.to_str().unwrap().to_owned()))
                    .collect();
                seen.lock().unwrap().push(Asked {
                    line: format!("{method} {uri}"),
                    headers,
                    body,
                });
                let reply = script.lock().unwrap().pop_front();
                async move { answer(reply) }
            },
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base_url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|a| a.line).collect()
    }
}

fn answer(reply: Option<Reply>) -> axum::response::Response {
    let reply = reply.unwrap_or(Reply {
        status: 599,
        headers: Vec::new(),
        body: "the script has ended".to_owned(),
    });
    let mut response = axum::http::Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(axum::body::Body::from(reply.body)).unwrap()
}

/// Carries out one attempt of a command against a server.
pub(crate) async fn execute(
    server: &Server,
    mut connection: Connection,
    api: &[(&str, &str)],
    attempt: Attempt,
    command: &Command,
) -> Result<Vec<Reference>, Failure> {
    connection.base_url.clone_from(&server.base_url);
    let http = waybill_partners::http::client().unwrap();
    let key: MessageId = id("key-1");
    let secrets = secrets(&[], api);
    let call = Call {
        http: &http,
        connection: &connection,
        secrets: &secrets,
        correlation: correlation(),
        key: &key,
        attempt,
        now: now(),
    };
    match connection.partner {
        PartnerKind::Shipbob => waybill_partners::shipbob::execute(call, command).await,
        PartnerKind::Stripe => waybill_partners::stripe::execute(call, command).await,
        PartnerKind::Easypost => waybill_partners::easypost::execute(call, command).await,
        PartnerKind::Zendesk => waybill_partners::zendesk::execute(call, command).await,
        other => panic!("no client for {other:?}"),
    }
}

/// References as `kind:id`.
pub(crate) fn names(references: Result<Vec<Reference>, Failure>) -> Vec<String> {
    references
        .unwrap()
        .into_iter()
        .map(|r| format!("{}:{}", r.kind.as_str(), r.id))
        .collect()
}

/// A failure as `class/code`.
pub(crate) fn failure(outcome: Result<Vec<Reference>, Failure>) -> String {
    let failure = outcome.unwrap_err();
    format!("{}/{}", failure.class(), failure.code())
}
