use super::*;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use waybill_flow::ports::InfraError;
use waybill_flow::state::OrderState;
use waybill_model::case::CaseStatus;
use waybill_model::event::{Event, OrderObserved, Subject};
use waybill_model::id::{ConnectionId, RefKind, Reference};
use waybill_model::order::Order;
use waybill_model::shipment::{Tracking, TrackingStatus};
use waybill_testkit::build;
use waybill_testkit::{FakePartner, Fault, ManualClock, MemoryEffects, MemoryOrders, MemoryQueues};

const CONNECTIONS: &str = r#"
    version = "test-7"
    [[connections]]
    id = "odoo"
    partner = "odoo"
    base_url = "https://erp.example.com"
    [connections.erp]
    database = "acme"
    login = "integration"
    protocol = "json2"
    shipping_sku = "SHIPPING"
    [[connections]]
    id = "shop-main"
    partner = "shopify"
    base_url = "https://acme.myshopify.com"
    [connections.channel]
    erp = "odoo"
    sku_aliases = { "MUG-RED" = "MUG-01" }
    [[connections]]
    id = "carrier"
    partner = "easypost"
    base_url = "https://api.easypost.com"
"#;

struct Nowhere;

impl Visibility for Nowhere {
    async fn change(&self, _: &str, _: Vec<(String, u32)>) -> Result<(), InfraError> {
        Ok(())
    }
}

struct World {
    connections: Connections,
    orders: MemoryOrders,
    effects: MemoryEffects,
    queues: MemoryQueues,
    partners: FakePartner,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self {
            connections: Connections::parse(CONNECTIONS).unwrap(),
            orders: MemoryOrders::default(),
            effects: MemoryEffects::new(clock.clone()),
            queues: MemoryQueues::default(),
            partners: FakePartner::default(),
            clock,
        }
    }

    /// Hands in one message and returns whether it was acknowledged.
    async fn take(&self, body: &str) -> bool {
        let ports = Ports {
            connections: &self.connections,
            orders: &self.orders,
            effects: &self.effects,
            queues: &self.queues,
            partners: &self.partners,
            clock: self.clock.as_ref(),
            parse,
        };
        let runner = Runner {
            step: "test",
            visibility: Nowhere,
            clock: ManualClock::default(),
        };
        let event = serde_json::from_value(serde_json::json!({
            "Records": [{"messageId": "m-1", "receiptHandle": "h", "body": body, "attributes": {},
                "eventSourceARN": "arn:aws:sqs:eu-west-1:1:inbound"}]
        }))
        .unwrap();
        let response = handle(&ports, &runner, event).await.unwrap();
        response.batch_item_failures.is_empty()
    }

    fn events(&self) -> Vec<EventEnvelope> {
        let sent = self.queues.sent(Queue::Events);
        sent.iter()
            .map(|m| serde_json::from_str(&m.body).unwrap())
            .collect()
    }
}

/// A partner's adapter in five words.
fn parse(_: &Connection, delivery: &Delivery) -> Result<Parsed, waybill_partners::Unreadable> {
    let (subject, event) = match delivery.body.as_slice() {
        b"order" => order_fact(build::order("1001")),
        b"tracking" => tracking_fact(tracking_reference()),
        b"shipment" => tracking_fact(shipment_reference()),
        b"nothing" => {
            return Ok(Parsed::Ignored {
                code: Code::literal("unknown_topic"),
            });
        }
        b"thin" => {
            return Ok(Parsed::Refetch {
                dedupe_id: "thin-1".to_owned(),
            });
        }
        _ => {
            return Err(waybill_partners::Unreadable::new(
                "unreadable_json",
                "at `id`",
            ));
        }
    };
    Ok(Parsed::Facts {
        dedupe_id: "event-1".to_owned(),
        facts: vec![Fact {
            subject,
            at: None,
            event,
        }],
    })
}

fn order_fact(order: Order) -> (Subject, Event) {
    let subject = Subject::Order(order.correlation());
    let findings = Vec::new();
    (
        subject,
        Event::OrderObserved(Box::new(OrderObserved { order, findings })),
    )
}

fn tracking_reference() -> Reference {
    Reference::anywhere(RefKind::TrackingNumber, build::external("T-1"))
}

