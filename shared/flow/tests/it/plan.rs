//! Which effects are issued, and when again.

use crate::told::{decided, event, finished, parcel, payment, refund, shipment};
use crate::world::{CONNECTIONS, World};
use std::collections::BTreeSet;
use waybill_flow::decide::Decided;
use waybill_flow::plan::keys;
use waybill_model::command::{Command, CommandKind, CommandQueue};
use waybill_model::event::{Decision, Event, Outcome};
use waybill_model::id::EffectKey;
use waybill_model::order::{OrderPayment, Version};
use waybill_model::payment::{PaymentStatus, RefundLine, RefundStatus};
use waybill_model::shipment::ShipmentStatus;
use waybill_testkit::build::{self, OrderBuilder, connection, external};

const ALL: [(&str, &str, i64); 2] = [("L1", "MUG-RED", 2), ("L2", "TEE-M", 1)];

fn observed(order: OrderBuilder) -> Event {
    build::observed(order.build()).body
}

fn tell(world: &mut World, source: &str, body: Event) {
    world.tell(&event(source, body));
    world.settle();
}

fn released() -> World {
    let mut world = World::new();
    tell(&mut world, "shop-main", observed(OrderBuilder::new("1001")));
    world
}

fn keys_of(decided: &Decided) -> Vec<&str> {
    decided.commands.iter().map(|c| c.effect.as_str()).collect()
}

#[test]
fn an_order_has_one_effect_under_way_in_the_erp() {
    let mut world = released();
    let mut left = shipment("SHP-1", ShipmentStatus::Shipped, &ALL);
    left.parcels.push(parcel(Some("1Z1")));
    // The invoice and the delivery are both due: one goes out, and the other after its answer.
    world.tell(&event("threepl", Event::ShipmentObserved(left)));
    let mut more = BTreeSet::new();
    loop {
        let effects = world.state().effects.values();
        let busy =
            effects.filter(|e| e.command.queue() == CommandQueue::Erp && e.outcome.is_none());
        assert!(busy.count() <= 1);
        let Some(answer) = world.answers.pop_front() else {
            break;
        };
        more.extend(
            keys_of(&world.decide(&answer))
                .into_iter()
                .map(str::to_owned),
        );
    }
    assert!(world.issued.contains(&keys::delivery(&external("SHP-1"))));
    // What goes elsewhere does not wait for the ERP.
    assert!(world.issued.contains(&keys::publish(&external("SHP-1"))));
    assert!(!more.contains(keys::publish(&external("SHP-1")).as_str()));
}

#[test]
fn two_effects_that_become_due_at_once_go_to_the_erp_one_after_the_other() {
    let mut world = released();
    let two = |id| {
        let mut one = shipment(id, ShipmentStatus::Shipped, &ALL[..1]);
        one.lines[0].quantity = build::units(1);
        Event::ShipmentObserved(one)
    };
    // Both are told while an answer is awaited, so that both are due when it comes.
    let first = world.decide(&event("threepl", two("SHP-1")));
    assert_eq!(
        keys_of(&first),
        ["delivery.register/SHP-1", "ticket.update/1"]
    );
    let second = world.decide(&event("threepl", two("SHP-2")));
    assert_eq!(keys_of(&second), Vec::<&str>::new());
    let answer = world.answers.pop_front().unwrap();
    let then = world.decide(&answer);
    assert_eq!(keys_of(&then), ["delivery.register/SHP-2"]);
}

#[test]
fn a_refused_effect_is_issued_again_when_a_person_says_so_and_counts_its_attempts() {
    let key = keys::sale_order();
    let mut world = World::new();
    world
        .refusals
        .insert(key.clone(), build::rejected("unknown_sku"));
    tell(&mut world, "shop-main", observed(OrderBuilder::new("1001")));
    assert_eq!(world.issued, std::slice::from_ref(&key));
    let effect = key.clone();
    let retry = decided(Decision::Retry { effect });
    let again = world.decide(&retry);
    assert_eq!(keys_of(&again), ["sale_order.create"]);
    assert_eq!(world.state().effects[&key].attempt, 2);
    // Issued and unanswered, it is not issued a third time.
    let mut twice = retry;
    twice.id = build::message("another-retry");
    assert_eq!(keys_of(&world.decide(&twice)), Vec::<&str>::new());
}

