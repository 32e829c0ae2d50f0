//! When a stage is overdue (features B2). Every wait of an order has a clock.

use crate::plan::{self, keys};
use crate::view::View;
use waybill_model::case::CaseClass;
use waybill_model::command::{CommandKind, CommandQueue};
use waybill_model::id::EffectKey;
use waybill_model::payment::RefundStatus;
use waybill_model::shipment::Shipment;
use waybill_model::time::Instant;

/// How long the channel waits for the tracking of a shipment before it is told without.
pub const TRACKING_WAIT_MS: i64 = 2 * 60 * 60 * 1000;

/// How long what is told to helpdesks, channels, carriers and gateways is waited for, in minutes: whoever
/// carries it out gives it up within a day of taking it up, so that after this its outcome was lost.
pub const STATUS_MINUTES: u32 = 26 * 60;

/// How often an order that is overdue is looked at again.
const LOOK_AGAIN_MS: i64 = 6 * 60 * 60 * 1000;

/// A stage that an order waits in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name: the case is `{name}_overdue`.
    pub name: &'static str,
    /// Since when it waits.
    pub since: Instant,
    /// When it is overdue.
    pub deadline: Instant,
    /// Who has to act then.
    pub class: CaseClass,
    /// What to do then.
    pub remedy: &'static str,
    /// The effect that it waits for, where that is one.
    pub effect: Option<EffectKey>,
}

/// Until when the channel waits for a shipment's tracking.
#[must_use]
pub fn tracking_wait_ends(view: &View<'_>, shipment: &Shipment) -> Instant {
    shipment
        .shipped_at
        .unwrap_or(view.order.placed_at)
        .plus_ms(TRACKING_WAIT_MS)
}

/// The stages that the order waits in. One that is not ours waits for a person alone, who has its
/// case.
#[must_use]
pub fn waiting(view: &View<'_>) -> Vec<Stage> {
    if view.state.is_history() {
        return Vec::new();
    }
    let single = [
        unpaid(view),
        unreleased(view),
        unshipped(view),
        uncancelled(view),
    ];
    let mut stages: Vec<Stage> = single.into_iter().flatten().collect();
    stages.extend(unanswered(view));
    stages.extend(unrefunded(view));
    stages
}

fn stage(
    name: &'static str,
    since: Instant,
    minutes: u32,
    class: CaseClass,
    remedy: &'static str,
) -> Stage {
    Stage {
        name,
        since,
        deadline: since.plus_ms(i64::from(minutes) * 60_000),
        class,
        remedy,
        effect: None,
    }
}

fn first_seen(view: &View<'_>) -> Instant {
    view.facts().first_seen.unwrap_or(view.order.placed_at)
}

fn unpaid(view: &View<'_>) -> Option<Stage> {
    let live = view.order.cancelled.is_none() && view.blocking().next().is_none();
    (live && !view.is_paid()).then(|| {
        stage(
            "payment",
            first_seen(view),
            view.settings.stage_minutes.payment,
            CaseClass::Finance,
            "ask the customer to pay, or cancel the order in the shop",
        )
    })
}

/// Effects that have no outcome yet.
fn unanswered(view: &View<'_>) -> impl Iterator<Item = Stage> {
    let limits = &view.settings.stage_minutes;
    let last_ticket = keys::ticket(view.state.ticket.revision);
    let running = view.state.effects.iter();
    running.filter(|(_, e)| e.outcome.is_none()).filter_map(move |(key, effect)| {
        let (name, minutes, class, remedy) = match effect.command.queue() {
            CommandQueue::Erp | CommandQueue::ErpBulk => (
                "erp",
                limits.erp,
                CaseClass::Erp,
                "look whether Odoo answers; the work goes on by itself when it does. After a day \
                 without an outcome it can be retried",
            ),
            CommandQueue::Fulfillment => (
                "release",
                limits.release,
                CaseClass::Fulfillment,
                "look whether the warehouse answers; the work goes on by itself when it does. After \
                 a day without an outcome it can be retried",
            ),
            // A newer one says all that it would have said.
            CommandQueue::Status
                if effect.command == CommandKind::UpdateTicket && *key != last_ticket =>
            {
                return None;
            }
            CommandQueue::Status => (
                "status",
                STATUS_MINUTES,
                match effect.command {
                    CommandKind::CreateRefund => CaseClass::Finance,
                    _ => CaseClass::Integration,
                },
                "its outcome was lost on the way: look at the partner whether it is there, then \
                 retry this case",
            ),
        };
        Some(Stage {
            effect: Some(key.clone()),
            ..stage(name, effect.issued_at, minutes, class, remedy)
        })
    })
}

