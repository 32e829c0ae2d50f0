//! A function of the local AWS that runs in this process: the local AWS forwards its invocations by HTTP.

use super::{LocalQueues, Pair};
use crate::loopback::serve;
use crate::queues::{Seen, mapping};
use aws_lambda_events::event::sqs::SqsEvent;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

type Invocations = Arc<Mutex<Vec<Vec<Seen>>>>;

fn lock(invocations: &Invocations) -> MutexGuard<'_, Vec<Vec<Seen>>> {
    invocations.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn invoke(
    State(invocations): State<Invocations>,
    Json(event): Json<SqsEvent>,
) -> (StatusCode, Json<Value>) {
    let (seen, answer) = mapping::function(event).await;
    lock(&invocations).push(seen);
    match answer {
        Some(answer) => (StatusCode::OK, Json(json!(answer))),
        None => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({}))),
    }
}

impl LocalQueues {
    /// Lets a function read `queue` for so long.
    pub(super) async fn read_by_function(
        &self,
        queue: &Pair,
        batch: usize,
        time: Duration,
    ) -> Result<Vec<Vec<Seen>>, String> {
        let invocations = Invocations::default();
        let router = Router::new()
            .route("/", post(invoke))
            .with_state(Arc::clone(&invocations));
        let server = serve(router).await.map_err(|e| e.to_string())?;
        let address = format!("{}/", server.url);
        let read = self.map(queue, batch, &address, time).await;
        server.task.abort();
        read?;
        Ok(std::mem::take(&mut lock(&invocations)))
    }

    async fn map(
        &self,
        queue: &Pair,
        batch: usize,
        address: &str,
        time: Duration,
    ) -> Result<(), String> {
        let arn = self.arn(&queue.url).await;
        let name = arn.rsplit(':').next().unwrap_or_default();
        let name = name.replace('.', "-");
        let function = json!({
            "FunctionName": name,
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Role": "arn:aws:iam::000000000000:role/conformance",
            "Code": {},
            "Timeout": 10,
            "Environment": {"Variables": {"MINISTACK_LAMBDA_PROXY_URL": address}},
        });
        self.call("2015-03-31/functions", &function).await?;
        let mapping = json!({
            "FunctionName": name,
            "EventSourceArn": arn,
            "BatchSize": batch,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        });
        let mappings = "2015-03-31/event-source-mappings";
        let made = self.call(mappings, &mapping).await?;
        tokio::time::sleep(time).await;
        let id = made.get("UUID").and_then(Value::as_str);
        let url = format!("{}/{mappings}/{}", self.endpoint, id.unwrap_or_default());
        let deleted = self.http.delete(url).send().await;
        deleted
            .and_then(reqwest::Response::error_for_status)
            .map_err(|e| e.to_string())?;
        // An invocation that has begun ends.
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(())
    }

    async fn call(&self, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("{}/{path}", self.endpoint);
        let answer = self.http.post(url).json(body).send().await;
        let answer = answer.map_err(|e| e.to_string())?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|e| e.to_string())?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(format!("`{path}` answered {status} {body}"))
        }
    }
}
