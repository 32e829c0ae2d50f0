//! Zendesk: tickets by external id, with idempotency keys, safe updates and event webhooks.

use crate::env::{Env, next_second, utc_seconds};
use crate::secrets::{basic, bearer};
use crate::sim::Sim;
use crate::webhooks::{Outgoing, emit};
use crate::world::{World, lock};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the helpdesk holds.
#[derive(Debug)]
pub struct Zendesk {
    tickets: BTreeMap<i64, Ticket>,
    /// Body and ticket of each idempotency key.
    keys: BTreeMap<String, (Value, i64)>,
    replays: u64,
    conflicts: u64,
    next_id: i64,
}

#[derive(Debug, Clone)]
struct Ticket {
    id: i64,
    external_id: Option<String>,
    subject: String,
    status: String,
    requester: Option<String>,
    tags: Vec<String>,
    comments: Vec<(bool, String)>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Zendesk {
    /// A helpdesk without tickets.
    #[must_use]
    pub fn new(env: &Env) -> Self {
        let run = env.started_at().as_second().rem_euclid(100_000_000);
        Self {
            tickets: BTreeMap::new(),
            keys: BTreeMap::new(),
            replays: 0,
            conflicts: 0,
            next_id: 35_000 + run * 1_000,
        }
    }

    /// What the helpdesk holds, for invariants. Comments are counted; the last one is shown.
    #[must_use]
    pub fn state(&self) -> Value {
        let tickets: Vec<Value> = self
            .tickets
            .values()
            .map(|t| {
                json!({
                    "id": t.id.to_string(),
                    "external_id": t.external_id,
                    "subject": t.subject,
                    "status": t.status,
                    "tags": t.tags,
                    "comments": t.comments.len(),
                    "public_comments": t.comments.iter().filter(|(public, _)| *public).count(),
                    "last_comment": t.comments.last().map(|(_, body)| body),
                    "created_at": utc_seconds(t.created_at),
                    "updated_at": utc_seconds(t.updated_at),
                })
            })
            .collect();
        json!({
            "tickets": tickets,
            "idempotent_replays": self.replays,
            "update_conflicts": self.conflicts,
        })
    }
}

impl Ticket {
    fn view(&self) -> Value {
        json!({
            "id": self.id,
            "url": format!("https://waybill-demo.zendesk.com/api/v2/tickets/{}.json", self.id),
            "external_id": self.external_id,
            "subject": self.subject,
            "raw_subject": self.subject,
            "description": self.comments.first().map(|(_, body)| body),
            "status": self.status,
            "priority": null,
            "type": null,
            "tags": self.tags,
            "requester_id": self.requester.as_ref().map(|r| r.len() + 900_000),
            "created_at": utc_seconds(self.created_at),
            "updated_at": utc_seconds(self.updated_at),
            "via": {"channel": "api", "source": {"from": {}, "to": {}, "rel": null}},
        })
    }

    fn write(&mut self, ticket: &Value) {
        let text = |name: &str| ticket.get(name).and_then(Value::as_str).map(str::to_owned);
        if let Some(subject) = text("subject") {
            self.subject = subject;
        }
        if let Some(status) = text("status") {
            self.status = status;
        }
        if let Some(external_id) = text("external_id") {
            self.external_id = Some(external_id);
        }
        if let Some(tags) = ticket.get("tags").and_then(Value::as_array) {
            self.tags = tags
                .iter()
                .filter_map(|t| t.as_str().map(str::to_owned))
                .collect();
        }
        if let Some(comment) = ticket.get("comment") {
            let body = comment.get("body").or_else(|| comment.get("html_body"));
            if let Some(body) = body.and_then(Value::as_str) {
                let public = comment
                    .get("public")
                    .and_then(Value::as_bool)
                    .unwrap_or(true);
                self.comments.push((public, body.to_owned()));
            }
        }
    }
}

/// The Ticketing API v2.
pub fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/api/v2/tickets", get(list).post(create))
        .route("/api/v2/tickets.json", get(list).post(create))
        .route("/api/v2/tickets/{id}", get(show).put(update))
        .route("/api/v2/search.json", get(search))
        .route("/api/v2/search", get(search))
        .with_state(world)
}

fn authorised(world: &World, headers: &HeaderMap) -> bool {
    let connection = Sim::Zendesk.connection();
    let by_token = basic(headers).is_some_and(|(user, password)| {
        let agent = user.strip_suffix("/token");
        let known = world.secrets.api(connection, "email");
        agent.is_some_and(|a| known.is_none_or(|k| k == a))
            && world.secrets.accepts(connection, &password)
    });
    by_token || bearer(headers).is_some_and(|token| world.secrets.accepts(connection, &token))
}

