//! Queues as SQS keeps them: at least once, in no order; FIFO in order within a group.

use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::ports::{Outgoing, Queue};
use waybill_model::command::CommandQueue;
use waybill_model::time::Instant;

/// A FIFO queue takes what it took before for so long.
const DEDUPLICATION_MS: i64 = 5 * 60 * 1000;

/// Every queue of the stack.
pub const QUEUES: [Queue; 6] = [
    Queue::Inbound,
    Queue::Events,
    Queue::Commands(CommandQueue::Erp),
    Queue::Commands(CommandQueue::ErpBulk),
    Queue::Commands(CommandQueue::Fulfillment),
    Queue::Commands(CommandQueue::Status),
];

/// Its name.
#[must_use]
pub fn name(queue: Queue) -> &'static str {
    match queue {
        Queue::Inbound => "inbound",
        Queue::Events => "events.fifo",
        Queue::Commands(CommandQueue::Erp) => "erp",
        Queue::Commands(CommandQueue::ErpBulk) => "erp-bulk",
        Queue::Commands(CommandQueue::Fulfillment) => "fulfillment",
        Queue::Commands(CommandQueue::Status) => "status",
    }
}

/// The queue of this name.
#[must_use]
pub fn named(text: &str) -> Option<Queue> {
    QUEUES.into_iter().find(|q| name(*q) == text)
}

/// A message in a queue.
#[derive(Debug, Clone)]
pub struct Message {
    /// Counts messages of the run; SQS's message id.
    pub id: u64,
    /// What was sent.
    pub body: String,
    /// FIFO group.
    pub group: Option<String>,
    /// When it was sent.
    pub sent_at: Instant,
    /// How often it was received.
    pub receives: u32,
    /// Of the last receive.
    pub handle: u64,
    visible_at: Instant,
}

#[derive(Debug, Default)]
struct Line {
    /// By id, so in the order of sending.
    messages: BTreeMap<u64, Message>,
    dead: Vec<Message>,
    taken: BTreeMap<String, Instant>,
}

/// The queues.
#[derive(Debug, Default)]
pub struct Sqs {
    lines: BTreeMap<Queue, Line>,
    next: u64,
}

/// Receives before a message goes to the dead-letter queue, as in the template.
pub const MAX_RECEIVES: u32 = 400;

impl Sqs {
    /// Puts a message in.
    pub fn send(&mut self, queue: Queue, message: Outgoing, now: Instant) {
        let line = self.lines.entry(queue).or_default();
        if let Some(id) = &message.deduplication {
            let known = line.taken.get(id);
            if known.is_some_and(|at| now.ms_since(*at) < DEDUPLICATION_MS) {
                return;
            }
            line.taken.insert(id.clone(), now);
        }
        self.next += 1;
        let message = Message {
            id: self.next,
            body: message.body,
            group: message.group,
            sent_at: now,
            receives: 0,
            handle: 0,
            visible_at: now.plus_ms(i64::from(message.delay_s) * 1000),
        };
        line.messages.insert(message.id, message);
    }

    /// Takes up to `max` messages out for `hidden_ms`. `pick` chooses among `n`.
    pub fn receive(
        &mut self,
        queue: Queue,
        max: usize,
        hidden_ms: i64,
        now: Instant,
        mut pick: impl FnMut(usize) -> usize,
    ) -> Vec<Message> {
        let Some(line) = self.lines.get_mut(&queue) else {
            return Vec::new();
        };
        let mut ready = line.ready(queue == Queue::Events, now);
        let mut taken = Vec::new();
        while taken.len() < max && !ready.is_empty() {
            let run = ready.swap_remove(pick(ready.len()));
            for id in run.into_iter().take(max - taken.len()) {
                self.next += 1;
                let message = line.messages.get_mut(&id).expect("a message that is ready");
                if message.receives >= MAX_RECEIVES {
                    let dead = line.messages.remove(&id);
                    line.dead.extend(dead);
                    continue;
                }
                message.receives += 1;
                message.handle = self.next;
                message.visible_at = now.plus_ms(hidden_ms);
                taken.push(message.clone());
            }
        }
        taken
    }

    /// Takes a message away, by the handle of its last receive or an older one.
    pub fn delete(&mut self, queue: Queue, id: u64) {
        if let Some(line) = self.lines.get_mut(&queue) {
            line.messages.remove(&id);
        }
    }

    /// Hides a message that was received with this handle for so long from now; a handle of an older
    /// receive does nothing.
    pub fn hide(&mut self, queue: Queue, id: u64, handle: u64, ms: i64, now: Instant) {
        let line = self.lines.entry(queue).or_default();
        let message = line.messages.get_mut(&id).filter(|m| m.handle == handle);
        if let Some(message) = message {
            message.visible_at = now.plus_ms(ms);
        }
    }

    /// When the next message that is out, or delayed, can be received. What waits behind one of its
    /// group waits for that one.
    #[must_use]
    pub fn next_at(&self, queue: Queue, now: Instant) -> Option<Instant> {
        let messages = self.lines.get(&queue)?.messages.values();
        messages.map(|m| m.visible_at).filter(|at| *at > now).min()
    }

    /// Messages that are in any queue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.values().map(|l| l.messages.len()).sum()
    }

    /// Whether all queues are empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages in the dead-letter queues, by queue.
    #[must_use]
    pub fn dead(&self) -> Vec<(&'static str, &Message)> {
        let dead = self.lines.iter();
        dead.flat_map(|(q, l)| l.dead.iter().map(|m| (name(*q), m)))
            .collect()
    }

    /// What waits, by queue, for a person.
    #[must_use]
    pub fn waiting(&self) -> BTreeMap<&'static str, usize> {
        let lines = self.lines.iter().filter(|(_, l)| !l.messages.is_empty());
        lines.map(|(q, l)| (name(*q), l.messages.len())).collect()
    }
}

impl Line {
    /// What can be received, in runs that must stay in order.
    fn ready(&self, grouped: bool, now: Instant) -> Vec<Vec<u64>> {
        if !grouped {
            let ready = self.messages.values().filter(|m| m.visible_at <= now);
            return ready.map(|m| vec![m.id]).collect();
        }
        let mut blocked: BTreeSet<&str> = BTreeSet::new();
        let mut runs: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for message in self.messages.values() {
            let group = message.group.as_deref().unwrap_or_default();
            if message.visible_at > now {
                blocked.insert(group);
            } else {
                runs.entry(group).or_default().push(message.id);
            }
        }
        runs.retain(|group, _| !blocked.contains(group));
        runs.into_values().collect()
    }
}
