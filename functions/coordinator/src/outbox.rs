//! What is sent once a decision is durable.

use crate::Ports;
use std::collections::BTreeMap;
use waybill_flow::ports::{Clock, OrderStore, Outgoing, Queue, Queues};
use waybill_lambda_kit::ended::Ended;
use waybill_lambda_kit::queues::{command_message, event_message};
use waybill_model::envelope::CommandEnvelope;
use waybill_model::id::{Code, CorrelationId, MessageId, Reference};

/// Unsent commands with the new ones behind them. A command that is issued again takes the place of
/// its older form.
pub(crate) fn merge(
    unsent: Vec<CommandEnvelope>,
    issued: Vec<CommandEnvelope>,
) -> Vec<CommandEnvelope> {
    let mut outbox: Vec<_> = unsent
        .into_iter()
        .filter(|old| issued.iter().all(|new| new.id != old.id))
        .collect();
    outbox.extend(issued);
    outbox
}

/// Sends commands to their queues.
pub(crate) async fn send(queues: &impl Queues, commands: &[CommandEnvelope]) -> Ended {
    let mut by_queue: BTreeMap<_, Vec<Outgoing>> = BTreeMap::new();
    for command in commands {
        match command_message(command) {
            Ok(message) => by_queue
                .entry(command.body.kind().queue())
                .or_default()
                .push(message),
            Err(error) => return unwritable(&error),
        }
    }
    for (queue, messages) in by_queue {
        match queues.send(Queue::Commands(queue), messages).await {
            Ok(unsent) if unsent.is_empty() => {}
            Ok(unsent) => return Ended::unsent(unsent.len()),
            Err(error) => return Ended::infra(&error),
        }
    }
    Ended::Done
}

/// Hands on the events that waited under references that are known now. What the order has `applied`
/// already is not sent again: a row that stays would be sent for each of its own repetitions.
pub(crate) async fn release_parked<O: OrderStore, Q: Queues, C: Clock>(
    ports: &Ports<'_, O, Q, C>,
    correlation: CorrelationId,
    references: &[Reference],
    applied: &[MessageId],
) -> Ended {
    for reference in references {
        let parked = match ports.orders.parked(reference).await {
            Ok(parked) => parked,
            Err(error) => return Ended::infra(&error),
        };
        if parked.is_empty() {
            continue;
        }
        let messages: Result<Vec<Outgoing>, _> = parked
            .iter()
            .filter(|parked| !applied.contains(&parked.event.id))
            .map(|parked| {
                let mut event = parked.event.clone();
                event.correlationid = correlation;
                event_message(&event)
            })
            .collect();
        let messages = match messages {
            Ok(messages) => messages,
            Err(error) => return unwritable(&error),
        };
        if !messages.is_empty() {
            match ports.queues.send(Queue::Events, messages).await {
                Ok(unsent) if unsent.is_empty() => {}
                Ok(unsent) => return Ended::unsent(unsent.len()),
                Err(error) => return Ended::infra(&error),
            }
        }
        // Another order may come to know where its parcel is later, and is told too, until the row expires.
        for one in parked.iter().filter(|one| !one.is_shared()) {
            if let Err(error) = ports.orders.unpark(one).await {
                return Ended::infra(&error);
            }
        }
    }
    Ended::Done
}

fn unwritable(error: &serde_json::Error) -> Ended {
    Ended::Transient {
        code: Code::literal("unwritable_message"),
        detail: error.to_string(),
        retry_after_ms: None,
    }
}
