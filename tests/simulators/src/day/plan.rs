//! Which orders a day has: every kind of trouble in fixed proportions, shuffled by the seed.

use crate::env::rng;
use crate::shopify::generate::{OrderSpec, SpecLine};
use crate::sim::Sim;
use rand::RngExt;
use serde::Serialize;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $text:literal, $of_200:literal;)*) => {
        /// What happens to an order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// In words.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $text,)* }
            }

            /// How many of 200 orders; the plain ones fill up.
            fn of_200(self) -> u32 {
                match self { $(Self::$kind => $of_200,)* }
            }
        }
    };
}

kinds! {
    /// Ships whole and arrives.
    Plain => "plain", 0;
    /// Leaves in two parcels at once.
    TwoParcels => "two parcels", 8;
    /// A part leaves now, the rest later.
    Partial => "partial shipment, the rest later", 8;
    /// Sold by the marketplace; ships whole and arrives.
    Market => "marketplace order", 6;
    /// Goes to Canada: the second warehouse ships it.
    Abroad => "to Canada, by the second warehouse", 6;
    /// Leaves before its tracking number is known.
    LateTracking => "tracking comes later", 6;
    /// Sold by the marketplace and shipped by the second warehouse.
    MarketAbroad => "marketplace order to Canada", 4;
    /// Stops at the warehouse for lack of stock, then ships.
    StockException => "stopped for stock, then shipped", 4;
    /// The carrier loses and finds it.
    CarrierDelay => "carrier trouble, then delivered", 5;
    /// The carrier fails and it stays so.
    CarrierFailure => "carrier trouble that stays", 2;
    /// Goods come back, the money goes back.
    Return => "return with refund", 8;
    /// Some money goes back, the goods stay.
    Goodwill => "refund without return", 3;
    /// Money goes back and the refund fails later.
    RefundFails => "refund that fails later", 2;
    /// The marketplace pays a part back, the goods stay.
    MarketRefund => "marketplace order, part paid back", 3;
    /// Paid seconds after it was placed.
    PaidLater => "unpaid, paid later", 6;
    /// Never paid.
    NeverPaid => "never paid", 2;
    /// Names a product that Odoo does not know.
    UnknownSku => "unknown SKU", 3;
    /// Its parts do not add up.
    WrongTotal => "wrong total", 3;
    /// A test order.
    Test => "test order", 2;
    /// Cancelled before anything was paid.
    CancelUnpaid => "cancelled unpaid", 2;
    /// Cancelled right after it was placed.
    CancelAtOnce => "cancelled at once", 3;
    /// Cancelled while the warehouse has not begun.
    CancelInTime => "cancelled before picking", 4;
    /// Cancelled at the marketplace before picking.
    MarketCancel => "marketplace order cancelled before picking", 3;
    /// Goes to Canada, cancelled before the second warehouse has begun.
    AbroadCancel => "to Canada, cancelled before picking", 2;
    /// Cancelled after the warehouse picked it.
    CancelTooLate => "cancelled too late", 3;
    /// Cancelled while the warehouse picks it.
    CancelRace => "cancel races with picking", 3;
    /// None of its first webhooks arrives: the poll finds it.
    Silent => "webhooks lost, found by the poll", 6;
}

impl Kind {
    /// Who sells it.
    #[must_use]
    pub fn channel(self) -> Sim {
        match self {
            Self::Market | Self::MarketAbroad | Self::MarketRefund | Self::MarketCancel => {
                Sim::Marketplace
            }
            _ => Sim::Shopify,
        }
    }

    /// Whether it goes to Canada.
    fn is_abroad(self) -> bool {
        matches!(self, Self::Abroad | Self::MarketAbroad | Self::AbroadCancel)
    }
}

/// One order of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedOrder {
    /// What happens to it.
    pub kind: Kind,
    /// What is placed.
    pub spec: OrderSpec,
    /// When, in milliseconds from the beginning, before scaling.
    pub at_ms: u64,
}

/// A day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayPlan {
    /// The seed that drew it.
    pub seed: u64,
    /// In the sequence in which they are placed.
    pub orders: Vec<PlannedOrder>,
}

