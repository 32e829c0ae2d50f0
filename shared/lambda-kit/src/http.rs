//! Requests and answers of the HTTP API (payload format 2.0).

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// A request, its body decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: String,
    /// The path without the stage.
    pub path: String,
    /// Headers, names in lower case, several of one name joined by `,`.
    pub headers: BTreeMap<String, String>,
    /// Query parameters; of several of one name the first.
    pub query: BTreeMap<String, String>,
    /// The raw bytes.
    pub body: Vec<u8>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A body that says it is base64 and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body is not base64")]
pub struct NotBase64;

impl Request {
    /// Reads an event of the HTTP API.
    ///
    /// # Errors
    /// The body cannot be decoded.
    pub fn read(event: ApiGatewayV2httpRequest) -> Result<Self, NotBase64> {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &event.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers
                .entry(name.as_str().to_ascii_lowercase())
                .and_modify(|all| {
                    all.push(',');
                    all.push_str(&value);
                })
                .or_insert_with(|| value.into_owned());
        }
        let query = first_values(&event);
        let body = match event.body {
            None => Vec::new(),
            Some(text) if event.is_base64_encoded => {
                STANDARD.decode(text).map_err(|_| NotBase64)?
            }
            Some(text) => text.into_bytes(),
        };
        Ok(Self {
            method: event.request_context.http.method.to_string(),
            path: event.raw_path.unwrap_or_default(),
            headers,
            query,
            body,
        })
    }

    /// The parts of the path as they came: nothing is decoded, and ids need no encoding.
    #[must_use]
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|s| !s.is_empty()).collect()
    }

    /// The W3C trace context, if it is one.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        let value = self.headers.get("traceparent")?;
        let well_formed =
            value.len() == 55 && value.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        well_formed.then(|| value.clone())
    }
}

/// Query parameters; of several of one name the first. Read as they are written: the iterator of
/// `QueryMap` panics at a name with no value at all, which only a direct invocation can send.
fn first_values(event: &ApiGatewayV2httpRequest) -> BTreeMap<String, String> {
    let written = serde_json::to_value(&event.query_string_parameters).unwrap_or_default();
    let all: BTreeMap<String, Vec<String>> = serde_json::from_value(written).unwrap_or_default();
    all.into_iter()
        .filter_map(|(name, values)| Some((name, values.into_iter().next()?)))
        .collect()
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// HTTP status.
    pub status_code: u16,
    /// Headers.
    pub headers: BTreeMap<String, String>,
    /// Text.
    pub body: String,
    /// Always false: the body is text.
    pub is_base64_encoded: bool,
}

impl Answer {
    /// An answer of JSON that nobody may keep.
    #[must_use]
    pub fn json(status_code: u16, body: &serde_json::Value) -> Self {
        let headers = [
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
        ];
        Self {
            status_code,
            headers: headers
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
            body: body.to_string(),
            is_base64_encoded: false,
        }
    }

    /// An error with what to do about it.
    #[must_use]
    pub fn error(status_code: u16, code: &str, message: &str, remedy: &str) -> Self {
        let error = serde_json::json!({"code": code, "message": message, "remedy": remedy});
        Self::json(status_code, &serde_json::json!({ "error": error }))
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(body: &str, is_base64: bool) -> ApiGatewayV2httpRequest {
        serde_json::from_value(serde_json::json!({
            "version": "2.0", "rawPath": "/webhooks/shop/orders/create",
            "headers": {"X-Test": "a", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
            "queryStringParameters": {"limit": "5"},
            "requestContext": {"http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "t"}, "timeEpoch": 0},
            "body": body, "isBase64Encoded": is_base64,
        }))
        .unwrap()
    }

    #[test]
    fn bytes_that_are_no_text_arrive_as_they_were() {
        let request = Request::read(event("/wD+", true)).unwrap();
        assert_eq!(request.body, [0xff, 0x00, 0xfe]);
        assert_eq!(request.segments(), ["webhooks", "shop", "orders", "create"]);
        assert_eq!(request.headers["x-test"], "a");
        assert_eq!(request.query["limit"], "5");
        assert!(request.traceparent().is_some());
    }

    #[test]
    fn a_parameter_without_any_value_is_absent() {
        let mut event = event("", false);
        let query = serde_json::json!({"limit": [], "status": ["open", "closed"]});
        event.query_string_parameters = serde_json::from_value(query).unwrap();
        let request = Request::read(event).unwrap();
        assert_eq!(request.query.get("limit"), None);
        assert_eq!(request.query["status"], "open");
    }

    #[test]
    fn a_body_that_is_not_the_base64_it_says_is_refused() {
        assert_eq!(Request::read(event("***", true)), Err(NotBase64));
    }
}
