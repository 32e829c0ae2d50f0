//! Cases about money.

use super::Causes;
use crate::plan::{keys, payment_for};
use crate::view::RefundView;
use waybill_model::case::CaseClass;
use waybill_model::event::Finding;
use waybill_model::id::Code;
use waybill_model::money::Money;
use waybill_model::payment::{PaymentStatus, RefundStatus};

/// Refunds and payments that do not go as they should.
pub(super) fn money(causes: &mut Causes<'_>) {
    let view = causes.view;
    for refund in view.refunds() {
        differences(causes, &refund);
        due(causes, &refund);
    }
    for payment in view.payments(PaymentStatus::Disputed) {
        own(
            causes,
            "payment_disputed",
            (payment.id.as_str(), Some(payment.amount)),
            format!("the customer contests payment `{}`", payment.id),
            "answer the dispute at the gateway",
        );
    }
}

/// A case of finance about some money of the order: which, and how much where that is known.
fn own(
    causes: &mut Causes<'_>,
    code: &'static str,
    (key, value): (&str, Option<Money>),
    detail: String,
    remedy: &str,
) {
    let case = causes.add(
        CaseClass::Finance,
        &Code::literal(code),
        key,
        detail,
        remedy,
    );
    if let Some(case) = causes.found.get_mut(&case)
        && value.is_some()
    {
        case.value = value;
    }
}

fn amount(refund: &RefundView<'_>) -> Option<Money> {
    Some(refund.channel.or(refund.gateway)?.amount)
}

/// What the shop and the gateway tell differently of one refund.
fn differences(causes: &mut Causes<'_>, refund: &RefundView<'_>) {
    let (id, amount) = (refund.id.as_str(), amount(refund));
    if refund.status() == Some(RefundStatus::Failed) {
        own(
            causes,
            "refund_failed",
            (id, amount),
            format!("refund `{id}` failed: the customer did not get the money"),
            "pay the customer another way, or refund again in the shop",
        );
    }
    if refund.channel.is_none() {
        own(
            causes,
            "refund_unknown_to_channel",
            (id, amount),
            format!("the gateway paid back `{id}`, the shop does not know why"),
            "record it in the shop as already paid, so that it is accounted for; a refund \
             that the shop records as still to be paid would go out once more",
        );
    }
    if let (Some(channel), Some(gateway)) = (refund.channel, refund.gateway)
        && channel.amount != gateway.amount
    {
        own(
            causes,
            "refund_differs",
            (id, amount),
            format!(
                "the shop refunded `{}`, the gateway `{}`",
                channel.amount, gateway.amount
            ),
            "correct the refund in the shop or at the gateway",
        );
    }
}

/// A refund that the shop asks for and that cannot be paid, or perhaps was.
fn due(causes: &mut Causes<'_>, refund: &RefundView<'_>) {
    let view = causes.view;
    let (id, amount) = (refund.id.as_str(), amount(refund));
    let asked = view.effect(&keys::refund(refund.id)).is_some();
    if !refund.is_due() || asked {
        return;
    }
    let payable = view.settings.gateway.is_some() && payment_for(view, refund).is_some();
    if let Some(paid) = view.maybe_paid(refund) {
        own(
            causes,
            "refund_maybe_paid",
            (id, amount),
            format!(
                "refund `{id}` of {} is due, and the gateway has paid back as much with \
                 `{}`, which the shop does not account for",
                paid.amount, paid.id
            ),
            "if that was this refund, record it in the shop as already paid; if it was \
             another, record that one in the shop, and this one is paid",
        );
    } else if !payable {
        own(
            causes,
            "refund_without_payment",
            (id, amount),
            format!("refund `{id}` is due, and no payment at a gateway is known"),
            "pay the customer in the way the order was paid, and record it in the shop",
        );
    }
}

/// Refunds that the shop asks for of an order that is not ours: Waybill pays none of them, and the
/// shop waits. One that was asked for before the order was found not to be ours goes its way.
pub(super) fn held(causes: &mut Causes<'_>, finding: &Finding) {
    let view = causes.view;
    for refund in view.refunds().filter(RefundView::is_due) {
        let key = keys::refund(refund.id);
        let Some(channel) = refund.channel else {
            continue;
        };
        if view.effect(&key).is_some() && view.rejection(&key).is_none() {
            continue;
        }
        let (id, code) = (refund.id.as_str(), &finding.code);
        own(
            causes,
            "refund_of_held_order",
            (id, Some(channel.amount)),
            format!(
                "refund `{id}` of {} is due, and Waybill does not pay it: `{code}` holds the order",
                channel.amount
            ),
            &format!(
                "look at the gateway whether it was paid back; if not, pay it there by hand, and \
                 record it in the shop as already paid. Waybill pays it if you waive `{code}`: \
                 but that lets the whole order go on, which is then written to Odoo and shipped, \
                 unless the shop cancelled it"
            ),
        );
    }
}
