//! When a stage is overdue (features B2). Every wait of an order has a clock.

use crate::plan::{self, keys};
use crate::view::View;
use waybill_model::case::CaseClass;
use waybill_model::command::CommandQueue;
use waybill_model::payment::RefundStatus;
use waybill_model::shipment::Shipment;
use waybill_model::time::Instant;

/// How long the channel waits for the tracking of a shipment before it is told without.
pub const TRACKING_WAIT_MS: i64 = 2 * 60 * 60 * 1000;

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

/// The stages that the order waits in.
#[must_use]
pub fn waiting(view: &View<'_>) -> Vec<Stage> {
    let limits = &view.settings.stage_minutes;
    let mut stages = Vec::new();
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
    for effect in view.state.effects.values().filter(|e| e.outcome.is_none()) {
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
            CommandQueue::Status => continue,
        };
        wait(name, effect.issued_at, minutes, class, remedy);
    }
    if let Some((warehouse, effect)) = view.released_to()
        && view.is_done(&keys::release(&warehouse))
        && !view.is_done(&keys::cancel_release(&warehouse))
        && view.shipped().next().is_none()
    {
        wait(
            "ship",
            effect.issued_at,
            limits.ship,
            CaseClass::Fulfillment,
            "ask the warehouse why the order has not left",
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

/// The next instant at which the clock alone may change what is to be done.
#[must_use]
pub fn next_deadline(view: &View<'_>) -> Option<Instant> {
    let overdue = waiting(view).into_iter().map(|s| s.deadline);
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
}
