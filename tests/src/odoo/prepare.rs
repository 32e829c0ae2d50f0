//! Looks whether a real Odoo has what a day needs, and makes what is missing.
//!
//! Everything made has an external id, and `load` leaves alone what has it already: preparing twice changes nothing. No
//! setting of the company is touched. What the user may not make is told, all of it at once, with what to do.

use super::day::{
    CARRIERS, CURRENCY, PRICELIST, RIGHTS, SERVICES, STOCK_UNITS, TAX_INCLUDED, TAXES_ON_TOP, Tax,
    skus,
};
use super::rpc::{Access, CallError, Rpc, major_version};
use super::{cents, id, text};
use crate::Stop;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Oldest version that Waybill writes to.
const OLDEST: u64 = 17;
/// The first version with JSON-2.
const JSON2_SINCE: u64 = 19;
/// The first version whose products say by `is_storable` that they are kept in stock.
const STORABLE_SINCE: u64 = 18;
/// Orders of earlier runs that are looked at for the highest number.
const LOOK_BACK: u32 = 1000;
/// Number of the first order in a database without any.
const FIRST_NUMBER: i64 = 1001;

/// A database that is ready for a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prepared {
    /// Major version.
    pub version: u64,
    /// The protocol to speak, as the connections file spells it.
    pub protocol: &'static str,
    /// What the shop charges on top of prices without tax, in hundredths of a percent.
    pub tax_on_top_bp: i64,
    /// Number of the shop's first order: after those of earlier runs.
    pub first_order_number: i64,
    /// What was made, for a person.
    pub made: Vec<String>,
}

/// Makes a database ready.
///
/// # Errors
/// It cannot be reached or entered, or something is missing that the user may not make.
pub async fn prepare(access: &Access) -> Result<Prepared, Stop> {
    let version = major_version(access).await?;
    if version < OLDEST {
        return Err(Stop::new(
            format!("asking `{}` for its version", access.url),
            format!("it is Odoo {version}, and Waybill needs {OLDEST} or later"),
        ));
    }
    let mut work = Work {
        rpc: Rpc::open(access).await?,
        version,
        made: Vec::new(),
        lacking: Vec::new(),
    };
    work.rights().await;
    // Without the modules nothing below can be looked up.
    work.finish(access)?;
    work.currency().await?;
    let tax_on_top_bp = work.taxes().await;
    work.products().await?;
    work.carriers().await?;
    work.stock().await?;
    work.finish(access)?;
    Ok(Prepared {
        version,
        protocol: if version >= JSON2_SINCE {
            "json2"
        } else {
            "json_rpc"
        },
        tax_on_top_bp,
        first_order_number: next_number(&work.rpc).await?,
        made: work.made,
    })
}

struct Work {
    rpc: Rpc,
    version: u64,
    made: Vec<String>,
    lacking: Vec<String>,
}

impl Work {
    /// Every lack so far ends the preparation.
    fn finish(&self, access: &Access) -> Result<(), Stop> {
        if self.lacking.is_empty() {
            return Ok(());
        }
        Err(Stop::new(
            format!("preparing the database `{}` for the demo", access.database),
            format!(
                "it is not ready:\n- {}\nGive `{}` these rights, or run the demo once as an administrator: it makes what is missing, and later runs need no more rights than an integration user has.",
                self.lacking.join("\n- "),
                access.login
            ),
        ))
    }

    async fn rights(&mut self) {
        for (model, operation, group) in RIGHTS {
            let may = self
                .rpc
                .call(
                    model,
                    "check_access_rights",
                    json!([operation]),
                    json!({"raise_exception": false}),
                )
                .await;
            let may = match may {
                // Its successor, from 18 on.
                Err(CallError::Fault { name, .. }) if name.ends_with("AttributeError") => {
                    self.rpc
                        .call(model, "has_access", json!([[], operation]), json!({}))
                        .await
                }
                other => other,
            };
            match may {
                Ok(Value::Bool(true)) => {}
                Ok(_) => self.lacking.push(format!(
                    "the user may not {operation} `{model}`: give the group `{group}`"
                )),
                Err(e) => self.lacking.push(format!(
                    "`{model}` cannot be used ({e}): install Sales, Inventory, Invoicing and Delivery Costs with its stock module (`sale_management`, `sale_stock`, `account`, `delivery`, `stock_delivery`)"
                )),
            }
        }
    }

    async fn exists(&self, external_id: &str) -> bool {
        let (module, name) = external_id.split_once('.').unwrap_or_default();
        let found = self.rpc.call(
            "ir.model.data",
            "check_object_reference",
            json!([module, name]),
            json!({}),
        );
        found.await.is_ok()
    }

