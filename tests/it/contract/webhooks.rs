//! What the simulators sign is verified and read into the facts, and with a wrong secret refused.

use super::rig::{Hook, Rig, now, rig};
use super::{shipbob, shopify, stripe};
use std::collections::BTreeMap;
use waybill_flow::ports::Attempt::First;
use waybill_flow::ports::{ConnectionSecrets, PartnerPort, Secret};
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::event::{Event, Subject};
use waybill_model::id::{MessageId, RefKind, name_uuid};
use waybill_model::order::Version;
use waybill_model::payment::{PaymentStatus, RefundStatus};
use waybill_model::shipment::{FulfillmentStatus, ShipmentStatus};
use waybill_model::time::Instant;
use waybill_partners::{Fact, Parsed, Refusal, Verified, WebhookRequest, parse, verify};
use waybill_simulators::shipbob::actions::{Leave, deliver, ship};
use waybill_simulators::shopify::actions::{self, RefundSpec};
use waybill_simulators::shopify::order::RefundMoney;
use waybill_testkit::build::connection;

/// Checks a webhook with these keys at this instant.
pub(super) fn check(
    rig: &Rig,
    hook: &Hook,
    keys: &[&str],
    now: Instant,
) -> Result<Verified, Refusal> {
    let secrets = ConnectionSecrets {
        webhook_secrets: keys.iter().map(|k| Secret::new(*k)).collect(),
        api: BTreeMap::new(),
    };
    let request = WebhookRequest {
        headers: &hook.headers,
        topic_path: None,
        body: &hook.body,
        now,
    };
    verify(rig.connection(&hook.connection), &request, &secrets)
}

/// The facts of a webhook: verified with the current key alone and beside another, refused with
/// a wrong one, without one, and with a changed body.
#[track_caller]
pub(super) fn facts(rig: &Rig, hook: &Hook) -> Vec<Fact> {
    let key = rig.world.secrets.webhook_secret(&hook.connection).unwrap();
    let wrong = "whsec_d3Jvbmcgc2VjcmV0IG9mIHRoaXM=";
    let verified = check(rig, hook, &[wrong, key], now()).unwrap();
    assert_eq!(check(rig, hook, &[key], now()).as_ref(), Ok(&verified));
    assert_eq!(
        check(rig, hook, &[wrong], now()),
        Err(Refusal::BadSignature)
    );
    assert_eq!(check(rig, hook, &[], now()), Err(Refusal::NoSecret));
    let mut changed = hook.clone();
    changed.body.push(b' ');
    assert_eq!(
        check(rig, &changed, &[key], now()),
        Err(Refusal::BadSignature)
    );
    let delivery = Delivery {
        receipt: MessageId::from_uuid(name_uuid(&["receipt", hook.header("host")])),
        connection: connection(&hook.connection),
        origin: Origin::Webhook,
        topic: verified.topic,
        dedupe_id: verified.dedupe_id,
        headers: verified.headers,
        received_at: now(),
        replayed_at: None,
        traceparent: None,
        body: hook.body.clone(),
    };
    read(rig, &delivery)
}

#[track_caller]
fn read(rig: &Rig, delivery: &Delivery) -> Vec<Fact> {
    match parse(rig.connection(delivery.connection.as_str()), delivery) {
        Ok(Parsed::Facts { dedupe_id, facts }) => {
            assert!(!dedupe_id.is_empty());
            facts
        }
        other => panic!("facts were expected, not {other:?}"),
    }
}

async fn hook(rig: &Rig, header: &'static str, topic: &'static str) -> Hook {
    let found = rig.hooks(1, |h| h.header(header) == topic).await;
    found.into_iter().next().unwrap()
}

const SHOPIFY: &str = "x-shopify-topic";
const SHIPBOB: &str = "x-webhook-topic";

#[tokio::test]
async fn an_order_is_read_from_the_webhook_and_the_poll_gives_the_same_facts() {
    let rig = rig().await;
    let placed = shopify::place(&rig, false);
    let told = facts(&rig, &hook(&rig, SHOPIFY, "orders/create").await);
    let [fact] = told.as_slice() else {
        panic!("one fact was expected, not {told:?}");
    };
    assert_eq!(fact.subject, Subject::Order(shopify::correlation(&placed)));
    let Event::OrderObserved(observed) = &fact.event else {
        panic!("an order was expected, not {fact:?}");
    };
    assert!(observed.findings.is_empty(), "{:?}", observed.findings);
    let total = observed
        .order
        .totals
        .total
        .to_minor(observed.order.currency);
    assert_eq!(total, Some(placed.total_minor));
    assert_eq!(observed.order.number.as_str(), placed.name);
    let page = rig
        .partners
        .poll(&connection("shopify-main"), Instant::EPOCH, None, now())
        .await
        .unwrap();
    assert_eq!(page.deliveries.len(), 1);
    let mut polled = read(&rig, &page.deliveries[0]);
    let Event::OrderObserved(seen) = &mut polled[0].event else {
        panic!("an order was expected, not {polled:?}");
    };
    // Within the second of the change, it is told later.
    let (Version(later), Version(first)) = (seen.order.version, observed.order.version);
    assert!((0..1_000_000).contains(&(later - first)), "{later} {first}");
    seen.order.version = observed.order.version;
    assert_eq!(polled, told);
}

