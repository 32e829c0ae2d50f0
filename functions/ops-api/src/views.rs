//! What is answered. No names, addresses or e-mail addresses: whoever needs them asks the channel
//! or Odoo by the ids that are here.

use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use waybill_flow::axes;
use waybill_flow::differences::Difference;
use waybill_flow::ports::{Stored, TimelineEntry};
use waybill_flow::state::{Corrected, Effect, Facts};
use waybill_model::case::{Case, CaseClass};
use waybill_model::correction::Correction;
use waybill_model::event::{Finding, Outcome};
use waybill_model::id::{
    Code, ConnectionId, CorrelationId, EffectKey, LineId, OperatorId, OrderNumber, Reason,
    Reference, Sku, TrackingNumber,
};
use waybill_model::money::Money;
use waybill_model::party::Address;
use waybill_model::time::Instant;

/// Orders that were found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Orders {
    /// One for most questions; several for an e-mail address.
    pub(crate) orders: Vec<OrderView>,
}

/// One order.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OrderView {
    /// Its id everywhere in Waybill.
    pub(crate) correlation_id: CorrelationId,
    /// The number that the customer sees; absent before the channel told the order.
    pub(crate) number: Option<OrderNumber>,
    /// The connection it came through.
    pub(crate) channel: Option<String>,
    /// When the customer ordered.
    pub(crate) placed_at: Option<Instant>,
    /// A test order.
    pub(crate) test: bool,
    /// Total with tax.
    pub(crate) total: Option<Money>,
    /// Where it stands: `order`, `payment`, `fulfillment`, `return`, as words.
    pub(crate) axes: BTreeMap<String, String>,
    /// Parcels.
    pub(crate) parcels: Vec<ParcelView>,
    /// What blocks it.
    pub(crate) findings: Vec<Finding>,
    /// What operators corrected in it.
    pub(crate) corrections: Vec<CorrectionView>,
    /// Codes of findings that an operator let pass.
    pub(crate) waived: Vec<String>,
    /// What Waybill asked for.
    pub(crate) effects: Vec<EffectView>,
    /// Ids at outside systems.
    pub(crate) references: Vec<Reference>,
    /// Exceptions, open and closed.
    pub(crate) cases: Vec<Case>,
    /// Counts changes.
    pub(crate) revision: u64,
}

/// One correction.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CorrectionView {
    /// What was corrected, and how; of an address only that it was.
    pub(crate) what: String,
    /// When.
    pub(crate) at: Instant,
    /// Who.
    pub(crate) by: String,
    /// Whether it holds: once the channel tells something else there, it does not.
    pub(crate) holds: bool,
}

/// One parcel.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ParcelView {
    /// The shipment at the warehouse.
    pub(crate) shipment: String,
    /// The carrier's number, once known.
    pub(crate) tracking_number: Option<TrackingNumber>,
    /// The carrier.
    pub(crate) carrier: Option<String>,
    /// Page where the customer can follow it.
    pub(crate) url: Option<String>,
    /// Where the carrier says it is.
    pub(crate) status: Option<String>,
}

/// One effect.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EffectView {
    /// Its name: what `retry` takes.
    pub(crate) effect: EffectKey,
    /// The command's type.
    pub(crate) command: String,
    /// When it was issued last.
    pub(crate) issued_at: Instant,
    /// How often it was issued.
    pub(crate) attempt: u32,
    /// How it ended; absent while it runs.
    pub(crate) outcome: Option<Outcome>,
}

/// An order's timeline.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Timeline {
    /// The order.
    pub(crate) correlation_id: CorrelationId,
    /// Oldest first.
    pub(crate) entries: Vec<EntryView>,
}

/// One line of the timeline.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EntryView {
    /// Id of the event.
    pub(crate) id: String,
    /// When it happened.
    pub(crate) at: Instant,
    /// When Waybill applied it.
    pub(crate) recorded_at: Instant,
    /// The event's type.
    pub(crate) kind: String,
    /// The connection that told it, or `waybill`.
    pub(crate) source: String,
    /// One line for a person.
    pub(crate) summary: String,
    /// Types of the commands that it caused.
    pub(crate) commands: Vec<String>,
    /// Whether it changed anything.
    pub(crate) changed: bool,
}

/// A page of cases.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Cases {
    /// Oldest first. A page can be short, even empty, and have a next one.
    pub(crate) cases: Vec<CaseView>,
    /// Give it as `cursor` for the next page; absent on the last.
    pub(crate) cursor: Option<String>,
}

