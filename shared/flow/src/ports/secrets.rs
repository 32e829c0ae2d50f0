//! Secrets of connections.

use super::InfraError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use waybill_model::id::ConnectionId;

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value: only for signing, verifying and request headers.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Missing or blank: never accepted as a key.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Everything secret of one connection: one JSON document in Secrets Manager.
///
/// ```json
/// {"webhook_secrets": ["current", "previous"], "api": {"access_token": "…"}}
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionSecrets {
    /// Keys that the partner signs with: the current one, and the previous while it rotates.
    #[serde(default)]
    pub webhook_secrets: Vec<Secret>,
    /// What we call the partner with, by the names that its adapter documents.
    #[serde(default)]
    pub api: BTreeMap<String, Secret>,
}

/// Where secrets come from.
pub trait Secrets: Send + Sync {
    /// The secrets of a connection, at most a few minutes old.
    ///
    /// # Errors
    /// The store failed, or holds no readable document for this connection.
    fn get(
        &self,
        connection: &ConnectionId,
    ) -> impl Future<Output = Result<ConnectionSecrets, InfraError>> + Send;

    /// The secrets as they are now, for when those of [`Secrets::get`] were refused: somebody may
    /// have rotated them. Nothing if it is too early to ask again, or if there is no cache.
    ///
    /// # Errors
    /// They could not be read.
    fn refresh(
        &self,
        _connection: &ConnectionId,
    ) -> impl Future<Output = Result<Option<ConnectionSecrets>, InfraError>> + Send {
        async { Ok(None) }
    }
}

impl<S: Secrets> Secrets for std::sync::Arc<S> {
    async fn get(&self, connection: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        (**self).get(connection).await
    }

    async fn refresh(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<ConnectionSecrets>, InfraError> {
        (**self).refresh(connection).await
    }
}
