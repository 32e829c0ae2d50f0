//! What follows an order in Odoo: deliveries, returns, credit notes, amendments, counts. Every
//! command is given with the answer to each of its calls lost in turn, and must end as if nothing
//! had happened.

use super::odoo::{all_held, create, erp_command, held, money, on_both, order, write, write_one};
use super::rig::{Rig, assert_rejected, id_of, rig_of};
use serde_json::{Value, json};
use waybill_flow::ports::ErpCommand;
use waybill_model::command::{
    Command, CreateCreditNote, CreateSaleOrder, ReceiveReturn, RegisterDelivery, ReverseCreditNote,
    SetStock,
};
use waybill_model::failure::Failure;
use waybill_model::id::RefKind;
use waybill_model::order::{Order, OrderPayment};
use waybill_simulators::faults::Fault;
use waybill_simulators::odoo::Version;
use waybill_simulators::sim::Sim;
use waybill_testkit::build::{connection, units};

pub(super) fn data<T: serde::de::DeserializeOwned>(mut value: Value) -> T {
    value["erp"] = "odoo-main".into();
    serde_json::from_value(value).unwrap()
}

pub(super) fn ship(order: &Order, id: &str, goods: &[(&str, &str)]) -> ErpCommand {
    let lines: Vec<Value> = goods
        .iter()
        .map(|(sku, quantity)| json!({"line_id": null, "sku": sku, "quantity": quantity}))
        .collect();
    let parcel = json!({"tracking_number": format!("TRK-{id}"), "carrier": "ups", "url": null});
    let content: RegisterDelivery = data(json!({"shipment": {
        "warehouse": "shipbob-main", "id": id, "fulfillment_order": null, "status": "shipped",
        "lines": lines, "parcels": [parcel], "shipped_at": null, "version": 1
    }}));
    let effect = format!("delivery/{id}");
    erp_command(order, &effect, Command::RegisterDelivery(content))
}

fn receive(order: &Order, id: &str, sku: &str, quantity: &str) -> ErpCommand {
    let content: ReceiveReturn = data(json!({"returned": {
        "id": id, "source": "shipbob-main", "status": "completed", "version": 1,
        "lines": [{"line_id": null, "sku": sku, "quantity": quantity, "disposition": "restock"}]
    }}));
    let effect = format!("return/{id}");
    erp_command(order, &effect, Command::ReceiveReturn(content))
}

pub(super) fn credit(
    order: &Order,
    id: &str,
    amount: &str,
    goods: &[(&str, &str, &str)],
) -> ErpCommand {
    let lines: Vec<Value> = goods
        .iter()
        .map(|(sku, quantity, amount)| {
            json!({"line_id": "L1", "sku": sku, "quantity": quantity, "amount": amount,
                "restock": false})
        })
        .collect();
    let content: CreateCreditNote = data(json!({
        "refund_id": id, "amount": {"amount": amount, "currency": "EUR"}, "lines": lines,
        "shipping": "0"
    }));
    let effect = format!("credit_note/{id}");
    erp_command(order, &effect, Command::CreateCreditNote(content))
}

pub(super) fn undo(order: &Order, id: &str) -> ErpCommand {
    let content: ReverseCreditNote = data(json!({ "refund_id": id }));
    let effect = format!("credit_note_reversal/{id}");
    erp_command(order, &effect, Command::ReverseCreditNote(content))
}

pub(super) fn amend(order: &Order) -> ErpCommand {
    let content = CreateSaleOrder {
        erp: connection("odoo-main"),
        order: order.clone(),
        warehouse: None,
    };
    erp_command(order, "amend", Command::AmendSaleOrder(content))
}

pub(super) async fn done(rig: &Rig, command: &ErpCommand) {
    let outcome = write_one(rig, command).await;
    assert!(
        outcome.is_ok(),
        "{}: {outcome:?}",
        command.command.kind().as_str()
    );
}

pub(super) const ALL: [(&str, &str); 2] = [("SKU-0001", "2"), ("SKU-0002", "1")];

