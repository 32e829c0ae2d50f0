//! What `load` says of rows that it does not take.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, ensure, ids, messages, text};
use crate::odoo_contract::draft::Draft;
use crate::odoo_contract::wire::Said;
use serde_json::{Value, json};

cases! { "load_errors":
    one_bad_order_fails_the_call => "`load` is all or nothing: `ids` is false and nothing is written",
    unknown_external_ids => "an external id that is not there is named in quotes, and its own record is blamed",
    unknown_database_id => "a product that is gone is told with `for database id`",
    an_unknown_country => "an unknown country is told with its external id of `base`",
    a_failure_at_creation_blames_record_0 => "a failure at creation can blame record 0 for another's fault",
    more_than_ten_failures_at_creation => "after ten failures at creation a warning without a record ends the search",
    more_than_ten_unreadable_rows => "unreadable cells are told for each record, however many",
    a_missing_customer => "an order without a customer is blamed alone",
    an_unknown_customer => "an unknown customer is blamed on its own record",
    a_space_in_an_external_id => "an external id with a space is refused",
    no_number => "a cell that is no number blames its record",
    unknown_column => "a column that Odoo does not have fails the call as a fault, not as a message",
    external_id_of_another_model => "an external id that names another kind of record is refused",
    update_of_a_record_that_is_gone => "an update of a record that is gone is refused and blames it",
    a_right_that_is_missing => "inside `load` a missing right is a message that begins `You are not allowed to`",
    a_line_of_a_cancelled_order => "what Odoo says to a line that is added to a cancelled order",
}

fn refused(said: &Said) -> Checked<Vec<Value>> {
    let why = || format!("a refusal is expected, not {said:?}");
    Ok(messages(said).ok_or_else(why)?)
}

fn records(messages: &[Value]) -> Vec<Option<u64>> {
    messages
        .iter()
        .map(|m| m.get("record").and_then(Value::as_u64))
        .collect()
}

async fn nothing_of(cx: &Cx<'_>, drafts: &[Draft]) -> Checked {
    let references: Vec<&str> = drafts.iter().map(|d| d.reference.as_str()).collect();
    let left = cx
        .count(
            "sale.order",
            json!([["client_order_ref", "in", references]]),
        )
        .await?;
    ensure!(left == 0, "{left} orders of a refused call are there");
    Ok(())
}

async fn one_bad_order_fails_the_call(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let mut drafts = cx.drafts(&partner, 5);
    if let Some(bad) = drafts.get_mut(3) {
        bad.carrier = "waybill_contract.nowhere";
    }
    let said = cx.ask(cx.load_orders(&drafts)).await;
    cx.note_load("answer", &said);
    refused(&said)?;
    nothing_of(cx, &drafts).await
}

async fn unknown_external_ids(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let mut drafts = cx.drafts(&partner, 6);
    if let Some(bad) = drafts.get_mut(1) {
        bad.carrier = "waybill_contract.no_carrier";
    }
    if let Some(bad) = drafts.get_mut(4) {
        for line in bad.lines.iter_mut().skip(1) {
            line.taxes = Some("waybill_contract.no_tax".to_owned());
        }
    }
    let said = cx.ask(cx.load_orders(&drafts)).await;
    cx.note_load("answer", &said);
    let messages = refused(&said)?;
    ensure!(
        records(&messages) == [Some(1), Some(4)],
        "records {:?} are blamed",
        records(&messages)
    );
    for (message, id) in messages
        .iter()
        .zip(["waybill_contract.no_carrier", "waybill_contract.no_tax"])
    {
        let text = text(message, "message");
        ensure!(
            text.starts_with("No matching record found for external id"),
            "`{text}`"
        );
        ensure!(
            text.contains(&format!("'{id}'")),
            "`{text}` does not name '{id}'"
        );
    }
    nothing_of(cx, &drafts).await
}

async fn unknown_database_id(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let mut draft = cx.draft(&partner);
    // Not in the catalogue: written as 0. A real id that is gone reads the same.
    draft.lines = vec![crate::odoo_contract::draft::line("SKU-GONE", "1", "1")];
    let data: Vec<Value> = cx
        .order_rows(&draft)
        .into_iter()
        .map(|mut row| {
            if let Some(cell) = row.get_mut(9) {
                *cell = json!("987654321");
            }
            row
        })
        .collect();
    let said = cx
        .ask(cx.insert("sale.order", &cx.columns(), json!(data)))
        .await;
    cx.note_load("answer", &said);
    let messages = refused(&said)?;
    let text = messages
        .first()
        .map(|m| text(m, "message"))
        .unwrap_or_default();
    ensure!(text.contains("for database id"), "`{text}`");
    ensure!(text.starts_with("No matching record found for"), "`{text}`");
    Ok(())
}

