//! The marketplace: places, changes and cancels orders, pays back by itself, and is told what left
//! and what can be sold.

use super::{Signed, Taken, Told, Verdict, send, signed, unsupported};
use crate::env::{Env, next_second, utc_seconds};
use crate::money::{decimal, ratio};
use crate::shopify::actions::Placed;
use crate::shopify::generate::{Ids, OrderSpec, draw};
use crate::shopify::order::{RefundMoney, tax_of};
use crate::shopify::order::{ShopFulfillment, ShopOrder, ShopRefund, ShopRefundLine};
use crate::sim::Sim;
use crate::world::{World, lock};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Numbers that the draws of its orders go by; the shop's are far below.
const FIRST_NUMBER: i64 = 5_000_001;

/// What the marketplace holds.
#[derive(Debug)]
pub struct Marketplace {
    taken: Taken,
    orders: BTreeMap<i64, ShopOrder>,
    /// Shipments that were told, by Waybill's id of them.
    shipments: BTreeMap<String, i64>,
    /// By SKU: units, and the instant they were true.
    stock: BTreeMap<String, (String, String)>,
    run: i64,
    next: i64,
}

impl Ids for Marketplace {
    fn next(&mut self) -> i64 {
        self.next += 1;
        self.run * 100_000 + self.next
    }
}

impl Marketplace {
    /// A marketplace without orders.
    #[must_use]
    pub fn new(env: &Env) -> Self {
        Self {
            taken: Taken::default(),
            orders: BTreeMap::new(),
            shipments: BTreeMap::new(),
            stock: BTreeMap::new(),
            run: env.started_at().as_second(),
            next: 0,
        }
    }

    /// An order by its id.
    #[must_use]
    pub fn order(&self, id: i64) -> Option<&ShopOrder> {
        self.orders.get(&id)
    }

    fn carry_out(&mut self, command: &Signed, now: jiff::Timestamp) -> Verdict {
        match command.kind.as_str() {
            "waybill.channel_fulfillment.publish" => self.fulfil(command, now),
            "waybill.channel_stock.publish" => {
                self.set_stock(command);
                Verdict::Done(Vec::new())
            }
            _ => unsupported(command),
        }
    }

    /// Takes what left. The same shipment under another message is known already.
    fn fulfil(&mut self, command: &Signed, now: jiff::Timestamp) -> Verdict {
        let id = command.text("order_id");
        let Some(order) = id.parse().ok().and_then(|id| self.orders.get_mut(&id)) else {
            return Verdict::Refused {
                code: "unknown_order",
                detail: format!("there is no order `{id}`"),
                remedy: "look for the order at the marketplace by its number",
            };
        };
        let shipment = command.text("shipment/id");
        if self.shipments.contains_key(&shipment) {
            return Verdict::Already(Vec::new());
        }
        if order.cancelled.is_some() {
            return Verdict::Refused {
                code: "order_cancelled",
                detail: format!("order `{id}` was cancelled"),
                remedy: "ask the customer to send the parcel back",
            };
        }
        let mut lines = Vec::new();
        for told in command.list("shipment/lines") {
            let sku = told.get("sku").and_then(Value::as_str).unwrap_or_default();
            let units = told.get("quantity").and_then(Value::as_str);
            let units: i64 = units.and_then(|u| u.parse().ok()).unwrap_or_default();
            let open = order
                .lines
                .iter()
                .position(|l| l.sku == sku && l.open() >= units);
            let Some((index, line)) = open.and_then(|i| Some((i, order.lines.get_mut(i)?))) else {
                return Verdict::Refused {
                    code: "nothing_to_fulfill",
                    detail: format!("{units} of `{sku}` are not open in order `{id}`"),
                    remedy: "compare the shipment with the order",
                };
            };
            line.fulfilled += units;
            lines.push((index, units, 0));
        }
        let numbers = command
            .list("shipment/parcels")
            .filter_map(|p| Some(p.get("tracking_number")?.as_str()?.to_owned()))
            .collect();
        self.next += 1;
        let made = self.run * 100_000 + self.next;
        order.fulfillments.push(ShopFulfillment {
            id: made,
            created_at: now,
            updated_at: now,
            lines,
            company: None,
            numbers,
            urls: Vec::new(),
        });
        self.shipments.insert(shipment, made);
        Verdict::Done(Vec::new())
    }