fn pickings(rig: &Rig, order: &Order) -> Vec<Value> {
    held(rig, order)["pickings"].as_array().unwrap().clone()
}

/// Totals of posted credit notes.
pub(super) fn credited(rig: &Rig) -> Vec<String> {
    let state = rig.state(Sim::Odoo);
    let notes = state["credit_notes"].as_array().unwrap();
    let posted = notes.iter().filter(|n| n["state"] == "posted");
    posted.map(|n| money(&n["amount_total"])).collect()
}

async fn a_partial_delivery_leaves_a_backorder_and_the_rest_closes_it(version: Version) {
    let rig = rig_of(version).await;
    let placed = order("ship").build();
    done(&rig, &create(&placed)).await;
    let first = ship(&placed, "S1", &[("SKU-0001", "1"), ("SKU-0002", "1")]);
    let outcome = write_one(&rig, &first).await;
    let id = id_of(outcome.as_ref().unwrap(), RefKind::Picking);
    assert_eq!(write_one(&rig, &first).await, outcome);
    let after = pickings(&rig, &placed);
    assert_eq!(after.len(), 2);
    let shipped = after.iter().find(|p| p["state"] == "done").unwrap();
    assert_eq!(shipped["id"].to_string(), id);
    assert_eq!(shipped["tracking"], "TRK-S1");
    let over = ship(&placed, "S9", &[("SKU-0001", "2")]);
    assert_rejected(&write_one(&rig, &over).await, "over_shipment");
    done(&rig, &ship(&placed, "S2", &[("SKU-0001", "1")])).await;
    assert!(pickings(&rig, &placed).iter().all(|p| p["state"] == "done"));
    let late = ship(&placed, "S3", &[("SKU-0001", "1")]);
    assert_rejected(&write_one(&rig, &late).await, "no_open_delivery");
    let stock = rig.state(Sim::Odoo)["stock"]["SKU-0001"]["on_hand"].clone();
    assert_eq!(stock, json!(999_998.0));
    assert_rejected(
        &write_one(&rig, &super::odoo::cancel(&placed)).await,
        "already_shipped",
    );
}

async fn what_is_to_follow_no_more_is_called_off(version: Version) {
    let rig = rig_of(version).await;
    let placed = order("rest").build();
    done(&rig, &create(&placed)).await;
    let goods = [("SKU-0001", "1"), ("SKU-0002", "1")];
    let mut last = ship(&placed, "S1", &goods);
    done(&rig, &last).await;
    if let Command::RegisterDelivery(delivery) = &mut last.command {
        delivery.last = true;
    }
    for _ in 0..2 {
        done(&rig, &last).await;
    }
    let mut states: Vec<String> = pickings(&rig, &placed)
        .iter()
        .map(|p| p["state"].as_str().unwrap().to_owned())
        .collect();
    states.sort();
    assert_eq!(states, ["cancel", "done"]);
}

async fn goods_by_lot_need_one_told_or_reserved(version: Version) {
    let rig = rig_of(version).await;
    let placed = order("lots").line("SKU-SCARCE", 5, "25.00").build();
    done(&rig, &create(&placed)).await;
    let scarce = json!([["product_id.default_code", "=", "SKU-SCARCE"]]);
    let by_lot = json!({"has_tracking": "lot"});
    rig.odoo_sim.edit("stock.move", &scarce, &by_lot).unwrap();
    let more = ship(&placed, "S1", &[("SKU-SCARCE", "5")]);
    assert_rejected(&write_one(&rig, &more).await, "lot_needed");
    let mut told = ship(&placed, "S2", &[("SKU-0001", "1"), ("SKU-SCARCE", "2")]);
    if let Command::RegisterDelivery(delivery) = &mut told.command {
        let lot = json!([{"number": "A", "quantity": "2"}]);
        delivery.shipment.lines[1].lots = serde_json::from_value(lot).unwrap();
    }
    assert_rejected(&write_one(&rig, &told).await, "unknown_lot");
    done(&rig, &ship(&placed, "S1", &[("SKU-SCARCE", "3")])).await;
}

