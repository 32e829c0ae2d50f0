//! The calls that an integration makes.

use super::actions::{self, WarehouseError};
use super::{SbOrder, Shipbob, returns, view};
use crate::catalogue;
use crate::faults::shipbob_throttled;
use crate::secrets::bearer;
use crate::sim::Sim;
use crate::world::{World, lock};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Checks the token and the rate limit: a sliding minute, as long as the run says a minute is.
#[expect(clippy::result_large_err, reason = "the error is the answer")]
fn admit(world: &World, headers: &HeaderMap) -> Result<(), Response> {
    let accepted = bearer(headers)
        .is_some_and(|token| world.secrets.accepts(Sim::Shipbob.connection(), &token));
    if !accepted {
        let body = json!({"statusCode": 401, "message": "Unauthorized. Access token is missing or invalid."});
        return Err((StatusCode::UNAUTHORIZED, Json(body)).into_response());
    }
    let window = Duration::from_millis(world.options.shipbob_window_ms.max(1));
    let mut shipbob = lock(&world.shipbob);
    let now = Instant::now();
    while shipbob
        .calls
        .front()
        .is_some_and(|t| now.duration_since(*t) >= window)
    {
        shipbob.calls.pop_front();
    }
    if shipbob.calls.len() >= world.options.shipbob_calls_per_minute {
        let oldest = shipbob.calls.front().copied().unwrap_or(now);
        let wait = window.saturating_sub(now.duration_since(oldest));
        drop(shipbob);
        world.faults.count(Sim::Shipbob, "rate_limit");
        return Err(shipbob_throttled(wait.as_secs() + 1));
    }
    shipbob.calls.push_back(now);
    Ok(())
}

fn field_error(status: StatusCode, field: &str, message: &str) -> Response {
    (status, Json(json!({field: [message]}))).into_response()
}

fn text<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer)
        .and_then(Value::as_str)
        .filter(|t| !t.trim().is_empty())
}

/// `POST /order`: refuses a reference that its channel used before.
pub(super) async fn create(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Err(answer) = admit(&world, &headers) {
        return answer;
    }
    let channel = headers
        .get("shipbob_channel_id")
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<i64>().ok());
    let Some(channel_id) = channel else {
        let message = "The shipbob_channel_id header is required.";
        return field_error(StatusCode::BAD_REQUEST, "shipbob_channel_id", message);
    };
    let products = match products(&body) {
        Ok(products) => products,
        Err(answer) => return answer,
    };
    for (pointer, name) in [
        ("/reference_id", "reference_id"),
        ("/shipping_method", "shipping_method"),
        ("/recipient/name", "recipient.name"),
        ("/recipient/address/address1", "recipient.address.address1"),
        ("/recipient/address/city", "recipient.address.city"),
        ("/recipient/address/country", "recipient.address.country"),
    ] {
        if text(&body, pointer).is_none() {
            let message = format!("The {name} field is required.");
            return field_error(StatusCode::BAD_REQUEST, name, &message);
        }
    }
    let reference = text(&body, "/reference_id").unwrap_or_default().to_owned();
    let now = world.env.now();
    let mut shipbob = lock(&world.shipbob);
    let taken =
        |o: &SbOrder| o.channel_id == channel_id && o.reference_id.eq_ignore_ascii_case(&reference);
    if shipbob.orders.values().any(taken) {
        shipbob.duplicates_refused += 1;
        let message =
            format!("An order with reference id {reference} already exists for this channel");
        return (
            StatusCode::UNPROCESSABLE_ENTITY,
            Json(json!({"errors": [message]})),
        )
            .into_response();
    }
    let (id, shipment_id) = (shipbob.next_id(), shipbob.next_id());
    let order = SbOrder {
        id,
        order_number: text(&body, "/order_number")
            .unwrap_or(&reference)
            .to_owned(),
        reference_id: reference,
        channel_id,
        recipient: body.get("recipient").cloned().unwrap_or(Value::Null),
        shipping_method: text(&body, "/shipping_method")
            .unwrap_or_default()
            .to_owned(),
        created_at: now,
        shipments: vec![actions::shipment(shipment_id, products.clone(), now)],
        products,
    };
    let answer = view::order(&order);
    shipbob.orders.insert(id, order);
    drop(shipbob);
    world.changed.notify_waiters();
    (StatusCode::CREATED, Json(answer)).into_response()
}

