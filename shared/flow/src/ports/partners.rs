//! Every outside system but the ERP.

use super::Attempt;
use std::future::Future;
use waybill_model::command::Command;
use waybill_model::delivery::Delivery;
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, CorrelationId, MessageId, Reference};
use waybill_model::time::Instant;

/// What a poll found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolledPage {
    /// Records as if the partner had sent them; dedupe ids come from id and version.
    pub deliveries: Vec<Delivery>,
    /// Where to go on; absent after the last page.
    pub cursor: Option<String>,
}

/// Calls to partners. One call is one attempt: retries belong to the queue.
pub trait PartnerPort: Send + Sync {
    /// Does what the command says and returns what the partner calls what was made. `key` is the
    /// idempotency key to hand to partners that take one. In doubt, looks before it writes.
    ///
    /// # Errors
    /// As classed by the partner's adapter from the answer's body, not its status alone.
    fn execute(
        &self,
        command: &Command,
        correlation: CorrelationId,
        key: &MessageId,
        attempt: Attempt,
    ) -> impl Future<Output = Result<Vec<Reference>, Failure>> + Send;

    /// About how many HTTP calls that takes: what is counted against `calls_per_minute`.
    fn calls(&self, _command: &Command, _attempt: Attempt) -> u32 {
        1
    }

    /// One page of what changed at a channel since an instant, oldest first.
    ///
    /// # Errors
    /// As classed by the partner's adapter.
    fn poll(
        &self,
        connection: &ConnectionId,
        since: Instant,
        cursor: Option<&str>,
        now: Instant,
    ) -> impl Future<Output = Result<PolledPage, Failure>> + Send;

    /// Current state of what a thin webhook only names.
    ///
    /// # Errors
    /// As classed by the partner's adapter.
    fn refetch(
        &self,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<Delivery, Failure>> + Send;
}
