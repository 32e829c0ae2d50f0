//! Connections: what the functions share of them, as operators see it.

use super::*;
use serde_json::{Value, json};
use waybill_flow::breaker::FIRST_OPEN_MS;
use waybill_flow::pace::{Cap, Pace, Sample};
use waybill_lambda_kit::documents::Kept;
use waybill_lambda_kit::endpoints::{Endpoints, Pass};
use waybill_model::failure::Failure;
use waybill_model::id::{Code, ConnectionId};
use waybill_model::time::Instant;
use waybill_testkit::Fault;

const CONNECTIONS: &str = r#"
    version = "test"
    [[connections]]
    id = "odoo-main"
    partner = "odoo"
    base_url = "https://erp.example.com"
    [connections.erp]
    database = "acme"
    login = "integration"
    protocol = "json2"
    shipping_sku = "SHIPPING"
    batch = 40
    writers = 3
    [[connections]]
    id = "depot"
    partner = "canonical"
    base_url = "https://depot.example.com"
    calls_per_minute = 90
    [connections.warehouse]
    erp = "odoo-main"
    default_shipping_method = "standard"
"#;
/// How long a probe is its owner's.
const LEASE_MS: i64 = 60_000;

fn world() -> (World, Endpoints) {
    let connections = Connections::parse(CONNECTIONS).unwrap();
    let endpoints = Endpoints::new(&connections);
    let world = World {
        connections,
        ..World::new()
    };
    (world, endpoints)
}

impl World {
    fn now(&self) -> Instant {
        use waybill_flow::ports::Clock as _;
        self.clock.now()
    }

    /// Begins an attempt, as a function does that carries out commands.
    async fn enter(&self, endpoints: &Endpoints, id: &ConnectionId, calls: u32) -> Pass {
        let door = endpoints.door(&self.effects, &self.clock, LEASE_MS);
        let latest = self.now().plus_ms(30_000);
        door.enter(id, calls, latest).await.unwrap()
    }

    /// Ends it with `partner_unreachable`.
    async fn fail(&self, endpoints: &Endpoints, pass: Pass) {
        let door = endpoints.door(&self.effects, &self.clock, LEASE_MS);
        let away = Failure::Transient {
            code: Code::literal("partner_unreachable"),
            detail: "the connection could not be made".to_owned(),
            retry_after_ms: None,
        };
        door.leave::<()>(pass, &Err(away)).await;
    }

    /// Fails until the breaker of the depot is open.
    async fn shut_the_depot(&self, endpoints: &Endpoints) {
        for _ in 0..5 {
            let pass = self.enter(endpoints, &build::connection("depot"), 1).await;
            self.fail(endpoints, pass).await;
        }
    }

    async fn keep(&self, id: &str, name: &str, text: &str) {
        let id = build::connection(id);
        self.effects.set_checkpoint(&id, name, text).await.unwrap();
    }

    /// What is told of one connection.
    async fn told(&self, id: &str) -> Value {
        let (status, answer) = self.get("/ops/connections", none()).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["at"], json!(self.now()));
        let all = answer["connections"].as_array().unwrap();
        all.iter().find(|c| c["id"] == id).unwrap().clone()
    }
}

fn closed() -> Value {
    json!({"phase": "closed", "until": null, "since": null, "failed_probes": 0, "code": null})
}

#[tokio::test]
async fn a_connection_of_which_nothing_is_kept_is_called_as_the_file_has_it() {
    let (world, _) = world();
    let odoo = json!({
        "id": "odoo-main", "partner": "odoo", "roles": ["erp"], "breaker": closed(),
        "pace": {"batch": 40, "writers": 3, "batch_cap": 40, "writers_cap": 3,
            "commands_per_minute": null},
        "quota": null, "unreadable": [],
    });
    assert_eq!(world.told("odoo-main").await, odoo);
    let depot = json!({
        "id": "depot", "partner": "canonical", "roles": ["warehouse"], "breaker": closed(),
        "pace": null, "quota": {"calls_per_minute": 90, "next_call_at": world.now()},
        "unreadable": [],
    });
    assert_eq!(world.told("depot").await, depot);
}

#[tokio::test]
async fn a_breaker_is_told_from_its_opening_over_its_probes_to_its_closing() {
    let (world, endpoints) = world();
    let depot = build::connection("depot");
    world.shut_the_depot(&endpoints).await;
    let since = world.now();
    let open = |until: Instant, failed_probes: u32| {
        json!({"phase": "open", "until": until, "since": since, "failed_probes": failed_probes,
            "code": "partner_unreachable"})
    };
    let first = since.plus_ms(FIRST_OPEN_MS);
    assert_eq!(world.told("depot").await["breaker"], open(first, 0));
    assert_eq!(world.told("odoo-main").await["breaker"], closed());
    // It stays open until somebody comes.
    world.clock.advance_ms(FIRST_OPEN_MS + 1_000);
    assert_eq!(world.told("depot").await["breaker"], open(first, 0));
    let probe = world.enter(&endpoints, &depot, 1).await;
    assert!(probe.is_probe());
    let until = world.now().plus_ms(LEASE_MS);
    let probing = json!({"phase": "probing", "until": until, "since": since, "failed_probes": 0,
        "code": "partner_unreachable"});
    assert_eq!(world.told("depot").await["breaker"], probing);
    world.fail(&endpoints, probe).await;
    let second = world.now().plus_ms(2 * FIRST_OPEN_MS);
    assert_eq!(world.told("depot").await["breaker"], open(second, 1));
    world.clock.advance_ms(2 * FIRST_OPEN_MS);
    let probe = world.enter(&endpoints, &depot, 1).await;
    let door = endpoints.door(&world.effects, &world.clock, LEASE_MS);
    door.leave(probe, &Ok(())).await;
    assert_eq!(world.told("depot").await["breaker"], closed());
}

