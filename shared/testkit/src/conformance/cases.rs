//! Cases.

use super::Bench;
use crate::build::{case, code, commit, connection, correlation, start, text};
use waybill_flow::ports::{CaseQuery, OrderStore};
use waybill_flow::state::OrderState;
use waybill_model::case::{Case, CaseClass, CaseStatus};
use waybill_model::id::OperatorId;

/// More than one transaction of 100 items takes.
const MANY: usize = 70;

fn everything() -> CaseQuery {
    CaseQuery {
        limit: 1000,
        ..CaseQuery::default()
    }
}

async fn list<S: OrderStore>(store: &S, query: &CaseQuery) -> Vec<Case> {
    let (cases, cursor) = store.cases(query).await.unwrap();
    assert_eq!(cursor, None, "one page is enough");
    cases
}

fn closed(case: &Case, status: CaseStatus) -> Case {
    Case {
        status,
        closed_at: Some(start().plus_ms(120_000)),
        ..case.clone()
    }
}

/// Found again while open: same age. Closed and found again: new.
pub async fn an_open_case_keeps_its_opening<S: OrderStore>(bench: Bench<S>) {
    let store = &bench.store;
    let first = case(None, CaseClass::Integration, "unreadable_body");
    store.put_case(&first).await.unwrap();
    let again = Case {
        detail: "found again".to_owned(),
        opened_at: start().plus_ms(60_000),
        ..first.clone()
    };
    store.put_case(&again).await.unwrap();
    let merged = Case {
        opened_at: first.opened_at,
        ..again.clone()
    };
    let found = store.case(first.id).await.unwrap();
    assert_eq!(found, Some(merged.clone()));
    assert_eq!(list(&**store, &everything()).await, vec![merged.clone()]);

    let over = closed(&merged, CaseStatus::Resolved);
    store.put_case(&over).await.unwrap();
    assert_eq!(store.case(first.id).await.unwrap(), Some(over));
    assert_eq!(list(&**store, &everything()).await, vec![]);
    store.put_case(&again).await.unwrap();
    assert_eq!(store.case(first.id).await.unwrap(), Some(again));
}

/// Given to somebody or ignored: found again, it is so still. Gone and found again: new.
pub async fn a_case_found_again_keeps_what_a_person_did_with_it_until_its_cause_is_gone<
    S: OrderStore,
>(
    bench: Bench<S>,
) {
    let store = &bench.store;
    let found = case(None, CaseClass::Integration, "access_denied");
    let owned = Case {
        owner: Some(OperatorId::new("alice").unwrap()),
        ..found.clone()
    };
    for put in [&found, &owned, &found] {
        store.put_case(put).await.unwrap();
    }
    assert_eq!(store.case(found.id).await.unwrap(), Some(owned.clone()));

    let ignored = closed(&owned, CaseStatus::Ignored);
    for put in [&ignored, &found] {
        store.put_case(put).await.unwrap();
    }
    assert_eq!(store.case(found.id).await.unwrap(), Some(ignored.clone()));
    let another_cause = Case {
        code: code("unauthorized"),
        ..found.clone()
    };
    store.put_case(&another_cause).await.unwrap();
    assert_eq!(store.case(found.id).await.unwrap(), Some(another_cause));

    store.put_case(&ignored).await.unwrap();
    let now = start().plus_ms(600_000);
    for _ in 0..2 {
        store.resolve_case(found.id, now).await.unwrap();
        let gone = store.case(found.id).await.unwrap().unwrap();
        assert_eq!(gone.status, CaseStatus::Resolved);
        assert_eq!(gone.closed_at, Some(now));
    }
    store.put_case(&found).await.unwrap();
    assert_eq!(store.case(found.id).await.unwrap(), Some(found.clone()));
    let never = case(Some(correlation("1")), CaseClass::Data, "unknown_sku");
    store.resolve_case(never.id, now).await.unwrap();
    assert_eq!(list(&**store, &everything()).await, vec![found]);
}

/// Written with the order, closed with the order.
pub async fn cases_of_a_commit_are_listed_and_closed<S: OrderStore>(bench: Bench<S>) {
    let (store, id) = (&bench.store, correlation("1"));
    let open = case(Some(id), CaseClass::Data, "unknown_sku");
    let mut first = commit(id, None, OrderState::default(), "e-1");
    first.cases = vec![open.clone()];
    store.commit(first.clone()).await.unwrap();
    assert_eq!(list(&**store, &everything()).await, vec![open.clone()]);
    assert_eq!(store.case(open.id).await.unwrap(), Some(open.clone()));

    let over = closed(&open, CaseStatus::Resolved);
    let mut second = commit(id, Some(1), first.state, "e-2");
    second.cases = vec![over.clone()];
    store.commit(second).await.unwrap();
    assert_eq!(list(&**store, &everything()).await, vec![]);
    assert_eq!(store.case(open.id).await.unwrap(), Some(over.clone()));
    let resolved = CaseQuery {
        status: Some(CaseStatus::Resolved),
        ..everything()
    };
    assert_eq!(list(&**store, &resolved).await, vec![over]);
}

