//! Our queues, through the faults.

use super::Sandbox;
use crate::breakage::Breakage;
use crate::sqs::Refused;
use waybill_flow::ports::{DeadLetters, InfraError, Outgoing, Queue, Queues};
use waybill_lambda_kit::batch::Visibility;
use waybill_lambda_kit::chance;

impl Visibility for Sandbox {
    async fn change(&self, queue: &str, entries: Vec<(String, u32)>) -> Result<(), InfraError> {
        let world = self.world();
        let work = || {
            let named = Queue::ALL.into_iter().find(|q| q.as_str() == queue);
            let queue = named.expect("a queue of the stack");
            let now = world.sim.now();
            let mut sqs = world.sqs.lock().unwrap();
            for (handle, seconds) in &entries {
                let (id, handle) = handle.split_once('.').expect("a handle of ours");
                let (id, handle) = (id.parse().expect("an id"), handle.parse().expect("a count"));
                let hidden = sqs.hide(queue, id, handle, i64::from(*seconds) * 1000, now);
                if let Err(Refused(code)) = hidden {
                    // The queue's own timeout applies.
                    world.sim.note(format_args!("{id} is not hidden: {code}"));
                }
            }
            drop(sqs);
            world.wake(queue);
        };
        let what = format!("hides {} of {queue}", entries.len());
        Ok(self.call("sqs", &what, work).await?)
    }
}

impl Queues for Sandbox {
    async fn send(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<Vec<usize>, InfraError> {
        let world = self.world();
        let broken = |b| world.sim.is_broken(b);
        if broken(Breakage::NoOutcome)
            && queue == Queue::Events
            && matches!(
                self.function(),
                "odoo-writer" | "fulfillment-dispatcher" | "status-publisher"
            )
        {
            return Ok(Vec::new());
        }
        let messages: Vec<Outgoing> = messages.into_iter().map(|m| self.written(m)).collect();
        // SQS takes ten at a time, and may take some of them only. What it does not take keeps nothing else back.
        let mut unsent = Vec::new();
        for (at, chunk) in messages.chunks(10).enumerate() {
            let permille = world.sim.weather().unavailable;
            let mut refused = Vec::new();
            let work = || {
                for (place, message) in chunk.iter().enumerate() {
                    if world.sim.fault("message not accepted", permille / 4) {
                        refused.push(at * 10 + place);
                    } else {
                        world.put(queue, world.carried(queue, message.clone()));
                    }
                }
            };
            let what = format!("sends {} to {}", chunk.len(), queue.as_str());
            let sent = self.call("sqs", &what, work).await;
            if sent.is_err() && broken(Breakage::IntakeLies) && self.function() == "webhook-intake"
            {
                return Ok(Vec::new());
            }
            sent?;
            unsent.extend(refused);
        }
        Ok(unsent)
    }
}

impl DeadLetters for Sandbox {
    async fn waiting(&self, queue: Queue) -> Result<u64, InfraError> {
        let world = self.world();
        let count = || world.sqs.lock().unwrap().dead_of(queue) as u64;
        Ok(self.call("sqs", "counts dead letters", count).await?)
    }

    async fn redrive(&self, queue: Queue, limit: usize) -> Result<usize, InfraError> {
        let world = self.world();
        let mut moved = 0;
        // Sent first, then taken away: it may be sent twice, and is never lost.
        while moved < limit {
            let Some(message) = world.sqs.lock().unwrap().oldest_dead(queue) else {
                break;
            };
            if serde_json::from_str::<serde_json::Value>(&message.body).is_err() {
                world.partners.lock().unwrap().unreadable_again += 1;
            }
            let again = Outgoing {
                body: message.body,
                deduplication: message.group.as_ref().map(|_| chance::unique().to_string()),
                group: message.group,
                delay_s: 0,
            };
            let what = format!("redrives {} of {}", message.id, queue.as_str());
            self.call("sqs", &what, || world.put(queue, again)).await?;
            let what = format!("deletes the dead letter {}", message.id);
            let delete = || world.sqs.lock().unwrap().delete_dead(queue, message.id);
            self.call("sqs", &what, delete).await?;
            moved += 1;
        }
        Ok(moved)
    }
}
