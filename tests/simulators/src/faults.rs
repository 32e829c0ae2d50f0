//! Faults of the partners' APIs, by seed and in the partner's own shape.
//!
//! A fault is drawn for each call from the seed, the simulator and the call's number. *Answer lost*
//! means that the call was carried out and the connection then dropped; *cut* that it was dropped
//! before anything was done.

use crate::server::Connection;
use crate::sim::Sim;
use crate::world::{World, lock};
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Rates of faults of one simulator, each in 1000 calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiFaults {
    /// Throttled, in the partner's shape.
    pub throttle: u32,
    /// 5xx before anything is done.
    pub server_error: u32,
    /// Connection dropped before anything is done.
    pub cut: u32,
    /// Carried out, connection dropped. Only calls that may write.
    pub lost_answer: u32,
    /// Answered late.
    pub slow: u32,
    /// How late, in milliseconds of the compressed day.
    pub slow_ms: u64,
}

/// A fault that a call got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// See [`ApiFaults::throttle`].
    Throttle,
    /// See [`ApiFaults::server_error`].
    ServerError,
    /// See [`ApiFaults::cut`].
    Cut,
    /// See [`ApiFaults::lost_answer`].
    LostAnswer,
    /// See [`ApiFaults::slow`].
    Slow,
    /// Refused during an outage window.
    Outage,
}

impl Fault {
    fn as_str(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::ServerError => "server_error",
            Self::Cut => "cut",
            Self::LostAnswer => "lost_answer",
            Self::Slow => "slow",
            Self::Outage => "outage",
        }
    }
}

/// Rates, outages and counts of every simulator.
#[derive(Debug, Default)]
pub struct Faults {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rates: BTreeMap<Sim, ApiFaults>,
    outages: BTreeMap<Sim, Instant>,
    next: BTreeMap<Sim, Vec<Fault>>,
    calls: BTreeMap<Sim, u64>,
    counts: BTreeMap<Sim, BTreeMap<&'static str, u64>>,
}

impl Faults {
    /// Changes the rates of one simulator.
    pub fn set_rates(&self, sim: Sim, rates: ApiFaults) {
        lock(&self.inner).rates.insert(sim, rates);
    }

    /// The rates of one simulator.
    #[must_use]
    pub fn rates(&self, sim: Sim) -> ApiFaults {
        lock(&self.inner)
            .rates
            .get(&sim)
            .copied()
            .unwrap_or_default()
    }

    /// Every call in the next `window` is answered as by a partner that is down.
    pub fn begin_outage(&self, sim: Sim, window: Duration) {
        lock(&self.inner)
            .outages
            .insert(sim, Instant::now() + window);
    }

    /// The next calls that may get this fault get it, before any rate is looked at.
    pub fn queue(&self, sim: Sim, fault: Fault, calls: usize) {
        let mut inner = lock(&self.inner);
        let next = inner.next.entry(sim).or_default();
        next.extend(std::iter::repeat_n(fault, calls));
    }

    /// Calls by simulator.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        let inner = lock(&self.inner);
        inner.calls.iter().map(|(s, n)| (s.as_str(), *n)).collect()
    }

    /// Faults given so far, by simulator and fault.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
        let inner = lock(&self.inner);
        let counts = inner.counts.iter();
        counts.map(|(s, c)| (s.as_str(), c.clone())).collect()
    }

    /// Counts a fault that a simulator gave by itself, such as a rate limit that was really hit.
    pub fn count(&self, sim: Sim, name: &'static str) {
        let mut inner = lock(&self.inner);
        *inner
            .counts
            .entry(sim)
            .or_default()
            .entry(name)
            .or_insert(0) += 1;
    }

    fn pick(&self, world: &World, sim: Sim, writes: bool) -> Option<Fault> {
        let mut inner = lock(&self.inner);
        let call = inner.calls.entry(sim).or_insert(0);
        *call += 1;
        let call = *call;
        if inner
            .outages
            .get(&sim)
            .is_some_and(|until| Instant::now() < *until)
        {
            return Some(Fault::Outage);
        }
        let fits = |f: &Fault| writes || *f != Fault::LostAnswer;
        if let Some(next) = inner.next.get_mut(&sim)
            && let Some(at) = next.iter().position(fits)
        {
            return Some(next.remove(at));
        }
        let rates = inner.rates.get(&sim).copied().unwrap_or_default();
        drop(inner);
        let concern = format!("api/{}", sim.as_str());
        let mut roll = world
            .env
            .rng(&concern, &call.to_string())
            .random_range(0..1000_u32);
        for (fault, rate) in [
            (Fault::Throttle, rates.throttle),
            (Fault::ServerError, rates.server_error),
            (Fault::Cut, rates.cut),
            (
                Fault::LostAnswer,
                if writes { rates.lost_answer } else { 0 },
            ),
            (Fault::Slow, rates.slow),
        ] {
            if roll < rate {
                return Some(fault);
            }
            roll -= rate;
        }
        None
    }
}

/// What the middleware of one simulator needs.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The world.
    pub world: Arc<World>,
    /// Whose API this is.
    pub sim: Sim,
}

