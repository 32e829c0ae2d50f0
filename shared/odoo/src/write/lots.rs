//! Lots and serial numbers of goods that move (`stock.lot`).
//!
//! What the warehouse tells replaces what Odoo reserved; where it tells nothing, Odoo's reservation
//! stands, if it is there. A tracked product with neither is refused here, by name: Odoo takes the
//! quantity and refuses the validation of the whole transfer.

use super::transfer::Move;
use crate::catalog::Catalog;
use crate::client::Api;
use crate::error::{OdooError, rejected};
use crate::wire::{Number, Text, ToOne};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use waybill_model::failure::Failure;
use waybill_model::quantity::Quantity;
use waybill_model::shipment::Lot;

/// Goods of one lot on one move.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LotUse {
    pub(crate) lot: i64,
    pub(crate) product: i64,
    pub(crate) quantity: Decimal,
    /// Where it lies; absent where nothing of it is known to be in stock.
    pub(crate) location: Option<i64>,
}

/// Told lots of products, by product.
pub(crate) type Told = BTreeMap<i64, Vec<Lot>>;

/// Lots that exist in Odoo, and where they lie.
#[derive(Debug, Default)]
pub(crate) struct Lots {
    ids: BTreeMap<(i64, String), i64>,
    places: BTreeMap<i64, Vec<(i64, Decimal)>>,
}

#[derive(Deserialize)]
struct LotRow {
    id: i64,
    name: Text,
    product_id: ToOne,
}

#[derive(Deserialize)]
struct QuantRow {
    lot_id: ToOne,
    location_id: ToOne,
    quantity: Number,
}

