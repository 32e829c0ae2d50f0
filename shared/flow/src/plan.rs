//! Which effects a state calls for.
//!
//! Every rule reads the state and names effects that should be there. An effect is issued once, by
//! its key; it is issued again only after a rejection that an operator or a newer snapshot
//! answers. At most one ERP effect of an order is under way at a time.

mod erp;
mod finance;
mod fulfillment;
pub mod keys;
mod status;

pub(crate) use finance::is_cancel_to_come;
pub(crate) use status::payment_for;

use crate::amendment::fingerprint;
use crate::state::{Effect, OrderState};
use crate::view::View;
use waybill_model::command::{Command, CommandKind, CommandQueue, Issued};
use waybill_model::event::Outcome;
use waybill_model::failure::may_be_there;
use waybill_model::id::{CorrelationId, EffectKey, MessageId};
use waybill_model::shipment::Shipment;
use waybill_model::time::Instant;

/// An effect that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its key.
    pub key: EffectKey,
    /// The command that makes it.
    pub command: Command,
    /// Whether a rejected attempt is to be repeated with this newer content.
    pub renewed: bool,
}

impl Wanted {
    pub(crate) fn new(key: EffectKey, command: Command) -> Self {
        Self {
            key,
            command,
            renewed: false,
        }
    }
}

/// Every effect that the state calls for, done or not, in the order in which to ask for them.
#[must_use]
pub fn wanted(view: &View<'_>) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    if view.state.is_history() {
        return wanted;
    }
    erp::sale_order(view, &mut wanted);
    fulfillment::release(view, &mut wanted);
    fulfillment::cancel(view, &mut wanted);
    erp::cancel(view, &mut wanted);
    erp::deliveries(view, &mut wanted);
    erp::rest(view, &mut wanted);
    erp::returns(view, &mut wanted);
    status::refunds(view, &mut wanted);
    finance::invoices(view, &mut wanted);
    finance::payments(view, &mut wanted);
    finance::credit_notes(view, &mut wanted);
    status::tracking(view, &mut wanted);
    status::channel(view, &mut wanted);
    wanted
}

/// Records as issued what may be asked for now, and returns it.
pub fn issue(
    state: &mut OrderState,
    wanted: Vec<Wanted>,
    correlation: CorrelationId,
    now: Instant,
) -> Vec<Issued> {
    let mut erp_busy = state.is_erp_busy();
    drop_unwanted_retries(state, &wanted);
    let mut issued = Vec::new();
    for want in wanted {
        let is_erp = want.command.kind().queue() == CommandQueue::Erp;
        if !is_issuable(state.effects.get(&want.key), &want) || (is_erp && erp_busy) {
            continue;
        }
        erp_busy |= is_erp;
        issued.push(record(state, want, correlation, now));
    }
    issued
}

/// An operator's retry of what the order does not call for any more has nothing to repeat.
fn drop_unwanted_retries(state: &mut OrderState, wanted: &[Wanted]) {
    for (key, effect) in &mut state.effects {
        // Tickets are issued by themselves: see `context`.
        let is_ticket = effect.command == CommandKind::UpdateTicket;
        if !is_ticket && wanted.iter().all(|w| w.key != *key) {
            effect.retry_wanted = false;
        }
    }
}

fn is_issuable(known: Option<&Effect>, want: &Wanted) -> bool {
    match known {
        None => true,
        Some(effect) => match effect.outcome {
            None | Some(Outcome::Done { .. }) => false,
            Some(Outcome::Rejected { .. }) => effect.retry_wanted || want.renewed,
        },
    }
}

fn record(
    state: &mut OrderState,
    want: Wanted,
    correlation: CorrelationId,
    now: Instant,
) -> Issued {
    let before = state.effects.get(&want.key);
    let attempt = before.map_or(0, |e| e.attempt);
    let may_be_there = before.is_some_and(|e| match &e.outcome {
        Some(Outcome::Rejected { code, .. }) => may_be_there(code),
        Some(Outcome::Done { .. }) | None => false,
    });
    remember_content(state, &want.command, may_be_there);
    state.effects.insert(
        want.key.clone(),
        Effect {
            command: want.command.kind(),
            issued_at: now,
            outcome: None,
            attempt: attempt.saturating_add(1),
            retry_wanted: false,
        },
    );
    Issued {
        id: MessageId::for_effect(correlation, &want.key),
        effect: want.key,
        command: want.command,
    }
}

/// The numbers that went out with the first effect of a shipment; those of later ones are in their
/// keys.
fn remember_numbers(state: &mut OrderState, first: EffectKey, shipment: &Shipment) {
    state
        .told_numbers
        .entry(first)
        .or_insert_with(|| shipment.tracking_numbers());
}

/// What later rules need to know of a command's content. Of an order that is issued again although it may be there, either
/// content may be what is there: the ERP inserts only what is absent.
fn remember_content(state: &mut OrderState, command: &Command, may_be_there: bool) {
    match command {
        Command::CreateSaleOrder(c) => {
            let written = Some(fingerprint(&c.order, &state.facts));
            state.content_in_doubt |= may_be_there && state.written != written;
            state.written = written;
        }
        Command::AmendSaleOrder(c) => {
            state.written = Some(fingerprint(&c.order, &state.facts));
            state.content_in_doubt = false;
        }
        Command::RegisterDelivery(c) if !c.last => {
            remember_numbers(state, keys::delivery(&c.shipment.id), &c.shipment);
        }
        Command::PublishFulfillment(c) => {
            remember_numbers(state, keys::publish(&c.shipment.id), &c.shipment);
        }
        Command::CancelSaleOrder(_)
        | Command::RegisterDelivery(_)
        | Command::ReceiveReturn(_)
        | Command::CreateInvoice(_)
        | Command::RegisterPayment(_)
        | Command::CreateCreditNote(_)
        | Command::ReverseCreditNote(_)
        | Command::SetStock(_)
        | Command::CreateFulfillmentOrder(_)
        | Command::CancelFulfillmentOrder(_)
        | Command::SubscribeTracking(_)
        | Command::PublishStock(_)
        | Command::UpdateTicket(_)
        | Command::CreateRefund(_) => {}
    }
}
