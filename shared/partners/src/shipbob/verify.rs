//! Standard Webhooks, with the topic in a header of its own.

use crate::standard_webhooks;
use crate::webhook::{Refusal, Verified, WebhookRequest};
use std::collections::BTreeMap;
use waybill_flow::connections::Connection;
use waybill_flow::ports::ConnectionSecrets;

/// Checks the signature. The topic is not signed: the mapper checks that the body has the shape of
/// its topic, and the id, which is signed, keeps a body from counting twice under two topics.
///
/// # Errors
/// Why it is refused. The 1.0 and 2.0 APIs sign nothing, so theirs are always refused.
pub fn verify(
    _connection: &Connection,
    request: &WebhookRequest<'_>,
    secrets: &ConnectionSecrets,
) -> Result<Verified, Refusal> {
    let id = standard_webhooks::verify(request, secrets)?;
    let topic = request
        .header("x-webhook-topic")
        .or(request.topic_path)
        .map(str::to_owned);
    Ok(Verified::new(topic, Some(id.to_owned()), BTreeMap::new()))
}
