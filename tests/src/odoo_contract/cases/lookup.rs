//! From Waybill's own ids to records.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, ensure, id};
use crate::odoo_contract::wire::{Ask, Said};
use serde_json::{Value, json};

cases! { "lookup":
    by_source_document => "orders are found by their source document, and external ids told by id",
    a_copy_has_no_external_id => "a quotation that a user copied is told by its missing external id",
    by_external_id => "one external id leads to its model and database id",
    an_unknown_external_id => "an unknown external id is a ValueError that names it",
    an_external_id_of_a_deleted_order => "what is told of an order that somebody deleted",
    external_ids_are_for_administrators => "the integration user may not search external ids",
    read_of_missing_records => "a read leaves out records that are gone",
    read_keeps_the_fields => "links are `[id, name]`, nothing is `false`, amounts are numbers",
    an_empty_search => "a search that finds nothing is an empty list",
    products_by_sku => "products are found by internal reference in one call",
    orders_with_lines_and_products => "`web_read` gives orders, lines and what each product is called now in one call",
    web_read_of_a_missing_record => "`web_read` fails where one record is gone",
    order_name_and_lists => "an order has a name, its invoices are a list of ids",
}

pub(super) fn reference(external_id: &str) -> Ask {
    let (module, name) = external_id.split_once('.').unwrap_or_default();
    Ask::of("ir.model.data", "check_object_reference")
        .arg("module", json!(module))
        .arg("xml_id", json!(name))
}

async fn external_ids(cx: &Cx<'_>, ids: &[i64]) -> Checked<Vec<String>> {
    let found = cx
        .get(
            "external ids",
            Ask::on("sale.order", "get_external_id", ids),
        )
        .await?;
    let name = |id: &i64| {
        found
            .get(id.to_string())
            .and_then(Value::as_str)
            .unwrap_or("none")
            .to_owned()
    };
    Ok(ids.iter().map(name).collect())
}

async fn by_source_document(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 3);
    let ids = cx.quotations(&drafts).await?;
    let origins: Vec<&str> = drafts.iter().map(|d| d.origin.as_str()).collect();
    let rows = cx
        .rows(
            "sale.order",
            json!([["origin", "in", origins]]),
            &["name", "state"],
        )
        .await?;
    let found: Vec<i64> = rows.iter().map(id).collect();
    ensure!(found == ids, "{found:?} are found, {ids:?} were written");
    let names = external_ids(cx, &ids).await?;
    let expected: Vec<&str> = drafts.iter().map(|d| d.external_id.as_str()).collect();
    ensure!(
        names == expected,
        "external ids {names:?}, {expected:?} are expected"
    );
    Ok(())
}

async fn a_copy_has_no_external_id(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 1);
    let ids = cx.quotations(&drafts).await?;
    let original = ids.first().copied().unwrap_or_default();
    // As the form copies it: what a user types into a copy is the same source document.
    let origin = drafts.first().map(|d| d.origin.clone()).unwrap_or_default();
    let values = json!({"partner_id": partner_id(cx, original).await?, "origin": origin});
    let copy = cx
        .get(
            "copying",
            Ask::of("sale.order", "create").arg("vals_list", values),
        )
        .await?;
    cx.note(
        "create of one",
        if copy.is_array() { "a list" } else { "an id" },
    );
    let copy = copy
        .as_i64()
        .or_else(|| copy.get(0)?.as_i64())
        .unwrap_or_default();
    let names = external_ids(cx, &[original, copy]).await?;
    ensure!(
        names.get(1).is_some_and(String::is_empty),
        "the copy's external id is {names:?}"
    );
    cx.note("external id of the copy", names.get(1).cloned());
    Ok(())
}

async fn partner_id(cx: &Cx<'_>, order: i64) -> Checked<i64> {
    let rows = cx.read("sale.order", &[order], &["partner_id"]).await?;
    Ok(rows
        .first()
        .map(|r| crate::odoo_contract::cx::link(r, "partner_id"))
        .unwrap_or_default())
}

async fn by_external_id(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 1);
    let ids = cx.quotations(&drafts).await?;
    let external_id = drafts
        .first()
        .map(|d| d.external_id.clone())
        .unwrap_or_default();
    let pair = cx.get("looking up", reference(&external_id)).await?;
    ensure!(
        pair == json!(["sale.order", ids.first()]),
        "{pair} is found, {ids:?} was written"
    );
    Ok(())
}

async fn an_unknown_external_id(cx: &Cx<'_>) -> Checked {
    let external_id = cx.external_id("so");
    let said = cx.ask(reference(&external_id)).await;
    cx.note_said("answer", &said);
    let Said::Fault { name, message, .. } = &said else {
        return Err(format!("a fault is expected, not {said:?}").into());
    };
    ensure!(
        name == "builtins.ValueError" && message.contains(&external_id),
        "{name}: {message}"
    );
    Ok(())
}

async fn an_external_id_of_a_deleted_order(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 1);
    let ids = cx.quotations(&drafts).await?;
    let admin = cx.admin()?;
    cx.result(
        "deleting",
        admin.ask(&Ask::on("sale.order", "unlink", &ids)).await,
    )?;
    let external_id = drafts
        .first()
        .map(|d| d.external_id.clone())
        .unwrap_or_default();
    let said = cx.ask(reference(&external_id)).await;
    cx.note_result("answer", &said);
    if let Said::Fault { .. } = said {
        cx.note_said("answer", &said);
    }
    Ok(())
}

