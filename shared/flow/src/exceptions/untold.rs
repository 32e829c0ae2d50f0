//! Money that was taken for an order that its channel never told.
//!
//! A payment may come hours before its order, and most do by seconds. One whose order does not come
//! at all, not by its webhook and not by the poll either, is the only sign of that order.

use crate::connections::Connections;
use crate::history::LATE_DAYS;
use crate::state::OrderState;
use std::collections::BTreeMap;
use waybill_model::case::{Case, CaseId};
use waybill_model::id::{Code, CorrelationId};
use waybill_model::payment::{Payment, PaymentStatus};
use waybill_model::time::{DAY_MS, Instant};

/// How long the order of a captured payment is waited for: longer than the poll needs to find it.
const WAIT_MS: i64 = 2 * 60 * 60 * 1000;

/// When somebody is to look for the order; none if it is known, or if nothing was paid.
pub(crate) fn deadline(state: &OrderState, rules: &Connections, now: Instant) -> Option<Instant> {
    let (_, paid_at) = oldest(state, rules, now)?;
    Some(paid_at.plus_ms(WAIT_MS)).filter(|at| *at > now)
}

pub(super) fn cases(
    state: &OrderState,
    rules: &Connections,
    correlation: CorrelationId,
    now: Instant,
) -> BTreeMap<CaseId, Case> {
    let late = oldest(state, rules, now).filter(|(_, at)| now >= at.plus_ms(WAIT_MS));
    let Some((payment, paid_at)) = late else {
        return BTreeMap::new();
    };
    let code = Code::literal("order_untold");
    let id = CaseId::new(&correlation.to_string(), &code, "");
    let detail = format!(
        "payment `{}` was taken at {paid_at} for an order that its channel has not told",
        payment.id
    );
    let remedy = "find the order by the payment at the gateway, and look at the channel why it does \
                  not tell it: its webhooks, its permissions. This closes when it does; ignore it if \
                  the order is none of Waybill's"
        .to_owned();
    let case = Case {
        correlation_id: Some(correlation),
        value: Some(payment.amount),
        ..Case::of_connection(id, &payment.gateway, code, detail, remedy, now)
    };
    BTreeMap::from([(id, case)])
}

/// The payment that was taken first, of those that are news: what was paid before any channel's
/// start is of an order that nobody tells.
fn oldest<'a>(
    state: &'a OrderState,
    rules: &Connections,
    now: Instant,
) -> Option<(&'a Payment, Instant)> {
    if state.facts.order.is_some() {
        return None;
    }
    let channels = rules.iter().filter_map(|c| c.channel.as_ref());
    let starts = channels.map(|c| c.orders_from.unwrap_or(Instant::EPOCH));
    let from = starts.min()?.max(now.plus_ms(-LATE_DAYS * DAY_MS));
    let taken = state.facts.payments.values();
    let taken = taken.filter(|p| p.status == PaymentStatus::Captured);
    taken
        .filter_map(|p| Some((p, p.paid_at?)))
        .filter(|(_, paid_at)| *paid_at >= from)
        .min_by_key(|(_, paid_at)| *paid_at)
}
