//! Dry run of a replay (features M4): what is archived is read and decided again with the code and
//! the connections file of now, or with a file that is not deployed yet. Nothing is written and
//! nobody is asked; what would differ is told.

use crate::actions::body;
use crate::read::{answer, correlation, cursor, invalid};
use crate::views::{
    DeliveryView, DryRun, DryRunBody, DryRunRange, OrderDifference, PlannedEffect, Reading,
};
use crate::{Ports, Refused};
use std::collections::BTreeMap;
use waybill_flow::axes;
use waybill_flow::connections::{Connection, Connections};
use waybill_flow::decide::decide;
use waybill_flow::differences;
use waybill_flow::intake;
use waybill_flow::ports::{
    ArchiveQuery, Archived, Clock, EffectStore, InfraError, OrderStore, Queues,
};
use waybill_flow::state::OrderState;
use waybill_lambda_kit::delivery;
use waybill_lambda_kit::http::{Answer, Request};
use waybill_lambda_kit::secrets::SecretSource;
use waybill_model::case::{Case, CaseStatus};
use waybill_model::command::Issued;
use waybill_model::delivery::Delivery;
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{Event, Finding, Subject};
use waybill_model::id::{CorrelationId, MessageId, RefKind, Reference};
use waybill_model::time::Instant;
use waybill_partners::{Fact, Parsed};

/// Deliveries of a range that one call looks at, if it does not say.
const DEFAULT_RANGE: usize = 50;
/// Most deliveries of one call.
const MAX_RANGE: usize = 100;

/// One order while it is decided again.
struct Replay {
    before: OrderState,
    after: OrderState,
    commands: Vec<Issued>,
}

/// A dry run while it goes on.
struct Run<'a, O> {
    orders: &'a O,
    rules: &'a Connections,
    parse: crate::Parse,
    now: Instant,
    /// Only this order, if one is asked for.
    only: Option<CorrelationId>,
    states: BTreeMap<CorrelationId, Replay>,
    deliveries: Vec<DeliveryView>,
}

/// Of everything archived of an order.
pub(crate) async fn order<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let id = correlation(id)?;
    let rules = asked_rules(request)?;
    let archived = ports.orders.archived(id).await?;
    if archived.is_empty() {
        return Err(Refused::NotFound("archived delivery of this order"));
    }
    let told = run(ports, rules.as_ref(), Some(id), &archived).await?;
    answer(200, &told)
}

/// Of one delivery.
pub(crate) async fn receipt<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    id: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let receipt = MessageId::new(id).map_err(|_| Refused::NotFound("receipt"))?;
    let rules = asked_rules(request)?;
    let archived = ports.orders.receipt(&receipt).await?;
    let archived = archived.ok_or(Refused::NotFound("receipt"))?;
    let told = run(ports, rules.as_ref(), None, std::slice::from_ref(&archived)).await?;
    answer(200, &told)
}

/// Of what was received in a range of time, a page at a time.
pub(crate) async fn range<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    request: &Request,
) -> Result<Answer, Refused> {
    let DryRunRange { range, connections } = body(request)?;
    let rules = connections.as_deref().map(read_rules).transpose()?;
    if range.from >= range.to {
        return Err(invalid("from", "an instant before `to`"));
    }
    let query = ArchiveQuery {
        from: range.from,
        to: range.to,
        limit: range.limit.unwrap_or(DEFAULT_RANGE).clamp(1, MAX_RANGE),
        cursor: cursor(range.cursor.as_ref())?,
    };
    let (mut archived, next) = ports.orders.archived_between(&query).await?;
    archived.retain(|one| range.wants(one));
    let mut told = run(ports, rules.as_ref(), None, &archived).await?;
    told.cursor = next;
    answer(200, &told)
}

/// The connections file of the request, if there is one.
fn asked_rules(request: &Request) -> Result<Option<Connections>, Refused> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let DryRunBody { connections } = body(request)?;
    connections.as_deref().map(read_rules).transpose()
}

