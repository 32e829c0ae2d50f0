//! Which cases a state calls for. A case opens when its cause is there and closes when it is gone;
//! a person can only ignore it, retry, or waive.

mod money;
pub(crate) mod untold;

use crate::plan::{self, keys};
use crate::stages;
use crate::state::OrderState;
use crate::view::View;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use waybill_model::case::{Case, CaseClass, CaseId, CaseStatus, Retry};
use waybill_model::command::{CommandKind, CommandQueue};
use waybill_model::event::{Decision, Event, Finding, Outcome};
use waybill_model::failure::TOO_LATE;
use waybill_model::id::{Code, ConnectionId, CorrelationId, EffectKey};
use waybill_model::money::Money;
use waybill_model::shipment::{FulfillmentStatus, ShipmentStatus, TrackingStatus};
use waybill_model::time::Instant;

/// Collects the exceptions of one order.
struct Causes<'a> {
    view: &'a View<'a>,
    correlation: CorrelationId,
    found: BTreeMap<CaseId, Case>,
}

impl Causes<'_> {
    fn add(
        &mut self,
        class: CaseClass,
        code: &Code,
        key: &str,
        detail: String,
        remedy: &str,
    ) -> CaseId {
        let id = CaseId::new(&self.correlation.to_string(), code, key);
        let order = self.view.order;
        self.found.insert(
            id,
            Case {
                correlation_id: Some(self.correlation),
                class,
                value: Some(Money::new(order.totals.total, order.currency)),
                ..Case::of_connection(
                    id,
                    &order.channel,
                    code.clone(),
                    detail,
                    remedy.to_owned(),
                    self.view.now,
                )
            },
        );
        id
    }

    /// What `case` needs to be tried again, and who refused if it was not the channel.
    fn retried(&mut self, case: CaseId, retry: Retry, refused: Option<&ConnectionId>) {
        if let Some(case) = self.found.get_mut(&case) {
            case.retry = Some(retry);
            case.connection = refused.cloned().or(case.connection.take());
        }
    }

    fn own(
        &mut self,
        class: CaseClass,
        code: &'static str,
        key: &str,
        detail: String,
        remedy: &str,
    ) {
        self.add(class, &Code::literal(code), key, detail, remedy);
    }
}

/// Brings the cases of a state to what it calls for, and returns those that changed: a case that
/// stays open tells what is true by now. One that a person ignored is left alone while its cause
/// lasts, and closed with it.
pub fn settle(
    state: &mut OrderState,
    rules: &crate::connections::Connections,
    correlation: CorrelationId,
    now: Instant,
) -> Vec<Case> {
    let wanted = match View::new(state, rules, now) {
        Some(view) => causes(&view, correlation),
        None if state.facts.order.is_some() => unknown_channel(state, correlation, now),
        None => untold::cases(state, rules, correlation, now),
    };
    let found = wanted.values().filter_map(|case| {
        let known = state.cases.get(&case.id);
        let mut case = case.clone().found_over(known);
        // Whoever had it has it again when it comes back.
        case.owner = case.owner.or_else(|| known?.owner.clone());
        (known != Some(&case)).then_some(case)
    });
    let is_gone =
        |case: &&Case| case.status != CaseStatus::Resolved && !wanted.contains_key(&case.id);
    let gone = state.cases.values().filter(is_gone).map(|case| Case {
        status: CaseStatus::Resolved,
        closed_at: Some(now),
        ..case.clone()
    });
    let changed: Vec<Case> = found.chain(gone).collect();
    for case in &changed {
        state.cases.insert(case.id, case.clone());
    }
    changed
}

fn unknown_channel(
    state: &OrderState,
    correlation: CorrelationId,
    now: Instant,
) -> BTreeMap<CaseId, Case> {
    let Some(order) = &state.facts.order else {
        return BTreeMap::new();
    };
    let code = Code::literal("unknown_channel");
    let id = CaseId::new(&correlation.to_string(), &code, "");
    let detail = format!("the channel `{}` is not configured", order.channel);
    let remedy = "add it to the connections file with a `channel` table, deploy, and replay the \
                  order"
        .to_owned();
    let case = Case {
        correlation_id: Some(correlation),
        value: Some(Money::new(order.totals.total, order.currency)),
        retry: Some(Retry::Order),
        ..Case::of_connection(id, &order.channel, code, detail, remedy, now)
    };
    BTreeMap::from([(id, case)])
}