    /// Inserts rows that are not there; says what `thing` is when Odoo refuses.
    async fn insert(
        &mut self,
        thing: &str,
        model: &str,
        fields: &[&str],
        rows: Vec<Value>,
        context: Value,
    ) -> bool {
        let loaded = self
            .rpc
            .call(
                model,
                "load",
                json!([fields, rows]),
                json!({"context": context}),
            )
            .await;
        let refusal = match loaded {
            Ok(answer) if answer.get("ids").is_some_and(Value::is_array) => {
                self.made.push(thing.to_owned());
                return true;
            }
            Ok(answer) => answer
                .pointer("/messages/0/message")
                .and_then(Value::as_str)
                .unwrap_or("no reason given")
                .to_owned(),
            Err(e) => e.to_string(),
        };
        self.lacking.push(format!(
            "no {thing}, and none can be made: {}",
            line(&refusal)
        ));
        false
    }

    async fn currency(&mut self) -> Result<(), Stop> {
        let domain = json!([["name", "=", CURRENCY], ["active", "in", [true, false]]]);
        let found = self
            .rpc
            .search_read("res.currency", domain, &["active"])
            .await?;
        let active = |r: &&Value| r.get("active").and_then(Value::as_bool) == Some(true);
        let inactive = found.iter().find(|r| !active(r));
        if let Some(row) = inactive.and_then(|r| r.get("id")?.as_i64()) {
            let write = json!([[row], {"active": true}]);
            let done = self.rpc.call("res.currency", "write", write, json!({}));
            match done.await {
                Ok(_) => self.made.push(format!("currency {CURRENCY} (activated)")),
                Err(e) => self.lacking.push(format!(
                    "currency {CURRENCY} is not active, and cannot be activated: {}",
                    line(&e.to_string())
                )),
            }
        }
        if !self.exists(PRICELIST).await {
            let currency = format!("base.{CURRENCY}");
            self.insert(
                &format!("price list `{PRICELIST}`"),
                "product.pricelist",
                &["id", "name", "currency_id/id"],
                vec![json!([PRICELIST, CURRENCY, currency])],
                insert_only(),
            )
            .await;
        }
        Ok(())
    }

    /// Makes the taxes; returns the rate on top.
    async fn taxes(&mut self) -> i64 {
        if !self.exists(TAX_INCLUDED.external_id).await {
            self.tax(TAX_INCLUDED).await;
        }
        for tax in TAXES_ON_TOP {
            if self.exists(tax.external_id).await {
                return tax.bp;
            }
        }
        let [first, ..] = TAXES_ON_TOP;
        self.tax(first).await;
        first.bp
    }

    async fn tax(&mut self, tax: Tax) {
        let (field, value) = if self.version >= STORABLE_SINCE {
            let side = if tax.included {
                "tax_included"
            } else {
                "tax_excluded"
            };
            ("price_include_override", side)
        } else {
            ("price_include", if tax.included { "True" } else { "False" })
        };
        let percent = (tax.bp / 100).to_string();
        self.insert(
            &format!("tax `{}`", tax.external_id),
            "account.tax",
            &["id", "name", "amount", "type_tax_use", field],
            vec![json!([tax.external_id, tax.name, percent, "Sales", value])],
            insert_only(),
        )
        .await;
    }

    async fn products(&mut self) -> Result<(), Stop> {
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

    async fn carriers(&mut self) -> Result<(), Stop> {
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
    async fn stock(&mut self) -> Result<(), Stop> {
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

/// After the highest number of earlier runs, so that every order has its own.
async fn next_number(rpc: &Rpc) -> Result<i64, Stop> {
    let doing = "reading the orders of earlier runs in Odoo";
    let domain = json!([[["origin", "like", "Waybill "]]]);
    let keywords = json!({"fields": ["client_order_ref"], "order": "id desc", "limit": LOOK_BACK});
    let rows = rpc
        .call("sale.order", "search_read", domain, keywords)
        .await
        .map_err(|e| Stop::new(doing, e))?;
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(number_after(
        rows.iter().map(|r| text(r, "client_order_ref")),
    ))
}

fn number_after(references: impl Iterator<Item = String>) -> i64 {
    let highest = references
        .filter_map(|r| r.trim_start_matches('#').parse::<i64>().ok())
        .max();
    highest.map_or(FIRST_NUMBER, |n| n.saturating_add(1).max(FIRST_NUMBER))
}

/// What leaves alone whatever has the external id already.
fn insert_only() -> Value {
    json!({"mode": "update", "noupdate": true})
}

/// The text of several lines on one.
fn line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn first_cell(rows: &[Value]) -> String {
    let sku = rows.first().and_then(|r| r.get(1)).and_then(Value::as_str);
    sku.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_after_the_highest_of_earlier_runs() {
        let refs = |list: &[&str]| number_after(list.iter().map(|r| (*r).to_owned()));
        assert_eq!(refs(&[]), 1001);
        assert_eq!(refs(&["#1001", "#1050", "#1020"]), 1051);
        assert_eq!(refs(&["P00007", "#x", "#7"]), 1001);
    }

    #[test]
    fn a_message_of_several_lines_becomes_one() {
        assert_eq!(line("You may not.\n\n\t- Group\n"), "You may not. - Group");
    }
}
