//! What the merchant and the customers do at the shop. Each action changes the order and sends the
//! webhooks that Shopify sends for it.

use super::generate::{Ids, OrderSpec, draw};
use super::order::{
    RefundMoney, ShopFulfillment, ShopOrder, ShopRefund, ShopRefundLine, ShopReturn,
};
use super::{Shop, notify, render};
use crate::env::next_second;
use crate::money::ratio;
use crate::world::{World, lock};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An order was placed.
#[derive(Debug, Clone, Serialize)]
pub struct Placed {
    /// The shop's id.
    pub id: i64,
    /// `#1001`.
    pub name: String,
    /// Stated total.
    pub total_minor: i64,
}

/// Why the shop refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShopError {
    /// No such order.
    UnknownOrder,
    /// Not in this state.
    Refused(String),
}

impl std::fmt::Display for ShopError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownOrder => f.write_str("the shop has no such order"),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

/// Places an order and tells it: `orders/create`, and `orders/paid` if it is paid. With `silent`
/// these webhooks are lost.
pub fn place(world: &Arc<World>, spec: &OrderSpec, silent: bool) -> Placed {
    let now = next_second(world.env.now(), None);
    let order = {
        let mut shop = lock(&world.shopify);
        let number = shop.next_number;
        shop.next_number += 1;
        let order = draw(
            &world.env,
            &world.options,
            spec,
            number,
            &mut shop.next_id,
            now,
        );
        shop.orders.insert(order.id, order.clone());
        order
    };
    let body = render::order(&order);
    notify(world, "orders/create", &order, &body, silent);
    if order.paid_minor > 0 {
        notify(world, "orders/paid", &order, &body, silent);
        crate::stripe::capture(world, order.id, &order.name(), order.paid_minor);
    }
    world.changed.notify_waiters();
    Placed {
        id: order.id,
        name: order.name(),
        total_minor: order.stated_total_minor(),
    }
}

fn change<T>(
    world: &Arc<World>,
    id: i64,
    act: impl FnOnce(&mut ShopOrder, &mut Shop) -> Result<T, ShopError>,
) -> Result<(T, ShopOrder), ShopError> {
    let mut shop = lock(&world.shopify);
    let mut order = shop.orders.remove(&id).ok_or(ShopError::UnknownOrder)?;
    let before = order.clone();
    let done = act(&mut order, &mut shop);
    match done {
        Ok(value) => {
            order.updated_at = next_second(world.env.now(), Some(before.updated_at));
            shop.orders.insert(id, order.clone());
            drop(shop);
            world.changed.notify_waiters();
            Ok((value, order))
        }
        Err(e) => {
            shop.orders.insert(id, before);
            Err(e)
        }
    }
}

/// The customer pays later: `orders/paid`, `orders/updated`.
///
/// # Errors
/// No such order, cancelled, or paid already.
pub fn pay(world: &Arc<World>, id: i64) -> Result<ShopOrder, ShopError> {
    let ((), order) = change(world, id, |order, _| {
        if order.cancelled.is_some() || order.paid_minor >= order.stated_total_minor() {
            return Err(ShopError::Refused("it is cancelled or paid".to_owned()));
        }
        order.paid_minor = order.stated_total_minor();
        Ok(())
    })?;
    let body = render::order(&order);
    crate::stripe::capture(world, order.id, &order.name(), order.paid_minor);
    notify(world, "orders/paid", &order, &body, false);
    notify(world, "orders/updated", &order, &body, false);
    Ok(order)
}

/// The merchant edits the order so that its stated total adds up again: `orders/updated`.
///
/// # Errors
/// No such order.
pub fn correct_total(world: &Arc<World>, id: i64) -> Result<ShopOrder, ShopError> {
    let ((), order) = change(world, id, |order, _| {
        order.total_error_minor = 0;
        if order.paid_minor > 0 {
            order.paid_minor = order.total_minor();
        }
        Ok(())
    })?;
    notify(
        world,
        "orders/updated",
        &order,
        &render::order(&order),
        false,
    );
    Ok(order)
}

