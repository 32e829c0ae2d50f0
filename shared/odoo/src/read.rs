//! Reading: availability, and orders for reconciliation.

use crate::client::Api;
use crate::error::OdooError;
use crate::wire::{Number, Text};
use crate::write::resolve::{Effort, resolve};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::ports::{Availability, ErpOrder};
use waybill_model::id::{CorrelationId, Sku};
use waybill_model::money::{Amount, Currency, Money};
use waybill_model::quantity::Quantity;

#[derive(Deserialize)]
struct StockRow {
    default_code: Text,
    free_qty: Number,
    #[serde(default, rename = "type")]
    kind: Text,
    /// From 18 on.
    #[serde(default)]
    is_storable: Option<bool>,
}

/// What can be promised, in one call. A product that Odoo does not track, or that two products
/// share the SKU of, is unknown rather than zero.
pub(crate) async fn availability(
    api: &Api<'_>,
    skus: &[Sku],
) -> Result<Vec<Availability>, OdooError> {
    let wanted: BTreeSet<&Sku> = skus.iter().collect();
    let codes: Vec<&str> = wanted.iter().map(|s| s.as_str()).collect();
    let domain = if codes.is_empty() {
        json!([["sale_ok", "=", true], ["default_code", "!=", false]])
    } else {
        json!([["default_code", "in", codes]])
    };
    let mut fields = vec!["default_code", "free_qty", "type"];
    if api.session.major >= 18 {
        fields.push("is_storable");
    }
    let rows: Vec<StockRow> = api.search_read("product.product", domain, &fields).await?;
    let mut found: BTreeMap<Sku, Option<Quantity>> = BTreeMap::new();
    for row in rows {
        let Ok(sku) = Sku::new(row.default_code.as_str()) else {
            continue;
        };
        let tracked = row
            .is_storable
            .unwrap_or_else(|| row.kind.as_str() == "product");
        // More promised than there is: nothing can be promised.
        let free = row.free_qty.rounded(Quantity::MAX_PLACES).max(0.into());
        let available = Quantity::from_decimal(free).ok().filter(|_| tracked);
        found
            .entry(sku)
            .and_modify(|a| *a = None)
            .or_insert(available);
    }
    for sku in wanted {
        found.entry(sku.clone()).or_insert(None);
    }
    Ok(found
        .into_iter()
        .map(|(sku, available)| Availability { sku, available })
        .collect())
}

/// What Odoo holds of these orders, in two calls.
pub(crate) async fn orders(
    api: &Api<'_>,
    correlations: &[CorrelationId],
) -> Result<Vec<ErpOrder>, OdooError> {
    let found = resolve(api, correlations, Effort::Search).await?;
    found
        .into_iter()
        .map(|(correlation, row)| {
            let currency = Currency::new(row.currency_id.code())
                .map_err(|_| OdooError::Shape("an order has no currency"))?;
            let total = Amount::from_decimal(row.amount_total.rounded(currency.minor_digits()))
                .ok_or(OdooError::Shape("an order's total is too large"))?;
            Ok(ErpOrder {
                correlation,
                name: row.name.as_str().to_owned(),
                confirmed: !matches!(row.state.as_str(), "draft" | "sent" | "cancel"),
                cancelled: row.state.as_str() == "cancel",
                total: Money::new(total, currency),
            })
        })
        .collect()
}
