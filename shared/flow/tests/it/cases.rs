//! What opens a case, and what closes it.

use crate::told::{
    decided, event, parcel, payment, refund, returned, shipment, tracking, warehouse_order,
};
use crate::world::{CONNECTIONS, World};
use waybill_model::case::CaseStatus;
use waybill_model::event::{Decision, Event};
use waybill_model::order::Version;
use waybill_model::payment::{PaymentStatus, RefundStatus};
use waybill_model::returns::{Disposition, ReturnLine, ReturnStatus};
use waybill_model::shipment::{FulfillmentStatus, ShipmentStatus, TrackingStatus};
use waybill_testkit::build::{self, OrderBuilder, connection, text};

const ALL: [(&str, &str, i64); 2] = [("L1", "MUG-RED", 2), ("L2", "TEE-M", 1)];

/// The order `1001`, written and with the warehouse.
fn released() -> World {
    let mut world = World::new();
    tell(&mut world, "shop-main", observed(1, false));
    world
}

fn observed(version: i64, cancelled: bool) -> Event {
    let order = OrderBuilder::new("1001").version(version);
    let order = if cancelled { order.cancelled() } else { order };
    build::observed(order.build()).body
}

fn tell(world: &mut World, source: &str, body: Event) {
    world.tell(&event(source, body));
    world.settle();
}

/// The open cases after these events, told to a released order.
fn after(events: &[(&str, Event)]) -> Vec<String> {
    let mut world = released();
    for (source, body) in events {
        tell(&mut world, source, body.clone());
    }
    world.open_cases()
}

fn at_warehouse(status: FulfillmentStatus) -> (&'static str, Event) {
    let order = warehouse_order("FO-1", status);
    ("threepl", Event::FulfillmentOrderObserved(order))
}

fn parcel_is(status: ShipmentStatus) -> (&'static str, Event) {
    let mut shipment = shipment("SHP-1", status, &ALL);
    shipment.parcels.push(parcel(Some("1Z1")));
    ("threepl", Event::ShipmentObserved(shipment))
}

fn carrier_tells(status: TrackingStatus) -> (&'static str, Event) {
    ("easypost", Event::TrackingObserved(tracking("1Z1", status)))
}

#[test]
fn a_warehouse_that_stopped_is_a_case_until_goods_left() {
    use FulfillmentStatus::{Accepted, Cancelled, Exception, OnHold, PartiallyShipped, Processing};
    let left = || parcel_is(ShipmentStatus::Shipped);
    for (events, wanted) in [
        (vec![at_warehouse(Accepted)], vec![]),
        (vec![at_warehouse(Processing)], vec![]),
        (vec![at_warehouse(PartiallyShipped)], vec![]),
        (vec![at_warehouse(OnHold)], vec!["warehouse_stopped"]),
        (vec![at_warehouse(Exception)], vec!["warehouse_stopped"]),
        (vec![at_warehouse(OnHold), left()], vec![]),
        (
            vec![at_warehouse(Cancelled)],
            vec!["cancelled_by_warehouse"],
        ),
        (vec![at_warehouse(Cancelled), left()], vec![]),
        // The shop asked for it.
        (
            vec![("shop-main", observed(2, true)), at_warehouse(Cancelled)],
            vec![],
        ),
    ] {
        assert_eq!(after(&events), wanted, "{events:?}");
    }
}

#[test]
fn a_parcel_in_trouble_is_a_case() {
    use TrackingStatus::{Delivered, Exception, InTransit, OutForDelivery, ReturnToSender};
    let left = || parcel_is(ShipmentStatus::Shipped);
    for (events, wanted) in [
        (vec![left()], vec![]),
        (vec![left(), carrier_tells(InTransit)], vec![]),
        (vec![left(), carrier_tells(OutForDelivery)], vec![]),
        (vec![left(), carrier_tells(Delivered)], vec![]),
        (
            vec![left(), carrier_tells(Exception)],
            vec!["parcel_delayed"],
        ),
        (
            vec![left(), carrier_tells(ReturnToSender)],
            vec!["parcel_returning"],
        ),
        // Nobody shipped it.
        (vec![carrier_tells(Exception)], vec![]),
        (vec![parcel_is(ShipmentStatus::Pending)], vec![]),
        (
            vec![parcel_is(ShipmentStatus::Exception)],
            vec!["shipment_stopped"],
        ),
    ] {
        assert_eq!(after(&events), wanted, "{events:?}");
    }
}

