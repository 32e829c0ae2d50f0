//! Secrets in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use waybill_flow::ports::{ConnectionSecrets, InfraError, Secret, SecretStore, Secrets};
use waybill_model::id::ConnectionId;

/// Secrets by connection; an unknown connection is an error, as with the real store.
#[derive(Debug, Default)]
pub struct MemorySecrets {
    documents: Mutex<BTreeMap<ConnectionId, ConnectionSecrets>>,
}

impl MemorySecrets {
    /// Sets a connection's document.
    pub fn set(&self, connection: &ConnectionId, secrets: ConnectionSecrets) {
        let mut documents = self.documents.lock().unwrap();
        documents.insert(connection.clone(), secrets);
    }

    /// Adds a connection with these webhook secrets and credentials.
    #[must_use]
    pub fn with(self, connection: &str, webhook: &[&str], api: &[(&str, &str)]) -> Self {
        let secrets = ConnectionSecrets {
            webhook_secrets: webhook.iter().map(|s| Secret::new(*s)).collect(),
            api: api
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
                .collect(),
        };
        self.set(&crate::build::connection(connection), secrets);
        self
    }
}

impl Secrets for MemorySecrets {
    async fn get(&self, connection: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        let documents = self.documents.lock().unwrap();
        let found = documents.get(connection).cloned();
        found.ok_or_else(|| InfraError::Unavailable {
            system: "secrets",
            detail: format!("no document for `{connection}`"),
        })
    }
}

impl SecretStore for MemorySecrets {
    async fn latest(&self, connection: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        self.get(connection).await
    }

    async fn set_api(
        &self,
        connection: &ConnectionId,
        values: &BTreeMap<String, Secret>,
    ) -> Result<(), InfraError> {
        let mut secrets = self.get(connection).await?;
        secrets.api.extend(values.clone());
        self.set(connection, secrets);
        Ok(())
    }
}