fn answer(status: StatusCode, body: Value) -> Response {
    let limits = [
        ("X-Rate-Limit", "700"),
        ("X-Rate-Limit-Remaining", "699"),
        ("ratelimit-limit", "700"),
        ("ratelimit-remaining", "699"),
        ("ratelimit-reset", "30"),
    ];
    (status, limits, Json(body)).into_response()
}

fn refused() -> Response {
    answer(
        StatusCode::UNAUTHORIZED,
        json!({"error": "Couldn't authenticate you"}),
    )
}

fn not_found() -> Response {
    let body = json!({"error": "RecordNotFound", "description": "Not found"});
    answer(StatusCode::NOT_FOUND, body)
}

fn invalid(field: &str, message: &str) -> Response {
    let body = json!({
        "error": "RecordInvalid",
        "description": "Record validation errors",
        "details": {field: [{"description": message, "error": "InvalidValue"}]},
    });
    answer(StatusCode::UNPROCESSABLE_ENTITY, body)
}

async fn list(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    found(
        &world,
        query.get("external_id").map(String::as_str),
        "tickets",
    )
}

/// `query=type:ticket external_id:…`. Real search lags some seconds behind; this one does not.
async fn search(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let words = query.get("query").map(String::as_str).unwrap_or_default();
    let external = words
        .split_whitespace()
        .find_map(|w| w.strip_prefix("external_id:"))
        .map(|id| id.trim_matches('"'));
    found(&world, external, "results")
}

fn found(world: &World, external_id: Option<&str>, root: &str) -> Response {
    let zendesk = lock(&world.zendesk);
    let tickets: Vec<Value> = zendesk
        .tickets
        .values()
        .filter(|t| external_id.is_none_or(|id| t.external_id.as_deref() == Some(id)))
        .take(100)
        .map(Ticket::view)
        .collect();
    let count = tickets.len();
    answer(
        StatusCode::OK,
        json!({root: tickets, "count": count, "next_page": null, "previous_page": null}),
    )
}

fn id_of(text: &str) -> Option<i64> {
    text.strip_suffix(".json").unwrap_or(text).parse().ok()
}

async fn show(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let zendesk = lock(&world.zendesk);
    match id_of(&id).and_then(|id| zendesk.tickets.get(&id)) {
        Some(ticket) => answer(StatusCode::OK, json!({"ticket": ticket.view()})),
        None => not_found(),
    }
}

async fn create(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let Some(sent) = body.get("ticket") else {
        return answer(
            StatusCode::BAD_REQUEST,
            json!({"error": {"title": "Invalid attribute", "message": "You passed an invalid value for the ticket attribute."}}),
        );
    };
    let comment = sent.pointer("/comment/body").and_then(Value::as_str);
    if comment.is_none_or(|c| c.trim().is_empty()) {
        return invalid("base", "Description: cannot be blank");
    }
    let key = headers.get("idempotency-key").and_then(|v| v.to_str().ok());
    let now = next_second(world.env.now(), None);
    let mut zendesk = lock(&world.zendesk);
    if let Some(key) = key
        && let Some((earlier, id)) = zendesk.keys.get(key).cloned()
    {
        if earlier != body {
            let body = json!({
                "error": "IdempotentRequestError",
                "description": "The parameters of the request do not match those of the first request with this Idempotency-Key",
            });
            return answer(StatusCode::BAD_REQUEST, body);
        }
        zendesk.replays += 1;
        let ticket = zendesk.tickets.get(&id).map(Ticket::view);
        let mut response = answer(StatusCode::CREATED, json!({"ticket": ticket}));
        mark(&mut response, "hit");
        return response;
    }
    zendesk.next_id += 1;
    let id = zendesk.next_id;
    let mut ticket = Ticket {
        id,
        external_id: None,
        subject: String::new(),
        status: "open".to_owned(),
        requester: sent
            .pointer("/requester/email")
            .and_then(Value::as_str)
            .map(str::to_owned),
        tags: Vec::new(),
        comments: Vec::new(),
        created_at: now,
        updated_at: now,
    };
    ticket.write(sent);
    if let Some(key) = key {
        zendesk.keys.insert(key.to_owned(), (body.clone(), id));
    }
    zendesk.tickets.insert(id, ticket.clone());
    drop(zendesk);
    notify(&world, "ticket.created", &ticket, &json!({}));
    let mut response = answer(StatusCode::CREATED, json!({"ticket": ticket.view()}));
    if key.is_some() {
        mark(&mut response, "miss");
    }
    response
}

