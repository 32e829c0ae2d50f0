//! All that a run consists of.

use crate::breakage::Breakage;
use crate::erp::Odoo;
use crate::life;
use crate::operator::TOKENS;
use crate::partners::{Follow, Partners};
use crate::sandbox::{PREFIX, Sandbox};
use crate::sim::Sim;
use crate::sqs::Sqs;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use waybill_flow::axes::axes;
use waybill_flow::connections::{Connection, Connections};
use waybill_flow::ports::{Clock, Commit, ConnectionSecrets, Outgoing, Queue, Secret};
use waybill_flow::state::OrderState;
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::event::Event;
use waybill_model::id::{ConnectionId, CorrelationId, MessageId, name_uuid};
use waybill_model::time::Instant;
use waybill_partners::{Parsed, Unreadable};
use waybill_testkit::{MemoryEffects, MemoryOrders, build};

/// The channel.
pub const MARKET: &str = "market";
/// The warehouse.
pub const DEPOT: &str = "depot";
/// The gateway.
pub const GATEWAY: &str = "gateway";
/// The ERP.
pub const ODOO: &str = "odoo";
/// The helpdesk.
pub const DESK: &str = "desk";
/// The carrier service.
pub const CARRIER: &str = "carrier";

/// Base64 of a key that signs what partners tell.
pub const STANDARD_KEY: &str = "whsec_c2ltdWxhdGlvbi1zaW11bGF0aW9uLXNpbXVsYXRpb24=";

const CONNECTIONS: &str = r#"
version = "simulation"
[[connections]]
id = "odoo"
partner = "odoo"
base_url = "https://erp.example.com"
[connections.erp]
database = "acme"
login = "waybill"
protocol = "json2"
shipping_sku = "SHIPPING"
[[connections]]
id = "market"
partner = "canonical"
base_url = "https://market.example.com"
[connections.channel]
erp = "odoo"
helpdesk = "desk"
gateway = "gateway"
tracker = "carrier"
hold_minutes = 3
[[connections.channel.routes]]
warehouse = "depot"
[[connections]]
id = "depot"
partner = "canonical"
base_url = "https://depot.example.com"
[connections.warehouse]
erp = "odoo"
default_shipping_method = "standard"
owns_stock = true
[[connections]]
id = "gateway"
partner = "stripe"
base_url = "https://gateway.example.com"
settings = { channel = "market", livemode = "false" }
[[connections]]
id = "carrier"
partner = "easypost"
base_url = "https://carrier.example.com"
[[connections]]
id = "desk"
partner = "zendesk"
base_url = "https://desk.example.com"
[connections.helpdesk]
"#;

/// The world.
pub struct World {
    /// Clock, dice, trace.
    pub sim: Arc<Sim>,
    /// Who is connected.
    pub connections: Connections,
    /// The orders table.
    pub orders: MemoryOrders,
    /// The effects table.
    pub effects: MemoryEffects,
    /// The queues.
    pub sqs: Mutex<Sqs>,
    /// Odoo.
    pub erp: Mutex<Odoo>,
    /// Everybody else.
    pub partners: Mutex<Partners>,
    wakes: BTreeMap<Queue, Notify>,
    /// By name.
    secrets: Mutex<BTreeMap<String, String>>,
    /// Processes that run nothing now, by function.
    warm: Mutex<BTreeMap<&'static str, Vec<Sandbox>>>,
    running: AtomicI64,
    /// Of customers and partners: what they are still about to do.
    planned: AtomicI64,
    sandboxes: AtomicU64,
    outages: Vec<(String, Instant, Instant)>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("sim", &self.sim)
            .finish_non_exhaustive()
    }
}

struct TrueTime(Arc<Sim>);

impl Clock for TrueTime {
    fn now(&self) -> Instant {
        self.0.now()
    }
}

