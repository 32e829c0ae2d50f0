//! DynamoDB adapters of the ports `OrderStore` and `EffectStore`.
//!
//! Two tables, both with string keys `pk` and `sk` and TTL on `ttl_epoch_s`.
//!
//! **Orders table**
//!
//! | `pk` | `sk` | holds |
//! |---|---|---|
//! | `ORDER#{correlation}` | `STATE` | `revision` N, `format` N, `state` B, `outbox` B; while something waits `deadline_ms` N and `stage_shard` S |
//! | `ORDER#{correlation}` | `EVENT#{time}#{event id}` | `entry` S: one line of the timeline |
//! | `ORDER#{correlation}` | `RAW#{time}#{receipt}#{part}` | a raw body for replay, in parts of at most [`limits::RAW_PART_BYTES`] |
//! | `ORDER#{correlation}` | `CASE#{case id}` | copy of a case, to list an order's cases |
//! | `RECEIPT#{receipt}` | `RECEIPT` | `raw_pk` S: where the body is; of unknown orders it is here, as `RAW#…` |
//! | `ARCHIVE#{hour}#{shard}` | `{time}#{receipt}` | that a raw body was received then |
//! | `REF#{system}#{kind}#{id}` | `ORDER#{correlation}` | a reference that leads to the order |
//! | `REF#{system}#{kind}#{id}` | `PARKED#{event id}` | an event that waits for that reference |
//! | `CASE#{case id}` | `CASE` | `case` S, `case_shard` S, `case_sort` S |
//!
//! Index `stages` (`stage_shard`, `deadline_ms`): orders that wait. Index `cases` (`case_shard` =
//! `{status}#{class}`, `case_sort` = `{opened at}#{case id}`).
//!
//! **Effects table**
//!
//! | `pk` | `sk` | holds |
//! |---|---|---|
//! | `EFFECT#{idempotency key}` | `EFFECT` | `status`, `owner`, `lease_expires_ms`, `payload`, `in_doubt`, `outcome`, `version` |
//! | `SEEN#{message id}` | `SEEN` | a delivery that was handed on |
//! | `CHECKPOINT#{connection}` | name | `value` B |
//!
//! `B` is zstd-compressed JSON or text. `{time}` is RFC 3339 in UTC with microseconds, so that text
//! order is time order. Nothing scans. A row past its TTL is treated as absent: DynamoDB deletes
//! late.

mod batch;
mod codec;
mod effects;
mod error;
mod item;
mod keys;
pub mod limits;
mod orders;
mod table;

pub use effects::DynamoEffects;
pub use limits::Retention;
pub use orders::DynamoOrders;
