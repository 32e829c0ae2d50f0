//! Order by order, in the protocol that Waybill speaks to this Odoo, with a client that keeps its connections.
//!
//! | (a) 8 calls | (a2) 5 calls |
//! |---|---|
//! | search the customer by e-mail | search the order by the shop's number |
//! | create the customer | search the customer by e-mail |
//! | search the product of each of the three lines | create the customer |
//! | create the order with its lines | create the order with its lines |
//! | confirm | confirm |
//! | read name, state and total | |
//!
//! Both write what Waybill writes: the same customer, lines, prices, taxes and price list. (a2) knows the products
//! before and compares no total.

use super::modes::Way;
use crate::Stop;
use crate::odoo::rpc::Rpc;
use crate::odoo::{Access, Prepared};
use crate::workload::link::Link;
use crate::workload::meter::plain_client;
use crate::workload::orders::{PRODUCTS, Plan, Run, email, sku};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The first version that calls the taxes of a line `tax_ids`.
const TAX_IDS_SINCE: u64 = 19;

/// One client that writes order by order.
#[derive(Debug)]
pub struct Rival {
    http: reqwest::Client,
    url: String,
    access: Access,
    json2: bool,
    user: i64,
    run: Run,
    context: Value,
    tax_field: &'static str,
    tax: i64,
    pricelist: i64,
    country: i64,
    products: BTreeMap<u32, i64>,
}

impl Rival {
    /// Logs in and looks up what does not change from order to order.
    ///
    /// # Errors
    /// Odoo's.
    pub async fn open(
        access: &Access,
        ready: &Prepared,
        link: &Link,
        run: &Run,
    ) -> Result<Self, Stop> {
        let rpc = Rpc::open(access).await?;
        let named = async |name: &str| {
            let (module, id) = name.split_once('.').unwrap_or_default();
            let found = rpc
                .call(
                    "ir.model.data",
                    "check_object_reference",
                    json!([module, id]),
                    json!({}),
                )
                .await
                .map_err(|e| Stop::new(format!("looking for `{name}` in Odoo"), e))?;
            number(found.get(1), &format!("looking for `{name}` in Odoo"))
        };
        let tax = named(&format!("shop.tax_{}", ready.tax_on_top_bp / 100)).await?;
        let skus: Vec<String> = (1..=PRODUCTS).map(sku).collect();
        let domain = json!([["default_code", "in", skus]]);
        let rows = rpc
            .search_read("product.product", domain, &["default_code"])
            .await?;
        let product = |p: &u32| {
            let row = rows
                .iter()
                .find(|r| r.get("default_code") == Some(&json!(sku(*p))));
            row.and_then(|r| r.get("id")?.as_i64())
        };
        let context = if link.suppress_chatter {
            json!({"tracking_disable": true, "mail_create_nolog": true, "mail_create_nosubscribe": true,
                "mail_notrack": true, "mail_auto_subscribe_no_notify": true})
        } else {
            json!({})
        };
        Ok(Self {
            http: plain_client().map_err(|e| Stop::new("making a client", e))?,
            url: link.url.clone(),
            access: access.clone(),
            json2: link.protocol == "json2",
            user: rpc.user(),
            run: run.clone(),
            context,
            tax_field: if ready.version >= TAX_IDS_SINCE {
                "tax_ids"
            } else {
                "tax_id"
            },
            tax,
            pricelist: named("shop.pricelist_eur").await?,
            country: named("base.us").await?,
            products: (1..=PRODUCTS)
                .filter_map(|p| Some((p, product(&p)?)))
                .collect(),
        })
    }

    /// Writes and confirms one order.
    ///
    /// # Errors
    /// Odoo's.
    pub async fn write(&mut self, way: Way, plan: &Plan) -> Result<(), Stop> {
        if way == Way::Searched {
            let found = self
                .search("sale.order", "client_order_ref", &plan.number)
                .await?;
            if found.is_some() {
                return Ok(());
            }
        }
        let email = email(&self.run.name, plan.customer);
        let customer = match self.search("res.partner", "email", &email).await? {
            Some(id) => id,
            None => {
                self.create("res.partner", self.customer(plan, &email))
                    .await?
            }
        };
        let mut lines = Vec::new();
        for line in &plan.lines {
            let product = if way == Way::Searched {
                self.products.get(&line.product).copied()
            } else {
                self.search("product.product", "default_code", &sku(line.product))
                    .await?
            };
            let product =
                product.ok_or_else(|| Stop::new("looking for a product", sku(line.product)))?;
            #[expect(clippy::cast_precision_loss, reason = "a few cents; Odoo keeps floats")]
            let price = line.price_cents as f64 / 100.0;
            lines.push(json!([0, 0, {
                "product_id": product, "name": sku(line.product), "product_uom_qty": line.quantity,
                "price_unit": price, self.tax_field: [[6, 0, [self.tax]]],
            }]));
        }
        let order = json!({
            "partner_id": customer, "client_order_ref": plan.number, "origin": format!("Trial {}", plan.number),
            "pricelist_id": self.pricelist, "order_line": lines,
        });
        let order = self.create("sale.order", order).await?;
        self.call("sale.order", "action_confirm", Some(order), &[])
            .await?;
        if way == Way::PerOrder {
            let fields = json!(["name", "state", "amount_total"]);
            self.call("sale.order", "read", Some(order), &[("fields", fields)])
                .await?;
        }
        Ok(())
    }

