//! Customers and their addresses.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, ensure, ids, text};
use crate::odoo_contract::wire::Ask;
use serde_json::{Value, json};

cases! { "partners":
    a_customer_with_addresses => "a child's parent stands in an earlier row of the same call",
    edits_stay => "an insert-only repeat leaves what Odoo's users made of a customer",
    updates_are_written => "an update writes the given columns only",
    the_same_customer_twice_in_a_call => "a customer of two orders in one call is one record",
    countries_and_regions => "countries are found by code, regions by code and country",
    a_region_of_another_country => "what Odoo says to a region that is not of the country",
}

const COLUMNS: [&str; 12] = [
    "id",
    "parent_id/id",
    "type",
    "name",
    "email",
    "phone",
    "street",
    "street2",
    "city",
    "zip",
    "state_id/.id",
    "country_id/id",
];

fn row(id: &str, parent: &str, kind: &str, name: &str) -> Value {
    json!([
        id,
        parent,
        kind,
        name,
        "ada@example.org",
        "",
        "1 Main St",
        "",
        "Springfield",
        "12345",
        "",
        "base.us"
    ])
}

async fn note(cx: &Cx<'_>, name: &str, ids: &[i64]) -> Checked {
    let fields = [
        "name",
        "type",
        "email",
        "phone",
        "street",
        "city",
        "zip",
        "country_id",
        "state_id",
        "parent_id",
        "active",
    ];
    let rows = cx.read("res.partner", ids, &fields).await?;
    let note = |r: &Value| {
        json!({
            "name": cx.plain(&text(r, "name")), "type": r.get("type"), "email": r.get("email"), "phone": r.get("phone"),
            "street": r.get("street"), "city": r.get("city"), "zip": r.get("zip"),
            "country": r.pointer("/country_id/1"), "region": r.pointer("/state_id/1"),
            "parent": ids.iter().position(|i| r.pointer("/parent_id/0").and_then(Value::as_i64) == Some(*i)),
        })
    };
    cx.note(name, rows.iter().map(note).collect::<Vec<_>>());
    Ok(())
}

async fn a_customer_with_addresses(cx: &Cx<'_>) -> Checked {
    let (customer, home, bill) = (
        cx.external_id("cu"),
        cx.external_id("ad"),
        cx.external_id("ad"),
    );
    let data = json!([
        row(&customer, "", "contact", "Ada Example"),
        row(&home, &customer, "delivery", "Ada at home"),
        row(&bill, &customer, "invoice", "Ada's books"),
    ]);
    let ask = cx.insert("res.partner", &COLUMNS, data);
    let said = cx.ask(ask.clone()).await;
    cx.note_load("answer", &said);
    let first = ids(&said).unwrap_or_default();
    ensure!(first.len() == 3, "three ids are expected: {said:?}");
    let again = cx.loaded("loading again", ask).await?;
    ensure!(
        first == again,
        "the repeat answers {again:?} and not {first:?}"
    );
    note(cx, "partners", &first).await
}

async fn edits_stay(cx: &Cx<'_>) -> Checked {
    let data = json!([row(&cx.external_id("cu"), "", "contact", "Ada Example")]);
    let ask = cx.insert("res.partner", &COLUMNS, data);
    let ids = cx.loaded("loading", ask.clone()).await?;
    let edit = Ask::on("res.partner", "write", &ids)
        .arg("vals", json!({"name": "Ada Edited", "city": "Elsewhere"}));
    cx.get("editing", edit).await?;
    cx.loaded("loading again", ask).await?;
    let rows = cx.read("res.partner", &ids, &["name"]).await?;
    let name = rows.first().map(|r| text(r, "name")).unwrap_or_default();
    ensure!(name == "Ada Edited", "the edit is lost: `{name}`");
    note(cx, "partners", &ids).await
}

async fn updates_are_written(cx: &Cx<'_>) -> Checked {
    let id = cx.external_id("cu");
    let ask = cx.update(
        "res.partner",
        &COLUMNS,
        json!([row(&id, "", "contact", "Ada Example")]),
    );
    let ids = cx.loaded("loading", ask).await?;
    let ask = cx.update("res.partner", &["id", "city"], json!([[id, "Shelbyville"]]));
    let again = cx.loaded("updating", ask).await?;
    ensure!(ids == again, "the update answers {again:?} and not {ids:?}");
    note(cx, "partners", &ids).await
}

async fn the_same_customer_twice_in_a_call(cx: &Cx<'_>) -> Checked {
    let one = row(&cx.external_id("cu"), "", "contact", "Ada Example");
    let ask = cx.insert("res.partner", &COLUMNS, json!([one, one]));
    let ids = cx.loaded("loading", ask).await?;
    ensure!(
        ids.first() == ids.get(1),
        "two ids for one customer: {ids:?}"
    );
    cx.note("ids", ids.len());
    Ok(())
}

async fn countries_and_regions(cx: &Cx<'_>) -> Checked {
    let countries = cx
        .rows(
            "res.country",
            json!([["code", "in", ["US", "DE", "GB", "CA"]]]),
            &["code"],
        )
        .await?;
    let codes: std::collections::BTreeSet<String> =
        countries.iter().map(|c| text(c, "code")).collect();
    cx.note("countries", json!(codes));
    let country: Vec<i64> = countries.iter().map(crate::odoo_contract::cx::id).collect();
    let domain = json!([
        ["code", "in", ["CA", "NY", "BY"]],
        ["country_id", "in", country]
    ]);
    let states = cx
        .rows("res.country.state", domain, &["code", "country_id"])
        .await?;
    let mut found: Vec<String> = states
        .iter()
        .map(|s| {
            format!(
                "{} of {}",
                text(s, "code"),
                s.pointer("/country_id/1")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            )
        })
        .collect();
    found.sort();
    ensure!(
        found.contains(&"CA of United States".to_owned()),
        "California is not among {found:?}"
    );
    cx.note("regions", json!(found));
    let external = Ask::on("res.country", "get_external_id", &country);
    let names = cx.get("external ids", external).await?;
    let mut names: Vec<String> = names
        .as_object()
        .into_iter()
        .flat_map(|m| m.values())
        .filter_map(|n| n.as_str().map(str::to_owned))
        .collect();
    names.sort();
    // By ISO code, but for the United Kingdom.
    ensure!(
        names.contains(&"base.uk".to_owned()) && names.contains(&"base.de".to_owned()),
        "{names:?}"
    );
    cx.note("external ids", json!(names));
    Ok(())
}

async fn a_region_of_another_country(cx: &Cx<'_>) -> Checked {
    let states = cx
        .rows("res.country.state", json!([["code", "=", "NY"]]), &["code"])
        .await?;
    let state = states
        .first()
        .map(crate::odoo_contract::cx::id)
        .unwrap_or_default();
    let data = json!([[
        cx.external_id("cu"),
        "Ada Example",
        state.to_string(),
        "base.de"
    ]]);
    let said = cx
        .ask(cx.insert(
            "res.partner",
            &["id", "name", "state_id/.id", "country_id/id"],
            data,
        ))
        .await;
    cx.note_load("answer", &said);
    match ids(&said) {
        Some(ids) => note(cx, "partners", &ids).await,
        None => Ok(()),
    }
}
