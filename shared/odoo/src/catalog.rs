//! What is looked up once and kept for a while: products by SKU, states by code, customers by key.

use crate::client::Api;
use crate::customers::{self, Key};
use crate::error::OdooError;
use crate::map::partner::Known;
use crate::session::Session;
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
    /// Only archived products have it. Never remembered: it may be back at any time.
    Archived,
}

impl Product {
    /// The database id, where there is one.
    pub(crate) fn id(self) -> Option<i64> {
        match self {
            Self::One(id) | Self::Unsold(id) => Some(id),
            Self::Several | Self::Archived => None,
        }
    }
}

/// Country and region, as the channel codes them.
pub(crate) type Region = (String, String);

/// What is known for one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    pub(crate) products: BTreeMap<Sku, Product>,
    pub(crate) states: BTreeMap<Region, i64>,
    pub(crate) customers: BTreeMap<Key, Known>,
}

/// What a batch asks for.
#[derive(Debug, Default)]
pub(crate) struct Ask {
    pub(crate) skus: BTreeSet<Sku>,
    pub(crate) regions: BTreeSet<Region>,
    pub(crate) customers: BTreeSet<Key>,
}

#[derive(Debug, Default)]
struct Remembered {
    session: Option<Session>,
    products: BTreeMap<Sku, (Product, Instant)>,
    states: BTreeMap<Region, Option<i64>>,
    customers: BTreeMap<Key, (Known, Instant)>,
}

/// The process's memory of every Odoo.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<BTreeMap<ConnectionId, Remembered>>);

#[derive(Deserialize)]
struct ProductRow {
    id: i64,
    default_code: Text,
    sale_ok: bool,
    active: bool,
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
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Remembered>> {
        // A panic elsewhere leaves only cached rows behind: they stay usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session(&self, erp: &ConnectionId) -> Option<Session> {
        self.lock().get(erp)?.session
    }

    pub(crate) fn set_session(&self, erp: &ConnectionId, session: Option<Session>) {
        self.lock().entry(erp.clone()).or_default().session = session;
    }

    /// What is wanted, from memory where it is fresh: at most one call a kind, none when all is
    /// known. What is unknown is always looked up again, so that a product made in Odoo a second
    /// ago is found.
    pub(crate) async fn look_up(&self, api: &Api<'_>, wanted: &Ask) -> Result<Catalog, OdooError> {
        let (mut catalog, unknown) = self.recall(api.erp, wanted);
        let now = Instant::now();
        if !unknown.skus.is_empty() {
            let found = find_products(api, &unknown.skus).await?;
            self.remember(api.erp, |known| {
                let lasting = found.iter().filter(|(_, p)| **p != Product::Archived);
                let fresh = lasting.map(|(s, p)| (s.clone(), (*p, now)));
                known.products.extend(fresh);
            });
            catalog.products.extend(found);
        }
        if !unknown.regions.is_empty() {
            let found = find_states(api, &unknown.regions).await?;
            self.remember(api.erp, |known| {
                let regions = unknown.regions.iter();
                let states = regions.map(|r| (r.clone(), found.get(r).copied()));
                known.states.extend(states);
            });
            catalog.states.extend(found);
        }
        if !unknown.customers.is_empty() {
            let found = customers::find(api, &unknown.customers).await?;
            self.remember(api.erp, |known| {
                let fresh = found.iter().map(|(k, c)| (k.clone(), (*c, now)));
                known.customers.extend(fresh);
            });
            catalog.customers.extend(found);
        }
        Ok(catalog)
    }

    /// Products only: see [`Memory::look_up`].
    pub(crate) async fn products(
        &self,
        api: &Api<'_>,
        skus: BTreeSet<Sku>,
    ) -> Result<Catalog, OdooError> {
        let wanted = Ask {
            skus,
            ..Ask::default()
        };
        self.look_up(api, &wanted).await
    }

    /// Forgets products and customers, so that the next look-up asks Odoo.
    pub(crate) fn forget(&self, erp: &ConnectionId) {
        self.remember(erp, |known| {
            known.products.clear();
            known.customers.clear();
        });
    }

    fn recall(&self, erp: &ConnectionId, wanted: &Ask) -> (Catalog, Ask) {
        let mut known = self.lock();
        let known = known.entry(erp.clone()).or_default();
        let fresh = |since: &Instant| since.elapsed() < KEEP;
        known.products.retain(|_, (_, since)| fresh(since));
        known.customers.retain(|_, (_, since)| fresh(since));
        let (mut catalog, mut unknown) = (Catalog::default(), Ask::default());
        for sku in &wanted.skus {
            match known.products.get(sku) {
                Some((product, _)) => drop(catalog.products.insert(sku.clone(), *product)),
                None => drop(unknown.skus.insert(sku.clone())),
            }
        }
        for key in &wanted.customers {
            match known.customers.get(key) {
                Some((customer, _)) => drop(catalog.customers.insert(key.clone(), *customer)),
                None => drop(unknown.customers.insert(key.clone())),
            }
        }
        for region in &wanted.regions {
            match known.states.get(region) {
                Some(Some(state)) => drop(catalog.states.insert(region.clone(), *state)),
                Some(None) => {}
                None => drop(unknown.regions.insert(region.clone())),
            }
        }
        (catalog, unknown)
    }

    fn remember(&self, erp: &ConnectionId, change: impl FnOnce(&mut Remembered)) {
        let mut known = self.lock();
        let known = known.entry(erp.clone()).or_default();
        if known.products.len() > MAX_ENTRIES {
            known.products.clear();
        }
        if known.customers.len() > MAX_ENTRIES {
            known.customers.clear();
        }
        if known.states.len() > MAX_ENTRIES {
            known.states.clear();
        }
        change(known);
    }
}

impl ProductRow {
    fn product(&self) -> Product {
        match (self.active, self.sale_ok) {
            (false, _) => Product::Archived,
            (true, true) => Product::One(self.id),
            (true, false) => Product::Unsold(self.id),
        }
    }
}

/// What two products with one internal reference come to.
fn both(a: Product, b: Product) -> Product {
    match (a, b) {
        (Product::Archived, other) | (other, Product::Archived) => other,
        _ => Product::Several,
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
            // Odoo hides archived products from whoever does not ask for them.
            json!([
                ["default_code", "in", codes],
                ["active", "in", [true, false]]
            ]),
            &["default_code", "sale_ok", "active"],
        )
        .await?;
    let mut found = BTreeMap::new();
    for row in rows {
        if let Ok(sku) = Sku::new(row.default_code.as_str()) {
            let product = row.product();
            found
                .entry(sku)
                .and_modify(|known| *known = both(*known, product))
                .or_insert(product);
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
