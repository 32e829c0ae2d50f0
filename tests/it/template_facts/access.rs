//! Who may do what: one role for each function, and nothing in it that the function has no use for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{assert_bites, assert_holds};
use crate::project;
use crate::template::{Resource, Template, attribute_of, reference};

/// Statements of a role's inline policies.
fn statements(role: Resource<'_>) -> Vec<&Value> {
    let policies = role.property("Policies").as_array().into_iter().flatten();
    policies
        .flat_map(|policy| {
            policy["PolicyDocument"]["Statement"]
                .as_array()
                .into_iter()
                .flatten()
        })
        .collect()
}

/// One value or many.
fn each(value: &Value) -> Vec<&Value> {
    value
        .as_array()
        .map_or_else(|| vec![value], |values| values.iter().collect())
}

fn wildcard_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for role in template.resources("AWS::IAM::Role") {
        if !role.property("ManagedPolicyArns").is_null() {
            faults.push(format!(
                "{} has a managed policy, which allows every resource",
                role.id
            ));
        }
        for statement in statements(role) {
            if each(&statement["Resource"]).contains(&&json!("*"))
                || statement["Resource"].is_null()
            {
                faults.push(format!("{} allows something on every resource", role.id));
            }
            if each(&statement["Action"])
                .iter()
                .any(|action| action.as_str().is_none_or(|name| name.contains('*')))
            {
                faults.push(format!("{} allows every action of a kind", role.id));
            }
        }
    }
    for function in template.functions() {
        let own_role = function.id.replace("Function", "Role");
        if attribute_of(function.property("Role"), "Arn") != Some(own_role.as_str()) {
            faults.push(format!("{} has not its own role `{own_role}`", function.id));
        }
        if !function.property("Policies").is_null() {
            faults.push(format!("{} has policies beside its role", function.id));
        }
    }
    faults
}

/// Whether a role allows an action of a service on the resource `id`.
fn allows(template: &Template, role: &str, service: &str, id: &str) -> bool {
    let Some(role) = template.resource(role) else {
        return false;
    };
    statements(role).into_iter().any(|statement| {
        each(&statement["Action"])
            .iter()
            .any(|action| action.as_str().is_some_and(|a| a.starts_with(service)))
            && each(&statement["Resource"])
                .iter()
                .any(|resource| attribute_of(resource, "Arn") == Some(id))
    })
}

/// A queue or table in a function's environment and in its role: both or neither.
fn use_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for function in template.functions() {
        let role = function.id.replace("Function", "Role");
        let known: Vec<&str> = function
            .variables()
            .filter_map(|(_, value)| reference(value))
            .collect();
        let queues = template.queues().map(|queue| (queue.id, "sqs:"));
        let tables = template
            .resources("AWS::DynamoDB::Table")
            .map(|table| (table.id, "dynamodb:"));
        for (id, service) in queues.chain(tables) {
            match (known.contains(&id), allows(template, &role, service, id)) {
                (true, false) => {
                    faults.push(format!("{} knows {id} but may not use it", function.id))
                }
                (false, true) => {
                    faults.push(format!("{} may use {id} but does not know it", function.id))
                }
                _ => {}
            }
        }
    }
    faults
}

/// What the store's adapter calls of a table, by the module that holds the table, as IAM actions.
fn table_actions(module: &str) -> BTreeSet<String> {
    const ACTIONS: [(&str, &str); 12] = [
        (".table.get(", "GetItem"),
        (".get_item()", "GetItem"),
        (".table.batch_get(", "BatchGetItem"),
        (".table.list(", "Query"),
        (".query()", "Query"),
        (".table.put(", "PutItem"),
        // A transaction is allowed by the actions of its parts.
        (".table.transact(", "PutItem"),
        (".put_item()", "PutItem"),
        (".table.batch_put(", "BatchWriteItem"),
        (".update_item()", "UpdateItem"),
        (".delete_item()", "DeleteItem"),
        (".scan()", "Scan"),
    ];
    let folder = format!("shared/store/src/{module}");
    let files = std::fs::read_dir(project::at(&folder)).unwrap();
    let mut source = project::read(&format!("{folder}.rs"));
    for file in files {
        source.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    let called = ACTIONS.iter().filter(|(call, _)| source.contains(call));
    called
        .map(|(_, action)| format!("dynamodb:{action}"))
        .collect()
}

/// The actions on a table are those of the adapter: one missing fails on AWS alone, for no emulator checks it.
fn table_action_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for (table, module) in [("OrdersTable", "orders"), ("EffectsTable", "effects")] {
        let called = table_actions(module);
        for role in template.resources("AWS::IAM::Role") {
            // What is known of connections is told to operators, and changed by the functions that call.
            let needed = match (role.id, table) {
                ("OpsApiRole", "EffectsTable") => BTreeSet::from(["dynamodb:GetItem".to_owned()]),
                _ => called.clone(),
            };
            for statement in statements(role) {
                let of_table = each(&statement["Resource"])
                    .iter()
                    .any(|resource| attribute_of(resource, "Arn") == Some(table));
                let allowed: BTreeSet<String> = each(&statement["Action"])
                    .iter()
                    .filter_map(|action| action.as_str().map(str::to_owned))
                    .collect();
                for action in needed.symmetric_difference(&allowed).filter(|_| of_table) {
                    let role = role.id;
                    faults.push(format!(
                        "{role} and the adapter of {table} differ in {action}"
                    ));
                }
            }
        }
    }
    faults
}

