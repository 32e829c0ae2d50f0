//! Limits and retention, each with its reason.
//!
//! | constant | smaller | larger |
//! |---|---|---|
//! | [`Retention::orders_days`] | late returns and chargebacks no longer find their order | personal data is kept longer |
//! | [`Retention::raw_days`] | faults found late cannot be replayed | raw personal data is kept longer |
//! | [`Retention::parked_days`] | an event that came long before its order is lost | orphans are kept longer |
//! | [`Retention::effects_days`] | below `orders_days`, a retry or replay of an old effect does it twice | storage |
//! | [`STAGE_SHARDS`] | one index partition takes all deadlines: about 1000 writes a second | more queries for each look at overdue orders |
//! | [`ARCHIVE_SHARDS`] | one partition takes all deliveries of an hour | more queries for each hour of a replay |
//! | [`ARCHIVE_HOURS`] | a replay over a quiet time takes more calls | one call takes longer |
//! | [`CASE_PAGES`] | a filter that fits few cases takes more calls | one call takes longer |
//! | [`BATCH_ROUNDS`] | throttling shows sooner | a call waits longer before it gives up |
//! | [`RAW_PART_BYTES`] | more items a body | above 400 KB DynamoDB refuses the item |

/// DynamoDB: largest item with its attribute names.
pub const ITEM_BYTES: usize = 400 * 1024;
/// What keys, names and small attributes of an item may take of [`ITEM_BYTES`].
pub const ITEM_OVERHEAD_BYTES: usize = 4 * 1024;
/// DynamoDB: most items in one transaction.
pub const TRANSACTION_ITEMS: usize = 100;
/// DynamoDB: most keys in one `BatchGetItem`.
pub const BATCH_GET_ITEMS: usize = 100;
/// DynamoDB: most items in one `BatchWriteItem`.
pub const BATCH_WRITE_ITEMS: usize = 25;
/// Rounds of a batch whose items were left unprocessed; waits 20 ms, doubling.
pub const BATCH_ROUNDS: u32 = 6;
/// Rounds of a write that lost a race: each round somebody else went ahead.
pub const RACE_ROUNDS: u32 = 8;
/// Partitions of the index of stages.
pub const STAGE_SHARDS: u128 = 8;
/// Partitions of what was archived in one hour: each takes about 1000 writes a second.
pub const ARCHIVE_SHARDS: u128 = 8;
/// Hours that one page of the archive looks through; it takes [`ARCHIVE_SHARDS`] queries each.
pub const ARCHIVE_HOURS: u32 = 48;
/// Cases looked at together where few of many are asked for.
pub const CASE_PAGE: usize = 200;
/// Such pages that one listing looks through before it answers with a cursor.
pub const CASE_PAGES: u32 = 25;
/// Bytes of one part of a raw body; the four of the largest queue message fit one transaction.
pub const RAW_PART_BYTES: usize = 350 * 1024;
/// Pages (1 MB each) that one listing reads before it gives up rather than run out of memory.
pub const QUERY_PAGES: usize = 64;
/// Largest JSON accepted from a compressed attribute: a full item at an extreme ratio.
pub const UNPACKED_BYTES: u64 = 64 * 1024 * 1024;
/// Version of what `state` and `outbox` hold. A change that this version cannot read raises it.
pub const STATE_FORMAT: i64 = 1;

/// How long rows are kept after they were last written, in days.
///
/// An order that waits for something and a case that is open have no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// State, timeline, references and closed cases.
    pub orders_days: u32,
    /// Raw bodies for replay.
    pub raw_days: u32,
    /// Events that wait for an order that never came.
    pub parked_days: u32,
    /// Idempotency records.
    pub effects_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            // A year of returns and chargebacks, and a month to notice.
            orders_days: 400,
            raw_days: 30,
            // Twice the queues' retention.
            parked_days: 28,
            effects_days: 400,
        }
    }
}

/// Seconds since the epoch when something written at `from_s` expires.
pub(crate) fn expires_s(from_s: i64, days: u32) -> i64 {
    from_s.saturating_add(i64::from(days).saturating_mul(86_400))
}
