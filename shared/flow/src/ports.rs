//! Ports: what the handlers need from the outside, as traits. Adapters implement them for real
//! systems; `testkit` implements them in memory. Both pass the same conformance suites.

pub mod effects;
pub mod erp;
pub mod keys;
pub mod orders;
pub mod partners;
pub mod queues;
pub mod secrets;

pub use effects::{Attempt, Claim, EffectStore, same_content};
pub use erp::{Availability, Erp, ErpCommand, ErpOrder};
pub use keys::{ErpKey, ErpKeys, KeyError, MadeKey, SecretStore};
pub use orders::{
    ArchiveQuery, Archived, CaseQuery, Commit, CommitError, OrderStore, Parked, Stored,
    TimelineEntry,
};
pub use partners::{PartnerPort, PolledPage, Webhook};
pub use queues::{DeadLetters, Outgoing, Queue, Queues};
pub use secrets::{ConnectionSecrets, Secret, Secrets};

use waybill_model::time::Instant;

/// Where the time comes from. Nothing else may ask.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Instant;
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Instant {
        (**self).now()
    }
}

/// Why a store or a queue of our own did not do its work. All of these are retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfraError {
    /// Throttled or briefly away: nothing happened.
    #[error("`{system}` is not available: {detail}")]
    Unavailable {
        /// The store or queue.
        system: &'static str,
        /// For the log.
        detail: String,
    },
    /// The answer was lost: it may have happened.
    #[error("the answer of `{system}` was lost: {detail}")]
    Unknown {
        /// The store or queue.
        system: &'static str,
        /// For the log.
        detail: String,
    },
    /// What was read back is not what this version writes.
    #[error("`{system}` holds a record that cannot be read: {detail}")]
    Corrupt {
        /// The store or queue.
        system: &'static str,
        /// For the log: which record and where.
        detail: String,
    },
}
