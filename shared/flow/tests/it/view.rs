//! Questions about a state: whether it is paid, what came back, which clocks run.

use crate::told::{parcel, payment, refund, returned, shipment};
use crate::world::CONNECTIONS;
use std::collections::BTreeSet;
use waybill_flow::connections::Connections;
use waybill_flow::plan::keys;
use waybill_flow::stages::{TRACKING_WAIT_MS, next_deadline, waiting};
use waybill_flow::state::{Effect, OrderState};
use waybill_flow::view::View;
use waybill_model::case::CaseClass;
use waybill_model::command::CommandKind;
use waybill_model::event::{Finding, Outcome};
use waybill_model::id::EffectKey;
use waybill_model::order::{Order, OrderPayment};
use waybill_model::payment::{PaymentStatus, RefundStatus};
use waybill_model::returns::{Disposition, ReturnLine, ReturnStatus};
use waybill_model::shipment::ShipmentStatus;
use waybill_model::time::Instant;
use waybill_testkit::build::{self, OrderBuilder, connection, external, text};

const ALL: [(&str, &str, i64); 2] = [("L1", "MUG-RED", 2), ("L2", "TEE-M", 1)];
const MINUTE_MS: i64 = 60_000;

fn told(order: Order) -> OrderState {
    let mut state = OrderState::default();
    state.facts.order = Some(order);
    state.facts.first_seen = Some(build::start());
    state
}

fn unpaid() -> OrderState {
    told(
        OrderBuilder::new("1001")
            .payment(OrderPayment::Pending)
            .build(),
    )
}

/// The usual connections with these lines in the channel's table.
fn rules(channel: &str) -> Connections {
    let table = "[connections.channel]\n";
    Connections::parse(&CONNECTIONS.replace(table, &format!("{table}{channel}\n"))).unwrap()
}

fn with_effect(
    mut state: OrderState,
    key: EffectKey,
    command: CommandKind,
    outcome: Option<Outcome>,
) -> OrderState {
    let effect = Effect {
        command,
        issued_at: build::start(),
        outcome,
        attempt: 1,
        retry_wanted: false,
    };
    state.effects.insert(key, effect);
    state
}

fn done() -> Option<Outcome> {
    let references = Vec::new();
    Some(Outcome::Done { references })
}

fn written() -> OrderState {
    let state = told(build::order("1001"));
    with_effect(
        state,
        keys::sale_order(),
        CommandKind::CreateSaleOrder,
        done(),
    )
}

fn release() -> EffectKey {
    keys::release(&connection("threepl"))
}

fn released() -> OrderState {
    with_effect(
        written(),
        release(),
        CommandKind::CreateFulfillmentOrder,
        done(),
    )
}

fn left(mut state: OrderState, id: &str, lines: &[(&str, &str, i64)]) -> OrderState {
    let shipment = shipment(id, ShipmentStatus::Shipped, lines);
    state.facts.shipments.insert(shipment.id.clone(), shipment);
    state
}

#[test]
fn an_order_is_paid_when_the_shop_states_it_or_the_payments_cover_it() {
    use PaymentStatus::{Authorized, Cancelled, Captured, Disputed, Failed};
    let paid = |needed, stated, told: &[(PaymentStatus, &str)]| {
        let mut state = unpaid();
        state.facts.order.as_mut().unwrap().payment = stated;
        for (index, (status, amount)) in told.iter().enumerate() {
            let mut payment = payment(*status, amount);
            payment.id = external(&format!("pi_{index}"));
            state.facts.payments.insert(payment.id.clone(), payment);
        }
        let rules = rules("");
        View::new(&state, &rules, build::start())
            .unwrap()
            .is_paid_at(needed)
    };
    let pending = OrderPayment::Pending;
    for (stated, wanted) in [
        (OrderPayment::Pending, [false, false]),
        (OrderPayment::PartiallyPaid, [false, false]),
        (OrderPayment::Voided, [false, false]),
        (OrderPayment::Authorized, [true, false]),
        (OrderPayment::Paid, [true, true]),
        (OrderPayment::PartiallyRefunded, [true, true]),
        (OrderPayment::Refunded, [true, true]),
    ] {
        assert_eq!(
            [Authorized, Captured].map(|n| paid(n, stated, &[])),
            wanted,
            "{stated:?}"
        );
    }
    for (told, wanted) in [
        (&[(Failed, "59.90")][..], [false, false]),
        (&[(Cancelled, "59.90")], [false, false]),
        (&[(Authorized, "59.90")], [true, false]),
        (&[(Captured, "59.90")], [true, true]),
        (&[(Disputed, "59.90")], [true, true]),
        (&[(Captured, "59.89")], [false, false]),
        (&[(Captured, "50.00"), (Captured, "9.90")], [true, true]),
        (&[(Captured, "50.00"), (Authorized, "9.90")], [true, false]),
    ] {
        assert_eq!(
            [Authorized, Captured].map(|n| paid(n, pending, told)),
            wanted,
            "{told:?}"
        );
    }
}

