//! The case desk: one case or all that a filter names are retried, ignored or given to somebody.
//!
//! A case of an order is changed by a decision that goes through the order's timeline; one of no
//! order is changed here.

use crate::actions::{accepted, body, decide, retry_of, unwritable};
use crate::auth::Operator;
use crate::read::{answer, cursor};
use crate::views::{
    Action, AssignBody, BulkAnswer, BulkBody, BulkResult, CaseView, CloseBody, IgnoreBody,
};
use crate::{Ports, Refused, audit_case, replay};
use std::collections::BTreeSet;
use waybill_flow::ports::{CaseQuery, Clock, EffectStore, OrderStore, Queues};
use waybill_lambda_kit::http::{Answer, Request};
use waybill_lambda_kit::secrets::SecretSource;
use waybill_model::case::{Case, CaseId, CaseStatus, Retry};
use waybill_model::event::Decision;
use waybill_model::id::{CorrelationId, OperatorId};
use waybill_model::time::Instant;

/// Cases of one call, if it does not say.
const DEFAULT_BULK: usize = 25;
/// Most cases of one call: what fits into the time of one.
const MAX_BULK: usize = 50;

/// What an action comes to: it was checked, and nothing is done yet.
enum Step {
    /// A decision about the order of the case.
    Decide(CorrelationId, Decision),
    /// What was archived is handed in again.
    Replay(replay::Prepared),
    /// The case as it will be: no order holds it.
    Put(Box<Case>),
}

/// What an action came to.
enum Acted {
    /// Ids of what was put on a queue.
    Sent(Vec<String>),
    /// The case, changed at once.
    Changed(Box<Case>),
}

impl Acted {
    fn answer(self) -> Result<Answer, Refused> {
        match self {
            Self::Sent(ids) => accepted(ids),
            Self::Changed(case) => answer(200, &case),
        }
    }
}

/// Tries an exception again in the way that it says.
pub(crate) async fn retry<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    operator: &Operator,
    id: &str,
) -> Result<Answer, Refused> {
    let case = open_case(ports, id).await?;
    act(ports, operator, case, &Action::Retry).await?.answer()
}

/// Leaves an exception as it is: nothing is to be done.
pub(crate) async fn ignore<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    operator: &Operator,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let IgnoreBody { reason } = body(request)?;
    let case = open_case(ports, id).await?;
    let action = Action::Ignore { reason };
    act(ports, operator, case, &action).await?.answer()
}

/// Gives an exception to somebody.
pub(crate) async fn assign<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    operator: &Operator,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let AssignBody { owner } = body(request)?;
    let case = open_case(ports, id).await?;
    let action = Action::Assign { owner };
    act(ports, operator, case, &action).await?.answer()
}

/// Does the same to every open case of a class and code, a page at a time. Each is answered for: one
/// that cannot be acted on does not keep the others from it.
pub(crate) async fn bulk<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    operator: &Operator,
    request: &Request,
) -> Result<Answer, Refused> {
    let asked: BulkBody = body(request)?;
    let now = ports.clock.now();
    let opened_until = asked
        .filter
        .older_than_minutes
        .map(|minutes| now.plus_ms(-60_000 * i64::from(minutes)));
    let query = CaseQuery {
        class: Some(asked.filter.class),
        code: Some(asked.filter.code.clone()),
        connection: asked.filter.connection.clone(),
        owner: asked.filter.owner.clone(),
        opened_until,
        limit: asked.limit.unwrap_or(DEFAULT_BULK).clamp(1, MAX_BULK),
        cursor: cursor(asked.cursor.as_ref())?,
        ..CaseQuery::default()
    };
    let (cases, next) = ports.orders.cases(&query).await?;
    let mut bulk = BulkAnswer {
        cursor: next,
        ..BulkAnswer::default()
    };
    let mut replayed = BTreeSet::new();
    for case in cases {
        let view = CaseView::new(case.clone(), now);
        // Everything of an order is replayed at once, for all of its cases.
        let again = case.retry == Some(Retry::Order) && asked.action == Action::Retry;
        let order = again.then_some(case.correlation_id);
        let done = order.is_some_and(|order| replayed.contains(&order));
        let result = match done {
            true => Ok(()),
            false => one_of_many(ports, operator, case, &asked).await,
        };
        if let Err(Refused::Infra(_)) = &result {
            bulk.stop(view, asked.cursor);
            break;
        }
        if result.is_ok() {
            replayed.extend(order);
        }
        bulk.add(view, result);
    }
    answer(200, &bulk)
}

async fn one_of_many<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    operator: &Operator,
    case: Case,
    asked: &BulkBody,
) -> Result<(), Refused> {
    let (id, action) = (case.id, &asked.action);
    if asked.dry_run {
        return check(ports, operator, case, action).await.map(|_| ());
    }
    let result = act(ports, operator, case, action).await;
    audit_case(operator, action.name(), id, result.as_ref().err());
    result.map(|_| ())
}

