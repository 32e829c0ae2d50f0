//! Counts and availability.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, amount, ensure, ids, messages, text};
use crate::odoo_contract::draft::line;
use crate::odoo_contract::wire::{Ask, Said};
use serde_json::json;

cases! { "stock":
    a_count => "a count in inventory mode is applied at once and is absolute",
    a_count_that_is_repeated => "the same count twice changes nothing",
    a_count_of_several => "several counts in one call",
    an_unknown_location => "an unknown location is named in quotes and blames its row",
    applied_in_two_steps => "a method without a result is no failure",
    free_stock_follows_orders => "what is reserved is not free any more",
    what_is_tracked => "how a version says that stock is kept of a product",
    a_count_of_a_service => "what Odoo says to a count of a service",
    without_inventory_mode => "a count outside inventory mode",
}

const COLUMNS: [&str; 3] = [
    "product_id/.id",
    "location_id/id",
    "inventory_quantity_auto_apply",
];

fn counts(cx: &Cx<'_>, counts: &[(&str, &str)]) -> Ask {
    let (location, _) = &cx.target.facts.stock;
    let rows: Vec<_> = counts
        .iter()
        .map(|(sku, n)| json!([cx.product(sku).to_string(), location, n]))
        .collect();
    Ask::of("stock.quant", "load")
        .arg("fields", json!(COLUMNS))
        .arg("data", json!(rows))
        .with("inventory_mode", json!(true))
        .with("tz", json!("UTC"))
}

/// Sets how many there are.
pub(super) async fn count(cx: &Cx<'_>, sku: &str, units: &str) -> Checked {
    cx.loaded("counting", counts(cx, &[(sku, units)])).await?;
    Ok(())
}

/// How many there are where the warehouse sells from.
pub(super) async fn on_hand(cx: &Cx<'_>, sku: &str) -> Checked<String> {
    let domain = json!([
        ["product_id", "=", cx.product(sku)],
        ["location_id", "=", cx.target.facts.stock.1]
    ]);
    let rows = cx.rows("stock.quant", domain, &["quantity"]).await?;
    let sum: f64 = rows
        .iter()
        .filter_map(|r| r.get("quantity")?.as_f64())
        .sum();
    Ok(format!("{sum:.2}"))
}

async fn a_count(cx: &Cx<'_>) -> Checked {
    for units in ["40", "25.5", "0", "1000"] {
        let said = cx.ask(counts(cx, &[("SKU-0198", units)])).await;
        cx.note_load(units, &said);
        let found = on_hand(cx, "SKU-0198").await?;
        ensure!(
            found.parse::<f64>().ok() == units.parse().ok(),
            "{found} after a count of {units}"
        );
    }
    Ok(())
}

async fn a_count_that_is_repeated(cx: &Cx<'_>) -> Checked {
    let first = cx
        .loaded("counting", counts(cx, &[("SKU-0197", "77")]))
        .await?;
    let again = cx
        .loaded("counting", counts(cx, &[("SKU-0197", "77")]))
        .await?;
    cx.note("same quant", first == again);
    let found = on_hand(cx, "SKU-0197").await?;
    count(cx, "SKU-0197", "1000").await?;
    ensure!(found == "77.00", "{found} after two counts of 77");
    Ok(())
}

async fn a_count_of_several(cx: &Cx<'_>) -> Checked {
    let said = cx
        .ask(counts(cx, &[("SKU-0196", "11"), ("SKU-0195", "12")]))
        .await;
    cx.note_load("answer", &said);
    cx.note("first", on_hand(cx, "SKU-0196").await?);
    cx.note("second", on_hand(cx, "SKU-0195").await?);
    cx.loaded(
        "counting",
        counts(cx, &[("SKU-0196", "1000"), ("SKU-0195", "1000")]),
    )
    .await?;
    Ok(())
}

