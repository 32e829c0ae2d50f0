//! One invocation's view of the world. Every call of a handler goes through here, and here it fails.

use crate::breakage::Breakage;
use crate::partners::Answer;
use crate::sqs::{self, Refused};
use crate::world::World;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use waybill_flow::ports::{
    ArchiveQuery, Archived, Attempt, Availability, CaseQuery, Claim, Clock, Commit, CommitError,
    ConnectionSecrets, DeadLetters, EffectStore, Erp, ErpCommand, ErpKey, ErpKeys, ErpOrder,
    InfraError, KeyError, MadeKey, OrderStore, Outgoing, Parked, PartnerPort, PolledPage, Queue,
    Queues, Secret, SecretStore, Secrets, Stored, TimelineEntry,
};
use waybill_lambda_kit::batch::Visibility;
use waybill_model::case::{Case, CaseId};
use waybill_model::command::Command;
use waybill_model::delivery::Delivery;
use waybill_model::event::Outcome;
use waybill_model::failure::Failure;
use waybill_model::id::{Code, ConnectionId, CorrelationId, MessageId, Reference, Sku};
use waybill_model::time::Instant;

/// A running function.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    world: Arc<World>,
    function: &'static str,
    number: u64,
    skew_ms: i64,
    dead: AtomicBool,
    died: Notify,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.0.function, self.0.number)
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
        let skew = world.sim.weather().skew_ms;
        let skew_ms = if skew == 0 {
            0
        } else {
            let span = u64::try_from(2 * skew).expect("a span");
            i64::try_from(world.sim.below(span)).expect("a span") - skew
        };
        Self(Arc::new(Inner {
            world: Arc::clone(world),
            function,
            number: world.next_sandbox(),
            skew_ms,
            dead: AtomicBool::new(false),
            died: Notify::new(),
        }))
    }

    fn world(&self) -> &World {
        &self.0.world
    }

    /// The world it runs in.
    #[must_use]
    pub fn shared(&self) -> &Arc<World> {
        &self.0.world
    }

    /// Ends when this sandbox crashes.
    pub async fn dead(&self) {
        let died = self.0.died.notified();
        if !self.0.dead.load(Ordering::SeqCst) {
            died.await;
        }
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
            sim.note(format_args!("{self:?} {what}: unavailable"));
            return Err(Lost::Unavailable(system));
        }
        let result = work();
        sim.note(format_args!("{self:?} {what}"));
        if sim.fault("crash after a call", weather.crash) {
            return self.die().await;
        }
        if sim.fault("answer lost", weather.lost) {
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

    /// A call to a partner, of which the model says what it does.
    pub(crate) async fn partner<T>(
        &self,
        endpoint: &str,
        what: &str,
        work: impl FnOnce() -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let world = self.world();
        let sim = &world.sim;
        let weather = sim.weather();
        sim.wait_ms(sim.between(20, 400)).await;
        if sim.fault("crash before a partner's call", weather.crash) {
            return self.die().await;
        }
        if world.is_out(endpoint, sim.now()) {
            sim.count("partner away");
            sim.note(format_args!("{self:?} {what}: `{endpoint}` is away"));
            return Err(transient("partner_unreachable", None));
        }
        if sim.fault("partner says not now", weather.refused) {
            sim.note(format_args!("{self:?} {what}: not now"));
            let after = sim.chance(500).then(|| sim.between(1_000, 60_000));
            return Err(transient("throttled", after));
        }
        let result = work();
        sim.note(format_args!("{self:?} {what}: {}", told(&result)));
        if sim.fault("crash after a partner's call", weather.crash) {
            return self.die().await;
        }
        if sim.fault("partner's answer hangs", weather.hangs) {
            sim.wait_ms(120_000).await;
        }
        if sim.fault("partner's answer lost", weather.doubt) {
            sim.note(format_args!(
                "{self:?} {what}: the partner's answer is lost"
            ));
            return Err(Failure::Indeterminate {
                code: Code::literal("answer_lost"),
                detail: "simulated".to_owned(),
            });
        }
        result
    }
}

fn told<T>(result: &Result<T, Failure>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(failure) => failure.code().to_string(),
    }
}

pub(crate) fn transient(code: &'static str, retry_after_ms: Option<u64>) -> Failure {
    Failure::Transient {
        code: Code::literal(code),
        detail: "simulated".to_owned(),
        retry_after_ms,
    }
}

impl Clock for Sandbox {
    fn now(&self) -> Instant {
        self.world().sim.now().plus_ms(self.0.skew_ms)
    }
}

