//! Odoo's errors, by class, as both protocols answer them.
use serde_json::{Value, json};

use super::Version;

/// The exception class behind an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Class {
    User,
    Validation,
    Access,
    Missing,
    AccessDenied,
    Key,
    Value,
    Type,
    Attribute,
    Index,
    NotFound,
    Unprocessable,
    BadRequest,
    Unauthorized,
    Serialization,
    Operational,
    InvalidText,
    Assertion,
    /// A NOT NULL column was left empty: `(model, field, label of the model, label of the field)`.
    NotNull(String, String, String, String),
    /// The simulator holds no such thing, though a real Odoo may: never a success by default.
    NotSimulated,
}

/// One raised exception.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    pub(super) class: Class,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
        }
    }

    pub(super) fn user(message: impl Into<String>) -> Self {
        Self::new(Class::User, message)
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(Class::Validation, message)
    }

    pub(super) fn missing(model: &str, ids: &[i64], uid: i64) -> Self {
        let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let tuple = if list.len() == 1 {
            format!("{},", list.join(", "))
        } else {
            list.join(", ")
        };
        Self::new(
            Class::Missing,
            format!(
                "Record does not exist or has been deleted.\n(Record: {model}({tuple}), User: {uid})"
            ),
        )
    }

    pub(super) fn serialization() -> Self {
        Self::new(
            Class::Serialization,
            "could not serialize access due to concurrent update\n",
        )
    }

    /// `UserError` and its subclasses, which `load` turns into messages of a record.
    pub(super) fn is_user_error(&self) -> bool {
        matches!(
            self.class,
            Class::User | Class::Validation | Class::Access | Class::Missing | Class::AccessDenied
        )
    }

    /// The Python name of the class, as the answer carries it.
    pub(super) fn name(&self) -> &'static str {
        match self.class {
            Class::User => "odoo.exceptions.UserError",
            Class::Validation | Class::NotNull(..) => "odoo.exceptions.ValidationError",
            Class::Access => "odoo.exceptions.AccessError",
            Class::Missing => "odoo.exceptions.MissingError",
            Class::AccessDenied => "odoo.exceptions.AccessDenied",
            Class::Key => "builtins.KeyError",
            Class::Value => "builtins.ValueError",
            Class::Type => "builtins.TypeError",
            Class::Attribute => "builtins.AttributeError",
            Class::Index => "builtins.IndexError",
            Class::NotFound => "werkzeug.exceptions.NotFound",
            Class::Unprocessable => "werkzeug.exceptions.UnprocessableEntity",
            Class::BadRequest => "werkzeug.exceptions.BadRequest",
            Class::Unauthorized => "werkzeug.exceptions.Unauthorized",
            Class::Serialization => "psycopg2.errors.SerializationFailure",
            Class::Operational => "psycopg2.OperationalError",
            Class::InvalidText => "psycopg2.errors.InvalidTextRepresentation",
            Class::Assertion => "builtins.AssertionError",
            Class::NotSimulated => "waybill.simulator.NotSimulated",
        }
    }

    /// The HTTP status of JSON-2.
    pub(super) fn status(&self) -> u16 {
        match self.class {
            Class::User | Class::Validation | Class::NotNull(..) | Class::Unprocessable => 422,
            Class::Access | Class::AccessDenied => 403,
            Class::Missing | Class::NotFound => 404,
            Class::BadRequest => 400,
            Class::Unauthorized => 401,
            Class::NotSimulated => 501,
            Class::Key
            | Class::Value
            | Class::Type
            | Class::Attribute
            | Class::Index
            | Class::Serialization
            | Class::Operational
            | Class::InvalidText
            | Class::Assertion => 500,
        }
    }

    /// The message outside `load`.
    pub(super) fn text(&self, version: Version) -> String {
        match (&self.class, version) {
            (Class::NotNull(model, field, model_label, label), Version::V17) => format!(
                "The operation cannot be completed:\n- Create/update: a mandatory field is not set.\n- Delete: another model requires \
                 the record being deleted. If possible, archive it instead.\n\nModel: {model_label} ({model})\nField: {label} ({field})\n"
            ),
            (Class::NotNull(..), Version::V19) => format!(
                "The operation cannot be completed: {}",
                self.import_text(version)
            ),
            _ => self.message.clone(),
        }
    }

    /// The message inside a `load` answer.
    pub(super) fn import_text(&self, version: Version) -> String {
        match (&self.class, version) {
            (Class::NotNull(_, field, _, label), Version::V17) => {
                format!("Missing required value for the field '{label}' ({field})")
            }
            (Class::NotNull(model, field, model_label, label), Version::V19) => format!(
                "Missing required value for the field '{label}' ({field}).\nModel: '{model_label}' ({model})\n- create/update: a mandatory \
                 field is not set\n- delete: another model requires the record being deleted, you can archive it instead\n"
            ),
            _ => self.message.clone(),
        }
    }

    /// The error object both protocols carry (`data` in JSON-RPC, the body in JSON-2).
    pub(super) fn body(&self, version: Version) -> Value {
        let message = self.text(version);
        let arguments = match self.class {
            Class::NotFound | Class::Unprocessable | Class::BadRequest | Class::Unauthorized => {
                json!([message, self.status()])
            }
            _ => json!([message]),
        };
        json!({
            "name": self.name(),
            "message": message,
            "arguments": arguments,
            "context": {},
            "debug": format!("Traceback (most recent call last):\n  (simulated)\n{}: {message}\n", self.name()),
        })
    }
}
