//! The process: decide, stages, routing, validation rules and ports. Pure: no I/O, no clock, no
//! partner names.
//!
//! | module | holds |
//! |---|---|
//! | [`connections`] | the reviewed file that says who is connected and how |
//! | [`state`] | what is known of an order and which effects were asked for |
//! | [`ports`] | what the handlers need from the outside |

pub mod connections;
pub mod ports;
pub mod state;
