//! The calls that an integration makes.

use super::{Kept, Payment, Refund, Stripe, settle_refund, tell_refund};
use crate::env::next_second;
use crate::secrets::{basic, bearer};
use crate::sim::Sim;
use crate::world::{World, lock};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Refunds in 1000 that are pending first and go through later.
const PENDING_PER_MILLE: u32 = 300;

type Params = BTreeMap<String, String>;

fn authorised(world: &World, headers: &HeaderMap) -> bool {
    let key = bearer(headers).or_else(|| basic(headers).map(|(user, _)| user));
    key.is_some_and(|k| world.secrets.accepts(Sim::Stripe.connection(), &k))
}

fn error(
    status: u16,
    kind: &str,
    code: Option<&str>,
    param: Option<&str>,
    message: &str,
) -> (u16, Value) {
    let body = json!({"error": {
        "type": kind,
        "code": code,
        "param": param,
        "message": message,
        "doc_url": code.map(|c| format!("https://stripe.com/docs/error-codes/{}", c.replace('_', "-"))),
        "request_log_url": "https://dashboard.stripe.com/logs/req_simulated",
    }});
    (status, body)
}

fn answer((status, body): (u16, Value)) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [("Request-Id", "req_simulated")], Json(body)).into_response()
}

fn refused() -> Response {
    let message = "Invalid API Key provided";
    answer(error(401, "invalid_request_error", None, None, message))
}

/// `POST /v1/refunds`, form-encoded. What began is kept for its key, a 500 too; what was refused
/// before it began is not.
pub(super) async fn create(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let Some(params) = form(&body) else {
        let message = "The request body is not form-encoded";
        return answer(error(400, "invalid_request_error", None, None, message));
    };
    let key = headers
        .get("idempotency-key")
        .and_then(|v| v.to_str().ok())
        .map(str::to_owned);
    if key.as_ref().is_some_and(|k| k.len() > 255) {
        let message = "Idempotency-Key can be at most 255 characters";
        return answer(error(400, "invalid_request_error", None, None, message));
    }
    let name;
    let outcome = {
        let mut stripe = lock(&world.stripe);
        if let Some(kept) = key.as_ref().and_then(|k| stripe.keys.get(k)).cloned() {
            return replay(
                &mut stripe,
                &kept,
                &params,
                key.as_deref().unwrap_or_default(),
            );
        }
        let (payment, amount) = match check(&stripe, &params) {
            Ok(fine) => fine,
            Err(refusal) => return answer(refusal),
        };
        name = stripe.next_name();
        let outcome = execute(&world, &mut stripe, &params, &payment, amount, &name);
        let (status, body) = match &outcome {
            Ok(refund) => (200, refund.view(Some(&payment.charge))),
            Err(failure) => failure.clone(),
        };
        if let Some(key) = key {
            let kept = Kept {
                params,
                status,
                body: body.clone(),
            };
            stripe.keys.insert(key, kept);
        }
        outcome.map(|refund| (refund, payment, body))
    };
    match outcome {
        Ok((refund, payment, body)) => {
            announce(&world, &refund, &payment);
            answer((200, body))
        }
        Err(failure) => answer(failure),
    }
}

fn replay(stripe: &mut Stripe, kept: &Kept, params: &Params, key: &str) -> Response {
    if kept.params != *params {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
        );
        return answer(error(400, "idempotency_error", None, None, &message));
    }
    stripe.replays += 1;
    let mut response = answer((kept.status, kept.body.clone()));
    response.headers_mut().insert(
        "Idempotent-Replayed",
        axum::http::HeaderValue::from_static("true"),
    );
    response
}

fn form(body: &[u8]) -> Option<Params> {
    let text = std::str::from_utf8(body).ok()?;
    let uri: Uri = format!("/?{text}").parse().ok()?;
    let Query(params) = Query::<Params>::try_from_uri(&uri).ok()?;
    Some(params)
}

