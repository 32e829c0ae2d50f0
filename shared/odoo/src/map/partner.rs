//! Customers and addresses → rows of `res.partner`.

use super::ids::Ids;
use super::{cell, cell_or_empty};
use crate::catalog::{Catalog, Region};
use serde_json::Value;
use waybill_model::order::Order;
use waybill_model::party::Address;

/// Columns of the load. A child's parent stands in an earlier row of the same call.
pub(crate) const PARTNER_COLUMNS: [&str; 12] = [
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

/// The partners of one order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Partners {
    /// External id of the customer.
    pub(crate) customer: String,
    /// External id of who gets the invoice.
    pub(crate) invoice: String,
    /// External id of who gets the goods.
    pub(crate) shipping: String,
    /// Rows with their external ids, parents first.
    pub(crate) rows: Vec<(String, Vec<Value>)>,
}

/// The regions of an order's addresses, to be looked up.
pub(crate) fn regions(order: &Order) -> Vec<Region> {
    [&order.shipping, &order.billing]
        .into_iter()
        .flatten()
        .filter_map(region)
        .collect()
}

fn region(address: &Address) -> Option<Region> {
    Some((address.country.clone()?, address.region.clone()?))
}

/// The customer and the addresses as records of their own: the customer keeps what Odoo's users
/// made of it, and every address that an order went to stays as it was.
pub(crate) fn partners(order: &Order, ids: Ids<'_>, catalog: &Catalog) -> Partners {
    let customer = ids.customer(order);
    let main = order.billing.as_ref().or(order.shipping.as_ref());
    let mut rows = vec![(
        customer.clone(),
        row(&customer, None, "contact", order, main, catalog),
    )];
    let mut child = |address: &Option<Address>, kind: &str| -> String {
        let Some(address) = address else {
            return customer.clone();
        };
        let id = ids.address(&customer, address);
        if rows.iter().all(|(known, _)| *known != id) {
            let cells = row(&id, Some(&customer), kind, order, Some(address), catalog);
            rows.push((id.clone(), cells));
        }
        id
    };
    let shipping = child(&order.shipping, "delivery");
    let invoice = child(&order.billing, "invoice");
    Partners {
        customer,
        invoice,
        shipping,
        rows,
    }
}

fn row(
    id: &str,
    parent: Option<&str>,
    kind: &str,
    order: &Order,
    address: Option<&Address>,
    catalog: &Catalog,
) -> Vec<Value> {
    let own = order.customer.as_ref().filter(|_| parent.is_none());
    let of = |field: fn(&Address) -> &Option<String>| address.and_then(|a| field(a).as_deref());
    let name = own
        .and_then(|c| c.name.as_deref())
        .or_else(|| of(|a| &a.name))
        .or_else(|| own.and_then(|c| c.company.as_deref()))
        .or_else(|| of(|a| &a.company))
        .or_else(|| own.and_then(|c| c.email.as_deref()))
        .map_or_else(|| format!("Guest {}", order.number), str::to_owned);
    // A company beside a person's name would be lost: Odoo has one name.
    let name = match of(|a| &a.company) {
        Some(company) if parent.is_some() && company != name => format!("{company}, {name}"),
        Some(_) | None => name,
    };
    let email = own.and_then(|c| c.email.as_deref());
    let phone = of(|a| &a.phone).or_else(|| own.and_then(|c| c.phone.as_deref()));
    let state = address
        .and_then(region)
        .and_then(|r| catalog.states.get(&r))
        .map(ToString::to_string);
    let country = of(|a| &a.country).map(country_id);
    vec![
        cell(id),
        cell_or_empty(parent),
        cell(kind),
        cell(name),
        cell_or_empty(email),
        cell_or_empty(phone),
        cell_or_empty(of(|a| &a.street)),
        cell_or_empty(of(|a| &a.street2)),
        cell_or_empty(of(|a| &a.city)),
        cell_or_empty(of(|a| &a.zip)),
        cell_or_empty(state.as_deref()),
        cell_or_empty(country.as_deref()),
    ]
}

/// External ids of countries are their ISO codes, with one exception.
fn country_id(code: &str) -> String {
    match code {
        "GB" => "base.uk".to_owned(),
        other => format!("base.{}", other.to_lowercase()),
    }
}
