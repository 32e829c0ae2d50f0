//! `coordinator`: applies each event to its order by `decide`, and sends what follows.
//!
//! State, timeline and outgoing commands are written in one transaction (outbox); then the commands
//! are sent and taken off. A crash in between leaves them in the outbox: the redelivered event, or
//! the next one, sends them. Whoever receives a command twice recognises it by its id.

mod outbox;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use waybill_flow::connections::Connections;
use waybill_flow::decide::{Decided, decide, stock};
use waybill_flow::ports::{Clock, Commit, CommitError, OrderStore, Queues, Stored, TimelineEntry};
use waybill_lambda_kit::batch::{BatchError, Handled, Record, Runner, Visibility};
use waybill_lambda_kit::ended::Ended;
use waybill_lambda_kit::execute::connection_case;
use waybill_lambda_kit::quarantine::{Unreadable, receipt_of, unreadable};
use waybill_lambda_kit::telemetry::About;
use waybill_model::case::{Case, CaseClass, CaseId};
use waybill_model::command::{CommandKind, CommandQueue, Issued};
use waybill_model::envelope::{CommandEnvelope, EventEnvelope};
use waybill_model::event::{CommandFinished, Event, Outcome};
use waybill_model::id::{Code, CorrelationId, MessageId, Reference};
use waybill_model::time::Instant;

/// Times that a decision is made anew because somebody else committed first. Events of an order
/// come one at a time, so that more than one is an operator or a second delivery.
const MAX_DECISIONS: u32 = 5;

/// What the handler needs.
#[derive(Debug)]
pub struct Ports<'a, O, Q, C> {
    /// The rules.
    pub connections: &'a Connections,
    /// State, timeline, references, cases.
    pub orders: &'a O,
    /// Where commands go.
    pub queues: &'a Q,
    /// The clock.
    pub clock: &'a C,
}

/// Handles a batch of `events.fifo`.
///
/// # Errors
/// The batch cannot be answered message by message.
pub async fn handle<O, Q, C, V, K>(
    ports: &Ports<'_, O, Q, C>,
    runner: &Runner<V, K>,
    event: SqsEvent,
) -> Result<SqsBatchResponse, BatchError>
where
    O: OrderStore,
    Q: Queues,
    C: Clock,
    V: Visibility,
    K: Clock,
{
    runner.in_groups(event, |record| ports.record(record)).await
}

/// What is written of an event.
struct Written {
    revision: u64,
    outbox: Vec<CommandEnvelope>,
    references: Vec<Reference>,
    /// Events that the order is known to have applied.
    applied: Vec<MessageId>,
    changed: bool,
}

