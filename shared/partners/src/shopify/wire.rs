//! Bodies as Shopify sends them, by the REST Admin API (2026-07) and its webhooks.
//!
//! Webhook bodies of `orders/*` and `refunds/create` are the REST object without its wrapper, so
//! webhooks and the poll are read by the same types. Only fields that are mapped are named; every
//! other field may change type without harm. Money stays text here: [`Number`] keeps what was
//! written, so that nothing goes through a float.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

/// A JSON string or number, as written.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Number(pub(super) String);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get().trim();
        match text.bytes().next() {
            Some(b'"') => serde_json::from_str(text)
                .map(Self)
                .map_err(|_| D::Error::custom("not text")),
            Some(b'-' | b'0'..=b'9') => Ok(Self(text.to_owned())),
            _ => Err(D::Error::custom("neither text nor number")),
        }
    }
}

/// An id: an integer beyond 2^53, or its digits as text. A fraction or an exponent means that it
/// went through a float and is no longer the id.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Id(pub(super) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Number(text) = Number::deserialize(deserializer)?;
        let digits = text.rsplit('/').next().unwrap_or_default();
        match digits.parse::<i64>() {
            Ok(id) if id > 0 => Ok(Self(id.to_string())),
            _ => Err(D::Error::custom("not a positive 64-bit integer")),
        }
    }
}

