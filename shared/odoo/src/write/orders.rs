//! New orders: four calls for a batch, whatever its size.
//!
//! Partners, orders with lines (insert-only), states with totals and products, confirm. Every step
//! is nothing for finished work, so the whole is run again after any failure.

mod finish;

use super::fresh::{self, Sold, Verdict};
use super::load::{Record, Refusal, load_each};
use super::partners::{Placed, load_partners};
use super::{Outcome, Task, Writer};
use crate::catalog::{Ask, Catalog, Memory};
use crate::client::{Api, LoadMode};
use crate::error::{OdooError, rejected, transient};
use crate::map::order::{OrderPlan, Wanted, skus};
use crate::map::partner::{Partners, company_key, keys, regions};
use crate::map::rows::Columns;
use crate::wire::{Number, Text, ToOne};
use finish::{Rows, finish};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use waybill_model::failure::Failure;
use waybill_model::order::Order;

/// An order as Odoo holds it, with what its lines sell.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OrderRow {
    pub(crate) id: i64,
    pub(crate) name: Text,
    pub(crate) state: Text,
    pub(crate) amount_total: Number,
    pub(crate) currency_id: CurrencyName,
    pub(crate) date_order: Text,
    pub(crate) create_uid: ToOne,
    /// Up to 18.
    #[serde(default)]
    pub(crate) partner_id: Warned,
    pub(crate) order_line: Vec<Sold>,
}

/// What Odoo's users are warned of when they sell to a customer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Warned {
    pub(crate) sale_warn: Text,
    pub(crate) sale_warn_msg: Text,
    pub(crate) parent_id: Parent,
}

/// The company of a customer; empty for `false`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "serde_json::Value")]
pub(crate) struct Parent(Option<Box<Warned>>);

impl From<serde_json::Value> for Parent {
    fn from(record: serde_json::Value) -> Self {
        Self(serde_json::from_value(record).ok())
    }
}

impl Warned {
    /// Why nothing may be sold to this customer.
    pub(crate) fn block(&self) -> Option<&str> {
        if self.sale_warn.as_str() == "block" {
            return Some(self.sale_warn_msg.as_str());
        }
        self.parent_id
            .0
            .as_ref()
            .and_then(|company| company.block())
    }
}

/// Code of a currency, out of its link `[1, "EUR"]` or record `{"name": "EUR"}`; empty for `false`.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "serde_json::Value")]
pub(crate) struct CurrencyName(String);

impl From<serde_json::Value> for CurrencyName {
    fn from(link: serde_json::Value) -> Self {
        let name = link.get(1).or_else(|| link.get("name"));
        let name = name.and_then(serde_json::Value::as_str);
        Self(name.unwrap_or_default().to_owned())
    }
}

impl CurrencyName {
    pub(crate) fn code(&self) -> &str {
        &self.0
    }
}

/// States, totals and products of orders, in one call.
pub(crate) async fn read_orders(api: &Api<'_>, ids: &[i64]) -> Result<Vec<OrderRow>, OdooError> {
    let mut specification = json!({
        "name": {}, "state": {}, "amount_total": {}, "date_order": {}, "create_uid": {},
        "currency_id": {"fields": {"name": {}}},
        "order_line": {"fields": fresh::specification()},
    });
    // 19 knows messages only.
    if api.session.major < 19
        && let Some(fields) = specification.as_object_mut()
    {
        let warned = json!({"sale_warn": {}, "sale_warn_msg": {}});
        let mut customer = warned.clone();
        if let Some(own) = customer.as_object_mut() {
            own.insert("parent_id".to_owned(), json!({"fields": warned}));
        }
        fields.insert("partner_id".to_owned(), json!({"fields": customer}));
    }
    api.web_read("sale.order", ids, specification).await
}

/// One order on its way through the steps.
struct Job<'a> {
    task: Task<'a>,
    plan: OrderPlan,
    /// Known once they were made.
    partners: Option<Placed>,
    id: Option<i64>,
}

impl Job<'_> {
    /// Whether a text of Odoo's names a product of the order, as Odoo shows one: `[SKU] Name`.
    fn sells_what_is_named(&self, text: &str) -> bool {
        let skus = self.plan.lines.iter().filter_map(|l| l.sku.as_ref());
        skus.into_iter()
            .any(|sku| text.contains(&format!("[{sku}]")))
    }

    /// What the order sells in Odoo; a confirmed one is not judged any more.
    fn verdict(&self, rows: &Rows, catalog: &Catalog) -> Verdict<'_> {
        match self.id.and_then(|id| rows.get(&id)) {
            Some(row) if matches!(row.state.as_str(), "draft" | "sent") => {
                fresh::verdict(&row.order_line, row.create_uid, &self.plan.lines, catalog)
            }
            Some(_) | None => Verdict::Right,
        }
    }

    fn what(&self, rows: &Rows) -> String {
        let name = self
            .id
            .and_then(|id| rows.get(&id))
            .map(|r| r.name.as_str());
        format!(
            "order `{}` (`{}`)",
            self.task.order.number,
            name.unwrap_or_default()
        )
    }
}

/// The next attempt asks again.
fn stale(order: &Order) -> Failure {
    let detail = format!(
        "a product of order `{}` is another in Odoo now",
        order.number
    );
    transient("erp_stale_product", detail, None)
}