/// Cancels what has not been fulfilled: `orders/cancelled`, `orders/updated`, and `refunds/create`
/// if it was paid, for all that was paid.
///
/// # Errors
/// No such order, cancelled already, or all of it is fulfilled.
pub fn cancel(
    world: &Arc<World>,
    id: i64,
    reason: &str,
    money: RefundMoney,
) -> Result<ShopOrder, ShopError> {
    let now = world.env.now();
    let (refund, order) = change(world, id, |order, shop| {
        if order.cancelled.is_some() {
            return Err(ShopError::Refused("it is cancelled already".to_owned()));
        }
        if order.lines.iter().all(|l| l.open() <= 0) {
            return Err(ShopError::Refused(
                "cannot cancel a fulfilled order".to_owned(),
            ));
        }
        let refund = if order.paid_minor > 0 {
            Some(refund_rest(order, shop, money, now))
        } else {
            None
        };
        for line in &mut order.lines {
            line.removed += line.open();
        }
        order.cancelled = Some((next_second(now, Some(order.updated_at)), reason.to_owned()));
        Ok(refund)
    })?;
    let body = render::order(&order);
    notify(world, "orders/cancelled", &order, &body, false);
    notify(world, "orders/updated", &order, &body, false);
    if let Some(refund) = refund {
        notify(
            world,
            "refunds/create",
            &order,
            &render::refund(&order, &refund),
            false,
        );
    }
    Ok(order)
}

fn refund_rest(
    order: &mut ShopOrder,
    shop: &mut Shop,
    money: RefundMoney,
    now: jiff::Timestamp,
) -> ShopRefund {
    let goods = (0..order.lines.len())
        .filter_map(|i| {
            let line = order.lines.get(i)?;
            let left = line.quantity - line.refunded;
            (left > 0).then_some((i, left, "cancel"))
        })
        .collect::<Vec<_>>();
    let shipping = order.shipping.price_minor - order.shipping.discount_minor;
    add_refund(order, shop, &goods, shipping, money, None, now)
}

