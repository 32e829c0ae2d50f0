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
