//! What a person sees at the end.

use crate::Stop;
use crate::invariants::Check;
use crate::kills::Tally;
use serde_json::Value;
use std::collections::BTreeMap;
use waybill_flow::axes::axes;
use waybill_flow::ports::{OrderStore, TimelineEntry};
use waybill_model::case::{Case, CaseStatus};
use waybill_model::id::CorrelationId;

/// One order at the end of the day.
#[derive(Debug, Clone)]
pub struct Row {
    /// The number that the customer sees.
    pub number: String,
    /// What the day did to it.
    pub kind: String,
    /// Order, payment, fulfillment, return.
    pub axes: [&'static str; 4],
    /// Open cases.
    pub cases: Vec<Case>,
    /// Milliseconds by step.
    pub steps: Vec<(&'static str, i64)>,
}

/// Steps of which the latency is shown: name, event from, event to.
const STEPS: [(&str, &str, &str); 4] = [
    (
        "order told → confirmed in Odoo",
        "order ",
        "sale_order.create done",
    ),
    (
        "confirmed in Odoo → accepted by the 3PL",
        "sale_order.create done",
        "fulfillment_order.create/",
    ),
    (
        "shipped → delivery in Odoo",
        "shipment ",
        "delivery.register/",
    ),
    (
        "shipped → told to the shop",
        "shipment ",
        "channel_fulfillment.publish/",
    ),
];

/// Reads one order from the store; none if Waybill never learned of it.
///
/// # Errors
/// The store's.
pub async fn row(
    store: &impl OrderStore,
    correlation: CorrelationId,
    number: &str,
    kind: &str,
) -> Result<Option<Row>, Stop> {
    let doing = "reading the orders table";
    let stored = store
        .load(correlation)
        .await
        .map_err(|e| Stop::new(doing, e))?;
    let Some(stored) = stored else {
        return Ok(None);
    };
    let timeline = store
        .timeline(correlation)
        .await
        .map_err(|e| Stop::new(doing, e))?;
    let archived = store
        .archived(correlation)
        .await
        .map_err(|e| Stop::new(doing, e))?;
    let axes = axes(&stored.state);
    let mut steps = Vec::new();
    if let (Some(received), Some(confirmed)) = (
        archived.iter().map(|a| a.received_at).min(),
        first(&timeline, "sale_order.create done"),
    ) {
        steps.push((
            "webhook received → confirmed in Odoo",
            confirmed.recorded_at.ms_since(received),
        ));
    }
    for (name, from, to) in STEPS {
        if let (Some(from), Some(to)) = (first(&timeline, from), first(&timeline, to)) {
            steps.push((name, to.recorded_at.ms_since(from.recorded_at).max(0)));
        }
    }
    let open = |c: &&Case| c.status == CaseStatus::Open;
    Ok(Some(Row {
        number: number.to_owned(),
        kind: kind.to_owned(),
        axes: [axes.order, axes.payment, axes.fulfillment, axes.returned],
        cases: stored.state.cases.values().filter(open).cloned().collect(),
        steps,
    }))
}

fn first<'a>(timeline: &'a [TimelineEntry], summary: &str) -> Option<&'a TimelineEntry> {
    let fits = |e: &&TimelineEntry| {
        e.summary.starts_with(summary)
            && (!summary.starts_with("shipment") || e.summary.contains("Shipped"))
    };
    timeline.iter().filter(fits).min_by_key(|e| e.recorded_at)
}

