//! What the shop knows of an order. Money in integer minor units.

use crate::money::ratio;
use jiff::Timestamp;
use serde::Serialize;

/// An order.
#[derive(Debug, Clone)]
pub struct ShopOrder {
    /// Beyond 2^53, as real ids can be.
    pub id: i64,
    /// 1001 for `#1001`.
    pub number: i64,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it last changed; whole seconds.
    pub updated_at: Timestamp,
    /// When and why it was cancelled.
    pub cancelled: Option<(Timestamp, String)>,
    /// A test order.
    pub test: bool,
    /// Whether prices contain tax.
    pub taxes_included: bool,
    /// ISO code.
    pub currency: String,
    /// Tax in hundredths of a percent.
    pub tax_bp: i64,
    /// What has been paid.
    pub paid_minor: i64,
    /// Who ordered.
    pub buyer: Buyer,
    /// What was ordered.
    pub lines: Vec<ShopLine>,
    /// The way of delivery.
    pub shipping: ShopShipping,
    /// Discounts on lines.
    pub discounts: Vec<Discount>,
    /// Added to the stated total only: an order whose parts do not add up.
    pub total_error_minor: i64,
    /// What left.
    pub fulfillments: Vec<ShopFulfillment>,
    /// What was paid back.
    pub refunds: Vec<ShopRefund>,
    /// What comes back.
    pub returns: Vec<ShopReturn>,
    /// Id of the only fulfillment order.
    pub fulfillment_order_id: i64,
}

/// Who ordered.
#[derive(Debug, Clone)]
pub struct Buyer {
    /// Customer id.
    pub id: i64,
    /// First name.
    pub first: String,
    /// Last name.
    pub last: String,
    /// E-mail address.
    pub email: String,
    /// Phone.
    pub phone: String,
    /// Street and number.
    pub street: String,
    /// City.
    pub city: String,
    /// Postal code.
    pub zip: String,
    /// Country name.
    pub country: String,
    /// ISO code.
    pub country_code: String,
}

/// One line.
#[derive(Debug, Clone)]
pub struct ShopLine {
    /// Line id.
    pub id: i64,
    /// Id of the line within the fulfillment order.
    pub fulfillment_order_line_id: i64,
    /// What.
    pub sku: String,
    /// Number in the catalogue; absent for what the catalogue does not know.
    pub catalogue: Option<u32>,
    /// Title.
    pub title: String,
    /// How many were ordered.
    pub quantity: i64,
    /// Of them, fulfilled.
    pub fulfilled: i64,
    /// Of them, refunded before or after shipping.
    pub refunded: i64,
    /// Of them, taken off before shipping.
    pub removed: i64,
    /// Price of one before discount.
    pub unit_minor: i64,
    /// Index into the order's discounts, and how much of it falls on this line.
    pub allocations: Vec<(usize, i64)>,
    /// Tax of the whole line.
    pub tax_minor: i64,
}

impl ShopLine {
    /// Price of the whole line after discount.
    #[must_use]
    pub fn net_minor(&self) -> i64 {
        self.unit_minor * self.quantity - self.discount_minor()
    }

    /// Discount of the whole line.
    #[must_use]
    pub fn discount_minor(&self) -> i64 {
        self.allocations.iter().map(|(_, d)| d).sum()
    }

    /// How many can still be fulfilled.
    #[must_use]
    pub fn open(&self) -> i64 {
        self.quantity - self.removed - self.fulfilled
    }
}

/// The way of delivery.
#[derive(Debug, Clone)]
pub struct ShopShipping {
    /// Line id.
    pub id: i64,
    /// Code.
    pub code: String,
    /// Title.
    pub title: String,
    /// Price before discount.
    pub price_minor: i64,
    /// Discount.
    pub discount_minor: i64,
    /// Tax.
    pub tax_minor: i64,
}

/// A discount on lines.
#[derive(Debug, Clone)]
pub struct Discount {
    /// Code or title.
    pub title: String,
    /// On the whole order, or on one line.
    pub whole_order: bool,
    /// Percent, or nothing for a fixed amount.
    pub percent: Option<i64>,
    /// Over all lines.
    pub amount_minor: i64,
}

/// What left.
#[derive(Debug, Clone)]
pub struct ShopFulfillment {
    /// Id.
    pub id: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Line index, quantity and id of the fulfillment line.
    pub lines: Vec<(usize, i64, i64)>,
    /// Carrier.
    pub company: Option<String>,
    /// Tracking numbers.
    pub numbers: Vec<String>,
    /// Tracking pages.
    pub urls: Vec<String>,
}

