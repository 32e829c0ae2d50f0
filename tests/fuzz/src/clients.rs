//! Clients of partners, Odoo and DynamoDB, given answers that no server should give.

mod odoo;
mod partners;
mod store;

pub use odoo::odoo;
pub use partners::{canonical, easypost, shipbob, shopify, stripe, zendesk};
pub use store::store;

use crate::properties::{survives_the_wire, tells_no_person};
use std::sync::OnceLock;
use waybill_model::failure::Failure;
use waybill_model::id::Reference;

fn http() -> &'static reqwest::Client {
    static HTTP: OnceLock<reqwest::Client> = OnceLock::new();
    HTTP.get_or_init(|| waybill_partners::http::client().unwrap())
}

fn judge(outcome: Result<Vec<Reference>, Failure>) {
    match outcome {
        Ok(references) => references.iter().for_each(survives_the_wire),
        Err(failure) => judge_failure(&failure),
    }
}

/// What is rejected becomes a case, whose detail may quote the partner's sentence; all else is logged.
fn judge_failure(failure: &Failure) {
    assert!(!failure.detail().is_empty());
    if failure.class() != "rejected" {
        tells_no_person(failure.detail());
    }
}