/// Writes and confirms orders; the outcome of each, in the order given.
pub(crate) async fn create(writer: Writer<'_>, tasks: &[Task<'_>]) -> Vec<Outcome> {
    let Writer { api, memory, .. } = writer;
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    let orders: Vec<&Order> = tasks.iter().map(|task| task.order).collect();
    let catalog = match look_up(api, memory, &orders).await {
        Ok(catalog) => catalog,
        Err(error) => return vec![Err(error.failure(api.erp)); tasks.len()],
    };
    let mut jobs: BTreeMap<usize, Job<'_>> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        match task.plan(api, &catalog, Wanted::AsPlaced) {
            Ok(plan) => {
                jobs.insert(
                    index,
                    Job {
                        task: *task,
                        plan,
                        partners: None,
                        id: None,
                    },
                );
            }
            Err(failure) => {
                // It may be mended before the next attempt.
                match failure.code().as_str() {
                    "ambiguous_sku" | "product_not_for_sale" => memory.forget(api.erp),
                    "price_precision" | "quantity_precision" => memory.set_session(api.erp, None),
                    _ => {}
                }
                outcomes.insert(index, Err(failure));
            }
        }
    }
    let failed = place_partners(api, &mut jobs).await;
    take_out(&mut jobs, &mut outcomes, failed);
    let (ids, failed) = load_orders(writer, &jobs).await;
    take_out(&mut jobs, &mut outcomes, failed);
    for (index, id) in ids {
        if let Some(job) = jobs.get_mut(&index) {
            job.id = Some(id);
        }
    }
    finish(writer, catalog, jobs, &mut outcomes).await;
    (0..tasks.len())
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

/// Products, states and customers of all orders, in at most a call each.
pub(crate) async fn look_up(
    api: &Api<'_>,
    memory: &Memory,
    orders: &[&Order],
) -> Result<Catalog, OdooError> {
    let mut wanted = Ask::default();
    for order in orders {
        wanted.skus.extend(skus(order, api.settings));
        wanted.regions.extend(regions(order));
        wanted.customers.extend(keys(order, api.settings));
        wanted.customers.extend(company_key(order, api.settings));
    }
    memory.look_up(api, &wanted).await
}

/// Makes customers and addresses; the orders that cannot have theirs.
async fn place_partners(
    api: &Api<'_>,
    jobs: &mut BTreeMap<usize, Job<'_>>,
) -> Vec<(usize, Failure)> {
    let partners: Vec<&Partners> = jobs.values().map(|j| &j.plan.partners).collect();
    let results = load_partners(api, &partners).await;
    let mut failed = Vec::new();
    for ((index, job), result) in jobs.iter_mut().zip(results) {
        match result {
            Ok(placed) => job.partners = Some(placed),
            Err(refusal) => failed.push((*index, translate(&refusal, api, job))),
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
    let (mut ids, mut failed) = (Vec::new(), Vec::new());
    // An empty cell is no warehouse, not the default: those without one are a call of their own.
    for named in [true, false] {
        let group: BTreeMap<usize, &Job<'_>> = jobs
            .iter()
            .filter(|(_, job)| job.task.warehouse.is_some() == named)
            .map(|(index, job)| (*index, job))
            .collect();
        if group.is_empty() {
            continue;
        }
        let plans: Vec<&OrderPlan> = group.values().map(|j| &j.plan).collect();
        let columns = Columns::of(&plans, api.settings, api.session.major, named);
        let rows =
            |job: &&Job<'_>| Some(columns.rows(&job.plan, job.partners?, job.task.warehouse));
        let records: Vec<Record> = group.values().filter_map(rows).collect();
        let names = columns.names();
        let mode = LoadMode::InsertOnly;
        let results = load_each(api, "sale.order", &names, &records, mode).await;
        for ((index, job), result) in group.into_iter().zip(results) {
            match result {
                Ok(id) => ids.push((index, id)),
                Err(Refusal::Blamed(text)) if text.contains("for database id") => {
                    // What we remember is gone: the next attempt asks again.
                    writer.memory.forget(api.erp);
                    failed.push((index, stale(job.task.order)));
                }
                Err(refusal) => failed.push((index, translate(&refusal, api, job))),
            }
        }
    }
    (ids, failed)
}

/// Odoo's text about an external id, as what is wrong in the connection's settings. The ids are
/// ours, so the match does not hang on Odoo's wording.
fn translate(refusal: &Refusal, api: &Api<'_>, job: &Job<'_>) -> Failure {
    let order = job.task.order;
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
        .chain(job.task.warehouse.iter().map(|id| {
            (
                "unknown_warehouse",
                "erp.warehouse` or `warehouse.odoo_warehouse",
                *id,
            )
        }));
    for (code, setting, id) in mapped {
        if names(id) {
            return rejected(
                code,
                format!(
                    "order `{}` needs `{id}`, and Odoo has no such record with that external id for the integration user",
                    order.number
                ),
                format!(
                    "correct `{setting}` in the connections file, or give the record the external id `{id}` in Odoo (Settings, Technical, External Identifiers), then retry"
                ),
            );
        }
    }
    let vat = order.customer.as_ref().and_then(|c| c.tax_id.as_deref());
    if vat.is_some_and(|vat| text.contains(vat)) {
        return rejected(
            "invalid_vat",
            format!(
                "order `{}`: Odoo does not take the customer's VAT number",
                order.number
            ),
            "correct the number in the channel and replay the order, or make the customer in Odoo under the same name by hand",
        );
    }
    let country = text
        .split_once("'base.")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map(|(country, _)| country.to_uppercase());
    if let Some(country) = country {
        return rejected(
            "unknown_country",
            format!(
                "order `{}` has an address in `{country}`, a country that Odoo does not know",
                order.number
            ),
            "correct the address in the channel, then replay the order",
        );
    }
    refusal.failure(api.erp)
}