impl<O: OrderStore, Q: Queues, C: Clock> Ports<'_, O, Q, C> {
    async fn record(&self, record: Record) -> Handled {
        let event: EventEnvelope = match serde_json::from_str(&record.body) {
            Ok(event) => event,
            Err(e) => {
                let what = Unreadable {
                    receipt: receipt_of(&record.message_id),
                    raw: record.body.clone(),
                    code: Code::literal("unreadable_event"),
                    detail: format!(
                        "line {}, column {}: it is no event of this version",
                        e.line(),
                        e.column()
                    ),
                    remedy: "another version of Waybill wrote what this version cannot read: \
                             deploy matching versions, then replay the order; an effect whose \
                             outcome this was can be retried a day after it was issued"
                        .to_owned(),
                };
                let now = self.clock.now();
                return unreadable(self.orders, &record, what, now).await.into();
            }
        };
        let about = About {
            correlation_id: Some(event.correlationid.to_string()),
            causation_id: event.causationid.as_ref().map(ToString::to_string),
            partner: Some(event.source.to_string()),
            entity: Some(event.body.kind().to_owned()),
            entity_ref: Some(event.id.to_string()),
            ..About::default()
        };
        let ended = if self.belongs_to_a_connection(&event) {
            self.connection_event(&event).await
        } else {
            self.order_event(&event).await
        };
        Handled { ended, about }
    }

    fn belongs_to_a_connection(&self, event: &EventEnvelope) -> bool {
        let is_own = |id| CorrelationId::for_connection(id) == event.correlationid;
        self.connections.iter().any(|c| is_own(&c.id))
    }

    /// Stock and its outcomes: no order, no state.
    async fn connection_event(&self, event: &EventEnvelope) -> Ended {
        if let Event::CommandFinished(finished) = &event.body {
            return self.connection_command(event, finished).await;
        }
        let commands = self.envelopes(event, stock(event, self.connections), self.clock.now());
        outbox::send(self.queues, &commands).await
    }

    /// What became of a command about stock: a refusal is a case, and a success that is told closes it.
    async fn connection_command(&self, event: &EventEnvelope, finished: &CommandFinished) -> Ended {
        let (command, now) = (finished.command, self.clock.now());
        let id = connection_case(event.correlationid, command);
        let Outcome::Rejected {
            code,
            detail,
            remedy,
        } = &finished.outcome
        else {
            return self.close(id).await;
        };
        let detail = format!("`{}`: {detail}", command.as_str());
        let remedy = without_retry(remedy, command);
        let mut case = Case::of_connection(id, &event.source, code.clone(), detail, remedy, now);
        if command.queue() == CommandQueue::ErpBulk {
            case.class = CaseClass::Erp;
        }
        match self.orders.put_case(&case).await {
            Ok(()) => Ended::Done,
            Err(error) => Ended::infra(&error),
        }
    }

    /// A success that is told closes the case of such commands: nothing is left that was refused.
    async fn close(&self, id: CaseId) -> Ended {
        match self.orders.resolve_case(id, self.clock.now()).await {
            Ok(()) => Ended::Done,
            Err(error) => Ended::infra(&error),
        }
    }

    async fn order_event(&self, event: &EventEnvelope) -> Ended {
        for _ in 0..MAX_DECISIONS {
            let stored = match self.orders.load(event.correlationid).await {
                Ok(stored) => stored,
                Err(error) => return Ended::infra(&error),
            };
            if let Some(stored) = &stored
                && stored.state.applied.contains(&event.id)
            {
                return self.again(event, stored).await;
            }
            match self.write(event, stored).await {
                Ok(written) => return self.follow_up(event, written).await,
                Err(CommitError::Conflict) => {}
                Err(CommitError::Infra(error)) => return Ended::infra(&error),
            }
        }
        Ended::Transient {
            code: Code::literal("commit_conflict"),
            detail: format!("{MAX_DECISIONS} decisions were overtaken"),
            retry_after_ms: None,
        }
    }

    /// Decides and writes all or nothing.
    async fn write(
        &self,
        event: &EventEnvelope,
        stored: Option<Stored>,
    ) -> Result<Written, CommitError> {
        let now = self.clock.now();
        let state = stored.as_ref().map(|s| &s.state);
        let decided = decide(state, event, self.connections, now);
        let (expected, unsent) =
            stored.map_or((None, Vec::new()), |s| (Some(s.revision), s.outbox));
        let Decided {
            state,
            commands,
            references,
            cases,
            deadline,
            summary,
            changed,
        } = decided;
        let entry = TimelineEntry {
            id: event.id.clone(),
            at: event.time,
            recorded_at: now,
            kind: event.body.kind().to_owned(),
            source: event.source.to_string(),
            summary,
            commands: commands
                .iter()
                .map(|issued| issued.command.kind().as_str().to_owned())
                .collect(),
            changed,
        };
        let outbox = outbox::merge(unsent, self.envelopes(event, commands, now));
        let revision = self
            .orders
            .commit(Commit {
                correlation: event.correlationid,
                expected,
                state,
                event: entry,
                outbox: outbox.clone(),
                references: references.clone(),
                cases,
                deadline,
            })
            .await?;
        Ok(Written {
            revision,
            outbox,
            references,
            applied: vec![event.id.clone()],
            changed,
        })
    }

    fn envelopes(
        &self,
        event: &EventEnvelope,
        commands: Vec<Issued>,
        now: Instant,
    ) -> Vec<CommandEnvelope> {
        let envelope = |issued: Issued| {
            let mut command = CommandEnvelope::new(
                issued.id,
                event.source.clone(),
                now,
                event.correlationid,
                issued.command,
            )
            .caused_by(event.id.clone())
            .traced(event.traceparent.clone())
            .for_effect(issued.effect);
            command.configversion = Some(self.connections.version.clone());
            command
        };
        commands.into_iter().map(envelope).collect()
    }

    /// Sends the commands, then the events that waited for the order to be known.
    async fn follow_up(&self, event: &EventEnvelope, written: Written) -> Ended {
        let sent = outbox::send(self.queues, &written.outbox).await;
        if sent != Ended::Done {
            return sent;
        }
        if !written.outbox.is_empty() {
            self.clear(event.correlationid, written.revision).await;
        }
        let id = event.correlationid;
        match outbox::release_parked(self, id, &written.references, &written.applied).await {
            Ended::Done if written.changed => Ended::Done,
            Ended::Done => Ended::Duplicate,
            other => other,
        }
    }

    /// The event was applied before, and whoever did may have gone before the rest was done: commands
    /// not sent, parked events not handed on. A first receive tells nothing: an invocation may come
    /// twice.
    async fn again(&self, event: &EventEnvelope, stored: &Stored) -> Ended {
        let written = Written {
            revision: stored.revision,
            outbox: stored.outbox.clone(),
            references: stored.state.references.iter().cloned().collect(),
            applied: stored.state.applied.clone(),
            changed: false,
        };
        self.follow_up(event, written).await
    }

    async fn clear(&self, correlation: CorrelationId, revision: u64) {
        if let Err(error) = self.orders.clear_outbox(correlation, revision).await {
            tracing::warn!(correlation_id = %correlation, %error, "sent commands are sent once more");
        }
    }
}

/// A remedy for what belongs to no order: there is no effect that a person could retry. Waybill
/// publishes its levels again by itself; what a warehouse counted it tells once.
fn without_retry(remedy: &str, command: CommandKind) -> String {
    let what = [", then retry", "; then retry", ", and retry"]
        .iter()
        .find_map(|ending| remedy.split_once(ending))
        .map_or(remedy, |(what, _)| what);
    let again = match command {
        CommandKind::SetStock => {
            "let the warehouse count these goods again, or replay what it told"
        }
        _ => "the next run sends newer levels by itself",
    };
    format!("{what}; {again}. The case closes once all that was refused is taken")
}

#[cfg(test)]
mod tests;
