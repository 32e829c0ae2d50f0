//! The four axes that people read: never one status.

use crate::amendment::is_all_shipped;
use crate::plan::keys;
use crate::state::OrderState;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use waybill_model::event::Outcome;
use waybill_model::failure::may_be_there;
use waybill_model::order::OrderPayment;
use waybill_model::payment::{PaymentStatus, RefundStatus};
use waybill_model::returns::ReturnStatus;
use waybill_model::shipment::{FulfillmentStatus, ShipmentStatus, TrackingStatus};

/// Where an order stands, as four words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Axes {
    /// `unknown`, `received`, `held`, `writing`, `confirmed`, `refused`, `cancelling`, `cancelled`.
    pub order: &'static str,
    /// `pending`, `authorized`, `partially_paid`, `paid`, `partially_refunded`, `refunded`,
    /// `voided`, `disputed`.
    pub payment: &'static str,
    /// `none`, `releasing`, `released`, `on_hold`, `partially_shipped`, `shipped`, `delivered`,
    /// `cancelled`, `refused`.
    pub fulfillment: &'static str,
    /// `none`, `requested`, `authorized`, `received`, `restocked`, `declined`.
    pub returned: &'static str,
}

impl Axes {
    /// By name, for helpdesks.
    #[must_use]
    pub fn to_map(self) -> BTreeMap<String, String> {
        [
            ("order", self.order),
            ("payment", self.payment),
            ("fulfillment", self.fulfillment),
            ("return", self.returned),
        ]
        .into_iter()
        .map(|(axis, word)| (axis.to_owned(), word.to_owned()))
        .collect()
    }
}

/// The axes of a state.
#[must_use]
pub fn axes(state: &OrderState) -> Axes {
    Axes {
        order: order_axis(state),
        payment: payment_axis(state),
        fulfillment: fulfillment_axis(state),
        returned: return_axis(state),
    }
}

fn order_axis(state: &OrderState) -> &'static str {
    let Some(order) = &state.facts.order else {
        return "unknown";
    };
    let done = |key| matches!(outcome(state, key), Some(Some(Outcome::Done { .. })));
    let written = outcome(state, &keys::sale_order());
    if order.cancelled.is_some() {
        let shipped = state
            .facts
            .shipments
            .values()
            .any(|s| s.status >= ShipmentStatus::Shipped);
        return match written {
            None => "cancelled",
            // Refused, so that there is nothing to cancel; else it may be there.
            Some(Some(Outcome::Rejected { code, .. })) if !may_be_there(code) => "cancelled",
            Some(_) if done(&keys::cancel_sale_order()) => "cancelled",
            Some(_) if shipped => "confirmed",
            Some(_) => "cancelling",
        };
    }
    match written {
        Some(Some(Outcome::Done { .. })) => "confirmed",
        Some(Some(Outcome::Rejected { .. })) => "refused",
        Some(None) => "writing",
        None if state.blocking().next().is_none() => "received",
        None => "held",
    }
}

fn outcome<'a>(
    state: &'a OrderState,
    key: &waybill_model::id::EffectKey,
) -> Option<&'a Option<Outcome>> {
    state.effects.get(key).map(|e| &e.outcome)
}

fn payment_axis(state: &OrderState) -> &'static str {
    let facts = &state.facts;
    if facts
        .payments
        .values()
        .any(|p| p.status == PaymentStatus::Disputed)
    {
        return "disputed";
    }
    let back = facts.refunds.values().any(|stories| {
        stories
            .values()
            .any(|r| r.status == RefundStatus::Succeeded)
            && stories.values().all(|r| r.status != RefundStatus::Failed)
    });
    let captured = facts
        .payments
        .values()
        .any(|p| p.status == PaymentStatus::Captured);
    match facts.order.as_ref().map(|o| o.payment) {
        Some(OrderPayment::Refunded) => "refunded",
        Some(OrderPayment::PartiallyRefunded) => "partially_refunded",
        _ if back => "partially_refunded",
        Some(OrderPayment::Paid) => "paid",
        _ if captured => "paid",
        Some(OrderPayment::Authorized) => "authorized",
        Some(OrderPayment::PartiallyPaid) => "partially_paid",
        Some(OrderPayment::Voided) => "voided",
        Some(OrderPayment::Pending) | None => "pending",
    }
}

fn fulfillment_axis(state: &OrderState) -> &'static str {
    let facts = &state.facts;
    let delivered = |number| {
        facts
            .tracking
            .get(number)
            .is_some_and(|t| t.status == TrackingStatus::Delivered)
    };
    let mut shipped = facts
        .shipments
        .values()
        .filter(|s| s.status >= ShipmentStatus::Shipped);
    if let Some(first) = shipped.next() {
        let mut all = std::iter::once(first).chain(shipped);
        let arrived = all.all(|s| {
            s.status == ShipmentStatus::Delivered
                || (!s.parcels.is_empty()
                    && s.parcels
                        .iter()
                        .all(|p| p.tracking_number.as_ref().is_some_and(delivered)))
        });
        let order = facts.order.as_ref();
        let complete = order.is_some_and(|order| is_all_shipped(order, facts));
        return match (complete, arrived) {
            (true, true) => "delivered",
            (true, false) => "shipped",
            (false, _) => "partially_shipped",
        };
    }
    let release = state
        .effects
        .iter()
        .find(|(k, _)| k.as_str().starts_with(keys::RELEASE));
    let called_off = state.effects.iter().any(|(k, e)| {
        k.as_str().starts_with("fulfillment_order.cancel/")
            && matches!(e.outcome, Some(Outcome::Done { .. }))
    });
    let statuses: BTreeSet<_> = facts
        .fulfillment_orders
        .values()
        .map(|f| f.status)
        .collect();
    match release.map(|(_, e)| &e.outcome) {
        _ if called_off || statuses.contains(&FulfillmentStatus::Cancelled) => "cancelled",
        Some(Some(Outcome::Rejected { .. })) => "refused",
        _ if statuses.contains(&FulfillmentStatus::Exception)
            || statuses.contains(&FulfillmentStatus::OnHold) =>
        {
            "on_hold"
        }
        Some(Some(Outcome::Done { .. })) => "released",
        Some(None) => "releasing",
        None => "none",
    }
}

fn return_axis(state: &OrderState) -> &'static str {
    let furthest = state
        .facts
        .returns
        .values()
        .flat_map(BTreeMap::values)
        .map(|r| r.status)
        .max();
    let restocked = state.effects.iter().any(|(k, e)| {
        k.as_str().starts_with("return.receive/") && matches!(e.outcome, Some(Outcome::Done { .. }))
    });
    match furthest {
        _ if restocked => "restocked",
        None => "none",
        Some(ReturnStatus::Requested) => "requested",
        Some(ReturnStatus::Authorized) => "authorized",
        Some(ReturnStatus::Declined) => "declined",
        Some(ReturnStatus::Received | ReturnStatus::Completed) => "received",
    }
}
