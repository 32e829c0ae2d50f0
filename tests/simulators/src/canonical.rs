//! A partner that speaks Waybill's own schemas: it takes signed commands and sends signed events,
//! both by Standard Webhooks. Here it is a marketplace with orders and a warehouse that says yes.
//!
//! Commands are `POST`ed to any path under `/canonical`, in CloudEvents form; the same `webhook-id`
//! is taken once. The answer is a 202 with the id under which the command is held.

use crate::env::{Env, next_second, utc_seconds};
use crate::money::decimal;
use crate::shopify::generate::{Ids, OrderSpec, draw};
use crate::shopify::order::ShopOrder;
use crate::sign::verify_standard;
use crate::sim::Sim;
use crate::webhooks::{Outgoing, emit};
use crate::world::{World, lock};
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the partner holds.
#[derive(Debug)]
pub struct Canonical {
    /// By `webhook-id`: our id of it, and the command.
    commands: BTreeMap<String, (String, Value)>,
    orders: Vec<Value>,
    repeated: u64,
    run: i64,
    next: i64,
}

impl Ids for Canonical {
    fn next(&mut self) -> i64 {
        self.next += 1;
        self.run * 100_000 + self.next
    }
}

impl Canonical {
    /// A partner that has got nothing.
    #[must_use]
    pub fn new(env: &Env) -> Self {
        Self {
            commands: BTreeMap::new(),
            orders: Vec::new(),
            repeated: 0,
            run: env.started_at().as_second(),
            next: 0,
        }
    }

    /// What the partner holds, for invariants.
    #[must_use]
    pub fn state(&self) -> Value {
        let commands: Vec<Value> = self
            .commands
            .iter()
            .map(|(message, (id, command))| {
                json!({"webhook_id": message, "id": id, "command": command})
            })
            .collect();
        json!({"commands": commands, "orders": self.orders, "repeated": self.repeated})
    }
}

/// Commands in, and what is held of them.
pub fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/", post(take).get(held))
        .route("/{*path}", post(take).get(held))
        .with_state(world)
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({"error": {"code": code, "detail": detail}});
    (status, Json(body)).into_response()
}

/// Signed with the connection's webhook secret, or with one kept among its API credentials.
fn is_signed(world: &World, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|v| v.to_str().ok());
        value.unwrap_or_default()
    };
    let connection = Sim::Canonical.connection();
    let secrets = [
        world.secrets.webhook_secret(connection),
        world.secrets.api(connection, "signing_secret"),
        world.secrets.api(connection, "secret"),
    ];
    secrets.into_iter().flatten().any(|secret| {
        verify_standard(
            secret,
            header("webhook-id"),
            header("webhook-timestamp"),
            header("webhook-signature"),
            world.env.now(),
            body,
        )
    })
}

async fn take(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_signed(&world, &headers, &body) {
        let detail = "no accepted signature over `{id}.{timestamp}.{body}`";
        return problem(StatusCode::UNAUTHORIZED, "bad_signature", detail);
    }
    let command: Value = match serde_json::from_slice(&body) {
        Ok(command) => command,
        Err(e) => return problem(StatusCode::BAD_REQUEST, "unreadable", &e.to_string()),
    };
    if command.get("type").and_then(Value::as_str).is_none() {
        return problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "no_type",
            "`type` is missing",
        );
    }
    let message = headers.get("webhook-id").and_then(|v| v.to_str().ok());
    let message = message.unwrap_or_default().to_owned();
    let id = {
        let mut canonical = lock(&world.canonical);
        if let Some((id, _)) = canonical.commands.get(&message) {
            let id = id.clone();
            canonical.repeated += 1;
            return (
                StatusCode::OK,
                Json(json!({"id": id, "status": "accepted"})),
            )
                .into_response();
        }
        let id = format!("CAN-{}", canonical.next());
        canonical.commands.insert(message, (id.clone(), command));
        id
    };
    world.changed.notify_waiters();
    (
        StatusCode::ACCEPTED,
        Json(json!({"id": id, "status": "accepted"})),
    )
        .into_response()
}

/// Held commands, by `reference` of their data if one is asked for.
async fn held(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let token = crate::secrets::bearer(&headers).unwrap_or_default();
    if !is_signed(&world, &headers, b"")
        && !world.secrets.accepts(Sim::Canonical.connection(), &token)
    {
        let detail = "neither signed nor with an accepted token";
        return problem(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    }
    let canonical = lock(&world.canonical);
    let fits = |command: &Value| {
        query.get("reference").is_none_or(|wanted| {
            let found = command.pointer("/data/reference").and_then(Value::as_str);
            found == Some(wanted.as_str())
        })
    };
    let items: Vec<Value> = canonical
        .commands
        .values()
        .filter(|(_, command)| fits(command))
        .map(|(id, command)| json!({"id": id, "command": command}))
        .collect();
    Json(json!({"items": items})).into_response()
}

/// Sends an event in CloudEvents form. Returns its id.
pub fn send(world: &Arc<World>, kind: &str, key: &str, data: &Value) -> String {
    let now = world.env.now();
    let name = format!("{kind}/{key}/{}", now.as_nanosecond());
    let event_id = format!("msg_{}", world.env.token("canonical/event", &name, 27));
    let body = json!({
        "specversion": "1.0",
        "id": event_id,
        "source": Sim::Canonical.connection(),
        "time": now.to_string(),
        "type": kind,
        "dataschema": "waybill/v1",
        "datacontenttype": "application/json",
        "data": data,
    });
    let out = Outgoing {
        sim: Sim::Canonical,
        topic: kind.to_owned(),
        key: key.to_owned(),
        event_id: event_id.clone(),
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
        drop: false,
    };
    emit(world, out);
    event_id
}

/// An order is placed at the marketplace: `waybill.order.observed`. Returns id and number.
pub fn place(world: &Arc<World>, spec: &OrderSpec) -> (String, String) {
    let now = next_second(world.env.now(), None);
    let (order, number) = {
        let mut canonical = lock(&world.canonical);
        let n = i64::try_from(canonical.orders.len()).unwrap_or(i64::MAX) + 1;
        let order = draw(&world.env, &world.options, spec, -n, &mut *canonical, now);
        let number = format!("MKT-{n}");
        let data = render(&order, &number);
        canonical.orders.push(data.clone());
        (data, number)
    };
    let id = order
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let data = json!({"order": order, "findings": []});
    send(world, "waybill.order.observed", &number, &data);
    (id, number)
}

fn render(o: &ShopOrder, number: &str) -> Value {
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
                "current_quantity": (l.quantity - l.refunded).to_string(),
                "unit_price": decimal(l.unit_minor), "discount": decimal(l.discount_minor()),
                "taxes": tax(l.tax_minor), "requires_shipping": true, "gift_card": false,
            })
        })
        .collect();
    let shipping = o.shipping.price_minor - o.shipping.discount_minor;
    json!({
        "channel": Sim::Canonical.connection(),
        "id": o.id.to_string(),
        "number": number,
        "version": o.updated_at.as_microsecond(),
        "placed_at": utc_seconds(o.created_at),
        "test": o.test,
        "currency": o.currency,
        "taxes_included": o.taxes_included,
        "payment": if o.paid_minor > 0 { "paid" } else { "pending" },
        "cancelled": null,
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
