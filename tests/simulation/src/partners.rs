//! The models of warehouse, gateway, channel, helpdesk and carrier service. Warehouse and channel speak our own format and know
//! every idempotency key for ever. The others know one only where they denied what they did, or do it late, and for hours only.
//! Else who asks twice gets it twice, and that is what the invariants look for.

use crate::breakage::Breakage;
use crate::life;
use crate::sim::HOUR;
use crate::stock::{self, Goods};
use crate::webhooks::Message;
use crate::world::{World, correlation};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::ports::Attempt;
use waybill_flow::state::Effect;
use waybill_model::command::{
    Command, CommandKind, CreateFulfillmentOrder, CreateRefund, OrderContext, UpdateTicket,
};
use waybill_model::event::{Event, OrderObserved};
use waybill_model::failure::{Failure, TOO_LATE};
use waybill_model::id::{
    Code, ConnectionId, CorrelationId, ExternalId, MessageId, RefKind, Reference, Sku,
    TrackingNumber,
};
use waybill_model::money::Money;
use waybill_model::order::{Order, Version};
use waybill_model::payment::{Refund, RefundStatus};
use waybill_model::quantity::Quantity;
use waybill_model::returns::Return;
use waybill_model::shipment::Shipment;
use waybill_model::stock::StockLevel;
use waybill_model::time::Instant;
use waybill_testkit::build;

/// How long a partner knows the key of what it denied: the shortest window of those that we call.
const KEY_MS: i64 = 2 * HOUR.cast_signed();

/// What a partner does later because of what it was asked.
#[derive(Debug, Clone)]
pub enum Follow {
    /// The warehouse picks, packs and ships.
    Fulfil(CorrelationId),
    /// The warehouse tells that it stopped.
    Stopped(CorrelationId),
    /// The gateway pays back.
    PayBack(CorrelationId, ExternalId),
    /// The carrier service tells of a parcel.
    Track(CorrelationId, TrackingNumber),
}

/// An answer, and what follows.
#[derive(Debug)]
pub struct Answer {
    /// To the caller.
    pub result: Result<Vec<Reference>, Failure>,
    /// Later.
    pub follow: Option<Follow>,
}

/// An order at the channel, with all that is true of it.
#[derive(Debug, Clone)]
pub struct Sold {
    /// The newest snapshot.
    pub order: Order,
    /// Everything that the channel can be asked about it, as it was from when on.
    pub past: Vec<Told>,
    /// The money has come.
    pub paid: bool,
    /// The gateway's payment, and how much it took.
    pub captured: Option<(ExternalId, Money)>,
    /// It is clean: nothing blocks it.
    pub clean: bool,
    /// The customer changed how many.
    pub is_edited: bool,
    /// Versions of which something is wrong with the order.
    pub unclean: BTreeSet<Version>,
    /// Versions that Waybill asked the warehouse by.
    pub released: BTreeSet<Version>,
    /// Odoo knows what it is made of.
    pub known: bool,
    /// What was to be shipped of it, by the version of its snapshot.
    pub goods: BTreeMap<Version, Goods>,
    /// Every refund, as the channel tells it.
    pub refunds: BTreeMap<ExternalId, Refund>,
    /// Every return, as the channel tells it.
    pub returns: BTreeMap<ExternalId, Return>,
    /// Shipments that the channel was told: how often, and their numbers.
    pub fulfilled: BTreeMap<ExternalId, (u32, BTreeSet<TrackingNumber>)>,
}

/// A state of an order, of a refund or of a return, as the channel tells it.
#[derive(Debug, Clone)]
pub struct Told {
    /// From when on.
    pub at: Instant,
    /// Of the order, or of which refund or return.
    pub of: Option<ExternalId>,
    /// A name for this state of it.
    pub name: String,
    /// The message.
    pub body: Value,
}

/// An order at the warehouse.
#[derive(Debug, Clone)]
pub struct Work {
    /// How often it was asked for.
    pub made: u32,
    /// The warehouse's id.
    pub id: ExternalId,
    /// What was asked for.
    pub command: CreateFulfillmentOrder,
    /// Called off.
    pub cancelled: bool,
    /// Everything that left.
    pub shipments: Vec<Shipment>,
    /// What came back.
    pub returns: Vec<Return>,
}

