//! Connections: one reviewed, versioned file per environment says who is connected and how.
//!
//! The file is TOML. Every fault is reported, not only the first. Secrets are never in it: each
//! connection's secret is found in Secrets Manager under its `id`.

mod check;
mod overrides;
mod settings;

pub use check::ConnectionsError;
pub use overrides::Override;
pub use settings::{
    CarrierMapping, ChannelSettings, CompanyId, CustomerKey, ErpProtocol, ErpSettings,
    HelpdeskSettings, InvoicingPolicy, PaymentGate, Route, StageMinutes, TaxMapping, TotalsPolicy,
    WarehouseSettings,
};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use waybill_model::id::ConnectionId;
use waybill_model::ownership::Role;

/// Every connection of an environment, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connections {
    /// Version of the file; every processed event records it.
    pub version: String,
    by_id: BTreeMap<ConnectionId, Connection>,
}

/// One configured account at a partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Its name: part of the webhook's URL, of keys and of logs.
    pub id: ConnectionId,
    /// Which adapter speaks to it.
    pub partner: PartnerKind,
    /// Where its API is: scheme and host, without a trailing slash. Only this host is called.
    pub base_url: String,
    /// Version of the partner's API, where it has dated ones.
    pub api_version: Option<String>,
    /// The public URL of this connection's webhook: where the partner signs it, and where the
    /// reconciler sees to it that a channel sends (Shopify).
    pub webhook_url: Option<String>,
    /// Calls a minute that all commands together may make; polls are not counted.
    pub calls_per_minute: Option<u32>,
    /// Settings that only this partner's adapter reads, such as `shipbob_channel_id`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// For channels.
    pub channel: Option<ChannelSettings>,
    /// For warehouses and 3PLs.
    pub warehouse: Option<WarehouseSettings>,
    /// For helpdesks.
    pub helpdesk: Option<HelpdeskSettings>,
    /// For Odoo.
    pub erp: Option<ErpSettings>,
}

/// The adapters that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartnerKind {
    /// Shopify: channel.
    Shopify,
    /// Stripe: gateway.
    Stripe,
    /// ShipBob: warehouse.
    Shipbob,
    /// EasyPost: carrier service.
    Easypost,
    /// Zendesk: helpdesk.
    Zendesk,
    /// Our own JSON Schemas over Standard Webhooks: any role.
    Canonical,
    /// Odoo: the ERP.
    Odoo,
}

impl PartnerKind {
    /// The name in files and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
            Self::Stripe => "stripe",
            Self::Shipbob => "shipbob",
            Self::Easypost => "easypost",
            Self::Zendesk => "zendesk",
            Self::Canonical => "canonical",
            Self::Odoo => "odoo",
        }
    }

    /// Whether it tells payments: a channel that does is not booked for what it states.
    #[must_use]
    pub fn tells_payments(self) -> bool {
        match self {
            Self::Stripe | Self::Canonical => true,
            Self::Shopify | Self::Shipbob | Self::Easypost | Self::Zendesk | Self::Odoo => false,
        }
    }

    /// The roles that it may have.
    #[must_use]
    pub fn roles(self) -> &'static [Role] {
        match self {
            Self::Shopify => &[Role::Channel],
            Self::Stripe => &[Role::Gateway],
            Self::Shipbob => &[Role::Warehouse],
            Self::Easypost => &[Role::Carrier],
            Self::Zendesk => &[Role::Helpdesk],
            Self::Canonical => &[Role::Channel, Role::Warehouse],
            Self::Odoo => &[Role::Erp],
        }
    }
}

impl Connection {
    /// The roles that it has here.
    #[must_use]
    pub fn has_role(&self, role: Role) -> bool {
        self.partner.roles().contains(&role)
            && match role {
                Role::Channel => self.channel.is_some(),
                Role::Warehouse => self.warehouse.is_some(),
                Role::Helpdesk => self.helpdesk.is_some(),
                Role::Erp => self.erp.is_some(),
                Role::Gateway | Role::Carrier => true,
            }
    }
}

impl Connections {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every fault found, each with its place and how to mend it.
    pub fn parse(text: &str) -> Result<Self, ConnectionsError> {
        check::parse(text)
    }

    /// The connection with this id.
    #[must_use]
    pub fn get(&self, id: &ConnectionId) -> Option<&Connection> {
        self.by_id.get(id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.by_id.values()
    }

    /// Settings of a channel.
    #[must_use]
    pub fn channel(&self, id: &ConnectionId) -> Option<&ChannelSettings> {
        self.get(id)?.channel.as_ref()
    }
}
