//! Secrets of connections from Secrets Manager, kept in the process for a few minutes.

use serde::Deserialize as _;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use waybill_flow::ports::{Clock, ConnectionSecrets, InfraError, Secrets};
use waybill_model::id::ConnectionId;
use waybill_model::time::Instant;

/// How long a value is used without asking again: bounds how long a revoked key is accepted.
const FRESH_MS: i64 = 5 * 60 * 1000;
/// How long a value is used while Secrets Manager cannot be asked.
const STALE_MS: i64 = 60 * 60 * 1000;
/// Least time between two questions for the same secret outside of its turn: a flood of bad
/// signatures must not become a flood of calls, nor must a missing secret.
const REFRESH_MS: i64 = 60 * 1000;

/// Where the text of a secret comes from.
pub trait SecretSource: Send + Sync {
    /// The text of a secret by its whole name.
    ///
    /// # Errors
    /// It could not be read, or is not there (`Corrupt`).
    fn fetch(&self, name: &str) -> impl Future<Output = Result<String, InfraError>> + Send;
}

/// Secrets that can be asked for again while a partner rotates its keys.
pub trait Rotating: Secrets {
    /// The secrets as they are now, at most once a minute for each connection; nothing if it is
    /// too early to ask again.
    ///
    /// # Errors
    /// They could not be read.
    fn refresh(
        &self,
        connection: &ConnectionId,
    ) -> impl Future<Output = Result<Option<ConnectionSecrets>, InfraError>> + Send;
}

/// Secrets Manager.
#[derive(Debug, Clone)]
pub struct SecretsManager(pub aws_sdk_secretsmanager::Client);

impl SecretSource for SecretsManager {
    async fn fetch(&self, name: &str) -> Result<String, InfraError> {
        // Boxed: the SDK's futures are deep, and every caller's would contain them.
        let answer = Box::pin(self.0.get_secret_value().secret_id(name).send()).await;
        match answer {
            Ok(answer) => answer
                .secret_string
                .ok_or_else(|| corrupt(name, "it is binary, text is needed")),
            Err(error) => {
                let service = error.as_service_error();
                if service.is_some_and(|e| e.is_resource_not_found_exception()) {
                    return Err(corrupt(name, "there is no such secret: create it"));
                }
                let detail = service.map_or("no answer", |_| "it was refused");
                Err(InfraError::Unavailable {
                    system: "secrets manager",
                    detail: format!("`{name}`: {detail}"),
                })
            }
        }
    }
}

fn corrupt(name: &str, why: &str) -> InfraError {
    InfraError::Corrupt {
        system: "secrets manager",
        detail: format!("`{name}`: {why}"),
    }
}

#[derive(Clone)]
struct Entry {
    value: Option<ConnectionSecrets>,
    read_at: Instant,
    asked_at: Instant,
}

/// Secrets of connections, cached.
pub struct CachedSecrets<S, C> {
    source: S,
    clock: C,
    prefix: String,
    cache: Mutex<HashMap<ConnectionId, Entry>>,
}

impl<S, C> fmt::Debug for CachedSecrets<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedSecrets")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl<S: SecretSource, C: Clock> CachedSecrets<S, C> {
    /// Secrets named `{prefix}/connection/{id}`.
    #[must_use]
    pub fn new(source: S, clock: C, prefix: impl Into<String>) -> Self {
        Self {
            source,
            clock,
            prefix: prefix.into(),
            cache: Mutex::new(HashMap::new()),
        }
    }

    fn cached(&self, connection: &ConnectionId) -> Option<Entry> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(connection).cloned()
    }

    /// Asks the source, keeps what it says, and falls back to a value that is not too old.
    async fn ask(
        &self,
        connection: &ConnectionId,
        known: Option<Entry>,
    ) -> Result<ConnectionSecrets, InfraError> {
        let name = format!("{}/connection/{connection}", self.prefix);
        let now = self.clock.now();
        let answer = match self.source.fetch(&name).await {
            Ok(text) => read(&name, &text),
            Err(error) => Err(error),
        };
        let (entry, answer) = match answer {
            Ok(value) => (
                Entry {
                    value: Some(value.clone()),
                    read_at: now,
                    asked_at: now,
                },
                Ok(value),
            ),
            Err(error) => {
                let kept = known.filter(|e| now.ms_since(e.read_at) < STALE_MS);
                let value = kept.as_ref().and_then(|e| e.value.clone());
                let entry = Entry {
                    value: value.clone(),
                    read_at: kept.map_or(now, |e| e.read_at),
                    asked_at: now,
                };
                match value {
                    Some(value) => {
                        tracing::warn!(%connection, %error, "an older secret is used");
                        (entry, Ok(value))
                    }
                    None => (entry, Err(error)),
                }
            }
        };
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(connection.clone(), entry);
        answer
    }
}

