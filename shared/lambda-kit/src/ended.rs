//! How the handling of one message ended, and what follows for the message.

use waybill_flow::ports::InfraError;
use waybill_model::failure::Failure;
use waybill_model::id::Code;

/// Codes whose detail is our own: of stores and queues, and of endpoints that are not called.
const OUR_WORDS: [&str; 5] = [
    "breaker_open",
    "calls_used_up",
    "infra_answer_lost",
    "infra_unavailable",
    "queue_refused",
];

/// How the handling of one message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Its effect is durable.
    Done,
    /// It was done before; nothing to do.
    Duplicate,
    /// It says nothing that Waybill uses.
    Ignored {
        /// Why.
        code: Code,
    },
    /// The business said no, and that is stored as a case or told to the coordinator.
    Rejected {
        /// Why.
        code: Code,
        /// May hold a partner's words: not for the log.
        detail: String,
    },
    /// It cannot be read; raw form and case are stored.
    Quarantined {
        /// Why.
        code: Code,
        /// May hold a partner's words: not for the log.
        detail: String,
    },
    /// Nothing happened; it may succeed later.
    Transient {
        /// Why.
        code: Code,
        /// May hold a partner's words: not for the log.
        detail: String,
        /// What was asked for, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// It may have happened.
    Indeterminate {
        /// Why.
        code: Code,
        /// May hold a partner's words: not for the log.
        detail: String,
    },
    /// Somebody else is at it.
    Held {
        /// Milliseconds until their lease ends.
        retry_after_ms: u64,
    },
    /// Our own code panicked over it.
    Panicked,
    /// An earlier message of its FIFO group has to be done first.
    Blocked,
}

/// What becomes of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Delete it.
    Acknowledge,
    /// Make it visible again later, not before what was asked for.
    Retry {
        /// Milliseconds.
        asked_ms: Option<u64>,
    },
}

impl Ended {
    /// The decision between acknowledging and retrying; the only one there is.
    #[must_use]
    pub fn reply(&self) -> Reply {
        match self {
            Self::Done
            | Self::Duplicate
            | Self::Ignored { .. }
            | Self::Rejected { .. }
            | Self::Quarantined { .. } => Reply::Acknowledge,
            Self::Transient { retry_after_ms, .. } => Reply::Retry {
                asked_ms: *retry_after_ms,
            },
            Self::Held { retry_after_ms } => Reply::Retry {
                asked_ms: Some(*retry_after_ms),
            },
            Self::Indeterminate { .. } | Self::Panicked | Self::Blocked => {
                Reply::Retry { asked_ms: None }
            }
        }
    }

    /// For logs and metrics.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Duplicate => "duplicate",
            Self::Ignored { .. } => "ignored",
            Self::Rejected { .. } => "rejected",
            Self::Quarantined { .. } => "quarantined",
            Self::Transient { .. } => "transient",
            Self::Indeterminate { .. } => "indeterminate",
            Self::Held { .. } => "held",
            Self::Panicked => "panicked",
            Self::Blocked => "blocked",
        }
    }

    /// The class of the failure; absent where there is none.
    #[must_use]
    pub fn error_class(&self) -> Option<&'static str> {
        match self {
            Self::Done | Self::Duplicate | Self::Ignored { .. } | Self::Blocked => None,
            Self::Rejected { .. } => Some("rejected"),
            Self::Quarantined { .. } => Some("poison"),
            Self::Transient { .. } | Self::Held { .. } => Some("transient"),
            Self::Indeterminate { .. } => Some("indeterminate"),
            Self::Panicked => Some("bug"),
        }
    }

    /// The code; absent where nothing is to be explained.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Done | Self::Duplicate | Self::Blocked => None,
            Self::Ignored { code }
            | Self::Rejected { code, .. }
            | Self::Quarantined { code, .. }
            | Self::Transient { code, .. }
            | Self::Indeterminate { code, .. } => Some(code.as_str()),
            Self::Held { .. } => Some("claim_held"),
            Self::Panicked => Some("panicked"),
        }
    }

    /// What went wrong; may hold a partner's words. The log has [`Self::own_words`].
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Rejected { detail, .. }
            | Self::Quarantined { detail, .. }
            | Self::Transient { detail, .. }
            | Self::Indeterminate { detail, .. } => Some(detail),
            Self::Done
            | Self::Duplicate
            | Self::Ignored { .. }
            | Self::Held { .. }
            | Self::Panicked
            | Self::Blocked => None,
        }
    }

    /// What may stand in a log: the detail of our own stores and queues being away, and of an
    /// endpoint that is not called. All other details can hold words of a partner or of the ERP, and with them a customer's name or
    /// address: those go to the case only.
    #[must_use]
    pub fn own_words(&self) -> Option<&str> {
        let is_ours = |code| OUR_WORDS.contains(&code);
        self.code()
            .is_some_and(is_ours)
            .then(|| self.detail())
            .flatten()
    }

    /// A retry because of our own stores and queues.
    #[must_use]
    pub fn infra(error: &InfraError) -> Self {
        let (code, detail) = (infra_code(error), error.to_string());
        match error {
            InfraError::Unavailable { .. } | InfraError::Corrupt { .. } => Self::Transient {
                code,
                detail,
                retry_after_ms: None,
            },
            InfraError::Unknown { .. } => Self::Indeterminate { code, detail },
        }
    }

    /// A retry because some of our messages were not accepted by a queue.
    #[must_use]
    pub fn unsent(count: usize) -> Self {
        Self::Transient {
            code: Code::literal("queue_refused"),
            detail: format!("{count} message(s) were not accepted by the queue"),
            retry_after_ms: None,
        }
    }
}

/// Code of a failure of our own stores and queues.
#[must_use]
pub fn infra_code(error: &InfraError) -> Code {
    Code::literal(match error {
        InfraError::Unavailable { .. } => "infra_unavailable",
        InfraError::Unknown { .. } => "infra_answer_lost",
        InfraError::Corrupt { .. } => "infra_corrupt_record",
    })
}

/// A partner's failure as the end of a message, where rejection and poison are stored already.
impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Transient {
                code,
                detail,
                retry_after_ms,
            } => Self::Transient {
                code,
                detail,
                retry_after_ms,
            },
            Failure::Indeterminate { code, detail } => Self::Indeterminate { code, detail },
            Failure::Rejected { code, detail, .. } => Self::Rejected { code, detail },
            Failure::Poison { code, detail } => Self::Quarantined { code, detail },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_partners_stay_out_of_the_log() {
        let detail = "`Jane Roe`, Elm Street 1: no such state".to_owned();
        let code = Code::literal("erp_refused");
        let failure = Failure::Rejected {
            code,
            detail,
            remedy: String::new(),
        };
        assert_eq!(Ended::from(failure).own_words(), None);
        let away = InfraError::Unavailable {
            system: "orders",
            detail: "throttled".to_owned(),
        };
        let ended = Ended::infra(&away);
        assert_eq!(ended.own_words(), ended.detail());
        assert!(ended.own_words().is_some());
    }
}
