//! Effects at channels, gateways and carrier services.

use super::{Wanted, keys};
use crate::stages::tracking_wait_ends;
use crate::view::{RefundView, View};
use waybill_model::command::{Command, CreateRefund, PublishFulfillment, SubscribeTracking};
use waybill_model::id::ExternalId;
use waybill_model::payment::PaymentStatus;

/// Ask the gateway to pay back what the channel decided and did not pay itself. What the gateway
/// may have paid already is for a person to tell: nobody is paid twice.
pub(super) fn refunds(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    let Some(gateway) = &view.settings.gateway else {
        return;
    };
    for refund in view.refunds() {
        let key = keys::refund(refund.id);
        let due = refund.is_due() && view.maybe_paid(&refund).is_none();
        if !due && view.effect(&key).is_none() {
            continue;
        }
        let (Some(channel), Some(payment_id)) = (refund.channel, payment_for(view, &refund)) else {
            continue;
        };
        let command = CreateRefund {
            gateway: gateway.clone(),
            refund_id: refund.id.clone(),
            payment_id,
            amount: channel.amount,
        };
        wanted.push(Wanted::new(key, Command::CreateRefund(command)));
    }
}

/// The payment that a refund pays back: the one it names, else the largest. Only money that the
/// gateway told to be captured can go back: a reservation is dropped, not refunded.
pub(crate) fn payment_for(view: &View<'_>, refund: &RefundView<'_>) -> Option<ExternalId> {
    let named = refund.channel.and_then(|r| r.payment_id.as_ref());
    view.payments(PaymentStatus::Captured)
        .filter(|p| named.is_none_or(|id| p.id == *id))
        .max_by_key(|p| (p.amount.amount, &p.id))
        .map(|p| p.id.clone())
}

/// Follow every parcel.
pub(super) fn tracking(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    let Some(tracker) = &view.settings.tracker else {
        return;
    };
    for (number, shipment) in view.tracking_numbers() {
        let carrier = shipment
            .parcels
            .iter()
            .find(|p| p.tracking_number.as_ref() == Some(number))
            .and_then(|p| p.carrier.clone());
        let command = SubscribeTracking {
            tracker: tracker.clone(),
            tracking_number: number.clone(),
            carrier,
        };
        wanted.push(Wanted::new(
            keys::track(number),
            Command::SubscribeTracking(command),
        ));
    }
}

/// Tell the channel of every shipment: with its tracking, or without once that is late. An order
/// that the channel cancelled has nothing left to fulfil there: the case `too_late` says what is
/// to be done.
pub(super) fn channel(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    if view.order.cancelled.is_some() {
        return;
    }
    for shipment in view.shipped().filter(|s| !s.lines.is_empty()) {
        let tracked = shipment.parcels.iter().any(|p| p.tracking_number.is_some());
        if !tracked && view.now < tracking_wait_ends(view, shipment) {
            continue;
        }
        let command = PublishFulfillment {
            channel: view.order.channel.clone(),
            order_id: view.order.id.clone(),
            shipment: shipment.clone(),
            notify_customer: view.settings.notify_customer,
        };
        let key = keys::publish(&shipment.id);
        let later = view.later_tracking(&key, keys::PUBLISH_TRACKING, shipment);
        let command = Command::PublishFulfillment(command);
        wanted.extend(later.map(|key| Wanted::new(key, command.clone())));
        wanted.push(Wanted::new(key, command));
    }
}
