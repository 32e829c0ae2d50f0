//! Invoices and payments.

use super::{Trial, goods, shipped};
use serde_json::json;
use waybill_flow::ports::ErpCommand;
use waybill_model::command::{
    CancelSaleOrder, Command, CreateCreditNote, CreateInvoice, CreateSaleOrder, RegisterPayment,
    ReverseCreditNote,
};
use waybill_model::order::Order;

/// Money that came or went back.
pub(super) fn pay(t: &Trial, order: &Order, id: &str, amount: &str, direction: &str) -> ErpCommand {
    pay_in(t, order, id, (amount, "USD"), direction, None)
}

fn pay_in(
    t: &Trial,
    order: &Order,
    id: &str,
    (amount, currency): (&str, &str),
    direction: &str,
    method: Option<&str>,
) -> ErpCommand {
    let content = json!({
        "direction": direction, "id": id, "gateway": "gateway", "method": method,
        "amount": {"amount": amount, "currency": currency}, "at": "2026-02-01T23:30:00Z"
    });
    let command = Command::RegisterPayment(t.data::<RegisterPayment>(content));
    t.command(order, command)
}

pub(super) fn invoice(t: &Trial, order: &Order) -> ErpCommand {
    let command = Command::CreateInvoice(t.data::<CreateInvoice>(json!({})));
    t.command(order, command)
}

fn credit(t: &Trial, order: &Order, id: &str, amount: &str) -> ErpCommand {
    let content = json!({
        "refund_id": id, "amount": {"amount": amount, "currency": "USD"}, "lines": [],
        "shipping": "0"
    });
    t.command(
        order,
        Command::CreateCreditNote(t.data::<CreateCreditNote>(content)),
    )
}

fn undo(t: &Trial, order: &Order, id: &str) -> ErpCommand {
    let content = json!({ "refund_id": id });
    t.command(
        order,
        Command::ReverseCreditNote(t.data::<ReverseCreditNote>(content)),
    )
}

pub(super) fn order(t: &Trial, name: &str) -> Order {
    t.order(
        name,
        &[
            ("SKU-0001", 2, 2, "10.00", "0", "0.1", "2.00"),
            ("SKU-0002", 3, 3, "9.99", "1.00", "0.1", "2.90"),
        ],
        Some(("7.50", "0.1", "0.75")),
        "62.12",
        false,
    )
}

/// Needs one of the words that switch invoicing on.
pub(super) async fn payments(t: &Trial) {
    let early = order(t, "early");
    let never = t.order("never-written", &[], None, "0", false);
    t.twice("an order", &[t.create(&early)], &["done"]).await;
    t.twice(
        "half of it paid before it is invoiced; and an order that is not there",
        &[
            pay(t, &early, "pi_1", "31.06", "received"),
            pay(t, &never, "pi_1", "1.00", "received"),
        ],
        &["done", "order_not_in_erp"],
    )
    .await;
    t.twice("invoiced", &[invoice(t, &early)], &["done"]).await;
    t.twice(
        "the other half, of it a part by gift card; in another currency; without a journal",
        &[
            pay_in(
                t,
                &early,
                "gift_card",
                ("10.06", "USD"),
                "received",
                Some("gift_card"),
            ),
            pay(t, &early, "pi_2", "21.00", "received"),
            pay_in(t, &early, "pi_3", ("5", "EUR"), "received", None),
            pay_in(t, &early, "pi_4", ("5", "USD"), "received", Some("gone")),
            pay_in(t, &early, "pi_5", ("5", "USD"), "received", Some("sales")),
        ],
        &[
            "done",
            "done",
            "payment_in_other_currency",
            "unknown_payment_journal",
            "payment_journal_without_method",
        ],
    )
    .await;
    t.twice(
        "credited, paid back, and undone when that failed",
        &[credit(t, &early, "F1", "10.00")],
        &["done"],
    )
    .await;
    t.twice(
        "paid back",
        &[pay(t, &early, "F1", "10.00", "paid_back")],
        &["done"],
    )
    .await;
    t.twice("undone", &[undo(t, &early, "F1")], &["done"]).await;
    let late = shipped(t, "paid-late").await;
    t.twice("invoiced after delivery", &[invoice(t, &late)], &["done"])
        .await;
    t.twice(
        "paid too much",
        &[pay(t, &late, "pi_9", "70.00", "received")],
        &["done"],
    )
    .await;
    let gone = order(t, "gone");
    t.twice("an order to cancel", &[t.create(&gone)], &["done"])
        .await;
    t.twice(
        "paid, cancelled, refunded, paid back",
        &[pay(t, &gone, "pi_1", "62.12", "received")],
        &["done"],
    )
    .await;
    let cancel = Command::CancelSaleOrder(CancelSaleOrder { erp: t.erp.clone() });
    t.twice("cancelled", &[t.command(&gone, cancel)], &["done"])
        .await;
    t.twice("credited", &[credit(t, &gone, "F1", "62.12")], &["done"])
        .await;
    t.twice(
        "paid back, and invoiced no more",
        &[pay(t, &gone, "F1", "62.12", "paid_back"), invoice(t, &gone)],
        &["done", "done"],
    )
    .await;
    let many: Vec<Order> = (0..10).map(|n| order(t, &format!("many-{n}"))).collect();
    let each = |make: &dyn Fn(&Order) -> ErpCommand| many.iter().map(make).collect::<Vec<_>>();
    let done = vec!["done"; many.len()];
    t.twice("ten orders", &each(&|o| t.create(o)), &done).await;
    t.twice("ten invoices", &each(&|o| invoice(t, o)), &done)
        .await;
    t.twice(
        "ten payments",
        &each(&|o| pay(t, o, "pi_1", "62.12", "received")),
        &done,
    )
    .await;
}

