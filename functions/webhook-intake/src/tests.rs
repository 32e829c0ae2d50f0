use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::sync::Mutex;
use waybill_flow::ports::{ConnectionSecrets, Secret};
use waybill_testkit::{Fault, ManualClock, MemoryQueues};

const CONNECTIONS: &str = r#"
    version = "test"
    [[connections]]
    id = "odoo"
    partner = "odoo"
    base_url = "https://erp.example.com"
    [connections.erp]
    database = "acme"
    login = "integration"
    protocol = "json2"
    shipping_sku = "SHIPPING"
    [[connections]]
    id = "shop"
    partner = "shopify"
    base_url = "https://acme.myshopify.com"
    [connections.channel]
    erp = "odoo"
"#;

#[derive(Default)]
struct Keys {
    stored: Mutex<Option<&'static str>>,
    fresh: Mutex<Option<&'static str>>,
}

fn secrets(key: &str) -> ConnectionSecrets {
    ConnectionSecrets {
        webhook_secrets: vec![Secret::new(key)],
        ..ConnectionSecrets::default()
    }
}

impl Secrets for Keys {
    async fn get(&self, _: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        let stored = *self.stored.lock().unwrap();
        stored.map(secrets).ok_or(InfraError::Unavailable {
            system: "secrets manager",
            detail: "away".to_owned(),
        })
    }

    async fn refresh(&self, _: &ConnectionId) -> Result<Option<ConnectionSecrets>, InfraError> {
        Ok(self.fresh.lock().unwrap().map(secrets))
    }
}

struct World {
    connections: Connections,
    keys: Keys,
    queues: MemoryQueues,
    clock: ManualClock,
}

impl World {
    fn new() -> Self {
        let keys = Keys::default();
        *keys.stored.lock().unwrap() = Some("current");
        Self {
            connections: Connections::parse(CONNECTIONS).unwrap(),
            keys,
            queues: MemoryQueues::default(),
            clock: ManualClock::default(),
        }
    }

    async fn call(&self, event: ApiGatewayV2httpRequest) -> (u16, serde_json::Value) {
        let ports = Ports {
            connections: &self.connections,
            secrets: &self.keys,
            queues: &self.queues,
            clock: &self.clock,
        };
        let answer = handle(&ports, event).await;
        (
            answer.status_code,
            serde_json::from_str(&answer.body).unwrap(),
        )
    }
}

