//! One call to an Odoo, in both protocols, without any of Waybill's own code: an adapter that misreads an answer must not
//! judge what the answer is.

use crate::odoo::Access;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Longest wait for an answer. A call whose retries against others are exhausted takes 17 about 100 s.
const ANSWER_LIMIT: Duration = Duration::from_secs(170);

/// How a call travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `/jsonrpc`.
    JsonRpc,
    /// `/json/2`, from 19 on.
    Json2,
}

/// A call of a method.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    model: String,
    method: String,
    ids: Option<Value>,
    arguments: Vec<(&'static str, Value)>,
    keywords: Map<String, Value>,
    context: Map<String, Value>,
}

impl Ask {
    /// A method of the model.
    pub(super) fn of(model: &str, method: &str) -> Self {
        let mut context = Map::new();
        // As Waybill asks: texts of faults are matched.
        context.insert("lang".to_owned(), json!("en_US"));
        Self {
            model: model.to_owned(),
            method: method.to_owned(),
            ids: None,
            arguments: Vec::new(),
            keywords: Map::new(),
            context,
        }
    }

    /// A method of records.
    pub(super) fn on(model: &str, method: &str, ids: &[i64]) -> Self {
        Self {
            ids: Some(json!(ids)),
            ..Self::of(model, method)
        }
    }

    /// An argument that JSON-RPC takes by position.
    pub(super) fn arg(mut self, name: &'static str, value: Value) -> Self {
        self.arguments.push((name, value));
        self
    }

    /// An argument that both protocols take by name.
    pub(super) fn kw(mut self, name: &str, value: Value) -> Self {
        self.keywords.insert(name.to_owned(), value);
        self
    }

    /// A key of the context.
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.context.insert(key.to_owned(), value);
        self
    }

    /// Flags of the context.
    pub(super) fn flags(self, keys: &[&str]) -> Self {
        keys.iter()
            .fold(self, |ask, key| ask.with(key, json!(true)))
    }

    fn json2(&self) -> (String, Value) {
        let mut body: Map<String, Value> = self
            .arguments
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        body.extend(self.keywords.clone());
        if let Some(ids) = &self.ids {
            body.insert("ids".to_owned(), ids.clone());
        }
        body.insert("context".to_owned(), Value::Object(self.context.clone()));
        let path = format!("/json/2/{}/{}", self.model, self.method);
        (path, Value::Object(body))
    }

    fn json_rpc(&self, access: &Access, user: i64) -> Value {
        let positional: Vec<Value> = self
            .ids
            .iter()
            .cloned()
            .chain(self.arguments.iter().map(|(_, v)| v.clone()))
            .collect();
        let mut keywords = self.keywords.clone();
        keywords.insert("context".to_owned(), Value::Object(self.context.clone()));
        json!([
            access.database,
            user,
            access.key,
            self.model,
            self.method,
            positional,
            keywords
        ])
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// The method's result; `null` also where JSON-RPC leaves it out.
    Result(Value),
    /// An exception.
    Fault {
        /// Of HTTP.
        status: u16,
        /// Class with module.
        name: String,
        /// For people.
        message: String,
    },
    /// An answer that is not of the API, such as a page of HTML.
    Page {
        /// Of HTTP.
        status: u16,
        /// Its text.
        text: String,
    },
    /// No answer.
    Lost(String),
}

/// A way to one database as one user.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    pub(super) http: reqwest::Client,
    pub(super) access: Access,
    /// Database id of the user; for JSON-RPC.
    pub(super) user: i64,
    pub(super) protocol: Protocol,
}

impl Wire {
    /// Makes one call: one attempt.
    pub(super) async fn ask(&self, ask: &Ask) -> Said {
        self.ask_by(self.protocol, ask).await
    }

    /// The same by a protocol that is not the usual one.
    pub(super) async fn ask_by(&self, protocol: Protocol, ask: &Ask) -> Said {
        match protocol {
            Protocol::JsonRpc => {
                let args = ask.json_rpc(&self.access, self.user);
                self.service("object", "execute_kw", args).await
            }
            Protocol::Json2 => {
                let (path, body) = ask.json2();
                let sent = self
                    .http
                    .post(format!("{}{path}", self.access.url))
                    .bearer_auth(&self.access.key)
                    .header("X-Odoo-Database", &self.access.database)
                    .json(&body);
                self.json2(sent).await
            }
        }
    }

    /// A service of `/jsonrpc`.
    pub(super) async fn service(&self, service: &str, method: &str, args: Value) -> Said {
        let body = json!({"jsonrpc": "2.0", "method": "call", "id": 1,
            "params": {"service": service, "method": method, "args": args}});
        let sent = self.http.post(format!("{}/jsonrpc", self.access.url));
        let (status, text) = match read(sent.json(&body)).await {
            Ok(answer) => answer,
            Err(why) => return Said::Lost(why),
        };
        let Ok(answer) = serde_json::from_str::<Value>(&text) else {
            return Said::Page { status, text };
        };
        if answer.get("jsonrpc").is_none() {
            return Said::Page { status, text };
        }
        match answer.get("error") {
            Some(error) => fault(status, error.get("data").unwrap_or(&Value::Null)),
            None => Said::Result(answer.get("result").cloned().unwrap_or(Value::Null)),
        }
    }

    /// A request of JSON-2, made by hand.
    pub(super) async fn json2(&self, request: reqwest::RequestBuilder) -> Said {
        let (status, text) = match read(request).await {
            Ok(answer) => answer,
            Err(why) => return Said::Lost(why),
        };
        let Ok(answer) = serde_json::from_str::<Value>(&text) else {
            return Said::Page { status, text };
        };
        if status == 200 {
            Said::Result(answer)
        } else {
            fault(status, &answer)
        }
    }
}

async fn read(request: reqwest::RequestBuilder) -> Result<(u16, String), String> {
    let why = |e: reqwest::Error| {
        if e.is_timeout() {
            "no answer in time"
        } else if e.is_connect() {
            "no connection"
        } else {
            "the answer was lost"
        }
        .to_owned()
    };
    let answer = request.timeout(ANSWER_LIMIT).send().await.map_err(why)?;
    let status = answer.status().as_u16();
    Ok((status, answer.text().await.map_err(why)?))
}

fn fault(status: u16, data: &Value) -> Said {
    let text = |key: &str| {
        let found = data.get(key).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    Said::Fault {
        status,
        name: text("name"),
        message: text("message"),
    }
}