fn shipment_reference() -> Reference {
    let (depot, id) = (build::connection("depot"), build::external("SHP-1"));
    Reference::new(depot, RefKind::Shipment, id)
}

fn tracking_fact(reference: Reference) -> (Subject, Event) {
    let event = Event::TrackingObserved(Tracking {
        source: build::connection("carrier"),
        tracking_number: build::text("T-1"),
        status: TrackingStatus::InTransit,
        carrier: None,
        expected_at: None,
        at: build::start(),
    });
    (Subject::Reference(vec![reference]), event)
}

fn delivery(connection: &str, body: &str) -> Delivery {
    Delivery {
        receipt: build::message("receipt-1"),
        connection: ConnectionId::new(connection).unwrap(),
        origin: Origin::Webhook,
        topic: None,
        dedupe_id: None,
        headers: BTreeMap::new(),
        received_at: build::start(),
        replayed_at: None,
        traceparent: None,
        body: body.as_bytes().to_vec(),
    }
}

fn message(connection: &str, body: &str) -> String {
    delivery::encode(&delivery(connection, body)).unwrap()
}

async fn commit_reference(world: &World, reference: Reference) -> CorrelationId {
    let order = build::order("1001");
    let correlation = order.correlation();
    let mut commit = build::commit(correlation, None, OrderState::default(), "first");
    commit.references = vec![reference];
    world.orders.commit(commit).await.unwrap();
    correlation
}

#[tokio::test]
async fn an_order_becomes_an_event_with_our_skus_and_its_raw_body_is_kept() {
    let world = World::new();
    assert!(world.take(&message("shop-main", "order")).await);
    let events = world.events();
    assert_eq!(events.len(), 1);
    let correlation = build::order("1001").correlation();
    assert_eq!(events[0].correlationid, correlation);
    assert_eq!(events[0].configversion.as_deref(), Some("test-7"));
    let Event::OrderObserved(observed) = &events[0].body else {
        panic!("{:?}", events[0].body);
    };
    assert_eq!(observed.order.lines[0].sku, Some(build::sku("MUG-01")));
    assert_eq!(world.orders.archived(correlation).await.unwrap().len(), 1);
    let sent = world.queues.sent(Queue::Events);
    assert_eq!(sent[0].group, Some(correlation.to_string()));
}

#[tokio::test]
async fn that_webhooks_come_is_marked_and_polls_and_failures_leave_no_mark() {
    let heard = async |world: &World| {
        let mark = heard::mark(&build::connection("shop-main"), build::start());
        world.effects.seen(&[mark]).await.unwrap().len()
    };
    let world = World::new();
    let mut polled = delivery("shop-main", "order");
    polled.origin = Origin::Poll;
    assert!(world.take(&delivery::encode(&polled).unwrap()).await);
    assert_eq!(heard(&world).await, 0);
    let world = World::new();
    world.queues.faults().plan("send", Fault::Unavailable);
    assert!(!world.take(&message("shop-main", "order")).await);
    assert_eq!(heard(&world).await, 0);
    assert!(world.take(&message("shop-main", "order")).await);
    assert_eq!(heard(&world).await, 1);
    // With the mark there, a delivery that was handed on is still known by its own id.
    assert!(world.take(&message("shop-main", "order")).await);
    assert_eq!(world.events().len(), 1);
}

#[tokio::test]
async fn a_repeated_delivery_is_handed_on_once_and_a_replay_again() {
    let world = World::new();
    assert!(world.take(&message("shop-main", "order")).await);
    assert!(world.take(&message("shop-main", "order")).await);
    assert_eq!(world.events().len(), 1);
    let mut replay = delivery("shop-main", "order");
    replay.origin = Origin::Replay;
    replay.replayed_at = Some(world.clock.advance_ms(1000));
    assert!(world.take(&delivery::encode(&replay).unwrap()).await);
    assert!(world.take(&delivery::encode(&replay).unwrap()).await);
    replay.replayed_at = Some(world.clock.advance_ms(1000));
    assert!(world.take(&delivery::encode(&replay).unwrap()).await);
    let ids: BTreeSet<_> = world.events().into_iter().map(|e| e.id).collect();
    assert_eq!(ids.len(), 3, "each replay once");
    let times: BTreeSet<_> = world.events().into_iter().map(|e| e.time).collect();
    assert_eq!(times.len(), 1, "a replay is no newer than what it replays");
}

