//! All functions in one process, on a clock and with a scheduler that a seed decides.
//!
//! The handlers are those that are deployed. Under them, our queues, tables and secrets are in memory
//! and fail as AWS's do; partners and Odoo are models that fail as theirs do. Everything that waits
//! waits on a paused clock, and everything that happens by chance is drawn from the seed: the same
//! seed is the same run, step for step.
//!
//! | module | holds |
//! |---|---|
//! | [`sim`] | the clock, the dice, the trace, the weather: how much goes wrong in this run |
//! | [`sandbox`] | a process of a function, through which every call goes, fails or crashes |
//! | [`sqs`] | the queues, standard and FIFO |
//! | [`lambda`] | who polls the queues and invokes the functions |
//! | [`jobs`] | the schedules |
//! | [`world`] | all of it together |
//! | [`erp`], [`erp_keys`] | the model of Odoo, and of its API keys |
//! | [`writers`] | who writes to Odoo at once |
//! | [`changes`] | what changes meanwhile: keys, versions, months |
//! | [`by_hand`] | what somebody changes in Odoo |
//! | [`partners`] | the models of warehouse, gateway, channel, helpdesk and carrier service |
//! | [`life`] | what customers and partners do with each order |
//! | [`operator`] | what operators do about it |
//! | [`webhooks`] | how they tell us |
//! | [`gateway`] | how a request comes to a function |
//! | [`causes`] | what cases may say |
//! | [`invariants`] | what must be true |
//! | [`stock`] | the same of goods: counts, what is offered, what leaves and comes back |
//! | [`breakage`] | deliberate faults of the product, to see that the invariants find them |
//! | [`run`] | one seed, and many |
//! | [`outage`] | hours without Odoo |
//! | [`panics`] | functions that panicked |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken simulation must stop where it is broken"
)]

pub mod breakage;
pub mod by_hand;
pub mod causes;
pub mod changes;
pub mod erp;
pub mod erp_keys;
pub mod gateway;
pub mod invariants;
pub mod jobs;
pub mod lambda;
pub mod life;
pub mod operator;
pub mod outage;
pub mod panics;
pub mod partners;
pub mod progress;
pub mod quiet;
pub mod run;
pub mod sandbox;
pub mod sim;
pub mod sqs;
pub mod stock;
pub mod webhooks;
pub mod world;
pub mod writers;
