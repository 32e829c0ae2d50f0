//! What cannot be read is kept with its reason, and a person is told.

use crate::batch::Record;
use crate::delivery;
use crate::ended::Ended;
use waybill_flow::ports::{Archived, InfraError, OrderStore};
use waybill_model::case::{Case, CaseClass, CaseId, CaseStatus, Retry};
use waybill_model::id::{Code, MessageId};
use waybill_model::time::Instant;

/// How long a message of our own queues may stay unreadable before it is put aside. While a deploy
/// or a rollback is under way, a function of the other version may find it first; longer than the
/// slowest of ours takes, shorter than a person would miss it.
pub const PATIENCE_MS: i64 = 60 * 60 * 1000;

/// What is put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What an operator finds it by: the receipt that the partner got, or the queue's message id.
    pub receipt: MessageId,
    /// The message as it travelled.
    pub raw: String,
    /// From the documented table of codes.
    pub code: Code,
    /// Where and why: no personal data, no content.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
}

/// A message of our own queues that cannot be read: it is tried again until it is an hour old, since
/// the version that can read it may be on its way, and then put aside. A message that does not say
/// when it was sent is put aside at once: nothing would end its retries.
pub async fn unreadable(
    orders: &impl OrderStore,
    record: &Record,
    what: Unreadable,
    now: Instant,
) -> Ended {
    if record
        .sent_at
        .is_some_and(|sent| now.ms_since(sent) < PATIENCE_MS)
    {
        return Ended::Transient {
            code: what.code,
            detail: what.detail,
            retry_after_ms: None,
        };
    }
    quarantine(orders, what, now).await
}

/// Keeps the raw message and opens a case; only then may the message be acknowledged.
pub async fn quarantine(orders: &impl OrderStore, what: Unreadable, now: Instant) -> Ended {
    let Unreadable {
        receipt,
        raw,
        code,
        detail,
        remedy,
    } = what;
    let archived = Archived {
        receipt: receipt.clone(),
        correlation: None,
        delivery: raw,
        received_at: now,
    };
    if let Err(error) = orders.archive(&archived).await {
        return Ended::infra(&error);
    }
    let case = Case {
        id: case_of(&receipt),
        correlation_id: None,
        class: CaseClass::Integration,
        code: code.clone(),
        detail: format!("`{receipt}`: {detail}"),
        remedy,
        value: None,
        status: CaseStatus::Open,
        opened_at: now,
        closed_at: None,
        owner: None,
        reason: None,
        connection: delivery::decode(&archived.delivery)
            .ok()
            .map(|d| d.connection),
        retry: Some(Retry::Receipt { receipt }),
    };
    match orders.put_case(&case).await {
        Ok(()) => Ended::Quarantined { code, detail },
        Err(error) => Ended::infra(&error),
    }
}

/// The case about a message that was put aside: one, whatever is wrong with it at a later attempt.
#[must_use]
pub fn case_of(receipt: &MessageId) -> CaseId {
    CaseId::new(receipt.as_str(), &Code::literal("put_aside"), "")
}

/// What was put aside under this receipt could be read after all: its case closes.
///
/// # Errors
/// The store failed.
pub async fn resolve(
    orders: &impl OrderStore,
    receipt: &MessageId,
    now: Instant,
) -> Result<(), InfraError> {
    orders.resolve_case(case_of(receipt), now).await
}

/// A receipt for a message of our own queues, which has none.
#[must_use]
pub fn receipt_of(message_id: &str) -> MessageId {
    MessageId::new(message_id).unwrap_or_else(|_| {
        MessageId::from_uuid(waybill_model::id::name_uuid(&["message", message_id]))
    })
}
