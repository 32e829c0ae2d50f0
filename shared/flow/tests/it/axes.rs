//! Where an order stands, as four words.

use crate::told::{parcel, payment, refund, returned, shipment, tracking, warehouse_order};
use std::collections::BTreeMap;
use waybill_flow::axes::axes;
use waybill_flow::plan::keys;
use waybill_flow::state::{Effect, OrderState};
use waybill_model::command::CommandKind;
use waybill_model::event::{Finding, Outcome};
use waybill_model::failure::{GAVE_UP, NO_OUTCOME};
use waybill_model::id::EffectKey;
use waybill_model::order::OrderPayment;
use waybill_model::payment::{PaymentStatus, RefundStatus};
use waybill_model::returns::ReturnStatus;
use waybill_model::shipment::{FulfillmentStatus, Shipment, ShipmentStatus, TrackingStatus};
use waybill_testkit::build::{self, OrderBuilder, connection, external};

/// The order `1001`, paid: 2 × `L1`, 1 × `L2`.
fn told() -> OrderState {
    let mut state = OrderState::default();
    state.facts.order = Some(build::order("1001"));
    state
}

fn cancelled() -> OrderState {
    let mut state = OrderState::default();
    state.facts.order = Some(OrderBuilder::new("1001").cancelled().build());
    state
}

fn done() -> Option<Outcome> {
    let references = Vec::new();
    Some(Outcome::Done { references })
}

fn refused() -> Option<Outcome> {
    Some(build::rejected("unknown_sku"))
}

fn given_up() -> Option<Outcome> {
    Some(build::rejected(GAVE_UP))
}

fn lost() -> Option<Outcome> {
    Some(build::rejected(NO_OUTCOME))
}

fn with_effect(mut state: OrderState, key: EffectKey, outcome: Option<Outcome>) -> OrderState {
    let effect = Effect {
        command: CommandKind::CreateSaleOrder,
        issued_at: build::start(),
        outcome,
        attempt: 1,
        retry_wanted: false,
    };
    state.effects.insert(key, effect);
    state
}

fn written(state: OrderState) -> OrderState {
    with_effect(state, keys::sale_order(), done())
}

fn released(state: OrderState, outcome: Option<Outcome>) -> OrderState {
    with_effect(state, keys::release(&connection("threepl")), outcome)
}

fn with_shipment(mut state: OrderState, shipment: Shipment) -> OrderState {
    state.facts.shipments.insert(shipment.id.clone(), shipment);
    state
}

fn with_parcel(
    state: OrderState,
    mut shipment: Shipment,
    number: &str,
    status: Option<TrackingStatus>,
) -> OrderState {
    shipment.parcels.push(parcel(Some(number)));
    let mut state = with_shipment(state, shipment);
    let tracking = status.map(|status| tracking(number, status));
    let known = &mut state.facts.tracking;
    known.extend(tracking.map(|t| (t.tracking_number.clone(), t)));
    state
}

const ALL: [(&str, &str, i64); 2] = [("L1", "MUG-RED", 2), ("L2", "TEE-M", 1)];

#[test]
fn the_order_axis_follows_what_was_told_and_written() {
    let finding = || Finding {
        code: build::code("sku_missing"),
        detail: "line `L1` has no SKU".to_owned(),
        remedy: "give it one".to_owned(),
    };
    let mut held = told();
    held.facts.findings.push(finding());
    let mut waived = held.clone();
    let (code, operator) = (build::code("sku_missing"), "alice".to_owned());
    waived.facts.waived.insert(code, operator);
    let cancelling = with_effect(written(cancelled()), keys::cancel_sale_order(), None);
    let gone = |status| with_shipment(written(cancelled()), shipment("SHP-1", status, &ALL));
    for (state, wanted) in [
        (OrderState::default(), "unknown"),
        (told(), "received"),
        (held, "held"),
        (waived, "received"),
        (with_effect(told(), keys::sale_order(), None), "writing"),
        (
            with_effect(told(), keys::sale_order(), refused()),
            "refused",
        ),
        (written(told()), "confirmed"),
        (cancelled(), "cancelled"),
        (
            with_effect(cancelled(), keys::sale_order(), refused()),
            "cancelled",
        ),
        (
            with_effect(cancelled(), keys::sale_order(), given_up()),
            "cancelling",
        ),
        (
            with_effect(cancelled(), keys::sale_order(), lost()),
            "cancelling",
        ),
        (written(cancelled()), "cancelling"),
        (cancelling.clone(), "cancelling"),
        (
            with_effect(cancelling, keys::cancel_sale_order(), done()),
            "cancelled",
        ),
        (gone(ShipmentStatus::Pending), "cancelling"),
        (gone(ShipmentStatus::Shipped), "confirmed"),
    ] {
        assert_eq!(axes(&state).order, wanted);
    }
}

