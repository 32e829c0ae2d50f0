//! `POST /json/2/MODEL/METHOD`, from 19 on.
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::config::Version;
use super::env::Account;
use super::fault::{Class, Fault};
use super::methods;
use super::server::Server;

const NO_DATABASE: &str = "<!DOCTYPE html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>No database is selected and the requested URL was not found in the server-wide controllers.</p>\n<p>Please verify the hostname, <a href=/web/login>login</a> and try again.</p>\n\n<!-- Alternatively, use the X-Odoo-Database header. -->\n";
const WRONG_TYPE: &str = "<!doctype html>\n<html lang=en>\n<title>415 Unsupported Media Type</title>\n<h1>Unsupported Media Type</h1>\n<p>Request inferred type is compatible with [&#39;http&#39;] but &#39;/json/2/&lt;__model__&gt;/&lt;__method__&gt;&#39; is type=&#39;json2&#39;.<br><br>Please verify the Content-Type request header and try again.</p>\n";
pub(super) const NOT_FOUND: &str = "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.</p>\n";

pub(super) fn html(status: StatusCode, text: &'static str) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        text,
    )
        .into_response()
}

pub(super) async fn handle(
    server: Arc<Server>,
    http: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if server.world.version == Version::V17 {
        return html(StatusCode::NOT_FOUND, NOT_FOUND);
    }
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let database = header("x-odoo-database");
    if !database.is_empty() && database != server.world.config.database {
        return html(StatusCode::NOT_FOUND, NO_DATABASE);
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (true, [model, name]) = (http == Method::POST, parts.as_slice()) else {
        return answer(Err(Fault::new(
            Class::NotFound,
            "Did you mean POST /json/2/<model>/<method>?",
        )));
    };
    if !header("content-type").starts_with("application/json") {
        return html(StatusCode::UNSUPPORTED_MEDIA_TYPE, WRONG_TYPE);
    }
    let account = match authenticate(&server, &header("authorization")) {
        Ok(account) => account,
        Err(fault) => return answer(Err(fault)),
    };
    answer(call(server, account, model, name, &body).await)
}

fn answer(outcome: Result<Value, Fault>) -> Response {
    match outcome {
        Ok(value) => axum::Json(value).into_response(),
        Err(fault) => {
            let status =
                StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, axum::Json(fault.body(Version::V19))).into_response()
        }
    }
}

fn authenticate(server: &Server, authorization: &str) -> Result<Account, Fault> {
    let key = authorization
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim());
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        let text = "User not authenticated, use an API Key with a Bearer Authorization header.";
        return Err(Fault::new(Class::Unauthorized, text));
    };
    server
        .by_key(key)
        .ok_or_else(|| Fault::new(Class::Unauthorized, "Invalid apikey"))
}

async fn call(
    server: Arc<Server>,
    account: Account,
    model: &str,
    name: &str,
    body: &[u8],
) -> Result<Value, Fault> {
    let parsed: Value = serde_json::from_slice(body).map_err(|error| {
        Fault::new(
            Class::BadRequest,
            format!(
                "could not parse the body as json: {}",
                python_json_error(body, &error)
            ),
        )
    })?;
    // Anything but an object counts as no arguments.
    let mut named: Map<String, Value> = parsed.as_object().cloned().unwrap_or_default();
    if server.world.schema.model(model).is_none() {
        return Err(Fault::new(
            Class::NotFound,
            format!("the model '{model}' does not exist"),
        ));
    }
    if name.starts_with('_') {
        return Err(Fault::new(
            Class::Access,
            format!("Private methods (such as '{model}.{name}') cannot be called remotely."),
        ));
    }
    let method = methods::find(&server.world.config, model, name)?;
    let ids = named
        .remove("ids")
        .map(|value| super::db::id_list(&value))
        .unwrap_or_default();
    let context = named
        .remove("context")
        .and_then(|value| value.as_object().cloned())
        .unwrap_or_default();
    let call = methods::bind_named(&method, model, ids, named)?;
    server.serve(account, context, call).await
}

/// The place of a syntax error as Python words it; the kind only for the commonest case.
fn python_json_error(body: &[u8], error: &serde_json::Error) -> String {
    let offset = error.column().saturating_sub(1);
    let text = if body.first() == Some(&b'{') {
        "Expecting property name enclosed in double quotes"
    } else {
        "Expecting value"
    };
    format!(
        "{text}: line {} column {} (char {offset})",
        error.line(),
        error.column()
    )
}
