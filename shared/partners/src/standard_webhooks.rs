//! The Standard Webhooks scheme: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
//!
//! Source: standard-webhooks specification and reference library 1.1. Signed is
//! `{id}.{timestamp}.{raw body}` with HMAC-SHA256; the header holds one or more space-separated
//! `v1,{base64}`; the key is the base64 text behind `whsec_`, decoded.

use crate::signature::{self, Encoding};
use crate::webhook::{Refusal, WebhookRequest};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use waybill_flow::ports::ConnectionSecrets;
use waybill_model::time::Instant;

/// Largest accepted distance between the timestamp and now, both ways: the reference library's.
pub const TOLERANCE_S: i64 = 300;
/// Most signatures that are looked at: more than two are only there to cost time.
const MAX_SIGNATURES: usize = 16;

/// Secrets are pasted with and without padding.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Checks timestamp and signature; returns the `webhook-id`, which is the same on every redelivery.
///
/// # Errors
/// A header is missing or malformed, the timestamp is too far from now, no key fits, or the
/// connection has no usable secret.
pub fn verify<'r>(
    request: &WebhookRequest<'r>,
    secrets: &ConnectionSecrets,
) -> Result<&'r str, Refusal> {
    let headers = request.headers;
    let header = |name: &'static str| {
        headers
            .get(name)
            .map(|v| v.trim())
            .filter(|v| !v.is_empty())
            .ok_or(Refusal::MissingHeader { name })
    };
    let id = header("webhook-id")?;
    let timestamp = header("webhook-timestamp")?;
    let signatures = header("webhook-signature")?;
    let keys = decoded_keys(secrets)?;

    let signed_at: i64 = timestamp.parse().map_err(|_| Refusal::MalformedHeader {
        name: "webhook-timestamp",
    })?;
    let age_s = request.now.epoch_s().saturating_sub(signed_at);
    if !(-TOLERANCE_S..=TOLERANCE_S).contains(&age_s) {
        return Err(Refusal::Stale {
            age_s,
            limit_s: TOLERANCE_S,
        });
    }

    let parts: [&[u8]; 5] = [
        id.as_bytes(),
        b".",
        timestamp.as_bytes(),
        b".",
        request.body,
    ];
    let fits = signatures
        .split_ascii_whitespace()
        .take(MAX_SIGNATURES)
        .filter_map(|s| s.strip_prefix("v1,"))
        .any(|given| {
            let keys = keys.iter().map(Vec::as_slice);
            signature::is_signed(given, Encoding::Base64, keys, &parts)
        });
    if fits {
        Ok(id)
    } else {
        Err(Refusal::BadSignature)
    }
}

/// The three headers for a message that we send.
///
/// # Errors
/// [`Refusal::NoSecret`] if no secret is usable. The first usable one signs.
pub fn headers(
    secrets: &ConnectionSecrets,
    id: &str,
    at: Instant,
    body: &[u8],
) -> Result<[(&'static str, String); 3], Refusal> {
    let keys = decoded_keys(secrets)?;
    let key = keys.first().ok_or(Refusal::NoSecret)?;
    let timestamp = at.epoch_s().to_string();
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    let signature = signature::sign(key, &parts, Encoding::Base64);
    Ok([
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", format!("v1,{signature}")),
    ])
}

/// A secret that is not base64 cannot be what the partner signs with: it counts as absent.
fn decoded_keys(secrets: &ConnectionSecrets) -> Result<Vec<Vec<u8>>, Refusal> {
    let keys: Vec<Vec<u8>> = signature::keys(secrets)?
        .into_iter()
        .map(str::trim)
        .filter_map(|s| {
            KEY_BASE64
                .decode(s.strip_prefix("whsec_").unwrap_or(s))
                .ok()
        })
        .filter(|key| !key.is_empty())
        .collect();
    if keys.is_empty() {
        Err(Refusal::NoSecret)
    } else {
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use waybill_flow::ports::Secret;

    const NOW: i64 = 1_750_000_000;

    fn secrets(values: &[&str]) -> ConnectionSecrets {
        ConnectionSecrets {
            webhook_secrets: values.iter().map(|v| Secret::new(*v)).collect(),
            ..ConnectionSecrets::default()
        }
    }

    fn check(headers: &BTreeMap<String, String>, values: &[&str], now: i64) -> Result<(), Refusal> {
        let request = WebhookRequest {
            headers,
            topic_path: None,
            body: b"{}",
            now: Instant::from_epoch_s(now),
        };
        verify(&request, &secrets(values)).map(|id| assert_eq!(id, "msg_1"))
    }

    fn signed(secret: &str) -> BTreeMap<String, String> {
        headers(
            &secrets(&[secret]),
            "msg_1",
            Instant::from_epoch_s(NOW),
            b"{}",
        )
        .unwrap()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    #[test]
    fn what_we_sign_verifies_while_the_secret_rotates() {
        let h = signed("whsec_b2xk");
        assert_eq!(check(&h, &["whsec_b2xk"], NOW), Ok(()));
        assert_eq!(check(&h, &["whsec_bmV3", "whsec_b2xk"], NOW), Ok(()));
        assert_eq!(check(&h, &["whsec_bmV3"], NOW), Err(Refusal::BadSignature));
    }

    #[test]
    fn the_clock_may_differ_by_five_minutes_both_ways() {
        let h = signed("whsec_b2xk");
        assert_eq!(check(&h, &["whsec_b2xk"], NOW + 300), Ok(()));
        assert_eq!(check(&h, &["whsec_b2xk"], NOW - 300), Ok(()));
        for now in [NOW + 301, NOW - 301] {
            assert!(matches!(
                check(&h, &["whsec_b2xk"], now),
                Err(Refusal::Stale { .. })
            ));
        }
    }

    #[test]
    fn a_missing_header_and_an_unusable_secret_are_named() {
        let mut h = signed("whsec_b2xk");
        assert_eq!(check(&h, &["whsec_!"], NOW), Err(Refusal::NoSecret));
        assert_eq!(check(&h, &[""], NOW), Err(Refusal::NoSecret));
        h.remove("webhook-timestamp");
        assert_eq!(
            check(&h, &["whsec_b2xk"], NOW),
            Err(Refusal::MissingHeader {
                name: "webhook-timestamp"
            })
        );
    }
}
