//! JSON-RPC to an Odoo, which all versions speak, without any of Waybill's own code.

use crate::Stop;
use serde_json::{Value, json};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Attempts of one call, [`PAUSE`] apart: the simulator may be set to lose answers. What is called is safe to repeat.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for an answer: making all products of the demo takes a real Odoo some seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// A real Odoo in the simulator's place.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RealOdoo {
    /// Base URL of a real Odoo in the simulator's place.
    #[arg(long, requires_all = ["odoo_db", "odoo_user", "odoo_key_file"])]
    pub odoo: Option<String>,
    /// Its database.
    #[arg(long, requires = "odoo")]
    pub odoo_db: Option<String>,
    /// Login of the integration user.
    #[arg(long, requires = "odoo")]
    pub odoo_user: Option<String>,
    /// File that holds the user's API key.
    #[arg(long, requires = "odoo")]
    pub odoo_key_file: Option<PathBuf>,
}

/// How to get into a database.
#[derive(Clone)]
pub struct Access {
    /// Base URL, without a trailing slash.
    pub url: String,
    /// Database.
    pub database: String,
    /// Login.
    pub login: String,
    /// API key or password.
    pub key: String,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("url", &self.url)
            .field("database", &self.database)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

impl RealOdoo {
    /// The access, with the key from its file; none without a real Odoo.
    ///
    /// # Errors
    /// The file cannot be read, or is empty.
    pub fn access(&self) -> Result<Option<Access>, Stop> {
        let (Some(url), Some(file)) = (&self.odoo, &self.odoo_key_file) else {
            return Ok(None);
        };
        let doing = || format!("reading `{}`", file.display());
        let text = std::fs::read_to_string(file).map_err(|e| Stop::new(doing(), e))?;
        let key = text.trim();
        if key.is_empty() {
            return Err(Stop::new(doing(), "it is empty: put the API key into it"));
        }
        Ok(Some(Access {
            url: url.trim_end_matches('/').to_owned(),
            database: self.odoo_db.clone().unwrap_or_default(),
            login: self.odoo_user.clone().unwrap_or_default(),
            key: key.to_owned(),
        }))
    }
}

/// Why a call did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// Odoo raised this.
    Fault {
        /// Class, such as `odoo.exceptions.AccessError`.
        name: String,
        /// Its message.
        message: String,
    },
    /// No answer, or not one of an Odoo.
    NoAnswer(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault { message, .. } | Self::NoAnswer(message) => f.write_str(message),
        }
    }
}

/// A user at a database.
#[derive(Debug)]
pub(crate) struct Rpc {
    http: reqwest::Client,
    access: Access,
    user: i64,
}

