//! Transfers: quantities, validation, backorders.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, ensure, id, text};
use crate::odoo_contract::draft::line;
use crate::odoo_contract::wire::{Ask, Said};
use serde_json::{Value, json};

cases! { "delivery":
    whole => "all quantities, validated: done, delivered, nothing open",
    partial_with_backorder => "what was not moved becomes a backorder with the same source document",
    the_backorder_is_shipped => "a second shipment is booked on the backorder",
    partial_without_backorder => "without a backorder the rest is given up",
    a_line_that_was_not_picked => "a move with `picked` false stays open",
    many_in_one_call => "transfers of several orders are booked in one `load` and one validation",
    tracking_and_mark => "source document and tracking number are written with the quantities",
    tracking_on_a_done_transfer => "a tracking number can be written on a transfer that is done",
    validated_again => "17 refuses and 19 accepts to validate what is done; the state decides",
    one_of_two_is_done => "a batch with a transfer that is done",
    nothing_picked => "what Odoo says to a validation without quantities",
    quantities_again => "setting the same quantities twice is the same as once",
    without_the_flags => "without the context's flags Odoo asks back and validates nothing",
    more_than_reserved => "goods that are not in stock can be shipped all the same",
    a_quantity_lowered_before => "lowering a confirmed quantity lowers the open delivery",
    another_address => "the address of an open delivery can be changed",
}

const FIELDS: [&str; 6] = [
    ".id",
    "origin",
    "carrier_tracking_ref",
    "move_ids/.id",
    "move_ids/quantity",
    "move_ids/picked",
];

/// The open delivery of an order with its moves.
pub(super) async fn open(cx: &Cx<'_>, order: i64) -> Checked<(i64, Vec<Value>)> {
    let transfers = cx.transfers(&[order]).await?;
    let is_open = |t: &&Value| !["done", "cancel"].contains(&text(t, "state").as_str());
    let found = transfers
        .iter()
        .find(is_open)
        .ok_or("the order has no open transfer".to_owned())?;
    let moves = cx.moves(&[id(found)]).await?;
    Ok((id(found), moves))
}

/// Rows that book quantities on the moves of a transfer, in their order.
fn booking(transfer: i64, mark: &str, moves: &[Value], quantities: &[&str]) -> Vec<Value> {
    let rows = moves
        .iter()
        .zip(quantities)
        .enumerate()
        .map(|(at, (item, quantity))| {
            let first = |text: &str| json!(if at == 0 { text } else { "" });
            let picked = if *quantity == "0" { "False" } else { "True" };
            json!([
                first(&transfer.to_string()),
                first(mark),
                first("TRACK1"),
                id(item).to_string(),
                quantity,
                picked
            ])
        });
    rows.collect()
}

fn validate(ids: &[i64]) -> Ask {
    Ask::on("stock.picking", "button_validate", ids).flags(&[
        "skip_backorder",
        "skip_sms",
        "skip_expired",
    ])
}

/// Books and validates the open delivery as Waybill does; its id.
pub(super) async fn ship(cx: &Cx<'_>, order: i64, quantities: &[&str]) -> Checked<i64> {
    let (transfer, moves) = open(cx, order).await?;
    let rows = booking(transfer, "S [shipment w:1]", &moves, quantities);
    cx.loaded("booking", cx.update("stock.picking", &FIELDS, json!(rows)))
        .await?;
    cx.get("validating", validate(&[transfer])).await?;
    Ok(transfer)
}

async fn note(cx: &Cx<'_>, orders: &[i64]) -> Checked {
    cx.note_orders("orders", orders).await?;
    cx.note_transfers("transfers", orders).await
}

async fn state(cx: &Cx<'_>, transfer: i64) -> Checked<String> {
    let rows = cx.read("stock.picking", &[transfer], &["state"]).await?;
    Ok(rows.first().map(|r| text(r, "state")).unwrap_or_default())
}

