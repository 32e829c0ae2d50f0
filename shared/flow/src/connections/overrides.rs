//! Other addresses for the connections of one machine: simulators, tests, a real Odoo.

use super::{Connections, ErpProtocol};
use serde::Deserialize;
use std::collections::BTreeMap;
use waybill_model::id::ConnectionId;

/// What replaces parts of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Override {
    /// Its base URL.
    BaseUrl(String),
    /// Its base URL, and for an Odoo how to get in.
    Parts {
        /// Where it is.
        base_url: String,
        /// Database name.
        database: Option<String>,
        /// Login of the integration user.
        login: Option<String>,
        /// Protocol.
        protocol: Option<ErpProtocol>,
    },
}

impl Connections {
    /// Points connections elsewhere. Unknown ids are ignored.
    #[must_use]
    pub fn with_overrides(mut self, overrides: &BTreeMap<ConnectionId, Override>) -> Self {
        for (id, replacement) in overrides {
            let Some(connection) = self.by_id.get_mut(id) else {
                continue;
            };
            let url = match replacement {
                Override::BaseUrl(url) | Override::Parts { base_url: url, .. } => url,
            };
            connection.base_url = url.trim_end_matches('/').to_owned();
            if let (
                Override::Parts {
                    database,
                    login,
                    protocol,
                    ..
                },
                Some(erp),
            ) = (replacement, &mut connection.erp)
            {
                erp.database = database.clone().unwrap_or_else(|| erp.database.clone());
                erp.login = login.clone().unwrap_or_else(|| erp.login.clone());
                erp.protocol = protocol.unwrap_or(erp.protocol);
            }
        }
        self
    }
}
