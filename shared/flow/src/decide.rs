//! `decide`: the only place that knows the process. No I/O, no clock, no partner names.

use crate::connections::Connections;
use crate::plan;
use crate::state::OrderState;
use crate::view::View;
use crate::{context, corrections, exceptions, fold, intake, stages};
use waybill_model::case::Case;
use waybill_model::command::{Command, Issued, SetStock};
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{Decision, Event, OperatorDecided, Outcome};
use waybill_model::failure::NO_OUTCOME;
use waybill_model::id::{Code, EffectKey, ExternalId, MessageId, RefKind, Reference};
use waybill_model::ownership::Field;
use waybill_model::time::Instant;

/// What follows from one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The state after it.
    pub state: OrderState,
    /// Commands that it calls for, in this order.
    pub commands: Vec<Issued>,
    /// References that lead to the order from now on, and did not before.
    pub references: Vec<Reference>,
    /// Cases opened or closed.
    pub cases: Vec<Case>,
    /// When the clock alone may next change something.
    pub deadline: Option<Instant>,
    /// One line for the timeline: no personal data.
    pub summary: String,
    /// Whether anything that is known has changed.
    pub changed: bool,
}

/// Applies an event to an order's state and says what is to be done.
///
/// Any order, duplication or delay of events ends in the same facts, and so in the same effects.
#[must_use]
pub fn decide(
    state: Option<&OrderState>,
    event: &EventEnvelope,
    rules: &Connections,
    now: Instant,
) -> Decided {
    let was_unknown = state.is_none_or(|s| s.facts.order.is_none());
    let mut state = state.cloned().unwrap_or_default();
    let correlation = event.correlationid;
    give_up_lost(&mut state, &event.body, now);
    let foreign = foreign_field(event, rules);
    corrections::take_off(&mut state.facts);
    let changed = match foreign {
        None => fold::apply(&mut state, event),
        Some(_) => {
            fold::remember(&mut state, event);
            false
        }
    };
    if was_unknown && state.facts.order.is_some() {
        state.known_since = Some(now);
    }
    corrections::put_on(&mut state.facts, rules);
    let wanted = View::new(&state, rules, now)
        .map(|v| plan::wanted(&v))
        .unwrap_or_default();
    let mut commands = plan::issue(&mut state, wanted, correlation, now);
    let by_person = exceptions::decided(&mut state, &event.body, now);
    let changed = changed || by_person.is_some();
    let settled = exceptions::settle(&mut state, rules, correlation, now);
    // A case that is ignored is wanted still, and one that is assigned is open still, so the two
    // never name the same case; should its cause be gone at this moment, the closing one counts.
    let cases = by_person
        .into_iter()
        .filter(|c| settled.iter().all(|s| s.id != c.id))
        .chain(settled.iter().cloned())
        .collect();
    commands.extend(context::issue(&mut state, rules, correlation, now));
    let references = learn_references(&mut state);
    let deadline = match View::new(&state, rules, now) {
        Some(view) => stages::next_deadline(&view),
        None => exceptions::untold::deadline(&state, rules, now),
    };
    let summary = match foreign {
        None => summarise(&event.body),
        Some(field) => format!(
            "dropped: `{}` does not own `{field:?}`, which it told",
            event.source
        ),
    };
    Decided {
        state,
        commands,
        references,
        cases,
        deadline,
        summary,
        changed,
    }
}

/// What a connection tells although another system owns it (features M2). The validator drops such
/// facts; one that waited for its order, or came another way, is dropped here.
fn foreign_field(event: &EventEnvelope, rules: &Connections) -> Option<Field> {
    let connection = rules.get(&event.source)?;
    intake::check_owner(connection, &event.body).err().flatten()
}

/// An operator asks again for an effect of which nothing was heard for a day: it counts as rejected,
/// so that it can be issued anew and the order's other effects do not wait for it.
fn give_up_lost(state: &mut OrderState, event: &Event, now: Instant) {
    let Event::OperatorDecided(decided) = event else {
        return;
    };
    let Decision::Retry { effect: key } = &decided.decision else {
        return;
    };
    if let Some(effect) = state.effects.get_mut(key)
        && effect.is_lost(now)
    {
        effect.outcome = Some(Outcome::Rejected {
            code: Code::literal(NO_OUTCOME),
            detail: format!("nothing was heard of `{key}` for a day"),
            remedy: "look at the partner whether the effect is there, then retry it".to_owned(),
        });
    }
}

/// What follows from stock that a warehouse counted: it belongs to no order and has no state.
#[must_use]
pub fn stock(event: &EventEnvelope, rules: &Connections) -> Vec<Issued> {
    let Event::StockObserved(observed) = &event.body else {
        return Vec::new();
    };
    let settings = rules.get(&event.source).and_then(|c| c.warehouse.as_ref());
    let Some(erp) = settings
        .filter(|w| w.owns_stock)
        .and_then(|w| w.erp.clone())
    else {
        return Vec::new();
    };
    let effect = EffectKey::of("stock.set", Some(event.id.as_str()));
    let command = Command::SetStock(SetStock {
        erp,
        levels: observed.levels.clone(),
    });
    let id = MessageId::for_effect(event.correlationid, &effect);
    vec![Issued {
        id,
        effect,
        command,
    }]
}

