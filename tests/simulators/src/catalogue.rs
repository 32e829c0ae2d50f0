//! The products that every simulator knows: `SKU-0001` on.

/// `SKU-0007` for 7.
#[must_use]
pub fn sku(number: u32) -> String {
    format!("SKU-{number:04}")
}

/// The number of a SKU of the catalogue.
#[must_use]
pub fn number(sku: &str) -> Option<u32> {
    let number = sku.strip_prefix("SKU-")?.parse().ok()?;
    (number > 0).then_some(number)
}

/// `Product 0007`.
#[must_use]
pub fn title(number: u32) -> String {
    format!("Product {number:04}")
}

/// List price in minor units: spread over 4.99 to 99.95, ends of every kind, so that rounding is
/// exercised.
#[must_use]
pub fn price_minor(number: u32) -> i64 {
    499 + i64::from(number) * 1_373 % 9_497
}
