//! What lies behind the ports: expiry, limits, unreadable rows, lost answers.

use crate::local::{self, Local};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::ConfigBag;
use aws_sdk_dynamodb::config::Intercept;
use aws_sdk_dynamodb::config::RuntimeComponents;
use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use waybill_flow::ports::{
    ArchiveQuery, Archived, Attempt, CaseQuery, Claim, Clock, CommitError, EffectStore, InfraError,
    OrderStore, Parked,
};
use waybill_flow::state::OrderState;
use waybill_model::case::{CaseClass, CaseStatus};
use waybill_model::id::RefKind;
use waybill_model::time::{DAY_MS, Instant};
use waybill_store::{DynamoEffects, DynamoOrders, Retention};
use waybill_testkit::build::{
    case, code, command, commit, connection, correlation, done, message, observed, order,
    reference, start, text,
};
use waybill_testkit::conformance::Bench;

fn days(n: u32) -> i64 {
    i64::from(n) * DAY_MS
}

async fn raw_row(local: &Local<DynamoOrders>, sk: &str) -> HashMap<String, AttributeValue> {
    let pk = format!("ORDER#{}", correlation("1"));
    let call = local.client.get_item().table_name(&local.table);
    let call = call.key("pk", AttributeValue::S(pk));
    let call = call.key("sk", AttributeValue::S(sk.to_owned()));
    call.send().await.unwrap().item.unwrap_or_default()
}

#[tokio::test]
async fn a_state_has_the_documented_attributes_and_only_a_waiting_one_is_in_the_index() {
    let local = local::orders().await;
    let store = &local.bench.store;
    let mut first = commit(correlation("1"), None, OrderState::default(), "e-1");
    first.outbox = vec![command(correlation("1"), "sale_order.create")];
    first.deadline = Some(start());
    store.commit(first.clone()).await.unwrap();
    let names = |row: &HashMap<String, AttributeValue>| -> BTreeSet<String> {
        row.keys().cloned().collect()
    };
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    let waiting: BTreeSet<String> = set(&[
        "pk",
        "sk",
        "revision",
        "format",
        "state",
        "outbox",
        "deadline_ms",
        "stage_shard",
    ]);
    assert_eq!(names(&raw_row(&local, "STATE").await), waiting);
    let second = commit(correlation("1"), Some(1), first.state, "e-2");
    store.commit(second).await.unwrap();
    let resting = set(&["pk", "sk", "revision", "format", "state", "ttl_epoch_s"]);
    let row = raw_row(&local, "STATE").await;
    assert_eq!(names(&row), resting);
    let expires_s = start().epoch_s() + 400 * 86_400;
    let ttl = AttributeValue::N(expires_s.to_string());
    assert_eq!(row["ttl_epoch_s"], ttl);
}

#[tokio::test]
async fn an_expired_order_is_absent_and_can_begin_anew() {
    let Bench { store, clock } = local::orders().await.bench;
    let id = correlation("1");
    let paid = reference("gate-main", RefKind::Payment, "pi_1");
    let mut first = commit(id, None, OrderState::default(), "e-1");
    first.references = vec![paid.clone()];
    store.commit(first).await.unwrap();
    let keep = days(Retention::default().orders_days);
    clock.set(start().plus_ms(keep - 1000));
    assert!(store.load(id).await.unwrap().is_some());
    assert_eq!(store.resolve(&paid).await.unwrap(), vec![id]);
    clock.set(start().plus_ms(keep));
    assert_eq!(store.load(id).await.unwrap(), None);
    assert_eq!(store.resolve(&paid).await.unwrap(), vec![]);
    assert_eq!(store.timeline(id).await.unwrap(), vec![]);
    let again = commit(id, None, OrderState::default(), "e-2");
    assert_eq!(store.commit(again).await.unwrap(), 1);
    assert!(store.load(id).await.unwrap().is_some());
}

#[tokio::test]
async fn what_waits_for_somebody_does_not_expire() {
    let Bench { store, clock } = local::orders().await.bench;
    let id = correlation("1");
    let open = case(Some(id), CaseClass::Data, "unknown_sku");
    let mut first = commit(id, None, OrderState::default(), "e-1");
    first.deadline = Some(start());
    first.cases = vec![open.clone()];
    store.commit(first).await.unwrap();
    let mut over = case(None, CaseClass::Integration, "unreadable_body");
    over.status = CaseStatus::Resolved;
    over.closed_at = Some(start());
    store.put_case(&over).await.unwrap();
    clock.set(start().plus_ms(days(1000)));
    assert!(store.load(id).await.unwrap().is_some());
    assert_eq!(store.overdue(clock.now(), 10).await.unwrap(), vec![id]);
    assert_eq!(store.case(open.id).await.unwrap(), Some(open.clone()));
    assert_eq!(store.case(over.id).await.unwrap(), None);
    let all = CaseQuery {
        limit: 10,
        ..CaseQuery::default()
    };
    assert_eq!(store.cases(&all).await.unwrap().0, vec![open]);
    store.put_case(&over).await.unwrap();
}

