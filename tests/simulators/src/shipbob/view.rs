//! Orders and shipments as the API and the webhooks show them.

use super::{SbOrder, SbShipment, Shipbob};
use crate::catalogue;
use crate::env::utc_millis;
use serde_json::{Value, json};

fn product_id(sku: &str) -> i64 {
    catalogue::number(sku).map_or(0, |n| 20_000_000 + i64::from(n))
}

/// The whole order.
pub(super) fn order(o: &SbOrder) -> Value {
    let products = o.products.iter().map(|(sku, quantity)| {
        json!({
            "id": product_id(sku),
            "reference_id": sku,
            "sku": sku,
            "quantity": quantity,
            "quantity_unit_of_measure_code": null,
            "unit_price": null,
            "gtin": null,
            "upc": null,
            "external_line_id": null,
        })
    });
    json!({
        "id": o.id,
        "created_date": utc_millis(o.created_at),
        "purchase_date": null,
        "reference_id": o.reference_id,
        "order_number": o.order_number,
        "status": o.status(),
        "type": "DTC",
        "channel": {"id": o.channel_id, "name": "Waybill"},
        "shipping_method": o.shipping_method,
        "recipient": o.recipient,
        "products": products.collect::<Vec<_>>(),
        "tags": [],
        "shipments": o.shipments.iter().map(|s| shipment(o, s)).collect::<Vec<_>>(),
        "gift_message": "",
        "shipping_terms": null,
        "retailer_program_data": null,
        "financials": null,
    })
}

/// One shipment.
pub(super) fn shipment(o: &SbOrder, s: &SbShipment) -> Value {
    let products = s.lines.iter().map(|(sku, quantity)| {
        json!({
            "id": product_id(sku),
            "reference_id": sku,
            "name": catalogue::number(sku).map(catalogue::title),
            "sku": sku,
            "inventory_items": [{
                "id": product_id(sku) + 10_000_000,
                "name": catalogue::number(sku).map(catalogue::title),
                "quantity": quantity,
                "quantity_committed": quantity,
                "lot": null,
                "expiration_date": null,
                "serial_numbers": [],
                "is_dangerous_goods": false,
            }],
        })
    });
    let tracking = s.tracking.as_ref().map(|t| {
        json!({
            "carrier": t.carrier,
            "carrier_service": "Ground",
            "tracking_number": t.number,
            "tracking_url": format!("https://track.example.com/{}", t.number),
            "shipping_date": s.shipped_at.map(utc_millis),
            "bol": null,
            "pro_number": null,
            "scac": null,
        })
    });
    let details = s.status.detail().map(|(id, name)| {
        json!({
            "id": id, "name": name, "description": name, "inventory_id": null,
            "exception_fulfillment_center_id": null, "extra_information": null,
        })
    });
    json!({
        "id": s.id,
        "order_id": o.id,
        "reference_id": o.reference_id,
        "status": s.status.as_str(),
        "status_details": details.into_iter().collect::<Vec<_>>(),
        "created_date": utc_millis(o.created_at),
        "last_update_at": utc_millis(s.updated_at),
        "last_tracking_update_at": s.tracking.as_ref().map(|_| utc_millis(s.updated_at)),
        "actual_fulfillment_date": s.shipped_at.map(utc_millis),
        "estimated_fulfillment_date": null,
        "estimated_fulfillment_date_status": "PendingOnTime",
        "delivery_date": s.delivered_at.map(utc_millis),
        "is_tracking_uploaded": false,
        "location": {"id": 8, "name": "Łódź"},
        "invoice_amount": 0,
        "invoice_currency_code": "EUR",
        "insurance_value": null,
        "package_material_type": "Box",
        "require_signature": false,
        "ship_option": o.shipping_method,
        "measurements": {
            "depth_in": 4, "length_in": 9, "width_in": 6, "total_weight_oz": 17.6,
        },
        "recipient": o.recipient,
        "products": products.collect::<Vec<_>>(),
        "parent_cartons": [],
        "tracking": tracking,
        "gift_message": "",
    })
}

/// Levels of every SKU.
pub(super) fn inventory(shipbob: &Shipbob) -> Value {
    let items = shipbob.on_hand.iter().map(|(sku, units)| {
        let committed: i64 = shipbob
            .orders
            .values()
            .flat_map(|o| &o.shipments)
            .filter(|s| s.status < super::SbStatus::Shipped)
            .flat_map(|s| &s.lines)
            .filter(|(s, _)| s == sku)
            .map(|(_, q)| q)
            .sum();
        json!({
            "inventory_id": product_id(sku) + 10_000_000,
            "name": catalogue::number(sku).map(catalogue::title),
            "sku": sku,
            "total_on_hand_quantity": units,
            "total_committed_quantity": committed,
            "total_fulfillable_quantity": units,
            "total_sellable_quantity": units - committed,
            "total_awaiting_quantity": 0,
            "total_backordered_quantity": 0,
            "total_exception_quantity": 0,
            "total_internal_transfer_quantity": 0,
        })
    });
    json!({
        "items": items.collect::<Vec<_>>(),
        "first": null, "last": null, "next": null, "prev": null,
    })
}
