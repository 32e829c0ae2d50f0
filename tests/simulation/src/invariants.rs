//! What must be true once all is told, the faults have stopped and nothing moves.
//!
//! What is counted twice is found where it happens: see `erp` and `partners`.

use crate::causes::{self, Cases};
use crate::erp::SaleOrder;
use crate::erp_keys;
use crate::partners::{Partners, Sold, Work};
use crate::stock;
use crate::world::{GATEWAY, World};
use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::axes::axes;
use waybill_flow::connections::InvoicingPolicy;
use waybill_flow::ports::{Parked, Stored};
use waybill_flow::state::Facts;
use waybill_model::case::CaseStatus;
use waybill_model::command::{CommandKind, PaymentDirection};
use waybill_model::id::CorrelationId;
use waybill_model::money::Amount;
use waybill_model::payment::RefundStatus;
use waybill_model::shipment::Shipment;
use waybill_testkit::build;

/// Calls to an endpoint that is away until everybody knows.
const CALLS_AT_FIRST: u64 = 20;
/// Then: probes, and the schedules.
const CALLS_A_MINUTE: u64 = 1;

/// Cases that an agent has to talk with the customer about.
const AGENTS_ACT_ON: [&str; 2] = ["too_late", "edited_after_release"];

struct Look<'a> {
    world: &'a World,
    partners: &'a Partners,
    odoo: &'a BTreeMap<CorrelationId, SaleOrder>,
    stored: BTreeMap<CorrelationId, Stored>,
    /// Orders with an open case, with its codes.
    cases: Cases,
}

/// Checks everything.
pub fn check(world: &World, poisons: u64) {
    let cases = open_cases(world);
    causes::check(world, &cases, |_| false);
    let partners = world.partners.lock().unwrap();
    let erp = world.erp.lock().unwrap();
    let look = Look {
        world,
        partners: &partners,
        odoo: &erp.orders,
        stored: world.orders.all(),
        cases,
    };
    let all = world.orders.all_cases();
    let quarantined = all
        .iter()
        .filter(|c| c.code.as_str().starts_with("un") && c.correlation_id.is_none());
    let quarantined = quarantined.count() as u64;
    let most = poisons + partners.unreadable_again + world.all_garbled();
    if !(poisons..=most).contains(&quarantined) {
        world.sim.wrong(format!(
            "{poisons} unreadable messages, and {quarantined} cases about them"
        ));
    }
    erp_keys::check(world);
    for (endpoint, minutes, calls) in world.all_in_vain() {
        let most = CALLS_AT_FIRST + CALLS_A_MINUTE * minutes;
        if calls > most {
            world.sim.wrong(format!(
                "`{endpoint}` was away for {minutes} minutes and called {calls} times, more than {most}"
            ));
        }
    }
    if partners.is_unsubscribed {
        let told = "the channel forgot our subscription, and nobody made it again";
        world.sim.wrong(told.to_owned());
    }
    for (queue, message) in world.sqs.lock().unwrap().dead() {
        world.sim.wrong(format!(
            "message {} of {queue} is in the dead-letter queue",
            message.id
        ));
    }
    // One that was handed on all the same may be left behind: it expires.
    let mut applied = world.orders.all_applied();
    // What tells of a parcel that was never told of has nobody that it could be handed to.
    let parked = world.orders.all_parked();
    let waits = |p: &&Parked| partners.is_of_unheard(p.reference.id.as_str());
    applied.extend(parked.iter().filter(waits).map(|p| p.event.id.clone()));
    for (_, name) in partners.missed(&applied) {
        world
            .sim
            .wrong(format!("{name} was acknowledged, and no order knows of it"));
    }
    for parked in parked {
        if !applied.contains(&parked.event.id) {
            let reference = &parked.reference;
            world
                .sim
                .wrong(format!("an event still waits for its order: {reference:?}"));
        }
    }
    for (id, sold) in &partners.sold {
        look.order(*id, sold);
    }
    stock::check(world, &partners, &erp, &look.cases);
    for id in erp
        .orders
        .keys()
        .filter(|id| !partners.sold.contains_key(id))
    {
        world
            .sim
            .wrong(format!("{id}: in Odoo, and nobody ordered it"));
    }
}

