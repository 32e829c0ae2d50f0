//! Orders of one run.

use crate::Stop;
use serde_json::{Value, json};
use waybill_flow::ports::{Clock as _, ErpCommand};
use waybill_lambda_kit::clock::SystemClock;
use waybill_model::command::{Command, CreateSaleOrder};
use waybill_model::id::{ConnectionId, EffectKey, MessageId};
use waybill_model::order::Order;

/// Different products among the orders of a run: few enough that one order can hold them all.
pub const PRODUCTS: u32 = 60;
/// Lines of an order, each of another product.
pub const LINES: u32 = 3;
/// The effect that a new order is for.
const EFFECT: &str = "sale_order.create";

/// One line, in units and cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Number of the product, from 1.
    pub product: u32,
    /// Units.
    pub quantity: i64,
    /// Price of one without tax: a multiple of 50, so that taxes of whole percents need no rounding.
    pub price_cents: i64,
}

/// What all orders of a run have in common.
#[derive(Debug, Clone)]
pub struct Run {
    /// Tells its orders and customers from those of every other run.
    pub name: String,
    /// Currency of all amounts.
    pub currency: String,
    /// Tax on top of every price, in hundredths of a percent.
    pub tax_bp: i64,
    /// Whether the goods go to an address of the customer's: one more contact in Odoo an order.
    pub addresses: bool,
}

/// An order before anybody wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Number that the customer sees.
    pub number: String,
    /// Which customer, from 0.
    pub customer: u64,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Total with tax.
    pub total_cents: i64,
}

/// A name that no earlier run has: the milliseconds since 1970 in base 36.
#[must_use]
pub fn unique_name(prefix: &str) -> String {
    const DIGITS: [char; 36] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H',
        'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z',
    ];
    let mut left = usize::try_from(SystemClock.now().epoch_ms()).unwrap_or_default();
    let mut digits = Vec::new();
    while left > 0 {
        digits.extend(DIGITS.get(left % DIGITS.len()));
        left /= DIGITS.len();
    }
    prefix.chars().chain(digits.into_iter().rev()).collect()
}

/// SKU of a product.
#[must_use]
pub fn sku(product: u32) -> String {
    format!("SKU-{product:04}")
}

/// E-mail address of a customer.
#[must_use]
pub fn email(run: &str, customer: u64) -> String {
    format!("c{customer}@{}.example.com", run.to_lowercase())
}

impl Run {
    /// The order with this number among those of the run, of this customer.
    #[must_use]
    pub fn plan(&self, number: u64, customer: u64) -> Plan {
        let first = u32::try_from(number % u64::from(PRODUCTS)).unwrap_or_default() * LINES;
        let lines = (0..LINES).map(|place| (first + place) % PRODUCTS + 1);
        let quantity = |product: u32| {
            1 + (i64::from(product) + i64::try_from(number % 3).unwrap_or_default()) % 3
        };
        self.plan_of(
            number,
            customer,
            lines.map(|p| line(p, quantity(p))).collect(),
        )
    }

    /// An order with one unit of every product.
    #[must_use]
    pub fn plan_of_everything(&self, number: u64) -> Plan {
        self.plan_of(number, number, (1..=PRODUCTS).map(|p| line(p, 1)).collect())
    }

    fn plan_of(&self, number: u64, customer: u64, lines: Vec<Line>) -> Plan {
        let net: i64 = lines.iter().map(|l| l.price_cents * l.quantity).sum();
        Plan {
            number: format!("{}-{number:05}", self.name),
            customer,
            lines,
            total_cents: net + net * self.tax_bp / 10_000,
        }
    }

