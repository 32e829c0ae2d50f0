//! Which warehouse fulfils an order (features F1): the first route that fits.

use crate::connections::{ChannelSettings, Route};
use waybill_model::id::ConnectionId;
use waybill_model::order::Order;

/// The warehouse for an order; none if no route fits.
#[must_use]
pub fn route<'a>(order: &Order, settings: &'a ChannelSettings) -> Option<&'a ConnectionId> {
    settings
        .routes
        .iter()
        .find(|r| fits(order, r))
        .map(|r| &r.warehouse)
}

fn fits(order: &Order, route: &Route) -> bool {
    let country = order.shipping.as_ref().and_then(|a| a.country.as_deref());
    let country_fits = route.countries.is_empty()
        || country.is_some_and(|c| route.countries.iter().any(|r| r.eq_ignore_ascii_case(c)));
    let method_fits = route.methods.is_empty()
        || order
            .shipping_lines
            .iter()
            .any(|s| route.methods.contains(&s.method));
    let skus_fit = route.sku_prefixes.is_empty()
        || order.lines.iter().filter(|l| l.requires_shipping).all(|l| {
            l.sku.as_ref().is_some_and(|sku| {
                route
                    .sku_prefixes
                    .iter()
                    .any(|p| sku.as_str().starts_with(p.as_str()))
            })
        });
    country_fits && method_fits && skus_fit
}
