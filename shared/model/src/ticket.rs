//! What a helpdesk holds about an order. Texts of tickets never enter Waybill.

use crate::id::{ConnectionId, ExternalId};
use crate::order::Version;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A ticket as the helpdesk tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Ticket {
    /// The helpdesk.
    pub helpdesk: ConnectionId,
    /// The helpdesk's id.
    pub id: ExternalId,
    /// Where it stands.
    pub status: TicketStatus,
    /// The helpdesk's version.
    pub version: Version,
}

/// Where a ticket stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TicketStatus {
    /// Somebody must act.
    Open,
    /// Waits for the customer.
    Pending,
    /// Done.
    Solved,
    /// Done for good.
    Closed,
}
