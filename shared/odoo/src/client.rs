//! One call at a time, bounded in time and size. No mapping.

use crate::error::{FaultKind, OdooError};
use crate::session::Session;
use crate::wire::{Call, Loaded, json_rpc, json_rpc_request, read_json_rpc, read_json2};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt;
use std::pin::Pin;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tokio::time::Instant;
use waybill_flow::connections::{ErpProtocol, ErpSettings};
use waybill_flow::ports::Secret;
use waybill_model::id::ConnectionId;

/// Bounds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest wait for one answer. Odoo's own limit is 120 s by default, and it commits whether
    /// or not we wait; a longer wait only holds the function.
    pub call: Duration,
    /// Longest time for all calls of one batch: below the function's timeout, so that what is done
    /// is reported. What was not begun is transient.
    pub batch: Duration,
    /// Longest answer read. Availability of 10 000 products is about 2 MB.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(40),
            batch: Duration::from_secs(50),
            answer_bytes: 32 * 1024 * 1024,
        }
    }
}

/// What a server says of itself to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Major version.
    pub(crate) major: u32,
    /// As it words it, such as `19.0` or `saas~18.4+e`.
    pub(crate) version: String,
    /// Its clock, as HTTP tells it.
    pub(crate) date: Option<String>,
}

/// What came back.
struct Answer {
    status: u16,
    body: Vec<u8>,
    /// The server's clock.
    date: Option<String>,
    /// The session, where one was opened.
    cookie: Option<String>,
}

/// A session of the web client.
pub(crate) struct Web {
    cookie: String,
}

/// A key that can be replaced once, by a newer one, when Odoo refuses it.
pub(crate) struct Key<'a> {
    current: RwLock<Secret>,
    source: Option<(&'a dyn KeySource, &'a ConnectionId)>,
}

/// Where a newer key comes from.
pub(crate) trait KeySource: Sync {
    /// The key as it is kept now; none if it cannot be had.
    fn newer<'s>(&'s self, erp: &'s ConnectionId) -> Newer<'s>;
}

/// A newer key, later.
pub(crate) type Newer<'s> = Pin<Box<dyn Future<Output = Option<Secret>> + Send + 's>>;

impl<'a> Key<'a> {
    pub(crate) fn new(current: Secret, source: &'a dyn KeySource, erp: &'a ConnectionId) -> Self {
        Self {
            current: RwLock::new(current),
            source: Some((source, erp)),
        }
    }

    /// One that is never replaced.
    pub(crate) fn only(current: Secret) -> Self {
        Self {
            current: RwLock::new(current),
            source: None,
        }
    }

    pub(crate) fn current(&self) -> Secret {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes a newer key in the place of one that was refused; none if there is none.
    pub(crate) async fn renewed(&self, refused: &Secret) -> Option<Secret> {
        let (source, erp) = self.source?;
        let newer = source.newer(erp).await.filter(|newer| newer != refused)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = newer.clone();
        Some(newer)
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// One Odoo, for the time of one batch.
#[derive(Debug)]
pub(crate) struct Api<'a> {
    pub(crate) http: &'a reqwest::Client,
    pub(crate) erp: &'a ConnectionId,
    pub(crate) base_url: &'a str,
    pub(crate) settings: &'a ErpSettings,
    pub(crate) key: Key<'a>,
    pub(crate) session: Session,
    pub(crate) limits: Limits,
    pub(crate) deadline: Instant,
}

impl Api<'_> {
    /// Makes one call: one attempt, and one more with a newer key when the key is refused, which
    /// Odoo does before it does anything else.
    pub(crate) async fn call(&self, call: Call) -> Result<Value, OdooError> {
        // Messages of faults are matched and read by people: one language, whatever the user's.
        let mut call = call.context("lang", json!("en_US"));
        if let Some(company) = self.session.company {
            call = call.context("allowed_company_ids", json!([company]));
        }
        let key = self.key.current();
        match self.attempt(&call, &key).await {
            Err(OdooError::BadCredentials) => match self.key.renewed(&key).await {
                Some(newer) => self.attempt(&call, &newer).await,
                None => Err(OdooError::BadCredentials),
            },
            answer => answer,
        }
    }

    async fn attempt(&self, call: &Call, key: &Secret) -> Result<Value, OdooError> {
        match self.settings.protocol {
            ErpProtocol::JsonRpc => {
                let (database, uid) = (&self.settings.database, self.session.uid);
                let body = call.json_rpc(database, uid, key.expose());
                let (status, answer) = self.post("/jsonrpc", &body, None).await?;
                read_json_rpc(status, &answer)
            }
            ErpProtocol::Json2 => {
                let (path, body) = (call.json2_path(), call.json2());
                let (status, answer) = self.post(&path, &body, Some(key)).await?;
                read_json2(status, &answer)
            }
        }
        .map_err(bad_credentials)
    }

    /// Records that match a domain.
    pub(crate) async fn search_read<T: DeserializeOwned>(
        &self,
        model: &'static str,
        domain: Value,
        fields: &[&str],
    ) -> Result<Vec<T>, OdooError> {
        let call = Call::of(model, "search_read")
            .argument("domain", domain)
            .keyword("fields", json!(fields))
            .keyword("order", json!("id"));
        rows(self.call(call).await?)
    }

    /// Records by id; those that are gone are left out.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        model: &'static str,
        ids: &[i64],
        fields: &[&str],
    ) -> Result<Vec<T>, OdooError> {
        let call = Call::on(model, "read", ids).keyword("fields", json!(fields));
        rows(self.call(call).await?)
    }

