//! How Waybill's own adapter reaches the Odoo of a trial.

use crate::Stop;
use crate::odoo::{Access, Prepared};
use std::collections::BTreeMap;
use waybill_flow::connections::Connections;
use waybill_flow::ports::{ConnectionSecrets, InfraError, Secret, Secrets};
use waybill_model::id::ConnectionId;

/// The connection of every trial.
pub const ERP: &str = "odoo-trial";

/// What the connections file says of this Odoo.
#[derive(Debug, Clone)]
pub struct Link {
    /// Where calls go: the meter, or Odoo itself.
    pub url: String,
    /// Its database.
    pub database: String,
    /// Login of the integration user.
    pub login: String,
    /// As the connections file spells it.
    pub protocol: String,
    /// Orders in one call.
    pub batch: u32,
    /// Write without chatter.
    pub suppress_chatter: bool,
    /// More lines of the connection's `erp` table.
    pub more: String,
}

impl Link {
    /// The usual settings.
    #[must_use]
    pub fn to(access: &Access, ready: &Prepared, url: &str) -> Self {
        let percent = ready.tax_on_top_bp / 100;
        let rate = super::orders::decimal(ready.tax_on_top_bp, 4);
        let more = format!(
            "pricelists = {{ EUR = \"shop.pricelist_eur\" }}\n\
             taxes = [{{ rate = \"{rate}\", included = false, tax = \"shop.tax_{percent}\" }}]\n"
        );
        Self {
            url: url.to_owned(),
            database: access.database.clone(),
            login: access.login.clone(),
            protocol: ready.protocol.to_owned(),
            batch: 50,
            suppress_chatter: false,
            more,
        }
    }

    /// The connections file.
    ///
    /// # Errors
    /// A value of the link is none that the file takes.
    pub fn connections(&self) -> Result<Connections, Stop> {
        let text = self.text();
        Connections::parse(&text).map_err(|e| Stop::new("making the connections file", e))
    }

    /// The text of the connections file.
    #[must_use]
    pub fn text(&self) -> String {
        // Quoted as JSON, which TOML's basic strings can hold.
        let quoted = |s: &str| serde_json::Value::from(s).to_string();
        let mut text = String::from("version = \"trial\"\n[[connections]]\npartner = \"odoo\"\n");
        for (name, value) in [("id", ERP), ("base_url", self.url.as_str())] {
            text.push_str(&format!("{name} = {}", quoted(value)));
            text.push('\n');
        }
        // The date is one call more, which what we compare with does not make either.
        text.push_str("[connections.erp]\nshipping_sku = \"SHIPPING\"\nkeep_order_date = false\n");
        for (name, value) in [
            ("database", &self.database),
            ("login", &self.login),
            ("protocol", &self.protocol),
        ] {
            text.push_str(&format!("{name} = {}", quoted(value)));
            text.push('\n');
        }
        text.push_str(&format!(
            "batch = {}\nsuppress_chatter = {}\n{}",
            self.batch, self.suppress_chatter, self.more
        ));
        text.push('\n');
        text
    }
}

/// Id of the connection.
///
/// # Errors
/// Never.
pub fn erp() -> Result<ConnectionId, Stop> {
    ConnectionId::new(ERP).map_err(|e| Stop::new("naming the connection", e))
}

/// The one key of a trial, or of a check.
#[derive(Debug, Clone)]
pub struct Key(Secret);

impl Key {
    /// Of this access.
    #[must_use]
    pub fn of(access: &Access) -> Self {
        Self::new(&access.key)
    }

    /// This one.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(Secret::new(key))
    }
}

impl Secrets for Key {
    async fn get(&self, _: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        Ok(ConnectionSecrets {
            webhook_secrets: Vec::new(),
            api: BTreeMap::from([("key".to_owned(), self.0.clone())]),
        })
    }
}
