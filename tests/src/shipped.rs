//! The events that the functions ship in `functions/NAME/events/`, each sent to the deployed function: what a person
//! gets who tries one with `sam local invoke`.

use crate::Stop;
use crate::invariants::Check;
use crate::stack::{OPS_TOKEN, Stack};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Code of the case that keeps a record which nothing can be made of.
const UNREADABLE: &str = "undecodable_delivery";

/// What an event is answered with.
enum Answer {
    /// An HTTP answer with this status, whose body holds this value at this JSON pointer; `null` stands for any value.
    Http(u16, &'static str, Value),
    /// A batch answer that gives back the messages with these ids.
    GivesBack(&'static [&'static str]),
    /// The report of the reconciler's job, with no connection that failed.
    Report(&'static str),
}

/// Every shipped event with its answer, in an order in which each finds what it needs: the order is known to the
/// operations API once the coordinator has had it.
fn expected() -> Vec<(&'static str, Answer)> {
    use Answer::{GivesBack, Http, Report};
    vec![
        (
            "webhook-intake/shopify-order",
            Http(202, "/receipt", Value::Null),
        ),
        (
            "webhook-intake/wrongly-signed",
            Http(401, "/error/code", json!("not_verified")),
        ),
        ("validator/shopify-order", GivesBack(&[])),
        // Acknowledged, since trying again helps nobody: a case holds it. See `UNREADABLE`.
        ("validator/not-a-delivery", GivesBack(&[])),
        ("coordinator/order-observed", GivesBack(&[])),
        ("odoo-writer/create-sale-order", GivesBack(&[])),
        (
            "fulfillment-dispatcher/create-fulfillment-order",
            GivesBack(&[]),
        ),
        ("status-publisher/subscribe-tracking", GivesBack(&[])),
        ("reconciler/poll", Report("poll")),
        ("reconciler/overdue", Report("overdue")),
        ("reconciler/compare", Report("compare")),
        ("reconciler/stock", Report("stock")),
        ("reconciler/keys", Report("keys")),
        ("reconciler/webhooks", Report("webhooks")),
        ("ops-api/health", Http(200, "/ok", json!(true))),
        ("ops-api/open-cases", Http(200, "/cases", Value::Null)),
        (
            "ops-api/connections",
            Http(200, "/connections/0/breaker/phase", Value::Null),
        ),
        (
            "ops-api/order-by-number",
            Http(200, "/orders/0/number", json!("#1001")),
        ),
    ]
}

/// Sends every shipped event to its function; a violation is one with another answer, one that nobody expects, and one
/// that is expected but not shipped.
///
/// # Errors
/// The stack cannot be reached, or the events cannot be read.
pub async fn run(stack: &Stack, http: &reqwest::Client) -> Result<Check, Stop> {
    let functions = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../functions");
    let mut shipped = shipped(&functions)?;
    let expected = expected();
    let mut violations = Vec::new();
    for (name, answer) in &expected {
        if !shipped.remove(*name) {
            violations.push(format!("{name}: not shipped"));
            continue;
        }
        let (function, event) = name.split_once('/').unwrap_or_default();
        let path = functions
            .join(function)
            .join("events")
            .join(format!("{event}.json"));
        let failed = |e: String| Stop::new(format!("reading `{}`", path.display()), e);
        let text = std::fs::read_to_string(&path).map_err(|e| failed(e.to_string()))?;
        let event: Value = serde_json::from_str(&text).map_err(|e| failed(e.to_string()))?;
        match stack.invoke(http, function, &event).await? {
            Ok(got) => violations.extend(answer.fault(&got).map(|f| format!("{name}: {f}"))),
            Err(error) => violations.push(format!("{name}: the function failed: {error}")),
        }
    }
    let cases = stack.ops(http, OPS_TOKEN, "cases?limit=200").await?;
    let open = cases.pointer("/cases").and_then(Value::as_array);
    if !open.is_some_and(|open| {
        open.iter()
            .any(|c| c.get("code") == Some(&json!(UNREADABLE)))
    }) {
        violations.push(format!(
            "validator/not-a-delivery: no open case `{UNREADABLE}`"
        ));
    }
    violations.extend(
        shipped
            .iter()
            .map(|name| format!("{name}: no answer is expected of it")),
    );
    Ok(Check {
        name: "shipped events are answered as they are named",
        looked_at: expected.len(),
        violations,
    })
}

/// Every `functions/NAME/events/EVENT.json` as `NAME/EVENT`.
fn shipped(functions: &Path) -> Result<BTreeSet<String>, Stop> {
    let mut found = BTreeSet::new();
    for function in names(functions)? {
        let events = functions.join(&function).join("events");
        if events.is_dir() {
            let files = names(&events)?;
            let events = files.iter().filter_map(|f| f.strip_suffix(".json"));
            found.extend(events.map(|event| format!("{function}/{event}")));
        }
    }
    Ok(found)
}

fn names(folder: &Path) -> Result<Vec<String>, Stop> {
    let failed = |e: std::io::Error| Stop::new(format!("reading `{}`", folder.display()), e);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        names.push(
            entry
                .map_err(failed)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    Ok(names)
}

impl Answer {
    /// In what `got` differs.
    fn fault(&self, got: &Value) -> Option<String> {
        let fits = match self {
            Self::Http(status, pointer, value) => {
                let body = got.get("body").and_then(Value::as_str).unwrap_or_default();
                let body: Value = serde_json::from_str(body).unwrap_or_default();
                got.get("statusCode") == Some(&json!(status))
                    && body
                        .pointer(pointer)
                        .is_some_and(|found| value.is_null() || found == value)
            }
            Self::GivesBack(ids) => {
                let failures = got.get("batchItemFailures").and_then(Value::as_array);
                failures.is_some_and(|failures| {
                    let given = failures.iter().map(|f| f.get("itemIdentifier"));
                    let given: Vec<_> = given.map(|id| id.and_then(Value::as_str)).collect();
                    given == ids.iter().map(|id| Some(*id)).collect::<Vec<_>>()
                })
            }
            Self::Report(job) => {
                got.get("job") == Some(&json!(job)) && got.get("failed") == Some(&json!([]))
            }
        };
        (!fits).then(|| format!("answered {got}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, expected, shipped};
    use serde_json::{Value, json};
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_shipped_event_has_an_answer() {
        let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions");
        let expected: BTreeSet<String> = expected().iter().map(|(n, _)| (*n).to_owned()).collect();
        assert_eq!(shipped(&functions).unwrap(), expected);
    }

    #[test]
    fn another_answer_is_a_fault() {
        let http = Answer::Http(200, "/ok", json!(true));
        assert_eq!(
            http.fault(&json!({"statusCode": 200, "body": "{\"ok\":true}"})),
            None
        );
        assert!(
            http.fault(&json!({"statusCode": 200, "body": "{\"ok\":false}"}))
                .is_some()
        );
        assert!(
            http.fault(&json!({"statusCode": 503, "body": "{\"ok\":true}"}))
                .is_some()
        );
        let any = Answer::Http(202, "/receipt", Value::Null);
        assert!(
            any.fault(&json!({"statusCode": 202, "body": "{}"}))
                .is_some()
        );
        let none = Answer::GivesBack(&[]);
        assert_eq!(none.fault(&json!({"batchItemFailures": []})), None);
        assert!(
            none.fault(&json!({"batchItemFailures": [{"itemIdentifier": "m"}]}))
                .is_some()
        );
        assert!(none.fault(&json!(null)).is_some());
        let report = Answer::Report("poll");
        assert!(
            report
                .fault(&json!({"job": "poll", "failed": ["odoo-main: away"]}))
                .is_some()
        );
    }
}
