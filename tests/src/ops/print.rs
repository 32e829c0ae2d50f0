//! Answers for a person.

use super::Action;
use serde_json::Value;
use std::fmt::Write as _;
use waybill_model::time::Instant;

/// The answer in lines; what has no form of its own is printed as JSON.
pub(super) fn answer(action: &Action, status: u16, answer: &Value) -> String {
    if !(200..300).contains(&status) {
        return refused(&answer["error"], status);
    }
    match action {
        Action::Summary => summary(answer),
        Action::Cases(_) => list(&answer["cases"], case),
        Action::Retry(chosen) | Action::Ignore { chosen, .. } | Action::Assign { chosen, .. }
            if chosen.case.is_none() =>
        {
            bulk(answer)
        }
        Action::Timeline { .. } => list(&answer["entries"], entry),
        Action::Replay(_) => replayed(answer),
        Action::DryRun { .. } => dry_run(answer),
        Action::Connections => connections(answer),
        Action::DeadLetters => list(&answer["queues"], |q| {
            format!("{:<12} {:>7}", text(&q["queue"]), q["messages"])
        }),
        Action::Redrive { .. } => format!(
            "{} message(s) moved back to {}{}\n",
            answer["moved"],
            text(&answer["queue"]),
            if answer["more"] == true {
                "; there are more"
            } else {
                ""
            },
        ),
        _ => format!("{answer:#}\n"),
    }
}