async fn once(http: &reqwest::Client, access: &Access, params: &Value) -> Result<Value, CallError> {
    let no_answer = |e: reqwest::Error| {
        let kind = if e.is_connect() {
            "no connection"
        } else if e.is_timeout() {
            "no answer in time"
        } else if e.is_decode() {
            "the answer is no JSON"
        } else {
            "the answer was lost"
        };
        CallError::NoAnswer(kind.to_owned())
    };
    let body = json!({"jsonrpc": "2.0", "method": "call", "id": 1, "params": params});
    let sent = http
        .post(format!("{}/jsonrpc", access.url))
        .timeout(ANSWER_LIMIT)
        .json(&body);
    let answer = sent.send().await.map_err(no_answer)?;
    let status = answer.status();
    if !status.is_success() {
        return Err(CallError::NoAnswer(format!("it answered {status}")));
    }
    let answer: Value = answer.json().await.map_err(no_answer)?;
    let text = |path: &str| {
        let found = answer.pointer(path).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    if answer.get("error").is_some() {
        return Err(CallError::Fault {
            name: text("/error/data/name"),
            message: text("/error/data/message"),
        });
    }
    Ok(answer.get("result").cloned().unwrap_or(Value::Null))
}

async fn repeated(
    http: &reqwest::Client,
    access: &Access,
    params: &Value,
) -> Result<Value, CallError> {
    let mut attempt = 1;
    loop {
        match once(http, access, params).await {
            Err(CallError::NoAnswer(_)) if attempt < ATTEMPTS => attempt += 1,
            other => return other,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Major version of the server; needs no login.
///
/// # Errors
/// Nobody answers there, or not an Odoo.
pub(crate) async fn major_version(access: &Access) -> Result<u64, Stop> {
    let doing = format!("asking `{}` for its version", access.url);
    let params = json!({"service": "common", "method": "version", "args": []});
    let answer = once(&reqwest::Client::new(), access, &params).await;
    let version = answer.map_err(|e| {
        Stop::new(&doing, format!("{e}: is an Odoo running there? `--odoo` is its base URL, such as `http://127.0.0.1:8069`"))
    })?;
    version
        .pointer("/server_version_info/0")
        .and_then(Value::as_u64)
        .ok_or_else(|| Stop::new(doing, "the answer is not an Odoo's"))
}

/// Whether the key opens JSON-2: unlike JSON-RPC it takes no password.
pub(crate) async fn opens_json2(access: &Access) -> bool {
    let sent = reqwest::Client::new()
        .post(format!("{}/json/2/res.users/context_get", access.url))
        .timeout(ANSWER_LIMIT)
        .bearer_auth(&access.key)
        .header("X-Odoo-Database", &access.database)
        .json(&json!({}));
    sent.send().await.is_ok_and(|a| a.status().is_success())
}

impl Rpc {
    /// Logs in.
    ///
    /// # Errors
    /// No answer, no such database, or wrong login or key.
    pub(crate) async fn open(access: &Access) -> Result<Self, Stop> {
        let doing = format!("logging in to `{}`", access.url);
        let http = reqwest::Client::new();
        let params = json!({"service": "common", "method": "authenticate",
            "args": [access.database, access.login, access.key, {}]});
        let user = match repeated(&http, access, &params).await {
            Ok(user) => user.as_i64(),
            Err(e @ CallError::NoAnswer(_)) => return Err(Stop::new(doing, e)),
            // Its text names Odoo's own database server.
            Err(CallError::Fault { .. }) => {
                return Err(Stop::new(
                    doing,
                    format!("it has no database `{}`: see `--odoo-db`", access.database),
                ));
            }
        };
        let user = user.ok_or_else(|| {
            Stop::new(
                doing,
                format!(
                    "it does not let `{}` in: wrong login (`--odoo-user`), or a wrong or expired key (`--odoo-key-file`)",
                    access.login
                ),
            )
        })?;
        Ok(Self {
            http,
            access: access.clone(),
            user,
        })
    }

    /// Database id of the user.
    pub(crate) fn user(&self) -> i64 {
        self.user
    }

    /// Calls a method; the call must be safe to repeat.
    ///
    /// # Errors
    /// Odoo's fault, or no answer at all.
    pub(crate) async fn call(
        &self,
        model: &str,
        method: &str,
        positional: Value,
        keywords: Value,
    ) -> Result<Value, CallError> {
        let Access { database, key, .. } = &self.access;
        let params = json!({"service": "object", "method": "execute_kw", "args": [
            database, self.user, key, model, method, positional, keywords]});
        repeated(&self.http, &self.access, &params).await
    }

    /// Records that match a domain, by id.
    ///
    /// # Errors
    /// Odoo's.
    pub(crate) async fn search_read(
        &self,
        model: &str,
        domain: Value,
        fields: &[&str],
    ) -> Result<Vec<Value>, Stop> {
        let doing = || format!("reading `{model}` in Odoo");
        let keywords = json!({"fields": fields, "order": "id"});
        match self
            .call(model, "search_read", json!([domain]), keywords)
            .await
        {
            Ok(Value::Array(rows)) => Ok(rows),
            Ok(other) => Err(Stop::new(doing(), other)),
            Err(e) => Err(Stop::new(doing(), e)),
        }
    }
}
