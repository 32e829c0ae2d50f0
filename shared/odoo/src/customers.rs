//! Customers whom Odoo knows, by what the connection's `match_customers` names: one search for all
//! orders of a batch.
//!
//! Where several contacts fit, the one that an Odoo user would take for the customer is taken: a
//! main contact (a company, or a person of no company) before a contact below another, the oldest
//! first. Archived contacts and addresses are no customers. The choice is logged.

use crate::client::Api;
use crate::error::OdooError;
use crate::map::partner::{Known, normal};
use crate::wire::{Text, ToOne};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::connections::CustomerKey;

/// A key with its value as [`normal`] gives it.
pub(crate) type Key = (CustomerKey, String);

#[derive(Deserialize)]
struct PartnerRow {
    id: i64,
    parent_id: ToOne,
    email_normalized: Text,
    phone: Text,
    /// Up to 18.
    #[serde(default)]
    mobile: Text,
    vat: Text,
    #[serde(rename = "ref")]
    reference: Text,
}

/// Finds customers; those whom Odoo does not know are left out.
pub(crate) async fn find(
    api: &Api<'_>,
    keys: &BTreeSet<Key>,
) -> Result<BTreeMap<Key, Known>, OdooError> {
    let has_mobile = api.session.major < 19;
    let mut fields = vec!["parent_id", "email_normalized", "phone", "vat", "ref"];
    fields.extend(has_mobile.then_some("mobile"));
    let rows: Vec<PartnerRow> = api
        .search_read("res.partner", domain(keys, has_mobile), &fields)
        .await?;
    let mut found = BTreeMap::new();
    for key in keys {
        let mut fitting: Vec<&PartnerRow> = rows.iter().filter(|row| row.fits(key)).collect();
        fitting.sort_by_key(|row| (row.parent_id.0.is_some(), row.id));
        let Some(chosen) = fitting.first() else {
            continue;
        };
        if fitting.len() > 1 {
            tracing::warn!(
                erp = %api.erp, key = ?key.0, candidates = fitting.len(), odoo_model = "res.partner",
                odoo_id = chosen.id, step = "match_customers", "several contacts fit a customer"
            );
        }
        let known = Known {
            id: chosen.id,
            parent: chosen.parent_id.0,
        };
        found.insert(key.clone(), known);
    }
    Ok(found)
}

impl PartnerRow {
    fn fits(&self, (key, value): &Key) -> bool {
        let is = |text: &Text| normal(*key, text.as_str()).as_ref() == Some(value);
        match key {
            CustomerKey::Email => is(&self.email_normalized),
            CustomerKey::Phone => is(&self.phone) || is(&self.mobile),
            CustomerKey::Vat => is(&self.vat),
            CustomerKey::Reference => is(&self.reference),
        }
    }
}

/// Odoo keeps phone and VAT numbers as they were typed, so their characters are searched with
/// anything in between; what is found is compared in full.
fn domain(keys: &BTreeSet<Key>, has_mobile: bool) -> Value {
    let of = |wanted: CustomerKey| -> Vec<&str> {
        let fitting = keys.iter().filter(|(key, _)| *key == wanted);
        fitting.map(|(_, value)| value.as_str()).collect()
    };
    let mut leaves: Vec<Value> = Vec::new();
    for (field, wanted) in [
        ("email_normalized", CustomerKey::Email),
        ("ref", CustomerKey::Reference),
    ] {
        let values = of(wanted);
        if !values.is_empty() {
            leaves.push(json!([field, "in", values]));
        }
    }
    for phone in of(CustomerKey::Phone) {
        leaves.push(json!(["phone", "=ilike", spread(phone)]));
        if has_mobile {
            leaves.push(json!(["mobile", "=ilike", spread(phone)]));
        }
    }
    for vat in of(CustomerKey::Vat) {
        leaves.push(json!(["vat", "=ilike", spread(vat)]));
    }
    let mut domain = vec![json!(["type", "not in", ["delivery", "invoice", "other"]])];
    domain.extend(vec![json!("|"); leaves.len().saturating_sub(1)]);
    domain.extend(leaves);
    Value::Array(domain)
}

fn spread(value: &str) -> String {
    value.chars().fold("%".to_owned(), |mut pattern, c| {
        pattern.push(c);
        pattern.push('%');
        pattern
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_domain_asks_for_every_key() {
        let keys = [
            (CustomerKey::Email, "a@example.com".to_owned()),
            (CustomerKey::Email, "b@example.com".to_owned()),
            (CustomerKey::Phone, "123".to_owned()),
        ];
        assert_eq!(
            domain(&keys.into(), false),
            json!([
                ["type", "not in", ["delivery", "invoice", "other"]],
                "|",
                ["email_normalized", "in", ["a@example.com", "b@example.com"]],
                ["phone", "=ilike", "%1%2%3%"]
            ])
        );
    }
}