async fn whole(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let transfer = ship(cx, order, &["2", "1"]).await?;
    ensure!(state(cx, transfer).await? == "done", "it is not done");
    note(cx, &[order]).await
}

async fn partial_with_backorder(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let transfer = ship(cx, order, &["1", "0"]).await?;
    ensure!(state(cx, transfer).await? == "done", "it is not done");
    let (rest, _) = open(cx, order).await?;
    ensure!(rest != transfer, "there is no backorder");
    note(cx, &[order]).await
}

async fn the_backorder_is_shipped(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    ship(cx, order, &["1", "0"]).await?;
    ship(cx, order, &["1", "1"]).await?;
    note(cx, &[order]).await
}

async fn partial_without_backorder(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let (transfer, moves) = open(cx, order).await?;
    let rows = booking(transfer, "S", &moves, &["1", "0"]);
    cx.loaded("booking", cx.update("stock.picking", &FIELDS, json!(rows)))
        .await?;
    let said = cx
        .ask(validate(&[transfer]).with("picking_ids_not_to_backorder", json!([transfer])))
        .await;
    cx.note_result("answer", &said);
    note(cx, &[order]).await
}

async fn a_line_that_was_not_picked(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    ship(cx, order, &["0", "1"]).await?;
    note(cx, &[order]).await
}

async fn many_in_one_call(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let orders = cx.confirmed(&cx.drafts(&partner, 3)).await?;
    let mut rows = Vec::new();
    let mut transfers = Vec::new();
    for order in &orders {
        let (transfer, moves) = open(cx, *order).await?;
        rows.extend(booking(transfer, "S", &moves, &["2", "1"]));
        transfers.push(transfer);
    }
    let said = cx
        .ask(cx.update("stock.picking", &FIELDS, json!(rows)))
        .await;
    cx.note_load("booking", &said);
    let said = cx.ask(validate(&transfers)).await;
    cx.note_result("validating", &said);
    note(cx, &orders).await
}

async fn tracking_and_mark(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let (transfer, moves) = open(cx, order).await?;
    let rows = booking(transfer, "S1 [shipment w:7]", &moves, &["2", "0"]);
    let said = cx
        .ask(cx.update("stock.picking", &FIELDS, json!(rows)))
        .await;
    cx.note_load("booking", &said);
    note(cx, &[order]).await
}

async fn tracking_on_a_done_transfer(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let transfer = ship(cx, order, &["2", "1"]).await?;
    let ask = cx.update(
        "stock.picking",
        &[".id", "carrier_tracking_ref"],
        json!([[transfer.to_string(), "T2, T3"]]),
    );
    cx.loaded("writing the number", ask).await?;
    note(cx, &[order]).await
}

async fn validated_again(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let transfer = ship(cx, order, &["2", "1"]).await?;
    let said = cx.ask(validate(&[transfer])).await;
    cx.note_result("answer", &said);
    ensure!(
        state(cx, transfer).await? == "done",
        "it is not done any more"
    );
    note(cx, &[order]).await
}

async fn one_of_two_is_done(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let orders = cx.confirmed(&cx.drafts(&partner, 2)).await?;
    let mut transfers = Vec::new();
    for order in &orders {
        let (transfer, moves) = open(cx, *order).await?;
        let rows = booking(transfer, "S", &moves, &["2", "1"]);
        cx.loaded("booking", cx.update("stock.picking", &FIELDS, json!(rows)))
            .await?;
        transfers.push(transfer);
    }
    cx.get(
        "validating one",
        validate(transfers.get(..1).unwrap_or_default()),
    )
    .await?;
    let said = cx.ask(validate(&transfers)).await;
    cx.note_result("answer", &said);
    note(cx, &orders).await
}

async fn nothing_picked(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let (transfer, moves) = open(cx, order).await?;
    let rows = booking(transfer, "S", &moves, &["0", "0"]);
    cx.loaded("booking", cx.update("stock.picking", &FIELDS, json!(rows)))
        .await?;
    let said = cx.ask(validate(&[transfer])).await;
    cx.note_result("answer", &said);
    note(cx, &[order]).await
}

