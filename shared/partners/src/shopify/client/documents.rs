//! GraphQL documents for fulfilments and the shapes of their answers: Admin API 2026-07.

use super::Nodes;
use crate::shopify::error::UserError;
use serde::Deserialize;

/// The sizes keep the query below 1000 points, the limit of one.
pub(super) const FIND_FULFILLMENTS: &str = "query WaybillFulfillments($id: ID!) {
  order(id: $id) {
    cancelledAt
    fulfillments(first: 20) {
      id
      status
      trackingInfo { number }
      fulfillmentLineItems(first: 20) {
        nodes { quantity lineItem { id sku } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}";

pub(super) const FIND_WORK: &str = "query WaybillWork($id: ID!) {
  order(id: $id) {
    fulfillmentOrders(first: 10) {
      nodes {
        id
        status
        assignedLocation { location { id } }
        lineItems(first: 40) {
          nodes { id remainingQuantity sku lineItem { id } }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  }
}";

pub(super) const FIND_MORE_WORK: &str = "query WaybillMoreWork($id: ID!, $after: String) {
  fulfillmentOrder(id: $id) {
    lineItems(first: 40, after: $after) {
      nodes { id remainingQuantity sku lineItem { id } }
      pageInfo { hasNextPage endCursor }
    }
  }
}";

pub(super) const CREATE: &str = "mutation WaybillFulfil($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) {
    fulfillment { id }
    userErrors { field message }
  }
}";

pub(super) const UPDATE_TRACKING: &str = "mutation WaybillTracking($id: ID!, $tracking: FulfillmentTrackingInput!, $notify: Boolean) {
  fulfillmentTrackingInfoUpdate(fulfillmentId: $id, trackingInfoInput: $tracking, notifyCustomer: $notify) {
    fulfillment { id }
    userErrors { field message }
  }
}";

#[derive(Deserialize)]
pub(super) struct Found<T> {
    pub(super) order: Option<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FulfilledOrder {
    pub(super) cancelled_at: Option<String>,
    pub(super) fulfillments: Vec<Fulfillment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fulfillment {
    pub(super) id: String,
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) tracking_info: Vec<TrackingInfo>,
    pub(super) fulfillment_line_items: Nodes<FulfilledLine>,
}

#[derive(Deserialize)]
pub(super) struct TrackingInfo {
    pub(super) number: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FulfilledLine {
    pub(super) quantity: Option<i64>,
    pub(super) line_item: LineItem,
}

#[derive(Deserialize)]
pub(super) struct LineItem {
    pub(super) id: String,
    #[serde(default)]
    pub(super) sku: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderWork {
    pub(super) fulfillment_orders: Nodes<FulfillmentOrder>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FulfillmentOrder {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) assigned_location: Option<AssignedLocation>,
    pub(super) line_items: Nodes<WorkLine>,
}

#[derive(Deserialize)]
pub(super) struct AssignedLocation {
    pub(super) location: Option<LocationId>,
}

#[derive(Deserialize)]
pub(super) struct LocationId {
    pub(super) id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkLine {
    pub(super) id: String,
    pub(super) remaining_quantity: i64,
    pub(super) sku: Option<String>,
    pub(super) line_item: LineItem,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MoreWork {
    pub(super) fulfillment_order: Option<MoreLines>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MoreLines {
    pub(super) line_items: Nodes<WorkLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Created {
    #[serde(alias = "fulfillmentTrackingInfoUpdate")]
    pub(super) fulfillment_create: Option<CreatedAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedAnswer {
    pub(super) fulfillment: Option<CreatedFulfillment>,
    pub(super) user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
pub(super) struct CreatedFulfillment {
    pub(super) id: String,
}
