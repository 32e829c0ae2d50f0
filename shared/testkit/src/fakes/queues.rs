//! Queues that record what was sent.

use crate::faults::{Fault, Faults};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;
use waybill_flow::ports::{DeadLetters, InfraError, Outgoing, Queue, Queues};

const SYSTEM: &str = "queues";
/// SQS: body with attributes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// SQS: DelaySeconds.
const MAX_DELAY_S: u32 = 900;

/// Records what was sent, in order. A message that SQS would refuse fails the test.
#[derive(Debug, Default)]
pub struct MemoryQueues {
    sent: Mutex<Vec<(Queue, Outgoing)>>,
    refused: Mutex<BTreeSet<usize>>,
    dead: Mutex<VecDeque<(Queue, Outgoing)>>,
    faults: Faults,
}

impl MemoryQueues {
    /// Failures to inject into `send`.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The next call does not accept the messages at these places; the others are sent.
    pub fn refuse_next(&self, indexes: &[usize]) {
        *self.refused.lock().unwrap() = indexes.iter().copied().collect();
    }

    /// What was sent to a queue, oldest first.
    #[must_use]
    pub fn sent(&self, queue: Queue) -> Vec<Outgoing> {
        let sent = self.sent.lock().unwrap();
        let to_queue = sent.iter().filter(|(q, _)| *q == queue);
        to_queue.map(|(_, message)| message.clone()).collect()
    }

    /// Puts a message into the dead-letter queue of `queue`.
    pub fn bury(&self, queue: Queue, message: Outgoing) {
        self.dead.lock().unwrap().push_back((queue, message));
    }

    /// Takes everything that was sent, oldest first.
    #[must_use]
    pub fn take(&self) -> Vec<(Queue, Outgoing)> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// How many messages were sent and not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl DeadLetters for MemoryQueues {
    async fn waiting(&self, queue: Queue) -> Result<u64, InfraError> {
        self.faults.around(SYSTEM, "waiting", || {
            let dead = self.dead.lock().unwrap();
            dead.iter().filter(|(q, _)| *q == queue).count() as u64
        })
    }

    async fn redrive(&self, queue: Queue, limit: usize) -> Result<usize, InfraError> {
        self.faults.around(SYSTEM, "redrive", || {
            let mut dead = self.dead.lock().unwrap();
            let mut moved = 0;
            dead.retain(|(q, message)| {
                let moves = *q == queue && moved < limit;
                if moves {
                    moved += 1;
                    self.sent.lock().unwrap().push((queue, message.clone()));
                }
                !moves
            });
            moved
        })
    }
}

/// What SQS would refuse is a bug of the caller.
fn check(queue: Queue, message: &Outgoing) {
    let fifo = queue == Queue::Events;
    assert_eq!(message.group.is_some(), fifo, "group on `{queue:?}`");
    assert_eq!(
        message.deduplication.is_some(),
        fifo,
        "deduplication id on `{queue:?}`"
    );
    assert!(!message.body.is_empty(), "empty body on `{queue:?}`");
    assert!(message.body.len() <= MAX_BODY_BYTES, "body on `{queue:?}`");
    assert!(message.delay_s <= MAX_DELAY_S, "delay on `{queue:?}`");
    assert!(!fifo || message.delay_s == 0, "delay on `{queue:?}`");
}

impl Queues for MemoryQueues {
    async fn send(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<Vec<usize>, InfraError> {
        for message in &messages {
            check(queue, message);
        }
        let detail = "injected into `send`".to_owned();
        let fault = self.faults.next("send");
        if fault == Some(Fault::Unavailable) {
            return Err(InfraError::Unavailable {
                system: SYSTEM,
                detail,
            });
        }
        let refused = std::mem::take(&mut *self.refused.lock().unwrap());
        let mut sent = self.sent.lock().unwrap();
        let mut left = Vec::new();
        for (index, message) in messages.into_iter().enumerate() {
            if refused.contains(&index) {
                left.push(index);
            } else {
                sent.push((queue, message));
            }
        }
        match fault {
            Some(_) => Err(InfraError::Unknown {
                system: SYSTEM,
                detail,
            }),
            None => Ok(left),
        }
    }
}