impl Visibility for Sandbox {
    async fn change(&self, queue: &str, entries: Vec<(String, u32)>) -> Result<(), InfraError> {
        let world = self.world();
        let work = || {
            let queue = sqs::named(queue).expect("a queue of the stack");
            let now = world.sim.now();
            let mut sqs = world.sqs.lock().unwrap();
            for (handle, seconds) in &entries {
                let (id, handle) = handle.split_once('.').expect("a handle of ours");
                let (id, handle) = (id.parse().expect("an id"), handle.parse().expect("a count"));
                let hidden = sqs.hide(queue, id, handle, i64::from(*seconds) * 1000, now);
                if let Err(Refused(code)) = hidden {
                    // The queue's own timeout applies.
                    world.sim.note(format_args!("{id} is not hidden: {code}"));
                }
            }
            drop(sqs);
            world.wake(queue);
        };
        let what = format!("hides {} of {queue}", entries.len());
        Ok(self.call("sqs", &what, work).await?)
    }
}

impl Queues for Sandbox {
    async fn send(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<Vec<usize>, InfraError> {
        let world = self.world();
        let broken = |b| world.sim.is_broken(b);
        if broken(Breakage::NoOutcome)
            && queue == Queue::Events
            && matches!(
                self.0.function,
                "odoo-writer" | "fulfillment-dispatcher" | "status-publisher"
            )
        {
            return Ok(Vec::new());
        }
        // SQS takes ten at a time, and may take some of them only.
        for (at, chunk) in messages.chunks(10).enumerate() {
            let permille = world.sim.weather().unavailable;
            let mut refused = Vec::new();
            let work = || {
                for (place, message) in chunk.iter().enumerate() {
                    if world.sim.fault("message not accepted", permille / 4) {
                        refused.push(at * 10 + place);
                    } else {
                        world.put(queue, message.clone());
                    }
                }
            };
            let what = format!("sends {} to {}", chunk.len(), sqs::name(queue));
            let sent = self.call("sqs", &what, work).await;
            if sent.is_err() && broken(Breakage::IntakeLies) && self.0.function == "webhook-intake"
            {
                return Ok(Vec::new());
            }
            sent?;
            if !refused.is_empty() {
                return Ok((refused[0]..messages.len())
                    .filter(|i| *i >= (at + 1) * 10 || refused.contains(i))
                    .collect());
            }
        }
        Ok(Vec::new())
    }
}

impl DeadLetters for Sandbox {
    async fn waiting(&self, _: Queue) -> Result<u64, InfraError> {
        Ok(0)
    }

    async fn redrive(&self, _: Queue, _: usize) -> Result<usize, InfraError> {
        // Nothing ever comes there: see `invariants`.
        Ok(0)
    }
}

impl Secrets for Sandbox {
    async fn get(&self, connection: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        let world = self.world();
        self.table("reads a secret", world.secrets.get(connection))
            .await
    }

    async fn refresh(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<ConnectionSecrets>, InfraError> {
        self.get(connection).await.map(Some)
    }
}

impl SecretStore for Sandbox {
    async fn latest(&self, connection: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        self.get(connection).await
    }

    async fn set_api(
        &self,
        connection: &ConnectionId,
        values: &std::collections::BTreeMap<String, Secret>,
    ) -> Result<(), InfraError> {
        let world = self.world();
        self.table("sets a secret", world.secrets.set_api(connection, values))
            .await
    }
}

/// A method of a table as it is in memory, through the faults.
macro_rules! through {
    ($self:ident, $table:ident . $method:ident ( $($argument:expr),* )) => {{
        let world = $self.world();
        let what = concat!(stringify!($table), ".", stringify!($method));
        $self.table(what, world.$table.$method($($argument),*)).await
    }};
}

impl OrderStore for Sandbox {
    async fn load(&self, correlation: CorrelationId) -> Result<Option<Stored>, InfraError> {
        through!(self, orders.load(correlation))
    }

    async fn commit(&self, mut commit: Commit) -> Result<u64, CommitError> {
        let world = self.world();
        if world.sim.is_broken(Breakage::NoOutbox) && self.0.function == "coordinator" {
            commit.outbox.clear();
        }
        let what = format!("commits {} to {}", commit.event.kind, commit.correlation);
        let work = || {
            if world.sim.is_broken(Breakage::NoCondition) {
                let now = futures::FutureExt::now_or_never(world.orders.load(commit.correlation));
                commit.expected = now.and_then(Result::ok).flatten().map(|s| s.revision);
            }
            world.before_commit(&commit);
            let done = futures::FutureExt::now_or_never(world.orders.commit(commit));
            done.expect("a table in memory answers at once")
        };
        match self.call("table", &what, work).await {
            Ok(result) => result,
            Err(lost) => Err(CommitError::Infra(lost.into())),
        }
    }

