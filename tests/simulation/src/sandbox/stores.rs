//! Our tables, through the faults.

use super::Sandbox;
use crate::breakage::Breakage;
use crate::sim::DAY;
use crate::world::ODOO;
use waybill_flow::ports::{
    ArchiveQuery, Archived, Attempt, CaseQuery, Claim, Commit, CommitError, EffectStore,
    InfraError, OrderStore, Parked, Stored, TimelineEntry,
};
use waybill_model::case::{Case, CaseId};
use waybill_model::event::Outcome;
use waybill_model::id::{Code, ConnectionId, CorrelationId, MessageId, Reference};
use waybill_model::time::Instant;
use waybill_testkit::build;

/// Who looks so far ahead looks for all that waits.
const FAR_MS: i64 = 100 * DAY.cast_signed();

/// A method of a table as it is in memory, through the faults.
macro_rules! through {
    ($self:ident, $table:ident . $method:ident ( $($argument:expr),* )) => {
        through!($self, concat!(stringify!($table), ".", stringify!($method)), $table.$method($($argument),*))
    };
    ($self:ident, $what:expr, $table:ident . $method:ident ( $($argument:expr),* )) => {{
        let world = $self.world();
        $self.table($what, world.$table.$method($($argument),*)).await
    }};
}

impl Sandbox {
    /// Nothing, as is known of a note that nobody keeps, if this is one.
    fn is_unkept(&self, name: &str) -> Option<Option<String>> {
        let breakage = match name {
            "pace" => Breakage::NoSeats,
            "breaker" => Breakage::NoBreaker,
            _ => return None,
        };
        self.world().sim.is_broken(breakage).then_some(None)
    }
}

impl Sandbox {
    /// Makes a commit what one of a broken coordinator would be.
    fn spoil(&self, commit: &mut Commit) {
        match self.world().sim.breakage {
            Some(Breakage::CaseForNothing) => {
                let code = Code::literal("no_route");
                let id = CaseId::new(&commit.correlation.to_string(), &code, "");
                let (at, text) = (self.world().sim.now(), "for nothing".to_owned());
                let erp = build::connection(ODOO);
                let mut case = Case::of_connection(id, &erp, code, text.clone(), text, at);
                case.correlation_id = Some(commit.correlation);
                commit.cases.push(case);
            }
            Some(Breakage::ForgetsParcels) if commit.event.kind.contains("tracking") => {
                commit.state.facts.shipments.clear();
            }
            _ => {}
        }
    }
}

impl OrderStore for Sandbox {
    async fn load(&self, correlation: CorrelationId) -> Result<Option<Stored>, InfraError> {
        through!(self, orders.load(correlation))
    }

    async fn commit(&self, mut commit: Commit) -> Result<u64, CommitError> {
        let world = self.world();
        if world.sim.is_broken(Breakage::NoOutbox) && self.function() == "coordinator" {
            commit.outbox.clear();
        }
        self.spoil(&mut commit);
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
        let is_far = now.ms_since(self.world().sim.now()) > FAR_MS;
        if is_far && self.world().sim.is_broken(Breakage::NoInFlight) {
            return Ok(Vec::new());
        }
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
        let what = format!("claims for {}", self.world().effect_of(key));
        let claim = through!(
            self,
            &what,
            effects.claim(key, payload, owner, now, lease_ms)
        )?;
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
        let what = format!("completes for {}", self.world().effect_of(key));
        through!(self, &what, effects.complete(key, owner, outcome, now))
    }

    async fn release(
        &self,
        key: &MessageId,
        owner: &str,
        in_doubt: bool,
    ) -> Result<(), InfraError> {
        let in_doubt = in_doubt && !self.world().sim.is_broken(Breakage::NoDoubt);
        let doubt = if in_doubt { " in doubt" } else { "" };
        let what = format!("gives back{doubt} for {}", self.world().effect_of(key));
        through!(self, &what, effects.release(key, owner, in_doubt))
    }

    async fn reopen(&self, key: &MessageId) -> Result<(), InfraError> {
        let what = format!("opens again for {}", self.world().effect_of(key));
        through!(self, &what, effects.reopen(key))
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
        if self.world().sim.is_broken(Breakage::NoNewestCount) {
            return Ok(vec![true; marks.len()]);
        }
        through!(self, effects.advance(connection, marks))
    }

    async fn checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
    ) -> Result<Option<String>, InfraError> {
        if let Some(broken) = self.is_unkept(name) {
            return Ok(broken);
        }
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
        let no_lease = name == "key_lease" && self.world().sim.is_broken(Breakage::NoKeyLease);
        if no_lease || self.is_unkept(name).is_some() {
            return Ok(true);
        }
        through!(
            self,
            effects.swap_checkpoint(connection, name, expected, value)
        )
    }
}
