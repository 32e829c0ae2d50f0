//! What must be true at the end, checked against what the outside holds: the simulators' state and
//! an Odoo read without Waybill's code.

mod stock;

use crate::odoo::{HeldOrder, format_cents};
use serde_json::Value;
use std::collections::BTreeMap;
use stock::{has_left, stock_level, stock_moved_once};
use waybill_model::id::{ChannelOrderId, ConnectionId, CorrelationId};

/// One invariant.
#[derive(Debug, Clone)]
pub struct Check {
    /// What must be true.
    pub name: &'static str,
    /// How many things were looked at.
    pub looked_at: usize,
    /// Where it is not true.
    pub violations: Vec<String>,
}

/// Everything that the outside holds at the end.
#[derive(Debug)]
pub struct Outside {
    /// The simulators' state, by simulator.
    pub state: Value,
    /// What the day expects of each order.
    pub expected: Vec<Expected>,
    /// Odoo's orders.
    pub odoo: Vec<HeldOrder>,
    /// Odoo's stock on hand before the day, in units, by SKU.
    pub stock_before: BTreeMap<String, i64>,
    /// The same after it.
    pub stock_after: BTreeMap<String, i64>,
    /// Messages in dead-letter queues, by queue.
    pub dead: BTreeMap<String, u64>,
    /// Open cases: order number → codes.
    pub cases: BTreeMap<String, Vec<String>>,
    /// Open cases without a detail or a remedy.
    pub unexplained: Vec<String>,
}

/// What the day expects of one order.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The connection that sold it.
    pub channel: String,
    /// The channel's id.
    pub id: String,
    /// The number that the customer sees.
    pub number: String,
    /// What happens to it, for a person.
    pub kind: String,
    /// `none`, `sale`, `cancel`, or `any` where a race decides.
    pub odoo: String,
    /// Codes of the cases that must be open; `any` where a race decides.
    pub cases: Option<Vec<String>>,
    /// Whether the warehouse must have got it; none where a race decides.
    pub released: Option<bool>,
    /// Whether the shop takes what is told of its parcels: not once it has cancelled the order.
    pub shop_told: bool,
}

impl Expected {
    /// The correlation id that Waybill gives it.
    #[must_use]
    pub fn correlation(&self) -> Option<CorrelationId> {
        let channel = ConnectionId::new(&self.channel).ok()?;
        Some(CorrelationId::for_order(
            &channel,
            &ChannelOrderId::new(&self.id).ok()?,
        ))
    }
}

fn list<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    value
        .pointer(path)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn units(value: &Value, field: &str) -> i64 {
    value.get(field).and_then(Value::as_i64).unwrap_or_default()
}

/// That every script of the day went to its end: what an order waited for in vain, it was expected to get.
#[must_use]
pub fn nothing_stuck(day: &Value) -> Check {
    let stuck = list(day, "/stuck").filter_map(Value::as_str);
    Check {
        name: "no order waited in vain for what should happen to it",
        looked_at: usize::try_from(units(day, "placed")).unwrap_or_default(),
        violations: stuck.map(str::to_owned).collect(),
    }
}

/// Everything, in the order of an order's way.
#[must_use]
pub fn check(outside: &Outside) -> Vec<Check> {
    let by_order = ByOrder::new(outside);
    vec![
        once_in_odoo(outside, &by_order),
        once_at_warehouse(outside, &by_order),
        totals_agree(outside, &by_order),
        stock_moved_once(outside, &by_order),
        stock_level(outside),
        shop_told_once(outside, &by_order),
        refunds_once(outside),
        refund_is_credit_note(outside, &by_order),
        one_ticket(outside),
        partners_signed(outside),
        marketplace_stock(outside),
        cases_named(outside),
        dead_letters(outside),
    ]
}

/// What the outside holds, by correlation id.
struct ByOrder<'a> {
    odoo: BTreeMap<&'a str, Vec<&'a HeldOrder>>,
    warehouse: BTreeMap<&'a str, Vec<&'a Value>>,
    shop: BTreeMap<&'a str, &'a Value>,
}

