//! One batch of SQS messages: every record is read and handled by itself, and a failure or a panic
//! of one leaves its neighbours alone.

use crate::ended::{Ended, Reply};
use crate::telemetry::{About, Counters, Line};
use crate::{backoff, chance};
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::join_all;
use futures::{FutureExt as _, StreamExt as _};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use waybill_flow::ports::{Clock, InfraError};
use waybill_model::time::Instant;

/// Records handled at once in one invocation: enough to hide the waits for DynamoDB and SQS, few
/// enough for 256 MiB and a partner's rate limit.
pub const CONCURRENCY: usize = 10;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The queue's id of the message.
    pub message_id: String,
    /// What its visibility is changed by.
    pub receipt_handle: Option<String>,
    /// Name of the queue.
    pub queue: String,
    /// The body; empty if there was none.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
    /// When it was sent.
    pub sent_at: Option<Instant>,
    /// Its FIFO group.
    pub group: Option<String>,
}

/// How one message ended, and what it was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// How it ended.
    pub ended: Ended,
    /// What it was about.
    pub about: About,
}

impl From<Ended> for Handled {
    fn from(ended: Ended) -> Self {
        Self {
            ended,
            about: About::default(),
        }
    }
}

/// A batch that cannot be answered message by message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// An answer cannot name such a record: to Lambda an empty identifier means that all failed.
    #[error("a record of the batch has no message id: the whole batch is retried")]
    NoMessageId,
}

impl From<BatchError> for lambda_runtime::Diagnostic {
    fn from(error: BatchError) -> Self {
        Self {
            error_type: "BatchError".to_owned(),
            error_message: error.to_string(),
        }
    }
}

/// Changes when messages come back.
pub trait Visibility: Send + Sync {
    /// Sets the visibility timeout, in seconds from now, of messages of one queue by their receipt
    /// handles.
    ///
    /// # Errors
    /// The queue did not take it; the messages come back after the queue's own timeout.
    fn change(
        &self,
        queue: &str,
        entries: Vec<(String, u32)>,
    ) -> impl Future<Output = Result<(), InfraError>> + Send;
}

/// What a batch is run with.
#[derive(Debug)]
pub struct Runner<V, C> {
    /// The function, for logs and metrics.
    pub step: &'static str,
    /// The queues.
    pub visibility: V,
    /// The clock.
    pub clock: C,
}

/// Reads the records of an event.
///
/// # Errors
/// A record without an id.
pub fn records(event: SqsEvent) -> Result<Vec<Record>, BatchError> {
    event.records.into_iter().map(record).collect()
}

fn record(message: SqsMessage) -> Result<Record, BatchError> {
    let message_id = message
        .message_id
        .filter(|id| !id.is_empty())
        .ok_or(BatchError::NoMessageId)?;
    let attribute = |name: &str| message.attributes.get(name);
    let queue = message
        .event_source_arn
        .as_deref()
        .and_then(|arn| arn.rsplit(':').next())
        .unwrap_or_default()
        .to_owned();
    Ok(Record {
        receives: attribute("ApproximateReceiveCount")
            .and_then(|v| v.parse().ok())
            .unwrap_or(1),
        sent_at: attribute("SentTimestamp")
            .and_then(|v| v.parse().ok())
            .map(Instant::from_epoch_ms),
        group: attribute("MessageGroupId").cloned(),
        message_id,
        receipt_handle: message.receipt_handle,
        queue,
        body: message.body.unwrap_or_default(),
    })
}

impl<V: Visibility, C: Clock> Runner<V, C> {
    /// Handles every record of a standard queue by itself, several at once.
    ///
    /// # Errors
    /// The batch cannot be answered message by message.
    pub async fn each<F, R>(
        &self,
        event: SqsEvent,
        handle: F,
    ) -> Result<SqsBatchResponse, BatchError>
    where
        F: Fn(Record) -> R,
        R: Future<Output = Handled>,
    {
        let records = records(event)?;
        let futures: Vec<_> = records
            .iter()
            .map(|record| self.timed(handle(record.clone())))
            .collect();
        let handled = futures::stream::iter(futures)
            .buffered(CONCURRENCY)
            .collect()
            .await;
        Ok(self.settle(&records, handled).await)
    }

