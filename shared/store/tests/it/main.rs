//! The adapters against a DynamoDB that evaluates real expressions: an embedded one by default,
//! or the one at `WAYBILL_TEST_ENDPOINT`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: clippy's exception covers only the test functions themselves"
)]

mod conformance;
mod local;
mod model;
mod rows;
mod scripted;