fn add_refund(
    order: &mut ShopOrder,
    shop: &mut Shop,
    goods: &[(usize, i64, &'static str)],
    shipping_minor: i64,
    money: RefundMoney,
    return_id: Option<i64>,
    now: jiff::Timestamp,
) -> ShopRefund {
    let shipping_tax_minor = render::shipping_tax(order, shipping_minor);
    let mut lines = Vec::new();
    for (index, quantity, restock_type) in goods {
        let Some(line) = order.lines.get_mut(*index) else {
            continue;
        };
        // What the first `n` units cost, so that parts of a line add up to the line.
        let upto = |n: i64, whole: i64| ratio(whole, n, line.quantity);
        let (from, to) = (line.refunded, line.refunded + quantity);
        lines.push(ShopRefundLine {
            id: shop.next_id.next(),
            line: *index,
            quantity: *quantity,
            subtotal_minor: upto(to, line.net_minor()) - upto(from, line.net_minor()),
            tax_minor: upto(to, line.tax_minor) - upto(from, line.tax_minor),
            restock_type,
        });
        line.refunded = to;
    }
    let goods_minor: i64 = lines
        .iter()
        .map(|l| {
            if order.taxes_included {
                l.subtotal_minor
            } else {
                l.subtotal_minor + l.tax_minor
            }
        })
        .sum();
    let shipping_gross = if order.taxes_included {
        shipping_minor
    } else {
        shipping_minor + shipping_tax_minor
    };
    let refund = ShopRefund {
        id: shop.next_id.next(),
        created_at: next_second(now, Some(order.updated_at)),
        lines,
        shipping_minor,
        shipping_tax_minor,
        amount_minor: goods_minor + shipping_gross,
        money,
        return_id,
    };
    order.refunds.push(refund.clone());
    refund
}

/// A refund to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundSpec {
    /// Line index and quantity.
    pub lines: Vec<(usize, i64)>,
    /// Shipping paid back, as priced.
    #[serde(default)]
    pub shipping_minor: i64,
    /// Whether the shop says that money moved.
    #[serde(default = "no_money")]
    pub money: RefundMoney,
    /// The return that it belongs to.
    #[serde(default)]
    pub return_id: Option<i64>,
}

fn no_money() -> RefundMoney {
    RefundMoney::None
}

/// Refunds fulfilled goods: `refunds/create`, `orders/updated`. Returns the refund.
///
/// # Errors
/// No such order or line, or more than was ordered.
pub fn refund(world: &Arc<World>, id: i64, spec: &RefundSpec) -> Result<ShopRefund, ShopError> {
    let now = world.env.now();
    let (refund, order) = change(world, id, |order, shop| {
        let restock = if spec.return_id.is_some() {
            "return"
        } else {
            "no_restock"
        };
        let mut goods = Vec::new();
        for (index, quantity) in &spec.lines {
            let line = order.lines.get(*index).ok_or(ShopError::UnknownOrder)?;
            if *quantity < 1 || line.refunded + quantity > line.quantity {
                return Err(ShopError::Refused(
                    "cannot refund more items than were purchased".to_owned(),
                ));
            }
            goods.push((*index, *quantity, restock));
        }
        Ok(add_refund(
            order,
            shop,
            &goods,
            spec.shipping_minor,
            spec.money,
            spec.return_id,
            now,
        ))
    })?;
    notify(
        world,
        "refunds/create",
        &order,
        &render::refund(&order, &refund),
        false,
    );
    notify(
        world,
        "orders/updated",
        &order,
        &render::order(&order),
        false,
    );
    Ok(refund)
}

/// A customer asks to send goods back and the merchant allows it: `returns/request`,
/// `returns/approve`. Returns the return.
///
/// # Errors
/// No such order, or the goods were not fulfilled.
pub fn open_return(
    world: &Arc<World>,
    id: i64,
    lines: &[(usize, i64)],
) -> Result<ShopReturn, ShopError> {
    let now = world.env.now();
    let (mut back, order) = change(world, id, |order, shop| {
        let mut items = Vec::new();
        for (index, quantity) in lines {
            let fulfilled = order.fulfillments.iter().find_map(|f| {
                f.lines
                    .iter()
                    .find(|(i, q, _)| i == index && q >= quantity)
                    .map(|(_, _, line)| *line)
            });
            let Some(fulfillment_line) = fulfilled else {
                return Err(ShopError::Refused("the items are not fulfilled".to_owned()));
            };
            items.push((shop.next_id.next(), *index, fulfillment_line, *quantity));
        }
        let back = ShopReturn {
            id: shop.next_id.next(),
            status: "open",
            updated_at: now,
            lines: items,
        };
        order.returns.push(back.clone());
        Ok(back)
    })?;
    back.status = "requested";
    notify(
        world,
        "returns/request",
        &order,
        &render::return_(&order, &back),
        false,
    );
    back.status = "open";
    notify(
        world,
        "returns/approve",
        &order,
        &render::return_(&order, &back),
        false,
    );
    Ok(back)
}

/// The merchant closes a return: `returns/close`.
///
/// # Errors
/// No such order or return.
pub fn close_return(world: &Arc<World>, id: i64, return_id: i64) -> Result<(), ShopError> {
    let now = world.env.now();
    let (back, order) = change(world, id, |order, _| {
        let back = order
            .returns
            .iter_mut()
            .find(|r| r.id == return_id)
            .ok_or(ShopError::UnknownOrder)?;
        back.status = "closed";
        back.updated_at = now;
        Ok(back.clone())
    })?;
    notify(
        world,
        "returns/close",
        &order,
        &render::return_thin(&order, &back),
        false,
    );
    Ok(())
}

/// Goods that are fulfilled through the API.
#[derive(Debug, Clone, Default)]
pub struct FulfillSpec {
    /// Line index and quantity.
    pub lines: Vec<(usize, i64)>,
    /// Carrier.
    pub company: Option<String>,
    /// Tracking numbers.
    pub numbers: Vec<String>,
    /// Tracking pages.
    pub urls: Vec<String>,
    /// Whether Shopify tells the customer.
    pub notify_customer: bool,
}

/// Fulfils: `fulfillments/create`, `orders/fulfilled` or `orders/partially_fulfilled`,
/// `orders/updated`. These are echoes of our own call.
///
/// # Errors
/// No such order, or more than is open.
pub fn fulfill(
    world: &Arc<World>,
    id: i64,
    spec: &FulfillSpec,
) -> Result<ShopFulfillment, ShopError> {
    let now = world.env.now();
    let (fulfillment, order) = change(world, id, |order, shop| {
        let mut lines = Vec::new();
        for (index, quantity) in &spec.lines {
            let line = order.lines.get_mut(*index).ok_or(ShopError::UnknownOrder)?;
            if *quantity < 1 || *quantity > line.open() {
                return Err(ShopError::Refused(
                    "Invalid fulfillment order line item quantity requested.".to_owned(),
                ));
            }
            line.fulfilled += quantity;
            lines.push((*index, *quantity, shop.next_id.next()));
        }
        if lines.is_empty() {
            return Err(ShopError::Refused(
                "Fulfillment order is not in an open state.".to_owned(),
            ));
        }
        if spec.notify_customer {
            shop.notifications += 1;
        }
        let at = next_second(now, Some(order.updated_at));
        let fulfillment = ShopFulfillment {
            id: shop.next_id.next(),
            created_at: at,
            updated_at: at,
            lines,
            company: spec.company.clone(),
            numbers: spec.numbers.clone(),
            urls: spec.urls.clone(),
        };
        order.fulfillments.push(fulfillment.clone());
        Ok(fulfillment)
    })?;
    let body = render::fulfillment(&order, &fulfillment);
    notify(world, "fulfillments/create", &order, &body, false);
    let whole = order.fulfillment_status() == Some("fulfilled");
    let topic = if whole {
        "orders/fulfilled"
    } else {
        "orders/partially_fulfilled"
    };
    let body = render::order(&order);
    notify(world, topic, &order, &body, false);
    notify(world, "orders/updated", &order, &body, false);
    Ok(fulfillment)
}

/// Changes the tracking of a fulfillment: `fulfillments/update`, `orders/updated`.
///
/// # Errors
/// No such fulfillment.
pub fn update_tracking(
    world: &Arc<World>,
    fulfillment_id: i64,
    spec: &FulfillSpec,
) -> Result<ShopFulfillment, ShopError> {
    let id = {
        let shop = lock(&world.shopify);
        shop.orders()
            .find(|o| o.fulfillments.iter().any(|f| f.id == fulfillment_id))
            .map(|o| o.id)
            .ok_or(ShopError::UnknownOrder)?
    };
    let now = world.env.now();
    let (fulfillment, order) = change(world, id, |order, _| {
        let fulfillment = order
            .fulfillments
            .iter_mut()
            .find(|f| f.id == fulfillment_id)
            .ok_or(ShopError::UnknownOrder)?;
        fulfillment.updated_at = next_second(now, Some(fulfillment.updated_at));
        fulfillment.company.clone_from(&spec.company);
        fulfillment.numbers.clone_from(&spec.numbers);
        fulfillment.urls.clone_from(&spec.urls);
        Ok(fulfillment.clone())
    })?;
    let body = render::fulfillment(&order, &fulfillment);
    notify(world, "fulfillments/update", &order, &body, false);
    notify(
        world,
        "orders/updated",
        &order,
        &render::order(&order),
        false,
    );
    Ok(fulfillment)
}

/// Sets what is available, by number in the catalogue.
pub fn set_stock(world: &World, levels: &[(u32, i64)]) {
    let mut shop = lock(&world.shopify);
    shop.stock_writes += 1;
    shop.stock.extend(levels.iter().copied());
}