/// What was paid back.
#[derive(Debug, Clone)]
pub struct ShopRefund {
    /// Id.
    pub id: i64,
    /// When.
    pub created_at: Timestamp,
    /// Goods.
    pub lines: Vec<ShopRefundLine>,
    /// Shipping paid back, as priced.
    pub shipping_minor: i64,
    /// Tax of that shipping.
    pub shipping_tax_minor: i64,
    /// All of it, tax contained.
    pub amount_minor: i64,
    /// Whether and how the shop says that money moved.
    pub money: RefundMoney,
    /// The return that it belongs to.
    pub return_id: Option<i64>,
}

/// Whether the shop says that money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundMoney {
    /// No transaction: decided, to be paid by whoever integrates.
    None,
    /// A pending transaction.
    Pending,
    /// A successful transaction.
    Success,
}

/// Goods of a refund.
#[derive(Debug, Clone)]
pub struct ShopRefundLine {
    /// Id.
    pub id: i64,
    /// Line index.
    pub line: usize,
    /// How many.
    pub quantity: i64,
    /// Price of them after discount.
    pub subtotal_minor: i64,
    /// Tax of them.
    pub tax_minor: i64,
    /// `no_restock`, `cancel` or `return`.
    pub restock_type: &'static str,
}

/// What comes back.
#[derive(Debug, Clone)]
pub struct ShopReturn {
    /// Id.
    pub id: i64,
    /// `requested`, `open`, `closed`, `declined` or `canceled`.
    pub status: &'static str,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Id, line index, fulfillment line id, quantity.
    pub lines: Vec<(i64, usize, i64, i64)>,
}

impl ShopOrder {
    /// `#1001`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("#{}", self.number)
    }

    /// Lines after discount.
    #[must_use]
    pub fn subtotal_minor(&self) -> i64 {
        self.lines.iter().map(ShopLine::net_minor).sum()
    }

    /// All tax.
    #[must_use]
    pub fn tax_minor(&self) -> i64 {
        let lines: i64 = self.lines.iter().map(|l| l.tax_minor).sum();
        lines + self.shipping.tax_minor
    }

    /// What the customer owes.
    #[must_use]
    pub fn total_minor(&self) -> i64 {
        let parts =
            self.subtotal_minor() + self.shipping.price_minor - self.shipping.discount_minor;
        if self.taxes_included {
            parts
        } else {
            parts + self.tax_minor()
        }
    }

    /// What the order states as its total: the sum, unless it is an order whose sums are wrong.
    #[must_use]
    pub fn stated_total_minor(&self) -> i64 {
        self.total_minor() + self.total_error_minor
    }

    /// All refunds.
    #[must_use]
    pub fn refunded_minor(&self) -> i64 {
        self.refunds.iter().map(|r| r.amount_minor).sum()
    }

    /// `financial_status`.
    #[must_use]
    pub fn financial_status(&self) -> &'static str {
        let (paid, refunded) = (self.paid_minor, self.refunded_minor());
        match (paid, refunded) {
            (0, _) if self.cancelled.is_some() => "voided",
            (0, _) => "pending",
            (p, 0) if p < self.stated_total_minor() => "partially_paid",
            (_, 0) => "paid",
            (p, r) if r >= p => "refunded",
            _ => "partially_refunded",
        }
    }

    /// `fulfillment_status`: nothing for unfulfilled.
    #[must_use]
    pub fn fulfillment_status(&self) -> Option<&'static str> {
        let wanted: i64 = self.lines.iter().map(|l| l.quantity - l.removed).sum();
        let fulfilled: i64 = self.lines.iter().map(|l| l.fulfilled).sum();
        match fulfilled {
            0 => None,
            f if f >= wanted => Some("fulfilled"),
            _ => Some("partial"),
        }
    }

    /// Status of the fulfillment order, as GraphQL spells it.
    #[must_use]
    pub fn fulfillment_order_status(&self) -> &'static str {
        if self.lines.iter().all(|l| l.open() <= 0) {
            return if self.cancelled.is_some() && self.fulfillments.is_empty() {
                "CANCELLED"
            } else {
                "CLOSED"
            };
        }
        if self.fulfillments.is_empty() {
            "OPEN"
        } else {
            "IN_PROGRESS"
        }
    }
}

/// Tax of an amount: inside it if prices contain tax, else on top. The part without tax is rounded,
/// the tax is what remains.
#[must_use]
pub fn tax_of(minor: i64, tax_bp: i64, included: bool) -> i64 {
    if included {
        minor - ratio(minor, 10_000, 10_000 + tax_bp)
    } else {
        ratio(minor, tax_bp, 10_000)
    }
}
