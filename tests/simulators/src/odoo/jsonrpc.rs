//! `POST /jsonrpc`: services `common` and `object`.
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::config::Version;
use super::fault::{Class, Fault};
use super::methods::{self, Call};
use super::server::Server;

pub(super) async fn handle(server: Arc<Server>, body: Bytes) -> Response {
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return (
            StatusCode::BAD_REQUEST,
            [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
            "Invalid JSON data",
        )
            .into_response();
    };
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let version = server.world.version;
    let mut answer = json!({"jsonrpc": "2.0", "id": id});
    let outcome = dispatch(
        server,
        request.get("params").cloned().unwrap_or(Value::Null),
    )
    .await;
    if let Some(map) = answer.as_object_mut() {
        match outcome {
            // A method that returns None: neither `result` nor `error`.
            Ok(Value::Null) => {}
            Ok(result) => {
                map.insert("result".into(), result);
            }
            Err(fault) => {
                // 19 answers with code 0.
                let code = if version == Version::V17 { 200 } else { 0 };
                map.insert("error".into(), json!({"code": code, "message": "Odoo Server Error", "data": fault.body(version)}));
            }
        }
    }
    axum::Json(answer).into_response()
}

async fn dispatch(server: Arc<Server>, params: Value) -> Result<Value, Fault> {
    let text = |name: &str| {
        params
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let args = params
        .get("args")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    match (text("service").as_str(), text("method").as_str()) {
        ("common", "version") => Ok(version_info(server.world.version)),
        ("common", "authenticate" | "login") => authenticate(&server, &args),
        ("common", other) => Err(Fault::new(
            Class::Value,
            format!("Method not found: {other}"),
        )),
        ("object", "execute_kw") => execute(server, args, true).await,
        ("object", "execute") => execute(server, args, false).await,
        ("object", other) => Err(Fault::new(
            Class::Value,
            format!("Method not available {other}"),
        )),
        (service, _) => Err(Fault::new(Class::Key, service)),
    }
}

fn version_info(version: Version) -> Value {
    let major: i64 = if version == Version::V17 { 17 } else { 19 };
    json!({
        "server_version": format!("{major}.0"), "server_version_info": [major, 0, 0, "final", 0, ""],
        "server_serie": format!("{major}.0"), "protocol_version": 1,
    })
}

fn check_database(server: &Server, name: &str) -> Result<(), Fault> {
    if name == server.world.config.database {
        return Ok(());
    }
    let text = format!(
        "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  database \"{name}\" does not exist\n"
    );
    Err(Fault::new(Class::Operational, text))
}

fn authenticate(server: &Server, args: &[Value]) -> Result<Value, Fault> {
    let text = |index: usize| args.get(index).and_then(Value::as_str).unwrap_or_default();
    check_database(server, text(0))?;
    Ok(server
        .by_login(text(1), text(2))
        .map_or(Value::Bool(false), Value::from))
}

async fn execute(
    server: Arc<Server>,
    args: Vec<Value>,
    with_keywords: bool,
) -> Result<Value, Fault> {
    let text = |index: usize| {
        args.get(index)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    check_database(&server, &text(0))?;
    let uid = args.get(1).and_then(Value::as_i64).unwrap_or(0);
    let account = server.by_key(&text(2)).filter(|account| account.uid == uid);
    let account = account.ok_or_else(|| Fault::new(Class::AccessDenied, "Access Denied"))?;
    let (model, name) = (text(3), text(4));
    let version = server.world.version;
    let private = name.starts_with('_');
    if private && version == Version::V17 {
        return Err(Fault::new(
            Class::Access,
            format!("Private methods (such as {name}) cannot be called remotely."),
        ));
    }
    if server.world.schema.model(&model).is_none() {
        return Err(Fault::user(format!("Object {model} doesn't exist")));
    }
    if private {
        return Err(Fault::new(
            Class::Access,
            format!("Private methods (such as '{model}.{name}') cannot be called remotely."),
        ));
    }
    let method = methods::find(&server.world.config, &model, &name).map_err(|mut fault| {
        if fault.class == Class::NotFound {
            fault.class = Class::Attribute;
        }
        fault
    })?;
    let (positional, mut named): (Vec<Value>, Map<String, Value>) = if with_keywords {
        let positional = args
            .get(5)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        (
            positional,
            args.get(6)
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
        )
    } else {
        (args.iter().skip(5).cloned().collect(), Map::new())
    };
    let mut context = named
        .remove("context")
        .and_then(|value| value.as_object().cloned())
        .unwrap_or_default();
    context.insert(super::keys::NO_REQUEST.to_owned(), Value::Bool(true));
    let single = positional.first().is_some_and(Value::is_object);
    let (ids, args) = methods::bind(&method, positional, named)?;
    let answer = server
        .serve(
            account,
            context,
            Call {
                model,
                method,
                ids,
                args,
            },
        )
        .await?;
    // `create` of one mapping answers its id, of a list the ids.
    Ok(if method.name == "create" && single {
        answer.get(0).cloned().unwrap_or(Value::Null)
    } else {
        answer
    })
}
