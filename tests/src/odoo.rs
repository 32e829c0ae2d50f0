//! What an Odoo holds of Waybill's orders, read over JSON-RPC (all versions speak it) without any
//! of Waybill's own code: the invariants must not be judged by what they judge.

mod day;
mod prepare;
pub(crate) mod rpc;

pub use prepare::{Prepared, prepare};
pub use rpc::{Access, RealOdoo};

use crate::Stop;
use rpc::Rpc;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Reads one database.
#[derive(Debug)]
pub struct OdooReader {
    rpc: Rpc,
}

/// Where a database stands before a day: what is there already is none of its business.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    /// The newest sale order.
    pub last_order: i64,
    /// On hand, in units, by SKU.
    pub stock: BTreeMap<String, i64>,
}

/// A sale order with all that hangs on it.
#[derive(Debug, Clone, Default)]
pub struct HeldOrder {
    /// Database id.
    pub id: i64,
    /// Waybill's correlation id, from the source document.
    pub correlation: String,
    /// `draft`, `sent`, `sale`, `cancel`.
    pub state: String,
    /// With tax, as text.
    pub total: String,
    /// Deliveries and returns that are done: SKU → units, out positive, back negative.
    pub moved: BTreeMap<String, i64>,
    /// Posted credit notes, each not undone, as cents.
    pub credited: i64,
}

impl OdooReader {
    /// Logs in.
    ///
    /// # Errors
    /// No answer, or wrong credentials.
    pub async fn open(access: &Access) -> Result<Self, Stop> {
        Ok(Self {
            rpc: Rpc::open(access).await?,
        })
    }

    async fn search_read(
        &self,
        model: &str,
        domain: Value,
        fields: &[&str],
    ) -> Result<Vec<Value>, Stop> {
        self.rpc.search_read(model, domain, fields).await
    }

    /// What is there before a day.
    ///
    /// # Errors
    /// Odoo's.
    pub async fn baseline(&self) -> Result<Baseline, Stop> {
        let keywords = json!({"order": "id desc", "limit": 1});
        let newest = self.rpc.call("sale.order", "search", json!([[]]), keywords);
        let newest = newest
            .await
            .map_err(|e| Stop::new("reading the newest order in Odoo", e))?;
        Ok(Baseline {
            last_order: newest.get(0).and_then(Value::as_i64).unwrap_or_default(),
            stock: self.stock().await?,
        })
    }

    /// On hand of the shop's products, in units, by SKU.
    ///
    /// # Errors
    /// Odoo's.
    pub async fn stock(&self) -> Result<BTreeMap<String, i64>, Stop> {
        let rows = self
            .search_read(
                "product.product",
                json!([["default_code", "in", day::skus()]]),
                &["default_code", "qty_available"],
            )
            .await?;
        let level = |r: &Value| {
            let units = r.get("qty_available").map(cents).unwrap_or_default() / 100;
            (text(r, "default_code"), units)
        };
        Ok(rows.iter().map(level).collect())
    }

    /// Every sale order that Waybill wrote after the one with id `after`, oldest first.
    ///
    /// # Errors
    /// Odoo's.
    pub async fn orders(&self, after: i64) -> Result<Vec<HeldOrder>, Stop> {
        let rows = self
            .search_read(
                "sale.order",
                json!([["origin", "like", "Waybill "], ["id", ">", after]]),
                &[
                    "name",
                    "origin",
                    "state",
                    "amount_total",
                    "picking_ids",
                    "invoice_ids",
                ],
            )
            .await?;
        let mut orders: Vec<HeldOrder> = Vec::new();
        for row in &rows {
            let origin = text(row, "origin");
            orders.push(HeldOrder {
                id: row.get("id").and_then(Value::as_i64).unwrap_or_default(),
                correlation: origin
                    .trim_start_matches("Waybill ")
                    .chars()
                    .take(36)
                    .collect(),
                state: text(row, "state"),
                total: row
                    .get("amount_total")
                    .map(cents)
                    .map(format_cents)
                    .unwrap_or_default(),
                ..HeldOrder::default()
            });
        }
        self.add_moves(&rows, &mut orders).await?;
        self.add_credit_notes(&rows, &mut orders).await?;
        orders.sort_by_key(|o| o.id);
        Ok(orders)
    }