fn mark(response: &mut Response, lookup: &'static str) {
    response.headers_mut().insert(
        "x-idempotency-lookup",
        axum::http::HeaderValue::from_static(lookup),
    );
}

async fn update(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let sent = body.get("ticket").cloned().unwrap_or(Value::Null);
    let now = world.env.now();
    let mut zendesk = lock(&world.zendesk);
    let Some(mut ticket) = id_of(&id).and_then(|id| zendesk.tickets.get(&id)).cloned() else {
        return not_found();
    };
    if ticket.status == "closed" {
        return invalid("status", "Status: closed prevents ticket update");
    }
    let safe = sent
        .get("safe_update")
        .is_some_and(|v| *v == json!(true) || *v == json!("true"));
    let stamp = sent.get("updated_stamp").and_then(Value::as_str);
    let stamp = stamp.and_then(|s| s.parse::<Timestamp>().ok());
    if safe && stamp.is_none_or(|s| s.as_second() != ticket.updated_at.as_second()) {
        zendesk.conflicts += 1;
        let body = json!({
            "error": "UpdateConflict",
            "description": "Safe Update prevented the update due to outdated ticket data. Please fetch the latest ticket data and try again.",
        });
        return answer(StatusCode::CONFLICT, body);
    }
    let before = ticket.status.clone();
    ticket.write(&sent);
    ticket.updated_at = next_second(now, Some(ticket.updated_at));
    zendesk.tickets.insert(ticket.id, ticket.clone());
    drop(zendesk);
    if before != ticket.status {
        let change = json!({
            "previous": before.to_uppercase(),
            "current": ticket.status.to_uppercase(),
        });
        notify(&world, "ticket.status_changed", &ticket, &change);
    }
    answer(
        StatusCode::OK,
        json!({"ticket": ticket.view(), "audit": {"id": 1, "events": []}}),
    )
}

/// An agent changes a ticket's status. False if there is no such ticket, or it is closed.
pub fn set_status(world: &Arc<World>, id: i64, status: &str) -> bool {
    let now = world.env.now();
    let (ticket, before) = {
        let mut zendesk = lock(&world.zendesk);
        let Some(ticket) = zendesk
            .tickets
            .get_mut(&id)
            .filter(|t| t.status != "closed")
        else {
            return false;
        };
        let before = std::mem::replace(&mut ticket.status, status.to_owned());
        ticket.updated_at = next_second(now, Some(ticket.updated_at));
        (ticket.clone(), before)
    };
    let change = json!({"previous": before.to_uppercase(), "current": status.to_uppercase()});
    notify(world, "ticket.status_changed", &ticket, &change);
    true
}

fn notify(world: &Arc<World>, kind: &str, ticket: &Ticket, change: &Value) {
    let now = world.env.now();
    let name = format!("{kind}/{}/{}", ticket.id, now.as_nanosecond());
    let event_id = world.env.uuid("zendesk/event", &name).to_string();
    let body = json!({
        "account_id": 22_129_848,
        "detail": {
            "id": ticket.id.to_string(),
            "external_id": ticket.external_id,
            "subject": ticket.subject,
            "status": ticket.status.to_uppercase(),
            "tags": ticket.tags,
            "created_at": utc_seconds(ticket.created_at),
            "updated_at": utc_seconds(ticket.updated_at),
            "is_public": false,
            "priority": null,
            "type": null,
            "via": {"channel": "web_service"},
        },
        "event": change,
        "id": event_id,
        "subject": format!("zen:ticket:{}", ticket.id),
        "time": crate::env::utc_millis(now),
        "type": format!("zen:event-type:{kind}"),
        "zendesk_event_version": "2022-11-06",
    });
    let out = Outgoing {
        sim: Sim::Zendesk,
        topic: kind.to_owned(),
        key: ticket
            .external_id
            .clone()
            .unwrap_or_else(|| ticket.id.to_string()),
        headers: vec![
            (
                "X-Zendesk-Webhook-Id",
                "01GAFJQ5NXYRKR3SRB5VZQDG9E".to_owned(),
            ),
            ("X-Zendesk-Webhook-Invocation-Id", event_id.clone()),
        ],
        event_id,
        body: body.to_string().into_bytes(),
        drop: false,
    };
    emit(world, out);
}
