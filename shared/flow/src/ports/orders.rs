//! Order state, timeline, references and cases.

use super::InfraError;
use crate::state::OrderState;
use std::future::Future;
use waybill_model::case::{Case, CaseClass, CaseId, CaseStatus};
use waybill_model::envelope::{CommandEnvelope, EventEnvelope};
use waybill_model::event::Event;
use waybill_model::id::{Code, ConnectionId, CorrelationId, MessageId, OperatorId, Reference};
use waybill_model::time::Instant;

/// An order's state with what the store needs to write it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The state.
    pub state: OrderState,
    /// Counts commits; a commit names the one it builds on.
    pub revision: u64,
    /// Commands that were committed and perhaps not sent.
    pub outbox: Vec<CommandEnvelope>,
}

/// What one event changes, written all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The order.
    pub correlation: CorrelationId,
    /// The revision that was loaded, or none if there was no state.
    pub expected: Option<u64>,
    /// The new state.
    pub state: OrderState,
    /// The event that was applied, for the timeline; its id makes the commit idempotent.
    pub event: TimelineEntry,
    /// Commands to send once this is written: all that are unsent, older ones included.
    pub outbox: Vec<CommandEnvelope>,
    /// References that lead to this order from now on.
    pub references: Vec<Reference>,
    /// Cases opened, changed or closed.
    pub cases: Vec<Case>,
    /// When the earliest stage is overdue; absent when nothing waits.
    pub deadline: Option<Instant>,
}

/// One line of an order's timeline.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TimelineEntry {
    /// Id of the event.
    pub id: MessageId,
    /// When it happened.
    pub at: Instant,
    /// When it was applied.
    pub recorded_at: Instant,
    /// The event's type.
    pub kind: String,
    /// The connection that told it, or `waybill`.
    pub source: String,
    /// One line for a person: no personal data.
    pub summary: String,
    /// Types of the commands that it caused.
    pub commands: Vec<String>,
    /// Whether it changed anything.
    pub changed: bool,
}

/// Why a commit was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Somebody else committed first: load again and decide again.
    #[error("the order changed since it was loaded")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Infra(#[from] InfraError),
}

/// An event that waits for its order to become known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The reference under which it waits.
    pub reference: Reference,
    /// The event, with a placeholder correlation id.
    pub event: EventEnvelope,
    /// Since when.
    pub since: Instant,
}

impl Parked {
    /// Whether it stays for other orders once one was told: where a parcel is, of a parcel that orders
    /// share. All else happened to one order only.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.reference.kind.is_shared() && matches!(self.event.body, Event::TrackingObserved(_))
    }
}

/// A raw body kept for replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The receipt id that the partner got.
    pub receipt: MessageId,
    /// The order, where it was known; quarantined bodies have none.
    pub correlation: Option<CorrelationId>,
    /// The encoded delivery, as it travelled on the inbound queue.
    pub delivery: String,
    /// When it was received.
    pub received_at: Instant,
}

/// Which cases to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaseQuery {
    /// Only this status; open if absent.
    pub status: Option<CaseStatus>,
    /// Only this class.
    pub class: Option<CaseClass>,
    /// Only this order.
    pub correlation: Option<CorrelationId>,
    /// Only this code.
    pub code: Option<Code>,
    /// Only what is about this connection.
    pub connection: Option<ConnectionId>,
    /// Only what this person works on.
    pub owner: Option<OperatorId>,
    /// Only what was opened at this instant or before.
    pub opened_until: Option<Instant>,
    /// At most so many.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

impl CaseQuery {
    /// Whether a case is asked for; where its page begins and ends is left out of it.
    #[must_use]
    pub fn matches(&self, case: &Case) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted == found
        }
        case.status == self.status.unwrap_or(CaseStatus::Open)
            && is(self.class.as_ref(), Some(&case.class))
            && is(self.correlation.as_ref(), case.correlation_id.as_ref())
            && is(self.code.as_ref(), Some(&case.code))
            && is(self.connection.as_ref(), case.connection.as_ref())
            && is(self.owner.as_ref(), case.owner.as_ref())
            && self
                .opened_until
                .is_none_or(|until| case.opened_at <= until)
    }
}

/// Which raw bodies to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveQuery {
    /// Received at this instant or later.
    pub from: Instant,
    /// Received before this instant.
    pub to: Instant,
    /// At most so many.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// The orders table. Every method may be called again after any error.
pub trait OrderStore: Send + Sync {
    /// The order's state, strongly consistent.
    ///
    /// # Errors
    /// The store failed, or holds a state that this version cannot read.
    fn load(
        &self,
        correlation: CorrelationId,
    ) -> impl Future<Output = Result<Option<Stored>, InfraError>> + Send;

