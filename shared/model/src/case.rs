//! A case: an exception that a person owns, with what they need to mend it.

use crate::id::{
    Code, ConnectionId, CorrelationId, EffectKey, MessageId, OperatorId, Reason, name_uuid,
};
use crate::money::Money;
use crate::time::Instant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Computed from what it is about, so that the same exception opens one case however often it is
/// found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CaseId(#[schemars(with = "String")] Uuid);

impl CaseId {
    /// The case about `subject` (an order's correlation id, a receipt id) with this code. `key`
    /// tells apart several of one code, such as two shipments; else it is empty.
    #[must_use]
    pub fn new(subject: &str, code: &Code, key: &str) -> Self {
        Self(name_uuid(&["case", subject, code.as_str(), key]))
    }

    /// Parses the hyphenated form.
    ///
    /// # Errors
    /// Not a UUID.
    pub fn parse(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

impl std::fmt::Display for CaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Debug for CaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Who has to act.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CaseClass {
    /// The order's data is wrong: the channel's team.
    Data,
    /// Something is missing or wrong in Odoo: the ERP's team.
    Erp,
    /// The warehouse says no or is late.
    Fulfillment,
    /// Money does not agree.
    Finance,
    /// The customer must be told.
    Service,
    /// Configuration, credentials, unreadable input: the integration's team.
    Integration,
}

/// An exception that a person owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Case {
    /// Computed, see [`CaseId`].
    pub id: CaseId,
    /// The order it is about, if it is about one.
    pub correlation_id: Option<CorrelationId>,
    /// Who has to act.
    pub class: CaseClass,
    /// What is wrong, from the documented table of codes.
    pub code: Code,
    /// What is wrong, for a person: values in backticks, no personal data.
    pub detail: String,
    /// What to do about it, and where.
    pub remedy: String,
    /// Value at stake.
    pub value: Option<Money>,
    /// Open or not.
    pub status: CaseStatus,
    /// Since when.
    pub opened_at: Instant,
    /// Closed when.
    pub closed_at: Option<Instant>,
    /// Who works on it.
    #[serde(default)]
    pub owner: Option<OperatorId>,
    /// Why nothing is to be done, if a person decided so.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// The connection that it is about: whoever refused, else the channel of the order.
    #[serde(default)]
    pub connection: Option<ConnectionId>,
    /// How it is tried again; absent where that would change nothing.
    #[serde(default)]
    pub retry: Option<Retry>,
}

impl Case {
    /// An open case about a connection, for those who look after the integration. One of an order
    /// adds what it knows besides.
    #[must_use]
    pub fn of_connection(
        id: CaseId,
        connection: &ConnectionId,
        code: Code,
        detail: String,
        remedy: String,
        at: Instant,
    ) -> Self {
        Self {
            id,
            correlation_id: None,
            class: CaseClass::Integration,
            code,
            detail,
            remedy,
            value: None,
            status: CaseStatus::Open,
            opened_at: at,
            closed_at: None,
            owner: None,
            reason: None,
            connection: Some(connection.clone()),
            retry: None,
        }
    }

    /// What is kept of a finding where `known` is kept already: a case that is open stays as old and
    /// as owned as it is, and one that a person ignored stays so until its cause was gone.
    #[must_use]
    pub fn found_over(self, known: Option<&Self>) -> Self {
        match known {
            Some(known) if self.status == CaseStatus::Open => match known.status {
                CaseStatus::Open => Self {
                    opened_at: known.opened_at,
                    owner: self.owner.or_else(|| known.owner.clone()),
                    ..self
                },
                CaseStatus::Ignored if known.code == self.code => known.clone(),
                CaseStatus::Ignored | CaseStatus::Resolved => self,
            },
            _ => self,
        }
    }
}

/// How an exception is tried again, once what it says is mended.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(deny_unknown_fields)]
pub enum Retry {
    /// Issue the refused effect of the order again.
    Effect {
        /// Which effect.
        effect: EffectKey,
    },
    /// Read and judge again what the partners told of the order.
    Order,
    /// Read again a delivery that was put aside.
    Receipt {
        /// Which delivery.
        receipt: MessageId,
    },
}

/// Open or not.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CaseStatus {
    /// Somebody must act.
    Open,
    /// A later attempt or fact made it go away.
    Resolved,
    /// A person decided that nothing is to be done.
    Ignored,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_same_for_the_same_subject_code_and_key_and_reads_back_as_it_is_shown() {
        let late = Code::literal("overdue");
        let id = CaseId::new("order-1", &late, "release");
        assert_eq!(id, CaseId::new("order-1", &late, "release"));
        for other in [
            CaseId::new("order-2", &late, "release"),
            CaseId::new("order-1", &Code::literal("refused"), "release"),
            CaseId::new("order-1", &late, "write"),
        ] {
            assert_ne!(id, other);
        }
        assert_eq!(CaseId::parse(&id.to_string()).unwrap(), id);
        assert_eq!(format!("{id:?}"), id.to_string());
        assert!(CaseId::parse("7").is_err());
    }

    #[test]
    fn a_finding_keeps_what_is_known_of_it_and_what_a_person_decided() {
        let found = |status, minutes: i64, owner: Option<&str>| Case {
            id: CaseId::new("shop", &Code::literal("late"), ""),
            correlation_id: None,
            class: CaseClass::Integration,
            code: Code::literal("late"),
            detail: "late".to_owned(),
            remedy: "wait".to_owned(),
            value: None,
            status,
            opened_at: Instant::from_epoch_ms(minutes * 60_000),
            closed_at: None,
            owner: owner.map(|name| OperatorId::new(name).unwrap()),
            reason: None,
            connection: None,
            retry: None,
        };
        let again = found(CaseStatus::Open, 5, None);
        let owned = found(CaseStatus::Open, 1, Some("alice"));
        assert_eq!(again.clone().found_over(None), again);
        assert_eq!(again.clone().found_over(Some(&owned)), owned);
        let given = found(CaseStatus::Open, 5, Some("bob"));
        assert_eq!(
            given.found_over(Some(&owned)),
            found(CaseStatus::Open, 1, Some("bob"))
        );
        let ignored = found(CaseStatus::Ignored, 1, None);
        assert_eq!(again.clone().found_over(Some(&ignored)), ignored);
        let other = Case {
            code: Code::literal("away"),
            ..again.clone()
        };
        assert_eq!(other.clone().found_over(Some(&ignored)), other);
        let resolved = found(CaseStatus::Resolved, 1, Some("alice"));
        assert_eq!(again.clone().found_over(Some(&resolved)), again);
        assert_eq!(resolved.clone().found_over(Some(&owned)), resolved);
        let closed = found(CaseStatus::Resolved, 70, None);
        assert_eq!(closed.clone().found_over(Some(&owned)), closed);
    }
}
