//! Confirming orders: one call for all, and the one that fails found by what Odoo names, and by
//! halving.
//!
//! `action_confirm` is all or nothing and its message rarely names the order; some name a product.
//! It also fails when an earlier call whose answer was lost is still at it. So after any error the
//! states are read again, and only what is still a quotation is judged; where they cannot be read,
//! nothing is.

use crate::client::Api;
use crate::error::{OdooError, rejected, transient};
use crate::wire::{Call, Text};
use serde::Deserialize;
use std::collections::BTreeMap;
use waybill_model::failure::Failure;

#[derive(Deserialize)]
struct StateRow {
    id: i64,
    state: Text,
}

/// Confirms quotations; the outcome of each. `is_named` says whether a text of Odoo's is about an
/// order: a guess, which only makes the search shorter.
pub(crate) async fn confirm(
    api: &Api<'_>,
    ids: &[i64],
    is_named: impl Fn(i64, &str) -> bool,
) -> BTreeMap<i64, Result<(), Failure>> {
    let mut outcomes = BTreeMap::new();
    let mut groups: Vec<Vec<i64>> = vec![ids.to_vec()];
    while let Some(group) = groups.pop() {
        if group.is_empty() {
            continue;
        }
        let call = api.quiet(Call::on("sale.order", "action_confirm", &group));
        let error = match api.call(call).await {
            Ok(_) => {
                outcomes.extend(group.into_iter().map(|id| (id, Ok(()))));
                continue;
            }
            Err(error) => error,
        };
        let still_open = match still_open(api, &group, &mut outcomes).await {
            Ok(open) => open,
            Err(unread) => {
                // What Odoo refused is about one of them at least, and nobody knows which: none of
                // them may be told so. Any other error says more than that of the reading.
                let told = if error.is_about_records() {
                    &unread
                } else {
                    &error
                };
                fail(&mut outcomes, &group, told, api);
                continue;
            }
        };
        if !error.is_about_records() {
            fail(&mut outcomes, &still_open, &error, api);
            continue;
        }
        match still_open.as_slice() {
            [] => {}
            [only] => {
                outcomes.insert(*only, Err(error.failure(api.erp)));
            }
            // Some were confirmed meanwhile, by a call whose answer was lost: try the rest.
            open if open.len() < group.len() => groups.push(open.to_vec()),
            open => {
                let (later, first) = split(open, &error, &is_named);
                groups.push(later);
                groups.push(first);
            }
        }
    }
    outcomes
}

/// Those to be tried later and first: whom Odoo names after the others, else two halves.
fn split(
    open: &[i64],
    error: &OdooError,
    is_named: impl Fn(i64, &str) -> bool,
) -> (Vec<i64>, Vec<i64>) {
    let text = match error {
        OdooError::Fault(fault) => fault.raw(),
        _ => "",
    };
    let (named, others): (Vec<i64>, Vec<i64>) = open.iter().partition(|id| is_named(**id, text));
    if !named.is_empty() && !others.is_empty() {
        return (named, others);
    }
    let (left, right) = open.split_at(open.len() / 2);
    (right.to_vec(), left.to_vec())
}

/// Reads the states; what is confirmed is an outcome, what is a quotation is returned.
async fn still_open(
    api: &Api<'_>,
    group: &[i64],
    outcomes: &mut BTreeMap<i64, Result<(), Failure>>,
) -> Result<Vec<i64>, OdooError> {
    let rows: Vec<StateRow> = api.read("sale.order", group, &["state"]).await?;
    let mut open = Vec::new();
    for gone in group.iter().filter(|id| rows.iter().all(|r| r.id != **id)) {
        let detail = "the order vanished from Odoo while it was confirmed";
        outcomes.insert(*gone, Err(transient("erp_record_gone", detail, None)));
    }
    for row in rows {
        match row.state.as_str() {
            "draft" | "sent" => open.push(row.id),
            "cancel" => {
                outcomes.insert(row.id, Err(cancelled("the order")));
            }
            _ => {
                outcomes.insert(row.id, Ok(()));
            }
        }
    }
    Ok(open)
}

fn fail(
    outcomes: &mut BTreeMap<i64, Result<(), Failure>>,
    ids: &[i64],
    error: &OdooError,
    api: &Api<'_>,
) {
    outcomes.extend(ids.iter().map(|id| (*id, Err(error.failure(api.erp)))));
}

/// The rejection for an order that somebody cancelled in Odoo.
pub(crate) fn cancelled(what: &str) -> Failure {
    rejected(
        "cancelled_in_erp",
        format!("{what} is cancelled in Odoo"),
        "set it back to quotation in Odoo and retry, or cancel the order in the channel",
    )
}
