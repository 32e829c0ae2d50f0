//! Idempotency records in memory.

use crate::faults::Faults;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use waybill_flow::ports::{Attempt, Claim, Clock, EffectStore, InfraError, same_content};
use waybill_model::event::Outcome;
use waybill_model::id::{ConnectionId, MessageId};
use waybill_model::time::Instant;

const SYSTEM: &str = "effects";

/// Idempotency records in memory; only seen marks expire, the others by [`MemoryEffects::forget`].
pub struct MemoryEffects {
    tables: Mutex<Tables>,
    clock: Arc<dyn Clock>,
    faults: Faults,
}

impl fmt::Debug for MemoryEffects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.tables();
        f.debug_struct("MemoryEffects")
            .field("effects", &tables.effects.len())
            .field("seen", &tables.seen.len())
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Tables {
    effects: BTreeMap<MessageId, Record>,
    seen: BTreeMap<MessageId, Instant>,
    checkpoints: BTreeMap<(ConnectionId, String), String>,
    marks: BTreeMap<(ConnectionId, String), Instant>,
    overtaking: Option<String>,
}

#[derive(Debug, Clone)]
struct Record {
    payload: String,
    in_doubt: bool,
    status: Status,
}

#[derive(Debug, Clone)]
enum Status {
    Claimed { owner: String, until: Instant },
    Released,
    Completed(Outcome),
}

impl MemoryEffects {
    /// Empty. The clock says which seen marks have expired.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            tables: Mutex::default(),
            clock,
            faults: Faults::default(),
        }
    }

    /// Failures to inject, by the name of the port's method.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Somebody else keeps this value just before the next swap of a checkpoint.
    pub fn overtake_next_swap(&self, value: &str) {
        self.tables().overtaking = Some(value.to_owned());
    }

    /// Everything but checkpoints is older than it is kept.
    pub fn forget(&self) {
        let mut tables = self.tables();
        let checkpoints = std::mem::take(&mut tables.checkpoints);
        *tables = Tables {
            checkpoints,
            ..Tables::default()
        };
    }

    /// Outcomes of all completed effects, for assertions.
    #[must_use]
    pub fn completed(&self) -> BTreeMap<MessageId, Outcome> {
        let tables = self.tables();
        let records = tables.effects.iter();
        records
            .filter_map(|(key, record)| match &record.status {
                Status::Completed(outcome) => Some((key.clone(), outcome.clone())),
                _ => None,
            })
            .collect()
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
        self.faults.around(SYSTEM, method, work)
    }
}

impl Tables {
    fn claim(
        &mut self,
        key: &MessageId,
        payload: &str,
        owner: &str,
        now: Instant,
        lease_ms: i64,
    ) -> Claim {
        let mut in_doubt = false;
        if let Some(old) = self.effects.get(key) {
            let nothing_done = matches!(old.status, Status::Released) && !old.in_doubt;
            let other = old.payload != payload && !nothing_done;
            match &old.status {
                Status::Completed(outcome @ Outcome::Done { .. })
                    if same_content(&old.payload, payload) =>
                {
                    return Claim::Completed(outcome.clone());
                }
                Status::Completed(outcome @ Outcome::Done { .. }) => {
                    return Claim::DoneOtherwise(outcome.clone());
                }
                Status::Completed(_) if other => return Claim::Mismatch,
                Status::Completed(outcome) => return Claim::Completed(outcome.clone()),
                Status::Claimed { until, .. } if other && *until > now => return Claim::Mismatch,
                Status::Claimed {
                    owner: other,
                    until,
                } if other != owner && *until > now => {
                    return Claim::Held { until: *until };
                }
                Status::Claimed { .. } => in_doubt = true,
                Status::Released => in_doubt = old.in_doubt,
            }
        }
        let record = Record {
            payload: payload.to_owned(),
            in_doubt,
            status: Status::Claimed {
                owner: owner.to_owned(),
                until: now.plus_ms(lease_ms),
            },
        };
        self.effects.insert(key.clone(), record);
        Claim::Granted(if in_doubt {
            Attempt::InDoubt
        } else {
            Attempt::First
        })
    }