/// A refund at the gateway.
#[derive(Debug, Clone)]
pub struct PaidBack {
    /// How often it was asked for.
    pub made: u32,
    /// What was asked for.
    pub command: CreateRefund,
    /// Where it stands.
    pub status: RefundStatus,
}

/// An order's ticket at the helpdesk.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// How often it was made.
    pub made: u32,
    /// When last.
    pub made_at: Instant,
    /// The newest content.
    pub context: OrderContext,
}

/// Everybody but Odoo.
#[derive(Debug, Default)]
pub struct Partners {
    /// What we said that we have: every webhook that was acknowledged, by its event, with its name for a person.
    pub acknowledged: BTreeMap<MessageId, String>,
    /// The same with the headers that were believed.
    pub told: Vec<(Message, Map<String, Value>)>,
    /// How often what nobody can read came to us once more, by a call that was repeated or by a redrive: each may be a case
    /// of its own.
    pub unreadable_again: u64,
    /// What never came to us, by its order and name.
    pub unheard: BTreeMap<CorrelationId, BTreeSet<String>>,
    /// The channel does not know where to send webhooks.
    pub is_unsubscribed: bool,
    /// Our tables have forgotten everything.
    pub is_forgotten: bool,
    /// Orders at the channel, by number of the order.
    pub sold: BTreeMap<CorrelationId, Sold>,
    /// At the warehouse.
    pub work: BTreeMap<CorrelationId, Work>,
    /// At the gateway.
    pub paid_back: BTreeMap<(CorrelationId, ExternalId), PaidBack>,
    /// At the helpdesk.
    pub tickets: BTreeMap<CorrelationId, Ticket>,
    /// Parcels that the carrier service follows.
    pub followed: BTreeSet<TrackingNumber>,
    /// What the channel offers: what it was told last.
    pub levels: BTreeMap<Sku, Quantity>,
    /// What the warehouse counted last.
    pub counts: BTreeMap<Sku, StockLevel>,
    /// Keys of what was done and denied, or done late, and when.
    pub carried_out: BTreeMap<MessageId, Instant>,
    /// Keys of what was done, at those who keep them for ever.
    pub kept: BTreeSet<MessageId>,
    /// Keys of what is done late.
    pub belated: BTreeSet<MessageId>,
}

fn refused(code: &'static str) -> Failure {
    Failure::Rejected {
        code: Code::literal(code),
        detail: "the model of the partner says no".to_owned(),
        remedy: "look at the partner".to_owned(),
    }
}

fn made(system: &ConnectionId, kind: RefKind, id: &ExternalId) -> Vec<Reference> {
    vec![Reference::new(system.clone(), kind, id.clone())]
}

fn nothing(result: Result<Vec<Reference>, Failure>) -> Answer {
    Answer {
        result,
        follow: None,
    }
}

impl Partners {
    /// Whether what a command asks for is there.
    #[must_use]
    pub fn has(&self, command: &Command, id: CorrelationId) -> bool {
        match command {
            Command::CreateFulfillmentOrder(_) => self.work.contains_key(&id),
            Command::CancelFulfillmentOrder(_) => self.work.get(&id).is_some_and(|w| w.cancelled),
            Command::CreateRefund(c) => self.paid_back.contains_key(&(id, c.refund_id.clone())),
            Command::PublishFulfillment(c) => self.sold.get(&id).is_some_and(|s| {
                let told = s.fulfilled.get(&c.shipment.id);
                told.is_some_and(|(_, numbers)| c.shipment.tracking_numbers().is_subset(numbers))
            }),
            Command::UpdateTicket(_) => self.tickets.contains_key(&id),
            Command::SubscribeTracking(c) => self.followed.contains(&c.tracking_number),
            _ => false,
        }
    }

