//! Preparing an Odoo for the demo's day; a simulated one plays the real.

use std::path::Path;

use waybill_simulators::odoo::{OdooConfig, OdooSim};
use waybill_simulators::secrets::Secrets;
use waybill_simulators::{Options, erp};
use waybill_tests::loopback::serve;
use waybill_tests::odoo::{Access, OdooReader, Prepared, RealOdoo, prepare};

const SECRETS: &str = r#"{"connection/odoo-main": {"api": {"key": "the-key"}}}"#;

/// A listening Odoo, and how to get in.
pub(crate) async fn odoo(version: u32, change: fn(&mut OdooConfig)) -> Access {
    let options = Options {
        odoo_version: version,
        ..Options::default()
    };
    let mut config = erp::config(&options, &Secrets::parse(SECRETS).unwrap());
    change(&mut config);
    let database = config.database.clone();
    let router = OdooSim::new(config).router();
    Access {
        url: serve(router).await.unwrap().url,
        database,
        login: "integ".to_owned(),
        key: "the-key".to_owned(),
    }
}

#[tokio::test]
async fn a_database_that_has_everything_is_ready_and_stays_as_it_is() {
    for (version, protocol) in [(17, "json_rpc"), (19, "json2")] {
        let access = odoo(version, |_| {}).await;
        let ready = Prepared {
            version: u64::from(version),
            protocol,
            tax_on_top_bp: 2000,
            first_order_number: 1001,
            made: Vec::new(),
        };
        assert_eq!(prepare(&access).await.unwrap(), ready);
    }
}

#[tokio::test]
async fn missing_stock_is_filled_up_once_and_the_shop_charges_a_tax_that_is_there() {
    let access = odoo(19, |config| {
        config.taxes.retain(|t| t.xid != "tax_20");
        for product in config.products.iter_mut().filter(|p| p.sku == "SKU-0007") {
            product.stock = Some(vec![3.0]);
        }
    })
    .await;
    let ready = prepare(&access).await.unwrap();
    assert_eq!(ready.tax_on_top_bp, 1000);
    assert_eq!(ready.made, ["stock of 1 product(s)"]);
    let reader = OdooReader::open(&access).await.unwrap();
    assert_eq!(reader.baseline().await.unwrap().stock["SKU-0007"], 1000);
    assert!(prepare(&access).await.unwrap().made.is_empty());
}

#[tokio::test]
async fn everything_that_the_user_may_not_make_is_named_at_once() {
    let access = odoo(19, |config| {
        config.taxes.retain(|t| t.xid != "tax_20_incl");
        config.carriers.retain(|(xid, _, _)| xid != "carrier_std");
        for user in &mut config.users {
            user.groups.retain(|g| !g.starts_with("account."));
        }
    })
    .await;
    let refusal = prepare(&access).await.unwrap_err().to_string();
    assert!(refusal.contains("`account.move`"), "{refusal}");
    let access = odoo(19, |config| {
        config.taxes.retain(|t| t.xid != "tax_20_incl");
        config.carriers.retain(|(xid, _, _)| xid != "carrier_std");
    })
    .await;
    let refusal = prepare(&access).await.unwrap_err().to_string();
    for lack in ["`shop.tax_20_incl`", "`shop.carrier_std`", "administrator"] {
        assert!(refusal.contains(lack), "{refusal}");
    }
}

#[tokio::test]
async fn an_odoo_that_is_away_and_a_wrong_database_login_or_key_are_told_apart() {
    let right = odoo(17, |_| {}).await;
    let told = async |change: fn(&mut Access)| {
        let mut access = right.clone();
        change(&mut access);
        prepare(&access).await.unwrap_err().to_string()
    };
    let away = told(|a| a.url = "http://127.0.0.1:9".to_owned()).await;
    assert!(away.contains("no connection"), "{away}");
    let database = told(|a| a.database = "nope".to_owned()).await;
    assert!(database.contains("no database `nope`"), "{database}");
    for wrong in [
        told(|a| a.login = "nobody".to_owned()).await,
        told(|a| a.key = "wrong-key".to_owned()).await,
    ] {
        assert!(wrong.contains("does not let"), "{wrong}");
        assert!(!wrong.contains("wrong-key"), "{wrong}");
    }
}

#[test]
fn an_empty_or_missing_key_file_is_refused() {
    let real = |file: &Path| RealOdoo {
        odoo: Some("http://127.0.0.1:9".to_owned()),
        odoo_key_file: Some(file.to_owned()),
        ..RealOdoo::default()
    };
    assert!(RealOdoo::default().access().unwrap().is_none());
    let empty = real(Path::new("/dev/null")).access().unwrap_err();
    assert!(empty.to_string().contains("empty"), "{empty}");
    assert!(real(Path::new("/nowhere")).access().is_err());
}
