//! The deployed stack, seen from outside: its HTTP API, its queues, its schedules.

use crate::Stop;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Where the stack is: written by the deploy on the local AWS.
#[derive(Debug, Clone, Deserialize)]
pub struct Stack {
    /// Endpoint of the local AWS.
    pub endpoint_url: String,
    /// Region.
    pub region: String,
    /// Access key of the local AWS.
    pub access_key_id: String,
    /// Secret key of the local AWS.
    pub secret_access_key: String,
    /// Name of the stack.
    pub stack_name: String,
    /// Base URL of the HTTP API.
    pub base_url: String,
    /// Outputs of the stack.
    pub outputs: BTreeMap<String, String>,
}

/// Token of the operations API in `infra/local/secrets.json`.
pub const OPS_TOKEN: &str = "local-demo-token";

/// What Lambda says of a function whose process ended before it had answered.
const DIED: &str = "Runtime.ExitError";
/// What the local AWS says of one whose process was killed before it had asked for work.
const DIED_EARLY: &str = "bootstrap exited during init with code -9";

/// Whether an error of a function is that its process was killed.
fn is_killed(error: &Value) -> bool {
    let field = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    field("errorType") == DIED || field("errorMessage").starts_with(DIED_EARLY)
}

/// The functions' queues by their outputs, each with its dead-letter queue.
pub const QUEUES: [&str; 6] = [
    "Inbound",
    "Events",
    "Erp",
    "ErpBulk",
    "Fulfillment",
    "Status",
];

impl Stack {
    /// Reads the file that the deploy wrote.
    ///
    /// # Errors
    /// Not there, or not as expected.
    pub fn read(path: &Path) -> Result<Self, Stop> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Stop::new(format!("reading `{}`", path.display()), e))?;
        serde_json::from_str(&text)
            .map_err(|e| Stop::new(format!("reading `{}`", path.display()), e))
    }

    /// An output of the stack.
    ///
    /// # Errors
    /// The template has no such output.
    pub fn output(&self, name: &str) -> Result<&str, Stop> {
        let found = self.outputs.get(name).map(String::as_str);
        found.ok_or_else(|| Stop::new("reading the stack", format!("no output `{name}`")))
    }

    /// Settings for AWS clients.
    pub async fn sdk(&self) -> aws_config::SdkConfig {
        let credentials = aws_sdk_sqs::config::Credentials::new(
            &self.access_key_id,
            &self.secret_access_key,
            None,
            None,
            "local",
        );
        aws_config::defaults(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new(self.region.clone()))
            .endpoint_url(&self.endpoint_url)
            .credentials_provider(credentials)
            .load()
            .await
    }

    /// Messages on a queue: waiting, and being worked on.
    ///
    /// # Errors
    /// The queue's.
    pub async fn depth(&self, sqs: &aws_sdk_sqs::Client, output: &str) -> Result<(u64, u64), Stop> {
        use aws_sdk_sqs::types::QueueAttributeName as Name;
        let url = self.output(output)?;
        let answer = sqs
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(Name::ApproximateNumberOfMessages)
            .attribute_names(Name::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(Name::ApproximateNumberOfMessagesDelayed)
            .send()
            .await
            .map_err(|e| Stop::new(format!("reading queue `{output}`"), format!("{e:?}")))?;
        let count = |name: Name| {
            let found = answer.attributes().and_then(|a| a.get(&name));
            found
                .and_then(|v| v.parse::<u64>().ok())
                .unwrap_or_default()
        };
        let waiting = count(Name::ApproximateNumberOfMessages)
            + count(Name::ApproximateNumberOfMessagesDelayed);
        Ok((waiting, count(Name::ApproximateNumberOfMessagesNotVisible)))
    }

    /// Sets a queue's visibility timeout, in seconds.
    ///
    /// # Errors
    /// The queue's.
    pub async fn hide_for(
        &self,
        sqs: &aws_sdk_sqs::Client,
        url: &str,
        seconds: u32,
    ) -> Result<(), Stop> {
        use aws_sdk_sqs::types::QueueAttributeName as Name;
        sqs.set_queue_attributes()
            .queue_url(url)
            .attributes(Name::VisibilityTimeout, seconds.to_string())
            .send()
            .await
            .map_err(|e| Stop::new(format!("setting queue `{url}`"), format!("{e:?}")))?;
        Ok(())
    }

    /// Calls a function directly. The inner result is what the function answered, or its error.
    ///
    /// # Errors
    /// The local AWS does not answer, or not with JSON.
    pub async fn invoke(
        &self,
        http: &reqwest::Client,
        function: &str,
        event: &Value,
    ) -> Result<Result<Value, Value>, Stop> {
        let url = format!(
            "{}/2015-03-31/functions/{}-{function}:live/invocations",
            self.endpoint_url, self.stack_name
        );
        let doing = || format!("calling `{function}`");
        let answer = http
            .post(url)
            .json(event)
            .send()
            .await
            .map_err(|e| Stop::new(doing(), e))?;
        let failed = answer.headers().contains_key("x-amz-function-error");
        let body: Value = answer.json().await.map_err(|e| Stop::new(doing(), e))?;
        Ok(if failed { Err(body) } else { Ok(body) })
    }

    /// Runs a job of the reconciler as its schedule would, and waits for its end; false if its process died before.
    ///
    /// # Errors
    /// The function failed.
    pub async fn reconcile(&self, http: &reqwest::Client, job: &str) -> Result<bool, Stop> {
        let event = serde_json::json!({ "job": job });
        match self.invoke(http, "reconciler", &event).await? {
            Ok(_) => Ok(true),
            Err(error) if is_killed(&error) => Ok(false),
            Err(error) => Err(Stop::new(
                format!("running the reconciler's `{job}`"),
                error,
            )),
        }
    }

    /// A call to the operations API.
    ///
    /// # Errors
    /// No answer, or not 2xx.
    pub async fn ops(
        &self,
        http: &reqwest::Client,
        token: &str,
        path: &str,
    ) -> Result<Value, Stop> {
        let doing = format!("asking the operations API `{path}`");
        let answer = http
            .get(format!("{}/ops/{path}", self.base_url))
            .bearer_auth(token)
            .send()
            .await
            .map_err(|e| Stop::new(&doing, e))?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|e| Stop::new(&doing, e))?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(Stop::new(doing, format!("{status} {body}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_killed;
    use serde_json::json;

    #[test]
    fn a_killed_process_is_no_other_failure() {
        assert!(is_killed(&json!({"errorType": "Runtime.ExitError"})));
        let early = "bootstrap exited during init with code -9: last words";
        assert!(is_killed(
            &json!({"errorType": "Runtime.Unknown", "errorMessage": early})
        ));
        let panicked = "bootstrap exited during init with code 101";
        assert!(!is_killed(
            &json!({"errorType": "Runtime.Unknown", "errorMessage": panicked})
        ));
        assert!(!is_killed(&json!({"errorType": "JobError"})));
    }
}
