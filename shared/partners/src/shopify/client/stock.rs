//! Stock out: `inventorySetQuantities`, absolute, so that a repetition does no harm.

use super::{Nodes, Shop, gid};
use crate::exchange::Access;
use crate::shopify::error::{ShopifyError, UserError, shortened};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
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
                let sku = item.sku.as_deref().unwrap_or_default().trim().to_owned();
                quantities.push(Level {
                    item: item.id,
                    sku,
                    units: *units,
                });
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
    let mut refused = Refused::default();
    for chunk in quantities.chunks(MAX_QUANTITIES) {
        set(shop, key, &location, chunk, &mut refused).await?;
    }
    match refused.words {
        Some(words) => Err(ShopifyError::StockRefused {
            skus: refused.skus,
            words,
        }),
        None => Ok(()),
    }
}

/// What one item is to have.
#[derive(Debug, Clone)]
struct Level {
    item: String,
    sku: String,
    units: i64,
}

/// What the shop did not take, with its words about the first of it.
#[derive(Debug, Default)]
struct Refused {
    skus: Vec<String>,
    words: Option<String>,
}

impl Refused {
    fn add<'a>(&mut self, levels: impl Iterator<Item = &'a Level>, errors: &[UserError]) {
        self.skus.extend(levels.map(|l| l.sku.clone()));
        let words = errors.first().map(|e| shortened(&e.message));
        self.words = self.words.take().or(words);
    }
}

/// Sets one chunk. The shop refuses it whole for one item that it does not stock at the location:
/// the items that it names are left out, and the others are set once more.
async fn set(
    shop: &Shop<'_>,
    key: &MessageId,
    location: &str,
    levels: &[Level],
    refused: &mut Refused,
) -> Result<(), ShopifyError> {
    let errors = put(shop, key, location, levels).await?;
    let Some(first) = ShopifyError::of_users(&errors) else {
        return Ok(());
    };
    let named = named(&errors, levels.len()).ok_or(first)?;
    let (out, kept): (Vec<_>, Vec<_>) = levels
        .iter()
        .enumerate()
        .partition(|(index, _)| named.contains(index));
    refused.add(out.into_iter().map(|(_, level)| level), &errors);
    let kept: Vec<Level> = kept.into_iter().map(|(_, level)| level.clone()).collect();
    if !kept.is_empty() {
        let errors = put(shop, key, location, &kept).await?;
        if !errors.is_empty() {
            refused.add(kept.iter(), &errors);
        }
    }
    Ok(())
}

/// The places of the quantities that the errors are about: `input.quantities.N`, with or without a
/// field. Absent if one is about anything else.
fn named(errors: &[UserError], count: usize) -> Option<BTreeSet<usize>> {
    let place = |error: &UserError| {
        let path = error.field.as_deref()?;
        let (_, rest) = path.split_at_checked(path.iter().position(|p| p == "quantities")? + 1)?;
        let index: usize = rest.first()?.parse().ok()?;
        (index < count).then_some(index)
    };
    errors.iter().map(place).collect()
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

async fn put(
    shop: &Shop<'_>,
    key: &MessageId,
    location: &str,
    levels: &[Level],
) -> Result<Vec<UserError>, ShopifyError> {
    let keyed = shop.api_version() >= KEYED_SINCE;
    let entry = |level: &Level| {
        let (item, units) = (&level.item, level.units);
        if keyed {
            json!({
                "inventoryItemId": item, "locationId": location, "quantity": units,
                "changeFromQuantity": null,
            })
        } else {
            json!({ "inventoryItemId": item, "locationId": location, "quantity": units })
        }
    };
    let entries: Vec<Value> = levels.iter().map(entry).collect();
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
    Ok(answer.user_errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_quantities_by_their_place_or_nothing_is_left_out() {
        let error = |path: &[&str]| UserError {
            field: Some(path.iter().map(|p| (*p).to_owned()).collect()),
            message: "no".to_owned(),
        };
        let first = error(&["input", "quantities", "1", "locationId"]);
        let second = error(&["input", "quantities", "0"]);
        let places = named(&[first.clone(), second], 2);
        assert_eq!(places, Some(BTreeSet::from([0, 1])));
        assert_eq!(named(std::slice::from_ref(&first), 1), None, "out of range");
        for other in [&["input", "reason"][..], &["input", "quantities"]] {
            assert_eq!(named(&[first.clone(), error(other)], 2), None);
        }
    }

    #[test]
    fn a_quote_in_a_sku_cannot_end_its_term() {
        assert_eq!(term("A 1"), "sku:\"A 1\"");
        assert_eq!(term("12\" OR *"), "sku:\"12\\\" OR *\"");
    }
}
