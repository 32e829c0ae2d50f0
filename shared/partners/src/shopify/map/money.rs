//! Amounts, counts and instants as Shopify writes them.

use crate::shopify::wire::{MoneySet, Number};
use crate::webhook::Unreadable;
use rust_decimal::Decimal;
use waybill_model::money::{Amount, Currency};
use waybill_model::order::Version;
use waybill_model::quantity::Quantity;
use waybill_model::time::Instant;

/// Places after the point of a tax rate: `0.06625` is real, `0.06624999999999999` is a float's.
const RATE_PLACES: u32 = 9;

/// Reads amounts of one currency: the shop's.
#[derive(Clone, Copy)]
pub(super) struct Purse {
    pub(super) currency: Currency,
}

impl Purse {
    /// The amount, from the shop's side of the set where there is one, else the bare field.
    pub(super) fn find(
        self,
        path: &str,
        bare: Option<&Number>,
        set: Option<&MoneySet>,
    ) -> Result<Option<Amount>, Unreadable> {
        if let Some(money) = set.and_then(|s| s.shop_money.as_ref()) {
            if let Some(code) = money.currency_code.as_deref()
                && currency(&format!("{path}_set"), code)? != self.currency
            {
                return Err(Unreadable::new(
                    "mixed_currencies",
                    format!(
                        "at `{path}_set`: `{code}` in a body whose currency is `{}`",
                        self.currency
                    ),
                ));
            }
            return self.parse(&format!("{path}_set"), &money.amount).map(Some);
        }
        bare.map(|n| self.parse(path, n)).transpose()
    }

    /// The amount, which must be there.
    pub(super) fn need(
        self,
        path: &str,
        bare: Option<&Number>,
        set: Option<&MoneySet>,
    ) -> Result<Amount, Unreadable> {
        self.find(path, bare, set)?.ok_or_else(|| {
            Unreadable::new(
                "missing_amount",
                format!("at `{path}`: the amount is missing"),
            )
        })
    }

    /// The amount, or nothing.
    pub(super) fn or_zero(
        self,
        path: &str,
        bare: Option<&Number>,
        set: Option<&MoneySet>,
    ) -> Result<Amount, Unreadable> {
        Ok(self.find(path, bare, set)?.unwrap_or(Amount::ZERO))
    }

    fn parse(self, path: &str, number: &Number) -> Result<Amount, Unreadable> {
        let amount = Amount::parse(&number.0)
            .map_err(|e| Unreadable::new("bad_amount", format!("at `{path}`: {e}")))?;
        Ok(self.written_as_usual(amount))
    }

    /// `199.0` and `199` are the same fact as `199.00`; a finer amount is left as it is, for the
    /// validation of totals to find.
    fn written_as_usual(self, amount: Amount) -> Amount {
        let mut value = amount.decimal().normalize();
        let digits = self.currency.minor_digits();
        if value.scale() < digits {
            value.rescale(digits);
        }
        Amount::from_decimal(value).unwrap_or(amount)
    }

    /// The sum, which must be in range.
    pub(super) fn sum(
        self,
        path: &str,
        amounts: impl IntoIterator<Item = Amount>,
    ) -> Result<Amount, Unreadable> {
        Amount::sum(amounts)
            .and_then(|a| Amount::from_decimal(a.decimal()))
            .map(|a| self.written_as_usual(a))
            .ok_or_else(|| too_large(path))
    }

    /// Left less right, which must be in range.
    pub(super) fn less(
        self,
        path: &str,
        left: Amount,
        right: Amount,
    ) -> Result<Amount, Unreadable> {
        left.minus(right)
            .and_then(|a| Amount::from_decimal(a.decimal()))
            .map(|a| self.written_as_usual(a))
            .ok_or_else(|| too_large(path))
    }
}

fn too_large(path: &str) -> Unreadable {
    Unreadable::new("bad_amount", format!("at `{path}`: the sum is too large"))
}

pub(super) fn currency(path: &str, code: &str) -> Result<Currency, Unreadable> {
    Currency::new(code).map_err(|e| Unreadable::new("bad_currency", format!("at `{path}`: {e}")))
}

/// A rate is a label that a mapping goes by, not money: a float's noise is rounded off.
pub(super) fn rate(path: &str, number: Option<&Number>) -> Result<Amount, Unreadable> {
    let Some(Number(text)) = number else {
        return Ok(Amount::ZERO);
    };
    text.trim()
        .parse::<Decimal>()
        .or_else(|_| Decimal::from_scientific(text.trim()))
        .ok()
        .map(|d| d.round_dp(RATE_PLACES).normalize())
        .and_then(Amount::from_decimal)
        .ok_or_else(|| Unreadable::new("bad_rate", format!("at `{path}`: not a tax rate")))
}

pub(super) fn quantity(path: &str, units: i64) -> Result<Quantity, Unreadable> {
    Quantity::from_units(units)
        .map_err(|e| Unreadable::new("bad_quantity", format!("at `{path}`: {e}")))
}

pub(super) fn instant(path: &str, text: &str) -> Result<Instant, Unreadable> {
    Instant::parse(text.trim())
        .map_err(|_| Unreadable::new("bad_instant", format!("at `{path}`: not an instant")))
}

/// The newest of several instants, as a version; absent ones do not count.
pub(super) fn newest<'a>(
    path: &str,
    instants: impl IntoIterator<Item = Option<&'a str>>,
) -> Result<Option<(Instant, Version)>, Unreadable> {
    let mut newest: Option<Instant> = None;
    for text in instants.into_iter().flatten() {
        let at = instant(path, text)?;
        newest = Some(newest.map_or(at, |n| n.max(at)));
    }
    Ok(newest.map(|at| (at, Version::from(at))))
}
