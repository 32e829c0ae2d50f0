//! Customers and addresses → rows of `res.partner`.
//!
//! As Odoo has it: a company with its VAT number, the person who buys for it as a contact below,
//! and every address that goods or invoices went to as a record of its own below the company (or
//! the person who buys for nobody else). What is in Odoo already is never written to.

use super::ids::Ids;
use super::{cell, cell_or_empty};
use crate::catalog::{Catalog, Region};
use serde_json::Value;
use waybill_flow::connections::{CustomerKey, ErpSettings};
use waybill_model::order::Order;
use waybill_model::party::{Address, Customer};

/// Columns of the load after external id and parent. A parent stands in an earlier row.
pub(crate) const PARTNER_COLUMNS: [&str; 13] = [
    "type",
    "is_company",
    "name",
    "vat",
    "ref",
    "email",
    "phone",
    "street",
    "street2",
    "city",
    "zip",
    "state_id/.id",
    "country_id/id",
];

/// A partner in Odoo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Partner {
    /// Made by us, under this external id.
    Ours(String),
    /// Known to Odoo before: its database id.
    Theirs(i64),
}

/// One partner to be made where it is not there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PartnerRow {
    /// External id.
    pub(crate) id: String,
    pub(crate) parent: Option<Partner>,
    /// In the order of [`PARTNER_COLUMNS`].
    pub(crate) cells: Vec<Value>,
}

/// The partners of one order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Partners {
    pub(crate) customer: Partner,
    /// Who gets the invoice.
    pub(crate) invoice: Partner,
    /// Who gets the goods.
    pub(crate) shipping: Partner,
    /// Parents first.
    pub(crate) rows: Vec<PartnerRow>,
}

/// A customer whom Odoo knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: i64,
    /// The company that it is a contact of.
    pub(crate) parent: Option<i64>,
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

/// A key's value in the form in which two of them are compared; none where it says nothing.
pub(crate) fn normal(key: CustomerKey, value: &str) -> Option<String> {
    let text: String = match key {
        CustomerKey::Email => value.trim().to_lowercase(),
        CustomerKey::Phone => {
            // `+44 (0)20` is `+44 20` from abroad.
            let value = value.replace("(0)", "");
            let digits: String = value.chars().filter(char::is_ascii_digit).collect();
            let digits = digits.strip_prefix("00").unwrap_or(&digits).to_owned();
            // Fewer are an extension or a joke.
            if digits.len() < 7 {
                return None;
            }
            digits
        }
        CustomerKey::Vat => {
            let letters = value.chars().filter(char::is_ascii_alphanumeric);
            letters.map(|c| c.to_ascii_uppercase()).collect()
        }
        CustomerKey::Reference => value.trim().to_owned(),
    };
    (!text.is_empty()).then_some(text)
}

/// What the person of an order is found by, best first. The VAT number is a company's, if there is
/// one.
pub(crate) fn keys(order: &Order, settings: &ErpSettings) -> Vec<(CustomerKey, String)> {
    let customer = order.customer.as_ref();
    let main = order.billing.as_ref().or(order.shipping.as_ref());
    let wanted = settings.match_customers.iter();
    wanted
        .filter_map(|key| {
            let value = match key {
                CustomerKey::Email => customer?.email.as_deref(),
                CustomerKey::Phone => phone(customer, main),
                CustomerKey::Vat if customer?.company.is_some() => None,
                CustomerKey::Vat => customer?.tax_id.as_deref(),
                CustomerKey::Reference => customer?.id.as_ref().map(|id| id.as_str()),
            };
            Some((*key, normal(*key, value?)?))
        })
        .collect()
}

/// What the company of an order is found by.
pub(crate) fn company_key(order: &Order, settings: &ErpSettings) -> Option<(CustomerKey, String)> {
    let customer = order.customer.as_ref()?;
    customer.company.as_ref()?;
    let wanted = settings.match_customers.contains(&CustomerKey::Vat);
    let vat = normal(CustomerKey::Vat, customer.tax_id.as_deref()?)?;
    wanted.then_some((CustomerKey::Vat, vat))
}

/// Customer and addresses of an order.
pub(crate) fn partners(
    order: &Order,
    ids: Ids<'_>,
    settings: &ErpSettings,
    catalog: &Catalog,
) -> Partners {
    let mut maker = Maker {
        order,
        ids,
        settings,
        catalog,
        rows: Vec::new(),
    };
    let keys = keys(order, settings);
    let own = ids.customer(order, &keys);
    let known = keys.iter().find_map(|key| catalog.customers.get(key));
    let (customer, family) = match known {
        Some(known) => (
            Partner::Theirs(known.id),
            Partner::Theirs(known.parent.unwrap_or(known.id)),
        ),
        None => maker.customer(&own),
    };
    let mut child = |address: &Option<Address>, kind: &str| match address {
        Some(address) => maker.address(&own, &family, address, kind),
        None => customer.clone(),
    };
    let shipping = child(&order.shipping, "delivery");
    let invoice = child(&order.billing, "invoice");
    Partners {
        customer,
        invoice,
        shipping,
        rows: maker.rows,
    }
}

struct Maker<'a> {
    order: &'a Order,
    ids: Ids<'a>,
    settings: &'a ErpSettings,
    catalog: &'a Catalog,
    rows: Vec<PartnerRow>,
}

