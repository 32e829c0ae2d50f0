//! The orders table in memory.

use crate::faults::Faults;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use waybill_flow::ports::{
    ArchiveQuery, Archived, CaseQuery, Commit, CommitError, InfraError, OrderStore, Parked, Stored,
    TimelineEntry,
};
use waybill_model::case::{Case, CaseId, CaseStatus};
use waybill_model::id::{CorrelationId, MessageId, Reference};
use waybill_model::time::Instant;

const SYSTEM: &str = "orders";

/// Orders in memory; nothing expires but by [`MemoryOrders::forget`].
#[derive(Debug, Default)]
pub struct MemoryOrders {
    tables: Mutex<Tables>,
    meanwhile: Mutex<Option<(&'static str, Commit)>>,
    faults: Faults,
}

#[derive(Debug, Default)]
struct Tables {
    orders: BTreeMap<CorrelationId, Stored>,
    deadlines: BTreeMap<CorrelationId, Instant>,
    timeline: BTreeMap<CorrelationId, BTreeMap<(Instant, MessageId), TimelineEntry>>,
    references: BTreeMap<Reference, BTreeSet<CorrelationId>>,
    parked: BTreeMap<Reference, BTreeMap<MessageId, Parked>>,
    archive: BTreeMap<MessageId, Archived>,
    cases: BTreeMap<CaseId, Case>,
}

impl MemoryOrders {
    /// Failures to inject, by the name of the port's method.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Somebody else commits this right after the next call of `method`.
    pub fn commit_after(&self, method: &'static str, commit: Commit) {
        *self.meanwhile.lock().unwrap() = Some((method, commit));
    }

    /// Every order with its state, for assertions.
    #[must_use]
    pub fn all(&self) -> BTreeMap<CorrelationId, Stored> {
        self.tables().orders.clone()
    }

    /// Looks at every order with its state, for assertions.
    pub fn look<T>(&self, look: impl FnOnce(&BTreeMap<CorrelationId, Stored>) -> T) -> T {
        look(&self.tables().orders)
    }

    /// Every case, open or closed, for assertions.
    #[must_use]
    pub fn all_cases(&self) -> Vec<Case> {
        self.tables().cases.values().cloned().collect()
    }

    /// Events that still wait for their order, for assertions.
    #[must_use]
    pub fn all_parked(&self) -> Vec<Parked> {
        let tables = self.tables();
        let waiting = tables.parked.values().flat_map(BTreeMap::values);
        waiting.cloned().collect()
    }

    /// Ids of every event that was applied to an order, for assertions.
    #[must_use]
    pub fn all_applied(&self) -> BTreeSet<MessageId> {
        let tables = self.tables();
        let lines = tables.timeline.values().flat_map(BTreeMap::keys);
        lines.map(|(_, id)| id.clone()).collect()
    }

    /// When each order that waits for something is overdue, for assertions.
    #[must_use]
    pub fn all_deadlines(&self) -> BTreeMap<CorrelationId, Instant> {
        self.tables().deadlines.clone()
    }

    /// Everything but open cases is older than it is kept.
    pub fn forget(&self) {
        let mut tables = self.tables();
        let cases = std::mem::take(&mut tables.cases);
        let open = |case: &Case| case.status == CaseStatus::Open;
        *tables = Tables {
            cases: cases.into_iter().filter(|(_, c)| open(c)).collect(),
            ..Tables::default()
        };
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap()
    }

    fn run<T>(
        &self,
        method: &'static str,
        work: impl FnOnce(&mut Tables) -> T,
    ) -> Result<T, InfraError> {
        let work = || work(&mut self.tables());
        let result = self.faults.around(SYSTEM, method, work);
        let mut meanwhile = self.meanwhile.lock().unwrap();
        if let Some((_, commit)) = meanwhile.take_if(|(after, _)| *after == method) {
            self.tables().commit(commit).unwrap();
        }
        result
    }
}

impl Tables {
    fn commit(&mut self, commit: Commit) -> Result<u64, CommitError> {
        let current = self.orders.get(&commit.correlation).map(|s| s.revision);
        if current != commit.expected {
            return Err(CommitError::Conflict);
        }
        let revision = current.unwrap_or(0) + 1;
        let correlation = commit.correlation;
        match commit.deadline {
            Some(deadline) => self.deadlines.insert(correlation, deadline),
            None => self.deadlines.remove(&correlation),
        };
        let lines = self.timeline.entry(correlation).or_default();
        lines.insert((commit.event.at, commit.event.id.clone()), commit.event);
        for reference in commit.references {
            let orders = self.references.entry(reference).or_default();
            orders.insert(correlation);
        }
        self.cases
            .extend(commit.cases.into_iter().map(|case| (case.id, case)));
        let stored = Stored {
            state: commit.state,
            revision,
            outbox: commit.outbox,
        };
        self.orders.insert(correlation, stored);
        Ok(revision)
    }

    fn put_case(&mut self, case: &Case) {
        let case = case.clone().found_over(self.cases.get(&case.id));
        self.cases.insert(case.id, case);
    }

