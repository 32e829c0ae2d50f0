//! Returned goods through Odoo's wizard.

use super::cases;
use super::delivery::{open, ship};
use crate::odoo_contract::cx::{Checked, Cx, ensure, id, text};
use crate::odoo_contract::wire::{Ask, Said};
use serde_json::{Value, json};

cases! { "returns":
    a_part_comes_back => "the wizard takes given lines, the receipt is validated and lowers what was delivered",
    all_comes_back => "a whole return leaves nothing delivered",
    to_another_place => "the receipt's destination can be another location",
    more_than_was_delivered => "what Odoo says to a return of more than was delivered",
    twice => "two returns of one delivery",
    the_wizards_own_lines => "17 fills the wizard with all that was delivered, 19 with nothing",
    from_an_open_delivery => "what Odoo says to a return of goods that have not left",
}

/// The wizard for goods of done moves, as Waybill makes it; its id.
async fn wizard(cx: &Cx<'_>, transfer: i64, lines: Vec<Value>) -> Said {
    let values = json!({"picking_id": transfer, "product_return_moves": lines});
    let ask = Ask::of("stock.return.picking", "create")
        .arg("vals_list", values)
        .with("active_id", json!(transfer))
        .with("active_ids", json!([transfer]))
        .with("active_model", json!("stock.picking"));
    cx.ask(ask).await
}

async fn make(cx: &Cx<'_>, said: Said) -> Checked<Said> {
    let made = cx.result("making the wizard", said)?;
    let wizard = made
        .as_i64()
        .or_else(|| made.get(0)?.as_i64())
        .unwrap_or_default();
    let method = if cx.is_17() {
        "create_returns"
    } else {
        "action_create_returns"
    };
    Ok(cx
        .ask(Ask::on("stock.return.picking", method, &[wizard]))
        .await)
}

async fn lines(cx: &Cx<'_>, transfer: i64, quantities: &[f64]) -> Checked<Vec<Value>> {
    let moves = cx.moves(&[transfer]).await?;
    let lines = moves.iter().zip(quantities).filter(|(_, q)| **q > 0.0).map(|(item, quantity)| {
        json!([0, 0, {"move_id": id(item), "product_id": crate::odoo_contract::cx::link(item, "product_id"), "quantity": quantity}])
    });
    Ok(lines.collect())
}

/// A receipt for goods of a delivery.
async fn receipt(cx: &Cx<'_>, transfer: i64, quantities: &[f64]) -> Checked {
    let lines = lines(cx, transfer, quantities).await?;
    let said = make(cx, wizard(cx, transfer, lines).await).await?;
    cx.result("making the receipt", said)?;
    Ok(())
}

async fn note(cx: &Cx<'_>, order: i64) -> Checked {
    cx.note_orders("orders", &[order]).await?;
    cx.note_transfers("transfers", &[order]).await
}

async fn a_part_comes_back(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let delivery = ship(cx, order, &["2", "1"]).await?;
    receipt(cx, delivery, &[1.0, 0.0]).await?;
    let (back, moves) = open(cx, order).await?;
    ensure!(
        back != delivery && moves.len() == 1,
        "{} moves come back",
        moves.len()
    );
    cx.note_transfers("open receipt", &[order]).await?;
    ship(cx, order, &["1"]).await?;
    note(cx, order).await
}

async fn all_comes_back(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let delivery = ship(cx, order, &["2", "1"]).await?;
    receipt(cx, delivery, &[2.0, 1.0]).await?;
    ship(cx, order, &["2", "1"]).await?;
    note(cx, order).await
}

