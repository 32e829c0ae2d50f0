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
    /// To these orders or this connection: several where orders share a parcel.
    Known(Vec<CorrelationId>),
    /// To nobody yet: whoever comes to know one of these.
    Unknown(Vec<Reference>),
}

pub(crate) async fn target(
    orders: &impl OrderStore,
    connection: &Connection,
    subject: &Subject,
) -> Result<Target, InfraError> {
    match subject {
        Subject::Order(correlation) => Ok(Target::Known(vec![*correlation])),
        Subject::Connection => {
            let own = CorrelationId::for_connection(&connection.id);
            Ok(Target::Known(vec![own]))
        }
        Subject::Reference(references) => {
            let found = lookup(orders, references).await?;
            if found.is_empty() {
                return Ok(Target::Unknown(references.clone()));
            }
            Ok(Target::Known(found))
        }
    }
}

/// The orders that the first telling reference leads to. One that leads to several (a customer's
/// e-mail address) tells nothing, but for a tracking number: orders can leave in one parcel, and
/// what happens to it happens to all of them.
async fn lookup(
    orders: &impl OrderStore,
    references: &[Reference],
) -> Result<Vec<CorrelationId>, InfraError> {
    for reference in references {
        let found = orders.resolve(reference).await?;
        let is_telling = match reference.kind.is_shared() {
            true => !found.is_empty(),
            false => found.len() == 1,
        };
        if is_telling {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// The event as it waits under each reference.
pub(crate) fn parked(event: &EventEnvelope, references: &[Reference], now: Instant) -> Vec<Parked> {
    let waits = |reference: &Reference| Parked {
        reference: reference.clone(),
        event: event.clone(),
        since: now,
    };
    references.iter().map(waits).collect()
}

/// Parks an event, then looks once more: the order may have become known in between, and whoever
/// made it known may have looked for parked events before there was one.
pub(crate) async fn park(
    orders: &impl OrderStore,
    rows: &[Parked],
    references: &[Reference],
) -> Result<Vec<CorrelationId>, InfraError> {
    for one in rows {
        orders.park(one).await?;
    }
    lookup(orders, references).await
}

/// Takes back what was handed on, and not a moment before: another delivery of the same event may
/// have parked it and be done, so that these rows are all there is of it. Under what orders share it
/// stays until it expires: whoever comes to know it later is told too.
///
/// An event that finds its order at once is not parked for others. Between the first and the last
/// of the orders of one parcel there are seconds, and a write for every event of a carrier would be
/// the price.
pub(crate) async fn unpark(orders: &impl OrderStore, rows: &[Parked]) {
    for one in rows.iter().filter(|row| !row.is_shared()) {
        // Left behind it would be sent once more, which the fold tolerates.
        if let Err(error) = orders.unpark(one).await {
            tracing::warn!(%error, "a parked event stays until it expires");
        }
    }
}
