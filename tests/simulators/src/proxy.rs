//! A real Odoo behind the simulators' faults: forwards every call, and [`crate::faults`] in front of it loses answers
//! after their commit, cuts connections and is slow, as with the simulated one.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

/// Longest wait for a connection. Answers are waited for as long as the caller does.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Largest body taken, each way: batches are some hundred kB, availability of all products a few MB.
const BODY_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Forwards to the server at `base_url`, which has no trailing slash. Redirects are handed back, not followed: credentials
/// go to this server only.
///
/// # Errors
/// The TLS of this machine cannot be set up.
pub fn router(base_url: &str) -> io::Result<Router> {
    let http = reqwest::Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        // What a simulator answers must not go through the user's proxy, and neither must this.
        .no_proxy()
        .build()
        .map_err(io::Error::other)?;
    let base_url = base_url.trim_end_matches('/').to_owned();
    Ok(Router::new().fallback(move |request: Request| {
        let (http, base_url) = (http.clone(), base_url.clone());
        async move {
            forward(&http, &base_url, request)
                .await
                .unwrap_or_else(|refusal| refusal)
        }
    }))
}

async fn forward(
    http: &reqwest::Client,
    base_url: &str,
    request: Request,
) -> Result<Response, Response> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
    let body = to_bytes(body, BODY_LIMIT_BYTES)
        .await
        .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE.into_response())?;
    let sent = http
        .request(head.method, format!("{base_url}{path}"))
        .headers(passed_on(head.headers))
        .body(body)
        .send()
        .await;
    // What a reverse proxy says when the server behind it is away.
    let gone = |_| StatusCode::BAD_GATEWAY.into_response();
    let answer = sent.map_err(gone)?;
    let (status, headers) = (answer.status(), passed_on(answer.headers().clone()));
    let bytes = answer.bytes().await.map_err(gone)?;
    Ok((status, headers, Body::from(bytes)).into_response())
}

/// Without the headers that are about one connection only.
fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    for name in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}
