//! Cancelling orders in each state.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, ensure};
use crate::odoo_contract::wire::{Ask, Said};
use serde_json::json;

cases! { "cancel":
    a_quotation => "a quotation is cancelled",
    a_confirmed_order => "a confirmed order is cancelled with its delivery, where the flag is given",
    without_the_flag => "without the flag 17 answers a question and cancels nothing",
    a_cancelled_order => "cancelling what is cancelled is no failure",
    a_partly_shipped_order => "what Odoo does with an order of which goods have left",
    a_shipped_order => "what Odoo does with an order whose goods have left",
    an_invoiced_order => "a posted invoice stays when its order is cancelled",
    a_locked_order => "a locked order is refused",
    a_batch_of_all_states => "a quotation and a confirmed order are cancelled in one call",
    set_back_to_quotation => "a cancelled order that is set back can be confirmed",
}

/// As Waybill cancels.
pub(super) fn cancel(ids: &[i64]) -> Ask {
    Ask::on("sale.order", "action_cancel", ids).with("disable_cancel_warning", json!(true))
}

async fn note(cx: &Cx<'_>, ids: &[i64]) -> Checked {
    cx.note_orders("orders", ids).await?;
    cx.note_transfers("transfers", ids).await
}

async fn expect(cx: &Cx<'_>, ids: &[i64], wanted: &str) -> Checked {
    let states = cx.states(ids).await?;
    ensure!(
        states.iter().all(|s| s == wanted),
        "{states:?}, `{wanted}` is expected"
    );
    note(cx, ids).await
}

async fn a_quotation(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    let said = cx.ask(cancel(&ids)).await;
    cx.note_result("answer", &said);
    expect(cx, &ids, "cancel").await
}

async fn a_confirmed_order(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let said = cx.ask(cancel(&[order])).await;
    cx.note_result("answer", &said);
    expect(cx, &[order], "cancel").await
}

async fn without_the_flag(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let said = cx
        .ask(Ask::on("sale.order", "action_cancel", &[order]))
        .await;
    let asks =
        matches!(&said, Said::Result(v) if v.get("res_model") == Some(&json!("sale.order.cancel")));
    cx.note("asks", asks);
    expect(cx, &[order], if cx.is_17() { "sale" } else { "cancel" }).await
}

async fn a_cancelled_order(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    cx.get("cancelling", cancel(&[order])).await?;
    let said = cx.ask(cancel(&[order])).await;
    cx.note_result("answer", &said);
    ensure!(matches!(said, Said::Result(_)), "{said:?}");
    expect(cx, &[order], "cancel").await
}

async fn a_partly_shipped_order(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    super::delivery::ship(cx, order, &["1", "0"]).await?;
    let said = cx.ask(cancel(&[order])).await;
    cx.note_result("answer", &said);
    note(cx, &[order]).await
}

async fn a_shipped_order(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    super::delivery::ship(cx, order, &["2", "1"]).await?;
    let said = cx.ask(cancel(&[order])).await;
    cx.note_result("answer", &said);
    note(cx, &[order]).await
}

async fn an_invoiced_order(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    super::invoices::invoiced(cx, order).await?;
    let said = cx.ask(cancel(&[order])).await;
    cx.note_result("answer", &said);
    cx.note_entries("entries", order).await?;
    note(cx, &[order]).await
}

async fn a_locked_order(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let lock = Ask::on("sale.order", "write", &[order]).arg("vals", json!({"locked": true}));
    cx.get("locking", lock).await?;
    let said = cx.ask(cancel(&[order])).await;
    cx.note_said("answer", &said);
    ensure!(matches!(said, Said::Fault { .. }), "{said:?}");
    expect(cx, &[order], "sale").await
}

async fn a_batch_of_all_states(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 2)).await?;
    cx.get(
        "confirming one",
        cx.confirm(ids.get(..1).unwrap_or_default()),
    )
    .await?;
    let said = cx.ask(cancel(&ids)).await;
    cx.note_result("answer", &said);
    expect(cx, &ids, "cancel").await
}

async fn set_back_to_quotation(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    cx.get("cancelling", cancel(&[order])).await?;
    let back = cx
        .ask(Ask::on("sale.order", "action_draft", &[order]))
        .await;
    cx.note_result("answer", &back);
    cx.get("confirming", cx.confirm(&[order])).await?;
    expect(cx, &[order], "sale").await
}
