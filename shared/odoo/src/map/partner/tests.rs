//! Who becomes which partner.

use super::*;
use serde_json::json;

fn order(customer: Value, billing: Value) -> Order {
    serde_json::from_value(json!({
        "channel": "shop", "id": "1", "number": "#1", "version": 1,
        "placed_at": "2026-01-31T10:00:00Z", "test": false, "currency": "USD",
        "taxes_included": false, "payment": "paid", "cancelled": null, "customer": customer,
        "billing": billing, "shipping": null, "lines": [], "shipping_lines": [],
        "gift_card_paid": "0", "tip": "0", "rounding": "0",
        "totals": {"subtotal": "0", "shipping": "0", "tax": "0", "total": "0"}, "note": null
    }))
    .unwrap()
}

fn customer(id: Option<&str>, email: &str, company: Option<&str>, vat: Option<&str>) -> Value {
    json!({"id": id, "name": "Ada", "email": email, "phone": null, "company": company,
        "tax_id": vat})
}

fn address() -> Value {
    json!({"name": "Ada", "company": null, "street": "1 Road", "street2": null, "city": "Ghent",
        "zip": "9000", "region": null, "country": "BE", "phone": "+32 (0)9 123 45 67"})
}

fn settings(keys: &[CustomerKey]) -> ErpSettings {
    serde_json::from_value(json!({
        "database": "d", "login": "l", "protocol": "json2", "shipping_sku": "S",
        "match_customers": keys
    }))
    .unwrap()
}

fn made(order: &Order, keys: &[CustomerKey], known: &[(CustomerKey, &str, Known)]) -> Partners {
    let known = known
        .iter()
        .map(|(key, value, known)| ((*key, (*value).to_owned()), *known));
    let catalog = Catalog {
        customers: known.collect(),
        ..Catalog::default()
    };
    partners(order, Ids { prefix: "w" }, &settings(keys), &catalog)
}

#[test]
fn keys_are_compared_without_case_spaces_and_signs() {
    let normal = |key, value| normal(key, value);
    let is = |text: &str| Some(text.to_owned());
    assert_eq!(
        normal(CustomerKey::Email, " Ada@Example.COM "),
        is("ada@example.com")
    );
    assert_eq!(
        normal(CustomerKey::Phone, "+32 (0)9 123-45"),
        is("32912345")
    );
    assert_eq!(normal(CustomerKey::Phone, "0032 9 123 45"), is("32912345"));
    assert_eq!(normal(CustomerKey::Phone, "112"), None);
    assert_eq!(
        normal(CustomerKey::Vat, "be 0477.472.701"),
        is("BE0477472701")
    );
    assert_eq!(normal(CustomerKey::Reference, "  "), None);
}

#[test]
fn a_person_with_a_company_is_a_contact_below_it_and_so_are_the_addresses() {
    let order = order(
        customer(None, "a@x.test", Some("Acme"), Some("BE 0477.472.701")),
        address(),
    );
    let made = made(&order, &[], &[]);
    let [company, person, invoice] = made.rows.as_slice() else {
        panic!("three partners are expected: {:?}", made.rows)
    };
    let below = Some(Partner::Ours(company.id.clone()));
    assert_eq!(
        company.cells[1..4],
        [json!("True"), json!("Acme"), json!("BE 0477.472.701")]
    );
    assert_eq!(company.parent, None);
    assert_eq!((&person.parent, &invoice.parent), (&below, &below));
    assert_eq!(person.cells[3], "", "the number is the company's");
    assert_eq!(person.cells[7], "", "the address is the company's");
    assert_eq!(made.customer, Partner::Ours(person.id.clone()));
    assert_eq!(made.invoice, Partner::Ours(invoice.id.clone()));
    assert_eq!(made.shipping, made.customer);
}

#[test]
fn who_shares_the_key_is_one_partner_whatever_the_channel_says() {
    let email = [CustomerKey::Email];
    let guest = made(
        &order(customer(None, "a@x.test", None, None), json!(null)),
        &email,
        &[],
    );
    let mut known = order(customer(Some("7"), "A@X.test", None, None), json!(null));
    known.channel = "other".parse().unwrap();
    assert_eq!(made(&known, &email, &[]).customer, guest.customer);
    assert_ne!(made(&known, &[], &[]).customer, guest.customer);
}

#[test]
fn a_customer_whom_odoo_knows_is_used_and_gets_only_addresses() {
    let order = order(customer(None, "a@x.test", None, None), address());
    let known = Known {
        id: 7,
        parent: Some(5),
    };
    let made = made(
        &order,
        &[CustomerKey::Vat, CustomerKey::Email],
        &[(CustomerKey::Email, "a@x.test", known)],
    );
    assert_eq!(made.customer, Partner::Theirs(7));
    let [invoice] = made.rows.as_slice() else {
        panic!("one partner is expected: {:?}", made.rows)
    };
    assert_eq!(invoice.parent, Some(Partner::Theirs(5)));
}

#[test]
fn a_company_that_odoo_knows_by_its_number_gets_a_new_contact() {
    let order = order(
        customer(None, "new@x.test", Some("Acme"), Some("be0477472701")),
        json!(null),
    );
    let known = Known {
        id: 5,
        parent: None,
    };
    let made = made(
        &order,
        &[CustomerKey::Email, CustomerKey::Vat],
        &[(CustomerKey::Vat, "BE0477472701", known)],
    );
    let [person] = made.rows.as_slice() else {
        panic!("one partner is expected: {:?}", made.rows)
    };
    assert_eq!(person.parent, Some(Partner::Theirs(5)));
    assert_eq!(made.customer, Partner::Ours(person.id.clone()));
}