#[test]
fn a_retry_of_what_is_wanted_no_more_is_forgotten() {
    let key = keys::release(&connection("threepl"));
    let mut world = World::new();
    world
        .refusals
        .insert(key.clone(), build::rejected("no_stock"));
    tell(&mut world, "shop-main", observed(OrderBuilder::new("1001")));
    let cancelled = OrderBuilder::new("1001").version(2).cancelled();
    tell(&mut world, "shop-main", observed(cancelled));
    let effect = key.clone();
    tell(
        &mut world,
        "waybill",
        decided(Decision::Retry { effect }).body,
    );
    assert!(!world.state().effects[&key].retry_wanted);
    assert_eq!(world.state().effects[&key].attempt, 1);
}

#[test]
fn an_outcome_of_an_effect_that_nobody_knows_is_kept_and_does_not_come_undone() {
    let mut world = World::new();
    let done = || Outcome::Done {
        references: Vec::new(),
    };
    let (key, kind) = (keys::sale_order(), CommandKind::CreateSaleOrder);
    world.tell(&finished(key.clone(), kind, done()));
    world.tell(&finished(key.clone(), kind, build::rejected("unknown_sku")));
    assert_eq!(world.state().effects[&key].outcome, Some(done()));
    tell(&mut world, "shop-main", observed(OrderBuilder::new("1001")));
    assert!(!world.issued.contains(&key));
}

#[test]
fn dropping_the_rest_does_not_count_as_telling_its_parcels() {
    let mut world = released();
    let first = shipment("SHP-1", ShipmentStatus::Shipped, &ALL[..1]);
    tell(
        &mut world,
        "threepl",
        Event::ShipmentObserved(first.clone()),
    );
    let told = world.state().told_numbers[&keys::delivery(&external("SHP-1"))].clone();
    assert!(told.is_empty());
    let mut rest = refund("shop-main", "R-1", RefundStatus::Succeeded, "30.00");
    rest.lines.push(RefundLine {
        line_id: build::text("L2"),
        sku: Some(build::sku("TEE-M")),
        quantity: build::units(1),
        amount: build::amount("30.00"),
        restock: true,
    });
    tell(&mut world, "shop-main", Event::RefundObserved(rest));
    assert!(world.outside.rest_dropped);
    let mut tracked = first;
    tracked.parcels.push(parcel(Some("1Z1")));
    tell(&mut world, "threepl", Event::ShipmentObserved(tracked));
    let numbers = &world.outside.deliveries[&external("SHP-1")];
    assert_eq!(numbers.len(), 1, "told later");
}

/// Effects of the finances that are issued for a paid order under this policy.
fn invoiced(policy: &str, order: OrderBuilder, left: bool) -> Vec<String> {
    let rules = CONNECTIONS.replace("invoicing = \"paid\"", &format!("invoicing = \"{policy}\""));
    let mut world = World::with_rules(&rules);
    tell(&mut world, "shop-main", observed(order));
    if left {
        let all = shipment("SHP-1", ShipmentStatus::Shipped, &ALL);
        tell(&mut world, "threepl", Event::ShipmentObserved(all));
    }
    let issued = world.issued.iter().map(EffectKey::as_str);
    let invoices = issued.filter(|key| key.starts_with("invoice."));
    invoices.map(str::to_owned).collect()
}

#[test]
fn invoices_are_made_when_the_policy_says() {
    let order = || OrderBuilder::new("1001");
    let digital = || order().with(|o| o.lines.iter_mut().for_each(|l| l.requires_shipping = false));
    let after_delivery = ["invoice.create/SHP-1"];
    assert_eq!(invoiced("manual", order(), true), Vec::<String>::new());
    assert_eq!(invoiced("delivered", order(), false), Vec::<String>::new());
    assert_eq!(invoiced("delivered", order(), true), after_delivery);
    assert_eq!(
        invoiced("delivered", digital(), false),
        ["invoice.create/nothing_ships"]
    );
    assert_eq!(invoiced("paid", order(), false), ["invoice.create/paid"]);
    assert_eq!(invoiced("paid", digital(), false), ["invoice.create/paid"]);
    let both = invoiced("paid", order(), true);
    assert_eq!(both, ["invoice.create/paid", "invoice.create/SHP-1"]);
}

