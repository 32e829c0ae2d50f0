//! What is still to be booked of a shipment. Pure.

use crate::catalog::Catalog;
use crate::error::rejected;
use crate::map::ids::shipment_mark;
use crate::map::order::product_of;
use crate::write::chain::{self, Goods};
use crate::write::confirm::cancelled;
use crate::write::lots::{self, Lots};
use crate::write::resolve::{Found, not_in_erp};
use crate::write::transfer::{Booking, Move, Picking};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use waybill_model::failure::Failure;
use waybill_model::id::CorrelationId;
use waybill_model::shipment::Shipment;

/// What is known of the orders' transfers.
pub(super) struct World {
    pub(super) orders: BTreeMap<CorrelationId, Found>,
    pub(super) pickings: Vec<Picking>,
    pub(super) moves: Vec<Move>,
    pub(super) catalog: Catalog,
    pub(super) lots: Lots,
    /// How many of each lot have left with these shipments.
    pub(super) gone: Goods,
}

/// What is to be done for one shipment.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    /// Transfers that hold goods of it and are done.
    pub(super) done: Vec<i64>,
    /// Those of them that still need their tracking numbers.
    pub(super) untracked: Vec<(i64, String)>,
    /// What of it is still to be booked.
    pub(super) bookings: Vec<Booking>,
}

impl Plan {
    pub(super) fn pickings(&self) -> Vec<i64> {
        let booked = self.bookings.iter().map(|b| b.picking);
        self.done.iter().copied().chain(booked).collect()
    }
}

pub(super) fn mark(shipment: &Shipment) -> String {
    shipment_mark(shipment.warehouse.as_str(), &shipment.id)
}

pub(super) fn plan(
    world: &World,
    correlation: CorrelationId,
    shipment: &Shipment,
) -> Result<Plan, Failure> {
    let order = world
        .orders
        .get(&correlation)
        .ok_or_else(|| not_in_erp(correlation))?;
    let mark = mark(shipment);
    let ours = || {
        world
            .pickings
            .iter()
            .filter(|p| p.sale_id.0 == Some(order.id) && p.is_outgoing())
    };
    let tracking: Vec<&str> = shipment
        .parcels
        .iter()
        .filter_map(|p| p.tracking_number.as_ref().map(|t| t.as_str()))
        .collect();
    let tracking = tracking.join(", ");
    let name = order.name.as_str();
    let done: Vec<&Picking> = ours()
        .filter(|p| p.is_done() && p.origin.as_str().contains(&mark))
        .collect();
    let mut wanted = wanted(world, shipment, name)?;
    if wanted.is_empty() && done.is_empty() {
        return Err(empty_shipment(shipment, name));
    }
    subtract(world, &done, &mut wanted);
    let untracked = done
        .iter()
        .filter(|p| !tracking.is_empty() && p.carrier_tracking_ref.as_str() != tracking)
        .map(|p| (p.id, tracking.clone()));
    let untracked = untracked.collect();
    let done = done.iter().map(|p| p.id).collect();
    if wanted.is_empty() {
        return Ok(Plan {
            done,
            untracked,
            bookings: Vec::new(),
        });
    }
    if order.state.as_str() == "cancel" {
        return Err(cancelled(&format!("order `{name}`")));
    }
    let mut open: Vec<&Picking> = ours().filter(|p| p.is_open()).collect();
    if open.is_empty() {
        return Err(rejected(
            "no_open_delivery",
            format!(
                "shipment `{}` of order `{name}` has no open delivery in Odoo",
                shipment.id
            ),
            "confirm the order in Odoo, or check whether somebody validated the delivery by hand; if the goods left twice, correct the stock in Odoo",
        ));
    }
    // What can leave now comes first, then the oldest.
    open.sort_by_key(|p| (p.state.as_str() != "assigned", p.id));
    let pick = |pickings: &[&Picking]| allocate(world, pickings, &wanted);
    let alone = open
        .iter()
        .map(|p| pick(&[*p]))
        .find(|a| a.missing.is_empty());
    let allocation = alone.unwrap_or_else(|| pick(&open));
    if let Some((product, missing)) = allocation.missing.iter().next() {
        return Err(not_on_delivery(world, shipment, name, *product, *missing));
    }
    let origin = format!("{name} {mark}");
    let bookings = bookings(world, shipment, name, allocation, |_| {
        (origin.clone(), tracking.clone())
    })?;
    Ok(Plan {
        done,
        untracked,
        bookings,
    })
}

