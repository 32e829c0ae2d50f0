//! Questions about a state that more than one rule asks.

use crate::amendment::is_all_shipped;
use crate::connections::{ChannelSettings, Connections, PaymentGate};
use crate::plan::keys;
use crate::state::{Effect, Facts, OrderState};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use waybill_model::event::{Finding, Outcome};
use waybill_model::failure::{TOO_LATE, may_be_there};
use waybill_model::id::{Code, ConnectionId, EffectKey, ExternalId, TrackingNumber};
use waybill_model::money::Amount;
use waybill_model::order::{Order, OrderPayment};
use waybill_model::ownership::Role;
use waybill_model::payment::{Payment, PaymentStatus, Refund, RefundStatus};
use waybill_model::returns::{Disposition, Return, ReturnStatus};
use waybill_model::shipment::{Shipment, ShipmentStatus};
use waybill_model::time::Instant;

/// A state with the rules that apply to it, once its order is known.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The state.
    pub state: &'a OrderState,
    /// The newest snapshot.
    pub order: &'a Order,
    /// Settings of its channel.
    pub settings: &'a ChannelSettings,
    /// All connections.
    pub rules: &'a Connections,
    /// Now.
    pub now: Instant,
}

/// One refund with both stories.
#[derive(Debug, Clone, Copy)]
pub struct RefundView<'a> {
    /// Its id.
    pub id: &'a ExternalId,
    /// The channel's story: why, and for which goods.
    pub channel: Option<&'a Refund>,
    /// The gateway's story: whether money went back.
    pub gateway: Option<&'a Refund>,
}

impl RefundView<'_> {
    /// Whether the money went back: the gateway knows best.
    #[must_use]
    pub fn status(&self) -> Option<RefundStatus> {
        self.gateway.or(self.channel).map(|r| r.status)
    }

    /// Whether the channel asks for it to be paid and the gateway knows nothing of it.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let asks = |r: &Refund| r.status == RefundStatus::Requested;
        self.channel.is_some_and(asks) && self.gateway.is_none()
    }
}

impl<'a> View<'a> {
    /// The view of a state; none before its order is known or if its channel is not configured.
    #[must_use]
    pub fn new(state: &'a OrderState, rules: &'a Connections, now: Instant) -> Option<Self> {
        let order = state.facts.order.as_ref()?;
        let settings = rules.channel(&order.channel)?;
        Some(Self {
            state,
            order,
            settings,
            rules,
            now,
        })
    }