async fn goods_come_back_once_and_not_more_than_left(version: Version) {
    let rig = rig_of(version).await;
    let placed = order("back").build();
    done(&rig, &create(&placed)).await;
    done(&rig, &ship(&placed, "S1", &ALL)).await;
    let back = receive(&placed, "R1", "SKU-0001", "1");
    let outcome = write_one(&rig, &back).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(write_one(&rig, &back).await, outcome);
    let stock = rig.state(Sim::Odoo)["stock"]["SKU-0001"]["on_hand"].clone();
    assert_eq!(stock, json!(999_999.0));
    let more = receive(&placed, "R2", "SKU-0001", "2");
    assert_rejected(&write_one(&rig, &more).await, "return_exceeds_delivery");
}

async fn a_refund_is_credited_to_the_cent_and_undone_when_it_fails(version: Version) {
    let rig = rig_of(version).await;
    let placed = order("money").build();
    done(&rig, &create(&placed)).await;
    done(&rig, &ship(&placed, "S1", &ALL)).await;
    let goods = credit(&placed, "F1", "12.50", &[("SKU-0001", "1", "12.50")]);
    let goodwill = credit(&placed, "F2", "3.33", &[]);
    for command in [&goods, &goodwill] {
        let outcome = write_one(&rig, command).await;
        id_of(outcome.as_ref().unwrap(), RefKind::AccountMove);
        assert_eq!(write_one(&rig, command).await, outcome);
    }
    assert_eq!(credited(&rig), ["12.50", "3.33"]);
    let above = credit(&placed, "F3", "99.00", &[]);
    assert_rejected(&write_one(&rig, &above).await, "refund_above_invoice");
    let outcome = write_one(&rig, &undo(&placed, "F1")).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(write_one(&rig, &undo(&placed, "F1")).await, outcome);
    // What was undone can be credited again: 59.90 less 3.33.
    done(&rig, &credit(&placed, "F4", "56.57", &[])).await;
    assert_eq!(write_one(&rig, &undo(&placed, "F9")).await, Ok(Vec::new()));
}

async fn an_order_follows_its_newest_snapshot_until_it_is_shipped(version: Version) {
    let rig = rig_of(version).await;
    let mut placed = order("amend").build();
    done(&rig, &create(&placed)).await;
    placed.lines[0].current_quantity = units(1);
    done(&rig, &amend(&placed)).await;
    let before = held(&rig, &placed);
    done(&rig, &amend(&placed)).await;
    assert_eq!(held(&rig, &placed)["lines"], before["lines"]);
    let line = before["lines"]
        .as_array()
        .unwrap()
        .iter()
        .find(|l| l["sku"] == "SKU-0001");
    assert_eq!(line.unwrap()["quantity"], json!(1.0));
    done(
        &rig,
        &ship(&placed, "S1", &[("SKU-0001", "1"), ("SKU-0002", "1")]),
    )
    .await;
    placed.lines[0].current_quantity = units(2);
    assert_rejected(&write_one(&rig, &amend(&placed)).await, "already_shipped");
}

/// Odoo sets a line's price to the price list's when its quantity is written alone.
async fn an_amended_quantity_keeps_the_price_of_the_shop(version: Version) {
    let rig = rig_of(version).await;
    let mut placed = order("price").line("SKU-0003", 5, "7.77").build();
    done(&rig, &create(&placed)).await;
    let total = |order: &Order| held(&rig, order)["amount_total"].as_f64().unwrap();
    let before = total(&placed);
    placed.lines[2].current_quantity = units(4);
    done(&rig, &amend(&placed)).await;
    let less = before - total(&placed);
    assert_eq!(format!("{less:.2}"), "7.77");
}

/// Quantities by SKU, in the order's lines; what went to zero is left out.
fn quantities(rig: &Rig, order: &Order) -> Vec<(String, String)> {
    let held = held(rig, order);
    let lines = held["lines"].as_array().unwrap().iter();
    let goods = lines.filter(|l| l["quantity"] != 0.0 && l["sku"] != "SHIPPING");
    let mut goods: Vec<_> = goods
        .map(|l| (l["sku"].as_str().unwrap().to_owned(), money(&l["quantity"])))
        .collect();
    goods.sort();
    goods
}