    /// Levels are absolute: one that was true earlier than what is known changes nothing.
    fn set_stock(&mut self, command: &Signed) {
        for level in command.list("levels") {
            let text = |name: &str| {
                let value = level.get(name).and_then(Value::as_str);
                value.unwrap_or_default().to_owned()
            };
            let (units, at) = (text("quantity"), text("at"));
            let newer = |known: &(String, String)| known.1 <= at;
            if self.stock.get(&text("sku")).is_none_or(newer) {
                self.stock.insert(text("sku"), (units, at));
            }
        }
    }

    /// What the marketplace holds, for invariants: orders in the shape of the shop's.
    #[must_use]
    pub fn state(&self) -> Value {
        let orders: Vec<Value> = self
            .orders
            .values()
            .map(|order| {
                let mut state = crate::shopify::order_state(order);
                if let Some(fields) = state.as_object_mut() {
                    fields.insert("name".to_owned(), json!(name(order)));
                }
                state
            })
            .collect();
        let stock: BTreeMap<&str, &str> = self
            .stock
            .iter()
            .map(|(sku, (units, _))| (sku.as_str(), units.as_str()))
            .collect();
        let mut state = self.taken.state();
        if let Some(fields) = state.as_object_mut() {
            fields.insert("orders".to_owned(), json!(orders));
            fields.insert("stock".to_owned(), json!(stock));
        }
        state
    }
}

fn name(order: &ShopOrder) -> String {
    format!("MKT-{}", order.number - FIRST_NUMBER + 1)
}

/// Takes commands.
pub fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/waybill/commands", post(take))
        .with_state(world)
}

async fn take(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let now = world.env.now();
    let mut marketplace = lock(&world.marketplace);
    let command = match signed(&world, Sim::Marketplace, &headers, &body) {
        Ok(command) => command,
        Err(problem) => {
            marketplace.taken.unsigned += 1;
            return problem.into_response();
        }
    };
    if let Some(verdict) = marketplace.taken.repeated(&command) {
        return verdict.into_response();
    }
    let verdict = marketplace.carry_out(&command, now);
    marketplace.taken.keep(command, &verdict);
    drop(marketplace);
    world.changed.notify_waiters();
    verdict.into_response()
}

/// An order is placed: `waybill.order.observed`.
pub fn place(world: &Arc<World>, spec: &OrderSpec) -> Placed {
    let now = next_second(world.env.now(), None);
    let order = {
        let mut held = lock(&world.marketplace);
        let placed = i64::try_from(held.orders.len()).unwrap_or(i64::MAX / 2);
        let number = FIRST_NUMBER + placed;
        let order = draw(&world.env, &world.options, spec, number, &mut *held, now);
        held.orders.insert(order.id, order.clone());
        order
    };
    tell_order(world, &order);
    world.changed.notify_waiters();
    Placed {
        id: order.id,
        name: name(&order),
        total_minor: order.stated_total_minor(),
    }
}

fn change<T>(
    world: &Arc<World>,
    id: i64,
    act: impl FnOnce(&mut ShopOrder) -> Option<T>,
) -> Option<(T, ShopOrder)> {
    let now = world.env.now();
    let mut held = lock(&world.marketplace);
    let order = held.orders.get_mut(&id)?;
    let done = act(order)?;
    order.updated_at = next_second(now, Some(order.updated_at));
    let order = order.clone();
    drop(held);
    world.changed.notify_waiters();
    Some((done, order))
}

