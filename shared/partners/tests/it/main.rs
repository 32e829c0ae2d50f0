//! Adapters against hand-made fixtures, a scripted server, and, where the folder is there, the
//! shared vectors and samples.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod easypost;
mod properties;
mod samples;
mod shipbob;
mod shipbob_calls;
mod stripe;
mod stripe_calls;
mod support;
mod vectors;
mod zendesk;
