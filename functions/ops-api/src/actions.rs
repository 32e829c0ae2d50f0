//! Actions: decisions become events, replays become deliveries. Nothing is changed here directly
//! but cases that belong to no order's state.

use crate::auth::Operator;
use crate::read::{answer, correlation};
use crate::views::{Accepted, AssignBody, CloseBody, IgnoreBody, RetryBody, WaiveBody};
use crate::{Ports, Refused};
use serde::de::DeserializeOwned;
use waybill_flow::ports::{
    Archived, Clock, InfraError, OrderStore, Outgoing, Queue, Queues, Stored,
};
use waybill_lambda_kit::delivery;
use waybill_lambda_kit::http::{Answer, Request};
use waybill_lambda_kit::queues::{event_message, plain_message};
use waybill_lambda_kit::secrets::SecretSource;
use waybill_model::case::{Case, CaseId, CaseStatus};
use waybill_model::delivery::Origin;
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{Decision, Event, OperatorDecided, Outcome};
use waybill_model::id::{ConnectionId, CorrelationId, MessageId, OperatorId};

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Refused> {
    serde_json::from_slice(&request.body).map_err(|e| Refused::Invalid {
        code: "invalid_body",
        message: format!("line {}, column {}: {e}", e.line(), e.column()),
        remedy: "send the JSON that `/ops/openapi.json` describes",
    })
}

async fn load<O: OrderStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, Q, S, C>,
    id: CorrelationId,
) -> Result<Stored, Refused> {
    let stored = ports.orders.load(id).await?;
    stored.ok_or(Refused::NotFound("order"))
}

/// Issues an effect again that was rejected, or of which nothing was heard for a day.
pub(crate) async fn retry<O: OrderStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, Q, S, C>,
    operator: &Operator,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let id = correlation(id)?;
    let RetryBody { effect } = body(request)?;
    let stored = load(ports, id).await?;
    let known = stored.state.effects.get(&effect);
    if known.is_some_and(|e| e.is_lost(ports.clock.now())) {
        return decide(ports, operator, id, Decision::Retry { effect }).await;
    }
    match known.map(|e| &e.outcome) {
        None => Err(Refused::NotFound("effect of this order")),
        Some(Some(Outcome::Rejected { .. })) => {
            decide(ports, operator, id, Decision::Retry { effect }).await
        }
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

/// Lets an order pass although something was found.
pub(crate) async fn waive<O: OrderStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, Q, S, C>,
    operator: &Operator,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let id = correlation(id)?;
    let WaiveBody { code } = body(request)?;
    let stored = load(ports, id).await?;
    let facts = &stored.state.facts;
    if facts.findings.iter().any(|f| f.code == code) {
        decide(ports, operator, id, Decision::Waive { code }).await
    } else {
        Err(Refused::Conflict {
            code: "not_found_in_order",
            message: format!("the order has no finding `{code}`"),
            remedy: "see `findings` of the order",
        })
    }
}

async fn decide<O: OrderStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, Q, S, C>,
    operator: &Operator,
    id: CorrelationId,
    decision: Decision,
) -> Result<Answer, Refused> {
    let source = ConnectionId::new(EventEnvelope::OURSELVES).map_err(|e| unwritable(&e))?;
    let event = EventEnvelope::new(
        MessageId::from_uuid(uuid::Uuid::new_v4()),
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
    let accepted = Accepted {
        ids: vec![event.id.to_string()],
        skipped: 0,
    };
    answer(202, &accepted)
}

fn unwritable(error: &dyn std::error::Error) -> Refused {
    Refused::Invalid {
        code: "unwritable",
        message: error.to_string(),
        remedy: "report this: it is a fault of Waybill",
    }
}

async fn send<O: OrderStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, Q, S, C>,
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

/// Runs everything that is archived of an order again.
pub(crate) async fn replay_order<O: OrderStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, Q, S, C>,
    id: &str,
) -> Result<Answer, Refused> {
    let archived = ports.orders.archived(correlation(id)?).await?;
    if archived.is_empty() {
        return Err(Refused::NotFound("archived delivery of this order"));
    }
    replay(ports, &archived).await
}

/// Runs one delivery again, quarantined ones too.
pub(crate) async fn replay_receipt<O: OrderStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, Q, S, C>,
    id: &str,
) -> Result<Answer, Refused> {
    let receipt = MessageId::new(id).map_err(|_| Refused::NotFound("receipt"))?;
    let archived = ports.orders.receipt(&receipt).await?;
    let archived = archived.ok_or(Refused::NotFound("receipt"))?;
    replay(ports, std::slice::from_ref(&archived)).await
}

