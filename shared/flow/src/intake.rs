//! What is told, before it is decided: who may tell it (features M2), aliases of products, what
//! blocks an order.

use crate::connections::{ChannelSettings, Connection};
use crate::validate;
use waybill_model::event::{Event, OrderObserved};
use waybill_model::id::Sku;
use waybill_model::ownership::{Field, Role};
use waybill_model::returns::ReturnStatus;

const ROLES: [Role; 6] = [
    Role::Channel,
    Role::Gateway,
    Role::Warehouse,
    Role::Carrier,
    Role::Helpdesk,
    Role::Erp,
];

/// Whether this connection may tell this; the field that it does not own, if not. Nobody outside
/// may tell what Waybill itself does.
///
/// # Errors
/// The field that another system owns; none where nobody outside may tell it.
pub fn check_owner(connection: &Connection, event: &Event) -> Result<(), Option<Field>> {
    let fields: &[Field] = match event {
        Event::OrderObserved(_) => &[Field::Order],
        Event::PaymentObserved(_) => &[Field::Payment],
        // Reason and result are told in one record, by whoever owns one of them.
        Event::RefundObserved(_) => &[Field::RefundReason, Field::RefundResult],
        Event::FulfillmentOrderObserved(_) | Event::ShipmentObserved(_) => &[Field::Fulfillment],
        Event::TrackingObserved(_) => &[Field::Tracking],
        Event::ReturnObserved(r) => match r.status {
            ReturnStatus::Requested | ReturnStatus::Authorized | ReturnStatus::Declined => {
                &[Field::ReturnRequest]
            }
            ReturnStatus::Received | ReturnStatus::Completed => &[Field::ReturnReceipt],
        },
        Event::StockObserved(_) => &[Field::StockCount],
        Event::TicketObserved(_) => &[Field::Ticket],
        Event::CommandFinished(_) | Event::ClockPassed(_) | Event::OperatorDecided(_) => &[],
    };
    let has = |field: &Field| {
        ROLES
            .iter()
            .any(|role| connection.has_role(*role) && field.is_owned_by(*role))
    };
    if fields.iter().any(has) {
        Ok(())
    } else {
        Err(fields.first().copied())
    }
}

/// The event with our SKUs, and an order with what blocks it.
#[must_use]
pub fn refine(connection: &Connection, event: Event) -> Event {
    let Some(settings) = &connection.channel else {
        return event;
    };
    match event {
        Event::OrderObserved(observed) => {
            let mut order = observed.order;
            for sku in order.lines.iter_mut().filter_map(|l| l.sku.as_mut()) {
                unalias(sku, settings);
            }
            let mut findings = observed.findings;
            findings.extend(validate::findings(&order, settings));
            findings.sort();
            findings.dedup();
            Event::OrderObserved(Box::new(OrderObserved { order, findings }))
        }
        Event::RefundObserved(mut refund) => {
            for sku in refund.lines.iter_mut().filter_map(|l| l.sku.as_mut()) {
                unalias(sku, settings);
            }
            Event::RefundObserved(refund)
        }
        Event::ReturnObserved(mut returned) => {
            for line in &mut returned.lines {
                unalias(&mut line.sku, settings);
            }
            Event::ReturnObserved(returned)
        }
        other => other,
    }
}

fn unalias(sku: &mut Sku, settings: &ChannelSettings) {
    if let Some(ours) = settings.sku_aliases.get(sku) {
        *sku = ours.clone();
    }
}