#[tokio::test]
async fn what_was_learned_of_an_odoo_is_told_within_the_caps_of_today() {
    let (world, _) = world();
    let odoo = build::connection("odoo-main");
    let cap = Cap {
        batch: 60,
        writers: 3,
    };
    let mut kept = Kept::read(&world.effects, &odoo, || Pace::new(cap))
        .await
        .unwrap();
    let mut pace = kept.value.clone();
    let full = Sample {
        commands: 60,
        took_ms: 6_000,
        at_once: 1,
        troubled: false,
    };
    pace.learn(full, world.now(), cap);
    pace.learn(
        Sample {
            troubled: true,
            ..full
        },
        world.now(),
        cap,
    );
    assert_eq!((pace.batch, pace.writers), (30, 2));
    kept.swap(&world.effects, &odoo, &pace).await.unwrap();
    let told = world.told("odoo-main").await;
    let learned = json!({"batch": 30, "writers": 2, "batch_cap": 40, "writers_cap": 3,
        "commands_per_minute": 600});
    assert_eq!(told["pace"], learned);
    pace.batch = 55;
    kept.swap(&world.effects, &odoo, &pace).await.unwrap();
    assert_eq!(world.told("odoo-main").await["pace"]["batch"], 40);
}

#[tokio::test]
async fn a_quota_that_is_used_up_says_when_the_next_call_may_be_made() {
    let (world, endpoints) = world();
    // Seven of them are the burst.
    world
        .enter(&endpoints, &build::connection("depot"), 8)
        .await;
    let told = world.told("depot").await;
    assert_eq!(
        told["quota"]["next_call_at"],
        json!(world.now().plus_ms(741))
    );
    assert_eq!(told["quota"]["calls_per_minute"], 90);
    world.clock.advance_ms(741);
    let told = world.told("depot").await;
    assert_eq!(told["quota"]["next_call_at"], json!(world.now()));
}

#[tokio::test]
async fn what_another_version_wrote_is_told_as_unreadable_and_the_rest_is_told() {
    let (world, endpoints) = world();
    world.shut_the_depot(&endpoints).await;
    world
        .keep("odoo-main", "breaker", r#"{"phase":"half_open"}"#)
        .await;
    world.keep("odoo-main", "pace", "{}").await;
    let odoo = world.told("odoo-main").await;
    assert_eq!(odoo["unreadable"], json!(["breaker", "pace"]));
    assert_eq!(
        (&odoo["breaker"], &odoo["pace"]),
        (&Value::Null, &Value::Null)
    );
    let depot = world.told("depot").await;
    assert_eq!(depot["unreadable"], json!([]));
    assert_eq!(depot["breaker"]["phase"], "open");
    world.keep("depot", "quota", "soon").await;
    let depot = world.told("depot").await;
    assert_eq!(depot["unreadable"], json!(["quota"]));
    assert_eq!(depot["quota"], Value::Null);
}

#[tokio::test]
async fn to_look_changes_nothing_and_takes_no_probe() {
    let (world, endpoints) = world();
    let depot = build::connection("depot");
    world.shut_the_depot(&endpoints).await;
    world.clock.advance_ms(FIRST_OPEN_MS);
    let before = world.effects.checkpoint(&depot, "breaker").await.unwrap();
    world.told("depot").await;
    let after = world.effects.checkpoint(&depot, "breaker").await.unwrap();
    assert_eq!(before, after);
    assert!(world.enter(&endpoints, &depot, 1).await.is_probe());
    let odoo = build::connection("odoo-main");
    for name in ["breaker", "pace"] {
        assert_eq!(world.effects.checkpoint(&odoo, name).await.unwrap(), None);
    }
}

#[tokio::test]
async fn connections_need_a_token_that_may_ask_and_a_store_that_answers() {
    let (world, _) = world();
    let path = "/ops/connections";
    let (status, _) = world.call("wrong", "GET", path, none(), none()).await;
    assert_eq!(status, 401);
    let (status, answer) = world.call(WORKER, "GET", path, none(), none()).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (403, &"forbidden".into())
    );
    assert_eq!(world.call(ACTOR, "GET", path, none(), none()).await.0, 200);
    world
        .effects
        .faults()
        .plan("checkpoint", Fault::Unavailable);
    assert_eq!(world.get(path, none()).await.0, 503);
    assert_eq!(world.post(path, none()).await.0, 404);
}
