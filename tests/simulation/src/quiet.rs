//! What must be true whenever nothing moves, while faults still happen: no message is in a queue and no function runs.
//!
//! Less than in the end: a webhook may be lost and its poll still to come, a dead letter may still be redriven.

use crate::erp_keys;
use crate::invariants::open_cases;
use crate::sim::{HOUR, MINUTE};
use crate::world::World;
use std::sync::Arc;
use waybill_flow::axes::axes;
use waybill_flow::ports::{Queue, Stored};
use waybill_model::id::CorrelationId;

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
    if !held.deliveries {
        all_known(world);
    }
    let (deadlines, now) = (world.orders.all_deadlines(), world.sim.now());
    let mut wrong = Vec::new();
    world.orders.look(|orders| {
        for (id, order) in orders.iter().filter(|(id, _)| !held.holds(**id)) {
            let told = cases.contains_key(id);
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
    deliveries: bool,
    bodies: Vec<String>,
}

impl Held {
    fn of(world: &World) -> Self {
        let sqs = world.sqs.lock().unwrap();
        let dead = sqs.dead();
        let inbound = Queue::Inbound.as_str();
        let events = Queue::Events.as_str();
        Self {
            // Of an event that is put aside, the order is named and what told it is not.
            deliveries: dead.iter().any(|(q, _)| *q == inbound || *q == events),
            bodies: dead.into_iter().map(|(_, m)| m.body.clone()).collect(),
        }
    }

    fn holds(&self, id: CorrelationId) -> bool {
        let id = id.to_string();
        self.bodies.iter().any(|body| body.contains(&id))
    }
}

/// What was acknowledged is known to an order, or waits for one.
fn all_known(world: &World) {
    let mut known = world.orders.all_applied();
    known.extend(world.orders.all_parked().into_iter().map(|p| p.event.id));
    for name in world.partners.lock().unwrap().missed(&known) {
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
