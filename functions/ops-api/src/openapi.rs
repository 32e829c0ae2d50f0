//! The OpenAPI document, generated from the types. What is served is the file in
//! `infra/schemas/`, which the drift check compares with what is generated.

use crate::connections::ConnectionsView;
use crate::views::{
    Accepted, AssignBody, BulkAnswer, BulkBody, CaseView, Cases, CorrectBody, DeadLetterQueues,
    DryRun, DryRunBody, DryRunRange, IgnoreBody, Orders, RangeBody, RedriveBody, Redriven,
    Replayed, RetryBody, Summary, Timeline, WaiveBody,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use waybill_lambda_kit::http::Answer;
use waybill_model::case::Case;

const SERVED: &str = include_str!("../../../infra/schemas/openapi.json");

pub(crate) fn answer() -> Answer {
    Answer {
        status_code: 200,
        headers: BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]),
        body: SERVED.to_owned(),
        is_base64_encoded: false,
    }
}

/// One route.
struct Route {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    scope: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    body: Option<Value>,
    status: &'static str,
    answer: Value,
}

/// The document: what `infra/schemas/openapi.json` has to be.
#[must_use]
pub fn document() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let routes = routes(&mut generator);
    let mut paths = serde_json::Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.to_owned(), operation(&route));
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Error".to_owned(), error_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Waybill ops API",
            "version": "1",
            "description": "Order context, timeline, cases, retry, replay and connections. Tokens with the scopes `read`, `act` and `admin`.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas,
        },
    })
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn routes(generator: &mut SchemaGenerator) -> Vec<Route> {
    let get = |path, summary, parameters, answer| Route {
        method: "get",
        path,
        summary,
        scope: "read",
        parameters,
        body: None,
        status: "200",
        answer,
    };
    let post = |path, summary, parameters, body, status, answer| Route {
        method: "post",
        path,
        summary,
        scope: "act",
        parameters,
        body,
        status,
        answer,
    };
    let accepted = schema::<Accepted>(generator);
    let replayed = schema::<Replayed>(generator);
    let dry_run = schema::<DryRun>(generator);
    let asked = |path, summary, parameters, body, answer| Route {
        scope: "read",
        ..post(path, summary, parameters, Some(body), "200", answer)
    };
    let open = |path, summary| Route {
        scope: "",
        ..get(path, summary, &[], json!({"type": "object"}))
    };
    vec![
        get(
            "/ops/orders",
            "Orders with their context, by one of the parameters",
            FIND,
            schema::<Orders>(generator),
        ),
        get(
            "/ops/orders/{correlation}/timeline",
            "What happened to an order, oldest first",
            ORDER,
            schema::<Timeline>(generator),
        ),
        get(
            "/ops/cases",
            "Exceptions, oldest first; the open ones if no status is given",
            LIST,
            schema::<Cases>(generator),
        ),
        get(
            "/ops/cases/summary",
            "How many exceptions are open, how old, and what is at stake, by what is wrong",
            &[],
            schema::<Summary>(generator),
        ),
        get(
            "/ops/cases/{id}",
            "One exception",
            CASE,
            schema::<CaseView>(generator),
        ),
        post(
            "/ops/cases/bulk",
            "Retry, ignore or assign every open exception of a class and code, a page at a time",
            &[],
            Some(schema::<BulkBody>(generator)),
            "200",
            schema::<BulkAnswer>(generator),
        ),
        post(
            "/ops/cases/{id}/retry",
            "Try an exception again in the way that it says",
            CASE,
            None,
            "202",
            accepted.clone(),
        ),
        post(
            "/ops/orders/{correlation}/retry",
            "Issue a rejected effect again",
            ORDER,
            Some(schema::<RetryBody>(generator)),
            "202",
            accepted.clone(),
        ),
        post(
            "/ops/orders/{correlation}/waive",
            "Let an order pass although something was found",
            ORDER,
            Some(schema::<WaiveBody>(generator)),
            "202",
            accepted.clone(),
        ),
        post(
            "/ops/orders/{correlation}/correct",
            "Correct what the channel told wrong, and go on with it",
            ORDER,
            Some(schema::<CorrectBody>(generator)),
            "202",
            accepted.clone(),
        ),
        post(
            "/ops/orders/{correlation}/replay",
            "Run everything archived of an order again",
            ORDER,
            None,
            "202",
            replayed.clone(),
        ),
        post(
            "/ops/receipts/{receipt}/replay",
            "Run one delivery again, quarantined ones too",
            RECEIPT,
            None,
            "202",
            replayed.clone(),
        ),
        post(
            "/ops/replay",
            "Run again what was received in a range of time, a page at a time",
            &[],
            Some(schema::<RangeBody>(generator)),
            "202",
            replayed,
        ),
        get(
            "/ops/connections",
            "Each connection's breaker, and the pace and quota of those that have them",
            &[],
            schema::<ConnectionsView>(generator),
        ),
        get(
            "/ops/dead-letters",
            "How many messages are in each dead-letter queue",
            &[],
            schema::<DeadLetterQueues>(generator),
        ),
        post(
            "/ops/dead-letters/{queue}/redrive",
            "Move messages back to the queue that they came from",
            QUEUE,
            Some(schema::<RedriveBody>(generator)),
            "200",
            schema::<Redriven>(generator),
        ),
        asked(
            "/ops/orders/{correlation}/dry-run",
            "What a replay of an order would change, with the connections file of now or another",
            ORDER,
            schema::<DryRunBody>(generator),
            dry_run.clone(),
        ),
        asked(
            "/ops/receipts/{receipt}/dry-run",
            "What a replay of one delivery would change",
            RECEIPT,
            schema::<DryRunBody>(generator),
            dry_run.clone(),
        ),
        asked(
            "/ops/replay/dry-run",
            "What a replay of a range of time would change, a page at a time",
            &[],
            schema::<DryRunRange>(generator),
            dry_run,
        ),
        post(
            "/ops/cases/{id}/ignore",
            "Leave an exception as it is, with the reason; 200 with the case where no order has it",
            CASE,
            Some(schema::<IgnoreBody>(generator)),
            "202",
            accepted.clone(),
        ),
        post(
            "/ops/cases/{id}/assign",
            "Give an exception to somebody; 200 with the case where no order has it",
            CASE,
            Some(schema::<AssignBody>(generator)),
            "202",
            accepted,
        ),
        post(
            "/ops/cases/{id}/close",
            "Close as resolved an exception that belongs to no order's state",
            CASE,
            None,
            "200",
            schema::<Case>(generator),
        ),
        open(
            "/ops/health",
            "Whether the function answers; needs no token",
        ),
        open("/ops/openapi.json", "This document; needs no token"),
    ]
}

