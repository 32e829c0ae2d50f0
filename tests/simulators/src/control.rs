//! The control API under `/_sim`: JSON, loopback only, without authentication.

use crate::canonical::{self, Told, marketplace};
use crate::day::{self, DayOptions};
use crate::faults::{ApiFaults, Fault};
use crate::shopify::actions::{self as shop, RefundSpec, ShopError};
use crate::shopify::generate::OrderSpec;
use crate::shopify::order::RefundMoney;
use crate::sim::Sim;
use crate::webhooks::WebhookFaults;
use crate::world::{World, lock};
use crate::zendesk;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Routes of the control API.
pub fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/config", post(configure))
        .route("/state", get(state))
        .route("/state/{sim}", get(state_of))
        .route("/faults", get(faults).post(set_faults))
        .route("/webhooks", get(webhooks))
        .route("/day", get(day_report).post(begin_day))
        .route("/expectations", get(expectations))
        .route("/odoo-access", get(odoo_access))
        .route("/stripe/kept-500", post(kept_500))
        .route("/marketplace/orders", post(place_at_marketplace))
        .route("/canonical/events", post(send_canonical))
        .route("/zendesk/tickets/{id}/{status}", post(set_ticket))
        .route("/shopify/orders", post(place))
        .route("/shopify/orders/{id}/{action}", post(act))
        .with_state(world)
}

fn problem(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({"error": detail}))).into_response()
}

async fn health(State(world): State<Arc<World>>) -> Response {
    Json(json!({
        "ok": true,
        "seed": world.env.seed(),
        "elapsed_ms": world.env.elapsed_ms(),
        "webhook_base": world.webhooks.base(),
        "webhooks_pending": world.webhooks.pending(),
    }))
    .into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    webhook_base: Option<String>,
    webhook_faults: Option<WebhookFaults>,
    time_scale: Option<f64>,
}

async fn configure(State(world): State<Arc<World>>, Json(config): Json<Config>) -> Response {
    if let Some(base) = config.webhook_base {
        world
            .webhooks
            .set_base(Some(base).filter(|b| !b.is_empty()));
    }
    if let Some(faults) = config.webhook_faults {
        world.webhooks.set_faults(faults);
    }
    if let Some(scale) = config.time_scale {
        world.env.set_time_scale(scale);
    }
    health(State(world)).await
}

/// State of every simulator.
#[must_use]
pub fn whole_state(world: &World) -> BTreeMap<&'static str, Value> {
    Sim::ALL
        .iter()
        .map(|sim| (sim.as_str(), one_state(world, *sim)))
        .collect()
}

fn one_state(world: &World, sim: Sim) -> Value {
    match sim {
        Sim::Shopify => lock(&world.shopify).state(),
        Sim::Shipbob => lock(&world.shipbob).state(),
        Sim::Zendesk => lock(&world.zendesk).state(),
        Sim::Stripe => lock(&world.stripe).state(),
        Sim::Easypost => lock(&world.easypost).state(),
        Sim::Canonical => lock(&world.warehouse).state(),
        Sim::Marketplace => lock(&world.marketplace).state(),
        Sim::Odoo => match &world.options.real_odoo {
            // What a real one holds is read there.
            Some(_) => Value::Null,
            None => world.odoo.snapshot(),
        },
    }
}

async fn state(State(world): State<Arc<World>>) -> Response {
    Json(whole_state(&world)).into_response()
}

async fn state_of(State(world): State<Arc<World>>, Path(sim): Path<Sim>) -> Response {
    Json(one_state(&world, sim)).into_response()
}