/// Parameters that are refused before anything begins.
fn check(stripe: &Stripe, params: &Params) -> Result<(Payment, i64), (u16, Value)> {
    let invalid = |param: &str, code: Option<&str>, message: &str| {
        error(400, "invalid_request_error", code, Some(param), message)
    };
    let wanted = params
        .get("payment_intent")
        .map(|id| ("payment_intent", id))
        .or_else(|| params.get("charge").map(|id| ("charge", id)));
    let Some((param, id)) = wanted else {
        let message = "One of the following params should be provided for this request: payment_intent or charge.";
        return Err(invalid("payment_intent", None, message));
    };
    let payment = stripe
        .payments
        .values()
        .find(|p| p.id == *id || p.charge == *id)
        .ok_or_else(|| {
            let message = format!("No such {param}: '{id}'");
            invalid(param, Some("resource_missing"), &message)
        })?;
    let left = payment.amount - stripe.refunded(&payment.id);
    let amount = match params.get("amount") {
        None => left,
        Some(text) => text.parse::<i64>().ok().filter(|a| *a > 0).ok_or_else(|| {
            let code = Some("parameter_invalid_integer");
            invalid("amount", code, &format!("Invalid integer: {text}"))
        })?,
    };
    if left <= 0 {
        let message = format!("Charge {} has already been refunded.", payment.charge);
        return Err(invalid("charge", Some("charge_already_refunded"), &message));
    }
    if amount > left {
        let message = format!(
            "Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        );
        return Err(invalid("amount", None, &message));
    }
    Ok((payment.clone(), amount))
}

fn execute(
    world: &World,
    stripe: &mut Stripe,
    params: &Params,
    payment: &Payment,
    amount: i64,
    name: &str,
) -> Result<Refund, (u16, Value)> {
    if stripe.failing > 0 {
        stripe.failing -= 1;
        world.faults.count(Sim::Stripe, "kept_500");
        return Err(error(
            500,
            "api_error",
            None,
            None,
            "An unknown error occurred",
        ));
    }
    let now = next_second(world.env.now(), None);
    let pending = world.env.chance("stripe/pending", name, PENDING_PER_MILLE);
    let metadata = params.iter().filter_map(|(k, v)| {
        let name = k.strip_prefix("metadata[")?.strip_suffix(']')?;
        Some((name.to_owned(), v.clone()))
    });
    let refund = Refund {
        id: format!("re_{}", world.env.token("stripe/re", name, 24)),
        payment: payment.id.clone(),
        amount,
        currency: payment.currency.clone(),
        status: if pending { "pending" } else { "succeeded" },
        metadata: metadata.collect(),
        created: now,
        told: now,
    };
    stripe.refunds.push(refund.clone());
    Ok(refund)
}

fn announce(world: &Arc<World>, refund: &Refund, payment: &Payment) {
    tell_refund(world, "refund.created", refund, payment);
    if refund.status == "pending" {
        let world = Arc::clone(world);
        let id = refund.id.clone();
        tokio::spawn(async move {
            tokio::time::sleep(world.env.pause(800)).await;
            settle_refund(&world, &id);
        });
    }
}

/// `GET /v1/refunds`, newest first.
pub(super) async fn list(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(query): Query<Params>,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let stripe = lock(&world.stripe);
    let limit = query
        .get("limit")
        .and_then(|t| t.parse().ok())
        .unwrap_or(10_usize);
    let fits = |r: &&Refund| {
        let charge = stripe.payments.get(&r.payment).map(|p| p.charge.as_str());
        query
            .get("payment_intent")
            .is_none_or(|id| *id == r.payment)
            && query
                .get("charge")
                .is_none_or(|id| Some(id.as_str()) == charge)
    };
    let mut found: Vec<&Refund> = stripe.refunds.iter().rev().filter(fits).collect();
    if let Some(after) = query.get("starting_after")
        && let Some(at) = found.iter().position(|r| r.id == *after)
    {
        found.drain(..=at);
    }
    let has_more = found.len() > limit;
    found.truncate(limit.clamp(1, 100));
    let data: Vec<Value> = found
        .iter()
        .map(|r| r.view(stripe.payments.get(&r.payment).map(|p| p.charge.as_str())))
        .collect();
    let list = json!({"object": "list", "url": "/v1/refunds", "has_more": has_more, "data": data});
    answer((200, list))
}

fn missing(kind: &str, id: &str) -> Response {
    let message = format!("No such {kind}: '{id}'");
    let code = Some("resource_missing");
    answer(error(
        404,
        "invalid_request_error",
        code,
        Some("id"),
        &message,
    ))
}

/// `GET /v1/refunds/{id}`.
pub(super) async fn refund(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let stripe = lock(&world.stripe);
    match stripe.refunds.iter().find(|r| r.id == id) {
        Some(r) => {
            let charge = stripe.payments.get(&r.payment).map(|p| p.charge.as_str());
            answer((200, r.view(charge)))
        }
        None => missing("refund", &id),
    }
}

/// `GET /v1/payment_intents/{id}`.
pub(super) async fn payment(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let stripe = lock(&world.stripe);
    match stripe.payments.get(&id) {
        Some(payment) => answer((200, payment.view())),
        None => missing("payment_intent", &id),
    }
}