/// What is told again of an order that our tables have forgotten is done for nobody: a person is asked about it.
pub fn check_forgotten(world: &World) {
    let cases = open_cases(world);
    causes::check(world, &cases, |_| false);
    for (id, stored) in world.orders.all() {
        let Some(order) = &stored.state.facts.order else {
            continue;
        };
        let codes = cases.get(&id).cloned().unwrap_or_default();
        if order.cancelled.is_none() && !codes.contains("order_too_old") {
            world.sim.wrong(format!(
                "{id}: it was told again after more than a year, and nobody is asked; open cases: {codes:?}"
            ));
        }
        let mut effects = stored.state.effects.iter();
        if let Some((key, _)) = effects.find(|(_, e)| e.command != CommandKind::UpdateTicket) {
            world.sim.wrong(format!(
                "{id}: it was told again after more than a year, and `{key}` is asked for"
            ));
        }
    }
}

/// Orders with an open case, with its codes. Every case must say what is wrong, and what to do.
pub(crate) fn open_cases(world: &World) -> Cases {
    let mut cases = Cases::new();
    let all = world.orders.all_cases();
    for case in all.iter().filter(|c| c.status == CaseStatus::Open) {
        if let Some(id) = case.correlation_id {
            cases.entry(id).or_default().insert(case.code.to_string());
        }
        if case.remedy.trim().is_empty() || case.detail.trim().is_empty() {
            world.sim.wrong(format!(
                "case `{}` says not what is wrong, or not what to do",
                case.code
            ));
        }
    }
    cases
}

/// What is booked of an order in one direction.
fn total(order: &SaleOrder, direction: PaymentDirection) -> Amount {
    let booked = order.payments.iter().filter(|((d, _), _)| *d == direction);
    let amounts = booked.map(|(_, (_, money))| money.amount);
    Amount::sum(amounts).expect("a few payments")
}

