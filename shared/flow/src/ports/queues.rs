//! Our own queues.

use super::InfraError;
use std::future::Future;
use waybill_model::command::CommandQueue;

/// A queue of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Raw deliveries, to the validator.
    Inbound,
    /// Events, FIFO by correlation id, to the coordinator.
    Events,
    /// Commands.
    Commands(CommandQueue),
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The body, at most 1 MiB with its attributes.
    pub body: String,
    /// FIFO group; exactly the FIFO queue has one.
    pub group: Option<String>,
    /// FIFO deduplication id (5 minutes); exactly the FIFO queue has one.
    pub deduplication: Option<String>,
    /// Seconds until it can be received, at most 900. FIFO queues take none.
    pub delay_s: u32,
}

/// Sends. At-least-once: a message whose send failed may have been sent.
pub trait Queues: Send + Sync {
    /// Sends all, in calls of at most ten; returns the indexes of those that were not accepted.
    ///
    /// # Errors
    /// No call could be made. The caller sends everything again later; receivers tolerate
    /// duplicates.
    fn send(
        &self,
        queue: Queue,
        messages: Vec<Outgoing>,
    ) -> impl Future<Output = Result<Vec<usize>, InfraError>> + Send;
}

/// Dead-letter queues: what our own code failed to class.
pub trait DeadLetters: Send + Sync {
    /// About how many messages wait in the dead-letter queue of `queue`.
    ///
    /// # Errors
    /// It could not be asked.
    fn waiting(&self, queue: Queue) -> impl Future<Output = Result<u64, InfraError>> + Send;

    /// Moves at most `limit` messages back to `queue`, oldest first as far as the queue keeps an
    /// order, and returns how many. A message is sent before it is taken away: one that was moved
    /// although its answer was lost is there twice, and receivers tolerate that.
    ///
    /// # Errors
    /// It could not be asked; some may have been moved.
    fn redrive(
        &self,
        queue: Queue,
        limit: usize,
    ) -> impl Future<Output = Result<usize, InfraError>> + Send;
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 6] = [
        Self::Inbound,
        Self::Events,
        Self::Commands(CommandQueue::Erp),
        Self::Commands(CommandQueue::ErpBulk),
        Self::Commands(CommandQueue::Fulfillment),
        Self::Commands(CommandQueue::Status),
    ];

    /// Its name for operators.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Events => "events",
            Self::Commands(CommandQueue::Erp) => "erp",
            Self::Commands(CommandQueue::ErpBulk) => "erp-bulk",
            Self::Commands(CommandQueue::Fulfillment) => "fulfillment",
            Self::Commands(CommandQueue::Status) => "status",
        }
    }
}