    /// The order as a channel tells it.
    ///
    /// # Errors
    /// The run's name or currency is none.
    pub fn order(&self, plan: &Plan) -> Result<Order, Stop> {
        let rate = decimal(self.tax_bp, 4);
        let lines: Vec<Value> = plan
            .lines
            .iter()
            .enumerate()
            .map(|(place, line)| {
                let net = line.price_cents * line.quantity;
                let units = line.quantity.to_string();
                json!({
                    "id": (place + 1).to_string(), "sku": sku(line.product), "title": sku(line.product),
                    "quantity": units, "current_quantity": units,
                    "unit_price": decimal(line.price_cents, 2), "discount": "0",
                    "taxes": [{"title": "VAT", "rate": rate, "amount": decimal(net * self.tax_bp / 10_000, 2)}],
                    "requires_shipping": true, "gift_card": false,
                })
            })
            .collect();
        let net: i64 = plan.lines.iter().map(|l| l.price_cents * l.quantity).sum();
        let name = format!("{} customer {}", self.name, plan.customer);
        let address = json!({
            "name": name, "company": null, "street": format!("Trial Road {}", plan.customer + 1),
            "street2": null, "city": "Springfield", "zip": "12345", "region": null, "country": "US",
            "phone": null,
        });
        serde_json::from_value(json!({
            "channel": "trial-shop", "id": plan.number, "number": plan.number, "version": 1,
            "placed_at": SystemClock.now(), "test": false, "currency": self.currency,
            "taxes_included": false, "payment": "paid", "cancelled": null,
            "customer": {"id": format!("{}-{}", self.name, plan.customer), "name": name,
                "email": email(&self.name, plan.customer), "phone": null, "company": null, "tax_id": null},
            "billing": null, "shipping": self.addresses.then_some(address),
            "lines": lines, "shipping_lines": [], "gift_card_paid": "0", "tip": "0", "rounding": "0",
            "totals": {"subtotal": decimal(net, 2), "shipping": "0",
                "tax": decimal(plan.total_cents - net, 2), "total": decimal(plan.total_cents, 2)},
            "note": null,
        }))
        .map_err(|e| Stop::new(format!("making order `{}`", plan.number), e))
    }
}

fn line(product: u32, quantity: i64) -> Line {
    Line {
        product,
        quantity,
        price_cents: 1_000 + 50 * i64::from(product),
    }
}

/// A decimal of an integer with so many places.
#[must_use]
pub fn decimal(number: i64, places: u32) -> String {
    rust_decimal::Decimal::new(number, places)
        .normalize()
        .to_string()
}

/// The command that writes an order to an ERP.
///
/// # Errors
/// Never for the effect of new orders.
pub fn command(erp: &ConnectionId, order: Order) -> Result<ErpCommand, Stop> {
    let correlation = order.correlation();
    let effect = effect()?;
    let erp = erp.clone();
    Ok(ErpCommand {
        correlation,
        key: MessageId::for_effect(correlation, &effect),
        command: Command::CreateSaleOrder(CreateSaleOrder {
            erp,
            order,
            warehouse: None,
        }),
    })
}

/// The effect that a new order is for.
///
/// # Errors
/// Never.
pub fn effect() -> Result<EffectKey, Stop> {
    EffectKey::new(EFFECT).map_err(|e| Stop::new("naming the effect", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            name: "T1".to_owned(),
            currency: "EUR".to_owned(),
            tax_bp: 1000,
            addresses: true,
        }
    }

    #[test]
    fn orders_have_three_different_products_and_a_total_of_whole_cents() {
        for number in 0..200 {
            let plan = run().plan(number, number);
            let products: std::collections::BTreeSet<u32> =
                plan.lines.iter().map(|l| l.product).collect();
            assert_eq!(products.len(), 3, "{plan:?}");
            assert!(products.iter().all(|p| (1..=PRODUCTS).contains(p)));
            let order = run().order(&plan).unwrap();
            assert_eq!(
                order.totals.total.to_string(),
                decimal(plan.total_cents, 2),
                "{plan:?}"
            );
        }
    }

    #[test]
    fn a_name_is_short_and_differs_by_its_prefix() {
        let (a, b) = (unique_name("A"), unique_name("B"));
        assert!(a.len() <= 10 && a.starts_with('A'), "{a}");
        assert_ne!(a, b);
    }
}
