//! API Gateway: how a request comes to a function, and what comes back.

use crate::sandbox::Sandbox;
use crate::world::World;
use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use waybill_lambda_kit::http::Answer;

/// What API Gateway waits for a function at most.
const TIMEOUT: Duration = Duration::from_secs(29);

/// A request of somebody.
#[derive(Debug)]
pub struct Request<'a> {
    /// The path.
    pub path: &'a str,
    /// Headers, lower case.
    pub headers: Map<String, Value>,
    /// The body.
    pub body: &'a str,
}

/// Hands it to a function; the status, or nothing if it was not answered.
pub async fn post<F>(
    world: &Arc<World>,
    function: &'static str,
    limit: Duration,
    request: Request<'_>,
    handle: impl FnOnce(Sandbox, ApiGatewayV2httpRequest) -> F,
) -> Option<i64>
where
    F: Future<Output = Answer>,
{
    let Request {
        path,
        headers,
        body,
    } = request;
    let event = json!({
        "version": "2.0", "rawPath": path, "headers": headers, "body": body, "isBase64Encoded": false,
        "requestContext": {"http": {"method": "POST", "path": path, "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1", "userAgent": "simulation"}, "timeEpoch": 0},
    });
    let event = serde_json::from_value(event).expect("a request");
    let sandbox = world.sandbox(function);
    world.running(1);
    let work = Box::pin(handle(sandbox.clone(), event));
    let answer = sandbox.run(limit.min(TIMEOUT), work).await;
    world.running(-1);
    world.keep_warm(sandbox);
    answer.map(|a| i64::from(a.status_code))
}
