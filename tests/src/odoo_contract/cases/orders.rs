//! Totals, taxes and currencies of orders.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, amount, ensure};
use crate::odoo_contract::draft::{Line, line};
use crate::odoo_contract::target::TAX_INCLUDED;
use crate::odoo_contract::wire::Ask;
use serde_json::{Value, json};

cases! { "orders":
    currency_follows_the_price_list => "the currency of an order is that of its price list",
    discounts_in_percent => "a line's total is rounded after its percentage",
    taxes_in_the_price => "a tax in the price is taken out of it",
    taxes_by_line_and_rounding => "where the cents of many small lines are rounded",
    shipping_line_and_carrier => "the shipping line is marked and the carrier set",
    an_adjustment_line => "a line without tax makes the total the shop's",
    two_products_with_one_sku => "two active products with one internal reference are both found",
    an_archived_product => "an archived product is not found by its internal reference",
    an_archived_product_in_a_load => "what `load` says to an archived product by its database id",
    suppressed_chatter => "with Waybill's context keys no message and no follower is left",
}

async fn currency_follows_the_price_list(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 1);
    let ids = cx.quotations(&drafts).await?;
    let rows = cx.read("sale.order", &ids, &["currency_id"]).await?;
    let code = rows
        .first()
        .and_then(|r| r.pointer("/currency_id/1")?.as_str().map(str::to_owned));
    ensure!(code.as_deref() == Some("EUR"), "the currency is {code:?}");
    // Without a price list: the company's.
    let mut draft = cx.draft(&partner);
    draft.pricelist = "";
    let ids = cx.quotations(&[draft]).await?;
    cx.note_orders("without a price list", &ids).await
}

async fn total(cx: &Cx<'_>, name: &str, lines: Vec<Line>) -> Checked<String> {
    let partner = cx.partner().await?;
    let mut draft = cx.draft(&partner);
    draft.lines = lines;
    let ids = cx.quotations(&[draft]).await?;
    cx.note_orders(name, &ids).await?;
    let rows = cx.read("sale.order", &ids, &["amount_total"]).await?;
    Ok(rows
        .first()
        .map(|r| amount(r, "amount_total"))
        .unwrap_or_default())
}

async fn discounts_in_percent(cx: &Cx<'_>) -> Checked {
    let with = |sku, quantity, price, discount| Line {
        discount,
        taxes: Some(String::new()),
        ..line(sku, quantity, price)
    };
    let lines = vec![
        with("SKU-0001", "3", "9.99", "33.33"),
        with("SKU-0002", "7", "3.35", "10.02"),
        with("SKU-0003", "1", "5", "100"),
    ];
    // 29.97 × 0.6667 = 19.981; 23.45 × 0.8998 = 21.10031.
    let total = total(cx, "orders", lines).await?;
    ensure!(total == "41.08", "the total is {total}, 41.08 is expected");
    Ok(())
}

async fn taxes_in_the_price(cx: &Cx<'_>) -> Checked {
    let included = |sku, quantity, price| Line {
        taxes: Some(TAX_INCLUDED.to_owned()),
        ..line(sku, quantity, price)
    };
    let lines = vec![
        included("SKU-0001", "1", "9.99"),
        included("SKU-0002", "3", "0.01"),
    ];
    let total = total(cx, "orders", lines).await?;
    ensure!(total == "10.02", "the total is {total}, 10.02 is expected");
    Ok(())
}

async fn taxes_by_line_and_rounding(cx: &Cx<'_>) -> Checked {
    let lines = ["SKU-0001", "SKU-0002", "SKU-0003", "SKU-0004", "SKU-0005"];
    let lines = lines.map(|sku| line(sku, "1", "0.14")).to_vec();
    // The company decides: by line or over the order. Either is noted; the simulator has each version's default.
    total(cx, "orders", lines).await?;
    let company = cx
        .rows(
            "res.company",
            json!([["id", "=", 1]]),
            &["tax_calculation_rounding_method"],
        )
        .await?;
    let method = company
        .first()
        .and_then(|c| c.get("tax_calculation_rounding_method"))
        .cloned();
    cx.note("method", method);
    Ok(())
}

async fn shipping_line_and_carrier(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let mut draft = cx.draft(&partner);
    draft.carrier = crate::odoo_contract::target::CARRIER;
    draft.lines.push(Line {
        is_delivery: true,
        ..line("SHIPPING", "1", "4.90")
    });
    let ids = cx.confirmed(&[draft]).await?;
    cx.note_orders("orders", &ids).await?;
    cx.note_transfers("transfers", &ids).await
}

