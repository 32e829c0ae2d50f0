//! stub to be replaced in the next step
use crate::client::{Call, unsupported};
use waybill_flow::connections::Connection;
use waybill_flow::ports::{ConnectionSecrets, PolledPage};
use waybill_model::command::Command;
use waybill_model::failure::Failure;
use waybill_model::id::Reference;
use waybill_model::time::Instant;

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
    _since: Instant,
    _cursor: Option<&str>,
    _now: Instant,
) -> Result<PolledPage, Failure> {
    Ok(PolledPage {
        deliveries: Vec::new(),
        cursor: None,
    })
}
