//! System tests: the demo and the end-to-end run on the local AWS, and the checks of the template.
//!
//! | module | holds |
//! |---|---|
//! | [`stack`] | where the deployed stack is, and calls to it from outside |
//! | [`simulators`] | the control API of the simulators |
//! | [`odoo`] | what an Odoo holds, read without Waybill's own code |
//! | [`odoo_contract`] | what Waybill relies on of Odoo, tried on the simulated and on real ones |
//! | [`odoo_check`] | `odoo check`: what an Odoo lacks for a connections file |
//! | [`shipped`] | the events that the functions ship, sent to them |
//! | [`kills`] | functions killed with -9 while the day is played |
//! | [`invariants`] | what must be true at the end, checked against what the outside holds |
//! | [`workload`] | orders in numbers for trials against an Odoo, and the means to judge them |
//! | [`bench`] | how fast orders get into an Odoo, against writing them one by one |
//! | [`storm`] | orders into an Odoo through faults and kills, each of them there once in the end |
//! | [`bad_orders`] | bad orders among good ones, and what each is told |
//! | [`simulated`] | a simulated Odoo for trials that are given no real one |
//! | [`loopback`] | servers of trials and tests |
//! | [`ops`] | the operations API from a terminal |
//! | [`queues`] | what SQS does with messages, tried on the simulation's queues and on the local AWS |
//! | [`report`] | what a person sees |

pub mod bad_orders;
pub mod bench;
pub mod day;
pub mod demo;
pub mod invariants;
pub mod kills;
pub mod loopback;
pub mod odoo;
pub mod odoo_check;
pub mod odoo_contract;
pub mod ops;
pub mod probes;
pub mod queues;
pub mod report;
pub mod shipped;
pub mod simulated;
pub mod simulators;
pub mod stack;
pub mod storm;
pub mod workload;

/// Anything that stops a run: a message for a person.
#[derive(Debug)]
pub struct Stop(pub String);

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Stop {}

impl Stop {
    /// What was being done, and why it did not work.
    pub fn new(doing: impl std::fmt::Display, error: impl std::fmt::Display) -> Self {
        Self(format!("{doing}: {error}"))
    }
}