    /// What is known.
    #[must_use]
    pub fn facts(&self) -> &'a Facts {
        &self.state.facts
    }

    /// What blocks the order and no person let pass.
    pub fn blocking(&self) -> impl Iterator<Item = Cow<'a, Finding>> {
        self.state.blocking()
    }

    /// Whether the payment gate is open (features V2).
    #[must_use]
    pub fn is_paid(&self) -> bool {
        match self.settings.payment_gate {
            PaymentGate::None => true,
            PaymentGate::Paid => self.is_paid_at(PaymentStatus::Captured),
            PaymentGate::Authorized => self.is_paid_at(PaymentStatus::Authorized),
        }
    }

    /// Whether all that is owed is paid, or at least reserved if `needed` is so.
    #[must_use]
    pub fn is_paid_at(&self, needed: PaymentStatus) -> bool {
        let order = self.order;
        let due = order
            .totals
            .total
            .minus(order.gift_card_paid)
            .unwrap_or(order.totals.total);
        let stated = match order.payment {
            OrderPayment::Paid | OrderPayment::PartiallyRefunded | OrderPayment::Refunded => true,
            OrderPayment::Authorized => needed == PaymentStatus::Authorized,
            OrderPayment::Pending | OrderPayment::PartiallyPaid | OrderPayment::Voided => false,
        };
        let told = Amount::sum(self.payments(needed).map(|p| p.amount.amount));
        stated || due.is_zero() || told.is_some_and(|sum| !sum.is_zero() && sum >= due)
    }

    /// Payments in the order's currency that are at least at `status`; failed ones are below.
    pub fn payments(&self, status: PaymentStatus) -> impl Iterator<Item = &'a Payment> {
        let currency = self.order.currency;
        self.facts().payments.values().filter(move |p| {
            p.amount.currency == currency
                && p.status >= status
                && p.status != PaymentStatus::Cancelled
        })
    }

    /// End of the window in which the customer may still change the order.
    #[must_use]
    pub fn hold_ends(&self) -> Instant {
        self.order
            .placed_at
            .plus_ms(i64::from(self.settings.hold_minutes) * 60_000)
    }

    /// Whether the order may be written and released.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.order.cancelled.is_none()
            && self.blocking().next().is_none()
            && self.is_paid()
            && (self.settings.hold_minutes == 0 || self.now >= self.hold_ends())
    }

    /// An effect by its key.
    #[must_use]
    pub fn effect(&self, key: &EffectKey) -> Option<&'a Effect> {
        self.state.effects.get(key)
    }

    /// Whether an effect is there.
    #[must_use]
    pub fn is_done(&self, key: &EffectKey) -> bool {
        matches!(
            self.effect(key).and_then(|e| e.outcome.as_ref()),
            Some(Outcome::Done { .. })
        )
    }

    /// The code of an effect's rejection, until it is issued again.
    #[must_use]
    pub fn rejection(&self, key: &EffectKey) -> Option<&'a Code> {
        match self.effect(key)?.outcome.as_ref()? {
            Outcome::Rejected { code, .. } => Some(code),
            Outcome::Done { .. } => None,
        }
    }

    /// Whether an effect was rejected without its partner's no: it may be there all the same.
    #[must_use]
    pub fn may_be_there(&self, key: &EffectKey) -> bool {
        self.rejection(key).is_some_and(may_be_there)
    }

    /// Whether an effect was rejected, and so that it is not there.
    #[must_use]
    pub fn is_refused(&self, key: &EffectKey) -> bool {
        self.rejection(key).is_some_and(|code| !may_be_there(code))
    }

    /// Effects whose keys begin with `prefix` and `/`, with what follows it.
    pub fn effects_of(
        &self,
        prefix: &'static str,
    ) -> impl Iterator<Item = (&'a EffectKey, &'a str, &'a Effect)> {
        self.state.effects.iter().filter_map(move |(key, effect)| {
            let rest = key.as_str().strip_prefix(prefix)?.strip_prefix('/')?;
            Some((key, rest, effect))
        })
    }

    /// The warehouse that was asked to fulfil, if one was.
    #[must_use]
    pub fn released_to(&self) -> Option<(ConnectionId, &'a Effect)> {
        self.effects_of("fulfillment_order.create")
            .find_map(|(_, id, effect)| Some((ConnectionId::new(id).ok()?, effect)))
    }

    /// The newest amendment of the sale order that was asked for, with its number.
    #[must_use]
    pub fn last_amendment(&self) -> Option<(u64, &'a Effect)> {
        self.effects_of(keys::AMEND)
            .filter_map(|(_, number, effect)| Some((number.parse().ok()?, effect)))
            .max_by_key(|(number, _)| *number)
    }

    /// The warehouse said that it was too late to stop the order.
    #[must_use]
    pub fn lost_the_race(&self) -> bool {
        self.released_to().is_some_and(|(warehouse, _)| {
            self.rejection(&keys::cancel_release(&warehouse))
                .is_some_and(|code| code.as_str() == TOO_LATE)
        })
    }

    /// The effect that tells numbers which came after the shipment's `first` effect, if there are
    /// any and no earlier such effect is under way: two at once could arrive the wrong way round.
    #[must_use]
    pub fn later_tracking(
        &self,
        first: &EffectKey,
        prefix: &'static str,
        shipment: &Shipment,
    ) -> Option<EffectKey> {
        let numbers = shipment.tracking_numbers();
        let told = self.state.told_numbers.get(first)?;
        let key = keys::later_tracking(prefix, &shipment.id, &numbers);
        let of_shipment = format!("{}/", shipment.id);
        let waits = self
            .effects_of(prefix)
            .any(|(k, rest, e)| *k != key && rest.starts_with(&of_shipment) && e.outcome.is_none());
        let is_new = !numbers.is_subset(told);
        (is_new && !waits && self.is_done(first)).then_some(key)
    }

    /// Whether every line that ships has left in full. A shipment without lines counts as all of
    /// them: its warehouse does not say.
    #[must_use]
    pub fn is_all_shipped(&self) -> bool {
        is_all_shipped(self.order, self.facts())
    }

    /// Shipments that have left.
    pub fn shipped(&self) -> impl Iterator<Item = &'a Shipment> {
        self.facts()
            .shipments
            .values()
            .filter(|s| s.status >= ShipmentStatus::Shipped)
    }

    /// Tracking numbers of what has left.
    pub fn tracking_numbers(&self) -> impl Iterator<Item = (&'a TrackingNumber, &'a Shipment)> {
        self.shipped().flat_map(|s| {
            s.parcels
                .iter()
                .filter_map(move |p| Some((p.tracking_number.as_ref()?, s)))
        })
    }

    /// Refunds with both stories. The gateway's story of a refund that it did not make for us has
    /// the gateway's own id: it belongs to the refund whose channel story names that id.
    pub fn refunds(&self) -> impl Iterator<Item = RefundView<'a>> {
        let (rules, refunds) = (self.rules, &self.facts().refunds);
        let claimed: BTreeSet<&ExternalId> = refunds
            .values()
            .filter_map(|stories| told_by(stories, rules, Role::Channel))
            .filter_map(|told| told.gateway_id.as_ref())
            .collect();
        refunds.iter().filter_map(move |(id, stories)| {
            let channel = told_by(stories, rules, Role::Channel);
            if channel.is_none() && claimed.contains(id) {
                return None;
            }
            let elsewhere = || {
                let stories = refunds.get(channel?.gateway_id.as_ref()?)?;
                told_by(stories, rules, Role::Gateway)
            };
            let gateway = told_by(stories, rules, Role::Gateway).or_else(elsewhere);
            Some(RefundView {
                id,
                channel,
                gateway,
            })
        })
    }

    /// A refund at the gateway that no channel story claims and that may be this one: of the same
    /// amount, and not failed.
    #[must_use]
    pub fn maybe_paid(&self, refund: &RefundView<'_>) -> Option<&'a Refund> {
        let amount = refund.channel.filter(|_| refund.gateway.is_none())?.amount;
        let unclaimed = self.refunds().filter(|r| r.channel.is_none());
        unclaimed.filter_map(|r| r.gateway).find(|r| {
            r.amount == amount
                && !matches!(r.status, RefundStatus::Failed | RefundStatus::Cancelled)
        })
    }

    /// Returns whose goods are in the warehouse and whose dispositions are final.
    pub fn received_returns(&self) -> impl Iterator<Item = &'a Return> {
        let rules = self.rules;
        self.facts().returns.values().filter_map(move |stories| {
            let told = told_by(stories, rules, Role::Warehouse)?;
            let known = told
                .lines
                .iter()
                .all(|l| l.disposition != Disposition::Unknown);
            let received = told.status == ReturnStatus::Completed
                || (told.status == ReturnStatus::Received && known);
            (received && !told.lines.is_empty()).then_some(told)
        })
    }
}

fn told_by<'a, T>(
    stories: &'a BTreeMap<ConnectionId, T>,
    rules: &Connections,
    role: Role,
) -> Option<&'a T> {
    let teller = |id: &ConnectionId| rules.get(id).is_some_and(|c| c.has_role(role));
    stories
        .iter()
        .find(|(id, _)| teller(id))
        .map(|(_, told)| told)
}
