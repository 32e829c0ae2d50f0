//! What blocks an order, by name (features V1). Each finding says what, where and how to mend it.

use crate::connections::ChannelSettings;
use crate::history::BEFORE_START;
use waybill_model::event::Finding;
use waybill_model::id::Code;
use waybill_model::money::{Amount, Currency};
use waybill_model::order::{Order, Tax};

/// Most lines of one order: above it, a message would not fit on a queue with room to spare.
pub const MAX_LINES: usize = 500;

/// Everything that blocks this order; empty for a clean one.
#[must_use]
pub fn findings(order: &Order, settings: &ChannelSettings) -> Vec<Finding> {
    let mut found = Vec::new();
    check_kind(order, &mut found);
    check_start(order, settings, &mut found);
    check_party(order, &mut found);
    check_lines(order, &mut found);
    check_signs(order, &mut found);
    check_totals(order, &mut found);
    found
}

fn check_start(order: &Order, settings: &ChannelSettings, found: &mut Vec<Finding>) {
    if let Some(start) = settings.orders_from
        && order.placed_at < start
    {
        add(
            found,
            BEFORE_START,
            format!(
                "order `{}` was placed at {}, before `orders_from` of its channel",
                order.number, order.placed_at
            ),
            "nothing to do if whoever had the channel before ships it: ignore this case. If not, \
             waive this finding, and the order is written to Odoo and shipped",
        );
    }
}

fn add(found: &mut Vec<Finding>, code: &'static str, detail: String, remedy: &str) {
    found.push(Finding {
        code: Code::literal(code),
        detail,
        remedy: remedy.to_owned(),
    });
}

fn check_kind(order: &Order, found: &mut Vec<Finding>) {
    if order.test {
        add(
            found,
            "test_order",
            format!("order `{}` is a test order", order.number),
            "nothing to do; waive this finding to let it pass on purpose",
        );
    }
    if order.lines.is_empty() {
        add(
            found,
            "no_lines",
            format!("order `{}` has no lines", order.number),
            "look at the order in the shop: cancel it, or add what was ordered",
        );
    }
    if order.lines.len() > MAX_LINES {
        add(
            found,
            "too_many_lines",
            format!(
                "order `{}` has {} lines, at most {MAX_LINES} are possible",
                order.number,
                order.lines.len()
            ),
            "split the order in the shop",
        );
    }
}

fn check_party(order: &Order, found: &mut Vec<Finding>) {
    let known = order.customer.as_ref().is_some_and(|c| {
        c.id.is_some() || c.email.is_some() || c.phone.is_some() || c.name.is_some()
    });
    if !known && order.billing.is_none() && order.shipping.is_none() {
        add(
            found,
            "customer_unknown",
            format!("order `{}` names no customer and no address", order.number),
            "assign a customer to the order in the shop",
        );
    }
    if !order.requires_shipping() {
        return;
    }
    let Some(address) = &order.shipping else {
        add(
            found,
            "address_missing",
            format!(
                "order `{}` must be sent and has no shipping address",
                order.number
            ),
            "add the shipping address in the shop",
        );
        return;
    };
    let missing: Vec<&str> = [
        ("street", &address.street),
        ("city", &address.city),
        ("country", &address.country),
    ]
    .into_iter()
    .filter(|(_, value)| value.is_none())
    .map(|(name, _)| name)
    .collect();
    if !missing.is_empty() {
        add(
            found,
            "address_incomplete",
            format!("the shipping address lacks `{}`", missing.join("`, `")),
            "complete the shipping address in the shop",
        );
    }
    let country_is_code = |c: &String| c.len() == 2 && c.bytes().all(|b| b.is_ascii_uppercase());
    if address
        .country
        .as_ref()
        .is_some_and(|c| !country_is_code(c))
    {
        add(
            found,
            "country_unknown",
            "the shipping address' country is no two-letter code".to_owned(),
            "correct the country in the shop, or the channel's mapping",
        );
    }
    if order.shipping_lines.is_empty() {
        add(
            found,
            "shipping_method_missing",
            format!(
                "order `{}` must be sent and names no method of delivery",
                order.number
            ),
            "choose a method of delivery for the order in the shop",
        );
    }
}

