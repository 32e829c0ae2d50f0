//! Bad input at the front door: what each gets, and that it leaves nothing behind.

use crate::Stop;
use crate::invariants::Check;
use crate::simulators::Simulators;
use crate::stack::Stack;

/// One call that must be refused.
struct Probe {
    name: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: u16,
}

/// Sends every probe; a violation is a probe that got another status, or no explanation.
///
/// # Errors
/// The stack cannot be reached.
pub async fn run(stack: &Stack, simulators: &Simulators) -> Result<Vec<Check>, Stop> {
    let mut violations = Vec::new();
    let probes = probes();
    let count = probes.len();
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
        if status != probe.status {
            violations.push(format!(
                "{}: got {status}, expected {}",
                probe.name, probe.status
            ));
        } else if status >= 400 && !body.contains("remedy") {
            violations.push(format!("{}: {status} without an explanation", probe.name));
        }
    }
    Ok(vec![Check {
        name: "bad webhooks are refused with an explanation",
        looked_at: count,
        violations,
    }])
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