/// The customer cancels what has not left, and the marketplace pays all of it back. False if there
/// is no such order, or some of it has left.
pub fn cancel(world: &Arc<World>, id: i64) -> bool {
    let now = world.env.now();
    let done = change(world, id, |order| {
        if order.cancelled.is_some() || !order.fulfillments.is_empty() {
            return None;
        }
        let goods: Vec<(usize, i64)> = order.lines.iter().map(|l| l.open()).enumerate().collect();
        let shipping = order.shipping.price_minor - order.shipping.discount_minor;
        let refund = (order.paid_minor > 0).then(|| pay_back(order, &goods, shipping, now));
        for line in &mut order.lines {
            line.removed += line.open();
        }
        order.cancelled = Some((now, "customer".to_owned()));
        Some(refund)
    });
    let Some((refund, order)) = done else {
        return false;
    };
    tell_order(world, &order);
    if let Some(refund) = refund {
        tell_refund(world, &order, &refund);
    }
    true
}

/// The marketplace pays back `units` of the first line; the goods stay with the customer. False if
/// there is no such order, or not so much of it.
pub fn refund(world: &Arc<World>, id: i64, units: i64) -> bool {
    let now = world.env.now();
    let done = change(world, id, |order| {
        let line = order.lines.first()?;
        let possible = line.refunded + units <= line.quantity;
        possible.then(|| pay_back(order, &[(0, units)], 0, now))
    });
    let Some((refund, order)) = done else {
        return false;
    };
    tell_refund(world, &order, &refund);
    tell_order(world, &order);
    true
}

fn pay_back(
    order: &mut ShopOrder,
    goods: &[(usize, i64)],
    shipping_minor: i64,
    now: jiff::Timestamp,
) -> ShopRefund {
    let shipping_tax_minor = tax_of(shipping_minor, order.tax_bp, order.taxes_included);
    let gross = |net: i64, tax: i64| if order.taxes_included { net } else { net + tax };
    let mut amount_minor = gross(shipping_minor, shipping_tax_minor);
    let mut lines = Vec::new();
    for (index, quantity) in goods {
        let Some(line) = order.lines.get_mut(*index) else {
            continue;
        };
        // What the first `n` units cost, so that parts of a line add up to the line.
        let upto = |n: i64, whole: i64| ratio(whole, n, line.quantity);
        let (from, to) = (line.refunded, line.refunded + quantity);
        let subtotal_minor = upto(to, line.net_minor()) - upto(from, line.net_minor());
        let tax_minor = upto(to, line.tax_minor) - upto(from, line.tax_minor);
        amount_minor += gross(subtotal_minor, tax_minor);
        lines.push(ShopRefundLine {
            id: 0,
            line: *index,
            quantity: *quantity,
            subtotal_minor,
            tax_minor,
            restock_type: "no_restock",
        });
        line.refunded = to;
    }
    let refund = ShopRefund {
        id: order.id * 10 + i64::try_from(order.refunds.len()).unwrap_or_default(),
        created_at: now,
        lines,
        shipping_minor,
        shipping_tax_minor,
        amount_minor,
        money: RefundMoney::Success,
        return_id: None,
    };
    order.refunds.push(refund.clone());
    refund
}

fn tell_order(world: &Arc<World>, order: &ShopOrder) {
    let told = Told {
        kind: "waybill.order.observed".to_owned(),
        key: name(order),
        correlation: None,
        order: Some(order.id.to_string()),
        data: json!({"order": render(order), "findings": []}),
    };
    send(world, Sim::Marketplace, &told);
}

