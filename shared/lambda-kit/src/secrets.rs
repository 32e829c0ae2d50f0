//! Secrets of connections from Secrets Manager, kept in the process for a few minutes.

use serde::Deserialize as _;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use waybill_flow::ports::{Clock, ConnectionSecrets, InfraError, Secret, SecretStore, Secrets};
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

/// Where the text of a secret can be changed.
pub trait SecretSink: SecretSource {
    /// Replaces the text of a secret that is there. The text before stays as the version before.
    ///
    /// # Errors
    /// It was not replaced (`Unavailable`), or may have been (`Unknown`).
    fn store(
        &self,
        name: &str,
        text: String,
    ) -> impl Future<Output = Result<(), InfraError>> + Send;
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

impl SecretSink for SecretsManager {
    async fn store(&self, name: &str, text: String) -> Result<(), InfraError> {
        let put = self
            .0
            .put_secret_value()
            .secret_id(name)
            .secret_string(text);
        let Err(error) = Box::pin(put.send()).await else {
            return Ok(());
        };
        // The service's own text can name the principal, never the value.
        match error.as_service_error() {
            Some(_) => Err(InfraError::Unavailable {
                system: "secrets manager",
                detail: format!("`{name}`: the change was refused"),
            }),
            None => Err(InfraError::Unknown {
                system: "secrets manager",
                detail: format!("`{name}`: no answer to the change"),
            }),
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

    fn name(&self, connection: &ConnectionId) -> String {
        format!("{}/connection/{connection}", self.prefix)
    }

    fn remember(&self, connection: &ConnectionId, value: ConnectionSecrets) {
        let now = self.clock.now();
        let entry = Entry {
            value: Some(value),
            read_at: now,
            asked_at: now,
        };
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(connection.clone(), entry);
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
        let name = self.name(connection);
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
    // serde also takes the fields of a struct in their order, as a list: what is read so could not be
    // changed by name.
    if !text.trim_start().starts_with('{') {
        return Err(corrupt(name, "it is no object of JSON"));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    // The error names a place and no content.
    let secrets = ConnectionSecrets::deserialize(&mut reader);
    let whole = secrets.and_then(|secrets| reader.end().map(|()| secrets));
    whole.map_err(|e| {
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

impl<S: SecretSink, C: Clock> SecretStore for CachedSecrets<S, C> {
    async fn latest(&self, connection: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        let name = self.name(connection);
        let value = read(&name, &self.source.fetch(&name).await?)?;
        self.remember(connection, value.clone());
        Ok(value)
    }

    async fn set_api(
        &self,
        connection: &ConnectionId,
        values: &BTreeMap<String, Secret>,
    ) -> Result<(), InfraError> {
        let name = self.name(connection);
        let text = self.source.fetch(&name).await?;
        let (changed, value) = with_api(&name, &text, values)?;
        if let Some(changed) = changed {
            self.source.store(&name, changed).await?;
        }
        self.remember(connection, value);
        Ok(())
    }
}

/// The document with other values under `api`; none where they are there already. What else it
/// holds stays as it is.
fn with_api(
    name: &str,
    text: &str,
    values: &BTreeMap<String, Secret>,
) -> Result<(Option<String>, ConnectionSecrets), InfraError> {
    // What cannot be read back must not be written.
    read(name, text)?;
    let shape = || corrupt(name, "an object with an object `api` is needed");
    let mut document: serde_json::Value = serde_json::from_str(text).map_err(|_| shape())?;
    let before = document.clone();
    let api = document.as_object_mut().ok_or_else(shape)?;
    let api = api.entry("api").or_insert_with(|| serde_json::json!({}));
    let api = api.as_object_mut().ok_or_else(shape)?;
    for (key, value) in values {
        api.insert(key.clone(), value.expose().into());
    }
    let changed = document.to_string();
    let value = read(name, &changed)?;
    Ok(((document != before).then_some(changed), value))
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
        assert!(read("n", r#"{"webhook_secrets":["a"]}{"webhook_secrets":["b"]}"#).is_err());
        let error = read("n", r#"[["hunter2"],{}]"#).unwrap_err();
        assert!(error.to_string().contains("no object"), "{error}");
    }

    #[test]
    fn a_new_key_leaves_everything_else_in_the_document_and_the_same_again_changes_nothing() {
        let text = r#"{"webhook_secrets":["w"],"api":{"key":"old","password":"p"}}"#;
        let values = BTreeMap::from([("key".to_owned(), Secret::new("new"))]);
        let (changed, value) = with_api("n", text, &values).unwrap();
        let changed = changed.unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&changed).unwrap(),
            serde_json::json!({"webhook_secrets": ["w"], "api": {"key": "new", "password": "p"}})
        );
        assert_eq!(value.api["key"].expose(), "new");
        assert_eq!(with_api("n", &changed, &values).unwrap().0, None);
        let error = with_api("n", r#"{"api":"hunter2"}"#, &values).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
