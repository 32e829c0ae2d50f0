//! Orders of a time that Waybill did not see, or has forgotten.

use crate::told::{decided, event, parcel, payment, refund, shipment, tracking};
use crate::world::{CONNECTIONS, World};
use waybill_flow::axes::axes;
use waybill_flow::connections::Connections;
use waybill_flow::plan::keys;
use waybill_flow::stages;
use waybill_flow::state::OrderState;
use waybill_flow::validate::findings;
use waybill_flow::view::View;
use waybill_model::case::{Case, CaseStatus};
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{Decision, Event};
use waybill_model::order::{Order, OrderPayment};
use waybill_model::payment::{PaymentStatus, RefundStatus};
use waybill_model::shipment::{ShipmentStatus, TrackingStatus};
use waybill_model::time::DAY_MS;
use waybill_testkit::build::{self, OrderBuilder, external};

fn order(version: i64) -> Order {
    OrderBuilder::new("1001").version(version).build()
}

/// A world in which it is so many days after the order was placed.
fn after(days: i64) -> World {
    let mut world = World::new();
    world.now = order(1).placed_at.plus_ms(days * DAY_MS);
    world
}

/// The connections with a channel that Waybill took over then.
fn from(start: &str) -> String {
    let begins = format!("[connections.channel]\norders_from = \"{start}\"\n");
    CONNECTIONS.replace("[connections.channel]\n", &begins)
}

/// The order with what validation finds in it where the channel begins later.
fn placed_before(order: Order) -> EventEnvelope {
    let rules = Connections::parse(&from("2026-02-01T00:00:00Z")).unwrap();
    let settings = rules.channel(&order.channel).unwrap();
    let found = findings(&order, settings);
    let mut told = build::observed(order);
    if let Event::OrderObserved(observed) = &mut told.body {
        observed.findings = found;
    }
    told
}

fn waives(code: &str) -> EventEnvelope {
    decided(Decision::Waive {
        code: build::code(code),
    })
}

fn tell(world: &mut World, source: &str, body: Event) {
    world.tell(&event(source, body));
    world.settle();
}

/// The shop refunds `RF-1`, and the customer has paid it.
fn refunds(world: &mut World, status: RefundStatus) {
    let paid = payment(PaymentStatus::Captured, "36.39");
    tell(world, "stripe", Event::PaymentObserved(paid));
    let told = refund("shop-main", "RF-1", status, "5.00");
    tell(world, "shop-main", Event::RefundObserved(told));
}

/// The shop asks for a refund that nobody paid.
fn asks_to_pay_back(world: &mut World) {
    refunds(world, RefundStatus::Requested);
}

fn open(world: &World, code: &str) -> Option<Case> {
    let mut cases = world.state().cases.values();
    let case = cases.find(|c| c.status == CaseStatus::Open && c.code.as_str() == code);
    case.cloned()
}

#[test]
fn an_order_that_is_first_heard_of_long_after_it_was_placed_waits_for_a_person() {
    let mut world = after(45);
    world.tell(&build::observed(order(1)));
    world.tell(&crate::cancels::shipped(&order(1)));
    world.settle();
    assert!(world.issued.is_empty(), "{:?}", world.issued);
    assert_eq!(world.open_cases(), ["order_too_old"]);
    assert_eq!(axes(world.state()).order, "held");
    world.tell(&waives("order_too_old"));
    world.settle();
    assert!(world.outside.release.is_some());
    assert!(world.open_cases().is_empty());
}

#[test]
fn that_an_order_came_late_is_told_among_what_differs() {
    let mut world = after(45);
    world.tell(&build::observed(order(1)));
    let found = waybill_flow::differences::between(&OrderState::default(), world.state());
    let mut found = found.into_iter().filter(|d| d.what == "finding");
    let told = found.next().and_then(|d| d.replayed).unwrap();
    assert!(told.starts_with("order_too_old: "), "{told}");
    assert!(found.next().is_none());
}

#[test]
fn an_order_that_was_known_in_time_goes_on_however_late() {
    let mut world = after(44);
    let unpaid = OrderBuilder::new("1001").payment(OrderPayment::Pending);
    world.tell(&build::observed(unpaid.version(1).build()));
    world.now = world.now.plus_ms(100 * DAY_MS);
    world.tell(&build::observed(order(2)));
    world.settle();
    assert!(world.outside.release.is_some());
}