async fn an_unknown_country(cx: &Cx<'_>) -> Checked {
    let data = json!([
        [cx.external_id("cu"), "Nowhere", "base.xx"],
        [cx.external_id("cu"), "Here", "base.de"]
    ]);
    let said = cx
        .ask(cx.insert("res.partner", &["id", "name", "country_id/id"], data))
        .await;
    cx.note_load("answer", &said);
    let messages = refused(&said)?;
    let text = messages
        .first()
        .map(|m| text(m, "message"))
        .unwrap_or_default();
    ensure!(text.contains("'base.xx'"), "`{text}`");
    ensure!(
        records(&messages) == [Some(0)],
        "records {:?} are blamed",
        records(&messages)
    );
    Ok(())
}

/// Orders whose customer is missing where `bad` says so: this fails at creation.
async fn without_customers(
    cx: &Cx<'_>,
    count: usize,
    bad: fn(usize) -> bool,
) -> Checked<(Vec<Draft>, Said)> {
    let partner = cx.partner().await?;
    let mut drafts = cx.drafts(&partner, count);
    for (_, draft) in drafts.iter_mut().enumerate().filter(|(at, _)| bad(*at)) {
        draft.partner = String::new();
    }
    let said = cx.ask(cx.load_orders(&drafts)).await;
    Ok((drafts, said))
}

async fn a_failure_at_creation_blames_record_0(cx: &Cx<'_>) -> Checked {
    // A UserError: an order whose external id is a partner's.
    let partner = cx.partner().await?;
    let mut drafts = cx.drafts(&partner, 5);
    if let Some(bad) = drafts.get_mut(3) {
        bad.external_id.clone_from(&partner);
    }
    let said = cx.ask(cx.load_orders(&drafts)).await;
    cx.note_load("answer", &said);
    let messages = refused(&said)?;
    let records = records(&messages);
    ensure!(
        records.contains(&Some(3)),
        "the bad record is not blamed: {records:?}"
    );
    ensure!(
        records.iter().all(|r| matches!(r, Some(0 | 3))),
        "others are blamed: {records:?}"
    );
    nothing_of(cx, &drafts).await
}

async fn more_than_ten_failures_at_creation(cx: &Cx<'_>) -> Checked {
    let (drafts, said) = without_customers(cx, 25, |at| at % 2 == 0).await?;
    cx.note_load("answer", &said);
    let messages = refused(&said)?;
    let last = messages.last().cloned().unwrap_or_default();
    ensure!(
        text(&last, "type") == "warning",
        "the last message is no warning: {last}"
    );
    ensure!(
        last.get("record").is_none(),
        "the warning names a record: {last}"
    );
    let blamed = records(&messages).into_iter().flatten().count();
    ensure!(blamed >= 10, "{blamed} records are blamed");
    nothing_of(cx, &drafts).await
}

async fn more_than_ten_unreadable_rows(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let mut drafts = cx.drafts(&partner, 14);
    for draft in drafts.iter_mut().skip(1) {
        draft.carrier = "waybill_contract.no_carrier";
    }
    let said = cx.ask(cx.load_orders(&drafts)).await;
    cx.note_load("answer", &said);
    let messages = refused(&said)?;
    ensure!(
        messages.len() == 13,
        "{} messages for 13 bad orders",
        messages.len()
    );
    nothing_of(cx, &drafts).await
}

async fn a_missing_customer(cx: &Cx<'_>) -> Checked {
    let (drafts, said) = without_customers(cx, 3, |at| at == 1).await?;
    cx.note_load("answer", &said);
    let messages = refused(&said)?;
    let blamed: Vec<u64> = records(&messages).into_iter().flatten().collect();
    ensure!(blamed.contains(&1), "records {blamed:?} are blamed");
    nothing_of(cx, &drafts).await
}

