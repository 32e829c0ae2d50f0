//! The channel's taxes → external ids of taxes in Odoo. Taxes are never made in Odoo.

use crate::error::rejected;
use rust_decimal::Decimal;
use waybill_flow::connections::{ErpSettings, TaxMapping};
use waybill_model::failure::Failure;
use waybill_model::order::{Order, Tax};

/// External ids for the taxes of one line, joined for a cell; empty for no tax. `place` says
/// which line, for the rejection.
pub(crate) fn tax_cell(
    taxes: &[Tax],
    order: &Order,
    settings: &ErpSettings,
    place: &str,
) -> Result<String, Failure> {
    let mut ids: Vec<&str> = Vec::new();
    for tax in taxes {
        match mapped(tax, order, settings) {
            Some(mapping) => ids.push(&mapping.tax),
            // Channels list taxes of exempt and free lines with nothing to pay.
            None if tax.amount.is_zero() => {}
            None => return Err(unknown(tax, order, place)),
        }
    }
    ids.dedup();
    Ok(ids.join(","))
}

/// The column of a line's taxes, which was renamed in 19.
pub(crate) fn tax_column(major: u32) -> &'static str {
    if major >= 19 {
        "tax_ids/id"
    } else {
        "tax_id/id"
    }
}

/// The mapping for the country where the goods go wins over the one for any country.
fn mapped<'a>(tax: &Tax, order: &Order, settings: &'a ErpSettings) -> Option<&'a TaxMapping> {
    let country = country(order);
    let fits = |m: &&TaxMapping| {
        m.rate.decimal() == tax.rate.decimal() && m.included == order.taxes_included
    };
    let of = |wanted: Option<&str>| {
        settings
            .taxes
            .iter()
            .filter(fits)
            .find(|m| m.country.as_deref() == wanted)
    };
    country.and_then(|c| of(Some(c))).or_else(|| of(None))
}

fn country(order: &Order) -> Option<&str> {
    [&order.shipping, &order.billing]
        .into_iter()
        .flatten()
        .find_map(|address| address.country.as_deref())
}

fn unknown(tax: &Tax, order: &Order, place: &str) -> Failure {
    let percent = (tax.rate.decimal() * Decimal::ONE_HUNDRED).normalize();
    let kind = if order.taxes_included {
        "in the price"
    } else {
        "on top of the price"
    };
    let country = country(order).unwrap_or("no country");
    rejected(
        "unknown_tax",
        format!(
            "{place} of order `{}` has `{}` of {percent} % {kind} for `{country}`, which is mapped to no tax in Odoo",
            order.number, tax.title
        ),
        format!(
            "add `{{ rate = \"{}\", country = \"{country}\", included = {}, tax = \"<external id of the account.tax>\" }}` to `erp.taxes` in the connections file (make the tax in Odoo first if it is not there), then retry",
            tax.rate.decimal().normalize(),
            order.taxes_included
        ),
    )
}