/// Each filter by itself and together.
pub async fn cases_are_listed_by_status_class_and_order<S: OrderStore>(bench: Bench<S>) {
    let (store, one, two) = (&bench.store, correlation("1"), correlation("2"));
    let data = case(Some(one), CaseClass::Data, "unknown_sku");
    let money = case(Some(two), CaseClass::Finance, "refund_unmatched");
    let ignored = closed(
        &case(Some(one), CaseClass::Finance, "total_mismatch"),
        CaseStatus::Ignored,
    );
    let config = case(None, CaseClass::Integration, "unreadable_body");
    for found in [&data, &money, &ignored, &config] {
        store.put_case(found).await.unwrap();
    }
    let mut open = vec![data.clone(), money.clone(), config];
    open.sort_by_key(|found| found.id.to_string());
    assert_eq!(list(&**store, &everything()).await, open);
    let of = |status, class, order| CaseQuery {
        status,
        class,
        correlation: order,
        ..everything()
    };
    let finance = of(None, Some(CaseClass::Finance), None);
    assert_eq!(list(&**store, &finance).await, vec![money]);
    let order = of(None, None, Some(one));
    assert_eq!(list(&**store, &order).await, vec![data]);
    let closed = of(Some(CaseStatus::Ignored), None, Some(one));
    assert_eq!(list(&**store, &closed).await, vec![ignored.clone()]);
    let all_closed = of(Some(CaseStatus::Ignored), None, None);
    assert_eq!(list(&**store, &all_closed).await, vec![ignored]);
    let both = of(None, Some(CaseClass::Erp), Some(one));
    assert_eq!(list(&**store, &both).await, vec![]);
}

/// Oldest first over all classes, three at a time.
pub async fn pages_of_cases_miss_and_repeat_none<S: OrderStore>(bench: Bench<S>) {
    let id = correlation("1");
    let classes = [CaseClass::Data, CaseClass::Erp, CaseClass::Service];
    let make = |n: usize| Case {
        opened_at: start().plus_ms(i64::try_from(n / 2).unwrap() * 1000),
        ..case(Some(id), classes[n % 3], &format!("code_{n}"))
    };
    let mut expected: Vec<Case> = (0..10).map(make).collect();
    for found in expected.iter().rev() {
        bench.store.put_case(found).await.unwrap();
    }
    expected.sort_by_key(|found| (found.opened_at, found.id.to_string()));
    for order in [None, Some(id)] {
        let mut query = CaseQuery {
            correlation: order,
            limit: 3,
            ..CaseQuery::default()
        };
        let mut found = Vec::new();
        loop {
            let (page, cursor) = bench.store.cases(&query).await.unwrap();
            assert!(page.len() <= 3);
            found.extend(page);
            match cursor {
                Some(cursor) => query.cursor = Some(cursor),
                None => break,
            }
        }
        assert_eq!(found, expected);
    }
}

/// An order with very many exceptions.
pub async fn more_cases_than_one_transaction_takes_are_all_kept<S: OrderStore>(bench: Bench<S>) {
    let id = correlation("1");
    let make = |n| case(Some(id), CaseClass::Data, &format!("code_{n}"));
    let mut first = commit(id, None, OrderState::default(), "e-1");
    first.cases = (0..MANY).map(make).collect();
    bench.store.commit(first).await.unwrap();
    assert_eq!(list(&*bench.store, &everything()).await.len(), MANY);
    let of_order = CaseQuery {
        correlation: Some(id),
        ..everything()
    };
    assert_eq!(list(&*bench.store, &of_order).await.len(), MANY);
}

/// Each by itself and together, in pages that look through cases of others.
pub async fn cases_are_listed_by_code_connection_owner_and_age<S: OrderStore>(bench: Bench<S>) {
    let make = |n: usize| {
        let name = ["unknown_sku", "total_mismatch"][n % 2];
        let mut found = case(Some(correlation(&n.to_string())), CaseClass::Data, name);
        found.opened_at = start().plus_ms(i64::try_from(n).unwrap() * 1000);
        found.connection = Some(connection(["shop-main", "shop-two", "shop-three"][n % 3]));
        found.owner = n.is_multiple_of(4).then(|| text("alice"));
        found
    };
    let all: Vec<Case> = (0..24).map(make).collect();
    for found in &all {
        bench.store.put_case(found).await.unwrap();
    }
    let of = |code_: Option<&str>, shop: Option<&str>, owner: Option<&str>| CaseQuery {
        code: code_.map(code),
        connection: shop.map(connection),
        owner: owner.map(text),
        limit: 2,
        ..CaseQuery::default()
    };
    let mut old = of(None, None, None);
    old.opened_until = Some(start().plus_ms(5000));
    for query in [
        of(Some("unknown_sku"), None, None),
        of(None, Some("shop-two"), None),
        of(None, None, Some("alice")),
        of(Some("unknown_sku"), Some("shop-main"), Some("alice")),
        of(Some("no_such_code"), None, None),
        old,
    ] {
        let expected: Vec<Case> = all.iter().filter(|c| query.matches(c)).cloned().collect();
        let (mut found, mut page_of) = (Vec::new(), query.clone());
        loop {
            let (page, cursor) = bench.store.cases(&page_of).await.unwrap();
            assert!(page.len() <= 2);
            found.extend(page);
            match cursor {
                Some(cursor) => page_of.cursor = Some(cursor),
                None => break,
            }
        }
        assert_eq!(found, expected, "{query:?}");
    }
}