#[test]
fn an_order_placed_before_the_channel_was_taken_over_is_named() {
    let found = |start: &str| {
        let rules = Connections::parse(&from(start)).unwrap();
        let settings = rules.channel(&build::connection("shop-main")).unwrap();
        let found = findings(&order(1), settings).into_iter();
        found.map(|f| f.code.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(order(1).placed_at.to_string(), "2026-01-31T09:00:00Z");
    assert!(found("2026-01-31T09:00:00Z").is_empty());
    assert_eq!(found("2026-01-31T09:00:01Z"), ["placed_before_start"]);
}

#[test]
fn a_state_of_a_version_that_kept_no_first_sight_is_never_history() {
    let mut world = after(1);
    let unpaid = OrderBuilder::new("1001").payment(OrderPayment::Pending);
    world.tell(&build::observed(unpaid.version(1).build()));
    let mut stored = serde_json::to_value(world.state()).unwrap();
    assert!(
        stored
            .as_object_mut()
            .unwrap()
            .remove("known_since")
            .is_some()
    );
    let stored: OrderState = serde_json::from_value(stored).unwrap();
    assert_eq!(stored.known_since, None);
    world.state = Some(stored);
    world.now = world.now.plus_ms(400 * DAY_MS);
    world.tell(&build::observed(order(2)));
    world.settle();
    assert_eq!(world.state().known_since, None);
    assert_eq!(world.state().findings().count(), 0);
    assert!(world.outside.release.is_some());
}

#[test]
fn an_order_too_old_and_from_before_the_start_has_one_finding_and_one_case() {
    let mut world = after(60);
    world.tell(&placed_before(order(1)));
    let found: Vec<_> = world.state().findings().collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(world.open_cases(), ["placed_before_start"]);
    world.tell(&waives("placed_before_start"));
    world.settle();
    assert!(world.open_cases().is_empty(), "{:?}", world.open_cases());
    assert!(world.outside.release.is_some());
    let found: Vec<_> = world.state().findings().collect();
    assert_eq!(found.len(), 1, "what was let pass is still found");
}

#[test]
fn an_order_that_was_let_pass_is_not_held_again_by_a_start_that_is_set_later() {
    let mut world = after(60);
    world.tell(&build::observed(order(1)));
    world.tell(&waives("order_too_old"));
    world.settle();
    world.tell(&placed_before(order(2)));
    world.settle();
    assert_eq!(world.state().blocking().count(), 0);
    // Another finding is not let pass with it.
    let mut bad = placed_before(OrderBuilder::new("1001").version(3).build());
    if let Event::OrderObserved(observed) = &mut bad.body {
        observed.findings[0].code = build::code("no_lines");
    }
    world.tell(&bad);
    assert_eq!(world.state().blocking().count(), 1);
}

#[test]
fn what_goes_wrong_with_an_order_that_is_not_ours_opens_no_case() {
    let mut world = after(60);
    let mut told = build::observed(order(1));
    if let Event::OrderObserved(observed) = &mut told.body {
        let held = placed_before(order(1));
        let Event::OrderObserved(held) = held.body else {
            panic!("{:?}", held.body);
        };
        observed.findings = held.findings;
        let mut other = observed.findings[0].clone();
        other.code = build::code("sku_missing");
        observed.findings.push(other);
    }
    world.tell(&told);
    let mut left = shipment("SHP-1", ShipmentStatus::Shipped, &[("L1", "MUG-RED", 2)]);
    left.parcels.push(parcel(Some("1Z1")));
    tell(&mut world, "threepl", Event::ShipmentObserved(left));
    let lost = tracking("1Z1", TrackingStatus::Exception);
    tell(&mut world, "easypost", Event::TrackingObserved(lost));
    let disputed = payment(PaymentStatus::Disputed, "36.39");
    tell(&mut world, "stripe", Event::PaymentObserved(disputed));
    for (id, status) in [
        ("re_1", RefundStatus::Succeeded),
        ("re_2", RefundStatus::Failed),
    ] {
        let told = refund("stripe", id, status, "5.00");
        tell(&mut world, "stripe", Event::RefundObserved(told));
    }
    let pending = refund("shop-main", "RF-2", RefundStatus::Pending, "7.00");
    tell(&mut world, "shop-main", Event::RefundObserved(pending));
    world.now = world.now.plus_ms(30 * DAY_MS);
    let again = tracking("1Z1", TrackingStatus::ReturnToSender);
    tell(&mut world, "easypost", Event::TrackingObserved(again));
    assert_eq!(world.open_cases(), ["placed_before_start"]);
    assert!(world.issued.is_empty(), "{:?}", world.issued);
}

#[test]
fn a_refund_that_the_shop_asks_for_of_an_order_that_is_not_ours_is_a_case_of_its_own() {
    let mut world = after(60);
    world.tell(&build::observed(order(1)));
    asks_to_pay_back(&mut world);
    let case = open(&world, "refund_of_held_order").unwrap();
    assert!(case.detail.contains("5.00"), "{}", case.detail);
    assert!(
        case.remedy.contains("waive `order_too_old`"),
        "{}",
        case.remedy
    );
    assert!(case.remedy.contains("shipped"), "{}", case.remedy);
    assert_eq!(world.open_cases().len(), 2, "{:?}", world.open_cases());
    assert!(world.outside.gateway_refunds.is_empty());
    // Paid by hand and recorded.
    let mut paid = refund("shop-main", "RF-1", RefundStatus::Succeeded, "5.00");
    paid.version = waybill_model::order::Version(2);
    tell(&mut world, "shop-main", Event::RefundObserved(paid));
    assert_eq!(world.open_cases(), ["order_too_old"]);
}

#[test]
fn a_refund_of_an_order_that_is_not_ours_is_paid_once_the_order_is_let_pass() {
    let mut world = after(60);
    world.tell(&build::observed(order(1)));
    asks_to_pay_back(&mut world);
    world.tell(&waives("order_too_old"));
    world.settle();
    let paid = &world.outside.gateway_refunds;
    assert_eq!(paid[&external("RF-1")], build::eur("5.00"));
    assert!(world.outside.release.is_some(), "it is shipped too");
    assert_eq!(open(&world, "refund_of_held_order"), None);
}

#[test]
fn a_cancelled_order_that_is_not_ours_has_no_case_but_that_of_its_refund() {
    let mut world = after(60);
    let cancelled = OrderBuilder::new("1001").version(1).cancelled();
    world.tell(&build::observed(cancelled.build()));
    assert!(world.open_cases().is_empty(), "{:?}", world.open_cases());
    asks_to_pay_back(&mut world);
    assert_eq!(world.open_cases(), ["refund_of_held_order"]);
    world.tell(&waives("order_too_old"));
    world.settle();
    assert!(world.open_cases().is_empty(), "{:?}", world.open_cases());
    assert_eq!(world.outside.gateway_refunds.len(), 1);
    assert_eq!(world.outside.sale_order, None);
}

#[test]
fn a_refund_that_was_asked_for_before_the_order_was_found_not_to_be_ours_goes_its_way() {
    let mut world = after(1);
    let held = OrderBuilder::new("1001").payment(OrderPayment::Pending);
    world.tell(&build::observed(held.version(1).build()));
    let paid = payment(PaymentStatus::Captured, "5.00");
    tell(&mut world, "stripe", Event::PaymentObserved(paid));
    let asked = refund("shop-main", "RF-1", RefundStatus::Requested, "5.00");
    world.tell(&event("shop-main", Event::RefundObserved(asked)));
    world.tell(&placed_before(order(2)));
    assert!(world.state().is_history());
    assert_eq!(world.open_cases(), ["placed_before_start"], "under way");
    let refusal = build::rejected("charge_disputed");
    world.answers.clear();
    let refused = crate::told::finished(
        keys::refund(&external("RF-1")),
        waybill_model::command::CommandKind::CreateRefund,
        refusal,
    );
    world.tell(&refused);
    assert!(open(&world, "refund_of_held_order").is_some());
}

#[test]
fn an_order_that_is_not_ours_waits_for_a_person_and_not_for_the_clock() {
    let rules = from("2026-02-01T00:00:00Z").replace(
        "[connections.channel]\n",
        "[connections.channel]\nhold_minutes = 600000\n",
    );
    let mut world = World::with_rules(&rules);
    world.now = order(1).placed_at.plus_ms(DAY_MS);
    let unpaid = OrderBuilder::new("1001").payment(OrderPayment::Pending);
    let deadline = world.tell(&placed_before(unpaid.version(1).build()));
    assert_eq!(deadline, None);
    // What else would be waited for: a refund, and the tracking of a parcel.
    let pending = refund("shop-main", "RF-1", RefundStatus::Pending, "5.00");
    let told = event("shop-main", Event::RefundObserved(pending));
    assert_eq!(world.tell(&told), None);
    let mut left = shipment("SHP-1", ShipmentStatus::Shipped, &[("L1", "MUG-RED", 2)]);
    left.shipped_at = Some(world.now);
    let told = event("threepl", Event::ShipmentObserved(left));
    assert_eq!(world.tell(&told), None);
    let rules = Connections::parse(&rules).unwrap();
    let view = View::new(world.state(), &rules, world.now).unwrap();
    assert_eq!(stages::waiting(&view), []);
    assert_eq!(world.open_cases(), ["placed_before_start"]);
    let waited = world.tell(&waives("placed_before_start"));
    assert!(waited.is_some(), "it is ours now");
}
