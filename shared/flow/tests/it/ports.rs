//! The small rules that ports carry with them.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use waybill_flow::ports::keys::{KEY, KEY_ID, current_id, mark};
use waybill_flow::ports::{
    Attempt, CaseQuery, Clock, ConnectionSecrets, InfraError, OrderStore, Parked, PartnerPort,
    Queue, Secret, Secrets, same_content,
};
use waybill_model::case::{Case, CaseClass, CaseStatus};
use waybill_model::envelope::EventEnvelope;
use waybill_model::id::{ConnectionId, RefKind, Reference};
use waybill_testkit::build::{self, connection, correlation, text};
use waybill_testkit::{FakePartner, ManualClock, MemoryOrders};

/// What a future that has nothing to wait for answers.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let answer = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    let ready = match answer {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    };
    ready.unwrap()
}

#[test]
fn content_is_the_same_whoever_asked_for_it() {
    assert!(same_content("abc/event", "abc/operator"));
    assert!(same_content("abc", "abc/event"));
    assert!(!same_content("abc/event", "abd/event"));
}

#[test]
fn a_keys_id_is_known_as_long_as_the_key_is_the_one_that_was_marked() {
    let key = Secret::new("k-1");
    let marked = |mark: Secret, key: &str| {
        let api = [(KEY_ID, mark), (KEY, Secret::new(key))];
        let api = api.map(|(name, value)| (name.to_owned(), value));
        ConnectionSecrets {
            webhook_secrets: Vec::new(),
            api: BTreeMap::from(api),
        }
    };
    let ours = marked(mark("7", &key), "k-1");
    assert_eq!(current_id(&ours), Some("7"));
    // Rotated by hand: the mark is of another key.
    assert_eq!(current_id(&marked(mark("7", &key), "k-2")), None);
    assert_eq!(current_id(&marked(Secret::new("7"), "k-1")), None);
    assert_eq!(current_id(&ConnectionSecrets::default()), None);
    assert!(!mark("7", &key).expose().contains("k-1"));
}

#[test]
fn a_secret_is_shown_by_nothing_but_itself() {
    let secret = Secret::new("s3cret");
    assert_eq!(secret.expose(), "s3cret");
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    assert!(!secret.is_blank() && Secret::new(" \n").is_blank());
}

#[test]
fn where_a_parcel_is_stays_for_all_orders_in_it_and_nothing_else_does() {
    let tracking = build::in_transit("T-1");
    let is_shared = |kind: RefKind, event: &EventEnvelope| {
        Parked {
            reference: Reference::anywhere(kind, build::external("T-1")),
            event: event.clone(),
            since: build::start(),
        }
        .is_shared()
    };
    let placed = build::observed(build::order("1001"));
    assert!(is_shared(RefKind::TrackingNumber, &tracking));
    assert!(!is_shared(RefKind::OrderNumber, &tracking));
    assert!(!is_shared(RefKind::TrackingNumber, &placed));
    assert!(!is_shared(RefKind::OrderNumber, &placed));
}

#[test]
fn a_case_whose_cause_is_gone_closes_once() {
    let store = MemoryOrders::default();
    let now = |seconds: i64| build::start().plus_ms(seconds * 1000);
    for (status, code) in [
        (CaseStatus::Open, "access_denied"),
        (CaseStatus::Ignored, "keys_left"),
    ] {
        let mut case = build::case(None, CaseClass::Integration, code);
        case.status = status;
        ready(store.put_case(&case)).unwrap();
        for seconds in [60, 120] {
            ready(store.resolve_case(case.id, now(seconds))).unwrap();
        }
        let closed = ready(store.case(case.id)).unwrap().unwrap();
        assert_eq!(closed.status, CaseStatus::Resolved);
        assert_eq!(closed.closed_at, Some(now(60)));
    }
    let never = build::case(None, CaseClass::Integration, "unknown");
    ready(store.resolve_case(never.id, now(60))).unwrap();
    assert_eq!(store.all_cases().len(), 2);
}

#[test]
fn every_condition_of_a_case_query_must_fit() {
    let case = || {
        let mut case = build::case(Some(correlation("1001")), CaseClass::Erp, "unknown_sku");
        case.owner = Some(text("alice"));
        case.connection = Some(connection("odoo"));
        case
    };
    let all = || CaseQuery {
        status: Some(CaseStatus::Open),
        class: Some(CaseClass::Erp),
        correlation: Some(correlation("1001")),
        code: Some(build::code("unknown_sku")),
        connection: Some(connection("odoo")),
        owner: Some(text("alice")),
        opened_until: Some(build::start()),
        limit: 10,
        cursor: None,
    };
    assert!(all().matches(&case()));
    assert!(CaseQuery::default().matches(&case()));
    let others: [fn(&mut Case); 7] = [
        |c| c.status = CaseStatus::Resolved,
        |c| c.class = CaseClass::Data,
        |c| c.correlation_id = None,
        |c| c.code = build::code("no_stock"),
        |c| c.connection = Some(connection("shop-main")),
        |c| c.owner = None,
        |c| c.opened_at = c.opened_at.plus_ms(1),
    ];
    for other in others {
        let mut case = case();
        other(&mut case);
        assert!(!all().matches(&case), "{case:?}");
    }
    let closed = CaseQuery {
        status: Some(CaseStatus::Resolved),
        ..CaseQuery::default()
    };
    assert!(!closed.matches(&case()));
}

#[test]
fn each_queue_has_a_name_of_its_own() {
    let names = Queue::ALL.map(Queue::as_str);
    let wanted = [
        "inbound",
        "events",
        "erp",
        "erp-bulk",
        "fulfillment",
        "status",
    ];
    assert_eq!(names, wanted);
}

/// Secrets that can be read, and refreshed or not.
struct Held {
    fresh: bool,
}

fn held() -> ConnectionSecrets {
    ConnectionSecrets {
        webhook_secrets: vec![Secret::new("whsec")],
        api: BTreeMap::new(),
    }
}

impl Secrets for Held {
    async fn get(&self, _: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        Ok(held())
    }

    async fn refresh(&self, _: &ConnectionId) -> Result<Option<ConnectionSecrets>, InfraError> {
        Ok(self.fresh.then(held))
    }
}

#[test]
fn a_shared_adapter_answers_as_the_adapter_does() {
    let shop = connection("shop-main");
    for fresh in [true, false] {
        let shared = Arc::new(Held { fresh });
        assert_eq!(ready(Secrets::get(&shared, &shop)), Ok(held()));
        assert_eq!(
            ready(Secrets::refresh(&shared, &shop)),
            Ok(fresh.then(held))
        );
    }
    let clock = Arc::new(ManualClock::default());
    let now = build::start();
    clock.set(now);
    assert_eq!(Clock::now(&clock), now);
}

#[test]
fn a_command_is_one_call_unless_its_adapter_says_otherwise() {
    let command = build::command(correlation("1001"), "sale_order.cancel").body;
    let calls = PartnerPort::calls(&FakePartner::default(), &command, Attempt::First);
    assert_eq!(calls, 1);
}