async fn quantities_again(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let (transfer, moves) = open(cx, order).await?;
    let rows = booking(transfer, "S", &moves, &["1", "1"]);
    let ask = cx.update("stock.picking", &FIELDS, json!(rows));
    cx.loaded("booking", ask.clone()).await?;
    cx.loaded("booking again", ask).await?;
    cx.note_transfers("booked twice", &[order]).await?;
    cx.get("validating", validate(&[transfer])).await?;
    note(cx, &[order]).await
}

async fn without_the_flags(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let (transfer, moves) = open(cx, order).await?;
    let rows = booking(transfer, "S", &moves, &["1", "0"]);
    cx.loaded("booking", cx.update("stock.picking", &FIELDS, json!(rows)))
        .await?;
    let said = cx
        .ask(Ask::on("stock.picking", "button_validate", &[transfer]))
        .await;
    // Which of its questions comes first depends on the modules that are there.
    let asks = matches!(&said, Said::Result(v) if v.get("res_model").is_some());
    ensure!(asks, "a question is expected, not {said:?}");
    ensure!(
        state(cx, transfer).await? != "done",
        "it is done all the same"
    );
    note(cx, &[order]).await
}

async fn more_than_reserved(cx: &Cx<'_>) -> Checked {
    const SKU: &str = "SKU-0199";
    super::stock::count(cx, SKU, "3").await?;
    let partner = cx.partner().await?;
    let mut draft = cx.draft(&partner);
    draft.lines = vec![line(SKU, "5", "5")];
    let orders = cx.confirmed(&[draft]).await?;
    cx.note_transfers("reserved", &orders).await?;
    ship(cx, orders.first().copied().unwrap_or_default(), &["5"]).await?;
    note(cx, &orders).await?;
    cx.note("left", super::stock::on_hand(cx, SKU).await?);
    super::stock::count(cx, SKU, "1000").await?;
    Ok(())
}

async fn a_quantity_lowered_before(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let lines = cx
        .rows(
            "sale.order.line",
            json!([["order_id", "=", order]]),
            &["name"],
        )
        .await?;
    let ids: Vec<String> = lines.iter().map(|l| id(l).to_string()).collect();
    for (quantity, name) in [("1", "lowered"), ("4", "raised"), ("0", "none")] {
        let data = json!([[ids.first(), quantity]]);
        cx.loaded(
            "changing a quantity",
            cx.update("sale.order.line", &[".id", "product_uom_qty"], data),
        )
        .await?;
        cx.note_orders(&format!("orders, {name}"), &[order]).await?;
        cx.note_transfers(&format!("transfers, {name}"), &[order])
            .await?;
    }
    Ok(())
}

async fn another_address(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let (transfer, _) = open(cx, order).await?;
    let other = cx.partner().await?;
    let ask = cx.update(
        "stock.picking",
        &[".id", "partner_id/id"],
        json!([[transfer.to_string(), other]]),
    );
    cx.loaded("changing the delivery", ask).await?;
    let ask = cx.update(
        "sale.order",
        &[".id", "partner_shipping_id/id"],
        json!([[order.to_string(), other]]),
    );
    cx.loaded("changing the order", ask).await?;
    let rows = cx
        .read("stock.picking", &[transfer], &["partner_id"])
        .await?;
    let order_rows = cx
        .read("sale.order", &[order], &["partner_shipping_id"])
        .await?;
    let (a, b) = (
        rows.first().cloned().unwrap_or_default(),
        order_rows.first().cloned().unwrap_or_default(),
    );
    let same = crate::odoo_contract::cx::link(&a, "partner_id")
        == crate::odoo_contract::cx::link(&b, "partner_shipping_id");
    ensure!(same, "the addresses differ: {a} {b}");
    note(cx, &[order]).await
}
