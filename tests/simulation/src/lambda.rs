//! Who polls the queues and invokes the functions: event source mappings, and what happens to an
//! invocation that crashes or takes too long.

use crate::breakage::Breakage;
use crate::jobs;
use crate::sandbox::Sandbox;
use crate::sqs::{Message, Refused};
use crate::world::World;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use waybill_flow::ports::{Clock as _, Queue};
use waybill_lambda_kit::batch::{BatchError, Runner};
use waybill_model::command::CommandQueue;
use waybill_model::time::Instant;

/// A function with its queue, as the template has it.
#[derive(Debug, Clone, Copy)]
pub struct Mapping {
    /// The function.
    pub function: &'static str,
    /// Its queue.
    pub queue: Queue,
    /// Most messages in a batch.
    pub batch: usize,
    /// How long a batch is waited for.
    pub window_ms: u64,
    /// Invocations at once.
    pub concurrency: usize,
    /// The function's timeout.
    pub timeout_ms: i64,
    /// The queue's visibility timeout.
    pub hidden_ms: i64,
}

/// What the command of a ticket is.
const TICKET: &str = "waybill.ticket.update";

/// Every event source mapping of the template.
pub const MAPPINGS: [Mapping; 6] = [
    mapping("validator", Queue::Inbound, 10, 0, 20, 30, 180),
    mapping("coordinator", Queue::Events, 10, 0, 50, 15, 90),
    mapping(
        "odoo-writer",
        Queue::Commands(CommandQueue::Erp),
        50,
        1,
        2,
        60,
        420,
    ),
    mapping(
        "odoo-writer",
        Queue::Commands(CommandQueue::ErpBulk),
        50,
        1,
        2,
        60,
        420,
    ),
    mapping(
        "fulfillment-dispatcher",
        Queue::Commands(CommandQueue::Fulfillment),
        10,
        0,
        5,
        30,
        180,
    ),
    mapping(
        "status-publisher",
        Queue::Commands(CommandQueue::Status),
        10,
        0,
        5,
        30,
        180,
    ),
];

const fn mapping(
    function: &'static str,
    queue: Queue,
    batch: usize,
    window_s: u64,
    concurrency: usize,
    timeout_s: i64,
    hidden_s: i64,
) -> Mapping {
    Mapping {
        function,
        queue,
        batch,
        window_ms: window_s * 1000,
        concurrency,
        timeout_ms: timeout_s * 1000,
        hidden_ms: hidden_s * 1000,
    }
}

/// Starts whoever polls, and every schedule.
pub fn start(world: &Arc<World>) {
    for mapping in MAPPINGS {
        tokio::spawn(poll(Arc::clone(world), mapping));
    }
    jobs::start(world);
}

/// Polls a queue for as long as the run lasts.
async fn poll(world: Arc<World>, mapping: Mapping) {
    let seats = Arc::new(Semaphore::new(mapping.concurrency));
    loop {
        let seat = Arc::clone(&seats)
            .acquire_owned()
            .await
            .expect("nobody closes it");
        let waiting = world.woken(mapping.queue);
        let batch = receive(&world, &mapping);
        if batch.is_empty() {
            drop(seat);
            let now = world.sim.now();
            let next = world.sqs.lock().unwrap().next_at(mapping.queue, now);
            let ms = next.map_or(3_600_000, |at| {
                u64::try_from(at.ms_since(now)).unwrap_or(0).max(1)
            });
            tokio::select! {
                biased;
                () = waiting => world.sim.wait_ms(5 + mapping.window_ms).await,
                () = world.sim.wait_ms(ms) => {}
            }
            continue;
        }
        // A poller that sees the same message twice hands it to two sandboxes.
        let twice = world
            .sim
            .fault("two sandboxes at once", world.sim.weather().twice);
        world.running(1);
        let second = twice.then(|| (Arc::clone(&world), batch.clone()));
        let first = Arc::clone(&world);
        tokio::spawn(async move {
            invoke(&first, mapping, batch).await;
            first.running(-1);
            drop(seat);
        });
        if let Some((world, batch)) = second {
            world.running(1);
            tokio::spawn(async move {
                world.sim.wait_ms(world.sim.below(2_000)).await;
                invoke(&world, mapping, batch).await;
                world.running(-1);
            });
        }
    }
}

fn receive(world: &World, mapping: &Mapping) -> Vec<Message> {
    let sim = &world.sim;
    let pick = |n: usize| usize::try_from(sim.below(n as u64)).expect("a place");
    let mut sqs = world.sqs.lock().unwrap();
    let now = sim.now();
    let mut batch = sqs.receive(mapping.queue, mapping.batch, mapping.hidden_ms, now, pick);
    // What our own code fails to class is tried too often, and put aside.
    batch.retain(|message| {
        let dead = sim.fault("put into a dead-letter queue", sim.weather().dead);
        if dead {
            sqs.put_aside(mapping.queue, message.id);
        }
        !dead
    });
    if sim.is_broken(Breakage::AckFirst) {
        for message in &batch {
            let deleted = sqs.delete(mapping.queue, message.id, message.handle, now, || true);
            deleted.expect("it is out");
        }
    }
    drop(sqs);
    batch
}

