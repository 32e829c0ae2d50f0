//! Orders that are in Odoo: right products and totals, then confirmed.

use super::super::confirm::{cancelled, confirm};
use super::super::fresh::{self, Verdict};
use super::super::load::{Record, load_each};
use super::super::totals::settle_total;
use super::super::{Outcome, Writer, references};
use super::{Job, OrderRow, look_up, read_orders, stale, take_out};
use crate::catalog::Catalog;
use crate::client::{Api, LoadMode};
use crate::error::{FaultKind, OdooError, readable, rejected};
use crate::map::order::{Line, Wanted, skus};
use serde_json::json;
use std::collections::BTreeMap;
use waybill_model::failure::Failure;
use waybill_model::id::{Code, RefKind};
use waybill_model::order::{Order, OrderLine};

pub(super) type Rows = BTreeMap<i64, OrderRow>;

/// Reads the orders. What fails the call for one of them must not fail it for all.
async fn read_each(
    api: &Api<'_>,
    jobs: &BTreeMap<usize, Job<'_>>,
) -> (Rows, Vec<(usize, Failure)>) {
    let ids: Vec<i64> = jobs.values().filter_map(|j| j.id).collect();
    let (mut rows, mut failed) = (Rows::new(), Vec::new());
    if ids.is_empty() {
        return (rows, failed);
    }
    let error = match read_orders(api, &ids).await {
        Ok(all) => {
            rows.extend(all.into_iter().map(|r| (r.id, r)));
            return (rows, failed);
        }
        Err(error) => error,
    };
    let about_one = error.is_about_records()
        || matches!(&error, OdooError::Fault(f) if f.kind == FaultKind::Right);
    for (index, job) in jobs {
        let answer = match job.id {
            Some(id) if about_one => read_orders(api, &[id]).await,
            Some(_) | None => Err(error.clone()),
        };
        match answer {
            Ok(one) => rows.extend(one.into_iter().map(|r| (r.id, r))),
            Err(error) => failed.push((*index, error.failure(api.erp))),
        }
    }
    (rows, failed)
}

/// Finds quotations that sell something else than was ordered, and puts them right; the orders
/// that cannot be.
async fn put_right(
    writer: Writer<'_>,
    catalog: &mut Catalog,
    jobs: &mut BTreeMap<usize, Job<'_>>,
    rows: &mut Rows,
) -> Vec<(usize, Failure)> {
    let Writer { api, memory, .. } = writer;
    let mut failed = Vec::new();
    let suspects: Vec<usize> = jobs
        .iter()
        .filter(|(_, job)| job.verdict(rows, catalog) != Verdict::Right)
        .map(|(index, _)| *index)
        .collect();
    let orders: Vec<&Order> = suspects
        .iter()
        .filter_map(|i| jobs.get(i).map(|j| j.task.order))
        .collect();
    if orders.is_empty() {
        return failed;
    }
    memory.forget(api.erp);
    let now = match look_up(api, memory, &orders).await {
        Ok(now) => now,
        Err(error) => {
            let fail = |index| (index, error.failure(api.erp));
            return suspects.into_iter().map(fail).collect();
        }
    };
    for sku in orders.iter().flat_map(|order| skus(order, api.settings)) {
        catalog.products.remove(&sku);
    }
    catalog.products.extend(now.products);
    for index in &suspects {
        let Some(job) = jobs.get_mut(index) else {
            continue;
        };
        match job.task.plan(api, catalog, Wanted::AsPlaced) {
            Ok(plan) => job.plan = plan,
            Err(failure) => failed.push((*index, failure)),
        }
    }
    let mut wrong: BTreeMap<usize, Vec<(i64, &Line)>> = BTreeMap::new();
    for (index, job) in jobs.iter().filter(|(i, _)| suspects.contains(i)) {
        if failed.iter().any(|(known, _)| known == index) {
            continue;
        }
        match job.verdict(rows, catalog) {
            Verdict::Right => {}
            Verdict::Wrong(lines) => drop(wrong.insert(*index, lines)),
            Verdict::Changed => failed.push((*index, fresh::changed(&job.what(rows)))),
        }
    }
    let lines: Vec<(i64, &Line)> = wrong.values().flatten().copied().collect();
    if lines.is_empty() {
        return failed;
    }
    let refused = fresh::mend(api, &lines).await;
    let mended: Vec<i64> = wrong
        .keys()
        .filter_map(|i| jobs.get(i).and_then(|j| j.id))
        .collect();
    let again = read_orders(api, &mended).await;
    match again {
        Ok(again) => rows.extend(again.into_iter().map(|r| (r.id, r))),
        Err(error) => failed.extend(wrong.keys().map(|i| (*i, error.failure(api.erp)))),
    }
    for (index, lines) in &wrong {
        let refusal = lines.iter().find_map(|(line, _)| refused.get(line));
        let Some(job) = jobs.get(index) else { continue };
        match refusal {
            Some(failure) => failed.push((*index, failure.clone())),
            None if job.verdict(rows, catalog) != Verdict::Right => {
                failed.push((*index, stale(job.task.order)))
            }
            None => {}
        }
    }
    failed
}

