//! What can go wrong in a call, and what that means for the work it was for.
//!
//! Odoo says the same thing in three ways: status 200 with `error`, status 200 with `ids: false`,
//! and a status of 400 or more. So the class comes from the fault's *name*; the status counts only
//! where the answer is not from Odoo at all.

use waybill_model::failure::Failure;
use waybill_model::id::{Code, ConnectionId};

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OdooError {
    /// No connection could be made: nothing was sent.
    #[error("odoo cannot be reached: {detail}")]
    Unreachable {
        /// Without the address.
        detail: String,
    },
    /// The request was sent and no whole answer came: Odoo commits all the same.
    #[error("the answer was lost: {detail}")]
    Lost {
        /// Without the address.
        detail: String,
    },
    /// The answer was longer than we read.
    #[error("the answer is longer than {limit_bytes} bytes")]
    TooLong {
        /// Our limit.
        limit_bytes: usize,
    },
    /// Something in front of Odoo asks to wait.
    #[error("status {status} from in front of odoo")]
    Busy {
        /// 429 or 503.
        status: u16,
    },
    /// Something in front of Odoo gave up waiting for it.
    #[error("status {status} from in front of odoo")]
    Gateway {
        /// Such as 502 or 504.
        status: u16,
    },
    /// What answered is not this Odoo's API.
    #[error("status {status} with a body that is not from odoo's api")]
    NotOdoo {
        /// Its status.
        status: u16,
    },
    /// JSON-2 on a server that does not know the database.
    #[error("odoo knows no database of that name")]
    NoDatabase,
    /// The connection names a company that the user may not work in.
    #[error("the user may not work in the company `{company}`, or there is none")]
    NoCompany {
        /// As the connection names it.
        company: String,
    },
    /// The time for the whole batch is over; this call was not made.
    #[error("no time was left for the call")]
    OutOfTime,
    /// The secrets store failed.
    #[error("the secrets are not available: {detail}")]
    Secrets {
        /// From the store.
        detail: String,
    },
    /// There is no key.
    #[error("the connection's secret has no `api.key`")]
    NoKey,
    /// The user or key was refused.
    #[error("login or key was refused")]
    BadCredentials,
    /// The result is not what the method returns.
    #[error("unexpected result: {0}")]
    Shape(&'static str),
    /// Odoo says no.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A fault of Odoo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("odoo answers `{name}`")]
pub(crate) struct Fault {
    /// By its name.
    pub(crate) kind: FaultKind,
    /// Python class with its module.
    pub(crate) name: String,
    /// For people; can hold values of records. See [`Fault::text`].
    message: String,
}

/// Kinds of faults, by the name of the Python class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Wrong login or key.
    Credentials,
    /// The user may not do this.
    Right,
    /// A record is gone.
    Missing,
    /// A business rule.
    Business,
    /// Another transaction was quicker.
    Concurrency,
    /// PostgreSQL does not know the database, or is away.
    Database,
    /// A column, field, argument, method or model that this Odoo does not have.
    Interface,
    /// A row that breaks a constraint of the database.
    Constraint,
    /// Any other Python exception.
    Other,
}

impl FaultKind {
    fn of(name: &str, message: &str) -> Self {
        if is_concurrency(message) {
            return Self::Concurrency;
        }
        match name.rsplit('.').next().unwrap_or(name) {
            "AccessDenied" | "Unauthorized" => Self::Credentials,
            "AccessError" | "Forbidden" => Self::Right,
            "MissingError" => Self::Missing,
            // 17 tells an unknown model as a UserError.
            "UserError" if message.starts_with("Object ") && message.ends_with("doesn't exist") => {
                Self::Interface
            }
            "UserError" | "ValidationError" | "RedirectWarning" => Self::Business,
            "SerializationFailure"
            | "LockNotAvailable"
            | "DeadlockDetected"
            | "TransactionRollbackError"
            | "ConcurrencyError" => Self::Concurrency,
            "OperationalError" | "InterfaceError" | "PoolError" => Self::Database,
            "ValueError"
            | "KeyError"
            | "TypeError"
            | "AttributeError"
            | "NotFound"
            | "UnprocessableEntity"
            | "BadRequest"
            | "UnsupportedMediaType" => Self::Interface,
            "UniqueViolation"
            | "NotNullViolation"
            | "ForeignKeyViolation"
            | "CheckViolation"
            | "IntegrityError" => Self::Constraint,
            _ => Self::Other,
        }
    }
}

/// Whether a text tells of a lost race: `load` gives it as a message without a name, and 17 tells
/// a confirm that runs twice as a ValidationError about followers.
pub(crate) fn is_concurrency(message: &str) -> bool {
    message.contains("could not serialize access")
        || message.contains("deadlock detected")
        || message.contains("could not obtain lock")
        || message.contains("partner cannot follow twice the same object")
}

/// Longest part of Odoo's text that is kept.
const MAX_TEXT: usize = 240;

impl Fault {
    pub(crate) fn new(name: String, message: String) -> Self {
        Self {
            kind: FaultKind::of(&name, &message),
            name: class_name(&name),
            message,
        }
    }

    /// The message for a person: one line, bounded, e-mail addresses removed. It can hold names
    /// and streets of customers, so it stands only in rejections, whose detail goes to the case.
    pub(crate) fn text(&self) -> String {
        readable(&self.message)
    }

    /// The message, for matching only.
    pub(crate) fn raw(&self) -> &str {
        &self.message
    }
}

/// The name, where it is one of a Python class with its module: it is logged, and what answers may be no
/// Odoo at all.
fn class_name(name: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if name.chars().all(is_name) {
        name.chars().take(100).collect()
    } else {
        "…".to_owned()
    }
}

/// One bounded line of Odoo's text without e-mail addresses.
pub(crate) fn readable(message: &str) -> String {
    let words = message
        .split_whitespace()
        .map(|w| if w.contains('@') { "…" } else { w });
    let line = words.collect::<Vec<_>>().join(" ");
    if line.chars().count() > MAX_TEXT {
        line.chars().take(MAX_TEXT).chain(['…']).collect()
    } else {
        line
    }
}

impl OdooError {
    /// An answer whose body is not Odoo's.
    pub(crate) fn not_odoo(status: u16, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        match status {
            429 | 503 => Self::Busy { status },
            404 if text.contains("No database is selected") => Self::NoDatabase,
            500.. => Self::Gateway { status },
            _ => Self::NotOdoo { status },
        }
    }

    /// Whether another transaction was quicker: the same call may be made again at once.
    pub(crate) fn is_concurrency(&self) -> bool {
        matches!(self, Self::Fault(f) if f.kind == FaultKind::Concurrency)
    }

    /// Whether this says something about the records of the call, rather than about the
    /// connection: only then does it help to try them one by one.
    pub(crate) fn is_about_records(&self) -> bool {
        match self {
            Self::Fault(fault) => match fault.kind {
                FaultKind::Missing
                | FaultKind::Business
                | FaultKind::Constraint
                | FaultKind::Other => true,
                FaultKind::Credentials
                | FaultKind::Right
                | FaultKind::Concurrency
                | FaultKind::Database
                | FaultKind::Interface => false,
            },
            Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::TooLong { .. }
            | Self::Busy { .. }
            | Self::Gateway { .. }
            | Self::NotOdoo { .. }
            | Self::NoDatabase
            | Self::NoCompany { .. }
            | Self::OutOfTime
            | Self::Secrets { .. }
            | Self::NoKey
            | Self::BadCredentials
            | Self::Shape(_) => false,
        }
    }

    /// What this means for the work. Total: every error has its class.
    ///
    /// Credentials that are refused are transient: nothing is wrong with the order, and every
    /// order of the connection would become a case. They wait, and the queue's age is an alarm.
    pub(crate) fn failure(&self, erp: &ConnectionId) -> Failure {
        let detail = format!("`{erp}`: {self}");
        match self {
            Self::Unreachable { .. } => transient("erp_unreachable", detail, None),
            Self::Busy { .. } => transient("erp_busy", detail, Some(30_000)),
            Self::OutOfTime => transient("erp_out_of_time", detail, None),
            Self::Secrets { .. } => transient("secrets_unavailable", detail, None),
            Self::NoKey => transient(
                "erp_credentials",
                format!("{detail}: store the integration user's API key there"),
                Some(300_000),
            ),
            Self::BadCredentials => transient(
                "erp_credentials",
                format!(
                    "{detail}: in Odoo make a new API key (Preferences, Account Security) for the connection's `login` and store it as `api.key`; keys of 19 expire after 90 days"
                ),
                Some(300_000),
            ),
            Self::NoDatabase => transient(
                "erp_database",
                format!("{detail}: correct `erp.database` in the connections file"),
                Some(300_000),
            ),
            Self::NoCompany { .. } => transient(
                "erp_company",
                format!(
                    "{detail}: correct `erp.company` in the connections file, or allow the company to the integration user in Odoo (Settings, Users)"
                ),
                Some(300_000),
            ),
            Self::Lost { .. } | Self::Gateway { .. } | Self::TooLong { .. } => {
                Failure::Indeterminate {
                    code: Code::literal("erp_answer_lost"),
                    detail,
                }
            }
            Self::Shape(_) => Failure::Indeterminate {
                code: Code::literal("erp_unexpected_result"),
                detail,
            },
            Self::NotOdoo { .. } => rejected(
                "erp_wrong_address",
                detail,
                format!(
                    "correct `base_url` and `erp.protocol` of `{erp}` in the connections file: `json_rpc` for 17 and 18, `json2` for 19 and later"
                ),
            ),
            Self::Fault(fault) => fault.failure(erp),
        }
    }
}

impl Fault {
    /// What this means for the work, where the caller knows nothing better.
    pub(crate) fn failure(&self, erp: &ConnectionId) -> Failure {
        let text = self.text();
        match self.kind {
            FaultKind::Credentials => OdooError::BadCredentials.failure(erp),
            FaultKind::Right => crate::refusal::missing_right(erp, &self.message),
            FaultKind::Missing => transient(
                "erp_record_gone",
                format!("`{erp}`: a record vanished while it was used"),
                None,
            ),
            FaultKind::Business | FaultKind::Constraint => {
                crate::refusal::refused(erp, &self.message)
            }
            FaultKind::Concurrency => transient(
                "erp_concurrency",
                format!("`{erp}`: another transaction was quicker"),
                None,
            ),
            FaultKind::Database if self.raw().contains("does not exist") => {
                OdooError::NoDatabase.failure(erp)
            }
            FaultKind::Database => Failure::Indeterminate {
                code: Code::literal("erp_database_away"),
                detail: format!("`{erp}`: {}", self.name),
            },
            FaultKind::Interface => rejected(
                "erp_interface",
                format!("`{erp}`: `{}` {text}", self.name),
                "install the modules that Waybill writes to (sale_management, sale_stock, delivery, account) or correct `erp.protocol`, then retry",
            ),
            // The name alone: what is retried has no case yet, and the text can quote a customer.
            FaultKind::Other => Failure::Indeterminate {
                code: Code::literal("erp_internal_error"),
                detail: format!("`{erp}`: odoo answers `{}`", self.name),
            },
        }
    }
}

/// A rejection that says what to change and where.
pub(crate) fn rejected(
    code: &'static str,
    detail: impl Into<String>,
    remedy: impl Into<String>,
) -> Failure {
    Failure::Rejected {
        code: Code::literal(code),
        detail: detail.into(),
        remedy: remedy.into(),
    }
}

/// A failure after which nothing has happened.
pub(crate) fn transient(
    code: &'static str,
    detail: impl Into<String>,
    retry_after_ms: Option<u64>,
) -> Failure {
    Failure::Transient {
        code: Code::literal(code),
        detail: detail.into(),
        retry_after_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, message: &str) -> (&'static str, String) {
        let erp = ConnectionId::new("odoo").unwrap();
        let failure = Fault::new(name.to_owned(), message.to_owned()).failure(&erp);
        (failure.class(), failure.code().to_string())
    }

    #[test]
    fn faults_are_classed_by_name() {
        for (name, message, expected) in [
            ("odoo.exceptions.AccessDenied", "Access Denied", "transient"),
            (
                "werkzeug.exceptions.Unauthorized",
                "Invalid apikey",
                "transient",
            ),
            (
                "odoo.exceptions.AccessError",
                "You are not allowed",
                "rejected",
            ),
            (
                "odoo.exceptions.UserError",
                "No rule has been found",
                "rejected",
            ),
            (
                "odoo.exceptions.UserError",
                "Object x.y doesn't exist",
                "rejected",
            ),
            ("builtins.ValueError", "Invalid field 'nope'", "rejected"),
            (
                "psycopg2.errors.SerializationFailure",
                "could not serialize access",
                "transient",
            ),
            (
                "psycopg2.OperationalError",
                "server closed the connection",
                "indeterminate",
            ),
            (
                "psycopg2.OperationalError",
                "database \"x\" does not exist",
                "transient",
            ),
            (
                "builtins.ZeroDivisionError",
                "division by zero",
                "indeterminate",
            ),
        ] {
            assert_eq!(class(name, message).0, expected, "{name}");
        }
    }

    #[test]
    fn a_confirm_that_runs_twice_on_17_is_a_lost_race() {
        let text = "The operation cannot be completed: Error, a partner cannot follow twice the same object.";
        assert_eq!(
            class("odoo.exceptions.ValidationError", text),
            ("transient", "erp_concurrency".to_owned())
        );
    }

    #[test]
    fn a_customers_name_stands_in_rejections_only() {
        let erp = ConnectionId::new("odoo").unwrap();
        let text = "the street of Ada Lovelace is wrong";
        for name in [
            "odoo.exceptions.AccessDenied",
            "odoo.exceptions.MissingError",
            "psycopg2.errors.SerializationFailure",
            "psycopg2.OperationalError",
            "builtins.ZeroDivisionError",
            "odoo.exceptions.ValidationError",
            "builtins.ValueError",
        ] {
            let failure = Fault::new(name.to_owned(), text.to_owned()).failure(&erp);
            let tells = failure.detail().contains("Ada");
            assert_eq!(tells, failure.class() == "rejected", "{name}: {failure}");
        }
    }

    #[test]
    fn a_fault_without_a_class_is_not_named() {
        let fault = |name: &str| Fault::new(name.to_owned(), String::new()).to_string();
        assert_eq!(
            fault("builtins.KeyError"),
            "odoo answers `builtins.KeyError`"
        );
        assert_eq!(fault("Ada <ada@example.org>"), "odoo answers `…`");
    }

    #[test]
    fn texts_lose_addresses_and_length() {
        assert_eq!(
            readable("no  mail\nto <a@b.example> here"),
            "no mail to … here"
        );
        assert_eq!(readable(&"x".repeat(500)).chars().count(), MAX_TEXT + 1);
    }

    #[test]
    fn a_proxy_that_gave_up_leaves_the_outcome_open() {
        let erp = ConnectionId::new("odoo").unwrap();
        let error = OdooError::not_odoo(504, b"<html>");
        assert_eq!(error.failure(&erp).class(), "indeterminate");
        let error = OdooError::not_odoo(404, b"<p>No database is selected");
        assert_eq!(error, OdooError::NoDatabase);
    }
}
