//! How a line's price is written so that Odoo's line total is the channel's to the cent.
//!
//! Odoo rounds unit prices (up to 18) and discount percentages to two places by default, and a
//! line's total to the currency's. A discount that the channel gives as an amount over the line is therefore
//! written in the first of these ways that is exact:
//!
//! 1. a unit price net of discount,
//! 2. the price with a percentage,
//! 3. a unit price and a line with the rest (policy `adjust` with a `rounding_sku`),
//! 4. two lines whose unit prices differ by the smallest step.

use crate::session::Places;
use rust_decimal::{Decimal, RoundingStrategy};

/// One line as Odoo is told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Priced {
    pub(crate) quantity: Decimal,
    pub(crate) unit: Decimal,
    pub(crate) percent: Decimal,
}

/// A line's price, and what is left for a line of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pricing {
    pub(crate) lines: Vec<Priced>,
    pub(crate) rest: Decimal,
}

impl Pricing {
    /// What Odoo makes of it, in a currency with so many `digits`.
    pub(crate) fn total(&self, digits: u32) -> Option<Decimal> {
        let hundred = Decimal::ONE_HUNDRED;
        self.lines.iter().try_fold(self.rest, |sum, line| {
            let kept = hundred.checked_sub(line.percent)?.checked_div(hundred)?;
            let total = line.unit.checked_mul(kept)?.checked_mul(line.quantity)?;
            sum.checked_add(round(total, digits))
        })
    }
}

/// Most places of a unit price where Odoo keeps them all: more are noise of the channel's floats.
const MOST_PLACES: u32 = 6;

/// Prices `quantity` at `unit` with `discount` over the whole line, in a currency with so many
/// `digits`, where Odoo keeps so many `places`. None beyond the range of decimals or without a
/// quantity.
pub(crate) fn price(
    unit: Decimal,
    quantity: Decimal,
    discount: Decimal,
    digits: u32,
    kept: Places,
    rest_allowed: bool,
) -> Option<Pricing> {
    let own = unit.normalize().scale().min(MOST_PLACES);
    let places = kept.price.unwrap_or_else(|| own.max(digits).max(2));
    let gross = unit.checked_mul(quantity)?;
    let net = round(gross.checked_sub(discount)?, digits);
    let one = |unit, percent| Pricing {
        lines: vec![Priced {
            quantity,
            unit,
            percent,
        }],
        rest: Decimal::ZERO,
    };
    if discount.is_zero() && fits(unit, places) {
        return Some(one(unit, Decimal::ZERO));
    }
    let per_unit = net.checked_div(quantity)?;
    if fits(per_unit, places) {
        return Some(one(per_unit, Decimal::ZERO));
    }
    if let Some(percent) = percentage(unit, gross, discount, digits, places, kept.discount) {
        return Some(one(unit, percent));
    }
    let low = per_unit.round_dp_with_strategy(places, RoundingStrategy::ToNegativeInfinity);
    let left = net.checked_sub(low.checked_mul(quantity)?)?;
    if rest_allowed {
        return Some(Pricing {
            rest: left,
            ..one(low, Decimal::ZERO)
        });
    }
    let step = Decimal::new(1, places);
    let higher = left.checked_div(step)?;
    if !fits(quantity, 0) || !fits(higher, 0) {
        // A part of a unit cannot be split off: the comparison of totals decides.
        return Some(one(round(per_unit, places), Decimal::ZERO));
    }
    Some(Pricing {
        lines: vec![
            Priced {
                quantity: quantity.checked_sub(higher)?,
                unit: low,
                percent: Decimal::ZERO,
            },
            Priced {
                quantity: higher,
                unit: low.checked_add(step)?,
                percent: Decimal::ZERO,
            },
        ],
        rest: Decimal::ZERO,
    })
}