    async fn add_moves(&self, rows: &[Value], orders: &mut [HeldOrder]) -> Result<(), Stop> {
        let pickings: Vec<i64> = rows.iter().flat_map(|r| ids(r, "picking_ids")).collect();
        if pickings.is_empty() {
            return Ok(());
        }
        let owner: BTreeMap<i64, usize> = rows
            .iter()
            .enumerate()
            .flat_map(|(at, r)| ids(r, "picking_ids").into_iter().map(move |p| (p, at)))
            .collect();
        let receipts: BTreeSet<i64> = self
            .search_read(
                "stock.picking",
                json!([["id", "in", pickings]]),
                &["picking_type_code"],
            )
            .await?
            .iter()
            .filter(|p| text(p, "picking_type_code") == "incoming")
            .filter_map(|p| p.get("id")?.as_i64())
            .collect();
        let moves = self
            .search_read(
                "stock.move",
                json!([["picking_id", "in", pickings], ["state", "=", "done"]]),
                &["product_id", "quantity", "picking_id"],
            )
            .await?;
        let products: Vec<i64> = moves.iter().filter_map(|m| id(m, "product_id")).collect();
        let skus: BTreeMap<i64, String> = self
            .search_read(
                "product.product",
                json!([["id", "in", products]]),
                &["default_code"],
            )
            .await?
            .iter()
            .filter_map(|p| Some((p.get("id")?.as_i64()?, text(p, "default_code"))))
            .collect();
        for row in &moves {
            let (Some(picking), Some(product)) = (id(row, "picking_id"), id(row, "product_id"))
            else {
                continue;
            };
            let sign = if receipts.contains(&picking) { -1 } else { 1 };
            let units = row.get("quantity").map(cents).unwrap_or_default() / 100;
            let sku = skus.get(&product).cloned().unwrap_or_default();
            if let Some(order) = owner.get(&picking).and_then(|at| orders.get_mut(*at)) {
                *order.moved.entry(sku).or_default() += sign * units;
            }
        }
        Ok(())
    }

    async fn add_credit_notes(&self, rows: &[Value], orders: &mut [HeldOrder]) -> Result<(), Stop> {
        let owner: BTreeMap<i64, usize> = rows
            .iter()
            .enumerate()
            .flat_map(|(at, r)| ids(r, "invoice_ids").into_iter().map(move |p| (p, at)))
            .collect();
        if owner.is_empty() {
            return Ok(());
        }
        let invoices: Vec<i64> = owner.keys().copied().collect();
        let notes = self
            .search_read(
                "account.move",
                json!([
                    "|",
                    ["id", "in", invoices],
                    ["reversed_entry_id", "in", invoices]
                ]),
                &["move_type", "state", "amount_total", "reversed_entry_id"],
            )
            .await?;
        let credits: Vec<i64> = notes
            .iter()
            .filter(|n| text(n, "move_type") == "out_refund")
            .filter_map(|n| n.get("id")?.as_i64())
            .collect();
        let undone = self
            .search_read(
                "account.move",
                json!([
                    ["reversed_entry_id", "in", credits],
                    ["state", "=", "posted"]
                ]),
                &["reversed_entry_id"],
            )
            .await?;
        let undone: BTreeSet<i64> = undone
            .iter()
            .filter_map(|n| id(n, "reversed_entry_id"))
            .collect();
        for note in notes.iter().filter(|n| text(n, "state") == "posted") {
            let own = note.get("id").and_then(Value::as_i64).unwrap_or_default();
            let reverses = id(note, "reversed_entry_id");
            let amount = note.get("amount_total").map(cents).unwrap_or_default();
            if text(note, "move_type") != "out_refund" || undone.contains(&own) {
                continue;
            }
            let place = owner
                .get(&own)
                .or_else(|| reverses.and_then(|r| owner.get(&r)));
            if let Some(order) = place.and_then(|at| orders.get_mut(*at)) {
                order.credited += amount;
            }
        }
        Ok(())
    }
}

pub(crate) fn text(row: &Value, field: &str) -> String {
    row.get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// Id of a many2one: `[id, "name"]`, or `false`.
fn id(row: &Value, field: &str) -> Option<i64> {
    row.get(field)?.get(0)?.as_i64()
}

fn ids(row: &Value, field: &str) -> Vec<i64> {
    let list = row.get(field).and_then(Value::as_array);
    list.map(|l| l.iter().filter_map(Value::as_i64).collect())
        .unwrap_or_default()
}

/// Cents of a number with at most two places that matter, by way of its text.
#[must_use]
pub fn cents(number: &Value) -> i64 {
    let text = number
        .as_f64()
        .map(|n| format!("{n:.2}"))
        .unwrap_or_default();
    text.replace('.', "").parse().unwrap_or_default()
}

/// Cents as a decimal.
#[must_use]
pub fn format_cents(cents: i64) -> String {
    format!(
        "{}{}.{:02}",
        if cents < 0 { "-" } else { "" },
        cents.abs() / 100,
        cents.abs() % 100
    )
}
