//! One log line a message at its end, and counters. No payloads, names, addresses or tokens.

use crate::ended::{Ended, Reply};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing_subscriber::EnvFilter;
use waybill_model::time::Instant;

/// Sets up JSON logs on standard output. A second call changes nothing.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .finish();
    if tracing::subscriber::set_global_default(logs).is_err() {
        tracing::debug!("logs were set up before");
    }
}

/// What a message was about, as far as its handler found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The business transaction.
    pub correlation_id: Option<String>,
    /// What caused the message.
    pub causation_id: Option<String>,
    /// The effect that must happen once.
    pub idempotency_key: Option<String>,
    /// The connection.
    pub partner: Option<String>,
    /// What kind of thing, such as `waybill.order.observed`.
    pub entity: Option<String>,
    /// Which one, by an id that is no personal data.
    pub entity_ref: Option<String>,
    /// Model in Odoo.
    pub odoo_model: Option<String>,
    /// Id in Odoo.
    pub odoo_id: Option<String>,
}

/// The canonical line of one message.
#[derive(Debug)]
pub struct Line<'a> {
    /// The function.
    pub step: &'static str,
    /// Our id of the message, or the queue's.
    pub message_id: &'a str,
    /// How often it was received.
    pub attempt: u32,
    /// How it ended.
    pub ended: &'a Ended,
    /// What it was about.
    pub about: &'a About,
    /// How long it took.
    pub duration_ms: u64,
}

macro_rules! line {
    ($level:ident, $line:expr) => {
        tracing::$level!(
            correlation_id = $line.about.correlation_id.as_deref(),
            causation_id = $line.about.causation_id.as_deref(),
            message_id = $line.message_id,
            idempotency_key = $line.about.idempotency_key.as_deref(),
            partner = $line.about.partner.as_deref(),
            entity = $line.about.entity.as_deref(),
            entity_ref = $line.about.entity_ref.as_deref(),
            odoo_model = $line.about.odoo_model.as_deref(),
            odoo_id = $line.about.odoo_id.as_deref(),
            step = $line.step,
            attempt = $line.attempt,
            outcome = $line.ended.outcome(),
            error_class = $line.ended.error_class(),
            error_code = $line.ended.code(),
            detail = $line.ended.own_words(),
            duration_ms = $line.duration_ms,
            "message"
        )
    };
}

impl Line<'_> {
    /// Writes it. `error` only where a person must look at our own code; what partners do is
    /// expected and `warn`.
    pub fn write(&self) {
        match (self.ended, self.ended.reply()) {
            (Ended::Panicked, _) => line!(error, self),
            (Ended::Rejected { .. } | Ended::Quarantined { .. }, _) => line!(warn, self),
            (_, Reply::Retry { .. }) => line!(warn, self),
            (_, Reply::Acknowledge) => line!(info, self),
        }
    }
}

/// Counts messages by outcome and code in the embedded metric format of CloudWatch: no call, no
/// agent.
#[derive(Debug)]
pub struct Counters {
    function: &'static str,
    counts: BTreeMap<(String, String), u64>,
}

impl Counters {
    /// Nothing counted.
    #[must_use]
    pub fn new(function: &'static str) -> Self {
        Self {
            function,
            counts: BTreeMap::new(),
        }
    }

    /// Counts one.
    pub fn add(&mut self, outcome: &str, code: Option<&str>) {
        let key = (outcome.to_owned(), code.unwrap_or("none").to_owned());
        *self.counts.entry(key).or_default() += 1;
    }

    /// The lines, one for each outcome and code.
    #[must_use]
    pub fn lines(&self, now: Instant) -> Vec<String> {
        self.counts
            .iter()
            .map(|((outcome, code), count)| {
                serde_json::json!({
                    "_aws": {
                        "Timestamp": now.epoch_ms(),
                        "CloudWatchMetrics": [{
                            "Namespace": "Waybill",
                            "Dimensions": [["function", "outcome"], ["function", "outcome", "error_code"]],
                            "Metrics": [{"Name": "messages", "Unit": "Count"}],
                        }],
                    },
                    "function": self.function,
                    "outcome": outcome,
                    "error_code": code,
                    "messages": count,
                })
                .to_string()
            })
            .collect()
    }

    /// Writes the lines to standard output, where CloudWatch reads them.
    pub fn write(&self, now: Instant) {
        print(&self.lines(now));
    }
}

/// Metrics of a connection as they stand now, in the same format: all counts.
#[must_use]
pub fn gauges(connection: &str, values: &[(&str, u64)], now: Instant) -> String {
    gauges_by(&[&["connection"]], connection, values, now)
}

/// The same with a line over all connections beside it, for an alarm.
#[must_use]
pub fn gauges_of_all(connection: &str, values: &[(&str, u64)], now: Instant) -> String {
    gauges_by(&[&["connection"], &[]], connection, values, now)
}

fn gauges_by(
    dimensions: &[&[&str]],
    connection: &str,
    values: &[(&str, u64)],
    now: Instant,
) -> String {
    let metrics: Vec<_> = values
        .iter()
        .map(|(name, _)| serde_json::json!({"Name": name, "Unit": "Count"}))
        .collect();
    let mut line = serde_json::json!({
        "_aws": {
            "Timestamp": now.epoch_ms(),
            "CloudWatchMetrics": [{
                "Namespace": "Waybill",
                "Dimensions": dimensions,
                "Metrics": metrics,
            }],
        },
        "connection": connection,
    });
    if let Some(line) = line.as_object_mut() {
        line.extend(
            values
                .iter()
                .map(|(name, v)| ((*name).to_owned(), (*v).into())),
        );
    }
    line.to_string()
}

/// Writes such a line to standard output.
pub fn write_gauges(connection: &str, values: &[(&str, u64)], now: Instant) {
    print(&[gauges(connection, values, now)]);
}

/// Writes such a line that counts for all connections too.
pub fn write_gauges_of_all(connection: &str, values: &[(&str, u64)], now: Instant) {
    print(&[gauges_of_all(connection, values, now)]);
}

static SILENT: AtomicBool = AtomicBool::new(false);

/// Writes no more metrics in this process: for simulations, which have no CloudWatch.
pub fn silence() {
    SILENT.store(true, Ordering::Relaxed);
}

fn print(lines: &[String]) {
    if SILENT.load(Ordering::Relaxed) {
        return;
    }
    let mut out = std::io::stdout().lock();
    for line in lines {
        if writeln!(out, "{line}").is_err() {
            tracing::warn!("the metrics could not be written");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_told_by_connection() {
        let line = gauges("odoo-main", &[("writers", 2)], Instant::EPOCH);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["connection"], "odoo-main");
        assert_eq!(line["writers"], 2);
        let told = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(told["Metrics"][0]["Name"], "writers");
        assert_eq!(told["Dimensions"], serde_json::json!([["connection"]]));
        let line = gauges_of_all("depot", &[("breaker_open", 1)], Instant::EPOCH);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let told = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(told["Dimensions"], serde_json::json!([["connection"], []]));
    }

    #[test]
    fn counters_are_one_line_for_each_outcome_and_code() {
        let mut counters = Counters::new("validator");
        counters.add("done", None);
        counters.add("done", None);
        counters.add("ignored", Some("unknown_topic"));
        let lines = counters.lines(Instant::EPOCH);
        assert_eq!(lines.len(), 2);
        let first: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(first["messages"], 2);
        assert_eq!(first["error_code"], "none");
    }
}