async fn an_adjustment_line(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    let order = ids.first().copied().unwrap_or_default();
    let tax = if cx.is_17() {
        "tax_id/id"
    } else {
        "tax_ids/id"
    };
    let fields = [
        "id",
        "order_id/.id",
        "product_id/.id",
        "name",
        "product_uom_qty",
        "price_unit",
        tax,
    ];
    let product = cx.product("DISCOUNT").to_string();
    let data = json!([[
        cx.external_id("adj"),
        order.to_string(),
        product,
        "Rounding",
        "1",
        "-0.01",
        ""
    ]]);
    let add = cx.insert("sale.order.line", &fields, data);
    cx.loaded("adjusting", add.clone()).await?;
    cx.loaded("adjusting again", add).await?;
    cx.note_orders("orders", &ids).await
}

/// Products need rights that an integration user does not have.
async fn products(cx: &Cx<'_>, count: usize) -> Checked<(String, Vec<i64>)> {
    let admin = cx.admin()?;
    let sku = cx.word("SKU");
    let rows: Vec<Value> = (0..count)
        .map(|_| json!([cx.external_id("pr"), format!("Contract {}", cx.token), sku]))
        .collect();
    let ask = cx.insert(
        "product.product",
        &["id", "name", "default_code"],
        json!(rows),
    );
    let said = admin.ask(&ask).await;
    let ids = crate::odoo_contract::cx::ids(&said);
    Ok((
        sku,
        ids.ok_or_else(|| format!("making products: {said:?}"))?,
    ))
}

async fn two_products_with_one_sku(cx: &Cx<'_>) -> Checked {
    let (sku, ids) = products(cx, 2).await?;
    let found = cx
        .rows(
            "product.product",
            json!([["default_code", "in", [sku]]]),
            &["default_code"],
        )
        .await?;
    cx.note("found", found.len());
    archive(cx, &ids).await?;
    ensure!(found.len() == 2, "{} products are found", found.len());
    Ok(())
}

async fn archive(cx: &Cx<'_>, ids: &[i64]) -> Checked {
    let archive = Ask::on("product.product", "write", ids).arg("vals", json!({"active": false}));
    cx.result("archiving", cx.admin()?.ask(&archive).await)?;
    Ok(())
}

async fn an_archived_product(cx: &Cx<'_>) -> Checked {
    let (sku, ids) = products(cx, 1).await?;
    archive(cx, &ids).await?;
    let found = cx
        .rows(
            "product.product",
            json!([["default_code", "in", [sku]]]),
            &["default_code"],
        )
        .await?;
    ensure!(found.is_empty(), "the archived product is found");
    // By its id it is there.
    let read = cx.read("product.product", &ids, &["active"]).await?;
    cx.note("by id", read.first().and_then(|r| r.get("active")).cloned());
    Ok(())
}

async fn an_archived_product_in_a_load(cx: &Cx<'_>) -> Checked {
    let (_, ids) = products(cx, 1).await?;
    archive(cx, &ids).await?;
    let partner = cx.partner().await?;
    let draft = cx.draft(&partner);
    let product = ids.first().copied().unwrap_or_default().to_string();
    let data: Vec<Value> = cx
        .order_rows(&draft)
        .into_iter()
        .map(|mut row| {
            if let Some(cell) = row.get_mut(9) {
                *cell = json!(product);
            }
            row
        })
        .collect();
    let said = cx
        .ask(cx.insert("sale.order", &cx.columns(), json!(data)))
        .await;
    cx.note_load("answer", &said);
    Ok(())
}

async fn suppressed_chatter(cx: &Cx<'_>) -> Checked {
    const QUIET: [&str; 5] = [
        "tracking_disable",
        "mail_create_nolog",
        "mail_create_nosubscribe",
        "mail_notrack",
        "mail_auto_subscribe_no_notify",
    ];
    let partner = cx.partner().await?;
    let draft = cx.draft(&partner);
    let ids = cx
        .loaded("loading", cx.load_orders(&[draft]).flags(&QUIET))
        .await?;
    cx.get("confirming", cx.confirm(&ids).flags(&QUIET)).await?;
    let states = cx.states(&ids).await?;
    ensure!(states == ["sale"], "{states:?}");
    cx.note_orders("orders", &ids).await?;
    cx.note_transfers("transfers", &ids).await
}
