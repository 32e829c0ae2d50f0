//! What is left to do for an order of which part was refunded, called off or came back.

use crate::told::{event, parcel, refund, returned, shipment, warehouse_order};
use crate::world::{CONNECTIONS, World};
use waybill_flow::plan::keys;
use waybill_model::command::{Command, Issued};
use waybill_model::event::Event;
use waybill_model::id::EffectKey;
use waybill_model::payment::{RefundLine, RefundStatus};
use waybill_model::returns::{Disposition, ReturnLine, ReturnStatus};
use waybill_model::shipment::{FulfillmentStatus, ShipmentStatus};
use waybill_testkit::build::{self, OrderBuilder, external, text};

const ALL: [(&str, &str, i64); 2] = [("L1", "MUG-RED", 2), ("L2", "TEE-M", 1)];

fn world_of(rules: &str, order: OrderBuilder) -> World {
    let mut world = World::with_rules(rules);
    tell(&mut world, "shop-main", build::observed(order.build()).body);
    world
}

fn released() -> World {
    world_of(CONNECTIONS, OrderBuilder::new("1001"))
}

/// Tells and settles; all that was issued for it.
fn tell(world: &mut World, source: &str, body: Event) -> Vec<Issued> {
    let mut issued = world.decide(&event(source, body)).commands;
    while let Some(answer) = world.answers.pop_front() {
        issued.extend(world.decide(&answer).commands);
    }
    issued
}

fn ship(world: &mut World, id: &str, lines: &[(&str, &str, i64)]) {
    let left = shipment(id, ShipmentStatus::Shipped, lines);
    tell(world, "threepl", Event::ShipmentObserved(left));
}

/// The shop refunded a line of which this much never left.
fn take_off(world: &mut World, line: &str, sku: &str, quantity: i64) {
    let mut told = refund("shop-main", "R-1", RefundStatus::Succeeded, "5.00");
    told.lines.push(RefundLine {
        line_id: text(line),
        sku: Some(build::sku(sku)),
        quantity: build::units(quantity),
        amount: build::amount("5.00"),
        restock: true,
    });
    tell(world, "shop-main", Event::RefundObserved(told));
}

#[test]
fn the_rest_is_dropped_when_what_left_and_what_was_taken_off_are_all_of_it() {
    let mut world = released();
    ship(&mut world, "SHP-1", &ALL[..1]);
    assert!(!world.outside.rest_dropped, "something is to follow");
    take_off(&mut world, "L2", "TEE-M", 1);
    assert!(world.outside.rest_dropped);
    let mut whole = released();
    ship(&mut whole, "SHP-1", &ALL);
    assert!(!whole.outside.rest_dropped, "there is no rest");
}

#[test]
fn a_rest_of_which_something_is_to_follow_is_kept() {
    let mut world = released();
    ship(&mut world, "SHP-1", &[("L1", "MUG-RED", 1)]);
    take_off(&mut world, "L2", "TEE-M", 1);
    assert!(!world.outside.rest_dropped, "one mug is to follow");
    ship(&mut world, "SHP-2", &[("L1", "MUG-RED", 1)]);
    assert!(world.outside.rest_dropped);
}

#[test]
fn no_rest_is_dropped_before_its_parcels_are_registered_or_after_a_cancel() {
    let mut world = released();
    let delivery = keys::delivery(&external("SHP-1"));
    world.refusals.insert(delivery, build::rejected("no_stock"));
    ship(&mut world, "SHP-1", &ALL[..1]);
    take_off(&mut world, "L2", "TEE-M", 1);
    assert!(!world.outside.rest_dropped);
    let mut world = released();
    ship(&mut world, "SHP-1", &ALL[..1]);
    let cancelled = OrderBuilder::new("1001").version(2).cancelled().build();
    tell(&mut world, "shop-main", build::observed(cancelled).body);
    take_off(&mut world, "L2", "TEE-M", 1);
    assert!(!world.outside.rest_dropped);
}

fn send_back(world: &mut World) -> Vec<Issued> {
    let mut back = returned("threepl", "RET-1", ReturnStatus::Completed);
    back.lines.push(ReturnLine {
        line_id: None,
        sku: build::sku("MUG-RED"),
        quantity: build::units(1),
        disposition: Disposition::Restock,
        lots: Vec::new(),
    });
    tell(world, "threepl", Event::ReturnObserved(back))
}

#[test]
fn goods_that_came_back_are_received_once_all_that_left_is_registered() {
    let mut world = released();
    ship(&mut world, "SHP-1", &ALL[..1]);
    let second = shipment("SHP-2", ShipmentStatus::Shipped, &ALL[1..]);
    world.tell(&event("threepl", Event::ShipmentObserved(second)));
    // The goods may be those of the parcel that is being registered.
    let later = std::mem::take(&mut world.answers);
    send_back(&mut world);
    assert!(world.outside.returns.is_empty());
    world.answers = later;
    world.settle();
    assert_eq!(world.outside.returns.len(), 1);
}

#[test]
fn goods_are_not_received_back_that_the_erp_never_saw_leave() {
    let mut world = released();
    let delivery = keys::delivery(&external("SHP-1"));
    world.refusals.insert(delivery, build::rejected("no_stock"));
    ship(&mut world, "SHP-1", &ALL);
    send_back(&mut world);
    assert!(world.outside.returns.is_empty());
}

