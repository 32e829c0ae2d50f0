//! Which lines of a reversed invoice stay for a refund, and with what price. Pure.

use crate::map::price::round;
use crate::wire::{Number, ToOne};
use rust_decimal::Decimal;
use serde::Deserialize;

/// A line of the draft credit note.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CreditLine {
    pub(crate) id: i64,
    pub(crate) product_id: ToOne,
    pub(crate) quantity: Number,
    pub(crate) price_unit: Number,
    pub(crate) discount: Number,
    /// With tax.
    pub(crate) price_total: Number,
    pub(crate) account_id: ToOne,
    #[serde(default)]
    pub(crate) tax_ids: Vec<i64>,
}

/// Goods or shipping of the refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) product: i64,
    pub(crate) quantity: Decimal,
    /// With tax.
    pub(crate) amount: Decimal,
}

/// One change of the draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Set {
        id: i64,
        quantity: Decimal,
        unit: Decimal,
    },
    Remove {
        id: i64,
    },
    Add {
        name: String,
        unit: Decimal,
        account: Option<i64>,
        taxes: Vec<i64>,
    },
}

/// Changes that bring the draft to `wanted`, but for roundings of taxes. Lines of the refund keep
/// their product and quantity, so that Odoo knows what was credited; money without goods becomes a
/// line with the taxes of the largest one. None where there is no line to take taxes from.
pub(crate) fn trim(
    lines: &[CreditLine],
    targets: &[Target],
    wanted: Decimal,
    digits: u32,
) -> Option<Vec<Change>> {
    let mut kept: Vec<(usize, Decimal, Decimal)> = Vec::new();
    let mut left = wanted;
    for target in targets {
        let mut open = target.quantity;
        let mut amount = target.amount;
        for (index, line) in lines.iter().enumerate() {
            let fits = line.product_id.0 == Some(target.product)
                && !line.gross_each().is_some_and(|g| g.is_zero())
                && kept.iter().all(|(used, _, _)| *used != index);
            if !fits || open.is_zero() {
                continue;
            }
            let taken = open.min(line.quantity.0);
            // The last line of the target takes what is left of its amount.
            let share = if taken == open {
                amount
            } else {
                round(line.gross_each()? * taken, digits).min(amount)
            };
            kept.push((index, taken, share));
            open -= taken;
            amount -= share;
            left -= share;
        }
    }
    let mut changes = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        match kept.iter().find(|(used, _, _)| *used == index) {
            None => changes.push(Change::Remove { id: line.id }),
            Some((_, quantity, amount)) => changes.push(Change::Set {
                id: line.id,
                quantity: *quantity,
                unit: line.unit_for(*quantity, *amount, digits)?,
            }),
        }
    }
    if !left.is_zero() {
        let base = lines
            .iter()
            .filter(|l| l.gross_each().is_some_and(|g| !g.is_zero()))
            .max_by_key(|l| l.price_total.0)?;
        let net_of = base.net_each()?.checked_div(base.gross_each()?)?;
        changes.push(Change::Add {
            name: "Refund".to_owned(),
            unit: round(left.checked_mul(net_of)?, digits),
            account: base.account_id.0,
            taxes: base.tax_ids.clone(),
        });
    }
    Some(changes)
}

impl CreditLine {
    fn gross_each(&self) -> Option<Decimal> {
        self.price_total.0.checked_div(self.quantity.0)
    }

    /// Price of one after discount, as the line states prices: with or without tax.
    fn net_each(&self) -> Option<Decimal> {
        let kept = (Decimal::ONE_HUNDRED - self.discount.0) / Decimal::ONE_HUNDRED;
        self.price_unit.0.checked_mul(kept)
    }

    /// The unit price that makes so many cost so much, tax contained. The line's own where that
    /// is right already.
    fn unit_for(&self, quantity: Decimal, amount: Decimal, digits: u32) -> Option<Decimal> {
        let gross = self.gross_each()?.checked_mul(quantity)?;
        if round(gross, digits) == amount {
            return Some(self.price_unit.0);
        }
        let scaled = self.price_unit.0.checked_mul(amount)?.checked_div(gross)?;
        Some(round(scaled, digits.max(2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn line(id: i64, product: i64, quantity: f64, unit: f64, total: f64) -> CreditLine {
        serde_json::from_value(json!({
            "id": id, "product_id": [product, "P"], "quantity": quantity, "price_unit": unit,
            "discount": 0.0, "price_total": total, "account_id": [40, "Sales"], "tax_ids": [3]
        }))
        .unwrap()
    }

    fn target(product: i64, quantity: &str, amount: &str) -> Target {
        Target {
            product,
            quantity: d(quantity),
            amount: d(amount),
        }
    }

    #[test]
    fn a_line_that_is_refunded_whole_keeps_its_price_and_others_go() {
        let lines = [line(1, 7, 2.0, 10.0, 22.0), line(2, 8, 1.0, 5.0, 5.5)];
        let changes = trim(&lines, &[target(7, "1", "11.00")], d("11.00"), 2).unwrap();
        assert_eq!(
            changes,
            [
                Change::Set {
                    id: 1,
                    quantity: d("1"),
                    unit: d("10")
                },
                Change::Remove { id: 2 }
            ]
        );
    }

    #[test]
    fn a_part_of_the_price_is_scaled() {
        let lines = [line(1, 7, 2.0, 10.0, 22.0)];
        let changes = trim(&lines, &[target(7, "1", "5.50")], d("5.50"), 2).unwrap();
        assert_eq!(
            changes,
            [Change::Set {
                id: 1,
                quantity: d("1"),
                unit: d("5")
            }]
        );
    }

    #[test]
    fn money_without_goods_keeps_the_taxes_of_the_largest_line() {
        let lines = [line(1, 7, 2.0, 10.0, 22.0), line(2, 8, 1.0, 5.0, 5.5)];
        let changes = trim(&lines, &[], d("3.30"), 2).unwrap();
        assert_eq!(
            changes[2],
            Change::Add {
                name: "Refund".to_owned(),
                unit: d("3"),
                account: Some(40),
                taxes: vec![3]
            }
        );
    }

    #[test]
    fn a_product_on_two_lines_is_taken_from_both() {
        let lines = [line(1, 7, 2.0, 3.33, 6.66), line(2, 7, 1.0, 3.34, 3.34)];
        let changes = trim(&lines, &[target(7, "3", "10.00")], d("10.00"), 2).unwrap();
        assert_eq!(
            changes,
            [
                Change::Set {
                    id: 1,
                    quantity: d("2"),
                    unit: d("3.33")
                },
                Change::Set {
                    id: 2,
                    quantity: d("1"),
                    unit: d("3.34")
                }
            ]
        );
    }

    #[test]
    fn a_fee_that_was_kept_is_a_negative_line() {
        let lines = [line(1, 7, 1.0, 10.0, 11.0)];
        let changes = trim(&lines, &[target(7, "1", "11.00")], d("8.80"), 2).unwrap();
        assert!(matches!(&changes[1], Change::Add { unit, .. } if *unit == d("-2")));
    }
}
