//! Orders that wait.

use super::Bench;
use crate::build::{commit, correlation, start};
use waybill_flow::ports::OrderStore;
use waybill_flow::state::OrderState;
use waybill_model::time::Instant;

async fn wait_until<S: OrderStore>(
    store: &S,
    name: &str,
    revision: Option<u64>,
    until: Option<Instant>,
) {
    let event = format!("e-{}", revision.unwrap_or(0));
    let mut next = commit(correlation(name), revision, OrderState::default(), &event);
    next.deadline = until;
    store.commit(next).await.unwrap();
}

/// Over many orders, exactly those whose deadline is not after now.
pub async fn overdue_orders_come_longest_overdue_first<S: OrderStore>(bench: Bench<S>) {
    let store = &*bench.store;
    let deadline = |n: i64| start().plus_ms(n * 1000);
    for n in [7, 3, 11, 5, 2, 13, 9, 1, 12, 4, 10, 6, 8] {
        wait_until(store, &n.to_string(), None, Some(deadline(n))).await;
    }
    let named = |from: i64, to: i64| -> Vec<_> {
        (from..=to).map(|n| correlation(&n.to_string())).collect()
    };
    assert_eq!(store.overdue(start(), 100).await.unwrap(), vec![]);
    let late = store.overdue(deadline(9), 100).await.unwrap();
    assert_eq!(late, named(1, 9), "a deadline of now has passed");
    let first = store.overdue(deadline(20), 4).await.unwrap();
    assert_eq!(first, named(1, 4));
}

/// The deadline moves, and goes.
pub async fn an_order_that_no_longer_waits_is_not_overdue<S: OrderStore>(bench: Bench<S>) {
    let store = &*bench.store;
    let later = start().plus_ms(60_000);
    wait_until(store, "1", None, Some(start())).await;
    assert_eq!(store.overdue(start(), 10).await.unwrap().len(), 1);
    wait_until(store, "1", Some(1), Some(later)).await;
    assert_eq!(store.overdue(start(), 10).await.unwrap(), vec![]);
    assert_eq!(store.overdue(later, 10).await.unwrap().len(), 1);
    wait_until(store, "1", Some(2), None).await;
    assert_eq!(store.overdue(later, 10).await.unwrap(), vec![]);
}