fn issued(commands: &[Issued], prefix: &str) -> Vec<EffectKey> {
    let keys = commands.iter().map(|c| c.effect.clone());
    keys.filter(|key| key.as_str().starts_with(prefix))
        .collect()
}

fn money_back(world: &mut World, source: &str, status: RefundStatus, amount: &str) -> Vec<Issued> {
    let told = refund(source, "R-1", status, amount);
    tell(world, source, Event::RefundObserved(told))
}

#[test]
fn a_refund_that_failed_before_it_was_credited_is_not_credited() {
    let mut world = released();
    let commands = money_back(&mut world, "shop-main", RefundStatus::Failed, "5.00");
    assert_eq!(issued(&commands, "credit_note"), []);
}

#[test]
fn a_full_refund_is_credited_at_once_where_no_cancel_can_follow_it() {
    use RefundStatus::Succeeded;
    let credited = |world: &mut World| {
        let commands = money_back(world, "shop-main", Succeeded, "59.90");
        !issued(&commands, "credit_note.create").is_empty()
    };
    let order = || OrderBuilder::new("1001");
    assert!(!credited(&mut released()), "its cancel is to come");
    let digital = order().with(|o| o.lines.iter_mut().for_each(|l| l.requires_shipping = false));
    assert!(credited(&mut world_of(CONNECTIONS, digital)));
    let mut shipped = released();
    ship(&mut shipped, "SHP-1", &ALL);
    assert!(credited(&mut shipped));
    let mut part = released();
    let commands = money_back(&mut part, "shop-main", Succeeded, "59.89");
    assert_eq!(issued(&commands, "credit_note.create").len(), 1);
}

#[test]
fn money_that_went_back_is_booked_after_its_credit_note_where_payments_are_booked() {
    use RefundStatus::Succeeded;
    let mut world = released();
    let commands = money_back(&mut world, "shop-main", Succeeded, "5.00");
    let of_money = |c: &&Issued| !c.effect.as_str().starts_with("ticket");
    let order: Vec<&str> = commands
        .iter()
        .filter(of_money)
        .map(|c| c.effect.as_str())
        .collect();
    assert_eq!(order, ["credit_note.create/R-1", "payment.pay_back/R-1"]);
    let unbooked = CONNECTIONS.replace("payment_journals = { default = \"account.1_bank\" }", "");
    let mut world = world_of(&unbooked, OrderBuilder::new("1001"));
    let commands = money_back(&mut world, "shop-main", Succeeded, "5.00");
    assert_eq!(issued(&commands, "payment.").len(), 0);
    let mut world = released();
    let note = keys::credit_note(&external("R-1"));
    world.refusals.insert(note, build::rejected("no_invoice"));
    let commands = money_back(&mut world, "shop-main", Succeeded, "5.00");
    assert_eq!(issued(&commands, "payment.").len(), 0);
}

#[test]
fn a_cancel_names_the_order_that_its_warehouse_told() {
    let mut world = released();
    let mut elsewhere = warehouse_order("A-0", FulfillmentStatus::Processing);
    elsewhere.warehouse = build::connection("other");
    for told in [
        elsewhere,
        warehouse_order("FO-1", FulfillmentStatus::Processing),
    ] {
        tell(&mut world, "threepl", Event::FulfillmentOrderObserved(told));
    }
    let cancelled = OrderBuilder::new("1001").version(2).cancelled().build();
    let commands = tell(&mut world, "shop-main", build::observed(cancelled).body);
    let ids: Vec<_> = commands
        .iter()
        .filter_map(|issued| match &issued.command {
            Command::CancelFulfillmentOrder(cancel) => Some(cancel.id.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, [Some(external("FO-1"))]);
}

#[test]
fn each_parcel_is_followed_with_its_own_carrier() {
    let mut world = released();
    let mut left = shipment("SHP-1", ShipmentStatus::Shipped, &ALL);
    for (number, carrier) in [("1Z1", "UPS"), ("CC2", "DHL")] {
        let mut parcel = parcel(Some(number));
        parcel.carrier = Some(carrier.to_owned());
        left.parcels.push(parcel);
    }
    let commands = tell(&mut world, "threepl", Event::ShipmentObserved(left));
    let followed: Vec<_> = commands
        .iter()
        .filter_map(|issued| match &issued.command {
            Command::SubscribeTracking(follow) => Some(format!(
                "{} {}",
                follow.tracking_number,
                follow.carrier.as_deref().unwrap_or("-")
            )),
            _ => None,
        })
        .collect();
    assert_eq!(followed, ["1Z1 UPS", "CC2 DHL"]);
}

#[test]
fn a_parcel_without_a_number_is_told_to_the_shop_when_its_wait_ends() {
    let mut world = released();
    let mut left = shipment("SHP-1", ShipmentStatus::Shipped, &ALL);
    left.shipped_at = Some(build::start());
    tell(&mut world, "threepl", Event::ShipmentObserved(left));
    let mut at = |ms: i64| {
        world.now = build::start().plus_ms(ms);
        let now = world.now;
        let passed = Event::ClockPassed(waybill_model::event::ClockPassed { now });
        issued(&tell(&mut world, "waybill", passed), "channel_fulfillment").len()
    };
    let end = waybill_flow::stages::TRACKING_WAIT_MS;
    assert_eq!((at(end - 1), at(end)), (0, 1));
}
