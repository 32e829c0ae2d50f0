//! Queues as SQS keeps them: at least once, in no order; FIFO in order within a group.
//!
//! They pass the cases of `waybill_tests::queues`, which the local AWS passes too, but for what it does otherwise than SQS.

use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::ports::{Outgoing, Queue};
use waybill_model::command::CommandQueue;
use waybill_model::time::Instant;

/// A FIFO queue takes what it took before for so long.
const DEDUPLICATION_MS: i64 = 5 * 60 * 1000;
/// Most bytes of a body.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Longest delay of a message, in seconds.
const MAX_DELAY_S: u32 = 900;
/// Longest visibility timeout, in milliseconds.
const MAX_HIDDEN_MS: i64 = 12 * 60 * 60 * 1000;

/// What SQS does not do, by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub &'static str);

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
    /// By group and deduplication id: when it was sent, and its message's id.
    taken: BTreeMap<(String, String), (Instant, u64)>,
}

/// The queues.
#[derive(Debug, Default)]
pub struct Sqs {
    lines: BTreeMap<Queue, Line>,
    next: u64,
    /// Where it is not the template's.
    max_receives: Option<u32>,
}

/// Receives before a message goes to the dead-letter queue, as in the template.
#[must_use]
pub fn max_receives(queue: Queue) -> u32 {
    match queue {
        Queue::Commands(CommandQueue::ErpBulk) => 1000,
        _ => 400,
    }
}

impl Sqs {
    /// Queues with another limit of receives.
    #[must_use]
    pub fn with_max_receives(max_receives: u32) -> Self {
        Self {
            lines: BTreeMap::new(),
            next: 0,
            max_receives: Some(max_receives),
        }
    }

    /// Puts a message in, and returns its id. One that a FIFO queue took before is the one it was.
    ///
    /// # Errors
    /// SQS takes no such message.
    pub fn send(&mut self, queue: Queue, message: Outgoing, now: Instant) -> Result<u64, Refused> {
        check(queue == Queue::Events, &message)?;
        let line = self.lines.entry(queue).or_default();
        let key = message.group.clone().zip(message.deduplication);
        let known = key.as_ref().and_then(|key| line.taken.get(key));
        if let Some((_, id)) = known.filter(|(at, _)| now.ms_since(*at) < DEDUPLICATION_MS) {
            return Ok(*id);
        }
        self.next += 1;
        if let Some(key) = key {
            line.taken.insert(key, (now, self.next));
        }
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
        Ok(self.next)
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
        let most = self.max_receives.unwrap_or_else(|| max_receives(queue));
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
                if message.receives >= most {
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

    /// Takes a message away that was received with this handle.
    ///
    /// A standard queue takes the handle of an older receive too, and `lucky` draws whether the message goes then. A FIFO
    /// queue takes only the last one, and not once the message is visible again.
    ///
    /// # Errors
    /// The handle is not taken.
    pub fn delete(
        &mut self,
        queue: Queue,
        id: u64,
        handle: u64,
        now: Instant,
        lucky: impl FnOnce() -> bool,
    ) -> Result<(), Refused> {
        let messages = &mut self.lines.entry(queue).or_default().messages;
        let Some(message) = messages.get(&id) else {
            return Ok(());
        };
        let is_last = message.handle == handle;
        if queue == Queue::Events && !(is_last && message.visible_at > now) {
            return Err(Refused("InvalidParameterValue"));
        }
        if is_last || lucky() {
            messages.remove(&id);
        }
        Ok(())
    }

    /// Hides a message that was received with this handle for so long from now.
    ///
    /// # Errors
    /// Too long; or the message is gone, is visible again, or was received once more since.
    pub fn hide(
        &mut self,
        queue: Queue,
        id: u64,
        handle: u64,
        ms: i64,
        now: Instant,
    ) -> Result<(), Refused> {
        let line = self.lines.entry(queue).or_default();
        let message = line.messages.get_mut(&id).filter(|m| m.handle == handle);
        let message = message.filter(|_| ms <= MAX_HIDDEN_MS);
        let message = message.ok_or(Refused("InvalidParameterValue"))?;
        if message.visible_at <= now {
            return Err(Refused("MessageNotInflight"));
        }
        message.visible_at = now.plus_ms(ms);
        Ok(())
    }

    /// When the next message that is out, or delayed, can be received. What waits behind one of its
    /// group waits for that one.
    #[must_use]
    pub fn next_at(&self, queue: Queue, now: Instant) -> Option<Instant> {
        let messages = self.lines.get(&queue)?.messages.values();
        messages.map(|m| m.visible_at).filter(|at| *at > now).min()
    }

    /// Puts a message aside into the dead-letter queue.
    pub fn put_aside(&mut self, queue: Queue, id: u64) {
        let line = self.lines.entry(queue).or_default();
        let dead = line.messages.remove(&id);
        line.dead.extend(dead);
    }

    /// How many messages are in the dead-letter queue.
    #[must_use]
    pub fn dead_of(&self, queue: Queue) -> usize {
        self.lines.get(&queue).map_or(0, |l| l.dead.len())
    }

    /// The oldest message of the dead-letter queue.
    #[must_use]
    pub fn oldest_dead(&self, queue: Queue) -> Option<Message> {
        self.lines.get(&queue)?.dead.first().cloned()
    }

    /// Takes a message out of the dead-letter queue, if it is there.
    pub fn delete_dead(&mut self, queue: Queue, id: u64) {
        let line = self.lines.entry(queue).or_default();
        line.dead.retain(|m| m.id != id);
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
        dead.flat_map(|(q, l)| l.dead.iter().map(|m| (q.as_str(), m)))
            .collect()
    }

    /// What waits, by queue, for a person.
    #[must_use]
    pub fn waiting(&self) -> BTreeMap<&'static str, usize> {
        let lines = self.lines.iter().filter(|(_, l)| !l.messages.is_empty());
        lines.map(|(q, l)| (q.as_str(), l.messages.len())).collect()
    }
}

/// What SQS looks at before it takes a message.
fn check(fifo: bool, message: &Outgoing) -> Result<(), Refused> {
    if message.body.is_empty() || (fifo && message.group.is_none()) {
        return Err(Refused("MissingParameter"));
    }
    let grouped = message.group.is_some() || message.deduplication.is_some();
    if message.body.len() > MAX_BODY_BYTES
        || message.delay_s > MAX_DELAY_S
        || (fifo && (message.delay_s > 0 || message.deduplication.is_none()))
        || (!fifo && grouped)
    {
        return Err(Refused("InvalidParameterValue"));
    }
    // What XML 1.0 has no way to write.
    let is_text = |c: char| c >= ' ' && !"\u{fffe}\u{ffff}".contains(c) || "\t\n\r".contains(c);
    if message.body.chars().all(is_text) {
        Ok(())
    } else {
        Err(Refused("InvalidMessageContents"))
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
