//! Idempotency records: claimed, done, completed.

use super::InfraError;
use std::future::Future;
use waybill_model::event::Outcome;
use waybill_model::id::{ConnectionId, MessageId};
use waybill_model::time::Instant;

/// What a claim found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is ours: do it, as this attempt says.
    Granted(Attempt),
    /// Another owner holds the lease: come back after it.
    Held {
        /// When the lease ends.
        until: Instant,
    },
    /// It is done: report this outcome again.
    Completed(Outcome),
    /// It is done, with other content than this.
    DoneOtherwise(Outcome),
    /// The key was used for another payload, and that attempt still runs or was rejected: wait for
    /// its lease, reopen the rejection, and ask again. Never written over.
    Mismatch,
}

/// What is known of earlier attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Nobody tried before, or every earlier attempt is known to have done nothing.
    First,
    /// An earlier attempt may have succeeded: look before writing.
    InDoubt,
}

/// Whether two payloads are of one content, whoever asked for it: equal up to the first `/`.
#[must_use]
pub fn same_content(a: &str, b: &str) -> bool {
    a.split('/').next() == b.split('/').next()
}

/// The records, in DynamoDB. Every method may be called again after any error.
pub trait EffectStore: Send + Sync {
    /// Claims `key` for `owner` until `now + lease_ms`, by a conditional write. A claim whose
    /// lease ran out, or that was given back in doubt, is granted in doubt, whatever its payload
    /// was: looking before writing finds what it did. `payload` is a hash of what will be done,
    /// optionally `/` and what asked for it: what is *done* answers every issue of its content
    /// ([`same_content`]), a rejection only the issue that was rejected.
    ///
    /// # Errors
    /// The store failed; nothing may be done under this claim.
    fn claim(
        &self,
        key: &MessageId,
        payload: &str,
        owner: &str,
        now: Instant,
        lease_ms: i64,
    ) -> impl Future<Output = Result<Claim, InfraError>> + Send;

    /// Records the outcome, if `owner` still holds the claim.
    ///
    /// # Errors
    /// The store failed; the effect is done all the same, and the next attempt is in doubt.
    fn complete(
        &self,
        key: &MessageId,
        owner: &str,
        outcome: &Outcome,
        now: Instant,
    ) -> impl Future<Output = Result<(), InfraError>> + Send;

    /// Gives the claim back, if `owner` still holds it: nothing was done (`in_doubt` false) or
    /// it is not known (`in_doubt` true). Doubt is sticky: doing nothing in an attempt that was
    /// granted in doubt does not clear the attempts before it.
    ///
    /// # Errors
    /// The store failed; the lease runs out by itself.
    fn release(
        &self,
        key: &MessageId,
        owner: &str,
        in_doubt: bool,
    ) -> impl Future<Output = Result<(), InfraError>> + Send;

    /// Opens a completed rejection again, in doubt, so that an operator's retry can run: what was
    /// given up may have succeeded after all. The record stays, so that the doubt outlives whoever
    /// opened it. What runs or is done stays as it is.
    ///
    /// # Errors
    /// The store failed; it may be open again.
    fn reopen(&self, key: &MessageId) -> impl Future<Output = Result<(), InfraError>> + Send;

    /// Which of these deliveries were fully handed on before. An optimisation: the fold tolerates
    /// duplicates.
    ///
    /// # Errors
    /// The store failed.
    fn seen(
        &self,
        ids: &[MessageId],
    ) -> impl Future<Output = Result<Vec<MessageId>, InfraError>> + Send;

    /// Remembers deliveries that were handed on, until `expires`.
    ///
    /// # Errors
    /// The store failed.
    fn mark_seen(
        &self,
        ids: &[MessageId],
        expires: Instant,
    ) -> impl Future<Output = Result<(), InfraError>> + Send;

    /// Moves marks of a connection forward, each by itself and for good: `true` where no later
    /// instant was marked before. The same instant twice is `true` twice.
    ///
    /// # Errors
    /// The store failed; some marks may have been moved.
    fn advance(
        &self,
        connection: &ConnectionId,
        marks: &[(String, Instant)],
    ) -> impl Future<Output = Result<Vec<bool>, InfraError>> + Send;

    /// A small value kept for a connection between runs: a poll cursor, the last published stock.
    ///
    /// # Errors
    /// The store failed.
    fn checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
    ) -> impl Future<Output = Result<Option<String>, InfraError>> + Send;

    /// Keeps such a value.
    ///
    /// # Errors
    /// The store failed.
    fn set_checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
        value: &str,
    ) -> impl Future<Output = Result<(), InfraError>> + Send;

    /// Keeps such a value, if what is kept now is `expected`: `false` where it is not, and nothing
    /// was changed. The way to change a value that several processes share.
    ///
    /// # Errors
    /// The store failed; it may have been kept.
    fn swap_checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
        expected: Option<&str>,
        value: &str,
    ) -> impl Future<Output = Result<bool, InfraError>> + Send;
}
