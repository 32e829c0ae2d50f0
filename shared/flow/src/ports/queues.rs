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