    /// Writes all or nothing and returns the new revision. Safe to repeat: a commit that was
    /// written although its answer was lost is a conflict, and the reload shows the event applied.
    ///
    /// # Errors
    /// Conflict, or the store failed.
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<u64, CommitError>> + Send;

    /// Takes sent commands off the outbox, if the order is still at `revision`; else does nothing:
    /// whoever committed since sends them again, and receivers tolerate that.
    ///
    /// # Errors
    /// The store failed; the commands are sent again later.
    fn clear_outbox(
        &self,
        correlation: CorrelationId,
        revision: u64,
    ) -> impl Future<Output = Result<(), InfraError>> + Send;

    /// Orders that a reference leads to; one for most kinds, several for e-mail hashes.
    ///
    /// # Errors
    /// The store failed.
    fn resolve(
        &self,
        reference: &Reference,
    ) -> impl Future<Output = Result<Vec<CorrelationId>, InfraError>> + Send;

    /// Keeps an event until one of its references becomes known. The caller resolves again
    /// afterwards, since the reference may have become known meanwhile.
    ///
    /// # Errors
    /// The store failed.
    fn park(&self, parked: &Parked) -> impl Future<Output = Result<(), InfraError>> + Send;

    /// Events that wait under a reference.
    ///
    /// # Errors
    /// The store failed.
    fn parked(
        &self,
        reference: &Reference,
    ) -> impl Future<Output = Result<Vec<Parked>, InfraError>> + Send;

    /// Forgets a parked event after it was handed on.
    ///
    /// # Errors
    /// The store failed; it is handed on again, which the fold tolerates.
    fn unpark(&self, parked: &Parked) -> impl Future<Output = Result<(), InfraError>> + Send;

    /// Keeps a raw body for replay, until the retention limit.
    ///
    /// # Errors
    /// The store failed.
    fn archive(&self, archived: &Archived) -> impl Future<Output = Result<(), InfraError>> + Send;

    /// Raw bodies of an order, oldest first.
    ///
    /// # Errors
    /// The store failed.
    fn archived(
        &self,
        correlation: CorrelationId,
    ) -> impl Future<Output = Result<Vec<Archived>, InfraError>> + Send;

    /// One raw body by its receipt.
    ///
    /// # Errors
    /// The store failed.
    fn receipt(
        &self,
        receipt: &MessageId,
    ) -> impl Future<Output = Result<Option<Archived>, InfraError>> + Send;

    /// Raw bodies by when they were received, oldest first, and the cursor of the next page. A page
    /// can be short, even empty, and have a next one: a long time without any is looked through in
    /// steps.
    ///
    /// # Errors
    /// The store failed.
    fn archived_between(
        &self,
        query: &ArchiveQuery,
    ) -> impl Future<Output = Result<(Vec<Archived>, Option<String>), InfraError>> + Send;

    /// The order's timeline, oldest first.
    ///
    /// # Errors
    /// The store failed.
    fn timeline(
        &self,
        correlation: CorrelationId,
    ) -> impl Future<Output = Result<Vec<TimelineEntry>, InfraError>> + Send;

    /// Orders whose deadline has passed, longest overdue first.
    ///
    /// # Errors
    /// The store failed.
    fn overdue(
        &self,
        now: Instant,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<CorrelationId>, InfraError>> + Send;

    /// Opens or changes a case that belongs to no order's state (unreadable input, configuration),
    /// as [`Case::found_over`] has it.
    ///
    /// # Errors
    /// The store failed.
    fn put_case(&self, case: &Case) -> impl Future<Output = Result<(), InfraError>> + Send;

    /// The cause of such a case is gone: it closes, whether somebody ignored it or not, so that it
    /// opens anew should the cause come back.
    ///
    /// # Errors
    /// The store failed.
    fn resolve_case(
        &self,
        id: CaseId,
        now: Instant,
    ) -> impl Future<Output = Result<(), InfraError>> + Send {
        async move {
            match self.case(id).await? {
                Some(case) if case.status != CaseStatus::Resolved => {
                    let resolved = Case {
                        status: CaseStatus::Resolved,
                        closed_at: Some(now),
                        ..case
                    };
                    self.put_case(&resolved).await
                }
                _ => Ok(()),
            }
        }
    }

    /// One case.
    ///
    /// # Errors
    /// The store failed.
    fn case(&self, id: CaseId) -> impl Future<Output = Result<Option<Case>, InfraError>> + Send;

    /// Cases, oldest first, and the cursor of the next page. A page can be short, even empty, and
    /// have a next one, where few of very many cases are asked for.
    ///
    /// # Errors
    /// The store failed.
    fn cases(
        &self,
        query: &CaseQuery,
    ) -> impl Future<Output = Result<(Vec<Case>, Option<String>), InfraError>> + Send;
}
