use super::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use waybill_flow::ports::{Archived, Queue};
use waybill_flow::state::{Effect, LOST_MS, OrderState};
use waybill_lambda_kit::delivery;
use waybill_model::case::{CaseClass, CaseStatus};
use waybill_model::command::CommandKind;
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{Decision, Event, OrderObserved, Outcome, Subject};
use waybill_model::id::{CorrelationId, RefKind, Reference};
use waybill_model::order::Order;
use waybill_testkit::build;
use waybill_testkit::{ManualClock, MemoryEffects, MemoryOrders, MemoryQueues};

const READER: &str = "reader-token";
const ACTOR: &str = "actor-token";
/// May act and not ask.
const WORKER: &str = "worker-token";

struct Source;

impl SecretSource for Source {
    async fn fetch(&self, name: &str) -> Result<String, InfraError> {
        assert_eq!(name, "waybill/test/ops-api");
        let hash = |token: &str| {
            use sha2::Digest as _;
            hex::encode(sha2::Sha256::digest(token))
        };
        let tokens = serde_json::json!({"tokens": [
            {"id": "agent", "sha256": hash(READER), "scopes": ["read"]},
            {"id": "robot", "sha256": hash(WORKER), "scopes": ["act"]},
            {"id": "alice", "sha256": hash(ACTOR), "scopes": ["admin"]},
        ]});
        Ok(tokens.to_string())
    }
}

struct World {
    connections: Connections,
    orders: MemoryOrders,
    effects: MemoryEffects,
    queues: MemoryQueues,
    tokens: Tokens<Source, ManualClock>,
    clock: ManualClock,
}

impl World {
    fn new() -> Self {
        Self {
            connections: Connections::parse("version = \"test\"").unwrap(),
            orders: MemoryOrders::default(),
            effects: MemoryEffects::new(Arc::new(ManualClock::default())),
            queues: MemoryQueues::default(),
            tokens: Tokens::new(Source, ManualClock::default(), "waybill/test"),
            clock: ManualClock::default(),
        }
    }

    async fn call(
        &self,
        token: &str,
        method: &str,
        path: &str,
        query: serde_json::Value,
        body: serde_json::Value,
    ) -> (u16, serde_json::Value) {
        let event = serde_json::from_value(serde_json::json!({
            "version": "2.0", "rawPath": path,
            "headers": {"authorization": format!("Bearer {token}")},
            "queryStringParameters": query,
            "requestContext": {"http": {"method": method, "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1", "userAgent": "test"}, "timeEpoch": 0},
            "body": body.to_string(), "isBase64Encoded": false,
        }))
        .unwrap();
        let ports = Ports {
            connections: &self.connections,
            orders: &self.orders,
            effects: &self.effects,
            queues: &self.queues,
            tokens: &self.tokens,
            clock: &self.clock,
            parse,
        };
        let answer = handle(&ports, event).await;
        let body = serde_json::from_str(&answer.body).unwrap();
        (answer.status_code, body)
    }

    async fn get(&self, path: &str, query: serde_json::Value) -> (u16, serde_json::Value) {
        self.call(READER, "GET", path, query, serde_json::Value::Null)
            .await
    }

    async fn post(&self, path: &str, body: serde_json::Value) -> (u16, serde_json::Value) {
        self.call(ACTOR, "POST", path, serde_json::json!({}), body)
            .await
    }

    /// Order `1001` with a rejected effect.
    async fn order(&self) -> CorrelationId {
        self.order_with(Some(build::rejected("unknown_sku"))).await
    }

    /// Order `1001` with an effect that ended so.
    async fn order_with(&self, outcome: Option<Outcome>) -> CorrelationId {
        let order = build::order("1001");
        let correlation = order.correlation();
        let number = build::external(order.number.as_str());
        let mut state = OrderState::default();
        state.facts.order = Some(order);
        state.effects.insert(
            build::effect("sale_order.create"),
            Effect {
                command: CommandKind::CreateSaleOrder,
                issued_at: build::start(),
                outcome,
                attempt: 1,
                retry_wanted: false,
            },
        );
        let mut commit = build::commit(correlation, None, state, "event-1");
        commit.references = vec![Reference::anywhere(RefKind::OrderNumber, number)];
        self.orders.commit(commit).await.unwrap();
        correlation
    }
}

