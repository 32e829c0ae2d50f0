//! ShipBob: warehouse (3PL). Dated API, 2026-01 unless the connection names another version.
//!
//! Webhooks: `order.shipped`, `order.shipment.delivered`, `.exception`, `.on_hold`, `.cancelled`,
//! `return.created`, `.updated`, `.completed`, in this spelling and the older one with underscores.
//!
//! Secrets: `api["token"]`. Settings: `shipbob_channel_id`.

mod client;
mod error;
mod map;
mod verify;
mod wire;

pub use client::execute;
pub use error::ShipbobError;
pub use map::parse;
pub use verify::verify;
