//! All that a run consists of.

use crate::breakage::Breakage;
use crate::changes::Deploy;
use crate::erp::Odoo;
use crate::erp_keys::Keys;
use crate::life;
use crate::operator::TOKENS;
use crate::partners::{Follow, Partners};
use crate::progress;
use crate::sandbox::{PREFIX, Sandbox};
use crate::sim::{DAY, HOUR, MINUTE, Sim};
use crate::sqs::Sqs;
use crate::stock;
use crate::webhooks;
use crate::writers::Writing;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use waybill_flow::connections::{Connection, Connections, InvoicingPolicy};
use waybill_flow::ports::{Clock, Commit, Outgoing, Queue};
use waybill_flow::state::OrderState;
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::envelope::CommandEnvelope;
use waybill_model::event::Event;
use waybill_model::id::{ConnectionId, CorrelationId, EffectKey, MessageId, name_uuid};
use waybill_model::order::Order;
use waybill_model::time::Instant;
use waybill_partners::{Parsed, Unreadable};
use waybill_store::limits::Retention;
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
invoicing = "manual"
[connections.erp.payment_journals]
default = "acme.journal"
[[connections]]
id = "market"
partner = "canonical"
base_url = "https://market.example.com"
webhook_url = "https://waybill.example.com/webhooks/market"
[connections.channel]
erp = "odoo"
helpdesk = "desk"
gateway = "gateway"
tracker = "carrier"
hold_minutes = 3
safety_stock = "3"
stock_location = "main"
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

/// The type of the events that tell what became of a command.
const OUTCOME: &str = "waybill.command.finished";

