//! Returned goods → validated receipts, through Odoo's return wizard, so that the goods are known
//! as coming back from that delivery.
//!
//! Neither the wizard nor the receipt that it makes takes an id of ours, and the wizard's answer
//! can be lost. So this looks, does one thing, and looks again, until everything is received: what
//! counts is the goods on *done* receipts with the return's mark. An open receipt without a mark
//! that holds goods of this return is the one that a lost answer left, or one that somebody
//! prepared by hand: it is taken over.

use super::lots::{self, Lots, Told};
use super::resolve::{Effort, not_in_erp, resolve};
use super::transfer::{Booking, Move, Picking, book, moves, pickings};
use super::{Outcome, Writer, references};
use crate::catalog::Catalog;
use crate::client::Api;
use crate::error::{OdooError, rejected};
use crate::map::ids::return_mark;
use crate::map::order::product_of;
use crate::wire::{Call, float, one_id};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use waybill_model::failure::Failure;
use waybill_model::id::{CorrelationId, RefKind, Sku};
use waybill_model::returns::{Disposition, Return};

/// How many of each product.
type Goods = BTreeMap<i64, Decimal>;

/// Goods of one return that go to one place.
struct Part {
    mark: String,
    goods: Goods,
    destination: Option<String>,
    lots: Told,
}

/// Goods of one delivered move that come back.
struct Coming {
    item: i64,
    product: i64,
    quantity: Decimal,
}

/// Most rounds of looking and doing for one part: a return of an order with more deliveries than
/// that goes on with the next attempt.
const MAX_ROUNDS: usize = 12;

/// Receives a return.
pub(crate) async fn receive(
    writer: Writer<'_>,
    correlation: CorrelationId,
    returned: &Return,
) -> Outcome {
    let api = writer.api;
    let fail = |e: OdooError| e.failure(api.erp);
    let found = resolve(api, &[correlation], Effort::Thorough)
        .await
        .map_err(fail)?;
    let order = found
        .get(&correlation)
        .ok_or_else(|| not_in_erp(correlation))?;
    let skus: BTreeSet<Sku> = returned.lines.iter().map(|l| l.sku.clone()).collect();
    let catalog = writer.memory.products(api, skus).await.map_err(fail)?;
    let name = order.name.as_str();
    let place = format!("return `{}` of order `{name}`", returned.id);
    let mut parts: BTreeMap<&'static str, Part> = BTreeMap::new();
    for line in returned.lines.iter().filter(|l| !l.quantity.is_zero()) {
        let product = product_of(&catalog, &line.sku, &place)?;
        let (kind, destination) = destination(writer, line.disposition, &place)?;
        let part = parts.entry(kind).or_insert_with(|| Part {
            mark: return_mark(&returned.id, kind),
            goods: Goods::new(),
            destination,
            lots: Told::new(),
        });
        let quantity = line.quantity.decimal();
        let sum = part.goods.entry(product).or_default();
        *sum = sum.saturating_add(quantity);
        let told = [(product, quantity, line.lots.as_slice())];
        for (product, lots) in lots::told(told.into_iter(), &catalog, &place)? {
            part.lots.entry(product).or_default().extend(lots);
        }
    }
    let told = parts.values().flat_map(|p| &p.lots);
    let told = told.flat_map(|(product, lots)| lots.iter().map(|l| (*product, l.clone())));
    let told: Vec<_> = told.collect();
    let known = lots::look_up(api, &told, &BTreeSet::new())
        .await
        .map_err(fail)?;
    let known = Known {
        lots: known,
        catalog,
    };
    let mut ids = Vec::new();
    for part in parts.values() {
        ids.extend(receive_part(api, order.id, part, &known, &place).await?);
    }
    Ok(references(api, RefKind::Picking, &ids))
}

