//! Bad input at the front door: what each gets, and what becomes of it.

use crate::Stop;
use crate::invariants::Check;
use crate::simulators::Simulators;
use crate::stack::{OPS_TOKEN, Stack};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Code of the case that keeps a verified body which cannot be read.
const UNREADABLE: &str = "unreadable_json";
/// Longest wait for those cases.
const CASES_LIMIT: Duration = Duration::from_secs(60);

/// One call, and the status that it must get.
struct Probe {
    name: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: u16,
}

/// Sends every probe; a violation is a probe that got another status or no explanation, or that was accepted and is in no
/// case. Also returns a line for each: what it got.
///
/// # Errors
/// The stack cannot be reached.
pub async fn run(stack: &Stack, simulators: &Simulators) -> Result<(Check, String), Stop> {
    let mut violations = Vec::new();
    let mut got = String::from("Bad webhooks\n");
    let probes = probes();
    let count = probes.len();
    let accepted = probes.iter().filter(|p| p.status == 202).count();
    for probe in probes {
        let mut call = simulators
            .http
            .post(format!("{}/{}", stack.base_url, probe.path))
            .header("content-type", "application/json")
            .body(probe.body);
        for (name, value) in probe.headers {
            call = call.header(name, value);
        }
        let answer = call
            .send()
            .await
            .map_err(|e| Stop::new("probing the webhook intake", e))?;
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap_or_default();
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let explained = body.pointer("/error/remedy").is_some();
        let code = body.pointer("/error/code").and_then(Value::as_str);
        let code = code.unwrap_or("accepted, and a case");
        got.push_str(&format!("  {:<32}{status} {code}\n", probe.name));
        if status != probe.status {
            violations.push(format!(
                "{}: got {status}, expected {}",
                probe.name, probe.status
            ));
        } else if status >= 400 && !explained {
            violations.push(format!("{}: {status} without an explanation", probe.name));
        }
    }
    let found = unreadable_cases(stack, simulators, accepted).await?;
    if found < accepted {
        violations.push(format!(
            "{found} of {accepted} signed bodies that cannot be read are in cases"
        ));
    }
    let check = Check {
        name: "bad webhooks are refused with an explanation, or in a case",
        looked_at: count,
        violations,
    };
    Ok((check, got))
}

/// Waits until as many verified bodies as were sent are cases; returns how many are.
async fn unreadable_cases(
    stack: &Stack,
    simulators: &Simulators,
    sent: usize,
) -> Result<usize, Stop> {
    let begun = Instant::now();
    loop {
        let cases = stack
            .ops(&simulators.http, OPS_TOKEN, "cases?limit=200")
            .await?;
        let open = cases.pointer("/cases").and_then(Value::as_array);
        let codes = open
            .into_iter()
            .flatten()
            .filter_map(|case| case.get("code").and_then(Value::as_str));
        let found = codes.filter(|code| *code == UNREADABLE).count();
        if found >= sent || begun.elapsed() > CASES_LIMIT {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn probes() -> Vec<Probe> {
    let shop = |name, body: &[u8], signature: Option<&str>, status| {
        let mut headers = vec![
            ("x-shopify-topic", "orders/create".to_owned()),
            (
                "x-shopify-shop-domain",
                "waybill-demo.myshopify.com".to_owned(),
            ),
            ("x-shopify-api-version", "2026-07".to_owned()),
            ("x-shopify-webhook-id", "probe".to_owned()),
            ("x-shopify-event-id", "probe".to_owned()),
        ];
        headers.extend(signature.map(|s| ("x-shopify-hmac-sha256", s.to_owned())));
        Probe {
            name,
            path: "webhooks/shopify-main",
            headers,
            body: body.to_vec(),
            status,
        }
    };
    let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    vec![
        shop("unsigned", b"{}", None, 401),
        shop("wrongly signed", b"{}", Some(wrong), 401),
        shop("empty", b"", Some(wrong), 401),
        shop(
            "not UTF-8, wrongly signed",
            &[0xff, 0xfe, 0xfd],
            Some(wrong),
            401,
        ),
        shop(
            "cut off on its way",
            b"{\"id\": 1, \"na",
            Some("sO8iD1Tbj4+32k9dte1U7olWA3WsX04zVpAXkUi7oLk="),
            401,
        ),
        // Signed with the throw-away secret of the local run: the shop itself sent nonsense.
        shop(
            "signed, cut off before that",
            b"{\"id\": 1, \"na",
            Some("0nbmBfToB5d4MCdC82rfMGvHgNVB9jWmN1p33egdBOk="),
            202,
        ),
        // The local gateway hands a JSON body on as text, which loses what is not UTF-8, and with it the signature.
        shop(
            "signed, not UTF-8",
            b"{\xff\xfe}",
            Some("p+bcFM0cZc+cZ/WkavYjhNgXwMj0ApDTFmylHIoQiwU="),
            401,
        ),
        shop("oversized", &vec![b' '; 1024 * 1024 + 1], Some(wrong), 413),
        Probe {
            name: "replayed after a year",
            path: "webhooks/stripe-main",
            headers: vec![(
                "stripe-signature",
                format!("t=1700000000,v1={}", "0".repeat(64)),
            )],
            body: b"{}".to_vec(),
            status: 401,
        },
        Probe {
            name: "unknown connection",
            path: "webhooks/nobody",
            headers: Vec::new(),
            body: b"{}".to_vec(),
            status: 404,
        },
    ]
}
