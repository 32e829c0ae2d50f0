//! Shapes of Zendesk's webhooks and of its Ticketing API v2.
//!
//! Source: developer.zendesk.com, "Ticket events", "Tickets", "Creating and updating tickets". Only
//! what Waybill reads is named; texts that people wrote are left out on purpose.

use crate::reading::{AnyId, or_default};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Body of a trigger webhook, as the template in the module's documentation makes it.
#[derive(Debug, Deserialize)]
pub(super) struct TriggerBody {
    pub(super) ticket_id: AnyId,
    /// Blank for tickets that Waybill did not open.
    pub(super) external_id: Option<String>,
    /// The system status in English, with a capital: `New`, `Open`, `Pending`, `On-hold`, `Solved`,
    /// `Closed`.
    pub(super) status: Option<String>,
    /// To the minute only.
    pub(super) updated_at: Option<String>,
}

/// Body of an event webhook. `id` is the same on every delivery of the event.
#[derive(Debug, Deserialize)]
pub(super) struct EventBody {
    /// `zen:event-type:ticket.status_changed` and others.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) id: Option<String>,
    pub(super) time: Option<String>,
    /// The ticket as it is after the event.
    pub(super) detail: Option<EventDetail>,
}

/// The id is a string here and an integer in the API.
#[derive(Debug, Deserialize)]
pub(super) struct EventDetail {
    pub(super) id: AnyId,
    pub(super) external_id: Option<String>,
    /// Upper case: `NEW`, `OPEN`, `PENDING`, `HOLD`, `SOLVED`, `CLOSED`.
    pub(super) status: Option<String>,
    pub(super) updated_at: Option<String>,
}

/// A ticket as the API answers it.
#[derive(Debug, Deserialize)]
pub(super) struct Ticket {
    pub(super) id: i64,
    /// Ours, exactly; the look-up is filtered again by it.
    pub(super) external_id: Option<String>,
    /// Lower case.
    pub(super) status: Option<String>,
    /// What `updated_stamp` must repeat for a safe update.
    pub(super) updated_at: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) tags: Vec<String>,
}

/// Answer of `GET /tickets?external_id=`.
#[derive(Debug, Deserialize)]
pub(super) struct TicketList {
    pub(super) tickets: Vec<Ticket>,
}

/// Answer of create and update.
#[derive(Debug, Deserialize)]
pub(super) struct TicketAnswer {
    pub(super) ticket: Ticket,
}

/// Body of create and update. `Debug` is not derived: it holds an e-mail address.
#[derive(Serialize)]
pub(super) struct TicketRequest<'a> {
    pub(super) ticket: TicketWrite<'a>,
}

#[derive(Default, Serialize)]
pub(super) struct TicketWrite<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requester: Option<Requester<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) via_followup_source_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<&'static str>,
    pub(super) comment: Comment,
    /// All of them: the list replaces the one that is there.
    pub(super) tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) safe_update: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) updated_stamp: Option<&'a str>,
}

/// Zendesk makes a user of an address that it does not know, and wants a name for it.
#[derive(Serialize)]
pub(super) struct Requester<'a> {
    pub(super) email: &'a str,
    pub(super) name: &'a str,
}

#[derive(Default, Serialize)]
pub(super) struct Comment {
    pub(super) body: String,
    pub(super) public: bool,
}

/// `{"error": "RecordInvalid", "description": "…", "details": {"field": [{"description": "…"}]}}`;
/// some errors have an object for `error`.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    #[serde(default)]
    pub(super) error: serde_json::Value,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) details: BTreeMap<String, serde_json::Value>,
}
