//! What the end of a day must look like, order by order.

use super::plan::Kind;
use serde::Serialize;

/// What is expected of one order once everything has settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expectation {
    /// State in Odoo: `none`, `sale`, `cancel`, or `any` where a race decides.
    pub odoo: &'static str,
    /// Whether the warehouse has it, cancelled there or not; nothing where a race decides.
    pub released: Option<bool>,
    /// Whether all of it has left; nothing where a race decides.
    pub shipped: Option<bool>,
    /// Codes of the cases that must be open at the end, and only those; nothing where a race
    /// decides.
    pub cases: Option<Vec<&'static str>>,
    /// Codes that must be open whatever else is.
    pub cases_include: Vec<&'static str>,
    /// Whether the shop can be told of what left: it cannot once it has cancelled the order.
    pub shop_told: bool,
    /// Refunds that the shop decides on.
    pub refunds: u32,
    /// Of them, refunds that fail later: their money stays.
    pub refunds_failed: u32,
    /// Returns that are received and restocked.
    pub returns: u32,
}

/// What is expected of a kind.
#[must_use]
pub fn expectation(kind: Kind) -> Expectation {
    let shipped = Expectation {
        odoo: "sale",
        released: Some(true),
        shipped: Some(true),
        cases: Some(Vec::new()),
        cases_include: Vec::new(),
        shop_told: true,
        refunds: 0,
        refunds_failed: 0,
        returns: 0,
    };
    let stopped = |cases: Vec<&'static str>| Expectation {
        odoo: "none",
        released: Some(false),
        shipped: Some(false),
        cases_include: cases.clone(),
        cases: Some(cases),
        ..shipped.clone()
    };
    let open = |cases: Vec<&'static str>| Expectation {
        cases_include: cases.clone(),
        cases: Some(cases),
        ..shipped.clone()
    };
    match kind {
        Kind::Plain
        | Kind::TwoParcels
        | Kind::Partial
        | Kind::LateTracking
        | Kind::StockException
        | Kind::CarrierDelay
        | Kind::PaidLater
        | Kind::Market
        | Kind::Abroad
        | Kind::MarketAbroad
        | Kind::Silent => shipped,
        Kind::CarrierFailure => open(vec!["parcel_delayed"]),
        Kind::Return => Expectation {
            refunds: 1,
            returns: 1,
            ..shipped
        },
        Kind::Goodwill | Kind::MarketRefund => Expectation {
            refunds: 1,
            ..shipped
        },
        Kind::RefundFails => Expectation {
            refunds: 1,
            refunds_failed: 1,
            ..open(vec!["refund_failed"])
        },
        Kind::NeverPaid | Kind::CancelUnpaid => stopped(Vec::new()),
        Kind::UnknownSku => stopped(vec!["unknown_sku"]),
        Kind::WrongTotal => stopped(vec!["total_mismatch"]),
        Kind::Test => stopped(vec!["test_order"]),
        Kind::CancelAtOnce => Expectation {
            odoo: "any",
            released: None,
            shipped: Some(false),
            refunds: 1,
            ..shipped
        },
        Kind::CancelInTime | Kind::MarketCancel | Kind::AbroadCancel => Expectation {
            odoo: "cancel",
            shipped: Some(false),
            refunds: 1,
            ..shipped
        },
        // Too late: one case, and the shop is not told of fulfilments that it would refuse.
        Kind::CancelTooLate => Expectation {
            shop_told: false,
            refunds: 1,
            ..open(vec!["too_late"])
        },
        Kind::CancelRace => Expectation {
            odoo: "any",
            shipped: None,
            cases: None,
            shop_told: false,
            refunds: 1,
            ..shipped
        },
    }
}
