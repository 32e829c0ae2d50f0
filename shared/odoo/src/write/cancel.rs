//! Cancelling orders.

use super::resolve::{Effort, resolve};
use super::transfer::pickings;
use super::{Outcome, references};
use crate::client::Api;
use crate::error::{OdooError, rejected};
use crate::wire::{Call, Text};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use waybill_model::failure::Failure;
use waybill_model::id::{CorrelationId, RefKind};

#[derive(Deserialize)]
struct StateRow {
    id: i64,
    state: Text,
}

/// Cancels orders; the outcome of each. An order that is not in Odoo, or is cancelled already,
/// needs nothing. One that was shipped is refused: goods come back as a return.
pub(crate) async fn cancel(api: &Api<'_>, correlations: &[CorrelationId]) -> Vec<Outcome> {
    match try_cancel(api, correlations).await {
        Ok(outcomes) => outcomes,
        Err(error) => vec![Err(error.failure(api.erp)); correlations.len()],
    }
}

async fn try_cancel(
    api: &Api<'_>,
    correlations: &[CorrelationId],
) -> Result<Vec<Outcome>, OdooError> {
    let found = resolve(api, correlations, Effort::Thorough).await?;
    let live: Vec<i64> = found
        .values()
        .filter(|o| o.state.as_str() != "cancel")
        .map(|o| o.id)
        .collect();
    let mut failures: BTreeMap<i64, Failure> = BTreeMap::new();
    if !live.is_empty() {
        for picking in pickings(api, &live).await? {
            if let Some(order) = picking.sale_id.0
                && picking.is_done()
                && picking.is_outgoing()
            {
                failures.insert(order, already_shipped(picking.name.as_str()));
            }
        }
    }
    for order in found.values().filter(|o| o.locked) {
        failures.entry(order.id).or_insert_with(|| {
            rejected(
                "order_locked",
                format!("order `{}` is locked in Odoo", order.name.as_str()),
                "unlock it in Odoo, then retry",
            )
        });
    }
    let ids: Vec<i64> = live
        .into_iter()
        .filter(|id| !failures.contains_key(id))
        .collect();
    failures.extend(cancel_ids(api, &ids).await?);
    Ok(correlations
        .iter()
        .map(|correlation| match found.get(correlation) {
            None => Ok(Vec::new()),
            Some(order) => match failures.get(&order.id) {
                Some(failure) => Err(failure.clone()),
                None => Ok(references(api, RefKind::SaleOrder, &[order.id])),
            },
        })
        .collect())
}

/// Cancels and reads the states: without its flag, 17 answers success with a question and cancels
/// nothing.
async fn cancel_ids(api: &Api<'_>, ids: &[i64]) -> Result<BTreeMap<i64, Failure>, OdooError> {
    let mut failures = BTreeMap::new();
    if ids.is_empty() {
        return Ok(failures);
    }
    match call(api, ids).await {
        Ok(()) => {}
        Err(error) if error.is_about_records() && ids.len() > 1 => {
            for id in ids {
                if let Err(alone) = call(api, &[*id]).await {
                    failures.insert(*id, alone.failure(api.erp));
                }
            }
        }
        Err(error) => {
            failures.extend(ids.iter().map(|id| (*id, error.failure(api.erp))));
        }
    }
    let rows: Vec<StateRow> = api.read("sale.order", ids, &["state"]).await?;
    for row in rows {
        if row.state.as_str() == "cancel" {
            failures.remove(&row.id);
        } else {
            failures.entry(row.id).or_insert_with(|| {
                rejected(
                    "erp_refused",
                    format!(
                        "an order is still `{}` after cancelling",
                        row.state.as_str()
                    ),
                    "cancel the order in Odoo by hand to see what it asks for, then retry",
                )
            });
        }
    }
    Ok(failures)
}

async fn call(api: &Api<'_>, ids: &[i64]) -> Result<(), OdooError> {
    let call =
        Call::on("sale.order", "action_cancel", ids).context("disable_cancel_warning", json!(true));
    api.call(api.quiet(call)).await.map(|_| ())
}

/// The rejection for an order whose goods have left.
pub(crate) fn already_shipped(picking: &str) -> Failure {
    rejected(
        "already_shipped",
        format!("delivery `{picking}` was validated in Odoo"),
        "let the goods come back as a return and refund them, or correct the order in Odoo by hand",
    )
}
