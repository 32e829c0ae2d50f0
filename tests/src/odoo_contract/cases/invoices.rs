//! Invoices, payments, credit notes.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, Halt, amount, ensure, id, link, text};
use crate::odoo_contract::wire::{Ask, Said};
use serde_json::{Value, json};

cases! { "invoices":
    made_and_posted => "the wizard makes a draft of what was ordered, and posting takes it",
    posted_again => "posting what is posted is refused, and it stays posted",
    nothing_to_invoice => "a second invoice is refused as a rule of business",
    of_a_quotation => "a quotation cannot be invoiced",
    paid => "a payment is registered and the invoice is paid",
    reversed => "a reversal is a draft that knows its invoice, and its reference holds the reason",
    a_trimmed_credit_note => "lines of a draft credit note are changed, removed and added in one write",
    a_reversed_credit_note => "what undoes a credit note",
    two_credit_notes => "an invoice is credited twice in parts",
    a_cancelled_draft => "a draft credit note is cancelled",
    after_a_lowered_quantity => "what was invoiced and is wanted no more is to be credited",
    a_deleted_draft_invoice => "what the order says of a draft that is cancelled",
}

fn one_id(value: &Value) -> i64 {
    value
        .as_i64()
        .or_else(|| value.get(0)?.as_i64())
        .unwrap_or_default()
}

/// The wizard's draft, made as Waybill makes it.
async fn draft_of(cx: &Cx<'_>, order: i64) -> Checked<Said> {
    let values =
        json!({"advance_payment_method": "delivered", "sale_order_ids": [[6, 0, [order]]]});
    let wizard = Ask::of("sale.advance.payment.inv", "create")
        .arg("vals_list", values)
        .with("active_model", json!("sale.order"))
        .with("active_ids", json!([order]));
    let wizard = one_id(&cx.get("making the wizard", wizard).await?);
    Ok(cx
        .ask(Ask::on(
            "sale.advance.payment.inv",
            "create_invoices",
            &[wizard],
        ))
        .await)
}

async fn last(cx: &Cx<'_>, order: i64) -> Checked<Value> {
    let entries = cx.entries(order).await?;
    entries
        .last()
        .cloned()
        .ok_or_else(|| Halt::Broken("the order has no invoice".to_owned()))
}

fn post(entry: i64) -> Ask {
    Ask::on("account.move", "action_post", &[entry])
}

/// A posted invoice of an order; its id.
pub(super) async fn invoiced(cx: &Cx<'_>, order: i64) -> Checked<i64> {
    let said = draft_of(cx, order).await?;
    cx.result("invoicing", said)?;
    let invoice = id(&last(cx, order).await?);
    cx.get("posting", post(invoice)).await?;
    Ok(invoice)
}

/// A reversal as Waybill makes it; what was answered.
async fn reversal(cx: &Cx<'_>, order: i64, of: i64, reason: &str) -> Checked<i64> {
    let entries = cx.entries(order).await?;
    let journal = entries
        .iter()
        .find(|e| id(e) == of)
        .map(|e| link(e, "journal_id"))
        .unwrap_or_default();
    let wizard = Ask::of("account.move.reversal", "create")
        .arg(
            "vals_list",
            json!({"reason": reason, "journal_id": journal}),
        )
        .with("active_model", json!("account.move"))
        .with("active_ids", json!([of]));
    let wizard = one_id(&cx.get("making the wizard", wizard).await?);
    let action = cx
        .get(
            "reversing",
            Ask::on("account.move.reversal", "refund_moves", &[wizard]),
        )
        .await?;
    let made = action
        .get("res_id")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    ensure!(made > 0, "the answer names no entry: {action}");
    Ok(made)
}

async fn note(cx: &Cx<'_>, order: i64) -> Checked {
    cx.note_orders("orders", &[order]).await?;
    cx.note_entries("entries", order).await
}