impl<'a> ByOrder<'a> {
    fn new(outside: &'a Outside) -> Self {
        let mut odoo: BTreeMap<&str, Vec<&HeldOrder>> = BTreeMap::new();
        for order in &outside.odoo {
            odoo.entry(&order.correlation).or_default().push(order);
        }
        let mut warehouse: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        let held = |place| list(&outside.state, place);
        for order in held("/shipbob/orders").chain(held("/canonical/orders")) {
            warehouse
                .entry(text(order, "reference_id"))
                .or_default()
                .push(order);
        }
        let shop = held("/shopify/orders")
            .chain(held("/marketplace/orders"))
            .map(|o| (text(o, "id"), o))
            .collect();
        Self {
            odoo,
            warehouse,
            shop,
        }
    }

    fn in_odoo(&self, correlation: &str) -> &[&'a HeldOrder] {
        self.odoo.get(correlation).map_or(&[], Vec::as_slice)
    }

    fn at_warehouse(&self, correlation: &str) -> &[&'a Value] {
        self.warehouse.get(correlation).map_or(&[], Vec::as_slice)
    }
}

fn each(
    outside: &Outside,
    name: &'static str,
    mut look: impl FnMut(&Expected, &str) -> Option<String>,
) -> Check {
    let mut violations = Vec::new();
    for expected in &outside.expected {
        let Some(correlation) = expected.correlation() else {
            violations.push(format!(
                "{}: `{}` is no order id",
                expected.number, expected.id
            ));
            continue;
        };
        if let Some(problem) = look(expected, &correlation.to_string()) {
            violations.push(format!(
                "{} ({}): {problem}",
                expected.number, expected.kind
            ));
        }
    }
    Check {
        name,
        looked_at: outside.expected.len(),
        violations,
    }
}

fn once_in_odoo(outside: &Outside, by: &ByOrder<'_>) -> Check {
    each(
        outside,
        "every accepted order is in Odoo exactly once, no other is",
        |e, c| {
            let states: Vec<&str> = by.in_odoo(c).iter().map(|o| o.state.as_str()).collect();
            let fits = match (e.odoo.as_str(), states.as_slice()) {
                ("none", []) | ("any", [] | ["sale" | "cancel"]) => true,
                (wanted, [state]) => wanted == *state,
                _ => false,
            };
            (!fits).then(|| format!("expected `{}`, Odoo holds {states:?}", e.odoo))
        },
    )
}

fn once_at_warehouse(outside: &Outside, by: &ByOrder<'_>) -> Check {
    each(
        outside,
        "every released order is at the 3PL exactly once",
        |e, c| {
            let count = by.at_warehouse(c).len();
            let fits = match e.released {
                Some(released) => count == usize::from(released),
                None => count <= 1,
            };
            (!fits).then(|| format!("the 3PL holds it {count} times, expected {:?}", e.released))
        },
    )
}

fn totals_agree(outside: &Outside, by: &ByOrder<'_>) -> Check {
    each(
        outside,
        "Odoo's total is the shop's, to the cent",
        |e, c| {
            let order = by.in_odoo(c).first().filter(|o| o.state == "sale")?;
            let shop = format_cents(units(by.shop.get(e.id.as_str())?, "total_minor"));
            (order.total != shop).then(|| format!("Odoo {}, shop {shop}", order.total))
        },
    )
}

fn shop_told_once(outside: &Outside, by: &ByOrder<'_>) -> Check {
    each(
        outside,
        "the shop knows every parcel once, with its tracking number",
        |e, c| {
            let numbers = |value: &Value, path: &str| -> Vec<String> {
                list(value, path)
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            };
            let mut told: Vec<String> = by
                .shop
                .get(e.id.as_str())
                .into_iter()
                .flat_map(|o| list(o, "/fulfillments"))
                .flat_map(|f| numbers(f, "/tracking_numbers"))
                .collect();
            let mut left: Vec<String> = by
                .at_warehouse(c)
                .iter()
                .flat_map(|o| list(o, "/shipments"))
                .filter(|s| has_left(text(s, "status")))
                .map(|s| text(s, "tracking_number").to_owned())
                .filter(|n| !n.is_empty())
                .collect();
            told.sort();
            left.sort();
            (e.shop_told && told != left)
                .then(|| format!("the shop knows {told:?}, the 3PL sent {left:?}"))
        },
    )
}

