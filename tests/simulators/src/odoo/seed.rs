//! Fills a fresh database from the configuration.
use serde_json::{Value, json};

use super::access::Rights;
use super::config::{OdooConfig, Rounding, Version};
use super::db::{Db, Record};
use super::env::Account;
use super::schema::Schema;

struct Seeder<'a> {
    db: &'a mut Db,
    schema: &'a Schema,
    config: &'a OdooConfig,
}

impl Seeder<'_> {
    fn put(&mut self, model: &str, values: &[(&str, Value)]) -> i64 {
        let mut record = Record::new();
        if let Some(known) = self.schema.model(model) {
            for (name, field) in known.fields.iter().filter(|(_, field)| !field.computed) {
                record.insert(
                    name.clone(),
                    field.default.clone().unwrap_or(Value::Bool(false)),
                );
            }
        }
        for (name, value) in values {
            record.insert((*name).to_owned(), value.clone());
        }
        self.db.insert(model, record)
    }

    /// Seeds a record with an external id of the configured module.
    fn named(&mut self, xid: &str, model: &str, values: &[(&str, Value)]) -> i64 {
        let id = self.put(model, values);
        self.name(&format!("{}.{xid}", self.config.module), model, id);
        id
    }

    fn name(&mut self, xid: &str, model: &str, id: i64) {
        self.db.put_xid(xid, Some((model, id, true)));
    }

    fn base(&mut self) {
        for line in include_str!("countries.txt").lines() {
            if let [xid, code, name] = line.split('|').collect::<Vec<_>>().as_slice() {
                let id = self.put(
                    "res.country",
                    &[("code", json!(code)), ("name", json!(name))],
                );
                self.name(&format!("base.{xid}"), "res.country", id);
            }
        }
        for line in include_str!("states.txt").lines() {
            if let [xid, country, code, name] = line.split('|').collect::<Vec<_>>().as_slice() {
                let country = self
                    .db
                    .find("res.country", "code", &json!(country))
                    .unwrap_or(0);
                let id = self.put(
                    "res.country.state",
                    &[
                        ("code", json!(code)),
                        ("name", json!(name)),
                        ("country_id", json!(country)),
                    ],
                );
                self.name(&format!("base.{xid}"), "res.country.state", id);
            }
        }
        let mut codes = vec![self.config.currency.clone()];
        codes.extend(
            self.config
                .pricelists
                .iter()
                .map(|(code, _)| code.clone())
                .filter(|code| *code != self.config.currency),
        );
        for code in codes {
            let rate = self
                .config
                .pricelists
                .iter()
                .find(|(other, _)| *other == code)
                .map_or(1.0, |(_, rate)| *rate);
            let id = self.put(
                "res.currency",
                &[("name", json!(code)), ("rate", json!(rate))],
            );
            self.name(&format!("base.{code}"), "res.currency", id);
        }
        let rounding = match self.config.rounding() {
            Rounding::PerLine => "round_per_line",
            Rounding::Globally => "round_globally",
        };
        let company = [
            ("name", json!(self.config.company)),
            ("currency_id", json!(1)),
            ("tax_calculation_rounding_method", json!(rounding)),
        ];
        let company = self.put("res.company", &company);
        self.name("base.main_company", "res.company", company);
        let partner = self.put(
            "res.partner",
            &[
                ("name", json!(self.config.company)),
                ("is_company", json!(true)),
            ],
        );
        self.name("base.main_partner", "res.partner", partner);
        for module in self.config.modules.clone() {
            let values = [("name", json!(module)), ("state", json!("installed"))];
            self.put("ir.module.module", &values);
        }
    }

    fn groups(&mut self, rights: &Rights) {
        for (xid, name) in rights.names() {
            let values = [("name", json!(name))];
            let id = self.put("res.groups", &values);
            self.name(xid, "res.groups", id);
        }
    }

    fn accounting(&mut self) {
        for tax in self.config.taxes.clone() {
            let over = if tax.included {
                "tax_included"
            } else {
                "tax_excluded"
            };
            self.named(
                &tax.xid,
                "account.tax",
                &[
                    ("name", json!(tax.name)),
                    ("amount", json!(tax.percent)),
                    ("price_include", json!(tax.included)),
                    ("price_include_override", json!(over)),
                    ("company_id", json!(1)),
                ],
            );
        }
        self.put(
            "account.account",
            &[
                ("name", json!("Product Sales")),
                ("code", json!("400000")),
                ("account_type", json!("income")),
            ],
        );
        self.put(
            "account.account",
            &[
                ("name", json!("Account Receivable")),
                ("code", json!("121000")),
                ("account_type", json!("asset_receivable")),
            ],
        );
        let sales = if self.config.version == Version::V17 {
            "Customer Invoices"
        } else {
            "Sales"
        };
        for (xid, name, code, kind) in [
            ("journal_sale", sales, "INV", "sale"),
            ("journal_bank", "Bank", "BNK1", "bank"),
            ("journal_cash", "Cash", "CSH1", "cash"),
        ] {
            self.named(
                xid,
                "account.journal",
                &[
                    ("name", json!(name)),
                    ("code", json!(code)),
                    ("type", json!(kind)),
                    ("company_id", json!(1)),
                ],
            );
        }
        for (code, _) in self.config.pricelists.clone() {
            let currency = self
                .db
                .find("res.currency", "name", &json!(code))
                .unwrap_or(1);
            let xid = format!("pricelist_{}", code.to_lowercase());
            self.named(
                &xid,
                "product.pricelist",
                &[("name", json!(code)), ("currency_id", json!(currency))],
            );
        }
    }

    fn location(&mut self, name: &str, full: &str, usage: &str, parent: i64) -> i64 {
        let parent = super::env::link(parent);
        self.put(
            "stock.location",
            &[
                ("name", json!(name)),
                ("complete_name", json!(full)),
                ("usage", json!(usage)),
                ("location_id", parent),
            ],
        )
    }

    fn warehouses(&mut self) -> Vec<i64> {
        let v17 = self.config.version == Version::V17;
        let full = |parent: &str, name: &str| {
            if v17 {
                format!("{parent}/{name}")
            } else {
                name.to_owned()
            }
        };
        let partners = if v17 {
            self.location("Partners", "Partners", "view", 0)
        } else {
            0
        };
        let customers = self.location(
            "Customers",
            &full("Partners", "Customers"),
            "customer",
            partners,
        );
        self.name(
            "stock.stock_location_customers",
            "stock.location",
            customers,
        );
        let suppliers = self.location(
            "Vendors",
            &full("Partners", "Vendors"),
            "supplier",
            partners,
        );
        self.name(
            "stock.stock_location_suppliers",
            "stock.location",
            suppliers,
        );
        let scrap = self.location("Scrap", &full("Virtual Locations", "Scrap"), "inventory", 0);
        self.location(
            "Inventory adjustment",
            &full("Virtual Locations", "Inventory adjustment"),
            "inventory",
            0,
        );
        self.name(
            &format!("{}.loc_scrap", self.config.module),
            "stock.location",
            scrap,
        );
        let mut stocks = Vec::new();
        for seed in self.config.warehouses.clone() {
            let view = self.location(&seed.code, &seed.code, "view", 0);
            let stock = self.location("Stock", &format!("{}/Stock", seed.code), "internal", view);
            self.name(
                &format!("{}.{}", self.config.module, seed.location_xid),
                "stock.location",
                stock,
            );
            let warehouse = self.named(
                &seed.xid,
                "stock.warehouse",
                &[
                    ("name", json!(seed.name)),
                    ("code", json!(seed.code)),
                    ("lot_stock_id", json!(stock)),
                    ("view_location_id", json!(view)),
                    ("company_id", json!(1)),
                ],
            );
            for (field, name, code, prefix, from, to) in [
                ("in_type_id", "Receipts", "incoming", "IN", suppliers, stock),
                (
                    "out_type_id",
                    "Delivery Orders",
                    "outgoing",
                    "OUT",
                    stock,
                    customers,
                ),
            ] {
                let kind = self.put(
                    "stock.picking.type",
                    &[
                        ("name", json!(name)),
                        ("code", json!(code)),
                        ("sequence_code", json!(prefix)),
                        ("warehouse_id", json!(warehouse)),
                        ("default_location_src_id", json!(from)),
                        ("default_location_dest_id", json!(to)),
                    ],
                );
                self.db
                    .set("stock.warehouse", warehouse, field, json!(kind));
            }
            self.db
                .set("stock.location", stock, "warehouse_id", json!(warehouse));
            if stocks.is_empty() {
                let quarantine = self.location(
                    "Quarantine",
                    &format!("{}/Quarantine", seed.code),
                    "internal",
                    view,
                );
                self.name(
                    &format!("{}.loc_quarantine", self.config.module),
                    "stock.location",
                    quarantine,
                );
            }
            stocks.push(stock);
        }
        stocks
    }

    fn products(&mut self, stocks: &[i64]) {
        let v17 = self.config.version == Version::V17;
        for seed in self.config.products.clone() {
            let taxes: Vec<i64> = seed
                .taxes
                .iter()
                .filter_map(|xid| self.db.xid(&format!("{}.{xid}", self.config.module)))
                .map(|row| row.res_id)
                .collect();
            let kind = match (&seed.stock, v17) {
                (None, _) => "service",
                (Some(_), true) => "product",
                (Some(_), false) => "consu",
            };
            let id = self.named(
                &format!("sku_{}", seed.sku),
                "product.product",
                &[
                    ("default_code", json!(seed.sku)),
                    ("name", json!(seed.name)),
                    ("list_price", json!(seed.price)),
                    ("type", json!(kind)),
                    ("detailed_type", json!(kind)),
                    ("is_storable", json!(seed.stock.is_some())),
                    ("taxes_id", json!(taxes)),
                ],
            );
            for (location, quantity) in stocks.iter().zip(seed.stock.unwrap_or_default()) {
                self.put(
                    "stock.quant",
                    &[
                        ("product_id", json!(id)),
                        ("location_id", json!(location)),
                        ("quantity", json!(quantity)),
                    ],
                );
            }
        }
        let shipping = self
            .db
            .find("product.product", "default_code", &json!("SHIPPING"))
            .or_else(|| self.db.all("product.product").last().copied());
        for (xid, name, price) in self.config.carriers.clone() {
            let product = super::env::link(shipping.unwrap_or(0));
            self.named(
                &xid,
                "delivery.carrier",
                &[
                    ("name", json!(name)),
                    ("fixed_price", json!(price)),
                    ("product_id", product),
                ],
            );
        }
    }
}

