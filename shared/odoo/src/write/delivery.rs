//! Shipments → validated deliveries.
//!
//! # Where the shipment's id is kept
//! Odoo has no place for a warehouse's shipment id, an external id cannot be given to a transfer
//! that exists, and a shipment must be found again when the answer to its validation was lost. So
//! the id stands as a mark, `[shipment WAREHOUSE:ID]`, in the transfer's source document:
//!
//! - it is written in the *same* `load` that sets the quantities, so that a marked transfer is one
//!   whose quantities are this shipment's;
//! - it is a plain text column in 17 to 19, that people see beside the order's name, and that
//!   nothing in Odoo reads;
//! - the tracking reference was rejected because customers see it, the note because it is HTML that
//!   users edit;
//! - Odoo copies it to the backorder. So of a shipment only the goods on marked transfers that are
//!   *done* count as booked; a marked one that is open is either that copy or an interrupted
//!   attempt, and is booked on like any other: both steps set absolute values.
//!
//! A shipment can need two transfers, of which one is validated and the other refused. So what is
//! left of it is booked, until nothing is. One that comes again with tracking numbers (they are
//! often known later) gets them written on its transfers.

use super::load::{Record, load_each};
use super::resolve::{Effort, Found, not_in_erp, resolve};
use super::transfer::{Booking, Move, Picking, book, moves, pickings};
use super::{Outcome, Writer, references};
use crate::catalog::Catalog;
use crate::client::{Api, LoadMode};
use crate::error::{OdooError, rejected};
use crate::map::cell;
use crate::map::ids::shipment_mark;
use crate::map::order::product_of;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use waybill_model::failure::Failure;
use waybill_model::id::{CorrelationId, RefKind, Sku};
use waybill_model::shipment::Shipment;

/// What is known of the orders' transfers.
struct World {
    orders: BTreeMap<CorrelationId, Found>,
    pickings: Vec<Picking>,
    moves: Vec<Move>,
    catalog: Catalog,
}

/// Books shipments of different orders; the outcome of each. Seven calls for any number, and one
/// more where numbers are added.
pub(crate) async fn register(
    writer: Writer<'_>,
    shipments: &[(CorrelationId, &Shipment)],
) -> Vec<Outcome> {
    let api = writer.api;
    let world = match look(writer, shipments).await {
        Ok(world) => world,
        Err(error) => return vec![Err(error.failure(api.erp)); shipments.len()],
    };
    let plans: Vec<Result<Plan, Failure>> = shipments
        .iter()
        .map(|(correlation, shipment)| plan(&world, *correlation, shipment))
        .collect();
    let all = || plans.iter().filter_map(|p| p.as_ref().ok());
    let bookings: Vec<Booking> = all().flat_map(|p| p.bookings.clone()).collect();
    let untracked: Vec<(i64, String)> = all().flat_map(|p| p.untracked.clone()).collect();
    let mut results = track(api, &untracked).await;
    let booked = book(api, &bookings).await;
    results.extend(bookings.iter().map(|b| b.picking).zip(booked));
    plans
        .into_iter()
        .map(|plan| {
            let ids = plan?.pickings();
            for id in &ids {
                if let Some(Err(failure)) = results.get(id) {
                    return Err(failure.clone());
                }
            }
            Ok(references(api, RefKind::Picking, &ids))
        })
        .collect()
}

/// Writes tracking numbers on transfers that are done.
async fn track(api: &Api<'_>, untracked: &[(i64, String)]) -> BTreeMap<i64, Result<(), Failure>> {
    if untracked.is_empty() {
        return BTreeMap::new();
    }
    let records: Vec<Record> = untracked
        .iter()
        .map(|(id, tracking)| vec![vec![cell(id.to_string()), cell(tracking)]])
        .collect();
    let fields = [".id", "carrier_tracking_ref"];
    let results = load_each(api, "stock.picking", &fields, &records, LoadMode::Update).await;
    let results = results
        .into_iter()
        .map(|r| r.map(|_| ()).map_err(|refusal| refusal.failure(api.erp)));
    untracked.iter().map(|(id, _)| *id).zip(results).collect()
}

async fn look(
    writer: Writer<'_>,
    shipments: &[(CorrelationId, &Shipment)],
) -> Result<World, OdooError> {
    let api = writer.api;
    let correlations: Vec<CorrelationId> = shipments.iter().map(|(c, _)| *c).collect();
    let orders = resolve(api, &correlations, Effort::Thorough).await?;
    let ids: Vec<i64> = orders.values().map(|o| o.id).collect();
    let pickings = if ids.is_empty() {
        Vec::new()
    } else {
        pickings(api, &ids).await?
    };
    let marks: Vec<String> = shipments.iter().map(|(_, s)| mark(s)).collect();
    let is_marked = |p: &Picking| marks.iter().any(|m| p.origin.as_str().contains(m));
    let looked_at: Vec<i64> = pickings
        .iter()
        .filter(|p| p.is_outgoing() && (p.is_open() || p.is_done() && is_marked(p)))
        .map(|p| p.id)
        .collect();
    let moves = if looked_at.is_empty() {
        Vec::new()
    } else {
        moves(api, &looked_at).await?
    };
    let skus: BTreeSet<Sku> = shipments
        .iter()
        .flat_map(|(_, s)| s.lines.iter().map(|l| l.sku.clone()))
        .collect();
    let catalog = writer.memory.catalog(api, &skus, &BTreeSet::new()).await?;
    Ok(World {
        orders,
        pickings,
        moves,
        catalog,
    })
}

/// What is to be done for one shipment.
#[derive(Debug, PartialEq)]
struct Plan {
    /// Transfers that hold goods of it and are done.
    done: Vec<i64>,
    /// Those of them that still need their tracking numbers.
    untracked: Vec<(i64, String)>,
    /// What of it is still to be booked.
    bookings: Vec<Booking>,
}

impl Plan {
    fn pickings(&self) -> Vec<i64> {
        let booked = self.bookings.iter().map(|b| b.picking);
        self.done.iter().copied().chain(booked).collect()
    }
}

fn mark(shipment: &Shipment) -> String {
    shipment_mark(shipment.warehouse.as_str(), &shipment.id)
}

fn plan(world: &World, correlation: CorrelationId, shipment: &Shipment) -> Result<Plan, Failure> {
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
        return Err(super::confirm::cancelled(&format!("order `{name}`")));
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
    let bookings = allocation
        .by_picking
        .into_iter()
        .map(|(picking, moves)| Booking {
            picking,
            origin: format!("{name} {mark}"),
            tracking: tracking.clone(),
            moves,
            destination: None,
        });
    Ok(Plan {
        done,
        untracked,
        bookings: bookings.collect(),
    })
}

/// Takes the goods that left with transfers that are done off those of the shipment.
fn subtract(world: &World, done: &[&Picking], wanted: &mut BTreeMap<i64, Decimal>) {
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

fn wanted(
    world: &World,
    shipment: &Shipment,
    order: &str,
) -> Result<BTreeMap<i64, Decimal>, Failure> {
    let mut wanted: BTreeMap<i64, Decimal> = BTreeMap::new();
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
    missing: BTreeMap<i64, Decimal>,
}

/// Spreads what was shipped over the open moves of these transfers, in their order.
fn allocate(world: &World, pickings: &[&Picking], wanted: &BTreeMap<i64, Decimal>) -> Allocation {
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
    let sku = world
        .catalog
        .products
        .iter()
        .find(|(_, p)| p.id() == Some(product))
        .map_or_else(String::new, |(sku, _)| sku.to_string());
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
