//! `validator`: from a partner's delivery to canonical events.
//!
//! | the delivery | what becomes of it |
//! |---|---|
//! | cannot be read, or its connection is not known | raw body and a case are stored, acknowledged |
//! | says nothing that Waybill uses | counted, acknowledged |
//! | only names something | its current state is fetched and read instead |
//! | was handed on before | acknowledged |
//! | tells what another system owns | that fact is dropped and logged |
//! | belongs to an order that is not known yet | parked under its references |
//!
//! Raw body and events are durable before the delivery is remembered as handed on: a crash in
//! between repeats it, and the coordinator tolerates that.

mod resolve;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use resolve::Target;
use waybill_flow::connections::{Connection, Connections};
use waybill_flow::intake;
use waybill_flow::ports::{
    Archived, Clock, EffectStore, OrderStore, Outgoing, PartnerPort, Queue, Queues,
};
use waybill_lambda_kit::batch::{BatchError, Handled, Record, Runner, Visibility};
use waybill_lambda_kit::delivery;
use waybill_lambda_kit::ended::Ended;
use waybill_lambda_kit::heard;
use waybill_lambda_kit::quarantine::{
    Unreadable, quarantine, receipt_of, resolve as resolve_case, unreadable,
};
use waybill_lambda_kit::queues::{MAX_BYTES, event_message};
use waybill_lambda_kit::telemetry::About;
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::envelope::EventEnvelope;
use waybill_model::failure::Failure;
use waybill_model::id::{Code, CorrelationId, MessageId, name_uuid};
use waybill_partners::{Fact, Parsed};

/// How long a delivery is remembered as handed on: longer than any partner sends again.
const SEEN_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// What the handler needs.
#[derive(Debug)]
pub struct Ports<'a, O, E, Q, P, C> {
    /// Who is connected.
    pub connections: &'a Connections,
    /// References, parked events, the archive, cases.
    pub orders: &'a O,
    /// What was handed on before.
    pub effects: &'a E,
    /// Where events go.
    pub queues: &'a Q,
    /// For thin webhooks.
    pub partners: &'a P,
    /// The clock.
    pub clock: &'a C,
    /// Reads a delivery: [`waybill_partners::parse`].
    pub parse: Parse,
}

/// How deliveries are read.
pub type Parse = fn(&Connection, &Delivery) -> Result<Parsed, waybill_partners::Unreadable>;

/// Handles a batch of the inbound queue.
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

/// What a delivery says, read.
struct Read {
    dedupe_id: String,
    facts: Vec<Fact>,
}

/// What is marked once a delivery was handed on.
struct Ids {
    events: Vec<MessageId>,
    /// Where no webhook of this time was marked yet.
    heard: Option<MessageId>,
}