/// Bookings of what was allocated, with lots where they are told.
fn bookings(
    world: &World,
    shipment: &Shipment,
    order: &str,
    allocation: Allocation,
    names: impl Fn(i64) -> (String, String),
) -> Result<Vec<Booking>, Failure> {
    let place = format!("shipment `{}` of order `{order}`", shipment.id);
    let mut told = told(world, shipment, &place)?;
    let mut bookings = Vec::new();
    for (picking, moves) in allocation.by_picking {
        let items = world.moves.iter();
        let lots = lots::assign(
            &moves,
            items,
            &mut told,
            &world.lots,
            &world.catalog,
            &place,
        )?;
        let (origin, tracking) = names(picking);
        let replaced = world
            .moves
            .iter()
            .filter(|m| lots.contains_key(&m.id))
            .map(|m| (m.id, m.move_line_ids.clone()));
        bookings.push(Booking {
            picking,
            origin,
            tracking,
            moves,
            destination: None,
            replaced: replaced.collect(),
            lots,
        });
    }
    Ok(bookings)
}

/// The lots that the shipment tells, without those that left with it before.
fn told(world: &World, shipment: &Shipment, place: &str) -> Result<lots::Told, Failure> {
    let mut lines = Vec::new();
    for line in &shipment.lines {
        let product = product_of(&world.catalog, &line.sku, place)?;
        lines.push((product, line.quantity.decimal(), line.lots.as_slice()));
    }
    let mut told = lots::told(lines.into_iter(), &world.catalog, place)?;
    lots::subtract(
        &mut told,
        world.gone.clone(),
        &world.lots,
        &world.catalog,
        place,
    )?;
    Ok(told)
}

/// What is to be booked before the shipment can be, where the warehouse delivers in steps.
pub(super) fn step(
    world: &World,
    correlation: CorrelationId,
    shipment: &Shipment,
) -> Result<Vec<Booking>, Failure> {
    // What is wrong with the shipment or the order is told with its plan.
    let Some(order) = world.orders.get(&correlation) else {
        return Ok(Vec::new());
    };
    let name = order.name.as_str();
    let ours = || {
        world
            .pickings
            .iter()
            .filter(|p| p.sale_id.0 == Some(order.id))
    };
    if order.state.as_str() == "cancel" || !ours().any(|p| p.is_open() && p.is_internal()) {
        return Ok(Vec::new());
    }
    let mark = mark(shipment);
    let done: Vec<&Picking> = ours()
        .filter(|p| p.is_outgoing() && p.is_done() && p.origin.as_str().contains(&mark))
        .collect();
    let mut wanted = wanted(world, shipment, name)?;
    subtract(world, &done, &mut wanted);
    let pickings: Vec<&Picking> = ours().collect();
    let Some(step) = chain::next(&pickings, &world.moves, &wanted).filter(|_| !wanted.is_empty())
    else {
        return Ok(Vec::new());
    };
    let of_step: Vec<&Picking> = ours().filter(|p| step.pickings.contains(&p.id)).collect();
    let allocation = allocate(world, &of_step, &step.goods);
    if let Some((product, missing)) = allocation.missing.iter().next() {
        return Err(not_on_delivery(world, shipment, name, *product, *missing));
    }
    bookings(world, shipment, name, allocation, |picking| {
        let own = of_step.iter().find(|p| p.id == picking);
        let text = |text: fn(&Picking) -> &str| own.map_or("", |p| text(p)).to_owned();
        (
            text(|p| p.origin.as_str()),
            text(|p| p.carrier_tracking_ref.as_str()),
        )
    })
}

