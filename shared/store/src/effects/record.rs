//! The row of one effect.

use crate::item::{Item, Row};
use crate::limits::expires_s;
use waybill_flow::ports::{Attempt, Claim, InfraError, same_content};
use waybill_model::event::Outcome;
use waybill_model::time::Instant;

use super::claim::Wanted;
use crate::item::Draft;
use crate::keys;

pub(super) const CLAIMED: &str = "claimed";
pub(super) const RELEASED: &str = "released";
pub(super) const COMPLETED: &str = "completed";
pub(super) const DONE: &str = "done";
pub(super) const REJECTED: &str = "rejected";

/// A row as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Counts writes: whoever takes the row over names the one it saw.
    pub(super) version: i64,
    /// The last owner. Named as well: a row that was forgotten and claimed anew counts from 1.
    pub(super) owner: String,
    payload: String,
    in_doubt: bool,
    status: Status,
    expired: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Status {
    Claimed { until: Instant },
    Released,
    Completed(Outcome),
}

/// What a claim finds in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing to claim.
    Answer(Claim),
    /// To be taken over, in doubt or not.
    Free(Attempt),
}

impl Record {
    pub(super) fn read(row: Row<'_>, now: Instant) -> Result<Self, InfraError> {
        let status = match row.text("status")? {
            CLAIMED => Status::Claimed {
                until: Instant::from_epoch_ms(row.number("lease_expires_ms")?),
            },
            RELEASED => Status::Released,
            COMPLETED => Status::Completed(row.json("outcome")?),
            other => {
                let why = format!("`{other}`, which this version does not know");
                return Err(row.unreadable("status", &why));
            }
        };
        Ok(Self {
            version: row.number("version")?,
            owner: row.text("owner")?.to_owned(),
            payload: row.text("payload")?.to_owned(),
            in_doubt: row.flag("in_doubt")?,
            status,
            expired: row.is_expired(now),
        })
    }

    /// What a claim does about this row.
    pub(super) fn meet(&self, wanted: &Wanted<'_>) -> Found {
        let nothing_done = self.status == Status::Released && !self.in_doubt;
        if self.expired || nothing_done {
            return Found::Free(Attempt::First);
        }
        let is_same = self.payload == wanted.payload;
        match &self.status {
            Status::Completed(outcome)
                if is_same || is_done(outcome) && same_content(&self.payload, wanted.payload) =>
            {
                Found::Answer(Claim::Completed(outcome.clone()))
            }
            Status::Completed(outcome) if is_done(outcome) => {
                Found::Answer(Claim::DoneOtherwise(outcome.clone()))
            }
            Status::Completed(_) => Found::Answer(Claim::Mismatch),
            Status::Claimed { until } if *until > wanted.now && !is_same => {
                Found::Answer(Claim::Mismatch)
            }
            Status::Claimed { until } if self.owner != wanted.owner && *until > wanted.now => {
                Found::Answer(Claim::Held { until: *until })
            }
            // A lease that ran out, of this issue or of another; or our own claim, whose answer or
            // whose work was lost.
            Status::Claimed { .. } | Status::Released => Found::Free(Attempt::InDoubt),
        }
    }
}

fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done { .. })
}

/// The row of a granted claim.
pub(super) fn claimed(wanted: &Wanted<'_>, attempt: Attempt, version: i64, days: u32) -> Item {
    Draft::new(keys::effect(wanted.key), keys::EFFECT)
        .text("status", CLAIMED)
        .text("owner", wanted.owner)
        .number("lease_expires_ms", wanted.lease_expires().epoch_ms())
        .text("payload", wanted.payload)
        .flag("in_doubt", attempt == Attempt::InDoubt)
        .number("version", version)
        .expires(Some(expires_s(wanted.now.epoch_s(), days)))
        .build()
}
