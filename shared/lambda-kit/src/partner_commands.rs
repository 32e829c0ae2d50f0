//! The handler of the functions that carry out commands at partners, one call or a few for each:
//! `fulfillment-dispatcher` and `status-publisher` are this with queues of their own.
//!
//! Every effect is claimed before it is done, and its outcome is told to the coordinator before the
//! message is acknowledged; see [`crate::execute`].

use crate::batch::{BatchError, Handled, Record, Runner, Visibility};
use crate::ended::infra_code;
use crate::endpoints::Endpoints;
use crate::execute::{Begun, Executor, TELLING_MS, about};
use crate::levels;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use waybill_flow::breaker::Signal;
use waybill_flow::ports::{Attempt, Clock, EffectStore, OrderStore, PartnerPort, Queues};
use waybill_model::command::Command;
use waybill_model::envelope::CommandEnvelope;
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, Reference};
use waybill_model::time::Instant;

/// How long an attempt may take: longer than the function runs (30 s).
pub const LEASE_MS: i64 = 45_000;

/// Time that an attempt is left with that had to wait for its turn.
const ONE_CALL_MS: i64 = 10_000;

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
    /// Which partner a command is for, for the log.
    pub target: fn(&Command) -> Option<&ConnectionId>,
    /// The clock.
    pub clock: &'a C,
    /// Which partners are called now, and how often.
    pub endpoints: &'a Endpoints,
}

/// Handles a batch. The invocation ends at `until`.
///
/// # Errors
/// The batch cannot be answered message by message.
pub async fn handle<O, E, Q, P, C, V, K>(
    ports: &Ports<'_, O, E, Q, P, C>,
    runner: &Runner<V, K>,
    event: SqsEvent,
    until: Instant,
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
    runner
        .each(event, |record| ports.record(record, until))
        .await
}

impl<O: OrderStore, E: EffectStore, Q: Queues, P: PartnerPort, C: Clock> Ports<'_, O, E, Q, P, C> {
    async fn record(&self, record: Record, until: Instant) -> Handled {
        let executor = Executor {
            effects: self.effects,
            orders: self.orders,
            queues: self.queues,
            clock: self.clock,
            lease_ms: LEASE_MS,
            until,
        };
        let task = match executor.read(&record).await {
            Ok(task) => task,
            Err(ended) => return ended.into(),
        };
        let mut about = about(&task);
        about.partner = (self.target)(&task.envelope.body).map(ToString::to_string);
        let ended = match executor.begin(&record, &task).await {
            Begun::Ended(ended) => ended,
            Begun::Run(held) => {
                let result = self.execute(&executor, &task.envelope, held.attempt).await;
                executor.finish(&record, &task, Some(&held), result).await
            }
        };
        Handled { ended, about }
    }

    async fn execute(
        &self,
        executor: &Executor<'_, E, O, Q, C>,
        envelope: &CommandEnvelope,
        attempt: Attempt,
    ) -> Result<Vec<Reference>, Failure> {
        let body = &envelope.body;
        let (id, key) = (envelope.correlationid, &envelope.id);
        let Some(connection) = (self.target)(body) else {
            let call = self.partners.execute(body, id, key, attempt);
            return executor.in_time(call).await;
        };
        let door = self.endpoints.door(self.effects, self.clock, LEASE_MS);
        let calls = self.partners.calls(body, attempt);
        let latest = executor.until.plus_ms(-TELLING_MS - ONE_CALL_MS);
        let pass = door.enter(connection, calls, latest).await?;
        // Looked at once it is its turn: a newer one may have been carried out while it waited.
        let overtaken = match levels::newest(self.effects, body).await {
            Ok(Some(command)) => {
                let call = self.partners.execute(&command, id, key, attempt);
                let result = executor.in_time(call).await;
                door.leave(pass, &result).await;
                return result;
            }
            Ok(None) => Ok(Vec::new()),
            Err(error) => Err(Failure::Transient {
                code: infra_code(&error),
                detail: error.to_string(),
                retry_after_ms: None,
            }),
        };
        door.leave_with(pass, &Signal::Nothing, "").await;
        overtaken
    }
}
