//! Tokens with scopes, from the secret `ops-api`. Stored are hashes: who reads the secret cannot
//! call the API with it.

use crate::Refused;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use waybill_flow::ports::{Clock, InfraError};
use waybill_lambda_kit::http::Request;
use waybill_lambda_kit::secrets::SecretSource;
use waybill_model::time::Instant;

/// How long the list is used without asking again: bounds how long a revoked token is accepted.
const FRESH_MS: i64 = 5 * 60 * 1000;
/// How long it is used while Secrets Manager cannot be asked.
const STALE_MS: i64 = 60 * 60 * 1000;
/// Least time between two questions because of a token that is not in the list.
const REFRESH_MS: i64 = 60 * 1000;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// To ask.
    Read,
    /// To decide, retry and replay.
    Act,
    /// Both.
    Admin,
}

impl Scope {
    /// The name in the secret.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Act => "act",
            Self::Admin => "admin",
        }
    }
}

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operator {
    /// As the secret names them: an id, not a name.
    pub(crate) id: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    tokens: Vec<Token>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    id: String,
    sha256: String,
    scopes: Vec<Scope>,
}

#[derive(Clone)]
struct Known {
    tokens: Vec<Token>,
    read_at: Instant,
    asked_at: Instant,
}

/// The tokens that are accepted.
pub struct Tokens<S, C> {
    source: S,
    clock: C,
    name: String,
    known: Mutex<Option<Known>>,
}

impl<S, C> fmt::Debug for Tokens<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<S: SecretSource, C: Clock> Tokens<S, C> {
    /// Tokens of the secret `{prefix}/ops-api`.
    #[must_use]
    pub fn new(source: S, clock: C, prefix: &str) -> Self {
        Self {
            source,
            clock,
            name: format!("{prefix}/ops-api"),
            known: Mutex::new(None),
        }
    }

    /// Who asks, if they may.
    pub(crate) async fn check(&self, request: &Request, scope: Scope) -> Result<Operator, Refused> {
        let header = request.headers.get("authorization");
        let presented = header
            .and_then(|h| h.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .filter(|token| !token.is_empty())
            .ok_or(Refused::NotAuthenticated)?;
        let digest = hex::encode(Sha256::digest(presented.as_bytes()));
        let mut token = find(&self.tokens(FRESH_MS).await?, &digest);
        if token.is_none() {
            token = find(&self.tokens(REFRESH_MS).await?, &digest);
        }
        let token = token.ok_or(Refused::NotAuthenticated)?;
        let allowed = [scope, Scope::Admin];
        if token.scopes.iter().any(|s| allowed.contains(s)) {
            Ok(Operator { id: token.id })
        } else {
            Err(Refused::Forbidden(scope))
        }
    }

    /// The list, asked for again if the last question is older than `max_age_ms`.
    async fn tokens(&self, max_age_ms: i64) -> Result<Vec<Token>, InfraError> {
        let now = self.clock.now();
        let known = self.known().clone();
        if let Some(known) = &known
            && now.ms_since(known.asked_at) < max_age_ms
        {
            return Ok(known.tokens.clone());
        }
        let read = match self.source.fetch(&self.name).await {
            Ok(text) => read(&self.name, &text),
            Err(error) => Err(error),
        };
        let (known, result) = match (read, known) {
            (Ok(tokens), _) => {
                let known = Known {
                    tokens: tokens.clone(),
                    read_at: now,
                    asked_at: now,
                };
                (Some(known), Ok(tokens))
            }
            (Err(error), Some(known)) if now.ms_since(known.read_at) < STALE_MS => {
                tracing::warn!(%error, "an older list of tokens is used");
                let tokens = known.tokens.clone();
                let known = Known {
                    asked_at: now,
                    ..known
                };
                (Some(known), Ok(tokens))
            }
            (Err(error), _) => (None, Err(error)),
        };
        *self.known() = known;
        result
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(name: &str, text: &str) -> Result<Vec<Token>, InfraError> {
    // The error names a place and no content.
    let document: Document = serde_json::from_str(text).map_err(|e| InfraError::Corrupt {
        system: "secrets manager",
        detail: format!(
            "`{name}`: line {}, column {}: it is no list of tokens",
            e.line(),
            e.column()
        ),
    })?;
    Ok(document.tokens)
}

/// The token with this hash. Every hash is compared to its end, in constant time.
fn find(tokens: &[Token], digest: &str) -> Option<Token> {
    tokens.iter().fold(None, |found, token| {
        if is_same(&token.sha256, digest) {
            Some(token.clone())
        } else {
            found
        }
    })
}

fn is_same(stored: &str, presented: &str) -> bool {
    let (stored, presented) = (stored.as_bytes(), presented.as_bytes());
    if stored.len() != presented.len() {
        return false;
    }
    let differing = stored
        .iter()
        .zip(presented)
        .fold(0, |all, (a, b)| all | (a.to_ascii_lowercase() ^ b));
    std::hint::black_box(differing) == 0
}
