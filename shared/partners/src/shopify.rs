//! Adapter of `shopify`.

use crate::client::{Call, unsupported};
use crate::webhook::{Parsed, Refusal, Unreadable, Verified, WebhookRequest};
use waybill_flow::connections::Connection;
use waybill_flow::ports::ConnectionSecrets;
use waybill_model::command::Command;
use waybill_model::delivery::Delivery;
use waybill_model::failure::Failure;
use waybill_model::id::Reference;

/// Checks the signature.
///
/// # Errors
/// Why it is refused.
pub fn verify(
    _connection: &Connection,
    _request: &WebhookRequest<'_>,
    _secrets: &ConnectionSecrets,
) -> Result<Verified, Refusal> {
    Err(Refusal::NoWebhooks)
}

/// Reads a delivery.
///
/// # Errors
/// Where and why it cannot be read.
pub fn parse(_connection: &Connection, _delivery: &Delivery) -> Result<Parsed, Unreadable> {
    Err(Unreadable::new("not_built", "this adapter is not built"))
}

/// Carries out a command.
///
/// # Errors
/// As classed from the answer's body.
pub async fn execute(_call: Call<'_>, command: &Command) -> Result<Vec<Reference>, Failure> {
    Err(unsupported("shopify", command))
}

/// One page of orders changed since an instant.
///
/// # Errors
/// As classed from the answer's body.
pub async fn poll(
    _http: &reqwest::Client,
    _connection: &Connection,
    _secrets: &ConnectionSecrets,
    _since: waybill_model::time::Instant,
    _cursor: Option<&str>,
    _now: waybill_model::time::Instant,
) -> Result<waybill_flow::ports::PolledPage, Failure> {
    Ok(waybill_flow::ports::PolledPage {
        deliveries: Vec::new(),
        cursor: None,
    })
}
