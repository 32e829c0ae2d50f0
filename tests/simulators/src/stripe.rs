//! Stripe: payment intents of the shop's orders, refunds with idempotency keys, and events.

mod api;

use crate::env::{Env, next_second};
use crate::sim::Sim;
use crate::webhooks::{Outgoing, emit};
use crate::world::{World, lock};
use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the gateway holds.
#[derive(Debug)]
pub struct Stripe {
    payments: BTreeMap<String, Payment>,
    /// In the order in which they were made.
    refunds: Vec<Refund>,
    /// Answers that are kept for idempotency keys.
    keys: BTreeMap<String, Kept>,
    replays: u64,
    /// The next refunds that begin fail with a 500 that is kept.
    failing: u32,
    run: i64,
    next: u64,
}

#[derive(Debug, Clone)]
struct Payment {
    id: String,
    charge: String,
    order_id: String,
    order_name: String,
    amount: i64,
    currency: String,
    created: Timestamp,
}

#[derive(Debug, Clone)]
struct Refund {
    id: String,
    payment: String,
    amount: i64,
    currency: String,
    status: &'static str,
    metadata: BTreeMap<String, String>,
    created: Timestamp,
    /// Second of the last event about it.
    told: Timestamp,
}

#[derive(Debug, Clone)]
struct Kept {
    params: BTreeMap<String, String>,
    status: u16,
    body: Value,
}

impl Stripe {
    /// A gateway without payments.
    #[must_use]
    pub fn new(env: &Env) -> Self {
        Self {
            payments: BTreeMap::new(),
            refunds: Vec::new(),
            keys: BTreeMap::new(),
            replays: 0,
            failing: 0,
            run: env.started_at().as_second(),
            next: 0,
        }
    }

    fn next_name(&mut self) -> String {
        self.next += 1;
        format!("{}/{}", self.run, self.next)
    }

    /// Lets the next `times` refunds fail with a 500 that is kept for their keys.
    pub fn fail_next(&mut self, times: u32) {
        self.failing = times;
    }

    /// Paid back and not failed.
    fn refunded(&self, payment: &str) -> i64 {
        self.refunds
            .iter()
            .filter(|r| r.payment == payment && !matches!(r.status, "failed" | "canceled"))
            .map(|r| r.amount)
            .sum()
    }

    /// Ids of the refunds of an order of the shop, oldest first, with their status.
    #[must_use]
    pub fn refunds_of(&self, order_id: &str) -> Vec<(String, &'static str)> {
        let of_order = |r: &&Refund| {
            let payment = self.payments.get(&r.payment);
            payment.is_some_and(|p| p.order_id == order_id)
        };
        self.refunds
            .iter()
            .filter(of_order)
            .map(|r| (r.id.clone(), r.status))
            .collect()
    }

    /// What the gateway holds, for invariants.
    #[must_use]
    pub fn state(&self) -> Value {
        let order = |payment: &str| self.payments.get(payment).map(|p| p.order_id.clone());
        json!({
            "payments": self.payments.values().map(|p| json!({
                "id": p.id, "order_id": p.order_id, "order_name": p.order_name,
                "amount": p.amount, "currency": p.currency,
                "refunded": self.refunded(&p.id),
            })).collect::<Vec<_>>(),
            "refunds": self.refunds.iter().map(|r| json!({
                "id": r.id, "payment_intent": r.payment, "order_id": order(&r.payment),
                "amount": r.amount, "currency": r.currency, "status": r.status,
                "metadata": r.metadata,
            })).collect::<Vec<_>>(),
            "idempotent_replays": self.replays,
        })
    }
}

impl Refund {
    fn view(&self, charge: Option<&str>) -> Value {
        json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": null,
            "charge": charge,
            "created": self.created.as_second(),
            "currency": self.currency,
            "destination_details": {"card": {"type": "refund"}, "type": "card"},
            "failure_reason": (self.status == "failed").then_some("expired_or_canceled_card"),
            "metadata": self.metadata,
            "payment_intent": self.payment,
            "reason": null,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": self.status,
            "transfer_reversal": null,
        })
    }
}

