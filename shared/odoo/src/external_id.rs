//! What external ids stand for, asked by the one method of theirs that every user may call.

use crate::client::Api;
use crate::error::OdooError;
use crate::wire::Call;
use serde_json::{Value, json};

/// What an external id stands for, as Odoo answers: `[model, id]`.
#[derive(Debug)]
pub(crate) struct Entry(Value);

impl Entry {
    pub(crate) fn model(&self) -> Option<&str> {
        self.0.get(0).and_then(Value::as_str)
    }

    /// The database id; none where the user may not see the record, or it is gone.
    pub(crate) fn id(&self) -> Option<i64> {
        self.0.get(1).and_then(Value::as_i64)
    }

    /// Whether Odoo says that the user may not see the record.
    pub(crate) fn is_hidden(&self) -> bool {
        self.0.get(1) == Some(&Value::Bool(false))
    }
}

impl From<Value> for Entry {
    fn from(answer: Value) -> Self {
        Self(answer)
    }
}

/// Asks what an external id stands for: one call.
///
/// # Errors
/// An id that Odoo does not know is a fault, among others: the caller tells them apart.
pub(crate) async fn look_up(api: &Api<'_>, external_id: &str) -> Result<Entry, OdooError> {
    let (module, name) = external_id.split_once('.').unwrap_or(("", external_id));
    let call = Call::of("ir.model.data", "check_object_reference")
        .argument("module", json!(module))
        .argument("xml_id", json!(name));
    api.call(call).await.map(Entry)
}
