//! The few AWS calls that a deploy to the local AWS makes itself, without an SDK: it checks no signature.

use serde_json::{Value, json};

use super::{ACCESS_KEY, REGION};
use crate::failure::Failure;
use crate::http;

/// Calls an operation of a JSON service, for example `DynamoDB_20120810.UpdateTimeToLive` of `dynamodb`.
pub(super) fn call(
    port: u16,
    service: &str,
    target: &str,
    input: &Value,
) -> Result<Value, Failure> {
    let headers = [
        ("x-amz-target", target),
        ("content-type", "application/x-amz-json-1.1"),
        ("authorization", &authorization(service)),
    ];
    let answer = http::send(port, "POST", "/", &headers, &input.to_string())?;
    if answer.status != 200 {
        return Err(Failure::new(format!(
            "`{target}` answered {}: {}",
            answer.status, answer.body
        )));
    }
    serde_json::from_str(&answer.body)
        .map_err(|e| Failure::new(format!("`{target}` answered no JSON: {e}")))
}

/// Outputs of a stack as (key, value).
pub(super) fn stack_outputs(port: u16, stack: &str) -> Result<Vec<(String, String)>, Failure> {
    let path = format!("/?Action=DescribeStacks&Version=2010-05-15&StackName={stack}");
    let headers = [("authorization", authorization("cloudformation"))];
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let answer = http::send(port, "GET", &path, &headers, "")?;
    let outputs = outputs_in(&answer.body);
    if answer.status != 200 || outputs.is_empty() {
        return Err(Failure::new(format!(
            "`DescribeStacks` answered {}: {}",
            answer.status, answer.body
        )));
    }
    Ok(outputs)
}

/// Creates a secret, or gives it a new value where it exists.
pub(super) fn put_secret(port: u16, name: &str, value: &Value) -> Result<(), Failure> {
    let token = "ClientRequestToken";
    let text = value.to_string();
    // Secrets Manager makes one version for each token; SDKs send a random one.
    let id = format!("{:032x}{:032x}", fnv(name.as_bytes()), fnv(text.as_bytes()));
    let create = json!({"Name": name, "SecretString": text, token: id});
    match call(
        port,
        "secretsmanager",
        "secretsmanager.CreateSecret",
        &create,
    ) {
        Ok(_) => Ok(()),
        Err(e) if e.to_string().contains("ResourceExistsException") => {
            let put = json!({"SecretId": name, "SecretString": text, token: id});
            call(
                port,
                "secretsmanager",
                "secretsmanager.PutSecretValue",
                &put,
            )
            .map(|_| ())
        }
        Err(e) => Err(e),
    }
}

/// Turns the deletion of expired items on, which the emulator's CloudFormation leaves off.
pub(super) fn enable_ttl(port: u16, table: &str, attribute: &str) -> Result<(), Failure> {
    let describe = json!({"TableName": table});
    let now = call(
        port,
        "dynamodb",
        "DynamoDB_20120810.DescribeTimeToLive",
        &describe,
    )?;
    if now
        .pointer("/TimeToLiveDescription/TimeToLiveStatus")
        .and_then(Value::as_str)
        == Some("ENABLED")
    {
        return Ok(());
    }
    let update = json!({
        "TableName": table,
        "TimeToLiveSpecification": {"Enabled": true, "AttributeName": attribute},
    });
    call(
        port,
        "dynamodb",
        "DynamoDB_20120810.UpdateTimeToLive",
        &update,
    )
    .map(|_| ())
}

/// Makes the maximum concurrency of every queue's reader a number. The emulator's CloudFormation takes a parameter's value for
/// text, and its poller stops at the first one.
pub(super) fn mend_scaling(port: u16) -> Result<(), Failure> {
    let mappings = "/2015-03-31/event-source-mappings/";
    let found = lambda(port, "GET", mappings, "")?;
    let all = found
        .pointer("/EventSourceMappings")
        .and_then(Value::as_array);
    for mapping in all.into_iter().flatten() {
        let id = mapping.pointer("/UUID").and_then(Value::as_str);
        let limit = mapping
            .pointer("/ScalingConfig/MaximumConcurrency")
            .and_then(Value::as_str);
        if let (Some(id), Some(Ok(limit))) = (id, limit.map(str::parse::<u32>)) {
            let change = json!({"ScalingConfig": {"MaximumConcurrency": limit}});
            lambda(port, "PUT", &format!("{mappings}{id}"), &change.to_string())?;
        }
    }
    Ok(())
}

/// Calls an operation of Lambda, whose API is REST.
fn lambda(port: u16, method: &str, path: &str, body: &str) -> Result<Value, Failure> {
    let authorization = authorization("lambda");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
    ];
    let answer = http::send(port, method, path, &headers, body)?;
    if !(200..300).contains(&answer.status) {
        return Err(Failure::new(format!(
            "`{method} {path}` answered {}: {}",
            answer.status, answer.body
        )));
    }
    serde_json::from_str(&answer.body)
        .map_err(|e| Failure::new(format!("`{method} {path}` answered no JSON: {e}")))
}

fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

/// FNV-1a: tells values apart; nothing here depends on its strength.
fn fnv(bytes: &[u8]) -> u128 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    u128::from(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

fn outputs_in(xml: &str) -> Vec<(String, String)> {
    let mut rest = xml;
    let mut outputs = Vec::new();
    while let Some((key, after_key)) = element(rest, "OutputKey") {
        let Some((value, after)) = element(after_key, "OutputValue") else {
            break;
        };
        outputs.push((
            key.to_owned(),
            value
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&"),
        ));
        rest = after;
    }
    outputs
}

/// Text of the first element `name`, and what follows it.
fn element<'a>(xml: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    after.split_once(&format!("</{name}>"))
}

#[cfg(test)]
mod tests {
    use super::outputs_in;

    #[test]
    fn outputs_are_read_in_order() {
        let xml = "<Outputs><member><OutputKey>A</OutputKey><OutputValue>x&amp;y</OutputValue></member>\
                   <member><OutputKey>B</OutputKey><OutputValue/></member></Outputs>";
        assert_eq!(outputs_in(xml), [("A".to_owned(), "x&y".to_owned())]);
    }
}