#[tokio::test]
async fn raw_bodies_and_parked_events_expire_by_their_own_limits() {
    let Bench { store, clock } = local::orders().await.bench;
    let limits = Retention::default();
    let archived = Archived {
        receipt: message("r-1"),
        correlation: Some(correlation("1")),
        delivery: "body".to_owned(),
        received_at: start(),
    };
    store.archive(&archived).await.unwrap();
    let shipment = reference("wh-main", RefKind::Shipment, "SHP-7");
    let parked = Parked {
        reference: shipment.clone(),
        event: observed(order("1")),
        since: start(),
    };
    store.park(&parked).await.unwrap();
    clock.set(start().plus_ms(days(limits.parked_days)));
    assert_eq!(store.parked(&shipment).await.unwrap(), vec![]);
    let found = store.receipt(&archived.receipt).await.unwrap();
    assert_eq!(found, Some(archived.clone()));
    clock.set(start().plus_ms(days(limits.raw_days)));
    assert_eq!(store.receipt(&archived.receipt).await.unwrap(), None);
    let bodies = store.archived(correlation("1")).await.unwrap();
    assert_eq!(bodies, vec![]);
}

/// Ids that do not compress: a state of more than an item.
fn huge_state() -> OrderState {
    let mut state = OrderState::default();
    let mut seed = 1_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed ^ (seed >> 29)
    };
    let id = |a, b| message(&format!("{a:016x}{b:016x}"));
    state.applied = (0..40_000).map(|_| id(next(), next())).collect();
    state
}

#[tokio::test]
async fn a_state_larger_than_an_item_is_refused_with_its_size_and_writes_nothing() {
    let store = local::orders().await.bench.store;
    let id = correlation("1");
    let error = store.commit(commit(id, None, huge_state(), "e-1")).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("409600"), "{error}");
    assert!(error.contains(&id.to_string()), "{error}");
    assert_eq!(store.load(id).await.unwrap(), None);
    assert_eq!(store.timeline(id).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_checkpoint_larger_than_an_item_is_refused_with_its_size_and_writes_nothing() {
    let store = local::effects().await.bench.store;
    let shop = connection("shop-main");
    let huge = serde_json::to_string(&huge_state().applied).unwrap();
    let error = store
        .set_checkpoint(&shop, "pace", &huge)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("nothing was written"), "{error}");
    assert_eq!(store.checkpoint(&shop, "pace").await, Ok(None));
}

#[tokio::test]
async fn a_listing_of_bodies_that_ends_with_its_time_or_its_page_has_no_cursor() {
    let store = local::orders().await.bench.store;
    let hour = Instant::from_epoch_s(start().epoch_s().div_euclid(3600) * 3600);
    let archived = Archived {
        receipt: message("r-1"),
        correlation: None,
        delivery: "body".to_owned(),
        received_at: hour.plus_ms(1),
    };
    store.archive(&archived).await.unwrap();
    let query = |hours: i64, limit| ArchiveQuery {
        from: hour,
        to: hour.plus_ms(hours * 3_600_000),
        limit,
        cursor: None,
    };
    // As many hours as one call looks at, and as many bodies as one page holds.
    for (hours, limit, more) in [(48, 9, false), (49, 9, true), (1, 1, false)] {
        let (found, cursor) = store.archived_between(&query(hours, limit)).await.unwrap();
        assert_eq!(found, std::slice::from_ref(&archived));
        assert_eq!(cursor.is_some(), more, "{hours} hours, {limit} a page");
    }
}

#[tokio::test]
async fn cases_of_one_instant_are_all_listed_however_small_the_pages() {
    let store = local::orders().await.bench.store;
    for order in ["1", "2", "3"] {
        let found = case(Some(correlation(order)), CaseClass::Data, "unknown_sku");
        store.put_case(&found).await.unwrap();
    }
    let mut query = CaseQuery {
        opened_until: Some(start()),
        limit: 1,
        ..CaseQuery::default()
    };
    let mut listed = BTreeSet::new();
    loop {
        let (page, cursor) = store.cases(&query).await.unwrap();
        listed.extend(page.iter().map(|case| case.id));
        query.cursor = cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed.len(), 3);
}