/// Where goods go: saleable stock is Odoo's default; the rest is set by the connection.
fn destination(
    writer: Writer<'_>,
    disposition: Disposition,
    place: &str,
) -> Result<(&'static str, Option<String>), Failure> {
    let (kind, setting) = match disposition {
        Disposition::Restock | Disposition::Unknown => return Ok(("restock", None)),
        Disposition::Quarantine => ("quarantine", "quarantine_location"),
        Disposition::Scrap => ("scrap", "scrap_location"),
    };
    let erp = writer.api.erp;
    let location = writer
        .connections
        .get(erp)
        .and_then(|c| c.settings.get(setting))
        .cloned();
    let missing = || {
        rejected(
            "missing_return_location",
            format!("{place} has goods to {kind}, and no location is set for them"),
            format!(
                "set the external id of a location in Odoo as `{setting}` in the `settings` of `{erp}` in the connections file, then retry"
            ),
        )
    };
    Ok((kind, Some(location.ok_or_else(missing)?)))
}

/// What was looked up of the goods.
struct Known {
    lots: Lots,
    catalog: Catalog,
}

async fn receive_part(
    api: &Api<'_>,
    order: i64,
    part: &Part,
    known: &Known,
    place: &str,
) -> Result<Vec<i64>, Failure> {
    let fail = |e: OdooError| e.failure(api.erp);
    for _ in 0..MAX_ROUNDS {
        let world = look(api, order).await.map_err(fail)?;
        let (done, left) = world.progress(part);
        if left.is_empty() {
            return Ok(done);
        }
        if let Some(mut booking) = world.open_receipt(part, &left) {
            let mut told = part.lots.clone();
            if !told.is_empty() {
                let gone = lots::moved(api, &done).await.map_err(fail)?;
                lots::subtract(&mut told, gone, &known.lots, &known.catalog, place)?;
            }
            let items = world.moves.iter();
            booking.lots = lots::assign(
                &booking.moves,
                items,
                &mut told,
                &known.lots,
                &known.catalog,
                place,
            )?;
            let replaced = world
                .moves
                .iter()
                .filter(|m| booking.lots.contains_key(&m.id));
            booking.replaced = replaced.map(|m| (m.id, m.move_line_ids.clone())).collect();
            for outcome in book(api, &[booking]).await {
                outcome?;
            }
            continue;
        }
        let (picking, lines) = world.returnable(&left, place)?;
        make_receipt(api, picking, &lines).await.map_err(fail)?;
    }
    Err(OdooError::OutOfTime.failure(api.erp))
}

/// Every transfer of the order with its moves.
struct World {
    pickings: Vec<Picking>,
    moves: Vec<Move>,
}

async fn look(api: &Api<'_>, order: i64) -> Result<World, OdooError> {
    let pickings = pickings(api, &[order]).await?;
    let ids: Vec<i64> = pickings.iter().map(|p| p.id).collect();
    let moves = if ids.is_empty() {
        Vec::new()
    } else {
        moves(api, &ids).await?
    };
    Ok(World { pickings, moves })
}

impl World {
    fn moves_of(&self, picking: i64) -> impl Iterator<Item = &Move> {
        self.moves
            .iter()
            .filter(move |m| m.picking_id.0 == Some(picking) && m.state.as_str() != "cancel")
    }

    /// Receipts of this part that are done, and what is still to be received.
    fn progress(&self, part: &Part) -> (Vec<i64>, Goods) {
        let mut left = part.goods.clone();
        let mut done = Vec::new();
        for picking in &self.pickings {
            if picking.is_outgoing()
                || !picking.is_done()
                || !picking.origin.as_str().contains(&part.mark)
            {
                continue;
            }
            done.push(picking.id);
            for item in self.moves_of(picking.id) {
                if let Some(left) = item.product_id.0.and_then(|p| left.get_mut(&p)) {
                    *left -= item.quantity.rounded(4);
                }
            }
        }
        left.retain(|_, quantity| *quantity > Decimal::ZERO);
        (done, left)
    }