fn causes(view: &View<'_>, correlation: CorrelationId) -> BTreeMap<CaseId, Case> {
    let mut causes = Causes {
        view,
        correlation,
        found: BTreeMap::new(),
    };
    if let Some(finding) = view.state.history() {
        history(&mut causes, &finding);
        return causes.found;
    }
    findings(&mut causes);
    rejections(&mut causes);
    release(&mut causes);
    race(&mut causes);
    edits(&mut causes);
    parcels(&mut causes);
    money::money(&mut causes);
    overdue(&mut causes);
    causes.found
}

/// Of an order that is not ours one case stands, whatever else is wrong with it: whoever has it
/// looks after it. But what its shop asks Waybill to pay nobody else would see.
fn history(causes: &mut Causes<'_>, finding: &Finding) {
    if causes.view.order.cancelled.is_none() {
        found(causes, finding);
    }
    money::held(causes, finding);
}

/// What validation found, unless the order was cancelled: then there is nothing to mend.
fn findings(causes: &mut Causes<'_>) {
    if causes.view.order.cancelled.is_some() {
        return;
    }
    for finding in causes.view.blocking() {
        found(causes, &finding);
    }
}

fn found(causes: &mut Causes<'_>, finding: &Finding) {
    let (key, detail) = (&finding.detail, finding.detail.clone());
    let case = causes.add(CaseClass::Data, &finding.code, key, detail, &finding.remedy);
    causes.retried(case, Retry::Order, None);
}

/// What a partner or Odoo refused, as long as the order calls for it: a ticket by a newer one, an
/// amendment by a newer edit is nobody's work any more.
fn rejections(causes: &mut Causes<'_>) {
    let view = causes.view;
    let wanted: BTreeMap<EffectKey, ConnectionId> = plan::wanted(view)
        .into_iter()
        .map(|w| (w.key, w.command.connection().clone()))
        .collect();
    let last_ticket = keys::ticket(view.state.ticket.revision);
    for (key, effect) in &view.state.effects {
        let Some(Outcome::Rejected {
            code,
            detail,
            remedy,
        }) = &effect.outcome
        else {
            continue;
        };
        // What [`race`] tells: called off too late.
        let race =
            effect.command == CommandKind::CancelFulfillmentOrder && code.as_str() == TOO_LATE;
        if race || !(wanted.contains_key(key) || *key == last_ticket) {
            continue;
        }
        let class = match (effect.command.queue(), effect.command) {
            (CommandQueue::Erp | CommandQueue::ErpBulk, _) => CaseClass::Erp,
            (CommandQueue::Fulfillment, _) => CaseClass::Fulfillment,
            (CommandQueue::Status, CommandKind::CreateRefund) => CaseClass::Finance,
            (CommandQueue::Status, _) => CaseClass::Integration,
        };
        let case = causes.add(class, code, key.as_str(), detail.clone(), remedy);
        let retry = Retry::Effect {
            effect: key.clone(),
        };
        let refused = wanted.get(key).or(view.settings.helpdesk.as_ref());
        causes.retried(case, retry, refused);
    }
}

fn release(causes: &mut Causes<'_>) {
    let view = causes.view;
    let stuck = view.is_accepted()
        && view.is_done(&keys::sale_order())
        && view.order.requires_shipping()
        && view.released_to().is_none();
    if stuck && crate::routing::route(view.order, view.settings).is_none() {
        let case = causes.add(
            CaseClass::Integration,
            &Code::literal("no_route"),
            "",
            "no route of the channel fits this order".to_owned(),
            "add a route without conditions as the last one of the channel in the connections \
             file, deploy, and replay the order",
        );
        causes.retried(case, Retry::Order, None);
    }
    for order in view.facts().fulfillment_orders.values() {
        let stopped = view.shipped().next().is_none();
        match order.status {
            FulfillmentStatus::Exception | FulfillmentStatus::OnHold if stopped => causes.own(
                CaseClass::Fulfillment,
                "warehouse_stopped",
                order.id.as_str(),
                format!("the warehouse stopped `{}`", order.id),
                "look at the order at the warehouse: stock or address",
            ),
            FulfillmentStatus::Cancelled if view.order.cancelled.is_none() && stopped => causes
                .own(
                    CaseClass::Fulfillment,
                    "cancelled_by_warehouse",
                    order.id.as_str(),
                    format!("the warehouse cancelled `{}`, the shop did not", order.id),
                    "ask the warehouse why. If it can ship after all, it tells so itself; else cancel the \
                     order in the shop, or ship it by hand",
                ),
            FulfillmentStatus::Exception
            | FulfillmentStatus::OnHold
            | FulfillmentStatus::Cancelled
            | FulfillmentStatus::Accepted
            | FulfillmentStatus::Processing
            | FulfillmentStatus::PartiallyShipped
            | FulfillmentStatus::Shipped => {}
        }
    }
}