async fn an_unknown_customer(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let mut drafts = cx.drafts(&partner, 3);
    if let Some(bad) = drafts.get_mut(1) {
        "waybill_contract.nobody".clone_into(&mut bad.partner);
    }
    let said = cx.ask(cx.load_orders(&drafts)).await;
    cx.note_load("answer", &said);
    let messages = refused(&said)?;
    let blamed: Vec<u64> = records(&messages).into_iter().flatten().collect();
    ensure!(
        blamed.iter().all(|r| *r == 1),
        "records {blamed:?} are blamed"
    );
    nothing_of(cx, &drafts).await
}

async fn a_space_in_an_external_id(cx: &Cx<'_>) -> Checked {
    let data = json!([[format!("{} x", cx.external_id("cu")), "Ada Example"]]);
    let said = cx
        .ask(cx.insert("res.partner", &["id", "name"], data))
        .await;
    let messages = refused(&said)?;
    // The text is PostgreSQL's, with the row in it.
    let told = messages
        .iter()
        .map(|m| text(m, "message"))
        .collect::<String>();
    cx.note(
        "told by its constraint",
        told.contains("ir_model_data_name_nospaces"),
    );
    Ok(())
}

async fn no_number(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let mut drafts = cx.drafts(&partner, 2);
    if let Some(line) = drafts.get_mut(1).and_then(|d| d.lines.last_mut()) {
        line.quantity = "many";
    }
    let said = cx.ask(cx.load_orders(&drafts)).await;
    cx.note_load("answer", &said);
    let messages = refused(&said)?;
    ensure!(
        records(&messages) == [Some(1)],
        "records {:?} are blamed",
        records(&messages)
    );
    nothing_of(cx, &drafts).await
}

async fn unknown_column(cx: &Cx<'_>) -> Checked {
    let data = json!([[cx.external_id("cu"), "Somebody", "1"]]);
    let said = cx
        .ask(cx.insert("res.partner", &["id", "name", "no_such_field"], data))
        .await;
    cx.note_said("answer", &said);
    ensure!(
        matches!(said, Said::Fault { .. }),
        "a fault is expected, not {said:?}"
    );
    Ok(())
}

async fn external_id_of_another_model(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let mut draft = cx.draft(&partner);
    draft.external_id.clone_from(&partner);
    let said = cx.ask(cx.load_orders(&[draft])).await;
    cx.note_load("answer", &said);
    refused(&said)?;
    Ok(())
}

async fn update_of_a_record_that_is_gone(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    let live = ids.first().copied().unwrap_or_default();
    let data = json!([[live.to_string(), "A"], ["987654321", "B"]]);
    let said = cx
        .ask(cx.update("sale.order", &[".id", "client_order_ref"], data))
        .await;
    cx.note_load("answer", &said);
    let rows = cx.read("sale.order", &ids, &["client_order_ref"]).await?;
    let kept = rows
        .first()
        .map(|r| text(r, "client_order_ref"))
        .unwrap_or_default();
    ensure!(kept != "A", "the other record was written all the same");
    Ok(())
}

async fn a_right_that_is_missing(cx: &Cx<'_>) -> Checked {
    let data = json!([[cx.external_id("tax"), "Forbidden", "10"]]);
    let said = cx
        .ask(cx.insert("account.tax", &["id", "name", "amount"], data))
        .await;
    cx.note_load("answer", &said);
    if ids(&said).is_some() {
        return Err(crate::odoo_contract::cx::Halt::Skipped(
            "the user may make taxes".to_owned(),
        ));
    }
    let messages = refused(&said)?;
    let text = messages
        .first()
        .map(|m| text(m, "message"))
        .unwrap_or_default();
    ensure!(text.starts_with("You are not allowed to"), "`{text}`");
    Ok(())
}

async fn a_line_of_a_cancelled_order(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    cx.get("cancelling", super::cancel::cancel(&ids)).await?;
    let order = ids.first().copied().unwrap_or_default();
    let fields = [
        "id",
        "order_id/.id",
        "product_id/.id",
        "name",
        "product_uom_qty",
        "price_unit",
    ];
    let product = cx.product("SKU-0003").to_string();
    let data = json!([[
        cx.external_id("sl"),
        order.to_string(),
        product,
        "Added",
        "1",
        "4"
    ]]);
    let said = cx.ask(cx.insert("sale.order.line", &fields, data)).await;
    cx.note_load("answer", &said);
    cx.note_orders("orders", &ids).await
}