/// Goods that are invoiced as delivered (`SKU-0040`, `SKU-0041` with that invoicing policy), sold
/// with taxes contained and on top, and in another currency.
pub(super) async fn policies(t: &Trial) {
    let slow = t.order(
        "by-delivery",
        &[
            ("SKU-0040", 3, 3, "10.00", "0", "0.1", "3.00"),
            ("SKU-0041", 1, 1, "5.00", "0", "0.1", "0.50"),
        ],
        None,
        "38.50",
        false,
    );
    t.twice("an order", &[t.create(&slow)], &["done"]).await;
    t.twice(
        "paid, invoiced, refunded before anything was delivered",
        &[
            pay(t, &slow, "pi_1", "38.50", "received"),
            invoice(t, &slow),
            credit(t, &slow, "F0", "5.00"),
        ],
        &["done", "done", "nothing_to_invoice"],
    )
    .await;
    let refunded = json!([{"line_id": "L0", "sku": "SKU-0040", "quantity": "1", "amount": "11.00",
        "restock": false}]);
    for (id, goods) in [
        ("S1", &[("SKU-0040", "1", &[][..])][..]),
        (
            "S2",
            &[("SKU-0040", "2", &[][..]), ("SKU-0041", "1", &[][..])][..],
        ),
    ] {
        let ship = goods::ship(t, &slow, id, false, goods);
        t.twice("a part is shipped", &[ship], &["done"]).await;
        t.twice("and invoiced", &[invoice(t, &slow)], &["done"])
            .await;
        if id == "S1" {
            let content = json!({
                "refund_id": "FG", "amount": {"amount": "11.00", "currency": "USD"},
                "lines": refunded, "shipping": "0"
            });
            let note = Command::CreateCreditNote(t.data::<CreateCreditNote>(content));
            t.twice("the one is refunded", &[t.command(&slow, note)], &["done"])
                .await;
            t.twice("nothing more", &[invoice(t, &slow)], &["done"])
                .await;
        }
    }
    t.twice(
        "refunds on each invoice, and above",
        &[
            credit(t, &slow, "F0", "5.00"),
            credit(t, &slow, "F1", "20.00"),
            credit(t, &slow, "F2", "2.51"),
        ],
        &["done", "done", "refund_above_invoice"],
    )
    .await;
    t.twice(
        "paid back",
        &[
            pay(t, &slow, "F0", "5.00", "paid_back"),
            pay(t, &slow, "F1", "20.00", "paid_back"),
        ],
        &["done", "done"],
    )
    .await;
    let mut euro = t.order(
        "contained",
        &[("SKU-0001", 3, 3, "9.99", "0", "0.2", "5.00")],
        None,
        "29.97",
        true,
    );
    euro.currency = waybill_model::money::Currency::new("EUR").expect("valid");
    t.twice("in euro, tax contained", &[t.create(&euro)], &["done"])
        .await;
    let euros = |id: &str, amount: &str, direction: &str| {
        pay_in(t, &euro, id, (amount, "EUR"), direction, None)
    };
    let note = |id: &str, amount: &str, lines: serde_json::Value| {
        let content = json!({
            "refund_id": id, "amount": {"amount": amount, "currency": "EUR"}, "lines": lines,
            "shipping": "0"
        });
        t.command(
            &euro,
            Command::CreateCreditNote(t.data::<CreateCreditNote>(content)),
        )
    };
    let one = json!([{"line_id": "L0", "sku": "SKU-0001", "quantity": "1", "amount": "9.99",
        "restock": false}]);
    t.twice(
        "invoiced, paid, one and then some money refunded",
        &[
            invoice(t, &euro),
            euros("pi_1", "29.97", "received"),
            note("F1", "9.99", one),
            note("F2", "0.07", json!([])),
            euros("F2", "0.07", "paid_back"),
            credit(t, &euro, "F3", "1.00"),
        ],
        &[
            "done",
            "done",
            "done",
            "done",
            "done",
            "refund_in_other_currency",
        ],
    )
    .await;
    let mut less = order(t, "less");
    t.twice("an order", &[t.create(&less)], &["done"]).await;
    t.twice("invoiced", &[invoice(t, &less)], &["done"]).await;
    less.lines[1].current_quantity = "1".to_owned().try_into().expect("valid");
    let amend = Command::AmendSaleOrder(CreateSaleOrder {
        erp: t.erp.clone(),
        order: less.clone(),
        warehouse: None,
    });
    t.twice("two less", &[t.command(&less, amend)], &["done"])
        .await;
    t.twice(
        "their refund, between invoices that must not credit it again",
        &[
            invoice(t, &less),
            credit(t, &less, "F1", "21.24"),
            invoice(t, &less),
        ],
        &["done", "done", "done"],
    )
    .await;
}
