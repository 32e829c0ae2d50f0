//! Odoo 17 and 19 as integrations see them: JSON-RPC and JSON-2 over the models that Waybill uses.
//!
//! The answers follow recorded exchanges with real servers: `load` is all or nothing and blames as Odoo does, confirming
//! reserves stock, validating makes backorders, credit notes settle invoices. An unknown model, method, field or
//! argument gets Odoo's own error, so that a mistake of the caller shows.
mod access;
mod account;
mod compute;
mod concurrency;
mod config;
mod convert;
mod db;
mod domain;
mod env;
mod extract;
mod fault;
mod import;
mod json2;
mod jsonrpc;
mod keys;
mod methods;
mod models;
mod orm;
mod payments;
mod quants;
mod returns;
mod sale;
mod schema;
mod seed;
mod server;
mod snapshot;
mod stock;
mod tax;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::routing::{any, get, post};
use serde_json::{Value, json};

pub use config::{
    Clock, Latency, OdooConfig, OdooUser, ProductSeed, Rounding, TaxSeed, Version, WarehouseSeed,
    connector_groups,
};

/// A fault for the next calls of a method.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Injection {
    /// Empty: any model.
    pub model: String,
    /// Empty: any method.
    pub method: String,
    /// How many calls it hits.
    pub times: u32,
    /// Retries exhausted: PostgreSQL's serialization failure, in `load` as messages, nothing written.
    pub serialization: bool,
    /// Extra milliseconds before the work.
    pub delay_ms: u64,
}

impl Injection {
    fn applies_to(&self, model: &str, method: &str) -> bool {
        (self.model.is_empty() || self.model == model)
            && (self.method.is_empty() || self.method == method)
    }
}

/// One simulated Odoo with its database in memory.
#[derive(Debug)]
pub struct OdooSim {
    server: Arc<server::Server>,
}

impl OdooSim {
    /// Fills a fresh database.
    pub fn new(config: OdooConfig) -> Arc<Self> {
        Arc::new(Self {
            server: Arc::new(server::Server::new(config)),
        })
    }

    /// Its HTTP interface. Work goes on to its commit when a client goes away.
    pub fn router(self: Arc<Self>) -> Router {
        let server = || Arc::clone(&self.server);
        let (rpc, two, bare, info) = (server(), server(), server(), server());
        let (enter, web) = (server(), server());
        Router::new()
            .route(
                "/jsonrpc",
                post(move |body: Bytes| jsonrpc::handle(Arc::clone(&rpc), body)),
            )
            .route(
                "/json/2/{*path}",
                any(
                    move |method: Method,
                          Path(path): Path<String>,
                          headers: HeaderMap,
                          body: Bytes| {
                        json2::handle(Arc::clone(&two), method, path, headers, body)
                    },
                ),
            )
            .route(
                "/json/2",
                any(move |method: Method, headers: HeaderMap, body: Bytes| {
                    json2::handle(Arc::clone(&bare), method, String::new(), headers, body)
                }),
            )
            .route(
                "/web/session/authenticate",
                post(move |body: Bytes| jsonrpc::log_in(Arc::clone(&enter), body)),
            )
            .route(
                "/web/dataset/call_kw",
                post(move |headers: HeaderMap, body: Bytes| {
                    jsonrpc::call_kw(Arc::clone(&web), headers, body)
                }),
            )
            .route("/web/version", get(move || version(Arc::clone(&info))))
            .fallback(|| async { json2::html(StatusCode::NOT_FOUND, json2::NOT_FOUND) })
    }

    /// Everything that invariants look at: orders with pickings and moves, stock, invoices, credit notes, payments.
    pub fn snapshot(&self) -> Value {
        self.server
            .with_db(|db| snapshot::snapshot(db, &self.server.world))
    }

    /// A person changes the records that match a domain.
    ///
    /// # Errors
    /// The text with which Odoo refuses.
    pub fn edit(&self, model: &str, domain: &Value, vals: &Value) -> Result<Vec<i64>, String> {
        self.server.as_person(|env| {
            let ids = orm::search(env, model, domain, orm::Page::default());
            let ids = ids.map_err(|fault| fault.message)?;
            let vals = vals.as_object().cloned().unwrap_or_default();
            orm::write(env, model, &ids, vals.into_iter().collect())
                .map(|()| ids)
                .map_err(|fault| fault.message)
        })
    }

    /// Every record of a model as `read` shows it.
    pub fn records(&self, model: &str) -> Vec<Value> {
        self.server.as_person(|env| {
            let ids = env.db.all(model);
            let rows = orm::read(env, model, &ids, &json!([]), false);
            rows.ok()
                .and_then(|rows| rows.as_array().cloned())
                .unwrap_or_default()
        })
    }

    /// A person makes a record; the id.
    ///
    /// # Errors
    /// The text with which Odoo refuses.
    pub fn make(&self, model: &str, vals: &Value) -> Result<i64, String> {
        self.server.as_person(|env| {
            let vals = vals.as_object().cloned().unwrap_or_default();
            orm::create(env, model, vals.into_iter().collect()).map_err(|fault| fault.message)
        })
    }

    /// Makes the next calls fail or wait.
    pub fn inject(&self, injection: Injection) {
        self.server.inject(injection);
    }

    /// Rotates a user's keys: the old ones are refused from now on.
    pub fn set_keys(&self, login: &str, keys: Vec<String>) {
        self.server.set_keys(login, &keys);
    }

    /// Lets a key expire: it is refused from now on, whose ever it was.
    pub fn expire_key(&self, key: &str) {
        self.server.expire_key(key);
    }
}

async fn version(server: Arc<server::Server>) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    match server.world.version {
        Version::V17 => json2::html(StatusCode::NOT_FOUND, json2::NOT_FOUND),
        Version::V19 => {
            axum::Json(json!({"version_info": [19, 0, 0, "final", 0, ""], "version": "19.0"}))
                .into_response()
        }
    }
}
