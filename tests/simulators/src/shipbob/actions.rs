//! What happens in the warehouse. Each action changes the order and sends ShipBob's webhooks.

use super::{SbOrder, SbShipment, SbStatus, SbTracking, Shipbob, StockMove, notify, view};
use crate::world::{World, lock};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// Why the warehouse does not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarehouseError {
    /// No such order or shipment.
    Unknown,
    /// Not in this state.
    Refused,
}

impl std::fmt::Display for WarehouseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the warehouse has no such order or shipment",
            Self::Refused => "the order or shipment is not in a state for this",
        })
    }
}

/// Newest change of an order plus a millisecond, or now: versions never go back or repeat.
fn touch(now: Timestamp, order: &SbOrder) -> Timestamp {
    let newest = order.shipments.iter().map(|s| s.updated_at).max();
    let least = newest.and_then(|t| t.checked_add(SignedDuration::from_millis(1)).ok());
    least.map_or(now, |least| least.max(now))
}

fn change<T>(
    world: &Arc<World>,
    order_id: i64,
    act: impl FnOnce(&mut SbOrder, &mut Shipbob, Timestamp) -> Result<T, WarehouseError>,
) -> Result<(T, SbOrder), WarehouseError> {
    let mut shipbob = lock(&world.shipbob);
    let mut order = shipbob
        .orders
        .remove(&order_id)
        .ok_or(WarehouseError::Unknown)?;
    let before = order.clone();
    let at = touch(world.env.now(), &order);
    let done = act(&mut order, &mut shipbob, at);
    let kept = if done.is_ok() { order.clone() } else { before };
    shipbob.orders.insert(order_id, kept);
    drop(shipbob);
    world.changed.notify_waiters();
    done.map(|value| (value, order))
}

/// Splits the only shipment of an order: what `first` names goes into the first, the rest into a
/// second. Returns their ids.
///
/// # Errors
/// No such order, split or begun already, or nothing would remain.
pub fn split(
    world: &Arc<World>,
    order_id: i64,
    first: &[(String, i64)],
) -> Result<(i64, i64), WarehouseError> {
    let (ids, _) = change(world, order_id, |order, shipbob, at| {
        let [only] = order.shipments.as_mut_slice() else {
            return Err(WarehouseError::Refused);
        };
        if only.status != SbStatus::Processing {
            return Err(WarehouseError::Refused);
        }
        let rest: Vec<(String, i64)> = only
            .lines
            .iter()
            .map(|(sku, units)| {
                let taken: i64 = first.iter().filter(|(s, _)| s == sku).map(|(_, q)| q).sum();
                (sku.clone(), units - taken)
            })
            .filter(|(_, units)| *units > 0)
            .collect();
        if rest.is_empty() || first.is_empty() {
            return Err(WarehouseError::Refused);
        }
        only.lines = first.to_vec();
        only.updated_at = at;
        let first_id = only.id;
        let id = shipbob.next_id();
        order.shipments.push(shipment(id, rest, at));
        Ok((first_id, id))
    })?;
    Ok(ids)
}

/// A new shipment that waits to be picked.
pub(super) fn shipment(id: i64, lines: Vec<(String, i64)>, at: Timestamp) -> SbShipment {
    SbShipment {
        id,
        lines,
        status: SbStatus::Processing,
        tracking: None,
        updated_at: at,
        shipped_at: None,
        delivered_at: None,
    }
}

fn find(order: &mut SbOrder, shipment_id: i64) -> Result<&mut SbShipment, WarehouseError> {
    order
        .shipments
        .iter_mut()
        .find(|s| s.id == shipment_id)
        .ok_or(WarehouseError::Unknown)
}

/// Picks a shipment: from now on it is too late to cancel. No webhook tells it.
///
/// # Errors
/// No such shipment, or it does not wait to be picked.
pub fn pick(world: &Arc<World>, order_id: i64, shipment_id: i64) -> Result<(), WarehouseError> {
    change(world, order_id, |order, _, at| {
        let shipment = find(order, shipment_id)?;
        if !shipment.status.can_be_cancelled() {
            return Err(WarehouseError::Refused);
        }
        shipment.status = SbStatus::Picked;
        shipment.updated_at = at;
        Ok(())
    })
    .map(|((), _)| ())
}

/// How shipments leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leave {
    /// The label's number is known when `order.shipped` is sent.
    pub with_tracking: bool,
    /// `order.shipped` is sent now; else it waits for a later call.
    pub tell: bool,
}

