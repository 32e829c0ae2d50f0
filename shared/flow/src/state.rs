//! What is known of an order, and which effects were asked for. What was found in it, and whether
//! it is ours at all: see [`crate::history`].

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use waybill_model::case::{Case, CaseId};
use waybill_model::command::{CommandKind, CommandQueue};
use waybill_model::correction::Correction;
use waybill_model::event::{Finding, Outcome};
use waybill_model::id::{
    Code, ConnectionId, EffectKey, ExternalId, MessageId, Reference, TrackingNumber,
};
use waybill_model::order::Order;
use waybill_model::payment::{Payment, Refund};
use waybill_model::returns::Return;
use waybill_model::shipment::{FulfillmentOrder, Shipment, Tracking};
use waybill_model::ticket::Ticket;
use waybill_model::time::Instant;

/// Facts and effects of one order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderState {
    /// What outside systems told. The fold of events over this commutes.
    pub facts: Facts,
    /// What we asked for, by effect.
    pub effects: BTreeMap<EffectKey, Effect>,
    /// What leads to this order from outside, as far as the store was told.
    pub references: BTreeSet<Reference>,
    /// What the ERP was last given: see [`crate::amendment`].
    pub written: Option<String>,
    /// The ERP may hold what the order was before [`Self::written`]: it was issued again with other
    /// content although the first issue may have been carried out. One amendment settles it.
    #[serde(default)]
    pub content_in_doubt: bool,
    /// Tracking numbers that went out with an effect of a shipment, so that a number that comes
    /// later is told too.
    #[serde(default)]
    pub told_numbers: BTreeMap<EffectKey, BTreeSet<TrackingNumber>>,
    /// What the helpdesk was last given.
    pub ticket: TicketLedger,
    /// Exceptions of this order, open and closed.
    pub cases: BTreeMap<CaseId, Case>,
    /// When Waybill first held a snapshot of the order, by its own clock and not by what was told.
    #[serde(default)]
    pub known_since: Option<Instant>,
    /// Newest events applied, so that a redelivery is recognised; bounded.
    pub applied: Vec<MessageId>,
}

impl OrderState {
    /// What was written about the order in the ERP, or is being written.
    pub fn effects_on_erp(&self) -> impl Iterator<Item = (&EffectKey, &Effect)> {
        let effects = self.effects.iter();
        effects.filter(|(_, effect)| effect.command.queue() == CommandQueue::Erp)
    }

    /// Whether something is being written about it there.
    #[must_use]
    pub fn is_erp_busy(&self) -> bool {
        self.effects_on_erp()
            .any(|(_, effect)| effect.outcome.is_none())
    }
}

/// What outside systems told: snapshots by version, everything else sets keyed by the partner's id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The newest snapshot.
    pub order: Option<Order>,
    /// Version of the connections file that read the newest snapshot: the same snapshot read again
    /// after a mapping was mended supersedes.
    pub order_config: Option<String>,
    /// What validation found in that snapshot.
    pub findings: Vec<Finding>,
    /// What persons corrected in it, by what it corrects.
    #[serde(default)]
    pub corrections: BTreeMap<String, Corrected>,
    /// The newest snapshot as it was told, while a correction holds: `order` and `findings` are of
    /// the corrected one then.
    #[serde(default)]
    pub told: Option<Box<Told>>,
    /// When we first learned of the order.
    pub first_seen: Option<Instant>,
    /// Findings that a person let pass.
    pub waived: BTreeMap<Code, String>,
    /// Payments by gateway and id.
    pub payments: BTreeMap<ExternalId, Payment>,
    /// Refunds by their id, then by who tells.
    pub refunds: BTreeMap<ExternalId, BTreeMap<ConnectionId, Refund>>,
    /// Work at warehouses, by the warehouse's id.
    pub fulfillment_orders: BTreeMap<ExternalId, FulfillmentOrder>,
    /// Shipments by the warehouse's id.
    pub shipments: BTreeMap<ExternalId, Shipment>,
    /// Parcels by tracking number.
    pub tracking: BTreeMap<TrackingNumber, Tracking>,
    /// Returns by their id, then by who tells.
    pub returns: BTreeMap<ExternalId, BTreeMap<ConnectionId, Return>>,
    /// Tickets by the helpdesk's id.
    pub tickets: BTreeMap<ExternalId, Ticket>,
}

/// A correction with who made it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Corrected {
    /// When.
    pub at: Instant,
    /// What.
    pub correction: Correction,
    /// Who, as tokens name operators.
    pub operator: String,
}

/// A snapshot as it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The snapshot.
    pub order: Order,
    /// What validation found in it.
    pub findings: Vec<Finding>,
}

impl Facts {
    /// The newest snapshot as its channel told it.
    #[must_use]
    pub fn told_order(&self) -> Option<&Order> {
        let told = self.told.as_ref().map(|told| &told.order);
        told.or(self.order.as_ref())
    }
}

/// What the helpdesk was last given: updates are coalesced, the newest content wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketLedger {
    /// Counts the contexts that were issued.
    pub revision: u64,
    /// The content that was issued last, as its summary with exceptions.
    pub content: Option<String>,
}

/// Age of an effect without an outcome from which it may be asked for again. Whoever carries it out
/// gives it up within a day, so that its command or its outcome was lost on the way: put aside
/// unreadable, or purged from a queue. Its claim makes sure that it is not done twice.
pub const LOST_MS: i64 = 24 * 60 * 60 * 1000;

/// An effect that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Kind of the command.
    pub command: CommandKind,
    /// When it was issued.
    pub issued_at: Instant,
    /// How it ended; absent while it runs.
    pub outcome: Option<Outcome>,
    /// Counts how often it was issued; an operator's retry issues it again.
    pub attempt: u32,
    /// An operator asked for it again after its rejection, and it was not issued yet.
    #[serde(default)]
    pub retry_wanted: bool,
}

impl Effect {
    /// Whether its command or its outcome must have been lost: see [`LOST_MS`].
    #[must_use]
    pub fn is_lost(&self, now: Instant) -> bool {
        self.outcome.is_none() && now.ms_since(self.issued_at) >= LOST_MS
    }
}
