//! Adapter of *canonical*: a partner that speaks our own JSON Schemas (`infra/schemas`), signed by
//! Standard Webhooks both ways. A channel, a warehouse, or both.
//!
//! **They tell us** facts by `POST` to the connection's webhook:
//!
//! ```json
//! {"type": "waybill.shipment.observed", "correlationid": "…", "data": {"warehouse": "north", …}}
//! ```
//!
//! `type` and `data` are an event of the canonical model. Beside them are read, all optional:
//! `id` and `time` (RFC 3339) as in CloudEvents, `dataschema` (`waybill/v1`), `correlationid` (for
//! warehouses: the one that the command carried) and `orderid` (for channels: their own order id,
//! needed for what is no order itself). Other attributes are ignored.
//!
//! **We tell them** commands by `POST {base_url}/waybill/commands`: a CloudEvent with the command
//! as `type` and `data`. `webhook-id` is the idempotency key: the same command has the same id
//! however often and however late it is sent, and must be carried out once. Waybill does not look
//! before it sends again, not after a day without an answer and not after an operator's retry weeks
//! later: so keep the id with what was made by it (or make its `reference` unique there), not in a
//! cache that forgets. Answer an id that is known with 409.
//!
//! | answer | meaning |
//! |---|---|
//! | 2xx | done; the body may be `{"references": [{"kind": "fulfillment_order", "id": "…"}]}` |
//! | 409 | done before; the body as above |
//! | 422 `{"code", "detail", "remedy"}` | refused for good: a case |
//! | 429, or 503 with `Retry-After` | not now; nothing was done |
//! | 401 | our signature is not accepted: sent again, in case a secret is rotating |
//! | other 4xx | refused for good |
//! | other 5xx, or none | not known; it is sent again under the same id |
//!
//! Waybill neither polls a canonical partner nor looks after its subscriptions: nothing but its own
//! retries brings a webhook that was not accepted. Send each again until it is answered with 2xx,
//! for days if need be.
//!
//! Secrets: `webhook_secrets` verify what comes in; `api.signing_secret` signs what goes out, or
//! the first of `webhook_secrets` where it is absent. Both have the form `whsec_…`.

mod client;
mod error;
mod map;
mod verify;
mod wire;

pub use client::execute;
pub use map::parse;
pub use verify::verify;
