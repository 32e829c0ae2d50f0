//! Customers in Odoo: companies, contacts and addresses, and those whom Odoo knew before.

use super::odoo::{create, held, on_both, order, write, write_one};
use super::rig::{Rig, Setup, assert_rejected, rig_of};
use serde_json::{Value, json};
use waybill_flow::ports::ErpCommand;
use waybill_model::order::Order;
use waybill_simulators::odoo::Version;
use waybill_testkit::build::text;

/// Odoo with this in the connection's `erp` table.
async fn matching(version: Version, connections: fn(String) -> String) -> Rig {
    let setup = Setup {
        version,
        connections,
        ..Setup::default()
    };
    setup.start().await
}

fn by_email(file: String) -> String {
    file.replace("protocol =", "match_customers = [\"email\"]\nprotocol =")
}

fn by_vat(file: String) -> String {
    file.replace("protocol =", "match_customers = [\"vat\"]\nprotocol =")
}

fn by_phone_or_reference(file: String) -> String {
    let keys = "match_customers = [\"phone\", \"reference\"]\nprotocol =";
    file.replace("protocol =", keys)
}

fn buys(id: &str, email: &str, company: Option<&str>, vat: Option<&str>) -> Order {
    let change = |o: &mut Order| {
        let customer = o.customer.as_mut().unwrap();
        customer.id = None;
        customer.email = Some(email.to_owned());
        customer.company = company.map(str::to_owned);
        customer.tax_id = vat.map(str::to_owned);
    };
    order(id).with(change).build()
}

async fn done(rig: &Rig, order: &Order) -> Value {
    let outcome = write_one(rig, &create(order)).await;
    assert!(outcome.is_ok(), "{}: {outcome:?}", order.number);
    held(rig, order)
}

fn partner(rig: &Rig, id: &Value) -> Value {
    let all = rig.odoo_sim.records("res.partner");
    all.into_iter().find(|p| p["id"] == *id).unwrap()
}

async fn a_company_is_a_partner_with_its_number_and_the_person_a_contact_below(version: Version) {
    let rig = rig_of(version).await;
    let placed = buys("acme", "ada@acme.test", Some("Acme"), Some("BE0477472701"));
    let held = done(&rig, &placed).await;
    let person = partner(&rig, &held["customer"]);
    let company = partner(&rig, &person["parent_id"]);
    assert_eq!(company["name"], "Acme");
    assert_eq!(company["vat"], "BE0477472701");
    assert_eq!(company["is_company"], true);
    assert_eq!(person["name"], "Ada Example");
    let address = partner(&rig, &held["shipped_to"]);
    assert_eq!(address["type"], "delivery");
    assert_eq!(address["parent_id"], company["id"]);
    let again = buys(
        "acme-2",
        "bob@acme.test",
        Some("ACME"),
        Some("be 0477.472.701"),
    );
    let held = done(&rig, &again).await;
    let person = partner(&rig, &held["customer"]);
    assert_eq!(person["parent_id"], company["id"]);
}

async fn a_customer_whom_odoo_knows_is_found_and_stays_as_it_is(version: Version) {
    let rig = matching(version, by_email).await;
    let vals = json!({"name": "A. Example, VIP", "email": " Ada@Example.COM", "street": "Own 1"});
    let known = rig.odoo_sim.make("res.partner", &vals).unwrap();
    let before = partner(&rig, &json!(known));
    let batch: Vec<Order> = (0..3)
        .map(|n| buys(&format!("known-{n}"), "ada@example.com", None, None))
        .collect();
    let commands: Vec<ErpCommand> = batch.iter().map(create).collect();
    for _ in 0..2 {
        let outcomes = write(&rig, &commands).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }
    for placed in &batch {
        let held = held(&rig, placed);
        assert_eq!(held["customer"], known);
        let address = partner(&rig, &held["shipped_to"]);
        assert_eq!(address["parent_id"], known);
    }
    let mut after = partner(&rig, &json!(known));
    after["child_ids"] = before["child_ids"].clone();
    assert_eq!(after, before);
}

async fn of_several_that_fit_the_oldest_main_contact_is_taken(version: Version) {
    let rig = matching(version, by_email).await;
    let make = |vals: Value| rig.odoo_sim.make("res.partner", &vals).unwrap();
    let email = "many@example.com";
    make(json!({"name": "Archived", "email": email, "active": false}));
    let company = make(json!({"name": "Their company"}));
    make(json!({"name": "Contact", "email": email, "parent_id": company}));
    make(json!({"name": "Delivery", "email": email, "type": "delivery"}));
    let main = make(json!({"name": "Main", "email": email}));
    make(json!({"name": "Younger", "email": email}));
    let held = done(&rig, &buys("many", email, None, None)).await;
    assert_eq!(held["customer"], main);
}