async fn entry(cx: &Cx<'_>, entry: i64) -> Checked<Value> {
    let rows = cx
        .read(
            "account.move",
            &[entry],
            &[
                "name",
                "state",
                "move_type",
                "ref",
                "amount_total",
                "reversed_entry_id",
                "payment_state",
            ],
        )
        .await?;
    rows.first()
        .cloned()
        .ok_or_else(|| Halt::Broken("the entry is gone".to_owned()))
}

async fn made_and_posted(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let said = draft_of(cx, order).await?;
    cx.result("invoicing", said)?;
    cx.note_entries("draft", order).await?;
    let draft = last(cx, order).await?;
    ensure!(
        text(&draft, "move_type") == "out_invoice" && text(&draft, "state") == "draft",
        "{draft}"
    );
    let said = cx.ask(post(id(&draft))).await;
    cx.note_result("posting", &said);
    ensure!(
        text(&entry(cx, id(&draft)).await?, "state") == "posted",
        "it is not posted"
    );
    note(cx, order).await
}

async fn posted_again(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let invoice = invoiced(cx, order).await?;
    let said = cx.ask(post(invoice)).await;
    cx.note_said("answer", &said);
    ensure!(
        text(&entry(cx, invoice).await?, "state") == "posted",
        "it is not posted any more"
    );
    Ok(())
}

async fn nothing_to_invoice(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    invoiced(cx, order).await?;
    let said = draft_of(cx, order).await?;
    cx.note_said("answer", &said);
    ensure!(
        matches!(&said, Said::Fault { name, .. } if name == "odoo.exceptions.UserError"),
        "{said:?}"
    );
    note(cx, order).await
}

async fn of_a_quotation(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    let order = ids.first().copied().unwrap_or_default();
    let said = draft_of(cx, order).await?;
    cx.note_said("answer", &said);
    note(cx, order).await
}

async fn paid(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let invoice = invoiced(cx, order).await?;
    let register = Ask::of("account.payment.register", "create")
        .arg("vals_list", json!({"payment_date": "2026-03-05"}))
        .with("active_model", json!("account.move"))
        .with("active_ids", json!([invoice]));
    let register = one_id(&cx.get("making the wizard", register).await?);
    cx.get(
        "paying",
        Ask::on(
            "account.payment.register",
            "action_create_payments",
            &[register],
        ),
    )
    .await?;
    let state = text(&entry(cx, invoice).await?, "payment_state");
    ensure!(
        ["paid", "in_payment"].contains(&state.as_str()),
        "the invoice is `{state}`"
    );
    note(cx, order).await
}

async fn reversed(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let invoice = invoiced(cx, order).await?;
    let credit = reversal(cx, order, invoice, "[refund 1]").await?;
    cx.note_entries("draft", order).await?;
    let row = entry(cx, credit).await?;
    ensure!(
        text(&row, "ref").contains("[refund 1]"),
        "the reference is `{}`",
        text(&row, "ref")
    );
    ensure!(link(&row, "reversed_entry_id") == invoice, "{row}");
    ensure!(
        text(&row, "move_type") == "out_refund" && text(&row, "state") == "draft",
        "{row}"
    );
    cx.get("posting", post(credit)).await?;
    note(cx, order).await
}

async fn product_lines(cx: &Cx<'_>, entry: i64) -> Checked<Vec<Value>> {
    let fields = [
        "product_id",
        "quantity",
        "price_unit",
        "discount",
        "price_total",
        "account_id",
        "tax_ids",
    ];
    let domain = json!([["move_id", "=", entry], ["display_type", "=", "product"]]);
    cx.rows("account.move.line", domain, &fields).await
}

