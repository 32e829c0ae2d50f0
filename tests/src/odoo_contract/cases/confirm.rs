//! Confirming quotations.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, ensure, text};
use crate::odoo_contract::draft::{PLACED, line};
use crate::odoo_contract::wire::{Ask, Said};
use serde_json::json;

cases! { "confirm":
    a_batch => "one call confirms all, each gets one delivery, and stock is reserved",
    again => "confirming what is confirmed is refused and changes nothing",
    one_of_the_batch_is_confirmed => "one order in another state keeps the whole batch from being confirmed",
    one_of_the_batch_is_cancelled => "a cancelled order keeps the whole batch from being confirmed",
    a_failure_deep_inside => "a missing rule of replenishment fails the whole batch and is told by its first words",
    the_date_is_overwritten_and_written_back => "confirming sets the order's date to now; writing it back is allowed",
    a_missing_record => "a quotation that is gone fails the batch as MissingError",
    services_only => "an order of services alone is confirmed without a delivery",
    more_than_in_stock => "lack of stock does not keep an order from being confirmed",
    free_and_negative_lines => "a line for nothing and a negative one are confirmed",
    an_order_marked_as_sent => "a quotation in state `sent` can be confirmed",
}

async fn a_batch(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 3)).await?;
    let said = cx.ask(cx.confirm(&ids)).await;
    cx.note_result("answer", &said);
    let states = cx.states(&ids).await?;
    ensure!(states.iter().all(|s| s == "sale"), "{states:?}");
    cx.note_orders("orders", &ids).await?;
    cx.note_transfers("transfers", &ids).await
}

async fn again(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let said = cx.ask(cx.confirm(&[order])).await;
    cx.note_said("answer", &said);
    is_business(&said)?;
    cx.note_orders("orders", &[order]).await?;
    cx.note_transfers("transfers", &[order]).await
}

/// What Waybill takes for a rule of business: it reads the states and looks for the one.
fn is_business(said: &Said) -> Checked {
    match said {
        Said::Fault { name, .. }
            if [
                "odoo.exceptions.UserError",
                "odoo.exceptions.ValidationError",
            ]
            .contains(&name.as_str()) =>
        {
            Ok(())
        }
        other => Err(format!("a UserError is expected, not {other:?}").into()),
    }
}

async fn one_of_the_batch_is_confirmed(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 3)).await?;
    cx.get(
        "confirming one",
        cx.confirm(ids.get(1..2).unwrap_or_default()),
    )
    .await?;
    let said = cx.ask(cx.confirm(&ids)).await;
    cx.note_said("answer", &said);
    is_business(&said)?;
    let states = cx.states(&ids).await?;
    ensure!(states == ["draft", "sale", "draft"], "{states:?}");
    Ok(())
}

async fn one_of_the_batch_is_cancelled(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 3)).await?;
    cx.get(
        "cancelling one",
        super::cancel::cancel(ids.get(1..2).unwrap_or_default()),
    )
    .await?;
    let said = cx.ask(cx.confirm(&ids)).await;
    cx.note_said("answer", &said);
    is_business(&said)?;
    let states = cx.states(&ids).await?;
    ensure!(states == ["draft", "cancel", "draft"], "{states:?}");
    Ok(())
}

/// A customer whose goods go to a place that no rule serves.
pub(super) async fn stranger(cx: &Cx<'_>) -> Checked<String> {
    let nowhere = cx
        .rows(
            "stock.location",
            json!([["usage", "=", "supplier"]]),
            &["name"],
        )
        .await?;
    let nowhere = nowhere
        .first()
        .map(crate::odoo_contract::cx::id)
        .unwrap_or_default();
    let stranger = cx.partner().await?;
    let set = cx.update(
        "res.partner",
        &["id", "property_stock_customer/.id"],
        json!([[stranger, nowhere.to_string()]]),
    );
    cx.loaded("giving the customer another place", set).await?;
    Ok(stranger)
}

