//! Lines of orders that are there.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, ensure, id, ids};
use serde_json::json;

cases! { "lines":
    a_note_without_product => "a line with `display_type` and no product is a note",
    lines_added_later => "a line with an external id of its own is added to an order once",
    a_quantity_alone_resets_the_price => "a quantity is never written without its price: Odoo would take the price list's",
    line_quantity_and_price => "lines of a quotation are changed by `.id`",
    another_product => "a line of a quotation is given another product with its price, taxes and text",
}

/// The first line of an order.
pub(super) async fn first_line(cx: &Cx<'_>, order: i64) -> Checked<i64> {
    let domain = json!([["order_id", "=", order]]);
    let lines = cx.rows("sale.order.line", domain, &["name"]).await?;
    Ok(lines.first().map(id).unwrap_or_default())
}

async fn a_note_without_product(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let draft = cx.draft(&partner);
    let mut columns = cx.columns();
    columns.push("order_line/display_type");
    let mut rows = cx.order_rows(&draft);
    for row in &mut rows {
        if let Some(cells) = row.as_array_mut() {
            cells.push(json!(""));
        }
    }
    let mut note = vec![json!(""); 9];
    note.extend([
        json!(""),
        json!("Ring twice"),
        json!("0"),
        json!("0"),
        json!("0"),
        json!(""),
        json!(""),
        json!("line_note"),
    ]);
    rows.push(json!(note));
    let said = cx.ask(cx.insert("sale.order", &columns, json!(rows))).await;
    cx.note_load("answer", &said);
    let ids = ids(&said).unwrap_or_default();
    ensure!(ids.len() == 1, "a note is not taken: {said:?}");
    cx.get("confirming", cx.confirm(&ids)).await?;
    cx.note_orders("orders", &ids).await?;
    cx.note_transfers("transfers", &ids).await
}

async fn lines_added_later(cx: &Cx<'_>) -> Checked {
    let order = cx.one_confirmed().await?;
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
        "discount",
        tax,
        "is_delivery",
    ];
    let product = cx.product("SKU-0003").to_string();
    let data = json!([[
        cx.external_id("sl"),
        order.to_string(),
        product,
        "Added",
        "3",
        "4",
        "0",
        "",
        ""
    ]]);
    let add = cx.insert("sale.order.line", &fields, data);
    let first = cx.loaded("adding a line", add.clone()).await?;
    let again = cx.loaded("adding it again", add).await?;
    ensure!(
        first == again,
        "the repeat answers {again:?} and not {first:?}"
    );
    cx.note_orders("orders", &[order]).await?;
    cx.note_transfers("transfers", &[order]).await
}

async fn a_quantity_alone_resets_the_price(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    let first = first_line(cx, ids.first().copied().unwrap_or_default())
        .await?
        .to_string();
    let quantity = |n: &str| {
        cx.update(
            "sale.order.line",
            &[".id", "product_uom_qty"],
            json!([[first, n]]),
        )
    };
    cx.loaded("changing a quantity", quantity("5")).await?;
    cx.note_orders("after a quantity", &ids).await?;
    let price = cx.update(
        "sale.order.line",
        &[".id", "price_unit"],
        json!([[first, "9.5"]]),
    );
    cx.loaded("changing a price", price).await?;
    cx.loaded("changing the quantity again", quantity("6"))
        .await?;
    cx.note_orders("after a price and a quantity", &ids).await
}

async fn line_quantity_and_price(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    for (name, confirmed) in [("quotation", false), ("order", true)] {
        let drafts = cx.drafts(&partner, 1);
        let ids = if confirmed {
            cx.confirmed(&drafts).await?
        } else {
            cx.quotations(&drafts).await?
        };
        let first = first_line(cx, ids.first().copied().unwrap_or_default()).await?;
        for (quantity, price, discount) in [
            ("5", "12.5", "0"),
            ("4", "9.5", "10"),
            ("0", "9.5", "10"),
            ("3", "9.5", "0"),
        ] {
            let fields = [".id", "product_uom_qty", "price_unit", "discount"];
            let data = json!([[first.to_string(), quantity, price, discount]]);
            cx.loaded(
                "changing a line",
                cx.update("sale.order.line", &fields, data),
            )
            .await?;
            let rows = cx
                .read("sale.order.line", &[first], &["price_unit"])
                .await?;
            let found = rows.first().and_then(|r| r.get("price_unit")?.as_f64());
            ensure!(
                found == price.parse().ok(),
                "{name}: the price is {found:?}, {price} was written"
            );
            cx.note_orders(&format!("{name} of {quantity}"), &ids)
                .await?;
        }
        cx.note_transfers(name, &ids).await?;
    }
    Ok(())
}

async fn another_product(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    let first = first_line(cx, ids.first().copied().unwrap_or_default()).await?;
    let tax = if cx.is_17() {
        "tax_id/id"
    } else {
        "tax_ids/id"
    };
    let fields = [
        ".id",
        "product_id/.id",
        "name",
        "product_uom_qty",
        "price_unit",
        "discount",
        tax,
    ];
    let product = cx.product("SKU-0005").to_string();
    let usual = &cx.target.facts.tax.external_id;
    let data = json!([[
        first.to_string(),
        product,
        "Another",
        "2",
        "12.5",
        "0",
        usual
    ]]);
    let said = cx.ask(cx.update("sale.order.line", &fields, data)).await;
    cx.note_load("answer", &said);
    let rows = cx
        .read("sale.order.line", &[first], &["price_unit"])
        .await?;
    let price = rows.first().and_then(|r| r.get("price_unit")?.as_f64());
    ensure!(
        price == Some(12.5),
        "the price is {price:?}, 12.5 was written"
    );
    cx.note_orders("orders", &ids).await
}
