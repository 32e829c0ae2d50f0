//! The simulators over real HTTP: one test binary.

mod harness;
mod helpdesk;
mod shop;
mod signatures;
mod warehouse;
