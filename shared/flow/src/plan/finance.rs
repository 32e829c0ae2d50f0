//! Invoices, payments and credit notes in the ERP.

use super::{Wanted, keys};
use crate::connections::{ErpSettings, InvoicingPolicy};
use crate::view::{RefundView, View};
use waybill_model::command::{
    Command, CreateCreditNote, CreateInvoice, PaymentDirection, RegisterPayment, ReverseCreditNote,
};
use waybill_model::id::{ConnectionId, ExternalId};
use waybill_model::money::{Amount, Money};
use waybill_model::order::OrderPayment;
use waybill_model::payment::{PaymentStatus, RefundStatus};
use waybill_model::time::Instant;

/// The id and the way of paying of what a gift card or store credit paid.
const GIFT_CARD: &str = "gift_card";
/// The id of the payment that a channel took itself.
const CHANNEL: &str = "channel";

fn erp<'a>(view: &View<'a>) -> Option<&'a ErpSettings> {
    view.rules.get(&view.settings.erp)?.erp.as_ref()
}

/// Invoice a written order by the connection's policy. What becomes invoiceable with a delivery is
/// invoiced after it by either policy.
pub(super) fn invoices(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    let policy = erp(view).map(|e| e.invoicing).unwrap_or_default();
    if policy == InvoicingPolicy::Manual || !view.is_done(&keys::sale_order()) {
        return;
    }
    let shipped = view.shipped().map(|s| &s.id);
    let mut after: Vec<&str> = shipped
        .filter(|id| view.is_done(&keys::delivery(id)))
        .map(ExternalId::as_str)
        .collect();
    if view.order.cancelled.is_none() {
        if policy == InvoicingPolicy::Paid && view.is_paid_at(PaymentStatus::Captured) {
            after.push(keys::ALL_PAID);
        }
        let ships = view.order.lines.iter().any(|l| l.requires_shipping);
        if policy == InvoicingPolicy::Delivered && !ships {
            after.push(keys::NOTHING_SHIPS);
        }
    }
    wanted.extend(after.into_iter().map(|after| {
        let erp = view.settings.erp.clone();
        Wanted::new(
            keys::invoice(after),
            Command::CreateInvoice(CreateInvoice { erp }),
        )
    }));
}

/// Book the money that came for a written order.
pub(super) fn payments(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    if !books_payments(view) || !view.is_done(&keys::sale_order()) {
        return;
    }
    let order = view.order;
    let mut add = |id: ExternalId, gateway: &ConnectionId, method, amount, at: Instant| {
        let command = RegisterPayment {
            erp: view.settings.erp.clone(),
            direction: PaymentDirection::Received,
            id: id.clone(),
            gateway: gateway.clone(),
            method,
            amount,
            at,
        };
        wanted.push(Wanted::new(
            keys::payment(&id),
            Command::RegisterPayment(command),
        ));
    };
    // One in another currency than the order is asked for too: the ERP's refusal is the case.
    let taken = view
        .facts()
        .payments
        .values()
        .filter(|p| p.status >= PaymentStatus::Captured && !p.amount.amount.is_zero());
    for payment in taken {
        let at = payment.paid_at.unwrap_or(order.placed_at);
        let method = payment.method.clone();
        add(
            payment.id.clone(),
            &payment.gateway,
            method,
            payment.amount,
            at,
        );
    }
    let own = |id: &'static str| ExternalId::new(id).ok();
    if let Some(id) = own(GIFT_CARD).filter(|_| !order.gift_card_paid.is_zero()) {
        let paid = Money::new(order.gift_card_paid, order.currency);
        let method = Some(GIFT_CARD.to_owned());
        add(id, &order.channel, method, paid, order.placed_at);
    }
    if let (Some(id), Some(amount)) = (own(CHANNEL), taken_by_channel(view)) {
        let paid = Money::new(amount, order.currency);
        add(id, &order.channel, None, paid, order.placed_at);
    }
}

fn books_payments(view: &View<'_>) -> bool {
    erp(view).is_some_and(|e| !e.payment_journals.is_empty())
}

/// What the channel states as paid, where neither a gateway nor the channel tells payments.
fn taken_by_channel(view: &View<'_>) -> Option<Amount> {
    let order = view.order;
    let told =
        view.settings.gateway.is_some() || view.rules.get(&order.channel)?.partner.tells_payments();
    let paid = match order.payment {
        OrderPayment::Paid | OrderPayment::PartiallyRefunded | OrderPayment::Refunded => true,
        OrderPayment::Pending
        | OrderPayment::Authorized
        | OrderPayment::PartiallyPaid
        | OrderPayment::Voided => false,
    };
    let amount = order.totals.total.minus(order.gift_card_paid)?;
    (paid && !told && !amount.is_zero()).then_some(amount)
}