fn check_lines(order: &Order, found: &mut Vec<Finding>) {
    for line in &order.lines {
        if line.sku.is_none() {
            add(
                found,
                "sku_missing",
                format!("line `{}` has no SKU", line.id),
                "give the product a SKU in the shop, or replace the line",
            );
        }
        if line.quantity.is_zero() {
            add(
                found,
                "quantity_zero",
                format!("line `{}` orders nothing", line.id),
                "remove the line in the shop",
            );
        }
    }
}

fn check_signs(order: &Order, found: &mut Vec<Finding>) {
    let lines = order
        .lines
        .iter()
        .flat_map(|l| [("unit_price", l.unit_price), ("discount", l.discount)]);
    let shipping = order
        .shipping_lines
        .iter()
        .flat_map(|s| [("price", s.price), ("discount", s.discount)]);
    let negative = lines
        .chain(shipping)
        .find(|(_, amount)| amount.is_negative());
    if let Some((field, amount)) = negative {
        add(
            found,
            "negative_amount",
            format!("`{field}` is `{amount}`"),
            "correct the price or discount in the shop",
        );
    }
}

/// Totals to the cent. Tax alone may differ by one minor unit a taxed line: shops round it by line
/// or by order; what Odoo makes of it is compared to the cent when it is written.
fn check_totals(order: &Order, found: &mut Vec<Finding>) {
    let sums = Sums::of(order);
    let Some(sums) = sums else {
        add(
            found,
            "total_mismatch",
            "the amounts are too large to add".to_owned(),
            "correct the amounts in the shop",
        );
        return;
    };
    let stated = order.totals;
    let mut differs = |what: &str, stated: Amount, parts: Amount| {
        add(
            found,
            "total_mismatch",
            format!("`{what}` is stated as `{stated}`, its parts add up to `{parts}`"),
            "compare the order in the shop with its export: a discount, tip, duty or fee is not \
             in the parts",
        );
    };
    if sums.lines != stated.subtotal {
        differs("subtotal", stated.subtotal, sums.lines);
    }
    if sums.shipping != stated.shipping {
        differs("shipping", stated.shipping, sums.shipping);
    }
    if !within(sums.tax, stated.tax, sums.taxed, order.currency) {
        differs("tax", stated.tax, sums.tax);
    }
    if sums.total != stated.total {
        differs("total", stated.total, sums.total);
    }
}

struct Sums {
    lines: Amount,
    shipping: Amount,
    tax: Amount,
    taxed: i64,
    total: Amount,
}

impl Sums {
    fn of(order: &Order) -> Option<Self> {
        let totals = order
            .lines
            .iter()
            .map(waybill_model::order::OrderLine::total)
            .collect::<Option<Vec<_>>>()?;
        let lines = Amount::sum(totals)?;
        let shipping = Amount::sum(
            order
                .shipping_lines
                .iter()
                .map(|s| s.price.minus(s.discount))
                .collect::<Option<Vec<_>>>()?,
        )?;
        let taxes: Vec<&Tax> = order
            .lines
            .iter()
            .flat_map(|l| &l.taxes)
            .chain(order.shipping_lines.iter().flat_map(|s| &s.taxes))
            .collect();
        let tax = Amount::sum(taxes.iter().map(|t| t.amount))?;
        let stated = order.totals;
        let mut total = stated
            .subtotal
            .plus(stated.shipping)?
            .plus(order.tip)?
            .plus(order.rounding)?;
        if !order.taxes_included {
            total = total.plus(stated.tax)?;
        }
        let taxed = i64::try_from(taxes.len()).ok()?;
        Some(Self {
            lines,
            shipping,
            tax,
            taxed,
            total,
        })
    }
}

fn within(a: Amount, b: Amount, minor_units: i64, currency: Currency) -> bool {
    let slack = Amount::from_minor(minor_units, currency);
    a.minus(b)
        .is_some_and(|d| d.decimal().abs() <= slack.decimal())
}
