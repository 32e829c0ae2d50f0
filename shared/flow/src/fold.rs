//! Events into facts. The fold is commutative, associative and idempotent: every fact is a join
//! (the larger of two by a total order), so that any order, duplication or delay of events ends in
//! the same facts.

use crate::state::{Corrected, Effect, Facts, OrderState};
use std::collections::btree_map::{BTreeMap, Entry};
use waybill_model::correction::Correction;
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{CommandFinished, Decision, Event, OrderObserved, Outcome};
use waybill_model::id::EffectKey;
use waybill_model::order::Version;
use waybill_model::payment::Refund;
use waybill_model::returns::Return;
use waybill_model::shipment::Shipment;

/// Newest event ids that are remembered per order, so that a redelivery is recognised. A duplicate
/// older than this is applied again, which changes nothing: facts are joins.
pub const REMEMBERED_EVENTS: usize = 64;

/// Applies an event. Returns whether anything that is known has changed.
pub fn apply(state: &mut OrderState, envelope: &EventEnvelope) -> bool {
    if state.applied.contains(&envelope.id) {
        return false;
    }
    let before = (state.facts.clone(), state.effects.clone());
    apply_event(state, envelope);
    remember(state, envelope);
    before != (state.facts.clone(), state.effects.clone())
}

/// Remembers an event as one that was seen, without applying it.
pub fn remember(state: &mut OrderState, envelope: &EventEnvelope) {
    if state.applied.contains(&envelope.id) {
        return;
    }
    state.applied.push(envelope.id.clone());
    let excess = state.applied.len().saturating_sub(REMEMBERED_EVENTS);
    state.applied.drain(..excess);
}

fn apply_event(state: &mut OrderState, envelope: &EventEnvelope) {
    let facts = &mut state.facts;
    match &envelope.body {
        Event::OrderObserved(observed) => join_order(facts, observed, envelope),
        Event::PaymentObserved(p) => {
            join(&mut facts.payments, p.id.clone(), p, |p| {
                (p.version, p.status, p.clone())
            });
        }
        Event::RefundObserved(r) => {
            let stories = facts.refunds.entry(r.id.clone()).or_default();
            join(stories, r.source.clone(), r, refund_rank);
        }
        Event::FulfillmentOrderObserved(f) => {
            join(&mut facts.fulfillment_orders, f.id.clone(), f, |f| {
                (f.version, f.status, f.clone())
            });
        }
        Event::ShipmentObserved(s) => join_shipment(&mut facts.shipments, s),
        Event::TrackingObserved(t) => {
            join(&mut facts.tracking, t.tracking_number.clone(), t, |t| {
                (t.at, t.status, t.clone())
            });
        }
        Event::ReturnObserved(r) => {
            let stories = facts.returns.entry(r.id.clone()).or_default();
            join(stories, r.source.clone(), r, return_rank);
        }
        Event::TicketObserved(t) => {
            join(&mut facts.tickets, t.id.clone(), t, |t| {
                (t.version, t.status, t.clone())
            });
        }
        Event::CommandFinished(finished) => join_outcome(state, finished, envelope),
        Event::OperatorDecided(decided) => match &decided.decision {
            Decision::Waive { code } => {
                facts
                    .waived
                    .entry(code.clone())
                    .or_insert_with(|| decided.operator.clone());
            }
            // Cases are no facts: see [`crate::exceptions::decided`].
            Decision::Ignore { .. } | Decision::Assign { .. } => {}
            Decision::Retry { effect } => want_again(state, effect),
            Decision::Correct {
                correction, effect, ..
            } => {
                let corrected = Corrected {
                    at: envelope.time,
                    correction: Correction::clone(correction),
                    operator: decided.operator.clone(),
                };
                let subject = correction.subject();
                join(
                    &mut facts.corrections,
                    subject,
                    &corrected,
                    Corrected::clone,
                );
                if let Some(effect) = effect {
                    want_again(state, effect);
                }
            }
        },
        // Time is an argument of `decide`; stock belongs to no order.
        Event::ClockPassed(_) | Event::StockObserved(_) => {}
    }
}