/// A partner's adapter in five words, or a canonical order.
fn parse(_: &Connection, delivery: &Delivery) -> Result<Parsed, waybill_partners::Unreadable> {
    match delivery.body.as_slice() {
        b"garbage" => Err(waybill_partners::Unreadable::new(
            "unreadable_json",
            "at `id`",
        )),
        b"nothing" => Ok(Parsed::Ignored {
            code: build::code("unknown_topic"),
        }),
        b"thin" => Ok(Parsed::Refetch {
            dedupe_id: "thin-1".to_owned(),
        }),
        body => {
            let order: Order = serde_json::from_slice(body).unwrap();
            let subject = Subject::Order(order.correlation());
            let findings = Vec::new();
            let event = Event::OrderObserved(Box::new(OrderObserved { order, findings }));
            let facts = vec![waybill_partners::Fact {
                subject,
                at: None,
                event,
            }];
            Ok(Parsed::Facts {
                dedupe_id: "event-1".to_owned(),
                facts,
            })
        }
    }
}

fn none() -> serde_json::Value {
    serde_json::json!({})
}

#[tokio::test]
async fn without_a_known_token_nothing_is_answered() {
    let world = World::new();
    world.order().await;
    for token in ["", "wrong"] {
        let query = serde_json::json!({"number": "1001"});
        let (status, _) = world.call(token, "GET", "/ops/orders", query, none()).await;
        assert_eq!(status, 401, "{token}");
    }
}

#[tokio::test]
async fn an_agent_may_ask_and_not_act() {
    let world = World::new();
    let id = world.order().await;
    let body = serde_json::json!({"effect": "sale_order.create"});
    let path = format!("/ops/orders/{id}/retry");
    let (status, answer) = world.call(READER, "POST", &path, none(), body).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (403, &"forbidden".into())
    );
    assert!(world.queues.is_empty());
}

#[tokio::test]
async fn an_order_is_found_by_its_number_with_or_without_the_sign() {
    let world = World::new();
    let id = world.order().await;
    for number in ["1001", "#1001"] {
        let (status, answer) = world
            .get("/ops/orders", serde_json::json!({"number": number}))
            .await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["orders"][0]["correlation_id"], id.to_string());
        assert_eq!(
            answer["orders"][0]["effects"][0]["outcome"]["code"],
            "unknown_sku"
        );
        assert!(answer["orders"][0]["axes"]["order"].is_string());
        let text = answer.to_string();
        assert!(!text.contains('@'), "no e-mail address is in the answer");
    }
    let (status, _) = world
        .get("/ops/orders", serde_json::json!({"number": "9"}))
        .await;
    assert_eq!(status, 404);
    assert_eq!(world.get("/ops/orders", none()).await.0, 400);
}