    /// Records by id with the fields of what they link to, in one call. One id that is gone, or one
    /// linked record that the user may not see, fails the whole call.
    pub(crate) async fn web_read<T: DeserializeOwned>(
        &self,
        model: &'static str,
        ids: &[i64],
        specification: Value,
    ) -> Result<Vec<T>, OdooError> {
        let call = Call::on(model, "web_read", ids).keyword("specification", specification);
        rows(self.call(call).await?)
    }

    /// Inserts or updates rows, all or none.
    pub(crate) async fn load(
        &self,
        model: &'static str,
        fields: &[&str],
        data: &[Vec<Value>],
        mode: LoadMode,
    ) -> Result<Loaded, OdooError> {
        let mut call = Call::of(model, "load")
            .argument("fields", json!(fields))
            .argument("data", json!(data))
            .context("tz", json!("UTC"));
        match mode {
            LoadMode::InsertOnly | LoadMode::Payment => {
                call = call
                    .context("mode", json!("update"))
                    .context("noupdate", json!(true));
            }
            LoadMode::Update => {}
            LoadMode::Count => call = call.context("inventory_mode", json!(true)),
        }
        if mode == LoadMode::Payment {
            // 18 and later make no journal entry for a payment without this, where the accounting
            // app is installed; without an entry it can be set off against no invoice.
            call = call.context("force_payment_move", json!(true));
        }
        Loaded::read(&self.call(self.quiet(call)).await?)
    }

    /// The same call without chatter, where the connection asks for it.
    pub(crate) fn quiet(&self, call: Call) -> Call {
        if !self.settings.suppress_chatter {
            return call;
        }
        [
            "tracking_disable",
            "mail_create_nolog",
            "mail_create_nosubscribe",
            "mail_notrack",
            "mail_auto_subscribe_no_notify",
        ]
        .into_iter()
        .fold(call, |call, key| call.context(key, json!(true)))
    }

    /// The server's version and clock, without a key: over JSON-RPC, which versions until 21 have, or
    /// from the page that 19 and later have.
    pub(crate) async fn hello(&self) -> Result<Hello, OdooError> {
        let rpc = format!("{}/jsonrpc", self.base_url);
        let body = json_rpc("common", "version", json!([]));
        let answer = self.send(self.http.post(rpc).json(&body)).await?;
        let told = read_json_rpc(answer.status, &answer.body)
            .ok()
            .and_then(|v| read_hello(&v, "server_version", answer.date));
        if let Some(hello) = told {
            return Ok(hello);
        }
        let page = format!("{}/web/version", self.base_url);
        let answer = self.send(self.http.get(page)).await?;
        let status = answer.status;
        serde_json::from_slice(&answer.body)
            .ok()
            .and_then(|v| read_hello(&v, "version", answer.date))
            .ok_or(OdooError::NotOdoo { status })
    }

