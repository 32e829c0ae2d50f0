//! When a stage is overdue (features B2). Every wait of an order has a clock.

use crate::plan::{self, keys};
use crate::view::View;
use waybill_model::case::CaseClass;
use waybill_model::command::{CommandKind, CommandQueue};
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
    let limits = &view.settings.stage_minutes;
    let mut stages = Vec::new();
    if view.state.is_history() {
        return stages;
    }
    let mut wait = |name, since: Instant, minutes: u32, class, remedy| {
        let deadline = since.plus_ms(i64::from(minutes) * 60_000);
        stages.push(Stage {
            name,
            since,
            deadline,
            class,
            remedy,
        });
    };
    let first_seen = view.facts().first_seen.unwrap_or(view.order.placed_at);
    let live = view.order.cancelled.is_none() && view.blocking().next().is_none();
    if live && !view.is_paid() {
        wait(
            "payment",
            first_seen,
            limits.payment,
            CaseClass::Finance,
            "ask the customer to pay, or cancel the order in the shop",
        );
    }
    let last_ticket = keys::ticket(view.state.ticket.revision);
    let running = view.state.effects.iter();
    for (key, effect) in running.filter(|(_, e)| e.outcome.is_none()) {
        let (name, minutes, class, remedy) = match effect.command.queue() {
            CommandQueue::Erp | CommandQueue::ErpBulk => (
                "erp",
                limits.erp,
                CaseClass::Erp,
                "look whether Odoo answers; the work goes on by itself when it does",
            ),
            CommandQueue::Fulfillment => (
                "release",
                limits.release,
                CaseClass::Fulfillment,
                "look whether the warehouse answers; the work goes on by itself when it does",
            ),
            // A newer one says all that it would have said.
            CommandQueue::Status
                if effect.command == CommandKind::UpdateTicket && *key != last_ticket =>
            {
                continue;
            }
            CommandQueue::Status => (
                "status",
                STATUS_MINUTES,
                match effect.command {
                    CommandKind::CreateRefund => CaseClass::Finance,
                    _ => CaseClass::Integration,
                },
                "its outcome was lost on the way: find the effect that has none at the order, look \
                 at the partner whether it is there, then retry the effect",
            ),
        };
        wait(name, effect.issued_at, minutes, class, remedy);
    }
    if view.is_accepted()
        && view.is_done(&keys::sale_order())
        && view.order.requires_shipping()
        && view.released_to().is_none()
    {
        let written = view.last_amendment().map(|(_, effect)| effect);
        let written = written.or(view.effect(&keys::sale_order()));
        wait(
            "release",
            written.map_or(first_seen, |effect| effect.issued_at),
            limits.release,
            CaseClass::Fulfillment,
            "look at the order's other cases: something keeps it from the warehouse",
        );
    }
    if let Some((warehouse, effect)) = view.released_to()
        && view.is_done(&keys::release(&warehouse))
        && !view.is_done(&keys::cancel_release(&warehouse))
        && !view.is_all_shipped()
    {
        let newest = view.shipped().filter_map(|s| s.shipped_at).max();
        wait(
            "ship",
            newest.unwrap_or(effect.issued_at).max(effect.issued_at),
            limits.ship,
            CaseClass::Fulfillment,
            "ask the warehouse why the order, or the rest of it, has not left",
        );
    }
    for refund in view.refunds() {
        let told = refund.gateway.or(refund.channel);
        let pending = matches!(
            refund.status(),
            Some(RefundStatus::Requested | RefundStatus::Pending)
        );
        if let (true, Some(_)) = (pending, told) {
            let since = view
                .effect(&keys::refund(refund.id))
                .map_or(first_seen, |e| e.issued_at);
            wait(
                "credit_note",
                since,
                limits.credit_note,
                CaseClass::Finance,
                "look at the refund at the gateway: its result has not reached Waybill",
            );
        }
    }
    stages
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
