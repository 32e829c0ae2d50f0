//! Adapter of Shopify: the channel.
//!
//! | file | holds |
//! |---|---|
//! | `verify` | signature of webhooks |
//! | `wire` | bodies as Shopify sends them |
//! | `map` | wire to canonical facts; no I/O |
//! | `client` | fulfilments and stock out, orders by poll, subscriptions to webhooks |
//! | `error` | classes of Shopify's answers |
//!
//! Settings of a connection (`settings` in the connections file):
//!
//! | name | meaning |
//! |---|---|
//! | `shop_domain` | `example.myshopify.com`: deliveries of other shops are refused, since the domain header is not signed |
//! | `webhook_topics` | topics that are looked after where the connection has a `webhook_url`, between commas; else all that the adapter reads |
//! | `taxes_included` | `true` or `false`: what is assumed of a refund whose body does not tell |
//!
//! Secrets: `webhook_secrets` are the app's client secrets; `api.access_token` is the Admin API token.

mod client;
mod error;
mod map;
mod verify;
mod wire;

pub use client::{create_webhook, execute, poll, webhooks};
pub use map::parse;
pub use verify::verify;
