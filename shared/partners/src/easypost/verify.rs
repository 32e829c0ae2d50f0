//! `X-Hmac-Signature: hmac-sha256-hex=…`: hex of HMAC-SHA256 over the raw body, keyed with the
//! secret in Unicode normal form KD. There is no timestamp: a replay repeats a snapshot, which its
//! instant makes harmless.

use crate::signature::{self, Encoding};
use crate::webhook::{Refusal, Verified, WebhookRequest};
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;
use waybill_flow::connections::Connection;
use waybill_flow::ports::ConnectionSecrets;

const HEADER: &str = "x-hmac-signature";
const PREFIX: &str = "hmac-sha256-hex=";

/// Checks the signature.
///
/// # Errors
/// Why it is refused. EasyPost sends no signature where no secret was set: that is refused too.
pub fn verify(
    _connection: &Connection,
    request: &WebhookRequest<'_>,
    secrets: &ConnectionSecrets,
) -> Result<Verified, Refusal> {
    let text = request
        .header(HEADER)
        .map(str::trim)
        .filter(|v| !v.is_empty())
        .ok_or(Refusal::MissingHeader { name: HEADER })?;
    let keys: Vec<String> = signature::keys(secrets)?
        .into_iter()
        .map(|key| key.nfkd().collect())
        .collect();
    let given = text
        .strip_prefix(PREFIX)
        .ok_or(Refusal::MalformedHeader { name: HEADER })?;
    let keys = keys.iter().map(String::as_bytes);
    if signature::is_signed(given, Encoding::Hex, keys, &[request.body]) {
        Ok(Verified::new(None, None, BTreeMap::new()))
    } else {
        Err(Refusal::BadSignature)
    }
}
