//! Fakes, seeded faults, builders and port-conformance suites for tests.
//!
//! | module | holds |
//! |---|---|
//! | [`build`] | valid values in few words: ids, orders, events, cases, commits |
//! | [`clock`] | a clock that tests set |
//! | [`faults`] | failures to inject: planned, or seeded at random |
//! | [`fakes`] | every port in memory |
//! | [`conformance`] | what every implementation of a store port must do, run on fakes and adapters |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests depend on this crate: a broken fixture must fail the test where it is used"
)]

pub mod build;
pub mod clock;
pub mod conformance;
pub mod fakes;
pub mod faults;

pub use clock::ManualClock;
pub use fakes::{FakeErp, FakePartner, MemoryEffects, MemoryOrders, MemoryQueues, MemorySecrets};
pub use faults::{Fault, Faults};