fn sign(key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

fn event(path: &str, body: &[u8], signature: Option<String>) -> ApiGatewayV2httpRequest {
    let mut headers = serde_json::json!({
        "content-type": "application/json", "x-shopify-topic": "orders/create",
        "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "x-shopify-event-id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
        "x-shopify-shop-domain": "acme.myshopify.com", "x-shopify-api-version": "2026-07",
    });
    if let Some(signature) = signature {
        headers["x-shopify-hmac-sha256"] = signature.into();
    }
    serde_json::from_value(serde_json::json!({
        "version": "2.0", "routeKey": "POST /webhooks/{connection}", "rawPath": path, "headers": headers,
        "requestContext": {"http": {"method": "POST", "path": path, "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1", "userAgent": "test"}, "timeEpoch": 0},
        "body": STANDARD.encode(body), "isBase64Encoded": true,
    }))
    .unwrap()
}

const BODY: &[u8] = br#"{"id":820982911946154508}"#;

#[tokio::test]
async fn a_signed_webhook_is_on_the_queue_byte_for_byte_when_it_is_acknowledged() {
    let world = World::new();
    let (status, answer) = world
        .call(event("/webhooks/shop", BODY, Some(sign("current", BODY))))
        .await;
    assert_eq!(status, 202, "{answer}");
    let sent = world.queues.sent(Queue::Inbound);
    assert_eq!(sent.len(), 1);
    let delivery = delivery::decode(&sent[0].body).unwrap();
    assert_eq!(delivery.body, BODY);
    assert_eq!(delivery.topic.as_deref(), Some("orders/create"));
    assert_eq!(answer["receipt"], delivery.receipt.as_str());
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_taken_if_they_are_signed() {
    let world = World::new();
    let body = [0x7b, 0xff, 0xfe, 0x7d];
    let (status, _) = world
        .call(event("/webhooks/shop", &body, Some(sign("current", &body))))
        .await;
    assert_eq!(status, 202);
    let sent = world.queues.sent(Queue::Inbound);
    assert_eq!(delivery::decode(&sent[0].body).unwrap().body, body);
}

#[tokio::test]
async fn unsigned_wrongly_signed_and_truncated_webhooks_are_refused_and_leave_nothing() {
    let world = World::new();
    let truncated = &BODY[..BODY.len() - 1];
    let refused = [
        event("/webhooks/shop", BODY, None),
        event("/webhooks/shop", BODY, Some(sign("other", BODY))),
        event("/webhooks/shop", truncated, Some(sign("current", BODY))),
    ];
    for event in refused {
        let (status, answer) = world.call(event).await;
        assert_eq!(status, 401);
        assert_eq!(answer["error"]["code"], "not_verified");
    }
    assert!(world.queues.is_empty());
}

#[tokio::test]
async fn a_key_that_was_just_rotated_is_accepted() {
    let world = World::new();
    *world.keys.fresh.lock().unwrap() = Some("next");
    let (status, _) = world
        .call(event("/webhooks/shop", BODY, Some(sign("next", BODY))))
        .await;
    assert_eq!(status, 202);
}

#[tokio::test]
async fn an_oversized_body_is_refused_before_its_signature_is_computed() {
    let world = World::new();
    let body = vec![b'x'; MAX_BODY_BYTES + 1];
    let (status, answer) = world.call(event("/webhooks/shop", &body, None)).await;
    assert_eq!(status, 413);
    assert_eq!(answer["error"]["code"], "body_too_large");
}

#[tokio::test]
async fn an_unknown_connection_is_named_with_what_to_do() {
    let world = World::new();
    for path in ["/webhooks/shop2", "/webhooks", "/webhooks/Not%20A%20Slug"] {
        let (status, answer) = world.call(event(path, BODY, None)).await;
        assert_eq!(status, 404, "{path}");
        assert_eq!(answer["error"]["code"], "unknown_connection");
    }
}

#[tokio::test]
async fn what_could_not_be_kept_is_not_acknowledged() {
    let world = World::new();
    world.queues.faults().plan("send", Fault::Unavailable);
    let signed = || event("/webhooks/shop", BODY, Some(sign("current", BODY)));
    assert_eq!(world.call(signed()).await.0, 503);
    world.queues.refuse_next(&[0]);
    assert_eq!(world.call(signed()).await.0, 503);
    *world.keys.stored.lock().unwrap() = None;
    assert_eq!(world.call(signed()).await.0, 503);
    assert!(world.queues.is_empty());
}

/// The shipped events with the local connections and secrets.
#[tokio::test]
async fn the_shipped_events_are_accepted_and_refused_as_they_are_named() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}")).unwrap();
    let secrets: serde_json::Value =
        serde_json::from_str(&read("infra/local/secrets.json")).unwrap();
    let key = secrets["connection/shopify-main"]["webhook_secrets"][0].as_str();
    let mut world = World::new();
    world.connections = Connections::parse(&read("infra/connections/local.toml")).unwrap();
    *world.keys.stored.lock().unwrap() = Some(key.unwrap().to_owned().leak());
    for (name, expected) in [("shopify-order", 202), ("wrongly-signed", 401)] {
        let event = read(&format!("functions/webhook-intake/events/{name}.json"));
        let (status, answer) = world.call(serde_json::from_str(&event).unwrap()).await;
        assert_eq!(status, expected, "{name}: {answer}");
    }
}
