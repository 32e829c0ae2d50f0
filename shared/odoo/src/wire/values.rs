//! Values as Odoo writes them: `false` stands for nothing, links are `[id, name]`, amounts are
//! floats.

use crate::error::OdooError;
use rust_decimal::Decimal;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Text, or `false`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) Option<String>);

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(Some(text))),
            Value::Bool(false) | Value::Null => Ok(Self(None)),
            Value::Bool(true) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(D::Error::custom("text or false is needed"))
            }
        }
    }
}

/// A link to one record: `[id, name]`, an id, or `false`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ToOne(pub(crate) Option<i64>);

impl<'de> Deserialize<'de> for ToOne {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let id = match &value {
            Value::Bool(false) | Value::Null => return Ok(Self(None)),
            Value::Array(pair) => pair.first().and_then(Value::as_i64),
            Value::Number(id) => id.as_i64(),
            Value::Bool(true) | Value::String(_) | Value::Object(_) => None,
        };
        id.map(|id| Self(Some(id)))
            .ok_or_else(|| D::Error::custom("a link or false is needed"))
    }
}

/// A float that stands for a decimal: read through its shortest decimal form, so that `16.1` is
/// 16.1 and not 16.10000000000000142.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) Decimal);

impl Number {
    /// Rounded to so many places: sums of floats carry noise in the last ones.
    pub(crate) fn rounded(self, places: u32) -> Decimal {
        self.0
            .round_dp_with_strategy(places, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
            .normalize()
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match Value::deserialize(deserializer)? {
            Value::Number(number) => number.to_string(),
            Value::Bool(false) | Value::Null => "0".to_owned(),
            Value::Bool(true) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                return Err(D::Error::custom("a number is needed"));
            }
        };
        Decimal::from_str_exact(&number)
            .or_else(|_| Decimal::from_scientific(&number))
            .map(Self)
            .map_err(|_| D::Error::custom("a number is needed"))
    }
}

/// Result of `load`: all rows, or none and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Loaded {
    /// Ids in the order of the records.
    Ids(Vec<i64>),
    /// Nothing was written.
    Refused(Vec<Blame>),
}

/// One message of a refused `load`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Blame {
    /// Index of the record in the call. Odoo may blame record 0 for another's fault, and names
    /// no record when it stops early.
    #[serde(default)]
    pub(crate) record: Option<usize>,
    /// Column, where it is one column's fault.
    #[serde(default, deserialize_with = "text_or_list")]
    pub(crate) field: Option<String>,
    /// Text.
    #[serde(default)]
    pub(crate) message: String,
    /// `error` or `warning`.
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
}

fn text_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Array(parts) => Some(
            parts
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join("/"),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    })
}

impl Loaded {
    /// Reads the result of `load`.
    ///
    /// # Errors
    /// The result has another shape.
    pub(crate) fn read(value: &Value) -> Result<Self, OdooError> {
        let shape = || OdooError::Shape("load: `ids` and `messages` are needed");
        match value.get("ids") {
            Some(Value::Array(_)) => Ok(Self::Ids(as_ids(value.get("ids").ok_or_else(shape)?)?)),
            Some(Value::Bool(false)) | None => {
                let messages = value.get("messages").cloned().ok_or_else(shape)?;
                let blames = serde_json::from_value(messages).map_err(|_| shape())?;
                Ok(Self::Refused(blames))
            }
            Some(_) => Err(shape()),
        }
    }
}

/// A decimal where Odoo takes a float: the nearest one, whose shortest form is the decimal again.
pub(crate) fn float(value: Decimal) -> Value {
    let number = value.normalize().to_string().parse::<serde_json::Number>();
    number.map_or(Value::Null, Value::Number)
}

/// A list of ids.
///
/// # Errors
/// The result has another shape.
fn as_ids(value: &Value) -> Result<Vec<i64>, OdooError> {
    let shape = || OdooError::Shape("a list of ids is needed");
    value
        .as_array()
        .ok_or_else(shape)?
        .iter()
        .map(|id| id.as_i64().ok_or_else(shape))
        .collect()
}

/// The id that `create` returned: JSON-RPC gives an id, JSON-2 a list of one.
///
/// # Errors
/// The result has another shape.
pub(crate) fn one_id(value: &Value) -> Result<i64, OdooError> {
    value
        .as_i64()
        .or_else(|| value.as_array()?.first()?.as_i64())
        .ok_or(OdooError::Shape("an id is needed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn false_is_nothing() {
        assert_eq!(
            serde_json::from_value::<Text>(json!(false)).unwrap(),
            Text(None)
        );
        assert_eq!(
            serde_json::from_value::<ToOne>(json!(false)).unwrap(),
            ToOne(None)
        );
        assert_eq!(
            serde_json::from_value::<ToOne>(json!([7, "S00007"])).unwrap(),
            ToOne(Some(7))
        );
    }

    #[test]
    fn floats_become_the_decimal_that_was_meant() {
        let n: Number = serde_json::from_value(json!(0.1 + 0.2)).unwrap();
        assert_eq!(n.rounded(2).to_string(), "0.3");
        let n: Number = serde_json::from_value(json!(1e-7)).unwrap();
        assert_eq!(n.rounded(2), Decimal::ZERO);
    }

    #[test]
    fn a_refused_load_is_read_from_its_messages() {
        let answer = json!({"ids": false, "nextrow": 0, "messages": [
            {"rows": {"from": 3, "to": 5}, "record": 1, "type": "error", "field": "order_line", "message": "no"},
            {"type": "warning", "message": "Found more than 10 errors and more than one error per 10 records, interrupted to avoid showing too many errors."}
        ]});
        let Loaded::Refused(blames) = Loaded::read(&answer).unwrap() else {
            panic!("refused is expected")
        };
        assert_eq!(blames[0].record, Some(1));
        assert_eq!(blames[1].record, None);
    }
}