impl World {
    /// A world in which nothing has happened.
    #[must_use]
    pub fn new(sim: Sim, outages: Vec<(String, Instant, Instant)>) -> Arc<Self> {
        let sim = Arc::new(sim);
        let mut secrets = BTreeMap::from([(format!("{PREFIX}/ops-api"), TOKENS.to_owned())]);
        for connection in [MARKET, DEPOT, GATEWAY] {
            let document = json!({"webhook_secrets": [STANDARD_KEY]});
            secrets.insert(
                format!("{PREFIX}/connection/{connection}"),
                document.to_string(),
            );
        }
        let mut text = CONNECTIONS.to_owned();
        if sim.is_broken(Breakage::NoGate) {
            text = text.replace(
                "hold_minutes = 3",
                "hold_minutes = 3\npayment_gate = \"none\"",
            );
        }
        Arc::new(Self {
            connections: Connections::parse(&text).expect("a good file"),
            orders: MemoryOrders::default(),
            effects: MemoryEffects::new(Arc::new(TrueTime(Arc::clone(&sim)))),
            secrets: Mutex::new(secrets),
            sqs: Mutex::default(),
            erp: Mutex::default(),
            partners: Mutex::default(),
            wakes: Queue::ALL.into_iter().map(|q| (q, Notify::new())).collect(),
            warm: Mutex::default(),
            running: AtomicI64::new(0),
            planned: AtomicI64::new(0),
            sandboxes: AtomicU64::new(0),
            outages,
            sim,
        })
    }

    /// Keys that webhooks are signed with.
    #[must_use]
    pub fn signing() -> ConnectionSecrets {
        ConnectionSecrets {
            webhook_secrets: vec![Secret::new(STANDARD_KEY)],
            api: BTreeMap::new(),
        }
    }

    /// Number of a new sandbox.
    pub fn next_sandbox(&self) -> u64 {
        self.sandboxes.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A process of a function: a warm one, or a new one.
    pub fn sandbox(self: &Arc<Self>, function: &'static str) -> Sandbox {
        let warm = self
            .warm
            .lock()
            .unwrap()
            .get_mut(function)
            .and_then(Vec::pop);
        warm.unwrap_or_else(|| Sandbox::new(self, function))
    }

    /// Keeps one that lives for the next invocation.
    pub fn keep_warm(&self, sandbox: Sandbox) {
        if !sandbox.is_dead() {
            let mut warm = self.warm.lock().unwrap();
            warm.entry(sandbox.function()).or_default().push(sandbox);
        }
    }

    /// Ends all processes. Each knows its world, which would never be freed.
    pub fn end(&self) {
        self.warm.lock().unwrap().clear();
    }

    /// The text of a secret.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<String> {
        self.secrets.lock().unwrap().get(name).cloned()
    }

    /// Sets the text of a secret.
    pub fn set_secret(&self, name: &str, text: String) {
        self.secrets.lock().unwrap().insert(name.to_owned(), text);
    }

    /// Whether an endpoint is away.
    #[must_use]
    pub fn is_out(&self, endpoint: &str, now: Instant) -> bool {
        self.outages
            .iter()
            .any(|(e, from, to)| e == endpoint && *from <= now && now < *to)
    }

    /// Puts a message into a queue.
    pub fn put(&self, queue: Queue, message: Outgoing) {
        let sent = self
            .sqs
            .lock()
            .unwrap()
            .send(queue, message, self.sim.now());
        sent.expect("a message that SQS takes");
        self.wake(queue);
    }

    /// Tells the poller of a queue that something changed.
    pub fn wake(&self, queue: Queue) {
        self.wakes[&queue].notify_one();
    }

    /// Ends when something changed in a queue.
    pub async fn woken(&self, queue: Queue) {
        self.wakes[&queue].notified().await;
    }

    /// Counts running functions.
    pub fn running(&self, change: i64) {
        self.running.fetch_add(change, Ordering::SeqCst);
    }

    /// Counts what customers and partners are about to do.
    pub fn plan(&self, change: i64) {
        self.planned.fetch_add(change, Ordering::SeqCst);
    }