    /// What was acknowledged and is not known, with its event. Counts of stock belong to no order.
    pub fn missed<'a>(
        &'a self,
        known: &BTreeSet<MessageId>,
    ) -> impl Iterator<Item = (&'a MessageId, &'a str)> {
        let missed = self
            .acknowledged
            .iter()
            .filter(|(event, _)| !known.contains(*event));
        let names = missed.map(|(event, name)| (event, name.as_str()));
        names.filter(|(_, name)| !name.trim_start_matches('`').starts_with(life::COUNT))
    }

    /// Whether all that was told of something, in all its versions, or of what it ended as, never came.
    #[must_use]
    pub fn is_unheard(&self, id: CorrelationId, name: &str) -> bool {
        let mut names = self.unheard.get(&id).into_iter().flatten();
        names.any(|n| n.starts_with(name))
    }

    /// Whether a reference of a warehouse names something of an order of which something was never told.
    #[must_use]
    pub fn is_of_unheard(&self, reference: &str) -> bool {
        let names = |id: &CorrelationId| {
            let (ours, parcel) = (id.to_string(), id.to_string().replace('-', ""));
            reference.contains(&ours) || reference.contains(&parcel)
        };
        self.unheard.keys().any(names)
    }

    /// Whether a key is known: where keys are kept, or of something that was done and denied, or that is asked for again while
    /// it is done late.
    #[must_use]
    pub fn knows(&self, key: &MessageId, now: Instant) -> bool {
        let at = self.carried_out.get(key);
        self.kept.contains(key) || at.is_some_and(|at| now.ms_since(*at) < KEY_MS)
    }

    /// Does it. `known`: whoever asks looked before, and found it.
    pub fn execute(
        &mut self,
        world: &World,
        command: &Command,
        id: CorrelationId,
        attempt: Attempt,
        known: bool,
    ) -> Answer {
        match command {
            Command::CreateFulfillmentOrder(c) => self.fulfil(world, id, c, known),
            Command::CancelFulfillmentOrder(_) => self.stop(id, attempt),
            Command::CreateRefund(_) if world.sim.is_broken(Breakage::NoRefunds) => {
                nothing(Ok(Vec::new()))
            }
            Command::CreateRefund(c) => self.pay_back(world, id, c, known),
            Command::PublishFulfillment(c) => nothing(self.publish(world, id, &c.shipment, known)),
            Command::UpdateTicket(c) => nothing(self.ticket(world, id, c, known)),
            Command::PublishStock(_) if known => nothing(Ok(Vec::new())),
            // It takes what it is told last.
            Command::PublishStock(c) => {
                let levels = c.levels.iter().map(|l| (l.sku.clone(), l.quantity));
                self.levels.extend(levels);
                nothing(Ok(Vec::new()))
            }
            Command::SubscribeTracking(c) => {
                self.track(world, id, &c.tracking_number, (attempt, known))
            }
            _ => nothing(Ok(Vec::new())),
        }
    }

    /// Only what is paid and clean may have any effect.
    pub fn must_be_due(&self, world: &World, id: CorrelationId, what: &str) {
        let sold = self.sold.get(&id);
        if !sold.is_some_and(|s| s.paid && s.clean) {
            world.sim.wrong(format!(
                "{id}: {what} although it is not paid, or not clean"
            ));
        }
    }

    fn fulfil(
        &mut self,
        world: &World,
        id: CorrelationId,
        c: &CreateFulfillmentOrder,
        known: bool,
    ) -> Answer {
        let mut c = c.clone();
        if world.sim.is_broken(Breakage::FirstLineAsked) {
            c.lines.truncate(1);
        }
        self.must_be_due(world, id, "released");
        let in_odoo = world
            .erp
            .lock()
            .unwrap()
            .orders
            .get(&id)
            .is_some_and(|o| o.confirmed);
        if !in_odoo {
            world
                .sim
                .wrong(format!("{id}: released, and it is not confirmed in Odoo"));
        }
        stock::asked(world, self.sold.get(&id), id, &c);
        let work_id = build::external(&format!("W-{id}"));
        let reference = made(&c.warehouse, RefKind::FulfillmentOrder, &work_id);
        if known {
            return nothing(Ok(reference));
        }
        if let Some(work) = self.work.get_mut(&id) {
            work.made += 1;
            world
                .sim
                .wrong(format!("{id}: the warehouse has it {} times", work.made));
            return nothing(Ok(reference));
        }
        let work = Work {
            made: 1,
            id: work_id,
            command: c,
            cancelled: false,
            shipments: Vec::new(),
            returns: Vec::new(),
        };
        self.work.insert(id, work);
        Answer {
            result: Ok(reference),
            follow: Some(Follow::Fulfil(id)),
        }
    }

    fn stop(&mut self, id: CorrelationId, attempt: Attempt) -> Answer {
        let Some(work) = self.work.get_mut(&id) else {
            // Its search lags: not to find it once proves nothing, as the adapters have it.
            return nothing(match attempt {
                Attempt::First => Err(Failure::Indeterminate {
                    code: Code::literal("not_found_yet"),
                    detail: "simulated".to_owned(),
                }),
                Attempt::InDoubt => Ok(Vec::new()),
            });
        };
        if !work.shipments.is_empty() {
            return nothing(Err(refused(TOO_LATE)));
        }
        let first = !std::mem::replace(&mut work.cancelled, true);
        Answer {
            result: Ok(Vec::new()),
            follow: first.then_some(Follow::Stopped(id)),
        }
    }

    fn pay_back(
        &mut self,
        world: &World,
        id: CorrelationId,
        c: &CreateRefund,
        known: bool,
    ) -> Answer {
        let reference = made(
            &c.gateway,
            RefKind::Refund,
            &build::external(&format!("re-{id}-{}", c.refund_id)),
        );
        if known {
            return nothing(Ok(reference));
        }
        let asked = self.sold.get(&id).and_then(|s| s.refunds.get(&c.refund_id));
        if asked.is_none_or(|r| r.amount != c.amount) {
            world.sim.wrong(format!(
                "{id}: `{}` is paid back, and the shop asked for {asked:?}",
                c.refund_id
            ));
        }
        let key = (id, c.refund_id.clone());
        if let Some(paid) = self.paid_back.get_mut(&key) {
            paid.made += 1;
            world.sim.wrong(format!(
                "{id}: refund `{}` was paid {} times",
                c.refund_id, paid.made
            ));
            return nothing(Ok(reference));
        }
        let paid = PaidBack {
            made: 1,
            command: c.clone(),
            status: RefundStatus::Pending,
        };
        self.paid_back.insert(key, paid);
        Answer {
            result: Ok(reference),
            follow: Some(Follow::PayBack(id, c.refund_id.clone())),
        }
    }

    /// The key of a new ticket is the order's: who makes another one meanwhile is told that the key was used.
    fn ticket(
        &mut self,
        world: &World,
        id: CorrelationId,
        c: &UpdateTicket,
        known: bool,
    ) -> Result<Vec<Reference>, Failure> {
        let now = world.sim.now();
        let ticket = self.tickets.entry(id).or_insert_with(|| Ticket {
            made: 0,
            made_at: now,
            context: c.context.clone(),
        });
        if !known && ticket.made > 0 && now.ms_since(ticket.made_at) < KEY_MS {
            return Err(Failure::Indeterminate {
                code: Code::literal("idempotency_key_reused"),
                detail: "simulated".to_owned(),
            });
        }
        if !known {
            ticket.made += 1;
            ticket.made_at = now;
            if ticket.made > 1 {
                world.sim.wrong(format!("{id}: {} tickets", ticket.made));
            }
        }
        let is_told = !world.sim.is_broken(Breakage::NoNews);
        if is_told && ticket.context.revision < c.context.revision {
            ticket.context = c.context.clone();
        }
        let ticket_id = build::external(&format!("T-{id}"));
        Ok(made(&c.helpdesk, RefKind::Ticket, &ticket_id))
    }

    /// It answers a number that it follows already as the first time. But only who is in doubt asks again.
    fn track(
        &mut self,
        world: &World,
        id: CorrelationId,
        number: &TrackingNumber,
        (attempt, known): (Attempt, bool),
    ) -> Answer {
        if known || world.sim.is_broken(Breakage::NoTracking) {
            return nothing(Ok(Vec::new()));
        }
        let is_new = self.followed.insert(number.clone());
        if !is_new && attempt == Attempt::First {
            world.sim.wrong(format!(
                "{id}: the carrier service is asked twice to follow `{number}`"
            ));
        }
        Answer {
            result: Ok(Vec::new()),
            follow: is_new.then(|| Follow::Track(id, number.clone())),
        }
    }

    fn publish(
        &mut self,
        world: &World,
        id: CorrelationId,
        shipment: &Shipment,
        known: bool,
    ) -> Result<Vec<Reference>, Failure> {
        let sold = self
            .sold
            .get_mut(&id)
            .ok_or_else(|| refused("unknown_order"))?;
        if known {
            return Ok(Vec::new());
        }
        if sold.order.cancelled.is_some() {
            return Err(refused("order_cancelled"));
        }
        let numbers = shipment.tracking_numbers();
        let told = sold.fulfilled.entry(shipment.id.clone()).or_default();
        let later = told.0 > 0 && !numbers.is_subset(&told.1);
        told.1.extend(numbers);
        if !later {
            told.0 += 1;
            // What was given up in doubt is told once more with what came later, and again under a key of its own.
            let was_in_doubt = is_told_anew(world, id);
            if told.0 > 1 && !was_in_doubt {
                world.sim.wrong(format!(
                    "{id}: the channel was told of `{}` {} times",
                    shipment.id, told.0
                ));
            }
        }
        Ok(Vec::new())
    }

    /// What changed at the channel since an instant, as it was at another: a name for each state of each thing, and its
    /// message.
    #[must_use]
    pub fn changed(&self, since: Instant, as_of: Instant) -> Vec<(String, Value)> {
        let mut found = Vec::new();
        for sold in self.sold.values() {
            let known = sold.past.iter().filter(|t| t.at <= as_of);
            if known.clone().any(|t| t.at >= since) {
                let newest: BTreeMap<_, _> = known.map(|t| (&t.of, t)).collect();
                found.extend(newest.values().map(|t| (t.name.clone(), t.body.clone())));
            }
        }
        found
    }
}