fn goods(goods: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(sku, quantity): &(&str, &str)| ((*sku).to_owned(), (*quantity).to_owned());
    goods.iter().map(owned).collect()
}

/// An order that was edited before it was written, and its newest snapshot: one `SKU-0003` more.
fn edited_twice(id: &str) -> (Order, Order) {
    let mut first = order(id).build();
    first.lines[0].current_quantity = units(1);
    let mut newest = order(id).line("SKU-0003", 1, "9.99").build();
    newest.lines[0].current_quantity = units(1);
    (first, newest)
}

async fn a_creation_that_comes_twice_takes_no_amendment_back(version: Version) {
    let rig = rig_of(version).await;
    let (first, newest) = edited_twice("twice");
    done(&rig, &create(&first)).await;
    let before = goods(&[("SKU-0001", "1.00"), ("SKU-0002", "1.00")]);
    assert_eq!(quantities(&rig, &first), before);
    done(&rig, &amend(&newest)).await;
    let after = goods(&[
        ("SKU-0001", "1.00"),
        ("SKU-0002", "1.00"),
        ("SKU-0003", "1.00"),
    ]);
    assert_eq!(quantities(&rig, &first), after);
    done(&rig, &create(&first)).await;
    assert_eq!(quantities(&rig, &first), after);
}

async fn two_amendments_at_once_add_a_line_once(version: Version) {
    let rig = rig_of(version).await;
    let (first, newest) = edited_twice("at-once");
    done(&rig, &create(&first)).await;
    let command = amend(&newest);
    // Either may lose the race; the third says that one has won.
    drop(tokio::join!(
        write_one(&rig, &command),
        write_one(&rig, &command)
    ));
    done(&rig, &command).await;
    let lines = held(&rig, &first)["lines"].as_array().unwrap().clone();
    let added = lines.iter().filter(|l| l["sku"] == "SKU-0003");
    assert_eq!(added.count(), 1);
}

async fn goods_refunded_before_the_order_was_written_are_credited_and_not_reserved(
    version: Version,
) {
    let rig = rig_of(version).await;
    let mut placed = order("early-refund").build();
    placed.payment = OrderPayment::PartiallyRefunded;
    placed.lines[0].current_quantity = units(1);
    done(&rig, &create(&placed)).await;
    done(
        &rig,
        &credit(&placed, "F1", "12.50", &[("SKU-0001", "1", "12.50")]),
    )
    .await;
    assert_eq!(credited(&rig), ["12.50"]);
    let kept = goods(&[("SKU-0001", "1.00"), ("SKU-0002", "1.00")]);
    assert_eq!(quantities(&rig, &placed), kept);
    done(
        &rig,
        &ship(&placed, "S1", &[("SKU-0001", "1"), ("SKU-0002", "1")]),
    )
    .await;
    assert!(pickings(&rig, &placed).iter().all(|p| p["state"] == "done"));
}

async fn a_cancelled_order_is_credited_only_for_what_was_invoiced(version: Version) {
    let rig = rig_of(version).await;
    for (id, invoiced) in [("never-billed", false), ("billed", true)] {
        let placed = order(id).build();
        done(&rig, &create(&placed)).await;
        if invoiced {
            done(&rig, &credit(&placed, "F1", "5.00", &[])).await;
        }
        done(&rig, &super::odoo::cancel(&placed)).await;
        let rest = credit(&placed, "F2", "20.00", &[]);
        let outcome = write_one(&rig, &rest).await.unwrap();
        assert_eq!(outcome.is_empty(), !invoiced);
        assert_eq!(write_one(&rig, &rest).await, Ok(outcome));
    }
    assert_eq!(credited(&rig), ["5.00", "20.00"]);
}

