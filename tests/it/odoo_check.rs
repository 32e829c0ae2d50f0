//! `odoo check` against the simulator: good, and each fault by its name.

use std::path::PathBuf;

use waybill_flow::connections::Connections;
use waybill_model::id::ConnectionId;
use waybill_odoo::check::{Finding, Verdict};
use waybill_simulators::odoo::{OdooConfig, OdooSim, ProductSeed, TaxSeed, Version};
use waybill_tests::loopback::serve;
use waybill_tests::odoo_check::{Options, check, configured, is_ready, print};

const GOOD: &str = r#"
version = "1"
[[connections]]
id = "odoo-main"
partner = "odoo"
base_url = "http://127.0.0.1:8069"
[connections.erp]
database = "DATABASE"
login = "integ"
protocol = "PROTOCOL"
shipping_sku = "SHIPPING"
rounding_sku = "DISCOUNT"
pricelists = { EUR = "shop.pricelist_eur", USD = "shop.pricelist_usd" }
warehouse = "shop.wh"
payment_journals = { default = "shop.journal_bank" }
taxes = [
    { rate = "0.2", included = true, tax = "shop.tax_20_incl" },
    { rate = "0.1", included = false, tax = "shop.tax_10" },
]
carriers = [{ method = "standard", carrier = "shop.carrier_std" }]
[[connections]]
id = "shop"
partner = "shopify"
base_url = "http://127.0.0.1:8101"
[connections.channel]
erp = "odoo-main"
sku_aliases = { "OLD" = "SKU-0001" }
[[connections]]
id = "depot"
partner = "canonical"
base_url = "http://127.0.0.1:8102"
[connections.warehouse]
erp = "odoo-main"
default_shipping_method = "standard"
owns_stock = true
odoo_location = "shop.loc_stock"
"#;

struct Case {
    version: Version,
    file: fn(String) -> String,
    odoo: fn(&mut OdooConfig),
    options: fn(&mut Options),
    skus: &'static str,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            version: Version::V19,
            file: |text| text,
            odoo: |_| {},
            options: |_| {},
            skus: "",
        }
    }
}

fn scratch(name: &str, text: &str) -> PathBuf {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("waybill-{}-{next}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

/// The findings, and the simulator for a look at what was left.
async fn run(case: Case) -> (Vec<Finding>, std::sync::Arc<OdooSim>) {
    let mut config = OdooConfig::new(case.version);
    (case.odoo)(&mut config);
    let protocol = match case.version {
        Version::V17 => "json_rpc",
        Version::V19 => "json2",
    };
    let text = GOOD
        .replace("DATABASE", &config.database)
        .replace("PROTOCOL", protocol);
    let sim = OdooSim::new(config);
    let router = std::sync::Arc::clone(&sim).router();
    let url = serve(router).await.unwrap().url;
    let mut options = Options {
        connections: Some(scratch("connections.toml", &(case.file)(text))),
        stage: "dev".to_owned(),
        connection: None,
        odoo: Some(url),
        odoo_db: None,
        odoo_user: None,
        odoo_protocol: None,
        odoo_key_file: scratch("key", "integ-key\n"),
        skus: Some(scratch("skus", case.skus)),
        no_dry_run: false,
    };
    (case.options)(&mut options);
    let (connections, erp): (Connections, ConnectionId) = configured(&options).unwrap();
    let findings = check(&options, connections, &erp).await.unwrap();
    println!("{}", print(&erp, &findings));
    (findings, sim)
}

/// Texts of the faults, by topic.
fn faults<'a>(findings: &'a [Finding], topic: &str) -> Vec<&'a str> {
    let of = |f: &&Finding| f.topic == topic && f.verdict == Verdict::Fault;
    findings
        .iter()
        .filter(of)
        .map(|f| f.text.as_str())
        .collect()
}

#[tokio::test]
async fn an_odoo_that_has_everything_is_ready_and_stays_as_it_is() {
    for version in [Version::V17, Version::V19] {
        let case = Case {
            version,
            ..Case::default()
        };
        let empty = OdooSim::new(OdooConfig::new(version)).snapshot();
        let (findings, sim) = run(case).await;
        assert!(is_ready(&findings));
        let warned: Vec<&str> = findings
            .iter()
            .filter(|f| f.verdict == Verdict::Warning)
            .map(|f| f.topic)
            .collect();
        // 19 rounds over the order, and the simulator's key has no end.
        let expected: &[&str] = match version {
            Version::V17 => &[],
            Version::V19 => &["rounding"],
        };
        assert_eq!(warned, expected);
        assert_eq!(sim.snapshot(), empty, "the dry run left something behind");
        let tried = findings.iter().find(|f| f.topic == "dry run").unwrap();
        assert_eq!(tried.verdict, Verdict::Good);
    }
}