/// Whether the channel is told again of a shipment of the order, because nothing was known of the first time.
fn is_told_anew(world: &World, id: CorrelationId) -> bool {
    let tells = |e: &&Effect| e.command == CommandKind::PublishFulfillment;
    world.orders.look(|orders| {
        let effects = orders
            .get(&id)
            .into_iter()
            .flat_map(|o| o.state.effects.values());
        effects.filter(tells).any(|effect| effect.attempt > 1)
    })
}

impl Sold {
    /// Keeps what the channel tells of it from now on.
    pub fn keep(&mut self, at: Instant, of: Option<&ExternalId>, name: &str, body: &Value) {
        self.past.push(Told {
            at,
            of: of.cloned(),
            name: name.to_owned(),
            body: body.clone(),
        });
    }
}

/// What the channel tells of an order.
#[must_use]
pub fn order_message(order: &Order) -> Value {
    let observed = OrderObserved {
        order: order.clone(),
        findings: Vec::new(),
    };
    message(order, Event::OrderObserved(Box::new(observed)))
}

/// A message of the channel about one of its orders.
#[must_use]
pub fn message(order: &Order, event: Event) -> Value {
    let mut message = serde_json::to_value(event).expect("an event");
    message["orderid"] = json!(order.id);
    if let Some(data) = message.get_mut("data").and_then(Value::as_object_mut) {
        data.remove("findings");
    }
    message
}

/// A message of the warehouse; without the order's id it belongs to whom its references lead to.
#[must_use]
pub fn warehouse_message(id: Option<CorrelationId>, event: Event) -> Value {
    let mut message = serde_json::to_value(event).expect("an event");
    if let Some(id) = id {
        message["correlationid"] = json!(id);
    }
    message
}

/// The order of a run with this number.
#[must_use]
pub fn number(n: u64) -> (String, CorrelationId) {
    let id = format!("{n:05}");
    let correlation = correlation(&id);
    (id, correlation)
}
