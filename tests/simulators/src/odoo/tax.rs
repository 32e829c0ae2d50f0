//! Taxes and totals, rounded per line (17's default) or per tax over the document (19's default).
use std::collections::BTreeMap;

use super::db::Db;
use super::env::round_to;
use super::{Rounding, Version};

#[derive(Debug, Clone)]
pub(super) struct Tax {
    id: i64,
    rate: f64,
    fixed: bool,
    included: bool,
}

/// What a line contributes.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) price: f64,
    pub(super) quantity: f64,
    pub(super) discount: f64,
    pub(super) taxes: Vec<Tax>,
    /// Places of the currency.
    pub(super) places: i32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Totals {
    pub(super) untaxed: f64,
    pub(super) tax: f64,
    pub(super) total: f64,
}

struct Raw {
    untaxed: f64,
    taxes: Vec<(i64, f64)>,
    has_excluded: bool,
}

pub(super) fn tax(db: &Db, id: i64) -> Tax {
    Tax {
        id,
        rate: db.num("account.tax", id, "amount"),
        fixed: db.text("account.tax", id, "amount_type") == "fixed",
        included: db.flag("account.tax", id, "price_include"),
    }
}

/// The totals of one document.
pub(super) fn totals(lines: &[Line], rounding: Rounding, version: Version) -> Totals {
    let places = lines.first().map_or(2, |line| line.places);
    let cents = |value: f64| round_to(value, places);
    let raws: Vec<Raw> = lines
        .iter()
        .map(|line| raw(line, rounding, version))
        .collect();
    if version == Version::V17 && rounding == Rounding::PerLine {
        let untaxed = cents(raws.iter().map(|raw| cents(raw.untaxed)).sum());
        let tax = cents(
            raws.iter()
                .flat_map(|raw| raw.taxes.iter())
                .map(|(_, amount)| cents(*amount))
                .sum(),
        );
        return Totals {
            untaxed,
            tax,
            total: cents(untaxed + tax),
        };
    }
    let mut per_tax: BTreeMap<i64, f64> = BTreeMap::new();
    for (id, amount) in raws.iter().flat_map(|raw| raw.taxes.iter()) {
        *per_tax.entry(*id).or_default() += amount;
    }
    let tax: f64 = cents(per_tax.values().map(|amount| cents(*amount)).sum());
    let raw_untaxed: f64 = raws.iter().map(|raw| raw.untaxed).sum();
    let raw_tax: f64 = per_tax.values().sum();
    // Only where every tax is in the price must the gross total stand; else net and tax are rounded by themselves.
    let untaxed = if raws.iter().any(|raw| raw.has_excluded) {
        cents(raw_untaxed)
    } else {
        cents(cents(raw_untaxed + raw_tax) - tax)
    };
    Totals {
        untaxed,
        tax,
        total: cents(untaxed + tax),
    }
}

/// What one line shows. Where the document is rounded globally a line rounds net and tax each by itself, so that its total
/// may be a cent off its price: 4.95 with 20 % inside shows 4.13 and 4.96.
pub(super) fn line_totals(line: &Line, rounding: Rounding, version: Version) -> Totals {
    if (rounding, version) != (Rounding::Globally, Version::V19) {
        return totals(std::slice::from_ref(line), rounding, version);
    }
    let cents = |value: f64| round_to(value, line.places);
    let raw = raw(line, rounding, version);
    let untaxed = cents(raw.untaxed);
    let tax = cents(raw.taxes.iter().map(|(_, amount)| cents(*amount)).sum());
    Totals {
        untaxed,
        tax,
        total: cents(untaxed + tax),
    }
}