    /// Whether customers and partners have done all.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.planned.load(Ordering::SeqCst) == 0
    }

    /// Whether nothing moves.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.is_told()
            && self.running.load(Ordering::SeqCst) == 0
            && self.sqs.lock().unwrap().is_empty()
    }

    /// What still moves, for a person.
    #[must_use]
    pub fn moves(&self) -> String {
        let running = self.running.load(Ordering::SeqCst);
        let planned = self.planned.load(Ordering::SeqCst);
        format!("{running} functions run, {planned} things are planned")
    }

    /// What follows at a partner from what was asked of it.
    pub fn follow(self: &Arc<Self>, follow: Option<Follow>) {
        if let Some(follow) = follow {
            self.plan(1);
            let world = Arc::clone(self);
            tokio::spawn(async move {
                life::follow(&world, follow).await;
                world.plan(-1);
            });
        }
    }

    /// How deliveries are read.
    #[must_use]
    pub fn parse(&self) -> validator::Parse {
        if self.sim.is_broken(Breakage::NoVersions) {
            parse_without_versions
        } else {
            waybill_partners::parse
        }
    }

    /// Orders of a channel that changed, as a poll finds them.
    #[must_use]
    pub fn changed_since(
        &self,
        connection: &ConnectionId,
        since: Instant,
        now: Instant,
    ) -> Vec<Delivery> {
        let partners = self.partners.lock().unwrap();
        let changed = partners.changed_since(since);
        changed
            .into_iter()
            .map(|(name, body)| Delivery {
                receipt: MessageId::from_uuid(name_uuid(&["polled", &name])),
                connection: connection.clone(),
                origin: Origin::Poll,
                topic: None,
                dedupe_id: Some(name),
                headers: BTreeMap::new(),
                received_at: now,
                traceparent: None,
                body: body.to_string().into_bytes(),
            })
            .collect()
    }

    /// What must be true of every commit: no axis goes back.
    pub fn before_commit(&self, commit: &Commit) {
        let old = futures::FutureExt::now_or_never(waybill_flow::ports::OrderStore::load(
            &self.orders,
            commit.correlation,
        ));
        let old = old.and_then(Result::ok).flatten();
        // One that builds on something else is not written.
        let Some(old) = old.filter(|o| commit.expected == Some(o.revision)) else {
            return;
        };
        let (was, is) = (axes(&old.state), axes(&commit.state));
        // Of an order that was called off too late nothing is wanted any more, so that every parcel
        // that becomes known is the last one, until the next.
        let live = |s: &OrderState| s.facts.order.as_ref().is_none_or(|o| o.cancelled.is_none());
        if live(&commit.state) && rank(was.fulfillment) > rank(is.fulfillment) {
            let told = format!(
                "{}: fulfillment went from {} back to {}",
                commit.correlation, was.fulfillment, is.fulfillment
            );
            self.sim.wrong(told);
        }
        let version = |s: &OrderState| s.facts.order.as_ref().map(|o| o.version);
        if version(&old.state) > version(&commit.state) {
            self.sim.wrong(format!(
                "{}: an older snapshot overwrote a newer one",
                commit.correlation
            ));
        }
    }
}

/// How far a fulfillment is.
fn rank(word: &str) -> u8 {
    match word {
        "partially_shipped" => 1,
        "shipped" => 2,
        "delivered" => 3,
        _ => 0,
    }
}

fn parse_without_versions(
    connection: &Connection,
    delivery: &Delivery,
) -> Result<Parsed, Unreadable> {
    let mut parsed = waybill_partners::parse(connection, delivery)?;
    if let Parsed::Facts { facts, .. } = &mut parsed {
        for fact in facts {
            if let Event::OrderObserved(observed) = &mut fact.event {
                // The last one that comes counts.
                observed.order.version =
                    waybill_model::order::Version(delivery.received_at.epoch_ms());
            }
        }
    }
    Ok(parsed)
}

/// The id of an order of the channel.
#[must_use]
pub fn correlation(id: &str) -> CorrelationId {
    CorrelationId::for_order(&build::connection(MARKET), &build::text(id))
}
