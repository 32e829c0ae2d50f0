//! The Admin REST API: orders by update time, with `Link` pagination.

use super::order::ShopOrder;
use super::{authorised, render};
use crate::world::{World, lock};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Query of `orders.json`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct OrdersQuery {
    updated_at_min: Option<String>,
    updated_at_max: Option<String>,
    status: Option<String>,
    order: Option<String>,
    limit: Option<usize>,
    page_info: Option<String>,
}

/// What a page token stands for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Cursor {
    updated_at_min: Option<String>,
    updated_at_max: Option<String>,
    status: Option<String>,
    order: Option<String>,
    /// Update time and id of the last order of the page before.
    after: (Timestamp, i64),
}

const LIMIT_HEADER: &str = "X-Shopify-Shop-Api-Call-Limit";

fn refused() -> Response {
    let errors = "[API] Invalid API key or access token (unrecognized login or wrong password)";
    (StatusCode::UNAUTHORIZED, Json(json!({"errors": errors}))).into_response()
}

fn bad(field: &str, why: &str) -> Response {
    (
        StatusCode::BAD_REQUEST,
        Json(json!({"errors": {field: why}})),
    )
        .into_response()
}

/// `GET orders.json`. Without `status` only open orders are listed, as Shopify does.
pub(super) async fn orders(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(query): Query<OrdersQuery>,
    uri: axum::http::Uri,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let (query, after) = match resolve(query) {
        Ok(resolved) => resolved,
        Err(answer) => return answer,
    };
    let limit = query.limit.unwrap_or(50).clamp(1, 250);
    let (min, max) = match (
        instant(&query.updated_at_min),
        instant(&query.updated_at_max),
    ) {
        (Ok(min), Ok(max)) => (min, max),
        _ => return bad("updated_at", "expected a timestamp"),
    };
    let ascending = query.order.as_deref().is_some_and(|o| o.ends_with("asc"));
    let shop = lock(&world.shopify);
    let mut found: Vec<&ShopOrder> = shop
        .orders()
        .filter(|o| min.is_none_or(|m| o.updated_at >= m))
        .filter(|o| max.is_none_or(|m| o.updated_at <= m))
        .filter(|o| match query.status.as_deref() {
            Some("any") => true,
            Some("cancelled") => o.cancelled.is_some(),
            _ => o.cancelled.is_none(),
        })
        .collect();
    found.sort_by_key(|o| (o.updated_at, o.id));
    if !ascending {
        found.reverse();
    }
    let rest = found.into_iter().filter(|o| {
        after.is_none_or(|last| {
            let here = (o.updated_at, o.id);
            if ascending { here > last } else { here < last }
        })
    });
    let mut page: Vec<&ShopOrder> = rest.take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let body = Json(json!({"orders": page.iter().map(|o| render::order(o)).collect::<Vec<_>>()}));
    let next = page.last().filter(|_| more).map(|last| Cursor {
        updated_at_min: query.updated_at_min.clone(),
        updated_at_max: query.updated_at_max.clone(),
        status: query.status.clone(),
        order: query.order.clone(),
        after: (last.updated_at, last.id),
    });
    let Some(next) = next else {
        return ([(LIMIT_HEADER, "1/80")], body).into_response();
    };
    let token = URL_SAFE_NO_PAD.encode(json!(next).to_string());
    let host = headers
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .unwrap_or("127.0.0.1");
    let path = format!("/shopify{}", uri.path());
    let link = format!("<http://{host}{path}?limit={limit}&page_info={token}>; rel=\"next\"");
    ([(LIMIT_HEADER, "1/80".to_owned()), ("Link", link)], body).into_response()
}

type Resolved = (OrdersQuery, Option<(Timestamp, i64)>);

#[expect(clippy::result_large_err, reason = "the error is the answer")]
fn resolve(query: OrdersQuery) -> Result<Resolved, Response> {
    let Some(token) = &query.page_info else {
        return Ok((query, None));
    };
    // With a page token every filter is refused: the token carries them.
    if query.updated_at_min.is_some() || query.status.is_some() || query.order.is_some() {
        return Err(bad(
            "page_info",
            "cannot be combined with parameters other than limit and fields",
        ));
    }
    let cursor: Option<Cursor> = URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(cursor) = cursor else {
        return Err(bad("page_info", "Invalid value."));
    };
    let resolved = OrdersQuery {
        updated_at_min: cursor.updated_at_min,
        updated_at_max: cursor.updated_at_max,
        status: cursor.status,
        order: cursor.order,
        limit: query.limit,
        page_info: None,
    };
    Ok((resolved, Some(cursor.after)))
}

fn instant(text: &Option<String>) -> Result<Option<Timestamp>, jiff::Error> {
    text.as_deref().map(str::parse).transpose()
}

/// `GET orders/{id}.json`.
pub(super) async fn order(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Path((_, id)): Path<(String, String)>,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let id = id.strip_suffix(".json").unwrap_or(&id).parse::<i64>().ok();
    let shop = lock(&world.shopify);
    match id.and_then(|id| shop.order(id)) {
        Some(order) => {
            let body = Json(json!({"order": render::order(order)}));
            ([(LIMIT_HEADER, "1/80")], body).into_response()
        }
        None => (StatusCode::NOT_FOUND, Json(json!({"errors": "Not Found"}))).into_response(),
    }
}

/// `GET shop.json`.
pub(super) async fn shop(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let shop: Value = json!({
        "id": 548_380_009,
        "name": "Waybill Demo",
        "myshopify_domain": render::DOMAIN,
        "currency": world.options.currency,
        "iana_timezone": "America/Bogota",
        "primary_location_id": render::LOCATION,
    });
    Json(json!({"shop": shop})).into_response()
}
