//! New orders: four calls for a batch, whatever its size.
//!
//! Partners, orders with lines (insert-only), states and totals, confirm. Every step is nothing for
//! finished work, so the whole is run again after any failure.

use super::confirm::{cancelled, confirm};
use super::load::{Record, Refusal, load_each};
use super::totals::settle_total;
use super::{Outcome, Writer, references};
use crate::catalog::{Catalog, Memory};
use crate::client::{Api, LoadMode};
use crate::error::{OdooError, rejected, transient};
use crate::map::order::{OrderPlan, Wanted, plan, skus};
use crate::map::partner::{PARTNER_COLUMNS, regions};
use crate::map::rows::Columns;
use crate::wire::{Number, Text};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use waybill_model::failure::Failure;
use waybill_model::id::{Code, RefKind, Sku};
use waybill_model::order::{Order, OrderLine};

/// An order as Odoo holds it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OrderRow {
    pub(crate) id: i64,
    pub(crate) name: Text,
    pub(crate) state: Text,
    pub(crate) amount_total: Number,
    pub(crate) currency_id: CurrencyName,
    pub(crate) date_order: Text,
}

/// Code of a currency, out of its link `[1, "EUR"]`; empty for `false`.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "serde_json::Value")]
pub(crate) struct CurrencyName(String);

impl From<serde_json::Value> for CurrencyName {
    fn from(link: serde_json::Value) -> Self {
        let name = link.get(1).and_then(serde_json::Value::as_str);
        Self(name.unwrap_or_default().to_owned())
    }
}

impl CurrencyName {
    pub(crate) fn code(&self) -> &str {
        &self.0
    }
}

pub(crate) const ORDER_FIELDS: [&str; 5] =
    ["name", "state", "amount_total", "currency_id", "date_order"];

/// One order on its way through the steps.
struct Job<'a> {
    order: &'a Order,
    plan: OrderPlan,
    id: Option<i64>,
}

/// Writes and confirms orders; the outcome of each, in the order given.
pub(crate) async fn create(writer: Writer<'_>, orders: &[&Order]) -> Vec<Outcome> {
    let Writer { api, memory, .. } = writer;
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    let catalog = match look_up(api, memory, orders).await {
        Ok(catalog) => catalog,
        Err(error) => return vec![Err(error.failure(api.erp)); orders.len()],
    };
    let mut jobs: BTreeMap<usize, Job<'_>> = BTreeMap::new();
    for (index, order) in orders.iter().enumerate() {
        match plan(order, api.settings, &catalog, Wanted::AsPlaced) {
            Ok(plan) => {
                jobs.insert(
                    index,
                    Job {
                        order,
                        plan,
                        id: None,
                    },
                );
            }
            Err(failure) => {
                outcomes.insert(index, Err(failure));
            }
        }
    }
    let failed = load_partners(api, &jobs).await;
    take_out(&mut jobs, &mut outcomes, failed);
    let (ids, failed) = load_orders(writer, &jobs).await;
    take_out(&mut jobs, &mut outcomes, failed);
    for (index, id) in ids {
        if let Some(job) = jobs.get_mut(&index) {
            job.id = Some(id);
        }
    }
    finish(writer, &catalog, jobs, &mut outcomes).await;
    (0..orders.len())
        .map(|index| {
            outcomes
                .remove(&index)
                .unwrap_or_else(|| Err(OdooError::OutOfTime.failure(api.erp)))
        })
        .collect()
}

fn take_out(
    jobs: &mut BTreeMap<usize, Job<'_>>,
    outcomes: &mut BTreeMap<usize, Outcome>,
    failed: Vec<(usize, Failure)>,
) {
    for (index, failure) in failed {
        jobs.remove(&index);
        outcomes.insert(index, Err(failure));
    }
}

/// Products and states of all orders, in at most a call each.
pub(crate) async fn look_up(
    api: &Api<'_>,
    memory: &Memory,
    orders: &[&Order],
) -> Result<Catalog, OdooError> {
    let wanted = orders
        .iter()
        .flat_map(|o| skus(o, api.settings))
        .collect::<std::collections::BTreeSet<Sku>>();
    let regions = orders.iter().flat_map(|o| regions(o)).collect();
    memory.catalog(api, &wanted, &regions).await
}

async fn load_partners(api: &Api<'_>, jobs: &BTreeMap<usize, Job<'_>>) -> Vec<(usize, Failure)> {
    let mut rows: Vec<Record> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for job in jobs.values() {
        for (id, cells) in &job.plan.partners.rows {
            if !places.contains_key(id.as_str()) {
                places.insert(id, rows.len());
                rows.push(vec![cells.clone()]);
            }
        }
    }
    if rows.is_empty() {
        return Vec::new();
    }
    let results = load_each(
        api,
        "res.partner",
        &PARTNER_COLUMNS,
        &rows,
        LoadMode::InsertOnly,
    )
    .await;
    let mut failed = Vec::new();
    for (index, job) in jobs {
        let refusal = job.plan.partners.rows.iter().find_map(|(id, _)| {
            let place = places.get(id.as_str())?;
            results.get(*place)?.as_ref().err()
        });
        if let Some(refusal) = refusal {
            failed.push((*index, translate(refusal, api, job.order)));
        }
    }
    failed
}

type Ids = Vec<(usize, i64)>;