    async fn clear_outbox(
        &self,
        correlation: CorrelationId,
        revision: u64,
    ) -> Result<(), InfraError> {
        through!(self, orders.clear_outbox(correlation, revision))
    }

    async fn resolve(&self, reference: &Reference) -> Result<Vec<CorrelationId>, InfraError> {
        through!(self, orders.resolve(reference))
    }

    async fn park(&self, parked: &Parked) -> Result<(), InfraError> {
        if self.world().sim.is_broken(Breakage::NoPark) {
            return Ok(());
        }
        through!(self, orders.park(parked))
    }

    async fn parked(&self, reference: &Reference) -> Result<Vec<Parked>, InfraError> {
        through!(self, orders.parked(reference))
    }

    async fn unpark(&self, parked: &Parked) -> Result<(), InfraError> {
        through!(self, orders.unpark(parked))
    }

    async fn archive(&self, archived: &Archived) -> Result<(), InfraError> {
        through!(self, orders.archive(archived))
    }

    async fn archived(&self, correlation: CorrelationId) -> Result<Vec<Archived>, InfraError> {
        through!(self, orders.archived(correlation))
    }

    async fn receipt(&self, receipt: &MessageId) -> Result<Option<Archived>, InfraError> {
        through!(self, orders.receipt(receipt))
    }

    async fn archived_between(
        &self,
        query: &ArchiveQuery,
    ) -> Result<(Vec<Archived>, Option<String>), InfraError> {
        through!(self, orders.archived_between(query))
    }

    async fn timeline(&self, correlation: CorrelationId) -> Result<Vec<TimelineEntry>, InfraError> {
        through!(self, orders.timeline(correlation))
    }

    async fn overdue(&self, now: Instant, limit: usize) -> Result<Vec<CorrelationId>, InfraError> {
        through!(self, orders.overdue(now, limit))
    }

    async fn put_case(&self, case: &Case) -> Result<(), InfraError> {
        if self.world().sim.is_broken(Breakage::NoCase) {
            return Ok(());
        }
        through!(self, orders.put_case(case))
    }

    async fn case(&self, id: CaseId) -> Result<Option<Case>, InfraError> {
        through!(self, orders.case(id))
    }

    async fn cases(&self, query: &CaseQuery) -> Result<(Vec<Case>, Option<String>), InfraError> {
        through!(self, orders.cases(query))
    }
}

impl EffectStore for Sandbox {
    async fn claim(
        &self,
        key: &MessageId,
        payload: &str,
        owner: &str,
        now: Instant,
        lease_ms: i64,
    ) -> Result<Claim, InfraError> {
        if self.world().sim.is_broken(Breakage::NoClaim) {
            return Ok(Claim::Granted(Attempt::First));
        }
        let broken = |b| self.world().sim.is_broken(b);
        let lease_ms = if broken(Breakage::NoLease) {
            1
        } else {
            lease_ms
        };
        let claim = through!(self, effects.claim(key, payload, owner, now, lease_ms))?;
        Ok(match claim {
            Claim::Granted(Attempt::InDoubt) if self.world().sim.is_broken(Breakage::NoLook) => {
                Claim::Granted(Attempt::First)
            }
            claim => claim,
        })
    }

    async fn complete(
        &self,
        key: &MessageId,
        owner: &str,
        outcome: &Outcome,
        now: Instant,
    ) -> Result<(), InfraError> {
        through!(self, effects.complete(key, owner, outcome, now))
    }

    async fn release(
        &self,
        key: &MessageId,
        owner: &str,
        in_doubt: bool,
    ) -> Result<(), InfraError> {
        let in_doubt = in_doubt && !self.world().sim.is_broken(Breakage::NoDoubt);
        through!(self, effects.release(key, owner, in_doubt))
    }

    async fn reopen(&self, key: &MessageId) -> Result<(), InfraError> {
        through!(self, effects.reopen(key))
    }

    async fn seen(&self, ids: &[MessageId]) -> Result<Vec<MessageId>, InfraError> {
        through!(self, effects.seen(ids))
    }

    async fn mark_seen(&self, ids: &[MessageId], expires: Instant) -> Result<(), InfraError> {
        through!(self, effects.mark_seen(ids, expires))
    }

