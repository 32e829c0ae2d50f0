//! Every case of the shared signature vectors gets its stated verdict.

use crate::support::{verify, wire_folder};
use serde::Deserialize;
use std::collections::BTreeMap;
use waybill_flow::connections::PartnerKind;

#[derive(Deserialize)]
struct VectorFile {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    description: String,
    secret: String,
    headers: BTreeMap<String, String>,
    body: String,
    now_unix: Option<i64>,
    valid: bool,
}

fn run(file: &str, partner: PartnerKind, at_least: usize) {
    let Some(folder) = wire_folder("vectors") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let file: VectorFile = serde_json::from_str(&text).unwrap();
    assert!(file.vectors.len() >= at_least);
    for v in &file.vectors {
        let headers: Vec<(&str, &str)> = v
            .headers
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        let now_s = v.now_unix.unwrap_or(1_750_000_000);
        let check = |secrets: &[&str]| verify(partner, secrets, &headers, v.body.as_bytes(), now_s);
        let verdict = check(&[&v.secret]);
        assert_eq!(verdict.is_ok(), v.valid, "{}: {verdict:?}", v.description);
        let rotating = check(&["whsec_bmV4dA==", &v.secret]);
        assert_eq!(rotating.is_ok(), v.valid, "{} (previous)", v.description);
        for none in [&[][..], &[""], &["  "]] {
            assert!(check(none).is_err(), "{} (no secret)", v.description);
        }
        assert!(check(&["whsec_bmV4dA=="]).is_err(), "{}", v.description);
    }
}

#[test]
fn stripe_vectors_get_their_verdict() {
    run("stripe.json", PartnerKind::Stripe, 9);
}

#[test]
fn shipbob_vectors_get_their_verdict() {
    run("shipbob_standard_webhooks.json", PartnerKind::Shipbob, 6);
}

#[test]
fn easypost_vectors_get_their_verdict() {
    run("easypost.json", PartnerKind::Easypost, 6);
}

#[test]
fn zendesk_vectors_get_their_verdict() {
    run("zendesk.json", PartnerKind::Zendesk, 5);
}

#[test]
fn shopify_vectors_get_their_verdict() {
    run("shopify.json", PartnerKind::Shopify, 6);
}
