//! Subscriptions to webhooks. Shopify deletes one that was made over the API after eight deliveries
//! in a row that failed.
//!
//! Only subscriptions that were made over the API by the same app are seen here: those of the app's
//! configuration file and of the shop's admin are not listed. So nothing is asked or made unless the
//! connection says by its `webhook_url` that Waybill is to look after them.

use super::{Nodes, Shop};
use crate::exchange::Access;
use crate::shopify::error::{ShopifyError, UserError};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;
use waybill_flow::connections::Connection;
use waybill_flow::ports::{ConnectionSecrets, Webhook};
use waybill_model::failure::Failure;

/// What the adapter reads of a shop. `orders/updated` comes with every change of an order.
const TOPICS: [&str; 10] = [
    "orders/create",
    "orders/updated",
    "orders/cancelled",
    "refunds/create",
    "returns/request",
    "returns/approve",
    "returns/decline",
    "returns/cancel",
    "returns/close",
    "returns/reopen",
];
/// Subscriptions a page, and most pages: an app has one for each topic and address.
const PAGE: u32 = 100;
const MAX_PAGES: usize = 10;

const LIST: &str = "query WaybillWebhooks($first: Int!, $after: String) {
  webhookSubscriptions(first: $first, after: $after) {
    nodes { topic uri }
    pageInfo { hasNextPage endCursor }
  }
}";

const CREATE: &str = "mutation WaybillSubscribe($topic: WebhookSubscriptionTopic!, $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    webhook_subscriptions: Nodes<Subscription>,
}

#[derive(Deserialize)]
struct Subscription {
    topic: String,
    /// An HTTPS address, or one of another kind.
    uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    webhook_subscription_create: Option<Answer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    user_errors: Vec<UserError>,
}

/// The topics that Waybill wants, each with whether it stands.
///
/// # Errors
/// As classed from the answer's body.
pub async fn webhooks(
    http: &reqwest::Client,
    connection: &Connection,
    secrets: &ConnectionSecrets,
) -> Result<Option<Vec<Webhook>>, Failure> {
    let Some(url) = connection.webhook_url.as_deref() else {
        return Ok(None);
    };
    let shop = Shop::new(http, connection, secrets)?;
    let mut standing = BTreeSet::new();
    let mut after: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let variables = json!({ "first": PAGE, "after": after });
        let listed: Listed = shop.graphql(Access::Read, LIST, variables).await?;
        let page = listed.webhook_subscriptions;
        let ours = |s: &Subscription| s.uri.as_deref() == Some(url);
        standing.extend(page.nodes.into_iter().filter(ours).map(|s| s.topic));
        after = page.page_info.end_cursor;
        if !page.page_info.has_next_page || after.is_none() {
            break;
        }
    }
    let wanted = wanted(connection).into_iter().map(|topic| Webhook {
        stands: standing.contains(&name_of(&topic)),
        polled: topic.starts_with("orders/") || topic.starts_with("refunds/"),
        topic,
    });
    Ok(Some(wanted.collect()))
}

/// Subscribes to a topic.
///
/// # Errors
/// As classed from the answer's body.
pub async fn create_webhook(
    http: &reqwest::Client,
    connection: &Connection,
    secrets: &ConnectionSecrets,
    topic: &str,
) -> Result<(), Failure> {
    let shop = Shop::new(http, connection, secrets)?;
    let url = connection
        .webhook_url
        .as_deref()
        .ok_or(ShopifyError::NotConfigured {
            what: "webhook_url",
        })?;
    let variables = json!({
        "topic": name_of(topic),
        "webhookSubscription": { "uri": url, "format": "JSON" },
    });
    let created: Created = shop.graphql(Access::Write, CREATE, variables).await?;
    let answer = created
        .webhook_subscription_create
        .ok_or(ShopifyError::Unclear {
            status: 200,
            access: Access::Write,
        })?;
    // Somebody was quicker, or an answer of ours was lost.
    let is_taken = |e: &UserError| e.message.contains("already been taken");
    if answer.user_errors.iter().any(is_taken) {
        return Ok(());
    }
    match ShopifyError::of_users(&answer.user_errors) {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// `orders/create` as GraphQL names it: `ORDERS_CREATE`.
fn name_of(topic: &str) -> String {
    topic.replace('/', "_").to_ascii_uppercase()
}

fn wanted(connection: &Connection) -> Vec<String> {
    match connection.settings.get("webhook_topics") {
        Some(topics) => topics
            .split(',')
            .map(|topic| topic.trim().to_ascii_lowercase())
            .filter(|topic| !topic.is_empty())
            .collect(),
        None => TOPICS.map(str::to_owned).to_vec(),
    }
}