const ORDER: &[(&str, &str)] = &[("correlation", "The order's correlation id")];
const CASE: &[(&str, &str)] = &[("id", "The case's id")];
const QUEUE: &[(&str, &str)] = &[(
    "queue",
    "`inbound`, `events`, `erp`, `erp-bulk`, `fulfillment` or `status`",
)];
const RECEIPT: &[(&str, &str)] = &[("receipt", "The id in the acknowledgement of the webhook")];
const FIND: &[(&str, &str)] = &[
    (
        "number",
        "The number that the customer sees, with or without `#`",
    ),
    ("email", "The customer's e-mail address"),
    ("tracking", "A tracking number"),
    ("ticket", "The id of a helpdesk's ticket"),
    ("correlation", "The correlation id"),
];
const LIST: &[(&str, &str)] = &[
    ("status", "`open`, `resolved` or `ignored`"),
    (
        "class",
        "`data`, `erp`, `fulfillment`, `finance`, `service` or `integration`",
    ),
    ("code", "What is wrong"),
    ("connection", "The connection that it is about"),
    ("owner", "Who works on it"),
    ("order", "The order's correlation id"),
    ("limit", "1 to 200; 50 if absent"),
    ("cursor", "Of the page before"),
];

fn operation(route: &Route) -> Value {
    let parameters: Vec<Value> = route
        .parameters
        .iter()
        .map(|(name, description)| {
            let in_path = route.path.contains(&format!("{{{name}}}"));
            json!({
                "name": name, "in": if in_path { "path" } else { "query" },
                "required": in_path, "description": description, "schema": {"type": "string"},
            })
        })
        .collect();
    let error = json!({
        "description": "Refused: what is wrong and what to do about it",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    });
    let mut operation = json!({
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            route.status: {
                "description": "Done",
                "content": {"application/json": {"schema": route.answer}},
            },
            "default": error,
        },
    });
    if let Some(fields) = operation.as_object_mut() {
        if let Some(body) = &route.body {
            let content =
                json!({"required": true, "content": {"application/json": {"schema": body}}});
            fields.insert("requestBody".to_owned(), content);
        }
        if !route.scope.is_empty() {
            fields.insert("security".to_owned(), json!([{"token": [route.scope]}]));
        }
    }
    operation
}

fn error_schema() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["code", "message", "remedy"],
            "properties": {
                "code": text("From the documented table of codes"),
                "message": text("What is wrong"),
                "remedy": text("What to do about it"),
            },
        }},
    })
}