#[test]
fn gift_cards_count_and_other_currencies_do_not() {
    let is_paid = |change: &dyn Fn(&mut OrderState)| {
        let mut state = unpaid();
        change(&mut state);
        let rules = rules("");
        View::new(&state, &rules, build::start()).unwrap().is_paid()
    };
    let card = |amount: &'static str| {
        move |s: &mut OrderState| {
            s.facts.order.as_mut().unwrap().gift_card_paid = build::amount(amount);
        }
    };
    assert!(is_paid(&card("59.90")));
    assert!(!is_paid(&card("59.89")));
    let captured = |amount: &str, currency: &str| {
        let mut payment = payment(PaymentStatus::Captured, amount);
        payment.amount.currency = build::currency(currency);
        payment
    };
    let pay = |s: &mut OrderState, amount, currency| {
        s.facts
            .payments
            .insert(external("pi_1"), captured(amount, currency));
    };
    assert!(is_paid(&|s| (card("9.90")(s), pay(s, "50.00", "EUR")).1));
    assert!(!is_paid(&|s| pay(s, "59.90", "USD")));
    // More on a card than is due is not paid by a payment of nothing.
    assert!(!is_paid(&|s| (card("60.00")(s), pay(s, "0", "EUR")).1));
}

#[test]
fn the_gate_says_how_far_the_money_must_have_come() {
    let passes = |gate: &str, status| {
        let mut state = unpaid();
        let payment = payment(status, "59.90");
        state.facts.payments.insert(payment.id.clone(), payment);
        let rules = rules(&format!("payment_gate = \"{gate}\""));
        View::new(&state, &rules, build::start()).unwrap().is_paid()
    };
    use PaymentStatus::{Authorized, Captured, Pending};
    for (gate, wanted) in [
        ("none", [true, true, true]),
        ("authorized", [false, true, true]),
        ("paid", [false, false, true]),
    ] {
        assert_eq!(
            [Pending, Authorized, Captured].map(|s| passes(gate, s)),
            wanted,
            "{gate}"
        );
    }
}

#[test]
fn goods_are_back_when_the_warehouse_has_said_all_of_them() {
    let back = |source: &str, status, dispositions: &[Disposition]| {
        let mut state = written();
        let mut told = returned(source, "RET-1", status);
        told.lines = dispositions
            .iter()
            .map(|disposition| ReturnLine {
                line_id: None,
                sku: build::sku("MUG-RED"),
                quantity: build::units(1),
                disposition: *disposition,
                lots: Vec::new(),
            })
            .collect();
        let stories = state.facts.returns.entry(told.id.clone()).or_default();
        stories.insert(told.source.clone(), told);
        let rules = rules("");
        View::new(&state, &rules, build::start())
            .unwrap()
            .received_returns()
            .count()
            == 1
    };
    use Disposition::{Restock, Scrap, Unknown};
    use ReturnStatus::{Authorized, Completed, Received};
    assert!(back("threepl", Completed, &[Restock]));
    assert!(back("threepl", Completed, &[Unknown]));
    assert!(back("threepl", Received, &[Restock, Scrap]));
    assert!(!back("threepl", Received, &[Restock, Unknown]));
    assert!(!back("threepl", Authorized, &[Restock]));
    assert!(!back("threepl", Completed, &[]));
    assert!(!back("shop-main", Completed, &[Restock]));
}

