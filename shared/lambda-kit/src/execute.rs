//! The cycle of every function that carries out commands: claim, do, complete, tell.
//!
//! An effect is done once: it is claimed by its idempotency key before it is done, and completed
//! after. What became of it is told to the coordinator before the message is acknowledged. An
//! attempt whose end is not known is given back *in doubt*: the next one looks before it writes.

use crate::batch::Record;
use crate::ended::Ended;
use crate::levels::is_stock;
use crate::quarantine::{Unreadable, receipt_of, unreadable};
use crate::queues::event_message;
use crate::refused;
use crate::telemetry::About;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use waybill_flow::ports::{
    Attempt, Claim, Clock, EffectStore, InfraError, OrderStore, Outgoing, Queue, Queues,
};
use waybill_model::case::{Case, CaseId, CaseStatus};
use waybill_model::command::{CommandKind, CommandQueue};
use waybill_model::envelope::{CommandEnvelope, EventEnvelope};
use waybill_model::event::{CommandFinished, Event, Outcome};
use waybill_model::failure::{
    Failure, GAVE_UP, NOT_LOOKED_UP, PAYLOAD_MISMATCH, UNREADABLE_ANSWER, is_unasked,
};
use waybill_model::id::{Code, CorrelationId, EffectKey, MessageId, Reference, name_uuid};
use waybill_model::time::Instant;

/// Age at which a command that still fails is given up and a case is opened.
pub const GIVE_UP_MS: i64 = 24 * 60 * 60 * 1000;

/// The same for counts of goods. Nobody tells a count twice, and it is true until a newer one overtakes it: it is tried for
/// nearly as long as its queue allows receives.
pub const COUNT_GIVE_UP_MS: i64 = 4 * GIVE_UP_MS;

/// Time that is kept at the end of an invocation to record and tell outcomes, in milliseconds. An
/// attempt that is still running then is given up in doubt, so that one slow partner does not take
/// the other records of its batch with it.
pub const TELLING_MS: i64 = 5_000;

/// Age of a command from which no partner's own idempotency key is relied on: the shortest window is
/// two hours (Zendesk; Stripe's is a day). A first attempt that comes later, such as one of a message
/// that was redriven, looks before it writes: an earlier one that failed as if nothing had happened
/// may have been carried out, and the partner would not know the key any more. Odoo has no such keys:
/// what is written there is found by its external id.
pub const PARTNER_WINDOW_MS: i64 = 90 * 60 * 1000;

/// How long a command waits for another issue of its effect that holds the key.
const MISMATCH_MS: i64 = 60 * 60 * 1000;

/// What carrying out commands needs.
#[derive(Debug)]
pub struct Executor<'a, E, O, Q, C> {
    /// Idempotency records.
    pub effects: &'a E,
    /// Where unreadable commands are kept.
    pub orders: &'a O,
    /// Where outcomes are told.
    pub queues: &'a Q,
    /// The clock.
    pub clock: &'a C,
    /// How long an attempt may take: longer than the function runs.
    pub lease_ms: i64,
    /// When the invocation ends: an attempt ends [`TELLING_MS`] before.
    pub until: Instant,
}

/// A claim that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who holds it: this attempt.
    pub owner: String,
    /// What is known of earlier attempts.
    pub attempt: Attempt,
}

/// A command to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// As it travelled.
    pub envelope: CommandEnvelope,
    /// The effect that it is for.
    pub effect: EffectKey,
}

/// What claiming a command led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Do it.
    Run(Held),
    /// Nothing more to do.
    Ended(Ended),
}