impl Look<'_> {
    fn wrong(&self, id: CorrelationId, what: &str) {
        let cases = self.cases.get(&id).cloned().unwrap_or_default();
        let number = self
            .partners
            .sold
            .get(&id)
            .map_or(String::new(), |s| s.order.id.to_string());
        self.world.sim.wrong(format!(
            "{id} (order {number}): {what}; open cases: {cases:?}"
        ));
    }

    /// Whether a person is told so by an open case with this code.
    fn is_told(&self, id: CorrelationId, code: &str) -> bool {
        self.cases.get(&id).is_some_and(|c| c.contains(code))
    }

    fn order(&self, id: CorrelationId, sold: &Sold) {
        let Some(stored) = self.stored.get(&id) else {
            return self.wrong(id, "it was told, and Waybill does not know it");
        };
        // What was sent and could not be taken off the outbox is sent again with the next event.
        let unsent = stored.outbox.iter().filter_map(|c| c.effect.as_ref());
        for effect in unsent.filter_map(|key| stored.state.effects.get(key)) {
            if effect.outcome.is_none() {
                self.wrong(id, "a command was never sent");
            }
        }
        let known = stored.state.facts.order.as_ref();
        let newest = known.map(|o| waybill_model::order::Order {
            version: sold.order.version,
            ..o.clone()
        });
        if newest.as_ref() != Some(&sold.order) {
            self.wrong(id, "the newest snapshot is not known");
        }
        for (key, effect) in &stored.state.effects {
            if effect.outcome.is_none() {
                self.wrong(id, &format!("`{key}` was asked for and never ended"));
            }
        }
        let erp = self.odoo.get(&id);
        let work = self.partners.work.get(&id);
        self.due(id, sold, erp, work);
        if self.partners.unheard.contains_key(&id) {
            return self.unheard(id, sold, &stored.state.facts, work);
        }
        self.shipped(id, sold, erp, work);
        self.money(id, sold, erp);
        self.ticket(id, stored, work);
    }

    /// Of an order of which something was never told, it is known all the same, or a person is asked for it.
    fn unheard(&self, id: CorrelationId, sold: &Sold, facts: &Facts, work: Option<&Work>) {
        let shipments = work.map_or(&[][..], |w| &w.shipments);
        let unknown = |s: &&Shipment| !facts.shipments.contains_key(&s.id);
        for shipment in shipments.iter().filter(unknown) {
            let is_live = sold.order.cancelled.is_none();
            let code = if is_live { "ship_overdue" } else { "too_late" };
            let came_back = !is_live && work.is_some_and(|w| !w.returns.is_empty());
            let is_asked = self.is_told(id, code) || came_back;
            if !is_asked || !self.partners.is_unheard(id, shipment.id.as_str()) {
                let told = format!("`{}` has left, and nobody knows of it", shipment.id);
                self.wrong(id, &told);
            }
        }
        let gateway = build::connection(GATEWAY);
        for refund in sold.refunds.keys() {
            let is_known = facts
                .refunds
                .get(refund)
                .is_some_and(|r| r.contains_key(&gateway));
            if !is_known && !self.is_told(id, "credit_note_overdue") {
                let told = format!("what became of `{refund}` was never told, and nobody asks");
                self.wrong(id, &told);
            }
        }
    }

    /// What an agent sees is what happened: where the order stands, every parcel, and who has to act.
    fn ticket(&self, id: CorrelationId, stored: &Stored, work: Option<&Work>) {
        let shipments = work.map_or(&[][..], |w| &w.shipments);
        let Some(ticket) = self.partners.tickets.get(&id) else {
            if !shipments.is_empty() {
                self.wrong(id, "goods left, and no agent can see it");
            }
            return;
        };
        let seen = &ticket.context;
        if seen.axes != axes(&stored.state).to_map() {
            let told = format!("an agent sees {:?}", seen.summary);
            self.wrong(id, &told);
        }
        let numbers: BTreeSet<_> = shipments
            .iter()
            .flat_map(Shipment::tracking_numbers)
            .collect();
        let told: BTreeSet<_> = seen.tracking_numbers.iter().cloned().collect();
        if numbers != told {
            let told = format!("an agent sees the parcels {told:?}, and {numbers:?} left");
            self.wrong(id, &told);
        }
        let must_act = AGENTS_ACT_ON.iter().any(|code| self.is_told(id, code));
        if seen.needs_attention != must_act {
            let told = format!("an agent is told to act on {:?}", seen.exceptions);
            self.wrong(id, &told);
        }
    }

    /// Written and released if it is to be, and not otherwise.
    fn due(&self, id: CorrelationId, sold: &Sold, erp: Option<&SaleOrder>, work: Option<&Work>) {
        let live = sold.order.cancelled.is_none();
        let due = sold.paid && sold.clean;
        let open = erp.filter(|o| o.confirmed && !o.cancelled);
        if live && due && open.is_none() {
            self.wrong(id, "it is paid and clean, and not confirmed in Odoo");
        }
        if live && due && work.is_none_or(|w| w.cancelled) {
            self.wrong(id, "it is paid and clean, and not at the warehouse");
        }
        if live && !sold.clean && !self.is_told(id, "total_mismatch") {
            self.wrong(id, "something is wrong with it, and nobody is told");
        }
        if live
            && let Some(open) = open
            && !self.is_told(id, "edited_after_release")
        {
            let wanted: BTreeMap<_, _> = sold
                .order
                .lines
                .iter()
                .map(|l| (l.id.clone(), l.current_quantity))
                .collect();
            if open.lines != wanted || open.total.amount != sold.order.totals.total {
                self.wrong(
                    id,
                    "Odoo has other lines than the channel, or another total",
                );
            }
        }
        if !live && open.is_some() && !self.is_told(id, "too_late") {
            self.wrong(id, "it was cancelled, and is open in Odoo");
        }
        if !live && work.is_some_and(|w| !w.cancelled) && !self.is_told(id, "too_late") {
            self.wrong(id, "it was cancelled, and the warehouse was not stopped");
        }
    }

    /// What left is booked once, told once, and so is what came back.
    fn shipped(
        &self,
        id: CorrelationId,
        sold: &Sold,
        erp: Option<&SaleOrder>,
        work: Option<&Work>,
    ) {
        let Some(work) = work else { return };
        for shipment in &work.shipments {
            let booked = erp
                .and_then(|o| o.deliveries.get(&shipment.id))
                .copied()
                .unwrap_or(0);
            let is_too_late = self.is_told(id, "too_late") && erp.is_some_and(|o| o.cancelled);
            if booked != 1 && !is_too_late {
                self.wrong(
                    id,
                    &format!("`{}` is booked {booked} times in Odoo", shipment.id),
                );
            }
            let told = sold.fulfilled.get(&shipment.id);
            let numbers = told.map(|t| t.1.clone()).unwrap_or_default();
            let live = sold.order.cancelled.is_none();
            if live && !shipment.tracking_numbers().is_subset(&numbers) {
                self.wrong(
                    id,
                    &format!("the channel does not know all numbers of `{}`", shipment.id),
                );
            }
        }
        for number in work.shipments.iter().flat_map(Shipment::tracking_numbers) {
            if !self.partners.followed.contains(&number) {
                let told = format!("`{number}` has left, and nobody follows it");
                self.wrong(id, &told);
            }
        }
        for returned in &work.returns {
            let booked = erp
                .and_then(|o| o.returns.get(&returned.id))
                .copied()
                .unwrap_or(0);
            if booked != 1 {
                self.wrong(
                    id,
                    &format!("`{}` is received {booked} times in Odoo", returned.id),
                );
            }
        }
        let booked: BTreeSet<_> = erp.iter().flat_map(|o| o.deliveries.keys()).collect();
        for shipment in booked {
            if work.shipments.iter().all(|s| s.id != *shipment) {
                self.wrong(
                    id,
                    &format!("`{shipment}` is booked in Odoo, and nothing left"),
                );
            }
        }
    }

    /// What was paid back is paid back once and accounted for to the cent.
    fn money(&self, id: CorrelationId, sold: &Sold, erp: Option<&SaleOrder>) {
        for refund in sold.refunds.values() {
            let paid = self.partners.paid_back.get(&(id, refund.id.clone()));
            if paid.is_none() {
                self.wrong(
                    id,
                    &format!(
                        "`{}` was asked for, and the gateway knows nothing",
                        refund.id
                    ),
                );
            }
            if paid.is_some_and(|p| p.command.amount != refund.amount) {
                self.wrong(id, &format!("`{}` was paid with another amount", refund.id));
            }
        }
        for (_, refund) in self.partners.paid_back.keys().filter(|(o, _)| *o == id) {
            if !sold.refunds.contains_key(refund) {
                let told = format!("`{refund}` was paid back, and nobody asked for it");
                self.wrong(id, &told);
            }
        }
        let Some(order) = erp else { return };
        self.books(id, sold, order);
        let went = self
            .partners
            .paid_back
            .iter()
            .filter(|((o, _), p)| *o == id && p.status == RefundStatus::Succeeded);
        let went = Amount::sum(went.map(|(_, p)| p.command.amount.amount));
        let credited = order.credits.values().filter(|(_, _, undone)| *undone == 0);
        let credited = Amount::sum(credited.map(|(_, money, _)| money.amount));
        // A cancelled order that was never invoiced has nothing to credit.
        let accounted = order.confirmed && (!order.cancelled || order.invoices > 0);
        if accounted && went != credited {
            self.wrong(
                id,
                &format!("{went:?} went back to the customer, {credited:?} is credited in Odoo"),
            );
        }
        let booked = total(order, PaymentDirection::PaidBack);
        if accounted && went != Some(booked) {
            self.wrong(
                id,
                &format!("{went:?} went back to the customer, {booked:?} is booked as paid back"),
            );
        }
        let received = total(order, PaymentDirection::Received);
        let captured = sold.captured.as_ref().map(|(_, money)| money.amount);
        let ours = captured.unwrap_or_default().minus(went.unwrap_or_default());
        let kept = received.minus(booked);
        if !order.payments.is_empty() && kept != ours {
            let told = format!("{ours:?} of the customer's money is ours, Odoo has {kept:?}");
            self.wrong(id, &told);
        }
    }

    /// What came is booked, and what was sold is invoiced as the connection says.
    fn books(&self, id: CorrelationId, sold: &Sold, order: &SaleOrder) {
        let policy = self.world.invoicing();
        let live = sold.order.cancelled.is_none() && order.confirmed && !order.cancelled;
        if policy == InvoicingPolicy::Manual && order.invoiced != Amount::ZERO {
            self.wrong(id, "it is invoiced, and a person should do that");
        }
        let all_shipped = self
            .stored
            .get(&id)
            .is_some_and(|s| matches!(axes(&s.state).fulfillment, "shipped" | "delivered"));
        let due = policy != InvoicingPolicy::Manual && all_shipped;
        let is_edited = self.is_told(id, "edited_after_release");
        if live && due && !is_edited && order.invoiced != order.total.amount {
            self.wrong(id, "all of it left, and it is not wholly invoiced");
        }
        // What was added later is on an invoice of its own.
        if order.invoices > 1 + u32::from(sold.is_edited || order.by_hand) {
            let told = format!("Odoo has {} invoices", order.invoices);
            self.wrong(id, &told);
        }
        let Some((payment, captured)) = &sold.captured else {
            return;
        };
        let key = (PaymentDirection::Received, payment.clone());
        let booked = order.payments.get(&key);
        let is_booked = live || !order.payments.is_empty();
        if is_booked && booked.is_none_or(|(_, money)| money != captured) {
            self.wrong(id, "what the customer paid is not booked in Odoo");
        }
    }
}
