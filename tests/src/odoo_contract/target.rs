//! The databases that cases run against: simulated ones in this process, and real ones.

use super::wire::{Ask, Protocol, Said, Wire};
use crate::Stop;
use crate::loopback::serve;
use crate::odoo::{Access, prepare};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use waybill_simulators::odoo::{
    Latency, OdooConfig, OdooSim, OdooUser, TaxSeed, Version, connector_groups,
};

/// Key of the simulated integration user and administrator.
const SIM_KEY: &str = "integ-key";
const SIM_ADMIN_KEY: &str = "admin-key";

/// A tax: external id and percent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tax {
    pub(super) external_id: String,
    pub(super) percent: i64,
}

/// What cases need to know of a database.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Database ids by SKU.
    pub(super) products: BTreeMap<String, i64>,
    /// Names as Odoo shows them, by database id.
    pub(super) names: BTreeMap<i64, String>,
    /// On top of the price.
    pub(super) tax: Tax,
    /// Names of taxes by database id: `on top`, `included`.
    pub(super) taxes: BTreeMap<i64, &'static str>,
    /// External id and database id of the location that the first warehouse sells from.
    pub(super) stock: (String, i64),
    /// External id of the first warehouse.
    pub(super) warehouse: String,
}

/// Tax in the price, of `prepare`.
pub(super) const TAX_INCLUDED: &str = "shop.tax_20_incl";
/// Price list of `prepare`, in EUR.
pub(super) const PRICELIST: &str = "shop.pricelist_eur";
/// Carrier of `prepare`.
pub(super) const CARRIER: &str = "shop.carrier_std";

/// One database.
#[derive(Debug)]
pub(super) struct Target {
    /// `sim 17`, `real 19`.
    pub(super) name: String,
    /// Major version.
    pub(super) version: u64,
    pub(super) wire: Wire,
    /// The administrator's way in, where a key was given.
    pub(super) admin: Option<Wire>,
    pub(super) facts: Facts,
    /// The simulator behind it.
    pub(super) sim: Option<Arc<OdooSim>>,
}

/// A real database with the user's key and perhaps the administrator's.
#[derive(Debug, Clone)]
pub(super) struct Real {
    pub(super) access: Access,
    pub(super) admin_key: Option<String>,
}

impl Target {
    /// A simulated Odoo that charges `tax_bp` on top, listening on loopback.
    pub(super) async fn simulated(version: Version, tax_bp: i64) -> Result<Self, Stop> {
        let doing = || format!("starting the simulated Odoo {}", version.digits());
        let mut config = OdooConfig::new(version);
        // Calls that write take a while, so that two of them can overlap.
        config.latency = Latency {
            write_ms: 2,
            read_ms: 0,
            per_order_ms: 20,
        };
        let mut groups = connector_groups(version);
        groups.extend(
            [
                "base.group_system",
                "sales_team.group_sale_manager",
                "stock.group_stock_manager",
                "account.group_account_manager",
            ]
            .map(str::to_owned),
        );
        config.users.push(OdooUser {
            login: "admin".to_owned(),
            name: "Administrator".to_owned(),
            uid: Some(2),
            password: String::new(),
            keys: vec![SIM_ADMIN_KEY.to_owned()],
            groups,
        });
        if tax_bp != 1000 {
            config.taxes.push(TaxSeed {
                xid: "tax_20".to_owned(),
                name: "VAT 20%".to_owned(),
                percent: 20.0,
                included: false,
            });
        }
        let database = config.database.clone();
        let sim = OdooSim::new(config);
        let router = Arc::clone(&sim).router();
        let served = serve(router).await.map_err(|e| Stop::new(doing(), e))?;
        let access = Access {
            url: served.url,
            database,
            login: "integ".to_owned(),
            key: SIM_KEY.to_owned(),
        };
        let real = Real {
            access,
            admin_key: Some(SIM_ADMIN_KEY.to_owned()),
        };
        Self::open("sim", &real, Some(sim)).await
    }

    /// A database, made ready.
    pub(super) async fn open(
        kind: &str,
        real: &Real,
        sim: Option<Arc<OdooSim>>,
    ) -> Result<Self, Stop> {
        let ready = prepare(&real.access).await?;
        let doing = || format!("looking around in `{}`", real.access.url);
        let protocol = match ready.protocol {
            "json2" => Protocol::Json2,
            _ => Protocol::JsonRpc,
        };
        let wire = wire(&real.access, protocol).await?;
        let admin = match &real.admin_key {
            None => None,
            Some(key) => {
                let access = Access {
                    login: "admin".to_owned(),
                    key: key.clone(),
                    ..real.access.clone()
                };
                Some(self::wire(&access, protocol).await?)
            }
        };
        let facts = facts(&wire, ready.tax_on_top_bp)
            .await
            .map_err(|why| Stop::new(doing(), why))?;
        Ok(Self {
            name: format!("{kind} {}", ready.version),
            version: ready.version,
            wire,
            admin,
            facts,
            sim,
        })
    }
}