#[test]
fn a_due_refund_may_be_one_that_the_gateway_paid_already() {
    let maybe = |amount: &str, status| {
        let mut state = written();
        for story in [
            refund("shop-main", "R-1", RefundStatus::Requested, "5.00"),
            refund("stripe", "re_1", status, amount),
        ] {
            let stories = state.facts.refunds.entry(story.id.clone()).or_default();
            stories.insert(story.source.clone(), story);
        }
        let rules = rules("");
        let view = View::new(&state, &rules, build::start()).unwrap();
        let due = view.refunds().find(|r| r.channel.is_some()).unwrap();
        view.maybe_paid(&due).map(|r| r.id.clone())
    };
    use RefundStatus::{Cancelled, Failed, Pending, Succeeded};
    assert_eq!(maybe("5.00", Succeeded), Some(external("re_1")));
    assert_eq!(maybe("5.00", Pending), Some(external("re_1")));
    assert_eq!(maybe("5.01", Succeeded), None);
    assert_eq!(maybe("5.00", Failed), None);
    assert_eq!(maybe("5.00", Cancelled), None);
}

#[test]
fn numbers_that_come_later_are_told_once_the_first_ones_were() {
    let later = |told: &[&str], outcome, also: Option<&str>| {
        let first = keys::delivery(&external("SHP-1"));
        let mut state = with_effect(
            written(),
            first.clone(),
            CommandKind::RegisterDelivery,
            outcome,
        );
        let numbers: BTreeSet<_> = told.iter().map(|n| text(n)).collect();
        state.told_numbers.insert(first.clone(), numbers);
        let mut shipment = shipment("SHP-1", ShipmentStatus::Shipped, &ALL);
        shipment.parcels = vec![parcel(Some("1Z1")), parcel(Some("1Z2"))];
        if let Some(other) = also {
            let numbers = BTreeSet::from([text("1Z9")]);
            let key = keys::later_tracking(keys::DELIVERY_TRACKING, &external(other), &numbers);
            state = with_effect(state, key, CommandKind::RegisterDelivery, None);
        }
        let rules = rules("");
        let view = View::new(&state, &rules, build::start()).unwrap();
        view.later_tracking(&first, keys::DELIVERY_TRACKING, &shipment)
            .is_some()
    };
    assert!(later(&["1Z1"], done(), None));
    assert!(later(&[], done(), None));
    assert!(!later(&["1Z1", "1Z2"], done(), None), "told already");
    assert!(!later(&["1Z1"], None, None), "the first is under way");
    assert!(
        !later(&["1Z1"], done(), Some("SHP-1")),
        "others of it are under way"
    );
    assert!(later(&["1Z1"], done(), Some("SHP-2")));
}

/// The stages that wait, with the minutes they are given.
fn stages(state: &OrderState, channel: &str) -> Vec<(&'static str, i64)> {
    let rules = rules(channel);
    let view = View::new(state, &rules, build::start()).unwrap();
    let waiting = waiting(&view).into_iter();
    waiting
        .map(|s| (s.name, s.deadline.ms_since(s.since) / MINUTE_MS))
        .collect()
}

const LIMITS: &str =
    "stage_minutes = { payment = 1, erp = 2, release = 3, ship = 4, credit_note = 5 }";

#[test]
fn an_order_waits_for_money_unless_it_is_blocked_or_cancelled() {
    let finding = Finding {
        code: build::code("sku_missing"),
        detail: "line `L1` has no SKU".to_owned(),
        remedy: "give it one".to_owned(),
    };
    assert_eq!(stages(&unpaid(), LIMITS), [("payment", 1)]);
    assert_eq!(stages(&told(build::order("1001")), LIMITS), []);
    let mut blocked = unpaid();
    blocked.facts.findings.push(finding);
    assert_eq!(stages(&blocked, LIMITS), []);
    let order = OrderBuilder::new("1001").payment(OrderPayment::Pending);
    assert_eq!(stages(&told(order.cancelled().build()), LIMITS), []);
}

#[test]
fn what_is_under_way_in_the_erp_and_at_the_warehouse_has_a_clock() {
    let order = || told(build::order("1001"));
    let create = CommandKind::CreateSaleOrder;
    let writing = with_effect(order(), keys::sale_order(), create, None);
    assert_eq!(stages(&writing, LIMITS), [("erp", 2)]);
    let fulfill = CommandKind::CreateFulfillmentOrder;
    let releasing = with_effect(written(), release(), fulfill, None);
    assert_eq!(stages(&releasing, LIMITS), [("release", 3)]);
    let publish = with_effect(order(), keys::ticket(1), CommandKind::UpdateTicket, None);
    assert_eq!(stages(&publish, LIMITS), []);
}