impl<O: OrderStore, E: EffectStore, Q: Queues, P: PartnerPort, C: Clock> Ports<'_, O, E, Q, P, C> {
    async fn record(&self, record: Record) -> Handled {
        let delivery = match delivery::decode(&record.body) {
            Ok(delivery) => delivery,
            Err(error) => {
                let what = Unreadable {
                    receipt: receipt_of(&record.message_id),
                    raw: record.body.clone(),
                    code: Code::literal("undecodable_delivery"),
                    detail: error.to_string(),
                    remedy:
                        "find out who wrote this to the inbound queue; nothing of a partner is \
                             lost if it was not the intake"
                            .to_owned(),
                };
                let now = self.clock.now();
                return unreadable(self.orders, &record, what, now).await.into();
            }
        };
        let mut about = About {
            partner: Some(delivery.connection.to_string()),
            entity: delivery.topic.clone(),
            entity_ref: Some(delivery.receipt.to_string()),
            ..About::default()
        };
        let mut ended = self.delivery(&record.body, &delivery, &mut about).await;
        if delivery.origin == Origin::Replay
            && matches!(
                ended,
                Ended::Done | Ended::Duplicate | Ended::Ignored { .. }
            )
            && let Err(error) = resolve_case(self.orders, &delivery.receipt, self.clock.now()).await
        {
            ended = Ended::infra(&error);
        }
        Handled { ended, about }
    }

    async fn delivery(&self, raw: &str, delivery: &Delivery, about: &mut About) -> Ended {
        let Some(connection) = self.connections.get(&delivery.connection) else {
            return self
                .put_aside(
                    raw,
                    delivery,
                    Code::literal("unknown_connection"),
                    format!("the connection `{}` is not configured", delivery.connection),
                    "add the connection to the connections file, deploy, and replay the receipt",
                )
                .await;
        };
        let read = match self.read(connection, raw, delivery).await {
            Ok(read) => read,
            Err(ended) => return ended,
        };
        let ids: Vec<MessageId> = (0..read.facts.len())
            .map(|index| event_id(delivery, &read.dedupe_id, index))
            .collect();
        about.idempotency_key = ids.first().map(ToString::to_string);
        // That webhooks come at all is marked with what they told.
        let heard = (delivery.origin == Origin::Webhook)
            .then(|| heard::mark(&connection.id, delivery.received_at));
        let asked: Vec<MessageId> = ids.iter().chain(&heard).cloned().collect();
        let heard = match self.effects.seen(&asked).await {
            Ok(seen) if ids.iter().all(|id| seen.contains(id)) => return Ended::Duplicate,
            Ok(seen) => heard.filter(|mark| !seen.contains(mark)),
            Err(error) => return Ended::infra(&error),
        };
        let ids = Ids { events: ids, heard };
        self.hand_on(connection, raw, delivery, read.facts, ids, about)
            .await
    }

    /// Reads the delivery, fetching what it only names.
    async fn read(
        &self,
        connection: &Connection,
        raw: &str,
        delivery: &Delivery,
    ) -> Result<Read, Ended> {
        let parsed = match (self.parse)(connection, delivery) {
            Ok(Parsed::Refetch { .. }) => {
                let current = match self.partners.refetch(delivery).await {
                    Ok(current) => current,
                    Err(failure) => return Err(self.refetch_failed(raw, delivery, failure).await),
                };
                (self.parse)(connection, &current)
            }
            parsed => parsed,
        };
        match parsed {
            Ok(Parsed::Facts { dedupe_id, facts }) if !facts.is_empty() => {
                Ok(Read { dedupe_id, facts })
            }
            Ok(Parsed::Facts { .. }) => Err(Ended::Ignored {
                code: Code::literal("no_facts"),
            }),
            Ok(Parsed::Ignored { code }) => Err(Ended::Ignored { code }),
            Ok(Parsed::Refetch { .. }) => {
                let detail = "what was fetched names something to fetch again".to_owned();
                let code = Code::literal("refetch_loop");
                Err(self
                    .put_aside(raw, delivery, code, detail, MEND_ADAPTER)
                    .await)
            }
            Err(error) => Err(self
                .put_aside(raw, delivery, error.code, error.detail, MEND_ADAPTER)
                .await),
        }
    }

    async fn refetch_failed(&self, raw: &str, delivery: &Delivery, failure: Failure) -> Ended {
        match failure {
            Failure::Transient { .. } | Failure::Indeterminate { .. } => failure.into(),
            Failure::Rejected {
                code,
                detail,
                remedy,
            } => self.put_aside(raw, delivery, code, detail, &remedy).await,
            Failure::Poison { code, detail } => {
                self.put_aside(raw, delivery, code, detail, MEND_ADAPTER)
                    .await
            }
        }
    }

    async fn put_aside(
        &self,
        raw: &str,
        delivery: &Delivery,
        code: Code,
        detail: String,
        remedy: &str,
    ) -> Ended {
        let what = Unreadable {
            receipt: delivery.receipt.clone(),
            raw: raw.to_owned(),
            code,
            detail: format!("from `{}`: {detail}", delivery.connection),
            remedy: remedy.to_owned(),
        };
        quarantine(self.orders, what, self.clock.now()).await
    }

    /// Finds each fact's order, keeps the raw body, sends what is known and parks the rest.
    async fn hand_on(
        &self,
        connection: &Connection,
        raw: &str,
        delivery: &Delivery,
        facts: Vec<Fact>,
        ids: Ids,
        about: &mut About,
    ) -> Ended {
        let mut events = Vec::new();
        let mut parked = Vec::new();
        for (fact, id) in facts.into_iter().zip(&ids.events) {
            if let Err(field) = intake::check_owner(connection, &fact.event) {
                tracing::warn!(
                    partner = %connection.id, field = ?field, error_code = "not_owner",
                    "a fact was dropped: its owner is another system"
                );
                continue;
            }
            let target = match resolve::target(self.orders, connection, &fact.subject).await {
                Ok(target) => target,
                Err(error) => return Ended::infra(&error),
            };
            let event = self.envelope(connection, delivery, fact, id.clone());
            match target {
                Target::Known(found) => events.extend(addressed(&event, &found)),
                Target::Unknown(references) => parked.push((event, references)),
            }
        }
        if events.is_empty() && parked.is_empty() {
            return Ended::Ignored {
                code: Code::literal("not_owner"),
            };
        }
        about.correlation_id = events.first().map(|e| e.correlationid.to_string());
        if let Err(ended) = self.archive(raw, delivery, &events).await {
            return ended;
        }
        let mut known_by_now = Vec::new();
        for (event, references) in parked {
            let rows = resolve::parked(&event, &references, self.clock.now());
            match resolve::park(self.orders, &rows, &references).await {
                Ok(found) if found.is_empty() => {}
                Ok(found) => {
                    events.extend(addressed(&event, &found));
                    known_by_now.extend(rows);
                }
                Err(error) => return Ended::infra(&error),
            }
        }
        let ended = self.send(raw, delivery, &events).await;
        if ended == Ended::Done {
            resolve::unpark(self.orders, &known_by_now).await;
            let expires = self.clock.now().plus_ms(SEEN_MS);
            let marks: Vec<MessageId> = ids.events.into_iter().chain(ids.heard).collect();
            if let Err(error) = self.effects.mark_seen(&marks, expires).await {
                tracing::warn!(%error, "a repeated delivery would be handed on again");
            }
        }
        ended
    }

    fn envelope(
        &self,
        connection: &Connection,
        delivery: &Delivery,
        fact: Fact,
        id: MessageId,
    ) -> EventEnvelope {
        let mut event = EventEnvelope::new(
            id,
            connection.id.clone(),
            fact.at.unwrap_or(delivery.received_at),
            CorrelationId::for_connection(&connection.id),
            intake::refine(connection, fact.event),
        )
        .caused_by(delivery.receipt.clone())
        .traced(delivery.traceparent.clone());
        event.configversion = Some(self.connections.version.clone());
        event
    }

    /// Keeps the raw body for replay, with the order where there is one. A replay has it already;
    /// of one that was put aside the order is known only now.
    async fn archive(
        &self,
        raw: &str,
        delivery: &Delivery,
        events: &[EventEnvelope],
    ) -> Result<(), Ended> {
        let own = CorrelationId::for_connection(&delivery.connection);
        let order = events.iter().map(|e| e.correlationid).find(|c| *c != own);
        let archived = Archived {
            receipt: delivery.receipt.clone(),
            correlation: order,
            delivery: raw.to_owned(),
            received_at: delivery.received_at,
        };
        let archived = match delivery.origin {
            Origin::Webhook | Origin::Poll => archived,
            Origin::Replay => {
                let known = self.orders.receipt(&delivery.receipt).await;
                match known.map_err(|error| Ended::infra(&error))? {
                    Some(known) if known.correlation.is_none() && order.is_some() => Archived {
                        correlation: order,
                        ..known
                    },
                    Some(_) | None => return Ok(()),
                }
            }
        };
        let kept = self.orders.archive(&archived).await;
        kept.map_err(|error| Ended::infra(&error))
    }

    async fn send(&self, raw: &str, delivery: &Delivery, events: &[EventEnvelope]) -> Ended {
        let messages: Result<Vec<Outgoing>, _> = events.iter().map(event_message).collect();
        let too_large = |m: &Outgoing| m.body.len() > MAX_BYTES;
        let messages = match messages {
            Ok(messages) if !messages.iter().any(too_large) => messages,
            Ok(_) | Err(_) => {
                let code = Code::literal("event_too_large");
                let detail = format!("an event has more than {MAX_BYTES} bytes");
                let remedy = "split the order at the channel; no queue carries it in one piece";
                return self.put_aside(raw, delivery, code, detail, remedy).await;
            }
        };
        if messages.is_empty() {
            return Ended::Done;
        }
        match self.queues.send(Queue::Events, messages).await {
            Ok(unsent) if unsent.is_empty() => Ended::Done,
            Ok(unsent) => Ended::unsent(unsent.len()),
            Err(error) => Ended::infra(&error),
        }
    }
}

