//! What partners tell of the order `1001`, in few words.

use waybill_model::command::CommandKind;
use waybill_model::envelope::{Envelope, EventEnvelope};
use waybill_model::event::{CommandFinished, Decision, Event, OperatorDecided, Outcome};
use waybill_model::id::EffectKey;
use waybill_model::order::Version;
use waybill_model::payment::{Payment, PaymentStatus, Refund, RefundStatus};
use waybill_model::returns::{Return, ReturnStatus};
use waybill_model::shipment::{
    FulfillmentOrder, FulfillmentStatus, Parcel, Shipment, ShipmentStatus, ShippedLine, Tracking,
    TrackingStatus,
};
use waybill_testkit::build::{self, connection, external, text};

/// An event of the order `1001`; its id is made of all it says.
pub(crate) fn event(source: &str, body: Event) -> EventEnvelope {
    let order = build::correlation("1001");
    let said = serde_json::to_string(&body).unwrap();
    let id = waybill_model::id::MessageId::for_delivery(&connection(source), &said, 0);
    Envelope::new(id, connection(source), build::start(), order, body)
}

pub(crate) fn decided(decision: Decision) -> EventEnvelope {
    let operator = "alice".to_owned();
    let body = Event::OperatorDecided(OperatorDecided { decision, operator });
    event("waybill", body)
}

pub(crate) fn finished(effect: EffectKey, command: CommandKind, outcome: Outcome) -> EventEnvelope {
    let body = Event::CommandFinished(CommandFinished {
        effect,
        command,
        outcome,
    });
    event("waybill", body)
}

/// A payment at `stripe`, `pi_1`.
pub(crate) fn payment(status: PaymentStatus, amount: &str) -> Payment {
    Payment {
        gateway: connection("stripe"),
        id: external("pi_1"),
        status,
        amount: build::eur(amount),
        version: Version(1),
        paid_at: None,
        method: None,
    }
}

pub(crate) fn refund(source: &str, id: &str, status: RefundStatus, amount: &str) -> Refund {
    Refund {
        id: external(id),
        source: connection(source),
        gateway_id: None,
        payment_id: None,
        status,
        amount: build::eur(amount),
        lines: Vec::new(),
        shipping: build::amount("0"),
        version: Version(1),
        refunded_at: None,
    }
}

pub(crate) fn returned(source: &str, id: &str, status: ReturnStatus) -> Return {
    Return {
        id: external(id),
        source: connection(source),
        status,
        lines: Vec::new(),
        version: Version(1),
    }
}

pub(crate) fn warehouse_order(id: &str, status: FulfillmentStatus) -> FulfillmentOrder {
    FulfillmentOrder {
        warehouse: connection("threepl"),
        id: external(id),
        reference: None,
        status,
        version: Version(1),
    }
}

pub(crate) fn parcel(number: Option<&str>) -> Parcel {
    Parcel {
        tracking_number: number.map(text),
        carrier: None,
        url: None,
    }
}

pub(crate) fn tracking(number: &str, status: TrackingStatus) -> Tracking {
    Tracking {
        source: connection("easypost"),
        tracking_number: text(number),
        status,
        carrier: None,
        expected_at: None,
        at: build::start(),
    }
}

/// Lines as id, SKU and quantity; no parcels.
pub(crate) fn shipment(id: &str, status: ShipmentStatus, lines: &[(&str, &str, i64)]) -> Shipment {
    let line = |(line, sku, quantity): &(&str, &str, i64)| ShippedLine {
        line_id: Some(text(line)),
        sku: build::sku(sku),
        quantity: build::units(*quantity),
        lots: Vec::new(),
    };
    Shipment {
        warehouse: connection("threepl"),
        id: external(id),
        fulfillment_order: None,
        status,
        lines: lines.iter().map(line).collect(),
        parcels: Vec::new(),
        shipped_at: None,
        version: Version(1),
    }
}