/// A case with its age.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CaseView {
    /// The case.
    #[serde(flatten)]
    pub(crate) case: Case,
    /// Seconds from its opening until it was closed, or until now.
    pub(crate) age_s: i64,
}

/// What is open, by what is wrong: a page to begin the day with.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// Most cases first.
    pub(crate) groups: Vec<Group>,
    /// Whether every open case was counted.
    pub(crate) complete: bool,
}

/// Open cases of one class, code and connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Group {
    /// Who has to act.
    pub(crate) class: CaseClass,
    /// What is wrong.
    pub(crate) code: Code,
    /// The connection that it is about.
    pub(crate) connection: Option<ConnectionId>,
    /// How many.
    pub(crate) cases: usize,
    /// How many of them nobody works on.
    pub(crate) unassigned: usize,
    /// Seconds since the oldest was opened.
    pub(crate) oldest_age_s: i64,
    /// Value at stake, one entry a currency. An order with several cases counts in each.
    pub(crate) value: Vec<Money>,
    /// What to do about the oldest.
    pub(crate) remedy: String,
}

/// Dead-letter queues.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DeadLetterQueues {
    /// Every one.
    pub(crate) queues: Vec<DeadLetterQueue>,
}

/// One dead-letter queue.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DeadLetterQueue {
    /// The queue that it belongs to: `inbound`, `events`, `erp`, `erp-bulk`, `fulfillment` or
    /// `status`.
    pub(crate) queue: String,
    /// How many messages are in it, about.
    pub(crate) messages: u64,
}

/// Body of `redrive`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedriveBody {
    /// Messages of one call: 1 to 500; 50 if absent.
    pub(crate) limit: Option<usize>,
}

/// What was moved back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Redriven {
    /// The queue that has it again.
    pub(crate) queue: String,
    /// How many messages.
    pub(crate) moved: usize,
    /// Whether there may be more.
    pub(crate) more: bool,
}

/// What was handed in again.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Replayed {
    /// Receipts that were put on a queue again.
    pub(crate) ids: Vec<String>,
    /// Those that were not, and why.
    pub(crate) skipped: Vec<Skipped>,
    /// Give it as `cursor` for the next page of a range; absent on the last.
    pub(crate) cursor: Option<String>,
}

/// A message of the archive that was not handed in again.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Skipped {
    /// Its receipt.
    pub(crate) receipt: String,
    /// Why.
    pub(crate) why: String,
}

/// Body of `replay` over a range of time.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RangeBody {
    /// Received at this instant or later.
    pub(crate) from: Instant,
    /// Received before this instant.
    pub(crate) to: Instant,
    /// Only what came through this connection.
    pub(crate) connection: Option<ConnectionId>,
    /// Only this topic of the partner.
    pub(crate) topic: Option<String>,
    /// Deliveries that one call looks at: 1 to 200; 50 if absent.
    pub(crate) limit: Option<usize>,
    /// Of the page before.
    pub(crate) cursor: Option<String>,
}

/// Body of a dry run of an order or a delivery; it may be left out.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DryRunBody {
    /// Text of a connections file to read with, instead of the one that is deployed.
    pub(crate) connections: Option<String>,
}

/// Body of a dry run of a range of time.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DryRunRange {
    /// Which deliveries; at most 100 in one call.
    pub(crate) range: RangeBody,
    /// Text of a connections file to read with, instead of the one that is deployed.
    pub(crate) connections: Option<String>,
}

/// What a replay would do. Nothing was written, and no partner was asked.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DryRun {
    /// Version of the connections file that was read with.
    pub(crate) connections_version: String,
    /// What was made of each delivery, oldest first.
    pub(crate) deliveries: Vec<DeliveryView>,
    /// What would differ, by order.
    pub(crate) orders: Vec<OrderDifference>,
    /// Give it as `cursor` for the next page of a range; absent on the last.
    pub(crate) cursor: Option<String>,
}

/// One delivery of the archive, read again.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DeliveryView {
    /// Its receipt.
    pub(crate) receipt: String,
    /// When it came.
    pub(crate) received_at: Instant,
    /// Through which connection; absent where it is no delivery.
    pub(crate) connection: Option<ConnectionId>,
    /// The partner's topic.
    pub(crate) topic: Option<String>,
    /// What was made of it.
    pub(crate) reading: Reading,
    /// Why, where that is worth a word.
    pub(crate) detail: Option<String>,
}

