//! What is looked up once and kept for a while: products by SKU, states by code.

use crate::client::{Api, Session};
use crate::error::OdooError;
use crate::wire::{Text, ToOne};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use waybill_model::id::{ConnectionId, Sku};

/// How long an entry is believed before it is looked up again. What changed in between is found
/// before an order is confirmed; see `write::fresh`.
const KEEP: Duration = Duration::from_secs(600);
/// Most entries kept for one connection, so that a process cannot grow without end.
const MAX_ENTRIES: usize = 50_000;

/// What a SKU leads to in Odoo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    /// One product: its database id.
    One(i64),
    /// One product that is not for sale: its database id. Products of shipping are such by default.
    Unsold(i64),
    /// Two or more active products have this internal reference.
    Several,
}

impl Product {
    /// The database id, where there is one.
    pub(crate) fn id(self) -> Option<i64> {
        match self {
            Self::One(id) | Self::Unsold(id) => Some(id),
            Self::Several => None,
        }
    }
}

/// Country and region, as the channel codes them.
pub(crate) type Region = (String, String);

/// Products and states known for one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    pub(crate) products: BTreeMap<Sku, Product>,
    pub(crate) states: BTreeMap<Region, i64>,
}

#[derive(Debug, Default)]
struct Known {
    session: Option<Session>,
    products: BTreeMap<Sku, (Product, Instant)>,
    states: BTreeMap<Region, Option<i64>>,
}

/// The process's memory of every Odoo.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<BTreeMap<ConnectionId, Known>>);

#[derive(Deserialize)]
struct ProductRow {
    id: i64,
    default_code: Text,
    sale_ok: bool,
}

#[derive(Deserialize)]
struct StateRow {
    id: i64,
    code: Text,
    country_id: ToOne,
}

#[derive(Deserialize)]
struct CountryRow {
    id: i64,
    code: Text,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Known>> {
        // A panic elsewhere leaves only cached rows behind: they stay usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session(&self, erp: &ConnectionId) -> Option<Session> {
        self.lock().get(erp)?.session
    }

    pub(crate) fn set_session(&self, erp: &ConnectionId, session: Option<Session>) {
        self.lock().entry(erp.clone()).or_default().session = session;
    }

    /// Products and states for these, from memory where it is fresh: at most one call each, none
    /// when all are known. What is unknown is always looked up again, so that a product made in
    /// Odoo a second ago is found.
    pub(crate) async fn catalog(
        &self,
        api: &Api<'_>,
        skus: &BTreeSet<Sku>,
        regions: &BTreeSet<Region>,
    ) -> Result<Catalog, OdooError> {
        let (mut catalog, unknown_skus, unknown_regions) = self.recall(api.erp, skus, regions);
        if !unknown_skus.is_empty() {
            let found = find_products(api, &unknown_skus).await?;
            self.remember(api.erp, |known| {
                let now = Instant::now();
                known
                    .products
                    .extend(found.iter().map(|(s, p)| (s.clone(), (*p, now))));
            });
            catalog.products.extend(found);
        }
        if !unknown_regions.is_empty() {
            let found = find_states(api, &unknown_regions).await?;
            self.remember(api.erp, |known| {
                for region in &unknown_regions {
                    known
                        .states
                        .insert(region.clone(), found.get(region).copied());
                }
            });
            catalog.states.extend(found);
        }
        Ok(catalog)
    }

    /// Forgets products, so that the next look-up asks Odoo.
    pub(crate) fn forget_products(&self, erp: &ConnectionId) {
        self.remember(erp, |known| known.products.clear());
    }

    fn recall(
        &self,
        erp: &ConnectionId,
        skus: &BTreeSet<Sku>,
        regions: &BTreeSet<Region>,
    ) -> (Catalog, BTreeSet<Sku>, BTreeSet<Region>) {
        let mut known = self.lock();
        let known = known.entry(erp.clone()).or_default();
        known
            .products
            .retain(|_, (_, since)| since.elapsed() < KEEP);
        let mut catalog = Catalog::default();
        for sku in skus {
            if let Some((product, _)) = known.products.get(sku) {
                catalog.products.insert(sku.clone(), *product);
            }
        }
        let mut unknown_regions = BTreeSet::new();
        for region in regions {
            match known.states.get(region) {
                Some(Some(state)) => {
                    catalog.states.insert(region.clone(), *state);
                }
                Some(None) => {}
                None => {
                    unknown_regions.insert(region.clone());
                }
            }
        }
        let unknown_skus = skus
            .iter()
            .filter(|s| !catalog.products.contains_key(*s))
            .cloned()
            .collect();
        (catalog, unknown_skus, unknown_regions)
    }

    fn remember(&self, erp: &ConnectionId, change: impl FnOnce(&mut Known)) {
        let mut known = self.lock();
        let known = known.entry(erp.clone()).or_default();
        if known.products.len() > MAX_ENTRIES {
            known.products.clear();
        }
        if known.states.len() > MAX_ENTRIES {
            known.states.clear();
        }
        change(known);
    }
}

async fn find_products(
    api: &Api<'_>,
    skus: &BTreeSet<Sku>,
) -> Result<BTreeMap<Sku, Product>, OdooError> {
    let codes: Vec<&str> = skus.iter().map(Sku::as_str).collect();
    let rows: Vec<ProductRow> = api
        .search_read(
            "product.product",
            json!([["default_code", "in", codes]]),
            &["default_code", "sale_ok"],
        )
        .await?;
    let mut found = BTreeMap::new();
    for row in rows {
        if let Ok(sku) = Sku::new(row.default_code.as_str()) {
            found
                .entry(sku)
                .and_modify(|p| *p = Product::Several)
                .or_insert(if row.sale_ok {
                    Product::One(row.id)
                } else {
                    Product::Unsold(row.id)
                });
        }
    }
    Ok(found)
}

async fn find_states(
    api: &Api<'_>,
    regions: &BTreeSet<Region>,
) -> Result<BTreeMap<Region, i64>, OdooError> {
    let codes: BTreeSet<&str> = regions.iter().map(|(_, code)| code.as_str()).collect();
    let countries: BTreeSet<&str> = regions.iter().map(|(c, _)| c.as_str()).collect();
    let countries: Vec<CountryRow> = api
        .search_read("res.country", json!([["code", "in", countries]]), &["code"])
        .await?;
    let by_id: BTreeMap<i64, &str> = countries.iter().map(|c| (c.id, c.code.as_str())).collect();
    let ids: Vec<i64> = by_id.keys().copied().collect();
    let rows: Vec<StateRow> = api
        .search_read(
            "res.country.state",
            json!([["code", "in", codes], ["country_id", "in", ids]]),
            &["code", "country_id"],
        )
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let country = by_id.get(&row.country_id.0?)?;
            Some((
                ((*country).to_owned(), row.code.as_str().to_owned()),
                row.id,
            ))
        })
        .filter(|(region, _)| regions.contains(region))
        .collect())
}
