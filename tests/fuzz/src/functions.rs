//! The functions themselves, with what outside hands them: requests of the gateway, records of queues.

mod kept;

pub use kept::{breakers, jobs};

use crate::draw::Draw;
use crate::mutate;
use crate::properties::{in_time, tells_no_person};
use crate::seeds;
use crate::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use waybill_flow::ports::Queue;
use waybill_lambda_kit::delivery;
use waybill_model::delivery::Delivery;
use waybill_model::delivery::Origin;
use waybill_model::id::{ConnectionId, MessageId};
use waybill_testkit::build;

/// Calls of partners: what is answered with 202 is on the queue byte for byte, and was signed; of all else
/// nothing is kept.
///
/// # Panics
/// A property does not hold.
pub fn intake(input: &[u8]) {
    let mut draw = Draw::new(input);
    let body = mutate::document(&[json!({"id": 1, "name": mutate::MARKER})], &mut draw);
    let mut mac = Hmac::<Sha256>::new_from_slice(b"hush").unwrap();
    mac.update(&body);
    let mut event = seeds_of_intake()[draw.below(2)].clone();
    event["headers"]["x-shopify-hmac-sha256"] = json!(STANDARD.encode(mac.finalize().into_bytes()));
    match String::from_utf8(body.clone()) {
        Ok(text) if draw.once_in(2) => event["body"] = json!(text),
        _ => {
            event["isBase64Encoded"] = json!(true);
            event["body"] = json!(STANDARD.encode(&body));
        }
    }
    if draw.once_in(2) {
        mutate::change(&mut event, &mut draw);
    }
    // What is no event of the gateway is refused by the runtime.
    let Ok(event) = serde_json::from_str(&mutate::text(&event)) else {
        return;
    };
    let world = World::new();
    let answer = in_time("intake", || crate::block_on(world.intake(event)));
    tells_no_person(&answer.body);
    let sent = world.queues.sent(Queue::Inbound);
    let known = [202, 400, 401, 404, 413, 431];
    assert!(known.contains(&answer.status_code), "{answer:?}");
    if answer.status_code != 202 {
        assert!(sent.is_empty(), "refused and kept: {answer:?}");
        return;
    }
    assert_eq!(sent.len(), 1);
    let delivery = delivery::decode(&sent[0].body).unwrap();
    assert!(!delivery.body.is_empty());
    assert_eq!(delivery.body, body, "another body than was signed");
}

fn seeds_of_intake() -> &'static [Value; 2] {
    static SEEDS: OnceLock<[Value; 2]> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let read = |name| seeds::json(&format!("functions/webhook-intake/events/{name}.json"));
        [read("shopify-order"), read("wrongly-signed")]
    })
}