/// What of a row is not its address.
struct Who<'a> {
    kind: &'a str,
    name: String,
    is_company: bool,
    vat: Option<&'a str>,
    reference: Option<&'a str>,
    email: Option<&'a str>,
    phone: Option<&'a str>,
}

impl Maker<'_> {
    /// Who orders, and whose the addresses are.
    fn customer(&mut self, own: &str) -> (Partner, Partner) {
        let order = self.order;
        let customer = order.customer.as_ref();
        let main = order.billing.as_ref().or(order.shipping.as_ref());
        let company = customer.and_then(|c| c.company.as_deref());
        let vat = customer.and_then(|c| c.tax_id.as_deref());
        let parent = company.map(|name| self.company(own, name, vat, main));
        let referred = self
            .settings
            .match_customers
            .contains(&CustomerKey::Reference);
        let who = Who {
            kind: "contact",
            name: person_name(order, customer, main),
            is_company: false,
            vat: vat.filter(|_| parent.is_none()),
            reference: customer
                .and_then(|c| c.id.as_ref())
                .filter(|_| referred)
                .map(|id| id.as_str()),
            email: customer.and_then(|c| c.email.as_deref()),
            phone: phone(customer, main),
        };
        // Odoo gives a contact the address of its company.
        let address = main.filter(|_| parent.is_none());
        self.row(own.to_owned(), parent.clone(), &who, address);
        let customer = Partner::Ours(own.to_owned());
        (customer.clone(), parent.unwrap_or(customer))
    }

    fn company(
        &mut self,
        own: &str,
        name: &str,
        vat: Option<&str>,
        main: Option<&Address>,
    ) -> Partner {
        let key = company_key(self.order, self.settings);
        if let Some(known) = key.and_then(|key| self.catalog.customers.get(&key)) {
            return Partner::Theirs(known.parent.unwrap_or(known.id));
        }
        let number = vat.and_then(|vat| normal(CustomerKey::Vat, vat));
        let id = self.ids.company(own, name, number.as_deref());
        let who = Who {
            kind: "contact",
            name: name.to_owned(),
            is_company: true,
            vat,
            reference: None,
            email: None,
            phone: main.and_then(|a| a.phone.as_deref()),
        };
        self.row(id.clone(), None, &who, main);
        Partner::Ours(id)
    }

    fn address(&mut self, own: &str, family: &Partner, address: &Address, kind: &str) -> Partner {
        let id = self.ids.address(own, address);
        let name = match (&address.company, &address.name) {
            // One name is all there is: the company's would be lost beside the person's.
            (Some(company), Some(name)) if company != name => format!("{company}, {name}"),
            (Some(only), _) | (None, Some(only)) => only.clone(),
            (None, None) => format!("Guest {}", self.order.number),
        };
        let who = Who {
            kind,
            name,
            is_company: false,
            vat: None,
            reference: None,
            email: None,
            phone: address.phone.as_deref(),
        };
        self.row(id.clone(), Some(family.clone()), &who, Some(address));
        Partner::Ours(id)
    }

    fn row(
        &mut self,
        id: String,
        parent: Option<Partner>,
        who: &Who<'_>,
        address: Option<&Address>,
    ) {
        if self.rows.iter().any(|known| known.id == id) {
            return;
        }
        let of = |field: fn(&Address) -> &Option<String>| address.and_then(|a| field(a).as_deref());
        let state = address
            .and_then(region)
            .and_then(|r| self.catalog.states.get(&r))
            .map(ToString::to_string);
        let country = of(|a| &a.country).map(country_id);
        let cells = vec![
            cell(who.kind),
            cell(if who.is_company { "True" } else { "" }),
            cell(&who.name),
            cell_or_empty(who.vat),
            cell_or_empty(who.reference),
            cell_or_empty(who.email),
            cell_or_empty(who.phone),
            cell_or_empty(of(|a| &a.street)),
            cell_or_empty(of(|a| &a.street2)),
            cell_or_empty(of(|a| &a.city)),
            cell_or_empty(of(|a| &a.zip)),
            cell_or_empty(state.as_deref()),
            cell_or_empty(country.as_deref()),
        ];
        self.rows.push(PartnerRow { id, parent, cells });
    }
}

fn phone<'a>(customer: Option<&'a Customer>, main: Option<&'a Address>) -> Option<&'a str> {
    customer
        .and_then(|c| c.phone.as_deref())
        .or_else(|| main.and_then(|a| a.phone.as_deref()))
}

fn person_name(order: &Order, customer: Option<&Customer>, main: Option<&Address>) -> String {
    customer
        .and_then(|c| c.name.as_deref())
        .or_else(|| main.and_then(|a| a.name.as_deref()))
        .or_else(|| customer.and_then(|c| c.email.as_deref()))
        .or_else(|| main.and_then(|a| a.company.as_deref()))
        .map_or_else(|| format!("Guest {}", order.number), str::to_owned)
}

/// External ids of countries are their ISO codes, with one exception.
fn country_id(code: &str) -> String {
    match code {
        "GB" => "base.uk".to_owned(),
        other => format!("base.{}", other.to_lowercase()),
    }
}

#[cfg(test)]
mod tests;
