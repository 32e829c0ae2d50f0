//! What must be true whenever nothing moves, while faults still happen: no message is in a queue and no function runs.
//!
//! Less than in the end: a webhook may be lost and its poll still to come, a dead letter may still be redriven.

use crate::causes;
use crate::erp_keys;
use crate::invariants::open_cases;
use crate::sim::{HOUR, MINUTE};
use crate::world::World;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use waybill_flow::axes::axes;
use waybill_flow::ports::Stored;
use waybill_lambda_kit::delivery;
use waybill_model::delivery::Delivery;
use waybill_model::id::{CorrelationId, MessageId};

/// How long it is not looked again.
const BETWEEN: u64 = 15 * MINUTE;

/// How long a deadline may have passed: the job that looks comes every five minutes, may fail, and clocks differ.
const LATE_MS: i64 = 45 * MINUTE.cast_signed();

/// Looks at every quiet point for as long as the run lasts, but not more often than every quarter of an hour.
pub async fn watch(world: Arc<World>) {
    let mut seen = 0;
    loop {
        world.sim.wait_ms(MINUTE).await;
        if world.is_asleep() {
            world.awake().await;
            // What the clock missed is looked at by then.
            world.sim.wait_ms(HOUR).await;
        }
        let steps = world.sim.steps();
        if steps == seen || !world.is_still() {
            continue;
        }
        check(&world);
        seen = world.sim.steps();
        world.sim.wait_ms(BETWEEN).await;
    }
}

fn check(world: &World) {
    world.sim.quiet_point();
    erp_keys::check(world);
    let cases = open_cases(world);
    let held = Held::of(world);
    all_known(world, &held);
    let held_back = held.orders(world);
    causes::check(world, &cases, |id| held_back.contains(&id));
    let (deadlines, now) = (world.orders.all_deadlines(), world.sim.now());
    let mut wrong = Vec::new();
    world.orders.look(|orders| {
        for (id, order) in orders.iter().filter(|(id, _)| !held_back.contains(id)) {
            let codes = cases.get(id).cloned().unwrap_or_default();
            let told = causes::is_explained(&order.state, &codes);
            let wakes = deadlines
                .get(id)
                .is_some_and(|at| now.ms_since(*at) < LATE_MS);
            // No message can end it any more, whoever may notice that in the end.
            let mut effects = order.state.effects.iter();
            if world.garbled_of(*id) == 0
                && let Some((key, _)) = effects.find(|(_, effect)| effect.outcome.is_none())
            {
                wrong.push(format!("{id}: `{key}` has not ended, and nothing moves"));
            }
            if !(told || wakes)
                && let Some(why) = unfinished(order)
            {
                wrong.push(format!(
                    "{id}: {why}, nothing moves, and neither a deadline nor a case stands"
                ));
            }
            if !told && axes(&order.state).order == "refused" {
                wrong.push(format!("{id}: Odoo refused it, and nobody is told"));
            }
        }
    });
    for what in wrong {
        world.sim.wrong(what);
    }
}

/// What messages in dead-letter queues hold back, until they are redriven: an alarm tells of them.
struct Held {
    /// What they say, with all that they are known by.
    texts: Vec<String>,
    /// The events that they are, or would have become.
    events: BTreeSet<MessageId>,
}

impl Held {
    fn of(world: &World) -> Self {
        let sqs = world.sqs.lock().unwrap();
        let mut held = Self {
            texts: Vec::new(),
            events: BTreeSet::new(),
        };
        for (_, message) in sqs.dead() {
            match delivery::decode(&message.body) {
                Ok(delivery) => held.put(&delivery),
                Err(_) => held.texts.push(message.body.clone()),
            }
        }
        held
    }

    /// A delivery that was not read: what it tells is in its body, and what it is in its id.
    fn put(&mut self, delivery: &Delivery) {
        let body = String::from_utf8_lossy(&delivery.body).into_owned();
        let read: Value = serde_json::from_str(&body).unwrap_or_default();
        let ids = delivery.headers.values().map(String::as_str);
        let ids = ids.chain(delivery.dedupe_id.as_deref());
        let ids = ids.chain(read["id"].as_str());
        let event = |id| MessageId::for_delivery(&delivery.connection, id, 0);
        self.events.extend(ids.map(event));
        self.texts.push(body);
    }

    /// Whether one of them names an order: by our id, by that of a parcel, or by the shop's.
    fn holds(&self, id: CorrelationId, order: &str) -> bool {
        let (ours, parcel) = (id.to_string(), id.to_string().replace('-', ""));
        let shop = format!("\"{order}\"");
        let names =
            |text: &String| text.contains(&ours) || text.contains(&parcel) || text.contains(&shop);
        self.texts.iter().any(names)
    }

    /// The orders that they name.
    fn orders(&self, world: &World) -> BTreeSet<CorrelationId> {
        if self.texts.is_empty() {
            return BTreeSet::new();
        }
        let partners = world.partners.lock().unwrap();
        let sold = partners.sold.iter();
        let named = sold.filter(|(id, sold)| self.holds(**id, sold.order.id.as_str()));
        named.map(|(id, _)| *id).collect()
    }

    fn is(&self, event: &MessageId) -> bool {
        self.events.contains(event) || self.texts.iter().any(|t| t.contains(event.as_str()))
    }
}

/// What was acknowledged is known to an order, or waits for one.
fn all_known(world: &World, held: &Held) {
    let mut known = world.orders.all_applied();
    known.extend(world.orders.all_parked().into_iter().map(|p| p.event.id));
    let partners = world.partners.lock().unwrap();
    for (_, name) in partners.missed(&known).filter(|(event, _)| !held.is(event)) {
        world.sim.wrong(format!(
            "{name} was acknowledged, nothing moves, and no order knows of it"
        ));
    }
}

/// Why an order is not at its end.
fn unfinished(order: &Stored) -> Option<String> {
    let is = axes(&order.state);
    let at_end = matches!(is.order, "cancelled" | "unknown")
        || matches!(is.fulfillment, "shipped" | "delivered");
    (!at_end).then(|| format!("it is {}, {} and {}", is.order, is.payment, is.fulfillment))
}
