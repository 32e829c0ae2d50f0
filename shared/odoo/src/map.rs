//! From the canonical model to rows of `load`. No I/O.

pub(crate) mod ids;
pub(crate) mod order;
pub(crate) mod partner;
pub(crate) mod price;
pub(crate) mod rows;
pub(crate) mod tax;

use rust_decimal::Decimal;
use serde_json::Value;

/// A cell of `load`: text, and the empty text is an explicit nothing, not the default.
pub(crate) fn cell(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

/// A cell that may be empty.
pub(crate) fn cell_or_empty(text: Option<&str>) -> Value {
    cell(text.unwrap_or_default())
}

/// A decimal for a cell.
pub(crate) fn number(value: Decimal) -> Value {
    cell(value.normalize().to_string())
}
