//! The simulators by name.

use crate::sign::Scheme;
use serde::{Deserialize, Serialize};

/// One simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sim {
    /// Channel.
    Shopify,
    /// Payment gateway.
    Stripe,
    /// 3PL.
    Shipbob,
    /// Carrier service.
    Easypost,
    /// Helpdesk.
    Zendesk,
    /// A warehouse that speaks our own schemas.
    Canonical,
    /// A marketplace that speaks our own schemas.
    Marketplace,
    /// The ERP.
    Odoo,
}

impl Sim {
    /// Every simulator.
    pub const ALL: [Self; 8] = [
        Self::Shopify,
        Self::Stripe,
        Self::Shipbob,
        Self::Easypost,
        Self::Zendesk,
        Self::Canonical,
        Self::Marketplace,
        Self::Odoo,
    ];

    /// The name in paths and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
            Self::Stripe => "stripe",
            Self::Shipbob => "shipbob",
            Self::Easypost => "easypost",
            Self::Zendesk => "zendesk",
            Self::Canonical => "canonical",
            Self::Marketplace => "marketplace",
            Self::Odoo => "odoo",
        }
    }

    /// The connection that Waybill knows it by.
    #[must_use]
    pub fn connection(self) -> &'static str {
        match self {
            Self::Shopify => "shopify-main",
            Self::Stripe => "stripe-main",
            Self::Shipbob => "shipbob-main",
            Self::Easypost => "easypost-main",
            Self::Zendesk => "zendesk-main",
            Self::Canonical => "canonical-main",
            Self::Marketplace => "marketplace-main",
            Self::Odoo => "odoo-main",
        }
    }

    /// How its webhooks are signed; Odoo sends none.
    #[must_use]
    pub fn scheme(self) -> Option<Scheme> {
        match self {
            Self::Shopify => Some(Scheme::Shopify),
            Self::Stripe => Some(Scheme::Stripe),
            Self::Shipbob | Self::Canonical | Self::Marketplace => Some(Scheme::StandardWebhooks),
            Self::Easypost => Some(Scheme::Easypost),
            Self::Zendesk => Some(Scheme::Zendesk),
            Self::Odoo => None,
        }
    }

    /// Waits between attempts of one webhook, in milliseconds of the compressed day. The partners'
    /// own schedules are: Shopify 8 retries in 4 hours; Stripe 3 days; ShipBob 5 s, 5 m, 30 m, 2 h,
    /// 5 h, 10 h, 10 h; EasyPost backs off for 24 h; Zendesk tries a few times and no longer.
    #[must_use]
    pub fn retry_waits_ms(self) -> &'static [u64] {
        match self {
            Self::Shopify => &[250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 16_000],
            Self::Stripe | Self::Easypost => &[
                250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000, 16_000,
            ],
            Self::Shipbob | Self::Canonical | Self::Marketplace => {
                &[100, 500, 1_000, 4_000, 8_000, 16_000, 16_000]
            }
            Self::Zendesk => &[250, 1_000, 4_000],
            Self::Odoo => &[],
        }
    }
}
