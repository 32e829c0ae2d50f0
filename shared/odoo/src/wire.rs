//! What travels: one call, in both protocols. No mapping, no I/O.
//!
//! Sources: recorded exchanges with Odoo 17.0 and 19.0; `external_api.rst` of both.
//!
//! | | JSON-RPC (17, 18) | JSON-2 (19 and later) |
//! |---|---|---|
//! | address | `POST /jsonrpc` | `POST /json/2/MODEL/METHOD` |
//! | who | database, uid and key in the body | `Authorization: Bearer KEY`, `X-Odoo-Database` |
//! | arguments | positional, then keywords | by name |
//! | result | `result`; absent when the method returns nothing | the bare body |
//! | fault | status 200, `error.data.name` | status 4xx or 5xx, `name` |

mod values;

pub(crate) use values::{Blame, Loaded, Number, Text, ToOne, float, one_id};

use crate::error::{Fault, OdooError};
use serde_json::{Map, Value, json};

/// One call of one method: one transaction in Odoo.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) model: &'static str,
    pub(crate) method: &'static str,
    ids: Option<Vec<i64>>,
    arguments: Vec<(&'static str, Value)>,
    keywords: Vec<(&'static str, Value)>,
    context: Map<String, Value>,
}

impl Call {
    /// A method of the model.
    pub(crate) fn of(model: &'static str, method: &'static str) -> Self {
        Self {
            model,
            method,
            ids: None,
            arguments: Vec::new(),
            keywords: Vec::new(),
            context: Map::new(),
        }
    }

    /// A method of records.
    pub(crate) fn on(model: &'static str, method: &'static str, ids: &[i64]) -> Self {
        Self {
            ids: Some(ids.to_vec()),
            ..Self::of(model, method)
        }
    }

    /// An argument that JSON-RPC needs by position, in the order of the method's signature.
    pub(crate) fn argument(mut self, name: &'static str, value: Value) -> Self {
        self.arguments.push((name, value));
        self
    }

    /// An argument that both protocols take by name.
    pub(crate) fn keyword(mut self, name: &'static str, value: Value) -> Self {
        self.keywords.push((name, value));
        self
    }

    /// A key of the context.
    pub(crate) fn context(mut self, key: &str, value: Value) -> Self {
        self.context.insert(key.to_owned(), value);
        self
    }

    /// Body for `/jsonrpc`.
    pub(crate) fn json_rpc(&self, database: &str, uid: i64, key: &str) -> Value {
        let (positional, keywords) = self.by_position();
        json_rpc(
            "object",
            "execute_kw",
            json!([
                database,
                uid,
                key,
                self.model,
                self.method,
                positional,
                keywords
            ]),
        )
    }

    /// Parameters for the web client's `call_kw`.
    pub(crate) fn web(&self) -> Value {
        let (positional, keywords) = self.by_position();
        json!({
            "model": self.model, "method": self.method, "args": positional, "kwargs": keywords,
        })
    }

    fn by_position(&self) -> (Vec<Value>, Map<String, Value>) {
        let ids = self.ids.iter().map(|ids| json!(ids));
        let positional = ids
            .chain(self.arguments.iter().map(|(_, v)| v.clone()))
            .collect();
        let mut keywords = self.named(&self.keywords);
        if !self.context.is_empty() {
            keywords.insert("context".to_owned(), Value::Object(self.context.clone()));
        }
        (positional, keywords)
    }

    /// Path for JSON-2.
    pub(crate) fn json2_path(&self) -> String {
        format!("/json/2/{}/{}", self.model, self.method)
    }

    /// Body for JSON-2.
    pub(crate) fn json2(&self) -> Value {
        let mut body = self.named(&self.arguments);
        body.extend(self.named(&self.keywords));
        if let Some(ids) = &self.ids {
            body.insert("ids".to_owned(), json!(ids));
        }
        if !self.context.is_empty() {
            body.insert("context".to_owned(), Value::Object(self.context.clone()));
        }
        Value::Object(body)
    }

    fn named(&self, pairs: &[(&'static str, Value)]) -> Map<String, Value> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }
}

/// A call of a service of `/jsonrpc`.
pub(crate) fn json_rpc(service: &str, method: &str, args: Value) -> Value {
    json_rpc_request(json!({ "service": service, "method": method, "args": args }))
}

/// A JSON-RPC request.
pub(crate) fn json_rpc_request(params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": "call", "id": 1, "params": params })
}

/// Reads an answer of `/jsonrpc`.
///
/// # Errors
/// A fault, or a body that is no JSON-RPC answer.
pub(crate) fn read_json_rpc(status: u16, body: &[u8]) -> Result<Value, OdooError> {
    let Ok(Value::Object(mut answer)) = serde_json::from_slice::<Value>(body) else {
        return Err(OdooError::not_odoo(status, body));
    };
    if answer.get("jsonrpc").is_none() {
        return Err(OdooError::not_odoo(status, body));
    }
    if let Some(error) = answer.remove("error") {
        let data = error.get("data").unwrap_or(&Value::Null);
        return Err(OdooError::Fault(fault(data, &error)));
    }
    // A method that returns nothing gives neither result nor error.
    Ok(answer.remove("result").unwrap_or(Value::Null))
}

/// Reads an answer of `/json/2`.
///
/// # Errors
/// A fault, or a body that is not from Odoo.
pub(crate) fn read_json2(status: u16, body: &[u8]) -> Result<Value, OdooError> {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return Err(OdooError::not_odoo(status, body));
    };
    if status == 200 {
        return Ok(answer);
    }
    if answer.get("name").is_some_and(Value::is_string) {
        return Err(OdooError::Fault(fault(&answer, &answer)));
    }
    Err(OdooError::not_odoo(status, body))
}

/// The traceback in `debug` is dropped here: it holds values of records.
fn fault(data: &Value, outer: &Value) -> Fault {
    let text = |from: &Value, key: &str| from.get(key).and_then(Value::as_str).map(str::to_owned);
    Fault::new(
        text(data, "name").unwrap_or_default(),
        text(data, "message")
            .or_else(|| text(outer, "message"))
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirm() -> Call {
        Call::on("sale.order", "action_confirm", &[1, 2]).context("tz", json!("UTC"))
    }

    #[test]
    fn json_rpc_has_ids_first_and_the_context_among_the_keywords() {
        let body = confirm().json_rpc("db", 6, "k");
        assert_eq!(
            body["params"]["args"],
            json!(["db", 6, "k", "sale.order", "action_confirm", [[1, 2]], {"context": {"tz": "UTC"}}])
        );
    }

    #[test]
    fn json2_has_everything_by_name() {
        let call = Call::of("sale.order", "load")
            .argument("fields", json!(["id"]))
            .argument("data", json!([["a.b"]]));
        assert_eq!(call.json2_path(), "/json/2/sale.order/load");
        assert_eq!(call.json2(), json!({"fields": ["id"], "data": [["a.b"]]}));
        assert_eq!(
            confirm().json2(),
            json!({"ids": [1, 2], "context": {"tz": "UTC"}})
        );
    }

    #[test]
    fn a_method_without_result_is_null_in_both() {
        let rpc = read_json_rpc(200, br#"{"jsonrpc":"2.0","id":1}"#).unwrap();
        assert_eq!(rpc, Value::Null);
        assert_eq!(read_json2(200, b"null").unwrap(), Value::Null);
    }
}
