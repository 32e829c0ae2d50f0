//! The order as its channel tells it: a snapshot with a version, never a delta.

use crate::id::{ChannelOrderId, ConnectionId, CorrelationId, LineId, OrderNumber, Sku};
use crate::money::{Amount, Currency};
use crate::party::{Address, Customer};
use crate::quantity::Quantity;
use crate::time::Instant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of a snapshot as its owner counts it: an integer version, or microseconds of the
/// owner's `updated_at`. Only versions from one owner are compared.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Version(pub i64);

impl From<Instant> for Version {
    fn from(t: Instant) -> Self {
        Self(t.epoch_us())
    }
}

/// An order, complete: everything that later steps need, so that none of them asks the channel.
///
/// All amounts are in `currency`. Amounts of lines and shipping contain tax exactly if
/// `taxes_included`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Order {
    /// The connection it came through.
    pub channel: ConnectionId,
    /// The channel's stable id.
    pub id: ChannelOrderId,
    /// The number that the customer sees.
    pub number: OrderNumber,
    /// The channel's version of this snapshot.
    pub version: Version,
    /// When the customer ordered.
    pub placed_at: Instant,
    /// A test order: never fulfilled.
    pub test: bool,
    /// Currency of every amount here.
    pub currency: Currency,
    /// Whether prices contain tax.
    pub taxes_included: bool,
    /// Payment as the channel states it.
    pub payment: OrderPayment,
    /// When and why it was cancelled.
    pub cancelled: Option<Cancellation>,
    /// Who ordered; absent where the channel does not say.
    pub customer: Option<Customer>,
    /// Where the invoice goes.
    pub billing: Option<Address>,
    /// Where the goods go; absent for digital goods and cash-and-carry.
    pub shipping: Option<Address>,
    /// What was ordered.
    pub lines: Vec<OrderLine>,
    /// Paid ways of delivery.
    pub shipping_lines: Vec<ShippingLine>,
    /// Gift card or store credit used to pay, positive. A means of payment, not a discount.
    pub gift_card_paid: Amount,
    /// Gratuity, positive, not in any line.
    pub tip: Amount,
    /// Rounding of a cash payment, signed: the difference between parts and total.
    pub rounding: Amount,
    /// What the parts must add up to.
    pub totals: Totals,
    /// Note of the customer.
    pub note: Option<String>,
}

/// Payment as the channel states it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OrderPayment {
    /// Nothing has been paid.
    Pending,
    /// The money is reserved, not taken.
    Authorized,
    /// A part has been paid.
    PartiallyPaid,
    /// All has been paid.
    Paid,
    /// A part was paid back.
    PartiallyRefunded,
    /// All was paid back.
    Refunded,
    /// The reservation was dropped.
    Voided,
}

/// When and why an order was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Cancellation {
    /// When.
    pub at: Instant,
    /// The channel's reason code.
    pub reason: Option<String>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OrderLine {
    /// The channel's line id.
    pub id: LineId,
    /// What is sold; absent for a free-text line.
    pub sku: Option<Sku>,
    /// Title at the time of the order.
    pub title: String,
    /// How many were ordered.
    pub quantity: Quantity,
    /// Of them, how many are still wanted after edits, refunds and cancels.
    pub current_quantity: Quantity,
    /// Price of one before discount.
    pub unit_price: Amount,
    /// Discount over the whole line, positive: line discounts and this line's share of order
    /// discounts.
    pub discount: Amount,
    /// Tax over the whole line.
    pub taxes: Vec<Tax>,
    /// Whether it must be sent.
    pub requires_shipping: bool,
    /// The sale of a gift card: a liability, not revenue.
    pub gift_card: bool,
}

/// One paid way of delivery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ShippingLine {
    /// The channel's code of the method, or its title where it has none.
    pub method: String,
    /// Title that the customer saw.
    pub title: String,
    /// Price before discount.
    pub price: Amount,
    /// Discount, positive.
    pub discount: Amount,
    /// Tax.
    pub taxes: Vec<Tax>,
}

