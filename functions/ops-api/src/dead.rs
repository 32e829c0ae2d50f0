//! Dead-letter queues: how much is in them, and back with it once its cause is mended.

use crate::actions::body;
use crate::read::answer;
use crate::views::{DeadLetterQueue, DeadLetterQueues, RedriveBody, Redriven};
use crate::{Ports, Refused};
use waybill_flow::ports::{Clock, DeadLetters, EffectStore, OrderStore, Queue, Queues};
use waybill_lambda_kit::http::{Answer, Request};
use waybill_lambda_kit::secrets::SecretSource;

/// Messages of one call, if it does not say.
const DEFAULT_REDRIVE: usize = 50;
/// Most messages of one call: what fits into the time of one. The first few show whether the cause
/// is mended.
const MAX_REDRIVE: usize = 500;

/// Every dead-letter queue and how much waits in it.
pub(crate) async fn list<
    O: OrderStore,
    E: EffectStore,
    Q: Queues + DeadLetters,
    S: SecretSource,
    C: Clock,
>(
    ports: &Ports<'_, O, E, Q, S, C>,
) -> Result<Answer, Refused> {
    let mut queues = Vec::with_capacity(Queue::ALL.len());
    for queue in Queue::ALL {
        queues.push(DeadLetterQueue {
            queue: queue.as_str().to_owned(),
            messages: ports.queues.waiting(queue).await?,
        });
    }
    answer(200, &DeadLetterQueues { queues })
}

/// Moves messages back to the queue that they came from.
pub(crate) async fn redrive<
    O: OrderStore,
    E: EffectStore,
    Q: Queues + DeadLetters,
    S: SecretSource,
    C: Clock,
>(
    ports: &Ports<'_, O, E, Q, S, C>,
    name: &str,
    request: &Request,
) -> Result<Answer, Refused> {
    let queue = Queue::ALL.into_iter().find(|queue| queue.as_str() == name);
    let queue = queue.ok_or(Refused::NotFound("queue"))?;
    let RedriveBody { limit } = body(request)?;
    let limit = limit.unwrap_or(DEFAULT_REDRIVE).clamp(1, MAX_REDRIVE);
    let moved = ports.queues.redrive(queue, limit).await?;
    let redriven = Redriven {
        queue: queue.as_str().to_owned(),
        moved,
        more: moved == limit,
    };
    answer(200, &redriven)
}