fn refunds_once(outside: &Outside) -> Check {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for refund in list(&outside.state, "/stripe/refunds") {
        let key = refund
            .pointer("/metadata/waybill_refund")
            .and_then(Value::as_str);
        *count
            .entry(key.unwrap_or_else(|| text(refund, "id")))
            .or_default() += 1;
    }
    Check {
        name: "no refund was paid twice",
        looked_at: count.len(),
        violations: count
            .iter()
            .filter(|(_, n)| **n > 1)
            .map(|(id, n)| format!("refund {id} was paid {n} times"))
            .collect(),
    }
}

fn refund_is_credit_note(outside: &Outside, by: &ByOrder<'_>) -> Check {
    let mut paid: BTreeMap<&str, i64> = BTreeMap::new();
    for refund in list(&outside.state, "/stripe/refunds") {
        if text(refund, "status") == "succeeded" {
            *paid.entry(text(refund, "order_id")).or_default() += units(refund, "amount");
        }
    }
    // The marketplace pays back by itself.
    for order in list(&outside.state, "/marketplace/orders") {
        paid.insert(text(order, "id"), units(order, "refunded_minor"));
    }
    each(
        outside,
        "money paid back equals credit notes, to the cent",
        |e, c| {
            let order = by.in_odoo(c).first()?;
            if order.state == "cancel" {
                return (order.credited != 0)
                    .then(|| format!("cancelled, and credited {}", format_cents(order.credited)));
            }
            let paid = paid.get(e.id.as_str()).copied().unwrap_or_default();
            (paid != order.credited).then(|| {
                format!(
                    "paid back {}, credited {}",
                    format_cents(paid),
                    format_cents(order.credited)
                )
            })
        },
    )
}

fn one_ticket(outside: &Outside) -> Check {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for ticket in list(&outside.state, "/zendesk/tickets") {
        *count.entry(text(ticket, "external_id")).or_default() += 1;
    }
    Check {
        name: "an order has at most one ticket",
        looked_at: count.len(),
        violations: count
            .iter()
            .filter(|(id, n)| **n > 1 && !id.is_empty())
            .map(|(id, n)| format!("order {id} has {n} tickets"))
            .collect(),
    }
}

/// Commands to partners that speak our schemas: signed as they expect, each carried out once
/// however often it came, and none that they cannot take.
fn partners_signed(outside: &Outside) -> Check {
    let mut looked_at = 0;
    let mut violations = Vec::new();
    for partner in ["canonical", "marketplace"] {
        let unsigned = outside
            .state
            .pointer(&format!("/{partner}/unsigned"))
            .and_then(Value::as_u64);
        if unsigned != Some(0) {
            violations.push(format!(
                "{partner}: commands without a signature: {unsigned:?}"
            ));
        }
        for command in list(&outside.state, &format!("/{partner}/commands")) {
            looked_at += 1;
            let refused = text(command, "refused");
            if !["", "too_late", "order_cancelled"].contains(&refused) {
                let kind = text(command, "type");
                violations.push(format!("{partner}: `{kind}` was refused: {refused}"));
            }
        }
    }
    Check {
        name: "partners that speak our schemas accept every command's signature and content",
        looked_at,
        violations,
    }
}

fn marketplace_stock(outside: &Outside) -> Check {
    let told = |path: &str| {
        let levels = outside.state.pointer(path).and_then(Value::as_object);
        levels.cloned().unwrap_or_default()
    };
    let (market, shop) = (told("/marketplace/stock"), told("/shopify/stock"));
    Check {
        name: "the marketplace is told the stock of every product that the shop is told",
        looked_at: market.len(),
        violations: shop
            .keys()
            .filter(|sku| !market.contains_key(*sku))
            .map(|sku| format!("{sku}: the marketplace was never told"))
            .collect(),
    }
}

fn cases_named(outside: &Outside) -> Check {
    let mut check = each(
        outside,
        "exceptions are open cases that say what to do, and only those",
        |e, _| {
            let mut wanted = e.cases.clone()?;
            let mut found = outside.cases.get(&e.number).cloned().unwrap_or_default();
            wanted.sort();
            found.sort();
            (wanted != found).then(|| format!("expected {wanted:?}, open are {found:?}"))
        },
    );
    check.violations.extend(outside.unexplained.iter().cloned());
    check
}

fn dead_letters(outside: &Outside) -> Check {
    Check {
        name: "nothing is in a dead-letter queue",
        looked_at: outside.dead.len(),
        violations: outside
            .dead
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(queue, n)| format!("{queue}: {n} message(s)"))
            .collect(),
    }
}
