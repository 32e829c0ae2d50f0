//! EasyPost: trackers, once for a code and carrier, and their events.

use crate::env::{Env, next_second, utc_seconds};
use crate::secrets::basic;
use crate::sim::Sim;
use crate::webhooks::{Outgoing, emit};
use crate::world::{World, lock};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Carriers that EasyPost knows by these names.
const CARRIERS: [&str; 6] = [
    "USPS",
    "UPS",
    "FedEx",
    "DHLExpress",
    "DHLPaket",
    "RoyalMail",
];

/// What the carrier service holds.
#[derive(Debug)]
pub struct Easypost {
    trackers: Vec<Tracker>,
    events: u64,
    run: i64,
}

#[derive(Debug, Clone)]
struct Tracker {
    id: String,
    code: String,
    carrier: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    details: Vec<(&'static str, Timestamp)>,
}

impl Easypost {
    /// A carrier service that follows nothing.
    #[must_use]
    pub fn new(env: &Env) -> Self {
        Self {
            trackers: Vec::new(),
            events: 0,
            run: env.started_at().as_second(),
        }
    }

    /// Whether this code is followed.
    #[must_use]
    pub fn follows(&self, code: &str) -> bool {
        self.trackers.iter().any(|t| t.code == code)
    }

    /// What the carrier service holds, for invariants.
    #[must_use]
    pub fn state(&self) -> Value {
        let trackers: Vec<Value> = self
            .trackers
            .iter()
            .map(|t| {
                json!({
                    "id": t.id, "tracking_code": t.code, "carrier": t.carrier,
                    "status": t.status(), "events": t.details.len(),
                })
            })
            .collect();
        json!({"trackers": trackers})
    }
}

impl Tracker {
    fn status(&self) -> &'static str {
        self.details.last().map_or("unknown", |(status, _)| status)
    }

    fn view(&self) -> Value {
        let details: Vec<Value> = self
            .details
            .iter()
            .map(|(status, at)| {
                json!({
                    "object": "TrackingDetail",
                    "message": status.replace('_', " "),
                    "description": null,
                    "status": status,
                    "status_detail": "status_update",
                    "datetime": utc_seconds(*at),
                    "source": self.carrier,
                    "carrier_code": null,
                    "tracking_location": {
                        "object": "TrackingLocation", "city": "UTRECHT", "state": null,
                        "country": "NL", "zip": null,
                    },
                })
            })
            .collect();
        let expected = self
            .created_at
            .checked_add(SignedDuration::from_hours(48))
            .ok();
        json!({
            "id": self.id,
            "object": "Tracker",
            "mode": "production",
            "tracking_code": self.code,
            "status": self.status(),
            "status_detail": "status_update",
            "created_at": utc_seconds(self.created_at),
            "updated_at": utc_seconds(self.updated_at),
            "signed_by": null,
            "weight": 614.4,
            "est_delivery_date": expected.map(utc_seconds),
            "shipment_id": null,
            "carrier": self.carrier,
            "tracking_details": details,
            "carrier_detail": null,
            "finalized": true,
            "is_return": false,
            "public_url": format!("https://track.easypost.com/{}", self.id),
            "fees": [],
        })
    }
}

/// API v2.
pub fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/v2/trackers", get(list).post(create))
        .route("/v2/trackers/{id}", get(show))
        .with_state(world)
}

fn authorised(world: &World, headers: &HeaderMap) -> bool {
    basic(headers).is_some_and(|(key, _)| world.secrets.accepts(Sim::Easypost.connection(), &key))
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({"error": {"code": code, "message": message, "errors": []}});
    (status, Json(body)).into_response()
}

fn refused() -> Response {
    error(
        StatusCode::UNAUTHORIZED,
        "APIKEY.INACTIVE",
        "This api key is no longer active. Please use a different api key or reactivate this key.",
    )
}

async fn list(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let easypost = lock(&world.easypost);
    let found: Vec<Value> = easypost
        .trackers
        .iter()
        .rev()
        .filter(|t| query.get("tracking_code").is_none_or(|c| *c == t.code))
        .filter(|t| query.get("carrier").is_none_or(|c| *c == t.carrier))
        .take(100)
        .map(Tracker::view)
        .collect();
    Json(json!({"trackers": found, "has_more": false})).into_response()
}