async fn an_unknown_location(cx: &Cx<'_>) -> Checked {
    let product = cx.product("SKU-0198").to_string();
    let data = json!([[product, "waybill_contract.no_place", "5"]]);
    let ask = Ask::of("stock.quant", "load")
        .arg("fields", json!(COLUMNS))
        .arg("data", data)
        .with("inventory_mode", json!(true));
    let said = cx.ask(ask).await;
    cx.note_load("answer", &said);
    let found = messages(&said).unwrap_or_default();
    let message = found
        .first()
        .map(|m| text(m, "message"))
        .unwrap_or_default();
    ensure!(message.contains("'waybill_contract.no_place'"), "{said:?}");
    Ok(())
}

async fn applied_in_two_steps(cx: &Cx<'_>) -> Checked {
    let product = cx.product("SKU-0194").to_string();
    let data = json!([[product, cx.target.facts.stock.0, "60"]]);
    let ask = Ask::of("stock.quant", "load")
        .arg(
            "fields",
            json!(["product_id/.id", "location_id/id", "inventory_quantity"]),
        )
        .arg("data", data)
        .with("inventory_mode", json!(true));
    let quants = cx.loaded("counting", ask).await?;
    let said = cx
        .ask(Ask::on("stock.quant", "action_apply_inventory", &quants))
        .await;
    cx.note_result("answer", &said);
    ensure!(
        said == Said::Result(json!(null)),
        "nothing is expected, not {said:?}"
    );
    let found = on_hand(cx, "SKU-0194").await?;
    count(cx, "SKU-0194", "1000").await?;
    ensure!(found == "60.00", "{found} after a count of 60");
    Ok(())
}

async fn free_stock_follows_orders(cx: &Cx<'_>) -> Checked {
    count(cx, "SKU-0193", "500").await?;
    let free = async || -> Checked<f64> {
        let domain = json!([["default_code", "in", ["SKU-0193"]]]);
        let rows = cx
            .rows("product.product", domain, &["free_qty", "default_code"])
            .await?;
        Ok(rows
            .first()
            .and_then(|r| r.get("free_qty")?.as_f64())
            .unwrap_or_default())
    };
    let before = free().await?;
    let partner = cx.partner().await?;
    let mut draft = cx.draft(&partner);
    draft.lines = vec![line("SKU-0193", "7", "1")];
    let orders = cx.confirmed(&[draft]).await?;
    cx.note("taken by an order", before - free().await?);
    cx.get("cancelling", super::cancel::cancel(&orders)).await?;
    cx.note("taken by a cancelled order", before - free().await?);
    Ok(())
}

async fn what_is_tracked(cx: &Cx<'_>) -> Checked {
    let mut fields = vec!["default_code", "free_qty", "type"];
    if !cx.is_17() {
        fields.push("is_storable");
    }
    let rows = cx
        .rows(
            "product.product",
            json!([["default_code", "in", ["SKU-0001", "SHIPPING"]]]),
            &fields,
        )
        .await?;
    let mut notes: Vec<_> = rows
        .iter()
        .map(|r| json!([text(r, "default_code"), r.get("type"), r.get("is_storable")]))
        .collect();
    notes.sort_by_key(ToString::to_string);
    cx.note("products", notes);
    let service = rows.iter().find(|r| text(r, "default_code") == "SHIPPING");
    cx.note("free of a service", service.map(|r| amount(r, "free_qty")));
    Ok(())
}

async fn a_count_of_a_service(cx: &Cx<'_>) -> Checked {
    let said = cx.ask(counts(cx, &[("SHIPPING", "5")])).await;
    cx.note_load("answer", &said);
    ensure!(ids(&said).is_none(), "a service was counted");
    Ok(())
}

async fn without_inventory_mode(cx: &Cx<'_>) -> Checked {
    let said = cx
        .ask(counts(cx, &[("SKU-0192", "33")]).with("inventory_mode", json!(false)))
        .await;
    cx.note_load("answer", &said);
    cx.note("on hand", on_hand(cx, "SKU-0192").await? == "33.00");
    count(cx, "SKU-0192", "1000").await
}
