//! Commands out. One call of [`execute`] is one attempt; the partner carries a key out once, so an
//! attempt in doubt sends the same again.

use super::error::CanonicalError;
use super::wire::Answered;
use crate::client::{Call, unsupported};
use crate::exchange::{Access, send};
use crate::standard_webhooks;
use waybill_flow::ports::ConnectionSecrets;
use waybill_model::command::Command;
use waybill_model::envelope::CommandEnvelope;
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, RefKind, Reference};
use waybill_model::ownership::Role;

/// Most references taken from one answer.
const MAX_REFERENCES: usize = 100;

/// Carries out a command.
///
/// # Errors
/// As classed from the answer by `CanonicalError`.
pub async fn execute(call: Call<'_>, command: &Command) -> Result<Vec<Reference>, Failure> {
    let role = match command {
        Command::CreateFulfillmentOrder(_) | Command::CancelFulfillmentOrder(_) => Role::Warehouse,
        Command::PublishFulfillment(_) | Command::PublishStock(_) => Role::Channel,
        _ => return Err(unsupported("canonical", command)),
    };
    if !call.connection.has_role(role) {
        return Err(unsupported("canonical", command));
    }
    Ok(post(call, command).await?)
}

async fn post(call: Call<'_>, command: &Command) -> Result<Vec<Reference>, CanonicalError> {
    let source =
        ConnectionId::new(CommandEnvelope::OURSELVES).map_err(|_| CanonicalError::Unwritable)?;
    let envelope = CommandEnvelope::new(
        call.key.clone(),
        source,
        call.now,
        call.correlation,
        command.clone(),
    );
    let body = serde_json::to_vec(&envelope).map_err(|_| CanonicalError::Unwritable)?;
    let signed =
        standard_webhooks::headers(&signing(call.secrets), call.key.as_str(), call.now, &body)
            .map_err(|_| CanonicalError::NoSecret)?;
    let url = format!("{}/waybill/commands", call.connection.base_url);
    let mut request = call
        .http
        .post(url)
        .header("content-type", "application/cloudevents+json");
    for (name, value) in signed {
        request = request.header(name, value);
    }
    let answer = send(request.body(body), Access::Write).await?;
    if let Some(error) = CanonicalError::of(&answer) {
        return Err(error);
    }
    let answered: Answered = answer.json().unwrap_or_default();
    let reference = |kind: RefKind, id| match kind {
        RefKind::TrackingNumber => Reference::anywhere(kind, id),
        _ => Reference::new(call.connection.id.clone(), kind, id),
    };
    Ok(answered
        .references
        .into_iter()
        .take(MAX_REFERENCES)
        .map(|r| reference(r.kind, r.id))
        .collect())
}

/// What we sign with: a key of its own where there is one.
fn signing(secrets: &ConnectionSecrets) -> ConnectionSecrets {
    let own = secrets
        .api
        .get("signing_secret")
        .filter(|s| !s.is_blank())
        .cloned();
    ConnectionSecrets {
        webhook_secrets: own.map_or_else(|| secrets.webhook_secrets.clone(), |s| vec![s]),
        ..ConnectionSecrets::default()
    }
}

#[cfg(test)]
mod tests;
