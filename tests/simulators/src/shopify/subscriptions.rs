//! Subscriptions to webhooks that an app made over the GraphQL API.
//!
//! A shop whose app never made one is taken to have them in the app's configuration: those are not
//! listed, and every topic is sent. Once the app has made one, only what it subscribed to is sent.

use super::graphql::connection;
use super::operations::user_error;
use crate::world::{World, lock};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const KINDS: [&str; 7] = [
    "ORDERS_",
    "REFUNDS_",
    "RETURNS_",
    "FULFILLMENTS_",
    "INVENTORY_LEVELS_",
    "APP_",
    "PRODUCTS_",
];

/// What an app subscribed to.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    all: Vec<Subscription>,
    made: u64,
}

#[derive(Debug)]
struct Subscription {
    id: u64,
    /// As GraphQL names it.
    topic: String,
    uri: String,
}

impl Subscriptions {
    /// Whether a webhook of a topic such as `orders/create` is sent.
    pub(super) fn send(&self, topic: &str) -> bool {
        let name = topic.replace('/', "_").to_ascii_uppercase();
        self.made == 0 || self.all.iter().any(|s| s.topic == name)
    }

    pub(super) fn delete_all(&mut self) {
        self.all.clear();
    }

    /// Topics, for states.
    pub(super) fn topics(&self) -> Vec<&str> {
        self.all.iter().map(|s| s.topic.as_str()).collect()
    }
}

/// `webhookSubscriptions`.
pub(super) fn list(world: &Arc<World>) -> Value {
    let shop = lock(&world.shopify);
    let node = |s: &Subscription| {
        json!({
            "id": format!("gid://shopify/WebhookSubscription/{}", s.id),
            "topic": s.topic,
            "uri": s.uri,
            "format": "JSON",
        })
    };
    connection(shop.subscriptions.all.iter().map(node).collect())
}

/// `webhookSubscriptionCreate`.
///
/// # Errors
/// The document is not one that the schema allows.
pub(super) fn create(world: &Arc<World>, args: &Map<String, Value>) -> Result<Value, String> {
    let root = "webhookSubscription";
    let topic = args.get("topic").and_then(Value::as_str).unwrap_or("");
    if !KINDS.iter().any(|kind| topic.starts_with(kind)) {
        return Err(format!(
            "Variable $topic of type WebhookSubscriptionTopic! was provided invalid value: \
             Expected \"{topic}\" to be one of the topics"
        ));
    }
    let input = args.get(root).and_then(Value::as_object);
    let uri = input.and_then(|i| i.get("uri")).and_then(Value::as_str);
    let Some(uri) = uri.filter(|uri| uri.starts_with("https://")) else {
        let message = "Address is invalid";
        return Ok(user_error(&[root, "uri"], message, root));
    };
    let subscriptions = &mut lock(&world.shopify).subscriptions;
    let is_same = |s: &Subscription| s.topic == topic && s.uri == uri;
    if subscriptions.all.iter().any(is_same) {
        let message = "Address for this topic has already been taken";
        return Ok(user_error(&[root, "uri"], message, root));
    }
    subscriptions.made += 1;
    let id = 1_000_000 + subscriptions.made;
    subscriptions.all.push(Subscription {
        id,
        topic: topic.to_owned(),
        uri: uri.to_owned(),
    });
    Ok(json!({
        root: {
            "id": format!("gid://shopify/WebhookSubscription/{id}"),
            "topic": topic,
            "uri": uri,
        },
        "userErrors": [],
    }))
}
