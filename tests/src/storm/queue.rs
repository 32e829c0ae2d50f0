//! A standard queue as SQS keeps one, and as Lambda reads it: what is handed out is invisible for a while and comes back
//! unless it is deleted by the receipt of its last delivery.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use waybill_flow::ports::Clock as _;
use waybill_lambda_kit::clock::SystemClock;

/// Messages handed out at once, as the template has it for this queue.
pub const BATCH: usize = 50;
/// Name in the messages' source.
const ARN: &str = "arn:aws:sqs:eu-west-1:000000000000:erp";

#[derive(Debug)]
struct Message {
    body: String,
    sent_ms: i64,
    visible: Instant,
    receives: u32,
    deleted: bool,
}

/// What happened on a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Batches handed out.
    pub batches: u32,
    /// Those with a message that was handed out before.
    pub retried_batches: u32,
    /// Messages handed out.
    pub deliveries: u32,
    /// Those that were handed out before.
    pub redeliveries: u32,
    /// Batches of which a part was reported as failed.
    pub partial_failures: u32,
    /// Deletes that came too late: the message had been handed out again.
    pub stale_receipts: u32,
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    messages: Vec<Message>,
    visibility: Duration,
    /// What happened.
    pub counts: Counts,
}

impl Queue {
    /// With these messages, all visible.
    #[must_use]
    pub fn new(bodies: Vec<String>, visibility: Duration) -> Self {
        let (sent_ms, visible) = (SystemClock.now().epoch_ms(), Instant::now());
        let message = |body| Message {
            body,
            sent_ms,
            visible,
            receives: 0,
            deleted: false,
        };
        Self {
            messages: bodies.into_iter().map(message).collect(),
            visibility,
            counts: Counts::default(),
        }
    }

    /// Messages that are not deleted.
    #[must_use]
    pub fn open(&self) -> usize {
        self.messages.iter().filter(|m| !m.deleted).count()
    }

    /// Messages that are deleted.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.messages.len() - self.open()
    }

    /// Messages that could be handed out.
    #[must_use]
    pub fn visible(&self, now: Instant) -> usize {
        let visible = |m: &&Message| !m.deleted && m.visible <= now;
        self.messages.iter().filter(visible).count()
    }

    /// Hands out at most [`BATCH`], as the event that Lambda makes of them.
    pub fn receive(&mut self, now: Instant) -> Option<Value> {
        let mut records = Vec::new();
        let mut again = 0;
        for (place, message) in self.messages.iter_mut().enumerate() {
            if records.len() == BATCH {
                break;
            }
            if message.deleted || message.visible > now {
                continue;
            }
            message.receives += 1;
            message.visible = now + self.visibility;
            again += u32::from(message.receives > 1);
            records.push(json!({
                "messageId": place.to_string(),
                "receiptHandle": format!("{place}/{}", message.receives),
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": message.receives.to_string(),
                    "SentTimestamp": message.sent_ms.to_string(),
                },
                "eventSource": "aws:sqs",
                "eventSourceARN": ARN,
            }));
        }
        if records.is_empty() {
            return None;
        }
        self.counts.batches += 1;
        self.counts.retried_batches += u32::from(again > 0);
        self.counts.deliveries += u32::try_from(records.len()).unwrap_or(u32::MAX);
        self.counts.redeliveries += again;
        Some(json!({ "Records": records }))
    }

    /// Deletes a message, if this is the receipt of its last delivery.
    pub fn delete(&mut self, receipt: &str) {
        match self.of(receipt) {
            Some((message, true)) => message.deleted = true,
            Some((_, false)) => self.counts.stale_receipts += 1,
            None => {}
        }
    }

    /// Lets a message come back after `wait`.
    pub fn change(&mut self, receipt: &str, wait: Duration, now: Instant) {
        if let Some((message, true)) = self.of(receipt) {
            message.visible = now + wait;
        }
    }

    fn of(&mut self, receipt: &str) -> Option<(&mut Message, bool)> {
        let (place, receives) = receipt.split_once('/')?;
        let message = self.messages.get_mut(place.parse::<usize>().ok()?)?;
        let is_last = receives.parse() == Ok(message.receives);
        Some((message, is_last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn receipts(event: Option<Value>) -> Vec<String> {
        let event = event.unwrap_or_default();
        let records = event["Records"].as_array().cloned().unwrap_or_default();
        let receipt = |r: &Value| r["receiptHandle"].as_str().unwrap().to_owned();
        records.iter().map(receipt).collect()
    }

    #[test]
    fn what_is_not_deleted_comes_back_after_its_time_and_only_the_last_receipt_counts() {
        let mut queue = Queue::new(vec!["a".to_owned(), "b".to_owned()], SECOND);
        let now = Instant::now();
        assert_eq!(receipts(queue.receive(now)), ["0/1", "1/1"]);
        assert_eq!(queue.receive(now), None, "all are invisible");
        queue.delete("0/1");
        let later = now + SECOND;
        assert_eq!(receipts(queue.receive(later)), ["1/2"]);
        queue.delete("1/1");
        assert_eq!((queue.open(), queue.counts.stale_receipts), (1, 1));
        queue.change("1/2", SECOND * 5, later);
        assert_eq!(queue.receive(later + SECOND * 4), None);
        assert_eq!(receipts(queue.receive(later + SECOND * 5)), ["1/3"]);
        queue.delete("1/3");
        assert_eq!((queue.open(), queue.finished()), (0, 2));
        let counts = queue.counts;
        assert_eq!((counts.batches, counts.retried_batches), (3, 2));
        assert_eq!((counts.deliveries, counts.redeliveries), (4, 2));
    }

    #[test]
    fn a_batch_has_fifty() {
        let mut queue = Queue::new(vec!["x".to_owned(); 60], SECOND);
        let now = Instant::now();
        assert_eq!(queue.visible(now), 60);
        assert_eq!(receipts(queue.receive(now)).len(), 50);
        assert_eq!(receipts(queue.receive(now)).len(), 10);
    }
}