#[test]
fn an_order_that_no_route_fits_is_a_case_once_it_is_written() {
    let elsewhere = CONNECTIONS.replace(
        "warehouse = \"threepl\"",
        "warehouse = \"threepl\"\ncountries = [\"FR\"]",
    );
    let cases = |order: OrderBuilder, written: bool| {
        let mut world = World::with_rules(&elsewhere);
        world.tell(&event("shop-main", build::observed(order.build()).body));
        if written {
            world.settle();
        }
        world.open_cases()
    };
    let order = || OrderBuilder::new("1001");
    let to_france = |o: &mut waybill_model::order::Order| {
        o.shipping.as_mut().unwrap().country = Some("FR".to_owned());
    };
    let digital = |o: &mut waybill_model::order::Order| {
        o.lines.iter_mut().for_each(|l| l.requires_shipping = false);
    };
    assert_eq!(cases(order(), true), ["no_route"]);
    assert_eq!(cases(order(), false), Vec::<String>::new());
    assert_eq!(cases(order().with(to_france), true), Vec::<String>::new());
    assert_eq!(cases(order().with(digital), true), Vec::<String>::new());
    let unpaid = order().payment(waybill_model::order::OrderPayment::Pending);
    assert_eq!(cases(unpaid, true), Vec::<String>::new());
}

#[test]
fn an_order_of_a_channel_that_is_not_configured_is_a_case() {
    let mut world = World::new();
    let order = OrderBuilder::new("1001").channel("shop-new").build();
    world.tell(&event("shop-new", build::observed(order).body));
    assert_eq!(world.open_cases(), ["unknown_channel"]);
    let case = world.state().cases.values().next().unwrap();
    assert_eq!(case.connection, Some(connection("shop-new")));
    assert!(case.detail.contains("`shop-new`"), "{}", case.detail);
    assert!(world.issued.is_empty());
}

fn money_back(source: &'static str, status: RefundStatus, amount: &str) -> (&'static str, Event) {
    (
        source,
        Event::RefundObserved(refund(source, "R-1", status, amount)),
    )
}

fn paid(status: PaymentStatus) -> (&'static str, Event) {
    ("stripe", Event::PaymentObserved(payment(status, "59.90")))
}

#[test]
fn money_that_shop_and_gateway_tell_differently_is_a_case() {
    use RefundStatus::{Failed, Requested, Succeeded};
    let captured = || paid(PaymentStatus::Captured);
    for (events, wanted) in [
        (vec![captured()], vec![]),
        (
            vec![paid(PaymentStatus::Disputed)],
            vec!["payment_disputed"],
        ),
        (
            vec![money_back("stripe", Succeeded, "5.00")],
            vec!["refund_unknown_to_channel"],
        ),
        (
            vec![
                money_back("shop-main", Succeeded, "5.00"),
                money_back("stripe", Succeeded, "5.00"),
            ],
            vec![],
        ),
        (
            vec![
                money_back("shop-main", Succeeded, "5.00"),
                money_back("stripe", Succeeded, "6.00"),
            ],
            vec!["refund_differs"],
        ),
        (
            vec![captured(), money_back("shop-main", Requested, "5.00")],
            vec![],
        ),
        (
            vec![money_back("shop-main", Requested, "5.00")],
            vec!["refund_without_payment"],
        ),
        (vec![money_back("shop-main", Succeeded, "5.00")], vec![]),
        (
            vec![money_back("shop-main", Failed, "5.00")],
            vec!["refund_failed"],
        ),
    ] {
        assert_eq!(after(&events), wanted, "{events:?}");
    }
}

#[test]
fn a_refund_that_was_asked_for_is_not_said_to_lack_a_payment() {
    let mut world = released();
    for (source, body) in [
        paid(PaymentStatus::Captured),
        money_back("shop-main", RefundStatus::Requested, "5.00"),
    ] {
        tell(&mut world, source, body);
    }
    let mut undone = payment(PaymentStatus::Cancelled, "59.90");
    undone.version = Version(2);
    tell(&mut world, "stripe", Event::PaymentObserved(undone));
    assert_eq!(world.open_cases(), Vec::<String>::new());
}

#[test]
fn what_was_shipped_after_all_is_a_case_until_it_is_back() {
    let mut back = returned("threepl", "RET-1", ReturnStatus::Completed);
    back.lines.push(ReturnLine {
        line_id: None,
        sku: build::sku("MUG-RED"),
        quantity: build::units(2),
        disposition: Disposition::Restock,
        lots: Vec::new(),
    });
    let mut world = released();
    let (source, left) = parcel_is(ShipmentStatus::Shipped);
    tell(&mut world, source, left);
    tell(&mut world, "shop-main", observed(2, true));
    assert_eq!(world.open_cases(), ["too_late"]);
    tell(&mut world, "threepl", Event::ReturnObserved(back));
    assert_eq!(world.open_cases(), Vec::<String>::new());
}

