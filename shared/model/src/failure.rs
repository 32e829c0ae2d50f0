//! The four classes of failure. Each step has its own error enum and one total function to this.

use crate::id::Code;
use std::fmt;

/// Code of a rejection that was given up in doubt: it was tried for a day and may have happened.
pub const GAVE_UP: &str = "gave_up";
/// Code of a cancel that came after the goods had left.
pub const TOO_LATE: &str = "too_late";

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