/// Account for money that went back; undo that if it failed later. Where a sale order was cancelled
/// before anything was invoiced, the ERP has nothing to credit and says so by doing nothing.
pub(super) fn credit_notes(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    if !view.is_done(&keys::sale_order()) {
        return;
    }
    for refund in view.refunds() {
        let asked = view.effect(&keys::credit_note(refund.id)).is_some();
        match refund.status() {
            Some(RefundStatus::Succeeded)
                if !is_unsettled_cancel(view) && !is_cancel_to_come(view) =>
            {
                wanted.extend(credit_note(view, &refund));
                wanted.extend(paid_back(view, &refund));
            }
            Some(RefundStatus::Failed) if asked => {
                wanted.extend(credit_note(view, &refund));
                if view.is_done(&keys::credit_note(refund.id)) {
                    wanted.push(Wanted::new(
                        keys::reverse(refund.id),
                        Command::ReverseCreditNote(ReverseCreditNote {
                            erp: view.settings.erp.clone(),
                            refund_id: refund.id.clone(),
                        }),
                    ));
                }
            }
            Some(
                RefundStatus::Succeeded
                | RefundStatus::Failed
                | RefundStatus::Requested
                | RefundStatus::Pending
                | RefundStatus::Cancelled,
            )
            | None => {}
        }
    }
}

/// A cancelled order of which it is not yet known whether the ERP cancels it or it ships.
fn is_unsettled_cancel(view: &View<'_>) -> bool {
    let cancelled_in_erp = view
        .effect(&keys::cancel_sale_order())
        .is_some_and(|cancel| cancel.outcome.is_some());
    view.order.cancelled.is_some()
        && view.shipped().next().is_none()
        && !cancelled_in_erp
        && !view.lost_the_race()
}

/// All of it was paid back and nothing has left: its cancel is under way, overtaken by the refund
/// of a channel that pays back by itself. What is cancelled in time needs no credit note, so it
/// waits; if no cancel comes, the overdue stage asks a person.
pub(crate) fn is_cancel_to_come(view: &View<'_>) -> bool {
    let order = view.order;
    // What was refunded is wanted no more: what was ordered counts.
    let goods = order.lines.iter().any(|l| l.requires_shipping);
    if order.cancelled.is_some() || !goods || view.shipped().next().is_some() {
        return false;
    }
    let back = view
        .refunds()
        .filter(|r| r.status() == Some(RefundStatus::Succeeded))
        .filter_map(|r| r.gateway.or(r.channel))
        .map(|r| r.amount.amount);
    let owed = order.totals.total.minus(order.gift_card_paid);
    Amount::sum(back)
        .zip(owed)
        .is_some_and(|(back, owed)| back >= owed)
}

/// The channel says for which goods, the gateway how much; without the channel's story there is
/// only money, and a case asks a person.
fn credit_note(view: &View<'_>, refund: &RefundView<'_>) -> Option<Wanted> {
    let channel = refund.channel?;
    Some(Wanted::new(
        keys::credit_note(refund.id),
        Command::CreateCreditNote(CreateCreditNote {
            erp: view.settings.erp.clone(),
            refund_id: refund.id.clone(),
            amount: refund.gateway.map_or(channel.amount, |g| g.amount),
            lines: channel.lines.clone(),
            shipping: channel.shipping,
            stands: !view.is_done(&keys::cancel_sale_order()),
        }),
    ))
}

/// The payment of a refund, once its credit note is there to be paid.
fn paid_back(view: &View<'_>, refund: &RefundView<'_>) -> Option<Wanted> {
    if !books_payments(view) || !view.is_done(&keys::credit_note(refund.id)) {
        return None;
    }
    let told = refund.gateway.or(refund.channel)?;
    let paid = told
        .payment_id
        .as_ref()
        .or(refund.channel?.payment_id.as_ref());
    let command = RegisterPayment {
        erp: view.settings.erp.clone(),
        direction: PaymentDirection::PaidBack,
        id: refund.id.clone(),
        gateway: told.source.clone(),
        method: paid.and_then(|id| view.facts().payments.get(id)?.method.clone()),
        amount: told.amount,
        at: told.refunded_at.unwrap_or(view.order.placed_at),
    };
    Some(Wanted::new(
        keys::paid_back(refund.id),
        Command::RegisterPayment(command),
    ))
}