#[tokio::test]
async fn a_failed_send_leaves_no_mark_and_the_redelivery_hands_it_on() {
    let world = World::new();
    world.queues.faults().plan("send", Fault::Unavailable);
    assert!(!world.take(&message("shop-main", "order")).await);
    assert_eq!(world.events().len(), 0);
    assert!(world.take(&message("shop-main", "order")).await);
    assert_eq!(world.events().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_with_a_case_before_it_is_acknowledged() {
    for (raw, code) in [
        ("no json".to_owned(), "undecodable_delivery"),
        (message("nobody", "order"), "unknown_connection"),
        (message("shop-main", "garbage"), "unreadable_json"),
    ] {
        let world = World::new();
        world.orders.faults().plan("put_case", Fault::Unavailable);
        assert!(!world.take(&raw).await, "{code}: the case was not stored");
        assert!(world.take(&raw).await);
        let cases = world.orders.all_cases();
        assert_eq!(cases.len(), 1);
        assert_eq!(cases[0].code.as_str(), code);
        assert!(!cases[0].remedy.is_empty());
        let receipt = if code == "undecodable_delivery" {
            "m-1"
        } else {
            "receipt-1"
        };
        let kept = world
            .orders
            .receipt(&build::message(receipt))
            .await
            .unwrap();
        assert_eq!(kept.unwrap().delivery, raw);
        assert!(world.queues.is_empty());
    }
}

#[tokio::test]
async fn a_replay_that_can_be_read_closes_the_case_of_what_was_put_aside() {
    let world = World::new();
    assert!(world.take(&message("shop-main", "garbage")).await);
    let again = |body: &str| {
        let mut replay = delivery("shop-main", body);
        replay.origin = Origin::Replay;
        delivery::encode(&replay).unwrap()
    };
    assert!(world.take(&again("still garbage")).await);
    let case = |status| {
        let cases = world.orders.all_cases();
        assert_eq!(cases.len(), 1, "one case, however often it is tried");
        assert_eq!(cases[0].status, status);
    };
    case(CaseStatus::Open);
    world.orders.faults().plan("put_case", Fault::Unavailable);
    assert!(!world.take(&again("order")).await, "the case is open still");
    assert!(world.take(&again("order")).await);
    case(CaseStatus::Resolved);
    let order = build::order("1001").correlation();
    let archived = world.orders.archived(order).await.unwrap();
    assert_eq!(
        archived.len(),
        1,
        "the order's own replay has it from now on"
    );
}

#[tokio::test]
async fn a_topic_that_nobody_uses_is_acknowledged_and_leaves_nothing() {
    let world = World::new();
    assert!(world.take(&message("shop-main", "nothing")).await);
    assert!(world.queues.is_empty());
    assert!(world.orders.all_cases().is_empty());
}

#[tokio::test]
async fn a_fact_of_somebody_elses_field_is_dropped() {
    let world = World::new();
    assert!(world.take(&message("carrier", "order")).await);
    assert!(world.queues.is_empty());
}

#[tokio::test]
async fn a_reference_leads_to_its_order() {
    let world = World::new();
    let correlation = commit_reference(&world, tracking_reference()).await;
    assert!(world.take(&message("carrier", "tracking")).await);
    assert_eq!(world.events()[0].correlationid, correlation);
    assert!(world.orders.all_parked().is_empty());
}

#[tokio::test]
async fn a_parcel_that_two_orders_share_is_told_to_both() {
    let world = World::new();
    let mut expected = vec![
        commit_reference(&world, tracking_reference()).await,
        build::order("1002").correlation(),
    ];
    let state = OrderState::default();
    let mut commit = build::commit(expected[1], None, state, "second");
    commit.references = vec![tracking_reference()];
    world.orders.commit(commit).await.unwrap();
    assert!(world.take(&message("carrier", "tracking")).await);
    let events = world.events();
    let mut told: Vec<_> = events.iter().map(|e| e.correlationid).collect();
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
    let sent = world.queues.sent(Queue::Events);
    assert_ne!(sent[0].deduplication, sent[1].deduplication);
    assert!(world.orders.all_parked().is_empty());
}

/// Two deliveries of one event park the same rows. One of them saw nobody and is done; the order became known, and the
/// other must not take back what waits before it has handed it on itself.
#[tokio::test]
async fn what_waits_is_not_taken_back_by_a_delivery_that_is_not_handed_on_yet() {
    let world = World::new();
    assert!(world.take(&message("carrier", "shipment")).await);
    let first = world.orders.all_parked();
    let correlation = commit_reference(&world, shipment_reference()).await;
    let under = [shipment_reference()];
    let rows = resolve::parked(&first[0].event, &under, build::start());
    let found = resolve::park(&world.orders, &rows, &under).await;
    assert_eq!(found, Ok(vec![correlation]));
    assert_eq!(world.orders.all_parked().len(), 1);
    resolve::unpark(&world.orders, &rows).await;
    assert!(world.orders.all_parked().is_empty());
}

/// An order that comes to know `reference` once the event was parked under it.
fn known_meanwhile(world: &World, reference: Reference) -> CorrelationId {
    let correlation = build::order("1001").correlation();
    let mut commit = build::commit(correlation, None, OrderState::default(), "first");
    commit.references = vec![reference];
    world.orders.commit_after("park", commit);
    correlation
}

#[tokio::test]
async fn an_event_whose_order_became_known_in_between_waits_until_it_was_sent() {
    let world = World::new();
    let correlation = known_meanwhile(&world, shipment_reference());
    world.queues.faults().plan("send", Fault::Unavailable);
    assert!(!world.take(&message("carrier", "shipment")).await);
    assert!(world.queues.is_empty());
    assert_eq!(
        world.orders.all_parked().len(),
        1,
        "another delivery of it may be done"
    );
    let world = World::new();
    assert_eq!(known_meanwhile(&world, shipment_reference()), correlation);
    assert!(world.take(&message("carrier", "shipment")).await);
    assert_eq!(world.events()[0].correlationid, correlation);
    assert!(world.orders.all_parked().is_empty());
}

#[tokio::test]
async fn a_parcels_event_waits_on_for_other_orders_that_it_may_carry() {
    let world = World::new();
    known_meanwhile(&world, tracking_reference());
    assert!(world.take(&message("carrier", "tracking")).await);
    assert_eq!(world.events().len(), 1);
    assert_eq!(world.orders.all_parked().len(), 1);
}

#[tokio::test]
async fn a_fact_of_an_order_that_is_not_known_yet_waits_under_its_reference() {
    let world = World::new();
    assert!(world.take(&message("carrier", "tracking")).await);
    assert!(world.queues.is_empty());
    let parked = world.orders.all_parked();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].reference, tracking_reference());
}