async fn counts_are_set_once_and_bad_ones_are_named(version: Version) {
    let rig = rig_of(version).await;
    let anyone = order("count").build();
    let count = |sku: &str, quantity: &str, kind: &str| {
        let content: SetStock = data(json!({"levels": [{
            "location": "canonical-main", "sku": sku, "kind": kind, "quantity": quantity,
            "at": "2026-01-31T10:00:00Z"
        }]}));
        erp_command(&anyone, "count", Command::SetStock(content))
    };
    // The integration user of 19 is no stock manager, and needs not be one.
    for _ in 0..2 {
        done(&rig, &count("SKU-0007", "123", "on_hand")).await;
    }
    let stock = rig.state(Sim::Odoo)["stock"]["SKU-0007"]["on_hand"].clone();
    assert_eq!(stock, json!(123.0));
    let unknown = write_one(&rig, &count("SKU-NOPE", "1", "on_hand")).await;
    assert_rejected(&unknown, "unknown_sku");
    let seven = json!([["default_code", "=", "SKU-0007"]]);
    let by_lot = json!({"tracking": "lot"});
    rig.odoo_sim
        .edit("product.product", &seven, &by_lot)
        .unwrap();
    let without = write_one(&rig, &count("SKU-0007", "5", "on_hand")).await;
    assert_rejected(&without, "lot_needed");
    let available = write_one(&rig, &count("SKU-0007", "1", "available")).await;
    assert_rejected(&available, "available_is_no_count");
}

async fn what_is_about_an_unknown_order_is_refused(version: Version) {
    let rig = rig_of(version).await;
    let never = order("never").build();
    for command in [
        ship(&never, "S1", &ALL),
        receive(&never, "R1", "SKU-0001", "1"),
        credit(&never, "F1", "1.00", &[]),
        undo(&never, "F1"),
        amend(&never),
    ] {
        assert_rejected(&write_one(&rig, &command).await, "order_not_in_erp");
    }
}

/// Commands of an order, told by their numbers; the last stands for itself.
const COMMANDS: usize = 7;
const EDITED_BEFORE_WRITTEN: usize = 6;

/// An order with everything before the command of this number done; and the command.
async fn prepared(rig: &Rig, number: usize) -> (Order, ErpCommand) {
    let placed = order("fault").build();
    let mut amended = placed.clone();
    amended.lines[1].current_quantity = units(0);
    let steps = [
        create(&placed),
        amend(&amended),
        ship(&placed, "S1", &[("SKU-0001", "1")]),
        receive(&placed, "R1", "SKU-0001", "1"),
        credit(&placed, "F1", "12.50", &[("SKU-0001", "1", "12.50")]),
        undo(&placed, "F1"),
    ];
    if number == EDITED_BEFORE_WRITTEN {
        let (edited, _) = edited_twice("edited");
        let command = create(&edited);
        return (edited, command);
    }
    for step in steps.iter().take(number) {
        done(rig, step).await;
    }
    (placed, steps[number].clone())
}

/// What Odoo holds, without ids, names and dates: those of a broken attempt are used up.
fn content(rig: &Rig, order: &Order) -> Value {
    let state = rig.state(Sim::Odoo);
    let orders: Vec<Value> = all_held(rig, order)
        .iter()
        .map(|o| {
            let pickings: Vec<Value> = o["pickings"]
                .as_array()
                .unwrap()
                .iter()
                .map(|p| {
                    let moves: Vec<Value> = p["moves"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|m| json!([m["sku"], m["demand"], m["quantity"], m["state"]]))
                        .collect();
                    json!([p["kind"], p["state"], p["tracking"], moves])
                })
                .collect();
            json!([o["state"], o["amount_total"], o["lines"], pickings])
        })
        .collect();
    let totals = |kind: &str| -> Vec<Value> {
        let moves = state[kind].as_array().unwrap().iter();
        moves
            .map(|m| json!([m["state"], m["amount_total"], m["amount_residual"]]))
            .collect()
    };
    json!({
        "orders": orders, "stock": state["stock"], "partners": state["partners"],
        "invoices": totals("invoices"), "credit_notes": totals("credit_notes"),
    })
}