    /// Opens a session as the web client does: keys do not open one.
    pub(crate) async fn log_in(&self, password: &Secret) -> Result<Web, OdooError> {
        let who = json!({
            "db": self.settings.database, "login": self.settings.login, "password": password.expose(),
        });
        let url = format!("{}/web/session/authenticate", self.base_url);
        let request = self.http.post(url).json(&json_rpc_request(who));
        let answer = self.send(request).await?;
        let told = read_json_rpc(answer.status, &answer.body).map_err(bad_credentials)?;
        // Where a second factor is wanted there is no user yet.
        told.get("uid")
            .and_then(Value::as_i64)
            .ok_or(OdooError::BadCredentials)?;
        let cookie = answer
            .cookie
            .ok_or(OdooError::Shape("a session's cookie is needed"))?;
        Ok(Web { cookie })
    }

    /// Makes one call in a session.
    pub(crate) async fn call_in(&self, web: &Web, call: Call) -> Result<Value, OdooError> {
        let call = call.context("lang", json!("en_US"));
        let url = format!("{}/web/dataset/call_kw", self.base_url);
        let request = self.http.post(url).header("Cookie", &web.cookie);
        let request = request.json(&json_rpc_request(call.web()));
        let answer = self.send(request).await?;
        read_json_rpc(answer.status, &answer.body)
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        body: &Value,
        bearer: Option<&Secret>,
    ) -> Result<(u16, Vec<u8>), OdooError> {
        let mut request = self
            .http
            .post(format!("{}{path}", self.base_url))
            .json(body);
        if let Some(key) = bearer {
            request = request
                .bearer_auth(key.expose())
                .header("X-Odoo-Database", &self.settings.database);
        }
        let answer = self.send(request).await?;
        Ok((answer.status, answer.body))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, OdooError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left < Duration::from_secs(1) {
            return Err(OdooError::OutOfTime);
        }
        let request = request.timeout(left.min(self.limits.call));
        let mut response = request.send().await.map_err(|e| sent(&e))?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|v| v.to_str().ok());
            value.map(str::to_owned)
        };
        let date = header("date");
        let cookie = header("set-cookie").and_then(|c| Some(c.split(';').next()?.to_owned()));
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| sent(&e))? {
            if answer.len() + chunk.len() > self.limits.answer_bytes {
                return Err(OdooError::TooLong {
                    limit_bytes: self.limits.answer_bytes,
                });
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            body: answer,
            date,
            cookie,
        })
    }
}

/// A refused key or password is the connection's fault, whatever was asked.
fn bad_credentials(error: OdooError) -> OdooError {
    match error {
        OdooError::Fault(f) if f.kind == FaultKind::Credentials => OdooError::BadCredentials,
        other => other,
    }
}

/// `[17, 0, …]`, or `["saas~18", 4, …]` of Odoo Online.
pub(crate) fn major_version(info: &Value) -> Option<u32> {
    match info.get(0)? {
        Value::Number(major) => major.as_u64().and_then(|m| u32::try_from(m).ok()),
        Value::String(text) => text
            .trim_start_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .ok(),
        _ => None,
    }
}

fn read_hello(version: &Value, text: &str, date: Option<String>) -> Option<Hello> {
    let info = version
        .get("server_version_info")
        .or_else(|| version.get("version_info"))?;
    Some(Hello {
        major: major_version(info)?,
        version: version.get(text).and_then(Value::as_str)?.to_owned(),
        date,
    })
}

/// How `load` treats external ids that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadMode {
    /// Leaves them as they are: atomic insert-if-absent.
    InsertOnly,
    /// Writes the given columns.
    Update,
    /// As [`LoadMode::InsertOnly`], for payments.
    Payment,
    /// Writes counts of stock.
    Count,
}

/// The error's own text holds the address, so only its kind is told.
fn sent(error: &reqwest::Error) -> OdooError {
    if error.is_connect() || error.is_builder() {
        return OdooError::Unreachable {
            detail: "no connection".to_owned(),
        };
    }
    let what = if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection was cut"
    };
    OdooError::Lost {
        detail: what.to_owned(),
    }
}

fn rows<T: DeserializeOwned>(value: Value) -> Result<Vec<T>, OdooError> {
    serde_json::from_value(value)
        .map_err(|_| OdooError::Shape("records with the asked fields are needed"))
}
