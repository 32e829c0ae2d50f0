//! Effects at warehouses.

use super::{Wanted, keys};
use crate::routing::route;
use crate::view::View;
use waybill_model::command::{CancelFulfillmentOrder, Command, CreateFulfillmentOrder};
use waybill_model::event::Outcome;
use waybill_model::id::{ConnectionId, ExternalId, RefKind};
use waybill_model::money::Money;
use waybill_model::payment::PaymentStatus;
use waybill_model::shipment::ShippedLine;

/// Our reference at a warehouse: the correlation id, so that every webhook leads back by itself.
#[must_use]
pub(crate) fn reference(view: &View<'_>) -> Option<ExternalId> {
    ExternalId::new(view.order.correlation().to_string()).ok()
}

/// Release a written order.
pub(super) fn release(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    let released = view.released_to();
    let ready = view.is_accepted()
        && view.is_done(&keys::sale_order())
        && view.order.requires_shipping()
        && amendment_is_settled(view)
        && view.payments(PaymentStatus::Disputed).next().is_none();
    let warehouse: Option<ConnectionId> = match &released {
        Some((warehouse, _)) => Some(warehouse.clone()),
        None if ready => route(view.order, view.settings).cloned(),
        None => None,
    };
    let (Some(warehouse), true) = (warehouse, view.order.cancelled.is_none()) else {
        return;
    };
    let (Some(reference), Some(ship_to)) = (reference(view), view.order.shipping.clone()) else {
        return;
    };
    let command = CreateFulfillmentOrder {
        warehouse: warehouse.clone(),
        reference,
        order_number: view.order.number.clone(),
        ship_to,
        email: view.order.customer.as_ref().and_then(|c| c.email.clone()),
        lines: lines(view),
        shipping: view.order.shipping_lines.first().cloned(),
        value: Money::new(view.order.totals.subtotal, view.order.currency),
    };
    wanted.push(Wanted::new(
        keys::release(&warehouse),
        Command::CreateFulfillmentOrder(command),
    ));
}

/// The last amendment is not under way and was not refused: the warehouse gets what the ERP has.
fn amendment_is_settled(view: &View<'_>) -> bool {
    let current = crate::amendment::fingerprint(view.order, view.facts());
    view.state.written.as_ref() == Some(&current)
        && !view.state.content_in_doubt
        && view
            .last_amendment()
            .is_none_or(|(number, _)| view.is_done(&keys::amend(number)))
}

fn lines(view: &View<'_>) -> Vec<ShippedLine> {
    view.order
        .lines
        .iter()
        .filter(|l| l.requires_shipping && !l.current_quantity.is_zero())
        .filter_map(|l| {
            Some(ShippedLine {
                line_id: Some(l.id.clone()),
                sku: l.sku.clone()?,
                quantity: l.current_quantity,
                lots: Vec::new(),
            })
        })
        .collect()
}

/// Call off what was released, once it is known that the warehouse has it. A race is decided by
/// the warehouse: it confirms, or it is too late (features F5).
pub(super) fn cancel(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    let Some((warehouse, release)) = view.released_to() else {
        return;
    };
    let key = keys::release(&warehouse);
    // One of which the warehouse did not say no may have been taken.
    let in_doubt = view.may_be_there(&key);
    if view.order.cancelled.is_none() || !(view.is_done(&key) || in_doubt) {
        return;
    }
    let Some(reference) = reference(view) else {
        return;
    };
    // The release's own answer tells the id before any webhook does: a warehouse's search can lag.
    let answered = match &release.outcome {
        Some(Outcome::Done { references }) => references
            .iter()
            .find(|r| r.kind == RefKind::FulfillmentOrder && r.system == warehouse)
            .map(|r| r.id.clone()),
        Some(Outcome::Rejected { .. }) | None => None,
    };
    let told = || {
        let mut orders = view.facts().fulfillment_orders.values();
        orders
            .find(|f| f.warehouse == warehouse)
            .map(|f| f.id.clone())
    };
    let id = answered.or_else(told);
    wanted.push(Wanted::new(
        keys::cancel_release(&warehouse),
        Command::CancelFulfillmentOrder(CancelFulfillmentOrder {
            warehouse,
            reference,
            id,
        }),
    ));
}