/// Draws a day.
#[must_use]
pub fn draw(seed: u64, orders: u32, pace_ms: u64, skus: u32) -> DayPlan {
    let mut kinds = kinds(orders);
    let mut draw = rng(seed, "day/kinds", "");
    // Fisher-Yates; the first order stays a plain one, to look at.
    for i in (2..kinds.len()).rev() {
        kinds.swap(i, draw.random_range(1..=i));
    }
    let orders = kinds
        .into_iter()
        .zip(0_u64..)
        .map(|(kind, i)| {
            let mut draw = rng(seed, "day/order", &i.to_string());
            PlannedOrder {
                kind,
                spec: spec(kind, skus, &mut draw),
                at_ms: i * pace_ms + draw.random_range(0..=pace_ms / 2),
            }
        })
        .collect();
    DayPlan { seed, orders }
}

/// Every kind once before any kind twice; at least a third of the orders are plain.
fn kinds(orders: u32) -> Vec<Kind> {
    let wanted = |kind: &Kind| (kind.of_200() * orders).div_ceil(200);
    let special = orders - orders.div_ceil(3);
    let mut list: Vec<Kind> = Vec::new();
    let mut round = 0;
    loop {
        let fits = |k: &&Kind| **k != Kind::Plain && wanted(k) > round;
        let of_round: Vec<Kind> = Kind::ALL.iter().filter(fits).copied().collect();
        if of_round.is_empty() {
            break;
        }
        list.extend(of_round);
        round += 1;
    }
    list.truncate(usize::try_from(special).unwrap_or(usize::MAX));
    let plain = usize::try_from(orders).unwrap_or(usize::MAX) - list.len();
    let mut kinds = vec![Kind::Plain; plain];
    kinds.append(&mut list);
    kinds
}

fn spec(kind: Kind, skus: u32, draw: &mut impl RngExt) -> OrderSpec {
    let mut spec = OrderSpec {
        abroad: kind.is_abroad(),
        ..OrderSpec::default()
    };
    let mut line = |quantity: i64| SpecLine {
        sku: crate::catalogue::sku(draw.random_range(1..=skus.max(1))),
        quantity,
    };
    match kind {
        // Enough units to split, refund and send back.
        Kind::TwoParcels
        | Kind::Partial
        | Kind::Return
        | Kind::Goodwill
        | Kind::RefundFails
        | Kind::MarketRefund => {
            let (first, second) = (line(3), line(2));
            spec.lines.push(first.clone());
            if second.sku != first.sku {
                spec.lines.push(second);
            }
        }
        Kind::UnknownSku => {
            spec.lines = vec![
                line(1),
                SpecLine {
                    sku: "NOT-IN-ODOO".to_owned(),
                    quantity: 1,
                },
            ];
        }
        Kind::WrongTotal => spec.total_error_minor = 100,
        Kind::Test => spec.test = true,
        Kind::PaidLater | Kind::NeverPaid | Kind::CancelUnpaid => spec.unpaid = true,
        Kind::Plain
        | Kind::LateTracking
        | Kind::StockException
        | Kind::CarrierDelay
        | Kind::CarrierFailure
        | Kind::CancelAtOnce
        | Kind::CancelInTime
        | Kind::CancelTooLate
        | Kind::CancelRace
        | Kind::Market
        | Kind::MarketAbroad
        | Kind::MarketCancel
        | Kind::Abroad
        | Kind::AbroadCancel
        | Kind::Silent => {}
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_draws_the_same_day_and_another_seed_another() {
        assert_eq!(draw(1, 200, 100, 200), draw(1, 200, 100, 200));
        assert_ne!(draw(1, 200, 100, 200), draw(2, 200, 100, 200));
    }

    #[test]
    fn two_hundred_and_forty_orders_have_every_kind_and_a_third_is_plain() {
        for orders in [40, 200] {
            let day = draw(3, orders, 100, 200);
            assert_eq!(day.orders.len(), usize::try_from(orders).unwrap());
            let kinds: BTreeSet<Kind> = day.orders.iter().map(|o| o.kind).collect();
            assert_eq!(kinds.len(), Kind::ALL.len(), "{orders}");
            let plain = day.orders.iter().filter(|o| o.kind == Kind::Plain).count();
            assert!(plain * 3 >= day.orders.len());
        }
    }

    #[test]
    fn small_days_are_possible() {
        for orders in 0..20 {
            assert_eq!(
                draw(1, orders, 100, 200).orders.len(),
                usize::try_from(orders).unwrap()
            );
        }
        assert_eq!(draw(1, 1, 100, 200).orders[0].kind, Kind::Plain);
    }
}