async fn external_ids_are_for_administrators(cx: &Cx<'_>) -> Checked {
    let ask = Ask::of("ir.model.data", "search_read")
        .arg("domain", json!([["module", "=", "base"]]))
        .kw("fields", json!(["name"]))
        .kw("limit", json!(1));
    let said = cx.ask(ask).await;
    cx.note_said("answer", &said);
    if matches!(said, Said::Result(_)) {
        return Err(crate::odoo_contract::cx::Halt::Skipped(
            "the user is an administrator".to_owned(),
        ));
    }
    Ok(())
}

async fn read_of_missing_records(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    let live = ids.first().copied().unwrap_or_default();
    let rows = cx
        .read("sale.order", &[live, 987_654_321], &["state"])
        .await?;
    ensure!(
        rows.len() == 1,
        "{} rows for one record that is there",
        rows.len()
    );
    let none = cx.read("sale.order", &[987_654_321], &["state"]).await?;
    ensure!(none.is_empty(), "{none:?}");
    Ok(())
}

async fn read_keeps_the_fields(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    let fields = [
        "name",
        "carrier_id",
        "commitment_date",
        "amount_total",
        "currency_id",
        "invoice_ids",
        "locked",
        "date_order",
    ];
    let rows = cx.read("sale.order", &ids, &fields).await?;
    let row = rows.first().cloned().unwrap_or_default();
    let kind = |v: &Value| match v {
        Value::Null => "null",
        Value::Bool(false) => "false",
        Value::Bool(true) => "true",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(a)
            if a.first().is_some_and(Value::is_number)
                && a.get(1).is_some_and(Value::is_string) =>
        {
            "link"
        }
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    };
    let kinds: serde_json::Map<String, Value> = row
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), json!(kind(v))))
        .collect();
    cx.note("kinds", Value::Object(kinds));
    Ok(())
}

async fn an_empty_search(cx: &Cx<'_>) -> Checked {
    let rows = cx
        .rows(
            "sale.order",
            json!([["origin", "in", [cx.word("none")]]]),
            &["name"],
        )
        .await?;
    ensure!(rows.is_empty(), "{rows:?}");
    let rows = cx
        .rows("sale.order", json!([["origin", "in", []]]), &["name"])
        .await?;
    ensure!(rows.is_empty(), "{} rows for an empty list", rows.len());
    Ok(())
}

async fn products_by_sku(cx: &Cx<'_>) -> Checked {
    let domain = json!([[
        "default_code",
        "in",
        ["SKU-0001", "SKU-0002", "SHIPPING", cx.word("no")]
    ]]);
    let rows = cx
        .rows("product.product", domain, &["default_code"])
        .await?;
    let mut skus: Vec<String> = rows
        .iter()
        .map(|r| crate::odoo_contract::cx::text(r, "default_code"))
        .collect();
    skus.sort();
    ensure!(skus == ["SHIPPING", "SKU-0001", "SKU-0002"], "{skus:?}");
    Ok(())
}

async fn order_name_and_lists(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    let fields = [
        "name",
        "invoice_ids",
        "picking_ids",
        "partner_invoice_id",
        "partner_shipping_id",
        "commitment_date",
    ];
    let rows = cx.read("sale.order", &ids, &fields).await?;
    let row = rows.first().cloned().unwrap_or_default();
    cx.note(
        "name",
        cx.plain(&crate::odoo_contract::cx::text(&row, "name")),
    );
    for field in ["invoice_ids", "picking_ids", "commitment_date"] {
        cx.note(field, row.get(field).cloned());
    }
    Ok(())
}

fn with_products(ids: &[i64]) -> Ask {
    let product = json!({"fields": {"default_code": {}, "active": {}, "sale_ok": {}}});
    let lines = json!({"fields": {
        "display_type": {}, "product_uom_qty": {}, "price_unit": {}, "discount": {}, "write_uid": {}, "product_id": product,
    }});
    Ask::on("sale.order", "web_read", ids).arg(
        "specification",
        json!({
            "name": {}, "state": {}, "amount_total": {}, "date_order": {}, "create_uid": {},
            "currency_id": {"fields": {"name": {}}}, "order_line": lines,
        }),
    )
}

/// Without ids, names and dates, which differ.
fn stripped(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(stripped).collect(),
        Value::Object(map) => {
            let kept = map
                .iter()
                .filter(|(k, _)| !["id", "name", "create_uid", "write_uid"].contains(&k.as_str()));
            let kept = kept.map(|(k, v)| (k.clone(), stripped(v)));
            Value::Object(kept.collect())
        }
        other => other.clone(),
    }
}

async fn orders_with_lines_and_products(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let ids = cx.quotations(&cx.drafts(&partner, 2)).await?;
    let found = cx.get("reading", with_products(&ids)).await?;
    cx.note("orders", stripped(&found));
    let code = found.pointer("/0/order_line/0/product_id/default_code");
    ensure!(code == Some(&json!("SKU-0001")), "{found}");
    let by = found.pointer("/0/order_line/0/write_uid");
    ensure!(
        by == Some(&json!(cx.target.wire.user)),
        "the line is written by {by:?}"
    );
    let currency = found.pointer("/0/currency_id/name");
    ensure!(currency == Some(&json!("EUR")), "{found}");
    Ok(())
}

async fn web_read_of_a_missing_record(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let mut ids = cx.quotations(&cx.drafts(&partner, 1)).await?;
    ids.push(987_654_321);
    let said = cx.ask(with_products(&ids)).await;
    cx.note_said("answer", &said);
    let is_missing =
        matches!(&said, Said::Fault { name, .. } if name == "odoo.exceptions.MissingError");
    ensure!(is_missing, "a MissingError is expected, not {said:?}");
    Ok(())
}