async fn invoke(world: &Arc<World>, mapping: Mapping, batch: Vec<Message>) {
    let sandbox = world.sandbox(mapping.function);
    let got: Vec<String> = batch
        .iter()
        .map(|m| format!("{}/{}", m.id, m.receives))
        .collect();
    world.sim.note(format_args!(
        "{sandbox:?} gets {} of {}",
        got.join(" "),
        mapping.queue.as_str()
    ));
    let mut seen = batch.clone();
    for message in &mut seen {
        sandbox.read(message);
    }
    let event = event(mapping.queue, &seen);
    let until = sandbox.now().plus_ms(mapping.timeout_ms);
    let limit = Duration::from_millis(u64::try_from(mapping.timeout_ms).expect("a span"));
    let work = handle(&sandbox, mapping, event, until);
    let answered = sandbox.run(limit, work).await;
    let answered = answered.map(|a| a.expect("every record has an id"));
    world.keep_warm(sandbox);
    let answered = match answered {
        Some(_) if world.sim.is_broken(Breakage::AckAll) => Some(SqsBatchResponse::default()),
        answered => answered,
    };
    // An invocation that failed acknowledges nothing: all of it comes back.
    let Some(response) = answered else { return };
    let sim = &world.sim;
    for message in done(&batch, &response) {
        // A few are enough, and each of them is handed out for hours.
        let is_one = message.id.is_multiple_of(64) && message.body.contains(TICKET);
        let never = is_one && sim.is_broken(Breakage::NeverDone);
        // At least once: a delete may be lost.
        if !never && !sim.fault("handed out again", sim.weather().again) {
            delete(world, mapping.queue, message);
        }
    }
    world.wake(mapping.queue);
}

/// What Lambda deletes of a batch: all but what the answer names. An answer that names nothing by an empty id gives back
/// all of it.
#[must_use]
pub fn done<'a>(batch: &'a [Message], response: &SqsBatchResponse) -> Vec<&'a Message> {
    let named = response.batch_item_failures.iter();
    let failed: BTreeSet<&str> = named.map(|f| f.item_identifier.as_str()).collect();
    if failed.contains("") {
        return Vec::new();
    }
    let is_done = |m: &&Message| !failed.contains(m.id.to_string().as_str());
    batch.iter().filter(is_done).collect()
}

fn delete(world: &World, queue: Queue, message: &Message) {
    let sim = &world.sim;
    let lucky = || sim.chance(500);
    let mut sqs = world.sqs.lock().unwrap();
    let deleted = sqs.delete(queue, message.id, message.handle, sim.now(), lucky);
    drop(sqs);
    if let Err(Refused(code)) = deleted {
        // Somebody else has it, or will have it again.
        sim.note(format_args!("{} is not deleted: {code}", message.id));
    }
}

/// A batch as Lambda hands it to a function.
#[must_use]
pub fn event(queue: Queue, batch: &[Message]) -> SqsEvent {
    let records: Vec<_> = batch
        .iter()
        .map(|m| {
            let mut attributes = serde_json::json!({
                "ApproximateReceiveCount": m.receives.to_string(),
                "SentTimestamp": m.sent_at.epoch_ms().to_string(),
            });
            if let Some(group) = &m.group {
                attributes["MessageGroupId"] = group.as_str().into();
            }
            serde_json::json!({
                "messageId": m.id.to_string(), "receiptHandle": format!("{}.{}", m.id, m.handle), "body": m.body,
                "attributes": attributes,
                "eventSourceARN": format!("arn:aws:sqs:eu-west-1:1:{}", queue.as_str()),
            })
        })
        .collect();
    serde_json::from_value(serde_json::json!({ "Records": records })).expect("an event")
}

async fn handle(
    sandbox: &Sandbox,
    mapping: Mapping,
    event: SqsEvent,
    until: Instant,
) -> Result<SqsBatchResponse, BatchError> {
    let connections = sandbox.connections();
    let endpoints = sandbox.endpoints();
    let runner = Runner {
        step: mapping.function,
        visibility: sandbox.clone(),
        clock: sandbox.clone(),
    };
    match mapping.queue {
        Queue::Inbound => {
            let ports = validator::Ports {
                connections,
                orders: sandbox,
                effects: sandbox,
                queues: sandbox,
                partners: sandbox,
                clock: sandbox,
                parse: sandbox.world().parse(),
            };
            validator::handle(&ports, &runner, event).await
        }
        Queue::Events => {
            let ports = coordinator::Ports {
                connections,
                orders: sandbox,
                queues: sandbox,
                clock: sandbox,
            };
            coordinator::handle(&ports, &runner, event).await
        }
        Queue::Commands(CommandQueue::Erp | CommandQueue::ErpBulk) => {
            let ports = odoo_writer::Ports {
                connections,
                orders: sandbox,
                effects: sandbox,
                queues: sandbox,
                erp: sandbox,
                clock: sandbox,
                endpoints,
            };
            odoo_writer::handle(&ports, &runner, event, until).await
        }
        Queue::Commands(CommandQueue::Fulfillment | CommandQueue::Status) => {
            // `status-publisher` is the same handler.
            let ports = fulfillment_dispatcher::Ports {
                orders: sandbox,
                effects: sandbox,
                queues: sandbox,
                partners: sandbox,
                target: waybill_partners::client::target,
                clock: sandbox,
                endpoints,
            };
            fulfillment_dispatcher::handle(&ports, &runner, event, until).await
        }
    }
}
