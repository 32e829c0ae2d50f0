//! Cases of Lambda's event source mapping: a function that reads a queue.
//!
//! The function is the product's own batch runner over messages that say what is to become of them, so that what it reports is
//! what the functions report.

use super::{
    Case, SOON_S, Seen, Service, Settings, Verdict, after, case, grouped, must, nothing, plain,
    same, send,
};
use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use std::collections::BTreeMap;
use std::time::Duration;
use waybill_flow::ports::InfraError;
use waybill_lambda_kit::batch::{Handled, Record, Runner, Visibility, records};
use waybill_lambda_kit::clock::SystemClock;
use waybill_lambda_kit::ended::Ended;

/// Reported as failed the first time.
const FAILS: &str = "fails";
/// The function fails altogether the first time.
const THROWS: &str = "throws";
/// The answer names it by an empty id the first time.
const UNNAMED: &str = "unnamed";
/// How long the function reads.
const READING: Duration = Duration::from_secs(7);

/// All of them.
pub(super) fn cases<S: Service>() -> Vec<Case<S>> {
    vec![
        case!(what_a_function_has_done_is_deleted),
        case!(what_it_reports_comes_back_and_the_rest_does_not),
        case!(an_error_gives_the_whole_batch_back),
        case!(an_empty_id_gives_the_whole_batch_back).local_differs(
            "it passes over the empty id; Lambda takes the batch for failed altogether",
        ),
        case!(a_batch_is_no_larger_than_its_limit),
        case!(a_group_comes_back_from_what_failed_on_in_order),
    ]
}

/// The queue's own timeout applies.
#[derive(Debug)]
struct Untouched;

impl Visibility for Untouched {
    async fn change(&self, _: &str, _: Vec<(String, u32)>) -> Result<(), InfraError> {
        Ok(())
    }
}

/// The function: what it saw, and what it answers; nothing where it fails.
pub async fn function(event: SqsEvent) -> (Vec<Seen>, Option<SqsBatchResponse>) {
    let Ok(all) = records(event.clone()) else {
        return (Vec::new(), None);
    };
    let seen = all.iter().map(|r| Seen {
        body: r.body.clone(),
        receives: r.receives,
    });
    let seen = seen.collect();
    let first = |what: &str| all.iter().any(|r| r.body == what && r.receives == 1);
    if first(THROWS) {
        return (seen, None);
    }
    if first(UNNAMED) {
        let mut response = SqsBatchResponse::default();
        response.batch_item_failures = vec![BatchItemFailure::default()];
        return (seen, Some(response));
    }
    let runner = Runner {
        step: "conformance",
        visibility: Untouched,
        clock: SystemClock,
    };
    let handle = |record: Record| async move {
        let fails = record.body == FAILS && record.receives == 1;
        Handled::from(if fails { Ended::Panicked } else { Ended::Done })
    };
    let fifo = all.iter().any(|r| r.group.is_some());
    let answered = if fifo {
        runner.in_groups(event, handle).await
    } else {
        runner.each(event, handle).await
    };
    (seen, answered.ok())
}

/// How often each message was seen.
fn counts(invocations: &[Vec<Seen>]) -> BTreeMap<&str, u32> {
    let mut counts = BTreeMap::new();
    for seen in invocations.iter().flatten() {
        *counts.entry(seen.body.as_str()).or_insert(0) += 1;
    }
    counts
}

async fn what_a_function_has_done_is_deleted<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(SOON_S)).await;
    send(service, &queue, vec![plain("a"), plain("b")]).await?;
    let invocations = service.read(&queue, 10, READING).await;
    same("seen", &counts(&invocations), &[("a", 1), ("b", 1)].into())?;
    after(service, SOON_S).await;
    nothing(service, &queue).await
}

async fn what_it_reports_comes_back_and_the_rest_does_not<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(SOON_S)).await;
    let messages = ["a", FAILS, "b"].map(plain).to_vec();
    send(service, &queue, messages).await?;
    let invocations = service.read(&queue, 10, READING).await;
    let expected = [("a", 1), ("b", 1), (FAILS, 2)].into();
    same("seen", &counts(&invocations), &expected)?;
    after(service, SOON_S).await;
    nothing(service, &queue).await
}

/// All that was in a batch with `cause` was seen once more, and nothing else was.
fn all_came_back(invocations: &[Vec<Seen>], cause: &str) -> Verdict {
    let with: Vec<&str> = invocations
        .iter()
        .filter(|batch| batch.iter().any(|s| s.body == cause && s.receives == 1))
        .flatten()
        .map(|s| s.body.as_str())
        .collect();
    for (body, count) in counts(invocations) {
        let expected = if with.contains(&body) { 2 } else { 1 };
        same(body, &count, &expected)?;
    }
    must(with.contains(&cause), || "it was never seen".to_owned())
}

async fn an_error_gives_the_whole_batch_back<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(SOON_S)).await;
    let messages = ["a", THROWS, "b"].map(plain).to_vec();
    send(service, &queue, messages).await?;
    all_came_back(&service.read(&queue, 10, READING).await, THROWS)
}

async fn an_empty_id_gives_the_whole_batch_back<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(SOON_S)).await;
    let messages = ["a", UNNAMED, "b"].map(plain).to_vec();
    send(service, &queue, messages).await?;
    all_came_back(&service.read(&queue, 10, READING).await, UNNAMED)
}

async fn a_batch_is_no_larger_than_its_limit<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::standard(SOON_S)).await;
    let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let messages = names.iter().map(|n| plain(n)).collect();
    send(service, &queue, messages).await?;
    let invocations = service.read(&queue, 3, READING).await;
    let largest = invocations.iter().map(Vec::len).max();
    must(largest <= Some(3), || format!("a batch of {largest:?}"))?;
    let all = counts(&invocations);
    must(all.len() == 10 && all.values().all(|n| *n == 1), || {
        format!("seen: {all:?}")
    })
}

async fn a_group_comes_back_from_what_failed_on_in_order<S: Service>(service: &S) -> Verdict {
    let queue = service.make(Settings::fifo(SOON_S)).await;
    let group = ["a", FAILS, "b", "c"].map(|body| grouped("g", body));
    let mut messages = group.to_vec();
    messages.push(grouped("h", "other"));
    send(service, &queue, messages).await?;
    let invocations = service.read(&queue, 10, READING).await;
    let seen = |body: &str, receives: u32| {
        let mut flat = invocations.iter().flatten();
        flat.position(|s| s.body == body && s.receives == receives)
    };
    same("`other`", &counts(&invocations).get("other"), &Some(&1))?;
    same("`a`", &counts(&invocations).get("a"), &Some(&1))?;
    let again = seen(FAILS, 2);
    must(again.is_some(), || "it did not come back".to_owned())?;
    // What was in the batch behind it came back behind it; what was not, came only then.
    for (before, behind) in [(FAILS, "b"), ("b", "c")] {
        let last = |body| (1..=3).rev().find_map(|n| seen(body, n));
        must(last(before) < last(behind), || {
            format!("`{behind}` was done before `{before}`: {invocations:?}")
        })?;
    }
    after(service, SOON_S).await;
    nothing(service, &queue).await
}
