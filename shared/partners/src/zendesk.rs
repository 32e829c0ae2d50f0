//! Zendesk: helpdesk. Ticketing API v2.
//!
//! # Webhooks
//! Both kinds are read; one of them is enough. *Event webhooks*: subscribe to the ticket events.
//! *Trigger webhooks*: connect the webhook to a trigger that fires on every change of status, with
//! this JSON body:
//!
//! ```json
//! {
//!   "ticket_id": "{{ticket.id}}",
//!   "external_id": "{{ticket.external_id}}",
//!   "status": "{{ticket.status}}",
//!   "updated_at": "{{ticket.updated_at_with_timestamp}}"
//! }
//! ```
//!
//! `external_id` is the correlation id that Waybill gives to the tickets that it opens. The text of
//! a ticket is never asked for.
//!
//! # Secrets
//! `api["email"]` and `api["token"]`: an agent and an API token. `webhook_secrets`: the signing
//! secret of the webhook, as text.

mod client;
mod error;
mod map;
mod verify;
mod wire;

pub use client::execute;
pub use error::ZendeskError;
pub use map::parse;
pub use verify::verify;