async fn two_orders_of_one_new_customer_make_one_partner(version: Version) {
    let rig = matching(version, by_email).await;
    let first = buys("new-1", "New@example.com", None, None);
    let mut second = buys("new-2", "new@example.com ", None, None);
    second.channel = text("marketplace-main");
    second.customer.as_mut().unwrap().id = Some(text("C-77"));
    let both = [create(&first), create(&second)];
    let (left, right) = tokio::join!(write(&rig, &both[..1]), write(&rig, &both[1..]));
    assert!(left[0].is_ok() && right[0].is_ok(), "{left:?} {right:?}");
    assert_eq!(
        held(&rig, &first)["customer"],
        held(&rig, &second)["customer"]
    );
    // A customer is remembered, and one that was merged away since is looked up again.
    let customer = held(&rig, &first)["customer"].clone();
    done(&rig, &buys("new-3", "new@example.com", None, None)).await;
    assert_eq!(
        held(&rig, &buys("new-3", "", None, None))["customer"],
        customer
    );
}

async fn a_company_is_found_by_its_number_and_a_person_by_phone_or_reference(version: Version) {
    let rig = matching(version, by_vat).await;
    let vals = json!({"name": "Acme NV", "vat": "BE 0477.472.701", "is_company": true});
    let acme = rig.odoo_sim.make("res.partner", &vals).unwrap();
    let placed = buys("acme", "ada@acme.test", Some("Acme"), Some("BE0477472701"));
    let held_order = done(&rig, &placed).await;
    let person = partner(&rig, &held_order["customer"]);
    assert_eq!(person["parent_id"], acme);
    assert_eq!(person["name"], "Ada Example");

    let rig = matching(version, by_phone_or_reference).await;
    let make = |vals: Value| rig.odoo_sim.make("res.partner", &vals).unwrap();
    let phone = make(json!({"name": "By phone", "phone": "+49 (0)30 123-4567"}));
    let reference = make(json!({"name": "By reference", "ref": "C-9"}));
    let change = |phone: Option<&str>| {
        let phone = phone.map(str::to_owned);
        move |o: &mut Order| {
            let customer = o.customer.as_mut().unwrap();
            customer.id = Some(text("C-9"));
            customer.phone = phone;
        }
    };
    let both = order("both").with(change(Some("0049 30 1234567"))).build();
    assert_eq!(done(&rig, &both).await["customer"], phone);
    let one = order("one").with(change(None)).build();
    assert_eq!(done(&rig, &one).await["customer"], reference);
}

async fn a_blocked_customer_gets_no_order(version: Version) {
    let rig = matching(version, by_email).await;
    let vals = match version {
        Version::V17 => {
            json!({"name": "B", "email": "b@example.com", "sale_warn": "block", "sale_warn_msg": "pays late"})
        }
        // 19 warns and does not block.
        Version::V19 => {
            json!({"name": "B", "email": "b@example.com", "sale_warn_msg": "pays late"})
        }
    };
    let known = rig.odoo_sim.make("res.partner", &vals).unwrap();
    let placed = buys("blocked", "b@example.com", None, None);
    if version == Version::V19 {
        assert_eq!(done(&rig, &placed).await["customer"], known);
        return;
    }
    let outcome = write_one(&rig, &create(&placed)).await;
    assert_rejected(&outcome, "customer_blocked");
    assert_eq!(held(&rig, &placed)["state"], "draft");
    let domain = json!([["id", "=", known]]);
    let free = json!({"sale_warn": "no-message"});
    rig.odoo_sim.edit("res.partner", &domain, &free).unwrap();
    done(&rig, &placed).await;
}

on_both!(
    a_company_is_a_partner_with_its_number_and_the_person_a_contact_below,
    a_customer_whom_odoo_knows_is_found_and_stays_as_it_is,
    of_several_that_fit_the_oldest_main_contact_is_taken,
    two_orders_of_one_new_customer_make_one_partner,
    a_company_is_found_by_its_number_and_a_person_by_phone_or_reference,
    a_blocked_customer_gets_no_order,
);