/// Steps 3 and 4: products and totals, then confirm.
pub(super) async fn finish(
    writer: Writer<'_>,
    mut catalog: Catalog,
    mut jobs: BTreeMap<usize, Job<'_>>,
    outcomes: &mut BTreeMap<usize, Outcome>,
) {
    let api = writer.api;
    let (mut rows, failed) = read_each(api, &jobs).await;
    take_out(&mut jobs, outcomes, failed);
    let failed = put_right(writer, &mut catalog, &mut jobs, &mut rows).await;
    take_out(&mut jobs, outcomes, failed);
    let mut to_confirm = Vec::new();
    let mut written: Vec<(usize, i64, &Job<'_>)> = Vec::new();
    for (index, job) in &jobs {
        let Some((id, row)) = job.id.and_then(|id| Some((id, rows.get(&id)?))) else {
            let gone = Failure::Transient {
                code: Code::literal("erp_record_gone"),
                detail: format!("order `{}` vanished from Odoo", job.task.order.number),
                retry_after_ms: None,
            };
            outcomes.insert(*index, Err(gone));
            continue;
        };
        match row.state.as_str() {
            "draft" | "sent" if row.partner_id.block().is_some() => {
                outcomes.insert(*index, Err(blocked(job.task.order, row)));
            }
            "draft" | "sent" => match settle_total(api, &catalog, job.task.order, row).await {
                Ok(()) => {
                    to_confirm.push(id);
                    written.push((*index, id, job));
                }
                Err(failure) => {
                    outcomes.insert(*index, Err(failure));
                }
            },
            "cancel" => {
                let what = format!(
                    "order `{}` (`{}`)",
                    job.task.order.number,
                    row.name.as_str()
                );
                outcomes.insert(*index, Err(cancelled(&what)));
            }
            _ => written.push((*index, id, job)),
        }
    }
    to_confirm.sort_unstable();
    to_confirm.dedup();
    let sells = |id: i64, text: &str| {
        let of = |(_, known, _): &&(usize, i64, &Job<'_>)| *known == id;
        let job = written.iter().find(of).map(|(_, _, job)| job);
        job.is_some_and(|job| job.sells_what_is_named(text))
    };
    let confirmed = confirm(api, &to_confirm, sells).await;
    for (index, id, job) in written {
        let outcome = match confirmed.get(&id) {
            Some(Err(failure)) => Err(failure.clone()),
            Some(Ok(())) | None => Ok(references(api, RefKind::SaleOrder, &[id])),
        };
        let outcome = match outcome {
            Ok(_) if is_edited(job.task.order) => {
                let by_us = confirmed.contains_key(&id);
                let as_placed = (!by_us).then_some(job.plan.lines.as_slice());
                super::super::amend::amend_new(writer, job.task, as_placed).await
            }
            other => other,
        };
        outcomes.insert(index, outcome);
    }
    if api.settings.keep_order_date {
        restore_dates(api, &jobs, &rows, outcomes).await;
    }
}

fn blocked(order: &Order, row: &OrderRow) -> Failure {
    rejected(
        "customer_blocked",
        format!(
            "the customer of order `{}` (`{}`) is blocked in Odoo: {}",
            order.number,
            row.name.as_str(),
            readable(row.partner_id.block().unwrap_or_default())
        ),
        "take the block off the contact in Odoo (Internal Notes, Warning on the Sales Order), then retry; or cancel the order in the channel",
    )
}

/// Whether the order was edited before it was written, or goods of it refunded, so that it holds
/// more than is wanted.
fn is_edited(order: &Order) -> bool {
    let less = |l: &OrderLine| l.current_quantity != l.quantity;
    order.lines.iter().any(less)
}

/// Confirming overwrites the order's date with now: write the shop's date back. Safe to repeat,
/// and not worth a failure: the order is in Odoo.
async fn restore_dates(
    api: &Api<'_>,
    jobs: &BTreeMap<usize, Job<'_>>,
    rows: &BTreeMap<i64, OrderRow>,
    outcomes: &BTreeMap<usize, Outcome>,
) {
    let records: Vec<Record> = jobs
        .iter()
        .filter(|(index, _)| matches!(outcomes.get(index), Some(Ok(_))))
        .filter_map(|(_, job)| {
            let row = rows.get(&job.id?)?;
            let date = job.task.order.placed_at.to_naive_utc();
            let changes = row.state.as_str() != "sale" || row.date_order.as_str() != date;
            changes.then(|| vec![vec![json!(row.id.to_string()), json!(date)]])
        })
        .collect();
    if records.is_empty() {
        return;
    }
    let fields = [".id", "date_order"];
    let results = load_each(api, "sale.order", &fields, &records, LoadMode::Update).await;
    let failed = results.iter().filter(|r| r.is_err()).count();
    if failed > 0 {
        tracing::warn!(erp = %api.erp, failed, step = "restore_dates", "order dates stay as confirmed");
    }
}
