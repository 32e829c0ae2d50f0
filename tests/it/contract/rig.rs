//! The simulators in this process, the adapters pointed at them, and a receiver of webhooks.

use crate::project;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as Clock};
use waybill_flow::connections::{Connection, Connections, ErpProtocol, Override};
use waybill_flow::ports::{Attempt, Clock as _, ConnectionSecrets, PartnerPort, Secret};
use waybill_lambda_kit::clock::SystemClock;
use waybill_model::command::Command;
use waybill_model::failure::Failure;
use waybill_model::id::{CorrelationId, EffectKey, MessageId, RefKind, Reference};
use waybill_model::time::Instant;
use waybill_odoo::Odoo;
use waybill_partners::PartnerClient;
use waybill_simulators::faults::Fault;
use waybill_simulators::odoo::{OdooConfig, OdooSim, Version};
use waybill_simulators::secrets::Secrets;
use waybill_simulators::sim::Sim;
use waybill_simulators::{Options, World, serve};
use waybill_testkit::{ManualClock, MemorySecrets, build};

/// What a call to an adapter gives.
pub(super) type Outcome = Result<Vec<Reference>, Failure>;

/// A webhook as it came in.
#[derive(Clone)]
pub(super) struct Hook {
    pub(super) connection: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Hook {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Hooks = Arc<Mutex<Vec<Hook>>>;

/// Simulators and adapters of one test.
pub(super) struct Rig {
    pub(super) world: Arc<World>,
    pub(super) odoo_sim: Arc<OdooSim>,
    pub(super) partners: PartnerClient<Arc<MemorySecrets>, Arc<ManualClock>>,
    /// What the partners' client takes for the time of its attempts: the test's start.
    pub(super) clock: Arc<ManualClock>,
    partner_secrets: Arc<MemorySecrets>,
    pub(super) odoo: Odoo<MemorySecrets>,
    pub(super) connections: Connections,
    hooks: Hooks,
}

/// Odoo 19 and the partners, without faults.
pub(super) async fn rig() -> Rig {
    Setup::default().start().await
}

/// The same with this release of Odoo: 17 is spoken to over JSON-RPC, 19 over JSON-2.
pub(super) async fn rig_of(version: Version) -> Rig {
    let setup = Setup {
        version,
        ..Setup::default()
    };
    setup.start().await
}

/// What a rig is made of.
pub(super) struct Setup {
    pub(super) version: Version,
    pub(super) options: Options,
    /// Changes the text of the connections file.
    pub(super) connections: fn(String) -> String,
    /// Changes the simulated Odoo.
    pub(super) odoo: fn(&mut OdooConfig),
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            version: Version::V19,
            options: Options::default(),
            connections: |text| text,
            odoo: |_| {},
        }
    }
}

impl Setup {
    pub(super) async fn start(mut self) -> Rig {
        let secrets_text = project::read("infra/local/secrets.json");
        let secrets = Secrets::parse(&secrets_text).unwrap();
        let hooks = Hooks::default();
        self.options.webhook_base = Some(receiver(Arc::clone(&hooks)).await);
        self.options.odoo_version = match self.version {
            Version::V17 => 17,
            Version::V19 => 19,
        };
        let mut config = waybill_simulators::erp::config(&self.options, &secrets);
        (self.odoo)(&mut config);
        let odoo_sim = OdooSim::new(config);
        let mut world = World::new(self.options, secrets);
        Arc::get_mut(&mut world).unwrap().odoo = Arc::clone(&odoo_sim);
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", socket.local_addr().unwrap());
        let served = Arc::clone(&world);
        tokio::spawn(async move {
            serve(socket, served, std::future::pending()).await.unwrap();
        });
        let connections = (self.connections)(project::read("infra/connections/local.toml"));
        let connections = connections_at(&connections, &base, self.version);
        let http = waybill_partners::http::client().unwrap();
        let clock = Arc::new(ManualClock::at(now()));
        let partner_secrets = Arc::new(secrets_of(&secrets_text));
        Rig {
            partners: PartnerClient::new(
                connections.clone(),
                Arc::clone(&partner_secrets),
                http.clone(),
                Arc::clone(&clock),
            ),
            clock,
            partner_secrets,
            odoo: Odoo::new(connections.clone(), secrets_of(&secrets_text), http),
            world,
            odoo_sim,
            connections,
            hooks,
        }
    }
}

fn connections_at(text: &str, base: &str, version: Version) -> Connections {
    let (database, protocol) = match version {
        Version::V17 => ("odoo17", ErpProtocol::JsonRpc),
        Version::V19 => ("odoo19", ErpProtocol::Json2),
    };
    let at = |sim: &Sim| {
        let url = format!("{base}/{}", sim.as_str());
        let place = match sim {
            Sim::Odoo => Override::Parts {
                base_url: url,
                database: Some(database.to_owned()),
                login: None,
                protocol: Some(protocol),
            },
            _ => Override::BaseUrl(url),
        };
        (build::connection(sim.connection()), place)
    };
    let overrides = Sim::ALL.iter().map(at).collect();
    Connections::parse(text).unwrap().with_overrides(&overrides)
}