#[tokio::test]
async fn the_one_case_that_a_filter_fits_is_found_behind_hundreds_of_others() {
    let store = local::orders().await.bench.store;
    for n in 0..201 {
        let id = correlation(&n.to_string());
        let other = case(Some(id), CaseClass::Data, "unknown_sku");
        store.put_case(&other).await.unwrap();
    }
    let mut rare = case(Some(correlation("1")), CaseClass::Data, "no_price");
    rare.opened_at = start().plus_ms(1);
    rare.connection = Some(connection("shop-main"));
    rare.owner = Some(text("alice"));
    store.put_case(&rare).await.unwrap();
    let query = |change: fn(&mut CaseQuery)| {
        let mut query = CaseQuery {
            limit: 1,
            ..CaseQuery::default()
        };
        change(&mut query);
        query
    };
    for query in [
        query(|q| q.code = Some(code("no_price"))),
        query(|q| q.connection = Some(connection("shop-main"))),
        query(|q| q.owner = Some(text("alice"))),
    ] {
        let (found, cursor) = store.cases(&query).await.unwrap();
        assert_eq!((found, cursor), (vec![rare.clone()], None), "{query:?}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_not_quoted() {
    let local = local::orders().await;
    let store = &local.bench.store;
    let id = correlation("1");
    let first = commit(id, None, OrderState::default(), "e-1");
    store.commit(first).await.unwrap();
    let good = raw_row(&local, "STATE").await;
    let garbage = AttributeValue::B(Blob::new("Ada Example"));
    let newer = AttributeValue::N("2".to_owned());
    for (name, value) in [("state", garbage), ("format", newer)] {
        let mut bad = good.clone();
        bad.insert(name.to_owned(), value);
        let put = local.client.put_item().table_name(&local.table);
        put.set_item(Some(bad)).send().await.unwrap();
        let error = store.load(id).await.unwrap_err();
        assert!(matches!(error, InfraError::Corrupt { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("STATE"), "{text}");
        assert!(!text.contains("Ada"), "{text}");
    }
}

/// The request is carried out, its answer never arrives.
#[derive(Debug)]
struct LostAnswers;

impl Intercept for LostAnswers {
    fn name(&self) -> &'static str {
        "lost answers"
    }

    fn read_after_transmit(
        &self,
        _answer: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Err("the answer was lost".into())
    }
}

fn losing_answers(client: &Client) -> Client {
    let config = client.config().to_builder();
    Client::from_conf(config.interceptor(LostAnswers).build())
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_unknown_and_shows_after_a_reload() {
    let local = local::orders().await;
    let Bench { store, clock } = local.bench;
    let clock: Arc<dyn Clock> = clock;
    let lossy = losing_answers(&local.client);
    let lossy = DynamoOrders::new(lossy, &local.table, clock, Retention::default());
    let id = correlation("1");
    let sent = commit(id, None, OrderState::default(), "e-1");
    let error = lossy.commit(sent.clone()).await.unwrap_err();
    let unknown = matches!(error, CommitError::Infra(InfraError::Unknown { .. }));
    assert!(unknown, "{error}");
    assert_eq!(store.commit(sent).await, Err(CommitError::Conflict));
    let stored = store.load(id).await.unwrap().unwrap();
    assert_eq!(stored.state.applied, vec![message("e-1")]);
    assert_eq!(stored.revision, 1);
    let error = lossy.load(id).await.unwrap_err();
    assert!(matches!(error, InfraError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_granted_in_doubt_to_its_owner_only() {
    let local = local::effects().await;
    let Bench { store, clock } = local.bench;
    let clock: Arc<dyn Clock> = clock;
    let lossy = losing_answers(&local.client);
    let lossy = DynamoEffects::new(lossy, &local.table, clock, Retention::default());
    let key = message("effect-1");
    let lost = lossy.claim(&key, "p", "a", start(), 1000).await;
    let lost = lost.unwrap_err();
    assert!(matches!(lost, InfraError::Unknown { .. }), "{lost}");
    let other = store.claim(&key, "p", "b", start(), 1000).await.unwrap();
    let until = start().plus_ms(1000);
    assert_eq!(other, Claim::Held { until });
    let again = store.claim(&key, "p", "a", start(), 1000).await.unwrap();
    assert_eq!(again, Claim::Granted(Attempt::InDoubt));
}

#[tokio::test]
async fn an_idempotency_record_expires_with_its_retention() {
    let Bench { store, .. } = local::effects().await.bench;
    let key = message("effect-1");
    let claim = async |now| store.claim(&key, "p", "a", now, 1000).await.unwrap();
    let outcome = done(reference("odoo-main", RefKind::SaleOrder, "42"));
    claim(start()).await;
    store.complete(&key, "a", &outcome, start()).await.unwrap();
    let keep = days(Retention::default().effects_days);
    let before = claim(start().plus_ms(keep - 1000)).await;
    assert_eq!(before, Claim::Completed(outcome));
    let after = claim(start().plus_ms(keep)).await;
    assert_eq!(after, Claim::Granted(Attempt::First));
}

#[tokio::test]
async fn a_dead_endpoint_is_an_error_of_each_kind_and_no_panic() {
    let local = local::orders().await;
    let nobody = local.client.config().to_builder();
    let nobody = nobody.endpoint_url("http://127.0.0.1:9");
    let retry = aws_sdk_dynamodb::config::retry::RetryConfig::disabled();
    let nobody = Client::from_conf(nobody.retry_config(retry).build());
    let clock: Arc<dyn Clock> = local.bench.clock;
    let store = DynamoOrders::new(nobody, &local.table, clock, Retention::default());
    let read = store.load(correlation("1")).await.unwrap_err();
    assert!(matches!(read, InfraError::Unavailable { .. }), "{read}");
    let first = commit(correlation("1"), None, OrderState::default(), "e-1");
    let write = store.commit(first).await.unwrap_err();
    let unknown = matches!(write, CommitError::Infra(InfraError::Unknown { .. }));
    assert!(unknown, "{write}");
}