async fn load_orders(
    writer: Writer<'_>,
    jobs: &BTreeMap<usize, Job<'_>>,
) -> (Ids, Vec<(usize, Failure)>) {
    let api = writer.api;
    let plans: Vec<&OrderPlan> = jobs.values().map(|j| &j.plan).collect();
    if plans.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let columns = Columns::of(&plans, api.settings, api.session.major);
    let records: Vec<Record> = plans.iter().map(|p| columns.rows(p)).collect();
    let results = load_each(
        api,
        "sale.order",
        &columns.names(),
        &records,
        LoadMode::InsertOnly,
    )
    .await;
    let (mut ids, mut failed) = (Vec::new(), Vec::new());
    for ((index, job), result) in jobs.iter().zip(results) {
        match result {
            Ok(id) => ids.push((*index, id)),
            Err(Refusal::Blamed(text)) if text.contains("for database id") => {
                // A product that we remember is gone: the next attempt asks again.
                writer.memory.forget_products(api.erp);
                let detail = format!(
                    "order `{}` has a product that is gone from Odoo",
                    job.order.number
                );
                failed.push((*index, transient("erp_stale_product", detail, None)));
            }
            Err(refusal) => failed.push((*index, translate(&refusal, api, job.order))),
        }
    }
    (ids, failed)
}

/// Odoo's text about an external id, as what is wrong in the connection's settings. The ids are
/// ours, so the match does not hang on Odoo's wording.
fn translate(refusal: &Refusal, api: &Api<'_>, order: &Order) -> Failure {
    let Refusal::Blamed(text) = refusal else {
        return refusal.failure(api.erp);
    };
    let settings = api.settings;
    let names = |id: &str| text.contains(&format!("'{id}'"));
    let mapped = settings
        .taxes
        .iter()
        .map(|t| ("unknown_tax", "erp.taxes", t.tax.as_str()))
        .chain(
            settings
                .pricelists
                .values()
                .map(|id| ("unknown_pricelist", "erp.pricelists", id.as_str())),
        )
        .chain(
            settings
                .carriers
                .iter()
                .map(|c| ("unknown_carrier", "erp.carriers", c.carrier.as_str())),
        )
        .chain(
            settings
                .warehouse
                .iter()
                .map(|id| ("unknown_warehouse", "erp.warehouse", id.as_str())),
        );
    for (code, setting, id) in mapped {
        if names(id) {
            return rejected(
                code,
                format!(
                    "order `{}` needs `{id}`, and Odoo has no record with that external id",
                    order.number
                ),
                format!(
                    "correct `{setting}` in the connections file, or give the record the external id `{id}` in Odoo (Settings, Technical, External Identifiers), then retry"
                ),
            );
        }
    }
    if text.contains("'base.") {
        return rejected(
            "unknown_country",
            format!("order `{}`: Odoo does not know its country", order.number),
            "correct the address in the channel, then replay the order",
        );
    }
    refusal.failure(api.erp)
}

/// Steps 3 and 4: totals, then confirm.
async fn finish(
    writer: Writer<'_>,
    catalog: &Catalog,
    jobs: BTreeMap<usize, Job<'_>>,
    outcomes: &mut BTreeMap<usize, Outcome>,
) {
    let api = writer.api;
    let ids: Vec<i64> = jobs.values().filter_map(|j| j.id).collect();
    if ids.is_empty() {
        return;
    }
    let rows: BTreeMap<i64, OrderRow> = match api.read("sale.order", &ids, &ORDER_FIELDS).await {
        Ok(rows) => rows.into_iter().map(|r: OrderRow| (r.id, r)).collect(),
        Err(error) => {
            outcomes.extend(jobs.keys().map(|i| (*i, Err(error.failure(api.erp)))));
            return;
        }
    };
    let mut to_confirm = Vec::new();
    let mut written: Vec<(usize, i64, &Job<'_>)> = Vec::new();
    for (index, job) in &jobs {
        let Some((id, row)) = job.id.and_then(|id| Some((id, rows.get(&id)?))) else {
            let gone = Failure::Transient {
                code: Code::literal("erp_record_gone"),
                detail: format!("order `{}` vanished from Odoo", job.order.number),
                retry_after_ms: None,
            };
            outcomes.insert(*index, Err(gone));
            continue;
        };
        match row.state.as_str() {
            "draft" | "sent" => match settle_total(api, catalog, job.order, row).await {
                Ok(()) => {
                    to_confirm.push(id);
                    written.push((*index, id, job));
                }
                Err(failure) => {
                    outcomes.insert(*index, Err(failure));
                }
            },
            "cancel" => {
                let what = format!("order `{}` (`{}`)", job.order.number, row.name.as_str());
                outcomes.insert(*index, Err(cancelled(&what)));
            }
            _ => written.push((*index, id, job)),
        }
    }
    to_confirm.sort_unstable();
    to_confirm.dedup();
    let confirmed = confirm(api, &to_confirm).await;
    for (index, id, job) in written {
        let outcome = match confirmed.get(&id) {
            Some(Err(failure)) => Err(failure.clone()),
            Some(Ok(())) | None => Ok(references(api, RefKind::SaleOrder, &[id])),
        };
        let outcome = match outcome {
            Ok(_) if is_edited(job.order) => {
                let by_us = confirmed.contains_key(&id);
                let as_placed = (!by_us).then_some(job.plan.lines.as_slice());
                super::amend::amend_new(writer, job.order, as_placed).await
            }
            other => other,
        };
        outcomes.insert(index, outcome);
    }
    if api.settings.keep_order_date {
        restore_dates(api, &jobs, &rows, outcomes).await;
    }
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
            let date = job.order.placed_at.to_naive_utc();
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