fn secret_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for role in template.resources("AWS::IAM::Role") {
        for statement in statements(role) {
            let reads = each(&statement["Action"])
                .iter()
                .any(|a| a.as_str().is_some_and(|a| a.starts_with("secrets")));
            let connections = statement["Resource"]["Fn::Sub"]
                .as_str()
                .is_some_and(|arn| arn.ends_with(":secret:waybill/${Stage}/connection/*"));
            if reads && !connections && reference(&statement["Resource"]) != Some("OpsApiSecret") {
                faults.push(format!("{} may read other secrets than it needs", role.id));
            }
        }
    }
    faults
}

/// Who may change secrets: only the function that replaces keys, and nothing but their values.
fn secret_change_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for role in template.resources("AWS::IAM::Role") {
        for statement in statements(role) {
            for action in each(&statement["Action"]) {
                let action = action.as_str().unwrap_or_default();
                let reads = action == "secretsmanager:GetSecretValue";
                let replaces =
                    action == "secretsmanager:PutSecretValue" && role.id == "ReconcilerRole";
                if action.starts_with("secretsmanager:") && !reads && !replaces {
                    faults.push(format!("{} may do {action}", role.id));
                }
            }
        }
    }
    faults
}

/// Dead letters are taken out by operators alone, and from every dead-letter queue.
fn redrive_faults(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    let needed = [
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
    ];
    let dead = template.queues().filter_map(|queue| {
        let target = &queue.property("RedrivePolicy")["deadLetterTargetArn"];
        attribute_of(target, "Arn").map(str::to_owned)
    });
    for id in dead {
        for role in template.resources("AWS::IAM::Role") {
            let allowed: BTreeSet<&str> = statements(role)
                .into_iter()
                .filter(|statement| {
                    let resources = each(&statement["Resource"]);
                    let is_it = |r: &&Value| attribute_of(r, "Arn") == Some(id.as_str());
                    resources.iter().any(is_it)
                })
                .flat_map(|statement| each(&statement["Action"]))
                .filter_map(Value::as_str)
                .collect();
            let wanted: BTreeSet<&str> = match role.id {
                "OpsApiRole" => needed.into(),
                _ => BTreeSet::new(),
            };
            if allowed != wanted {
                faults.push(format!("{} may do {allowed:?} with {id}", role.id));
            }
        }
    }
    faults
}

#[test]
fn operators_alone_take_dead_letters_out_and_from_every_queue() {
    assert_holds(redrive_faults);
    let template = Template::of_the_project();
    // The fourth of its statements, `RedriveDeadLetters`.
    let resource =
        "/Resources/OpsApiRole/Properties/Policies/0/PolicyDocument/Statement/3/Resource";
    let without_one = template.with(&format!("{resource}/0/Fn::GetAtt"), json!("StatusDlq.Arn"));
    assert_bites(
        redrive_faults,
        &without_one,
        "OpsApiRole may do {} with InboundDlq",
    );
}

#[test]
fn no_policy_allows_every_resource_or_action() {
    assert_holds(wildcard_faults);
    let template = Template::of_the_project();
    let statement = "/Resources/ValidatorRole/Properties/Policies/0/PolicyDocument/Statement/0";
    let all = template.with(&format!("{statement}/Resource"), json!("*"));
    assert_bites(
        wildcard_faults,
        &all,
        "ValidatorRole allows something on every resource",
    );
    let action = template.with(&format!("{statement}/Action"), json!("logs:*"));
    assert_bites(
        wildcard_faults,
        &action,
        "ValidatorRole allows every action",
    );
    let shared = template.with(
        "/Resources/ValidatorFunction/Properties/Role/Fn::GetAtt",
        json!("ReconcilerRole.Arn"),
    );
    assert_bites(
        wildcard_faults,
        &shared,
        "ValidatorFunction has not its own role",
    );
}

