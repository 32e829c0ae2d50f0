//! Keys of both tables. The variable part comes last, so no id can pass for another key.

use crate::limits::{ARCHIVE_SHARDS, STAGE_SHARDS};
use waybill_model::case::{Case, CaseClass, CaseId, CaseStatus};
use waybill_model::id::{ConnectionId, CorrelationId, MessageId, Reference, name_uuid};
use waybill_model::time::Instant;

pub(crate) const STATE: &str = "STATE";
pub(crate) const EVENTS: &str = "EVENT#";
pub(crate) const RAWS: &str = "RAW#";
pub(crate) const CASES: &str = "CASE#";
pub(crate) const ORDERS: &str = "ORDER#";
pub(crate) const PARKED: &str = "PARKED#";
pub(crate) const CASE: &str = "CASE";
pub(crate) const RECEIPT: &str = "RECEIPT";
pub(crate) const EFFECT: &str = "EFFECT";
pub(crate) const SEEN: &str = "SEEN";
pub(crate) const MARK: &str = "MARK";

/// Every class, for listings over all of them.
pub(crate) const CLASSES: [CaseClass; 6] = [
    CaseClass::Data,
    CaseClass::Erp,
    CaseClass::Fulfillment,
    CaseClass::Finance,
    CaseClass::Service,
    CaseClass::Integration,
];

pub(crate) fn order(correlation: CorrelationId) -> String {
    format!("{ORDERS}{correlation}")
}

pub(crate) fn event(at: Instant, id: &MessageId) -> String {
    format!("{EVENTS}{}#{id}", sort_time(at))
}

pub(crate) fn raw_prefix(at: Instant, receipt: &MessageId) -> String {
    format!("{RAWS}{}#{receipt}#", sort_time(at))
}

pub(crate) fn receipt(receipt: &MessageId) -> String {
    format!("RECEIPT#{receipt}")
}

/// Partition of what was received in the hour of `at`, by shard.
pub(crate) fn archive(at: Instant, shard: u128) -> String {
    let time = sort_time(at);
    let hour = time.split(':').next().unwrap_or_default();
    format!("ARCHIVE#{hour}#{shard}")
}

/// The shard of a receipt.
pub(crate) fn archive_of(at: Instant, receipt: &MessageId) -> String {
    let hash = name_uuid(&["archive", receipt.as_str()]).as_u128();
    archive(at, hash % ARCHIVE_SHARDS)
}

/// Place of a raw body in the order of time, and the cursor of a listing.
pub(crate) fn archive_sort(at: Instant, receipt: &MessageId) -> String {
    format!("{}#{receipt}", sort_time(at))
}

pub(crate) fn reference(reference: &Reference) -> String {
    let Reference { system, kind, id } = reference;
    format!("REF#{system}#{}#{id}", kind.as_str())
}

pub(crate) fn parked(event: &MessageId) -> String {
    format!("{PARKED}{event}")
}

pub(crate) fn case(id: CaseId) -> String {
    format!("{CASES}{id}")
}

pub(crate) fn effect(key: &MessageId) -> String {
    format!("EFFECT#{key}")
}

pub(crate) fn seen(id: &MessageId) -> String {
    format!("SEEN#{id}")
}

pub(crate) fn checkpoint(connection: &ConnectionId) -> String {
    format!("CHECKPOINT#{connection}")
}

pub(crate) fn mark(connection: &ConnectionId, name: &str) -> String {
    format!("MARK#{connection}#{name}")
}

/// Hash key of the index `stages`, by shard.
pub(crate) fn stage(shard: u128) -> String {
    format!("STAGE#{shard}")
}

/// The shard of an order: its id is a hash already.
pub(crate) fn stage_of(correlation: CorrelationId) -> String {
    stage(correlation.uuid().as_u128() % STAGE_SHARDS)
}

/// Hash key of the index `cases`.
pub(crate) fn case_shard(status: CaseStatus, class: CaseClass) -> String {
    let status = match status {
        CaseStatus::Open => "open",
        CaseStatus::Resolved => "resolved",
        CaseStatus::Ignored => "ignored",
    };
    let class = match class {
        CaseClass::Data => "data",
        CaseClass::Erp => "erp",
        CaseClass::Fulfillment => "fulfillment",
        CaseClass::Finance => "finance",
        CaseClass::Service => "service",
        CaseClass::Integration => "integration",
    };
    format!("{status}#{class}")
}

/// Range key of the index `cases`, and the cursor of a listing.
pub(crate) fn case_sort(case: &Case) -> String {
    format!("{}#{}", sort_time(case.opened_at), case.id)
}

/// RFC 3339 of fixed width, so that text order is time order.
pub(crate) fn sort_time(at: Instant) -> String {
    let seconds = at.to_naive_utc().replace(' ', "T");
    format!("{seconds}.{:06}Z", at.epoch_us().rem_euclid(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sort_times_have_one_width_and_keep_the_order_of_time() {
        let times = [
            "1969-12-31T23:59:59.9Z",
            "2026-01-31T09:30:00Z",
            "2026-01-31T09:30:00.000001Z",
            "2026-01-31T09:30:00.25Z",
            "2026-01-31T09:30:01Z",
        ];
        let keys: Vec<String> = times
            .iter()
            .map(|t| sort_time(Instant::parse(t).unwrap()))
            .collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(keys.iter().all(|k| k.len() == 27), "{keys:?}");
        assert_eq!(keys[1], "2026-01-31T09:30:00.000000Z");
    }
}
