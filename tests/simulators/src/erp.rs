//! The simulated Odoo of the demo: what the shop sells, its taxes and its currency.

use crate::catalogue;
use crate::odoo::{OdooConfig, OdooSim, TaxSeed, Version};
use crate::secrets::Secrets;
use crate::sim::Sim;
use crate::world::Options;
use serde_json::{Value, json};
use std::sync::Arc;

/// An Odoo that knows the shop's products, and lets the integration user in with the keys of the
/// secrets file.
#[must_use]
pub fn odoo(options: &Options, secrets: &Secrets) -> Arc<OdooSim> {
    OdooSim::new(config(options, secrets))
}

/// Database, login and key.
#[must_use]
pub fn access(options: &Options, secrets: &Secrets) -> Value {
    let config = config(options, secrets);
    let user = config.users.first();
    json!({
        "database": config.database,
        "login": user.map(|u| &u.login),
        "key": user.and_then(|u| u.keys.first()),
    })
}

/// What the Odoo of the demo starts with.
#[must_use]
pub fn config(options: &Options, secrets: &Secrets) -> OdooConfig {
    let version = if options.odoo_version == 17 {
        Version::V17
    } else {
        Version::V19
    };
    let mut config = OdooConfig::new(version);
    if let Some(key) = secrets.api(Sim::Odoo.connection(), "key")
        && let Some(user) = config.users.first_mut()
    {
        user.keys = vec![key.to_owned()];
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "hundredths of a percent and cents, far below 2^53; Odoo keeps floats"
    )]
    let hundredths = |n: i64| n as f64 / 100.0;
    for (xid, bp, included) in [
        ("tax_20", options.tax_on_top_bp, false),
        ("tax_20_incl", options.tax_bp, true),
    ] {
        let percent = hundredths(bp);
        match config.taxes.iter_mut().find(|t| t.xid == xid) {
            Some(tax) => tax.percent = percent,
            None => config.taxes.push(TaxSeed {
                xid: xid.to_owned(),
                name: format!("VAT {percent}%"),
                percent,
                included,
            }),
        }
    }
    for product in &mut config.products {
        if let Some(number) = catalogue::number(&product.sku) {
            product.name = catalogue::title(number);
            product.price = hundredths(catalogue::price_minor(number));
        }
    }
    config
}