impl Payment {
    fn view(&self) -> Value {
        json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": 0,
            "amount_received": self.amount,
            "capture_method": "automatic",
            "created": self.created.as_second(),
            "currency": self.currency,
            "customer": null,
            "description": format!("Order {}", self.order_name),
            "latest_charge": self.charge,
            "livemode": true,
            "metadata": {"order_id": self.order_id, "order_name": self.order_name},
            "status": "succeeded",
        })
    }
}

/// The customer pays an order of the shop: `payment_intent.succeeded`.
pub fn capture(world: &Arc<World>, order_id: i64, order_name: &str, amount: i64) {
    let now = next_second(world.env.now(), None);
    let payment = {
        let mut stripe = lock(&world.stripe);
        let name = stripe.next_name();
        let payment = Payment {
            id: format!("pi_{}", world.env.token("stripe/pi", &name, 24)),
            charge: format!("ch_{}", world.env.token("stripe/ch", &name, 24)),
            order_id: order_id.to_string(),
            order_name: order_name.to_owned(),
            amount,
            currency: world.options.currency.to_lowercase(),
            created: now,
        };
        stripe.payments.insert(payment.id.clone(), payment.clone());
        payment
    };
    notify(
        world,
        "payment_intent.succeeded",
        order_name,
        now,
        &payment.view(),
    );
}

/// A refund that succeeded fails after all: `refund.failed`, `refund.updated`. False if there is
/// no such refund, or it failed already.
pub fn fail_refund(world: &Arc<World>, id: &str) -> bool {
    let told = change_refund(world, id, "failed");
    if let Some((refund, payment, _)) = &told {
        tell_refund(world, "refund.failed", refund, payment);
        tell_refund(world, "refund.updated", refund, payment);
    }
    told.is_some()
}

/// A pending refund goes through: `refund.updated`.
fn settle_refund(world: &Arc<World>, id: &str) {
    if let Some((refund, payment, _)) = change_refund(world, id, "succeeded") {
        tell_refund(world, "refund.updated", &refund, &payment);
    }
}

fn change_refund(
    world: &Arc<World>,
    id: &str,
    status: &'static str,
) -> Option<(Refund, Payment, &'static str)> {
    let now = world.env.now();
    let mut stripe = lock(&world.stripe);
    let refund = stripe.refunds.iter_mut().find(|r| r.id == id)?;
    let before = refund.status;
    if before == status || before == "failed" {
        return None;
    }
    refund.status = status;
    refund.told = next_second(now, Some(refund.told));
    let refund = refund.clone();
    let payment = stripe.payments.get(&refund.payment).cloned()?;
    drop(stripe);
    world.changed.notify_waiters();
    Some((refund, payment, before))
}

fn tell_refund(world: &Arc<World>, kind: &str, refund: &Refund, payment: &Payment) {
    let body = refund.view(Some(&payment.charge));
    notify(world, kind, &payment.order_name, refund.told, &body);
}

fn notify(world: &Arc<World>, kind: &str, key: &str, at: Timestamp, object: &Value) {
    let name = {
        let mut stripe = lock(&world.stripe);
        stripe.next_name()
    };
    let event_id = format!("evt_{}", world.env.token("stripe/event", &name, 24));
    let body = json!({
        "id": event_id,
        "object": "event",
        "api_version": "2024-06-20",
        "created": at.as_second(),
        "data": {"object": object},
        "livemode": true,
        "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null},
        "type": kind,
    });
    let out = Outgoing {
        sim: Sim::Stripe,
        topic: kind.to_owned(),
        key: key.to_owned(),
        event_id,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
        drop: false,
    };
    emit(world, out);
}

/// API v1.
pub fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/v1/refunds", get(api::list).post(api::create))
        .route("/v1/refunds/{id}", get(api::refund))
        .route("/v1/payment_intents/{id}", get(api::payment))
        .with_state(world)
}
