//! The four classes of failure. Each step has its own error enum and one total function to this.

use crate::id::Code;
use std::fmt;

/// Code of a rejection that was given up in doubt: it was tried for a day and may have happened.
pub const GAVE_UP: &str = "gave_up";
/// Code of a rejection of which nothing was heard for a day: the outcome may have been lost, and not
/// the command.
pub const NO_OUTCOME: &str = "no_outcome";
/// Code of a rejection because an earlier issue with other content came to an end or still runs.
pub const PAYLOAD_MISMATCH: &str = "payload_mismatch";
/// Code of a rejection because the partner answered what cannot be read.
pub const UNREADABLE_ANSWER: &str = "unreadable_answer";
/// Code of a rejection that came before an attempt in doubt could look: see [`is_unasked`].
pub const NOT_LOOKED_UP: &str = "not_looked_up";
/// Code of a cancel that came after the goods had left.
pub const TOO_LATE: &str = "too_late";

/// Codes of rejections that we make ourselves and no partner did: the effect may be there all the
/// same. Whoever asks whether there is something to call off, or to cancel, asks by this.
const MAY_BE_THERE: [&str; 5] = [
    GAVE_UP,
    NO_OUTCOME,
    PAYLOAD_MISMATCH,
    UNREADABLE_ANSWER,
    NOT_LOOKED_UP,
];

/// Whether an effect that was rejected with this code may be there all the same.
#[must_use]
pub fn may_be_there(code: &Code) -> bool {
    MAY_BE_THERE.contains(&code.as_str())
}

/// Codes of rejections by our own configuration, before the partner is asked anything.
const UNASKED: [&str; 4] = [
    "erp_wrong_address",
    "not_configured",
    "unknown_connection",
    "unsupported_command",
];

/// Whether a rejection with this code says nothing of what the partner holds: nobody was asked. A
/// first attempt did nothing then; of one in doubt it is as open as before.
#[must_use]
pub fn is_unasked(code: &Code) -> bool {
    UNASKED.contains(&code.as_str())
}

/// Why a step did not succeed, and so what happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nothing happened; the same call may succeed later: retry.
    Transient {
        /// From the documented table of codes.
        code: Code,
        /// For the log: no personal data, no payload.
        detail: String,
        /// What the partner asked for, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// It may have happened: retry, and look before writing.
    Indeterminate {
        /// From the documented table of codes.
        code: Code,
        /// For the log: no personal data, no payload.
        detail: String,
    },
    /// The business says no, and will until something changes: a case.
    Rejected {
        /// From the documented table of codes.
        code: Code,
        /// What is wrong, for a person: no personal data.
        detail: String,
        /// What to change, and where.
        remedy: String,
    },
    /// It cannot be read: quarantine.
    Poison {
        /// From the documented table of codes.
        code: Code,
        /// Where and why, for a person.
        detail: String,
    },
}

impl Failure {
    /// The code.
    #[must_use]
    pub fn code(&self) -> &Code {
        match self {
            Self::Transient { code, .. }
            | Self::Indeterminate { code, .. }
            | Self::Rejected { code, .. }
            | Self::Poison { code, .. } => code,
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Transient { detail, .. }
            | Self::Indeterminate { detail, .. }
            | Self::Rejected { detail, .. }
            | Self::Poison { detail, .. } => detail,
        }
    }

    /// The class, for logs and metrics.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Transient { .. } => "transient",
            Self::Indeterminate { .. } => "indeterminate",
            Self::Rejected { .. } => "rejected",
            Self::Poison { .. } => "poison",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code(), self.class(), self.detail())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_partner_refused_may_be_there_and_what_one_refused_is_not() {
        for code in MAY_BE_THERE {
            assert!(may_be_there(&Code::literal(code)), "{code}");
        }
        for code in UNASKED.into_iter().chain([TOO_LATE, "unknown_sku"]) {
            assert!(!may_be_there(&Code::literal(code)), "{code}");
        }
    }

    #[test]
    fn nobody_is_asked_where_our_own_configuration_says_no() {
        assert!(UNASKED.into_iter().all(|c| is_unasked(&Code::literal(c))));
        let asked = MAY_BE_THERE.into_iter().chain(["unknown_sku"]);
        assert!(!asked.into_iter().any(|c| is_unasked(&Code::literal(c))));
    }

    #[test]
    fn code_class_and_detail_are_told_of_each_class() {
        let code = || Code::literal("a_code");
        let detail = || "what happened".to_owned();
        let failures = [
            Failure::Transient {
                code: code(),
                detail: detail(),
                retry_after_ms: None,
            },
            Failure::Indeterminate {
                code: code(),
                detail: detail(),
            },
            Failure::Rejected {
                code: code(),
                detail: detail(),
                remedy: "change it".to_owned(),
            },
            Failure::Poison {
                code: code(),
                detail: detail(),
            },
        ];
        let told = failures.map(|failure| {
            assert_eq!(failure.code().as_str(), "a_code");
            assert_eq!(failure.detail(), "what happened");
            failure.to_string()
        });
        let wanted = ["transient", "indeterminate", "rejected", "poison"];
        assert_eq!(told, wanted.map(|c| format!("a_code ({c}): what happened")));
    }
}