/// Cancelled and shipped all the same (features F5).
fn race(causes: &mut Causes<'_>) {
    let view = causes.view;
    if view.order.cancelled.is_none() {
        return;
    }
    let back = view.received_returns().next().is_some();
    if (view.lost_the_race() || view.shipped().next().is_some()) && !back {
        causes.own(
            CaseClass::Service,
            "too_late",
            "",
            format!(
                "order `{}` was cancelled, but the warehouse had shipped it",
                view.order.number
            ),
            "ask the customer to refuse the parcel or to send it back: this closes when the \
             warehouse has it. For goods that the customer keeps, take a new order: the shop \
             refunds this one, and is not told of the parcel",
        );
    }
}

/// Edited after it was released: never a silent change (features O3).
fn edits(causes: &mut Causes<'_>) {
    let view = causes.view;
    let current = crate::amendment::fingerprint(view.order, view.facts());
    let changed = view.state.written.as_ref().is_some_and(|w| *w != current);
    if changed && view.order.cancelled.is_none() && view.released_to().is_some() {
        causes.own(
            CaseClass::Service,
            "edited_after_release",
            "",
            format!(
                "order `{}` was changed after the warehouse got it",
                view.order.number
            ),
            "tell the warehouse, or undo the change in the shop; then change the order in Odoo",
        );
    }
}

fn parcels(causes: &mut Causes<'_>) {
    let view = causes.view;
    for (number, _) in view.tracking_numbers() {
        let Some(tracking) = view.facts().tracking.get(number) else {
            continue;
        };
        let code = match tracking.status {
            TrackingStatus::Exception => "parcel_delayed",
            TrackingStatus::ReturnToSender => "parcel_returning",
            TrackingStatus::Unknown
            | TrackingStatus::PreTransit
            | TrackingStatus::InTransit
            | TrackingStatus::OutForDelivery
            | TrackingStatus::AvailableForPickup
            | TrackingStatus::Delivered => continue,
        };
        causes.own(
            CaseClass::Service,
            code,
            number.as_str(),
            format!("the carrier reports trouble with parcel `{number}`"),
            "look at the carrier's page and tell the customer",
        );
    }
    for shipment in view.facts().shipments.values() {
        if shipment.status == ShipmentStatus::Exception {
            causes.own(
                CaseClass::Fulfillment,
                "shipment_stopped",
                shipment.id.as_str(),
                format!("the warehouse stopped shipment `{}`", shipment.id),
                "look at the shipment at the warehouse: stock or address",
            );
        }
    }
}

fn overdue(causes: &mut Causes<'_>) {
    let view = causes.view;
    let mut late = stages::waiting(view);
    late.retain(|stage| view.now >= stage.deadline);
    // Of several that are waited for alike, the case tells the one that waits longest.
    late.sort_by_key(|stage| Reverse(stage.since));
    for stage in late {
        let code = Code::new(format!("{}_overdue", stage.name))
            .unwrap_or_else(|_| Code::literal("stage_overdue"));
        let detail = format!("`{}` has waited since {}", stage.name, stage.since);
        let case = causes.add(stage.class, &code, "", detail, stage.remedy);
        if let Some(effect) = stage.effect {
            causes.retried(case, Retry::Effect { effect }, None);
        }
    }
}

/// What a person decided about a case: the case, if that changed it. Kept apart from [`settle`],
/// which never overrules it.
pub fn decided(state: &mut OrderState, event: &Event, now: Instant) -> Option<Case> {
    let Event::OperatorDecided(decided) = event else {
        return None;
    };
    match &decided.decision {
        Decision::Ignore { case, reason } => {
            let case = open(state, *case)?;
            case.status = CaseStatus::Ignored;
            case.closed_at = Some(now);
            case.reason = Some(reason.clone());
            Some(case.clone())
        }
        Decision::Assign { case, owner } => {
            let case = open(state, *case)?;
            if case.owner.as_ref() == Some(owner) {
                return None;
            }
            case.owner = Some(owner.clone());
            Some(case.clone())
        }
        Decision::Retry { .. } | Decision::Waive { .. } | Decision::Correct { .. } => None,
    }
}

fn open(state: &mut OrderState, id: CaseId) -> Option<&mut Case> {
    let case = state.cases.get_mut(&id);
    case.filter(|c| c.status == CaseStatus::Open)
}
