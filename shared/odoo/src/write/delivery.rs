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
//! left of it is booked, until nothing is. Where the warehouse delivers in steps, the steps before
//! are done first: see [`super::chain`]. One that comes again with tracking numbers (they are
//! often known later) gets them written on its transfers.

mod plan;

use super::chain::Goods;
use super::load::{Record, load_each};
use super::lots;
use super::resolve::{Effort, resolve};
use super::transfer::{Booking, Picking, book, moves, pickings};
use super::{Outcome, Writer, references};
use crate::catalog::Catalog;
use crate::client::{Api, LoadMode};
use crate::error::OdooError;
use crate::map::cell;
use crate::wire::Call;
use plan::{Plan, World, mark, plan, step};
use std::collections::{BTreeMap, BTreeSet};
use waybill_model::command::RegisterDelivery;
use waybill_model::failure::Failure;
use waybill_model::id::{CorrelationId, RefKind, Sku};
use waybill_model::shipment::Lot;

/// Most rounds of steps before a batch is shipped; the rest goes on with the next attempt.
const MAX_STEPS: usize = 8;

type Commands<'a> = [(CorrelationId, &'a RegisterDelivery)];

/// Books shipments of different orders; the outcome of each. Seven calls for any number, one more
/// where numbers are added, three where lots are told; and where the warehouse delivers in steps,
/// six for each step before the last.
pub(crate) async fn register(writer: Writer<'_>, commands: &Commands<'_>) -> Vec<Outcome> {
    let api = writer.api;
    let mut failures: BTreeMap<usize, Failure> = BTreeMap::new();
    let world = match prepare(writer, commands, &mut failures).await {
        Ok(world) => world,
        Err(error) => return vec![Err(error.failure(api.erp)); commands.len()],
    };
    let planned =
        |(index, (correlation, command)): (usize, &(CorrelationId, &RegisterDelivery))| {
            match failures.get(&index) {
                Some(failure) => Err(failure.clone()),
                None => plan(&world, *correlation, &command.shipment),
            }
        };
    let plans: Vec<Result<Plan, Failure>> = commands.iter().enumerate().map(planned).collect();
    let all = || plans.iter().filter_map(|p| p.as_ref().ok());
    let bookings: Vec<Booking> = all().flat_map(|p| p.bookings.clone()).collect();
    let untracked: Vec<(i64, String)> = all().flat_map(|p| p.untracked.clone()).collect();
    let mut results = track(api, &untracked).await;
    let booked = book(api, &bookings).await;
    results.extend(bookings.iter().map(|b| b.picking).zip(booked));
    let mut outcomes: Vec<Outcome> = plans
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
        .collect();
    drop_rest(api, &world, commands, &mut outcomes).await;
    outcomes
}

/// Does the steps before the last, one after the other, for all orders together. What is known
/// when nothing is left of them.
async fn prepare(
    writer: Writer<'_>,
    commands: &Commands<'_>,
    failures: &mut BTreeMap<usize, Failure>,
) -> Result<World, OdooError> {
    for _ in 0..MAX_STEPS {
        let world = look(writer, commands).await?;
        let mut bookings: Vec<(usize, Booking)> = Vec::new();
        for (index, (correlation, command)) in commands.iter().enumerate() {
            if failures.contains_key(&index) {
                continue;
            }
            match step(&world, *correlation, &command.shipment) {
                Ok(of_step) => bookings.extend(of_step.into_iter().map(|b| (index, b))),
                Err(failure) => {
                    failures.insert(index, failure);
                }
            }
        }
        if bookings.is_empty() {
            return Ok(world);
        }
        let (owners, bookings): (Vec<usize>, Vec<Booking>) = bookings.into_iter().unzip();
        let done = book(writer.api, &bookings).await;
        for (index, outcome) in owners.into_iter().zip(done) {
            if let Err(failure) = outcome {
                failures.insert(index, failure);
            }
        }
    }
    Err(OdooError::OutOfTime)
}

/// Calls off what is still open of orders of which nothing is to follow.
async fn drop_rest(
    api: &Api<'_>,
    world: &World,
    commands: &Commands<'_>,
    outcomes: &mut [Outcome],
) {
    for ((correlation, command), outcome) in commands.iter().zip(outcomes) {
        let order = world.orders.get(correlation);
        let (Some(order), true, true) = (order, command.last, outcome.is_ok()) else {
            continue;
        };
        let dropped = async {
            // Booking may have left a backorder.
            let rest = pickings(api, &[order.id]).await?;
            let open = rest
                .iter()
                .filter(|p| p.is_open() && (p.is_outgoing() || p.is_internal()));
            let open: Vec<i64> = open.map(|p| p.id).collect();
            if open.is_empty() {
                return Ok(());
            }
            let call = Call::on("stock.picking", "action_cancel", &open);
            api.call(api.quiet(call)).await.map(|_| ())
        };
        if let Err(error) = dropped.await {
            let error: OdooError = error;
            *outcome = Err(error.failure(api.erp));
        }
    }
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

async fn look(writer: Writer<'_>, commands: &Commands<'_>) -> Result<World, OdooError> {
    let api = writer.api;
    let shipments = || commands.iter().map(|(_, c)| &c.shipment);
    let correlations: Vec<CorrelationId> = commands.iter().map(|(c, _)| *c).collect();
    let orders = resolve(api, &correlations, Effort::Thorough).await?;
    let ids: Vec<i64> = orders.values().map(|o| o.id).collect();
    let pickings = if ids.is_empty() {
        Vec::new()
    } else {
        pickings(api, &ids).await?
    };
    let marks: Vec<String> = shipments().map(mark).collect();
    let is_marked = |p: &Picking| marks.iter().any(|m| p.origin.as_str().contains(m));
    let of_chain = |p: &Picking| p.is_outgoing() || p.is_internal();
    let looked_at: Vec<i64> = pickings
        .iter()
        .filter(|p| of_chain(p) && (p.is_open() || p.is_done() && is_marked(p)))
        .map(|p| p.id)
        .collect();
    let moves = if looked_at.is_empty() {
        Vec::new()
    } else {
        moves(api, &looked_at).await?
    };
    let lines = || shipments().flat_map(|s| &s.lines);
    let skus: BTreeSet<Sku> = lines().map(|l| l.sku.clone()).collect();
    let catalog = writer.memory.products(api, skus).await?;
    let told = lines().flat_map(|l| {
        let product = product_id(&catalog, &l.sku);
        l.lots
            .iter()
            .filter_map(move |lot| Some((product?, lot.clone())))
    });
    let told: Vec<(i64, Lot)> = told.collect();
    let open = moves.iter().filter(|m| m.is_open());
    let from: BTreeSet<i64> = open.filter_map(|m| m.location_id.0).collect();
    let known = lots::look_up(api, &told, &from).await?;
    let gone = if told.is_empty() {
        Goods::new()
    } else {
        let done = pickings.iter().filter(|p| p.is_done() && is_marked(p));
        let done: Vec<i64> = done.map(|p| p.id).collect();
        lots::moved(api, &done).await?
    };
    Ok(World {
        orders,
        pickings,
        moves,
        catalog,
        lots: known,
        gone,
    })
}

fn product_id(catalog: &Catalog, sku: &Sku) -> Option<i64> {
    catalog.products.get(sku).and_then(|p| p.id())
}
