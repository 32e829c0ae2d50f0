//! The adapters against a DynamoDB that evaluates real expressions: an embedded one by default,
//! or the one at `WAYBILL_TEST_ENDPOINT`.

mod conformance;
mod local;
mod model;
mod rows;
