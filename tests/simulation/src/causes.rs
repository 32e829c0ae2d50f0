//! What an open case may say: each has its cause outside, in what customers, partners and operators did, or could not do.
//!
//! It is asked at every quiet point and in the end. What Waybill was not told yet counts as it was when it was told last.

use crate::erp::SaleOrder;
use crate::partners::{Partners, Sold, Work};
use crate::sim::{DAY, MINUTE};
use crate::world::{CARRIER, DEPOT, DESK, GATEWAY, MARKET, ODOO, World};
use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::axes::axes;
use waybill_flow::plan::keys;
use waybill_flow::ports::Stored;
use waybill_flow::state::{Effect, OrderState};
use waybill_model::command::{CommandKind, CommandQueue};
use waybill_model::event::Outcome;
use waybill_model::failure::{GAVE_UP, NO_OUTCOME, PAYLOAD_MISMATCH, TOO_LATE};
use waybill_model::id::{CorrelationId, EffectKey, MessageId};
use waybill_model::order::Version;
use waybill_model::payment::RefundStatus;
use waybill_testkit::build;

/// What a customer who did not pay and a warehouse that did not ship have by the connections: less what clocks differ.
const LONG_MS: i64 = 3 * DAY.cast_signed() - MINUTE.cast_signed();
/// How old an order is that is none of ours.
const OLD_MS: i64 = 45 * DAY.cast_signed() - MINUTE.cast_signed();

/// Open cases by order, with their codes.
pub(crate) type Cases = BTreeMap<CorrelationId, BTreeSet<String>>;

/// All that an order's cases are judged by.
pub(crate) struct Causes<'a> {
    pub world: &'a World,
    pub partners: &'a Partners,
    pub odoo: &'a BTreeMap<CorrelationId, SaleOrder>,
}

/// One order.
struct Of<'a> {
    id: CorrelationId,
    sold: &'a Sold,
    work: Option<&'a Work>,
    odoo: Option<&'a SaleOrder>,
    state: &'a OrderState,
    /// Our tables have forgotten all but open cases.
    is_forgotten: bool,
}

/// Whom a command asks.
#[must_use]
pub fn endpoint(command: CommandKind) -> &'static str {
    match (command.queue(), command) {
        (CommandQueue::Erp | CommandQueue::ErpBulk, _) => ODOO,
        (CommandQueue::Fulfillment, _) => DEPOT,
        (CommandQueue::Status, CommandKind::CreateRefund) => GATEWAY,
        (CommandQueue::Status, CommandKind::UpdateTicket) => DESK,
        (CommandQueue::Status, CommandKind::SubscribeTracking) => CARRIER,
        (CommandQueue::Status, _) => MARKET,
    }
}

/// Rejected effects with their codes.
fn rejected(state: &OrderState) -> impl Iterator<Item = (&EffectKey, &Effect, &str)> {
    state.effects.iter().filter_map(|(key, effect)| {
        let Some(Outcome::Rejected { code, .. }) = &effect.outcome else {
            return None;
        };
        Some((key, effect, code.as_str()))
    })
}

/// Looks at all orders that are not held back, at any time.
pub(crate) fn check(world: &World, cases: &Cases, held: impl Fn(CorrelationId) -> bool) {
    let (partners, erp) = (world.partners.lock().unwrap(), world.erp.lock().unwrap());
    let causes = Causes {
        world,
        partners: &partners,
        odoo: &erp.orders,
    };
    let mut wrong = Vec::new();
    world.orders.look(|orders| {
        for (id, stored) in orders.iter().filter(|(id, _)| !held(**id)) {
            wrong.extend(causes.missing(*id, stored, cases.get(id)));
            wrong.extend(causes.refused_by_nobody(*id, stored));
        }
    });
    for what in wrong {
        world.sim.wrong(what);
    }
}

