//! Calls to Shopify's Admin API. One call of [`execute`] or [`poll`] is one attempt.

mod documents;
mod fulfillment;
mod poll;
mod stock;
mod webhooks;

pub use poll::poll;
pub use webhooks::{create_webhook, webhooks};

use super::error::ShopifyError;
use crate::client::{Call, unsupported};
use crate::exchange::{Access, Answer, send};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use waybill_flow::connections::Connection;
use waybill_flow::ports::ConnectionSecrets;
use waybill_model::command::Command;
use waybill_model::failure::Failure;
use waybill_model::id::Reference;

/// Version of the API where the connection names none.
const API_VERSION: &str = "2026-07";

/// Publishes fulfilments and stock.
///
/// # Errors
/// As classed from the answer's body by `ShopifyError`.
pub async fn execute(call: Call<'_>, command: &Command) -> Result<Vec<Reference>, Failure> {
    match command {
        Command::PublishFulfillment(c) => {
            let shop = Shop::new(call.http, call.connection, call.secrets)?;
            Ok(fulfillment::publish(&shop, call.attempt, c).await?)
        }
        Command::PublishStock(c) => {
            let shop = Shop::new(call.http, call.connection, call.secrets)?;
            stock::publish(&shop, call.key, c).await?;
            Ok(Vec::new())
        }
        _ => Err(unsupported("shopify", command)),
    }
}

/// A shop as calls need it.
struct Shop<'a> {
    http: &'a reqwest::Client,
    connection: &'a Connection,
    token: &'a str,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

/// The nodes of a GraphQL connection.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Nodes<T> {
    nodes: Vec<T>,
    #[serde(default)]
    page_info: PageInfo,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl<'a> Shop<'a> {
    fn new(
        http: &'a reqwest::Client,
        connection: &'a Connection,
        secrets: &'a ConnectionSecrets,
    ) -> Result<Self, ShopifyError> {
        let token = secrets
            .api
            .get("access_token")
            .filter(|s| !s.is_blank())
            .ok_or(ShopifyError::NotConfigured {
                what: "api.access_token",
            })?;
        Ok(Self {
            http,
            connection,
            token: token.expose(),
        })
    }

    fn api_version(&self) -> &str {
        self.connection
            .api_version
            .as_deref()
            .unwrap_or(API_VERSION)
    }

    fn request(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        let base = &self.connection.base_url;
        let version = self.api_version();
        self.http
            .request(method, format!("{base}/admin/api/{version}/{path}"))
            .header("x-shopify-access-token", self.token)
            .header("accept", "application/json")
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        access: Access,
    ) -> Result<Answer, ShopifyError> {
        let answer = send(request, access).await?;
        match ShopifyError::of(&answer, access) {
            Some(error) => Err(error),
            None => Ok(answer),
        }
    }

    async fn graphql<T: DeserializeOwned>(
        &self,
        access: Access,
        query: &str,
        variables: serde_json::Value,
    ) -> Result<T, ShopifyError> {
        let body = serde_json::json!({ "query": query, "variables": variables });
        let request = self.request(http::Method::POST, "graphql.json").json(&body);
        let answer = self.send(request, access).await?;
        let data: Option<Data<T>> = answer.json();
        data.map(|d| d.data).ok_or(ShopifyError::Unclear {
            status: answer.status,
            access,
        })
    }
}

/// The digits of `gid://shopify/{type}/{digits}`, or of a bare id.
fn digits(gid: &str) -> &str {
    gid.rsplit('/').next().unwrap_or(gid)
}

/// `gid://shopify/{kind}/{id}` of a bare or a global id.
fn gid(kind: &str, id: &str) -> String {
    format!("gid://shopify/{kind}/{}", digits(id))
}

#[cfg(test)]
mod tests;