    /// Handles the records of a FIFO queue: groups at once, a group in order. After a record that
    /// is to be retried, the later ones of its group are not touched.
    ///
    /// # Errors
    /// The batch cannot be answered message by message.
    pub async fn in_groups<F, R>(
        &self,
        event: SqsEvent,
        handle: F,
    ) -> Result<SqsBatchResponse, BatchError>
    where
        F: Fn(Record) -> R,
        R: Future<Output = Handled>,
    {
        let records = records(event)?;
        let mut groups: BTreeMap<&str, Vec<(usize, &Record)>> = BTreeMap::new();
        for (index, record) in records.iter().enumerate() {
            // Without a group there is no order to keep.
            let group = record.group.as_deref().unwrap_or(&record.message_id);
            groups.entry(group).or_default().push((index, record));
        }
        let handle = &handle;
        let runs = groups.into_values().map(|group| async move {
            let mut results = Vec::with_capacity(group.len());
            let mut blocked = false;
            for (index, record) in group {
                let timed = if blocked {
                    (Ended::Blocked.into(), 0)
                } else {
                    self.timed(handle(record.clone())).await
                };
                blocked |= timed.0.ended.reply() != Reply::Acknowledge;
                results.push((index, timed));
            }
            results
        });
        let mut handled: Vec<_> = join_all(runs).await.into_iter().flatten().collect();
        handled.sort_by_key(|(index, _)| *index);
        let handled = handled.into_iter().map(|(_, timed)| timed).collect();
        Ok(self.settle(&records, handled).await)
    }

    /// Hands all records to `handle` at once, which answers for each in order. Should it panic,
    /// every record is handed over alone, so that only the one that panics again is retried.
    ///
    /// # Errors
    /// The batch cannot be answered message by message.
    pub async fn together<F, R>(
        &self,
        event: SqsEvent,
        handle: F,
    ) -> Result<SqsBatchResponse, BatchError>
    where
        F: Fn(Vec<Record>) -> R,
        R: Future<Output = Vec<Handled>>,
    {
        let records = records(event)?;
        let started = self.clock.now();
        let all = AssertUnwindSafe(async { handle(records.clone()).await })
            .catch_unwind()
            .await;
        let handled = match all {
            Ok(handled) if handled.len() == records.len() => {
                let duration = self.since(started);
                handled.into_iter().map(|h| (h, duration)).collect()
            }
            Ok(_) | Err(_) => {
                let mut handled = Vec::with_capacity(records.len());
                for record in &records {
                    let alone = async {
                        let mut one = handle(vec![record.clone()]).await;
                        one.pop().unwrap_or_else(|| Ended::Panicked.into())
                    };
                    handled.push(self.timed(alone).await);
                }
                handled
            }
        };
        Ok(self.settle(&records, handled).await)
    }

    async fn timed(&self, handling: impl Future<Output = Handled>) -> (Handled, u64) {
        let started = self.clock.now();
        let handled = AssertUnwindSafe(handling)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Ended::Panicked.into());
        (handled, self.since(started))
    }

    fn since(&self, started: Instant) -> u64 {
        u64::try_from(self.clock.now().ms_since(started)).unwrap_or_default()
    }

    /// Logs, counts, spreads the retries, and names what failed.
    async fn settle(&self, records: &[Record], handled: Vec<(Handled, u64)>) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        let mut counters = Counters::new(self.step);
        let mut later: BTreeMap<&str, Vec<(String, u32)>> = BTreeMap::new();
        let mut group_delay_s: BTreeMap<&str, u32> = BTreeMap::new();
        for (record, (handled, duration_ms)) in records.iter().zip(&handled) {
            Line {
                step: self.step,
                message_id: &record.message_id,
                attempt: record.receives,
                ended: &handled.ended,
                about: &handled.about,
                duration_ms: *duration_ms,
            }
            .write();
            counters.add(handled.ended.outcome(), handled.ended.code());
            let Reply::Retry { asked_ms } = handled.ended.reply() else {
                continue;
            };
            response.add_failure(record.message_id.clone());
            let chosen = backoff::delay_s(record.receives, asked_ms, chance::roll());
            // A group goes on when its first unfinished message does: the rest waits with it, since
            // SQS hands out nothing of a group of which a message is out.
            let delay_s = match record.group.as_deref() {
                Some(group) => *group_delay_s.entry(group).or_insert(chosen),
                None => chosen,
            };
            if let Some(handle) = record.receipt_handle.clone() {
                later
                    .entry(&record.queue)
                    .or_default()
                    .push((handle, delay_s));
            }
        }
        for (queue, entries) in later {
            if let Err(error) = self.visibility.change(queue, entries).await {
                tracing::warn!(step = self.step, queue, %error, "the queue's own timeout applies");
            }
        }
        counters.write(self.clock.now());
        response
    }
}

#[cfg(test)]
mod tests;
