//! Counts of goods.

use crate::text::shown;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A non-negative count in the product's unit of measure. On the wire: a string.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantity(Decimal);

/// Why a value is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a quantity: a decimal from 0 to 999999999 with at most 4 places is needed"
)]
pub struct QuantityError {
    text: String,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);
    /// Largest count accepted: above it, a quantity is a mistake.
    pub const MAX: i64 = 999_999_999;
    /// Places after the point: Odoo's default precision for units is coarser.
    pub const MAX_PLACES: u32 = 4;

    /// From a decimal in range.
    ///
    /// # Errors
    /// Negative, too large or too fine.
    pub fn from_decimal(value: Decimal) -> Result<Self, QuantityError> {
        let value = value.normalize();
        let fits = !value.is_sign_negative() || value.is_zero();
        if fits && value <= Decimal::from(Self::MAX) && value.scale() <= Self::MAX_PLACES {
            Ok(Self(value))
        } else {
            Err(QuantityError {
                text: value.to_string(),
            })
        }
    }

    /// From a whole count.
    ///
    /// # Errors
    /// Negative or too large.
    pub fn from_units(units: i64) -> Result<Self, QuantityError> {
        Self::from_decimal(Decimal::from(units))
    }

    /// Parses a decimal such as `2` or `0.5`.
    ///
    /// # Errors
    /// Not a decimal in range.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let value = Decimal::from_str_exact(text.trim())
            .map_err(|_| QuantityError { text: shown(text) })?;
        Self::from_decimal(value)
    }

    /// The decimal.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// The whole count, if it is one.
    #[must_use]
    pub fn units(self) -> Option<i64> {
        if self.0.fract().is_zero() {
            self.0.trunc().try_into().ok()
        } else {
            None
        }
    }

    /// Exactly nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Sum, held at [`Quantity::MAX`].
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = self.0.saturating_add(other.0).min(Decimal::from(Self::MAX));
        Self(sum.normalize())
    }

    /// Difference, held at zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        let rest = self.0.saturating_sub(other.0).max(Decimal::ZERO);
        Self(rest.normalize())
    }
}

impl TryFrom<String> for Quantity {
    type Error = QuantityError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Quantity> for String {
    fn from(q: Quantity) -> Self {
        q.0.to_string()
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl schemars::JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,4})?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_huge_and_too_fine_counts_are_refused() {
        assert!(Quantity::parse("-1").is_err());
        assert!(Quantity::parse("1000000000").is_err());
        assert!(Quantity::parse("0.00001").is_err());
        let odd = Quantity::parse("1.005").unwrap();
        let cup = Quantity::parse("0.005").unwrap();
        assert_eq!(odd.plus(odd).to_string(), "2.01");
        assert_eq!(odd.minus(cup).to_string(), "1");
        let error = Quantity::parse("Jane").unwrap_err().to_string();
        assert!(error.starts_with("`…` is not a quantity"), "{error}");
        assert_eq!(Quantity::parse("1.50").unwrap().to_string(), "1.5");
    }

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    #[test]
    fn the_least_and_the_most_are_quantities() {
        for text in ["0", "-0", "999999999", "0.0001", "1.00000"] {
            assert!(Quantity::parse(text).is_ok(), "{text}");
        }
        assert!(Quantity::from_units(-1).is_err());
        assert_eq!(Quantity::from_units(7), Ok(quantity("7")));
        assert!(quantity("0.0").is_zero() && !quantity("0.1").is_zero());
    }

    #[test]
    fn a_broken_count_has_no_units() {
        assert_eq!(quantity("12").units(), Some(12));
        assert_eq!(quantity("12.5").units(), None);
        assert_eq!(quantity("12.5").decimal(), Decimal::new(125, 1));
    }

    #[test]
    fn a_sum_is_held_at_the_most_and_a_difference_at_nothing() {
        assert_eq!(quantity("1.5").plus(quantity("2")), quantity("3.5"));
        assert_eq!(
            quantity("999999999").plus(quantity("1")),
            quantity("999999999")
        );
        assert_eq!(quantity("3.5").minus(quantity("2")), quantity("1.5"));
        assert_eq!(quantity("1").minus(quantity("2")), Quantity::ZERO);
    }

    #[test]
    fn a_quantity_travels_as_a_string() {
        assert_eq!(serde_json::to_value(quantity("2.50")).unwrap(), "2.5");
        assert_eq!(
            serde_json::from_str::<Quantity>("\"2.5\"").unwrap(),
            quantity("2.5")
        );
        assert!(serde_json::from_str::<Quantity>("\"-2\"").is_err());
        assert_eq!(format!("{:?}", quantity("2.5")), "2.5");
    }
}
