//! Goods that come back to ShipBob.

use super::actions::WarehouseError;
use super::{StockMove, notify};
use crate::env::utc_millis;
use crate::world::{World, lock};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// A return.
#[derive(Debug, Clone)]
pub struct SbReturn {
    /// ShipBob's id.
    pub id: i64,
    /// What its creator gave: the channel's return id.
    pub reference_id: String,
    /// Number of the order that the goods belong to.
    pub order_number: String,
    /// Our reference of that order.
    pub store_order_id: String,
    /// The shipment that the goods left with.
    pub original_shipment_id: i64,
    /// `AwaitingArrival`, `Arrived`, `Processing`, `Completed`.
    pub status: &'static str,
    /// What comes back.
    pub lines: Vec<(String, i64)>,
    /// Statuses and when they were reached.
    pub history: Vec<(&'static str, Timestamp)>,
}

/// For invariants.
pub(super) fn state(r: &SbReturn) -> Value {
    json!({
        "id": r.id.to_string(),
        "reference_id": r.reference_id,
        "order_number": r.order_number,
        "order_reference_id": r.store_order_id,
        "status": r.status,
        "restocked": if r.status == "Completed" { lines(r) } else { Vec::new() },
        "lines": lines(r),
    })
}

fn lines(r: &SbReturn) -> Vec<Value> {
    let line = |(sku, quantity): &(String, i64)| json!({"sku": sku, "quantity": quantity});
    r.lines.iter().map(line).collect()
}

/// The return as the API and the webhooks show it.
pub(super) fn view(r: &SbReturn) -> Value {
    let reached = |status: &str| {
        let at = r.history.iter().find(|(s, _)| *s == status);
        at.map(|(_, t)| utc_millis(*t))
    };
    let completed = r.status == "Completed";
    let inventory = r.lines.iter().map(|(sku, quantity)| {
        let taken = if completed {
            json!([{
                "action": "Restock", "action_reason": "", "image_url": null,
                "quantity_processed": quantity,
            }])
        } else {
            json!([])
        };
        json!({
            "id": crate::catalogue::number(sku).map_or(0, |n| 30_000_000 + i64::from(n)),
            "name": crate::catalogue::number(sku).map(crate::catalogue::title),
            "sku": sku,
            "quantity": quantity,
            "barcodes": [],
            "lot_information": null,
            "action_requested": {"action": "Restock", "action_type": "Default", "instructions": null},
            "action_taken": taken,
        })
    });
    let history: Vec<Value> = r
        .history
        .iter()
        .map(|(status, at)| json!({"status": status, "timestamp": utc_millis(*at)}))
        .collect();
    json!({
        "id": r.id,
        "reference_id": r.reference_id,
        "store_order_id": r.store_order_id,
        "original_shipment_id": r.original_shipment_id,
        "shipment_tracking_number": null,
        "tracking_number": null,
        "status": r.status,
        "status_history": history,
        "return_type": "Regular",
        "channel": {"id": 100_001, "name": "Waybill"},
        "customer_name": null,
        "fulfillment_center": {"id": 8, "name": "Łódź"},
        "insert_date": reached("AwaitingArrival"),
        "awaiting_arrival_date": reached("AwaitingArrival"),
        "arrived_date": reached("Arrived"),
        "processing_date": reached("Processing"),
        "completed_date": reached("Completed"),
        "cancelled_date": null,
        "inventory": inventory.collect::<Vec<_>>(),
        "invoice": {"amount": 0.0, "currency_code": "EUR"},
        "transactions": [],
    })
}

/// The merchant announces a return: `return.created`. Returns its id.
///
/// # Errors
/// No shipment of that order holds the goods.
pub fn announce(
    world: &Arc<World>,
    order_id: i64,
    reference_id: &str,
    lines: &[(String, i64)],
) -> Result<i64, WarehouseError> {
    let now = world.env.now();
    let back = {
        let mut shipbob = lock(&world.shipbob);
        let order = shipbob
            .orders
            .get(&order_id)
            .ok_or(WarehouseError::Unknown)?;
        let holds = |s: &&super::SbShipment| {
            s.status.has_left()
                && lines
                    .iter()
                    .all(|(sku, q)| s.lines.iter().any(|(s, have)| s == sku && have >= q))
        };
        let shipment = order
            .shipments
            .iter()
            .find(holds)
            .ok_or(WarehouseError::Refused)?;
        let mut back = SbReturn {
            id: 0,
            reference_id: reference_id.to_owned(),
            order_number: order.order_number.clone(),
            store_order_id: order.reference_id.clone(),
            original_shipment_id: shipment.id,
            status: "AwaitingArrival",
            lines: lines.to_vec(),
            history: vec![("AwaitingArrival", now)],
        };
        back.id = shipbob.next_id();
        shipbob.returns.insert(back.id, back.clone());
        back
    };
    tell(world, "return.created", &back);
    Ok(back.id)
}

/// The goods arrived: `return.updated`.
///
/// # Errors
/// No such return, or it is further.
pub fn arrive(world: &Arc<World>, id: i64) -> Result<(), WarehouseError> {
    step(world, id, "AwaitingArrival", "Arrived", "return.updated")
}

/// The goods were inspected and are back in stock: `return.completed`.
///
/// # Errors
/// No such return, or it has not arrived, or is completed.
pub fn complete(world: &Arc<World>, id: i64) -> Result<(), WarehouseError> {
    step(world, id, "Arrived", "Completed", "return.completed")
}

fn step(
    world: &Arc<World>,
    id: i64,
    from: &str,
    to: &'static str,
    topic: &str,
) -> Result<(), WarehouseError> {
    let now = world.env.now();
    let back = {
        let mut shipbob = lock(&world.shipbob);
        let back = shipbob
            .returns
            .get_mut(&id)
            .ok_or(WarehouseError::Unknown)?;
        if back.status != from {
            return Err(WarehouseError::Refused);
        }
        let last = back.history.last().map(|(_, t)| *t);
        let least = last.and_then(|t| t.checked_add(SignedDuration::from_millis(1)).ok());
        back.status = to;
        back.history.push((to, least.map_or(now, |l| l.max(now))));
        let back = back.clone();
        if to == "Completed" {
            for (sku, units) in &back.lines {
                *shipbob.on_hand.entry(sku.clone()).or_insert(0) += units;
                shipbob.ledger.push(StockMove {
                    cause: format!("return/{id}"),
                    sku: sku.clone(),
                    units: *units,
                });
            }
        }
        back
    };
    world.changed.notify_waiters();
    tell(world, topic, &back);
    Ok(())
}

fn tell(world: &Arc<World>, topic: &str, back: &SbReturn) {
    notify(
        world,
        topic,
        &back.order_number,
        &format!("return/{}", back.id),
        &view(back),
    );
}
