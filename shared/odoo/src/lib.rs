//! Odoo behind one port: JSON-RPC (17, 18) and JSON-2 (19 and later).
//!
//! | module | does |
//! |---|---|
//! | `wire` | one call in both protocols; values as Odoo writes them |
//! | `client` | makes one call, bounded in time and size |
//! | `session` | finds out who we are there and what it is like |
//! | `error` | classes every fault by its name |
//! | `refusal` | what Odoo's sentences mean, and what to change where |
//! | `catalog` | products and states, looked up once and kept for a while |
//! | `customers` | finds customers whom Odoo knows |
//! | `map` | canonical model → rows; no I/O |
//! | `write` | one module a command, in batches; every one safe to repeat after any failure |
//! | `read` | availability, orders for reconciliation |
//! | `keys` | API keys of the integration user |
//! | `check` | whether an Odoo has what the connections file uses of it |
//!
//! The connection's secret holds the integration user's key as `api.key`. Its user needs Sales:
//! all documents, Contact creation, Inventory user (17 and 18: administrator, to set stock), and
//! Invoicing for invoices, payments and credit notes.
//!
//! Settings of the connection that only this adapter reads (`settings` in the connections file):
//! `quarantine_location` and `scrap_location`, external ids of the locations that returned goods
//! of these dispositions go to.

mod catalog;
pub mod check;
mod client;
mod customers;
mod error;
mod external_id;
mod keys;
mod map;
mod read;
mod refusal;
mod session;
#[cfg(test)]
mod transcripts;
mod wire;
mod write;

pub use client::Limits;

use catalog::Memory;
use client::Api;
use error::{OdooError, rejected};
use session::Session;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;
use waybill_flow::connections::{Connection, Connections, ErpSettings};
use waybill_flow::ports::keys::KEY;
use waybill_flow::ports::{Availability, Erp, ErpCommand, ErpOrder, Secret, Secrets};
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, CorrelationId, Reference, Sku};

/// Every Odoo of the connections file.
pub struct Odoo<S> {
    connections: Connections,
    secrets: S,
    http: reqwest::Client,
    limits: Limits,
    memory: Memory,
}

impl<S> fmt::Debug for Odoo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Odoo")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<S: Secrets> Odoo<S> {
    /// The adapter, with the usual limits.
    #[must_use]
    pub fn new(connections: Connections, secrets: S, http: reqwest::Client) -> Self {
        Self {
            connections,
            secrets,
            http,
            limits: Limits::default(),
            memory: Memory::default(),
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn settings(&self, erp: &ConnectionId) -> Result<(&Connection, &ErpSettings), Failure> {
        self.connections
            .get(erp)
            .and_then(|c| Some((c, c.erp.as_ref()?)))
            .ok_or_else(|| {
                rejected(
                    "unknown_connection",
                    format!("the Odoo `{erp}` is not configured"),
                    format!("add `{erp}` with an `erp` table to the connections file and deploy, then retry"),
                )
            })
    }

    /// With the key, and not logged in.
    async fn identify<'a>(
        &'a self,
        connection: &'a Connection,
        settings: &'a ErpSettings,
        deadline: Instant,
    ) -> Result<Api<'a>, OdooError> {
        let erp = &connection.id;
        let mut secrets = self
            .secrets
            .get(erp)
            .await
            .map_err(|e| OdooError::Secrets {
                detail: e.to_string(),
            })?;
        let key = secrets
            .api
            .remove(KEY)
            .filter(|k| !k.is_blank())
            .ok_or(OdooError::NoKey)?;
        Ok(Api {
            http: &self.http,
            erp,
            base_url: &connection.base_url,
            settings,
            key: client::Key::new(key, self, erp),
            session: Session::unknown(),
            limits: self.limits,
            deadline,
        })
    }

    /// The key as it is kept now, past the cache: it may have been rotated a moment ago.
    async fn newer_key(&self, erp: &ConnectionId) -> Option<Secret> {
        let secrets = match self.secrets.refresh(erp).await {
            Ok(Some(fresh)) => fresh,
            // Asked for a moment ago: what came then is in the cache.
            Ok(None) | Err(_) => self.secrets.get(erp).await.ok()?,
        };
        secrets.api.get(KEY).filter(|k| !k.is_blank()).cloned()
    }

    async fn open<'a>(
        &'a self,
        erp: &'a ConnectionId,
        deadline: Instant,
    ) -> Result<Api<'a>, Failure> {
        let (connection, settings) = self.settings(erp)?;
        let fail = |e: OdooError| e.failure(erp);
        let mut api = self
            .identify(connection, settings, deadline)
            .await
            .map_err(fail)?;
        api.session = match self.memory.session(erp) {
            Some(session) => session,
            None => {
                let session = Session::open(&mut api).await.map_err(fail)?;
                self.memory.set_session(erp, Some(session));
                session
            }
        };
        Ok(api)
    }
}

impl<S: Secrets> client::KeySource for Odoo<S> {
    fn newer<'s>(&'s self, erp: &'s ConnectionId) -> client::Newer<'s> {
        Box::pin(self.newer_key(erp))
    }
}

impl<S: Secrets> Erp for Odoo<S> {
    async fn write_within(
        &self,
        erp: &ConnectionId,
        batch: &[ErpCommand],
        within: Duration,
    ) -> Vec<Result<Vec<Reference>, Failure>> {
        let deadline = Instant::now() + self.limits.batch.min(within);
        let api = match self.open(erp, deadline).await {
            Ok(api) => api,
            Err(failure) => return vec![Err(failure); batch.len()],
        };
        let writer = write::Writer {
            api: &api,
            memory: &self.memory,
            connections: &self.connections,
        };
        let outcomes = write::write(writer, batch).await;
        if outcomes
            .iter()
            .any(|o| matches!(o, Err(f) if f.code().as_str() == "erp_credentials"))
        {
            // The user may be another one now.
            self.memory.set_session(erp, None);
        }
        outcomes
    }

    async fn availability(
        &self,
        erp: &ConnectionId,
        skus: &[Sku],
    ) -> Result<Vec<Availability>, Failure> {
        let api = self.open(erp, Instant::now() + self.limits.batch).await?;
        read::availability(&api, skus)
            .await
            .map_err(|e| e.failure(erp))
    }

    async fn orders(
        &self,
        erp: &ConnectionId,
        correlations: &[CorrelationId],
    ) -> Result<Vec<ErpOrder>, Failure> {
        let api = self.open(erp, Instant::now() + self.limits.batch).await?;
        read::orders(&api, correlations)
            .await
            .map_err(|e| e.failure(erp))
    }
}
