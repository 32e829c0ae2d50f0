//! Builds a valid order.

use super::{amount, currency, instant, sku, text, units};
use rust_decimal::Decimal;
use waybill_model::money::{Amount, Currency};
use waybill_model::order::{
    Cancellation, Order, OrderLine, OrderPayment, ShippingLine, Tax, Totals, Version,
};
use waybill_model::party::{Address, Customer};

/// Builds a valid order; whatever is changed, taxes and totals add up to the cent.
#[derive(Debug, Clone)]
pub struct OrderBuilder {
    order: Order,
    tax_rate: Amount,
}

impl OrderBuilder {
    /// `shop-main`, number `#id`, EUR, prices with 20 % VAT: 2 × `MUG-RED` at 12.50, 1 × `TEE-M` at
    /// 30.00, shipping 4.90, paid.
    #[must_use]
    pub fn new(id: &str) -> Self {
        let order = Order {
            channel: text("shop-main"),
            id: text(id),
            number: text(&format!("#{id}")),
            version: Version(1),
            placed_at: instant("2026-01-31T09:00:00Z"),
            test: false,
            currency: currency("EUR"),
            taxes_included: true,
            payment: OrderPayment::Paid,
            cancelled: None,
            customer: Some(customer()),
            billing: Some(address()),
            shipping: Some(address()),
            lines: Vec::new(),
            shipping_lines: vec![ShippingLine {
                method: "standard".to_owned(),
                title: "Standard delivery".to_owned(),
                price: amount("4.90"),
                discount: Amount::ZERO,
                taxes: Vec::new(),
            }],
            gift_card_paid: Amount::ZERO,
            tip: Amount::ZERO,
            rounding: Amount::ZERO,
            totals: Totals {
                subtotal: Amount::ZERO,
                shipping: Amount::ZERO,
                tax: Amount::ZERO,
                total: Amount::ZERO,
            },
            note: None,
        };
        Self {
            order,
            tax_rate: amount("0.2"),
        }
        .line("MUG-RED", 2, "12.50")
        .line("TEE-M", 1, "30.00")
    }

    /// No lines.
    #[must_use]
    pub fn without_lines(mut self) -> Self {
        self.order.lines.clear();
        self
    }

    /// One more line; its id is its place, from `L1`.
    #[must_use]
    pub fn line(mut self, name: &str, quantity: i64, unit_price: &str) -> Self {
        let place = self.order.lines.len() + 1;
        self.order.lines.push(OrderLine {
            id: text(&format!("L{place}")),
            sku: Some(sku(name)),
            title: format!("Article {name}"),
            quantity: units(quantity),
            current_quantity: units(quantity),
            unit_price: amount(unit_price),
            discount: Amount::ZERO,
            taxes: Vec::new(),
            requires_shipping: true,
            gift_card: false,
        });
        self
    }

    /// The channel's connection.
    #[must_use]
    pub fn channel(mut self, connection: &str) -> Self {
        self.order.channel = text(connection);
        self
    }

    /// The snapshot's version.
    #[must_use]
    pub fn version(mut self, version: i64) -> Self {
        self.order.version = Version(version);
        self
    }

    /// Payment as the channel states it.
    #[must_use]
    pub fn payment(mut self, payment: OrderPayment) -> Self {
        self.order.payment = payment;
        self
    }

    /// Currency of all amounts.
    #[must_use]
    pub fn currency(mut self, name: &str) -> Self {
        self.order.currency = currency(name);
        self
    }

    /// Prices without tax; it is added.
    #[must_use]
    pub fn taxes_added(mut self) -> Self {
        self.order.taxes_included = false;
        self
    }

    /// Cancelled by the customer, a minute after it was placed.
    #[must_use]
    pub fn cancelled(mut self) -> Self {
        self.order.cancelled = Some(Cancellation {
            at: self.order.placed_at.plus_ms(60_000),
            reason: Some("customer".to_owned()),
        });
        for line in &mut self.order.lines {
            line.current_quantity = units(0);
        }
        self
    }

    /// Any other change, before taxes and totals are computed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Order)) -> Self {
        change(&mut self.order);
        self
    }

    /// The order, with taxes and totals computed.
    #[must_use]
    pub fn build(self) -> Order {
        let Self {
            mut order,
            tax_rate,
        } = self;
        let (included, money) = (order.taxes_included, order.currency);
        let taxed = |total: Amount| vec![vat(total, tax_rate, included, money)];
        for line in &mut order.lines {
            line.taxes = taxed(line.total().unwrap());
        }
        for line in &mut order.shipping_lines {
            line.taxes = taxed(line.price.minus(line.discount).unwrap());
        }
        let subtotal = sum(order.lines.iter().map(|l| l.total().unwrap()));
        let paid = |l: &ShippingLine| l.price.minus(l.discount).unwrap();
        let shipping = sum(order.shipping_lines.iter().map(paid));
        let line_taxes = order.lines.iter().flat_map(|l| &l.taxes);
        let ship_taxes = order.shipping_lines.iter().flat_map(|l| &l.taxes);
        let tax = sum(line_taxes.chain(ship_taxes).map(|t| t.amount));
        let added = if included { Amount::ZERO } else { tax };
        order.totals = Totals {
            subtotal,
            shipping,
            tax,
            total: sum([subtotal, shipping, added, order.tip, order.rounding]),
        };
        order
    }
}

fn sum(amounts: impl IntoIterator<Item = Amount>) -> Amount {
    Amount::sum(amounts).unwrap()
}

fn vat(total: Amount, rate: Amount, included: bool, currency: Currency) -> Tax {
    let (total, fraction) = (total.decimal(), rate.decimal());
    let tax = if included {
        total * fraction / (Decimal::ONE + fraction)
    } else {
        total * fraction
    };
    let tax = tax.round_dp_with_strategy(
        currency.minor_digits(),
        rust_decimal::RoundingStrategy::MidpointAwayFromZero,
    );
    Tax {
        title: "VAT".to_owned(),
        rate,
        amount: Amount::from_decimal(tax).unwrap(),
    }
}

fn customer() -> Customer {
    Customer {
        id: Some(text("C-1")),
        name: Some("Ada Example".to_owned()),
        email: Some("ada@example.com".to_owned()),
        phone: None,
        company: None,
        tax_id: None,
    }
}

fn address() -> Address {
    Address {
        name: Some("Ada Example".to_owned()),
        company: None,
        street: Some("1 Example Street".to_owned()),
        street2: None,
        city: Some("Berlin".to_owned()),
        zip: Some("10115".to_owned()),
        region: None,
        country: Some("DE".to_owned()),
        phone: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_with_tax_contained_and_with_tax_added() {
        let contained = OrderBuilder::new("1").build();
        assert_eq!(contained.totals.total, amount("59.90"));
        assert_eq!(contained.totals.tax, amount("9.99"));
        let added = OrderBuilder::new("1").taxes_added().build();
        assert_eq!(added.totals.total, amount("71.88"));
    }

    #[test]
    fn what_is_built_survives_the_wire() {
        let order = OrderBuilder::new("1").cancelled().build();
        let json = serde_json::to_string(&order).unwrap();
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order);
    }
}