/// What was made of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reading {
    /// Its facts were applied.
    Read,
    /// It is read differently than what is stored, and what is stored stays.
    Kept,
    /// It says nothing that Waybill uses.
    Ignored,
    /// It cannot be read.
    Unreadable,
    /// It only names something whose current state a replay would ask the partner for.
    NeedsThePartner,
    /// The connection does not own what it tells.
    NotOwner,
    /// No order is known that it belongs to.
    NoOrder,
    /// It belongs to another order than the one asked for.
    OtherOrder,
}

/// What would differ in one order.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OrderDifference {
    /// The order.
    pub(crate) correlation_id: CorrelationId,
    /// Whether it is known today.
    pub(crate) known: bool,
    /// Fields, findings and effects; empty where a replay would change nothing.
    pub(crate) differences: Vec<DifferenceView>,
    /// What partners and Odoo would be asked to do at once; more may follow from what they answer.
    pub(crate) effects: Vec<PlannedEffect>,
    /// Exceptions that would open.
    pub(crate) opened: Vec<String>,
    /// Exceptions that would close.
    pub(crate) closed: Vec<String>,
    /// Where it would stand.
    pub(crate) axes: BTreeMap<String, String>,
}

/// One field, finding or effect.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DifferenceView {
    /// Where, such as `order.lines[7].sku`.
    pub(crate) what: String,
    /// What it is; absent where there is nothing. Personal data is not shown.
    pub(crate) stored: Option<String>,
    /// What it would be; absent where there would be nothing.
    pub(crate) replayed: Option<String>,
}

impl From<Difference> for DifferenceView {
    fn from(difference: Difference) -> Self {
        let Difference {
            what,
            stored,
            replayed,
        } = difference;
        Self {
            what,
            stored,
            replayed,
        }
    }
}

/// An effect that would be asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PlannedEffect {
    /// Its name.
    pub(crate) effect: EffectKey,
    /// The command's type.
    pub(crate) command: String,
    /// Who would be asked.
    pub(crate) connection: ConnectionId,
}

/// Body of `bulk`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkBody {
    /// Which open cases.
    pub(crate) filter: BulkFilter,
    /// What to do with each.
    pub(crate) action: Action,
    /// Cases of one call: 1 to 50; 25 if absent.
    pub(crate) limit: Option<usize>,
    /// Of the call before.
    pub(crate) cursor: Option<String>,
    /// Only tell which, and which of them would be refused.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// Open cases of one kind.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkFilter {
    /// Who has to act.
    pub(crate) class: CaseClass,
    /// What is wrong.
    pub(crate) code: Code,
    /// Only what is about this connection.
    pub(crate) connection: Option<ConnectionId>,
    /// Only what this person works on.
    pub(crate) owner: Option<OperatorId>,
    /// Only what was opened so long ago.
    pub(crate) older_than_minutes: Option<u32>,
}

/// What is done with a case.
#[derive(Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Action {
    /// Try again in the way that the case says.
    Retry,
    /// Leave it as it is.
    Ignore {
        /// Why nothing is to be done.
        reason: Reason,
    },
    /// Give it to somebody.
    Assign {
        /// To whom; to whoever asks if absent.
        owner: Option<OperatorId>,
    },
}

impl Action {
    /// For the audit log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Retry => "bulk_retry",
            Self::Ignore { .. } => "bulk_ignore",
            Self::Assign { .. } => "bulk_assign",
        }
    }
}

/// What became of a call over many cases.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct BulkAnswer {
    /// One for each case, oldest first.
    pub(crate) results: Vec<BulkResult>,
    /// How many were acted on; that would be, in a dry run.
    pub(crate) accepted: usize,
    /// How many cannot be.
    pub(crate) refused: usize,
    /// Give it as `cursor` for the next call; absent on the last.
    pub(crate) cursor: Option<String>,
    /// A store or queue of Waybill did not answer at this case: make the same call again.
    pub(crate) stopped_at: Option<waybill_model::case::CaseId>,
}

/// What became of one of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BulkResult {
    /// The case as it was.
    #[serde(flatten)]
    pub(crate) case: CaseView,
    /// Why it was not acted on: an error as this API answers it.
    pub(crate) refused: Option<serde_json::Value>,
}

/// An action was taken on.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Accepted {
    /// Ids of the events or receipts that were put on a queue.
    pub(crate) ids: Vec<String>,
}

/// Body of `retry`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryBody {
    /// Name of the rejected effect.
    pub(crate) effect: EffectKey,
}