async fn replay<O: OrderStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, Q, S, C>,
    archived: &[Archived],
) -> Result<Answer, Refused> {
    let now = ports.clock.now();
    let mut messages = Vec::with_capacity(archived.len());
    let mut ids = Vec::with_capacity(archived.len());
    for one in archived {
        // What was no delivery when it came is none now.
        let Ok(mut delivery) = delivery::decode(&one.delivery) else {
            continue;
        };
        delivery.origin = Origin::Replay;
        delivery.received_at = now;
        if let Ok(message) = delivery::encode(&delivery) {
            messages.push(plain_message(message));
            ids.push(delivery.receipt.to_string());
        }
    }
    if messages.is_empty() {
        return Err(Refused::Conflict {
            code: "not_replayable",
            message: "what is archived is no delivery".to_owned(),
            remedy: "nothing of a partner is in it; close its case",
        });
    }
    let skipped = archived.len() - messages.len();
    send(ports, Queue::Inbound, messages).await?;
    answer(202, &Accepted { ids, skipped })
}

/// Leaves an exception as it is: nothing is to be done. One of an order goes through the order's
/// timeline, which keeps who decided it, when and why; one of no order keeps the reason itself.
pub(crate) async fn ignore<O: OrderStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, Q, S, C>,
    operator: &Operator,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let IgnoreBody { reason } = body(request)?;
    let (mut case, order) = open_case(ports, id).await?;
    if let Some(order) = order {
        let case = case.id;
        return decide(ports, operator, order, Decision::Ignore { case, reason }).await;
    }
    case.status = CaseStatus::Ignored;
    case.closed_at = Some(ports.clock.now());
    if case.owner.is_none() {
        case.owner = Some(name(operator)?);
    }
    case.reason = Some(reason);
    ports.orders.put_case(&case).await?;
    answer(200, &case)
}

/// Gives an exception to somebody.
pub(crate) async fn assign<O: OrderStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, Q, S, C>,
    operator: &Operator,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let AssignBody { owner } = body(request)?;
    let owner = match owner {
        Some(owner) => owner,
        None => name(operator)?,
    };
    let (mut case, order) = open_case(ports, id).await?;
    if let Some(order) = order {
        let case = case.id;
        return decide(ports, operator, order, Decision::Assign { case, owner }).await;
    }
    case.owner = Some(owner);
    ports.orders.put_case(&case).await?;
    answer(200, &case)
}

fn name(operator: &Operator) -> Result<OperatorId, Refused> {
    OperatorId::new(&operator.id).map_err(|e| unwritable(&e))
}

/// An open case, and the order whose state holds it.
async fn open_case<O: OrderStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, Q, S, C>,
    id: &str,
) -> Result<(Case, Option<CorrelationId>), Refused> {
    let id = CaseId::parse(id).map_err(|_| Refused::NotFound("case"))?;
    let case = ports.orders.case(id).await?;
    let case = case.ok_or(Refused::NotFound("case"))?;
    if case.status != CaseStatus::Open {
        return Err(Refused::Conflict {
            code: "not_open",
            message: format!("case `{id}` is closed"),
            remedy: "nothing is to be done; it opens again by itself if its cause comes back",
        });
    }
    let holder = match case.correlation_id {
        Some(order) => {
            let stored = ports.orders.load(order).await?;
            let holds = stored.is_some_and(|s| s.state.cases.contains_key(&id));
            holds.then_some(order)
        }
        None => None,
    };
    Ok((case, holder))
}

/// Closes a case that no order's state holds: a quarantined delivery, a connection, a comparison.
pub(crate) async fn close<O: OrderStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, Q, S, C>,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let id = CaseId::parse(id).map_err(|_| Refused::NotFound("case"))?;
    let CloseBody { status } = body(request)?;
    if status == CaseStatus::Open {
        return Err(Refused::Invalid {
            code: "invalid_body",
            message: "`status` is `open`".to_owned(),
            remedy: "give `resolved` or `ignored`",
        });
    }
    let case = ports.orders.case(id).await?;
    let mut case = case.ok_or(Refused::NotFound("case"))?;
    if let Some(order) = case.correlation_id
        && let Some(stored) = ports.orders.load(order).await?
        && stored.state.cases.contains_key(&id)
    {
        return Err(Refused::Conflict {
            code: "follows_the_order",
            message: "this case closes by itself when the order goes on".to_owned(),
            remedy: "retry the effect, waive the finding, correct the order, or ignore the case",
        });
    }
    case.status = status;
    case.closed_at = Some(ports.clock.now());
    ports.orders.put_case(&case).await?;
    answer(200, &case)
}
