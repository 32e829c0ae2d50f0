//! Canonical vocabulary of Waybill: pure types that parse or fail.
//!
//! A value of these types is valid: every limit is checked where the value is made, also when it
//! is deserialised. Nothing here does I/O, reads a clock or knows a partner.
//!
//! | module | holds |
//! |---|---|
//! | [`id`] | identifiers and references to what partners hold |
//! | [`money`], [`quantity`], [`time`] | amounts with a currency, counts, UTC instants |
//! | [`order`], [`party`] | the order snapshot as the channel tells it, customers and addresses |
//! | [`payment`], [`shipment`], [`returns`], [`stock`], [`ticket`] | facts that follow an order |
//! | [`case`] | exceptions that a person owns |
//! | [`correction`] | what a person corrects in an order |
//! | [`delivery`] | what a partner sent us, verified and not yet understood |
//! | [`event`], [`command`], [`envelope`] | what travels on the queues |
//! | [`failure`] | the four classes of failure |
//! | [`ownership`] | which system may change which field |
//! | [`schema`] | JSON Schemas of all this |

pub mod case;
pub mod command;
pub mod correction;
pub mod delivery;
pub mod envelope;
pub mod event;
pub mod failure;
pub mod id;
pub mod money;
pub mod order;
pub mod ownership;
pub mod party;
pub mod payment;
pub mod quantity;
pub mod returns;
pub mod schema;
pub mod shipment;
pub mod stock;
pub mod strict;
mod text;
pub mod ticket;
pub mod time;