impl Causes<'_> {
    fn of<'a>(&'a self, id: CorrelationId, stored: &'a Stored) -> Option<Of<'a>> {
        Some(Of {
            id,
            sold: self.partners.sold.get(&id)?,
            work: self.partners.work.get(&id),
            odoo: self.odoo.get(&id),
            state: &stored.state,
            is_forgotten: self.partners.is_forgotten,
        })
    }

    /// Open cases of an order for which there is no cause.
    fn missing(
        &self,
        id: CorrelationId,
        stored: &Stored,
        codes: Option<&BTreeSet<String>>,
    ) -> Vec<String> {
        let Some(of) = self.of(id, stored) else {
            return Vec::new();
        };
        let codes = codes.into_iter().flatten();
        let missing = codes.filter(|code| !self.stands(&of, code));
        let told = |code| format!("{id}: the case `{code}` has no cause");
        missing.map(told).collect()
    }

    /// Effects that count as refused, and nobody had a reason to.
    fn refused_by_nobody(&self, id: CorrelationId, stored: &Stored) -> Vec<String> {
        let Some(of) = self.of(id, stored) else {
            return Vec::new();
        };
        let refused =
            rejected(of.state).filter(|(_, effect, code)| !self.may_be(&of, effect, code));
        let told = |(key, _, code)| format!("{id}: `{key}` counts as refused: `{code}`");
        refused.map(told).collect()
    }

    fn stands(&self, of: &Of<'_>, code: &str) -> bool {
        match code {
            "total_mismatch" => of.is_unclean(),
            "too_late" => of.is_cancelled() && of.has_left(),
            "edited_after_release" => of.is_outgrown(),
            "total_differs" => of.is_outgrown() || of.is_by_hand(),
            "state_differs" => of.is_by_hand(),
            "refund_failed" => self.has_failed(of),
            "refund_without_payment" => !self.is_taken(of),
            "order_too_old" | "refund_of_held_order" => self.age_ms(of) >= OLD_MS,
            "order_untold" => of.known().is_none() && self.is_taken(of),
            _ if code.ends_with("_overdue") => self.is_overdue(of, code),
            _ => rejected(of.state).any(|(_, effect, c)| c == code && self.may_be(of, effect, c)),
        }
    }

    fn is_overdue(&self, of: &Of<'_>, code: &str) -> bool {
        let is_garbled = self.world.garbled_of(of.id) > 0;
        match code {
            "payment_overdue" => self.age_ms(of) >= LONG_MS && !self.is_paid(of),
            "erp_overdue" | "status_overdue" => is_garbled,
            // Odoo has not got the last edit.
            "release_overdue" => {
                is_garbled || rejected(of.state).any(|(k, ..)| k.as_str().starts_with(keys::AMEND))
            }
            "ship_overdue" => {
                let untold = self.partners.is_unheard(of.id, "S-");
                self.age_ms(of) >= LONG_MS && (of.is_outgrown() || untold)
            }
            "credit_note_overdue" => self.awaits_refund(of),
            // It was paid back before we heard that it is cancelled.
            "cancel_overdue" => of.is_cancelled() && !of.is_known_cancelled(),
            _ => false,
        }
    }

    /// Whether a partner, Odoo or an operator may have refused it so: what is away, or busy, says not now.
    fn may_be(&self, of: &Of<'_>, effect: &Effect, code: &str) -> bool {
        let is_garbled = self.world.garbled_of(of.id) > 0;
        match code {
            GAVE_UP => {
                let endpoint = endpoint(effect.command);
                self.world.is_given_up(endpoint, effect.issued_at)
            }
            NO_OUTCOME => is_garbled,
            // What was done before the edit, of which nothing was heard.
            PAYLOAD_MISMATCH => is_garbled && of.sold.is_edited,
            TOO_LATE => {
                let stops = effect.command == CommandKind::CancelFulfillmentOrder;
                stops && of.is_cancelled() && of.has_left()
            }
            "unknown_sku" => !of.sold.known && endpoint(effect.command) == ODOO,
            "order_cancelled" => match effect.command {
                CommandKind::RegisterDelivery | CommandKind::CreateCreditNote => of.is_by_hand(),
                CommandKind::PublishFulfillment => of.is_cancelled(),
                _ => false,
            },
            _ => false,
        }
    }

    fn age_ms(&self, of: &Of<'_>) -> i64 {
        self.world.sim.now().ms_since(of.sold.order.placed_at)
    }

    /// Whether we have said that we have it.
    fn is_acknowledged(&self, connection: &str, name: &str) -> bool {
        let event = MessageId::for_delivery(&build::connection(connection), name, 0);
        self.partners.acknowledged.contains_key(&event)
    }

    /// Whether the gateway told that the money came.
    fn is_taken(&self, of: &Of<'_>) -> bool {
        self.is_acknowledged(GATEWAY, &format!("evt_{}", of.sold.order.id))
    }

    /// Whether anybody told that it is paid.
    fn is_paid(&self, of: &Of<'_>) -> bool {
        let newest = of.known() == Some(of.sold.order.version);
        of.sold.paid && (newest || self.is_taken(of))
    }

    fn has_failed(&self, of: &Of<'_>) -> bool {
        let mut refunds = of.sold.refunds.keys();
        refunds.any(|refund| {
            let paid = self.partners.paid_back.get(&(of.id, refund.clone()));
            paid.is_some_and(|p| p.status == RefundStatus::Failed)
        })
    }

    /// Whether the gateway has not told what became of a refund.
    fn awaits_refund(&self, of: &Of<'_>) -> bool {
        let mut refunds = of.sold.refunds.keys();
        refunds.any(|refund| !self.is_acknowledged(GATEWAY, &format!("evt_{refund}_succeeded")))
    }
}

