//! Deploys `template.yaml` to the local AWS: `sam build`, `sam deploy`, then what the emulator's CloudFormation leaves out.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::{ACCESS_KEY, REGION, api, endpoint, with_local_credentials};
use crate::failure::Failure;
use crate::project::{Project, host_architecture, write};
use crate::tools::Tools;

const STACK_NAME: &str = "waybill-local";
/// The tag `ms-custom-id` in the template gives the HTTP API this id.
const API_ID: &str = "waybill";
const SECRETS_PREFIX: &str = "waybill/local";
/// How `sam local --add-host host.docker.internal:host-gateway` makes a container call this machine.
const CONTAINERS_HOST: &str = "host.docker.internal";
const TTL_ATTRIBUTE: &str = "ttl_epoch_s";

/// Connection id → base URL, or an object of `base_url`, `database`, `login` and `protocol`, for partners and Odoo that a
/// simulator or another server stands in for.
pub(crate) type Overrides = BTreeMap<String, Value>;

/// Name → value of secrets that are not the throw-away ones of `infra/local/secrets.json`. Never written to a file.
pub(crate) type Secrets = BTreeMap<String, Value>;

/// Base address of the HTTP API of the local AWS on `port`.
pub(crate) fn base_url(port: u16) -> String {
    // The host name that AWS would use does not resolve on every machine; the emulator takes this path as well.
    format!("{}/_aws/execute-api/{API_ID}/$default", endpoint(port))
}

/// Builds in the tests' profile and deploys to the local AWS on `port`. Writes into `folder`
/// - `stack.json`: addresses, region, dummy credentials and the template's outputs;
/// - `sam-local.json`: the functions' variables for `sam local invoke --env-vars`.
pub(crate) fn deploy(
    project: &Project,
    tools: &Tools,
    port: u16,
    overrides: &Overrides,
    secrets: &Secrets,
    folder: &Path,
) -> Result<(), Failure> {
    step("sam build", || sam_build(project, tools))?;
    step("sam deploy", || sam_deploy(project, tools, port, overrides))?;
    let outputs: BTreeMap<String, String> =
        api::stack_outputs(port, STACK_NAME)?.into_iter().collect();
    for key in ["OrdersTableName", "EffectsTableName"] {
        let table = outputs
            .get(key)
            .ok_or_else(|| Failure::new(format!("template.yaml has no output `{key}`")))?;
        api::enable_ttl(port, table, TTL_ATTRIBUTE)?;
    }
    api::mend_scaling(port)?;
    put_secrets(project, port, secrets)?;
    let stack = json!({
        "endpoint_url": endpoint(port),
        "region": REGION,
        "access_key_id": ACCESS_KEY,
        "secret_access_key": ACCESS_KEY,
        "stack_name": STACK_NAME,
        "base_url": base_url(port),
        "secrets_prefix": SECRETS_PREFIX,
        "outputs": outputs,
    });
    write(&folder.join("stack.json"), &format!("{stack:#}\n"))?;
    let variables = sam_local_variables(port, &outputs, overrides);
    write(&folder.join("sam-local.json"), &format!("{variables:#}\n"))
}

/// What `sam local` cannot know: to it a `!Ref` of a queue or a table is the resource's name in the template. A container
/// sees this machine by another address than we do.
fn sam_local_variables(
    port: u16,
    outputs: &BTreeMap<String, String>,
    overrides: &Overrides,
) -> Value {
    let seen_from_container = |text: &str| text.replace("127.0.0.1", CONTAINERS_HOST);
    let mut variables = BTreeMap::from([
        (
            "AWS_ENDPOINT_URL".to_owned(),
            seen_from_container(&endpoint(port)),
        ),
        (
            "WAYBILL_LOCAL_OVERRIDES".to_owned(),
            seen_from_container(&json!(overrides).to_string()),
        ),
    ]);
    for (key, value) in outputs {
        if key.ends_with("QueueUrl") {
            let name = format!("WAYBILL_{}", upper_snake(key));
            variables.insert(name, seen_from_container(value));
        } else if let Some(table) = key.strip_suffix("TableName") {
            let name = format!("WAYBILL_{}_TABLE", upper_snake(table));
            variables.insert(name, value.clone());
        }
    }
    json!({ "Parameters": variables })
}

