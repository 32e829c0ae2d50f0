//! What a simulated Odoo starts with.
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// The simulated release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 17.0: JSON-RPC only.
    V17,
    /// 19.0: JSON-2, and the deprecated JSON-RPC.
    V19,
}

impl Version {
    /// `17` or `19`.
    pub fn digits(self) -> &'static str {
        match self {
            Self::V17 => "17",
            Self::V19 => "19",
        }
    }
}

/// The company's `tax_calculation_rounding_method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Each tax of each line is rounded: 17's default.
    PerLine,
    /// The sum of each tax is rounded: 19's default.
    Globally,
}

/// A user with an API key.
#[derive(Clone)]
pub struct OdooUser {
    pub login: String,
    /// As `user_id` shows it.
    pub name: String,
    /// `None`: 2 for `admin`, else what a fresh database gives next.
    pub uid: Option<i64>,
    /// All are accepted, as API keys and (JSON-RPC) as passwords.
    pub keys: Vec<String>,
    /// For making and removing keys; JSON-2 does not take it in a key's place.
    pub password: String,
    /// External ids of groups, as `sales_team.group_sale_salesman`. Implied groups come by themselves.
    pub groups: Vec<String>,
}

impl fmt::Debug for OdooUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OdooUser")
            .field("login", &self.login)
            .field("uid", &self.uid)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

/// A product, known as `MODULE.sku_CODE`.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductSeed {
    /// `default_code`.
    pub sku: String,
    pub name: String,
    /// `list_price`, in the company's currency.
    pub price: f64,
    /// Stock at each warehouse in turn; `None`: a service.
    pub stock: Option<Vec<f64>>,
    /// External ids (without module) of its taxes.
    pub taxes: Vec<String>,
}

impl ProductSeed {
    /// Goods with 10 % tax and stock at the first warehouse.
    pub fn goods(sku: &str, price: f64, stock: f64) -> Self {
        Self {
            sku: sku.to_owned(),
            name: format!("Article {sku}"),
            price,
            stock: Some(vec![stock]),
            taxes: vec!["tax_10".to_owned()],
        }
    }

    /// A service, as shipping or a discount.
    pub fn service(sku: &str, name: &str, price: f64, taxes: &[&str]) -> Self {
        Self {
            sku: sku.to_owned(),
            name: name.to_owned(),
            price,
            stock: None,
            taxes: taxes.iter().map(|tax| (*tax).to_owned()).collect(),
        }
    }
}

/// A tax, known as `MODULE.XID`.
#[derive(Debug, Clone, PartialEq)]
pub struct TaxSeed {
    pub xid: String,
    pub name: String,
    pub percent: f64,
    /// Is the tax in the price?
    pub included: bool,
}

/// A warehouse, known as `MODULE.XID`; its stock location as `MODULE.LOCATION_XID`.
#[derive(Debug, Clone, PartialEq)]
pub struct WarehouseSeed {
    pub xid: String,
    pub location_xid: String,
    pub name: String,
    /// Short name, as in `WH/OUT/00001`.
    pub code: String,
}

/// How long calls take. All zero by default: the simulator never sleeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// Milliseconds for every call that writes.
    pub write_ms: u64,
    /// Milliseconds for every call that only reads.
    pub read_ms: u64,
    /// Milliseconds for each order that `load` creates or `action_confirm` confirms.
    pub per_order_ms: u64,
}

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The whole configuration.
#[derive(Clone)]
pub struct OdooConfig {
    pub version: Version,
    /// Name of the only database.
    pub database: String,
    pub company: String,
    /// ISO code.
    pub currency: String,
    /// `None`: the version's default.
    pub rounding: Option<Rounding>,
    /// Module of the seeded external ids.
    pub module: String,
    pub users: Vec<OdooUser>,
    /// `base.enable_programmatic_api_keys`; none: a release of 19 that has no `generate` yet.
    pub programmatic_keys: Option<bool>,
    /// Technical names of the installed modules.
    pub modules: Vec<String>,
    pub products: Vec<ProductSeed>,
    pub taxes: Vec<TaxSeed>,
    pub warehouses: Vec<WarehouseSeed>,
    /// Pricelists `MODULE.pricelist_CODE` (lower case): ISO code and units for one of the company's currency.
    pub pricelists: Vec<(String, f64)>,
    /// Carriers: external id (without module), name, price.
    pub carriers: Vec<(String, String, f64)>,
    /// SKUs for which `action_confirm` finds no stock rule: a failure deep inside that names the product only.
    pub unroutable_skus: BTreeSet<String>,
    pub latency: Latency,
    /// Places of unit prices (`decimal.precision`), which 17 cuts off.
    pub price_places: u32,
    /// Calls served at once; more wait.
    pub workers: usize,
    pub clock: Clock,
}