fn percentage(
    unit: Decimal,
    gross: Decimal,
    discount: Decimal,
    digits: u32,
    places: u32,
    percent_places: u32,
) -> Option<Decimal> {
    if !fits(unit, places) || gross.is_zero() || discount.is_sign_negative() {
        return None;
    }
    let hundred = Decimal::ONE_HUNDRED;
    let percent = discount.checked_mul(hundred)?.checked_div(gross)?;
    let percent = round(percent, percent_places);
    let kept = hundred.checked_sub(percent)?.checked_div(hundred)?;
    let exact = round(gross.checked_mul(kept)?, digits) == round(gross - discount, digits);
    (exact && percent <= hundred).then_some(percent)
}

/// Half away from zero, as Odoo rounds.
pub(crate) fn round(value: Decimal, places: u32) -> Decimal {
    value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
}

fn fits(value: Decimal, places: u32) -> bool {
    value.normalize().scale() <= places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn priced(unit: &str, quantity: &str, discount: &str, rest_allowed: bool) -> Pricing {
        price(
            d(unit),
            d(quantity),
            d(discount),
            2,
            Places::default(),
            rest_allowed,
        )
        .unwrap()
    }

    fn total(pricing: &Pricing) -> Decimal {
        pricing.total(2).unwrap()
    }

    #[test]
    fn a_discount_that_divides_becomes_a_unit_price() {
        let p = priced("10.00", "4", "2.00", false);
        assert_eq!(
            p.lines,
            [Priced {
                quantity: d("4"),
                unit: d("9.5"),
                percent: d("0")
            }]
        );
    }

    #[test]
    fn a_discount_that_is_an_exact_percentage_stays_one() {
        let p = priced("9.99", "3", "4.50", false);
        assert_eq!(total(&p), d("25.47"));
        let p = priced("3.35", "7", "2.35", false);
        assert_eq!(p.lines.len(), 1);
        assert_eq!(p.lines[0].percent, d("10.02"));
        assert_eq!(total(&p), d("21.10"));
    }

    #[test]
    fn what_no_percentage_hits_is_split_or_has_a_rest() {
        // 12000.07 over 7: 0.01 % is more than a cent.
        let split = priced("2000.00", "7", "1999.93", false);
        assert_eq!(total(&split), d("12000.07"));
        let rest = priced("2000.00", "7", "1999.94", true);
        assert_eq!(total(&rest), d("12000.06"));
    }

    #[test]
    fn every_discount_of_a_line_is_hit_to_the_cent() {
        for cents in 0..=1000 {
            for rest_allowed in [false, true] {
                let discount = Decimal::new(cents, 2);
                let p = price(
                    d("333.34"),
                    d("3"),
                    discount,
                    2,
                    Places::default(),
                    rest_allowed,
                )
                .unwrap();
                assert_eq!(total(&p), d("1000.02") - discount);
            }
        }
    }

    #[test]
    fn free_lines_and_currencies_without_cents_work() {
        assert_eq!(total(&priced("5.00", "2", "10.00", false)), d("0"));
        let yen = price(d("1000"), d("3"), d("100"), 0, Places::default(), false).unwrap();
        assert_eq!(
            yen.lines
                .iter()
                .map(|l| round(l.unit * l.quantity * (d("100") - l.percent) / d("100"), 0))
                .sum::<Decimal>(),
            d("2900")
        );
    }

    #[test]
    fn prices_finer_than_odoo_keeps_are_split_or_kept_whole_from_19_on() {
        let fine = |places: Option<u32>, unit: &str, digits: u32| {
            let places = Places {
                price: places,
                ..Places::default()
            };
            price(d(unit), d("3"), d("0"), digits, places, false).unwrap()
        };
        let split = fine(Some(2), "0.333", 2);
        assert_eq!((split.lines.len(), total(&split)), (2, d("1.00")));
        let whole = fine(None, "0.333", 2);
        assert_eq!((whole.lines.len(), total(&whole)), (1, d("1.00")));
        assert_eq!(fine(Some(3), "1.234", 3).total(3), Some(d("3.702")));
        assert_ne!(fine(Some(2), "1.234", 3).total(3), Some(d("3.702")));
    }
}