fn stated(payment: OrderPayment) -> OrderState {
    let mut state = told();
    state.facts.order.as_mut().unwrap().payment = payment;
    state
}

fn with_payment(mut state: OrderState, status: PaymentStatus) -> OrderState {
    let payment = payment(status, "59.90");
    state.facts.payments.insert(payment.id.clone(), payment);
    state
}

fn with_refund(mut state: OrderState, stories: &[(&str, RefundStatus)]) -> OrderState {
    let story = |(source, status): &(&str, RefundStatus)| refund(source, "R-1", *status, "5.00");
    let told = stories.iter().map(story).map(|r| (r.source.clone(), r));
    state.facts.refunds.insert(external("R-1"), told.collect());
    state
}

#[test]
fn the_payment_axis_follows_what_the_shop_states_and_the_gateway_tells() {
    use OrderPayment as States;
    let pending = || stated(States::Pending);
    for (state, wanted) in [
        (OrderState::default(), "pending"),
        (pending(), "pending"),
        (stated(States::Authorized), "authorized"),
        (stated(States::PartiallyPaid), "partially_paid"),
        (stated(States::Paid), "paid"),
        (stated(States::PartiallyRefunded), "partially_refunded"),
        (stated(States::Refunded), "refunded"),
        (stated(States::Voided), "voided"),
        (
            with_payment(pending(), PaymentStatus::Authorized),
            "pending",
        ),
        (with_payment(pending(), PaymentStatus::Captured), "paid"),
        (
            with_payment(stated(States::Paid), PaymentStatus::Disputed),
            "disputed",
        ),
    ] {
        assert_eq!(axes(&state).payment, wanted);
    }
}

#[test]
fn money_is_back_once_it_has_arrived_and_nobody_says_that_it_has_not() {
    use RefundStatus::{Failed, Pending, Succeeded};
    for (stories, wanted) in [
        (&[("shop-main", Pending)][..], "paid"),
        (&[("shop-main", Succeeded)], "partially_refunded"),
        (
            &[("shop-main", Pending), ("stripe", Succeeded)],
            "partially_refunded",
        ),
        (&[("shop-main", Succeeded), ("stripe", Failed)], "paid"),
    ] {
        let state = with_refund(stated(OrderPayment::Paid), stories);
        assert_eq!(axes(&state).payment, wanted, "{stories:?}");
    }
    let state = with_refund(stated(OrderPayment::Refunded), &[("shop-main", Failed)]);
    assert_eq!(axes(&state).payment, "refunded");
}

fn at_warehouse(state: OrderState, status: FulfillmentStatus) -> OrderState {
    let mut state = state;
    let order = warehouse_order("FO-1", status);
    state
        .facts
        .fulfillment_orders
        .insert(order.id.clone(), order);
    state
}

#[test]
fn before_anything_left_the_fulfillment_axis_follows_the_release() {
    use FulfillmentStatus::{Cancelled, Exception, OnHold, Processing};
    let off = keys::cancel_release(&connection("threepl"));
    let taken = || released(told(), done());
    for (state, wanted) in [
        (told(), "none"),
        (written(told()), "none"),
        (released(told(), None), "releasing"),
        (released(told(), refused()), "refused"),
        (taken(), "released"),
        (at_warehouse(taken(), Processing), "released"),
        (at_warehouse(taken(), OnHold), "on_hold"),
        (at_warehouse(taken(), Exception), "on_hold"),
        (at_warehouse(taken(), Cancelled), "cancelled"),
        (with_effect(taken(), off.clone(), None), "released"),
        (with_effect(taken(), off.clone(), refused()), "released"),
        (with_effect(taken(), off, done()), "cancelled"),
        (
            with_shipment(taken(), shipment("SHP-1", ShipmentStatus::Pending, &ALL)),
            "released",
        ),
    ] {
        assert_eq!(axes(&state).fulfillment, wanted);
    }
}