/// Looks up told lots: two calls, none where none are told. `from`: only places in these.
pub(crate) async fn look_up(
    api: &Api<'_>,
    told: &[(i64, Lot)],
    from: &BTreeSet<i64>,
) -> Result<Lots, OdooError> {
    let (mut products, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (product, lot) in told {
        products.insert(*product);
        names.insert(lot.number.as_str());
    }
    if names.is_empty() {
        return Ok(Lots::default());
    }
    let domain = json!([["product_id", "in", products], ["name", "in", names]]);
    let rows: Vec<LotRow> = api
        .search_read("stock.lot", domain, &["name", "product_id"])
        .await?;
    let mut lots = Lots::default();
    for row in rows {
        let Some(product) = row.product_id.0 else {
            continue;
        };
        lots.ids
            .entry((product, row.name.as_str().to_owned()))
            .or_insert(row.id);
    }
    if from.is_empty() || lots.ids.is_empty() {
        return Ok(lots);
    }
    let ids: Vec<i64> = lots.ids.values().copied().collect();
    let domain = json!([
        ["lot_id", "in", ids],
        ["location_id", "child_of", from],
        ["quantity", ">", 0],
    ]);
    let fields = ["lot_id", "location_id", "quantity"];
    let rows: Vec<QuantRow> = api.search_read("stock.quant", domain, &fields).await?;
    for row in rows {
        if let (Some(lot), Some(location)) = (row.lot_id.0, row.location_id.0) {
            let places = lots.places.entry(lot).or_default();
            places.push((location, row.quantity.0));
        }
    }
    Ok(lots)
}

#[derive(Deserialize)]
struct LineRow {
    lot_id: ToOne,
    quantity: Number,
}

/// How many of each lot are on transfers that are done: one call, or none.
pub(crate) async fn moved(
    api: &Api<'_>,
    pickings: &[i64],
) -> Result<BTreeMap<i64, Decimal>, OdooError> {
    let mut moved = BTreeMap::new();
    if pickings.is_empty() {
        return Ok(moved);
    }
    let domain = json!([
        ["picking_id", "in", pickings],
        ["state", "=", "done"],
        ["lot_id", "!=", false]
    ]);
    let fields = ["lot_id", "quantity"];
    let rows: Vec<LineRow> = api.search_read("stock.move.line", domain, &fields).await?;
    for row in rows {
        if let Some(lot) = row.lot_id.0 {
            *moved.entry(lot).or_default() += row.quantity.rounded(4);
        }
    }
    Ok(moved)
}

impl Lots {
    /// The lot with this number.
    ///
    /// # Errors
    /// Odoo has none.
    pub(crate) fn id(
        &self,
        product: i64,
        lot: &Lot,
        catalog: &Catalog,
        place: &str,
    ) -> Result<i64, Failure> {
        let key = (product, lot.number.to_string());
        self.ids.get(&key).copied().ok_or_else(|| {
            let sku = sku_of(catalog, product);
            rejected(
                "unknown_lot",
                format!("{place} has `{}` of `{sku}`, which is no lot in Odoo", lot.number),
                "in Odoo (Inventory, Products, Lots/Serial Numbers) make or correct the lot, or ask the warehouse which one it was; then retry",
            )
        })
    }

    /// Places for so many of a lot: those that have them, the rest where the move starts.
    fn spread(&self, lot: i64, product: i64, quantity: Decimal) -> Vec<LotUse> {
        let mut left = quantity;
        let mut uses = Vec::new();
        for (location, there) in self.places.get(&lot).into_iter().flatten() {
            let taken = left.min(*there);
            if taken > Decimal::ZERO {
                left -= taken;
                uses.push(LotUse {
                    lot,
                    product,
                    quantity: taken,
                    location: Some(*location),
                });
            }
        }
        if left > Decimal::ZERO {
            uses.push(LotUse {
                lot,
                product,
                quantity: left,
                location: None,
            });
        }
        uses
    }
}

/// What a shipment or a return tells of its lots, with the product of each line.
///
/// # Errors
/// The lots of a line are not as many as its goods.
pub(crate) fn told<'a>(
    lines: impl Iterator<Item = (i64, Decimal, &'a [Lot])>,
    catalog: &Catalog,
    place: &str,
) -> Result<Told, Failure> {
    let mut told = Told::new();
    for (product, quantity, lots) in lines.filter(|(_, _, lots)| !lots.is_empty()) {
        let sum: Decimal = lots.iter().map(|l| l.quantity.decimal()).sum();
        if sum != quantity {
            return Err(rejected(
                "lot_quantity_mismatch",
                format!(
                    "{place} has {} of `{}` and lots of {}",
                    quantity.normalize(),
                    sku_of(catalog, product),
                    sum.normalize()
                ),
                "ask the warehouse for the lots of all of the goods, and register the transfer in Odoo by hand if it does not know them",
            ));
        }
        let known = told.entry(product).or_default();
        known.extend(lots.iter().cloned());
    }
    Ok(told)
}

/// Takes what has moved already off what is told.
///
/// # Errors
/// A told lot is unknown.
pub(crate) fn subtract(
    told: &mut Told,
    mut gone: BTreeMap<i64, Decimal>,
    known: &Lots,
    catalog: &Catalog,
    place: &str,
) -> Result<(), Failure> {
    if gone.is_empty() {
        return Ok(());
    }
    for (product, lots) in told {
        for lot in lots.iter_mut() {
            let id = known.id(*product, lot, catalog, place)?;
            let Some(left) = gone.get_mut(&id) else {
                continue;
            };
            let taken = lot.quantity.decimal().min(*left);
            *left -= taken;
            let rest = lot.quantity.decimal() - taken;
            lot.quantity = Quantity::from_decimal(rest).unwrap_or(Quantity::ZERO);
        }
        lots.retain(|l| !l.quantity.is_zero());
    }
    Ok(())
}

/// The lots for these quantities of moves, taking from what is told.
///
/// # Errors
/// A tracked product has no lot, told or reserved; a told lot is unknown.
pub(crate) fn assign<'a>(
    taken: &[(i64, Decimal)],
    moves: impl Iterator<Item = &'a Move> + Clone,
    told: &mut Told,
    lots: &Lots,
    catalog: &Catalog,
    place: &str,
) -> Result<BTreeMap<i64, Vec<LotUse>>, Failure> {
    let mut assigned = BTreeMap::new();
    for (id, quantity) in taken.iter().filter(|(_, q)| !q.is_zero()) {
        let Some(item) = moves.clone().find(|m| m.id == *id) else {
            continue;
        };
        let (true, Some(product)) = (item.is_tracked(), item.product_id.0) else {
            continue;
        };
        let Some(left) = told.get_mut(&product) else {
            if item.quantity.rounded(4) < *quantity {
                return Err(lot_needed(&sku_of(catalog, product), place));
            }
            continue;
        };
        let mut open = *quantity;
        let mut uses = Vec::new();
        while let Some(lot) = left.first_mut().filter(|_| !open.is_zero()) {
            let id = lots.id(product, lot, catalog, place)?;
            let part = open.min(lot.quantity.decimal());
            uses.extend(lots.spread(id, product, part));
            open -= part;
            let rest = lot.quantity.decimal() - part;
            match Quantity::from_decimal(rest) {
                Ok(rest) if !rest.is_zero() => lot.quantity = rest,
                Ok(_) | Err(_) => {
                    left.remove(0);
                }
            }
        }
        assigned.insert(*id, uses);
    }
    Ok(assigned)
}

/// The SKU of a product that was looked up.
pub(crate) fn sku_of(catalog: &Catalog, product: i64) -> String {
    let mut known = catalog.products.iter();
    known
        .find(|(_, p)| p.id() == Some(product))
        .map_or_else(String::new, |(sku, _)| sku.to_string())
}

/// The rejection for goods whose lot nobody told.
pub(crate) fn lot_needed(what: &str, place: &str) -> Failure {
    rejected(
        "lot_needed",
        format!(
            "{place} has `{what}`, which is kept by lot or serial number, and none is told or reserved"
        ),
        "let the warehouse send lot numbers, or choose the lots on the transfer in Odoo (Detailed Operations); then retry",
    )
}