/// Ships: stock goes down once, `order.shipped` is sent. Returns the tracking number.
///
/// # Errors
/// No such shipment, or it has left or was cancelled.
pub fn ship(
    world: &Arc<World>,
    order_id: i64,
    shipment_id: i64,
    leave: Leave,
) -> Result<String, WarehouseError> {
    let number = format!(
        "JD{:010}{:08}",
        shipment_id.rem_euclid(10_000_000_000),
        world.env.seed().rem_euclid(100_000_000)
    );
    let tracking = SbTracking {
        carrier: "DHL".to_owned(),
        number: number.clone(),
    };
    let ((), order) = change(world, order_id, |order, shipbob, at| {
        let shipment = find(order, shipment_id)?;
        if shipment.status.has_left() || shipment.status == SbStatus::Cancelled {
            return Err(WarehouseError::Refused);
        }
        shipment.status = SbStatus::Shipped;
        shipment.shipped_at = Some(at);
        shipment.updated_at = at;
        shipment.tracking = leave.with_tracking.then_some(tracking);
        for (sku, units) in &shipment.lines {
            *shipbob.on_hand.entry(sku.clone()).or_insert(0) -= units;
            shipbob.ledger.push(StockMove {
                cause: format!("shipment/{shipment_id}"),
                sku: sku.clone(),
                units: -units,
            });
        }
        Ok(())
    })?;
    if leave.tell {
        tell_shipped(world, &order);
    }
    Ok(number)
}

/// The label's number becomes known: `order.shipped` is sent again, now with tracking.
///
/// # Errors
/// No such shipment, or it has not left.
pub fn add_tracking(
    world: &Arc<World>,
    order_id: i64,
    shipment_id: i64,
    number: &str,
) -> Result<(), WarehouseError> {
    let ((), order) = change(world, order_id, |order, _, at| {
        let shipment = find(order, shipment_id)?;
        if !shipment.status.has_left() {
            return Err(WarehouseError::Refused);
        }
        shipment.tracking = Some(SbTracking {
            carrier: "DHL".to_owned(),
            number: number.to_owned(),
        });
        shipment.updated_at = at;
        Ok(())
    })?;
    tell_shipped(world, &order);
    Ok(())
}

fn tell_shipped(world: &Arc<World>, order: &SbOrder) {
    let subject = order.id.to_string();
    notify(
        world,
        "order.shipped",
        &order.order_number,
        &subject,
        &view::order(order),
    );
}

/// Stops a shipment for lack of stock: `order.shipment.exception`.
///
/// # Errors
/// No such shipment, or it is begun.
pub fn except(world: &Arc<World>, order_id: i64, shipment_id: i64) -> Result<(), WarehouseError> {
    set(
        world,
        order_id,
        shipment_id,
        "order.shipment.exception",
        |s, _| {
            if s.status != SbStatus::Processing {
                return Err(WarehouseError::Refused);
            }
            s.status = SbStatus::Exception;
            Ok(())
        },
    )
}

/// A shipment reached the customer: `order.shipment.delivered`.
///
/// # Errors
/// No such shipment, or it is not on its way.
pub fn deliver(world: &Arc<World>, order_id: i64, shipment_id: i64) -> Result<(), WarehouseError> {
    set(
        world,
        order_id,
        shipment_id,
        "order.shipment.delivered",
        |s, at| {
            if s.status != SbStatus::Shipped {
                return Err(WarehouseError::Refused);
            }
            s.status = SbStatus::Delivered;
            s.delivered_at = Some(at);
            Ok(())
        },
    )
}

fn set(
    world: &Arc<World>,
    order_id: i64,
    shipment_id: i64,
    topic: &str,
    act: impl FnOnce(&mut SbShipment, Timestamp) -> Result<(), WarehouseError>,
) -> Result<(), WarehouseError> {
    let ((), order) = change(world, order_id, |order, _, at| {
        let shipment = find(order, shipment_id)?;
        act(shipment, at)?;
        shipment.updated_at = at;
        Ok(())
    })?;
    if let Some(shipment) = order.shipments.iter().find(|s| s.id == shipment_id) {
        let body = view::shipment(&order, shipment);
        notify(
            world,
            topic,
            &order.order_number,
            &shipment_id.to_string(),
            &body,
        );
    }
    Ok(())
}

/// Cancels every shipment that still can be: `order.shipment.cancelled` for each. Returns the
/// order and, for each shipment, its id and whether it was cancelled.
///
/// # Errors
/// No such order.
pub(super) fn cancel(
    world: &Arc<World>,
    order_id: i64,
) -> Result<(Vec<(i64, bool)>, SbOrder), WarehouseError> {
    let (results, order) = change(world, order_id, |order, _, at| {
        let mut results = Vec::new();
        for shipment in &mut order.shipments {
            let can = shipment.status.can_be_cancelled();
            if can {
                shipment.status = SbStatus::Cancelled;
                shipment.updated_at = at;
            }
            results.push((shipment.id, can));
        }
        Ok(results)
    })?;
    for (id, _) in results.iter().filter(|(_, done)| *done) {
        if let Some(shipment) = order.shipments.iter().find(|s| s.id == *id) {
            let body = view::shipment(&order, shipment);
            let topic = "order.shipment.cancelled";
            notify(world, topic, &order.order_number, &id.to_string(), &body);
        }
    }
    Ok((results, order))
}
