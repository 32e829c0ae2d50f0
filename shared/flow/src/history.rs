//! Orders of a time when somebody else did their work, or Waybill did and forgot (ADR 0017): each
//! is held with one case until a person waives that, and nothing is done for it.
//!
//! That an order came late is not stored with what validation found: it follows from when Waybill
//! first heard of it. So whoever asks what was found asks [`OrderState::findings`].

use crate::plan::keys;
use crate::state::OrderState;
use std::borrow::Cow;
use waybill_model::event::Finding;
use waybill_model::id::Code;
use waybill_model::order::Order;
use waybill_model::time::{DAY_MS, Instant};

/// Age from which an order is too old to be news: what waits on a queue, in a dead-letter queue or
/// at a partner that retries is at most weeks old.
pub(crate) const LATE_DAYS: i64 = 45;
const TOO_OLD: &str = "order_too_old";
pub(crate) const BEFORE_START: &str = "placed_before_start";

impl OrderState {
    /// Everything that was found in the order, whether a person let it pass or not.
    ///
    /// An order that was placed before its channel's start and is too old besides has the first
    /// finding alone: that is what the file says, age only guesses the same.
    pub fn findings(&self) -> impl Iterator<Item = Cow<'_, Finding>> {
        let stored = &self.facts.findings;
        let is_told = stored.iter().any(|f| f.code.as_str() == BEFORE_START);
        let order = self.facts.order.as_ref().filter(|_| !is_told);
        let late = order.and_then(|order| known_late(order, self.known_since));
        stored.iter().map(Cow::Borrowed).chain(late.map(Cow::Owned))
    }

    /// What blocks the order and no person let pass.
    pub fn blocking(&self) -> impl Iterator<Item = Cow<'_, Finding>> {
        self.findings().filter(|f| !self.is_waived(&f.code))
    }

    /// Why the order is somebody else's, or done and forgotten; none if it is ours. Then its
    /// shipments and refunds are none of ours either.
    #[must_use]
    pub fn history(&self) -> Option<Cow<'_, Finding>> {
        if self.effects.contains_key(&keys::sale_order()) {
            return None;
        }
        self.blocking().find(|f| is_of_history(&f.code))
    }

    /// Whether the order is such a one.
    #[must_use]
    pub fn is_history(&self) -> bool {
        self.history().is_some()
    }

    /// Whoever let the one finding of history pass said that the order is ours: `orders_from` that
    /// is set later does not ask again.
    fn is_waived(&self, code: &Code) -> bool {
        let waived = &self.facts.waived;
        waived.contains_key(code) || (is_of_history(code) && waived.keys().any(is_of_history))
    }
}

fn is_of_history(code: &Code) -> bool {
    [TOO_OLD, BEFORE_START].contains(&code.as_str())
}

/// What blocks an order that was placed long before Waybill first heard of it: whoever did its work
/// then has shipped it, or Waybill has and forgot, since states are not kept for ever.
fn known_late(order: &Order, known_since: Option<Instant>) -> Option<Finding> {
    let days = known_since?.ms_since(order.placed_at) / DAY_MS;
    (days >= LATE_DAYS).then(|| Finding {
        code: Code::literal(TOO_OLD),
        detail: format!(
            "order `{}` was placed {days} days before Waybill first heard of it",
            order.number
        ),
        remedy: "look whether it was shipped and booked: then ignore this case. If not, waive \
                 this finding, and the order is written to Odoo and shipped"
            .to_owned(),
    })
}
