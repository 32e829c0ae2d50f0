//! An alarm for every queue, dead-letter queue and function; a line in the runbook for every alarm; logs that end.

use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::{assert_bites, assert_holds};
use crate::project;
use crate::template::{Template, attribute_of, reference};

/// Whether an alarm watches `metric` of the resource `id`.
fn watched(template: &Template, metric: &str, id: &str) -> bool {
    template.resources("AWS::CloudWatch::Alarm").any(|alarm| {
        let dimension = &alarm.property("Dimensions")[0]["Value"];
        let of = reference(dimension).or_else(|| attribute_of(dimension, "QueueName"));
        alarm.property("MetricName") == metric
            && of == Some(id)
            && !alarm.property("AlarmActions").is_null()
    })
}

fn alarm_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for queue in template.resources("AWS::SQS::Queue") {
        let metric = if queue.id.ends_with("Dlq") {
            "ApproximateNumberOfMessagesVisible"
        } else {
            "ApproximateAgeOfOldestMessage"
        };
        if !watched(template, metric, queue.id) {
            faults.push(format!("no alarm watches {metric} of {}", queue.id));
        }
    }
    for function in template.functions() {
        if !watched(template, "Errors", function.id) {
            faults.push(format!("no alarm watches the errors of {}", function.id));
        }
    }
    faults
}

/// Where a function counts the code that an alarm watches. A code that nobody counts never alarms.
const COUNTED: [(&str, &str, &str); 2] = [
    (
        "reconciler",
        "erp_key_expires",
        "functions/reconciler/src/keys.rs",
    ),
    (
        "reconciler",
        "stock_not_published",
        "functions/reconciler/src/stock.rs",
    ),
];

fn code_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    let mut watched = BTreeSet::new();
    for alarm in template.resources("AWS::CloudWatch::Alarm") {
        let value = |name: &str| {
            let dimensions = alarm.property("Dimensions").as_array();
            let dimensions = dimensions.into_iter().flatten();
            dimensions
                .filter(|d| d["Name"] == name)
                .find_map(|d| d["Value"].as_str())
        };
        let (Some(function), Some(code)) = (value("function"), value("error_code")) else {
            continue;
        };
        watched.insert((function, code));
        let counted = COUNTED
            .iter()
            .find(|(f, c, _)| (*f, *c) == (function, code))
            .is_some_and(|(_, _, file)| project::read(file).contains(&format!("\"{code}\"")));
        if !counted
            || value("outcome") != Some("failed")
            || alarm.property("MetricName") != "messages"
        {
            faults.push(format!(
                "{} watches {code}, which {function} does not count",
                alarm.id
            ));
        }
        if alarm.property("AlarmActions").is_null() {
            faults.push(format!("{} tells nobody", alarm.id));
        }
    }
    for (function, code, _) in COUNTED {
        if !watched.contains(&(function, code)) {
            faults.push(format!("no alarm watches {code} of {function}"));
        }
    }
    faults
}

/// Names of the alarms without the stack's name, such as `erp-dlq`.
fn alarm_names(template: &Template) -> Vec<String> {
    let names = template.resources("AWS::CloudWatch::Alarm").map(|alarm| {
        let name = alarm.property("AlarmName")["Fn::Sub"]
            .as_str()
            .unwrap_or(alarm.id);
        name.trim_start_matches("${AWS::StackName}-").to_owned()
    });
    names.collect()
}

fn runbook_faults(template: &Template) -> Vec<String> {
    let runbook = project::read("docs/runbook.md");
    let known: Vec<&str> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let names = alarm_names(template);
    let missing = names.iter().filter(|name| !known.contains(&name.as_str()));
    let stale = known
        .iter()
        .filter(|name| !names.iter().any(|alarm| alarm == *name));
    missing
        .map(|name| format!("docs/runbook.md has no line for the alarm {name}"))
        .chain(
            stale.map(|name| format!("docs/runbook.md has a line for {name}, which is no alarm")),
        )
        .collect()
}

fn log_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for group in template.resources("AWS::Logs::LogGroup") {
        if group.property("RetentionInDays").is_null() {
            faults.push(format!("{} keeps its entries for ever", group.id));
        }
    }
    for function in template.functions() {
        let group = reference(&function.property("LoggingConfig")["LogGroup"])
            .and_then(|id| template.resource(id));
        if group.is_none_or(|group| group.body["Type"] != "AWS::Logs::LogGroup") {
            faults.push(format!("{} logs to no group of the template", function.id));
        }
    }
    faults
}

#[test]
fn every_queue_dead_letter_queue_and_function_has_an_alarm() {
    assert_holds(alarm_faults);
    let template = Template::of_the_project();
    assert_bites(
        alarm_faults,
        &template.without("/Resources/ErpBulkDlqAlarm"),
        "of ErpBulkDlq",
    );
    assert_bites(
        alarm_faults,
        &template.without("/Resources/InboundAgeAlarm"),
        "of InboundQueue",
    );
    assert_bites(
        alarm_faults,
        &template.without("/Resources/OpsApiErrorsAlarm"),
        "of OpsApiFunction",
    );
    let silent = template.without("/Resources/OpsApiErrorsAlarm/Properties/AlarmActions");
    assert_bites(alarm_faults, &silent, "of OpsApiFunction");
}

#[test]
fn every_code_that_needs_a_person_has_an_alarm_and_no_alarm_watches_another() {
    assert_holds(code_faults);
    let template = Template::of_the_project();
    assert_bites(
        code_faults,
        &template.without("/Resources/StockNotPublishedAlarm"),
        "no alarm watches stock_not_published",
    );
    let mut more = template.clone();
    let mut other = more.0["Resources"]["ErpKeyAlarm"].clone();
    other["Properties"]["Dimensions"][2]["Value"] = json!("too_many_waiting");
    more.0["Resources"]["NewAlarm"] = other;
    assert_bites(
        code_faults,
        &more,
        "NewAlarm watches too_many_waiting, which reconciler does not count",
    );
    let silent = template.without("/Resources/ErpKeyAlarm/Properties/AlarmActions");
    assert_bites(code_faults, &silent, "ErpKeyAlarm tells nobody");
}

#[test]
fn the_runbook_has_a_line_for_every_alarm_and_no_other() {
    assert_holds(runbook_faults);
    let template = Template::of_the_project();
    assert_bites(
        runbook_faults,
        &template.without("/Resources/ErpDlqAlarm"),
        "erp-dlq, which is no alarm",
    );
    let mut more = template.clone();
    more.0["Resources"]["NewAlarm"] =
        json!({"Type": "AWS::CloudWatch::Alarm", "Properties": {"AlarmName": "x"}});
    assert_bites(runbook_faults, &more, "no line for the alarm NewAlarm");
}

#[test]
fn every_log_ends_some_day() {
    assert_holds(log_faults);
    let template = Template::of_the_project();
    let retention = "/Resources/HttpApiLogs/Properties/RetentionInDays";
    assert_bites(
        log_faults,
        &template.without(retention),
        "HttpApiLogs keeps",
    );
    let logging = "/Resources/ReconcilerFunction/Properties/LoggingConfig";
    assert_bites(
        log_faults,
        &template.with(logging, Value::Null),
        "ReconcilerFunction logs to no group",
    );
}
