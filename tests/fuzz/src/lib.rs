//! Fuzz targets: every place where bytes or text from outside become data.
//!
//! A target is a function of bytes. The bytes are not the input themselves: they decide what is done to
//! a seed, such as a fixture of a partner, so that readers are reached behind the JSON parser
//! ([`mutate`]); now and then they are taken as they are. `tests/it/main.rs` has a test for each target.
//!
//! | target | enters by | must hold |
//! |---|---|---|
//! | `verify::{shopify, stripe, shipbob, easypost, zendesk, canonical}` | a signed call | it is accepted, within its time; with any bit of body, key, signature or timestamp changed it is not |
//! | `verify::unsigned` | made-up headers | nothing is accepted |
//! | `webhooks::{shopify, stripe, shipbob, easypost, zendesk, canonical, odoo}` | a partner's body | the same facts each time, which survive the queues |
//! | `model::{money, time, ids}` | texts | what is read is printed as it was, to the last digit |
//! | `model::{event, command, records}` | documents of queues and tables | what is read survives being written |
//! | `model::strict` | a partner's document | unknown fields are looked for only in what reads |
//! | `messages::{delivery, batch}` | a message, a batch of SQS | byte for byte, within the limit; no record is lost |
//! | `config::{connections, environment, secrets}` | files, variables, secrets | faults are named; nothing that was not understood is written over |
//! | `functions::intake` | a call of the gateway | 202: signed, and on the queue byte for byte; else nothing is kept |
//! | `functions::ops` | a request to the operations API, its list of tokens | an answer in JSON; nothing without a token, whatever the list of tokens is; no customer in it |
//! | `functions::deliveries` | partners' bodies, through every function to its end | no message is given back |
//! | `functions::queues` | messages of our own queues | the same |
//! | `functions::jobs` | events of the schedule, notes of earlier runs about connections and ourselves | a job runs to its end |
//! | `functions::breakers` | notes about endpoints: breaker, quota, pace | nobody is shut out for long |
//! | `clients::{shopify, stripe, shipbob, easypost, zendesk, canonical}` | answers to our calls, paged ones too | an outcome, within bounded calls |
//! | `clients::odoo` | answers by JSON-RPC and JSON-2 | an outcome for each command, a remedy for each finding; no secret told |
//! | `clients::store` | rows of the tables, cursors | what cannot be read is named by its place |
//!
//! Everywhere: no panic, no overflow, bounded time, and no error that tells of a person: the seeds have
//! a marker in them, which no text of ours may hold ([`properties`]).
//!
//! `cargo nextest run` draws the same few hundred inputs for each target each time ([`brief`]), after
//! those in `tests/it/__fuzz__/TARGET/crashes`, where fuzzers leave what they find. `cargo xtask fuzz`
//! has libFuzzer choose the bytes by what they reach.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken property must stop where it is broken"
)]

/// Under libFuzzer every binary needs its counters, that of the unit tests too.
#[cfg(test)]
use bolero as _;

mod answers;
pub mod brief;
pub mod clients;
pub mod config;
pub mod draw;
pub mod functions;
pub mod messages;
pub mod model;
pub mod mutate;
pub mod properties;
pub mod seeds;
pub mod verify;
pub mod webhooks;
pub mod world;

/// Runs to the end on this thread.
///
/// # Panics
/// No runtime can be made.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(work))
}

/// The same for work that waits for nothing outside: what it sleeps is over at once.
///
/// # Panics
/// No runtime can be made.
pub fn block_on_asleep<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(work))
}
