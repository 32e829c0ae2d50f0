//! Webhook signatures, as each partner computes them. Written from the public documents; shares no
//! code with the verifiers that they are to test.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization;

/// Which scheme a partner signs by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Base64 of the HMAC of the body alone.
    Shopify,
    /// Hex of the HMAC of `{t}.{body}`; the key is the whole secret text.
    Stripe,
    /// Standard Webhooks: base64 of the HMAC of `{id}.{timestamp}.{body}`; the key is the decoded
    /// secret behind `whsec_`.
    StandardWebhooks,
    /// Hex of the HMAC of the body with a prefix; the secret is NFKD-normalised.
    Easypost,
    /// Base64 of the HMAC of `{timestamp}{body}`.
    Zendesk,
}

/// Headers that sign `body`, or why the secret cannot be used. `message_id` is the id of the event
/// where the scheme signs it.
///
/// # Errors
/// A Standard Webhooks secret that is not base64.
pub fn sign(
    scheme: Scheme,
    secret: &str,
    message_id: &str,
    at: Timestamp,
    body: &[u8],
) -> Result<Vec<(&'static str, String)>, String> {
    let seconds = at.as_second().to_string();
    Ok(match scheme {
        Scheme::Shopify => {
            let mac = mac(secret.as_bytes(), &[body]);
            vec![("X-Shopify-Hmac-Sha256", STANDARD.encode(mac))]
        }
        Scheme::Stripe => {
            let mac = mac(secret.as_bytes(), &[seconds.as_bytes(), b".", body]);
            let header = format!("t={seconds},v1={}", hex::encode(mac));
            vec![("Stripe-Signature", header)]
        }
        Scheme::StandardWebhooks => {
            let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
            let key = STANDARD
                .decode(encoded)
                .map_err(|e| format!("the secret is not base64 after `whsec_`: {e}"))?;
            let parts = [message_id.as_bytes(), b".", seconds.as_bytes(), b".", body];
            let signature = format!("v1,{}", STANDARD.encode(mac(&key, &parts)));
            vec![
                ("webhook-id", message_id.to_owned()),
                ("webhook-timestamp", seconds),
                ("webhook-signature", signature),
            ]
        }
        Scheme::Easypost => {
            let key: String = secret.nfkd().collect();
            let mac = hex::encode(mac(key.as_bytes(), &[body]));
            vec![("X-Hmac-Signature", format!("hmac-sha256-hex={mac}"))]
        }
        Scheme::Zendesk => {
            let timestamp = crate::env::utc_seconds(at);
            let mac = mac(secret.as_bytes(), &[timestamp.as_bytes(), body]);
            vec![
                ("X-Zendesk-Webhook-Signature", STANDARD.encode(mac)),
                ("X-Zendesk-Webhook-Signature-Timestamp", timestamp),
            ]
        }
    })
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        // HMAC takes keys of any length; were it to refuse one, no signature would verify.
        return Vec::new();
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// The canonical simulator verifies what we send it: Standard Webhooks, the other way round.
#[must_use]
pub fn verify_standard(
    secret: &str,
    id: &str,
    timestamp: &str,
    signatures: &str,
    now: Timestamp,
    body: &[u8],
) -> bool {
    let Ok(seconds) = timestamp.parse::<i64>() else {
        return false;
    };
    let Ok(at) = Timestamp::from_second(seconds) else {
        return false;
    };
    if now.as_second().abs_diff(seconds) > 300 {
        return false;
    }
    let Ok(headers) = sign(Scheme::StandardWebhooks, secret, id, at, body) else {
        return false;
    };
    headers
        .iter()
        .filter(|(name, _)| *name == "webhook-signature")
        .any(|(_, expected)| signatures.split(' ').any(|s| s == expected))
}
