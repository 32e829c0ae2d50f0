//! Looks whether a real Odoo has what a day needs, and makes what is missing.
//!
//! Everything made has an external id, and `load` leaves alone what has it already: preparing twice changes nothing. No
//! setting of the company is touched. What the user may not make is told, all of it at once, with what to do.

mod goods;

use super::day::{CURRENCY, PRICELIST, RIGHTS, TAX_INCLUDED, TAXES_ON_TOP, Tax};
use super::rpc::{Access, CallError, Rpc, major_version, opens_json2};
use super::text;
use crate::Stop;
use serde::Serialize;
use serde_json::{Value, json};

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
    /// The protocol to speak, as the connections file spells it: JSON-2 where it is there and the key opens it.
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
        protocol: if version >= JSON2_SINCE && opens_json2(access).await {
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