impl<E: EffectStore, O: OrderStore, Q: Queues, C: Clock> Executor<'_, E, O, Q, C> {
    /// Reads the command of a record; one that stays unreadable is put aside.
    ///
    /// # Errors
    /// How the handling of the record ended instead.
    pub async fn read(&self, record: &Record) -> Result<Task, Ended> {
        match serde_json::from_str::<CommandEnvelope>(&record.body) {
            Ok(envelope) => match envelope.effect.clone() {
                Some(effect) => Ok(Task { envelope, effect }),
                None => Err(self
                    .put_aside(record, "it names no effect".to_owned())
                    .await),
            },
            Err(e) => {
                let place = format!("line {}, column {}", e.line(), e.column());
                Err(self
                    .put_aside(record, format!("{place}: it is no command of this version"))
                    .await)
            }
        }
    }

    async fn put_aside(&self, record: &Record, detail: String) -> Ended {
        let what = Unreadable {
            receipt: receipt_of(&record.message_id),
            raw: record.body.clone(),
            code: Code::literal("unreadable_command"),
            detail,
            remedy: "a version of the coordinator wrote what this version cannot read: deploy \
                     matching versions; the order's effect can be retried a day after it was \
                     issued"
                .to_owned(),
        };
        unreadable(self.orders, record, what, self.clock.now()).await
    }

    /// Claims the command, or tells again what became of it.
    ///
    /// A command that was rejected and is issued again has the same key and another cause. Its old
    /// rejection is opened again in doubt: the attempt that was given up may have succeeded after
    /// all. The store keeps that doubt, so that whoever comes looks first, should this claim fail.
    pub async fn begin(&self, record: &Record, task: &Task) -> Begun {
        let owner = crate::chance::unique().to_string();
        let mut claimed = self.claim(task, &owner).await;
        if matches!(claimed, Ok(Claim::Mismatch)) {
            claimed = match self.effects.reopen(&task.envelope.id).await {
                Ok(()) => self.claim(task, &owner).await,
                Err(error) => Err(error),
            };
        }
        match claimed {
            Ok(Claim::Granted(_)) if self.is_past_window(task) => Begun::Run(Held {
                owner,
                attempt: Attempt::InDoubt,
            }),
            Ok(Claim::Granted(attempt)) => Begun::Run(Held { owner, attempt }),
            Ok(Claim::Held { until }) => Begun::Ended(Ended::Held {
                retry_after_ms: u64::try_from(until.ms_since(self.clock.now())).unwrap_or_default(),
            }),
            Ok(Claim::Completed(outcome)) => {
                Begun::Ended(self.tell(task, &outcome, Ended::Duplicate).await)
            }
            // What came since, a number of a parcel, goes out with an effect of its own.
            Ok(Claim::DoneOtherwise(outcome)) if is_told_in_parts(task) => {
                Begun::Ended(self.tell(task, &outcome, Ended::Duplicate).await)
            }
            Ok(Claim::Mismatch | Claim::DoneOtherwise(_)) => {
                Begun::Ended(self.mismatch(record, task).await)
            }
            Err(error) => Begun::Ended(Ended::infra(&error)),
        }
    }

    async fn claim(&self, task: &Task, owner: &str) -> Result<Claim, InfraError> {
        let payload = payload_hash(&task.envelope);
        let now = self.clock.now();
        self.effects
            .claim(&task.envelope.id, &payload, owner, now, self.lease_ms)
            .await
    }

    fn is_past_window(&self, task: &Task) -> bool {
        let keyed = match task.envelope.body.kind().queue() {
            CommandQueue::Fulfillment | CommandQueue::Status => true,
            CommandQueue::Erp | CommandQueue::ErpBulk => false,
        };
        keyed && self.clock.now().ms_since(task.envelope.time) >= PARTNER_WINDOW_MS
    }

    /// Another issue of the effect holds the key: it may still be running, so wait for its lease.
    /// If that does not help, it was done with other content, and a person has to look.
    async fn mismatch(&self, record: &Record, task: &Task) -> Ended {
        let code = Code::literal(PAYLOAD_MISMATCH);
        let detail = format!("`{}` was begun before with other content", task.effect);
        if self.age_ms(record) < MISMATCH_MS {
            return Ended::Transient {
                code,
                detail,
                retry_after_ms: u64::try_from(self.lease_ms).ok(),
            };
        }
        let outcome = Outcome::Rejected {
            code,
            detail,
            remedy: "an earlier issue with other content was carried out, and that is recorded \
                     for good: bring what the partner holds in line with the order by hand, and \
                     ignore this case"
                .to_owned(),
        };
        self.tell(task, &outcome, ended_of(&outcome)).await
    }

    /// Records what became of the command and tells the coordinator; gives the claim back where
    /// that is not known. `held` is absent for commands that need no claim.
    pub async fn finish(
        &self,
        record: &Record,
        task: &Task,
        held: Option<&Held>,
        result: Result<Vec<Reference>, Failure>,
    ) -> Ended {
        let envelope = &task.envelope;
        // Nothing is recorded of what needs no claim: all but the first receive are in doubt.
        let was_in_doubt = held.map_or(record.receives > 1, |h| h.attempt == Attempt::InDoubt);
        let in_doubt = matches!(result, Err(Failure::Indeterminate { .. })) || was_in_doubt;
        match settle(result, self.is_too_old(record, task), was_in_doubt) {
            Ok(outcome) => {
                if let Some(held) = held {
                    self.complete(envelope, held, &outcome).await;
                }
                self.tell(task, &outcome, ended_of(&outcome)).await
            }
            Err(failure) => {
                if let Some(held) = held
                    && let Err(error) = self
                        .effects
                        .release(&envelope.id, &held.owner, in_doubt)
                        .await
                {
                    tracing::warn!(key = %envelope.id, %error, "the claim runs out by itself");
                }
                failure.into()
            }
        }
    }

    async fn complete(&self, envelope: &CommandEnvelope, held: &Held, outcome: &Outcome) {
        let now = self.clock.now();
        // The effect is there whether this is recorded or not: the outcome is told all the same,
        // and a redelivery would be in doubt and look first.
        if let Err(error) = self
            .effects
            .complete(&envelope.id, &held.owner, outcome, now)
            .await
        {
            tracing::warn!(key = %envelope.id, %error, "the outcome was not recorded");
        }
    }

    /// Tells the coordinator; `ended` once that is durable.
    async fn tell(&self, task: &Task, outcome: &Outcome, ended: Ended) -> Ended {
        if is_stock(&task.envelope.body) {
            match self.is_told(task, outcome).await {
                Ok(true) => {}
                Ok(false) => return ended,
                Err(error) => return Ended::infra(&error),
            }
        }
        let message = match outcome_message(task, outcome, self.clock.now()) {
            Ok(message) => message,
            Err(error) => {
                return Ended::Transient {
                    code: Code::literal("unwritable_event"),
                    detail: error.to_string(),
                    retry_after_ms: None,
                };
            }
        };
        match self.queues.send(Queue::Events, vec![message]).await {
            Ok(unsent) if unsent.is_empty() => ended,
            Ok(unsent) => Ended::unsent(unsent.len()),
            Err(error) => Ended::infra(&error),
        }
    }

    /// Whether the coordinator is to hear what became of a command about stock. Levels are absolute
    /// and go through without an order: that they arrived is of interest to nobody, unless a refusal
    /// before they were issued is still a case, which it closes. One that a person ignored too, or
    /// the next refusal would not be heard of.
    async fn is_told(&self, task: &Task, outcome: &Outcome) -> Result<bool, InfraError> {
        let (command, issued) = (&task.envelope.body, task.envelope.time);
        if matches!(outcome, Outcome::Rejected { .. }) {
            refused::note(self.effects, command, issued).await?;
            return Ok(true);
        }
        let id = connection_case(task.envelope.correlationid, command.kind());
        let case = self.orders.case(id).await?;
        let is_open = |case: Case| case.status != CaseStatus::Resolved && issued > case.opened_at;
        Ok(case.is_some_and(is_open) && refused::take(self.effects, command, issued).await?)
    }

    fn age_ms(&self, record: &Record) -> i64 {
        let now = self.clock.now();
        record.sent_at.map_or(0, |sent| now.ms_since(sent))
    }

    fn is_too_old(&self, record: &Record, task: &Task) -> bool {
        let give_up_ms = match task.envelope.body.kind() {
            CommandKind::SetStock => COUNT_GIVE_UP_MS,
            _ => GIVE_UP_MS,
        };
        self.age_ms(record) >= give_up_ms
    }

    /// The result of an attempt, or in doubt where the invocation does not wait for it any longer.
    ///
    /// # Errors
    /// The attempt's, and those of having no time.
    pub async fn in_time(
        &self,
        attempt: impl Future<Output = Result<Vec<Reference>, Failure>>,
    ) -> Result<Vec<Reference>, Failure> {
        let left_ms = self.until.ms_since(self.clock.now()) - TELLING_MS;
        let left = match u64::try_from(left_ms) {
            Ok(ms) if ms > 0 => Duration::from_millis(ms),
            Ok(_) | Err(_) => return Err(out_of_time()),
        };
        match tokio::time::timeout(left, attempt).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Indeterminate {
                code: Code::literal("attempt_cut_off"),
                detail: "the partner had not answered when the invocation had to end".to_owned(),
            }),
        }
    }
}

