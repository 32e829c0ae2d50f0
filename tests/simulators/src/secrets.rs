//! Webhook secrets and API credentials, from the file that the local deployment reads too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Secrets by connection.
#[derive(Clone, Default)]
pub struct Secrets {
    by_connection: BTreeMap<String, ConnectionSecrets>,
}

#[derive(Clone, Default, Deserialize)]
struct ConnectionSecrets {
    #[serde(default)]
    webhook_secrets: Vec<String>,
    #[serde(default)]
    api: BTreeMap<String, String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_connection.keys()).finish()
    }
}

impl Secrets {
    /// Reads `{"connection/<id>": {"webhook_secrets": ["…"], "api": {…}}}`; other entries are
    /// skipped.
    ///
    /// # Errors
    /// The file cannot be read, or is not of this shape.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| format!("the secrets file `{}` cannot be read: {e}", path.display()))?;
        Self::parse(&text).map_err(|e| format!("the secrets file `{}`: {e}", path.display()))
    }

    /// See [`Secrets::read`].
    ///
    /// # Errors
    /// Not JSON, or an entry of a connection is not of the shape.
    pub fn parse(text: &str) -> Result<Self, String> {
        let all: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|e| format!("it is not a JSON object: {e}"))?;
        let mut by_connection = BTreeMap::new();
        for (name, value) in all {
            let Some(id) = name.strip_prefix("connection/") else {
                continue;
            };
            let secrets = serde_json::from_value(value)
                .map_err(|e| format!("`{name}` is not an entry of a connection: {e}"))?;
            by_connection.insert(id.to_owned(), secrets);
        }
        Ok(Self { by_connection })
    }

    /// The key that the partner signs with now: the first of the list.
    #[must_use]
    pub fn webhook_secret(&self, connection: &str) -> Option<&str> {
        let secrets = self.by_connection.get(connection)?;
        secrets
            .webhook_secrets
            .iter()
            .map(String::as_str)
            .find(|s| !s.trim().is_empty())
    }

    /// An API credential by its name.
    #[must_use]
    pub fn api(&self, connection: &str, name: &str) -> Option<&str> {
        self.by_connection
            .get(connection)?
            .api
            .get(name)
            .map(String::as_str)
    }

    /// Whether `presented` is one of the connection's API credentials, under whatever name the
    /// file keeps it. A connection without credentials lets nobody in.
    #[must_use]
    pub fn accepts(&self, connection: &str, presented: &str) -> bool {
        !presented.is_empty()
            && self
                .by_connection
                .get(connection)
                .is_some_and(|s| s.api.values().any(|v| v == presented))
    }
}

/// The token of `Authorization: Bearer …`.
#[must_use]
pub fn bearer(headers: &axum::http::HeaderMap) -> Option<String> {
    let value = headers.get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

/// User and password of `Authorization: Basic …`.
#[must_use]
pub fn basic(headers: &axum::http::HeaderMap) -> Option<(String, String)> {
    let value = headers.get("authorization")?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_without_credentials_lets_nobody_in() {
        let secrets = Secrets::parse(
            r#"{"connection/a": {"webhook_secrets": ["", "k"], "api": {"token": "t", "e": ""}},
                "connection/b": {}, "ops-api": 1}"#,
        )
        .unwrap();
        assert!(secrets.accepts("a", "t"));
        assert!(!secrets.accepts("a", ""));
        assert!(!secrets.accepts("b", "t"));
        assert!(!secrets.accepts("c", "t"));
        assert_eq!(secrets.webhook_secret("a"), Some("k"));
        assert!(!format!("{secrets:?}").contains('t'));
    }
}