/// Middleware: gives a call the fault that the seed has for it.
pub async fn inject(
    State(layer): State<Layer>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let Layer { world, sim } = layer;
    let writes = request.method() != Method::GET && request.method() != Method::HEAD;
    let fault = world.faults.pick(&world, sim, writes);
    if let Some(fault) = fault {
        world.faults.count(sim, fault.as_str());
    }
    let path = request.uri().path().to_owned();
    let answer = match fault {
        None => next.run(request).await,
        Some(Fault::Slow) => {
            let slow_ms = world.faults.rates(sim).slow_ms.max(1);
            tokio::time::sleep(world.env.pause(slow_ms)).await;
            next.run(request).await
        }
        Some(Fault::Throttle) => throttled(sim, &path),
        Some(Fault::ServerError | Fault::Outage) => unavailable(sim),
        Some(Fault::Cut) => {
            connection.cut();
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Some(Fault::LostAnswer) => {
            let answer = next.run(request).await;
            connection.cut();
            answer
        }
    };
    world.changed.notify_waiters();
    answer
}

fn throttled(sim: Sim, path: &str) -> Response {
    match sim {
        Sim::Shopify if path.ends_with("/graphql.json") => axum::Json(json!({
            "errors": [{
                "message": "Throttled",
                "extensions": {
                    "code": "THROTTLED",
                    "documentation": "https://shopify.dev/api/usage/rate-limits",
                },
            }],
            "extensions": {"cost": {
                "requestedQueryCost": 52,
                "actualQueryCost": null,
                "throttleStatus": {
                    "maximumAvailable": 2000.0,
                    "currentlyAvailable": 14,
                    "restoreRate": 100.0,
                },
            }},
        }))
        .into_response(),
        Sim::Shopify => (
            StatusCode::TOO_MANY_REQUESTS,
            [("Retry-After", "2.0"), ("X-Shopify-Shop-Api-Call-Limit", "80/80")],
            axum::Json(json!({
                "errors": "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service.",
            })),
        )
            .into_response(),
        Sim::Stripe => (
            StatusCode::TOO_MANY_REQUESTS,
            [("Stripe-Rate-Limited-Reason", "global-rate")],
            axum::Json(json!({"error": {
                "type": "invalid_request_error",
                "code": "rate_limit",
                "doc_url": "https://stripe.com/docs/error-codes/rate-limit",
                "message": "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
            }})),
        )
            .into_response(),
        Sim::Shipbob => shipbob_throttled(1),
        Sim::Easypost => (
            StatusCode::TOO_MANY_REQUESTS,
            axum::Json(json!({"error": {
                "code": "RATE_LIMITED",
                "message": "You have exceeded your rate limit. Please slow down.",
                "errors": [],
            }})),
        )
            .into_response(),
        Sim::Zendesk => (
            StatusCode::TOO_MANY_REQUESTS,
            [
                ("Retry-After", "1"),
                ("X-Rate-Limit", "700"),
                ("ratelimit-limit", "700"),
                ("ratelimit-remaining", "0"),
                ("ratelimit-reset", "1"),
            ],
            "Number of allowed API requests per minute exceeded",
        )
            .into_response(),
        Sim::Canonical | Sim::Marketplace => (
            StatusCode::TOO_MANY_REQUESTS,
            [("Retry-After", "1")],
            axum::Json(json!({"code": "throttled", "detail": "too many calls"})),
        )
            .into_response(),
        Sim::Odoo => html(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
    }
}

/// ShipBob's own 429: not the standard header, and the wait in a sentence.
#[must_use]
pub fn shipbob_throttled(wait_s: u64) -> Response {
    (
        StatusCode::TOO_MANY_REQUESTS,
        [
            ("x-retry-after", wait_s.to_string()),
            ("x-remaining-calls", "0".to_owned()),
        ],
        axum::Json(json!({
            "statusCode": 429,
            "message": format!("Rate limit is exceeded. Try again in {wait_s} seconds."),
        })),
    )
        .into_response()
}

fn unavailable(sim: Sim) -> Response {
    match sim {
        Sim::Shopify => (
            StatusCode::SERVICE_UNAVAILABLE,
            axum::Json(json!({"errors": "Service Unavailable"})),
        )
            .into_response(),
        Sim::Stripe => (
            StatusCode::INTERNAL_SERVER_ERROR,
            axum::Json(json!({"error": {
                "type": "api_error",
                "message": "An unknown error occurred",
            }})),
        )
            .into_response(),
        Sim::Shipbob => (StatusCode::INTERNAL_SERVER_ERROR, Body::empty()).into_response(),
        Sim::Easypost => (
            StatusCode::SERVICE_UNAVAILABLE,
            axum::Json(json!({"error": {
                "code": "SERVICE_UNAVAILABLE.ERROR",
                "message": "The service is temporarily unavailable.",
                "errors": [],
            }})),
        )
            .into_response(),
        Sim::Zendesk => (
            StatusCode::SERVICE_UNAVAILABLE,
            [("Retry-After", "1")],
            axum::Json(json!({
                "error": "ServiceUnavailable",
                "description": "The service is temporarily unavailable",
            })),
        )
            .into_response(),
        Sim::Canonical | Sim::Marketplace => (
            StatusCode::SERVICE_UNAVAILABLE,
            axum::Json(json!({"code": "unavailable", "detail": "down"})),
        )
            .into_response(),
        // What the reverse proxy before Odoo says while its workers restart.
        Sim::Odoo => html(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
    }
}

fn html(status: StatusCode, title: &str) -> Response {
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    (status, [("Content-Type", "text/html")], body).into_response()
}