#[tokio::test]
async fn what_the_file_names_and_odoo_lacks_is_named_with_its_place() {
    for version in [Version::V17, Version::V19] {
        let case = Case {
            version,
            file: |text| {
                text.replace("shop.tax_20_incl", "shop.tax_gone")
                    .replace(
                        "rate = \"0.1\", included = false",
                        "rate = \"0.19\", included = true",
                    )
                    .replace(
                        "EUR = \"shop.pricelist_eur\"",
                        "EUR = \"shop.pricelist_usd\"",
                    )
                    .replace("shop.carrier_std", "shop.wh")
                    .replace("shop.journal_bank", "shop.journal_sale")
                    .replace("\"shop.loc_stock\"", "\"stock.stock_location_customers\"")
                    .replace("rounding_sku = \"DISCOUNT\"", "rounding_sku = \"SKU-0007\"")
                    .replace("\"SKU-0001\"", "\"SKU-NEW\"")
                    .replace(
                        "warehouse = \"shop.wh\"\n",
                        "warehouse = \"shop.wh\"\nexternal_id_prefix = \"sale_stock\"\n",
                    )
            },
            odoo: |config| {
                config
                    .products
                    .push(ProductSeed::goods("SKU-0002", 1.0, 1.0));
            },
            skus: "SKU-0002\nSKU-0003\n\nSKU-9999\n",
            ..Case::default()
        };
        let (findings, _) = run(case).await;
        assert!(!is_ready(&findings));
        let taxes = faults(&findings, "taxes").join("\n");
        assert!(
            taxes.contains("entry 1: `shop.tax_gone` is no external id"),
            "{taxes}"
        );
        assert!(
            taxes.contains("entry 2: `shop.tax_10` has 10 %, the mapping 19 %"),
            "{taxes}"
        );
        assert!(
            taxes.contains("is on top of it, the mapping says in the price"),
            "{taxes}"
        );
        let one = |topic: &str, text: &str| {
            let all = faults(&findings, topic);
            assert!(
                matches!(all.as_slice(), [only] if only.contains(text)),
                "{topic}: {all:?}"
            );
        };
        one("price lists", "`EUR`: `shop.pricelist_usd` is in `USD`");
        one(
            "carriers",
            "`shop.wh` is a `stock.warehouse`, a `delivery.carrier` is needed",
        );
        one(
            "locations",
            "`warehouse.odoo_location` of `depot`: `stock.stock_location_customers` is of the type `customer`",
        );
        one(
            "journals",
            "`erp.payment_journals`, `default`: `shop.journal_sale` is a journal of the type `sale`",
        );
        one("external ids", "`sale_stock`");
        let skus = faults(&findings, "SKUs").join("\n");
        assert!(skus.contains("`SKU-9999` (sold by a channel)"), "{skus}");
        assert!(
            skus.contains("`SKU-NEW` (`channel.sku_aliases` of `shop`)"),
            "{skus}"
        );
        assert!(
            skus.contains("several products in Odoo have `SKU-0002`"),
            "{skus}"
        );
        assert!(skus.contains("`SKU-0007` is no service"), "{skus}");
        assert!(!skus.contains("SKU-0003"), "{skus}");
    }
}

#[tokio::test]
async fn lacking_rights_are_named_as_the_settings_of_this_version_show_them() {
    for (version, expected) in [
        (
            Version::V17,
            [
                "Extra Rights / Contact Creation",
                "Invoicing / Billing",
                "Inventory / Administrator",
            ],
        ),
        (
            Version::V19,
            [
                "Contact / Creation",
                "Accounting / Invoicing",
                "Inventory / User",
            ],
        ),
    ] {
        let case = Case {
            version,
            odoo: |config| {
                for user in &mut config.users {
                    user.groups = vec!["sales_team.group_sale_salesman".to_owned()];
                }
            },
            ..Case::default()
        };
        let (findings, _) = run(case).await;
        let remedies: Vec<&str> = findings
            .iter()
            .filter(|f| f.topic == "rights")
            .filter_map(|f| f.remedy.as_deref())
            .collect();
        for name in expected {
            let name = format!("`{name}`");
            assert!(
                remedies.iter().any(|r| r.contains(&name)),
                "{name}: {remedies:?}"
            );
        }
        let own_only = |f: &&Finding| f.topic == "rights" && f.verdict == Verdict::Warning;
        let own_only = findings.iter().find(own_only).unwrap();
        let remedy = own_only.remedy.as_deref().unwrap();
        assert!(remedy.contains("`Sales / User: All Documents`"), "{remedy}");
        assert_eq!(faults(&findings, "dry run").len(), 1);
    }
}