/// Nothing was begun: there was no time left.
#[must_use]
pub fn out_of_time() -> Failure {
    Failure::Transient {
        code: Code::literal("out_of_time"),
        detail: "the invocation ended before its turn".to_owned(),
        retry_after_ms: None,
    }
}

/// The case about commands of one kind that belong to a connection and no order: one, whatever the
/// code, so that a success closes it once nothing is left that was refused.
#[must_use]
pub fn connection_case(correlation: CorrelationId, kind: CommandKind) -> CaseId {
    let code = Code::literal("connection_command");
    CaseId::new(&correlation.to_string(), &code, kind.as_str())
}

/// Whether what is new of a shipment is told by later effects: see `flow::plan::keys::later_tracking`.
fn is_told_in_parts(task: &Task) -> bool {
    matches!(
        task.envelope.body.kind(),
        CommandKind::RegisterDelivery | CommandKind::PublishFulfillment
    )
}

/// Outcome of a result, or the failure that is to be retried. Total over the classes.
fn settle(
    result: Result<Vec<Reference>, Failure>,
    is_too_old: bool,
    was_in_doubt: bool,
) -> Result<Outcome, Failure> {
    let failure = match result {
        Ok(references) => return Ok(Outcome::Done { references }),
        Err(failure) => failure,
    };
    match failure {
        Failure::Rejected {
            code,
            detail,
            remedy,
        } if was_in_doubt && is_unasked(&code) => Ok(Outcome::Rejected {
            code: Code::literal(NOT_LOOKED_UP),
            detail: format!(
                "an earlier attempt may have succeeded, and nobody could look: `{code}`: {detail}"
            ),
            remedy,
        }),
        Failure::Rejected {
            code,
            detail,
            remedy,
        } => Ok(Outcome::Rejected {
            code,
            detail,
            remedy,
        }),
        Failure::Poison { code, detail } => Ok(Outcome::Rejected {
            code: Code::literal(UNREADABLE_ANSWER),
            detail: format!("`{code}`: {detail}"),
            remedy: "look at the partner whether the effect is there, then retry it".to_owned(),
        }),
        Failure::Transient { code, detail, .. } | Failure::Indeterminate { code, detail }
            if is_too_old =>
        {
            Ok(Outcome::Rejected {
                code: Code::literal(GAVE_UP),
                detail: format!(
                    "after a day of attempts or more the last one failed by `{code}`: {detail}"
                ),
                remedy: "mend what the last attempt failed by, then retry the effect".to_owned(),
            })
        }
        Failure::Transient { .. } | Failure::Indeterminate { .. } => Err(failure),
    }
}