/// Payments that are booked, as `id by taker: amount (method)`.
fn booked(rules: &str, order: OrderBuilder, gateway: &[(PaymentStatus, &str)]) -> Vec<String> {
    let mut world = World::with_rules(rules);
    let mut commands = Vec::new();
    let mut events = vec![event("shop-main", observed(order))];
    for (status, amount) in gateway {
        let told = payment(*status, amount);
        events.push(event("stripe", Event::PaymentObserved(told)));
    }
    for told in &events {
        commands.extend(world.decide(told).commands);
        while let Some(answer) = world.answers.pop_front() {
            commands.extend(world.decide(&answer).commands);
        }
    }
    let booked = commands.iter().filter_map(|issued| match &issued.command {
        Command::RegisterPayment(p) => {
            let method = p.method.as_deref().unwrap_or("-");
            Some(format!(
                "{} by {}: {} ({method})",
                p.id, p.gateway, p.amount
            ))
        }
        _ => None,
    });
    booked.collect()
}

#[test]
fn payments_are_booked_once_by_who_took_them() {
    use PaymentStatus::{Authorized, Captured, Disputed};
    let order = || OrderBuilder::new("1001");
    let card = || order().with(|o| o.gift_card_paid = build::amount("9.90"));
    let alone = CONNECTIONS.replace("gateway = \"stripe\"", "");
    let unbooked = CONNECTIONS.replace("payment_journals = { default = \"account.1_bank\" }", "");
    let none = Vec::<String>::new();
    let by_stripe = ["pi_1 by stripe: 59.90 EUR (-)"];
    assert_eq!(
        booked(CONNECTIONS, order(), &[(Captured, "59.90")]),
        by_stripe
    );
    assert_eq!(
        booked(CONNECTIONS, order(), &[(Disputed, "59.90")]),
        by_stripe
    );
    assert_eq!(booked(CONNECTIONS, order(), &[(Authorized, "59.90")]), none);
    assert_eq!(booked(CONNECTIONS, order(), &[(Captured, "0")]), none);
    assert_eq!(booked(&unbooked, order(), &[(Captured, "59.90")]), none);
    let gift_card = "gift_card by shop-main: 9.90 EUR (gift_card)";
    assert_eq!(booked(CONNECTIONS, card(), &[]), [gift_card]);
    // Without a gateway the shop's word is the payment, less what a gift card paid.
    assert_eq!(
        booked(&alone, order(), &[]),
        ["channel by shop-main: 59.90 EUR (-)"]
    );
    assert_eq!(
        booked(&alone, card(), &[]),
        [gift_card, "channel by shop-main: 50.00 EUR (-)"]
    );
    let all_by_card = order().with(|o| o.gift_card_paid = build::amount("59.90"));
    assert_eq!(
        booked(&alone, all_by_card, &[]),
        ["gift_card by shop-main: 59.90 EUR (gift_card)"]
    );
    let ungated = alone.replace("tracker =", "payment_gate = \"none\"\ntracker =");
    assert_eq!(
        booked(&ungated, order().payment(OrderPayment::Pending), &[]),
        none
    );
}

#[test]
fn a_newer_snapshot_is_an_amendment_until_the_order_is_released() {
    let mut world = World::new();
    let hold = keys::release(&connection("threepl"));
    let edited = |version, price: &str| {
        let order = OrderBuilder::new("1001").version(version);
        let price = build::amount(price);
        event(
            "shop-main",
            observed(order.with(|o| o.lines[0].unit_price = price)),
        )
    };
    world.tell(&event("shop-main", observed(OrderBuilder::new("1001"))));
    world.tell(&edited(2, "13.00"));
    let answer = world.answers.pop_front().unwrap();
    assert_eq!(keys_of(&world.decide(&answer)), ["sale_order.amend/1"]);
    assert!(
        !world.issued.contains(&hold),
        "not before the amendment is done"
    );
    world.tell(&edited(3, "14.00"));
    world.settle();
    assert!(world.issued.contains(&keys::amend(2)));
    assert!(world.issued.contains(&hold));
    let state = world.state();
    assert_eq!(state.facts.order.as_ref().unwrap().version, Version(3));
    let late = world.decide(&edited(4, "15.00"));
    assert_eq!(keys_of(&late), ["ticket.update/1"], "and no amendment");
    assert_eq!(world.open_cases(), ["edited_after_release"]);
}