/// The world.
pub struct World {
    /// Clock, dice, trace.
    pub sim: Arc<Sim>,
    /// Who is connected.
    pub connections: Connections,
    /// Who is connected, as the new version knows it.
    pub new_connections: Connections,
    /// The orders table.
    pub orders: MemoryOrders,
    /// The effects table.
    pub effects: MemoryEffects,
    /// The queues.
    pub sqs: Mutex<Sqs>,
    /// Odoo.
    pub erp: Mutex<Odoo>,
    /// Who writes to it at this moment.
    pub writing: Writing,
    /// Its API keys.
    pub keys: Mutex<Keys>,
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
    /// Calls to endpoints that were away.
    pub in_vain: Mutex<BTreeMap<String, u64>>,
    deploy: Deploy,
    /// What keys are for, for who reads the trace: the effect and its order.
    keys_of: Mutex<BTreeMap<MessageId, String>>,
    /// What partners sign with.
    signing: Mutex<BTreeMap<&'static str, String>>,
    sleeps: AtomicBool,
    /// Orders of which the outcome of a command was told so that nobody could read it: how often.
    garbled: Mutex<BTreeMap<CorrelationId, u64>>,
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
        let keys = Keys::draw(&sim);
        let mut secrets = BTreeMap::from([(format!("{PREFIX}/ops-api"), TOKENS.to_owned())]);
        secrets.insert(document(ODOO), json!({"api": keys.stored()}).to_string());
        let mut signing = BTreeMap::new();
        for connection in [MARKET, DEPOT, GATEWAY, CARRIER] {
            let key = webhooks::key(connection, 0);
            secrets.insert(
                document(connection),
                json!({"webhook_secrets": [key]}).to_string(),
            );
            signing.insert(connection, key);
        }
        let deploy = Deploy::draw(&sim);
        let mut text = CONNECTIONS.to_owned();
        if sim.is_broken(Breakage::NoGate) {
            text = text.replace(
                "hold_minutes = 3",
                "hold_minutes = 3\npayment_gate = \"none\"",
            );
        }
        if sim.is_broken(Breakage::NoHold) {
            text = text.replace("hold_minutes = 3", "hold_minutes = 0");
        }
        let invoicing = ["manual", "paid", "delivered"];
        let invoicing = invoicing[usize::try_from(sim.below(3)).expect("a place")];
        text = text.replace("\"manual\"", &format!("\"{invoicing}\""));
        let new = text
            .replace("\"simulation\"", "\"simulation-2\"")
            .replace("hold_minutes = 3", "hold_minutes = 4");
        Arc::new(Self {
            connections: Connections::parse(&text).expect("a good file"),
            new_connections: Connections::parse(&new).expect("a good file"),
            orders: MemoryOrders::default(),
            effects: MemoryEffects::new(Arc::new(TrueTime(Arc::clone(&sim)))),
            secrets: Mutex::new(secrets),
            sqs: Mutex::default(),
            erp: Mutex::default(),
            writing: Writing::default(),
            partners: Mutex::default(),
            wakes: Queue::ALL.into_iter().map(|q| (q, Notify::new())).collect(),
            warm: Mutex::default(),
            running: AtomicI64::new(0),
            planned: AtomicI64::new(0),
            sandboxes: AtomicU64::new(0),
            outages,
            in_vain: Mutex::default(),
            deploy,
            keys_of: Mutex::default(),
            signing: Mutex::new(signing),
            keys: Mutex::new(keys),
            sleeps: AtomicBool::new(false),
            garbled: Mutex::default(),
            sim,
        })
    }

    /// What a partner signs with now.
    #[must_use]
    pub fn signing_key(&self, connection: &str) -> String {
        self.signing.lock().unwrap()[connection].clone()
    }

    /// A partner signs with another key from now on.
    pub fn sign_with(&self, connection: &'static str, key: &str) {
        let mut signing = self.signing.lock().unwrap();
        signing.insert(connection, key.to_owned());
    }

    /// What an operator stores as the keys that a partner may sign with.
    pub fn set_webhook_secrets(&self, connection: &str, keys: &[&str]) {
        let mut stored = self.document(connection);
        stored["webhook_secrets"] = json!(keys);
        self.set_secret(&document(connection), stored.to_string());
    }

    /// The secret of a connection.
    #[must_use]
    pub fn document(&self, connection: &str) -> Value {
        let text = self.secret(&document(connection)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Who makes invoices, and when.
    #[must_use]
    pub fn invoicing(&self) -> InvoicingPolicy {
        let erp = self.connections.get(&build::connection(ODOO));
        let erp = erp.and_then(|c| c.erp.as_ref());
        erp.map(|e| e.invoicing).unwrap_or_default()
    }

    /// Whether a function is the new version by now.
    #[must_use]
    pub fn is_new(&self, function: &str) -> bool {
        self.deploy.is_new(function, self.sim.now())
    }

    /// Whether our tables keep nothing for so long.
    #[must_use]
    pub fn is_forgotten_after(&self, days: u32) -> bool {
        days > Retention::default().orders_days
    }

    /// Our tables have forgotten everything; the others have not.
    pub fn forget(&self) {
        self.sim
            .note(format_args!("our tables have forgotten everything"));
        self.orders.forget();
        self.effects.forget();
        let mut partners = self.partners.lock().unwrap();
        partners.acknowledged.clear();
        partners.is_forgotten = true;
    }

    /// Whether no job runs, because nothing happens for months.
    pub fn sleep(&self, sleeps: bool) {
        self.sleeps.store(sleeps, Ordering::SeqCst);
    }

    /// Whether no job runs.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.sleeps.load(Ordering::SeqCst)
    }

    /// Waits while no job runs.
    pub async fn awake(&self) {
        while self.is_asleep() {
            self.sim.wait_ms(12 * HOUR).await;
        }
    }

    /// Number of a new sandbox.
    pub fn next_sandbox(&self) -> u64 {
        self.sandboxes.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A process of a function: a warm one, or a new one.
    pub fn sandbox(self: &Arc<Self>, function: &'static str) -> Sandbox {
        let mut warm = self.warm.lock().unwrap();
        let idle = warm.entry(function).or_default();
        // A deploy ends what is of the version before.
        idle.retain(|sandbox| sandbox.is_current());
        let sandbox = idle.pop();
        drop(warm);
        if let Some(sandbox) = &sandbox
            && self.sim.fault("clock set", self.sim.weather().clock_set)
        {
            sandbox.set_clock();
        }
        sandbox.unwrap_or_else(|| Sandbox::new(self, function))
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

    /// A call to an endpoint that is away.
    pub fn called_in_vain(&self, endpoint: &str) {
        self.sim.count("partner away");
        let mut calls = self.in_vain.lock().unwrap();
        *calls.entry(endpoint.to_owned()).or_default() += 1;
    }

    /// Endpoints that were away, with the minutes and the calls that were made all the same.
    #[must_use]
    pub fn all_in_vain(&self) -> Vec<(&str, u64, u64)> {
        let calls = self.in_vain.lock().unwrap();
        let outages = self.outages.iter();
        let of = |(endpoint, from, to): &'_ (String, Instant, Instant)| {
            let minutes = u64::try_from(to.ms_since(*from)).expect("a span") / MINUTE;
            (minutes, calls.get(endpoint).copied().unwrap_or_default())
        };
        let all = outages.map(|outage| (outage.0.as_str(), of(outage)));
        all.map(|(endpoint, (minutes, calls))| (endpoint, minutes, calls))
            .collect()
    }

    /// Whether an endpoint is away, or will be.
    #[must_use]
    pub fn will_be_out(&self, now: Instant) -> bool {
        self.outages.iter().any(|(_, _, to)| now < *to)
    }

    /// Whether an endpoint is away for so long that what is asked of it is given up, and was so after an instant.
    #[must_use]
    pub fn is_given_up(&self, endpoint: &str, asked_at: Instant) -> bool {
        let mut outages = self.outages.iter();
        let is_long = |from: Instant, to: Instant| to.ms_since(from) >= DAY.cast_signed();
        outages.any(|(e, from, to)| e == endpoint && asked_at < *to && is_long(*from, *to))
    }

    /// Whether any endpoint is away.
    #[must_use]
    pub fn is_any_out(&self, now: Instant) -> bool {
        let mut outages = self.outages.iter();
        outages.any(|(_, from, to)| *from <= now && now < *to)
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

    /// What is left of a message on its way: now and then not enough of an outcome.
    #[must_use]
    pub fn carried(&self, queue: Queue, message: Outgoing) -> Outgoing {
        let sim = &self.sim;
        let is_outcome = queue == Queue::Events && message.body.contains(OUTCOME);
        let id = message.group.as_deref().map(CorrelationId::parse);
        match id {
            Some(Ok(id)) if is_outcome && sim.fault("outcome garbled", sim.weather().garbled) => {
                sim.note(format_args!("{id}: an outcome is garbled"));
                *self.garbled.lock().unwrap().entry(id).or_default() += 1;
                Outgoing {
                    body: message.body.chars().take(40).collect(),
                    ..message
                }
            }
            _ => message,
        }
    }

    /// How many outcomes of an order were told so that nobody could read them.
    #[must_use]
    pub fn garbled_of(&self, id: CorrelationId) -> u64 {
        self.garbled.lock().unwrap().get(&id).copied().unwrap_or(0)
    }

    /// How many outcomes nobody could read.
    #[must_use]
    pub fn all_garbled(&self) -> u64 {
        self.garbled.lock().unwrap().values().sum()
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
        self.is_told() && self.is_still()
    }

    /// Whether nothing moves until customers, partners or the clock do something.
    #[must_use]
    pub fn is_still(&self) -> bool {
        self.running.load(Ordering::SeqCst) == 0 && self.sqs.lock().unwrap().is_empty()
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
        match self.sim.breakage {
            Some(Breakage::NoVersions) => parse_without_versions,
            Some(Breakage::NoAge) => parse_without_age,
            Some(Breakage::NoCancel) => parse_without_cancel,
            _ => waybill_partners::parse,
        }
    }

    /// Everything of a channel that changed since an instant, as a poll finds it that is told how it was at another.
    #[must_use]
    pub fn changed(
        &self,
        connection: &ConnectionId,
        since: Instant,
        as_of: Instant,
    ) -> Vec<Delivery> {
        let partners = self.partners.lock().unwrap();
        let changed = partners.changed(since, as_of).into_iter();
        let delivery = |(name, body): (String, Value)| Delivery {
            receipt: MessageId::from_uuid(name_uuid(&["polled", &name])),
            connection: connection.clone(),
            origin: Origin::Poll,
            topic: None,
            dedupe_id: Some(name),
            headers: BTreeMap::new(),
            received_at: self.sim.now(),
            replayed_at: None,
            traceparent: None,
            body: body.to_string().into_bytes(),
        };
        changed.map(delivery).collect()
    }

    /// What a key is for, for a person: the effect and its order.
    pub fn effect_of(&self, key: &MessageId) -> String {
        let effect = self.keys_of.lock().unwrap().get(key).cloned();
        effect.unwrap_or_else(|| "nothing of an order".to_owned())
    }

    /// What must be true of every commit: no axis goes back, and no older snapshot overwrites a newer one.
    pub fn before_commit(&self, commit: &Commit) {
        let named = |c: &CommandEnvelope| {
            let effect = c.effect.as_ref().map_or("an effect", EffectKey::as_str);
            (c.id.clone(), format!("{effect} of {}", commit.correlation))
        };
        let keys: Vec<_> = commit.outbox.iter().map(named).collect();
        self.keys_of.lock().unwrap().extend(keys);
        let old = futures::FutureExt::now_or_never(waybill_flow::ports::OrderStore::load(
            &self.orders,
            commit.correlation,
        ));
        let old = old.and_then(Result::ok).flatten();
        // One that builds on something else is not written.
        let Some(old) = old.filter(|o| commit.expected == Some(o.revision)) else {
            return;
        };
        stock::released(self, &old, commit);
        for what in progress::steps_back(&old.state, &commit.state) {
            self.sim.wrong(format!("{}: {what}", commit.correlation));
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

fn parse_without_versions(
    connection: &Connection,
    delivery: &Delivery,
) -> Result<Parsed, Unreadable> {
    // The last one that comes counts.
    parse_and(connection, delivery, |order| {
        order.version = waybill_model::order::Version(delivery.received_at.epoch_ms());
    })
}

fn parse_without_age(connection: &Connection, delivery: &Delivery) -> Result<Parsed, Unreadable> {
    parse_and(connection, delivery, |order| {
        order.placed_at = delivery.received_at;
    })
}

fn parse_without_cancel(
    connection: &Connection,
    delivery: &Delivery,
) -> Result<Parsed, Unreadable> {
    parse_and(connection, delivery, |order| order.cancelled = None)
}

fn parse_and(
    connection: &Connection,
    delivery: &Delivery,
    change: impl Fn(&mut Order),
) -> Result<Parsed, Unreadable> {
    let mut parsed = waybill_partners::parse(connection, delivery)?;
    if let Parsed::Facts { facts, .. } = &mut parsed {
        for fact in facts {
            if let Event::OrderObserved(observed) = &mut fact.event {
                change(&mut observed.order);
            }
        }
    }
    Ok(parsed)
}

/// Name of a connection's secret.
fn document(connection: &str) -> String {
    format!("{PREFIX}/connection/{connection}")
}

/// The id of an order of the channel.
#[must_use]
pub fn correlation(id: &str) -> CorrelationId {
    CorrelationId::for_order(&build::connection(MARKET), &build::text(id))
}
