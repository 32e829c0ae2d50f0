//! What surrounds the canonical model on the wire.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A fact that a partner tells. Unknown attributes are ignored, as CloudEvents demands.
#[derive(Deserialize)]
pub(super) struct Message {
    /// The event's type, such as `waybill.order.observed`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The event's content.
    pub(super) data: Box<RawValue>,
    /// The partner's id of the message; the `webhook-id` header comes first.
    pub(super) id: Option<String>,
    /// When it happened.
    pub(super) time: Option<String>,
    /// `waybill/v1`.
    pub(super) dataschema: Option<String>,
    /// The business transaction, as our command named it.
    pub(super) correlationid: Option<String>,
    /// The channel's own order id.
    pub(super) orderid: Option<String>,
}

/// What a partner answers to a command.
#[derive(Default, Deserialize)]
pub(super) struct Answered {
    #[serde(default)]
    pub(super) references: Vec<AnsweredReference>,
}

#[derive(Deserialize)]
pub(super) struct AnsweredReference {
    pub(super) kind: waybill_model::id::RefKind,
    pub(super) id: waybill_model::id::ExternalId,
}

/// The body of a 422.
#[derive(Default, Deserialize)]
pub(super) struct Refused {
    pub(super) code: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) remedy: Option<String>,
}