fn refused(error: &Value, status: u16) -> String {
    format!(
        "refused (HTTP {status}, {}): {}\n  {}\n",
        text(&error["code"]),
        text(&error["message"]),
        text(&error["remedy"]),
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn list(entries: &Value, line: impl Fn(&Value) -> String) -> String {
    let lines = entries.as_array().into_iter().flatten().map(line);
    lines.map(|line| line + "\n").collect()
}

/// Seconds as the largest unit that fits twice.
fn age(value: &Value) -> String {
    let seconds = value.as_i64().unwrap_or_default();
    for (unit, size) in [("d", 86_400), ("h", 3600), ("min", 60)] {
        if seconds >= 2 * size {
            return format!("{} {unit}", seconds / size);
        }
    }
    format!("{seconds} s")
}

fn money(value: &Value) -> String {
    match value["amount"].as_str() {
        Some(amount) => format!("{amount} {}", text(&value["currency"])),
        None => "-".to_owned(),
    }
}

fn summary(answer: &Value) -> String {
    let line = |group: &Value| {
        let values = group["value"].as_array().into_iter().flatten();
        format!(
            "{:>5} {:<12} {:<28} {:<16} oldest {:>8}, {} unassigned, at stake {}\n      {}",
            group["cases"].to_string(),
            text(&group["class"]),
            text(&group["code"]),
            text(&group["connection"]),
            age(&group["oldest_age_s"]),
            group["unassigned"],
            values.map(money).collect::<Vec<_>>().join(", "),
            text(&group["remedy"]),
        )
    };
    let mut all = list(&answer["groups"], line);
    if all.is_empty() {
        all.push_str("no open cases\n");
    }
    if answer["complete"] == false {
        all.push_str("there are more than were counted\n");
    }
    all
}

fn case(case: &Value) -> String {
    format!(
        "{} {:<12} {:<28} {:<16} {:>8} {:>14} {}\n      {}\n      {}",
        text(&case["id"]),
        text(&case["class"]),
        text(&case["code"]),
        text(&case["connection"]),
        age(&case["age_s"]),
        money(&case["value"]),
        text(&case["owner"]),
        text(&case["detail"]),
        text(&case["remedy"]),
    )
}

fn bulk(answer: &Value) -> String {
    let line = |one: &Value| {
        let error = one.pointer("/refused/error").unwrap_or(&Value::Null);
        let told = match error["code"].as_str() {
            None => "accepted".to_owned(),
            Some(code) => format!("refused ({code}): {}", text(&error["message"])),
        };
        format!("{} {told}", text(&one["id"]))
    };
    let mut all = list(&answer["results"], line);
    let (accepted, refused) = (&answer["accepted"], &answer["refused"]);
    push(
        &mut all,
        format_args!("{accepted} accepted, {refused} refused\n"),
    );
    if let Some(case) = answer["stopped_at"].as_str() {
        push(
            &mut all,
            format_args!("stopped at {case}: a store or queue did not answer; run it again\n"),
        );
    }
    all
}

fn entry(entry: &Value) -> String {
    let commands = entry["commands"].as_array().into_iter().flatten();
    let commands: Vec<&str> = commands.filter_map(Value::as_str).collect();
    let commands = match commands.as_slice() {
        [] => String::new(),
        all => format!(" -> {}", all.join(", ")),
    };
    format!(
        "{} {:<14} {}{commands}",
        text(&entry["at"]),
        text(&entry["source"]),
        text(&entry["summary"]),
    )
}

fn replayed(answer: &Value) -> String {
    let mut all = list(&answer["ids"], |id| format!("{} handed in again", text(id)));
    all += &list(&answer["skipped"], |one| {
        format!("{} skipped: {}", text(&one["receipt"]), text(&one["why"]))
    });
    all
}

fn dry_run(answer: &Value) -> String {
    let mut all = list(&answer["deliveries"], |one| {
        format!(
            "{} {} {}: {} {}",
            text(&one["received_at"]),
            text(&one["connection"]),
            text(&one["receipt"]),
            text(&one["reading"]),
            one["detail"].as_str().unwrap_or_default(),
        )
    });
    for order in answer["orders"].as_array().into_iter().flatten() {
        let known = if order["known"] == true {
            ""
        } else {
            " (not known yet)"
        };
        push(
            &mut all,
            format_args!("order {}{known}\n", text(&order["correlation_id"])),
        );
        let before = all.len();
        all += &list(&order["differences"], |one| {
            let side = |name: &str| one[name].as_str().unwrap_or("(nothing)");
            format!(
                "  {}: {} -> {}",
                text(&one["what"]),
                side("stored"),
                side("replayed")
            )
        });
        all += &list(&order["effects"], |one| {
            format!(
                "  would ask `{}` for {}",
                text(&one["connection"]),
                text(&one["effect"])
            )
        });
        all += &list(&order["opened"], |one| {
            format!("  would open: {}", text(one))
        });
        all += &list(&order["closed"], |one| {
            format!("  would close: {}", text(one))
        });
        if all.len() == before {
            all.push_str("  no difference\n");
        }
    }
    all
}

/// A row for each connection, and a line below where its breaker is not closed.
fn connections(answer: &Value) -> String {
    let row = |id: &str, partner: &str, breaker: &str, pace: &str, quota: &str| {
        let row = format!("{id:<18} {partner:<10} {breaker:<10} {pace:<46} {quota}");
        row.trim_end().to_owned()
    };
    let line = |one: &Value| {
        let is_unreadable = |name: &str| {
            let names = one["unreadable"].as_array().into_iter().flatten();
            names.filter_map(Value::as_str).any(|n| n == name)
        };
        let cell = |name: &str, told: fn(&Value, &Value) -> String| match &one[name] {
            _ if is_unreadable(name) => "unreadable".to_owned(),
            Value::Null => "-".to_owned(),
            value => told(value, &answer["at"]),
        };
        let mut all = row(
            text(&one["id"]),
            text(&one["partner"]),
            &cell("breaker", |breaker, _| text(&breaker["phase"]).to_owned()),
            &cell("pace", pace),
            &cell("quota", quota),
        );
        all += &not_closed(&one["breaker"], &answer["at"]);
        all
    };
    let head = row("CONNECTION", "PARTNER", "BREAKER", "PACE", "QUOTA");
    format!("{head}\n{}", list(&answer["connections"], line))
}

fn pace(pace: &Value, _: &Value) -> String {
    let mut told = format!(
        "batch {}/{}, writers {}/{}",
        pace["batch"], pace["batch_cap"], pace["writers"], pace["writers_cap"]
    );
    // Nothing before it was seen.
    if let Some(rate) = pace["commands_per_minute"].as_u64() {
        push(&mut told, format_args!(", {rate} commands/min"));
    }
    told
}

fn quota(quota: &Value, at: &Value) -> String {
    let mut told = format!("{} calls/min", quota["calls_per_minute"]);
    if quota["next_call_at"] != *at {
        push(
            &mut told,
            format_args!(", next at {}", text(&quota["next_call_at"])),
        );
    }
    told
}

/// Since when, why and until when nobody calls; blank where calls are made as ever.
fn not_closed(breaker: &Value, at: &Value) -> String {
    let instant = |value: &Value| serde_json::from_value::<Instant>(value.clone()).ok();
    let is_over =
        matches!((instant(&breaker["until"]), instant(at)), (Some(until), Some(at)) if until <= at);
    let until = text(&breaker["until"]);
    let next = match text(&breaker["phase"]) {
        "open" | "probing" if is_over => "the next message is the probe".to_owned(),
        "open" => format!("nobody calls before {until}"),
        "probing" => format!("one message tries, until {until} at most"),
        _ => return String::new(),
    };
    format!(
        "\n      since {}, last failure {}, {} failed probe(s); {next}",
        text(&breaker["since"]),
        text(&breaker["code"]),
        breaker["failed_probes"],
    )
}

fn push(all: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let written = all.write_fmt(line);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_reads_as_what_is_and_what_would_be() {
        let told = json!({
            "deliveries": [{"receipt": "r-1", "received_at": "2026-11-23T08:00:00Z",
                "connection": "shop", "reading": "read"}],
            "orders": [
                {"correlation_id": "c-1", "known": true, "effects": [], "opened": [],
                    "closed": ["sku_missing: line `L1` has no SKU"],
                    "differences": [{"what": "order.lines[L1].sku", "replayed": "MUG-01"}]},
                {"correlation_id": "c-2", "known": true, "differences": []},
            ],
        });
        let text = dry_run(&told);
        assert!(
            text.contains("order.lines[L1].sku: (nothing) -> MUG-01"),
            "{text}"
        );
        assert!(text.contains("would close: sku_missing"), "{text}");
        assert!(text.contains("order c-2\n  no difference"), "{text}");
    }

    #[test]
    fn a_refusal_tells_what_to_do() {
        let error = json!({"error": {"code": "not_open", "message": "closed", "remedy": "wait"}});
        let action = Action::DeadLetters;
        let text = answer(&action, 409, &error);
        assert_eq!(text, "refused (HTTP 409, not_open): closed\n  wait\n");
    }

    #[test]
    fn connections_are_a_table_with_a_line_below_those_that_are_left_alone() {
        let closed = json!({"phase": "closed", "until": null, "since": null, "failed_probes": 0});
        let open = |until: &str| {
            json!({"phase": "open", "until": until, "since": "2026-11-23T07:50:00Z",
                "failed_probes": 3, "code": "erp_unreachable"})
        };
        let told = json!({"at": "2026-11-23T08:00:00Z", "connections": [
            {"id": "easypost-main", "partner": "easypost", "breaker": null, "pace": null,
                "quota": null, "unreadable": ["breaker"]},
            {"id": "odoo-main", "partner": "odoo", "breaker": open("2026-11-23T08:02:00.5Z"),
                "pace": {"batch": 12, "writers": 1, "batch_cap": 50, "writers_cap": 2,
                    "commands_per_minute": 1200},
                "quota": null, "unreadable": []},
            {"id": "odoo-new", "partner": "odoo", "breaker": closed, "quota": null,
                "pace": {"batch": 50, "writers": 2, "batch_cap": 50, "writers_cap": 2,
                    "commands_per_minute": null}},
            {"id": "shipbob-main", "partner": "shipbob", "breaker": open("2026-11-23T07:59:59.9Z"),
                "quota": {"calls_per_minute": 90, "next_call_at": "2026-11-23T08:00:07Z"}},
            {"id": "shopify-main", "partner": "shopify", "breaker": closed, "unreadable": [],
                "quota": {"calls_per_minute": 40, "next_call_at": "2026-11-23T08:00:00Z"}},
        ]});
        let text = answer(&Action::Connections, 200, &told);
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let joined: Vec<String> = rows.iter().map(|words| words.join(" ")).collect();
        assert_eq!(
            joined,
            [
                "CONNECTION PARTNER BREAKER PACE QUOTA",
                "easypost-main easypost unreadable - -",
                "odoo-main odoo open batch 12/50, writers 1/2, 1200 commands/min -",
                "since 2026-11-23T07:50:00Z, last failure erp_unreachable, 3 failed probe(s); \
                 nobody calls before 2026-11-23T08:02:00.5Z",
                "odoo-new odoo closed batch 50/50, writers 2/2 -",
                "shipbob-main shipbob open - 90 calls/min, next at 2026-11-23T08:00:07Z",
                "since 2026-11-23T07:50:00Z, last failure erp_unreachable, 3 failed probe(s); \
                 the next message is the probe",
                "shopify-main shopify closed - 40 calls/min",
            ]
        );
    }

    #[test]
    fn ages_are_told_in_a_unit_that_fits() {
        let told = |s: i64| age(&json!(s));
        assert_eq!(told(59), "59 s");
        assert_eq!(told(150), "2 min");
        assert_eq!(told(3 * 86_400), "3 d");
    }
}