#[tokio::test]
async fn a_refund_and_a_cancel_are_read_to_the_cent() {
    let rig = rig().await;
    let placed = shopify::place(&rig, false);
    let spec = RefundSpec {
        lines: vec![(0, 1)],
        shipping_minor: 0,
        money: RefundMoney::None,
        return_id: None,
    };
    let made = actions::refund(&rig.world, placed.id, &spec).unwrap();
    let told = facts(&rig, &hook(&rig, SHOPIFY, "refunds/create").await);
    let refund = told.iter().find_map(|f| match &f.event {
        Event::RefundObserved(refund) => Some(refund),
        _ => None,
    });
    let refund = refund.unwrap();
    assert_eq!(refund.id.as_str(), made.id.to_string());
    assert_eq!(refund.status, RefundStatus::Requested);
    let minor = refund.amount.amount.to_minor(refund.amount.currency);
    assert_eq!(minor, Some(made.amount_minor));
    actions::cancel(&rig.world, placed.id, "customer", RefundMoney::None).unwrap();
    let told = facts(&rig, &hook(&rig, SHOPIFY, "orders/cancelled").await);
    let cancelled = told
        .iter()
        .any(|f| matches!(&f.event, Event::OrderObserved(o) if o.order.cancelled.is_some()));
    assert!(cancelled, "{told:?}");
}

#[tokio::test]
async fn a_shipment_is_read_with_its_number_and_then_as_delivered() {
    let rig = rig().await;
    let placed = shipbob::order("1");
    let made = rig
        .attempt(&shipbob::create(&placed), placed.correlation(), First)
        .await
        .unwrap();
    let id = |kind| super::rig::id_of(&made, kind);
    let order: i64 = id(RefKind::FulfillmentOrder).parse().unwrap();
    let shipment: i64 = id(RefKind::Shipment).parse().unwrap();
    let leave = Leave {
        with_tracking: true,
        tell: true,
    };
    let number = ship(&rig.world, order, shipment, leave).unwrap();
    let told = facts(&rig, &hook(&rig, SHIPBOB, "order.shipped").await);
    assert!(
        told.iter()
            .all(|f| f.subject == Subject::Order(placed.correlation()))
    );
    let mut work = None;
    let mut shipped = None;
    for fact in &told {
        match &fact.event {
            Event::FulfillmentOrderObserved(w) => work = Some(w.status),
            Event::ShipmentObserved(s) => shipped = Some(s.clone()),
            other => panic!("neither work nor shipment: {other:?}"),
        }
    }
    assert_eq!(work, Some(FulfillmentStatus::Shipped));
    let shipped = shipped.unwrap();
    assert_eq!(shipped.status, ShipmentStatus::Shipped);
    assert_eq!(shipped.id.as_str(), shipment.to_string());
    assert_eq!(shipped.lines.len(), 1);
    assert_eq!(shipped.lines[0].quantity.to_string(), "2");
    let told_number = shipped.parcels[0].tracking_number.as_ref().unwrap();
    assert_eq!(told_number.as_str(), number);
    deliver(&rig.world, order, shipment).unwrap();
    let told = facts(&rig, &hook(&rig, SHIPBOB, "order.shipment.delivered").await);
    let arrived = told.iter().any(
        |f| matches!(&f.event, Event::ShipmentObserved(s) if s.status == ShipmentStatus::Delivered),
    );
    assert!(arrived, "{told:?}");
}

#[tokio::test]
async fn a_ticket_is_read_with_its_order() {
    let rig = rig().await;
    let of = shipbob::order("1").correlation();
    let made = rig.attempt(&super::zendesk::update(1), of, First).await;
    let id = super::rig::id_of(&made.unwrap(), RefKind::Ticket);
    let created = |h: &Hook| h.connection == "zendesk-main";
    let hook = rig.hooks(1, created).await.remove(0);
    let told = facts(&rig, &hook);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].subject, Subject::Order(of));
    assert!(matches!(&told[0].event, Event::TicketObserved(t) if t.id.as_str() == id));
}

#[tokio::test]
async fn a_payment_and_a_refund_that_fails_later_are_read() {
    let rig = rig().await;
    let (placed, payment) = stripe::paid(&rig).await;
    let of_kind = |kind: &'static str| {
        move |h: &Hook| h.connection == "stripe-main" && h.json()["type"] == kind
    };
    let hook = rig
        .hooks(1, of_kind("payment_intent.succeeded"))
        .await
        .remove(0);
    let told = facts(&rig, &hook);
    assert!(
        told.iter().any(|f| {
            f.subject == Subject::Order(shopify::correlation(&placed))
                && matches!(&f.event, Event::PaymentObserved(p)
                if p.status == PaymentStatus::Captured && p.id.as_str() == payment)
        }),
        "{told:?}"
    );
    let command = stripe::refund(&payment, "R-1", "5.00");
    let made = rig
        .attempt(&command, shopify::correlation(&placed), First)
        .await;
    let id = super::rig::id_of(&made.unwrap(), RefKind::Refund);
    assert!(waybill_simulators::stripe::fail_refund(&rig.world, &id));
    let hook = rig.hooks(1, of_kind("refund.failed")).await.remove(0);
    let told = facts(&rig, &hook);
    assert!(
        told.iter().any(|f| {
            matches!(&f.event, Event::RefundObserved(r)
            if r.status == RefundStatus::Failed && r.id.as_str() == "R-1")
        }),
        "{told:?}"
    );
}
