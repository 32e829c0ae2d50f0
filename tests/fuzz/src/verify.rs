//! Verifiers: what a partner signed is accepted, and nothing else. Signatures are made here by other
//! code than the product's.

use crate::draw::Draw;
use crate::mutate::{self, TEXTS};
use crate::properties::{error_tells_no_person, in_time};
use crate::webhooks::connection;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization as _;
use waybill_flow::connections::Connection;
use waybill_flow::ports::{ConnectionSecrets, Secret};
use waybill_model::time::Instant;
use waybill_partners::{Refusal, Verified, WebhookRequest};

/// When the calls are signed, in seconds since the epoch.
const SIGNED_AT: i64 = 1_772_539_200;

/// A call that is signed as its partner signs.
struct Call {
    partner: &'static str,
    secret: String,
    headers: BTreeMap<String, String>,
    /// Those whose every bit is signed or is the signature.
    sealed: &'static [&'static str],
    /// Farthest accepted distance of the signature into past and future, in seconds.
    window: Option<(i64, i64)>,
    body: Vec<u8>,
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn headers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

impl Call {
    fn ask(&self, secret: &str, now_s: i64) -> Result<Verified, Refusal> {
        let request = WebhookRequest {
            headers: &self.headers,
            topic_path: None,
            body: &self.body,
            now: Instant::from_epoch_s(now_s),
        };
        let secrets = ConnectionSecrets {
            webhook_secrets: vec![Secret::new("b3RoZXI="), Secret::new(secret)],
            ..ConnectionSecrets::default()
        };
        let connection: Connection = connection(self.partner, &json!({}));
        let answer = in_time("verify", || {
            waybill_partners::verify(&connection, &request, &secrets)
        });
        if let Err(refusal) = &answer {
            error_tells_no_person(refusal);
            assert!(!refusal.code().is_empty());
        }
        answer
    }

    fn refused(&self, secret: &str, what: &str) {
        let answer = self.ask(secret, SIGNED_AT);
        assert!(
            answer.is_err(),
            "{}: accepted with {what}: {answer:?}",
            self.partner
        );
    }
}

/// Holds a signed call to: itself is accepted, nothing near it is.
fn check(mut call: Call, draw: &mut Draw<'_>) {
    let secret = call.secret.clone();
    let answer = call.ask(&secret, SIGNED_AT);
    if call.body.is_empty() && answer.is_err() {
        return;
    }
    let verified =
        answer.unwrap_or_else(|e| panic!("{}: what was signed is refused: {e}", call.partner));
    assert_eq!(Ok(verified), call.ask(&secret, SIGNED_AT));
    if let Some((past, future)) = call.window {
        let off = draw.number().cast_signed() >> (draw.below(64));
        let accepted = call.ask(&secret, SIGNED_AT.saturating_add(off)).is_ok();
        assert_eq!(
            accepted,
            (-future..=past).contains(&off),
            "{}: {off} s off",
            call.partner
        );
    }
    match draw.below(5) {
        0 => {
            if call.body.is_empty() {
                return;
            }
            let (at, bit) = (draw.below(call.body.len()), draw.below(8));
            call.body[at] ^= 1 << bit;
            call.refused(&secret, "another body");
        }
        1 => {
            if draw.once_in(2) {
                call.body.push(draw.byte());
            } else if call.body.pop().is_none() {
                return;
            }
            call.refused(&secret, "a longer or shorter body");
        }
        2 => {
            let name = *draw.of(call.sealed);
            let value = call.headers.get_mut(name).unwrap();
            let mut bytes = value.clone().into_bytes();
            let at = draw.below(bytes.len());
            bytes[at] ^= 1 << draw.below(7);
            *value = String::from_utf8(bytes).unwrap();
            call.refused(&secret, &format!("another `{name}`"));
        }
        3 => {
            let mut bytes = secret.into_bytes();
            let at = draw.below(bytes.len());
            bytes[at] ^= 1 << draw.below(7);
            call.refused(&String::from_utf8(bytes).unwrap(), "another secret");
        }
        _ => {
            let name = *draw.of(call.sealed);
            let made_up = match draw.below(4) {
                0 => None,
                1 => Some((*draw.of(&TEXTS)).to_owned()),
                2 => Some(String::from_utf8_lossy(draw.rest()).into_owned()),
                _ => Some(STANDARD.encode(draw.rest())),
            };
            let before = call.headers.remove(name).unwrap();
            match made_up {
                Some(text) if text.trim() == before.trim() => return,
                Some(text) => drop(call.headers.insert(name.to_owned(), text)),
                None => {}
            }
            call.refused(&secret, &format!("a made-up `{name}`"));
        }
    }
}

fn body(draw: &mut Draw<'_>) -> Vec<u8> {
    if draw.once_in(16) {
        return Vec::new();
    }
    let seed = json!({"id": 1, "name": mutate::MARKER, "lines": [1, "2", null]});
    let mut body = mutate::document(&[seed], draw);
    // Signing is linear: more would only cost time.
    body.truncate(8192);
    body
}

