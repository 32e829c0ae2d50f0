//! Signature of canonical webhooks: Standard Webhooks.

use crate::standard_webhooks;
use crate::webhook::{Refusal, Verified, WebhookRequest};
use std::collections::BTreeMap;
use waybill_flow::connections::Connection;
use waybill_flow::ports::ConnectionSecrets;

/// Checks the signature. The type of the message stands in the body, which is signed, so there is
/// no topic here.
///
/// # Errors
/// Why it is refused.
pub fn verify(
    _connection: &Connection,
    request: &WebhookRequest<'_>,
    secrets: &ConnectionSecrets,
) -> Result<Verified, Refusal> {
    let id = standard_webhooks::verify(request, secrets)?;
    Ok(Verified::new(None, Some(id.to_owned()), BTreeMap::new()))
}