/// Loses or cuts each call of a command in turn, and gives it again.
async fn every_call_fails_once(version: Version, number: usize, fault: Fault) {
    let calm = rig_of(version).await;
    let (placed, command) = prepared(&calm, number).await;
    done(&calm, &command).await;
    let expected = content(&calm, &placed);
    for call in 0..40 {
        let rig = rig_of(version).await;
        let (placed, command) = prepared(&rig, number).await;
        let what = format!("{} call {call}", command.command.kind().as_str());
        let given = |rig: &Rig| {
            let counts = rig.world.faults.counts();
            let of_odoo = counts.get("odoo").cloned().unwrap_or_default();
            of_odoo
                .iter()
                .filter(|(name, _)| **name != "slow")
                .map(|(_, n)| n)
                .sum::<u64>()
        };
        rig.world.faults.queue(Sim::Odoo, Fault::Slow, call);
        rig.world.faults.queue(Sim::Odoo, fault, 1);
        let outcome = write_one(&rig, &command).await;
        if given(&rig) == 0 {
            assert!(call > 1, "{what}: too few calls to have tested anything");
            return;
        }
        assert!(
            matches!(
                &outcome,
                Ok(_) | Err(Failure::Indeterminate { .. } | Failure::Transient { .. })
            ),
            "{what}: {outcome:?}"
        );
        done(&rig, &command).await;
        assert_eq!(content(&rig, &placed), expected, "{what} after {outcome:?}");
    }
    panic!("the command makes more than 40 calls");
}

async fn a_lost_answer_of_any_call_changes_nothing_in_the_end(version: Version) {
    for number in 0..COMMANDS {
        Box::pin(every_call_fails_once(version, number, Fault::LostAnswer)).await;
    }
}

async fn a_cut_at_any_call_changes_nothing_in_the_end(version: Version) {
    for number in 0..COMMANDS {
        Box::pin(every_call_fails_once(version, number, Fault::Cut)).await;
    }
}

async fn a_batch_ships_many_orders_at_once(version: Version) {
    let rig = rig_of(version).await;
    let orders: Vec<Order> = (0..10)
        .map(|n| order(&format!("many-{n}")).build())
        .collect();
    let creates: Vec<ErpCommand> = orders.iter().map(create).collect();
    assert!(write(&rig, &creates).await.iter().all(Result::is_ok));
    let mut ships: Vec<ErpCommand> = orders.iter().map(|o| ship(o, "S1", &ALL)).collect();
    ships[4] = ship(&orders[4], "S1", &[("SKU-0009", "1")]);
    let before = rig.world.faults.calls()["odoo"];
    let outcomes = write(&rig, &ships).await;
    let calls = rig.world.faults.calls()["odoo"] - before;
    assert!(calls <= 10, "{calls} calls for ten deliveries");
    for (index, outcome) in outcomes.iter().enumerate() {
        match index {
            4 => assert_rejected(outcome, "sku_not_on_delivery"),
            _ => assert!(outcome.is_ok(), "{index}: {outcome:?}"),
        }
    }
}

on_both!(
    a_partial_delivery_leaves_a_backorder_and_the_rest_closes_it,
    what_is_to_follow_no_more_is_called_off,
    goods_by_lot_need_one_told_or_reserved,
    goods_come_back_once_and_not_more_than_left,
    a_refund_is_credited_to_the_cent_and_undone_when_it_fails,
    an_order_follows_its_newest_snapshot_until_it_is_shipped,
    a_creation_that_comes_twice_takes_no_amendment_back,
    an_amended_quantity_keeps_the_price_of_the_shop,
    two_amendments_at_once_add_a_line_once,
    goods_refunded_before_the_order_was_written_are_credited_and_not_reserved,
    a_cancelled_order_is_credited_only_for_what_was_invoiced,
    counts_are_set_once_and_bad_ones_are_named,
    what_is_about_an_unknown_order_is_refused,
    a_lost_answer_of_any_call_changes_nothing_in_the_end,
    a_cut_at_any_call_changes_nothing_in_the_end,
    a_batch_ships_many_orders_at_once,
);