#[test]
fn a_case_closes_with_its_cause_and_comes_back_with_its_owner() {
    let mut world = released();
    let on_hold = |version| {
        let mut order = warehouse_order("FO-1", FulfillmentStatus::OnHold);
        order.version = Version(version);
        ("threepl", Event::FulfillmentOrderObserved(order))
    };
    let (source, body) = on_hold(1);
    tell(&mut world, source, body);
    let case = world.state().cases.values().next().unwrap().clone();
    let assign = |owner: &str| {
        decided(Decision::Assign {
            case: case.id,
            owner: text(owner),
        })
    };
    assert!(world.decide(&assign("alice")).changed);
    let again = world.decide(&assign("alice"));
    assert!(again.cases.is_empty(), "nothing new: {:?}", again.cases);
    let mut going = warehouse_order("FO-1", FulfillmentStatus::Processing);
    going.version = Version(2);
    tell(
        &mut world,
        "threepl",
        Event::FulfillmentOrderObserved(going),
    );
    let closed = &world.state().cases[&case.id];
    assert_eq!(closed.status, CaseStatus::Resolved);
    assert_eq!(closed.closed_at, Some(world.now));
    let (source, body) = on_hold(3);
    tell(&mut world, source, body);
    let open = &world.state().cases[&case.id];
    assert_eq!(open.status, CaseStatus::Open);
    assert_eq!(open.owner, Some(text("alice")));
}

#[test]
fn a_case_that_a_person_ignores_stays_closed_with_their_reason() {
    let mut world = released();
    let (source, body) = at_warehouse(FulfillmentStatus::OnHold);
    tell(&mut world, source, body);
    let id = world.state().cases.values().next().unwrap().id;
    let ignore = decided(Decision::Ignore {
        case: id,
        reason: text("known"),
    });
    let told = world.decide(&ignore);
    assert_eq!(told.cases.len(), 1, "{:?}", told.cases);
    assert!(told.changed);
    let (source, body) = carrier_tells(TrackingStatus::InTransit);
    tell(&mut world, source, body);
    let case = &world.state().cases[&id];
    assert_eq!(case.status, CaseStatus::Ignored);
    assert_eq!(case.reason, Some(text("known")));
    assert_eq!(case.closed_at, Some(world.now));
    // Closed is closed: nobody owns it any more.
    let assign = Decision::Assign {
        case: id,
        owner: text("alice"),
    };
    assert!(world.decide(&decided(assign)).cases.is_empty());
    assert_eq!(world.state().cases[&id].owner, None);
}

#[test]
fn what_a_person_ignored_is_over_with_its_cause_and_opens_when_that_comes_back() {
    let at = |version, status| {
        let mut order = warehouse_order("FO-1", status);
        order.version = Version(version);
        Event::FulfillmentOrderObserved(order)
    };
    let mut world = released();
    tell(&mut world, "threepl", at(1, FulfillmentStatus::OnHold));
    let id = world.state().cases.values().next().unwrap().id;
    let reason = text("known");
    world.tell(&decided(Decision::Ignore { case: id, reason }));
    tell(&mut world, "threepl", at(2, FulfillmentStatus::Processing));
    assert_eq!(world.state().cases[&id].status, CaseStatus::Resolved);
    tell(&mut world, "threepl", at(3, FulfillmentStatus::OnHold));
    let again = &world.state().cases[&id];
    assert_eq!(again.status, CaseStatus::Open);
    assert_eq!(again.reason, None);
}

#[test]
fn an_open_case_tells_what_is_at_stake_by_now_and_stays_as_old_as_it_is() {
    let mut world = released();
    let (source, body) = at_warehouse(FulfillmentStatus::OnHold);
    tell(&mut world, source, body);
    let before = world.state().cases.values().next().unwrap().clone();
    let assign = Decision::Assign {
        case: before.id,
        owner: text("alice"),
    };
    world.tell(&decided(assign));
    world.now = world.now.plus_ms(60_000);
    let edited = OrderBuilder::new("1001").version(2).line("CAP", 1, "5.00");
    let edited = edited.build();
    let total = edited.totals.total;
    let told = world.decide(&event("shop-main", build::observed(edited).body));
    let told: Vec<_> = told.cases.iter().filter(|c| c.id == before.id).collect();
    assert_eq!(told.len(), 1);
    assert_ne!(before.value, told[0].value);
    assert_eq!(told[0].value.unwrap().amount, total);
    assert_eq!(told[0].opened_at, before.opened_at);
    assert_eq!(told[0].owner, Some(text("alice")));
}

#[test]
fn a_decision_and_what_the_clock_brings_are_told_together() {
    let mut world = released();
    let (source, body) = at_warehouse(FulfillmentStatus::OnHold);
    tell(&mut world, source, body);
    let id = world.state().cases.values().next().unwrap().id;
    world.now = world.now.plus_ms(4 * 24 * 60 * 60 * 1000);
    let ignore = Decision::Ignore {
        case: id,
        reason: text("known"),
    };
    let told = world.decide(&decided(ignore)).cases;
    let codes: Vec<&str> = told.iter().map(|c| c.code.as_str()).collect();
    assert_eq!(codes, ["warehouse_stopped", "ship_overdue"]);
}
