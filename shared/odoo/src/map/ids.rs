//! Our external ids: computed, so that the same thing has the same id from every process. Their
//! uniqueness in Odoo (`ir_model_data`) is what keeps one order from being written twice.

use super::order::Line;
use super::partner::normal;
use waybill_flow::connections::CustomerKey;
use waybill_model::command::PaymentDirection;
use waybill_model::id::{CorrelationId, ExternalId, name_uuid};
use waybill_model::order::Order;
use waybill_model::party::Address;

/// External ids under one connection's prefix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids<'a> {
    pub(crate) prefix: &'a str,
}

fn underscored(uuid: &impl ToString) -> String {
    uuid.to_string().replace('-', "_")
}

impl Ids<'_> {
    /// Of a sale order.
    pub(crate) fn order(&self, correlation: CorrelationId) -> String {
        format!("{}.so_{}", self.prefix, underscored(&correlation.uuid()))
    }

    /// Of the line that makes Odoo's total the channel's.
    pub(crate) fn adjustment(&self, correlation: CorrelationId) -> String {
        format!("{}.adj_{}", self.prefix, underscored(&correlation.uuid()))
    }

    /// Of a line that was added later: two attempts at once add it once. Another product or price
    /// is another line, since a row's own can have been changed since.
    pub(crate) fn added_line(&self, correlation: CorrelationId, line: &Line) -> String {
        let product = line.product.map(|p| p.to_string()).unwrap_or_default();
        let uuid = name_uuid(&[
            "added line",
            &correlation.to_string(),
            &line.key,
            &product,
            &line.unit.normalize().to_string(),
            &line.percent.normalize().to_string(),
        ]);
        format!("{}.sl_{}", self.prefix, underscored(&uuid))
    }

    /// Of a payment: two attempts at once book it once.
    pub(crate) fn payment(
        &self,
        correlation: CorrelationId,
        direction: PaymentDirection,
        id: &ExternalId,
    ) -> String {
        let direction = match direction {
            PaymentDirection::Received => "received",
            PaymentDirection::PaidBack => "paid back",
        };
        let uuid = name_uuid(&["payment", &correlation.to_string(), direction, id.as_str()]);
        format!("{}.pay_{}", self.prefix, underscored(&uuid))
    }

    /// Of a customer: by the first key that customers are matched by (two writers at once make one
    /// record of it), else by the channel's id; a guest by e-mail address; one without both by
    /// order.
    pub(crate) fn customer(&self, order: &Order, keys: &[(CustomerKey, String)]) -> String {
        let customer = order.customer.as_ref();
        let email = customer.and_then(|c| normal(CustomerKey::Email, c.email.as_deref()?));
        let uuid = if let Some((key, value)) = keys.first() {
            match key {
                CustomerKey::Email => name_uuid(&["guest", value]),
                CustomerKey::Phone => name_uuid(&["customer by phone", value]),
                CustomerKey::Vat => name_uuid(&["customer by vat", value]),
                CustomerKey::Reference => name_uuid(&["customer by reference", value]),
            }
        } else if let Some(id) = customer.and_then(|c| c.id.as_ref()) {
            name_uuid(&["customer", order.channel.as_str(), id.as_str()])
        } else if let Some(email) = email {
            name_uuid(&["guest", &email])
        } else {
            name_uuid(&["anonymous", &order.correlation().to_string()])
        };
        format!("{}.cu_{}", self.prefix, underscored(&uuid))
    }

    /// Of the company that a customer buys for: by VAT number; one without by its name, as this
    /// customer writes it.
    pub(crate) fn company(&self, customer: &str, name: &str, vat: Option<&str>) -> String {
        let uuid = match vat {
            Some(vat) => name_uuid(&["company", vat]),
            None => name_uuid(&["company of", customer, &name.to_lowercase()]),
        };
        format!("{}.co_{}", self.prefix, underscored(&uuid))
    }

    /// Of an address of a customer: by its content, so that a changed address is a new record and
    /// older orders keep theirs.
    pub(crate) fn address(&self, customer: &str, address: &Address) -> String {
        let part = |text: &Option<String>| text.clone().unwrap_or_default();
        let uuid = name_uuid(&[
            "address",
            customer,
            &part(&address.name),
            &part(&address.company),
            &part(&address.street),
            &part(&address.street2),
            &part(&address.city),
            &part(&address.zip),
            &part(&address.region),
            &part(&address.country),
            &part(&address.phone),
        ]);
        format!("{}.ad_{}", self.prefix, underscored(&uuid))
    }
}

/// What stands in the source document of an order and in the memo of its payments: what a person pastes into Waybill's search, and
/// what orders are searched by, since only administrators may search external ids.
pub(crate) fn order_origin(correlation: CorrelationId) -> String {
    format!("Waybill {correlation}")
}

/// The mark that a shipment leaves in the source document of the transfer it was booked on.
pub(crate) fn shipment_mark(warehouse: &str, shipment: &ExternalId) -> String {
    format!("[shipment {warehouse}:{shipment}]")
}

/// The mark that a return leaves in the source document of its receipt.
pub(crate) fn return_mark(id: &ExternalId, disposition: &str) -> String {
    format!("[return {id} {disposition}]")
}

/// The mark that a refund leaves in the reference of its credit note.
pub(crate) fn refund_mark(id: &ExternalId) -> String {
    format!("[refund {id}]")
}

/// The mark on the credit notes of a refund that no single invoice covers.
pub(crate) fn refund_part_mark(id: &ExternalId) -> String {
    format!("[refund {id} part]")
}

/// The mark on what undoes a credit note.
pub(crate) fn undo_mark(id: &ExternalId) -> String {
    format!("[refund {id} failed]")
}