/// Once paid back it is final: the marketplace keeps the money of its sellers.
fn tell_refund(world: &Arc<World>, order: &ShopOrder, refund: &ShopRefund) {
    let gross = |net: i64, tax: i64| if order.taxes_included { net } else { net + tax };
    let lines: Vec<Value> = refund
        .lines
        .iter()
        .filter_map(|l| {
            let line = order.lines.get(l.line)?;
            Some(json!({
                "line_id": line.id.to_string(), "sku": line.sku,
                "quantity": l.quantity.to_string(),
                "amount": decimal(gross(l.subtotal_minor, l.tax_minor)),
                "restock": order.cancelled.is_some(),
            }))
        })
        .collect();
    let shipping = gross(refund.shipping_minor, refund.shipping_tax_minor);
    let data = json!({
        "id": refund.id.to_string(), "source": Sim::Marketplace.connection(),
        "gateway_id": null, "payment_id": null, "status": "succeeded",
        "amount": {"amount": decimal(refund.amount_minor), "currency": order.currency},
        "lines": lines, "shipping": decimal(shipping),
        "version": refund.created_at.as_microsecond(),
    });
    let told = Told {
        kind: "waybill.refund.observed".to_owned(),
        key: name(order),
        correlation: None,
        order: Some(order.id.to_string()),
        data,
    };
    send(world, Sim::Marketplace, &told);
}

fn payment(order: &ShopOrder) -> &'static str {
    match (order.paid_minor, order.refunded_minor()) {
        (0, _) => "pending",
        (_, 0) => "paid",
        (paid, back) if back >= paid => "refunded",
        _ => "partially_refunded",
    }
}

fn render(o: &ShopOrder) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate in hundredths of a percent"
    )]
    let rate = (o.tax_bp as f64 / 10_000.0).to_string();
    let tax = |minor: i64| json!([{"title": "VAT", "rate": rate, "amount": decimal(minor)}]);
    let b = &o.buyer;
    let address = json!({
        "name": format!("{} {}", b.first, b.last), "company": null, "street": b.street,
        "street2": null, "city": b.city, "zip": b.zip, "region": null,
        "country": b.country_code, "phone": b.phone,
    });
    let lines: Vec<Value> = o
        .lines
        .iter()
        .map(|l| {
            json!({
                "id": l.id.to_string(), "sku": l.sku, "title": l.title,
                "quantity": l.quantity.to_string(),
                "current_quantity": (l.quantity - l.refunded.max(l.removed)).to_string(),
                "unit_price": decimal(l.unit_minor), "discount": decimal(l.discount_minor()),
                "taxes": tax(l.tax_minor), "requires_shipping": true, "gift_card": false,
            })
        })
        .collect();
    let shipping = o.shipping.price_minor - o.shipping.discount_minor;
    let cancelled = o.cancelled.as_ref().map(|(at, reason)| {
        let at = utc_seconds(*at);
        json!({"at": at, "reason": reason})
    });
    json!({
        "channel": Sim::Marketplace.connection(),
        "id": o.id.to_string(),
        "number": name(o),
        "version": o.updated_at.as_microsecond(),
        "placed_at": utc_seconds(o.created_at),
        "test": o.test,
        "currency": o.currency,
        "taxes_included": o.taxes_included,
        "payment": payment(o),
        "cancelled": cancelled,
        "customer": {
            "id": b.id.to_string(), "name": format!("{} {}", b.first, b.last),
            "email": format!("market{}@example.com", b.id), "phone": b.phone,
            "company": null, "tax_id": null,
        },
        "billing": address,
        "shipping": address,
        "lines": lines,
        "shipping_lines": [{
            "method": o.shipping.code, "title": o.shipping.title,
            "price": decimal(o.shipping.price_minor),
            "discount": decimal(o.shipping.discount_minor),
            "taxes": tax(o.shipping.tax_minor),
        }],
        "gift_card_paid": "0.00",
        "tip": "0.00",
        "rounding": "0.00",
        "totals": {
            "subtotal": decimal(o.subtotal_minor()), "shipping": decimal(shipping),
            "tax": decimal(o.tax_minor()), "total": decimal(o.stated_total_minor()),
        },
        "note": null,
    })
}
