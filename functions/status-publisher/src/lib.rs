//! `status-publisher`: tells channels, helpdesks, gateways and carrier services.
//!
//! It carries out the commands of the queue `status` as every function does that calls partners;
//! see [`waybill_lambda_kit::partner_commands`].

pub use waybill_lambda_kit::partner_commands::{LEASE_MS, Ports, handle};

#[cfg(test)]
mod tests;