#[test]
fn a_written_order_waits_for_its_release_if_it_ships() {
    assert_eq!(stages(&written(), LIMITS), [("release", 3)]);
    let mut digital = written();
    let order = digital.facts.order.as_mut().unwrap();
    order
        .lines
        .iter_mut()
        .for_each(|l| l.requires_shipping = false);
    assert_eq!(stages(&digital, LIMITS), []);
    let mut held = written();
    held.facts.order.as_mut().unwrap().payment = OrderPayment::Pending;
    assert_eq!(stages(&held, LIMITS), [("payment", 1)]);
}

#[test]
fn a_released_order_waits_for_its_parcels_unless_it_was_called_off() {
    assert_eq!(stages(&released(), LIMITS), [("ship", 4)]);
    let fulfill = CommandKind::CreateFulfillmentOrder;
    let refused = with_effect(
        written(),
        release(),
        fulfill,
        Some(build::rejected("no_stock")),
    );
    assert_eq!(stages(&refused, LIMITS), []);
    let off = keys::cancel_release(&connection("threepl"));
    let cancel = CommandKind::CancelFulfillmentOrder;
    assert_eq!(
        stages(&with_effect(released(), off, cancel, done()), LIMITS),
        []
    );
    assert_eq!(
        stages(&left(released(), "SHP-1", &ALL[..1]), LIMITS),
        [("ship", 4)]
    );
    assert_eq!(stages(&left(released(), "SHP-1", &ALL), LIMITS), []);
}

#[test]
fn the_rest_of_an_order_has_waited_since_its_last_parcel() {
    let mut state = left(released(), "SHP-1", &ALL[..1]);
    let later = build::start().plus_ms(MINUTE_MS);
    state
        .facts
        .shipments
        .get_mut(&external("SHP-1"))
        .unwrap()
        .shipped_at = Some(later);
    let rules = rules("");
    let view = View::new(&state, &rules, build::start()).unwrap();
    assert_eq!(waiting(&view)[0].since, later);
}

#[test]
fn a_refund_waits_until_its_money_is_back_or_not() {
    use RefundStatus::{Cancelled, Failed, Pending, Requested, Succeeded};
    let of = |stories: &[(&str, RefundStatus)]| {
        let mut state = left(released(), "SHP-1", &ALL);
        for (source, status) in stories {
            let story = refund(source, "R-1", *status, "5.00");
            let known = state.facts.refunds.entry(story.id.clone()).or_default();
            known.insert(story.source.clone(), story);
        }
        stages(&state, LIMITS)
    };
    let waits = [("credit_note", 5)];
    assert_eq!(of(&[("shop-main", Requested)]), waits);
    assert_eq!(of(&[("shop-main", Pending)]), waits);
    assert_eq!(of(&[("shop-main", Requested), ("stripe", Pending)]), waits);
    assert_eq!(of(&[("shop-main", Requested), ("stripe", Succeeded)]), []);
    assert_eq!(of(&[("shop-main", Succeeded)]), []);
    assert_eq!(of(&[("shop-main", Failed)]), []);
    assert_eq!(of(&[("shop-main", Cancelled)]), []);
}

#[test]
fn what_is_told_to_others_is_waited_for_a_little_longer_than_it_is_tried() {
    let of = |key: EffectKey, command, outcome| {
        let ended = left(released(), "SHP-1", &ALL);
        stages(&with_effect(ended, key, command, outcome), LIMITS)
    };
    let publish = || keys::publish(&external("SHP-1"));
    let waits = [("status", 26 * 60)];
    let command = CommandKind::PublishFulfillment;
    assert_eq!(of(publish(), command, None), waits);
    assert_eq!(of(publish(), command, done()), []);
    assert_eq!(of(keys::ticket(0), CommandKind::UpdateTicket, None), waits);
    assert_eq!(
        of(keys::ticket(7), CommandKind::UpdateTicket, None),
        [],
        "another is the newest"
    );
    let classes = [
        (CommandKind::CreateRefund, CaseClass::Finance),
        (command, CaseClass::Integration),
    ];
    for (command, class) in classes {
        let ended = left(released(), "SHP-1", &ALL);
        let state = with_effect(ended, publish(), command, None);
        let rules = rules("");
        let view = View::new(&state, &rules, build::start()).unwrap();
        assert_eq!(waiting(&view)[0].class, class);
    }
}