fn secrets_of(text: &str) -> MemorySecrets {
    let all: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
    let secrets = MemorySecrets::default();
    for (name, value) in all {
        if let Some(id) = name.strip_prefix("connection/") {
            let document: ConnectionSecrets = serde_json::from_value(value).unwrap();
            secrets.set(&build::connection(id), document);
        }
    }
    secrets
}

async fn receiver(hooks: Hooks) -> String {
    let router = Router::new()
        .route("/webhooks/{connection}", post(receive))
        .with_state(hooks);
    waybill_tests::loopback::serve(router).await.unwrap().url
}

async fn receive(
    State(hooks): State<Hooks>,
    Path(connection): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) {
    let text = |v: &axum::http::HeaderValue| v.to_str().unwrap().to_owned();
    let headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    hooks.lock().unwrap().push(Hook {
        connection,
        headers,
        body: body.to_vec(),
    });
}

impl Rig {
    /// Settings of a connection, and its secrets.
    pub(super) fn connection(&self, id: &str) -> &Connection {
        self.connections.get(&build::connection(id)).unwrap()
    }

    /// One attempt of a command at a partner, under the key of its effect.
    pub(super) async fn attempt(
        &self,
        command: &Command,
        order: CorrelationId,
        attempt: Attempt,
    ) -> Outcome {
        let key = key(order, command.kind().as_str());
        self.partners.execute(command, order, &key, attempt).await
    }

    /// From now on commands to this partner are signed with what signs its webhooks.
    pub(super) fn forget_signing_secret(&self, id: &str) {
        let key = self.world.secrets.webhook_secret(id).unwrap();
        let document = ConnectionSecrets {
            webhook_secrets: vec![Secret::new(key)],
            api: BTreeMap::new(),
        };
        self.partner_secrets.set(&build::connection(id), document);
    }

    /// The next call of a simulator that may get this fault gets it.
    pub(super) fn fail_next(&self, sim: Sim, fault: Fault) {
        self.world.faults.queue(sim, fault, 1);
    }

    /// What a simulator holds, as its control API shows it.
    pub(super) fn state(&self, sim: Sim) -> Value {
        let all = waybill_simulators::control::whole_state(&self.world);
        all.get(sim.as_str()).cloned().unwrap()
    }

    /// Waits until `count` webhooks that fit have come.
    pub(super) async fn hooks(&self, count: usize, fits: impl Fn(&Hook) -> bool) -> Vec<Hook> {
        let deadline = Clock::now() + Duration::from_secs(20);
        loop {
            let found: Vec<Hook> = {
                let hooks = self.hooks.lock().unwrap();
                hooks.iter().filter(|h| fits(h)).cloned().collect()
            };
            if found.len() >= count {
                return found;
            }
            assert!(
                Clock::now() < deadline,
                "{} of {count} webhooks came",
                found.len()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Key of an order's effect.
pub(super) fn key(order: CorrelationId, effect: &str) -> MessageId {
    MessageId::for_effect(order, &EffectKey::new(effect).unwrap())
}

/// The wall clock, by which the simulators sign.
pub(super) fn now() -> Instant {
    SystemClock.now()
}

/// The id of the first reference of a kind.
#[track_caller]
pub(super) fn id_of(references: &[Reference], kind: RefKind) -> String {
    let found = references.iter().find(|r| r.kind == kind);
    found
        .unwrap_or_else(|| panic!("no `{}` in {references:?}", kind.as_str()))
        .id
        .to_string()
}

/// Asserts a rejection with this code that says what to do.
#[track_caller]
pub(super) fn assert_rejected(outcome: &Outcome, expected: &str) {
    match outcome {
        Err(Failure::Rejected {
            code,
            detail,
            remedy,
        }) => {
            assert_eq!(code.as_str(), expected, "{detail}");
            assert!(!detail.trim().is_empty());
            assert!(!remedy.trim().is_empty());
        }
        other => panic!("`{expected}` was expected, not {other:?}"),
    }
}

/// Asserts that nothing happened and the call may be repeated; gives the wait that was asked for.
#[track_caller]
pub(super) fn assert_transient(outcome: &Outcome, expected: &str) -> Option<u64> {
    match outcome {
        Err(Failure::Transient {
            code,
            retry_after_ms,
            ..
        }) => {
            assert_eq!(code.as_str(), expected);
            *retry_after_ms
        }
        other => panic!("transient `{expected}` was expected, not {other:?}"),
    }
}

/// Asserts that it is not known whether it happened.
#[track_caller]
pub(super) fn assert_indeterminate(outcome: &Outcome, expected: &str) {
    match outcome {
        Err(Failure::Indeterminate { code, .. }) => assert_eq!(code.as_str(), expected),
        other => panic!("indeterminate `{expected}` was expected, not {other:?}"),
    }
}