fn read_rules(text: &str) -> Result<Connections, Refused> {
    Connections::parse(text).map_err(|error| Refused::Invalid {
        code: "invalid_connections",
        message: error.to_string(),
        remedy: "correct the connections file",
    })
}

async fn run<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    rules: Option<&Connections>,
    only: Option<CorrelationId>,
    archived: &[Archived],
) -> Result<DryRun, Refused> {
    let mut run = Run {
        orders: ports.orders,
        rules: rules.unwrap_or(ports.connections),
        parse: ports.parse,
        now: ports.clock.now(),
        only,
        states: BTreeMap::new(),
        deliveries: Vec::new(),
    };
    for one in archived {
        run.again(one).await?;
    }
    Ok(DryRun {
        connections_version: run.rules.version.clone(),
        orders: run.states.iter().map(difference).collect(),
        deliveries: run.deliveries,
        cursor: None,
    })
}

impl<O: OrderStore> Run<'_, O> {
    /// Reads and decides one delivery, and notes what came of it.
    async fn again(&mut self, archived: &Archived) -> Result<(), InfraError> {
        let mut view = DeliveryView {
            receipt: archived.receipt.to_string(),
            received_at: archived.received_at,
            connection: None,
            topic: None,
            reading: Reading::Read,
            detail: None,
        };
        let (reading, detail) = match delivery::decode(&archived.delivery) {
            Ok(delivery) => {
                view.connection = Some(delivery.connection.clone());
                view.topic.clone_from(&delivery.topic);
                self.delivery(&delivery).await?
            }
            Err(error) => (Reading::Unreadable, Some(error.to_string())),
        };
        (view.reading, view.detail) = (reading, detail);
        self.deliveries.push(view);
        Ok(())
    }

    async fn delivery(
        &mut self,
        delivery: &Delivery,
    ) -> Result<(Reading, Option<String>), InfraError> {
        let rules = self.rules;
        let Some(connection) = rules.get(&delivery.connection) else {
            let detail = format!("the connection `{}` is not configured", delivery.connection);
            return Ok((Reading::Unreadable, Some(detail)));
        };
        let facts = match (self.parse)(connection, delivery) {
            Ok(Parsed::Facts { facts, .. }) => facts,
            Ok(Parsed::Ignored { code }) => {
                return Ok((Reading::Ignored, Some(code.to_string())));
            }
            Ok(Parsed::Refetch { .. }) => {
                let detail = "the partner would be asked for the current state".to_owned();
                return Ok((Reading::NeedsThePartner, Some(detail)));
            }
            Err(error) => return Ok((Reading::Unreadable, Some(error.to_string()))),
        };
        let mut told = (Reading::OtherOrder, None);
        for (index, fact) in facts.into_iter().enumerate() {
            let reading = self.fact(connection, delivery, fact, index).await?;
            // The first fact of an order that is asked for speaks for the delivery.
            if told.0 == Reading::OtherOrder {
                told = reading;
            }
        }
        Ok(told)
    }

    async fn fact(
        &mut self,
        connection: &Connection,
        delivery: &Delivery,
        fact: Fact,
        index: usize,
    ) -> Result<(Reading, Option<String>), InfraError> {
        if let Err(field) = intake::check_owner(connection, &fact.event) {
            let detail = format!("`{}` does not own `{field:?}`", connection.id);
            return Ok((Reading::NotOwner, Some(detail)));
        }
        let found = self.orders_of(&fact.subject).await?;
        if found.is_empty() {
            return Ok((Reading::NoOrder, None));
        }
        let body = intake::refine(connection, fact.event);
        let mut told = (Reading::OtherOrder, None);
        for id in found {
            if self.only.is_some_and(|only| only != id) {
                continue;
            }
            // No event that was applied before has this id: a replay is another event.
            let receipt = format!("{}#dry-run", delivery.receipt);
            let mut event = EventEnvelope::new(
                MessageId::for_delivery(&connection.id, &receipt, index),
                connection.id.clone(),
                fact.at.unwrap_or(delivery.received_at),
                id,
                body.clone(),
            );
            event.configversion = Some(self.rules.version.clone());
            told = self.decide(event).await?;
        }
        Ok(told)
    }

    /// The orders that a fact belongs to. Whoever shares an e-mail address is not told apart by it.
    async fn orders_of(&self, subject: &Subject) -> Result<Vec<CorrelationId>, InfraError> {
        let references: &[Reference] = match subject {
            Subject::Order(id) => return Ok(vec![*id]),
            Subject::Connection => return Ok(Vec::new()),
            Subject::Reference(references) => references,
        };
        for reference in references {
            let found = self.orders.resolve(reference).await?;
            let several = reference.kind == RefKind::TrackingNumber;
            if found.len() == 1 || (several && !found.is_empty()) {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    async fn decide(
        &mut self,
        event: EventEnvelope,
    ) -> Result<(Reading, Option<String>), InfraError> {
        let id = event.correlationid;
        let known = match self.states.remove(&id) {
            Some(known) => known,
            None => {
                let stored = self.orders.load(id).await?;
                let before = stored.map(|s| s.state).unwrap_or_default();
                Replay {
                    after: before.clone(),
                    before,
                    commands: Vec::new(),
                }
            }
        };
        let decided = decide(Some(&known.after), &event, self.rules, self.now);
        let reading = reading(&event, &known.after, &decided.state);
        let mut commands = known.commands;
        commands.extend(decided.commands);
        let replay = Replay {
            before: known.before,
            after: decided.state,
            commands,
        };
        self.states.insert(id, replay);
        Ok(reading)
    }
}

/// What an event did. A snapshot of an order that is read differently now, and does not replace what
/// is stored, is worth a word: it is not seen in the difference.
fn reading(
    event: &EventEnvelope,
    before: &OrderState,
    after: &OrderState,
) -> (Reading, Option<String>) {
    if let (Event::OrderObserved(told), Some(stored)) = (&event.body, before.facts.told_order())
        && told.order.version == stored.version
        && (told.order != *stored || told.findings != told_findings(before))
        && after.facts.told_order() == Some(stored)
        && told_findings(after) == told_findings(before)
    {
        let detail = "it is read differently now, but what is stored was read with the same \
                      version of the connections file and stays: raise `version` there, and \
                      deploy, for the new reading to replace it";
        return (Reading::Kept, Some(detail.to_owned()));
    }
    (Reading::Read, None)
}

fn told_findings(state: &OrderState) -> &[Finding] {
    let facts = &state.facts;
    let told = facts.told.as_ref().map(|told| &told.findings);
    told.unwrap_or(&facts.findings)
}

fn difference((id, replay): (&CorrelationId, &Replay)) -> OrderDifference {
    let Replay {
        before,
        after,
        commands,
    } = replay;
    let changed = |case: &&Case| before.cases.get(&case.id) != Some(*case);
    let cases: Vec<&Case> = after.cases.values().filter(changed).collect();
    let with = |open: bool| {
        let cases = cases
            .iter()
            .filter(|c| (c.status == CaseStatus::Open) == open);
        cases.map(|c| format!("{}: {}", c.code, c.detail)).collect()
    };
    OrderDifference {
        correlation_id: *id,
        known: before.facts != OrderState::default().facts,
        differences: differences::between(before, after)
            .into_iter()
            .map(Into::into)
            .collect(),
        effects: commands.iter().map(planned).collect(),
        opened: with(true),
        closed: with(false),
        axes: axes(after).to_map(),
    }
}

fn planned(issued: &Issued) -> PlannedEffect {
    PlannedEffect {
        effect: issued.effect.clone(),
        command: issued.command.kind().as_str().to_owned(),
        connection: issued.command.connection().clone(),
    }
}