async fn a_trimmed_credit_note(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let invoice = invoiced(cx, order).await?;
    let credit = reversal(cx, order, invoice, "[refund 2]").await?;
    let lines = product_lines(cx, credit).await?;
    ensure!(lines.len() == 2, "{} lines", lines.len());
    let line = |at: usize| lines.get(at).cloned().unwrap_or_default();
    let commands = json!([
        [1, id(&line(0)), {"quantity": 1.0, "price_unit": 10.5}],
        [2, id(&line(1)), 0],
        [0, 0, {"name": "Refund", "quantity": 1, "price_unit": 3.0, "account_id": link(&line(0), "account_id"), "tax_ids": [[6, 0, line(0).get("tax_ids")]]}],
        [0, 0, {"name": "Rounding", "quantity": 1, "price_unit": -0.01, "account_id": link(&line(0), "account_id"), "tax_ids": [[6, 0, []]]}],
    ]);
    let write = Ask::on("account.move", "write", &[credit])
        .arg("vals", json!({ "invoice_line_ids": commands }));
    cx.get("writing lines", write).await?;
    let kept = product_lines(cx, credit).await?;
    let totals: Vec<String> = kept.iter().map(|l| amount(l, "price_total")).collect();
    cx.note("lines", totals);
    cx.get("posting", post(credit)).await?;
    let percent = cx.target.facts.tax.percent;
    let total = amount(&entry(cx, credit).await?, "amount_total");
    if percent == 10 {
        ensure!(
            total == "14.84",
            "the credit note comes to {total}, 14.84 is expected"
        );
    }
    note(cx, order).await
}

async fn a_reversed_credit_note(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let invoice = invoiced(cx, order).await?;
    let credit = reversal(cx, order, invoice, "[refund 3]").await?;
    cx.get("posting", post(credit)).await?;
    let undo = reversal(cx, order, credit, "[refund 3 failed]").await?;
    cx.get("posting", post(undo)).await?;
    let row = entry(cx, undo).await?;
    ensure!(link(&row, "reversed_entry_id") == credit, "{row}");
    note(cx, order).await
}

async fn two_credit_notes(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let invoice = invoiced(cx, order).await?;
    for mark in ["[refund 4]", "[refund 5]"] {
        let credit = reversal(cx, order, invoice, mark).await?;
        let lines = product_lines(cx, credit).await?;
        let line = |at: usize| lines.get(at).map(id).unwrap_or_default();
        let commands = json!([[1, line(0), {"quantity": 1.0}], [2, line(1), 0]]);
        let write = Ask::on("account.move", "write", &[credit])
            .arg("vals", json!({ "invoice_line_ids": commands }));
        cx.get("writing lines", write).await?;
        cx.get("posting", post(credit)).await?;
    }
    note(cx, order).await
}

async fn a_cancelled_draft(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let invoice = invoiced(cx, order).await?;
    let credit = reversal(cx, order, invoice, "[refund 6]").await?;
    let said = cx
        .ask(Ask::on("account.move", "button_cancel", &[credit]))
        .await;
    cx.note_result("answer", &said);
    ensure!(
        text(&entry(cx, credit).await?, "state") == "cancel",
        "it is not cancelled"
    );
    note(cx, order).await
}

async fn after_a_lowered_quantity(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    invoiced(cx, order).await?;
    let first = super::lines::first_line(cx, order).await?.to_string();
    let fields = [".id", "product_uom_qty", "price_unit", "discount"];
    let said = cx
        .ask(cx.update(
            "sale.order.line",
            &fields,
            json!([[first, "1", "12.5", "0"]]),
        ))
        .await;
    cx.note_load("answer", &said);
    note(cx, order).await?;
    let said = cx
        .ask(cx.update(
            "sale.order.line",
            &[".id", "product_uom_qty"],
            json!([[first, "3"]]),
        ))
        .await;
    cx.note_load("without a price", &said);
    cx.note_orders("without a price", &[order]).await
}

async fn a_deleted_draft_invoice(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let said = draft_of(cx, order).await?;
    cx.result("invoicing", said)?;
    let draft = id(&last(cx, order).await?);
    let said = cx
        .ask(Ask::on("account.move", "button_cancel", &[draft]))
        .await;
    cx.note_result("answer", &said);
    note(cx, order).await
}