async fn a_failure_deep_inside(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let stranger = stranger(cx).await?;
    let mut drafts = cx.drafts(&partner, 3);
    if let Some(bad) = drafts.get_mut(2) {
        bad.partner = stranger;
    }
    let ids = cx.quotations(&drafts).await?;
    let said = cx.ask(cx.confirm(&ids)).await;
    cx.note_said("answer", &said);
    is_business(&said)?;
    if let Said::Fault { message, .. } = &said {
        ensure!(
            message.starts_with("No rule has been found to replenish"),
            "`{message}`"
        );
    }
    let states = cx.states(&ids).await?;
    ensure!(states.iter().all(|s| s == "draft"), "{states:?}");
    cx.get(
        "confirming the others",
        cx.confirm(ids.get(..2).unwrap_or_default()),
    )
    .await?;
    let states = cx.states(&ids).await?;
    ensure!(states == ["sale", "sale", "draft"], "{states:?}");
    Ok(())
}

async fn the_date_is_overwritten_and_written_back(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let date = async || -> Checked<String> {
        let rows = cx.read("sale.order", &[order], &["date_order"]).await?;
        Ok(rows
            .first()
            .map(|r| text(r, "date_order"))
            .unwrap_or_default())
    };
    ensure!(date().await? != PLACED, "confirming left the date");
    let deadlines = cx.transfers(&[order]).await?;
    let moves = cx
        .moves(
            &deadlines
                .iter()
                .map(crate::odoo_contract::cx::id)
                .collect::<Vec<_>>(),
        )
        .await?;
    let confirmed = date().await?;
    // Waybill finds the date that an order was confirmed at from its delivery.
    let known = moves.iter().all(|m| text(m, "date_deadline") == confirmed);
    ensure!(
        known,
        "the deadlines of the delivery are not the date of confirming {confirmed}"
    );
    let back = cx.update(
        "sale.order",
        &[".id", "date_order"],
        json!([[order.to_string(), PLACED]]),
    );
    cx.loaded("writing the date back", back).await?;
    ensure!(date().await? == PLACED, "the date is not written back");
    cx.note_transfers("transfers", &[order]).await
}

async fn a_missing_record(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    let live = ids.first().copied().unwrap_or_default();
    let said = cx.ask(cx.confirm(&[live, 987_654_321])).await;
    cx.note_said("answer", &said);
    let is_missing =
        matches!(&said, Said::Fault { name, .. } if name == "odoo.exceptions.MissingError");
    ensure!(is_missing, "a MissingError is expected, not {said:?}");
    let states = cx.states(&ids).await?;
    ensure!(states == ["draft"], "{states:?}");
    Ok(())
}

async fn with_lines(cx: &Cx<'_>, lines: Vec<crate::odoo_contract::draft::Line>) -> Checked {
    let partner = cx.partner().await?;
    let mut draft = cx.draft(&partner);
    draft.lines = lines;
    let ids = cx.confirmed(&[draft]).await?;
    let states = cx.states(&ids).await?;
    ensure!(states == ["sale"], "{states:?}");
    cx.note_orders("orders", &ids).await?;
    cx.note_transfers("transfers", &ids).await
}

async fn services_only(cx: &Cx<'_>) -> Checked {
    with_lines(
        cx,
        vec![line("SHIPPING", "1", "5"), line("DISCOUNT", "1", "-1")],
    )
    .await
}

async fn more_than_in_stock(cx: &Cx<'_>) -> Checked {
    super::stock::count(cx, "SKU-0191", "3").await?;
    let partner = cx.partner().await?;
    let mut draft = cx.draft(&partner);
    draft.lines = vec![line("SKU-0001", "1", "5"), line("SKU-0191", "5", "1")];
    let ids = cx.confirmed(&[draft]).await?;
    cx.note_orders("orders", &ids).await?;
    cx.note_transfers("transfers", &ids).await?;
    // What is left behind reserves nothing.
    cx.get("cancelling", super::cancel::cancel(&ids)).await?;
    super::stock::count(cx, "SKU-0191", "1000").await
}

async fn free_and_negative_lines(cx: &Cx<'_>) -> Checked {
    with_lines(
        cx,
        vec![
            line("SKU-0001", "1", "0"),
            line("SKU-0002", "1", "8"),
            line("DISCOUNT", "1", "-3"),
        ],
    )
    .await
}

async fn an_order_marked_as_sent(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    let sent = Ask::on("sale.order", "write", &ids).arg("vals", json!({"state": "sent"}));
    let said = cx.ask(sent).await;
    cx.note_result("answer", &said);
    cx.get("confirming", cx.confirm(&ids)).await?;
    let states = cx.states(&ids).await?;
    ensure!(states == ["sale"], "{states:?}");
    Ok(())
}
