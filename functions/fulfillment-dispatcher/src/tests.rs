use super::*;
use std::sync::{Arc, Mutex};
use waybill_flow::ports::{Attempt, EffectStore};
use waybill_flow::ports::{InfraError, Queue};
use waybill_lambda_kit::batch::{Runner, Visibility};
use waybill_lambda_kit::endpoints::Endpoints;
use waybill_lambda_kit::execute::{PARTNER_WINDOW_MS, TELLING_MS};
use waybill_model::command::{CancelFulfillmentOrder, Command, CommandKind};
use waybill_model::envelope::CommandEnvelope;
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{Event, Outcome};
use waybill_model::failure::Failure;
use waybill_model::id::Code;
use waybill_model::time::Instant;
use waybill_partners::client::target;
use waybill_testkit::build;
use waybill_testkit::fakes::Reply;
use waybill_testkit::{FakePartner, Fault, ManualClock, MemoryEffects, MemoryOrders, MemoryQueues};

mod doubt;
mod endpoints;

/// Keeps when messages come back, in seconds.
#[derive(Default)]
struct Later(Mutex<Vec<u32>>);

impl Visibility for &Later {
    async fn change(&self, _: &str, entries: Vec<(String, u32)>) -> Result<(), InfraError> {
        let mut later = self.0.lock().unwrap();
        later.extend(entries.into_iter().map(|(_, delay_s)| delay_s));
        Ok(())
    }
}

