//! What a person corrects in an order that its channel told wrong.
//!
//! A correction names what it corrects. It holds as long as the channel tells that, and is void once
//! the channel tells something else there: the channel owns the field (features M2).

use crate::id::{LineId, Sku};
use crate::order::Order;
use crate::party::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One corrected field of an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "field", rename_all = "snake_case")]
#[schemars(deny_unknown_fields)]
pub enum Correction {
    /// What a line sells.
    Sku {
        /// Which line.
        line: LineId,
        /// What the channel tells; none for a line without.
        told: Option<Sku>,
        /// What is meant.
        sku: Sku,
    },
    /// Where the goods go.
    ShippingAddress {
        /// What the channel tells; none where it tells no address.
        told: Option<Box<Address>>,
        /// What is meant.
        address: Box<Address>,
    },
    /// The way of delivery.
    ShippingMethod {
        /// What the channel tells.
        told: String,
        /// What is meant.
        method: String,
    },
}

impl Correction {
    /// What it corrects: a later correction of the same takes its place.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Sku { line, .. } => format!("sku/{line}"),
            Self::ShippingAddress { .. } => "shipping_address".to_owned(),
            Self::ShippingMethod { .. } => "shipping_method".to_owned(),
        }
    }

    /// For a person: no personal data.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Sku { line, told, sku } => {
                let told = told.as_ref().map_or("none", Sku::as_str);
                format!("the SKU of line `{line}` from `{told}` to `{sku}`")
            }
            Self::ShippingAddress { .. } => "the shipping address".to_owned(),
            Self::ShippingMethod { told, method } => {
                format!("the way of delivery from `{told}` to `{method}`")
            }
        }
    }

    /// Corrects the order, if it tells what this corrects.
    pub fn apply(&self, order: &mut Order) {
        match self {
            Self::Sku { line, told, sku } => {
                let mut lines = order.lines.iter_mut();
                if let Some(line) = lines.find(|l| l.id == *line && l.sku == *told) {
                    line.sku = Some(sku.clone());
                }
            }
            Self::ShippingAddress { told, address } => {
                if order.shipping.as_ref() == told.as_deref() {
                    order.shipping = Some(Address::clone(address));
                }
            }
            Self::ShippingMethod { told, method } => {
                let first = order.shipping_lines.first_mut();
                if let Some(line) = first.filter(|l| l.method == *told) {
                    line.method.clone_from(method);
                }
            }
        }
    }
}
