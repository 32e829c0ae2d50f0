//! Counted stock → `stock.quant`. Counts are absolute, so a repeat changes nothing.

use super::load::{Record, Refusal, load_each};
use super::{Outcome, Writer};
use crate::client::LoadMode;
use crate::error::rejected;
use crate::map::order::product_of;
use crate::map::{cell, number};
use std::collections::{BTreeMap, BTreeSet};
use waybill_model::command::SetStock;
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, Sku};
use waybill_model::stock::{StockKind, StockLevel};

/// Sets counts, in one call after the look-up. What can be set is set; the first that cannot be is
/// the rejection, and says how many there are.
pub(crate) async fn set(writer: Writer<'_>, command: &SetStock) -> Outcome {
    let api = writer.api;
    let skus: BTreeSet<Sku> = command.levels.iter().map(|l| l.sku.clone()).collect();
    let catalog = writer
        .memory
        .catalog(api, &skus, &BTreeSet::new())
        .await
        .map_err(|e| e.failure(api.erp))?;
    let mut failures: Vec<Failure> = Vec::new();
    let mut records: Vec<Record> = Vec::new();
    for level in newest(&command.levels) {
        let place = format!("a count of `{}`", level.location);
        let row = location(writer, level)
            .and_then(|l| Ok((l, product_of(&catalog, &level.sku, &place)?)));
        match row {
            Ok((location, product)) => records.push(vec![vec![
                cell(product.to_string()),
                cell(location),
                number(level.quantity.decimal()),
            ]]),
            Err(failure) => failures.push(failure),
        }
    }
    let fields = [
        "product_id/.id",
        "location_id/id",
        "inventory_quantity_auto_apply",
    ];
    if !records.is_empty() {
        let results = load_each(api, "stock.quant", &fields, &records, LoadMode::Count).await;
        for refusal in results.into_iter().filter_map(Result::err) {
            match refusal {
                Refusal::Error(error) => return Err(error.failure(api.erp)),
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

/// One count for each place and SKU: the newest.
fn newest(levels: &[StockLevel]) -> Vec<&StockLevel> {
    let mut newest: BTreeMap<(&ConnectionId, &Sku), &StockLevel> = BTreeMap::new();
    for level in levels {
        let kept = newest.entry((&level.location, &level.sku)).or_insert(level);
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
