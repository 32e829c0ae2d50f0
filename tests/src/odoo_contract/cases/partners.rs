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
    found_by_what_is_known_of_them => "customers are found by e-mail address, reference, phone and VAT number, however these are written",
    a_contact_of_a_company_that_is_there => "a contact is made below a company that is named by its database id",
    an_address_goes_to_a_customer_without_one => "a customer without an address is given that of the first address below it",
    two_names_of_one_link => "one column names a link in one way: two are refused",
    a_blocked_customer => "up to 18 a customer can be blocked, which stops no call: Waybill reads it",
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

async fn found_by_what_is_known_of_them(cx: &Cx<'_>) -> Checked {
    let reference = cx.word("R");
    let email = format!("Ada.{}@Example.org", cx.token);
    let columns = ["id", "type", "is_company", "name", "ref", "email", "phone"];
    let data = json!([
        [
            cx.external_id("cu"),
            "contact",
            "True",
            "Ada Ltd",
            reference,
            email,
            "+49 (30) 12-34"
        ],
        [
            cx.external_id("ad"),
            "delivery",
            "",
            "Ada Ltd, gate 2",
            reference,
            email,
            "+49 (30) 12-34"
        ],
    ]);
    let ids = cx
        .loaded("loading", cx.insert("res.partner", &columns, data))
        .await?;
    let kind = json!(["type", "not in", ["delivery", "invoice", "other"]]);
    let ours = json!(["ref", "=", reference]);
    for (name, leaf) in [
        (
            "e-mail",
            json!(["email_normalized", "in", [email.to_lowercase()]]),
        ),
        ("reference", json!(["ref", "in", [reference]])),
        ("phone", json!(["phone", "=ilike", "%4%9%3%0%1%2%3%4%"])),
    ] {
        let found = cx
            .rows(
                "res.partner",
                json!([kind, leaf, ours]),
                &["parent_id", "email_normalized", "phone", "vat", "ref"],
            )
            .await?;
        let found: Vec<i64> = found.iter().map(crate::odoo_contract::cx::id).collect();
        ensure!(
            Some(&found) == ids.get(..1).map(<[i64]>::to_vec).as_ref(),
            "by {name}: {found:?}, not the first of {ids:?}"
        );
    }
    let mobile = cx
        .ask(
            Ask::of("res.partner", "search_read")
                .arg("domain", json!([ours]))
                .kw("fields", json!(["mobile"])),
        )
        .await;
    cx.note_said("mobile", &mobile);
    Ok(())
}

async fn a_contact_of_a_company_that_is_there(cx: &Cx<'_>) -> Checked {
    let company = json!([[
        cx.external_id("cu"),
        "contact",
        "True",
        "Example Ltd",
        "1 Main St",
        "base.us"
    ]]);
    let fields = [
        "id",
        "type",
        "is_company",
        "name",
        "street",
        "country_id/id",
    ];
    let ids = cx
        .loaded(
            "loading a company",
            cx.insert("res.partner", &fields, company),
        )
        .await?;
    let above = ids.first().copied().unwrap_or_default().to_string();
    let contact = json!([[cx.external_id("cu"), above, "contact", "Ada Example"]]);
    let fields = ["id", "parent_id/.id", "type", "name"];
    let contact = cx
        .loaded(
            "loading a contact",
            cx.insert("res.partner", &fields, contact),
        )
        .await?;
    note(cx, "partners", &[ids, contact].concat()).await
}

async fn an_address_goes_to_a_customer_without_one(cx: &Cx<'_>) -> Checked {
    let word = |kind| cx.external_id(kind);
    let (customer, home, work) = (word("cu"), word("ad"), word("ad"));
    let (other, alone) = (word("cu"), word("ad"));
    let fields = [
        "id",
        "parent_id/id",
        "type",
        "name",
        "street",
        "country_id/id",
    ];
    let data = json!([
        [customer, "", "contact", "Ada Example", "", ""],
        [
            home,
            customer,
            "delivery",
            "At home",
            "1 Main St",
            "base.us"
        ],
        [work, customer, "invoice", "At work", "2 High St", "base.de"],
        [other, "", "contact", "Bob Example", "", ""],
        [alone, other, "delivery", "At Bob's", "3 Low St", "base.us"],
    ]);
    let ids = cx
        .loaded("loading", cx.insert("res.partner", &fields, data))
        .await?;
    note(cx, "partners", &ids).await
}

async fn two_names_of_one_link(cx: &Cx<'_>) -> Checked {
    let above = cx.partner().await?;
    let data = json!([[cx.external_id("cu"), above, "", "Ada Example"]]);
    let fields = ["id", "parent_id/id", "parent_id/.id", "name"];
    let said = cx.ask(cx.insert("res.partner", &fields, data)).await;
    cx.note_load("answer", &said);
    ensure!(ids(&said).is_none(), "two names of one link are taken");
    Ok(())
}

async fn a_blocked_customer(cx: &Cx<'_>) -> Checked {
    if !cx.is_17() {
        return Err(crate::odoo_contract::cx::Halt::Skipped(
            "19 has no blocking message".to_owned(),
        ));
    }
    let partner = cx.partner().await?;
    let block = cx.update(
        "res.partner",
        &["id", "sale_warn", "sale_warn_msg"],
        json!([[partner, "Blocking Message", "Pays late"]]),
    );
    cx.loaded("blocking", block).await?;
    let ids = cx.confirmed(&cx.drafts(&partner, 1)).await?;
    let specification =
        json!({"state": {}, "partner_id": {"fields": {"sale_warn": {}, "sale_warn_msg": {}}}});
    let found = cx
        .get(
            "reading",
            Ask::on("sale.order", "web_read", &ids).arg("specification", specification),
        )
        .await?;
    let block = found.pointer("/0/partner_id/sale_warn").cloned();
    ensure!(block == Some(json!("block")), "{found}");
    cx.note("state", found.pointer("/0/state").cloned());
    Ok(())
}