/// Requests to the operations API, as a document that is turned into an event.
fn requests() -> Vec<Value> {
    let order = build::correlation("1001").to_string();
    let case = World::case().id.to_string();
    let get = |path: &str, query: Value| json!({"method": "GET", "path": path, "query": query, "body": null});
    let post = |path: &str, body: Value| json!({"method": "POST", "path": path, "query": {}, "body": body});
    let at = |path: &str| path.replace("ORDER", &order).replace("CASE", &case);
    let range = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-12-31T00:00:00Z", "connection": "shopify-main",
        "topic": "orders/create", "limit": 5, "cursor": null});
    let file = waybill_lambda_kit::connections::text(waybill_lambda_kit::env::Stage::Local);
    vec![
        get("/ops/orders", json!({"number": "1001"})),
        get("/ops/orders", json!({"email": "ada@example.com"})),
        get("/ops/orders", json!({"tracking": "1Z1"})),
        get("/ops/orders", json!({"ticket": "7"})),
        get("/ops/orders", json!({"correlation": order})),
        get(&at("/ops/orders/ORDER/timeline"), json!({})),
        get(
            "/ops/cases",
            json!({"status": "open", "class": "data", "code": "unknown_sku", "connection": "shopify-main",
            "owner": "alice", "limit": "5", "cursor": "2026-01-31T09:00:00Z#1", "order": order}),
        ),
        get("/ops/cases", json!({})),
        get("/ops/cases/summary", json!({})),
        get(&at("/ops/cases/CASE"), json!({})),
        get("/ops/connections", json!({})),
        get("/ops/dead-letters", json!({})),
        post(
            &at("/ops/orders/ORDER/retry"),
            json!({"effect": "sale_order.create"}),
        ),
        post(
            &at("/ops/orders/ORDER/waive"),
            json!({"code": "total_mismatch"}),
        ),
        post(
            &at("/ops/orders/ORDER/correct"),
            json!({"reason": "typo", "effect": "sale_order.create",
            "correction": {"field": "sku", "line": "1", "sku": "MUG"}}),
        ),
        post(
            &at("/ops/orders/ORDER/correct"),
            json!({"reason": "typo", "effect": null,
            "correction": {"field": "shipping_address", "address": {"name": "A", "city": "Delft", "country": "NL"}}}),
        ),
        post(&at("/ops/orders/ORDER/replay"), Value::Null),
        post(
            &at("/ops/orders/ORDER/dry-run"),
            json!({"connections": file}),
        ),
        post("/ops/receipts/receipt-1/replay", Value::Null),
        post("/ops/receipts/receipt-1/dry-run", json!({})),
        post("/ops/replay", range.clone()),
        post(
            "/ops/replay/dry-run",
            json!({"range": range, "connections": null}),
        ),
        post("/ops/dead-letters/inbound/redrive", json!({"limit": 5})),
        post(&at("/ops/cases/CASE/retry"), Value::Null),
        post(
            &at("/ops/cases/CASE/ignore"),
            json!({"reason": "done by hand"}),
        ),
        post(&at("/ops/cases/CASE/assign"), json!({"owner": "bob"})),
        post(&at("/ops/cases/CASE/close"), json!({})),
        post(
            "/ops/cases/bulk",
            json!({"filter": {"class": "data", "code": "unknown_sku", "connection": null,
            "owner": null, "older_than_minutes": 0}, "action": {"kind": "assign", "owner": "bob"}, "limit": 5,
            "cursor": null, "dry_run": false}),
        ),
    ]
}

/// Requests to the operations API: every one is answered as JSON, none brings the function down, and what
/// is not allowed changes nothing, whatever the list of tokens and the notes about endpoints say.
///
/// # Panics
/// A property does not hold.
pub fn ops(input: &[u8]) {
    static REQUESTS: OnceLock<Vec<Value>> = OnceLock::new();
    let mut draw = Draw::new(input);
    let token = *draw.of(&["actor", "reader", "", "nobody"]);
    let mut request = draw.of(REQUESTS.get_or_init(requests)).clone();
    if draw.once_in(2) {
        mutate::change(&mut request, &mut draw);
    } else {
        let part = *draw.of(&["body", "query"]);
        mutate::change(&mut request[part], &mut draw);
    }
    let mutated = mutate::text(&request)
        .to_lowercase()
        .contains(mutate::MARKER_CORE);
    let body = mutate::text(&request["body"]);
    let event = json!({
        "version": "2.0", "rawPath": request["path"],
        "headers": {"authorization": format!("Bearer {token}")},
        "queryStringParameters": request["query"],
        "requestContext": {"http": {"method": request["method"], "path": request["path"],
            "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"}, "timeEpoch": 0},
        "body": body, "isBase64Encoded": draw.once_in(16),
    });
    let Ok(event) = serde_json::from_str(&mutate::text(&event)) else {
        return;
    };
    let mut world = World::new();
    let own_tokens = !draw.once_in(4);
    if !own_tokens {
        let made = mutate::document(&[World::tokens()], &mut draw);
        world.set_tokens(&String::from_utf8_lossy(&made));
    }
    let note = draw.once_in(2).then(|| kept::endpoint(&mut draw));
    let told = note.iter().map(|(_, text)| text.to_lowercase());
    let mutated = mutated
        || told
            .into_iter()
            .any(|text| text.contains(mutate::MARKER_CORE));
    let answer = in_time("ops", || {
        crate::block_on(async {
            world.with_an_order().await;
            if let Some((name, note)) = &note {
                world.keep(name, note).await;
            }
            let answer = world.ops(event).await;
            // Another list may let the reader act.
            if token != "actor" && (own_tokens || token != "reader") {
                assert!(world.queues.is_empty(), "`{token}` changed something");
            }
            answer
        })
    });
    let known = [200, 202, 400, 401, 403, 404, 409];
    // No list of tokens can be had.
    let unavailable = !own_tokens && answer.status_code == 503;
    assert!(
        unavailable || known.contains(&answer.status_code),
        "{answer:?} to {request}"
    );
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    if answer.status_code >= 400 {
        for part in ["code", "message", "remedy"] {
            let text = told["error"][part].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "no `{part}` in {told}");
        }
    }
    let public = ["/ops/health", "/ops/openapi.json"];
    let asked = request["path"].as_str().unwrap_or_default();
    if token == "nobody" || token.is_empty() {
        let allowed = answer.status_code >= 400 || public.iter().any(|p| asked.contains(p));
        assert!(allowed, "answered to nobody: {asked}");
    }
    // The order of this world has a customer; whoever asks is told nothing of them.
    if !mutated {
        tells_no_person(&answer.body);
    }
}

