//! What every function shares. The only shared crate that knows Lambda and SQS.
//!
//! | module | holds |
//! |---|---|
//! | [`env`], [`connections`], [`start`] | configuration, read once at the cold start, all faults at once |
//! | [`batch`], [`ended`], [`backoff`] | one SQS batch: every record by itself, what is acknowledged, when the rest comes back |
//! | [`execute`] | claim, do, complete, tell: the cycle of every function that carries out commands |
//! | [`endpoints`] | whether an endpoint is called now: breaker and calls a minute |
//! | [`documents`] | what all sandboxes know of a connection: breaker, quota, pace |
//! | [`partner_commands`] | the handler of commands to partners |
//! | [`levels`], [`refused`] | stock levels that were overtaken, and that were refused |
//! | [`queues`], [`secrets`], [`clock`] | adapters of the flow's ports |
//! | [`chance`] | what happens by chance, and can be repeated |
//! | [`delivery`], [`heard`] | the form of a delivery on the inbound queue; whether webhooks come at all |
//! | [`http`] | requests and answers of the HTTP API |
//! | [`telemetry`] | one log line a message, counters |

pub mod backoff;
pub mod batch;
pub mod chance;
pub mod clock;
pub mod connections;
pub mod delivery;
pub mod documents;
pub mod ended;
pub mod endpoints;
pub mod env;
pub mod execute;
pub mod heard;
pub mod http;
pub mod levels;
pub mod partner_commands;
pub mod quarantine;
pub mod queues;
pub mod refused;
pub mod secrets;
pub mod start;
pub mod telemetry;
