//! A simulated Odoo in this process, for trials that are given no real one.

use crate::Stop;
use crate::loopback::serve;
use crate::odoo::Access;
use waybill_simulators::odoo::{OdooConfig, OdooSim};
use waybill_simulators::secrets::Secrets;
use waybill_simulators::{Options, erp};

/// Its key: nobody else can reach it.
const SECRETS: &str = r#"{"connection/odoo-main": {"api": {"key": "trial-key"}}}"#;

/// Starts one of this release, with its start changed; how to get in.
///
/// # Errors
/// No port can be had.
pub async fn odoo(version: u32, change: impl FnOnce(&mut OdooConfig)) -> Result<Access, Stop> {
    let doing = "starting the simulated Odoo";
    let options = Options {
        odoo_version: version,
        ..Options::default()
    };
    let secrets = Secrets::parse(SECRETS).map_err(|e| Stop::new(doing, e))?;
    let mut config = erp::config(&options, &secrets);
    change(&mut config);
    let user = config.users.first();
    let text = |t: Option<&String>| t.cloned().unwrap_or_default();
    let login = text(user.map(|u| &u.login));
    let key = text(user.and_then(|u| u.keys.first()));
    let database = config.database.clone();
    let router = OdooSim::new(config).router();
    let served = serve(router).await.map_err(|e| Stop::new(doing, e))?;
    Ok(Access {
        url: served.url,
        database,
        login,
        key,
    })
}
