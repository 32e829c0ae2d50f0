//! Environment variables: each function's in the template are those that its code reads. Routes, schedules and binaries exist.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use waybill_lambda_kit::env;

use super::{assert_bites, assert_holds};
use crate::project;
use crate::template::Template;

/// Variables that the runtime, the SDK and the log filter read, not our code.
const READ_BY_LIBRARIES: [&str; 2] = [env::AWS_ENDPOINT_URL, env::LOG];

fn names<'a>(variables: impl Iterator<Item = &'a String>) -> BTreeSet<&'a str> {
    variables
        .map(String::as_str)
        .filter(|name| !READ_BY_LIBRARIES.contains(name))
        .collect()
}

fn variable_faults(template: &Template) -> Vec<String> {
    let global = template.0["Globals"]["Function"]["Environment"]["Variables"].as_object();
    let mut faults = Vec::new();
    for function in template.functions() {
        let binary = function.body["Metadata"]["BuildProperties"]["Binary"]
            .as_str()
            .unwrap_or("");
        let Some((_, read)) = env::FUNCTIONS.iter().find(|(name, _)| *name == binary) else {
            faults.push(format!("the code names no variables for {}", function.id));
            continue;
        };
        let read: BTreeSet<&str> = read.iter().copied().collect();
        let own = function.variables().map(|(name, _)| name);
        let set = names(
            global
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
                .chain(own),
        );
        let unread = set
            .difference(&read)
            .map(|name| format!("{} sets {name}, which it never reads", function.id));
        faults.extend(unread);
        let unset = read
            .difference(&set)
            .map(|name| format!("{} reads {name}, which is not set", function.id));
        faults.extend(unset);
    }
    faults
}

fn binary_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for function in template.functions() {
        let binary = function.body["Metadata"]["BuildProperties"]["Binary"]
            .as_str()
            .unwrap_or("");
        if !project::at(&format!("functions/{binary}/Cargo.toml")).exists() {
            faults.push(format!(
                "{} is built from `{binary}`, which is no function's crate",
                function.id
            ));
        }
        if function.body["Metadata"]["BuildMethod"] != "rust-cargolambda" {
            faults.push(format!("{} is not built by cargo lambda", function.id));
        }
    }
    faults
}

#[test]
fn every_variable_of_the_template_is_read_and_every_one_read_is_set() {
    assert_holds(variable_faults);
    let template = Template::of_the_project();
    let own = "/Resources/OdooWriterFunction/Properties/Environment/Variables";
    let mut more = template.clone();
    more.0.pointer_mut(own).unwrap()["WAYBILL_EXTRA"] = json!("x");
    assert_bites(
        variable_faults,
        &more,
        "OdooWriterFunction sets WAYBILL_EXTRA, which it never reads",
    );
    let less = template.without(&format!("{own}/WAYBILL_ERP_QUEUE_URL"));
    assert_bites(
        variable_faults,
        &less,
        "OdooWriterFunction reads WAYBILL_ERP_QUEUE_URL, which is not set",
    );
    let stage = template.without("/Globals/Function/Environment/Variables/WAYBILL_STAGE");
    assert_eq!(variable_faults(&stage).len(), 8);
}

#[test]
fn every_function_is_built_from_a_crate_of_the_project() {
    assert_holds(binary_faults);
    let template = Template::of_the_project();
    assert_eq!(template.functions().count(), 8);
    let metadata = "/Resources/OpsApiFunction/Metadata";
    let binary = template.with(&format!("{metadata}/BuildProperties/Binary"), json!("ops"));
    assert_bites(binary_faults, &binary, "built from `ops`");
    let method = template.with(&format!("{metadata}/BuildMethod"), json!("makefile"));
    assert_bites(
        binary_faults,
        &method,
        "OpsApiFunction is not built by cargo lambda",
    );
}

#[test]
fn functions_run_on_arm_unless_told_otherwise() {
    let template = Template::of_the_project();
    assert_eq!(
        template.0["Globals"]["Function"]["Architectures"],
        json!([{"Ref": "Architecture"}])
    );
    assert_eq!(template.0["Parameters"]["Architecture"]["Default"], "arm64");
}

#[test]
fn every_parameter_is_described() {
    let template = Template::of_the_project();
    for (name, parameter) in template.0["Parameters"].as_object().unwrap() {
        assert!(
            parameter["Description"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{name} has no description"
        );
    }
}

#[test]
fn the_http_api_is_throttled_and_has_the_three_routes() {
    let template = Template::of_the_project();
    let mut routes: Vec<&str> = template
        .resources("AWS::ApiGatewayV2::Route")
        .filter_map(|route| route.property("RouteKey").as_str())
        .collect();
    routes.sort_unstable();
    assert_eq!(
        routes,
        [
            "ANY /ops/{proxy+}",
            "POST /webhooks/{connection}",
            "POST /webhooks/{connection}/{topic+}"
        ]
    );
    let stage = template.resource("HttpApiStage").unwrap();
    assert!(!stage.property("DefaultRouteSettings")["ThrottlingRateLimit"].is_null());
    assert!(!stage.property("DefaultRouteSettings")["ThrottlingBurstLimit"].is_null());
    let limits = |route: &str| stage.property("RouteSettings")[route].clone();
    for route in &routes {
        assert!(!limits(route)["ThrottlingRateLimit"].is_null(), "{route}");
        assert!(!limits(route)["ThrottlingBurstLimit"].is_null(), "{route}");
    }
    assert_ne!(
        limits("ANY /ops/{proxy+}")["ThrottlingRateLimit"],
        limits("POST /webhooks/{connection}")["ThrottlingRateLimit"],
        "webhooks and operations have limits of their own"
    );
    assert!(!stage.property("AccessLogSettings")["DestinationArn"].is_null());
}

#[test]
fn access_logs_carry_no_path_and_no_query() {
    let template = Template::of_the_project();
    let stage = template.resource("HttpApiStage").unwrap();
    let format = stage.property("AccessLogSettings")["Format"]
        .as_str()
        .unwrap();
    let entry: Value = serde_json::from_str(format).unwrap();
    assert_eq!(entry["routeKey"], "$context.routeKey");
    assert!(
        !format.contains("$context.path") && !format.contains("requestOverride"),
        "{format}"
    );
}

#[test]
fn the_reconciler_has_its_six_schedules() {
    let template = Template::of_the_project();
    let mut jobs: Vec<(String, &str)> = template
        .resources("AWS::Scheduler::Schedule")
        .map(|schedule| {
            let input: Value =
                serde_json::from_str(schedule.property("Target")["Input"].as_str().unwrap())
                    .unwrap();
            (
                input["job"].as_str().unwrap().to_owned(),
                schedule.property("ScheduleExpression").as_str().unwrap(),
            )
        })
        .collect();
    jobs.sort();
    let expected = [
        ("compare", "rate(1 hour)"),
        ("keys", "rate(1 day)"),
        ("overdue", "rate(5 minutes)"),
        ("poll", "rate(5 minutes)"),
        ("stock", "rate(5 minutes)"),
        ("webhooks", "rate(15 minutes)"),
    ];
    assert_eq!(jobs, expected.map(|(job, rate)| (job.to_owned(), rate)));
}
