//! A thin proxy in front of Odoo that times every answer, the same for whoever calls.
//!
//! It has a thread of its own. A call's time is that of Odoo alone: from the request that goes out, whole, to the last
//! byte of the answer; what the proxy itself costs falls to the caller, and so does the network that it stands for, if
//! any. Who asks for it gets the calls by method too; reading them costs time, so whoever measures does not.

use crate::Stop;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Largest body taken, each way.
const BODY_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// One call that Odoo answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Odoo's own time.
    pub took: Duration,
    /// What was called; absent where calls are not read.
    pub what: Option<What>,
}

/// What a call was, as far as anybody asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct What {
    /// Model and method, such as `sale.order/load`.
    pub method: String,
    /// Records that it is about.
    pub ids: Vec<i64>,
    /// Fields that it reads.
    pub fields: Vec<String>,
    /// Rows that it loads.
    pub rows: usize,
    /// Whether Odoo refused: a fault, or a load without ids.
    pub refused: bool,
}

/// The proxy.
#[derive(Debug, Clone)]
pub struct Meter {
    /// Where to call.
    pub url: String,
    calls: Calls,
}

type Calls = Arc<Mutex<Vec<Answered>>>;

#[derive(Debug, Clone)]
struct Forward {
    http: reqwest::Client,
    base_url: String,
    calls: Calls,
    reading: bool,
    round_trip: Duration,
}

impl Meter {
    /// Starts one in front of `base_url`; `reading` tells the calls by method, `round_trip` is how far away Odoo is to
    /// seem.
    ///
    /// # Errors
    /// No port, no thread or no TLS can be had.
    pub fn start(base_url: &str, reading: bool, round_trip: Duration) -> Result<Self, Stop> {
        let doing = "starting the meter";
        let stop = |e: std::io::Error| Stop::new(doing, e);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(stop)?;
        listener.set_nonblocking(true).map_err(stop)?;
        let address = listener.local_addr().map_err(stop)?;
        let http = plain_client().map_err(|e| Stop::new(doing, e))?;
        let calls = Calls::default();
        let forward = Forward {
            http,
            base_url: base_url.trim_end_matches('/').to_owned(),
            calls: Arc::clone(&calls),
            reading,
            round_trip,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(stop)?;
        let router = Router::new().fallback(answer).with_state(forward);
        let serve = async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, router).await
        };
        // It ends with the process: nobody waits for it.
        let run = move || drop(runtime.block_on(serve));
        std::thread::Builder::new()
            .name("meter".to_owned())
            .spawn(run)
            .map_err(stop)?;
        Ok(Self {
            url: format!("http://{address}"),
            calls,
        })
    }

    /// The calls since the last time that this was asked.
    #[must_use]
    pub fn take(&self) -> Vec<Answered> {
        std::mem::take(&mut lock(&self.calls))
    }

    /// How many calls there are to take.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.calls).len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn lock(calls: &Calls) -> MutexGuard<'_, Vec<Answered>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client that keeps connections, follows nothing and goes through nobody's proxy.
///
/// # Errors
/// The TLS of this machine cannot be set up.
pub fn plain_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
}

/// A call that has begun is brought to its end, and counted, even when its caller is gone: so does Odoo.
async fn answer(State(forward): State<Forward>, request: Request) -> Response {
    let whole = tokio::spawn(forwarded(forward, request));
    let gone = |_| StatusCode::BAD_GATEWAY.into_response();
    whole.await.unwrap_or_else(gone)
}

async fn forwarded(forward: Forward, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
    let Ok(body) = to_bytes(body, BODY_LIMIT_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let url = format!("{}{path}", forward.base_url);
    if !forward.round_trip.is_zero() {
        tokio::time::sleep(forward.round_trip).await;
    }
    let begun = Instant::now();
    let sent = forward
        .http
        .request(head.method, url)
        .headers(passed_on(head.headers))
        .body(body.clone())
        .send();
    let Ok(answer) = sent.await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (status, headers) = (answer.status(), passed_on(answer.headers().clone()));
    let Ok(bytes) = answer.bytes().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let took = begun.elapsed();
    let what = forward.reading.then(|| read(path, &body, &bytes));
    lock(&forward.calls).push(Answered { took, what });
    (status, headers, Body::from(bytes)).into_response()
}

/// Without the headers that are about one connection only.
fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    for name in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}

/// Reads a call in either protocol.
fn read(path: &str, request: &[u8], answer: &[u8]) -> What {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let fault = answer.get("error").is_some() || answer.get("debug").is_some();
    let result = answer.get("result").unwrap_or(&answer);
    let refused = fault || result.get("ids") == Some(&Value::Bool(false));
    let text = |v: Option<&Value>| v.and_then(Value::as_str).unwrap_or_default().to_owned();
    let (method, positional, named) = if let Some(method) = path.strip_prefix("/json/2/") {
        (method.to_owned(), Value::Null, request)
    } else {
        let at = |pointer: &str| request.pointer(pointer);
        let method = match at("/params/service").and_then(Value::as_str) {
            Some("object") => {
                let model = text(at("/params/args/3"));
                format!("{model}/{}", text(at("/params/args/4")))
            }
            _ => text(at("/params/method")),
        };
        let of = |pointer: &str| at(pointer).cloned().unwrap_or_default();
        (method, of("/params/args/5"), of("/params/args/6"))
    };
    // What a record method is about comes first; what `load` takes are fields and rows.
    let loads = method.ends_with("/load");
    let place = |name: &str, place: usize| named.get(name).or_else(|| positional.get(place));
    let list = |v: Option<&Value>| v.and_then(Value::as_array).cloned().unwrap_or_default();
    let ids = if loads { None } else { place("ids", 0) };
    let rows = if loads { place("data", 1) } else { None };
    let fields = list(named.get("fields"));
    What {
        method,
        ids: list(ids).iter().filter_map(Value::as_i64).collect(),
        fields: fields
            .iter()
            .filter_map(|f| f.as_str().map(str::to_owned))
            .collect(),
        rows: list(rows).len(),
        refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_reads_the_same_in_both_protocols() {
        let rpc = json!({"params": {"service": "object", "method": "execute_kw", "args":
            ["db", 2, "key", "sale.order", "read", [[7, 8]], {"fields": ["state"]}]}});
        let json2 = json!({"ids": [7, 8], "fields": ["state"]});
        let answer = json!({"result": []}).to_string();
        let a = read("/jsonrpc", rpc.to_string().as_bytes(), answer.as_bytes());
        let b = read(
            "/json/2/sale.order/read",
            json2.to_string().as_bytes(),
            b"[]",
        );
        assert_eq!(a, b);
        assert_eq!(a.ids, [7, 8]);
        assert_eq!(a.fields, ["state"]);
    }

    #[test]
    fn a_load_without_ids_and_a_fault_are_refusals() {
        let load = json!({"fields": ["id"], "data": [["a"], ["b"]]}).to_string();
        let refused = read(
            "/json/2/sale.order/load",
            load.as_bytes(),
            b"{\"ids\": false}",
        );
        assert!(refused.refused);
        assert_eq!(refused.rows, 2);
        let fault = json!({"error": {"data": {}}}).to_string();
        assert!(read("/jsonrpc", b"{}", fault.as_bytes()).refused);
        assert!(!read("/json/2/x/y", b"{}", b"true").refused);
    }
}