const MEND_ADAPTER: &str = "compare the archived body with the partner's documentation, mend the adapter or the \
     subscription, deploy, and replay the receipt";

/// Id of the event at `index`. A replay is another event: the coordinator would skip the old one.
fn event_id(delivery: &Delivery, dedupe_id: &str, index: usize) -> MessageId {
    match delivery.origin {
        Origin::Webhook | Origin::Poll => {
            MessageId::for_delivery(&delivery.connection, dedupe_id, index)
        }
        Origin::Replay => {
            let at = delivery.replayed_at.unwrap_or(delivery.received_at);
            let replayed = format!("{dedupe_id}#replay-{}", at.epoch_ms());
            MessageId::for_delivery(&delivery.connection, &replayed, index)
        }
    }
}

/// The event for each of these orders. Several get ids of their own: the queue would take the
/// second for a repetition of the first.
fn addressed(event: &EventEnvelope, orders: &[CorrelationId]) -> Vec<EventEnvelope> {
    let to = |correlation: &CorrelationId| {
        let mut event = event.clone();
        event.correlationid = *correlation;
        if orders.len() > 1 {
            let parts = ["shared", event.id.as_str(), &correlation.to_string()];
            event.id = MessageId::from_uuid(name_uuid(&parts));
        }
        event
    };
    orders.iter().map(to).collect()
}

#[cfg(test)]
mod tests;
