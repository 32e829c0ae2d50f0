//! Shopify: a shop with orders, its Admin REST and GraphQL APIs, and its webhooks.

pub mod actions;
pub mod generate;
mod graphql;
mod operations;
pub mod order;
pub mod render;
mod rest;
mod subscriptions;

use crate::env::Env;
use crate::sim::Sim;
use crate::webhooks::{Outgoing, emit};
use crate::world::{Options, World, lock};
use axum::Router;
use axum::routing::{get, post};
use generate::Ids;
use order::ShopOrder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use subscriptions::Subscriptions;

/// What the shop holds.
#[derive(Debug)]
pub struct Shop {
    orders: BTreeMap<i64, ShopOrder>,
    /// Available at the location, by number in the catalogue: last value written by the API.
    stock: BTreeMap<u32, i64>,
    next_id: ShopIds,
    next_number: i64,
    stock_writes: u64,
    notifications: u64,
    subscriptions: Subscriptions,
}

/// Ids of the shop: beyond 2^53, so that a float on the way would be seen, and from the start of
/// the run, so that two runs against one stack do not collide.
#[derive(Debug)]
struct ShopIds(i64);

impl Ids for ShopIds {
    fn next(&mut self) -> i64 {
        self.0 += 11;
        self.0
    }
}

impl Shop {
    /// A shop without orders.
    #[must_use]
    pub fn new(options: &Options, env: &Env) -> Self {
        let run = env.started_at().as_second().rem_euclid(100_000_000);
        Self {
            orders: BTreeMap::new(),
            stock: BTreeMap::new(),
            next_id: ShopIds(9_007_199_254_740_993 + run * 1_000_000),
            next_number: options.first_order_number,
            stock_writes: 0,
            notifications: 0,
            subscriptions: Subscriptions::default(),
        }
    }

    /// An order by its id.
    #[must_use]
    pub fn order(&self, id: i64) -> Option<&ShopOrder> {
        self.orders.get(&id)
    }

    /// Every order.
    pub fn orders(&self) -> impl Iterator<Item = &ShopOrder> {
        self.orders.values()
    }

    /// Deletes all subscriptions, as Shopify does with one whose deliveries fail.
    pub fn delete_webhooks(&mut self) {
        self.subscriptions.delete_all();
    }

    /// What the shop holds, for invariants.
    #[must_use]
    pub fn state(&self) -> Value {
        let orders: Vec<Value> = self.orders.values().map(order_state).collect();
        json!({
            "orders": orders,
            "stock": self.stock.iter().map(|(n, q)| (crate::catalogue::sku(*n), q)).collect::<BTreeMap<_, _>>(),
            "stock_writes": self.stock_writes,
            "customers_notified": self.notifications,
            "webhooks": self.subscriptions.topics(),
        })
    }
}

/// One order, for invariants.
pub(crate) fn order_state(o: &ShopOrder) -> Value {
    json!({
        "id": o.id.to_string(),
        "name": o.name(),
        "created_at": crate::env::utc_millis(o.created_at),
        "updated_at": crate::env::utc_millis(o.updated_at),
        "test": o.test,
        "cancelled": o.cancelled.is_some(),
        "financial_status": o.financial_status(),
        "fulfillment_status": o.fulfillment_status(),
        "currency": o.currency,
        "taxes_included": o.taxes_included,
        "total_minor": o.stated_total_minor(),
        "paid_minor": o.paid_minor,
        "refunded_minor": o.refunded_minor(),
        "refunds": o.refunds.iter().map(|r| json!({
            "id": r.id.to_string(), "amount_minor": r.amount_minor, "money": r.money,
        })).collect::<Vec<_>>(),
        "returns": o.returns.iter().map(|r| json!({
            "id": r.id.to_string(), "status": r.status,
        })).collect::<Vec<_>>(),
        "lines": o.lines.iter().map(|l| json!({
            "id": l.id.to_string(), "sku": l.sku, "quantity": l.quantity,
            "fulfilled": l.fulfilled, "removed": l.removed, "refunded": l.refunded,
        })).collect::<Vec<_>>(),
        "fulfillments": o.fulfillments.iter().map(|f| json!({
            "id": f.id.to_string(), "tracking_numbers": f.numbers,
            "lines": f.lines.iter().filter_map(|(i, q, _)| {
                Some(json!({"sku": o.lines.get(*i)?.sku, "quantity": q}))
            }).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

/// The Admin API, for any API version.
pub fn router(world: Arc<World>) -> Router {
    Router::new()
        .route(
            "/admin/api/{version}/graphql.json",
            post(operations::answer),
        )
        .route("/admin/api/{version}/orders.json", get(rest::orders))
        .route("/admin/api/{version}/orders/{id}", get(rest::order))
        .route("/admin/api/{version}/shop.json", get(rest::shop))
        .with_state(world)
}

fn authorised(world: &World, headers: &axum::http::HeaderMap) -> bool {
    headers
        .get("x-shopify-access-token")
        .and_then(|v| v.to_str().ok())
        .is_some_and(|token| world.secrets.accepts(Sim::Shopify.connection(), token))
}

/// Sends a webhook about an order. `drop` loses it on purpose.
fn notify(world: &Arc<World>, topic: &str, order: &ShopOrder, body: &Value, drop: bool) {
    let drop = drop || !lock(&world.shopify).subscriptions.send(topic);
    let at = world.env.now();
    let event = format!("{}/{topic}/{}", order.name(), at.as_nanosecond());
    let event_id = world.env.uuid("shopify/event", &event).to_string();
    let out = Outgoing {
        sim: Sim::Shopify,
        topic: topic.to_owned(),
        key: order.name(),
        headers: vec![
            ("X-Shopify-Topic", topic.to_owned()),
            ("X-Shopify-Shop-Domain", render::DOMAIN.to_owned()),
            ("X-Shopify-API-Version", "2026-01".to_owned()),
            (
                "X-Shopify-Webhook-Id",
                world.env.uuid("shopify/webhook", &event).to_string(),
            ),
            ("X-Shopify-Event-Id", event_id.clone()),
            (
                "X-Shopify-Triggered-At",
                at.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string(),
            ),
        ],
        event_id,
        body: body.to_string().into_bytes(),
        drop,
    };
    emit(world, out);
}

/// Looks at one order under the lock.
pub fn with_order<T>(world: &World, id: i64, look: impl FnOnce(&ShopOrder) -> T) -> Option<T> {
    lock(&world.shopify).order(id).map(look)
}
