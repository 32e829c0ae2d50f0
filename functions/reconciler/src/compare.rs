//! Waybill and the ERP: orders that wait for something are compared with what the ERP holds.
//!
//! Looked at are the orders that have a deadline (`flow::stages::next_deadline`), those with the
//! earliest first, and those of which a difference was found before. Orders that went through every
//! stage have no deadline: their facts cannot change without an event that reopens a stage.
//!
//! A case whose order is not compared any more, because its channel is gone or its state expired,
//! stays as it is: nobody looked whether the difference is gone, so a person closes it.

use crate::{Job, JobError, Ports, Report, literal, ourselves};
use futures::StreamExt as _;
use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::plan::keys;
use waybill_flow::ports::{CaseQuery, Clock, EffectStore, Erp, ErpOrder, OrderStore, Queues};
use waybill_flow::state::OrderState;
use waybill_model::case::{Case, CaseClass, CaseId, CaseStatus};
use waybill_model::command::CommandKind;
use waybill_model::event::Outcome;
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, CorrelationId, EffectKey};
use waybill_model::money::Money;

/// Most orders compared by one run, those with the earliest deadline first.
const MAX_ORDERS: usize = 500;
/// Orders asked for in one call.
const CHUNK: usize = 100;
/// Reads of our own table at once.
const CONCURRENCY: usize = 16;
/// Deadlines are in the future while nothing is wrong: look far ahead.
const HORIZON_MS: i64 = 400 * 24 * 60 * 60 * 1000;

/// Cases of one code and status that are looked at again by one run. The next run goes on behind
/// them and starts over at the end, so that each has its turn, whatever became of the orders of
/// those before it.
pub(crate) const MAX_CASES: usize = 200;
/// Name of the checkpoint that keeps where the next run goes on.
const CHECKPOINT: &str = "compare";

/// What can differ, and who has to act.
const CODES: [(&str, CaseClass); 3] = [
    ("missing_in_odoo", CaseClass::Erp),
    ("state_differs", CaseClass::Erp),
    ("total_differs", CaseClass::Finance),
];

struct Difference {
    code: &'static str,
    class: CaseClass,
    detail: String,
    remedy: &'static str,
    value: Option<Money>,
}

/// Where the next run goes on among the cases, by code and status; from the oldest where it names
/// none.
type Places = BTreeMap<String, String>;

impl<O: OrderStore, E: EffectStore, Q: Queues, P, R: Erp, C: Clock, S>
    Ports<'_, O, E, Q, P, R, C, S>
{
    pub(crate) async fn compare(&self) -> Result<Report, JobError> {
        let horizon = self.clock.now().plus_ms(HORIZON_MS);
        let mut orders = self.orders.overdue(horizon, MAX_ORDERS).await?;
        let (in_cases, next) = self.in_cases().await?;
        orders.extend(in_cases);
        let mut seen = BTreeSet::new();
        orders.retain(|id| seen.insert(*id));
        let mut report = Report {
            job: Job::Compare,
            looked_at: 0,
            found: 0,
            failed: Vec::new(),
        };
        for (erp, orders) in self.written_orders(orders).await? {
            let failure = self.compare_with(&erp, &orders, &mut report).await?;
            if let Some(connection) = self.connections.get(&erp) {
                self.note_answer(connection, failure.as_ref(), &mut report)
                    .await?;
            }
        }
        let next = serde_json::to_string(&next)?;
        self.effects
            .set_checkpoint(&ourselves()?, CHECKPOINT, &next)
            .await?;
        Ok(report)
    }

    /// Orders of which an earlier run found a difference, whether a person ignored it or not: they
    /// may wait for nothing else by now. With the places at which the next run goes on.
    async fn in_cases(&self) -> Result<(Vec<CorrelationId>, Places), JobError> {
        let kept = self.effects.checkpoint(&ourselves()?, CHECKPOINT).await?;
        // What another version wrote is begun anew.
        let mut places: Places = kept
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let (mut orders, mut next) = (Vec::new(), Places::new());
        for (code, class) in CODES {
            for status in [CaseStatus::Open, CaseStatus::Ignored] {
                let place = format!("{code}/{status:?}");
                let query = CaseQuery {
                    status: Some(status),
                    class: Some(class),
                    code: Some(literal(code)),
                    limit: MAX_CASES,
                    cursor: places.remove(&place),
                    ..CaseQuery::default()
                };
                let (cases, cursor) = self.orders.cases(&query).await?;
                orders.extend(cases.into_iter().filter_map(|case| case.correlation_id));
                next.extend(cursor.map(|cursor| (place, cursor)));
            }
        }
        Ok((orders, next))
    }

    /// Compares these orders with what one ERP holds, until it does not answer.
    async fn compare_with(
        &self,
        erp: &ConnectionId,
        orders: &[(CorrelationId, OrderState)],
        report: &mut Report,
    ) -> Result<Option<Failure>, JobError> {
        for chunk in orders.chunks(CHUNK) {
            let ids: Vec<CorrelationId> = chunk.iter().map(|(id, _)| *id).collect();
            let held = match self.erp.orders(erp, &ids).await {
                Ok(held) => held,
                Err(failure) => return Ok(Some(failure)),
            };
            for (id, state) in chunk {
                let held = held.iter().find(|o| o.correlation == *id);
                report.looked_at += 1;
                let found = differences(state, held);
                // Odoo was asked after our table: what Waybill did meanwhile is no difference.
                if !found.is_empty() && self.has_gone_on(*id, state).await? {
                    continue;
                }
                report.found += self.settle(erp, *id, found).await?;
            }
        }
        Ok(None)
    }

    /// Whether Waybill has written about the order, or begun to, since its state was `was`.
    async fn has_gone_on(&self, id: CorrelationId, was: &OrderState) -> Result<bool, JobError> {
        let stored = self.orders.load(id).await?;
        Ok(stored.is_none_or(|stored| !stored.state.effects_on_erp().eq(was.effects_on_erp())))
    }

    /// The orders that were written to an ERP and that nothing is being written about, by ERP.
    async fn written_orders(
        &self,
        ids: Vec<CorrelationId>,
    ) -> Result<BTreeMap<ConnectionId, Vec<(CorrelationId, OrderState)>>, JobError> {
        let mut by_erp: BTreeMap<ConnectionId, Vec<_>> = BTreeMap::new();
        let mut loads = futures::stream::iter(ids)
            .map(|id| async move { (id, self.orders.load(id).await) })
            .buffered(CONCURRENCY);
        while let Some((id, stored)) = loads.next().await {
            let Some(stored) = stored? else { continue };
            let state = stored.state;
            let Some(order) = &state.facts.order else {
                continue;
            };
            let Some(settings) = self.connections.channel(&order.channel) else {
                continue;
            };
            if is_done(&state, &keys::sale_order()) && !state.is_erp_busy() {
                let orders = by_erp.entry(settings.erp.clone()).or_default();
                orders.push((id, state));
            }
        }
        Ok(by_erp)
    }

    /// Opens what is found and closes what is not found any more.
    async fn settle(
        &self,
        erp: &ConnectionId,
        id: CorrelationId,
        found: Vec<Difference>,
    ) -> Result<usize, JobError> {
        let now = self.clock.now();
        let case_of = |code| CaseId::new(&id.to_string(), &literal(code), "reconciler");
        let is_found = |code: &str| found.iter().any(|d| d.code == code);
        let codes = CODES.into_iter().map(|(code, _)| code);
        for code in codes.filter(|code| !is_found(code)) {
            self.orders.resolve_case(case_of(code), now).await?;
        }
        for difference in &found {
            let code = literal(difference.code);
            let (id_of_case, detail) = (case_of(difference.code), difference.detail.clone());
            let remedy = difference.remedy.to_owned();
            let case = Case {
                correlation_id: Some(id),
                class: difference.class,
                value: difference.value,
                ..Case::of_connection(id_of_case, erp, code, detail, remedy, now)
            };
            self.forget_another(&case).await?;
            self.orders.put_case(&case).await?;
        }
        Ok(found.len())
    }

    /// A person ignored a difference of this code, and it is another one by now: what was ignored is
    /// gone. The details name what differs, and are the same from run to run where that is.
    async fn forget_another(&self, found: &Case) -> Result<(), JobError> {
        let known = self.orders.case(found.id).await?;
        if known.is_some_and(|k| k.status == CaseStatus::Ignored && k.detail != found.detail) {
            self.orders.resolve_case(found.id, found.opened_at).await?;
        }
        Ok(())
    }
}

