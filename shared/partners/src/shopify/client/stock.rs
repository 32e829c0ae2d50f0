//! Stock out: `inventorySetQuantities`, absolute, so that a repetition does no harm.

use super::{Nodes, Shop, gid};
use crate::exchange::Access;
use crate::shopify::error::{ShopifyError, UserError};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use waybill_model::command::PublishStock;
use waybill_model::id::{MessageId, Sku, name_uuid};

/// Quantities in one mutation: Shopify's limit.
const MAX_QUANTITIES: usize = 250;
/// SKUs in one search: its text stays short, and its cost below the limit of one query.
const MAX_SEARCH: usize = 50;
/// Items that one search may find: several variants can share a SKU.
const MAX_FOUND: usize = 200;

const FIND_ITEMS: &str = "query WaybillItems($query: String!, $first: Int!) {
  inventoryItems(first: $first, query: $query) { nodes { id sku } }
}";

/// Up to 2025-10.
const SET_UNCOMPARED: &str = "mutation WaybillStock($input: InventorySetQuantitiesInput!) {
  inventorySetQuantities(input: $input) { userErrors { field message } }
}";

/// From 2026-01 the comparison is declined per quantity, and from 2026-04 the key is required.
const SET_KEYED: &str =
    "mutation WaybillStock($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) { userErrors { field message } }
}";

/// The first version with `changeFromQuantity` and `@idempotent`. Versions sort as text.
const KEYED_SINCE: &str = "2026-01";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Items {
    inventory_items: Nodes<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    sku: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Set {
    inventory_set_quantities: Option<SetAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SetAnswer {
    user_errors: Vec<UserError>,
}

/// Sets what can be sold at the channel's location. SKUs that the shop does not sell are passed
/// over: the ERP knows more products than any one channel offers.
pub(super) async fn publish(
    shop: &Shop<'_>,
    key: &MessageId,
    command: &PublishStock,
) -> Result<(), ShopifyError> {
    let channel = shop.connection.channel.as_ref();
    let location =
        channel
            .and_then(|c| c.stock_location.as_deref())
            .ok_or(ShopifyError::NotConfigured {
                what: "channel.stock_location",
            })?;
    let location = gid("Location", location);
    let wanted = wanted(shop, command);
    let skus: Vec<&str> = wanted.keys().map(String::as_str).collect();
    let mut quantities = Vec::new();
    for chunk in skus.chunks(MAX_SEARCH) {
        for item in find(shop, chunk).await? {
            // The search matches words; only the whole SKU counts.
            if let Some(units) = item.sku.as_deref().and_then(|s| wanted.get(s.trim())) {
                quantities.push((item.id, *units));
            }
        }
    }
    if quantities.is_empty() {
        tracing::warn!(
            connection = %shop.connection.id,
            skus = skus.len(),
            "the shop sells none of the SKUs whose stock was to be published"
        );
    }
    for chunk in quantities.chunks(MAX_QUANTITIES) {
        set(shop, key, &location, chunk).await?;
    }
    Ok(())
}

/// Units by the channel's SKU: broken units are not offered, and negative ones do not exist.
fn wanted(shop: &Shop<'_>, command: &PublishStock) -> BTreeMap<String, i64> {
    let mut wanted = BTreeMap::new();
    for level in &command.levels {
        let units = level.quantity.decimal().floor().try_into().unwrap_or(0);
        for sku in channel_skus(shop, &level.sku) {
            wanted.insert(sku.as_str().to_owned(), units);
        }
    }
    wanted
}

/// The names that the channel has for one of our SKUs.
fn channel_skus<'s>(shop: &'s Shop<'_>, ours: &'s Sku) -> Vec<&'s Sku> {
    let aliases = shop.connection.channel.as_ref().map(|c| &c.sku_aliases);
    let named: Vec<&Sku> = aliases
        .into_iter()
        .flatten()
        .filter(|(_, to)| *to == ours)
        .map(|(theirs, _)| theirs)
        .collect();
    if named.is_empty() { vec![ours] } else { named }
}

async fn find(shop: &Shop<'_>, skus: &[&str]) -> Result<Vec<Item>, ShopifyError> {
    let terms: Vec<String> = skus.iter().map(|s| term(s)).collect();
    let variables = json!({ "query": terms.join(" OR "), "first": MAX_FOUND });
    let items: Items = shop.graphql(Access::Read, FIND_ITEMS, variables).await?;
    Ok(items.inventory_items.nodes)
}

/// A search term; quotes and backslashes inside a SKU cannot end it.
fn term(sku: &str) -> String {
    let escaped = sku.replace('\\', "\\\\").replace('"', "\\\"");
    format!("sku:\"{escaped}\"")
}

async fn set(
    shop: &Shop<'_>,
    key: &MessageId,
    location: &str,
    quantities: &[(String, i64)],
) -> Result<(), ShopifyError> {
    let keyed = shop.api_version() >= KEYED_SINCE;
    let entry = |(item, units): &(String, i64)| {
        if keyed {
            json!({
                "inventoryItemId": item, "locationId": location, "quantity": units,
                "changeFromQuantity": null,
            })
        } else {
            json!({ "inventoryItemId": item, "locationId": location, "quantity": units })
        }
    };
    let entries: Vec<Value> = quantities.iter().map(entry).collect();
    let variables = if keyed {
        // The same key with another input is an error, and which items are found can change.
        let content = json!([location, entries]).to_string();
        json!({
            "input": { "name": "available", "reason": "correction", "quantities": entries },
            "key": name_uuid(&["stock", key.as_str(), &content]).to_string(),
        })
    } else {
        json!({ "input": {
            "name": "available", "reason": "correction", "quantities": entries,
            "ignoreCompareQuantity": true,
        }})
    };
    let document = if keyed { SET_KEYED } else { SET_UNCOMPARED };
    let answer: Set = shop.graphql(Access::Write, document, variables).await?;
    let answer = answer
        .inventory_set_quantities
        .ok_or(ShopifyError::Unclear {
            status: 200,
            access: Access::Write,
        })?;
    match ShopifyError::of_users(&answer.user_errors) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_sku_cannot_end_its_term() {
        assert_eq!(term("A 1"), "sku:\"A 1\"");
        assert_eq!(term("12\" OR *"), "sku:\"12\\\" OR *\"");
    }
}
