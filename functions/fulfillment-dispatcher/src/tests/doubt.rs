//! Attempts of which nobody knows whether they succeeded.

use super::*;
use waybill_lambda_kit::execute::GIVE_UP_MS;
use waybill_model::command::PublishFulfillment;
use waybill_model::order::Version;
use waybill_model::shipment::{Parcel, Shipment, ShipmentStatus};

/// A day without an answer, after one attempt that succeeded without saying so.
async fn given_up() -> World {
    let world = World::new();
    let first = command().caused_by(build::message("event-1"));
    world.partners.reply(KIND, Reply::DoneButFailed(lost()));
    assert!(!world.take(&first).await);
    world.partners.reply(KIND, Reply::Refused(lost()));
    world.clock.advance_ms(GIVE_UP_MS);
    let until = build::start().plus_ms(GIVE_UP_MS + 30_000);
    assert!(world.take_until(&first, until).await);
    assert_eq!(codes(&world), ["gave_up"]);
    world
}

fn codes(world: &World) -> Vec<String> {
    let refused = |outcome| match outcome {
        Outcome::Rejected { code, .. } => Some(code.to_string()),
        Outcome::Done { .. } => None,
    };
    world.outcomes().into_iter().filter_map(refused).collect()
}

/// A retry by an operator, a day later.
fn retried() -> CommandEnvelope {
    let mut retry = command().caused_by(build::message("operator-1"));
    retry.time = build::start().plus_ms(GIVE_UP_MS);
    retry
}

/// Takes the retry, and says whether it was acknowledged.
async fn take_retry(world: &World) -> bool {
    let until = build::start().plus_ms(GIVE_UP_MS + 30_000);
    world.take_until(&retried(), until).await
}

async fn assert_it_looks_first(world: &World) {
    assert!(take_retry(world).await);
    let last = world.partners.calls().last().unwrap().attempt;
    assert_eq!(last, Attempt::InDoubt);
    assert!(world.partners.duplicates().is_empty());
    assert!(matches!(
        world.outcomes().last(),
        Some(Outcome::Done { .. })
    ));
}

#[tokio::test]
async fn a_retry_of_what_was_given_up_looks_first() {
    let world = given_up().await;
    assert_it_looks_first(&world).await;
}

#[tokio::test]
async fn a_retry_whose_claim_is_throttled_after_it_was_reopened_looks_first_all_the_same() {
    let world = given_up().await;
    world.effects.faults().spare("claim");
    world.effects.faults().plan("claim", Fault::Unavailable);
    assert!(!take_retry(&world).await);
    assert_it_looks_first(&world).await;
}

#[tokio::test]
async fn a_retry_whose_reopening_was_not_answered_looks_first_all_the_same() {
    for fault in [Fault::LostAnswer, Fault::Unavailable] {
        let world = given_up().await;
        world.effects.faults().plan("reopen", fault);
        assert!(!take_retry(&world).await);
        assert_it_looks_first(&world).await;
    }
}

#[tokio::test]
async fn a_retry_that_died_after_it_was_reopened_leaves_a_look_to_the_next_one() {
    let world = given_up().await;
    world.effects.reopen(&retried().id).await.unwrap();
    assert_it_looks_first(&world).await;
}

#[tokio::test]
async fn what_our_configuration_refuses_says_nothing_of_an_attempt_in_doubt() {
    let world = World::new();
    let unknown = || {
        Reply::Refused(Failure::Rejected {
            code: Code::literal("unknown_connection"),
            detail: "`depot` is not configured".to_owned(),
            remedy: "add it".to_owned(),
        })
    };
    world.partners.reply(KIND, Reply::DoneButFailed(lost()));
    assert!(!world.take(&command()).await);
    world.partners.reply(KIND, unknown());
    assert!(world.take(&command()).await);
    assert_eq!(codes(&world), ["not_looked_up"]);
    let world = World::new();
    world.partners.reply(KIND, unknown());
    assert!(world.take(&command()).await);
    assert_eq!(codes(&world), ["unknown_connection"], "nobody tried before");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_told_as_one_that_may_have_succeeded() {
    let world = World::new();
    let garbled = Failure::Poison {
        code: Code::literal("garbled"),
        detail: "line 1".to_owned(),
    };
    world.partners.reply(KIND, Reply::Refused(garbled));
    assert!(world.take(&command()).await);
    assert_eq!(codes(&world), ["unreadable_answer"]);
}

/// The outcome of a publication was lost, a number of the parcel came since, and a person asked again.
#[tokio::test]
async fn a_shipment_that_was_told_answers_an_issue_with_a_later_number() {
    let world = World::new();
    let publish = |numbers: &[&str], cause: &str| {
        let mut told = command().caused_by(build::message(cause));
        let parcel = |number: &&str| Parcel {
            tracking_number: Some(build::text(number)),
            carrier: None,
            url: None,
        };
        told.body = Command::PublishFulfillment(PublishFulfillment {
            channel: build::connection("shop"),
            order_id: build::text("1001"),
            shipment: Shipment {
                warehouse: build::connection("depot"),
                id: build::external("SHP-1"),
                fulfillment_order: None,
                status: ShipmentStatus::Shipped,
                lines: Vec::new(),
                parcels: numbers.iter().map(parcel).collect(),
                shipped_at: Some(build::start()),
                version: Version(1),
            },
            notify_customer: true,
        });
        told
    };
    assert!(world.take(&publish(&["T-1"], "event-1")).await);
    assert!(world.take(&publish(&["T-1", "T-2"], "operator-1")).await);
    assert_eq!(world.partners.calls().len(), 1);
    let outcomes = world.outcomes();
    assert_eq!(outcomes.len(), 2);
    let is_done = |outcome: &Outcome| matches!(outcome, Outcome::Done { .. });
    assert!(outcomes.iter().all(is_done), "{outcomes:?}");
}
