//! The partners that speak our schemas: an order in, commands out, observations back, and what is
//! tampered with, unsigned or stale, refused on both sides.

use super::rig::{
    Hook, Rig, assert_indeterminate, assert_rejected, assert_transient, id_of, now, rig,
};
use super::webhooks::{check, facts};
use serde_json::Value;
use waybill_flow::ports::Attempt::{First, InDoubt};
use waybill_model::command::{
    CancelFulfillmentOrder, Command, CreateFulfillmentOrder, PublishFulfillment, PublishStock,
};
use waybill_model::event::{Event, Subject};
use waybill_model::id::{ChannelOrderId, RefKind};
use waybill_model::order::{Order, Version};
use waybill_model::payment::RefundStatus;
use waybill_model::shipment::{FulfillmentStatus, Parcel, Shipment, ShipmentStatus, ShippedLine};
use waybill_model::stock::{StockKind, StockLevel};
use waybill_model::time::Instant;
use waybill_partners::Refusal;
use waybill_simulators::canonical::{marketplace, warehouse};
use waybill_simulators::faults::Fault;
use waybill_simulators::shopify::generate::{OrderSpec, SpecLine};
use waybill_simulators::sim::Sim;
use waybill_testkit::build::{OrderBuilder, connection, eur, external, sku, text, units};

fn order(id: &str) -> Order {
    OrderBuilder::new(id).channel("marketplace-main").build()
}

fn create(order: &Order) -> Command {
    Command::CreateFulfillmentOrder(CreateFulfillmentOrder {
        warehouse: connection("canonical-main"),
        reference: external(&order.correlation().to_string()),
        order_number: order.number.clone(),
        ship_to: order.shipping.clone().unwrap(),
        email: None,
        lines: vec![ShippedLine {
            line_id: None,
            sku: sku("SKU-0001"),
            quantity: units(2),
            lots: Vec::new(),
        }],
        shipping: order.shipping_lines.first().cloned(),
        value: eur("25.00"),
    })
}

fn cancel(order: &Order) -> Command {
    Command::CancelFulfillmentOrder(CancelFulfillmentOrder {
        warehouse: connection("canonical-main"),
        reference: external(&order.correlation().to_string()),
        id: None,
    })
}

fn held(rig: &Rig) -> Vec<Value> {
    rig.state(Sim::Canonical)["orders"]
        .as_array()
        .unwrap()
        .clone()
}

/// Two `SKU-0001`.
fn spec() -> OrderSpec {
    OrderSpec {
        lines: vec![SpecLine {
            sku: "SKU-0001".to_owned(),
            quantity: 2,
        }],
        ..OrderSpec::default()
    }
}

async fn of_kind(rig: &Rig, kind: &'static str) -> Hook {
    rig.hooks(1, |h| h.json()["type"] == kind).await.remove(0)
}

#[tokio::test]
async fn an_order_of_the_marketplace_is_read_to_the_cent() {
    let rig = rig().await;
    let placed = marketplace::place(&rig.world, &spec());
    let told = facts(&rig, &of_kind(&rig, "waybill.order.observed").await);
    assert_eq!(told.len(), 1);
    let Event::OrderObserved(observed) = &told[0].event else {
        panic!("an order was expected, not {told:?}");
    };
    let order = &observed.order;
    assert_eq!(told[0].subject, Subject::Order(order.correlation()));
    assert_eq!(order.channel, connection("marketplace-main"));
    assert_eq!(order.id.as_str(), placed.id.to_string());
    let total = order.totals.total.to_minor(order.currency);
    assert_eq!(total, Some(placed.total_minor));
    let settings = rig.connections.channel(&order.channel).unwrap();
    assert_eq!(waybill_flow::validate::findings(order, settings), []);
}

#[tokio::test]
async fn a_cancel_and_a_refund_of_the_marketplace_are_read_with_their_order() {
    let rig = rig().await;
    let placed = marketplace::place(&rig.world, &spec());
    assert!(marketplace::cancel(&rig.world, placed.id));
    let told = facts(&rig, &of_kind(&rig, "waybill.refund.observed").await);
    let Event::RefundObserved(refund) = &told[0].event else {
        panic!("a refund was expected, not {told:?}");
    };
    assert_eq!(refund.status, RefundStatus::Succeeded);
    let back = refund.amount.amount.to_minor(refund.amount.currency);
    assert_eq!(back, Some(placed.total_minor));
    let hooks = rig
        .hooks(2, |h| h.json()["type"] == "waybill.order.observed")
        .await;
    let cancelled = hooks
        .iter()
        .flat_map(|hook| facts(&rig, hook))
        .find(|f| matches!(&f.event, Event::OrderObserved(o) if o.order.cancelled.is_some()));
    assert_eq!(cancelled.unwrap().subject, told[0].subject);
}

