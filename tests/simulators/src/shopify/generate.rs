//! Draws orders: exact money, every variant of tax and discount.

use super::order::{Buyer, Discount, ShopLine, ShopOrder, ShopShipping, tax_of};
use crate::catalogue;
use crate::env::Env;
use crate::money::{allocate, ratio};
use crate::world::Options;
use jiff::Timestamp;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What is to be placed. Everything is optional: the rest is drawn from the seed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrderSpec {
    /// What and how many; drawn if empty.
    pub lines: Vec<SpecLine>,
    /// Whether it is paid when it is placed; paid if absent.
    pub unpaid: bool,
    /// A test order.
    pub test: bool,
    /// Whether prices contain tax; drawn if absent.
    pub taxes_included: Option<bool>,
    /// Discount; drawn if absent.
    pub discount: Option<DiscountKind>,
    /// Added to the stated total: its parts do not add up to it.
    pub total_error_minor: i64,
    /// Goes to Canada; else somewhere in Europe.
    pub abroad: bool,
}

/// One line of a specification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecLine {
    /// What; any text.
    pub sku: String,
    /// How many.
    pub quantity: i64,
}

/// How an order is discounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscountKind {
    /// Not at all.
    None,
    /// Percent on every line.
    OrderPercent,
    /// An amount, spread over the lines.
    OrderAmount,
    /// Percent on the first line.
    LinePercent,
    /// Both: percent on the first line, an amount over all.
    Both,
    /// Shipping is free.
    FreeShipping,
}

const FIRST: [&str; 10] = [
    "Ana", "Bram", "Chloé", "Dženan", "Erik", "Fatima", "Giulia", "Håkon", "Inès", "Jürgen",
];
const LAST: [&str; 10] = [
    "Ahmed", "Bakker", "Côté", "Dvořák", "Eriksen", "Fischer", "García", "Høeg", "Ionescu",
    "Jansen",
];
const CITIES: [(&str, &str, &str, &str); 4] = [
    ("Utrecht", "3511 AA", "Netherlands", "NL"),
    ("Köln", "50667", "Germany", "DE"),
    ("Liège", "4000", "Belgium", "BE"),
    ("Lyon", "69002", "France", "FR"),
];

const ABROAD: (&str, &str, &str, &str) = ("Toronto", "M5V 2T6", "Canada", "CA");

/// Gives out ids.
pub trait Ids {
    /// The next one.
    fn next(&mut self) -> i64;
}

/// Draws the order with this number.
pub fn draw(
    env: &Env,
    options: &Options,
    spec: &OrderSpec,
    number: i64,
    ids: &mut dyn Ids,
    now: Timestamp,
) -> ShopOrder {
    let mut rng = env.rng("order", &number.to_string());
    let taxes_included = spec.taxes_included.unwrap_or(rng.random_bool(0.5));
    let tax_bp = if taxes_included {
        options.tax_bp
    } else {
        options.tax_on_top_bp
    };
    let mut lines = draw_lines(spec, options, ids, &mut rng);
    let (shipping_price, code, title) = if rng.random_bool(0.25) {
        (1_295, "express", "Express")
    } else {
        (495, "standard", "Standard")
    };
    let kind = spec.discount.unwrap_or_else(|| draw_discount(&mut rng));
    let discounts = discount(kind, &mut lines, &mut rng);
    for line in &mut lines {
        line.tax_minor = tax_of(line.net_minor(), tax_bp, taxes_included);
    }
    let free = if kind == DiscountKind::FreeShipping {
        shipping_price
    } else {
        0
    };
    let mut order = ShopOrder {
        id: ids.next(),
        number,
        created_at: now,
        updated_at: now,
        cancelled: None,
        test: spec.test,
        taxes_included,
        currency: options.currency.clone(),
        tax_bp,
        paid_minor: 0,
        buyer: draw_buyer(number, spec.abroad, ids, &mut rng),
        lines,
        shipping: ShopShipping {
            id: ids.next(),
            code: code.to_owned(),
            title: title.to_owned(),
            price_minor: shipping_price,
            discount_minor: free,
            tax_minor: tax_of(shipping_price - free, tax_bp, taxes_included),
        },
        discounts,
        total_error_minor: spec.total_error_minor,
        fulfillments: Vec::new(),
        refunds: Vec::new(),
        returns: Vec::new(),
        fulfillment_order_id: ids.next(),
    };
    if !spec.unpaid {
        order.paid_minor = order.stated_total_minor();
    }
    order
}

fn draw_lines(
    spec: &OrderSpec,
    options: &Options,
    ids: &mut dyn Ids,
    rng: &mut ChaCha8Rng,
) -> Vec<ShopLine> {
    let mut wanted: Vec<(String, i64)> = spec
        .lines
        .iter()
        .map(|l| (l.sku.clone(), l.quantity))
        .collect();
    if wanted.is_empty() {
        let count = rng.random_range(1..=4);
        while wanted.len() < count {
            let sku = catalogue::sku(rng.random_range(1..=options.skus.max(4)));
            if wanted.iter().all(|(s, _)| *s != sku) {
                wanted.push((sku, rng.random_range(1..=3)));
            }
        }
    }
    wanted
        .into_iter()
        .map(|(sku, quantity)| {
            let known = catalogue::number(&sku).filter(|n| *n <= options.skus);
            ShopLine {
                id: ids.next(),
                fulfillment_order_line_id: ids.next(),
                title: known.map_or_else(|| format!("Item {sku}"), catalogue::title),
                unit_minor: known.map_or(1_999, catalogue::price_minor),
                catalogue: known,
                sku,
                quantity,
                fulfilled: 0,
                refunded: 0,
                removed: 0,
                allocations: Vec::new(),
                tax_minor: 0,
            }
        })
        .collect()
}

