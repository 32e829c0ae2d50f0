//! Money: a decimal and a currency. Never a float.

use crate::text::shown;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// ISO 4217 code, three upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// Currencies without minor units (ISO 4217).
const ZERO_DECIMAL: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV",
    "XAF", "XOF",
];
/// Currencies with three (ISO 4217).
const THREE_DECIMAL: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// Why a value is not money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not three letters.
    #[error("`{text}` is not a currency: three letters are needed, such as `EUR`")]
    Currency {
        /// What was found.
        text: String,
    },
    /// Not a decimal number of at most 15 significant digits.
    #[error("`{text}` is not an amount: a decimal of at most {limit} digits is needed")]
    Amount {
        /// What was found.
        text: String,
        /// Significant digits allowed.
        limit: u32,
    },
    /// Amounts of two currencies in one sum.
    #[error("`{left}` and `{right}` cannot be added")]
    Mixed {
        /// Left currency.
        left: Currency,
        /// Right currency.
        right: Currency,
    },
    /// Beyond the range of the decimal.
    #[error("the sum is too large")]
    Overflow,
}

impl Currency {
    /// Parses; lower case is accepted, as Stripe sends it.
    ///
    /// # Errors
    /// Not three ASCII letters.
    pub fn new(text: &str) -> Result<Self, MoneyError> {
        let upper = text.trim().to_ascii_uppercase();
        match upper.as_bytes() {
            [a, b, c] if upper.bytes().all(|b| b.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(MoneyError::Currency {
                // Longer than a code it may be anything: it is not shown.
                text: match text.chars().count() {
                    0..=3 => text.to_owned(),
                    _ => "…".to_owned(),
                },
            }),
        }
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// Digits after the point (ISO 4217).
    #[must_use]
    pub fn minor_digits(&self) -> u32 {
        if ZERO_DECIMAL.contains(&self.as_str()) {
            0
        } else if THREE_DECIMAL.contains(&self.as_str()) {
            3
        } else {
            2
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<Currency> for String {
    fn from(c: Currency) -> Self {
        c.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Z]{3}$" })
    }
}

/// A signed decimal amount in a currency that its surroundings name. On the wire: a string.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(Decimal);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);
    /// Most significant digits accepted: what every system of a retailer carries without loss.
    pub const MAX_DIGITS: u32 = 15;

    /// Parses a decimal such as `-12.50`; no exponent, no grouping.
    ///
    /// # Errors
    /// Not a decimal, or more than [`Amount::MAX_DIGITS`] significant digits.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let refuse = || MoneyError::Amount {
            text: shown(text),
            limit: Self::MAX_DIGITS,
        };
        let value = Decimal::from_str_exact(text.trim()).map_err(|_| refuse())?;
        Self::from_decimal(value).ok_or_else(refuse)
    }

    /// From a decimal of at most [`Amount::MAX_DIGITS`] significant digits.
    #[must_use]
    pub fn from_decimal(value: Decimal) -> Option<Self> {
        let digits = value
            .normalize()
            .mantissa()
            .unsigned_abs()
            .checked_ilog10()
            .unwrap_or(0)
            + 1;
        (digits <= Self::MAX_DIGITS).then_some(Self(value))
    }

    /// From an integer count of minor units (cents), as Stripe and Square send money.
    #[must_use]
    pub fn from_minor(minor: i64, currency: Currency) -> Self {
        Self(Decimal::new(minor, currency.minor_digits()))
    }

    /// Minor units (cents), if the amount has no finer part and fits.
    #[must_use]
    pub fn to_minor(self, currency: Currency) -> Option<i64> {
        let scaled = self
            .0
            .checked_mul(Decimal::from(10_i64.pow(currency.minor_digits())))?;
        if scaled.fract().is_zero() {
            scaled.trunc().try_into().ok()
        } else {
            None
        }
    }

    /// The decimal.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Rounded half away from zero to the currency's minor unit.
    #[must_use]
    pub fn rounded(self, currency: Currency) -> Self {
        Self(self.0.round_dp_with_strategy(
            currency.minor_digits(),
            rust_decimal::RoundingStrategy::MidpointAwayFromZero,
        ))
    }

    /// Sum, or nothing beyond the range.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Difference, or nothing beyond the range.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Product, or nothing beyond the range.
    #[must_use]
    pub fn times(self, factor: Decimal) -> Option<Self> {
        self.0.checked_mul(factor).map(Self)
    }

    /// Sum of many, or nothing beyond the range.
    #[must_use]
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::plus)
    }

    /// Exactly nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0.is_sign_negative() && !self.0.is_zero()
    }
}

