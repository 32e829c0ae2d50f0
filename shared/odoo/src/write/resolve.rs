//! From our orders to their database ids.
//!
//! Only administrators may search external ids, so orders are searched by the source document that
//! we gave them, and Odoo is then asked for the external ids of what was found: a quotation that a
//! user copied has the same source document and no external id. Two calls for any number of
//! orders. What was not found that way (somebody edited the source document) is asked for by
//! external id, one call each.

use super::orders::CurrencyName;
use crate::client::Api;
use crate::error::{Fault, FaultKind, OdooError, rejected};
use crate::external_id::{Entry, look_up};
use crate::map::ids::{Ids, order_origin};
use crate::wire::{Call, Number, Text, ToOne};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use waybill_model::failure::Failure;
use waybill_model::id::CorrelationId;

/// A sale order that was found.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Found {
    pub(crate) id: i64,
    pub(crate) name: Text,
    pub(crate) state: Text,
    #[serde(default)]
    pub(crate) locked: bool,
    pub(crate) amount_total: Number,
    pub(crate) currency_id: CurrencyName,
    /// `to invoice` where something is left to invoice.
    #[serde(default)]
    pub(crate) invoice_status: Text,
    #[serde(default)]
    pub(crate) invoice_ids: Vec<i64>,
    pub(crate) date_order: Text,
    #[serde(default)]
    pub(crate) commitment_date: Text,
    #[serde(default)]
    pub(crate) partner_invoice_id: ToOne,
    #[serde(default)]
    pub(crate) partner_shipping_id: ToOne,
    #[serde(default)]
    pub(crate) warehouse_id: ToOne,
}

const FIELDS: [&str; 12] = [
    "name",
    "state",
    "amount_total",
    "currency_id",
    "invoice_status",
    "invoice_ids",
    "date_order",
    "commitment_date",
    "partner_invoice_id",
    "partner_shipping_id",
    "warehouse_id",
    "locked",
];

/// Whether what a search misses is asked for by external id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Two calls, whatever is missing.
    Search,
    /// A call for each that is missing.
    Thorough,
}

/// The orders that are in Odoo.
pub(crate) async fn resolve(
    api: &Api<'_>,
    correlations: &[CorrelationId],
    effort: Effort,
) -> Result<BTreeMap<CorrelationId, Found>, OdooError> {
    if correlations.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids = Ids {
        prefix: &api.settings.external_id_prefix,
    };
    let origins: Vec<String> = correlations.iter().map(|c| order_origin(*c)).collect();
    let rows: Vec<Found> = api
        .search_read("sale.order", json!([["origin", "in", origins]]), &FIELDS)
        .await?;
    let mut found = BTreeMap::new();
    if !rows.is_empty() {
        let row_ids: Vec<i64> = rows.iter().map(|r| r.id).collect();
        let call = Call::on("sale.order", "get_external_id", &row_ids);
        let external: BTreeMap<String, String> = serde_json::from_value(api.call(call).await?)
            .map_err(|_| OdooError::Shape("external ids by id are needed"))?;
        for row in rows {
            let external = external.get(&row.id.to_string());
            let ours = correlations
                .iter()
                .find(|c| Some(&ids.order(**c)) == external);
            if let Some(correlation) = ours {
                found.insert(*correlation, row);
            }
        }
    }
    if effort == Effort::Thorough {
        for correlation in correlations {
            if !found.contains_key(correlation)
                && let Some(row) = by_external_id(api, &ids.order(*correlation)).await?
            {
                found.insert(*correlation, row);
            }
        }
    }
    Ok(found)
}

async fn by_external_id(api: &Api<'_>, external_id: &str) -> Result<Option<Found>, OdooError> {
    let Some(id) = record_id(api, external_id).await? else {
        return Ok(None);
    };
    Ok(api
        .read("sale.order", &[id], &FIELDS)
        .await?
        .into_iter()
        .next())
}

/// The database id behind an external id: one call.
pub(crate) async fn record_id(api: &Api<'_>, external_id: &str) -> Result<Option<i64>, OdooError> {
    match look_up(api, external_id).await {
        Ok(entry) => found_id(&entry, external_id).map(Some),
        Err(OdooError::Fault(f)) if is_unknown(&f, external_id) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a fault says that there is no such external id: a `ValueError` that names it. Any other
/// fault says nothing about the order, and a live one must not pass for absent.
fn is_unknown(fault: &Fault, external_id: &str) -> bool {
    fault.kind == FaultKind::Interface
        && fault.name.rsplit('.').next() == Some("ValueError")
        && fault.raw().contains(external_id)
}

/// The id of a record that the user may see.
fn found_id(entry: &Entry, external_id: &str) -> Result<i64, OdooError> {
    if entry.is_hidden() {
        let text = format!("the integration user may not see `{external_id}`");
        return Err(Fault::new("odoo.exceptions.AccessError".to_owned(), text).into());
    }
    entry
        .id()
        .ok_or(OdooError::Shape("a model and an id are needed"))
}

/// The rejection for a command about an order that Odoo does not have.
pub(crate) fn not_in_erp(correlation: CorrelationId) -> Failure {
    rejected(
        "order_not_in_erp",
        format!("Odoo has no order for `{correlation}`"),
        "resolve the case that kept the order from being written, or retry its creation, then retry this",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn fault(name: &str, message: &str) -> Fault {
        Fault::new(name.to_owned(), message.to_owned())
    }

    #[test]
    fn only_the_error_that_names_the_id_says_that_it_is_unknown() {
        let unknown = "External ID not found in the system: shop.so_1";
        assert!(is_unknown(
            &fault("builtins.ValueError", unknown),
            "shop.so_1"
        ));
        for (name, message) in [
            ("builtins.ValueError", "Invalid field 'x' on 'sale.order'"),
            (
                "builtins.ValueError",
                "External ID not found in the system: shop.other",
            ),
            ("builtins.KeyError", "'ir.model.data'"),
            (
                "werkzeug.exceptions.UnprocessableEntity",
                "missing a required argument: 'xml_id' of shop.so_1",
            ),
            ("odoo.exceptions.MissingError", "Record does not exist"),
        ] {
            assert!(
                !is_unknown(&fault(name, message), "shop.so_1"),
                "{name}: {message}"
            );
        }
    }

    #[test]
    fn an_order_that_the_user_may_not_see_is_not_absent() {
        let found_id = |answer: Value| found_id(&Entry::from(answer), "shop.so_1");
        assert_eq!(found_id(json!(["sale.order", 7])), Ok(7));
        let hidden = found_id(json!(["sale.order", false])).unwrap_err();
        let erp = waybill_model::id::ConnectionId::new("odoo").unwrap();
        assert_eq!(hidden.failure(&erp).code().as_str(), "erp_missing_right");
        assert!(found_id(json!(null)).is_err());
    }
}
