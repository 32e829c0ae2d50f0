//! Odoo's total against the channel's, to the cent.

use super::load::load_each;
use super::orders::{OrderRow, read_orders};
use crate::catalog::Catalog;
use crate::client::{Api, LoadMode};
use crate::error::{OdooError, rejected};
use crate::map::ids::Ids;
use crate::map::order::{product_of, unknown_pricelist};
use crate::map::tax::tax_column;
use crate::map::{cell, number};
use rust_decimal::Decimal;
use waybill_flow::connections::TotalsPolicy;
use waybill_model::failure::Failure;
use waybill_model::order::Order;

/// Compares, and by policy adds a line that makes the totals equal.
///
/// # Errors
/// A rejection that names both totals and the likely cause; the quotation stays as it is.
pub(crate) async fn settle_total(
    api: &Api<'_>,
    catalog: &Catalog,
    order: &Order,
    row: &OrderRow,
) -> Result<(), Failure> {
    if row.currency_id.code() != order.currency.as_str() {
        return Err(unknown_pricelist(order));
    }
    let digits = order.currency.minor_digits();
    let wanted = order.totals.total.decimal();
    let found = row.amount_total.rounded(digits);
    let difference = wanted - found;
    if difference.is_zero() {
        return Ok(());
    }
    // Rounding can be off by one minor unit a line; more is another price or tax.
    let lines = order.lines.len() + order.shipping_lines.len();
    let most = Decimal::new(1, digits) * Decimal::from(lines.max(1));
    if api.settings.totals == TotalsPolicy::Refuse || difference.abs() > most {
        return Err(mismatch(order, row, found, difference.abs() <= most));
    }
    let Some(sku) = &api.settings.rounding_sku else {
        return Err(mismatch(order, row, found, true));
    };
    let product = product_of(catalog, sku, "`erp.rounding_sku`")?;
    adjust(api, order, row, product, difference).await?;
    let again = read_orders(api, &[row.id])
        .await
        .map_err(|e| e.failure(api.erp))?;
    let again = again.first().ok_or_else(|| {
        OdooError::Shape("the order that was just written is needed").failure(api.erp)
    })?;
    let found = again.amount_total.rounded(digits);
    if found == wanted {
        Ok(())
    } else {
        Err(mismatch(order, row, found, true))
    }
}

/// Adds the line under an external id of its own: a repeat adds no second one.
async fn adjust(
    api: &Api<'_>,
    order: &Order,
    row: &OrderRow,
    product: i64,
    difference: Decimal,
) -> Result<(), Failure> {
    let ids = Ids {
        prefix: &api.settings.external_id_prefix,
    };
    let fields = [
        "id",
        "order_id/.id",
        "product_id/.id",
        "name",
        "product_uom_qty",
        "price_unit",
        tax_column(api.session.major),
    ];
    let record = vec![vec![
        cell(ids.adjustment(order.correlation())),
        cell(row.id.to_string()),
        cell(product.to_string()),
        cell("Rounding"),
        cell("1"),
        number(difference),
        cell(""),
    ]];
    let records = [record];
    let results = load_each(
        api,
        "sale.order.line",
        &fields,
        &records,
        LoadMode::InsertOnly,
    )
    .await;
    match results.into_iter().next() {
        Some(Ok(_)) => Ok(()),
        Some(Err(refusal)) => Err(refusal.failure(api.erp)),
        None => Err(OdooError::OutOfTime.failure(api.erp)),
    }
}

fn mismatch(order: &Order, row: &OrderRow, found: Decimal, small: bool) -> Failure {
    let cause = if small {
        "a rounding of taxes: the channel and Odoo round by line or by order"
    } else {
        "a tax or price that Odoo computes otherwise"
    };
    rejected(
        "total_mismatch",
        format!(
            "order `{}` is {} {} in the channel and {found} {} in Odoo (quotation `{}`); likely {cause}",
            order.number,
            order.totals.total,
            order.currency,
            row.currency_id.code(),
            row.name.as_str()
        ),
        "correct the quotation in Odoo, or delete it and mend `erp.taxes` or (for roundings) set `erp.totals = \"adjust\"` with a `rounding_sku`, then retry",
    )
}
