//! Orders → posted invoices, and what was paid set off against them.
//!
//! What can be invoiced is up to Odoo: ordered or delivered quantities, by product. Where nothing
//! can, there is nothing to do; what was credited is not invoiced again: see [`recredit`]. A draft that an interrupted attempt left is posted.

use super::invoices::{Move, all_moves, make_invoices, of_order, post};
use super::resolve::{Effort, Found, not_in_erp, resolve};
use super::{Outcome, recredit, references, settle};
use crate::client::Api;
use crate::error::OdooError;
use serde::Deserialize;
use std::collections::BTreeMap;
use waybill_model::failure::Failure;
use waybill_model::id::{CorrelationId, RefKind};

#[derive(Deserialize)]
struct InvoiceIds {
    id: i64,
    invoice_ids: Vec<i64>,
}

/// Invoices orders; the outcome of each, in the order given. About ten calls for any number, and
/// one for each that was paid before.
pub(crate) async fn issue(api: &Api<'_>, orders: &[CorrelationId]) -> Vec<Outcome> {
    let mut found = match resolve(api, orders, Effort::Thorough).await {
        Ok(found) => found,
        Err(error) => return vec![Err(error.failure(api.erp)); orders.len()],
    };
    let mut failures: BTreeMap<i64, Failure> = BTreeMap::new();
    let done = async {
        let ids: Vec<i64> = found.values().flat_map(|o| o.invoice_ids.clone()).collect();
        let before = all_moves(api, &ids).await?;
        make(api, &mut found, &before, &mut failures).await?;
        let ids: Vec<i64> = found.values().flat_map(|o| o.invoice_ids.clone()).collect();
        let mut moves = all_moves(api, &ids).await?;
        if post_drafts(api, &found, &moves, &mut failures).await? {
            moves = all_moves(api, &ids).await?;
        }
        failures.extend(settle::settle(api, &found, &moves).await?);
        Ok::<_, OdooError>(moves)
    };
    let moves = match done.await {
        Ok(moves) => moves,
        Err(error) => return vec![Err(error.failure(api.erp)); orders.len()],
    };
    let outcome = |correlation: &CorrelationId| {
        let order = found
            .get(correlation)
            .ok_or_else(|| not_in_erp(*correlation))?;
        if let Some(failure) = failures.get(&order.id) {
            return Err(failure.clone());
        }
        let posted = of_order(order, &moves);
        let posted = posted.iter().filter(|m| m.is_invoice() && m.is_posted());
        let ids: Vec<i64> = posted.map(|m| m.id).collect();
        Ok(references(api, RefKind::AccountMove, &ids))
    };
    orders.iter().map(outcome).collect()
}

/// Makes drafts of what is to be invoiced: all in one call, and one by one if that is refused.
async fn make(
    api: &Api<'_>,
    found: &mut BTreeMap<CorrelationId, Found>,
    moves: &[Move],
    failures: &mut BTreeMap<i64, Failure>,
) -> Result<(), OdooError> {
    let mut due: Vec<i64> = Vec::new();
    for order in found.values() {
        let is_due =
            order.state.as_str() == "sale" && order.invoice_status.as_str() == "to invoice";
        if is_due && recredit::has_more(api, order, moves).await? {
            due.push(order.id);
        }
    }
    if due.is_empty() {
        return Ok(());
    }
    let make = |ids: Vec<i64>| async move { make_invoices(api, &ids).await };
    let refused = together_or_alone(&due, make).await?;
    for (id, error) in refused.iter().filter(|(_, e)| !is_nothing(e)) {
        failures.insert(*id, error.failure(api.erp));
    }
    let rows: Vec<InvoiceIds> = api.read("sale.order", &due, &["invoice_ids"]).await?;
    for row in rows {
        if let Some(order) = found.values_mut().find(|o| o.id == row.id) {
            order.invoice_ids = row.invoice_ids;
        }
    }
    Ok(())
}

/// Quantities that were taken off again are "to invoice" too, below zero: their refund credits them.
fn is_nothing(error: &OdooError) -> bool {
    matches!(error, OdooError::Fault(f) if f.raw().contains("No items are available to invoice"))
}

/// Whether anything was posted.
async fn post_drafts(
    api: &Api<'_>,
    found: &BTreeMap<CorrelationId, Found>,
    moves: &[Move],
    failures: &mut BTreeMap<i64, Failure>,
) -> Result<bool, OdooError> {
    let is_draft = |m: &&Move| m.is_invoice() && m.state.as_str() == "draft";
    let mut drafts: Vec<i64> = Vec::new();
    let mut any = false;
    for order in found.values() {
        for draft in of_order(order, moves).into_iter().filter(|m| is_draft(m)) {
            any = true;
            if recredit::trim(api, order, moves, draft.id).await? {
                drafts.push(draft.id);
            }
        }
    }
    if drafts.is_empty() {
        return Ok(any);
    }
    let post = |ids: Vec<i64>| async move { post(api, &ids).await };
    for (draft, error) in together_or_alone(&drafts, post).await? {
        let holds = |o: &&Found| of_order(o, moves).iter().any(|m| m.id == draft);
        for order in found.values().filter(holds) {
            failures.insert(order.id, error.failure(api.erp));
        }
    }
    Ok(true)
}

/// Carries out a call for all records, and for each by itself where that is refused; what is refused
/// alone, with why.
async fn together_or_alone<F>(
    ids: &[i64],
    call: impl Fn(Vec<i64>) -> F,
) -> Result<Vec<(i64, OdooError)>, OdooError>
where
    F: Future<Output = Result<(), OdooError>>,
{
    match call(ids.to_vec()).await {
        Ok(()) => return Ok(Vec::new()),
        Err(error) if error.is_about_records() => {}
        Err(error) => return Err(error),
    }
    let mut refused = Vec::new();
    for id in ids {
        match call(vec![*id]).await {
            Ok(()) => {}
            Err(error) if error.is_about_records() => refused.push((*id, error)),
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}
