//! `odoo-writer`: carries out commands to the ERP, a batch in as few calls as it can.
//!
//! Creating a sale order needs no claim: in Odoo it is an atomic insert-if-absent by external id,
//! so that two writers at once make one order. Every other effect is claimed first.

mod batch;
mod turn;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use waybill_flow::connections::Connections;
use waybill_flow::ports::{Clock, EffectStore, Erp, OrderStore, Queues};
use waybill_lambda_kit::batch::{BatchError, Runner, Visibility};
use waybill_lambda_kit::endpoints::Endpoints;
use waybill_lambda_kit::execute::Executor;
use waybill_model::time::Instant;

/// How long an attempt may take: longer than the function runs (60 s).
pub const LEASE_MS: i64 = 90_000;

/// What the handler needs.
#[derive(Debug)]
pub struct Ports<'a, O, E, Q, R, C> {
    /// Which ERPs there are, and how many orders each takes at once.
    pub connections: &'a Connections,
    /// Where unreadable commands are kept.
    pub orders: &'a O,
    /// Idempotency records.
    pub effects: &'a E,
    /// Where outcomes are told.
    pub queues: &'a Q,
    /// The ERP.
    pub erp: &'a R,
    /// The clock.
    pub clock: &'a C,
    /// Which ERPs are called now, and how often.
    pub endpoints: &'a Endpoints,
}

/// Time that is kept at the end of an invocation to record and tell outcomes: whole batches of them,
/// each by calls that may take 8 s.
pub(crate) const TELLING_MS: i64 = 10_000;
/// Least time in which a call to the ERP is begun. Shorter ones only make doubt.
pub(crate) const CALL_MS: i64 = 3_000;

/// Handles a batch of the queues `erp` or `erp-bulk`. The invocation ends at `until`.
///
/// # Errors
/// The batch cannot be answered message by message.
pub async fn handle<O, E, Q, R, C, V, K>(
    ports: &Ports<'_, O, E, Q, R, C>,
    runner: &Runner<V, K>,
    event: SqsEvent,
    until: Instant,
) -> Result<SqsBatchResponse, BatchError>
where
    O: OrderStore,
    E: EffectStore,
    Q: Queues,
    R: Erp,
    C: Clock,
    V: Visibility,
    K: Clock,
{
    runner
        .together(event, |records| ports.batch(records, until))
        .await
}

impl<O, E, Q, R, C> Ports<'_, O, E, Q, R, C> {
    fn executor(&self, until: Instant) -> Executor<'_, E, O, Q, C> {
        Executor {
            effects: self.effects,
            orders: self.orders,
            queues: self.queues,
            clock: self.clock,
            lease_ms: LEASE_MS,
            until,
        }
    }
}

#[cfg(test)]
mod tests;
