//! Simulators of Odoo and of the partners: real HTTP on loopback, one process, one port.
//!
//! Each simulator is mounted under its name; the control API is under `/_sim`, see [`control`] and
//! [`day`]. The simulators share no code with the adapters that they test.
#![recursion_limit = "512"]

pub mod canonical;
pub mod catalogue;
pub mod control;
pub mod day;
pub mod easypost;
pub mod env;
pub mod erp;
pub mod faults;
pub mod money;
pub mod odoo;
pub mod proxy;
pub mod secrets;
pub mod server;
pub mod shipbob;
pub mod shopify;
pub mod sign;
pub mod sim;
pub mod stripe;
pub mod webhooks;
pub mod world;
pub mod zendesk;

pub use server::serve;
pub use world::{Options, World};
