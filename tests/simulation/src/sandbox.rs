//! A process that AWS keeps for a function. It runs one invocation at a time and remembers what warm
//! ones remember; every call of a handler goes through it, and in it calls fail and processes crash.

mod outside;
mod partners;
mod queues;
mod stores;

pub(crate) use outside::{lost, transient};

use crate::breakage::Breakage;
use crate::changes;
use crate::sim::Sim;
use crate::sqs::Message;
use crate::world::World;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use waybill_flow::connections::Connections;
use waybill_flow::ports::{
    Clock, ConnectionSecrets, InfraError, Outgoing, Secret, SecretStore, Secrets,
};
use waybill_lambda_kit::endpoints::Endpoints;
use waybill_lambda_kit::secrets::{CachedSecrets, SecretSink, SecretSource};
use waybill_model::id::ConnectionId;
use waybill_model::time::Instant;

/// What the names of secrets begin with.
pub const PREFIX: &str = "waybill/simulation";

/// The process: its calls to the world outside.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    world: Arc<World>,
    function: &'static str,
    number: u64,
    skew_ms: AtomicI64,
    is_new: bool,
    dead: AtomicBool,
    died: Notify,
    /// A table did not answer in this invocation.
    blind: AtomicBool,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.0.function, self.0.number)
    }
}

/// The process with what it remembers from one invocation to the next.
#[derive(Clone)]
pub struct Sandbox {
    host: Host,
    memory: Arc<Memory>,
}

struct Memory {
    secrets: CachedSecrets<Host, Host>,
    tokens: ops_api::Tokens<Host, Host>,
    endpoints: Endpoints,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)
    }
}

impl Deref for Sandbox {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

/// How a call of ours fails.
enum Lost {
    Unavailable(&'static str),
    Unknown(&'static str),
}

impl From<Lost> for InfraError {
    fn from(lost: Lost) -> Self {
        let detail = "simulated".to_owned();
        match lost {
            Lost::Unavailable(system) => Self::Unavailable { system, detail },
            Lost::Unknown(system) => Self::Unknown { system, detail },
        }
    }
}

impl Sandbox {
    /// A new one.
    #[must_use]
    pub fn new(world: &Arc<World>, function: &'static str) -> Self {
        let host = Host::new(world, function);
        let memory = Memory {
            secrets: CachedSecrets::new(host.clone(), host.clone(), PREFIX),
            tokens: ops_api::Tokens::new(host.clone(), host.clone(), PREFIX),
            endpoints: Endpoints::new(host.connections()),
        };
        Self {
            host,
            memory: Arc::new(memory),
        }
    }

    /// What it remembers of endpoints.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.memory.endpoints
    }

    /// What it remembers of operators.
    #[must_use]
    pub fn tokens(&self) -> &ops_api::Tokens<Host, Host> {
        &self.memory.tokens
    }
}

impl Host {
    fn new(world: &Arc<World>, function: &'static str) -> Self {
        Self(Arc::new(Inner {
            world: Arc::clone(world),
            function,
            number: world.next_sandbox(),
            skew_ms: AtomicI64::new(draw_skew(&world.sim)),
            is_new: world.is_new(function),
            dead: AtomicBool::new(false),
            died: Notify::new(),
            blind: AtomicBool::new(false),
        }))
    }

    /// Its clock is set, forward or back.
    pub fn set_clock(&self) {
        let skew_ms = draw_skew(&self.world().sim);
        self.0.skew_ms.store(skew_ms, Ordering::SeqCst);
    }

    /// The function.
    #[must_use]
    pub fn function(&self) -> &'static str {
        self.0.function
    }

    /// The world it runs in.
    #[must_use]
    pub fn world(&self) -> &Arc<World> {
        &self.0.world
    }

    /// Whether it runs the version that is deployed now.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.0.is_new == self.world().is_new(self.function())
    }

