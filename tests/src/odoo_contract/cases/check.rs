//! What `cargo xtask odoo check` looks at, and its order that leaves nothing behind.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, ensure, text};
use crate::odoo_contract::wire::{Ask, Said};
use serde_json::{Value, json};

cases! { "check":
    who_the_key_belongs_to => "`context_get` tells user, language and zone of the key",
    groups_of_the_user => "a user's groups are asked for: of the model up to 17, of the user from 18 on",
    places_of_numbers => "`fields_get` tells how many places prices, quantities and discounts have",
    modules_of_the_user => "what the integration user is told of modules",
    a_refused_call_tries_its_other_records => "a call that one unreadable cell refuses still makes and confirms its other records, and tells what fails",
    a_refused_call_leaves_nothing => "what was made before a refusal is gone after it",
}

async fn who_the_key_belongs_to(cx: &Cx<'_>) -> Checked {
    let context = cx
        .get("asking", Ask::of("res.users", "context_get"))
        .await?;
    let uid = context.get("uid").and_then(Value::as_i64);
    ensure!(uid == Some(cx.target.wire.user), "{context}");
    let names: Vec<&String> = context
        .as_object()
        .into_iter()
        .flat_map(|m| m.keys())
        .collect();
    cx.note("keys", json!(names));
    let rows = cx
        .read(
            "res.users",
            &[cx.target.wire.user],
            &["login", "tz", "company_id", "partner_id"],
        )
        .await?;
    let row = rows.first().cloned().unwrap_or_default();
    ensure!(text(&row, "login") == cx.target.wire.access.login, "{row}");
    Ok(())
}

async fn groups_of_the_user(cx: &Cx<'_>) -> Checked {
    for group in [
        "sales_team.group_sale_salesman_all_leads",
        "base.group_partner_manager",
        "base.group_system",
    ] {
        let ask = if cx.is_17() {
            Ask::of("res.users", "has_group")
        } else {
            Ask::on("res.users", "has_group", &[cx.target.wire.user])
        };
        let said = cx.ask(ask.arg("group_ext_id", json!(group))).await;
        cx.note_result(group, &said);
        ensure!(matches!(said, Said::Result(Value::Bool(_))), "{said:?}");
    }
    let named = super::lookup::reference("sales_team.group_sale_salesman");
    let said = cx.ask(named).await;
    // Names of groups are for administrators on some versions.
    let told = matches!(&said, Said::Result(pair) if pair.get(1).is_some_and(Value::is_i64));
    cx.note("a group's record is told", told);
    Ok(())
}

async fn places_of_numbers(cx: &Cx<'_>) -> Checked {
    let ask = Ask::of("sale.order.line", "fields_get")
        .kw(
            "allfields",
            json!(["price_unit", "product_uom_qty", "discount"]),
        )
        .kw("attributes", json!(["digits"]));
    let said = cx.ask(ask).await;
    cx.note_result("fields", &said);
    Ok(())
}

async fn modules_of_the_user(cx: &Cx<'_>) -> Checked {
    let ask = Ask::of("ir.module.module", "search_read")
        .arg(
            "domain",
            json!([["name", "in", ["sale_stock", "waybill_none"]]]),
        )
        .kw("fields", json!(["name", "state"]));
    let said = cx.ask(ask).await;
    match &said {
        Said::Result(rows) => cx.note("modules", rows.as_array().map(Vec::len)),
        other => cx.note_said("modules", other),
    }
    Ok(())
}

/// Two orders that are confirmed in the call, of which the second has a cell that cannot be read.
async fn dry_run(cx: &Cx<'_>, partner: &str) -> Checked<(Vec<String>, Said)> {
    let mut drafts = cx.drafts(partner, 2);
    if let Some(bad) = drafts.get_mut(1) {
        bad.carrier = "waybill_contract.rolls_back";
    }
    let mut columns = cx.columns();
    columns.push("state");
    let rows: Vec<Value> = drafts
        .iter()
        .flat_map(|d| cx.order_rows(d))
        .map(|mut row| {
            let first = row.get(0).is_some_and(|id| *id != json!(""));
            if let Some(cells) = row.as_array_mut() {
                cells.push(json!(if first { "sale" } else { "" }));
            }
            row
        })
        .collect();
    let said = cx.ask(cx.insert("sale.order", &columns, json!(rows))).await;
    let references = drafts.into_iter().map(|d| d.reference).collect();
    Ok((references, said))
}

async fn a_refused_call_tries_its_other_records(cx: &Cx<'_>) -> Checked {
    let stranger = super::confirm::stranger(cx).await?;
    let (_, said) = dry_run(cx, &stranger).await?;
    cx.note_load("answer", &said);
    let messages = crate::odoo_contract::cx::messages(&said).unwrap_or_default();
    let told = messages
        .iter()
        .any(|m| text(m, "message").starts_with("No rule has been found"));
    ensure!(
        told,
        "what is wrong with the other order is not told: {said:?}"
    );
    Ok(())
}

async fn a_refused_call_leaves_nothing(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let (references, said) = dry_run(cx, &partner).await?;
    cx.note_load("answer", &said);
    let left = cx
        .count(
            "sale.order",
            json!([["client_order_ref", "in", references]]),
        )
        .await?;
    ensure!(left == 0, "{left} orders are left");
    Ok(())
}
