//! Orders whose stage is overdue, or whose hold has ended: `decide` says which.

use crate::{Job, JobError, Ports, Report, ourselves};
use waybill_flow::ports::{Clock, OrderStore, Queue, Queues};
use waybill_lambda_kit::queues::event_message;
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{ClockPassed, Event};
use waybill_model::id::{ConnectionId, CorrelationId, MessageId, name_uuid};
use waybill_model::time::Instant;

/// Most orders woken by one run, the longest overdue first; the next run takes more. A run comes
/// every five minutes, so that this is 240,000 an hour: with a hold, each order of a channel is
/// woken once. Above that the coordinator's queue would only grow.
pub(crate) const MAX_ORDERS: usize = 20_000;
/// Orders woken between two looks at the clock.
pub(crate) const CHUNK: usize = 1_000;
/// Time after which a run wakes no more, in milliseconds: the function may run for 300 s.
pub(crate) const BUDGET_MS: i64 = 200_000;

impl<O: OrderStore, E, Q: Queues, P, R, C: Clock, S> Ports<'_, O, E, Q, P, R, C, S> {
    pub(crate) async fn overdue(&self) -> Result<Report, JobError> {
        let now = self.clock.now();
        let overdue = self.orders.overdue(now, MAX_ORDERS).await?;
        let mut report = Report {
            job: Job::Overdue,
            looked_at: overdue.len(),
            found: 0,
            failed: Vec::new(),
        };
        for chunk in overdue.chunks(CHUNK) {
            if self.clock.now().ms_since(now) >= BUDGET_MS {
                tracing::warn!(
                    step = "reconciler",
                    left = overdue.len() - report.found,
                    "the time of this run is over: the next one wakes the others"
                );
                break;
            }
            let ourselves = ourselves()?;
            let event = |id: &CorrelationId| event_message(&clock_passed(&ourselves, *id, now));
            let messages = chunk.iter().map(event).collect::<Result<Vec<_>, _>>()?;
            self.send(Queue::Events, messages).await?;
            report.found += chunk.len();
        }
        Ok(report)
    }
}

fn clock_passed(
    ourselves: &ConnectionId,
    correlation: CorrelationId,
    now: Instant,
) -> EventEnvelope {
    let id = name_uuid(&["clock", &correlation.to_string(), &now.to_string()]);
    EventEnvelope::new(
        MessageId::from_uuid(id),
        ourselves.clone(),
        now,
        correlation,
        Event::ClockPassed(ClockPassed { now }),
    )
}