/// Body of `correct`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CorrectBody {
    /// What is meant.
    pub(crate) correction: Wanted,
    /// Why; it stands in the timeline, so no personal data belongs in it.
    pub(crate) reason: Reason,
    /// The refused effect to issue again with it. What waits for the correction alone goes on
    /// without.
    pub(crate) effect: Option<EffectKey>,
}

/// What a correction changes; what the channel tells is looked up.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(tag = "field", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Wanted {
    /// What a line sells.
    Sku {
        /// The channel's id of the line.
        line: LineId,
        /// As Odoo knows it.
        sku: Sku,
    },
    /// Where the goods go: the whole address.
    ShippingAddress {
        /// The whole address: what is left out is empty. At most 256 characters in each field.
        address: Box<Address>,
    },
    /// The way of delivery.
    ShippingMethod {
        /// The channel's code of the method.
        method: String,
    },
}

/// Body of `waive`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaiveBody {
    /// Code of the finding.
    pub(crate) code: waybill_model::id::Code,
}

/// Body of `close`, which needs none: what says more is refused, so that nobody who means to ignore a
/// case resolves it.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseBody {}

/// Body of `ignore`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IgnoreBody {
    /// Why nothing is to be done; it stands in the timeline.
    pub(crate) reason: Reason,
}

/// Body of `assign`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignBody {
    /// Who works on it from now on, by the id of their token; whoever asks if absent.
    pub(crate) owner: Option<OperatorId>,
}

impl OrderView {
    /// The order as an operator sees it. `cases` are those of the store: its state's and others'.
    pub(crate) fn new(id: CorrelationId, stored: &Stored, cases: Vec<Case>) -> Self {
        let state = &stored.state;
        let facts = &state.facts;
        let order = facts.order.as_ref();
        let parcels = facts.shipments.values().flat_map(|shipment| {
            shipment.parcels.iter().map(|parcel| {
                let number = parcel.tracking_number.clone();
                let told = number.as_ref().and_then(|n| facts.tracking.get(n));
                ParcelView {
                    shipment: shipment.id.to_string(),
                    carrier: parcel.carrier.clone(),
                    url: parcel.url.clone(),
                    status: told.map(|t| word(&t.status)),
                    tracking_number: number,
                }
            })
        });
        Self {
            correlation_id: id,
            number: order.map(|o| o.number.clone()),
            channel: order.map(|o| o.channel.to_string()),
            placed_at: order.map(|o| o.placed_at),
            test: order.is_some_and(|o| o.test),
            total: order.map(|o| Money::new(o.totals.total, o.currency)),
            axes: axes(state).to_map(),
            parcels: parcels.collect(),
            findings: state.findings().map(Cow::into_owned).collect(),
            corrections: corrections(facts),
            waived: facts.waived.keys().map(ToString::to_string).collect(),
            effects: state.effects.iter().map(effect_view).collect(),
            references: state.references.iter().cloned().collect(),
            cases,
            revision: stored.revision,
        }
    }
}

fn corrections(facts: &Facts) -> Vec<CorrectionView> {
    let holds = |correction: &Correction| {
        facts.told_order().is_some_and(|told| {
            let mut corrected = told.clone();
            correction.apply(&mut corrected);
            corrected != *told
        })
    };
    let view = |one: &Corrected| CorrectionView {
        what: one.correction.summary(),
        at: one.at,
        by: one.operator.clone(),
        holds: holds(&one.correction),
    };
    facts.corrections.values().map(view).collect()
}

fn effect_view((key, effect): (&EffectKey, &Effect)) -> EffectView {
    EffectView {
        effect: key.clone(),
        command: effect.command.as_str().to_owned(),
        issued_at: effect.issued_at,
        attempt: effect.attempt,
        outcome: effect.outcome.clone(),
    }
}

/// The word that a value has on the wire.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

impl CaseView {
    pub(crate) fn new(case: Case, now: Instant) -> Self {
        let age_ms = case.closed_at.unwrap_or(now).ms_since(case.opened_at);
        Self {
            case,
            age_s: age_ms / 1000,
        }
    }
}

impl From<TimelineEntry> for EntryView {
    fn from(entry: TimelineEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            at: entry.at,
            recorded_at: entry.recorded_at,
            kind: entry.kind,
            source: entry.source,
            summary: entry.summary,
            commands: entry.commands,
            changed: entry.changed,
        }
    }
}