impl fmt::Debug for OdooConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OdooConfig")
            .field("version", &self.version)
            .field("database", &self.database)
            .field("users", &self.users)
            .field("products", &self.products.len())
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

/// The groups of an integration user who may do all that a connector does.
pub fn connector_groups(version: Version) -> Vec<String> {
    let stock = match version {
        Version::V17 => "stock.group_stock_manager",
        Version::V19 => "stock.group_stock_user",
    };
    [
        "base.group_user",
        "base.group_partner_manager",
        "sales_team.group_sale_salesman_all_leads",
        "account.group_account_invoice",
        stock,
    ]
    .map(str::to_owned)
    .to_vec()
}

impl OdooConfig {
    /// A US company in USD with 200 products `SKU-0001`..`SKU-0200` (1,000,000 of each), `SKU-SCARCE` (3), the services
    /// `SHIPPING`, `DISCOUNT` and `GIFT-CARD`, two taxes, two carriers, and the user `integ` with the key `integ-key`.
    pub fn new(version: Version) -> Self {
        let mut products: Vec<ProductSeed> = (1..=200)
            .map(|number| ProductSeed {
                name: format!("Article {number:04}"),
                ..ProductSeed::goods(
                    &format!("SKU-{number:04}"),
                    10.0 + f64::from(number) * 0.5,
                    1_000_000.0,
                )
            })
            .collect();
        products.push(ProductSeed {
            name: "Scarce article".to_owned(),
            ..ProductSeed::goods("SKU-SCARCE", 25.0, 3.0)
        });
        products.push(ProductSeed::service(
            "SHIPPING",
            "Shipping",
            7.5,
            &["tax_10"],
        ));
        products.push(ProductSeed::service(
            "DISCOUNT",
            "Discount",
            0.0,
            &["tax_10"],
        ));
        products.push(ProductSeed::service("GIFT-CARD", "Gift card", 0.0, &[]));
        let tax = |xid: &str, name: &str, percent: f64, included: bool| TaxSeed {
            xid: xid.into(),
            name: name.into(),
            percent,
            included,
        };
        Self {
            version,
            database: format!("odoo{}", version.digits()),
            company: "Waybill Trial Inc.".to_owned(),
            currency: "USD".to_owned(),
            rounding: None,
            module: "shop".to_owned(),
            users: vec![OdooUser {
                login: "integ".to_owned(),
                name: "Integration".to_owned(),
                uid: None,
                keys: vec!["integ-key".to_owned()],
                password: "integ-password".to_owned(),
                groups: connector_groups(version),
            }],
            programmatic_keys: None,
            modules: [
                "base",
                "account",
                "sale",
                "sale_management",
                "stock",
                "sale_stock",
                "delivery",
                "stock_delivery",
            ]
            .map(str::to_owned)
            .to_vec(),
            products,
            taxes: vec![
                tax("tax_10", "Sales 10%", 10.0, false),
                tax("tax_20_incl", "Sales 20% incl", 20.0, true),
            ],
            warehouses: vec![WarehouseSeed {
                xid: "wh".to_owned(),
                location_xid: "loc_stock".to_owned(),
                name: "My Company".to_owned(),
                code: "WH".to_owned(),
            }],
            pricelists: vec![("USD".to_owned(), 1.0), ("EUR".to_owned(), 0.9)],
            carriers: vec![
                ("carrier_std".to_owned(), "Standard".to_owned(), 7.5),
                ("carrier_express".to_owned(), "Express".to_owned(), 15.0),
            ],
            unroutable_skus: BTreeSet::new(),
            latency: Latency::default(),
            price_places: 2,
            workers: 4,
            #[expect(
                clippy::disallowed_methods,
                reason = "it is set where time is simulated"
            )]
            clock: Arc::new(Timestamp::now),
        }
    }

    pub(super) fn rounding(&self) -> Rounding {
        self.rounding.unwrap_or(match self.version {
            Version::V17 => Rounding::PerLine,
            Version::V19 => Rounding::Globally,
        })
    }
}
