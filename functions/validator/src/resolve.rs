//! Which order a fact belongs to.

use waybill_flow::connections::Connection;
use waybill_flow::ports::{InfraError, OrderStore, Parked};
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::Subject;
use waybill_model::id::{CorrelationId, Reference};
use waybill_model::time::Instant;

/// Where a fact goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// To this order or connection.
    Known(CorrelationId),
    /// To nobody yet: whoever comes to know one of these.
    Unknown(Vec<Reference>),
}

pub(crate) async fn target(
    orders: &impl OrderStore,
    connection: &Connection,
    subject: &Subject,
) -> Result<Target, InfraError> {
    match subject {
        Subject::Order(correlation) => Ok(Target::Known(*correlation)),
        Subject::Connection => Ok(Target::Known(CorrelationId::for_connection(&connection.id))),
        Subject::Reference(references) => Ok(match lookup(orders, references).await? {
            Some(correlation) => Target::Known(correlation),
            None => Target::Unknown(references.clone()),
        }),
    }
}

/// The order that the first telling reference leads to. One that leads to several orders (a
/// customer's e-mail address) tells nothing.
async fn lookup(
    orders: &impl OrderStore,
    references: &[Reference],
) -> Result<Option<CorrelationId>, InfraError> {
    for reference in references {
        if let [only] = orders.resolve(reference).await?.as_slice() {
            return Ok(Some(*only));
        }
    }
    Ok(None)
}

/// Parks the event under each reference, then looks once more: the order may have become known in
/// between, and whoever made it known may have looked for parked events before there was one.
pub(crate) async fn park(
    orders: &impl OrderStore,
    event: &EventEnvelope,
    references: &[Reference],
    now: Instant,
) -> Result<Option<CorrelationId>, InfraError> {
    let parked: Vec<Parked> = references
        .iter()
        .map(|reference| Parked {
            reference: reference.clone(),
            event: event.clone(),
            since: now,
        })
        .collect();
    for one in &parked {
        orders.park(one).await?;
    }
    let found = lookup(orders, references).await?;
    if found.is_some() {
        for one in &parked {
            // Left behind it would be sent once more, which the fold tolerates.
            if let Err(error) = orders.unpark(one).await {
                tracing::warn!(%error, "a parked event stays until it expires");
            }
        }
    }
    Ok(found)
}
