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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::tests::order;
    use crate::party::Address;

    fn line(id: &str) -> LineId {
        LineId::new(id).unwrap()
    }

    fn sku(name: &str) -> Sku {
        Sku::new(name).unwrap()
    }

    fn address(street: &str) -> Address {
        let mut address = order().shipping.unwrap();
        address.street = Some(street.to_owned());
        address
    }

    fn of_sku(id: &str, told: Option<&str>, meant: &str) -> Correction {
        Correction::Sku {
            line: line(id),
            told: told.map(sku),
            sku: sku(meant),
        }
    }

    fn of_address(told: Option<Address>, meant: Address) -> Correction {
        Correction::ShippingAddress {
            told: told.map(Box::new),
            address: Box::new(meant),
        }
    }

    fn of_method(told: &str, meant: &str) -> Correction {
        Correction::ShippingMethod {
            told: told.to_owned(),
            method: meant.to_owned(),
        }
    }

    #[test]
    fn a_sku_is_corrected_on_the_line_that_was_meant_and_told_so() {
        let skus = |correction: Correction| {
            let mut order = order();
            correction.apply(&mut order);
            let lines = order.lines.into_iter();
            lines
                .map(|l| l.sku.unwrap().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(skus(of_sku("2", Some("TEE"), "TEE-M")), ["MUG", "TEE-M"]);
        // The channel tells something else by now, or has no such line.
        assert_eq!(skus(of_sku("2", Some("MUG"), "TEE-M")), ["MUG", "TEE"]);
        assert_eq!(skus(of_sku("2", None, "TEE-M")), ["MUG", "TEE"]);
        assert_eq!(skus(of_sku("3", Some("TEE"), "TEE-M")), ["MUG", "TEE"]);
    }

    #[test]
    fn a_line_without_a_sku_gets_the_one_that_was_meant() {
        let mut order = order();
        order.lines[0].sku = None;
        of_sku("1", None, "MUG-RED").apply(&mut order);
        assert_eq!(order.lines[0].sku, Some(sku("MUG-RED")));
    }

    #[test]
    fn an_address_is_corrected_as_long_as_the_channel_tells_the_wrong_one() {
        let told = order().shipping;
        let meant = address("2 Example Street");
        let mut corrected = order();
        of_address(told.clone(), meant.clone()).apply(&mut corrected);
        assert_eq!(corrected.shipping, Some(meant.clone()));
        let mut moved = order();
        moved.shipping = Some(address("3 Example Street"));
        of_address(told, meant).apply(&mut moved);
        assert_eq!(moved.shipping, Some(address("3 Example Street")));
    }

    #[test]
    fn a_way_of_delivery_is_corrected_as_long_as_the_channel_tells_the_wrong_one() {
        let method = |correction: Correction| {
            let mut order = order();
            correction.apply(&mut order);
            order.shipping_lines.remove(0).method
        };
        assert_eq!(method(of_method("standard", "express")), "express");
        assert_eq!(method(of_method("pickup", "express")), "standard");
    }

    #[test]
    fn corrections_of_the_same_thing_have_the_same_subject() {
        let subjects = [
            of_sku("1", None, "A"),
            of_sku("2", None, "A"),
            of_address(None, address("2 Example Street")),
            of_method("standard", "express"),
        ]
        .map(|c| c.subject());
        let wanted = ["sku/1", "sku/2", "shipping_address", "shipping_method"];
        assert_eq!(subjects, wanted);
    }

    #[test]
    fn a_summary_tells_what_changes_and_nothing_personal() {
        let cases = [
            (
                of_sku("2", Some("TEE"), "TEE-M"),
                "the SKU of line `2` from `TEE` to `TEE-M`",
            ),
            (
                of_sku("2", None, "TEE-M"),
                "the SKU of line `2` from `none` to `TEE-M`",
            ),
            (
                of_address(None, address("2 Example Street")),
                "the shipping address",
            ),
            (
                of_method("standard", "express"),
                "the way of delivery from `standard` to `express`",
            ),
        ];
        for (correction, wanted) in cases {
            assert_eq!(correction.summary(), wanted);
        }
    }
}