    async fn advance(
        &self,
        connection: &ConnectionId,
        marks: &[(String, Instant)],
    ) -> Result<Vec<bool>, InfraError> {
        through!(self, effects.advance(connection, marks))
    }

    async fn checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
    ) -> Result<Option<String>, InfraError> {
        through!(self, effects.checkpoint(connection, name))
    }

    async fn set_checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
        value: &str,
    ) -> Result<(), InfraError> {
        through!(self, effects.set_checkpoint(connection, name, value))
    }

    async fn swap_checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool, InfraError> {
        through!(
            self,
            effects.swap_checkpoint(connection, name, expected, value)
        )
    }
}

impl PartnerPort for Sandbox {
    async fn execute(
        &self,
        command: &Command,
        correlation: CorrelationId,
        _key: &MessageId,
        attempt: Attempt,
    ) -> Result<Vec<Reference>, Failure> {
        let world = Arc::clone(&self.0.world);
        let endpoint =
            waybill_partners::client::target(command).map_or_else(String::new, ToString::to_string);
        let kind = command.kind().as_str();
        // Who looks first does so in a call of its own: between the two, others may write. A helpdesk
        // is always looked at, since a ticket may be anybody's.
        let looks = attempt == Attempt::InDoubt || matches!(command, Command::UpdateTicket(_));
        let known = match looks {
            false => false,
            true => {
                let what = format!("looks for {kind} of {correlation}");
                let look = || Ok(world.partners.lock().unwrap().has(command, correlation));
                self.partner(&endpoint, &what, look).await?
            }
        };
        let what = format!("{kind} of {correlation}");
        let work = || {
            let Answer { result, follow } =
                world
                    .partners
                    .lock()
                    .unwrap()
                    .execute(&world, command, correlation, known);
            world.follow(follow);
            result
        };
        self.partner(&endpoint, &what, work).await
    }

    async fn poll(
        &self,
        connection: &ConnectionId,
        since: Instant,
        _cursor: Option<&str>,
        now: Instant,
    ) -> Result<PolledPage, Failure> {
        let world = Arc::clone(&self.0.world);
        let work = || {
            Ok(PolledPage {
                deliveries: world.changed_since(connection, since, now),
                cursor: None,
            })
        };
        self.partner(connection.as_str(), "polls", work).await
    }

    async fn refetch(&self, delivery: &Delivery) -> Result<Delivery, Failure> {
        Ok(delivery.clone())
    }
}

impl Erp for Sandbox {
    async fn write_within(
        &self,
        erp: &ConnectionId,
        batch: &[ErpCommand],
        within: Duration,
    ) -> Vec<Result<Vec<Reference>, Failure>> {
        let work = crate::erp::write(self, &self.0.world, erp, batch);
        match tokio::time::timeout(within, work).await {
            Ok(results) => results,
            Err(_) => {
                let late = || {
                    Err(Failure::Indeterminate {
                        code: Code::literal("erp_answer_lost"),
                        detail: "simulated".to_owned(),
                    })
                };
                batch.iter().map(|_| late()).collect()
            }
        }
    }

    async fn availability(
        &self,
        erp: &ConnectionId,
        skus: &[Sku],
    ) -> Result<Vec<Availability>, Failure> {
        let world = Arc::clone(&self.0.world);
        let work = || Ok(world.erp.lock().unwrap().availability(skus));
        self.partner(erp.as_str(), "asks Odoo for stock", work)
            .await
    }

    async fn orders(
        &self,
        erp: &ConnectionId,
        correlations: &[CorrelationId],
    ) -> Result<Vec<ErpOrder>, Failure> {
        let world = Arc::clone(&self.0.world);
        let work = || Ok(world.erp.lock().unwrap().orders(correlations));
        self.partner(erp.as_str(), "asks Odoo for orders", work)
            .await
    }
}

impl ErpKeys for Sandbox {
    async fn keys(&self, _: &ConnectionId) -> Result<Vec<ErpKey>, Failure> {
        Ok(Vec::new())
    }

    async fn make_key(
        &self,
        _: &ConnectionId,
        _: &ConnectionSecrets,
        _: &str,
        _: Instant,
    ) -> Result<MadeKey, KeyError> {
        Err(KeyError::NotPossible {
            detail: "not simulated".to_owned(),
            remedy: "none".to_owned(),
        })
    }

    async fn try_key(&self, _: &ConnectionId, _: &Secret) -> Result<(), Failure> {
        Ok(())
    }

    async fn revoke_key(
        &self,
        _: &ConnectionId,
        _: &ConnectionSecrets,
        _: &str,
    ) -> Result<(), KeyError> {
        Ok(())
    }
}
