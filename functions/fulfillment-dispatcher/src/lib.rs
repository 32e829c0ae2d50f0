//! `fulfillment-dispatcher`: asks warehouses to fulfil, or to stop.
//!
//! It carries out the commands of the queue `fulfillment` as every function does that calls partners;
//! see [`waybill_lambda_kit::partner_commands`].

pub use waybill_lambda_kit::partner_commands::{LEASE_MS, Ports, handle};

#[cfg(test)]
mod tests;
