//! Decisions about an order: each becomes an event, and nothing is changed here directly.

use crate::auth::Operator;
use crate::read::{answer, correlation};
use crate::views::{Accepted, RetryBody, WaiveBody};
use crate::{Ports, Refused};
use serde::de::DeserializeOwned;
use waybill_flow::ports::{
    Clock, EffectStore, InfraError, OrderStore, Outgoing, Queue, Queues, Stored,
};
use waybill_lambda_kit::http::{Answer, Request};
use waybill_lambda_kit::queues::event_message;
use waybill_lambda_kit::secrets::SecretSource;
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{Decision, Event, OperatorDecided, Outcome};
use waybill_model::id::{ConnectionId, CorrelationId, EffectKey, MessageId};

pub(crate) fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Refused> {
    serde_json::from_slice(&request.body).map_err(|e| Refused::Invalid {
        code: "invalid_body",
        message: format!("line {}, column {}: {e}", e.line(), e.column()),
        remedy: "send the JSON that `/ops/openapi.json` describes",
    })
}

pub(crate) async fn load<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    id: CorrelationId,
) -> Result<Stored, Refused> {
    let stored = ports.orders.load(id).await?;
    stored.ok_or(Refused::NotFound("order"))
}

/// Issues an effect again that was rejected, or of which nothing was heard for a day.
pub(crate) async fn retry<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    operator: &Operator,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let id = correlation(id)?;
    let RetryBody { effect } = body(request)?;
    let decision = retry_of(ports, id, effect).await?;
    accepted(vec![decide(ports, operator, id, decision).await?])
}

/// The decision by which the effect is asked for again, if it can be.
pub(crate) async fn retry_of<
    O: OrderStore,
    E: EffectStore,
    Q: Queues,
    S: SecretSource,
    C: Clock,
>(
    ports: &Ports<'_, O, E, Q, S, C>,
    id: CorrelationId,
    effect: EffectKey,
) -> Result<Decision, Refused> {
    let stored = load(ports, id).await?;
    let known = stored.state.effects.get(&effect);
    if known.is_some_and(|e| e.is_lost(ports.clock.now())) {
        return Ok(Decision::Retry { effect });
    }
    match known.map(|e| &e.outcome) {
        None => Err(Refused::NotFound("effect of this order")),
        Some(Some(Outcome::Rejected { .. })) => Ok(Decision::Retry { effect }),
        Some(None) => Err(Refused::Conflict {
            code: "still_running",
            message: format!("`{effect}` has not ended yet"),
            remedy: "wait: it is tried again by itself for a day; then it can be retried",
        }),
        Some(Some(Outcome::Done { .. })) => Err(Refused::Conflict {
            code: "already_done",
            message: format!("`{effect}` is done"),
            remedy: "nothing is to be done; the outcome names what was made",
        }),
    }
}

/// What was put on a queue.
pub(crate) fn accepted(ids: Vec<String>) -> Result<Answer, Refused> {
    answer(202, &Accepted { ids })
}

/// Lets an order pass although something was found.
pub(crate) async fn waive<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    operator: &Operator,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let id = correlation(id)?;
    let WaiveBody { code } = body(request)?;
    let stored = load(ports, id).await?;
    if stored.state.findings().any(|f| f.code == code) {
        accepted(vec![
            decide(ports, operator, id, Decision::Waive { code }).await?,
        ])
    } else {
        Err(Refused::Conflict {
            code: "not_found_in_order",
            message: format!("the order has no finding `{code}`"),
            remedy: "see `findings` of the order",
        })
    }
}

/// Hands a decision to the coordinator, and returns the id of its event.
pub(crate) async fn decide<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    operator: &Operator,
    id: CorrelationId,
    decision: Decision,
) -> Result<String, Refused> {
    let source = ConnectionId::new(EventEnvelope::OURSELVES).map_err(|e| unwritable(&e))?;
    let event = EventEnvelope::new(
        MessageId::from_uuid(waybill_lambda_kit::chance::unique()),
        source,
        ports.clock.now(),
        id,
        Event::OperatorDecided(OperatorDecided {
            decision,
            operator: operator.id.clone(),
        }),
    );
    let message = event_message(&event).map_err(|e| unwritable(&e))?;
    send(ports, Queue::Events, vec![message]).await?;
    Ok(event.id.to_string())
}

pub(crate) fn unwritable(error: &dyn std::error::Error) -> Refused {
    Refused::Invalid {
        code: "unwritable",
        message: error.to_string(),
        remedy: "report this: it is a fault of Waybill",
    }
}

pub(crate) async fn send<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    queue: Queue,
    messages: Vec<Outgoing>,
) -> Result<(), Refused> {
    let unsent = ports.queues.send(queue, messages).await?;
    if unsent.is_empty() {
        return Ok(());
    }
    Err(Refused::Infra(InfraError::Unavailable {
        system: "sqs",
        detail: format!("{} message(s) were not accepted", unsent.len()),
    }))
}