async fn show(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let easypost = lock(&world.easypost);
    let found = easypost
        .trackers
        .iter()
        .find(|t| t.id == id || t.code == id);
    match found {
        Some(tracker) => Json(tracker.view()).into_response(),
        None => error(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "The requested resource could not be found.",
        ),
    }
}

/// A code and carrier that are followed already give the tracker that is there.
async fn create(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !authorised(&world, &headers) {
        return refused();
    }
    let text = |name: &str| {
        let value = body.pointer(&format!("/tracker/{name}"));
        value
            .and_then(Value::as_str)
            .filter(|t| !t.trim().is_empty())
    };
    let Some(code) = text("tracking_code") else {
        return error(
            StatusCode::UNPROCESSABLE_ENTITY,
            "TRACKER.CREATE.ERROR",
            "A tracking_code must be supplied.",
        );
    };
    let carrier = match text("carrier") {
        Some(carrier) if CARRIERS.contains(&carrier) => carrier,
        Some(carrier) => {
            let message = format!("The carrier {carrier} is not supported.");
            let code = "TRACKER.CREATE.ERROR";
            return error(StatusCode::UNPROCESSABLE_ENTITY, code, &message);
        }
        // Found by the shape of the number.
        None => "DHLExpress",
    };
    let now = next_second(world.env.now(), None);
    let tracker = {
        let mut easypost = lock(&world.easypost);
        let known = easypost
            .trackers
            .iter()
            .find(|t| t.code == code && t.carrier == carrier);
        if let Some(known) = known {
            return Json(known.view()).into_response();
        }
        let name = format!("{}/{code}/{carrier}", easypost.run);
        let tracker = Tracker {
            id: format!("trk_{}", world.env.uuid("easypost/tracker", &name).simple()),
            code: code.to_owned(),
            carrier: carrier.to_owned(),
            created_at: now,
            updated_at: now,
            details: vec![("pre_transit", now)],
        };
        easypost.trackers.push(tracker.clone());
        tracker
    };
    notify(&world, "tracker.created", &tracker, None);
    (StatusCode::CREATED, Json(tracker.view())).into_response()
}

/// The carrier scans a parcel: `tracker.updated` for every tracker of the code. False if it is
/// not followed.
pub fn scan(world: &Arc<World>, code: &str, status: &'static str) -> bool {
    let now = world.env.now();
    let changed: Vec<(Tracker, &'static str)> = {
        let mut easypost = lock(&world.easypost);
        easypost
            .trackers
            .iter_mut()
            .filter(|t| t.code == code)
            .map(|t| {
                let before = t.status();
                t.updated_at = next_second(now, Some(t.updated_at));
                t.details.push((status, t.updated_at));
                (t.clone(), before)
            })
            .collect()
    };
    for (tracker, before) in &changed {
        notify(world, "tracker.updated", tracker, Some(before));
    }
    !changed.is_empty()
}

fn notify(world: &Arc<World>, description: &str, tracker: &Tracker, before: Option<&str>) {
    let name = {
        let mut easypost = lock(&world.easypost);
        easypost.events += 1;
        format!("{}/{}", easypost.run, easypost.events)
    };
    let event_id = format!("evt_{}", world.env.uuid("easypost/event", &name).simple());
    let previous = before.map_or(json!({}), |status| json!({"status": status}));
    let at = utc_seconds(tracker.updated_at);
    let body = json!({
        "id": event_id,
        "object": "Event",
        "mode": "production",
        "description": description,
        "previous_attributes": previous,
        "result": tracker.view(),
        "status": "pending",
        "pending_urls": ["https://example.com/webhooks/easypost-main"],
        "completed_urls": [],
        "user_id": "user_simulated",
        "created_at": at,
        "updated_at": at,
    });
    let out = Outgoing {
        sim: Sim::Easypost,
        topic: description.to_owned(),
        key: tracker.code.clone(),
        event_id,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
        drop: false,
    };
    emit(world, out);
}
