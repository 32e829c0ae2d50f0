//! References, parked events and raw bodies.

use super::Bench;
use crate::build::{commit, correlation, message, observed, order, reference, start};
use waybill_flow::ports::{ArchiveQuery, Archived, OrderStore, Parked};
use waybill_flow::state::OrderState;
use waybill_model::id::{CorrelationId, RefKind, Reference};

/// More than one transaction of 100 items takes.
const MANY: usize = 230;
/// The largest message of a queue.
const LARGEST_BODY: usize = 1024 * 1024;

async fn refer<S: OrderStore>(store: &S, id: CorrelationId, references: Vec<Reference>) {
    let mut first = commit(id, None, OrderState::default(), "e-1");
    first.references = references;
    store.commit(first).await.unwrap();
}

/// One order for a payment, several for an e-mail address.
pub async fn references_lead_to_their_orders<S: OrderStore>(bench: Bench<S>) {
    let (one, two) = (correlation("1"), correlation("2"));
    let paid = reference("gate-main", RefKind::Payment, "pi_1");
    let email = Reference::email("ada@example.com");
    refer(&*bench.store, one, vec![paid.clone(), email.clone()]).await;
    refer(&*bench.store, two, vec![email.clone(), email.clone()]).await;
    assert_eq!(bench.store.resolve(&paid).await.unwrap(), vec![one]);
    let mut customers = bench.store.resolve(&email).await.unwrap();
    customers.sort_unstable();
    let mut both = vec![one, two];
    both.sort_unstable();
    assert_eq!(customers, both);
}

/// System, kind and id all count, also where one id begins like another.
pub async fn references_that_differ_in_any_part_are_others<S: OrderStore>(bench: Bench<S>) {
    let known = reference("gate-main", RefKind::Payment, "pi_1");
    refer(&*bench.store, correlation("1"), vec![known]).await;
    for other in [
        reference("gate-other", RefKind::Payment, "pi_1"),
        reference("gate-main", RefKind::Refund, "pi_1"),
        reference("gate-main", RefKind::Payment, "pi_11"),
        reference("gate-main", RefKind::Payment, "pi_"),
        reference("gate-main", RefKind::Payment, "pi_1#ORDER"),
    ] {
        assert_eq!(bench.store.resolve(&other).await.unwrap(), vec![]);
    }
}

/// A shipment of very many parcels.
pub async fn more_references_than_one_transaction_takes_all_lead_to_the_order<S: OrderStore>(
    bench: Bench<S>,
) {
    let id = correlation("1");
    let name = |n| reference("any", RefKind::TrackingNumber, &format!("T-{n}"));
    let references: Vec<Reference> = (0..MANY).map(name).collect();
    refer(&*bench.store, id, references.clone()).await;
    for found in &references {
        assert_eq!(bench.store.resolve(found).await.unwrap(), vec![id]);
    }
}

/// Kept once an event, by reference.
pub async fn parked_events_wait_until_they_are_taken<S: OrderStore>(bench: Bench<S>) {
    let store = &bench.store;
    let shipment = reference("wh-main", RefKind::Shipment, "SHP-7");
    let wait = |id: &str, seconds: i64| {
        let mut event = observed(order("1"));
        event.id = message(id);
        Parked {
            reference: shipment.clone(),
            event,
            since: start().plus_ms(seconds * 1000),
        }
    };
    let (first, second) = (wait("e-1", 0), wait("e-2", 1));
    for parked in [&first, &second, &first] {
        store.park(parked).await.unwrap();
    }
    let waiting = store.parked(&shipment).await.unwrap();
    assert_eq!(waiting, vec![first.clone(), second.clone()]);
    assert_eq!(store.resolve(&shipment).await.unwrap(), vec![]);

    refer(&**store, correlation("1"), vec![shipment.clone()]).await;
    assert_eq!(store.parked(&shipment).await.unwrap().len(), 2);
    store.unpark(&first).await.unwrap();
    store.unpark(&first).await.unwrap();
    assert_eq!(store.parked(&shipment).await.unwrap(), vec![second]);
    let known = store.resolve(&shipment).await.unwrap();
    assert_eq!(known, vec![correlation("1")]);
}

fn body(receipt: &str, order: Option<&str>, seconds: i64) -> Archived {
    Archived {
        receipt: message(receipt),
        correlation: order.map(correlation),
        delivery: format!("body of {receipt}"),
        received_at: start().plus_ms(seconds * 1000),
    }
}

