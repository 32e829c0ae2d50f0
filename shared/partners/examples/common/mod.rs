//! A connection as the tools need it: the partner, and nothing that is not asked for.

use std::collections::BTreeMap;
use waybill_flow::connections::{Connection, PartnerKind};

/// Every adapter that takes webhooks.
pub(crate) const PARTNERS: [PartnerKind; 6] = [
    PartnerKind::Shopify,
    PartnerKind::Stripe,
    PartnerKind::Shipbob,
    PartnerKind::Easypost,
    PartnerKind::Zendesk,
    PartnerKind::Canonical,
];

/// The adapter of this name, such as `shopify`.
pub(crate) fn partner(name: &str) -> Option<PartnerKind> {
    let name = name.trim().to_ascii_lowercase();
    PARTNERS.into_iter().find(|p| p.as_str() == name)
}

/// A connection of `partner` in each role that it can have.
///
/// # Errors
/// `id` is no connection id.
pub(crate) fn connection(
    partner: PartnerKind,
    id: &str,
    settings: &BTreeMap<String, String>,
) -> Result<Connection, serde_json::Error> {
    let is = |p: &[PartnerKind]| p.contains(&partner);
    let channel = is(&[PartnerKind::Shopify, PartnerKind::Canonical]);
    let warehouse = is(&[PartnerKind::Shipbob, PartnerKind::Canonical]);
    let helpdesk = is(&[PartnerKind::Zendesk]);
    serde_json::from_value(serde_json::json!({
        "id": id,
        "partner": partner.as_str(),
        "base_url": "https://partner.invalid",
        "settings": settings,
        "channel": channel.then(|| serde_json::json!({ "erp": "odoo" })),
        "warehouse": warehouse
            .then(|| serde_json::json!({ "default_shipping_method": "standard" })),
        "helpdesk": helpdesk.then(|| serde_json::json!({})),
    }))
}
