//! Contract suite: the real adapters against the simulators, over HTTP on loopback.
//!
//! | module | holds |
//! |---|---|
//! | [`rig`] | the simulators in this process, the adapters pointed at them, a receiver of webhooks |
//! | [`odoo`] | orders in batches: totals, isolation, confirm, lost answers; both protocols |
//! | [`odoo_customers`] | companies, contacts and addresses; customers whom Odoo knew before |
//! | [`odoo_setup`] | prices and currencies, warehouses, companies; orders that somebody worked on |
//! | [`odoo_flow`] | what follows an order in Odoo: deliveries, returns, credit notes, amendments |
//! | [`odoo_money`] | invoices and payments in Odoo, before, with and after each other |
//! | [`canonical`], [`easypost`], [`shipbob`], [`shopify`], [`stripe`], [`zendesk`] | every command of the partner, its faults and refusals |
//! | [`subscriptions`] | webhooks that the shop deleted are made again, and what they missed is found |
//! | [`webhooks`] | what the simulators sign is verified and read into the facts |
//!
//! The connections and secrets are those of the local environment, so that these are checked too.

mod canonical;
mod easypost;
mod odoo;
mod odoo_customers;
mod odoo_flow;
mod odoo_money;
mod odoo_setup;
mod rig;
mod shipbob;
mod shopify;
mod stripe;
mod subscriptions;
mod webhooks;
mod zendesk;
