//! Partners that speak Waybill's own schemas, signed by Standard Webhooks both ways: a marketplace
//! with orders, and a warehouse that fulfils them.
//!
//! Each takes commands by `POST` to `waybill/commands` under its prefix, in CloudEvents form, and
//! carries out the same `webhook-id` once: a repetition gets the first answer, as 409 where it was
//! carried out. What happens there is told as signed events to its connection's webhook.

pub mod marketplace;
pub mod warehouse;

use crate::sign::verify_standard;
use crate::sim::Sim;
use crate::webhooks::{Outgoing, emit};
use crate::world::World;
use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use marketplace::Marketplace;
pub use warehouse::Warehouse;

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Carried out now; what was made, by kind.
    Done(Vec<(&'static str, String)>),
    /// It was so already.
    Already(Vec<(&'static str, String)>),
    /// Never.
    Refused {
        /// Why, as a code.
        code: &'static str,
        /// Why, in words.
        detail: String,
        /// What is to be done.
        remedy: &'static str,
    },
}

impl Verdict {
    fn into_response(self) -> Response {
        let body = |made: Vec<(&'static str, String)>| {
            let references: Vec<Value> = made
                .into_iter()
                .map(|(kind, id)| json!({"kind": kind, "id": id}))
                .collect();
            Json(json!({ "references": references }))
        };
        match self {
            Self::Done(made) => (StatusCode::ACCEPTED, body(made)).into_response(),
            Self::Already(made) => (StatusCode::CONFLICT, body(made)).into_response(),
            Self::Refused {
                code,
                detail,
                remedy,
            } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                Json(json!({"code": code, "detail": detail, "remedy": remedy})),
            )
                .into_response(),
        }
    }
}

/// A command that was signed.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    message: String,
    kind: String,
    body: Value,
}

impl Signed {
    /// A text of the command's content.
    fn text(&self, path: &str) -> String {
        let value = self.body.pointer(&format!("/data/{path}"));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Members of a list in the command's content.
    fn list(&self, path: &str) -> impl Iterator<Item = &Value> {
        let value = self.body.pointer(&format!("/data/{path}"));
        value.and_then(Value::as_array).into_iter().flatten()
    }
}

/// The commands that a partner took.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    verdicts: BTreeMap<String, (Signed, Verdict)>,
    repeated: u64,
    unsigned: u64,
}

impl Taken {
    /// The first verdict on this message, if it came before.
    fn repeated(&mut self, command: &Signed) -> Option<Verdict> {
        let (_, verdict) = self.verdicts.get(&command.message)?;
        self.repeated += 1;
        Some(match verdict.clone() {
            Verdict::Done(made) => Verdict::Already(made),
            other => other,
        })
    }

    fn keep(&mut self, command: Signed, verdict: &Verdict) {
        let message = command.message.clone();
        self.verdicts.insert(message, (command, verdict.clone()));
    }

    /// For invariants: the commands, and how many came again or unsigned.
    fn state(&self) -> Value {
        let commands: Vec<Value> = self
            .verdicts
            .iter()
            .map(|(message, (command, verdict))| {
                json!({
                    "webhook_id": message, "type": command.kind, "command": command.body,
                    "refused": match verdict {
                        Verdict::Refused { code, .. } => Some(*code),
                        Verdict::Done(_) | Verdict::Already(_) => None,
                    },
                })
            })
            .collect();
        json!({"commands": commands, "repeated": self.repeated, "unsigned": self.unsigned})
    }
}

/// Why a call is not read as a command.
#[derive(Debug)]
struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({"code": self.code, "detail": self.detail});
        (self.status, Json(body)).into_response()
    }
}

fn problem(status: StatusCode, code: &'static str, detail: &str) -> Problem {
    Problem {
        status,
        code,
        detail: detail.to_owned(),
    }
}

/// Reads a command that is signed with what Waybill signs with: `api.signing_secret`, or the
/// webhooks' where there is none.
fn signed(world: &World, sim: Sim, headers: &HeaderMap, body: &Bytes) -> Result<Signed, Problem> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|v| v.to_str().ok());
        value.unwrap_or_default()
    };
    let connection = sim.connection();
    let secret = world
        .secrets
        .api(connection, "signing_secret")
        .or_else(|| world.secrets.webhook_secret(connection));
    let message = header("webhook-id");
    let fits = secret.is_some_and(|secret| {
        verify_standard(
            secret,
            message,
            header("webhook-timestamp"),
            header("webhook-signature"),
            world.env.now(),
            body,
        )
    });
    if !fits || message.is_empty() {
        let detail = "no accepted signature over `{id}.{timestamp}.{body}`";
        return Err(problem(StatusCode::UNAUTHORIZED, "bad_signature", detail));
    }
    let body: Value = serde_json::from_slice(body)
        .map_err(|e| problem(StatusCode::BAD_REQUEST, "unreadable", &e.to_string()))?;
    let Some(kind) = body.get("type").and_then(Value::as_str) else {
        let detail = "`type` is missing";
        return Err(problem(StatusCode::BAD_REQUEST, "no_type", detail));
    };
    Ok(Signed {
        message: message.to_owned(),
        kind: kind.to_owned(),
        body,
    })
}

fn unsupported(command: &Signed) -> Verdict {
    Verdict::Refused {
        code: "unsupported_command",
        detail: format!("`{}` is not taken here", command.kind),
        remedy: "send it to another partner",
    }
}

/// An event that a partner tells.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Its type.
    pub kind: String,
    /// What it is about: faults are drawn for it.
    pub key: String,
    /// The correlation id of the command that it goes back to.
    pub correlation: Option<String>,
    /// The marketplace's own order id.
    pub order: Option<String>,
    /// Its content.
    pub data: Value,
}

/// Sends an event in CloudEvents form. Returns its id.
pub fn send(world: &Arc<World>, sim: Sim, told: &Told) -> String {
    let now = world.env.now();
    let name = format!("{}/{}/{}", told.kind, told.key, now.as_nanosecond());
    let concern = format!("{}/event", sim.as_str());
    let event_id = format!("msg_{}", world.env.token(&concern, &name, 27));
    let body = json!({
        "specversion": "1.0",
        "id": event_id,
        "source": sim.connection(),
        "time": now.to_string(),
        "type": told.kind,
        "dataschema": "waybill/v1",
        "datacontenttype": "application/json",
        "correlationid": told.correlation,
        "orderid": told.order,
        "data": told.data,
    });
    let out = Outgoing {
        sim,
        topic: told.kind.clone(),
        key: told.key.clone(),
        event_id: event_id.clone(),
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
        drop: false,
    };
    emit(world, out);
    event_id
}