struct World {
    orders: MemoryOrders,
    effects: MemoryEffects,
    queues: MemoryQueues,
    partners: FakePartner,
    clock: Arc<ManualClock>,
    endpoints: Endpoints,
    later: Later,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self {
            orders: MemoryOrders::default(),
            effects: MemoryEffects::new(clock.clone()),
            queues: MemoryQueues::default(),
            partners: FakePartner::default(),
            clock,
            endpoints: Endpoints::default(),
            later: Later::default(),
        }
    }

    /// Hands in one command and returns whether it was acknowledged.
    async fn take(&self, command: &CommandEnvelope) -> bool {
        self.take_until(command, build::start().plus_ms(30_000))
            .await
    }

    async fn take_until(&self, command: &CommandEnvelope, until: Instant) -> bool {
        self.take_by(&self.endpoints, command, until).await
    }

    /// The same by a sandbox that knows of endpoints what it saw.
    async fn take_by(
        &self,
        endpoints: &Endpoints,
        command: &CommandEnvelope,
        until: Instant,
    ) -> bool {
        let ports = Ports {
            orders: &self.orders,
            effects: &self.effects,
            queues: &self.queues,
            partners: &self.partners,
            target,
            clock: self.clock.as_ref(),
            endpoints,
        };
        let runner = Runner {
            step: "test",
            visibility: &self.later,
            clock: ManualClock::default(),
        };
        let event = serde_json::from_value(serde_json::json!({
            "Records": [{"messageId": "m-1", "receiptHandle": "h",
                "body": serde_json::to_string(command).unwrap(),
                "attributes": {"SentTimestamp": build::start().epoch_ms().to_string()},
                "eventSourceARN": "arn:aws:sqs:eu-west-1:1:fulfillment"}]
        }))
        .unwrap();
        let response = handle(&ports, &runner, event, until).await.unwrap();
        response.batch_item_failures.is_empty()
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let sent = self.queues.sent(Queue::Events);
        sent.iter()
            .map(|m| serde_json::from_str::<EventEnvelope>(&m.body).unwrap())
            .map(|event| match event.body {
                Event::CommandFinished(finished) => finished.outcome,
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

fn command() -> CommandEnvelope {
    let correlation = build::order("1001").correlation();
    let mut command = build::command(correlation, "fulfillment_order.cancel/depot");
    command.body = Command::CancelFulfillmentOrder(CancelFulfillmentOrder {
        warehouse: build::connection("depot"),
        reference: build::external("W-1001"),
        id: None,
    });
    command
}

const KIND: CommandKind = CommandKind::CancelFulfillmentOrder;

fn lost() -> Failure {
    Failure::Indeterminate {
        code: Code::literal("answer_lost"),
        detail: "no answer in time".to_owned(),
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_before_anything_is_written_again() {
    let world = World::new();
    world.partners.reply(KIND, Reply::DoneButFailed(lost()));
    assert!(!world.take(&command()).await);
    assert!(world.outcomes().is_empty());
    assert!(world.take(&command()).await);
    let attempts: Vec<Attempt> = world.partners.calls().iter().map(|c| c.attempt).collect();
    assert_eq!(attempts, [Attempt::First, Attempt::InDoubt]);
    assert!(world.partners.duplicates().is_empty());
    assert_eq!(world.outcomes().len(), 1);
}

#[tokio::test]
async fn a_crash_after_the_call_leaves_a_lease_and_then_a_look() {
    let world = World::new();
    let command = command();
    // The invocation that claimed it never came back.
    let payload = "whatever it was";
    let claimed = world
        .effects
        .claim(&command.id, payload, "dead", build::start(), LEASE_MS)
        .await;
    assert!(claimed.is_ok());
    assert!(!world.take(&command).await, "the lease is held");
    assert!(world.partners.calls().is_empty());
}

#[tokio::test]
async fn a_throttled_call_did_nothing_and_is_a_first_attempt_again() {
    let world = World::new();
    let throttled = Failure::Transient {
        code: Code::literal("throttled"),
        detail: "slow down".to_owned(),
        retry_after_ms: Some(1000),
    };
    world.partners.reply(KIND, Reply::Refused(throttled));
    assert!(!world.take(&command()).await);
    assert!(world.take(&command()).await);
    let attempts: Vec<Attempt> = world.partners.calls().iter().map(|c| c.attempt).collect();
    assert_eq!(attempts, [Attempt::First, Attempt::First]);
}

#[tokio::test]
async fn past_the_partners_window_even_a_first_attempt_looks_before_it_writes() {
    let world = World::new();
    let throttled = Failure::Transient {
        code: Code::literal("throttled"),
        detail: "slow down".to_owned(),
        retry_after_ms: Some(1000),
    };
    world.partners.reply(KIND, Reply::Refused(throttled));
    assert!(!world.take(&command()).await);
    world.clock.advance_ms(PARTNER_WINDOW_MS);
    let until = build::start().plus_ms(PARTNER_WINDOW_MS + 30_000);
    assert!(world.take_until(&command(), until).await);
    let attempts: Vec<Attempt> = world.partners.calls().iter().map(|c| c.attempt).collect();
    assert_eq!(attempts, [Attempt::First, Attempt::InDoubt]);
}

#[tokio::test]
async fn a_second_delivery_tells_the_outcome_again_without_a_call() {
    let world = World::new();
    assert!(world.take(&command()).await);
    assert!(world.take(&command()).await);
    assert_eq!(world.partners.calls().len(), 1);
    assert_eq!(world.outcomes().len(), 2);
}

#[tokio::test]
async fn an_outcome_that_could_not_be_recorded_is_told_all_the_same() {
    let world = World::new();
    world.effects.faults().plan("complete", Fault::Unavailable);
    assert!(world.take(&command()).await);
    assert_eq!(world.outcomes().len(), 1);
}

#[tokio::test]
async fn an_attempt_that_outlives_its_invocation_is_given_up_in_doubt() {
    let world = World::new();
    world.partners.set_hanging(true);
    let until = build::start().plus_ms(TELLING_MS + 20);
    assert!(!world.take_until(&command(), until).await);
    assert!(world.outcomes().is_empty());
    world.partners.set_hanging(false);
    assert!(world.take(&command()).await, "the claim was given back");
    let attempts: Vec<Attempt> = world.partners.calls().iter().map(|c| c.attempt).collect();
    assert_eq!(attempts, [Attempt::First, Attempt::InDoubt]);
}

#[tokio::test]
async fn without_time_left_nothing_is_begun() {
    let world = World::new();
    let until = build::start().plus_ms(TELLING_MS);
    assert!(!world.take_until(&command(), until).await);
    assert!(world.partners.calls().is_empty());
    assert!(world.take(&command()).await);
    assert_eq!(world.partners.calls()[0].attempt, Attempt::First);
}

/// Its record stays claimed when completing it fails; the operator's retry has another cause.
#[tokio::test]
async fn a_retry_after_an_outcome_that_was_not_recorded_goes_through() {
    let world = World::new();
    let no = Failure::Rejected {
        code: Code::literal("unknown_sku"),
        detail: "no".to_owned(),
        remedy: "mend it".to_owned(),
    };
    world.partners.reply(KIND, Reply::Refused(no));
    world.effects.faults().plan("complete", Fault::Unavailable);
    let first = command().caused_by(build::message("event-1"));
    assert!(world.take(&first).await);
    let retry = command().caused_by(build::message("operator-1"));
    assert!(!world.take(&retry).await, "the lease still runs");
    world.clock.advance_ms(LEASE_MS);
    let until = build::start().plus_ms(LEASE_MS + 30_000);
    assert!(world.take_until(&retry, until).await);
    assert!(matches!(world.outcomes()[1], Outcome::Done { .. }));
    let last = world.partners.calls().last().unwrap().attempt;
    assert_eq!(last, Attempt::InDoubt);
}