#[tokio::test]
async fn the_timeline_of_an_order_is_told() {
    let world = World::new();
    let id = world.order().await;
    let (status, answer) = world
        .get(&format!("/ops/orders/{id}/timeline"), none())
        .await;
    assert_eq!(status, 200);
    assert_eq!(answer["entries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_retry_becomes_a_decision_of_the_operator() {
    let world = World::new();
    let id = world.order().await;
    let path = format!("/ops/orders/{id}/retry");
    let body = serde_json::json!({"effect": "sale_order.create"});
    let (status, answer) = world.post(&path, body).await;
    assert_eq!(status, 202, "{answer}");
    let sent = world.queues.sent(Queue::Events);
    let event: EventEnvelope = serde_json::from_str(&sent[0].body).unwrap();
    let Event::OperatorDecided(decided) = event.body else {
        panic!("{:?}", event.body);
    };
    assert_eq!(decided.operator, "alice");
    assert!(matches!(decided.decision, Decision::Retry { .. }));
    let other = serde_json::json!({"effect": "refund.create/1"});
    assert_eq!(world.post(&path, other).await.0, 404);
    let misspelt = serde_json::json!({"efect": "x"});
    assert_eq!(world.post(&path, misspelt).await.0, 400);
}

#[tokio::test]
async fn an_effect_without_an_outcome_can_be_retried_after_a_day() {
    let world = World::new();
    let id = world.order_with(None).await;
    let path = format!("/ops/orders/{id}/retry");
    let body = serde_json::json!({"effect": "sale_order.create"});
    world.clock.advance_ms(LOST_MS - 1);
    let (status, answer) = world.post(&path, body.clone()).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (409, &"still_running".into())
    );
    assert!(world.queues.is_empty());
    world.clock.advance_ms(1);
    let (status, answer) = world.post(&path, body).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(world.queues.sent(Queue::Events).len(), 1);
}

#[tokio::test]
async fn a_case_of_no_order_is_listed_and_closed() {
    let world = World::new();
    let case = build::case(None, CaseClass::Integration, "unreadable_json");
    world.orders.put_case(&case).await.unwrap();
    let query = serde_json::json!({"class": "integration", "limit": "1"});
    let (status, answer) = world.get("/ops/cases", query).await;
    assert_eq!(status, 200);
    assert_eq!(answer["cases"][0]["code"], "unreadable_json");
    let path = format!("/ops/cases/{}/close", case.id);
    world.clock.advance_ms(60_000);
    let (status, answer) = world.post(&path, none()).await;
    assert_eq!((status, &answer["status"]), (200, &"resolved".into()));
    let kept = world.orders.case(case.id).await.unwrap().unwrap();
    assert_eq!(kept.status, CaseStatus::Resolved);
    assert_eq!(kept.closed_at, Some(world.clock.now()));
    assert_eq!(kept.owner.unwrap().as_str(), "alice");
    let wrong = serde_json::json!({"class": "nobody"});
    assert_eq!(world.get("/ops/cases", wrong).await.0, 400);
}

/// An open case that the state of order `1001` holds.
async fn case_of_an_order(world: &World) -> waybill_model::case::Case {
    let order = build::order("1001");
    let case = build::case(
        Some(order.correlation()),
        CaseClass::Service,
        "parcel_delayed",
    );
    let mut state = OrderState::default();
    state.cases.insert(case.id, case.clone());
    let mut commit = build::commit(order.correlation(), None, state, "event-1");
    commit.cases = vec![case.clone()];
    world.orders.commit(commit).await.unwrap();
    case
}

#[tokio::test]
async fn a_case_of_an_order_is_ignored_and_assigned_by_decisions_for_its_timeline() {
    let world = World::new();
    let case = case_of_an_order(&world).await;
    let path = |action: &str| format!("/ops/cases/{}/{action}", case.id);
    let reason = serde_json::json!({"reason": "the carrier called"});
    let (status, _) = world
        .call(READER, "POST", &path("ignore"), none(), reason.clone())
        .await;
    assert_eq!(status, 403);
    for (action, body) in [
        ("ignore", reason),
        ("assign", serde_json::json!({"owner": "bob"})),
        ("assign", none()),
    ] {
        let (status, answer) = world.post(&path(action), body).await;
        assert_eq!(status, 202, "{answer}");
    }
    let decisions: Vec<_> = world
        .queues
        .sent(Queue::Events)
        .iter()
        .map(|message| {
            let event: EventEnvelope = serde_json::from_str(&message.body).unwrap();
            assert_eq!(Some(event.correlationid), case.correlation_id);
            match event.body {
                Event::OperatorDecided(decided) => (decided.operator, decided.decision),
                other => panic!("{other:?}"),
            }
        })
        .collect();
    let assigned = |owner| Decision::Assign {
        case: case.id,
        owner: build::text(owner),
    };
    let ignored = Decision::Ignore {
        case: case.id,
        reason: build::text("the carrier called"),
    };
    assert_eq!(
        decisions,
        [ignored, assigned("bob"), assigned("alice")].map(|d| ("alice".to_owned(), d))
    );
}

#[tokio::test]
async fn a_reason_is_needed_and_bounded_and_a_closed_case_stays_closed() {
    let world = World::new();
    let case = build::case(None, CaseClass::Integration, "unreadable_json");
    world.orders.put_case(&case).await.unwrap();
    let path = format!("/ops/cases/{}/ignore", case.id);
    for wrong in [
        none(),
        serde_json::json!({"reason": " "}),
        serde_json::json!({"reason": "x".repeat(301)}),
        serde_json::json!({"reason": "two\nlines"}),
    ] {
        assert_eq!(world.post(&path, wrong).await.0, 400);
    }
    let reason = serde_json::json!({"reason": "a test of the partner"});
    let (status, answer) = world.post(&path, reason.clone()).await;
    assert_eq!((status, &answer["owner"]), (200, &"alice".into()));
    let kept = world.orders.case(case.id).await.unwrap().unwrap();
    assert_eq!(kept.status, CaseStatus::Ignored);
    assert_eq!(kept.reason.unwrap().as_str(), "a test of the partner");
    let (status, answer) = world.post(&path, reason).await;
    assert_eq!(status, 409);
    assert_eq!(answer["error"]["code"], "not_open");
}

#[tokio::test]
async fn health_and_the_document_need_no_token() {
    let world = World::new();
    for path in ["/ops/health", "/ops/openapi.json"] {
        let (status, _) = world.call("", "GET", path, none(), none()).await;
        assert_eq!(status, 200, "{path}");
    }
}

/// With `WAYBILL_WRITE_SCHEMAS` set, writes the file instead.
#[test]
fn the_served_document_is_the_generated_one() {
    let generated = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../infra/schemas/openapi.json"
    );
    if std::env::var_os("WAYBILL_WRITE_SCHEMAS").is_some() {
        std::fs::write(file, &generated).unwrap();
    }
    let served = std::fs::read_to_string(file).unwrap();
    assert!(
        served == generated,
        "infra/schemas/openapi.json is out of date: run this test with WAYBILL_WRITE_SCHEMAS=1"
    );
}

mod bounds;
mod connections;
mod correct;
mod dead;
mod desk;
mod dry_run;
mod replay;
mod waive;