    fn held_by(&mut self, key: &MessageId, owner: &str) -> Option<&mut Record> {
        self.effects.get_mut(key).filter(
            |record| matches!(&record.status, Status::Claimed { owner: o, .. } if o == owner),
        )
    }
}

impl EffectStore for MemoryEffects {
    async fn claim(
        &self,
        key: &MessageId,
        payload: &str,
        owner: &str,
        now: Instant,
        lease_ms: i64,
    ) -> Result<Claim, InfraError> {
        self.run("claim", |t| t.claim(key, payload, owner, now, lease_ms))
    }

    async fn complete(
        &self,
        key: &MessageId,
        owner: &str,
        outcome: &Outcome,
        _now: Instant,
    ) -> Result<(), InfraError> {
        self.run("complete", |t| {
            if let Some(record) = t.held_by(key, owner) {
                record.status = Status::Completed(outcome.clone());
            }
        })
    }

    async fn release(
        &self,
        key: &MessageId,
        owner: &str,
        in_doubt: bool,
    ) -> Result<(), InfraError> {
        self.run("release", |t| {
            if let Some(record) = t.held_by(key, owner) {
                record.status = Status::Released;
                record.in_doubt |= in_doubt;
            }
        })
    }

    async fn reopen(&self, key: &MessageId) -> Result<(), InfraError> {
        self.run("reopen", |t| {
            let rejected = t.effects.get_mut(key).filter(|record| {
                matches!(record.status, Status::Completed(Outcome::Rejected { .. }))
            });
            if let Some(record) = rejected {
                record.status = Status::Released;
                record.in_doubt = true;
            }
        })
    }

    async fn seen(&self, ids: &[MessageId]) -> Result<Vec<MessageId>, InfraError> {
        let now_s = self.clock.now().epoch_s();
        self.run("seen", |t| {
            let known = |id: &&MessageId| t.seen.get(*id).is_some_and(|e| e.epoch_s() > now_s);
            ids.iter().filter(known).cloned().collect()
        })
    }

    async fn mark_seen(&self, ids: &[MessageId], expires: Instant) -> Result<(), InfraError> {
        self.run("mark_seen", |t| {
            t.seen.extend(ids.iter().map(|id| (id.clone(), expires)));
        })
    }

    async fn advance(
        &self,
        connection: &ConnectionId,
        marks: &[(String, Instant)],
    ) -> Result<Vec<bool>, InfraError> {
        self.run("advance", |t| {
            let advance = |(name, at): &(String, Instant)| {
                let mark = t.marks.entry((connection.clone(), name.clone()));
                let mark = mark.or_insert(*at);
                *mark = (*mark).max(*at);
                *mark == *at
            };
            marks.iter().map(advance).collect()
        })
    }

    async fn checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
    ) -> Result<Option<String>, InfraError> {
        let key = (connection.clone(), name.to_owned());
        self.run("checkpoint", |t| t.checkpoints.get(&key).cloned())
    }

    async fn set_checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
        value: &str,
    ) -> Result<(), InfraError> {
        let key = (connection.clone(), name.to_owned());
        self.run("set_checkpoint", |t| {
            t.checkpoints.insert(key, value.to_owned());
        })
    }

    async fn swap_checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool, InfraError> {
        let key = (connection.clone(), name.to_owned());
        self.run("swap_checkpoint", |t| {
            if let Some(value) = t.overtaking.take() {
                t.checkpoints.insert(key.clone(), value);
            }
            let is_expected = t.checkpoints.get(&key).map(String::as_str) == expected;
            if is_expected {
                t.checkpoints.insert(key, value.to_owned());
            }
            is_expected
        })
    }
}