    fn customer(&self, plan: &Plan, email: &str) -> Value {
        let name = format!("{} customer {}", self.run.name, plan.customer);
        let mut customer = json!({"name": name, "email": email});
        if self.run.addresses {
            let address = json!({"name": name, "street": format!("Trial Road {}", plan.customer + 1),
                "city": "Springfield", "zip": "12345", "country_id": self.country});
            let mut child = address.clone();
            set(&mut child, "type", json!("delivery"));
            for (field, value) in address.as_object().into_iter().flatten() {
                set(&mut customer, field, value.clone());
            }
            set(&mut customer, "child_ids", json!([[0, 0, child]]));
        }
        customer
    }

    async fn search(&self, model: &str, field: &str, value: &str) -> Result<Option<i64>, Stop> {
        let domain = json!([[field, "=", value]]);
        let found = self
            .call(model, "search", None, &[("domain", domain)])
            .await?;
        Ok(found.get(0).and_then(Value::as_i64))
    }

    async fn create(&self, model: &str, values: Value) -> Result<i64, Stop> {
        let made = self
            .call(model, "create", None, &[("vals_list", json!([values]))])
            .await?;
        number(made.get(0), &format!("creating a `{model}`"))
    }

    async fn call(
        &self,
        model: &str,
        method: &str,
        id: Option<i64>,
        arguments: &[(&str, Value)],
    ) -> Result<Value, Stop> {
        let stop =
            |e: reqwest::Error| Stop::new(format!("calling `{model}/{method}`"), e.without_url());
        let request = if self.json2 {
            let mut body: Map<String, Value> = arguments
                .iter()
                .map(|(n, v)| ((*n).to_owned(), v.clone()))
                .collect();
            body.extend(id.map(|id| ("ids".to_owned(), json!([id]))));
            body.insert("context".to_owned(), self.context.clone());
            self.http
                .post(format!("{}/json/2/{model}/{method}", self.url))
                .bearer_auth(&self.access.key)
                .header("X-Odoo-Database", &self.access.database)
                .json(&body)
        } else {
            let ids = id.map(|id| json!([id]));
            let positional: Vec<Value> = ids
                .into_iter()
                .chain(arguments.iter().map(|(_, v)| v.clone()))
                .collect();
            let Access { database, key, .. } = &self.access;
            let args = json!([database, self.user, key, model, method, positional, {"context": self.context}]);
            self.http
                .post(format!("{}/jsonrpc", self.url))
                .json(&json!({
                "jsonrpc": "2.0", "method": "call", "id": 1,
                "params": {"service": "object", "method": "execute_kw", "args": args}}))
        };
        let answer = request.send().await.map_err(stop)?;
        let refused = !answer.status().is_success();
        let answer: Value = answer.json().await.map_err(stop)?;
        let fault = answer.get("error").map(|e| e.pointer("/data/message"));
        let fault = fault.or_else(|| refused.then(|| answer.get("message")));
        if let Some(message) = fault {
            let message = message.and_then(Value::as_str).unwrap_or("no reason given");
            return Err(Stop::new(format!("calling `{model}/{method}`"), message));
        }
        Ok(if self.json2 {
            answer
        } else {
            answer.get("result").cloned().unwrap_or_default()
        })
    }
}

fn set(record: &mut Value, field: &str, value: Value) {
    if let Some(record) = record.as_object_mut() {
        record.insert(field.to_owned(), value);
    }
}

fn number(value: Option<&Value>, doing: &str) -> Result<i64, Stop> {
    value
        .and_then(Value::as_i64)
        .ok_or_else(|| Stop::new(doing, "Odoo gave no id"))
}