fn ended_of(outcome: &Outcome) -> Ended {
    match outcome {
        Outcome::Done { .. } => Ended::Done,
        Outcome::Rejected { code, detail, .. } => Ended::Rejected {
            code: code.clone(),
            detail: detail.clone(),
        },
    }
}

/// What a command is about, for the log.
#[must_use]
pub fn about(task: &Task) -> About {
    let envelope = &task.envelope;
    About {
        correlation_id: Some(envelope.correlationid.to_string()),
        causation_id: envelope.causationid.as_ref().map(ToString::to_string),
        idempotency_key: Some(envelope.id.to_string()),
        entity: Some(envelope.body.kind().as_str().to_owned()),
        entity_ref: Some(task.effect.to_string()),
        ..About::default()
    }
}

/// What tells one issue of an effect from the next: its content, and after `/` its cause.
fn payload_hash(envelope: &CommandEnvelope) -> String {
    // A command that serialises is hashed by its form; all of ours do.
    let content = serde_json::to_vec(&envelope.body).unwrap_or_default();
    let content = hex::encode(Sha256::digest(content));
    let cause = envelope.causationid.as_ref().map_or("", MessageId::as_str);
    format!("{content}/{}", hex::encode(Sha256::digest(cause)))
}

/// The event that tells an outcome. Its id follows from command, cause and outcome: told twice it
/// is one event, and the outcome of an operator's retry is another one.
fn outcome_message(
    task: &Task,
    outcome: &Outcome,
    now: Instant,
) -> Result<Outgoing, serde_json::Error> {
    let envelope = &task.envelope;
    let cause = envelope.causationid.as_ref().map_or("", MessageId::as_str);
    let told = serde_json::to_string(outcome)?;
    let id = name_uuid(&["outcome", envelope.id.as_str(), cause, &told]);
    let event = Event::CommandFinished(CommandFinished {
        effect: task.effect.clone(),
        command: envelope.body.kind(),
        outcome: outcome.clone(),
    });
    let mut told = EventEnvelope::new(
        MessageId::from_uuid(id),
        envelope.source.clone(),
        now,
        envelope.correlationid,
        event,
    )
    .caused_by(envelope.id.clone())
    .traced(envelope.traceparent.clone());
    told.configversion = envelope.configversion.clone();
    event_message(&told)
}