/// Deliveries of all partners through every function: nothing stays on a queue for ever, and what was
/// read can be read by the next.
///
/// # Panics
/// A message was given back although nothing was in its way.
pub fn deliveries(input: &[u8]) {
    static SEEDS: OnceLock<Vec<(&str, &str, Vec<Value>)>> = OnceLock::new();
    let seeds = SEEDS.get_or_init(|| {
        let of = |partner: &str| seeds::folder(&format!("shared/partners/fixtures/{partner}"));
        let shop = of("shopify");
        vec![
            ("shopify-main", "orders/create", vec![shop[0].clone()]),
            ("shopify-main", "refunds/create", vec![shop[1].clone()]),
            ("stripe-main", "", of("stripe")),
            ("shipbob-main", "order.shipped", of("shipbob")),
            ("easypost-main", "", of("easypost")),
            ("zendesk-main", "", of("zendesk")),
        ]
    });
    let mut draw = Draw::new(input);
    let world = World::new();
    crate::block_on(async {
        for n in 0..=draw.below(2) {
            let (connection, topic, bodies) = draw.of(seeds);
            let sent = Delivery {
                receipt: MessageId::new(format!("receipt-{n}")).unwrap(),
                connection: ConnectionId::new(connection).unwrap(),
                origin: Origin::Webhook,
                topic: Some((*topic).to_owned()).filter(|t| !t.is_empty()),
                dedupe_id: None,
                headers: BTreeMap::new(),
                received_at: build::start(),
                replayed_at: None,
                traceparent: None,
                body: mutate::document(bodies, &mut draw),
            };
            let Ok(message) = delivery::encode(&sent) else {
                continue;
            };
            world.validate(&message).await;
            world.drain().await;
        }
        world.settled().await;
    });
}

/// Messages of our own queues, as another version or a person may write them, to each of their readers.
///
/// # Panics
/// One was given back although nothing was in its way.
pub fn queues(input: &[u8]) {
    static SEEDS: OnceLock<(Vec<Value>, Vec<Value>)> = OnceLock::new();
    let (events, commands) =
        SEEDS.get_or_init(|| (crate::model::events(), crate::model::commands::commands()));
    let mut draw = Draw::new(input);
    let world = World::new();
    crate::block_on(async {
        world.with_an_order().await;
        match draw.below(4) {
            0 => {
                let made = mutate::document(events, &mut draw);
                world.validate(&String::from_utf8_lossy(&made)).await;
            }
            1 => {
                let made = mutate::document(commands, &mut draw);
                let queue = *draw.of(&Queue::ALL);
                world.hand(queue, &String::from_utf8_lossy(&made)).await;
            }
            _ => {
                let made = mutate::document(events, &mut draw);
                world
                    .hand(Queue::Events, &String::from_utf8_lossy(&made))
                    .await;
            }
        }
        world.drain().await;
        world.settled().await;
    });
}
