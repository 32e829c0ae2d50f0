//! Events: facts that have happened. Their fold commutes: see the `flow` crate.

use crate::case::CaseId;
use crate::command::CommandKind;
use crate::correction::Correction;
use crate::id::{Code, CorrelationId, EffectKey, OperatorId, Reason, Reference};
use crate::order::Order;
use crate::payment::{Payment, Refund};
use crate::returns::Return;
use crate::shipment::{FulfillmentOrder, Shipment, Tracking};
use crate::stock::StockLevel;
use crate::ticket::Ticket;
use crate::time::Instant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A past fact. On the wire the tag is the CloudEvents `type` and the content its `data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// A channel told the whole state of an order.
    #[serde(rename = "waybill.order.observed")]
    OrderObserved(Box<OrderObserved>),
    /// A gateway told a payment.
    #[serde(rename = "waybill.payment.observed")]
    PaymentObserved(Payment),
    /// A channel or gateway told a refund.
    #[serde(rename = "waybill.refund.observed")]
    RefundObserved(Refund),
    /// A warehouse told its work.
    #[serde(rename = "waybill.fulfillment_order.observed")]
    FulfillmentOrderObserved(FulfillmentOrder),
    /// A warehouse told a shipment.
    #[serde(rename = "waybill.shipment.observed")]
    ShipmentObserved(Shipment),
    /// A carrier told where a parcel is.
    #[serde(rename = "waybill.tracking.observed")]
    TrackingObserved(Tracking),
    /// A channel or warehouse told a return.
    #[serde(rename = "waybill.return.observed")]
    ReturnObserved(Return),
    /// A warehouse told stock levels. Belongs to a connection, not to an order.
    #[serde(rename = "waybill.stock.observed")]
    StockObserved(StockObserved),
    /// A helpdesk told a ticket.
    #[serde(rename = "waybill.ticket.observed")]
    TicketObserved(Ticket),
    /// One of our commands came to an end.
    #[serde(rename = "waybill.command.finished")]
    CommandFinished(CommandFinished),
    /// The clock passed an instant that a stage of the order waits for.
    #[serde(rename = "waybill.clock.passed")]
    ClockPassed(ClockPassed),
    /// A person decided something.
    #[serde(rename = "waybill.operator.decided")]
    OperatorDecided(OperatorDecided),
}

impl Event {
    /// The CloudEvents type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OrderObserved(_) => "waybill.order.observed",
            Self::PaymentObserved(_) => "waybill.payment.observed",
            Self::RefundObserved(_) => "waybill.refund.observed",
            Self::FulfillmentOrderObserved(_) => "waybill.fulfillment_order.observed",
            Self::ShipmentObserved(_) => "waybill.shipment.observed",
            Self::TrackingObserved(_) => "waybill.tracking.observed",
            Self::ReturnObserved(_) => "waybill.return.observed",
            Self::StockObserved(_) => "waybill.stock.observed",
            Self::TicketObserved(_) => "waybill.ticket.observed",
            Self::CommandFinished(_) => "waybill.command.finished",
            Self::ClockPassed(_) => "waybill.clock.passed",
            Self::OperatorDecided(_) => "waybill.operator.decided",
        }
    }
}

/// An order with what validation found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OrderObserved {
    /// The snapshot.
    pub order: Order,
    /// What blocks it; empty for a clean order, and absent where a partner tells it.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

/// A named, blocking exception of an order (features V1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Finding {
    /// From the documented table of codes, such as `total_mismatch`.
    pub code: Code,
    /// What is wrong: values in backticks, no personal data.
    pub detail: String,
    /// What to do about it, and where.
    pub remedy: String,
}

/// Levels counted by one location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct StockObserved {
    /// One entry a SKU.
    pub levels: Vec<StockLevel>,
}

/// One of our commands came to an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CommandFinished {
    /// The effect that the command was for.
    pub effect: EffectKey,
    /// What kind of command.
    pub command: CommandKind,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a command ended. Transient and indeterminate failures are not outcomes: they are retried.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
#[schemars(deny_unknown_fields)]
pub enum Outcome {
    /// The effect is there, whether this attempt or an earlier one made it.
    Done {
        /// What the partner calls what we made.
        references: Vec<Reference>,
    },
    /// The business says no: it will say so again until something changes.
    Rejected {
        /// From the documented table of codes, such as `unknown_sku` or `too_late`.
        code: Code,
        /// What the partner said, translated: no personal data.
        detail: String,
        /// What to change, and where.
        remedy: String,
    },
}

/// The clock passed an instant that a stage waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ClockPassed {
    /// The instant that has passed.
    pub now: Instant,
}

/// What a person decided about an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OperatorDecided {
    /// What.
    pub decision: Decision,
    /// Who, as the token names them: an id, not a name.
    pub operator: String,
}

/// What an operator can decide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(deny_unknown_fields)]
pub enum Decision {
    /// Issue the effect again after its rejection.
    Retry {
        /// Which effect.
        effect: EffectKey,
    },
    /// Let the order pass although this was found.
    Waive {
        /// Which finding.
        code: Code,
    },
    /// Leave a case as it is: nothing is to be done.
    Ignore {
        /// Which case.
        case: CaseId,
        /// Why.
        reason: Reason,
    },
    /// Correct what the channel told wrong.
    Correct {
        /// What.
        correction: Box<Correction>,
        /// Why.
        reason: Reason,
        /// The refused effect to issue again with it.
        #[serde(default)]
        effect: Option<EffectKey>,
    },
    /// Give a case to somebody.
    Assign {
        /// Which case.
        case: CaseId,
        /// Who works on it from now on.
        owner: OperatorId,
    },
}

/// Which order an event belongs to: known, or to be found by a reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// Known.
    Order(CorrelationId),
    /// Known to whoever knows one of these references, tried in this order.
    Reference(Vec<Reference>),
    /// No order: a connection's own work.
    Connection,
}
