//! The simulation's queues are SQS's.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;
use waybill_flow::ports::{Outgoing, Queue};
use waybill_model::command::CommandQueue;
use waybill_model::time::Instant;
use waybill_simulation::sqs::{self, Message, Sqs};
use waybill_tests::queues::{Case, Received, Refused, Service, Settings, Verdict, cases};

/// The simulation's queues, on a clock that only the cases move.
#[derive(Debug)]
struct Simulated {
    now: Mutex<Instant>,
    /// What is drawn where SQS may do either.
    lucky: bool,
}

#[derive(Debug)]
struct Line {
    sqs: Mutex<Sqs>,
    queue: Queue,
    hidden_ms: i64,
}

impl Simulated {
    fn new(lucky: bool) -> Self {
        let now = Mutex::new(Instant::from_epoch_ms(1_800_000_000_000));
        Self { now, lucky }
    }

    fn now(&self) -> Instant {
        *self.now.lock().unwrap()
    }
}

fn received(message: &Message) -> Received {
    Received {
        id: message.id.to_string(),
        handle: format!("{}.{}", message.id, message.handle),
        body: message.body.clone(),
        receives: message.receives,
        sent_at_ms: message.sent_at.epoch_ms(),
        group: message.group.clone(),
    }
}

fn parts(handle: &str) -> (u64, u64) {
    let (id, handle) = handle.split_once('.').unwrap();
    (id.parse().unwrap(), handle.parse().unwrap())
}

fn told(refused: sqs::Refused) -> Refused {
    Refused(refused.0.to_owned())
}

impl Service for Simulated {
    type Queue = Line;

    async fn make(&self, settings: Settings) -> Line {
        Line {
            sqs: Mutex::new(Sqs::with_max_receives(settings.max_receives)),
            queue: if settings.fifo {
                Queue::Events
            } else {
                Queue::Commands(CommandQueue::Erp)
            },
            hidden_ms: i64::from(settings.hidden_s) * 1000,
        }
    }

    async fn send(&self, queue: &Line, messages: Vec<Outgoing>) -> Vec<Result<String, Refused>> {
        let mut sqs = queue.sqs.lock().unwrap();
        let now = self.now();
        let sent = messages.into_iter().map(|m| sqs.send(queue.queue, m, now));
        sent.map(|s| s.map(|id| id.to_string()).map_err(told))
            .collect()
    }

    async fn receive(&self, queue: &Line, most: usize) -> Vec<Received> {
        let mut sqs = queue.sqs.lock().unwrap();
        // The last of them: order is nothing that a standard queue promises.
        let pick = |n: usize| n - 1;
        let batch = sqs.receive(queue.queue, most, queue.hidden_ms, self.now(), pick);
        batch.iter().map(received).collect()
    }

    async fn delete(&self, queue: &Line, handle: &str) -> Result<(), Refused> {
        let (id, handle) = parts(handle);
        let mut sqs = queue.sqs.lock().unwrap();
        let deleted = sqs.delete(queue.queue, id, handle, self.now(), || self.lucky);
        deleted.map_err(told)
    }

    async fn hide(&self, queue: &Line, handle: &str, seconds: u32) -> Result<(), Refused> {
        let (id, handle) = parts(handle);
        let mut sqs = queue.sqs.lock().unwrap();
        let ms = i64::from(seconds) * 1000;
        sqs.hide(queue.queue, id, handle, ms, self.now())
            .map_err(told)
    }

    async fn dead(&self, queue: &Line) -> Vec<Received> {
        let sqs = queue.sqs.lock().unwrap();
        sqs.dead().into_iter().map(|(_, m)| received(m)).collect()
    }

    async fn pass(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap();
        let mut now = self.now.lock().unwrap();
        *now = now.plus_ms(ms);
    }

    fn now_ms(&self) -> i64 {
        self.now().epoch_ms()
    }
}

async fn failures(lucky: bool) -> Vec<(&'static str, Verdict)> {
    let mut failures = Vec::new();
    for case in cases::<Simulated>() {
        let verdict = case.run(&Simulated::new(lucky)).await;
        if verdict.is_err() {
            failures.push((case.name, verdict));
        }
    }
    failures
}

#[tokio::test]
async fn the_simulated_queues_pass_every_case() {
    for lucky in [false, true] {
        assert_eq!(failures(lucky).await, []);
    }
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let cases: Vec<Case<Simulated>> = cases();
    let names: BTreeSet<&str> = cases.iter().map(|c| c.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() > 30, "{}", cases.len());
}
