//! Shopify: fulfilments and stock out, the poll.

use super::rig::{Rig, assert_indeterminate, assert_rejected, assert_transient, id_of, now, rig};
use serde_json::Value;
use waybill_flow::ports::Attempt::{First, InDoubt};
use waybill_flow::ports::PartnerPort;
use waybill_model::command::{Command, PublishFulfillment, PublishStock};
use waybill_model::id::{CorrelationId, RefKind};
use waybill_model::order::Version;
use waybill_model::shipment::{Parcel, Shipment, ShipmentStatus, ShippedLine};
use waybill_model::stock::{StockKind, StockLevel};
use waybill_model::time::Instant;
use waybill_simulators::faults::Fault;
use waybill_simulators::shopify::actions::{self, Placed};
use waybill_simulators::shopify::generate::{OrderSpec, SpecLine};
use waybill_simulators::shopify::order::RefundMoney;
use waybill_simulators::sim::Sim;
use waybill_testkit::build::{connection, external, sku, text, units};

/// An order of three `SKU-0001` and one `SKU-0002`.
pub(super) fn place(rig: &Rig, silent: bool) -> Placed {
    let line = |sku: &str, quantity| SpecLine {
        sku: sku.to_owned(),
        quantity,
    };
    let spec = OrderSpec {
        lines: vec![line("SKU-0001", 3), line("SKU-0002", 1)],
        ..OrderSpec::default()
    };
    actions::place(&rig.world, &spec, silent)
}

pub(super) fn correlation(placed: &Placed) -> CorrelationId {
    CorrelationId::for_order(&connection("shopify-main"), &text(&placed.id.to_string()))
}

fn publish(placed: &Placed, goods: &[(&str, i64)], number: Option<&str>) -> Command {
    let line = |(name, quantity): &(&str, i64)| ShippedLine {
        line_id: None,
        sku: sku(name),
        quantity: units(*quantity),
        lots: Vec::new(),
    };
    Command::PublishFulfillment(PublishFulfillment {
        channel: connection("shopify-main"),
        order_id: text(&placed.id.to_string()),
        shipment: Shipment {
            warehouse: connection("shipbob-main"),
            id: external("S-1"),
            fulfillment_order: None,
            status: ShipmentStatus::Shipped,
            lines: goods.iter().map(line).collect(),
            parcels: vec![Parcel {
                tracking_number: number.map(text),
                carrier: Some("DHL".to_owned()),
                url: None,
            }],
            shipped_at: Some(now()),
            version: Version(1),
        },
        notify_customer: true,
    })
}

fn held(rig: &Rig, placed: &Placed) -> Value {
    let state = rig.state(Sim::Shopify);
    let orders = state["orders"].as_array().unwrap();
    let id = placed.id.to_string();
    orders.iter().find(|o| o["id"] == id).cloned().unwrap()
}

fn fulfillments(rig: &Rig, placed: &Placed) -> Vec<Value> {
    held(rig, placed)["fulfillments"]
        .as_array()
        .unwrap()
        .clone()
}

const ALL: [(&str, i64); 2] = [("SKU-0001", 3), ("SKU-0002", 1)];

#[tokio::test]
async fn a_shipment_is_published_once() {
    let rig = rig().await;
    let placed = place(&rig, false);
    let of = correlation(&placed);
    let command = publish(&placed, &ALL, Some("JD1"));
    let first = rig.attempt(&command, of, First).await;
    for again in [InDoubt, First] {
        assert_eq!(rig.attempt(&command, of, again).await, first);
    }
    let made = fulfillments(&rig, &placed);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["id"], id_of(&first.unwrap(), RefKind::Shipment));
    assert_eq!(made[0]["tracking_numbers"], serde_json::json!(["JD1"]));
    assert_eq!(held(&rig, &placed)["fulfillment_status"], "fulfilled");
    assert_eq!(rig.state(Sim::Shopify)["customers_notified"], 1);
}

#[tokio::test]
async fn two_parcels_become_two_fulfilments_with_their_goods() {
    let rig = rig().await;
    let placed = place(&rig, false);
    let of = correlation(&placed);
    for (goods, number) in [
        (&[("SKU-0001", 2)][..], "JD1"),
        (&[("SKU-0001", 1), ("SKU-0002", 1)][..], "JD2"),
    ] {
        let done = rig
            .attempt(&publish(&placed, goods, Some(number)), of, First)
            .await;
        assert!(done.is_ok(), "{done:?}");
    }
    let made = fulfillments(&rig, &placed);
    assert_eq!(made.len(), 2);
    assert_eq!(made[0]["lines"][0]["quantity"], 2);
    assert_eq!(held(&rig, &placed)["fulfillment_status"], "fulfilled");
}

#[tokio::test]
async fn a_number_that_comes_later_is_put_on_the_fulfilment() {
    let rig = rig().await;
    let placed = place(&rig, false);
    let of = correlation(&placed);
    let bare = rig.attempt(&publish(&placed, &ALL, None), of, First).await;
    assert_eq!(
        rig.attempt(&publish(&placed, &ALL, None), of, InDoubt)
            .await,
        bare
    );
    let numbered = rig
        .attempt(&publish(&placed, &ALL, Some("JD9")), of, First)
        .await;
    assert_eq!(numbered, bare);
    let made = fulfillments(&rig, &placed);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["tracking_numbers"], serde_json::json!(["JD9"]));
}