impl Of<'_> {
    /// The snapshot that Waybill knows.
    fn known(&self) -> Option<Version> {
        self.state.facts.order.as_ref().map(|o| o.version)
    }

    /// Whether something is wrong with it as it is known; or was, where our tables have forgotten all but the case.
    fn is_unclean(&self) -> bool {
        let unclean = &self.sold.unclean;
        let known = self.known().filter(|_| !self.is_forgotten);
        known.map_or(!unclean.is_empty(), |version| unclean.contains(&version))
    }

    fn is_known_cancelled(&self) -> bool {
        let known = self.state.facts.order.as_ref();
        known.is_some_and(|order| order.cancelled.is_some())
    }

    fn is_cancelled(&self) -> bool {
        self.sold.order.cancelled.is_some()
    }

    fn has_left(&self) -> bool {
        self.work.is_some_and(|w| !w.shipments.is_empty())
    }

    fn is_by_hand(&self) -> bool {
        self.odoo.is_some_and(|o| o.by_hand)
    }

    /// Whether other goods are wanted than those that the warehouse was asked for: it was edited since.
    fn is_outgrown(&self) -> bool {
        let goods = |version: Version| self.sold.goods.get(&version);
        let known = self.known().filter(|_| !self.is_forgotten);
        let wanted = goods(known.unwrap_or(self.sold.order.version));
        let mut asked = self.sold.released.iter();
        asked.any(|version| goods(*version) != wanted)
    }
}

/// Whether a case says itself why an order is not at its end.
#[must_use]
pub fn is_explained(state: &OrderState, codes: &BTreeSet<String>) -> bool {
    let is = axes(state);
    let refused = |kinds: &[CommandKind]| {
        rejected(state).any(|(_, e, code)| kinds.contains(&e.command) && codes.contains(code))
    };
    match (is.order, is.fulfillment) {
        ("held", _) => codes.contains("total_mismatch") || codes.contains("order_too_old"),
        ("refused", _) => refused(&[CommandKind::CreateSaleOrder]),
        ("cancelling", _) => refused(&[
            CommandKind::CreateSaleOrder,
            CommandKind::CancelFulfillmentOrder,
            CommandKind::CancelSaleOrder,
        ]),
        (_, "refused") => refused(&[CommandKind::CreateFulfillmentOrder]),
        (_, "partially_shipped") => {
            let is_asked = codes.contains("ship_overdue") || codes.contains(TOO_LATE);
            is_asked || refused(&[CommandKind::CreateFulfillmentOrder])
        }
        _ => codes.iter().any(|code| code.ends_with("_overdue")),
    }
}