fn wakes(state: &OrderState, channel: &str, now: Instant) -> Option<i64> {
    let rules = rules(channel);
    let view = View::new(state, &rules, now).unwrap();
    next_deadline(&view).map(|at| at.ms_since(build::start()))
}

#[test]
fn the_clock_wakes_an_order_at_the_first_deadline_that_is_to_come() {
    let start = build::start();
    let at = |ms| start.plus_ms(ms);
    let state = released();
    assert_eq!(wakes(&state, LIMITS, start), Some(4 * MINUTE_MS));
    assert_eq!(
        wakes(&state, LIMITS, at(4 * MINUTE_MS - 1)),
        Some(4 * MINUTE_MS)
    );
    // Overdue already: it is looked at now and then, lest an answer was lost.
    let again = 6 * 60 * MINUTE_MS;
    let overdue = 4 * MINUTE_MS;
    assert_eq!(wakes(&state, LIMITS, at(overdue)), Some(overdue + again));
}

#[test]
fn an_order_that_waits_for_nothing_is_left_alone() {
    let start = build::start();
    let mut ended = left(released(), "SHP-1", &ALL);
    let key = keys::publish(&external("SHP-1"));
    ended = with_effect(ended, key, CommandKind::PublishFulfillment, done());
    assert_eq!(wakes(&ended, "", start), None);
    let cancelled = told(OrderBuilder::new("1001").cancelled().build());
    assert_eq!(wakes(&cancelled, "", start), None);
    assert_eq!(wakes(&cancelled, "hold_minutes = 60", start), None);
    // Not written yet and nothing asked for: a person may have to mend it.
    let again = 6 * 60 * MINUTE_MS;
    assert_eq!(wakes(&told(build::order("1001")), "", start), Some(again));
}

#[test]
fn a_parcel_without_a_number_is_told_after_two_hours() {
    let start = build::start();
    let mut parcel = left(released(), "SHP-1", &ALL);
    let shipment = parcel.facts.shipments.get_mut(&external("SHP-1")).unwrap();
    shipment.shipped_at = Some(start);
    assert_eq!(TRACKING_WAIT_MS, 120 * MINUTE_MS);
    assert_eq!(wakes(&parcel, "", start), Some(TRACKING_WAIT_MS));
    let at_the_end = start.plus_ms(TRACKING_WAIT_MS);
    assert_eq!(wakes(&parcel, "", at_the_end), None, "it is told now");
    let mut cancelled = parcel;
    let order = cancelled.facts.order.as_mut().unwrap();
    *order = OrderBuilder::new("1001").cancelled().build();
    assert_eq!(wakes(&cancelled, "", start), None);
}

#[test]
fn a_hold_ends_on_the_minute() {
    let held = told(build::order("1001"));
    let order = held.facts.order.clone().unwrap();
    let ends = order
        .placed_at
        .plus_ms(60 * MINUTE_MS)
        .ms_since(build::start());
    assert_eq!(
        wakes(&held, "hold_minutes = 60", build::start()),
        Some(ends)
    );
    let over = build::start().plus_ms(ends);
    let again = ends + 6 * 60 * MINUTE_MS;
    assert_eq!(wakes(&held, "hold_minutes = 60", over), Some(again));
}

#[test]
fn without_a_hold_nothing_waits_for_the_time_of_an_order_from_the_future() {
    let mut early = told(build::order("1001"));
    let later = build::start().plus_ms(MINUTE_MS);
    early.facts.order.as_mut().unwrap().placed_at = later;
    let again = 6 * 60 * MINUTE_MS;
    assert_eq!(wakes(&early, "", build::start()), Some(again));
}

#[test]
fn an_effect_is_lost_when_nothing_was_heard_of_it_for_a_day() {
    let lost = |outcome: Option<Outcome>, seconds: i64| {
        let state = with_effect(
            written(),
            release(),
            CommandKind::CreateFulfillmentOrder,
            outcome,
        );
        state.effects[&release()].is_lost(build::start().plus_ms(seconds * 1000))
    };
    assert!(!lost(None, 86_399));
    assert!(lost(None, 86_400));
    assert!(!lost(done(), 86_400));
}
