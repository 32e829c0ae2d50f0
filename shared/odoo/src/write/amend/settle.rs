//! What an amendment must agree with: the channel's total, and the warehouse of the route.

use super::super::Task;
use super::super::resolve::Found;
use super::super::transfer::Picking;
use super::lines::{LineRow, write_terms};
use super::{load_all, row_total};
use crate::client::Api;
use crate::error::{OdooError, rejected};
use crate::external_id::look_up;
use crate::map::cell;
use crate::map::order::Line;
use rust_decimal::Decimal;
use waybill_model::failure::Failure;
use waybill_model::order::{Order, Tax};

/// Compares the total after an amendment. Where it is off and nothing is invoiced, prices and taxes
/// of every line are written once more, for a change of taxes shows nowhere else.
///
/// # Errors
/// A rejection that names both totals.
pub(super) async fn settle(
    api: &Api<'_>,
    order: &Order,
    what: &str,
    found: Decimal,
    order_id: i64,
    terms: Option<&[(&LineRow, &Line)]>,
) -> Result<(), Failure> {
    let Some(expected) = expected_total(order) else {
        return Ok(());
    };
    if is_near(order, expected, found) {
        return Ok(());
    }
    let mut found = found;
    if let Some(terms) = terms {
        write_terms(api, terms).await?;
        found = row_total(api, order_id).await?;
        if is_near(order, expected, found) {
            return Ok(());
        }
    }
    let digits = order.currency.minor_digits();
    Err(rejected(
        "total_mismatch",
        format!(
            "{what} should be about {} {} after its amendment and is {found} in Odoo",
            expected.round_dp(digits),
            order.currency
        ),
        "correct prices and taxes of the order in Odoo (where it is invoiced, credit the invoice first), then retry",
    ))
}

/// What is wanted now, at the prices and taxes of the channel. A part of a line's discount and tax
/// is rounded anew, so that this is near the total and not equal to it.
fn expected_total(order: &Order) -> Option<Decimal> {
    let tax = |taxes: &[Tax]| -> Decimal {
        if order.taxes_included {
            return Decimal::ZERO;
        }
        taxes.iter().map(|t| t.amount.decimal()).sum()
    };
    let mut total = order.tip.decimal().checked_add(order.rounding.decimal())?;
    for line in &order.lines {
        let share = line
            .current_quantity
            .decimal()
            .checked_div(line.quantity.decimal())
            .unwrap_or_default();
        let gross = line
            .unit_price
            .decimal()
            .checked_mul(line.quantity.decimal())?;
        let whole = gross.checked_sub(line.discount.decimal())? + tax(&line.taxes);
        total = total.checked_add(whole.checked_mul(share)?)?;
    }
    for line in &order.shipping_lines {
        let price = line.price.decimal() - line.discount.decimal();
        total = total.checked_add(price + tax(&line.taxes))?;
    }
    Some(total)
}

/// Rounding can be off by one minor unit for the price and one for the taxes of each line.
fn is_near(order: &Order, expected: Decimal, found: Decimal) -> bool {
    let lines = order.lines.len() + order.shipping_lines.len() + 1;
    let most = Decimal::new(2, order.currency.minor_digits()) * Decimal::from(lines);
    (expected - found).abs() <= most
}

/// Lets a quotation follow the route. Deliveries of a confirmed order stay where they are planned,
/// so that another warehouse is a person's work.
///
/// # Errors
/// A rejection that names the warehouse.
pub(super) async fn follow_route(
    api: &Api<'_>,
    task: Task<'_>,
    row: &Found,
    transfers: &[Picking],
    what: &str,
) -> Result<(), Failure> {
    let Some(name) = task.warehouse else {
        return Ok(());
    };
    let id = warehouse_id(api, name, what).await?;
    if row.warehouse_id.0 == Some(id) {
        return Ok(());
    }
    if let Some(planned) = transfers
        .iter()
        .find(|p| (p.is_open() || p.is_done()) && p.is_outgoing())
    {
        return Err(rejected(
            "warehouse_changed",
            format!(
                "{what} is to leave from `{name}` now, and its delivery `{}` is planned from another warehouse",
                planned.name.as_str()
            ),
            format!(
                "in Odoo cancel the delivery, set the order's warehouse to `{name}` and plan the delivery from there, then retry; or change the route in the connections file"
            ),
        ));
    }
    let record = vec![vec![cell(row.id.to_string()), cell(id.to_string())]];
    load_all(api, "sale.order", &[".id", "warehouse_id/.id"], &[record]).await
}

async fn warehouse_id(api: &Api<'_>, name: &str, what: &str) -> Result<i64, Failure> {
    let unknown = || {
        rejected(
            "unknown_warehouse",
            format!("{what} needs `{name}`, and Odoo has no warehouse with that external id"),
            format!(
                "correct `erp.warehouse` or `warehouse.odoo_warehouse` in the connections file, or give the warehouse the external id `{name}` in Odoo (Settings, Technical, External Identifiers), then retry"
            ),
        )
    };
    match look_up(api, name).await {
        Ok(entry) => entry.id().ok_or_else(unknown),
        Err(OdooError::Fault(fault)) if fault.raw().contains(name) => Err(unknown()),
        Err(error) => Err(error.failure(api.erp)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn order(included: bool, current: &str) -> Order {
        serde_json::from_value(json!({
            "channel": "shop", "id": "1", "number": "#1", "version": 1,
            "placed_at": "2026-01-31T10:00:00Z", "test": false, "currency": "USD",
            "taxes_included": included, "payment": "paid", "cancelled": null, "customer": null,
            "billing": null, "shipping": null,
            "lines": [{"id": "1", "sku": "A", "title": "A", "quantity": "3",
                "current_quantity": current, "unit_price": "9.99", "discount": "1.00",
                "taxes": [{"title": "T", "rate": "0.1", "amount": "2.90"}],
                "requires_shipping": true, "gift_card": false}],
            "shipping_lines": [{"method": "m", "title": "m", "price": "7.50", "discount": "2.50",
                "taxes": [{"title": "T", "rate": "0.1", "amount": "0.50"}]}],
            "gift_card_paid": "0", "tip": "1", "rounding": "-0.02",
            "totals": {"subtotal": "0", "shipping": "0", "tax": "0", "total": "0"}, "note": null
        }))
        .unwrap()
    }

    #[test]
    fn what_is_left_of_a_line_keeps_its_share_of_discount_and_tax() {
        let total = |included, current| expected_total(&order(included, current)).unwrap();
        assert_eq!(total(false, "3").to_string(), "38.35");
        assert_eq!(total(true, "3").to_string(), "34.95");
        assert_eq!(total(false, "0").round_dp(2).to_string(), "6.48");
        let order = order(false, "2");
        let two: Decimal = "27.7267".parse().unwrap();
        assert!(is_near(&order, expected_total(&order).unwrap(), two));
        assert!(!is_near(
            &order,
            expected_total(&order).unwrap(),
            two + Decimal::ONE
        ));
    }
}
