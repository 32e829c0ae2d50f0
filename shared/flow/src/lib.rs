//! The process: decide, stages, routing, validation rules and ports. Pure: no I/O, no clock, no
//! partner names.
//!
//! | module | holds |
//! |---|---|
//! | [`connections`] | the reviewed file that says who is connected and how |
//! | [`validate`] | what blocks an order, by name (features V1) |
//! | [`intake`] | who may tell what, and our names for what is told |
//! | `history` | what was found in an order, and whether it is ours at all: on [`state`] |
//! | [`state`] | what is known of an order and which effects were asked for |
//! | [`fold`] | events into facts: commutative, associative, idempotent |
//! | [`view`] | questions about a state: is it paid, is it accepted, what was refunded |
//! | [`plan`] | which effects a state calls for |
//! | [`exceptions`], [`stages`] | which cases it calls for, and when a stage is overdue |
//! | [`decide`](mod@decide) | all of the above in one function: the only place that knows the process |
//! | [`differences`] | what differs between two states, for a person |
//! | [`axes`](mod@axes) | the four axes that people read |
//! | [`pace`] | how much an ERP takes at once, learned from how long it takes |
//! | [`breaker`], [`quota`] | whether an endpoint is called at all, and how often |
//! | [`ports`] | what the handlers need from the outside |

pub mod amendment;
pub mod axes;
pub mod breaker;
pub mod connections;
pub mod context;
mod corrections;
pub mod decide;
pub mod differences;
pub mod exceptions;
pub mod fold;
mod history;
pub mod intake;
pub mod pace;
pub mod plan;
pub mod ports;
pub mod quota;
pub mod routing;
pub mod stages;
pub mod state;
pub mod validate;
pub mod view;

pub use axes::{Axes, axes};