/// An operator asks for a refused effect again.
fn want_again(state: &mut OrderState, effect: &EffectKey) {
    if let Some(effect) = state.effects.get_mut(effect)
        && matches!(effect.outcome, Some(Outcome::Rejected { .. }))
    {
        effect.retry_wanted = true;
    }
}

fn refund_rank(r: &Refund) -> (Version, waybill_model::payment::RefundStatus, Refund) {
    (r.version, r.status, r.clone())
}

fn return_rank(r: &Return) -> (Version, waybill_model::returns::ReturnStatus, Return) {
    (r.version, r.status, r.clone())
}

/// Keeps the larger of two by `rank`, which must end in the whole value: then no two differ in
/// content and tie.
fn join<K: Ord, V: Clone, R: Ord>(
    known: &mut BTreeMap<K, V>,
    key: K,
    told: &V,
    rank: impl Fn(&V) -> R,
) {
    match known.entry(key) {
        Entry::Vacant(slot) => {
            slot.insert(told.clone());
        }
        Entry::Occupied(mut slot) => {
            if rank(told) > rank(slot.get()) {
                slot.insert(told.clone());
            }
        }
    }
}

/// The newest snapshot wins; between equal versions a cancelled one, then the one read with the
/// newer connections file, then the larger content.
fn join_order(facts: &mut Facts, observed: &OrderObserved, envelope: &EventEnvelope) {
    facts.first_seen = Some(
        facts
            .first_seen
            .map_or(envelope.time, |seen| seen.min(envelope.time)),
    );
    let order = &observed.order;
    let newer = facts.order.as_ref().is_none_or(|known| {
        let told = (
            order.version,
            order.cancelled.is_some(),
            natural(envelope.configversion.as_deref()),
            order,
        );
        told > (
            known.version,
            known.cancelled.is_some(),
            natural(facts.order_config.as_deref()),
            known,
        )
    });
    if newer {
        facts.order = Some(order.clone());
        facts.findings.clone_from(&observed.findings);
        facts.order_config.clone_from(&envelope.configversion);
    }
}

/// A version of the connections file in an order in which `2026-11-23.10` comes after
/// `2026-11-23.9`: runs of digits compare as numbers.
fn natural(version: Option<&str>) -> Vec<(Option<u64>, &str)> {
    let mut rest = version.unwrap_or_default();
    let mut parts = Vec::new();
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits);
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        parts.push((part.parse().ok(), part));
        rest = after;
    }
    parts
}

/// A shipment is told in pieces (first without tracking, later delivered without lines), so each
/// field is joined by itself.
fn join_shipment(known: &mut BTreeMap<waybill_model::id::ExternalId, Shipment>, told: &Shipment) {
    let Some(have) = known.get_mut(&told.id) else {
        known.insert(told.id.clone(), told.clone());
        return;
    };
    have.status = have.status.max(told.status);
    have.version = have.version.max(told.version);
    have.warehouse = have.warehouse.clone().max(told.warehouse.clone());
    have.fulfillment_order = have
        .fulfillment_order
        .clone()
        .max(told.fulfillment_order.clone());
    have.shipped_at = match (have.shipped_at, told.shipped_at) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let tracked = |s: &Shipment| {
        s.parcels
            .iter()
            .filter(|p| p.tracking_number.is_some())
            .count()
    };
    if (tracked(told), &told.parcels) > (tracked(have), &have.parcels) {
        have.parcels.clone_from(&told.parcels);
    }
    if (told.lines.len(), &told.lines) > (have.lines.len(), &have.lines) {
        have.lines.clone_from(&told.lines);
    }
}

/// Done stays done: a late rejection of an earlier attempt changes nothing.
fn join_outcome(state: &mut OrderState, finished: &CommandFinished, envelope: &EventEnvelope) {
    match state.effects.entry(finished.effect.clone()) {
        Entry::Vacant(slot) => {
            slot.insert(Effect {
                command: finished.command,
                issued_at: envelope.time,
                outcome: Some(finished.outcome.clone()),
                attempt: 0,
                retry_wanted: false,
            });
        }
        Entry::Occupied(mut slot) => {
            let effect = slot.get_mut();
            if !matches!(effect.outcome, Some(Outcome::Done { .. })) {
                effect.outcome = Some(finished.outcome.clone());
            }
        }
    }
}