#[tokio::test]
async fn a_module_that_is_missing_is_named_by_its_technical_name() {
    let case = Case {
        odoo: |config| config.modules.retain(|m| m != "stock_delivery"),
        ..Case::default()
    };
    let (findings, _) = run(case).await;
    let missing = faults(&findings, "modules");
    assert_eq!(missing.len(), 1);
    assert!(missing[0].contains("`stock_delivery` (Delivery - Stock) is not installed"));
}

#[tokio::test]
async fn who_cannot_come_in_is_told_why_and_nothing_else() {
    type Change = fn(&mut Options);
    let cases: [(Version, Change, &str, &str); 5] = [
        (
            Version::V17,
            |o| o.odoo_db = Some("nope".into()),
            "database",
            "`nope`",
        ),
        (
            Version::V19,
            |o| o.odoo_db = Some("nope".into()),
            "database",
            "`nope`",
        ),
        (
            Version::V17,
            |o| o.odoo_key_file = scratch("key", "wrong"),
            "login",
            "`integ`",
        ),
        (
            Version::V19,
            |o| o.odoo_key_file = scratch("key", "wrong"),
            "login",
            "`integ`",
        ),
        (
            Version::V17,
            |o| o.odoo_protocol = Some("json2".into()),
            "protocol",
            "JSON-2 begins with Odoo 19",
        ),
    ];
    for (version, options, topic, text) in cases {
        let case = Case {
            version,
            options,
            ..Case::default()
        };
        let (findings, _) = run(case).await;
        let all: Vec<&Finding> = findings
            .iter()
            .filter(|f| f.verdict == Verdict::Fault)
            .collect();
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(all[0].topic, topic);
        assert!(all[0].text.contains(text), "{:?}", all[0]);
    }
    let case = Case {
        options: |o| o.odoo = Some("http://127.0.0.1:9".into()),
        ..Case::default()
    };
    let (findings, _) = run(case).await;
    assert_eq!(faults(&findings, "server").len(), 1);
    assert_eq!(findings.len(), 1);
}

#[tokio::test]
async fn the_key_of_another_user_is_a_fault_and_an_administrators_a_warning() {
    let admin = |config: &mut OdooConfig| {
        for user in &mut config.users {
            user.groups.push("base.group_system".to_owned());
        }
    };
    let (findings, _) = run(Case {
        odoo: admin,
        ..Case::default()
    })
    .await;
    let login = findings.iter().find(|f| f.topic == "login").unwrap();
    assert_eq!(login.verdict, Verdict::Warning);
    let (findings, _) = run(Case {
        options: |o| o.odoo_user = Some("somebody".into()),
        ..Case::default()
    })
    .await;
    let text = faults(&findings, "login");
    assert!(text[0].contains("the key belongs to `integ`"), "{text:?}");
}

#[tokio::test]
async fn an_order_that_no_rule_could_deliver_is_found_before_going_live() {
    for version in [Version::V17, Version::V19] {
        let case = Case {
            version,
            odoo: |config| {
                config.unroutable_skus.insert("SKU-0001".to_owned());
                config.taxes.push(TaxSeed {
                    xid: "tax_unused".to_owned(),
                    name: "unused".to_owned(),
                    percent: 5.0,
                    included: false,
                });
            },
            ..Case::default()
        };
        let (findings, _) = run(case).await;
        let tried = faults(&findings, "dry run");
        assert_eq!(tried.len(), 1);
        assert!(tried[0].contains("SKU-0001"), "{tried:?}");
    }
}

#[test]
fn a_file_with_several_odoos_needs_to_be_told_which() {
    let two = GOOD.replace("PROTOCOL", "json2").replace(
        "[[connections]]\nid = \"shop\"",
        "[[connections]]\nid = \"odoo-two\"\npartner = \"odoo\"\nbase_url = \"http://127.0.0.1:1\"\n\
         [connections.erp]\ndatabase = \"d\"\nlogin = \"l\"\nprotocol = \"json2\"\nshipping_sku = \"S\"\n\
         [[connections]]\nid = \"shop\"",
    );
    let mut options = Options {
        connections: Some(scratch("two.toml", &two)),
        stage: "dev".to_owned(),
        connection: None,
        odoo: None,
        odoo_db: None,
        odoo_user: None,
        odoo_protocol: None,
        odoo_key_file: PathBuf::new(),
        skus: None,
        no_dry_run: true,
    };
    let refusal = configured(&options).unwrap_err().to_string();
    assert!(refusal.contains("`odoo-main`, `odoo-two`"), "{refusal}");
    options.connection = Some("odoo-two".to_owned());
    assert_eq!(configured(&options).unwrap().1.as_str(), "odoo-two");
}
