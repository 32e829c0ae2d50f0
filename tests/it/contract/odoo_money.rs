//! Invoices and payments in Odoo.

use super::odoo::{cancel, create, erp_command, money, on_both, order, write, write_one};
use super::odoo_flow::{ALL, credit, credited, data, done, ship, undo};
use super::rig::{Rig, Setup, assert_rejected};
use serde_json::{Value, json};
use waybill_flow::ports::ErpCommand;
use waybill_model::command::{Command, CreateInvoice, RegisterPayment};
use waybill_model::failure::Failure;
use waybill_model::order::Order;
use waybill_simulators::faults::Fault;
use waybill_simulators::odoo::Version;
use waybill_simulators::sim::Sim;

const TOTAL: &str = "59.90";

async fn booking(version: Version) -> Rig {
    let setup = Setup {
        version,
        connections: |text| {
            text.replace(
                "rounding_sku = \"DISCOUNT\"",
                "rounding_sku = \"DISCOUNT\"\ninvoicing = \"paid\"\npayment_journals = { default = \"shop.journal_bank\", gone = \"shop.journal_gone\", sales = \"shop.journal_sale\" }",
            )
        },
        ..Setup::default()
    };
    setup.start().await
}

fn invoice(order: &Order) -> ErpCommand {
    let content: CreateInvoice = data(json!({}));
    erp_command(order, "invoice", Command::CreateInvoice(content))
}

fn money_moved(
    order: &Order,
    id: &str,
    (amount, currency): (&str, &str),
    direction: &str,
    method: Option<&str>,
) -> ErpCommand {
    let content: RegisterPayment = data(json!({
        "direction": direction, "id": id, "gateway": "stripe-main", "method": method,
        "amount": {"amount": amount, "currency": currency}, "at": "2026-02-01T23:30:00Z"
    }));
    let effect = format!("payment/{direction}/{id}");
    erp_command(order, &effect, Command::RegisterPayment(content))
}

fn pay(order: &Order, id: &str, amount: &str) -> ErpCommand {
    money_moved(order, id, (amount, "EUR"), "received", None)
}

fn pay_back(order: &Order, id: &str, amount: &str) -> ErpCommand {
    money_moved(order, id, (amount, "EUR"), "paid_back", None)
}

/// Number, total, what is open, and state of each invoice.
fn invoices(rig: &Rig) -> Vec<(String, String, String)> {
    let state = rig.state(Sim::Odoo);
    let all = state["invoices"].as_array().unwrap().iter();
    let own = all.filter(|i| i["reverses"].is_null());
    own.map(|i| {
        (
            money(&i["amount_total"]),
            money(&i["amount_residual"]),
            i["payment_state"].as_str().unwrap().to_owned(),
        )
    })
    .collect()
}

fn invoiced(total: &str, open: &str, state: &str) -> (String, String, String) {
    (total.to_owned(), open.to_owned(), state.to_owned())
}

/// Kind, amount, day and whether it counts, of each payment.
fn payments(rig: &Rig) -> Vec<(String, String, String, bool)> {
    let state = rig.state(Sim::Odoo);
    let all = state["payments"].as_array().unwrap().iter();
    all.map(|p| {
        let text = |field: &str| p[field].as_str().unwrap().to_owned();
        let counts = !matches!(
            p["state"].as_str().unwrap(),
            "draft" | "cancel" | "canceled"
        );
        (text("kind"), money(&p["amount"]), text("date"), counts)
    })
    .collect()
}

fn paid(kind: &str, amount: &str, counts: bool) -> (String, String, String, bool) {
    let day = "2026-02-01".to_owned();
    (kind.to_owned(), amount.to_owned(), day, counts)
}

async fn what_is_paid_before_it_is_invoiced_is_set_off_when_it_is(version: Version) {
    let rig = booking(version).await;
    let placed = order("early").build();
    done(&rig, &create(&placed)).await;
    for (id, amount) in [("pi_1", "20.00"), ("gift_card", "9.90")] {
        let outcome = write_one(&rig, &pay(&placed, id, amount)).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(write_one(&rig, &pay(&placed, id, amount)).await, outcome);
    }
    assert!(invoices(&rig).is_empty());
    let outcome = write_one(&rig, &invoice(&placed)).await;
    assert_eq!(write_one(&rig, &invoice(&placed)).await, outcome);
    assert_eq!(invoices(&rig), [invoiced(TOTAL, "30.00", "partial")]);
    // Too much is the customer's credit.
    done(&rig, &pay(&placed, "pi_2", "35.00")).await;
    assert_eq!(invoices(&rig), [invoiced(TOTAL, "0.00", "paid")]);
    let expected = ["20.00", "9.90", "35.00"].map(|amount| paid("inbound", amount, true));
    assert_eq!(payments(&rig), expected);
}