/// One tax of a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Tax {
    /// The channel's title, such as `VAT`.
    pub title: String,
    /// Fraction: `0.2` is 20 %.
    pub rate: Amount,
    /// Tax amount over the whole line.
    pub amount: Amount,
}

/// What the parts must add up to, as placed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(deny_unknown_fields)]
pub struct Totals {
    /// Lines after discount.
    pub subtotal: Amount,
    /// Shipping after discount.
    pub shipping: Amount,
    /// All tax.
    pub tax: Amount,
    /// What the customer owes, gift cards not yet taken off.
    pub total: Amount,
}

impl Order {
    /// The correlation id of this order.
    #[must_use]
    pub fn correlation(&self) -> CorrelationId {
        CorrelationId::for_order(&self.channel, &self.id)
    }

    /// Whether anything must be sent.
    #[must_use]
    pub fn requires_shipping(&self) -> bool {
        self.lines
            .iter()
            .any(|l| l.requires_shipping && !l.current_quantity.is_zero())
    }
}

impl OrderLine {
    /// Price of the whole line after discount, or nothing beyond the range.
    #[must_use]
    pub fn total(&self) -> Option<Amount> {
        self.unit_price
            .times(self.quantity.decimal())?
            .minus(self.discount)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    fn line(id: &str, sku: &str) -> OrderLine {
        let line = json!({
            "id": id, "sku": sku, "title": "Article", "quantity": "3", "current_quantity": "2",
            "unit_price": "12.50", "discount": "2.50", "taxes": [], "requires_shipping": true,
            "gift_card": false,
        });
        serde_json::from_value(line).unwrap()
    }

    /// Lines `1` (`MUG`) and `2` (`TEE`), to be sent by `standard`.
    pub(crate) fn order() -> Order {
        let order = json!({
            "channel": "shop", "id": "42", "number": "#42", "version": 1,
            "placed_at": "2026-03-03T09:00:00Z", "test": false, "currency": "EUR",
            "taxes_included": true, "payment": "paid", "cancelled": null, "customer": null,
            "billing": null, "shipping": {
                "name": null, "company": null, "street": "1 Example Street", "street2": null,
                "city": null, "zip": null, "region": null, "country": "DE", "phone": null,
            },
            "lines": [line("1", "MUG"), line("2", "TEE")],
            "shipping_lines": [{
                "method": "standard", "title": "Standard", "price": "4.90", "discount": "0",
                "taxes": [],
            }],
            "gift_card_paid": "0", "tip": "0", "rounding": "0", "note": null,
            "totals": { "subtotal": "70", "shipping": "4.90", "tax": "0", "total": "74.90" },
        });
        serde_json::from_value(order).unwrap()
    }

    #[test]
    fn an_order_belongs_to_its_channels_id() {
        let order = order();
        let wanted = CorrelationId::for_order(&order.channel, &order.id);
        assert_eq!(order.correlation(), wanted);
    }

    #[test]
    fn a_version_by_time_tells_microseconds_apart() {
        let at = |text| Version::from(Instant::parse(text).unwrap());
        assert_eq!(at("1970-01-01T00:00:01.000002Z"), Version(1_000_002));
    }

    #[test]
    fn an_order_is_shipped_if_goods_of_it_are_still_wanted() {
        let requires = |change: &dyn Fn(&mut OrderLine)| {
            let mut order = order();
            order.lines.iter_mut().for_each(change);
            order.requires_shipping()
        };
        assert!(requires(&|_| ()));
        assert!(!requires(&|l| l.requires_shipping = false));
        assert!(!requires(&|l| l.current_quantity = Quantity::ZERO));
        assert!(requires(&|l| l.requires_shipping = l.id.as_str() == "2"));
    }

    #[test]
    fn a_line_costs_what_was_ordered_of_it_less_its_discount() {
        assert_eq!(
            line("1", "MUG").total(),
            Some(Amount::parse("35.00").unwrap())
        );
    }
}
