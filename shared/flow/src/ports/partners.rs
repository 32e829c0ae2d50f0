//! Every outside system but the ERP.

use super::Attempt;
use std::future::Future;
use waybill_model::command::Command;
use waybill_model::delivery::Delivery;
use waybill_model::failure::Failure;
use waybill_model::id::{Code, ConnectionId, CorrelationId, MessageId, Reference};
use waybill_model::time::Instant;

/// What a poll found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolledPage {
    /// Records as if the partner had sent them; dedupe ids come from id and version.
    pub deliveries: Vec<Delivery>,
    /// Where to go on; absent after the last page.
    pub cursor: Option<String>,
}

/// A webhook that Waybill wants of a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The partner's topic.
    pub topic: String,
    /// Whether the partner sends it to the connection's `webhook_url`.
    pub stands: bool,
    /// Whether a poll finds what a lost one told.
    pub polled: bool,
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

    /// The webhooks that Waybill wants of a connection, each with whether it stands; nothing where
    /// the partner has no way to ask, or the connection no `webhook_url`.
    ///
    /// # Errors
    /// As classed by the partner's adapter.
    fn webhooks(
        &self,
        _connection: &ConnectionId,
    ) -> impl Future<Output = Result<Option<Vec<Webhook>>, Failure>> + Send {
        std::future::ready(Ok(None))
    }

    /// Subscribes the connection's `webhook_url` to a topic; one that stands already is a success.
    ///
    /// # Errors
    /// As classed by the partner's adapter.
    fn create_webhook(
        &self,
        connection: &ConnectionId,
        topic: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        std::future::ready(Err(Failure::Rejected {
            code: Code::literal("webhooks_unsupported"),
            detail: format!("no adapter subscribes `{connection}` to `{topic}`"),
            remedy: "subscribe to it at the partner".to_owned(),
        }))
    }
}
