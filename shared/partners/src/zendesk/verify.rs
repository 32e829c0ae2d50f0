//! `base64(HMAC-SHA256(timestamp header + raw body))`, the secret taken as text.
//!
//! Zendesk names no largest age, and does not say whether a repeated delivery is signed afresh. So
//! none is enforced: what a replay can do is repeat a snapshot, which its version makes harmless.

use crate::signature::{self, Encoding};
use crate::webhook::{Refusal, Verified, WebhookRequest};
use std::collections::BTreeMap;
use waybill_flow::connections::Connection;
use waybill_flow::ports::ConnectionSecrets;

const SIGNATURE: &str = "x-zendesk-webhook-signature";
pub(super) const TIMESTAMP: &str = "x-zendesk-webhook-signature-timestamp";

/// Checks the signature. An empty body is signed too: webhooks can be set to send none.
///
/// # Errors
/// Why it is refused.
pub fn verify(
    _connection: &Connection,
    request: &WebhookRequest<'_>,
    secrets: &ConnectionSecrets,
) -> Result<Verified, Refusal> {
    let header = |name: &'static str| {
        request
            .header(name)
            .filter(|v| !v.trim().is_empty())
            .ok_or(Refusal::MissingHeader { name })
    };
    let given = header(SIGNATURE)?;
    let timestamp = header(TIMESTAMP)?;
    let keys = signature::keys(secrets)?;
    let fits = signature::is_signed(
        given.trim(),
        Encoding::Base64,
        keys.into_iter().map(str::as_bytes),
        &[timestamp.as_bytes(), request.body],
    );
    if !fits {
        return Err(Refusal::BadSignature);
    }
    // The invocation id is not signed, so the dedupe id is taken from the body.
    let headers = BTreeMap::from([(TIMESTAMP.to_owned(), timestamp.to_owned())]);
    Ok(Verified::new(
        request.topic_path.map(str::to_owned),
        None,
        headers,
    ))
}