/// Takes the goods that left with transfers that are done off those of the shipment.
fn subtract(world: &World, done: &[&Picking], wanted: &mut Goods) {
    let is_of = |m: &&Move| {
        let picking = m.picking_id.0;
        m.state.as_str() == "done" && done.iter().any(|p| Some(p.id) == picking)
    };
    for item in world.moves.iter().filter(is_of) {
        if let Some(left) = item.product_id.0.and_then(|p| wanted.get_mut(&p)) {
            *left -= item.quantity.rounded(4);
        }
    }
    wanted.retain(|_, left| *left > Decimal::ZERO);
}

fn wanted(world: &World, shipment: &Shipment, order: &str) -> Result<Goods, Failure> {
    let mut wanted = Goods::new();
    for line in &shipment.lines {
        let place = format!("shipment `{}` of order `{order}`", shipment.id);
        let product = product_of(&world.catalog, &line.sku, &place)?;
        let sum = wanted.entry(product).or_default();
        *sum = sum.saturating_add(line.quantity.decimal());
    }
    wanted.retain(|_, quantity| !quantity.is_zero());
    Ok(wanted)
}

fn empty_shipment(shipment: &Shipment, order: &str) -> Failure {
    rejected(
        "empty_shipment",
        format!("shipment `{}` of order `{order}` has no goods", shipment.id),
        "ask the warehouse what was in it and validate the delivery in Odoo by hand",
    )
}

#[derive(Default)]
struct Allocation {
    by_picking: BTreeMap<i64, Vec<(i64, Decimal)>>,
    missing: Goods,
}

/// Spreads what was shipped over the open moves of these transfers, in their order.
fn allocate(world: &World, pickings: &[&Picking], wanted: &Goods) -> Allocation {
    let mut left = wanted.clone();
    let mut allocation = Allocation::default();
    for picking in pickings {
        let open = world
            .moves
            .iter()
            .filter(|m| m.picking_id.0 == Some(picking.id) && m.is_open());
        let mut moves = Vec::new();
        for item in open {
            let demand = item.product_uom_qty.rounded(4);
            let taken =
                item.product_id
                    .0
                    .and_then(|p| left.get_mut(&p))
                    .map_or(Decimal::ZERO, |left| {
                        let taken = demand.min(*left).max(Decimal::ZERO);
                        *left -= taken;
                        taken
                    });
            moves.push((item.id, taken));
        }
        if moves.iter().any(|(_, quantity)| !quantity.is_zero()) {
            allocation.by_picking.insert(picking.id, moves);
        }
    }
    left.retain(|_, quantity| !quantity.is_zero());
    allocation.missing = left;
    allocation
}

fn not_on_delivery(
    world: &World,
    shipment: &Shipment,
    order: &str,
    product: i64,
    missing: Decimal,
) -> Failure {
    let sku = lots::sku_of(&world.catalog, product);
    let ordered = world.moves.iter().any(|m| m.product_id.0 == Some(product));
    let place = format!("shipment `{}` of order `{order}`", shipment.id);
    if ordered {
        rejected(
            "over_shipment",
            format!(
                "{place} has {} of `{sku}` more than is open in Odoo",
                missing.normalize()
            ),
            "ask the warehouse whether it sent too much; if it did, raise the quantity of the order in Odoo, then retry",
        )
    } else {
        rejected(
            "sku_not_on_delivery",
            format!("{place} has `{sku}`, which is on no open delivery in Odoo"),
            "ask the warehouse what it sent; if it sent the wrong product, correct the delivery in Odoo by hand",
        )
    }
}

#[cfg(test)]
mod tests;
