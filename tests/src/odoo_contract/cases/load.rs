//! Orders: inserted once, whatever is repeated.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, ensure, ids, text};
use crate::odoo_contract::draft::{PLACED, line};
use serde_json::{Value, json};

cases! { "load":
    orders_and_lines_in_one_call => "one `load` writes orders with their lines, ids in row order",
    repeat_of_a_draft => "an insert-only repeat answers the same ids and changes nothing",
    repeat_of_a_confirmed_order => "an insert-only repeat leaves a confirmed order alone",
    repeat_of_a_cancelled_order => "an insert-only repeat leaves a cancelled order cancelled",
    repeat_with_other_content => "an insert-only repeat ignores what has changed meanwhile",
    repeat_beside_a_new_order => "known and new orders stand in one call",
    the_same_order_twice_in_a_call => "an order that stands twice in a call is written once",
    a_deleted_order_comes_back => "an order that somebody deleted is written again under its external id",
    update_by_database_id => "`load` with `.id` writes the given columns of records that exist",
    numbers_as_text => "quantities and prices are written as text, zero among them",
    empty_cells => "an empty cell is an explicit nothing: no tax, no carrier",
    absent_columns => "a column that is left out gets the default of Odoo",
    a_warehouse => "the warehouse of an order is given by its external id",
    date_in_the_context_zone => "with `tz` UTC a date is taken as it is; with another it is shifted",
}

async fn orders_and_lines_in_one_call(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 3);
    let said = cx.ask(cx.load_orders(&drafts)).await;
    cx.note_load("answer", &said);
    let ids = ids(&said).unwrap_or_default();
    ensure!(ids.len() == 3, "three ids are expected: {said:?}");
    let rows = cx.read("sale.order", &ids, &["client_order_ref"]).await?;
    for (row, draft) in rows.iter().zip(&drafts) {
        let found = text(row, "client_order_ref");
        ensure!(
            found == draft.reference,
            "ids are not in row order: `{found}`"
        );
    }
    cx.note_orders("orders", &ids).await
}

async fn repeated(
    cx: &Cx<'_>,
    before: &[i64],
    drafts: &[crate::odoo_contract::draft::Draft],
) -> Checked {
    let again = cx.quotations(drafts).await?;
    ensure!(
        again == before,
        "the repeat answers {again:?}, the first time was {before:?}"
    );
    cx.note_orders("orders", before).await
}

async fn repeat_of_a_draft(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 2);
    let before = cx.quotations(&drafts).await?;
    repeated(cx, &before, &drafts).await?;
    let lines = cx
        .count("sale.order.line", json!([["order_id", "in", before]]))
        .await?;
    ensure!(lines == 4, "the repeat left {lines} lines, 4 are expected");
    Ok(())
}

async fn repeat_of_a_confirmed_order(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 1);
    let before = cx.confirmed(&drafts).await?;
    repeated(cx, &before, &drafts).await?;
    let states = cx.states(&before).await?;
    ensure!(states == ["sale"], "the repeat left {states:?}");
    cx.note_transfers("transfers", &before).await
}

async fn repeat_of_a_cancelled_order(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 1);
    let before = cx.quotations(&drafts).await?;
    cx.get("cancelling", super::cancel::cancel(&before)).await?;
    repeated(cx, &before, &drafts).await?;
    let states = cx.states(&before).await?;
    ensure!(states == ["cancel"], "the repeat left {states:?}");
    Ok(())
}

async fn repeat_with_other_content(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let mut drafts = cx.drafts(&partner, 1);
    let before = cx.quotations(&drafts).await?;
    for draft in &mut drafts {
        "other".clone_into(&mut draft.reference);
        draft.lines = vec![line("SKU-0003", "9", "1.00")];
    }
    repeated(cx, &before, &drafts).await
}

async fn repeat_beside_a_new_order(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 2);
    let first = cx.quotations(drafts.get(1..).unwrap_or_default()).await?;
    let both = cx.quotations(&drafts).await?;
    ensure!(
        both.get(1) == first.first(),
        "{both:?} does not end with {first:?}"
    );
    ensure!(
        both.first() != both.get(1),
        "one id for two orders: {both:?}"
    );
    cx.note_orders("orders", &both).await
}

async fn the_same_order_twice_in_a_call(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let one = cx.draft(&partner);
    let twice = cx.quotations(&[one.clone(), one]).await?;
    ensure!(
        twice.first() == twice.get(1),
        "two ids for one order: {twice:?}"
    );
    cx.note_orders("orders", twice.get(..1).unwrap_or_default())
        .await
}