fn add(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// Orders by stage.
#[must_use]
pub fn stages(rows: &[Row], unknown: usize) -> String {
    let mut counts: BTreeMap<[&str; 4], usize> = BTreeMap::new();
    for row in rows {
        *counts.entry(row.axes).or_default() += 1;
    }
    let mut out = String::from("Orders by stage\n");
    line(
        &mut out,
        &["orders", "order", "payment", "fulfillment", "return"],
    );
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    for ([order, payment, fulfillment, returned], n) in sorted {
        line(
            &mut out,
            &[&n.to_string(), order, payment, fulfillment, returned],
        );
    }
    if unknown > 0 {
        line(
            &mut out,
            &[&unknown.to_string(), "never learned of", "", "", ""],
        );
    }
    out
}

fn line(out: &mut String, cells: &[&str; 5]) {
    let [a, b, c, d, e] = cells;
    add(out, &format!("  {a:>6}  {b:<18}{c:<20}{d:<20}{e}"));
}

/// Open cases, each kind once with its remedy.
#[must_use]
pub fn cases(rows: &[Row]) -> String {
    let mut kinds: BTreeMap<String, (Vec<&str>, &Case)> = BTreeMap::new();
    for row in rows {
        for case in &row.cases {
            let entry = kinds
                .entry(case.code.to_string())
                .or_insert((Vec::new(), case));
            entry.0.push(&row.number);
        }
    }
    let total: usize = rows.iter().map(|r| r.cases.len()).sum();
    let mut out = format!("Open cases: {total}\n");
    for (code, (orders, case)) in kinds {
        let shown: Vec<&str> = orders.iter().take(6).copied().collect();
        let more = orders.len().saturating_sub(shown.len());
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        add(
            &mut out,
            &format!("  {code} ({}): {}{more}", orders.len(), shown.join(" ")),
        );
        add(&mut out, &format!("      what: {}", case.detail));
        add(&mut out, &format!("      do:   {}", case.remedy));
    }
    out
}

/// How long the intake took to acknowledge each webhook, in milliseconds, from the simulators' log.
#[must_use]
pub fn acknowledgements(log: &Value) -> Vec<i64> {
    let entries = log.as_array().into_iter().flatten();
    entries
        .filter_map(|entry| entry.get("ack_ms")?.as_i64())
        .collect()
}

/// p50 and p95 of the webhooks' acknowledgements and by step of the orders.
#[must_use]
pub fn latencies(rows: &[Row], acknowledged: Vec<i64>) -> String {
    let mut steps = BTreeMap::from([("a webhook → acknowledged", acknowledged)]);
    for (name, ms) in rows.iter().flat_map(|r| &r.steps) {
        steps.entry(name).or_default().push(*ms);
    }
    let mut out = String::from("Latency by step, in milliseconds\n");
    add(
        &mut out,
        &format!("  {:<44}{:>7}{:>9}{:>9}", "", "count", "p50", "p95"),
    );
    for (name, mut ms) in steps {
        ms.sort_unstable();
        let at = |percent: usize| {
            let index = (ms.len().saturating_sub(1)) * percent / 100;
            ms.get(index).copied().unwrap_or_default()
        };
        add(
            &mut out,
            &format!("  {name:<44}{:>7}{:>9}{:>9}", ms.len(), at(50), at(95)),
        );
    }
    out
}

/// Calls with a webhook that had to be made again, because the intake did not acknowledge one.
#[must_use]
pub fn sent_again(log: &Value) -> u64 {
    let entries = log.as_array().into_iter().flatten();
    entries
        .map(|entry| {
            let attempts = entry.get("attempts").and_then(Value::as_u64);
            let faults = entry.get("faults").and_then(Value::as_array);
            let twice = faults.is_some_and(|f| f.iter().any(|f| f == "duplicate"));
            attempts
                .unwrap_or_default()
                .saturating_sub(1 + u64::from(twice))
        })
        .sum()
}

/// Faults that were injected, by simulator, and functions that were killed.
#[must_use]
pub fn faults(faults: &Value, kills: Option<&Tally>, sent_again: u64) -> String {
    let mut out = String::from("Faults injected\n");
    if let Some(kills) = kills {
        let list = |counts: &BTreeMap<String, u32>| {
            let parts = counts.iter().map(|(name, count)| format!("{name} {count}"));
            parts.collect::<Vec<_>>().join(", ")
        };
        for (label, counts) in [
            ("killed -9", &kills.killed),
            ("… cut an invocation", &kills.cut),
        ] {
            let all: u32 = counts.values().sum();
            add(&mut out, &format!("  {label:<24}{all}: {}", list(counts)));
        }
        add(
            &mut out,
            &format!("  {:<24}{sent_again} calls", "webhooks sent again"),
        );
    }
    for place in ["/webhooks/counts", "/api/counts"] {
        let Some(counts) = faults.pointer(place).and_then(Value::as_object) else {
            continue;
        };
        for (name, count) in counts {
            let shown = match count {
                Value::Object(kinds) => kinds
                    .iter()
                    .map(|(k, n)| format!("{k} {n}"))
                    .collect::<Vec<_>>()
                    .join(", "),
                other => other.to_string(),
            };
            let label = if place.starts_with("/web") {
                format!("webhooks {name}")
            } else {
                name.clone()
            };
            add(&mut out, &format!("  {label:<24}{shown}"));
        }
    }
    out
}

/// The invariants, with at most ten violations each.
#[must_use]
pub fn invariants(checks: &[Check]) -> String {
    let mut out = String::from("Invariants\n");
    for check in checks {
        let mark = if check.violations.is_empty() {
            "ok  "
        } else {
            "FAIL"
        };
        add(
            &mut out,
            &format!("  {mark} {} ({} looked at)", check.name, check.looked_at),
        );
        for violation in check.violations.iter().take(10) {
            add(&mut out, &format!("         {violation}"));
        }
        let more = check.violations.len().saturating_sub(10);
        if more > 0 {
            add(&mut out, &format!("         and {more} more"));
        }
    }
    out
}