pub(super) fn seed(db: &mut Db, schema: &Schema, rights: &Rights, config: &OdooConfig) {
    let mut seeder = Seeder { db, schema, config };
    seeder.base();
    seeder.groups(rights);
    seeder.accounting();
    let stocks = seeder.warehouses();
    seeder.products(&stocks);
    db.commit();
}

/// Puts a user's record under its uid.
pub(super) fn add_user(db: &mut Db, schema: &Schema, account: &Account) {
    let filled = |model: &str, values: &[(&str, Value)]| -> Record {
        let fields = schema.model(model).into_iter().flat_map(|m| &m.fields);
        let stored = fields.filter(|(_, field)| !field.computed);
        let empty = stored.map(|(name, field)| {
            let default = field.default.clone();
            (name.clone(), default.unwrap_or(Value::Bool(false)))
        });
        let given = values.iter().map(|(k, v)| ((*k).to_owned(), v.clone()));
        empty.chain(given).collect()
    };
    let own = filled("res.partner", &[("name", json!(account.name))]);
    let partner = db.insert("res.partner", own);
    let values = [
        ("name", json!(account.name)),
        ("login", json!(account.login)),
        ("company_id", json!(1)),
        ("partner_id", json!(partner)),
    ];
    let record = filled("res.users", &values);
    db.insert_at("res.users", account.uid, record);
    let mut users = db.ids("res.company", 1, "user_ids");
    users.push(account.uid);
    db.set("res.company", 1, "user_ids", json!(users));
    db.commit();
}
