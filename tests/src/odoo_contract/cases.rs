//! The cases, a file for each group.

mod cancel;
mod check;
mod concurrency;
mod confirm;
mod delivery;
mod faults;
mod invoices;
mod lines;
mod load;
mod load_errors;
mod lookup;
mod orders;
mod partners;
mod returns;
mod rights;
mod stock;

use super::cx::{Checked, Cx};
use futures::future::BoxFuture;

/// One behaviour of Odoo that Waybill relies on.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) group: &'static str,
    pub(super) name: &'static str,
    /// What Waybill makes of it.
    pub(super) relies: &'static str,
    /// Takes a real Odoo a minute or more.
    pub(super) slow: bool,
    pub(super) run: for<'a> fn(&'a Cx<'a>) -> BoxFuture<'a, Checked>,
}

impl Case {
    /// `load/repeat_of_a_draft`.
    pub(super) fn title(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }
}

/// The cases of a group: the function of each, and what Waybill relies on.
macro_rules! cases {
    ($group:literal: $($name:ident $($slow:ident)? => $relies:literal,)+) => {
        pub(super) const CASES: &[$crate::odoo_contract::cases::Case] = &[$(
            $crate::odoo_contract::cases::Case {
                group: $group,
                name: stringify!($name),
                relies: $relies,
                slow: cases!(@slow $($slow)?),
                run: |cx| Box::pin($name(cx)),
            },
        )+];
    };
    (@slow) => { false };
    (@slow slow) => { true };
}
use cases;

/// Every case.
pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    let groups: [&'static [Case]; 16] = [
        partners::CASES,
        load::CASES,
        lines::CASES,
        load_errors::CASES,
        orders::CASES,
        lookup::CASES,
        confirm::CASES,
        concurrency::CASES,
        cancel::CASES,
        delivery::CASES,
        returns::CASES,
        invoices::CASES,
        stock::CASES,
        rights::CASES,
        faults::CASES,
        check::CASES,
    ];
    groups.into_iter().flatten()
}