    fn cases(&self, query: &CaseQuery) -> (Vec<Case>, Option<String>) {
        let position = |case: &Case| format!("{:020}#{}", case.opened_at.epoch_us(), case.id);
        let mut found: Vec<&Case> = self.cases.values().collect();
        found.retain(|case| {
            query.matches(case) && query.cursor.as_ref().is_none_or(|c| position(case) > *c)
        });
        found.sort_by_key(|case| position(case));
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let last = found.last().map(|case| position(case));
        (found.into_iter().cloned().collect(), last.filter(|_| more))
    }
}

impl Tables {
    fn archived_between(&self, query: &ArchiveQuery) -> (Vec<Archived>, Option<String>) {
        let position = |a: &Archived| format!("{:020}#{}", a.received_at.epoch_us(), a.receipt);
        let mut found: Vec<&Archived> = self.archive.values().collect();
        found.retain(|a| {
            (query.from..query.to).contains(&a.received_at)
                && query.cursor.as_ref().is_none_or(|c| position(a) > *c)
        });
        found.sort_by_key(|a| position(a));
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let last = found.last().map(|a| position(a));
        (found.into_iter().cloned().collect(), last.filter(|_| more))
    }
}

impl OrderStore for MemoryOrders {
    async fn load(&self, correlation: CorrelationId) -> Result<Option<Stored>, InfraError> {
        self.run("load", |t| t.orders.get(&correlation).cloned())
    }

    async fn commit(&self, commit: Commit) -> Result<u64, CommitError> {
        self.run("commit", |t| t.commit(commit))?
    }

    async fn clear_outbox(
        &self,
        correlation: CorrelationId,
        revision: u64,
    ) -> Result<(), InfraError> {
        self.run("clear_outbox", |t| {
            if let Some(order) = t.orders.get_mut(&correlation)
                && order.revision == revision
            {
                order.outbox.clear();
            }
        })
    }

    async fn resolve(&self, reference: &Reference) -> Result<Vec<CorrelationId>, InfraError> {
        self.run("resolve", |t| {
            let orders = t.references.get(reference);
            orders.into_iter().flatten().copied().collect()
        })
    }

    async fn park(&self, parked: &Parked) -> Result<(), InfraError> {
        self.run("park", |t| {
            let waiting = t.parked.entry(parked.reference.clone()).or_default();
            waiting.insert(parked.event.id.clone(), parked.clone());
        })
    }

    async fn parked(&self, reference: &Reference) -> Result<Vec<Parked>, InfraError> {
        self.run("parked", |t| {
            let waiting = t.parked.get(reference).into_iter();
            waiting.flat_map(BTreeMap::values).cloned().collect()
        })
    }

    async fn unpark(&self, parked: &Parked) -> Result<(), InfraError> {
        self.run("unpark", |t| {
            if let Some(waiting) = t.parked.get_mut(&parked.reference) {
                waiting.remove(&parked.event.id);
            }
        })
    }

    async fn archive(&self, archived: &Archived) -> Result<(), InfraError> {
        self.run("archive", |t| {
            t.archive.insert(archived.receipt.clone(), archived.clone());
        })
    }

    async fn archived(&self, correlation: CorrelationId) -> Result<Vec<Archived>, InfraError> {
        self.run("archived", |t| {
            let mut found: Vec<Archived> = t.archive.values().cloned().collect();
            found.retain(|a| a.correlation == Some(correlation));
            found.sort_by(|a, b| (a.received_at, &a.receipt).cmp(&(b.received_at, &b.receipt)));
            found
        })
    }

    async fn receipt(&self, receipt: &MessageId) -> Result<Option<Archived>, InfraError> {
        self.run("receipt", |t| t.archive.get(receipt).cloned())
    }

    async fn archived_between(
        &self,
        query: &ArchiveQuery,
    ) -> Result<(Vec<Archived>, Option<String>), InfraError> {
        self.run("archived_between", |t| t.archived_between(query))
    }

    async fn timeline(&self, correlation: CorrelationId) -> Result<Vec<TimelineEntry>, InfraError> {
        self.run("timeline", |t| {
            let lines = t.timeline.get(&correlation).into_iter();
            lines.flat_map(BTreeMap::values).cloned().collect()
        })
    }

    async fn overdue(&self, now: Instant, limit: usize) -> Result<Vec<CorrelationId>, InfraError> {
        self.run("overdue", |t| {
            let mut late: Vec<(Instant, CorrelationId)> =
                t.deadlines.iter().map(|(c, d)| (*d, *c)).collect();
            late.retain(|(deadline, _)| *deadline <= now);
            late.sort_unstable();
            late.truncate(limit);
            late.into_iter()
                .map(|(_, correlation)| correlation)
                .collect()
        })
    }

    async fn put_case(&self, case: &Case) -> Result<(), InfraError> {
        self.run("put_case", |t| t.put_case(case))
    }

    async fn case(&self, id: CaseId) -> Result<Option<Case>, InfraError> {
        self.run("case", |t| t.cases.get(&id).cloned())
    }

    async fn cases(&self, query: &CaseQuery) -> Result<(Vec<Case>, Option<String>), InfraError> {
        self.run("cases", |t| t.cases(query))
    }
}
