//! `Stripe-Signature: t=…,v1=…`: hex of HMAC-SHA256 over `{t}.{raw body}`, keyed with the whole
//! secret, `whsec_` included. Several `v1` stand there while a secret rolls; `v0` counts for nothing.

use crate::signature::{self, Encoding};
use crate::webhook::{Refusal, Verified, WebhookRequest};
use std::collections::BTreeMap;
use waybill_flow::connections::Connection;
use waybill_flow::ports::ConnectionSecrets;

/// Largest accepted age in seconds: Stripe's own.
pub const MAX_AGE_S: i64 = 300;
/// Furthest accepted timestamp in the future, in seconds. Stripe's library checks none, so that a
/// receiver whose clock is slow loses nothing; we allow a clock an hour slow, which bounds how long
/// a captured call can be used again to an hour and five minutes.
pub const MAX_AHEAD_S: i64 = 3600;

const HEADER: &str = "stripe-signature";
/// Most signatures that are looked at.
const MAX_SIGNATURES: usize = 16;

/// Checks the signature and the timestamp.
///
/// # Errors
/// Why it is refused.
pub fn verify(
    _connection: &Connection,
    request: &WebhookRequest<'_>,
    secrets: &ConnectionSecrets,
) -> Result<Verified, Refusal> {
    let text = request
        .header(HEADER)
        .filter(|v| !v.trim().is_empty())
        .ok_or(Refusal::MissingHeader { name: HEADER })?;
    let keys = signature::keys(secrets)?;
    let mut timestamp = None;
    let mut given = Vec::new();
    for part in text.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => timestamp = Some(value),
            Some(("v1", value)) if given.len() < MAX_SIGNATURES => given.push(value),
            _ => {}
        }
    }
    let malformed = Refusal::MalformedHeader { name: HEADER };
    let timestamp = timestamp.ok_or_else(|| malformed.clone())?;
    let signed_at: i64 = timestamp.parse().map_err(|_| malformed.clone())?;
    if given.is_empty() {
        return Err(malformed);
    }
    let parts: [&[u8]; 3] = [timestamp.as_bytes(), b".", request.body];
    let fits = given.iter().any(|given| {
        let keys = keys.iter().map(|k| k.as_bytes());
        signature::is_signed(given, Encoding::Hex, keys, &parts)
    });
    if !fits {
        return Err(Refusal::BadSignature);
    }
    let age_s = request.now.epoch_s().saturating_sub(signed_at);
    if age_s > MAX_AGE_S {
        return Err(Refusal::Stale {
            age_s,
            limit_s: MAX_AGE_S,
        });
    }
    if age_s < -MAX_AHEAD_S {
        return Err(Refusal::Stale {
            age_s,
            limit_s: MAX_AHEAD_S,
        });
    }
    // Topic and id stand in the body, which `parse` reads.
    Ok(Verified::new(None, None, BTreeMap::new()))
}