async fn wire(access: &Access, protocol: Protocol) -> Result<Wire, Stop> {
    let mut wire = Wire {
        http: reqwest::Client::new(),
        access: access.clone(),
        user: 0,
        protocol,
    };
    let who = json!([access.database, access.login, access.key, {}]);
    let said = wire.service("common", "authenticate", who).await;
    wire.user = match &said {
        Said::Result(Value::Number(id)) => id.as_i64().unwrap_or_default(),
        _ => {
            return Err(Stop::new(
                format!("logging in to `{}` as `{}`", access.url, access.login),
                "login or key was refused",
            ));
        }
    };
    Ok(wire)
}

async fn rows(
    wire: &Wire,
    model: &str,
    domain: Value,
    fields: &[&str],
) -> Result<Vec<Value>, String> {
    let ask = Ask::of(model, "search_read")
        .arg("domain", domain)
        .kw("fields", json!(fields))
        .kw("order", json!("id"));
    match wire.ask(&ask).await {
        Said::Result(Value::Array(rows)) => Ok(rows),
        other => Err(format!("reading `{model}`: {other:?}")),
    }
}

fn id_of(row: &Value) -> i64 {
    row.get("id").and_then(Value::as_i64).unwrap_or_default()
}

async fn facts(wire: &Wire, tax_bp: i64) -> Result<Facts, String> {
    let mut products = BTreeMap::new();
    let mut names = BTreeMap::new();
    let sold = json!([["default_code", "like", "SKU-"]]);
    let services = json!([["default_code", "in", ["SHIPPING", "DISCOUNT"]]]);
    for domain in [sold, services] {
        for row in rows(
            wire,
            "product.product",
            domain,
            &["default_code", "display_name"],
        )
        .await?
        {
            let text = |key: &str| {
                row.get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            names.insert(id_of(&row), text("display_name"));
            products.insert(text("default_code"), id_of(&row));
        }
    }
    let tax = Tax {
        external_id: if tax_bp == 1000 {
            "shop.tax_10"
        } else {
            "shop.tax_20"
        }
        .to_owned(),
        percent: tax_bp / 100,
    };
    let mut taxes = BTreeMap::new();
    for (external_id, name) in [
        (tax.external_id.as_str(), "on top"),
        (TAX_INCLUDED, "included"),
    ] {
        taxes.insert(referenced(wire, external_id).await?, name);
    }
    let warehouses = rows(wire, "stock.warehouse", json!([]), &["lot_stock_id"]).await?;
    let first = warehouses.first().ok_or("there is no warehouse")?;
    let lot = first.pointer("/lot_stock_id/0").and_then(Value::as_i64);
    let lot = lot.ok_or("the warehouse has no location")?;
    let one = async |model: &str, id: i64| -> Result<String, String> {
        let found = external_ids(wire, model, &[id]).await?;
        let found = found.into_values().find(|name| !name.is_empty());
        found.ok_or_else(|| format!("`{model}` {id} has no external id: give it one in Odoo (Settings, Technical, External Identifiers)"))
    };
    Ok(Facts {
        products,
        names,
        tax,
        taxes,
        stock: (one("stock.location", lot).await?, lot),
        warehouse: one("stock.warehouse", id_of(first)).await?,
    })
}

async fn external_ids(
    wire: &Wire,
    model: &str,
    ids: &[i64],
) -> Result<BTreeMap<String, String>, String> {
    match wire.ask(&Ask::on(model, "get_external_id", ids)).await {
        Said::Result(found) => serde_json::from_value(found).map_err(|e| e.to_string()),
        other => Err(format!("external ids of `{model}`: {other:?}")),
    }
}

async fn referenced(wire: &Wire, external_id: &str) -> Result<i64, String> {
    let (module, name) = external_id.split_once('.').unwrap_or_default();
    let ask = Ask::of("ir.model.data", "check_object_reference")
        .arg("module", json!(module))
        .arg("xml_id", json!(name));
    match wire.ask(&ask).await {
        Said::Result(pair) => pair
            .get(1)
            .and_then(Value::as_i64)
            .ok_or_else(|| format!("`{external_id}` is hidden")),
        other => Err(format!("`{external_id}`: {other:?}")),
    }
}
