//! Products, delivery methods and stock.

use super::super::day::{CARRIERS, SERVICES, STOCK_UNITS, skus};
use super::super::{cents, id, text};
use super::{STORABLE_SINCE, Work, insert_only};
use crate::Stop;
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Work {
    pub(super) async fn products(&mut self) -> Result<(), Stop> {
        let services = SERVICES.map(|(sku, name)| (sku.to_owned(), name.to_owned(), false));
        let goods = skus()
            .into_iter()
            .map(|s| (s.clone(), format!("Product {s}"), true));
        let wanted: Vec<(String, String, bool)> = services.into_iter().chain(goods).collect();
        let known = self.known_products().await?;
        let twice: Vec<&str> = known
            .iter()
            .filter(|(_, ids)| ids.len() > 1)
            .map(|(sku, _)| sku.as_str())
            .collect();
        if !twice.is_empty() {
            self.lacking.push(format!(
                "several products have one internal reference, and none can be told apart: {}",
                twice.join(", ")
            ));
        }
        let kind = if self.version >= STORABLE_SINCE {
            "is_storable"
        } else {
            "detailed_type"
        };
        let fields = [
            "id",
            "default_code",
            "name",
            "list_price",
            "type",
            kind,
            "taxes_id/id",
        ];
        // 17 has one field for both; its `type` follows.
        let fields: Vec<&str> = fields
            .into_iter()
            .filter(|f| self.version >= STORABLE_SINCE || *f != "type")
            .collect();
        let rows: Vec<Value> = wanted
            .iter()
            .filter(|(sku, _, _)| !known.contains_key(sku))
            .map(|(sku, name, stored)| {
                let external_id = format!("waybill_demo.product_{sku}");
                let kind = match (self.version >= STORABLE_SINCE, stored) {
                    (true, true) => vec!["consu", "True"],
                    (true, false) => vec!["service", "False"],
                    (false, true) => vec!["product"],
                    (false, false) => vec!["service"],
                };
                let mut row = vec![external_id.as_str(), sku, name, "10"];
                row.extend(kind);
                // The shop says which tax a line has.
                row.push("");
                json!(row)
            })
            .collect();
        if !rows.is_empty() {
            let thing = format!(
                "product `{}` and {} more",
                first_cell(&rows),
                rows.len() - 1
            );
            self.insert(&thing, "product.product", &fields, rows, insert_only())
                .await;
        }
        Ok(())
    }

    /// Database ids by SKU.
    async fn known_products(&self) -> Result<BTreeMap<String, Vec<i64>>, Stop> {
        let mut wanted = skus();
        wanted.extend(SERVICES.iter().map(|(sku, _)| (*sku).to_owned()));
        let domain = json!([["default_code", "in", wanted]]);
        let rows = self
            .rpc
            .search_read("product.product", domain, &["default_code"])
            .await?;
        let mut known: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for row in rows {
            if let Some(id) = row.get("id").and_then(Value::as_i64) {
                known
                    .entry(text(&row, "default_code"))
                    .or_default()
                    .push(id);
            }
        }
        Ok(known)
    }

    pub(super) async fn carriers(&mut self) -> Result<(), Stop> {
        let known = self.known_products().await?;
        let Some(shipping) = known.get("SHIPPING").and_then(|ids| ids.first()) else {
            return Ok(());
        };
        for (external_id, name) in CARRIERS {
            if !self.exists(external_id).await {
                self.insert(
                    &format!("delivery method `{external_id}`"),
                    "delivery.carrier",
                    &["id", "name", "product_id/.id", "fixed_price"],
                    vec![json!([external_id, name, shipping.to_string(), "5"])],
                    insert_only(),
                )
                .await;
            }
        }
        Ok(())
    }

    /// Fills up what a day may take.
    pub(super) async fn stock(&mut self) -> Result<(), Stop> {
        let storable = if self.version >= STORABLE_SINCE {
            "is_storable"
        } else {
            "detailed_type"
        };
        let domain = json!([["default_code", "in", skus()]]);
        let fields = ["default_code", "qty_available", storable];
        let rows = self
            .rpc
            .search_read("product.product", domain, &fields)
            .await?;
        let is_stored = |r: &&Value| {
            let kind = r.get(storable);
            kind == Some(&json!(true)) || kind == Some(&json!("product"))
        };
        let loose: Vec<String> = rows
            .iter()
            .filter(|r| !is_stored(r))
            .map(|r| text(r, "default_code"))
            .collect();
        if !loose.is_empty() {
            self.lacking.push(format!(
                "stock is not kept of {} product(s), such as `{}`: make them storable",
                loose.len(),
                loose.first().map_or("", String::as_str)
            ));
        }
        let scarce = |r: &&Value| {
            let units = r.get("qty_available").map(cents).unwrap_or_default() / 100;
            units < STOCK_UNITS
        };
        let scarce: Vec<i64> = rows
            .iter()
            .filter(is_stored)
            .filter(scarce)
            .filter_map(|r| r.get("id")?.as_i64())
            .collect();
        if scarce.is_empty() {
            return Ok(());
        }
        let warehouses = self
            .rpc
            .search_read("stock.warehouse", json!([]), &["lot_stock_id"])
            .await?;
        let Some(location) = warehouses.first().and_then(|w| id(w, "lot_stock_id")) else {
            self.lacking.push("no warehouse: make one".to_owned());
            return Ok(());
        };
        let rows = scarce
            .iter()
            .map(|p| json!([p.to_string(), location.to_string(), STOCK_UNITS.to_string()]))
            .collect();
        self.insert(
            &format!("stock of {} product(s)", scarce.len()),
            "stock.quant",
            &[
                "product_id/.id",
                "location_id/.id",
                "inventory_quantity_auto_apply",
            ],
            rows,
            json!({"inventory_mode": true}),
        )
        .await;
        Ok(())
    }
}

fn first_cell(rows: &[Value]) -> String {
    let sku = rows.first().and_then(|r| r.get(1)).and_then(Value::as_str);
    sku.unwrap_or_default().to_owned()
}