/// Products by their reference. Without a name, ShipBob makes no new product of an unknown one.
#[expect(clippy::result_large_err, reason = "the error is the answer")]
fn products(body: &Value) -> Result<Vec<(String, i64)>, Response> {
    let listed = body.get("products").and_then(Value::as_array);
    let Some(listed) = listed.filter(|p| !p.is_empty()) else {
        let message = "The products field is required.";
        return Err(field_error(StatusCode::BAD_REQUEST, "products", message));
    };
    let mut products = Vec::new();
    for (i, product) in listed.iter().enumerate() {
        let quantity = product.get("quantity").and_then(Value::as_i64).unwrap_or(0);
        if quantity < 1 {
            let field = format!("products[{i}].quantity");
            let message = "The field quantity must be between 1 and 2147483647.";
            return Err(field_error(StatusCode::BAD_REQUEST, &field, message));
        }
        let sku = text(product, "/reference_id").or_else(|| text(product, "/sku"));
        let named = text(product, "/name").is_some();
        match sku {
            Some(sku) if named || catalogue::number(sku).is_some() => {
                products.push((sku.to_owned(), quantity));
            }
            _ => {
                let message = format!(
                    "products[{i}]: the product does not exist and its name is required to create it"
                );
                let body = json!({"errors": [message]});
                return Err((StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response());
            }
        }
    }
    Ok(products)
}

/// `GET /order`, by `ReferenceIds`: comma-separated and case-blind.
pub(super) async fn list(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if let Err(answer) = admit(&world, &headers) {
        return answer;
    }
    let get = |name: &str| {
        let found = query.iter().find(|(k, _)| k.eq_ignore_ascii_case(name));
        found.map(|(_, v)| v.as_str())
    };
    let references: Option<Vec<&str>> = get("ReferenceIds").map(|t| t.split(',').collect());
    let limit = get("Limit")
        .and_then(|t| t.parse().ok())
        .unwrap_or(50_usize)
        .clamp(1, 250);
    let page = get("Page")
        .and_then(|t| t.parse().ok())
        .unwrap_or(1_usize)
        .max(1);
    let shipbob = lock(&world.shipbob);
    let found: Vec<Value> = shipbob
        .orders()
        .filter(|o| {
            references.as_ref().is_none_or(|wanted| {
                wanted
                    .iter()
                    .any(|r| r.trim().eq_ignore_ascii_case(&o.reference_id))
            })
        })
        .skip((page - 1).saturating_mul(limit))
        .take(limit)
        .map(view::order)
        .collect();
    Json(found).into_response()
}

fn with_order(
    world: &World,
    headers: &HeaderMap,
    id: &str,
    show: impl FnOnce(&SbOrder) -> Value,
) -> Response {
    if let Err(answer) = admit(world, headers) {
        return answer;
    }
    let shipbob = lock(&world.shipbob);
    let order = id
        .parse::<i64>()
        .ok()
        .and_then(|id| shipbob.orders.get(&id));
    match order {
        Some(order) => Json(show(order)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `GET /order/{id}`.
pub(super) async fn get(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, String)>,
) -> Response {
    with_order(&world, &headers, &id, view::order)
}

/// `GET /order/{id}/shipment`.
pub(super) async fn shipments(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, String)>,
) -> Response {
    with_order(&world, &headers, &id, |o| {
        Value::Array(o.shipments.iter().map(|s| view::shipment(o, s)).collect())
    })
}

/// `POST /order/{id}/cancel`: what is picked is too late, and says so.
pub(super) async fn cancel(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, String)>,
) -> Response {
    if let Err(answer) = admit(&world, &headers) {
        return answer;
    }
    let Ok(id) = id.parse::<i64>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (results, order) = match actions::cancel(&world, id) {
        Ok(done) => done,
        Err(WarehouseError::Unknown | WarehouseError::Refused) => {
            return StatusCode::NOT_FOUND.into_response();
        }
    };
    if results.iter().all(|(_, done)| !done) {
        let message =
            "Order cannot be cancelled: its shipments are already processed or cancelled.";
        return field_error(StatusCode::UNPROCESSABLE_ENTITY, "Order", message);
    }
    let results: Vec<Value> = results
        .iter()
        .map(|(id, done)| {
            let reason = if *done {
                ""
            } else {
                "Shipment is already processed"
            };
            json!({"action": "Cancel", "shipment_id": id, "is_success": done, "reason": reason})
        })
        .collect();
    Json(json!({"order": view::order(&order), "canceled_shipment_results": results}))
        .into_response()
}

/// `POST /return`.
pub(super) async fn create_return(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Json(body): Json<Map<String, Value>>,
) -> Response {
    if let Err(answer) = admit(&world, &headers) {
        return answer;
    }
    let body = Value::Object(body);
    let shipment = body.get("original_shipment_id").and_then(Value::as_i64);
    let order_id = {
        let shipbob = lock(&world.shipbob);
        let holds = |o: &&SbOrder| o.shipments.iter().any(|s| Some(s.id) == shipment);
        shipbob.orders().find(holds).map(|o| o.id)
    };
    let lines: Vec<(String, i64)> = body
        .get("inventory")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|i| {
            let number = i.get("id").and_then(Value::as_i64)? - 30_000_000;
            let sku = catalogue::sku(u32::try_from(number).ok()?);
            Some((sku, i.get("quantity").and_then(Value::as_i64)?))
        })
        .collect();
    let reference = text(&body, "/reference_id").unwrap_or_default();
    let made = order_id
        .filter(|_| !lines.is_empty())
        .and_then(|id| returns::announce(&world, id, reference, &lines).ok());
    let shipbob = lock(&world.shipbob);
    match made.and_then(|id| shipbob.returns.get(&id)) {
        Some(back) => (StatusCode::CREATED, Json(returns::view(back))).into_response(),
        None => field_error(
            StatusCode::BAD_REQUEST,
            "original_shipment_id",
            "The shipment does not hold these items.",
        ),
    }
}

/// `GET /return/{id}`.
pub(super) async fn get_return(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, String)>,
) -> Response {
    if let Err(answer) = admit(&world, &headers) {
        return answer;
    }
    let shipbob = lock(&world.shipbob);
    let back = id
        .parse::<i64>()
        .ok()
        .and_then(|id| shipbob.returns.get(&id));
    match back {
        Some(back) => Json(returns::view(back)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `GET /inventory-level`.
pub(super) async fn inventory(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    if let Err(answer) = admit(&world, &headers) {
        return answer;
    }
    let shipbob: &Shipbob = &lock(&world.shipbob);
    Json(view::inventory(shipbob)).into_response()
}