fn read(name: &str, text: &str) -> Result<ConnectionSecrets, InfraError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    // The error names a place and no content.
    ConnectionSecrets::deserialize(&mut reader).map_err(|e| {
        let place = format!("line {}, column {}", e.line(), e.column());
        corrupt(name, &format!("it is no document of this form ({place})"))
    })
}

impl<S: SecretSource, C: Clock> Secrets for CachedSecrets<S, C> {
    async fn get(&self, connection: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        let known = self.cached(connection);
        let now = self.clock.now();
        if let Some(entry) = &known
            && let Some(value) = &entry.value
            && (now.ms_since(entry.read_at) < FRESH_MS || now.ms_since(entry.asked_at) < REFRESH_MS)
        {
            return Ok(value.clone());
        }
        if let Some(entry) = &known
            && now.ms_since(entry.asked_at) < REFRESH_MS / 12
        {
            return Err(InfraError::Unavailable {
                system: "secrets manager",
                detail: format!("`{connection}`: it could not be read a moment ago"),
            });
        }
        self.ask(connection, known).await
    }
}

impl<S: SecretSource, C: Clock> Rotating for CachedSecrets<S, C> {
    async fn refresh(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<ConnectionSecrets>, InfraError> {
        let known = self.cached(connection);
        let now = self.clock.now();
        if known
            .as_ref()
            .is_some_and(|e| now.ms_since(e.asked_at) < REFRESH_MS)
        {
            return Ok(None);
        }
        self.ask(connection, known).await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

    #[derive(Default)]
    struct World {
        now_ms: AtomicI64,
        calls: AtomicU32,
        answer: Mutex<Option<String>>,
    }

    impl Clock for &World {
        fn now(&self) -> Instant {
            Instant::from_epoch_ms(self.now_ms.load(Ordering::SeqCst))
        }
    }

    impl SecretSource for &World {
        async fn fetch(&self, name: &str) -> Result<String, InfraError> {
            assert_eq!(name, "waybill/test/connection/shop");
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.answer
                .lock()
                .unwrap()
                .clone()
                .ok_or_else(|| InfraError::Unavailable {
                    system: "secrets manager",
                    detail: "away".to_owned(),
                })
        }
    }

    impl World {
        fn holds(&self, key: Option<&str>) {
            *self.answer.lock().unwrap() = key.map(|k| format!(r#"{{"webhook_secrets":["{k}"]}}"#));
        }
        fn passes(&self, ms: i64) {
            self.now_ms.fetch_add(ms, Ordering::SeqCst);
        }
    }

    fn key(secrets: &ConnectionSecrets) -> &str {
        secrets.webhook_secrets[0].expose()
    }

    #[tokio::test]
    async fn a_value_is_kept_five_minutes_and_an_hour_while_the_source_is_away() {
        let world = World::default();
        let secrets = CachedSecrets::new(&world, &world, "waybill/test");
        let shop = ConnectionId::new("shop").unwrap();
        world.holds(Some("a"));
        assert_eq!(key(&secrets.get(&shop).await.unwrap()), "a");
        world.holds(Some("b"));
        assert_eq!(key(&secrets.get(&shop).await.unwrap()), "a");
        world.passes(FRESH_MS);
        assert_eq!(key(&secrets.get(&shop).await.unwrap()), "b");
        world.holds(None);
        world.passes(STALE_MS - 1);
        assert_eq!(key(&secrets.get(&shop).await.unwrap()), "b");
        world.passes(REFRESH_MS);
        assert!(secrets.get(&shop).await.is_err());
    }

    #[tokio::test]
    async fn a_flood_of_bad_signatures_asks_once_a_minute() {
        let world = World::default();
        let secrets = CachedSecrets::new(&world, &world, "waybill/test");
        let shop = ConnectionId::new("shop").unwrap();
        world.holds(Some("a"));
        secrets.get(&shop).await.unwrap();
        world.holds(Some("b"));
        assert_eq!(secrets.refresh(&shop).await.unwrap(), None);
        world.passes(REFRESH_MS);
        let fresh = secrets.refresh(&shop).await.unwrap().unwrap();
        assert_eq!(key(&fresh), "b");
        assert_eq!(secrets.refresh(&shop).await.unwrap(), None);
        assert_eq!(world.calls.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_document_that_cannot_be_read_is_not_quoted() {
        let error = read("n", r#"{"webhook_secret":"hunter2"}"#).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