#[tokio::test]
async fn what_is_tampered_with_unsigned_or_stale_is_refused() {
    let rig = rig().await;
    marketplace::place(&rig.world, &spec());
    let hook = of_kind(&rig, "waybill.order.observed").await;
    let key = rig
        .world
        .secrets
        .webhook_secret("marketplace-main")
        .unwrap();
    let at = |hook: &Hook, now: Instant| check(&rig, hook, &[key], now);
    assert!(at(&hook, now()).is_ok());
    let mut tampered = hook.clone();
    let text = String::from_utf8(hook.body.clone()).unwrap();
    tampered.body = text.replace("SKU-0001", "SKU-0002").into_bytes();
    assert_eq!(at(&tampered, now()), Err(Refusal::BadSignature));
    // The id is signed too: a captured message cannot be told again under another.
    let mut renamed = hook.clone();
    renamed
        .headers
        .insert("webhook-id".to_owned(), "msg_other".to_owned());
    assert_eq!(at(&renamed, now()), Err(Refusal::BadSignature));
    let mut unsigned = hook.clone();
    unsigned.headers.remove("webhook-signature");
    let missing = Refusal::MissingHeader {
        name: "webhook-signature",
    };
    assert_eq!(at(&unsigned, now()), Err(missing));
    let later = now().plus_ms(600_000);
    assert!(matches!(at(&hook, later), Err(Refusal::Stale { .. })));
    // What signs the commands that go out does not sign what comes in.
    let other = rig.world.secrets.api("marketplace-main", "signing_secret");
    assert_eq!(
        check(&rig, &hook, &[other.unwrap()], now()),
        Err(Refusal::BadSignature)
    );
}

#[tokio::test]
async fn a_fulfillment_order_is_taken_once_and_what_follows_is_told_back() {
    let rig = rig().await;
    let placed = order("1");
    let of = placed.correlation();
    let first = rig.attempt(&create(&placed), of, First).await.unwrap();
    let again = rig.attempt(&create(&placed), of, InDoubt).await;
    assert_eq!(again.as_ref(), Ok(&first));
    let held = held(&rig);
    assert_eq!(held.len(), 1);
    let id = id_of(&first, RefKind::FulfillmentOrder);
    assert_eq!(held[0]["id"], id);
    assert_eq!(held[0]["reference_id"], of.to_string());
    let told = facts(
        &rig,
        &of_kind(&rig, "waybill.fulfillment_order.observed").await,
    );
    assert_eq!(told[0].subject, Subject::Order(of));
    assert!(matches!(&told[0].event,
        Event::FulfillmentOrderObserved(f) if f.status == FulfillmentStatus::Accepted));
    warehouse::pick(&rig.world, &id).unwrap();
    let number = warehouse::ship(&rig.world, &id).unwrap();
    let told = facts(&rig, &of_kind(&rig, "waybill.shipment.observed").await);
    assert_eq!(told[0].subject, Subject::Order(of));
    let Event::ShipmentObserved(shipment) = &told[0].event else {
        panic!("a shipment was expected, not {told:?}");
    };
    assert_eq!(shipment.status, ShipmentStatus::Shipped);
    assert_eq!(shipment.lines[0].quantity, units(2));
    let told_number = shipment.parcels[0].tracking_number.as_ref().unwrap();
    assert_eq!(told_number.as_str(), number);
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_one_fulfillment_order() {
    let rig = rig().await;
    let placed = order("2");
    let of = placed.correlation();
    rig.fail_next(Sim::Canonical, Fault::LostAnswer);
    let lost = rig.attempt(&create(&placed), of, First).await;
    assert_indeterminate(&lost, "answer_lost");
    rig.fail_next(Sim::Canonical, Fault::Throttle);
    let limited = rig.attempt(&create(&placed), of, InDoubt).await;
    assert_eq!(assert_transient(&limited, "rate_limited"), Some(1000));
    rig.fail_next(Sim::Canonical, Fault::ServerError);
    let failed = rig.attempt(&create(&placed), of, InDoubt).await;
    assert_indeterminate(&failed, "partner_error");
    let found = rig.attempt(&create(&placed), of, InDoubt).await.unwrap();
    let held = held(&rig);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["id"], id_of(&found, RefKind::FulfillmentOrder));
}