/// `ErpBulkQueueUrl` as `ERP_BULK_QUEUE_URL`.
fn upper_snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_uppercase());
    }
    snake
}

fn step<T>(name: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let start = Instant::now();
    let result = work()?;
    println!("{name}: {:.1} s", start.elapsed().as_secs_f32());
    Ok(result)
}

fn sam_build(project: &Project, tools: &Tools) -> Result<(), Failure> {
    let task = with_local_credentials(tools.sam(project))
        .args(["build", "--config-env", "local", "--build-dir"])
        .arg(project.scratch("build/local"))
        .args([
            "--parameter-overrides",
            &format!("Architecture={}", host_architecture()),
        ])
        // The profile that the tests use, and the linker: with zig as linker every dependency would be compiled again.
        .env("SAM_BUILD_MODE", "debug")
        .env("CARGO_LAMBDA_COMPILER", "cargo");
    task.run_logged(project, &project.log("sam-build")?)
}

fn sam_deploy(
    project: &Project,
    tools: &Tools,
    port: u16,
    overrides: &Overrides,
) -> Result<(), Failure> {
    let parameters = [
        "Stage=local".to_owned(),
        format!("Architecture={}", host_architecture()),
        format!("LocalEndpoint={}", endpoint(port)),
        format!("LocalOverrides={}", quote(&json!(overrides).to_string())),
    ];
    let task = with_local_credentials(tools.sam(project))
        // The SAM CLI looks for it beside the template, which is a built one here.
        .arg("deploy")
        .arg("--config-file")
        .arg(project.at("samconfig.toml"))
        .args([
            "--config-env",
            "local",
            "--no-progressbar",
            "--template-file",
        ])
        .arg(project.scratch("build/local/template.yaml"))
        .arg("--parameter-overrides")
        .args(parameters)
        .env("AWS_ENDPOINT_URL", endpoint(port))
        .env("SAM_CLI_POLL_DELAY", "0.2");
    task.run_logged(project, &project.log("sam-deploy")?)
}

/// A parameter's value as the SAM CLI unquotes it.
fn quote(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes the local values of the connections' secrets and of ops-api's tokens, which open simulators and nothing else, and
/// those of `others` in their place.
fn put_secrets(project: &Project, port: u16, others: &Secrets) -> Result<(), Failure> {
    let path = project.at("infra/local/secrets.json");
    let text = std::fs::read_to_string(&path).map_err(|e| Failure::file("read", &path, &e))?;
    let mut secrets: BTreeMap<String, Value> = serde_json::from_str(&text)
        .map_err(|e| Failure::new(format!("`{}` is not a JSON object: {e}", path.display())))?;
    secrets.extend(others.clone());
    for (name, value) in &secrets {
        api::put_secret(port, &format!("{SECRETS_PREFIX}/{name}"), value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{quote, sam_local_variables};
    use std::collections::BTreeMap;

    #[test]
    fn containers_get_the_deployed_queues_and_tables() {
        let outputs = [
            ("ErpBulkQueueUrl", "http://127.0.0.1:1/0/erp-bulk"),
            ("OrdersTableName", "orders-1"),
            ("ErpBulkDlqUrl", "http://127.0.0.1:1/0/erp-bulk-dlq"),
        ];
        let outputs = outputs.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let overrides = BTreeMap::from([("odoo-main".to_owned(), "http://127.0.0.1:2".into())]);
        let expected = serde_json::json!({"Parameters": {
            "AWS_ENDPOINT_URL": "http://host.docker.internal:1",
            "WAYBILL_ERP_BULK_QUEUE_URL": "http://host.docker.internal:1/0/erp-bulk",
            "WAYBILL_LOCAL_OVERRIDES": r#"{"odoo-main":"http://host.docker.internal:2"}"#,
            "WAYBILL_ORDERS_TABLE": "orders-1",
        }});
        assert_eq!(sam_local_variables(1, &outputs, &overrides), expected);
    }

    #[test]
    fn json_is_quoted_for_the_sam_cli() {
        assert_eq!(quote(r#"{"a":"b c"}"#), r#""{\"a\":\"b c\"}""#);
    }
}