impl TryFrom<String> for Amount {
    type Error = MoneyError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for Amount {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl From<Amount> for String {
    fn from(a: Amount) -> Self {
        a.to_string()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?$" })
    }
}

/// An amount with its currency.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(deny_unknown_fields)]
pub struct Money {
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// An amount with its currency.
    #[must_use]
    pub fn new(amount: Amount, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Sum of two of one currency.
    ///
    /// # Errors
    /// Two currencies, or beyond the range.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed {
                left: self.currency,
                right: other.currency,
            });
        }
        let amount = self.amount.plus(other.amount).ok_or(MoneyError::Overflow)?;
        Ok(Self {
            amount,
            currency: self.currency,
        })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_follow_the_currency() {
        let c = |s| Currency::new(s).unwrap();
        assert_eq!(Amount::from_minor(1099, c("usd")).to_string(), "10.99");
        assert_eq!(Amount::from_minor(1099, c("JPY")).to_string(), "1099");
        assert_eq!(Amount::from_minor(1099, c("KWD")).to_string(), "1.099");
        assert_eq!(
            Amount::parse("10.99").unwrap().to_minor(c("EUR")),
            Some(1099)
        );
        assert_eq!(Amount::parse("10.999").unwrap().to_minor(c("EUR")), None);
    }

    #[test]
    fn more_than_fifteen_digits_are_refused_not_rounded() {
        assert!(Amount::parse("123456789012345").is_ok());
        assert!(Amount::parse("1234567890123456").is_err());
        assert!(Amount::parse("1e5").is_err());
        assert!(Amount::parse("").is_err());
    }

    #[test]
    fn an_error_shows_a_wrong_number_and_no_other_text() {
        let error = |text| Amount::parse(text).unwrap_err().to_string();
        assert!(error("12,50").starts_with("`12,50` is not an amount"));
        assert!(error("Jane@example.com").starts_with("`…` is not an amount"));
        let error = |text| Currency::new(text).unwrap_err().to_string();
        assert!(error("E1R").starts_with("`E1R` is not a currency"));
        assert!(error("Jane@example.com").starts_with("`…` is not a currency"));
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        let eur = Currency::new("EUR").unwrap();
        assert_eq!(
            Amount::parse("0.125").unwrap().rounded(eur).to_string(),
            "0.13"
        );
        assert_eq!(
            Amount::parse("-0.125").unwrap().rounded(eur).to_string(),
            "-0.13"
        );
    }

    fn eur(text: &str) -> Money {
        Money::new(amount(text), Currency::new("EUR").unwrap())
    }

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn a_currency_is_three_letters_and_travels_as_such() {
        let usd = Currency::new(" usd ").unwrap();
        assert_eq!(usd.to_string(), "USD");
        assert_eq!(format!("{usd:?}"), "USD");
        assert_eq!(serde_json::to_value(usd).unwrap(), "USD");
        assert_eq!(serde_json::from_str::<Currency>("\"USD\"").unwrap(), usd);
        for wrong in ["US", "USDT", "U5D", "", "ÄÖ"] {
            assert!(Currency::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_amount_travels_as_a_string_with_its_places() {
        assert_eq!(serde_json::to_value(amount("-12.50")).unwrap(), "-12.50");
        assert_eq!(
            serde_json::from_str::<Amount>("\"-12.50\"").unwrap(),
            amount("-12.50")
        );
        assert!(serde_json::from_str::<Amount>("\"12,50\"").is_err());
        assert_eq!(format!("{:?}", amount("-12.50")), "-12.50");
        assert_eq!(amount("-12.50").decimal(), Decimal::new(-1250, 2));
    }

    #[test]
    fn sums_differences_and_products_are_exact() {
        assert_eq!(amount("0.1").plus(amount("0.2")), Some(amount("0.3")));
        assert_eq!(amount("0.1").minus(amount("0.3")), Some(amount("-0.2")));
        assert_eq!(amount("12.5").times(Decimal::from(3)), Some(amount("37.5")));
        let many = ["1.10", "2.20", "3.30"].map(amount);
        assert_eq!(Amount::sum(many), Some(amount("6.60")));
        assert_eq!(Amount::sum([]), Some(Amount::ZERO));
        let most = Amount(Decimal::MAX);
        assert_eq!(most.plus(most), None);
        assert_eq!(most.times(Decimal::from(2)), None);
    }

    #[test]
    fn minor_units_are_none_where_the_amount_has_a_finer_part_or_does_not_fit() {
        let eur = Currency::new("EUR").unwrap();
        assert_eq!(amount("-3").to_minor(eur), Some(-300));
        assert_eq!(amount("0.001").to_minor(eur), None);
        assert_eq!(Amount(Decimal::MAX).to_minor(eur), None);
        assert_eq!(Amount(Decimal::from(i64::MAX)).to_minor(eur), None);
    }

    #[test]
    fn zero_has_no_sign() {
        let told = |text| (amount(text).is_zero(), amount(text).is_negative());
        assert_eq!(told("0.00"), (true, false));
        assert_eq!(told("-0.00"), (true, false));
        assert_eq!(told("0.01"), (false, false));
        assert_eq!(told("-0.01"), (false, true));
    }

    #[test]
    fn money_of_two_currencies_is_not_added() {
        assert_eq!(eur("1.50").plus(eur("2.50")), Ok(eur("4.00")));
        let usd = Money::new(amount("1"), Currency::new("USD").unwrap());
        assert!(matches!(eur("1").plus(usd), Err(MoneyError::Mixed { .. })));
        assert_eq!(eur("1.50").to_string(), "1.50 EUR");
    }
}