#[tokio::test]
async fn an_order_is_called_off_once_and_not_after_it_was_picked() {
    let rig = rig().await;
    let (placed, picked) = (order("3"), order("4"));
    for order in [&placed, &picked] {
        let of = order.correlation();
        let made = rig.attempt(&create(order), of, First).await.unwrap();
        if order.id == picked.id {
            warehouse::pick(&rig.world, &id_of(&made, RefKind::FulfillmentOrder)).unwrap();
        }
    }
    let of = placed.correlation();
    let first = rig.attempt(&cancel(&placed), of, First).await;
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(rig.attempt(&cancel(&placed), of, InDoubt).await, first);
    let refused = rig
        .attempt(&cancel(&picked), picked.correlation(), First)
        .await;
    assert_rejected(&refused, "too_late");
    let statuses: Vec<Value> = held(&rig).iter().map(|o| o["status"].clone()).collect();
    assert_eq!(statuses, ["cancelled", "processing"]);
}

#[tokio::test]
async fn a_command_that_is_signed_too_early_or_with_another_key_is_not_taken() {
    let rig = rig().await;
    let placed = order("5");
    rig.clock.set(now().plus_ms(-600_000));
    let stale = rig
        .attempt(&create(&placed), placed.correlation(), First)
        .await;
    assert_transient(&stale, "unauthorized");
    rig.clock.set(now());
    rig.forget_signing_secret("canonical-main");
    let wrong = rig
        .attempt(&create(&placed), placed.correlation(), First)
        .await;
    assert_transient(&wrong, "unauthorized");
    assert!(held(&rig).is_empty());
    assert_eq!(rig.state(Sim::Canonical)["unsigned"], 2);
}

#[tokio::test]
async fn the_marketplace_is_told_a_shipment_once_and_refuses_it_for_a_cancelled_order() {
    let rig = rig().await;
    let (open, gone) = (
        marketplace::place(&rig.world, &spec()),
        marketplace::place(&rig.world, &spec()),
    );
    assert!(marketplace::cancel(&rig.world, gone.id));
    let publish = |id: i64| {
        Command::PublishFulfillment(PublishFulfillment {
            channel: connection("marketplace-main"),
            order_id: ChannelOrderId::new(id.to_string()).unwrap(),
            shipment: Shipment {
                warehouse: connection("canonical-main"),
                id: external(&format!("SHP-{id}")),
                fulfillment_order: None,
                status: ShipmentStatus::Shipped,
                lines: vec![ShippedLine {
                    line_id: None,
                    sku: sku("SKU-0001"),
                    quantity: units(2),
                    lots: Vec::new(),
                }],
                parcels: vec![Parcel {
                    tracking_number: Some(text("TRK-1")),
                    carrier: None,
                    url: None,
                }],
                shipped_at: None,
                version: Version(1),
            },
            notify_customer: false,
        })
    };
    let of = order("6").correlation();
    rig.fail_next(Sim::Marketplace, Fault::LostAnswer);
    let lost = rig.attempt(&publish(open.id), of, First).await;
    assert_indeterminate(&lost, "answer_lost");
    let told = rig.attempt(&publish(open.id), of, InDoubt).await;
    assert_eq!(told, Ok(Vec::new()));
    let late = order("7").correlation();
    let refused = rig.attempt(&publish(gone.id), late, First).await;
    assert_rejected(&refused, "order_cancelled");
    let state = rig.state(Sim::Marketplace);
    let held = state["orders"].as_array().unwrap();
    let parcels = |id: i64| {
        let id = id.to_string();
        let order = held.iter().find(|o| o["id"] == id.as_str()).unwrap();
        order["fulfillments"].as_array().unwrap().clone()
    };
    assert_eq!(parcels(open.id).len(), 1);
    assert_eq!(parcels(open.id)[0]["tracking_numbers"][0], "TRK-1");
    assert!(parcels(gone.id).is_empty());
}

#[tokio::test]
async fn an_older_stock_level_does_not_overwrite_a_newer_one() {
    let rig = rig().await;
    let publish = |quantity: i64, at: Instant| {
        Command::PublishStock(PublishStock {
            channel: connection("marketplace-main"),
            levels: vec![StockLevel {
                location: connection("odoo-main"),
                sku: sku("SKU-0001"),
                kind: StockKind::Available,
                quantity: units(quantity),
                at,
                lot: None,
            }],
        })
    };
    let newer = now();
    let older = newer.plus_ms(-60_000);
    for (order, quantity, at) in [("8", 7, newer), ("9", 9, older)] {
        let of = self::order(order).correlation();
        let told = rig.attempt(&publish(quantity, at), of, First).await;
        assert_eq!(told, Ok(Vec::new()));
    }
    assert_eq!(rig.state(Sim::Marketplace)["stock"]["SKU-0001"], "7");
}