async fn a_refund_is_paid_back_and_taken_back_when_it_fails(version: Version) {
    let rig = booking(version).await;
    let placed = order("back").build();
    done(&rig, &create(&placed)).await;
    done(&rig, &invoice(&placed)).await;
    done(&rig, &pay(&placed, "pi_1", TOTAL)).await;
    done(&rig, &credit(&placed, "F1", "12.50", &[])).await;
    for _ in 0..2 {
        done(&rig, &pay_back(&placed, "F1", "12.50")).await;
    }
    assert_eq!(invoices(&rig), [invoiced(TOTAL, "0.00", "paid")]);
    assert_eq!(credited(&rig), ["12.50"]);
    let note = &rig.state(Sim::Odoo)["credit_notes"][0];
    assert_eq!(money(&note["amount_residual"]), "0.00");
    for _ in 0..2 {
        done(&rig, &undo(&placed, "F1")).await;
    }
    assert_eq!(
        payments(&rig),
        [
            paid("inbound", TOTAL, true),
            paid("outbound", "12.50", false)
        ]
    );
    let note = &rig.state(Sim::Odoo)["credit_notes"][0];
    assert_eq!(money(&note["amount_residual"]), "0.00");
}

async fn money_of_a_cancelled_order_goes_back_without_an_invoice(version: Version) {
    let rig = booking(version).await;
    let placed = order("gone").build();
    done(&rig, &create(&placed)).await;
    done(&rig, &pay(&placed, "pi_1", TOTAL)).await;
    done(&rig, &cancel(&placed)).await;
    let mut by_hand = credit(&placed, "F1", TOTAL, &[]);
    if let Command::CreateCreditNote(note) = &mut by_hand.command {
        note.stands = true;
    }
    assert_rejected(&write_one(&rig, &by_hand).await, "order_cancelled");
    done(&rig, &credit(&placed, "F1", TOTAL, &[])).await;
    done(&rig, &pay_back(&placed, "F1", TOTAL)).await;
    assert_eq!(write_one(&rig, &invoice(&placed)).await, Ok(Vec::new()));
    assert!(invoices(&rig).is_empty());
    assert_eq!(payments(&rig).len(), 2);
}

async fn a_payment_that_cannot_be_booked_says_what_to_change(version: Version) {
    let rig = booking(version).await;
    let placed = order("odd").build();
    done(&rig, &create(&placed)).await;
    let odd = |currency, method| money_moved(&placed, "pi_1", ("5", currency), "received", method);
    for (command, code) in [
        (odd("USD", None), "payment_in_other_currency"),
        (odd("EUR", Some("gone")), "unknown_payment_journal"),
        (odd("EUR", Some("sales")), "payment_journal_without_method"),
    ] {
        assert_rejected(&write_one(&rig, &command).await, code);
    }
    let never = order("never").build();
    for command in [invoice(&never), pay(&never, "pi_1", "1.00")] {
        assert_rejected(&write_one(&rig, &command).await, "order_not_in_erp");
    }
    assert!(payments(&rig).is_empty());
}

async fn many_orders_are_invoiced_and_booked_in_few_calls(version: Version) {
    let rig = booking(version).await;
    let orders: Vec<Order> = (0..10)
        .map(|n| order(&format!("many-{n}")).build())
        .collect();
    let creates: Vec<ErpCommand> = orders.iter().map(create).collect();
    assert!(write(&rig, &creates).await.iter().all(Result::is_ok));
    let bills: Vec<ErpCommand> = orders.iter().map(invoice).collect();
    let pays: Vec<ErpCommand> = orders.iter().map(|o| pay(o, "pi_1", TOTAL)).collect();
    // Setting off is one call an order.
    for (batch, most) in [(bills, 10), (pays, 10 + 10)] {
        let before = rig.world.faults.calls()["odoo"];
        let outcomes = write(&rig, &batch).await;
        let calls = rig.world.faults.calls()["odoo"] - before;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert!(calls <= most, "{calls} calls for ten orders");
    }
    assert_eq!(invoices(&rig), vec![invoiced(TOTAL, "0.00", "paid"); 10]);
}

async fn what_is_off_an_invoiced_order_is_credited_once(version: Version) {
    let rig = booking(version).await;
    let mut placed = order("less").build();
    done(&rig, &create(&placed)).await;
    done(&rig, &invoice(&placed)).await;
    placed.lines[1].current_quantity = waybill_testkit::build::units(0);
    done(&rig, &super::odoo_flow::amend(&placed)).await;
    // Below zero is left to invoice: the refund credits that, not this.
    done(&rig, &invoice(&placed)).await;
    done(
        &rig,
        &credit(&placed, "F1", "30.00", &[("SKU-0002", "1", "30.00")]),
    )
    .await;
    done(&rig, &invoice(&placed)).await;
    assert_eq!(credited(&rig), ["30.00"]);
    assert_eq!(invoices(&rig).len(), 1);
}