fn draw_discount(rng: &mut ChaCha8Rng) -> DiscountKind {
    match rng.random_range(0..10_u32) {
        0 | 1 => DiscountKind::OrderPercent,
        2 => DiscountKind::OrderAmount,
        3 => DiscountKind::LinePercent,
        4 => DiscountKind::Both,
        5 => DiscountKind::FreeShipping,
        _ => DiscountKind::None,
    }
}

fn discount(kind: DiscountKind, lines: &mut [ShopLine], rng: &mut ChaCha8Rng) -> Vec<Discount> {
    let mut discounts = Vec::new();
    if matches!(kind, DiscountKind::LinePercent | DiscountKind::Both)
        && let Some(first) = lines.first_mut()
    {
        let amount = ratio(first.net_minor(), 15, 100);
        first.allocations.push((0, amount));
        discounts.push(Discount {
            title: "Line offer".to_owned(),
            whole_order: false,
            percent: Some(15),
            amount_minor: amount,
        });
    }
    let (percent, amount) = match kind {
        DiscountKind::OrderPercent => {
            let percent = [5, 10, 20]
                .get(rng.random_range(0..3_usize))
                .copied()
                .unwrap_or(10);
            let subtotal: i64 = lines.iter().map(ShopLine::net_minor).sum();
            (Some(percent), ratio(subtotal, percent, 100))
        }
        DiscountKind::OrderAmount | DiscountKind::Both => (None, 300),
        DiscountKind::None | DiscountKind::LinePercent | DiscountKind::FreeShipping => (None, 0),
    };
    if amount > 0 {
        let index = discounts.len();
        let weights: Vec<i64> = lines.iter().map(ShopLine::net_minor).collect();
        for (line, part) in lines.iter_mut().zip(allocate(amount, &weights)) {
            line.allocations.push((index, part));
        }
        discounts.push(Discount {
            title: "WELCOME".to_owned(),
            whole_order: true,
            percent,
            amount_minor: amount,
        });
    }
    discounts
}

fn draw_buyer(number: i64, abroad: bool, ids: &mut dyn Ids, rng: &mut ChaCha8Rng) -> Buyer {
    let mut pick = |names: &[&'static str]| {
        let at = rng.random_range(0..names.len().max(1));
        names.get(at).copied().unwrap_or("X").to_owned()
    };
    let (first, last) = (pick(&FIRST), pick(&LAST));
    let at = rng.random_range(0..CITIES.len());
    let drawn = CITIES.get(at).filter(|_| !abroad);
    let (city, zip, country, code) = drawn.copied().unwrap_or(ABROAD);
    Buyer {
        id: ids.next(),
        first,
        last,
        email: format!("buyer{number}@example.com"),
        phone: format!("+3161{:07}", number % 10_000_000),
        street: format!("Kade {}", rng.random_range(1..200_u32)),
        city: city.to_owned(),
        zip: zip.to_owned(),
        country: country.to_owned(),
        country_code: code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(i64);
    impl Ids for Counter {
        fn next(&mut self) -> i64 {
            self.0 += 1;
            self.0
        }
    }

    fn order(seed: u64, spec: &OrderSpec, number: i64) -> ShopOrder {
        let (env, options) = (Env::new(seed, 1.0), Options::default());
        let now = "2026-01-31T09:00:00Z".parse().unwrap();
        draw(&env, &options, spec, number, &mut Counter(0), now)
    }

    #[test]
    fn the_same_seed_draws_the_same_order_and_another_seed_another() {
        let spec = OrderSpec::default();
        let text = |seed| {
            format!(
                "{:?}",
                (1..30)
                    .map(|n| order(seed, &spec, n).lines)
                    .collect::<Vec<_>>()
            )
        };
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }

    #[test]
    fn parts_add_up_to_the_cent_with_every_kind_of_tax_and_discount() {
        let mut kinds = std::collections::BTreeSet::new();
        for number in 1..400 {
            let order = order(3, &OrderSpec::default(), number);
            let allocated: i64 = order.lines.iter().map(ShopLine::discount_minor).sum();
            let discounts: i64 = order.discounts.iter().map(|d| d.amount_minor).sum();
            assert_eq!(allocated, discounts);
            assert!((1..=4).contains(&order.lines.len()));
            assert!(
                order
                    .lines
                    .iter()
                    .all(|l| l.net_minor() > 0 && l.tax_minor > 0)
            );
            assert_eq!(order.stated_total_minor(), order.total_minor());
            assert_eq!(order.paid_minor, order.total_minor());
            kinds.insert((
                order.taxes_included,
                order.discounts.len(),
                order.shipping.discount_minor > 0,
            ));
        }
        assert_eq!(kinds.len(), 8, "{kinds:?}");
    }

    #[test]
    fn a_wrong_total_is_wrong_only_in_what_is_stated() {
        let spec = OrderSpec {
            total_error_minor: 100,
            ..OrderSpec::default()
        };
        let order = order(1, &spec, 5);
        assert_eq!(order.stated_total_minor() - order.total_minor(), 100);
    }
}