fn unreleased(view: &View<'_>) -> Option<Stage> {
    let waits = view.is_accepted()
        && view.is_done(&keys::sale_order())
        && view.order.requires_shipping()
        && view.released_to().is_none();
    waits.then(|| {
        let written = view.last_amendment().map(|(_, effect)| effect);
        let written = written.or(view.effect(&keys::sale_order()));
        stage(
            "release",
            written.map_or(first_seen(view), |effect| effect.issued_at),
            view.settings.stage_minutes.release,
            CaseClass::Fulfillment,
            "look at the order's other cases: something keeps it from the warehouse",
        )
    })
}

fn unshipped(view: &View<'_>) -> Option<Stage> {
    let (warehouse, effect) = view.released_to()?;
    let waits = view.is_done(&keys::release(&warehouse))
        && !view.is_done(&keys::cancel_release(&warehouse))
        && !view.is_all_shipped();
    let newest = view.shipped().filter_map(|s| s.shipped_at).max();
    waits.then(|| {
        stage(
            "ship",
            newest.unwrap_or(effect.issued_at).max(effect.issued_at),
            view.settings.stage_minutes.ship,
            CaseClass::Fulfillment,
            "ask the warehouse why the order, or the rest of it, has not left",
        )
    })
}

/// Refunds whose result has not come.
fn unrefunded(view: &View<'_>) -> impl Iterator<Item = Stage> {
    let pending = view.refunds().filter(|refund| {
        matches!(
            refund.status(),
            Some(RefundStatus::Requested | RefundStatus::Pending)
        )
    });
    pending.map(move |refund| {
        let asked = view.effect(&keys::refund(refund.id));
        stage(
            "credit_note",
            asked.map_or(first_seen(view), |e| e.issued_at),
            view.settings.stage_minutes.credit_note,
            CaseClass::Finance,
            "look at the refund at the gateway: its result has not reached Waybill",
        )
    })
}

/// All was paid back before anything left, and the order stands: neither does the warehouse ship it,
/// nor is a credit note made, since a cancel is to come. One that the shop forgot never comes.
fn uncancelled(view: &View<'_>) -> Option<Stage> {
    let waits = view.effect(&keys::sale_order()).is_some() && plan::is_cancel_to_come(view);
    waits.then(|| {
        let told = view.refunds().filter_map(|r| r.gateway.or(r.channel));
        let went_back = told.filter_map(|refund| refund.refunded_at);
        stage(
            "cancel",
            went_back.max().unwrap_or(first_seen(view)),
            view.settings.stage_minutes.credit_note,
            CaseClass::Finance,
            "everything was paid back and nothing has left, but the shop has not cancelled the \
             order: cancel it in the shop",
        )
    })
}

/// The next instant at which the clock alone may change what is to be done. An order that waits,
/// or is not in the ERP yet, always has one: by it the reconciler finds what is under way. One that
/// is not ours has none: the clock changes nothing about it, and it would be woken for ever.
#[must_use]
pub fn next_deadline(view: &View<'_>) -> Option<Instant> {
    if view.state.is_history() {
        return None;
    }
    let stages = waiting(view);
    let unwritten = view.order.cancelled.is_none() && !view.is_done(&keys::sale_order());
    let again = (unwritten || !stages.is_empty()).then(|| view.now.plus_ms(LOOK_AGAIN_MS));
    let overdue = stages.into_iter().map(|s| s.deadline);
    let hold = (view.settings.hold_minutes > 0 && view.order.cancelled.is_none())
        .then(|| view.hold_ends());
    let untracked = view
        .shipped()
        .filter(|_| view.order.cancelled.is_none())
        .filter(|s| view.effect(&plan::keys::publish(&s.id)).is_none())
        .map(|s| tracking_wait_ends(view, s));
    overdue
        .chain(hold)
        .chain(untracked)
        .filter(|at| *at > view.now)
        .min()
        .or(again)
}