#[tokio::test]
async fn a_lost_answer_at_any_call_leaves_one_fulfilment() {
    // Reads are posts too: the answer to each call of the attempt is lost in turn.
    for call in 0..3 {
        let rig = rig().await;
        let placed = place(&rig, false);
        let of = correlation(&placed);
        let command = publish(&placed, &ALL, Some("JD1"));
        rig.world.faults.queue(Sim::Shopify, Fault::Slow, call);
        rig.fail_next(Sim::Shopify, Fault::LostAnswer);
        let lost = rig.attempt(&command, of, First).await;
        if call == 2 {
            assert_indeterminate(&lost, "answer_lost");
        } else {
            assert_transient(&lost, "answer_lost");
        }
        let found = rig.attempt(&command, of, InDoubt).await;
        assert!(found.is_ok(), "{found:?}");
        assert_eq!(fulfillments(&rig, &placed).len(), 1);
    }
}

#[tokio::test]
async fn throttling_tells_the_wait_and_a_server_error_the_doubt() {
    let rig = rig().await;
    let placed = place(&rig, false);
    let of = correlation(&placed);
    let command = publish(&placed, &ALL, Some("JD1"));
    rig.fail_next(Sim::Shopify, Fault::Throttle);
    let throttled = rig.attempt(&command, of, First).await;
    assert!(assert_transient(&throttled, "rate_limited").is_some());
    rig.fail_next(Sim::Shopify, Fault::ServerError);
    assert_transient(&rig.attempt(&command, of, First).await, "partner_error");
    rig.world.faults.queue(Sim::Shopify, Fault::Slow, 2);
    rig.fail_next(Sim::Shopify, Fault::ServerError);
    assert_indeterminate(&rig.attempt(&command, of, First).await, "partner_error");
    assert!(fulfillments(&rig, &placed).is_empty());
    assert!(rig.attempt(&command, of, InDoubt).await.is_ok());
}

#[tokio::test]
async fn what_the_shop_cannot_fulfil_is_refused_with_a_remedy() {
    let rig = rig().await;
    let placed = place(&rig, false);
    let of = correlation(&placed);
    let too_many = publish(&placed, &[("SKU-0001", 4)], Some("JD1"));
    assert_rejected(
        &rig.attempt(&too_many, of, First).await,
        "nothing_to_fulfill",
    );
    let gone = Placed {
        id: 1,
        ..placed.clone()
    };
    let unknown = publish(&gone, &ALL, Some("JD1"));
    assert_rejected(&rig.attempt(&unknown, of, First).await, "unknown_order");
    actions::cancel(&rig.world, placed.id, "customer", RefundMoney::None).unwrap();
    let late = publish(&placed, &ALL, Some("JD1"));
    assert_rejected(&rig.attempt(&late, of, First).await, "order_cancelled");
}

#[tokio::test]
async fn stock_is_set_and_unknown_skus_are_passed_over() {
    let rig = rig().await;
    let level = |name: &str, quantity| StockLevel {
        location: connection("odoo-main"),
        sku: sku(name),
        kind: StockKind::Available,
        quantity: units(quantity),
        at: now(),
        lot: None,
    };
    let command = Command::PublishStock(PublishStock {
        channel: connection("shopify-main"),
        levels: vec![
            level("SKU-0002", 7),
            level("SKU-0003", 0),
            level("NOT-THERE", 9),
        ],
    });
    let of = CorrelationId::for_connection(&connection("shopify-main"));
    rig.world.faults.queue(Sim::Shopify, Fault::Slow, 1);
    rig.fail_next(Sim::Shopify, Fault::LostAnswer);
    let lost = rig.attempt(&command, of, First).await;
    assert_indeterminate(&lost, "answer_lost");
    assert_eq!(rig.attempt(&command, of, InDoubt).await, Ok(Vec::new()));
    let state = rig.state(Sim::Shopify);
    assert_eq!(state["stock"]["SKU-0002"], 7);
    assert_eq!(state["stock"]["SKU-0003"], 0);
    assert!(state["stock"].get("NOT-THERE").is_none());
}

#[tokio::test]
async fn the_poll_finds_every_lost_order_once_oldest_first() {
    let rig = rig().await;
    let ids: Vec<String> = (0..60).map(|_| place(&rig, true).id.to_string()).collect();
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = rig
            .partners
            .poll(
                &connection("shopify-main"),
                Instant::EPOCH,
                cursor.as_deref(),
                now(),
            )
            .await
            .unwrap();
        for delivery in &page.deliveries {
            let body: Value = serde_json::from_slice(&delivery.body).unwrap();
            found.push(body["id"].to_string());
        }
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    found.sort();
    let mut wanted = ids;
    wanted.sort();
    assert_eq!(found, wanted);
}