/// References that the facts and outcomes show and that the store was not told yet.
fn learn_references(state: &mut OrderState) -> Vec<Reference> {
    let mut known = Vec::new();
    let facts = &state.facts;
    if let Some(order) = &facts.order {
        known.extend(anywhere(RefKind::OrderNumber, order.number.as_str()));
        let email = order.customer.as_ref().and_then(|c| c.email.as_deref());
        known.extend(email.map(Reference::email));
    }
    for payment in facts.payments.values() {
        known.push(Reference::new(
            payment.gateway.clone(),
            RefKind::Payment,
            payment.id.clone(),
        ));
    }
    for story in facts.refunds.values().flat_map(|stories| stories.values()) {
        let ids = [Some(&story.id), story.gateway_id.as_ref()]
            .into_iter()
            .flatten();
        known.extend(
            ids.map(|id| Reference::new(story.source.clone(), RefKind::Refund, id.clone())),
        );
    }
    for order in facts.fulfillment_orders.values() {
        let id = order.id.clone();
        known.push(Reference::new(
            order.warehouse.clone(),
            RefKind::FulfillmentOrder,
            id,
        ));
    }
    for shipment in facts.shipments.values() {
        let id = shipment.id.clone();
        known.push(Reference::new(
            shipment.warehouse.clone(),
            RefKind::Shipment,
            id,
        ));
        let numbers = shipment
            .parcels
            .iter()
            .filter_map(|p| p.tracking_number.as_ref());
        known.extend(numbers.filter_map(|n| anywhere(RefKind::TrackingNumber, n.as_str())));
    }
    for story in facts.returns.values().flat_map(|stories| stories.values()) {
        known.push(Reference::new(
            story.source.clone(),
            RefKind::Return,
            story.id.clone(),
        ));
    }
    for ticket in facts.tickets.values() {
        known.push(Reference::new(
            ticket.helpdesk.clone(),
            RefKind::Ticket,
            ticket.id.clone(),
        ));
    }
    for effect in state.effects.values() {
        if let Some(Outcome::Done { references }) = &effect.outcome {
            known.extend(references.iter().cloned());
        }
    }
    known.retain(|r| state.references.insert(r.clone()));
    known
}

fn anywhere(kind: RefKind, id: &str) -> Option<Reference> {
    Some(Reference::anywhere(kind, ExternalId::new(id).ok()?))
}

/// Who decided what, and why.
fn decision(decided: &OperatorDecided) -> String {
    let who = &decided.operator;
    match &decided.decision {
        Decision::Retry { effect } => format!("{who} retried {effect}"),
        Decision::Waive { code } => format!("{who} waived {code}"),
        Decision::Ignore { case, reason } => format!("{who} ignored case {case}: {reason}"),
        Decision::Correct {
            correction, reason, ..
        } => format!("{who} corrected {}: {reason}", correction.summary()),
        Decision::Assign { case, owner } => format!("{who} gave case {case} to {owner}"),
    }
}

/// One line of the timeline.
fn summarise(event: &Event) -> String {
    match event {
        Event::OrderObserved(o) => {
            let state = if o.order.cancelled.is_some() {
                "cancelled"
            } else {
                "told"
            };
            let findings = if o.findings.is_empty() {
                String::new()
            } else {
                format!(", {} finding(s)", o.findings.len())
            };
            format!(
                "order {} {state}: {} {}{findings}",
                o.order.number, o.order.totals.total, o.order.currency
            )
        }
        Event::PaymentObserved(p) => format!("payment {}: {:?} {}", p.id, p.status, p.amount),
        Event::RefundObserved(r) => format!("refund {}: {:?} {}", r.id, r.status, r.amount),
        Event::FulfillmentOrderObserved(f) => format!("warehouse order {}: {:?}", f.id, f.status),
        Event::ShipmentObserved(s) => {
            format!(
                "shipment {}: {:?}, {} parcel(s)",
                s.id,
                s.status,
                s.parcels.len()
            )
        }
        Event::TrackingObserved(t) => format!("parcel {}: {:?}", t.tracking_number, t.status),
        Event::ReturnObserved(r) => format!("return {}: {:?}", r.id, r.status),
        Event::StockObserved(s) => format!("{} stock level(s)", s.levels.len()),
        Event::TicketObserved(t) => format!("ticket {}: {:?}", t.id, t.status),
        Event::CommandFinished(c) => match &c.outcome {
            Outcome::Done { .. } => format!("{} done", c.effect),
            Outcome::Rejected { code, .. } => format!("{} refused: {code}", c.effect),
        },
        Event::ClockPassed(c) => format!("the clock passed {}", c.now),
        Event::OperatorDecided(d) => decision(d),
    }
}