#[test]
fn a_function_knows_exactly_the_queues_and_tables_it_may_use() {
    assert_holds(use_faults);
    let template = Template::of_the_project();
    let variable =
        "/Resources/CoordinatorFunction/Properties/Environment/Variables/WAYBILL_STATUS_QUEUE_URL";
    let blind = template.without(variable);
    assert_bites(
        use_faults,
        &blind,
        "CoordinatorFunction may use StatusQueue but does not know it",
    );
    let table =
        "/Resources/WebhookIntakeFunction/Properties/Environment/Variables/WAYBILL_SECRETS_PREFIX";
    let curious = template.with(table, json!({"Ref": "OrdersTable"}));
    assert_bites(
        use_faults,
        &curious,
        "WebhookIntakeFunction knows OrdersTable but may not use it",
    );
}

#[test]
fn a_role_allows_what_the_adapter_of_a_table_calls_and_no_more() {
    assert_holds(table_action_faults);
    let template = Template::of_the_project();
    let statement = "/Resources/ReconcilerRole/Properties/Policies/0/PolicyDocument/Statement/4";
    let short = template.with(&format!("{statement}/Action/0"), json!("dynamodb:PutItem"));
    let difference = "ReconcilerRole and the adapter of EffectsTable differ in dynamodb:GetItem";
    assert_bites(table_action_faults, &short, difference);
}

#[test]
fn operators_are_told_what_is_known_of_connections_and_cannot_change_it() {
    let template = Template::of_the_project();
    let ops_api = template.resource("OpsApiRole").unwrap();
    let of_effects: Vec<&Value> = statements(ops_api)
        .into_iter()
        .filter(|s| attribute_of(&s["Resource"], "Arn") == Some("EffectsTable"))
        .collect();
    assert_eq!(of_effects.len(), 1);
    assert_eq!(of_effects[0]["Action"], "dynamodb:GetItem");
    // The sixth of its statements, `ReadWhatIsKnownOfConnections`.
    let action = "/Resources/OpsApiRole/Properties/Policies/0/PolicyDocument/Statement/5/Action";
    let wide = template.with(action, json!(["dynamodb:GetItem", "dynamodb:PutItem"]));
    let difference = "OpsApiRole and the adapter of EffectsTable differ in dynamodb:PutItem";
    assert_bites(table_action_faults, &wide, difference);
}

#[test]
fn only_the_reconciler_may_change_a_secret_and_only_those_of_connections() {
    assert_holds(secret_change_faults);
    // What it may change is held by `secret_faults`, as what it may read.
    let template = Template::of_the_project();
    let reconciler = template.resource("ReconcilerRole").unwrap();
    let replaces = |s: &&Value| s["Action"] == "secretsmanager:PutSecretValue";
    assert_eq!(
        statements(reconciler).into_iter().filter(replaces).count(),
        1
    );
    let statements = "/Resources/OdooWriterRole/Properties/Policies/0/PolicyDocument/Statement";
    let last = template.0.pointer(statements).and_then(Value::as_array);
    let last = last.map(Vec::len).unwrap() - 1;
    let wide = template.with(
        &format!("{statements}/{last}/Action"),
        json!(["secretsmanager:PutSecretValue"]),
    );
    assert_bites(secret_change_faults, &wide, "OdooWriterRole may do");
}

#[test]
fn only_connection_secrets_and_the_tokens_of_ops_api_are_readable() {
    assert_holds(secret_faults);
    let template = Template::of_the_project();
    let roles: Vec<&str> = template
        .resources("AWS::IAM::Role")
        .filter(|role| {
            statements(*role)
                .iter()
                .any(|s| s["Action"] == "secretsmanager:GetSecretValue")
        })
        .map(|role| role.id)
        .collect();
    assert_eq!(
        roles.len(),
        7,
        "every function but the coordinator reads secrets: {roles:?}"
    );
    let statements = "/Resources/WebhookIntakeRole/Properties/Policies/0/PolicyDocument/Statement";
    let last = template
        .0
        .pointer(statements)
        .and_then(Value::as_array)
        .map(Vec::len)
        .unwrap()
        - 1;
    let wide = template.with(
        &format!("{statements}/{last}/Resource/Fn::Sub"),
        json!("arn:aws:secretsmanager:x:y:secret:waybill/*"),
    );
    assert_bites(
        secret_faults,
        &wide,
        "WebhookIntakeRole may read other secrets",
    );
}
