//! Orders that are woken.

use super::*;
use crate::overdue::{BUDGET_MS, CHUNK, MAX_ORDERS};
use waybill_model::time::Instant;

#[tokio::test]
async fn an_overdue_order_is_woken_and_others_are_not() {
    let world = World::new();
    let correlation = world.waits("1", None).await;
    assert_eq!(world.run(Job::Overdue).await.unwrap().found, 0);
    let now = world.clock.advance_ms(61_000);
    assert_eq!(world.run(Job::Overdue).await.unwrap().found, 1);
    let sent = world.queues.sent(Queue::Events);
    let event: EventEnvelope = serde_json::from_str(&sent[0].body).unwrap();
    assert_eq!(event.correlationid, correlation);
    assert!(matches!(event.body, Event::ClockPassed(passed) if passed.now == now));
}

impl World {
    /// So many orders whose deadline is over.
    async fn are_overdue(&self, count: usize) {
        for n in 0..count {
            let correlation = build::correlation(&n.to_string());
            let mut commit = build::commit(correlation, None, OrderState::default(), "first");
            commit.deadline = Some(build::start());
            self.orders.commit(commit).await.unwrap();
        }
    }
}

#[tokio::test]
async fn more_overdue_orders_than_one_call_takes_are_all_woken_by_one_run() {
    let world = World::new();
    let count = 2 * CHUNK + 1;
    assert!(count < MAX_ORDERS);
    world.are_overdue(count).await;
    let report = world.run(Job::Overdue).await.unwrap();
    assert_eq!((report.looked_at, report.found), (count, count));
    let sent = world.queues.sent(Queue::Events);
    let woken: std::collections::BTreeSet<_> = sent.into_iter().map(|m| m.group).collect();
    assert_eq!(woken.len(), count);
}

/// Half of a run's time passes with each look.
struct Hurried(ManualClock);

impl Clock for Hurried {
    fn now(&self) -> Instant {
        let now = self.0.now();
        self.0.advance_ms(BUDGET_MS / 2);
        now
    }
}

#[tokio::test]
async fn a_run_whose_time_is_over_leaves_the_rest_to_the_next() {
    let world = World::new();
    world.are_overdue(3 * CHUNK).await;
    let ports = Ports {
        connections: &world.connections,
        orders: &world.orders,
        effects: &world.effects,
        queues: &world.queues,
        partners: &world.partners,
        erp: &world.erp,
        clock: &Hurried(ManualClock::default()),
        secrets: &world.secrets,
    };
    let report = ports.overdue().await.unwrap();
    assert_eq!((report.looked_at, report.found), (3 * CHUNK, CHUNK));
    assert_eq!(world.queues.sent(Queue::Events).len(), CHUNK);
}