async fn faults(State(world): State<Arc<World>>) -> Response {
    let rates: BTreeMap<&str, ApiFaults> = Sim::ALL
        .iter()
        .map(|s| (s.as_str(), world.faults.rates(*s)))
        .collect();
    Json(json!({
        "api": {"rates": rates, "calls": world.faults.calls(), "counts": world.faults.counts()},
        "webhooks": {"rates": world.webhooks.faults(), "counts": world.webhooks.counts()},
    }))
    .into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFaults {
    simulator: Sim,
    rates: Option<ApiFaults>,
    outage_ms: Option<u64>,
    next: Option<Fault>,
    #[serde(default = "one")]
    times: usize,
}

fn one() -> usize {
    1
}

async fn set_faults(State(world): State<Arc<World>>, Json(set): Json<SetFaults>) -> Response {
    if let Some(rates) = set.rates {
        world.faults.set_rates(set.simulator, rates);
    }
    if let Some(ms) = set.outage_ms {
        let window = world.env.pause(ms);
        world.faults.begin_outage(set.simulator, window);
    }
    if let Some(fault) = set.next {
        world.faults.queue(set.simulator, fault, set.times);
    }
    faults(State(world)).await
}

#[derive(Debug, Deserialize)]
struct From {
    #[serde(default)]
    from: usize,
}

async fn webhooks(State(world): State<Arc<World>>, Query(query): Query<From>) -> Response {
    Json(world.webhooks.log(query.from)).into_response()
}

async fn day_report(State(world): State<Arc<World>>) -> Response {
    Json(day::report(&world)).into_response()
}

async fn begin_day(State(world): State<Arc<World>>, Json(options): Json<DayOptions>) -> Response {
    match day::begin(&world, options) {
        Ok(report) => Json(report).into_response(),
        Err(why) => problem(StatusCode::CONFLICT, why),
    }
}

async fn expectations(State(world): State<Arc<World>>) -> Response {
    Json(day::expectations(&world)).into_response()
}

/// How the simulated Odoo lets somebody in, for readers of the invariants.
async fn odoo_access(State(world): State<Arc<World>>) -> Response {
    Json(crate::erp::access(&world.options, &world.secrets)).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    times: u32,
}

/// The next refunds at the gateway fail with a 500 that is kept for their keys.
async fn kept_500(State(world): State<Arc<World>>, Json(set): Json<Times>) -> Response {
    lock(&world.stripe).fail_next(set.times);
    Json(json!({"times": set.times})).into_response()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Place {
    silent: bool,
    #[serde(flatten)]
    spec: Value,
}

async fn place(State(world): State<Arc<World>>, Json(place): Json<Place>) -> Response {
    let spec = match serde_json::from_value::<OrderSpec>(place.spec) {
        Ok(spec) => spec,
        Err(e) => return problem(StatusCode::BAD_REQUEST, &e.to_string()),
    };
    let placed = shop::place(&world, &spec, place.silent);
    Json(json!({
        "id": placed.id.to_string(), "name": placed.name, "total_minor": placed.total_minor,
    }))
    .into_response()
}

async fn place_at_marketplace(
    State(world): State<Arc<World>>,
    Json(spec): Json<OrderSpec>,
) -> Response {
    let placed = marketplace::place(&world, &spec);
    Json(json!({
        "id": placed.id.to_string(), "name": placed.name, "total_minor": placed.total_minor,
    }))
    .into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CanonicalEvent {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    key: String,
    correlation: Option<String>,
    order: Option<String>,
    /// Who tells: the warehouse if absent.
    from: Option<Sim>,
    data: Value,
}

async fn send_canonical(
    State(world): State<Arc<World>>,
    Json(event): Json<CanonicalEvent>,
) -> Response {
    let from = event.from.unwrap_or(Sim::Canonical);
    let told = Told {
        kind: event.kind,
        key: event.key,
        correlation: event.correlation,
        order: event.order,
        data: event.data,
    };
    let id = canonical::send(&world, from, &told);
    Json(json!({"id": id})).into_response()
}

/// An agent works on a ticket.
async fn set_ticket(
    State(world): State<Arc<World>>,
    Path((id, status)): Path<(i64, String)>,
) -> Response {
    if zendesk::set_status(&world, id, &status) {
        Json(json!({})).into_response()
    } else {
        problem(StatusCode::NOT_FOUND, "no such ticket, or it is closed")
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Act {
    reason: String,
    money: RefundMoney,
    lines: Vec<(usize, i64)>,
    shipping_minor: i64,
    return_id: Option<String>,
}

impl Default for Act {
    fn default() -> Self {
        Self {
            reason: "customer".to_owned(),
            money: RefundMoney::None,
            lines: Vec::new(),
            shipping_minor: 0,
            return_id: None,
        }
    }
}

async fn act(
    State(world): State<Arc<World>>,
    Path((id, action)): Path<(i64, String)>,
    body: Option<Json<Act>>,
) -> Response {
    let body = body.map(|Json(b)| b).unwrap_or_default();
    let return_id = body
        .return_id
        .as_deref()
        .and_then(|t| t.parse::<i64>().ok());
    let done: Result<Value, ShopError> = match action.as_str() {
        "pay" => shop::pay(&world, id).map(|_| json!({})),
        "correct-total" => shop::correct_total(&world, id).map(|_| json!({})),
        "cancel" => shop::cancel(&world, id, &body.reason, body.money).map(|_| json!({})),
        "refund" => {
            let spec = RefundSpec {
                lines: body.lines,
                shipping_minor: body.shipping_minor,
                money: body.money,
                return_id,
            };
            shop::refund(&world, id, &spec)
                .map(|r| json!({"id": r.id.to_string(), "amount_minor": r.amount_minor}))
        }
        "return" => {
            shop::open_return(&world, id, &body.lines).map(|r| json!({"id": r.id.to_string()}))
        }
        "close-return" => {
            shop::close_return(&world, id, return_id.unwrap_or_default()).map(|()| json!({}))
        }
        _ => return problem(StatusCode::NOT_FOUND, "no such action"),
    };
    match done {
        Ok(value) => Json(value).into_response(),
        Err(e @ ShopError::UnknownOrder) => problem(StatusCode::NOT_FOUND, &e.to_string()),
        Err(e @ ShopError::Refused(_)) => problem(StatusCode::CONFLICT, &e.to_string()),
    }
}
