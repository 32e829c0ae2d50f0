//! `status-publisher`: tells channels, helpdesks, gateways and carrier services.
//!
//! Every effect is claimed before it is done, and its outcome is told to the coordinator before the
//! message is acknowledged; see [`waybill_lambda_kit::execute`].

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use waybill_flow::ports::{Attempt, Clock, EffectStore, OrderStore, PartnerPort, Queues};
use waybill_lambda_kit::batch::{BatchError, Handled, Record, Runner, Visibility};
use waybill_lambda_kit::execute::Executor;
use waybill_model::envelope::CommandEnvelope;
use waybill_partners::client::target;

/// How long an attempt may take: longer than the function runs (30 s).
pub const LEASE_MS: i64 = 45_000;

/// What the handler needs.
#[derive(Debug)]
pub struct Ports<'a, O, E, Q, P, C> {
    /// Where unreadable commands are kept.
    pub orders: &'a O,
    /// Idempotency records.
    pub effects: &'a E,
    /// Where outcomes are told.
    pub queues: &'a Q,
    /// The partners.
    pub partners: &'a P,
    /// The clock.
    pub clock: &'a C,
}

/// Handles a batch of the queue `status`.
///
/// # Errors
/// The batch cannot be answered message by message.
pub async fn handle<O, E, Q, P, C, V, K>(
    ports: &Ports<'_, O, E, Q, P, C>,
    runner: &Runner<V, K>,
    event: SqsEvent,
) -> Result<SqsBatchResponse, BatchError>
where
    O: OrderStore,
    E: EffectStore,
    Q: Queues,
    P: PartnerPort,
    C: Clock,
    V: Visibility,
    K: Clock,
{
    runner.each(event, |record| ports.record(record)).await
}

impl<O: OrderStore, E: EffectStore, Q: Queues, P: PartnerPort, C: Clock> Ports<'_, O, E, Q, P, C> {
    async fn record(&self, record: Record) -> Handled {
        let executor = Executor {
            effects: self.effects,
            orders: self.orders,
            queues: self.queues,
            clock: self.clock,
            lease_ms: LEASE_MS,
        };
        let work = async |envelope: &CommandEnvelope, attempt: Attempt| {
            self.partners
                .execute(
                    &envelope.body,
                    envelope.correlationid,
                    &envelope.id,
                    attempt,
                )
                .await
        };
        executor.run(record, target, work).await
    }
}

#[cfg(test)]
mod tests;