impl BulkAnswer {
    fn add(&mut self, case: CaseView, result: Result<(), Refused>) {
        let refused = result.err().map(|refused| refused.answer().body);
        match refused {
            None => self.accepted += 1,
            Some(_) => self.refused += 1,
        }
        let refused = refused.and_then(|body| serde_json::from_str(&body).ok());
        self.results.push(BulkResult { case, refused });
    }

    /// Our own stores failed: to repeat the call does no harm to what was done before.
    fn stop(&mut self, case: CaseView, cursor: Option<String>) {
        self.stopped_at = Some(case.case.id);
        self.cursor = cursor;
    }
}

async fn act<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    operator: &Operator,
    case: Case,
    action: &Action,
) -> Result<Acted, Refused> {
    Ok(match check(ports, operator, case, action).await? {
        Step::Decide(order, decision) => {
            Acted::Sent(vec![decide(ports, operator, order, decision).await?])
        }
        Step::Replay(prepared) => Acted::Sent(replay::hand_in(ports, prepared).await?.ids),
        Step::Put(case) => {
            ports.orders.put_case(&case).await?;
            Acted::Changed(case)
        }
    })
}

/// Whether an action can be taken, and what is to be done then. A dry run ends here.
async fn check<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    operator: &Operator,
    mut case: Case,
    action: &Action,
) -> Result<Step, Refused> {
    let id = case.id;
    let decision = match action {
        Action::Retry => return again(ports, &case).await,
        Action::Ignore { reason } => {
            let reason = reason.clone();
            shut(&mut case, CaseStatus::Ignored, operator, ports.clock.now())?;
            case.reason = Some(reason.clone());
            Decision::Ignore { case: id, reason }
        }
        Action::Assign { owner } => {
            let owner = match owner {
                Some(owner) => owner.clone(),
                None => name(operator)?,
            };
            case.owner = Some(owner.clone());
            Decision::Assign { case: id, owner }
        }
    };
    Ok(match holder(ports, &case).await? {
        Some(order) => Step::Decide(order, decision),
        None => Step::Put(Box::new(case)),
    })
}

/// How a case is tried again in its own way.
async fn again<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    case: &Case,
) -> Result<Step, Refused> {
    Ok(match (&case.retry, case.correlation_id) {
        (Some(Retry::Effect { effect }), Some(order)) => {
            Step::Decide(order, retry_of(ports, order, effect.clone()).await?)
        }
        (Some(Retry::Order), Some(order)) => Step::Replay(replay::of_order(ports, order).await?),
        (Some(Retry::Receipt { receipt }), _) => {
            Step::Replay(replay::of_receipt(ports, receipt).await?)
        }
        (Some(Retry::Effect { .. } | Retry::Order), None) | (None, _) => {
            return Err(Refused::Conflict {
                code: "nothing_to_retry",
                message: format!("case `{}` waits for something outside of Waybill", case.id),
                remedy: "do what the case says; it closes by itself when its cause is gone",
            });
        }
    })
}

/// Closes a case; whoever does it is who worked on it, if nobody else did.
fn shut(
    case: &mut Case,
    status: CaseStatus,
    operator: &Operator,
    now: Instant,
) -> Result<(), Refused> {
    case.status = status;
    case.closed_at = Some(now);
    if case.owner.is_none() {
        case.owner = Some(name(operator)?);
    }
    Ok(())
}

fn name(operator: &Operator) -> Result<OperatorId, Refused> {
    OperatorId::new(&operator.id).map_err(|e| unwritable(&e))
}

async fn open_case<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    id: &str,
) -> Result<Case, Refused> {
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
    Ok(case)
}

/// The order whose state holds the case, if one does.
async fn holder<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    case: &Case,
) -> Result<Option<CorrelationId>, Refused> {
    let Some(order) = case.correlation_id else {
        return Ok(None);
    };
    let stored = ports.orders.load(order).await?;
    let holds = stored.is_some_and(|s| s.state.cases.contains_key(&case.id));
    Ok(holds.then_some(order))
}

/// Closes as resolved a case that no order's state holds: a quarantined delivery, a connection, a
/// comparison.
pub(crate) async fn close<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    operator: &Operator,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    if !request.body.is_empty() {
        let CloseBody {} = body(request)?;
    }
    let mut case = open_case(ports, id).await?;
    if holder(ports, &case).await?.is_some() {
        return Err(Refused::Conflict {
            code: "follows_the_order",
            message: "this case closes by itself when the order goes on".to_owned(),
            remedy: "retry the effect, waive the finding, correct the order, or ignore the case",
        });
    }
    shut(&mut case, CaseStatus::Resolved, operator, ports.clock.now())?;
    ports.orders.put_case(&case).await?;
    answer(200, &case)
}