/// The same amount in the shop's currency and in the customer's.
#[derive(serde::Deserialize)]
pub(super) struct MoneySet {
    pub(super) shop_money: Option<WireMoney>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireMoney {
    pub(super) amount: Number,
    pub(super) currency_code: Option<String>,
}

/// `orders/*`. Bare amounts are in `currency`, the shop's; `_set` holds both.
#[derive(serde::Deserialize)]
pub(super) struct WireOrder {
    pub(super) id: Id,
    /// `gid://shopify/{type}/{id}`: signed with the body, so it tells what the body is.
    pub(super) admin_graphql_api_id: Option<String>,
    /// `#1001`, with the shop's own prefix and suffix.
    pub(super) name: Option<String>,
    /// 1001.
    pub(super) order_number: Option<Number>,
    pub(super) created_at: Option<String>,
    /// When the customer ordered; earlier than `created_at` for imported orders.
    pub(super) processed_at: Option<String>,
    pub(super) updated_at: Option<String>,
    pub(super) cancelled_at: Option<String>,
    pub(super) cancel_reason: Option<String>,
    pub(super) test: Option<bool>,
    pub(super) currency: Option<String>,
    pub(super) taxes_included: Option<bool>,
    pub(super) financial_status: Option<String>,
    pub(super) email: Option<String>,
    pub(super) contact_email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) note: Option<String>,
    /// Null for draft and POS orders, and after the customer was deleted.
    pub(super) customer: Option<WireCustomer>,
    pub(super) billing_address: Option<WireAddress>,
    /// Null for digital goods and POS.
    pub(super) shipping_address: Option<WireAddress>,
    pub(super) line_items: Option<Vec<WireLine>>,
    pub(super) shipping_lines: Option<Vec<WireShippingLine>>,
    pub(super) refunds: Option<Vec<WireRefund>>,
    /// Lines after discount, without tips; as placed.
    pub(super) subtotal_price: Option<Number>,
    pub(super) subtotal_price_set: Option<MoneySet>,
    pub(super) total_tax: Option<Number>,
    pub(super) total_tax_set: Option<MoneySet>,
    /// Lines, shipping, tax and tips; gift cards are a payment and not taken off.
    pub(super) total_price: Option<Number>,
    pub(super) total_price_set: Option<MoneySet>,
    pub(super) total_tip_received: Option<Number>,
    /// Since 2025; signed.
    pub(super) total_cash_rounding_payment_adjustment_set: Option<MoneySet>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireCustomer {
    pub(super) id: Option<Id>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireAddress {
    pub(super) name: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) company: Option<String>,
    pub(super) address1: Option<String>,
    pub(super) address2: Option<String>,
    pub(super) city: Option<String>,
    pub(super) zip: Option<String>,
    pub(super) province: Option<String>,
    pub(super) province_code: Option<String>,
    pub(super) country_code: Option<String>,
    pub(super) phone: Option<String>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireLine {
    pub(super) id: Id,
    /// Null or blank for a free-text item.
    pub(super) sku: Option<String>,
    /// Title with the variant's.
    pub(super) name: Option<String>,
    pub(super) title: Option<String>,
    /// As ordered; never changes.
    pub(super) quantity: i64,
    /// After edits and refunds; absent before 2021.
    pub(super) current_quantity: Option<i64>,
    /// Of one, before discount.
    pub(super) price: Option<Number>,
    pub(super) price_set: Option<MoneySet>,
    /// "0.00" wherever `discount_allocations` holds the discount.
    pub(super) total_discount: Option<Number>,
    pub(super) total_discount_set: Option<MoneySet>,
    pub(super) discount_allocations: Option<Vec<WireAllocation>>,
    pub(super) tax_lines: Option<Vec<WireTax>>,
    pub(super) requires_shipping: Option<bool>,
    pub(super) gift_card: Option<bool>,
    /// On the line of a tip.
    pub(super) tip_payment_gateway: Option<String>,
    /// On the line of a tip.
    pub(super) tip_payment_method: Option<String>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireAllocation {
    pub(super) amount: Option<Number>,
    pub(super) amount_set: Option<MoneySet>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireTax {
    pub(super) title: Option<String>,
    /// Fraction, a float.
    pub(super) rate: Option<Number>,
    pub(super) price: Option<Number>,
    pub(super) price_set: Option<MoneySet>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireShippingLine {
    pub(super) code: Option<String>,
    pub(super) title: Option<String>,
    pub(super) price: Option<Number>,
    pub(super) price_set: Option<MoneySet>,
    pub(super) discounted_price: Option<Number>,
    pub(super) discounted_price_set: Option<MoneySet>,
    pub(super) discount_allocations: Option<Vec<WireAllocation>>,
    pub(super) tax_lines: Option<Vec<WireTax>>,
    /// Replaced by an edit of the order.
    pub(super) is_removed: Option<bool>,
}

/// `refunds/create`, and an element of an order's `refunds`.
#[derive(serde::Deserialize)]
pub(super) struct WireRefund {
    pub(super) id: Id,
    /// `gid://shopify/{type}/{id}`: signed with the body, so it tells what the body is.
    pub(super) admin_graphql_api_id: Option<String>,
    pub(super) order_id: Option<Id>,
    pub(super) created_at: Option<String>,
    pub(super) processed_at: Option<String>,
    pub(super) refund_line_items: Option<Vec<WireRefundLine>>,
    pub(super) refund_shipping_lines: Option<Vec<WireRefundShipping>>,
    /// Shipping paid back (`shipping_refund`) and differences between the parts and what was paid
    /// back (`refund_discrepancy`). Negative amounts go to the customer.
    pub(super) order_adjustments: Option<Vec<WireAdjustment>>,
    /// Empty where no money moved.
    pub(super) transactions: Option<Vec<WireTransaction>>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireRefundLine {
    pub(super) line_item_id: Id,
    pub(super) quantity: i64,
    /// `no_restock`, `cancel` (never shipped), `return`, `legacy_restock`.
    pub(super) restock_type: Option<String>,
    /// A JSON number here; `_set` holds text.
    pub(super) subtotal: Option<Number>,
    pub(super) subtotal_set: Option<MoneySet>,
    pub(super) total_tax: Option<Number>,
    pub(super) total_tax_set: Option<MoneySet>,
    pub(super) line_item: Option<WireRefundedItem>,
}

/// The order's line as a refund repeats it; `{}` in some examples.
#[derive(serde::Deserialize)]
pub(super) struct WireRefundedItem {
    pub(super) sku: Option<String>,
    pub(super) fulfillment_status: Option<String>,
    pub(super) tax_lines: Option<Vec<WireTax>>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireRefundShipping {
    pub(super) subtotal_amount_set: Option<MoneySet>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireAdjustment {
    pub(super) kind: Option<String>,
    pub(super) amount: Option<Number>,
    pub(super) amount_set: Option<MoneySet>,
    pub(super) tax_amount: Option<Number>,
    pub(super) tax_amount_set: Option<MoneySet>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireTransaction {
    /// `refund` moves money back; `void` drops a reservation; others do not belong to a refund.
    pub(super) kind: Option<String>,
    /// `success`, `pending`, `failure`, `error`.
    pub(super) status: Option<String>,
    pub(super) amount: Option<Number>,
    /// The currency of `amount`: the shop's, or the customer's for some gateways.
    pub(super) currency: Option<String>,
    /// The gateway's own id.
    pub(super) authorization: Option<String>,
    pub(super) created_at: Option<String>,
    pub(super) processed_at: Option<String>,
}

/// `returns/*`. Shopify documents no instants in it, and lines name no SKU. Later topics
/// (`cancel`, `close`, `reopen`) carry `order_id` instead of `order` and no lines. No recorded
/// body was at hand: everything but `id` is optional here.
#[derive(serde::Deserialize)]
pub(super) struct WireReturn {
    pub(super) id: Id,
    /// `gid://shopify/{type}/{id}`: signed with the body, so it tells what the body is.
    pub(super) admin_graphql_api_id: Option<String>,
    pub(super) status: Option<String>,
    pub(super) order: Option<WireOrderRef>,
    pub(super) order_id: Option<Id>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
    pub(super) return_line_items: Option<Vec<WireReturnLine>>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireOrderRef {
    pub(super) id: Option<Id>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireReturnLine {
    pub(super) quantity: Option<i64>,
    pub(super) fulfillment_line_item: Option<WireFulfillmentLine>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireFulfillmentLine {
    pub(super) line_item: Option<WireReturnedItem>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireReturnedItem {
    pub(super) id: Option<Id>,
    pub(super) sku: Option<String>,
}

/// `fulfillments/*`: only looked at to tell what kind of echo it is.
#[derive(serde::Deserialize)]
pub(super) struct WireFulfillment {
    pub(super) service: Option<String>,
}

/// The wrappers of REST answers, as single objects and lists. Webhooks have none.
#[derive(serde::Deserialize)]
pub(super) struct Wrapped {
    pub(super) order: Option<Box<RawValue>>,
    pub(super) orders: Option<Vec<Box<RawValue>>>,
    pub(super) refund: Option<Box<RawValue>>,
    pub(super) refunds: Option<Vec<Box<RawValue>>>,
    /// `orders/edited` tells the difference and not the order.
    pub(super) order_edit: Option<serde::de::IgnoredAny>,
    /// Tells an order, which has `refunds` too, from a list of refunds.
    pub(super) line_items: Option<serde::de::IgnoredAny>,
}