#[test]
fn the_fulfillment_axis_says_how_much_has_left() {
    use ShipmentStatus::{Pending, Shipped};
    let first = || with_shipment(told(), shipment("SHP-1", Shipped, &ALL[..1]));
    let second = |status| with_shipment(first(), shipment("SHP-2", status, &ALL[1..]));
    let surplus = shipment("SHP-1", Shipped, &[("L1", "MUG-RED", 3)]);
    let mut digital = first();
    digital.facts.order.as_mut().unwrap().lines[1].requires_shipping = false;
    let mut unknown = first();
    unknown.facts.order.as_mut().unwrap().lines[1].sku = None;
    let mut taken_off = first();
    taken_off.facts.order.as_mut().unwrap().lines[1].current_quantity = build::units(0);
    let mut foreign = first();
    foreign.facts.order = None;
    for (state, wanted) in [
        (first(), "partially_shipped"),
        (second(Pending), "partially_shipped"),
        (second(Shipped), "shipped"),
        // Three of one line are not two of it and one of the other.
        (with_shipment(told(), surplus), "partially_shipped"),
        (digital, "shipped"),
        (unknown, "shipped"),
        (taken_off, "shipped"),
        (foreign, "partially_shipped"),
        // A warehouse that does not say what is in its parcel.
        (
            with_shipment(told(), shipment("SHP-1", Shipped, &[])),
            "shipped",
        ),
        (
            with_shipment(told(), shipment("SHP-1", Pending, &[])),
            "none",
        ),
    ] {
        assert_eq!(axes(&state).fulfillment, wanted);
    }
}

#[test]
fn an_order_is_delivered_when_all_of_it_has_arrived() {
    use ShipmentStatus::{Delivered, Shipped};
    use TrackingStatus::InTransit;
    let arrived = Some(TrackingStatus::Delivered);
    let all = || shipment("SHP-1", Shipped, &ALL);
    let first = || {
        with_parcel(
            told(),
            shipment("SHP-1", Shipped, &ALL[..1]),
            "1Z1",
            arrived,
        )
    };
    let untracked = {
        let mut shipment = all();
        shipment.parcels.push(parcel(None));
        with_parcel(told(), shipment, "1Z1", arrived)
    };
    let rest = |status| with_shipment(first(), shipment("SHP-2", status, &ALL[1..]));
    for (state, wanted) in [
        (
            with_shipment(told(), shipment("SHP-1", Delivered, &ALL)),
            "delivered",
        ),
        (with_parcel(told(), all(), "1Z1", arrived), "delivered"),
        (
            with_parcel(told(), all(), "1Z1", Some(InTransit)),
            "shipped",
        ),
        (with_parcel(told(), all(), "1Z1", None), "shipped"),
        (untracked, "shipped"),
        (first(), "partially_shipped"),
        (rest(Shipped), "shipped"),
        (rest(Delivered), "delivered"),
    ] {
        assert_eq!(axes(&state).fulfillment, wanted);
    }
}

fn with_return(mut state: OrderState, source: &str, status: ReturnStatus) -> OrderState {
    let told = returned(source, "RET-1", status);
    let stories = state.facts.returns.entry(told.id.clone()).or_default();
    stories.insert(told.source.clone(), told);
    state
}

#[test]
fn the_return_axis_is_the_furthest_that_anybody_told() {
    use ReturnStatus::{Authorized, Completed, Declined, Received, Requested};
    for (status, wanted) in [
        (Requested, "requested"),
        (Authorized, "authorized"),
        (Declined, "declined"),
        (Received, "received"),
        (Completed, "received"),
    ] {
        let state = with_return(told(), "shop-main", status);
        assert_eq!(axes(&state).returned, wanted);
    }
    let both = with_return(
        with_return(told(), "shop-main", Requested),
        "threepl",
        Received,
    );
    assert_eq!(axes(&both).returned, "received");
    assert_eq!(axes(&told()).returned, "none");
    let key = keys::receive(&external("RET-1"));
    for (outcome, wanted) in [
        (None, "received"),
        (refused(), "received"),
        (done(), "restocked"),
    ] {
        let state = with_effect(both.clone(), key.clone(), outcome);
        assert_eq!(axes(&state).returned, wanted);
    }
    // What was done for something else says nothing of returns.
    assert_eq!(axes(&written(both)).returned, "received");
}

#[test]
fn helpdesks_get_the_axes_by_name() {
    let map = axes(&written(told())).to_map();
    let wanted = [
        ("fulfillment", "none"),
        ("order", "confirmed"),
        ("payment", "paid"),
        ("return", "none"),
    ];
    let wanted = wanted.map(|(axis, word)| (axis.to_owned(), word.to_owned()));
    assert_eq!(map, BTreeMap::from(wanted));
}
