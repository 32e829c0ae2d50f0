//! `POST /jsonrpc`: services `common` and `object`.
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::config::Version;
use super::env::Account;
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
    let (positional, named) = if with_keywords {
        (list(args.get(5)), object(args.get(6)))
    } else {
        (args.iter().skip(5).cloned().collect(), Map::new())
    };
    let mut named = named;
    let mut context = object(named.remove("context").as_ref());
    context.insert(super::keys::NO_REQUEST.to_owned(), Value::Bool(true));
    let called = Called {
        model: text(3),
        name: text(4),
        positional,
        named,
        context,
    };
    run(server, account, called).await
}

fn list(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}

fn object(value: Option<&Value>) -> Map<String, Value> {
    value
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

/// What is called, with what.
struct Called {
    model: String,
    name: String,
    positional: Vec<Value>,
    named: Map<String, Value>,
    context: Map<String, Value>,
}

async fn run(server: Arc<Server>, account: Account, called: Called) -> Result<Value, Fault> {
    let Called {
        model,
        name,
        positional,
        named,
        context,
    } = called;
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

/// `POST /web/session/authenticate`: a session for a login and a password; a key opens none.
pub(super) async fn log_in(server: Arc<Server>, body: Bytes) -> Response {
    let params = params(&body);
    let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default();
    let entered = check_database(&server, text("db")).and_then(|()| {
        let account = server.by_password(text("login"), text("password"));
        account.ok_or_else(|| Fault::new(Class::AccessDenied, "Access Denied"))
    });
    match entered {
        Ok(account) => {
            let cookie = format!(
                "session_id={}; HttpOnly; Path=/",
                server.open_session(&account)
            );
            let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"uid": account.uid}});
            ([(header::SET_COOKIE, cookie)], axum::Json(answer)).into_response()
        }
        Err(fault) => web_fault(&server, &fault),
    }
}

/// `POST /web/dataset/call_kw`: a call in a session.
pub(super) async fn call_kw(server: Arc<Server>, headers: HeaderMap, body: Bytes) -> Response {
    let params = params(&body);
    let cookie = headers.get(header::COOKIE).and_then(|c| c.to_str().ok());
    let session = cookie.and_then(|c| c.trim().strip_prefix("session_id="));
    let Some(account) = session.and_then(|s| server.by_session(s)) else {
        let fault = Fault::new(Class::AccessDenied, "Odoo Session Expired");
        return web_fault(&server, &fault);
    };
    let text = |name: &str| {
        let text = params.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let mut named = object(params.get("kwargs"));
    let context = object(named.remove("context").as_ref());
    let called = Called {
        model: text("model"),
        name: text("method"),
        positional: list(params.get("args")),
        named,
        context,
    };
    match run(Arc::clone(&server), account, called).await {
        Ok(result) => {
            axum::Json(json!({"jsonrpc": "2.0", "id": 1, "result": result})).into_response()
        }
        Err(fault) => web_fault(&server, &fault),
    }
}

fn params(body: &[u8]) -> Value {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    request.get("params").cloned().unwrap_or_default()
}

fn web_fault(server: &Server, fault: &Fault) -> Response {
    let data = fault.body(server.world.version);
    let error = json!({"code": 200, "message": "Odoo Server Error", "data": data});
    axum::Json(json!({"jsonrpc": "2.0", "id": 1, "error": error})).into_response()
}
