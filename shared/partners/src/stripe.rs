//! Stripe: payment gateway.
//!
//! # Webhooks
//! `payment_intent.*`, `charge.*` and `charge.dispute.*` tell payments; `refund.*` and
//! `charge.refund.updated` tell refunds. `charge.refunded` is ignored: it comes when a refund is
//! made, not when money has moved, and newer API versions leave the refunds out of it.
//!
//! # Which order it is
//! 1. `metadata.waybill_correlation`, which Waybill writes on the refunds that it makes;
//! 2. the channel's order id in the metadata (setting `order_metadata_key`, `order_id` if absent)
//!    together with the setting `channel`, which names the channel's connection;
//! 3. whoever knows the payment intent, charge or refund.
//!
//! # Settings
//! `livemode`: `"true"` or `"false"`; `"true"` if absent. Events of the other mode are ignored: a
//! payment with a test card must never release goods.
//!
//! # Secrets
//! `api["secret_key"]`: a restricted key that may write refunds. `webhook_secrets`: `whsec_…`.

mod client;
mod error;
mod map;
mod verify;
mod wire;

pub use client::execute;
pub use error::StripeError;
pub use map::parse;
pub use verify::{MAX_AGE_S, MAX_AHEAD_S, verify};

use rust_decimal::Decimal;
use waybill_model::money::{Amount, Currency, Money};

/// Digits that Stripe's integers hold. It differs from ISO 4217 for two currencies that lost their
/// minor unit (Stripe kept two digits, always `00`) and for two that Stripe never gave one.
///
/// Source: docs.stripe.com/currencies, "Zero-decimal currencies" and "Special cases".
fn minor_digits(currency: Currency) -> u32 {
    match currency.as_str() {
        "ISK" | "UGX" => 2,
        "MGA" | "XPF" => 0,
        _ => currency.minor_digits(),
    }
}

/// Stripe's integer as an amount; none below zero or beyond what the model holds.
fn from_minor(minor: i64, currency: Currency) -> Option<Amount> {
    if minor < 0 {
        return None;
    }
    Amount::from_decimal(Decimal::try_new(minor, minor_digits(currency)).ok()?)
}

/// An amount as Stripe's integer; none if it has a part that Stripe cannot move. Of three digits
/// the last must be 0.
fn to_minor(money: Money) -> Option<i64> {
    let digits = minor_digits(money.currency);
    let factor = Decimal::from(10_i64.checked_pow(digits)?);
    let scaled = money.amount.decimal().checked_mul(factor)?;
    if !scaled.fract().is_zero() || scaled <= Decimal::ZERO {
        return None;
    }
    let minor: i64 = scaled.trunc().try_into().ok()?;
    let movable = digits < 3 || minor % 10 == 0;
    let whole = !matches!(money.currency.as_str(), "ISK" | "UGX") || minor % 100 == 0;
    (movable && whole).then_some(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: &str, currency: &str) -> Money {
        Money::new(
            Amount::parse(amount).unwrap(),
            Currency::new(currency).unwrap(),
        )
    }

    #[test]
    fn integers_become_amounts_by_stripes_own_digits() {
        for (minor, currency, amount) in [
            (1099, "usd", "10.99"),
            (1099, "jpy", "1099"),
            (10_990, "kwd", "10.990"),
            (50_000, "isk", "500.00"),
            (50_000, "ugx", "500.00"),
            (500, "mga", "500"),
        ] {
            let currency = Currency::new(currency).unwrap();
            let found = from_minor(minor, currency).unwrap();
            assert_eq!(found.to_string(), amount, "{currency}");
            assert_eq!(to_minor(Money::new(found, currency)), Some(minor));
        }
        assert_eq!(from_minor(-1, Currency::new("usd").unwrap()), None);
        assert_eq!(from_minor(i64::MAX, Currency::new("usd").unwrap()), None);
    }

    #[test]
    fn amounts_that_stripe_cannot_move_are_refused() {
        assert_eq!(to_minor(money("10.999", "USD")), None);
        assert_eq!(to_minor(money("1.001", "KWD")), None);
        assert_eq!(to_minor(money("1.5", "ISK")), None);
        assert_eq!(to_minor(money("0", "USD")), None);
        assert_eq!(to_minor(money("-1", "USD")), None);
    }
}
