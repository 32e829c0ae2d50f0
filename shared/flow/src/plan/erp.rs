//! Effects in the ERP.

use super::{Wanted, keys};
use crate::amendment::{fingerprint, shipped_by_line};
use crate::routing::route;
use crate::view::View;
use std::collections::BTreeMap;
use waybill_model::command::{
    CancelSaleOrder, Command, CreateSaleOrder, ReceiveReturn, RegisterDelivery,
};
use waybill_model::id::LineId;
use waybill_model::order::OrderLine;
use waybill_model::quantity::Quantity;

/// Write and confirm an accepted order; bring it to a newer snapshot until it is released.
pub(super) fn sale_order(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    let key = keys::sale_order();
    // What Odoo refused and the shop cancelled since is nobody's work any more. One that Odoo did
    // not refuse may be there: its case stands until a retry has looked.
    let never_written = view.order.cancelled.is_some() && view.is_refused(&key);
    let known = view.effect(&key).is_some();
    if never_written || !(known || view.is_accepted()) {
        return;
    }
    let content = || CreateSaleOrder {
        erp: view.settings.erp.clone(),
        order: view.order.clone(),
        warehouse: route(view.order, view.settings).cloned(),
    };
    let current = fingerprint(view.order, view.facts());
    let changed = view
        .state
        .written
        .as_ref()
        .is_some_and(|written| *written != current);
    let mut create = Wanted::new(key.clone(), Command::CreateSaleOrder(content()));
    create.renewed = changed && view.is_accepted();
    wanted.push(create);
    let amendable = view.order.cancelled.is_none()
        && view.blocking().next().is_none()
        && view.released_to().is_none();
    if !amendable || !view.is_done(&key) {
        return;
    }
    // A newer snapshot is the next amendment; the last one stays wanted, for a retry.
    let last = view.last_amendment().map(|(number, _)| number);
    let is_due = changed || view.state.content_in_doubt;
    let number = match (is_due, last) {
        (true, last) => last.unwrap_or(0).saturating_add(1),
        (false, Some(last)) => last,
        (false, None) => return,
    };
    wanted.push(Wanted::new(
        keys::amend(number),
        Command::AmendSaleOrder(content()),
    ));
}

/// Cancel a written order, once the warehouse cannot ship it any more.
pub(super) fn cancel(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    if !is_cancellable(view) {
        return;
    }
    wanted.push(Wanted::new(
        keys::cancel_sale_order(),
        Command::CancelSaleOrder(CancelSaleOrder {
            erp: view.settings.erp.clone(),
        }),
    ));
}

/// Whether the channel cancelled, the order is written, and no warehouse will ship it.
pub(crate) fn is_cancellable(view: &View<'_>) -> bool {
    let stopped = match view.released_to() {
        None => true,
        Some((warehouse, _)) => {
            let never_taken = view.is_refused(&keys::release(&warehouse));
            never_taken || view.is_done(&keys::cancel_release(&warehouse))
        }
    };
    view.order.cancelled.is_some()
        && view.is_done(&keys::sale_order())
        && stopped
        && view.shipped().next().is_none()
}

/// Register what has left, and the tracking that came later.
pub(super) fn deliveries(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    if !view.is_done(&keys::sale_order()) {
        return;
    }
    for shipment in view.shipped().filter(|s| !s.lines.is_empty()) {
        let register = || {
            Command::RegisterDelivery(RegisterDelivery {
                erp: view.settings.erp.clone(),
                shipment: shipment.clone(),
                last: false,
            })
        };
        let key = keys::delivery(&shipment.id);
        wanted.push(Wanted::new(key.clone(), register()));
        let later = view.later_tracking(&key, keys::DELIVERY_TRACKING, shipment);
        wanted.extend(later.map(|key| Wanted::new(key, register())));
    }
}

/// Drop what is still open in the ERP once all that is wanted has left and is registered, and the
/// rest was refunded before it left.
pub(super) fn rest(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    let shipped = || view.shipped().filter(|s| !s.lines.is_empty());
    let registered = shipped().all(|s| view.is_done(&keys::delivery(&s.id)));
    let Some(shipment) = shipped().max_by_key(|s| &s.id) else {
        return;
    };
    if !registered || view.order.cancelled.is_some() {
        return;
    }
    let left = shipped_by_line(view.order, view.facts());
    let mut dropped: BTreeMap<&LineId, Quantity> = BTreeMap::new();
    let lines = view.refunds().filter_map(|r| r.channel);
    for line in lines.flat_map(|r| &r.lines).filter(|l| l.restock) {
        let sum = dropped.entry(&line.line_id).or_default();
        *sum = sum.plus(line.quantity);
    }
    let sum = |l: &OrderLine| {
        let gone = dropped.get(&l.id).copied().unwrap_or_default();
        left.get(&l.id).copied().unwrap_or_default().plus(gone)
    };
    let mut ships = view.order.lines.iter().filter(|l| l.requires_shipping);
    let complete = ships.clone().all(|l| sum(l) >= l.quantity);
    if !complete || !ships.any(|l| dropped.contains_key(&l.id)) {
        return;
    }
    wanted.push(Wanted::new(
        keys::drop_rest(),
        Command::RegisterDelivery(RegisterDelivery {
            erp: view.settings.erp.clone(),
            shipment: shipment.clone(),
            last: true,
        }),
    ));
}

/// Receive what came back, once something was delivered.
pub(super) fn returns(view: &View<'_>, wanted: &mut Vec<Wanted>) {
    let shipped = || view.shipped().filter(|s| !s.lines.is_empty());
    let delivered = shipped().any(|s| view.is_done(&keys::delivery(&s.id)));
    // The goods may be those of a delivery that is still to be registered.
    let awaited = shipped().any(|s| {
        let effect = view.effect(&keys::delivery(&s.id));
        effect.is_none_or(|e| e.outcome.is_none())
    });
    if !delivered || awaited {
        return;
    }
    for returned in view.received_returns() {
        wanted.push(Wanted::new(
            keys::receive(&returned.id),
            Command::ReceiveReturn(ReceiveReturn {
                erp: view.settings.erp.clone(),
                returned: returned.clone(),
            }),
        ));
    }
}
