//! ShipBob: create and cancel, faults, refusals.

use super::rig::{
    Outcome, Rig, Setup, assert_indeterminate, assert_rejected, assert_transient, id_of, rig,
};
use waybill_flow::ports::Attempt::{First, InDoubt};
use waybill_model::command::{CancelFulfillmentOrder, Command, CreateFulfillmentOrder};
use waybill_model::id::{CorrelationId, RefKind};
use waybill_model::order::Order;
use waybill_model::shipment::ShippedLine;
use waybill_simulators::Options;
use waybill_simulators::faults::Fault;
use waybill_simulators::shipbob::actions::pick;
use waybill_simulators::sim::Sim;
use waybill_testkit::build::{OrderBuilder, connection, eur, external, sku, units};

pub(super) fn order(id: &str) -> Order {
    OrderBuilder::new(id).channel("shopify-main").build()
}

/// Two `SKU-0001` for this order.
pub(super) fn create(order: &Order) -> Command {
    Command::CreateFulfillmentOrder(CreateFulfillmentOrder {
        warehouse: connection("shipbob-main"),
        reference: external(&order.correlation().to_string()),
        order_number: order.number.clone(),
        ship_to: order.shipping.clone().unwrap(),
        email: Some("ada@example.com".to_owned()),
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

fn cancel(order: CorrelationId, id: Option<&str>) -> Command {
    Command::CancelFulfillmentOrder(CancelFulfillmentOrder {
        warehouse: connection("shipbob-main"),
        reference: external(&order.to_string()),
        id: id.map(external),
    })
}

fn held(rig: &Rig) -> Vec<serde_json::Value> {
    rig.state(Sim::Shipbob)["orders"]
        .as_array()
        .unwrap()
        .clone()
}

async fn created(rig: &Rig, order: &Order) -> String {
    let made = rig
        .attempt(&create(order), order.correlation(), First)
        .await;
    id_of(&made.unwrap(), RefKind::FulfillmentOrder)
}

#[tokio::test]
async fn an_order_is_created_once_whatever_is_known_of_earlier_attempts() {
    let rig = rig().await;
    let placed = order("1");
    let of = placed.correlation();
    let first = rig.attempt(&create(&placed), of, First).await;
    let references = first.as_ref().unwrap();
    id_of(references, RefKind::Shipment);
    assert_eq!(rig.attempt(&create(&placed), of, InDoubt).await, first);
    // A first attempt that was made before all the same: the reference is taken, and is ours.
    assert_eq!(rig.attempt(&create(&placed), of, First).await, first);
    let held = held(&rig);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["id"], id_of(references, RefKind::FulfillmentOrder));
    assert_eq!(held[0]["reference_id"], of.to_string());
    assert_eq!(held[0]["products"][0]["sku"], "SKU-0001");
    assert_eq!(held[0]["products"][0]["quantity"], 2);
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_found_again() {
    let rig = rig().await;
    let placed = order("2");
    let of = placed.correlation();
    rig.fail_next(Sim::Shipbob, Fault::LostAnswer);
    let lost = rig.attempt(&create(&placed), of, First).await;
    assert_indeterminate(&lost, "answer_lost");
    let found = rig.attempt(&create(&placed), of, InDoubt).await.unwrap();
    let held = held(&rig);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["id"], id_of(&found, RefKind::FulfillmentOrder));
}

#[tokio::test]
async fn faults_of_a_create_are_classed_and_nothing_is_made() {
    let rig = rig().await;
    let placed = order("3");
    let of = placed.correlation();
    rig.fail_next(Sim::Shipbob, Fault::Throttle);
    let throttled = rig.attempt(&create(&placed), of, First).await;
    assert_eq!(assert_transient(&throttled, "rate_limited"), Some(1000));
    rig.fail_next(Sim::Shipbob, Fault::ServerError);
    let failed = rig.attempt(&create(&placed), of, First).await;
    assert_indeterminate(&failed, "partner_error");
    rig.fail_next(Sim::Shipbob, Fault::Cut);
    let cut = rig.attempt(&create(&placed), of, InDoubt).await;
    // The look that comes first was cut: nothing can have happened by it.
    assert_transient(&cut, "answer_lost");
    assert!(held(&rig).is_empty());
    assert!(rig.attempt(&create(&placed), of, InDoubt).await.is_ok());
    assert_eq!(held(&rig).len(), 1);
}

#[tokio::test]
async fn beyond_the_real_rate_limit_the_wait_is_told() {
    let setup = Setup {
        options: Options {
            shipbob_calls_per_minute: 1,
            ..Options::default()
        },
        ..Setup::default()
    };
    let rig = setup.start().await;
    created(&rig, &order("4")).await;
    let next = order("5");
    let limited = rig.attempt(&create(&next), next.correlation(), First).await;
    assert!(assert_transient(&limited, "rate_limited").is_some_and(|ms| ms >= 1000));
}

#[tokio::test]
async fn what_the_warehouse_cannot_ship_is_refused_with_a_remedy() {
    let rig = rig().await;
    let placed = order("6");
    let attempt = async |change: fn(&mut CreateFulfillmentOrder)| -> Outcome {
        let Command::CreateFulfillmentOrder(mut content) = create(&placed) else {
            unreachable!("it is made just above");
        };
        change(&mut content);
        let command = Command::CreateFulfillmentOrder(content);
        rig.attempt(&command, placed.correlation(), First).await
    };
    let unknown = attempt(|c| c.lines[0].sku = sku("NOT-THERE")).await;
    assert_rejected(&unknown, "unknown_sku");
    let nowhere = attempt(|c| c.ship_to.city = None).await;
    assert_rejected(&nowhere, "incomplete_address");
    let nothing = attempt(|c| c.lines.clear()).await;
    assert_rejected(&nothing, "nothing_to_ship");
    assert!(held(&rig).is_empty());
}

#[tokio::test]
async fn an_order_is_cancelled_once_with_and_without_its_id() {
    let rig = rig().await;
    let (placed, other) = (order("7"), order("8"));
    let id = created(&rig, &placed).await;
    created(&rig, &other).await;
    let with_id = cancel(placed.correlation(), Some(&id));
    let without = cancel(other.correlation(), None);
    for (command, of) in [(&with_id, &placed), (&without, &other)] {
        let first = rig.attempt(command, of.correlation(), First).await;
        assert!(first.is_ok(), "{first:?}");
        for again in [InDoubt, First] {
            assert_eq!(rig.attempt(command, of.correlation(), again).await, first);
        }
    }
    assert!(held(&rig).iter().all(|o| o["status"] == "Cancelled"));
    let recreated = rig
        .attempt(&create(&placed), placed.correlation(), InDoubt)
        .await;
    assert_rejected(&recreated, "cancelled_at_warehouse");
    let never = order("9").correlation();
    let once = rig.attempt(&cancel(never, None), never, First).await;
    assert_indeterminate(&once, "not_found_yet");
    let twice = rig.attempt(&cancel(never, None), never, InDoubt).await;
    assert_eq!(twice, Ok(Vec::new()));
}

#[tokio::test]
async fn a_cancel_whose_answer_is_lost_is_found_done() {
    let rig = rig().await;
    let placed = order("10");
    let of = placed.correlation();
    let id = created(&rig, &placed).await;
    rig.fail_next(Sim::Shipbob, Fault::LostAnswer);
    let lost = rig.attempt(&cancel(of, Some(&id)), of, First).await;
    assert_indeterminate(&lost, "answer_lost");
    let found = rig.attempt(&cancel(of, Some(&id)), of, InDoubt).await;
    assert_eq!(id_of(&found.unwrap(), RefKind::FulfillmentOrder), id);
}

#[tokio::test]
async fn what_is_picked_is_too_late_to_cancel() {
    let rig = rig().await;
    let placed = order("11");
    let of = placed.correlation();
    let made = rig.attempt(&create(&placed), of, First).await.unwrap();
    let id = id_of(&made, RefKind::FulfillmentOrder);
    let shipment = id_of(&made, RefKind::Shipment);
    pick(&rig.world, id.parse().unwrap(), shipment.parse().unwrap()).unwrap();
    for attempt in [First, InDoubt] {
        let refused = rig.attempt(&cancel(of, Some(&id)), of, attempt).await;
        assert_rejected(&refused, "too_late");
    }
    let unknown = rig.attempt(&cancel(of, Some("1")), of, First).await;
    assert_rejected(&unknown, "unknown_fulfillment_order");
}
