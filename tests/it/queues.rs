//! The simulation's queues are SQS's; so are those at `WAYBILL_TEST_ENDPOINT`, but for what is known.

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;
use waybill_flow::ports::{Outgoing, Queue};
use waybill_lambda_kit::telemetry;
use waybill_model::command::CommandQueue;
use waybill_model::time::Instant;
use waybill_simulation::lambda;
use waybill_simulation::sqs::{self, Message, Sqs};
use waybill_tests::queues::local::LocalQueues;
use waybill_tests::queues::mapping::function;
use waybill_tests::queues::{
    Case, Received, Refused, Seen, Service, Settings, Verdict, cases, check,
};

/// The simulation's queues, on a clock that only the cases move.
#[derive(Debug)]
struct Simulated {
    now: Mutex<Instant>,
    /// What is drawn where SQS may do either.
    lucky: bool,
    /// Whether what was received is hidden; SQS does.
    hides: bool,
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
        Self {
            now,
            lucky,
            hides: true,
        }
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
            hidden_ms: i64::from(settings.hidden_s) * i64::from(self.hides) * 1000,
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

    async fn read(&self, line: &Line, batch: usize, time: Duration) -> Vec<Vec<Seen>> {
        let end = self.now().plus_ms(i64::try_from(time.as_millis()).unwrap());
        let mut invocations = Vec::new();
        while self.now() < end {
            let pick = |_: usize| 0;
            let taken = {
                let mut sqs = line.sqs.lock().unwrap();
                sqs.receive(line.queue, batch, line.hidden_ms, self.now(), pick)
            };
            if taken.is_empty() {
                self.pass(Duration::from_millis(100)).await;
                continue;
            }
            let (seen, answer) = function(lambda::event(line.queue, &taken)).await;
            invocations.push(seen);
            let done = answer.map(|answer| lambda::done(&taken, &answer));
            for message in done.into_iter().flatten() {
                let mut sqs = line.sqs.lock().unwrap();
                let (id, handle, lucky) = (message.id, message.handle, || self.lucky);
                let deleted = sqs.delete(line.queue, id, handle, self.now(), lucky);
                // A function that answers in time may delete.
                assert!(deleted.is_ok() || !self.hides);
            }
            self.pass(Duration::from_millis(20)).await;
        }
        invocations
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

async fn failures(make: impl Fn() -> Simulated) -> Vec<(&'static str, Verdict)> {
    telemetry::silence();
    let mut failures = Vec::new();
    for case in cases::<Simulated>() {
        let verdict = case.run(&make()).await;
        if verdict.is_err() {
            failures.push((case.name, verdict));
        }
    }
    failures
}

#[tokio::test]
async fn the_simulated_queues_pass_every_case() {
    for lucky in [false, true] {
        assert_eq!(failures(|| Simulated::new(lucky)).await, []);
    }
}

#[tokio::test]
async fn queues_that_hide_nothing_fail() {
    let found = failures(|| Simulated {
        hides: false,
        ..Simulated::new(true)
    });
    let found: BTreeSet<&str> = found.await.into_iter().map(|(name, _)| name).collect();
    for name in [
        "a_received_message_is_hidden_until_its_time_ends",
        "a_group_waits_for_its_message_that_is_out",
        "other_groups_do_not_wait",
    ] {
        assert!(found.contains(name), "{found:?}");
    }
}

/// A local AWS, for example one that `cargo xtask aws start` started.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queues_at_the_test_endpoint_pass_every_case_but_the_known() {
    let Some(endpoint) = std::env::var("WAYBILL_TEST_ENDPOINT")
        .ok()
        .filter(|e| !e.is_empty())
    else {
        eprintln!("skipped: no WAYBILL_TEST_ENDPOINT");
        return;
    };
    telemetry::silence();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(&endpoint)
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    let local = LocalQueues::new(client, &endpoint, reqwest::Client::new());
    let (check, differences) = check(&local).await;
    local.trouble().unwrap();
    assert_eq!(check.violations, Vec::<String>::new());
    println!("{differences}");
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let cases: Vec<Case<Simulated>> = cases();
    let names: BTreeSet<&str> = cases.iter().map(|c| c.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() > 30, "{}", cases.len());
}
