//! Counted stock → `stock.quant`. Counts are absolute, so a repeat changes nothing.

use super::load::{Record, Refusal, load_each};
use super::lots::{self, Lots, lot_needed};
use super::{Outcome, Writer};
use crate::catalog::Catalog;
use crate::client::{Api, LoadMode};
use crate::error::{OdooError, rejected};
use crate::map::order::product_of;
use crate::map::{cell, number};
use crate::wire::Text;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use waybill_model::command::SetStock;
use waybill_model::failure::Failure;
use waybill_model::id::Sku;
use waybill_model::shipment::Lot;
use waybill_model::stock::{StockKind, StockLevel};

/// Most counts in one call: a count takes Odoo about 5 ms, and a call must end before its own limit.
const CHUNK: usize = 1000;

#[derive(Deserialize)]
struct TrackingRow {
    id: i64,
    tracking: Text,
}

/// Sets counts: two calls to look up, one more where lots are told, and one for each thousand. What
/// can be set is set; the first that cannot be is the rejection, and says how many there are.
pub(crate) async fn set(writer: Writer<'_>, command: &SetStock) -> Outcome {
    let api = writer.api;
    let fail = |e: OdooError| e.failure(api.erp);
    let skus: BTreeSet<Sku> = command.levels.iter().map(|l| l.sku.clone()).collect();
    let catalog = writer.memory.products(api, skus).await.map_err(fail)?;
    let mut failures: Vec<Failure> = Vec::new();
    let mut counts: Vec<(String, i64, &StockLevel)> = Vec::new();
    for level in newest(&command.levels) {
        let place = place(level);
        let row = location(writer, level)
            .and_then(|l| Ok((l, product_of(&catalog, &level.sku, &place)?)));
        match row {
            Ok((location, product)) => counts.push((location, product, level)),
            Err(failure) => failures.push(failure),
        }
    }
    let tracking = tracking(api, &counts).await.map_err(fail)?;
    let told: Vec<(i64, Lot)> = counts
        .iter()
        .filter_map(|(_, product, level)| Some((*product, lot_of(level)?)))
        .collect();
    let lots = lots::look_up(api, &told, &BTreeSet::new())
        .await
        .map_err(fail)?;
    let mut records: Vec<Record> = Vec::new();
    for (location, product, level) in counts {
        let tracking = tracking.get(&product).map_or("none", String::as_str);
        match lot_id(level, product, tracking, &lots, &catalog) {
            Ok(lot) => records.push(vec![vec![
                cell(product.to_string()),
                cell(location),
                cell(lot.map(|id| id.to_string()).unwrap_or_default()),
                number(level.quantity.decimal()),
            ]]),
            Err(failure) => failures.push(failure),
        }
    }
    let fields = [
        "product_id/.id",
        "location_id/id",
        "lot_id/.id",
        "inventory_quantity_auto_apply",
    ];
    for records in records.chunks(CHUNK) {
        let results = load_each(api, "stock.quant", &fields, records, LoadMode::Count).await;
        for refusal in results.into_iter().filter_map(Result::err) {
            match refusal {
                Refusal::Error(error) => return Err(refused(api, &error)),
                Refusal::Blamed(_) => failures.push(refusal.failure(api.erp)),
            }
        }
    }
    let count = failures.len();
    match failures.into_iter().next() {
        None => Ok(Vec::new()),
        Some(Failure::Rejected {
            code,
            detail,
            remedy,
        }) if count > 1 => Err(Failure::Rejected {
            code,
            detail: format!("{detail} (and {} more counts were refused)", count - 1),
            remedy,
        }),
        Some(failure) => Err(failure),
    }
}

fn place(level: &StockLevel) -> String {
    format!("a count of `{}`", level.location)
}

/// Products that are kept by lot or serial number.
async fn tracking(
    api: &Api<'_>,
    counts: &[(String, i64, &StockLevel)],
) -> Result<BTreeMap<i64, String>, OdooError> {
    let products: BTreeSet<i64> = counts.iter().map(|(_, product, _)| *product).collect();
    if products.is_empty() {
        return Ok(BTreeMap::new());
    }
    let domain = json!([
        ["id", "in", products],
        ["tracking", "in", ["lot", "serial"]]
    ]);
    let rows: Vec<TrackingRow> = api
        .search_read("product.product", domain, &["tracking"])
        .await?;
    let row = |r: TrackingRow| (r.id, r.tracking.as_str().to_owned());
    Ok(rows.into_iter().map(row).collect())
}

fn lot_of(level: &StockLevel) -> Option<Lot> {
    let number = level.lot.clone()?;
    Some(Lot {
        number,
        quantity: level.quantity,
    })
}

/// The lot that is counted. Odoo takes a count without one and, by version, drops it or books goods
/// of no lot; and of a serial number it drops a count of two.
fn lot_id(
    level: &StockLevel,
    product: i64,
    tracking: &str,
    lots: &Lots,
    catalog: &Catalog,
) -> Result<Option<i64>, Failure> {
    if !matches!(tracking, "lot" | "serial") {
        return Ok(None);
    }
    let Some(lot) = lot_of(level) else {
        return Err(lot_needed(level.sku.as_str(), &place(level)));
    };
    if tracking == "serial" && lot.quantity.decimal() > Decimal::ONE {
        return Err(rejected(
            "serial_counted_twice",
            format!(
                "{} has {} of `{}` with serial number `{}`",
                place(level),
                lot.quantity,
                level.sku,
                lot.number
            ),
            "ask the warehouse to count again: a serial number is on one piece",
        ));
    }
    lots.id(product, &lot, catalog, &place(level)).map(Some)
}

fn refused(api: &Api<'_>, error: &OdooError) -> Failure {
    match error {
        // 17 and 18.
        OdooError::Fault(f) if f.raw().contains("Only a stock manager") => rejected(
            "erp_missing_right",
            format!("`{}`: {}", api.erp, f.text()),
            "in Odoo (Settings, Users) give the integration user Inventory: Administrator, then retry",
        ),
        _ => error.failure(api.erp),
    }
}

/// One count for each place, SKU and lot: the newest.
fn newest(levels: &[StockLevel]) -> Vec<&StockLevel> {
    let mut newest: BTreeMap<_, &StockLevel> = BTreeMap::new();
    for level in levels {
        let key = (&level.location, &level.sku, &level.lot);
        let kept = newest.entry(key).or_insert(level);
        if level.at > kept.at {
            *kept = level;
        }
    }
    newest.into_values().collect()
}

fn location(writer: Writer<'_>, level: &StockLevel) -> Result<String, Failure> {
    if level.kind == StockKind::Available {
        return Err(rejected(
            "available_is_no_count",
            format!(
                "`{}` tells how many of `{}` are available, and Odoo takes how many are there",
                level.location, level.sku
            ),
            "let the warehouse send on-hand counts, or set `warehouse.owns_stock = false` in the connections file",
        ));
    }
    writer
        .connections
        .get(&level.location)
        .and_then(|c| c.warehouse.as_ref()?.odoo_location.clone())
        .ok_or_else(|| {
            rejected(
                "missing_stock_location",
                format!("no location in Odoo is set for `{}`", level.location),
                format!(
                    "set `warehouse.odoo_location` of `{}` in the connections file to the external id of its location in Odoo, then retry",
                    level.location
                ),
            )
        })
}