async fn what_was_credited_is_not_invoiced_again(version: Version) {
    let rig = booking(version).await;
    let placed = order("again").build();
    done(&rig, &create(&placed)).await;
    // Of two by delivery one is shipped, invoiced and refunded, and then the other is shipped.
    let by_delivery = json!({"invoice_policy": "delivery"});
    let first = json!([["default_code", "=", "SKU-0001"]]);
    rig.odoo_sim
        .edit("product.product", &first, &by_delivery)
        .unwrap();
    done(
        &rig,
        &ship(&placed, "S1", &[("SKU-0001", "1"), ("SKU-0002", "1")]),
    )
    .await;
    done(&rig, &invoice(&placed)).await;
    done(
        &rig,
        &credit(&placed, "F1", "12.50", &[("SKU-0001", "1", "12.50")]),
    )
    .await;
    for _ in 0..2 {
        done(&rig, &invoice(&placed)).await;
    }
    assert_eq!(invoices(&rig).len(), 1);
    done(&rig, &ship(&placed, "S2", &[("SKU-0001", "1")])).await;
    for _ in 0..2 {
        done(&rig, &invoice(&placed)).await;
    }
    let totals: Vec<String> = invoices(&rig)
        .into_iter()
        .map(|(total, _, _)| total)
        .collect();
    assert_eq!(totals, ["47.40", "12.50"]);
    // More than either has left: 47.40 less 12.50, and 12.50.
    for _ in 0..2 {
        done(&rig, &credit(&placed, "F2", "40.00", &[])).await;
    }
    assert_eq!(credited(&rig), ["12.50", "34.90", "5.10"]);
    let above = credit(&placed, "F3", "7.41", &[]);
    assert_rejected(&write_one(&rig, &above).await, "refund_above_invoice");
    for _ in 0..2 {
        done(&rig, &undo(&placed, "F2")).await;
    }
    done(&rig, &credit(&placed, "F4", "47.40", &[])).await;
}

const COMMANDS: usize = 4;

async fn prepared(rig: &Rig, number: usize) -> ErpCommand {
    let placed = order("fault").build();
    let steps = [
        create(&placed),
        ship(&placed, "S1", &ALL),
        pay(&placed, "pi_1", TOTAL),
        invoice(&placed),
        credit(&placed, "F1", "12.50", &[]),
        pay_back(&placed, "F1", "12.50"),
        undo(&placed, "F1"),
    ];
    // Each of: a payment, an invoice with a payment, a payment back, an undoing of it.
    let number = [2, 3, 5, 6][number];
    for step in &steps[..number] {
        done(rig, step).await;
    }
    steps[number].clone()
}

fn books(rig: &Rig) -> Value {
    let state = rig.state(Sim::Odoo);
    let totals = |kind: &str| -> Vec<Value> {
        let moves = state[kind].as_array().unwrap().iter();
        moves
            .map(|m| json!([m["state"], m["amount_total"], m["amount_residual"]]))
            .collect()
    };
    json!([totals("invoices"), totals("credit_notes"), payments(rig)])
}

async fn every_answer_is_lost_once(version: Version, number: usize) {
    let calm = booking(version).await;
    let command = prepared(&calm, number).await;
    done(&calm, &command).await;
    let expected = books(&calm);
    for call in 0..40 {
        let rig = booking(version).await;
        let command = prepared(&rig, number).await;
        let what = format!("{} call {call}", command.command.kind().as_str());
        rig.world.faults.queue(Sim::Odoo, Fault::Slow, call);
        rig.world.faults.queue(Sim::Odoo, Fault::LostAnswer, 1);
        let outcome = write_one(&rig, &command).await;
        let counts = rig.world.faults.counts();
        let of_odoo = counts.get("odoo").cloned().unwrap_or_default();
        if of_odoo.iter().all(|(name, n)| **name == *"slow" || *n == 0) {
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
        assert_eq!(books(&rig), expected, "{what} after {outcome:?}");
    }
    panic!("the command makes more than 40 calls");
}

async fn a_lost_answer_of_any_call_books_nothing_twice(version: Version) {
    for number in 0..COMMANDS {
        Box::pin(every_answer_is_lost_once(version, number)).await;
    }
}

on_both!(
    what_is_paid_before_it_is_invoiced_is_set_off_when_it_is,
    a_refund_is_paid_back_and_taken_back_when_it_fails,
    money_of_a_cancelled_order_goes_back_without_an_invoice,
    a_payment_that_cannot_be_booked_says_what_to_change,
    many_orders_are_invoiced_and_booked_in_few_calls,
    what_is_off_an_invoiced_order_is_credited_once,
    what_was_credited_is_not_invoiced_again,
    a_lost_answer_of_any_call_books_nothing_twice,
);
