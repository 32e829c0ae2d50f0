//! Orders whose stage is overdue, or whose hold has ended: `decide` says which.

use crate::{Job, JobError, Ports, Report};
use waybill_flow::ports::{Clock, OrderStore, Queue, Queues};
use waybill_lambda_kit::queues::event_message;
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{ClockPassed, Event};
use waybill_model::id::{ConnectionId, CorrelationId, MessageId, name_uuid};
use waybill_model::time::Instant;

/// Most orders woken by one run; the longest overdue go first, the next run takes more.
const MAX_ORDERS: usize = 1_000;

impl<O: OrderStore, E, Q: Queues, P, R, C: Clock, S> Ports<'_, O, E, Q, P, R, C, S> {
    pub(crate) async fn overdue(&self) -> Result<Report, JobError> {
        let now = self.clock.now();
        let overdue = self.orders.overdue(now, MAX_ORDERS).await?;
        let mut messages = Vec::with_capacity(overdue.len());
        for correlation in &overdue {
            let event = clock_passed(*correlation, now).ok_or_else(|| JobError::Unwritable {
                detail: "our own name is no source".to_owned(),
            })?;
            messages.push(event_message(&event)?);
        }
        self.send(Queue::Events, messages).await?;
        Ok(Report {
            job: Job::Overdue,
            looked_at: overdue.len(),
            found: overdue.len(),
            failed: Vec::new(),
        })
    }
}

fn clock_passed(correlation: CorrelationId, now: Instant) -> Option<EventEnvelope> {
    let id = name_uuid(&["clock", &correlation.to_string(), &now.to_string()]);
    Some(EventEnvelope::new(
        MessageId::from_uuid(id),
        ConnectionId::new(EventEnvelope::OURSELVES).ok()?,
        now,
        correlation,
        Event::ClockPassed(ClockPassed { now }),
    ))
}