/// Oldest first, only the order's own.
pub async fn bodies_are_found_by_order_and_by_receipt<S: OrderStore>(bench: Bench<S>) {
    let store = &bench.store;
    let (late, early) = (body("r-1", Some("1"), 60), body("r-2", Some("1"), 0));
    let other = body("r-3", Some("2"), 0);
    for archived in [&late, &early, &other] {
        store.archive(archived).await.unwrap();
    }
    let found = store.archived(correlation("1")).await.unwrap();
    assert_eq!(found, vec![early, late.clone()]);
    let found = store.receipt(&message("r-1")).await.unwrap();
    assert_eq!(found, Some(late));
    assert_eq!(store.receipt(&message("r-9")).await.unwrap(), None);
    let state = store.load(correlation("1")).await.unwrap();
    assert_eq!(state, None, "an archived body makes no order");
}

/// A quarantined body has no order.
pub async fn a_body_of_an_unknown_order_is_found_by_receipt<S: OrderStore>(bench: Bench<S>) {
    let (plain, longer) = (body("r-1", None, 0), body("r-1#2", None, 0));
    bench.store.archive(&plain).await.unwrap();
    bench.store.archive(&longer).await.unwrap();
    for archived in [plain, longer] {
        let found = bench.store.receipt(&archived.receipt).await.unwrap();
        assert_eq!(found, Some(archived));
    }
}

/// A body of the size that a queue carries.
pub async fn the_largest_body_survives<S: OrderStore>(bench: Bench<S>) {
    let mut large = body("r-1", Some("1"), 0);
    large.delivery = "0123456789abcdef".repeat(LARGEST_BODY / 16);
    let small = body("r-2", Some("1"), 0);
    bench.store.archive(&large).await.unwrap();
    bench.store.archive(&small).await.unwrap();
    let found = bench.store.receipt(&large.receipt).await.unwrap();
    assert!(found.as_ref() == Some(&large), "by receipt");
    let all = bench.store.archived(correlation("1")).await.unwrap();
    assert!(all == vec![large, small], "by order");
}

/// A validator that runs twice.
pub async fn a_body_archived_twice_is_kept_once<S: OrderStore>(bench: Bench<S>) {
    let archived = body("r-1", Some("1"), 0);
    bench.store.archive(&archived).await.unwrap();
    bench.store.archive(&archived).await.unwrap();
    let all = bench.store.archived(correlation("1")).await.unwrap();
    assert_eq!(all, vec![archived]);
}

fn between(from_s: i64, to_s: i64, limit: usize) -> ArchiveQuery {
    ArchiveQuery {
        from: start().plus_ms(from_s * 1000),
        to: start().plus_ms(to_s * 1000),
        limit,
        cursor: None,
    }
}

/// Of known and unknown orders, over hours and days, the start included and the end not.
pub async fn bodies_are_listed_by_when_they_were_received<S: OrderStore>(bench: Bench<S>) {
    let store = &bench.store;
    let bodies = [
        body("r-5", Some("1"), 0),
        body("r-4", None, 59),
        body("r-3", Some("2"), 3 * 3600),
        body("r-2", Some("1"), 30 * 3600),
    ];
    for archived in bodies.iter().rev() {
        store.archive(archived).await.unwrap();
    }
    let list = async |query: ArchiveQuery| {
        let (found, cursor) = store.archived_between(&query).await.unwrap();
        assert_eq!(cursor, None, "one page is enough");
        found
    };
    assert_eq!(list(between(0, 30 * 3600 + 1, 9)).await, bodies);
    assert_eq!(list(between(0, 30 * 3600, 9)).await, bodies[..3]);
    assert_eq!(list(between(1, 3 * 3600 + 1, 9)).await, bodies[1..3]);
    assert_eq!(list(between(60, 3600, 9)).await, []);
    assert_eq!(list(between(60, 60, 9)).await, []);
    assert_eq!(list(between(60, 0, 9)).await, []);
}

/// Two at a time, several of one instant, and a week of silence between.
pub async fn pages_of_bodies_miss_and_repeat_none<S: OrderStore>(bench: Bench<S>) {
    let week_s = 7 * 24 * 3600;
    let times = [0, 0, 0, 10, 4000, 4000, week_s, week_s];
    let mut expected: Vec<Archived> = Vec::new();
    for (index, seconds) in times.into_iter().enumerate() {
        let archived = body(&format!("r-{index}"), Some("1"), seconds);
        bench.store.archive(&archived).await.unwrap();
        expected.push(archived);
    }
    let (mut found, mut query) = (Vec::new(), between(0, week_s + 1, 2));
    loop {
        let (page, cursor) = bench.store.archived_between(&query).await.unwrap();
        assert!(page.len() <= 2);
        found.extend(page);
        match cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(found, expected);
}