async fn a_deleted_order_comes_back(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 1);
    let before = cx.quotations(&drafts).await?;
    // Users of Sales may not delete orders: their administrators may.
    let admin = cx.admin()?;
    let gone = crate::odoo_contract::wire::Ask::on("sale.order", "unlink", &before);
    cx.result("deleting", admin.ask(&gone).await)?;
    let after = cx.quotations(&drafts).await?;
    ensure!(after != before, "the deleted order's id came again");
    cx.note_orders("orders", &after).await
}

async fn update_by_database_id(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.confirmed(&cx.drafts(&partner, 2)).await?;
    let data: Vec<Value> = ids
        .iter()
        .map(|id| json!([id.to_string(), PLACED]))
        .collect();
    let said = cx
        .ask(cx.update("sale.order", &[".id", "date_order"], json!(data)))
        .await;
    cx.note_load("answer", &said);
    cx.note_orders("orders", &ids).await
}

async fn numbers_as_text(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let mut draft = cx.draft(&partner);
    draft.lines = vec![
        line("SKU-0001", "0.5", "12.5"),
        line("SKU-0002", "3", "0"),
        line("SKU-0003", "1", "-2.25"),
        line("SKU-0004", "1000", "0.01"),
    ];
    let ids = cx.quotations(&[draft]).await?;
    cx.note_orders("orders", &ids).await
}

async fn empty_cells(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let mut draft = cx.draft(&partner);
    for line in &mut draft.lines {
        line.taxes = Some(String::new());
    }
    let ids = cx.quotations(&[draft]).await?;
    cx.note_orders("orders", &ids).await?;
    let rows = cx.read("sale.order", &ids, &["amount_tax"]).await?;
    let tax = rows.first().and_then(|r| r.get("amount_tax")?.as_f64());
    ensure!(
        tax == Some(0.0),
        "an empty cell of taxes left a tax of {tax:?}"
    );
    Ok(())
}

async fn absent_columns(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let draft = cx.draft(&partner);
    let fields = ["id", "partner_id/id", "order_line/product_id/.id"];
    let product = cx.product("SKU-0001").to_string();
    let data = json!([[draft.external_id, partner, product]]);
    let ids = cx
        .loaded("loading", cx.insert("sale.order", &fields, data))
        .await?;
    let rows = cx
        .rows(
            "sale.order.line",
            json!([["order_id", "in", ids]]),
            &["product_uom_qty", "name", "customer_lead"],
        )
        .await?;
    let row = rows.first().cloned().unwrap_or_default();
    cx.note("quantity", row.get("product_uom_qty").cloned());
    cx.note("lead", row.get("customer_lead").cloned());
    ensure!(
        !text(&row, "name").is_empty(),
        "a line without a name came of it"
    );
    let orders = cx
        .read(
            "sale.order",
            &ids,
            &[
                "state",
                "warehouse_id",
                "company_id",
                "partner_invoice_id",
                "partner_id",
            ],
        )
        .await?;
    let order = orders.first().cloned().unwrap_or_default();
    cx.note("state", order.get("state").cloned());
    cx.note(
        "warehouse",
        order.get("warehouse_id").is_some_and(Value::is_array),
    );
    let same = order.pointer("/partner_id/0") == order.pointer("/partner_invoice_id/0");
    cx.note("invoiced to the customer", same);
    Ok(())
}

async fn a_warehouse(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let draft = cx.draft(&partner);
    let mut columns = vec!["warehouse_id/id"];
    columns.extend(cx.columns());
    let warehouse = &cx.target.facts.warehouse;
    let rows = cx
        .order_rows(&draft)
        .into_iter()
        .enumerate()
        .map(|(at, row)| {
            let mut cells = vec![json!(if at == 0 { warehouse } else { "" })];
            cells.extend(row.as_array().cloned().unwrap_or_default());
            json!(cells)
        });
    let ask = cx.insert("sale.order", &columns, json!(rows.collect::<Vec<_>>()));
    let ids = cx.loaded("loading", ask).await?;
    let rows = cx.read("sale.order", &ids, &["warehouse_id"]).await?;
    let is_set = rows
        .first()
        .and_then(|r| r.get("warehouse_id"))
        .is_some_and(Value::is_array);
    ensure!(is_set, "{rows:?}");
    cx.note_orders("orders", &ids).await
}

async fn date_in_the_context_zone(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    for (name, zone) in [("utc", "UTC"), ("an hour ahead", "Etc/GMT-1")] {
        let draft = cx.draft(&partner);
        let ask = cx.load_orders(&[draft]).with("tz", json!(zone));
        let ids = cx.loaded("loading", ask).await?;
        let rows = cx.read("sale.order", &ids, &["date_order"]).await?;
        let date = rows
            .first()
            .map(|r| text(r, "date_order"))
            .unwrap_or_default();
        if zone == "UTC" {
            ensure!(date == PLACED, "{PLACED} became {date}");
        }
        cx.note(name, date);
    }
    Ok(())
}
