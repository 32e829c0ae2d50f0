//! EasyPost: carrier service. Trackers tell where parcels are.
//!
//! # Webhooks
//! `tracker.created` and `tracker.updated`; all others are ignored. The parcel's tracking number
//! leads to its order.
//!
//! # Settings
//! `mode`: `production` or `test`; if given, events of the other mode are ignored. `carrier.NAME`:
//! EasyPost's name of the carrier that a warehouse calls `NAME`, such as
//! `"carrier.DHL Express" = "DHLExpress"`.
//!
//! # Secrets
//! `api["api_key"]`; `webhook_secrets`: the webhook's secret as text.

mod client;
mod error;
mod map;
mod verify;
mod wire;

pub use client::execute;
pub use error::EasypostError;
pub use map::parse;
pub use verify::verify;
