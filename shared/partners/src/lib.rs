//! Partners: one module each, with `verify`, `wire`, `map`, `client` and `error`. They never import
//! each other; what they share stands in [`webhook`] and [`http`].
//!
//! A partner is added by a module here, a variant of [`PartnerKind`], and its arm in the three
//! dispatching functions of this crate: [`verify`], [`parse`] and [`client`].

pub mod canonical;
pub mod client;
pub mod easypost;
pub mod exchange;
pub mod http;
pub mod reading;
pub mod shipbob;
pub mod shopify;
pub mod signature;
pub mod standard_webhooks;
pub mod stripe;
pub mod webhook;
pub mod zendesk;

pub use client::PartnerClient;
pub use webhook::{Fact, Parsed, Refusal, Unreadable, Verified, WebhookRequest};

use waybill_flow::connections::{Connection, PartnerKind};
use waybill_flow::ports::ConnectionSecrets;
use waybill_model::delivery::Delivery;

/// Checks that the partner sent these bytes. Only this makes a [`Verified`].
///
/// # Errors
/// Why it is refused; nothing of the request is kept.
pub fn verify(
    connection: &Connection,
    request: &WebhookRequest<'_>,
    secrets: &ConnectionSecrets,
) -> Result<Verified, Refusal> {
    match connection.partner {
        PartnerKind::Shopify => shopify::verify(connection, request, secrets),
        PartnerKind::Stripe => stripe::verify(connection, request, secrets),
        PartnerKind::Shipbob => shipbob::verify(connection, request, secrets),
        PartnerKind::Easypost => easypost::verify(connection, request, secrets),
        PartnerKind::Zendesk => zendesk::verify(connection, request, secrets),
        PartnerKind::Canonical => canonical::verify(connection, request, secrets),
        PartnerKind::Odoo => Err(Refusal::NoWebhooks),
    }
}

/// Reads a delivery into canonical facts. No I/O.
///
/// # Errors
/// It cannot be read: where and why.
pub fn parse(connection: &Connection, delivery: &Delivery) -> Result<Parsed, Unreadable> {
    match connection.partner {
        PartnerKind::Shopify => shopify::parse(connection, delivery),
        PartnerKind::Stripe => stripe::parse(connection, delivery),
        PartnerKind::Shipbob => shipbob::parse(connection, delivery),
        PartnerKind::Easypost => easypost::parse(connection, delivery),
        PartnerKind::Zendesk => zendesk::parse(connection, delivery),
        PartnerKind::Canonical => canonical::parse(connection, delivery),
        PartnerKind::Odoo => Err(Unreadable::new("no_webhooks", "Odoo sends no webhooks")),
    }
}
