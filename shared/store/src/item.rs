//! Items: built and read attribute by attribute.

use crate::codec::{CodecError, unpack};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use waybill_flow::ports::InfraError;
use waybill_model::time::Instant;

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Seconds since the epoch after which the row counts as absent.
pub(crate) const TTL: &str = "ttl_epoch_s";

/// Builds an item.
#[derive(Debug, Clone)]
pub(crate) struct Draft(Item);

impl Draft {
    pub(crate) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self(key(pk, sk))
    }

    pub(crate) fn text(self, name: &str, value: impl Into<String>) -> Self {
        self.with(name, text(value))
    }

    pub(crate) fn number(self, name: &str, value: impl Into<i64>) -> Self {
        self.with(name, number(value))
    }

    pub(crate) fn bytes(self, name: &str, value: Vec<u8>) -> Self {
        self.with(name, AttributeValue::B(Blob::new(value)))
    }

    pub(crate) fn flag(self, name: &str, value: bool) -> Self {
        self.with(name, AttributeValue::Bool(value))
    }

    /// Expires then; a row without limit has no such attribute.
    pub(crate) fn expires(self, epoch_s: Option<i64>) -> Self {
        match epoch_s {
            Some(epoch_s) => self.number(TTL, epoch_s),
            None => self,
        }
    }

    pub(crate) fn build(self) -> Item {
        self.0
    }

    fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }
}

/// Key attributes.
pub(crate) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl Into<i64>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// Reads an item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    system: &'static str,
    item: &'a Item,
}

impl<'a> Row<'a> {
    pub(crate) fn new(system: &'static str, item: &'a Item) -> Self {
        Self { system, item }
    }

    /// Past its TTL at `now`.
    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.find_number(TTL)
            .is_some_and(|expires_s| expires_s <= now.epoch_s())
    }

    pub(crate) fn text(&self, name: &str) -> Result<&'a str, InfraError> {
        let found = self.item.get(name).and_then(|v| v.as_s().ok());
        found.map(String::as_str).ok_or_else(|| self.missing(name))
    }

    pub(crate) fn number(&self, name: &str) -> Result<i64, InfraError> {
        self.find_number(name).ok_or_else(|| self.missing(name))
    }

    pub(crate) fn bytes(&self, name: &str) -> Result<&'a [u8], InfraError> {
        self.find_bytes(name).ok_or_else(|| self.missing(name))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, InfraError> {
        let found = self.item.get(name).and_then(|v| v.as_bool().ok());
        found.copied().ok_or_else(|| self.missing(name))
    }

    pub(crate) fn find_bytes(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.item.get(name).and_then(|v| v.as_b().ok());
        found.map(AsRef::as_ref)
    }

    /// Compressed JSON.
    pub(crate) fn packed<T: DeserializeOwned>(&self, name: &str) -> Result<T, InfraError> {
        unpack(self.bytes(name)?).map_err(|error| self.unreadable(name, &error))
    }

    /// Plain JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, InfraError> {
        serde_json::from_str(self.text(name)?)
            .map_err(|error| self.unreadable(name, &CodecError::from(error)))
    }

    /// The attribute is there and cannot be read.
    pub(crate) fn unreadable(&self, name: &str, why: &dyn std::fmt::Display) -> InfraError {
        self.corrupt(&format!("`{name}` is {why}"))
    }

    fn find_number(&self, name: &str) -> Option<i64> {
        let found = self.item.get(name).and_then(|v| v.as_n().ok());
        found.and_then(|n| n.parse().ok())
    }

    fn missing(&self, name: &str) -> InfraError {
        self.corrupt(&format!("`{name}` is missing or of another type"))
    }

    fn corrupt(&self, what: &str) -> InfraError {
        let part = |name| {
            let value = self.item.get(name).and_then(|v| v.as_s().ok());
            value.map_or("?", String::as_str)
        };
        InfraError::Corrupt {
            system: self.system,
            detail: format!("{what} in `{}` / `{}`", part("pk"), part("sk")),
        }
    }
}
