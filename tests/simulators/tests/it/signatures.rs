//! Signing algorithms against vectors that the partners' own libraries made.

use serde_json::Value;
use std::path::PathBuf;
use waybill_simulators::sign::{Scheme, sign};

fn vectors(partner: &str) -> Option<Value> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/wire");
    let wire = std::env::var_os("WAYBILL_WIRE").map_or(beside, PathBuf::from);
    let path = wire.join("vectors").join(format!("{partner}.json"));
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            eprintln!("skipped: no vectors at `{}`", path.display());
            None
        }
    }
}

fn signs_as_the_first_vector(partner: &str, scheme: Scheme, header: &str, id: &str, time: &str) {
    let Some(file) = vectors(partner) else { return };
    let vector = &file["vectors"][0];
    assert_eq!(vector["valid"], true);
    let headers = &vector["headers"];
    let text = |name: &str| headers[name].as_str().unwrap_or("").to_owned();
    let expected = text(header);
    let at = match scheme {
        Scheme::Stripe => {
            let seconds = expected.split(',').next().unwrap().trim_start_matches("t=");
            jiff::Timestamp::from_second(seconds.parse().unwrap()).unwrap()
        }
        Scheme::StandardWebhooks => {
            jiff::Timestamp::from_second(text(time).parse().unwrap()).unwrap()
        }
        Scheme::Zendesk => text(time).parse().unwrap(),
        Scheme::Shopify | Scheme::Easypost => jiff::Timestamp::UNIX_EPOCH,
    };
    let secret = vector["secret"].as_str().unwrap();
    let body = vector["body"].as_str().unwrap().as_bytes();
    let signed = sign(scheme, secret, &text(id), at, body).unwrap();
    let (_, found) = signed
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(header))
        .unwrap();
    assert_eq!(*found, expected);
}

#[test]
fn shopify_signs_as_the_official_library_accepts() {
    signs_as_the_first_vector("shopify", Scheme::Shopify, "X-Shopify-Hmac-Sha256", "", "");
}

#[test]
fn stripe_signs_as_the_official_library_accepts() {
    signs_as_the_first_vector("stripe", Scheme::Stripe, "Stripe-Signature", "", "");
}

#[test]
fn shipbob_signs_as_the_reference_library_accepts() {
    signs_as_the_first_vector(
        "shipbob_standard_webhooks",
        Scheme::StandardWebhooks,
        "webhook-signature",
        "webhook-id",
        "webhook-timestamp",
    );
}

#[test]
fn easypost_signs_as_the_official_library_accepts_with_an_accent_in_the_secret() {
    signs_as_the_first_vector("easypost", Scheme::Easypost, "X-Hmac-Signature", "", "");
}

#[test]
fn zendesk_signs_as_documented() {
    signs_as_the_first_vector(
        "zendesk",
        Scheme::Zendesk,
        "X-Zendesk-Webhook-Signature",
        "",
        "X-Zendesk-Webhook-Signature-Timestamp",
    );
}

/// Known answer, computed with OpenSSL: holds where the vectors are absent.
#[test]
fn the_body_alone_is_signed_for_shopify() {
    let signed = sign(
        Scheme::Shopify,
        "key",
        "",
        jiff::Timestamp::UNIX_EPOCH,
        b"body",
    )
    .unwrap();
    assert_eq!(signed[0].1, "UVquEztDXUAAlWcx9orlz164XU8NxqVG0r/NNZXsGuE=");
}

#[test]
fn a_secret_that_is_not_base64_is_refused_for_standard_webhooks() {
    let at = jiff::Timestamp::UNIX_EPOCH;
    assert!(sign(Scheme::StandardWebhooks, "whsec_!", "id", at, b"").is_err());
}
