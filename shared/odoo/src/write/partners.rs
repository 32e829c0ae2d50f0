//! Partners of orders: made where they are not there, then known by their database ids.

use super::load::{Record, Refusal, load_each};
use crate::client::{Api, LoadMode};
use crate::error::OdooError;
use crate::map::partner::{PARTNER_COLUMNS, Partner, PartnerRow, Partners};
use crate::map::{cell, cell_or_empty};
use std::collections::BTreeMap;

/// Database ids of the partners of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) customer: i64,
    pub(crate) invoice: i64,
    pub(crate) shipping: i64,
}

/// Makes the partners of many orders: one call, and one more where customers whom Odoo knew before
/// have addresses, since one column names a parent in one way only.
pub(crate) async fn load_partners(
    api: &Api<'_>,
    orders: &[&Partners],
) -> Vec<Result<Placed, Refusal>> {
    let mut ours: BTreeMap<&str, Result<i64, Refusal>> = BTreeMap::new();
    for below_theirs in [false, true] {
        let mut rows: Vec<&PartnerRow> = Vec::new();
        for row in orders.iter().flat_map(|order| &order.rows) {
            let wanted = matches!(row.parent, Some(Partner::Theirs(_))) == below_theirs;
            if wanted && rows.iter().all(|known| known.id != row.id) {
                rows.push(row);
            }
        }
        if rows.is_empty() {
            continue;
        }
        let parent = if below_theirs {
            "parent_id/.id"
        } else {
            "parent_id/id"
        };
        let fields: Vec<&str> = ["id", parent].into_iter().chain(PARTNER_COLUMNS).collect();
        let records: Vec<Record> = rows.iter().map(|row| vec![cells(row)]).collect();
        let mode = LoadMode::InsertOnly;
        let results = load_each(api, "res.partner", &fields, &records, mode).await;
        ours.extend(rows.iter().map(|row| row.id.as_str()).zip(results));
    }
    orders.iter().map(|order| placed(order, &ours)).collect()
}

fn cells(row: &PartnerRow) -> Vec<serde_json::Value> {
    let parent = match &row.parent {
        Some(Partner::Ours(id)) => Some(id.clone()),
        Some(Partner::Theirs(id)) => Some(id.to_string()),
        None => None,
    };
    let mut cells = vec![cell(&row.id), cell_or_empty(parent.as_deref())];
    cells.extend(row.cells.iter().cloned());
    cells
}

fn placed(
    order: &Partners,
    ours: &BTreeMap<&str, Result<i64, Refusal>>,
) -> Result<Placed, Refusal> {
    // Parents first: what is wrong with one is why its children are refused.
    for row in &order.rows {
        if let Some(Err(refusal)) = ours.get(row.id.as_str()) {
            return Err(refusal.clone());
        }
    }
    let id = |partner: &Partner| match partner {
        Partner::Theirs(id) => Ok(*id),
        Partner::Ours(id) => match ours.get(id.as_str()) {
            Some(result) => result.clone(),
            None => Err(Refusal::Error(OdooError::OutOfTime)),
        },
    };
    Ok(Placed {
        customer: id(&order.customer)?,
        invoice: id(&order.invoice)?,
        shipping: id(&order.shipping)?,
    })
}