#[tokio::test]
async fn a_thin_webhook_is_read_from_what_the_partner_holds_now() {
    let world = World::new();
    let receipt = build::message("receipt-1");
    let down = Failure::Transient {
        code: Code::literal("partner_unreachable"),
        detail: "away".to_owned(),
        retry_after_ms: None,
    };
    world.partners.current(&receipt, Err(down));
    assert!(!world.take(&message("shop-main", "thin")).await);
    world
        .partners
        .current(&receipt, Ok(delivery("shop-main", "order")));
    assert!(world.take(&message("shop-main", "thin")).await);
    assert_eq!(world.events().len(), 1);
}

/// The shipped event, read by the real adapter.
#[test]
fn the_shipped_order_is_read_and_nothing_blocks_it() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}")).unwrap();
    let connections = Connections::parse(&read("infra/connections/local.toml")).unwrap();
    let event: serde_json::Value =
        serde_json::from_str(&read("functions/validator/events/shopify-order.json")).unwrap();
    let delivery = delivery::decode(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    let connection = connections.get(&delivery.connection).unwrap();
    let parsed = waybill_partners::parse(connection, &delivery).unwrap();
    let Parsed::Facts { mut facts, .. } = parsed else {
        panic!("{parsed:?}");
    };
    let refined = intake::refine(connection, facts.remove(0).event);
    let Event::OrderObserved(observed) = refined else {
        panic!("{refined:?}");
    };
    assert_eq!(observed.findings, []);
}