fn raw(line: &Line, rounding: Rounding, version: Version) -> Raw {
    let cents = |value: f64| round_to(value, line.places);
    let round = |value: f64| {
        if rounding == Rounding::PerLine {
            cents(value)
        } else {
            value
        }
    };
    let gross = round(line.price * (1.0 - line.discount / 100.0) * line.quantity);
    let (included, excluded): (Vec<&Tax>, Vec<&Tax>) =
        line.taxes.iter().partition(|tax| tax.included);
    let rate: f64 = included
        .iter()
        .filter(|tax| !tax.fixed)
        .map(|tax| tax.rate)
        .sum();
    let fixed: f64 = included
        .iter()
        .filter(|tax| tax.fixed)
        .map(|tax| tax.rate * line.quantity)
        .sum();
    let base = (gross - fixed) / (1.0 + rate / 100.0);
    let amount = |tax: &Tax, base: f64| {
        round(if tax.fixed {
            tax.rate * line.quantity
        } else {
            base * tax.rate / 100.0
        })
    };
    let mut taxes: Vec<(i64, f64)> = included
        .iter()
        .map(|tax| (tax.id, amount(tax, base)))
        .collect();
    let sum = |taxes: &[(i64, f64)]| taxes.iter().map(|(_, amount)| amount).sum::<f64>();
    // 17 rounds the net price, and the last tax in the price is what remains; 19 rounds the taxes, and the net is.
    let net_first = (rounding, version) == (Rounding::PerLine, Version::V17);
    let untaxed = match taxes.split_last_mut() {
        Some(((_, last), others)) if net_first => {
            let untaxed = cents(base);
            *last = cents(gross - untaxed - sum(others));
            untaxed
        }
        _ => round(gross - sum(&taxes)),
    };
    taxes.extend(excluded.iter().map(|tax| (tax.id, amount(tax, untaxed))));
    Raw {
        untaxed,
        taxes,
        has_excluded: !excluded.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(price: f64, quantity: f64, rate: f64, included: bool) -> Line {
        Line {
            price,
            quantity,
            discount: 0.0,
            taxes: vec![Tax {
                id: 1,
                rate,
                fixed: false,
                included,
            }],
            places: 2,
        }
    }

    #[test]
    fn the_versions_round_the_same_order_differently() {
        // As recorded: 12.5, 25 and 37.5 with 15 % and others came to 88.01 on 17 and 88.00 on 19.
        let lines = [
            line(12.5, 1.0, 15.0, false),
            line(12.5, 2.0, 15.0, false),
            line(12.5, 3.0, 15.0, false),
        ];
        let v17 = totals(&lines, Rounding::PerLine, Version::V17);
        let v19 = totals(&lines, Rounding::Globally, Version::V19);
        assert_eq!((v17.untaxed, v17.tax, v17.total), (75.0, 11.26, 86.26));
        assert_eq!((v19.untaxed, v19.tax, v19.total), (75.0, 11.25, 86.25));
    }

    #[test]
    fn a_price_with_its_tax_in_it_keeps_its_gross_total() {
        // The example of Odoo's own documentation of the rounding: two lines of 21.53 with 21 % inside.
        let lines = [line(21.53, 1.0, 21.0, true), line(21.53, 1.0, 21.0, true)];
        let all = totals(&lines, Rounding::Globally, Version::V19);
        assert_eq!((all.untaxed, all.tax, all.total), (35.59, 7.47, 43.06));
    }

    #[test]
    fn the_versions_round_a_price_with_its_tax_in_it_as_measured() {
        let cases = [
            (Version::V17, Rounding::PerLine, (4.13, 0.82, 4.95)),
            (Version::V19, Rounding::PerLine, (4.12, 0.83, 4.95)),
            (Version::V19, Rounding::Globally, (4.13, 0.83, 4.96)),
        ];
        for (version, rounding, wanted) in cases {
            let shown = line_totals(&line(4.95, 1.0, 20.0, true), rounding, version);
            let shown = (shown.untaxed, shown.tax, shown.total);
            assert_eq!(shown, wanted, "{version:?} {rounding:?}");
        }
        let lines = [4.95, 4.95, 1.03].map(|price| line(price, 1.0, 20.0, true));
        let cases = [
            (Version::V17, Rounding::PerLine, (9.12, 1.81, 10.93)),
            (Version::V19, Rounding::PerLine, (9.10, 1.83, 10.93)),
            (Version::V19, Rounding::Globally, (9.11, 1.82, 10.93)),
        ];
        for (version, rounding, wanted) in cases {
            let all = totals(&lines, rounding, version);
            assert_eq!(
                (all.untaxed, all.tax, all.total),
                wanted,
                "{version:?} {rounding:?}"
            );
        }
    }

    #[test]
    fn no_tax_adds_nothing() {
        let lines = [Line {
            price: 10.0,
            quantity: 3.0,
            discount: 10.0,
            taxes: vec![],
            places: 2,
        }];
        assert_eq!(
            totals(&lines, Rounding::Globally, Version::V19),
            Totals {
                untaxed: 27.0,
                tax: 0.0,
                total: 27.0
            }
        );
    }
}
