//! Shapes of ShipBob's 2026-01 API, of which webhooks carry the same models.
//!
//! Source: ShipBob's OpenAPI documents 2025-07 and 2026-01. Every field but ids may be null or
//! absent; ids are integers. Only what Waybill reads is named.

use crate::reading::{AnyId, or_default};
use serde::{Deserialize, Serialize};

/// `Orders.OrderViewModel`: body of `order.shipped`, answer of create and get.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    pub(super) id: AnyId,
    /// What we gave on creation; another system's text for orders that are not ours.
    pub(super) reference_id: Option<String>,
    /// `Processing`, `Exception`, `PartiallyFulfilled`, `Fulfilled`, `Cancelled`, `ImportReview`.
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) products: Vec<OrderProduct>,
    /// Present in every model of an order, empty until it is allocated. Its absence means that
    /// the body is no order.
    pub(super) shipments: Option<Vec<Shipment>>,
}

/// A product of the order with the quantity ordered.
#[derive(Debug, Deserialize)]
pub(super) struct OrderProduct {
    pub(super) reference_id: Option<String>,
    pub(super) sku: Option<String>,
    pub(super) quantity: Option<i64>,
}

/// `Orders.ShipmentViewModel`: body of `order.shipment.*`.
#[derive(Debug, Deserialize)]
pub(super) struct Shipment {
    pub(super) id: AnyId,
    pub(super) order_id: Option<AnyId>,
    pub(super) reference_id: Option<String>,
    /// `None`, `Processing`, `Completed`, `Exception`, `OnHold`, `Cancelled`, `CleanSweeped`,
    /// `LabeledCreated`, `ImportReview`.
    pub(super) status: Option<String>,
    /// Finer: `Labeled`, `Delivered` and others.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) status_details: Vec<StatusDetail>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) products: Vec<ShipmentProduct>,
    /// Null until a label is bought; some shipments are announced without it.
    pub(super) tracking: Option<TrackingInfo>,
    pub(super) actual_fulfillment_date: Option<String>,
    pub(super) delivery_date: Option<String>,
    pub(super) last_update_at: Option<String>,
    pub(super) last_tracking_update_at: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StatusDetail {
    pub(super) name: Option<String>,
}

/// A product of a shipment. It has no quantity of its own.
#[derive(Debug, Deserialize)]
pub(super) struct ShipmentProduct {
    pub(super) reference_id: Option<String>,
    pub(super) sku: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) inventory_items: Vec<InventoryItem>,
}

/// What is picked for a product: one entry a lot, and one a component of a bundle.
#[derive(Debug, Deserialize)]
pub(super) struct InventoryItem {
    pub(super) id: Option<AnyId>,
    pub(super) quantity: Option<i64>,
    /// Null where the item is not kept by lot.
    pub(super) lot: Option<String>,
    /// Of the goods, where they have some; can hold nulls.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) serial_numbers: Vec<Option<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TrackingInfo {
    pub(super) carrier: Option<String>,
    pub(super) tracking_number: Option<String>,
    pub(super) tracking_url: Option<String>,
    pub(super) shipping_date: Option<String>,
}

/// `Returns.ReturnOrderDto`: body of `return.*`.
#[derive(Debug, Deserialize)]
pub(super) struct Return {
    pub(super) id: AnyId,
    /// What the creator of the return gave.
    pub(super) reference_id: Option<String>,
    /// `AwaitingArrival`, `Arrived`, `Processing`, `Completed`, `Cancelled`.
    pub(super) status: Option<String>,
    /// Its absence means that the body is no return.
    pub(super) inventory: Option<Vec<ReturnInventory>>,
    pub(super) original_shipment_id: Option<AnyId>,
    pub(super) store_order_id: Option<String>,
    /// Of the parcel that went out.
    pub(super) shipment_tracking_number: Option<String>,
    pub(super) arrived_date: Option<String>,
    pub(super) processing_date: Option<String>,
    pub(super) completed_date: Option<String>,
    pub(super) cancelled_date: Option<String>,
    pub(super) awaiting_arrival_date: Option<String>,
    pub(super) insert_date: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) status_history: Vec<StatusChange>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StatusChange {
    pub(super) timestamp: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReturnInventory {
    pub(super) sku: Option<String>,
    pub(super) quantity: Option<i64>,
    pub(super) action_requested: Option<ActionRequested>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) action_taken: Vec<ActionTaken>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ActionRequested {
    /// `Default`, `Restock`, `Quarantine`, `Dispose`.
    pub(super) action: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ActionTaken {
    pub(super) action: Option<String>,
    pub(super) quantity_processed: Option<i64>,
}

/// `Orders.CreateOrderModel`: body of `POST /order`. Only here it leaves Waybill; `Debug` is not
/// derived, since it holds an address.
#[derive(Serialize)]
pub(super) struct CreateOrder<'a> {
    pub(super) reference_id: &'a str,
    pub(super) order_number: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) shipping_method: &'a str,
    pub(super) recipient: Recipient<'a>,
    pub(super) products: Vec<AddProduct<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) financials: Option<Financials>,
}

/// In US dollars only, and as a JSON number.
#[derive(Serialize)]
pub(super) struct Financials {
    pub(super) total_price: f64,
}

#[derive(Serialize)]
pub(super) struct Recipient<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phone_number: Option<&'a str>,
    pub(super) address: RecipientAddress<'a>,
}

#[derive(Serialize)]
pub(super) struct RecipientAddress<'a> {
    pub(super) address1: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address2: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) company_name: Option<&'a str>,
    pub(super) city: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<&'a str>,
    pub(super) country: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zip_code: Option<&'a str>,
}

/// By `reference_id`, without `name`: with a name, ShipBob would make a new product of a SKU that
/// it does not know, and the order would wait for stock that never comes.
#[derive(Serialize)]
pub(super) struct AddProduct<'a> {
    pub(super) reference_id: &'a str,
    pub(super) quantity: i64,
}

/// The answer of `GET /order`: a bare list in 2025-07 and 2026-01, and read in pages too.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OrderList {
    Bare(Vec<Order>),
    Paged { items: Vec<Order> },
}

/// The answer of `POST /order/{id}/cancel`.
#[derive(Debug, Deserialize)]
pub(super) struct CancelAnswer {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) canceled_shipment_results: Vec<CancelResult>,
    /// The order as it is afterwards.
    pub(super) order: Option<Order>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CancelResult {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) is_success: bool,
}