/// Standard Webhooks, as ShipBob and canonical partners sign.
fn standard(partner: &'static str, input: &[u8]) {
    let mut draw = Draw::new(input);
    let key: Vec<u8> = (0..=draw.below(40))
        .map(|n| (7 + n as u8) ^ draw.byte())
        .collect();
    let body = body(&mut draw);
    let at = SIGNED_AT.to_string();
    let given = mac(&key, &[b"msg_1.", at.as_bytes(), b".", &body]);
    let mut given = format!("v1,{}", STANDARD.encode(given));
    if draw.once_in(4) {
        given = format!("v1a,{} v1, v2,x {given}", STANDARD.encode(b"other"));
    }
    let prefix = *draw.of(&["whsec_", ""]);
    let sealed: &[&str] = match given.starts_with("v1,") {
        true => &["webhook-id", "webhook-timestamp", "webhook-signature"],
        // Of several signatures one is enough: a change to the others is none.
        false => &["webhook-id", "webhook-timestamp"],
    };
    let call = Call {
        partner,
        secret: format!("{prefix}{}", STANDARD.encode(key)),
        headers: headers(&[
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", &at),
            ("webhook-signature", &given),
            ("x-webhook-topic", "order.shipped"),
        ]),
        sealed,
        window: Some((300, 300)),
        body,
    };
    check(call, &mut draw);
}

/// ShipBob's webhooks.
pub fn shipbob(input: &[u8]) {
    standard("shipbob", input);
}

/// Webhooks of canonical partners.
pub fn canonical(input: &[u8]) {
    standard("canonical", input);
}

fn secret(draw: &mut Draw<'_>) -> String {
    let n = draw.number();
    (*draw.of(&["hush", "shpss_ab12", "a b", "x"])).to_owned() + &n.to_string()
}

/// Shopify's webhooks, in both families of headers.
pub fn shopify(input: &[u8]) {
    let mut draw = Draw::new(input);
    let secret = secret(&mut draw);
    let body = body(&mut draw);
    let given = STANDARD.encode(mac(secret.as_bytes(), &[&body]));
    let events = draw.once_in(2);
    let prefix = if events { "shopify" } else { "x-shopify" };
    let named = [
        "hmac-sha256",
        "topic",
        "shop-domain",
        "api-version",
        "webhook-id",
        "event-id",
    ]
    .map(|name| format!("{prefix}-{name}"));
    let values = [
        given.as_str(),
        "orders/create",
        "example.myshopify.com",
        "2026-07",
        "w-1",
        "e-1",
    ];
    let pairs: Vec<(&str, &str)> = named.iter().map(String::as_str).zip(values).collect();
    let call = Call {
        partner: "shopify",
        secret,
        headers: headers(&pairs),
        sealed: if events {
            &["shopify-hmac-sha256"]
        } else {
            &["x-shopify-hmac-sha256"]
        },
        window: None,
        body,
    };
    check(call, &mut draw);
}

/// Stripe's webhooks.
pub fn stripe(input: &[u8]) {
    let mut draw = Draw::new(input);
    let secret = secret(&mut draw);
    let body = body(&mut draw);
    let at = SIGNED_AT.to_string();
    let given = hex::encode(mac(secret.as_bytes(), &[at.as_bytes(), b".", &body]));
    let call = Call {
        partner: "stripe",
        secret,
        headers: headers(&[("stripe-signature", &format!("t={at},v1={given}"))]),
        sealed: &["stripe-signature"],
        window: Some((300, 3600)),
        body,
    };
    check(call, &mut draw);
}

/// EasyPost's webhooks.
pub fn easypost(input: &[u8]) {
    let mut draw = Draw::new(input);
    let secret = secret(&mut draw);
    let body = body(&mut draw);
    let key: String = secret.nfkd().collect();
    let given = hex::encode(mac(key.as_bytes(), &[&body]));
    let call = Call {
        partner: "easypost",
        secret,
        headers: headers(&[("x-hmac-signature", &format!("hmac-sha256-hex={given}"))]),
        sealed: &["x-hmac-signature"],
        window: None,
        body,
    };
    check(call, &mut draw);
}

/// Zendesk's webhooks.
pub fn zendesk(input: &[u8]) {
    let mut draw = Draw::new(input);
    let secret = secret(&mut draw);
    let body = body(&mut draw);
    let at = "2026-03-03T12:00:00Z";
    let given = STANDARD.encode(mac(secret.as_bytes(), &[at.as_bytes(), &body]));
    let call = Call {
        partner: "zendesk",
        secret,
        headers: headers(&[
            ("x-zendesk-webhook-signature", &given),
            ("x-zendesk-webhook-signature-timestamp", at),
        ]),
        sealed: &[
            "x-zendesk-webhook-signature",
            "x-zendesk-webhook-signature-timestamp",
        ],
        window: None,
        body,
    };
    check(call, &mut draw);
}

/// Headers that nobody signed: none of them opens any door.
pub fn unsigned(input: &[u8]) {
    let mut draw = Draw::new(input);
    let partner = *draw.of(&[
        "shopify",
        "stripe",
        "shipbob",
        "easypost",
        "zendesk",
        "canonical",
        "odoo",
    ]);
    let names = [
        "x-shopify-hmac-sha256",
        "shopify-hmac-sha256",
        "stripe-signature",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-hmac-signature",
        "x-zendesk-webhook-signature",
        "x-zendesk-webhook-signature-timestamp",
    ];
    let mut given = BTreeMap::new();
    for name in names {
        let value = match draw.below(6) {
            0 => continue,
            1 => (*draw.of(&TEXTS)).to_owned(),
            2 => format!(
                "t={SIGNED_AT},v1={}",
                hex::encode(draw.number().to_be_bytes())
            ),
            3 => format!("v1,{}", STANDARD.encode(draw.number().to_be_bytes())),
            4 => format!("hmac-sha256-hex={}", "0".repeat(64)),
            _ => SIGNED_AT.to_string(),
        };
        given.insert(name.to_owned(), value);
    }
    let call = Call {
        partner,
        secret: String::new(),
        headers: given,
        sealed: &[],
        window: None,
        body: body(&mut draw),
    };
    for secret in ["", " ", "hush", "whsec_aHVzaA=="] {
        call.refused(secret, "headers that nobody signed");
    }
}