async fn to_another_place(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let delivery = ship(cx, order, &["2", "1"]).await?;
    receipt(cx, delivery, &[1.0, 0.0]).await?;
    let (back, moves) = open(cx, order).await?;
    let item = moves.first().map(id).unwrap_or_default().to_string();
    let quarantine = quarantine(cx).await?;
    let fields = [
        ".id",
        "origin",
        "move_ids/.id",
        "move_ids/quantity",
        "move_ids/picked",
        "location_dest_id/id",
        "move_ids/location_dest_id/id",
    ];
    let data = json!([[
        back.to_string(),
        "R [return 1 scrap]",
        item,
        "1",
        "True",
        quarantine,
        quarantine
    ]]);
    let said = cx.ask(cx.update("stock.picking", &fields, data)).await;
    cx.note_load("booking", &said);
    let validate =
        Ask::on("stock.picking", "button_validate", &[back]).flags(&["skip_backorder", "skip_sms"]);
    cx.get("validating", validate).await?;
    let moves = cx.moves(&[back]).await?;
    let rows = cx
        .read("stock.picking", &[back], &["location_dest_id", "state"])
        .await?;
    let place = |row: Option<&Value>| {
        row.map(|r| crate::odoo_contract::cx::link(r, "location_dest_id"))
            .unwrap_or_default()
    };
    let same = place(moves.first()) == place(rows.first())
        && place(rows.first()) != cx.target.facts.stock.1;
    ensure!(
        same,
        "the goods are in {moves:?}, the receipt says {rows:?}"
    );
    note(cx, order).await
}

/// A location beside stock, for goods that are not to be sold; its external id.
async fn quarantine(cx: &Cx<'_>) -> Checked<String> {
    const ID: &str = "waybill_contract.quarantine";
    let rows = cx
        .read(
            "stock.location",
            &[cx.target.facts.stock.1],
            &["location_id"],
        )
        .await?;
    let parent = rows
        .first()
        .map(|r| crate::odoo_contract::cx::link(r, "location_id"));
    let parent = parent.unwrap_or_default().to_string();
    let ask = cx.insert(
        "stock.location",
        &["id", "name", "usage", "location_id/.id"],
        json!([[ID, "Contract quarantine", "internal", parent]]),
    );
    // Users of Inventory may not make locations.
    let said = match &cx.target.admin {
        Some(admin) => admin.ask(&ask).await,
        None => cx.ask(ask).await,
    };
    match crate::odoo_contract::cx::ids(&said) {
        Some(_) => Ok(ID.to_owned()),
        None if cx.target.admin.is_none() => Err(crate::odoo_contract::cx::Halt::Skipped(
            "needs --odoo-admin-key-file to make a location".to_owned(),
        )),
        None => Err(format!("making a location: {said:?}").into()),
    }
}

async fn more_than_was_delivered(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let delivery = ship(cx, order, &["2", "1"]).await?;
    let lines = lines(cx, delivery, &[5.0, 0.0]).await?;
    let said = wizard(cx, delivery, lines).await;
    let said = match said {
        Said::Result(_) => make(cx, said).await?,
        other => other,
    };
    cx.note_said("answer", &said);
    note(cx, order).await
}

async fn twice(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let delivery = ship(cx, order, &["2", "1"]).await?;
    for _ in 0..2 {
        receipt(cx, delivery, &[1.0, 0.0]).await?;
        ship(cx, order, &["1"]).await?;
    }
    note(cx, order).await
}

async fn the_wizards_own_lines(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let delivery = ship(cx, order, &["2", "1"]).await?;
    let ask = Ask::of("stock.return.picking", "create")
        .arg("vals_list", json!({"picking_id": delivery}))
        .with("active_id", json!(delivery))
        .with("active_ids", json!([delivery]))
        .with("active_model", json!("stock.picking"));
    let made = cx.get("making the wizard", ask).await?;
    let wizard = made
        .as_i64()
        .or_else(|| made.get(0)?.as_i64())
        .unwrap_or_default();
    let rows = cx
        .rows(
            "stock.return.picking.line",
            json!([["wizard_id", "=", wizard]]),
            &["quantity"],
        )
        .await?;
    let quantities: Vec<Value> = rows
        .iter()
        .filter_map(|r| r.get("quantity").cloned())
        .collect();
    cx.note("quantities", quantities);
    Ok(())
}

async fn from_an_open_delivery(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
    let (delivery, moves) = open(cx, order).await?;
    ensure!(
        moves.iter().all(|m| text(m, "state") != "done"),
        "{moves:?}"
    );
    let lines = lines(cx, delivery, &[1.0, 0.0]).await?;
    let said = wizard(cx, delivery, lines).await;
    let said = match said {
        Said::Result(_) => make(cx, said).await?,
        other => other,
    };
    cx.note_said("answer", &said);
    Ok(())
}