    /// An open receipt to go on with: marked, or unmarked with nothing but goods of this part.
    fn open_receipt(&self, part: &Part, left: &Goods) -> Option<Booking> {
        let open = || {
            self.pickings
                .iter()
                .filter(|p| p.is_open() && !p.is_outgoing())
        };
        let marked = open().find(|p| p.origin.as_str().contains(&part.mark));
        let picking = marked.or_else(|| {
            open().find(|p| {
                let mut items = self.moves_of(p.id).peekable();
                !p.origin.as_str().contains("[return ")
                    && items.peek().is_some()
                    && items.all(|m| {
                        let left = m.product_id.0.and_then(|p| left.get(&p));
                        m.origin_returned_move_id.0.is_some()
                            && left.is_some_and(|l| m.product_uom_qty.rounded(4) <= *l)
                    })
            })
        })?;
        let mut left = left.clone();
        let moves =
            self.moves_of(picking.id)
                .map(|m| {
                    let demand = m.product_uom_qty.rounded(4);
                    let taken = m.product_id.0.and_then(|p| left.get_mut(&p)).map_or(
                        Decimal::ZERO,
                        |left| {
                            let taken = demand.min(*left);
                            *left -= taken;
                            taken
                        },
                    );
                    (m.id, taken)
                })
                .collect();
        let origin = picking.origin.as_str();
        let origin = if origin.contains(&part.mark) {
            origin.to_owned()
        } else {
            format!("{origin} {}", part.mark)
        };
        Some(Booking {
            picking: picking.id,
            origin,
            tracking: String::new(),
            moves,
            destination: part.destination.clone(),
            lots: BTreeMap::new(),
            replaced: BTreeMap::new(),
        })
    }

    /// The first delivery that goods can come back from, with moves and quantities.
    fn returnable(&self, left: &Goods, place: &str) -> Result<(i64, Vec<Coming>), Failure> {
        for picking in self
            .pickings
            .iter()
            .filter(|p| p.is_outgoing() && p.is_done())
        {
            let mut left = left.clone();
            let mut lines = Vec::new();
            for item in self.moves_of(picking.id) {
                let Some(product) = item.product_id.0 else {
                    continue;
                };
                let Some(left) = left.get_mut(&product) else {
                    continue;
                };
                let free = item.quantity.rounded(4) - self.coming_back(item.id);
                let taken = free.min(*left);
                if taken > Decimal::ZERO {
                    *left -= taken;
                    lines.push(Coming {
                        item: item.id,
                        product,
                        quantity: taken,
                    });
                }
            }
            if !lines.is_empty() {
                return Ok((picking.id, lines));
            }
        }
        Err(rejected(
            "return_exceeds_delivery",
            format!("{place} has more goods than were delivered in Odoo and not yet returned"),
            "check whether the return was received in Odoo by hand, or whether a delivery is not registered yet; then retry",
        ))
    }

    /// How many of a delivered move have come back or are about to.
    fn coming_back(&self, delivered: i64) -> Decimal {
        self.moves
            .iter()
            .filter(|m| {
                m.origin_returned_move_id.0 == Some(delivered) && m.state.as_str() != "cancel"
            })
            .map(|m| {
                if m.state.as_str() == "done" {
                    m.quantity.rounded(4)
                } else {
                    m.product_uom_qty.rounded(4)
                }
            })
            .sum()
    }
}

/// Makes the receipt. Its quantities are given: 17 fills the wizard with everything delivered, 19
/// with nothing.
async fn make_receipt(api: &Api<'_>, picking: i64, lines: &[Coming]) -> Result<(), OdooError> {
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!([0, 0, {
                "move_id": line.item,
                "product_id": line.product,
                "quantity": float(line.quantity),
            }])
        })
        .collect();
    let wizard = Call::of("stock.return.picking", "create")
        .argument(
            "vals_list",
            json!({ "picking_id": picking, "product_return_moves": lines }),
        )
        .context("active_id", json!(picking))
        .context("active_ids", json!([picking]))
        .context("active_model", json!("stock.picking"));
    let wizard = one_id(&api.call(wizard).await?)?;
    let method = if api.session.major >= 18 {
        "action_create_returns"
    } else {
        "create_returns"
    };
    let make = Call::on("stock.return.picking", method, &[wizard]);
    api.call(api.quiet(make)).await.map(|_| ())
}
