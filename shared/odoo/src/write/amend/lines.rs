//! Lines of an order against the lines that it should have.

use super::load_all;
use crate::client::{Api, LoadMode};
use crate::map::ids::Ids;
use crate::map::order::Line;
use crate::map::tax::tax_column;
use crate::map::{cell, number};
use crate::wire::{Number, Text, ToOne};
use crate::write::load::{Record, load_each};
use rust_decimal::Decimal;
use serde::Deserialize;
use waybill_model::failure::Failure;
use waybill_model::id::CorrelationId;

/// A line as Odoo holds it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LineRow {
    pub(super) id: i64,
    pub(super) product_id: ToOne,
    pub(super) name: Text,
    pub(super) product_uom_qty: Number,
    pub(super) price_unit: Number,
    pub(super) discount: Number,
    /// Days from order to delivery.
    pub(super) customer_lead: Number,
}

/// What is to be changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Lines to change. Quantity, price and percentage go together: Odoo takes the price list's
    /// price where it is told a new quantity alone.
    pub(super) lines: Vec<LineChange>,
    /// Lines to add.
    pub(super) added: Vec<Line>,
    /// Whether any quantity goes down.
    pub(super) reduces: bool,
}

/// A line as it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineChange {
    id: i64,
    quantity: Decimal,
    unit: Decimal,
    percent: Decimal,
}

/// Lines of the order with what they should be, matched by product, first those with the same
/// price; then what is left of either.
pub(super) fn pairs<'a>(
    present: &'a [LineRow],
    wanted: &'a [Line],
) -> (
    Vec<(&'a LineRow, &'a Line)>,
    Vec<&'a LineRow>,
    Vec<&'a Line>,
) {
    let mut free: Vec<&LineRow> = present.iter().collect();
    let mut open: Vec<&Line> = wanted.iter().filter(|l| l.product.is_some()).collect();
    let mut matched = Vec::new();
    for exact in [true, false] {
        let mut later = Vec::new();
        for line in open {
            let place = free.iter().position(|row| {
                row.product_id.0 == line.product && (!exact || row.has_price_of(line))
            });
            match place {
                Some(place) => matched.push((free.remove(place), line)),
                None => later.push(line),
            }
        }
        open = later;
    }
    (matched, free, open)
}

/// What is to be changed. What is wanted no more goes to zero: a confirmed order's lines cannot be
/// deleted. Prices of an invoiced order stay.
pub(super) fn compare(present: &[LineRow], wanted: &[Line], invoiced: bool) -> Changes {
    let mut changes = Changes::default();
    let (matched, free, open) = pairs(present, wanted);
    for (row, line) in matched {
        let (unit, percent) = if invoiced {
            (row.price_unit.0, row.discount.0)
        } else {
            (line.unit, line.percent)
        };
        changes.line(row, line.quantity, unit, percent);
    }
    for row in free {
        // The line that settles a rounding is ours and not the channel's.
        if row.name.as_str() != "Rounding" {
            changes.line(row, Decimal::ZERO, row.price_unit.0, row.discount.0);
        }
    }
    changes.added.extend(open.into_iter().cloned());
    changes
}

impl LineRow {
    fn has_price_of(&self, line: &Line) -> bool {
        self.price_unit.0 == line.unit && self.discount.0 == line.percent
    }
}

impl Changes {
    fn line(&mut self, row: &LineRow, quantity: Decimal, unit: Decimal, percent: Decimal) {
        let present = row.product_uom_qty.0;
        if present == quantity && row.price_unit.0 == unit && row.discount.0 == percent {
            return;
        }
        self.reduces |= quantity < present;
        self.lines.push(LineChange {
            id: row.id,
            quantity,
            unit,
            percent,
        });
    }
}

pub(super) async fn write_lines(
    api: &Api<'_>,
    order: i64,
    correlation: CorrelationId,
    changes: &Changes,
) -> Result<(), Failure> {
    let records: Vec<Record> = changes
        .lines
        .iter()
        .map(|line| {
            vec![vec![
                cell(line.id.to_string()),
                number(line.quantity),
                number(line.unit),
                number(line.percent),
            ]]
        })
        .collect();
    let fields = [".id", "product_uom_qty", "price_unit", "discount"];
    load_all(api, "sale.order.line", &fields, &records).await?;
    add_lines(api, order, correlation, &changes.added).await
}

async fn add_lines(
    api: &Api<'_>,
    order: i64,
    correlation: CorrelationId,
    lines: &[Line],
) -> Result<(), Failure> {
    let ids = Ids {
        prefix: &api.settings.external_id_prefix,
    };
    let fields = [
        "id",
        "order_id/.id",
        "product_id/.id",
        "name",
        "product_uom_qty",
        "price_unit",
        "discount",
        tax_column(api.session.major),
        "is_delivery",
    ];
    let records: Vec<Record> = lines
        .iter()
        .map(|line| {
            vec![vec![
                cell(ids.added_line(correlation, line)),
                cell(order.to_string()),
                cell(line.product.map(|p| p.to_string()).unwrap_or_default()),
                cell(&line.name),
                number(line.quantity),
                number(line.unit),
                number(line.percent),
                cell(&line.taxes),
                cell(if line.is_delivery { "True" } else { "" }),
            ]]
        })
        .collect();
    let results = load_each(
        api,
        "sale.order.line",
        &fields,
        &records,
        LoadMode::InsertOnly,
    );
    for result in results.await {
        result.map_err(|refusal| refusal.failure(api.erp))?;
    }
    Ok(())
}

/// Writes prices, percentages and taxes of lines as they should be.
pub(super) async fn write_terms(api: &Api<'_>, pairs: &[(&LineRow, &Line)]) -> Result<(), Failure> {
    let fields = [
        ".id",
        "price_unit",
        "discount",
        tax_column(api.session.major),
    ];
    let records: Vec<Record> = pairs
        .iter()
        .map(|(row, line)| {
            vec![vec![
                cell(row.id.to_string()),
                number(line.unit),
                number(line.percent),
                cell(&line.taxes),
            ]]
        })
        .collect();
    load_all(api, "sale.order.line", &fields, &records).await
}

#[cfg(test)]
mod tests;