fn is_done(state: &OrderState, effect: &EffectKey) -> bool {
    let outcome = state.effects.get(effect).and_then(|e| e.outcome.as_ref());
    matches!(outcome, Some(Outcome::Done { .. }))
}

fn differences(state: &OrderState, held: Option<&ErpOrder>) -> Vec<Difference> {
    let Some(order) = &state.facts.order else {
        return Vec::new();
    };
    let total = Money::new(order.totals.total, order.currency);
    let Some(held) = held else {
        return vec![Difference {
            code: "missing_in_odoo",
            class: CaseClass::Erp,
            detail: format!(
                "order `{}` was written and is not in Odoo any more",
                order.number
            ),
            remedy: "Odoo deletes only what was cancelled, so somebody meant it. Cancel the order in \
                     the shop too; or enter it in Odoo by hand, do there what is left of it, and \
                     ignore this case",
            value: Some(total),
        }];
    };
    let mut found = Vec::new();
    let wanted_cancelled = is_done(state, &keys::cancel_sale_order());
    let state_of = |cancelled: bool| if cancelled { "cancelled" } else { "confirmed" };
    let actual = match (held.confirmed, held.cancelled) {
        (_, true) => "cancelled",
        (true, false) => "confirmed",
        (false, false) => "a quotation",
    };
    if actual != state_of(wanted_cancelled) {
        found.push(Difference {
            code: "state_differs",
            class: CaseClass::Erp,
            detail: format!(
                "`{}` is {actual} in Odoo; Waybill left it {}",
                held.name,
                state_of(wanted_cancelled)
            ),
            remedy: "bring the order in Odoo to this state, or cancel it in the shop too",
            value: Some(total),
        });
    }
    if !wanted_cancelled && !is_edited(state) && held.total != total {
        found.push(Difference {
            code: "total_differs",
            class: CaseClass::Finance,
            detail: format!(
                "`{}` is {} {} in Odoo and {} {} at the channel",
                held.name,
                held.total.amount,
                held.total.currency.as_str(),
                total.amount,
                total.currency.as_str()
            ),
            remedy: "compare the lines in Odoo with the channel's and correct the one that was edited",
            value: Some(total),
        });
    }
    found
}

/// After an edit the total as placed and the total as written are two things.
fn is_edited(state: &OrderState) -> bool {
    let amended = state
        .effects
        .values()
        .any(|e| e.command == CommandKind::AmendSaleOrder);
    let reduced = state.facts.order.as_ref().is_some_and(|order| {
        let mut lines = order.lines.iter();
        lines.any(|l| l.current_quantity != l.quantity)
    });
    amended || reduced
}