    /// Who is connected, as far as this version of the function knows.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        if self.0.is_new {
            &self.world().new_connections
        } else {
            &self.world().connections
        }
    }

    /// A message as this version writes it.
    fn written(&self, message: Outgoing) -> Outgoing {
        if !self.0.is_new {
            return message;
        }
        Outgoing {
            body: changes::newer(&message.body),
            ..message
        }
    }

    /// Makes a message what this version sees of it.
    pub fn read(&self, message: &mut Message) {
        let sim = &self.world().sim;
        if self.0.is_new {
            message.body = changes::readable(&message.body);
        } else if changes::is_newer(&message.body) && sim.is_broken(Breakage::NoPatience) {
            message.sent_at = Instant::from_epoch_ms(0);
        }
        if sim.is_broken(Breakage::NoWindow) {
            message.body = changes::younger(&message.body, self.now());
        }
    }

    /// Runs an invocation: nothing if the process crashed, or was ended because it took too long.
    pub async fn run<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        self.0.blind.store(false, Ordering::SeqCst);
        let died = self.0.died.notified();
        let answered = tokio::select! {
            biased;
            () = died => return None,
            answered = tokio::time::timeout(limit, work) => answered.ok(),
        };
        if answered.is_none() {
            let sim = &self.world().sim;
            sim.count("invocation timed out");
            sim.note(format_args!("{self:?} takes too long"));
            self.0.dead.store(true, Ordering::SeqCst);
        }
        answered
    }

    /// Whether a table did not answer in this invocation.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.0.blind.load(Ordering::SeqCst)
    }

    /// Whether it is gone.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.0.dead.load(Ordering::SeqCst)
    }

    /// Crashes: the caller never goes on.
    async fn die<T>(&self) -> T {
        self.world().sim.note(format_args!("{self:?} crashes"));
        self.0.dead.store(true, Ordering::SeqCst);
        self.0.died.notify_one();
        std::future::pending().await
    }

    /// A call to a table, a queue or the secrets.
    async fn call<T>(
        &self,
        system: &'static str,
        what: &str,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Lost> {
        let sim = &self.world().sim;
        let weather = sim.weather();
        sim.wait_ms(sim.latency_ms()).await;
        if sim.fault("crash before a call", weather.crash) {
            return self.die().await;
        }
        if sim.fault("unavailable", weather.unavailable) {
            self.0.blind.store(true, Ordering::SeqCst);
            sim.note(format_args!("{self:?} {what}: unavailable"));
            return Err(Lost::Unavailable(system));
        }
        let result = work();
        sim.note(format_args!("{self:?} {what}"));
        if sim.fault("crash after a call", weather.crash) {
            return self.die().await;
        }
        if sim.fault("answer lost", weather.lost) {
            self.0.blind.store(true, Ordering::SeqCst);
            sim.note(format_args!("{self:?} {what}: answer lost"));
            return Err(Lost::Unknown(system));
        }
        Ok(result)
    }

    async fn table<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, InfraError>> + Send,
    ) -> Result<T, InfraError> {
        // The memory tables answer at once.
        let mut work = Box::pin(work);
        let poll = || match futures::FutureExt::now_or_never(work.as_mut()) {
            Some(result) => result,
            None => panic!("a table in memory waits"),
        };
        self.call("table", what, poll)
            .await
            .map_err(InfraError::from)?
    }
}

/// How far a clock is ahead of the true time, or behind it.
fn draw_skew(sim: &Sim) -> i64 {
    let most = sim.weather().skew_ms;
    if most == 0 {
        return 0;
    }
    let span = u64::try_from(2 * most).expect("a span");
    i64::try_from(sim.below(span)).expect("a span") - most
}

impl Clock for Host {
    fn now(&self) -> Instant {
        let skew_ms = self.0.skew_ms.load(Ordering::SeqCst);
        self.world().sim.now().plus_ms(skew_ms)
    }
}

impl Clock for Sandbox {
    fn now(&self) -> Instant {
        self.host.now()
    }
}

impl SecretSource for Host {
    async fn fetch(&self, name: &str) -> Result<String, InfraError> {
        let read = || {
            self.world()
                .secret(name)
                .ok_or_else(|| InfraError::Corrupt {
                    system: "secrets",
                    detail: format!("no secret `{name}`"),
                })
        };
        self.call("secrets", &format!("reads the secret {name}"), read)
            .await?
    }
}

impl SecretSink for Host {
    async fn store(&self, name: &str, text: String) -> Result<(), InfraError> {
        let world = self.world();
        let write = || {
            if !world.sim.is_broken(Breakage::NoKeyStored) {
                world.set_secret(name, text);
            }
        };
        Ok(self
            .call("secrets", &format!("sets the secret {name}"), write)
            .await?)
    }
}

impl Secrets for Sandbox {
    async fn get(&self, connection: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        self.memory.secrets.get(connection).await
    }

    async fn refresh(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<ConnectionSecrets>, InfraError> {
        self.memory.secrets.refresh(connection).await
    }
}

impl SecretStore for Sandbox {
    async fn latest(&self, connection: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        self.memory.secrets.latest(connection).await
    }

    async fn set_api(
        &self,
        connection: &ConnectionId,
        values: &BTreeMap<String, Secret>,
    ) -> Result<(), InfraError> {
        self.memory.secrets.set_api(connection, values).await
    }
}
