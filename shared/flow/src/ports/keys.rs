//! Keys of the ERP's integration user, and the place where the current one is kept.

use super::{ConnectionSecrets, InfraError, Secret, Secrets};
use std::collections::BTreeMap;
use std::future::Future;
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, name_uuid};
use waybill_model::time::Instant;

/// Name of the current key in a connection's secret, under `api`.
pub const KEY: &str = "key";
/// The ERP's id of the current key, where Waybill made it, as [`mark`] writes it.
pub const KEY_ID: &str = "key_id";
/// The key before the current one, which works for a while.
pub const PREVIOUS_KEY: &str = "previous_key";
/// The ERP's id of the key before, where it is known.
pub const PREVIOUS_KEY_ID: &str = "previous_key_id";
/// The user's password, where a person stored it so that Waybill can make keys.
pub const PASSWORD: &str = "password";

/// The ERP's id of a key, with a sign of its value: who replaces the key by hand may leave the id
/// of the one before beside it.
#[must_use]
pub fn mark(id: &str, key: &Secret) -> Secret {
    Secret::new(format!("{id}/{}", name_uuid(&["api key", key.expose()])))
}

/// The ERP's id of the current key, if Waybill made it.
#[must_use]
pub fn current_id(secrets: &ConnectionSecrets) -> Option<&str> {
    let (mark, key) = (secrets.api.get(KEY_ID)?, secrets.api.get(KEY)?);
    let (id, _) = mark.expose().split_once('/')?;
    (mark.expose() == self::mark(id, key).expose()).then_some(id)
}

/// A key as the ERP lists it: never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErpKey {
    /// The ERP's id.
    pub id: String,
    /// What its maker called it.
    pub name: String,
    /// When it was made; unknown where the ERP does not tell.
    pub created: Option<Instant>,
    /// When it ends; it does not where this is absent.
    pub expires: Option<Instant>,
}

/// A key that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeKey {
    /// The ERP's id.
    pub id: String,
    /// Its value, which the ERP tells this once.
    pub value: Secret,
}

/// Why no key can be made without a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// What it takes is not there, or not allowed.
    NotPossible {
        /// What was tried, and what the ERP said.
        detail: String,
        /// What a person can change so that it is possible.
        remedy: String,
    },
    /// A call failed.
    Failed(Failure),
}

impl From<Failure> for KeyError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Keys of the ERP's integration user.
pub trait ErpKeys: Send + Sync {
    /// All that the user has and that work, in no order.
    ///
    /// # Errors
    /// As classed from the answer.
    fn keys(&self, erp: &ConnectionId)
    -> impl Future<Output = Result<Vec<ErpKey>, Failure>> + Send;

    /// Makes one that lives as long as the ERP lets it, 90 days at most. Not safe to repeat: when
    /// the answer is lost, there may be a key of this name that nobody holds.
    ///
    /// # Errors
    /// It cannot be made, or the call failed.
    fn make_key(
        &self,
        erp: &ConnectionId,
        secrets: &ConnectionSecrets,
        name: &str,
        now: Instant,
    ) -> impl Future<Output = Result<MadeKey, KeyError>> + Send;

    /// Whether a key opens the ERP as the same user as the connection's.
    ///
    /// # Errors
    /// As classed from the answer; a key that is refused is `erp_credentials`.
    fn try_key(
        &self,
        erp: &ConnectionId,
        key: &Secret,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Takes a key away; one that is gone is no error.
    ///
    /// # Errors
    /// It cannot be taken away, or the call failed.
    fn revoke_key(
        &self,
        erp: &ConnectionId,
        secrets: &ConnectionSecrets,
        id: &str,
    ) -> impl Future<Output = Result<(), KeyError>> + Send;
}

/// Where the secrets of connections are kept and can be changed.
pub trait SecretStore: Secrets {
    /// The secrets as they are now, from no cache.
    ///
    /// # Errors
    /// The store failed, or holds no readable document for this connection.
    fn latest(
        &self,
        connection: &ConnectionId,
    ) -> impl Future<Output = Result<ConnectionSecrets, InfraError>> + Send;

    /// Sets these values under `api`, and leaves everything else in the document as it is. Setting
    /// the same again changes nothing.
    ///
    /// # Errors
    /// The store failed; after `Unknown` the values may be set.
    fn set_api(
        &self,
        connection: &ConnectionId,
        values: &BTreeMap<String, Secret>,
    ) -> impl Future<Output = Result<(), InfraError>> + Send;
}
