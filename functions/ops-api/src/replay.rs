//! Replay: what was archived is handed in again as it came, and judged by the code and mappings of
//! now. What of it is known already changes nothing.

use crate::actions::{body, send, unwritable};
use crate::read::{answer, correlation, invalid};
use crate::views::{RangeBody, Replayed, Skipped};
use crate::{Ports, Refused};
use waybill_flow::ports::{
    ArchiveQuery, Archived, Clock, EffectStore, OrderStore, Outgoing, Queue, Queues,
};
use waybill_lambda_kit::delivery;
use waybill_lambda_kit::http::{Answer, Request};
use waybill_lambda_kit::quarantine;
use waybill_lambda_kit::queues::{command_message, event_message, plain_message};
use waybill_lambda_kit::secrets::SecretSource;
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::envelope::{CommandEnvelope, EventEnvelope};
use waybill_model::id::{CorrelationId, MessageId};
use waybill_model::time::Instant;

/// Deliveries of one call, if it does not say.
const DEFAULT_RANGE: usize = 50;
/// Most deliveries of one call: what fits into the time of one, and a step that a person can watch.
const MAX_RANGE: usize = 200;

/// What an archived message is now.
enum Again {
    /// What a partner told.
    Told(Box<Delivery>),
    /// A message of our own queues, which is put back on its queue.
    Ours(Queue, Outgoing),
    /// Nothing that this version reads.
    Unreadable,
}

/// Runs everything that is archived of an order again.
pub(crate) async fn order<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    id: &str,
) -> Result<Answer, Refused> {
    let replayed = of_order(ports, correlation(id)?).await?;
    answer(202, &replayed)
}

/// Runs one delivery again, quarantined ones too.
pub(crate) async fn receipt<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    id: &str,
) -> Result<Answer, Refused> {
    let receipt = MessageId::new(id).map_err(|_| Refused::NotFound("receipt"))?;
    let replayed = of_receipt(ports, &receipt).await?;
    answer(202, &replayed)
}

pub(crate) async fn of_order<
    O: OrderStore,
    E: EffectStore,
    Q: Queues,
    S: SecretSource,
    C: Clock,
>(
    ports: &Ports<'_, O, E, Q, S, C>,
    id: CorrelationId,
) -> Result<Replayed, Refused> {
    let archived = ports.orders.archived(id).await?;
    if archived.is_empty() {
        return Err(Refused::NotFound("archived delivery of this order"));
    }
    some(run(ports, &archived).await?)
}

pub(crate) async fn of_receipt<
    O: OrderStore,
    E: EffectStore,
    Q: Queues,
    S: SecretSource,
    C: Clock,
>(
    ports: &Ports<'_, O, E, Q, S, C>,
    receipt: &MessageId,
) -> Result<Replayed, Refused> {
    let archived = ports.orders.receipt(receipt).await?;
    let archived = archived.ok_or(Refused::NotFound("receipt"))?;
    some(run(ports, std::slice::from_ref(&archived)).await?)
}

/// Runs again what was received in a range of time, a page at a time.
pub(crate) async fn range<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    request: &Request,
) -> Result<Answer, Refused> {
    let asked: RangeBody = body(request)?;
    if asked.from >= asked.to {
        return Err(invalid("from", "an instant before `to`"));
    }
    let query = ArchiveQuery {
        from: asked.from,
        to: asked.to,
        limit: asked.limit.unwrap_or(DEFAULT_RANGE).clamp(1, MAX_RANGE),
        cursor: asked.cursor.clone(),
    };
    let (mut archived, cursor) = ports.orders.archived_between(&query).await?;
    archived.retain(|one| asked.wants(one));
    let mut replayed = run(ports, &archived).await?;
    replayed.cursor = cursor;
    answer(202, &replayed)
}

impl RangeBody {
    /// Whether an archived message is one of those asked for. What is no delivery has neither
    /// connection nor topic.
    pub(crate) fn wants(&self, archived: &Archived) -> bool {
        if self.connection.is_none() && self.topic.is_none() {
            return true;
        }
        delivery::decode(&archived.delivery).is_ok_and(|told| {
            self.connection
                .as_ref()
                .is_none_or(|c| *c == told.connection)
                && (self.topic.is_none() || self.topic == told.topic)
        })
    }
}

async fn run<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    archived: &[Archived],
) -> Result<Replayed, Refused> {
    let now = ports.clock.now();
    let mut told = Vec::new();
    let mut replayed = Replayed::default();
    for one in archived {
        match read(&one.delivery)? {
            Again::Told(delivery) => match message(*delivery, now) {
                Ok(message) => {
                    told.push(message);
                    replayed.ids.push(one.receipt.to_string());
                }
                Err(why) => replayed.skip(&one.receipt, why),
            },
            Again::Ours(queue, message) => {
                send(ports, queue, vec![message]).await?;
                quarantine::resolve(ports.orders, &one.receipt, now).await?;
                replayed.ids.push(one.receipt.to_string());
            }
            Again::Unreadable => {
                replayed.skip(&one.receipt, "this version reads nothing in it".to_owned());
            }
        }
    }
    if !told.is_empty() {
        send(ports, Queue::Inbound, told).await?;
    }
    Ok(replayed)
}

/// What of an order or a receipt was replayed, if anything was.
fn some(replayed: Replayed) -> Result<Replayed, Refused> {
    if replayed.ids.is_empty() {
        return Err(Refused::Conflict {
            code: "not_replayable",
            message: "what is archived is no delivery".to_owned(),
            remedy: "nothing of a partner is in it; close its case",
        });
    }
    Ok(replayed)
}

/// The message that hands a delivery in again.
fn message(mut delivery: Delivery, now: Instant) -> Result<Outgoing, String> {
    delivery.origin = Origin::Replay;
    delivery.replayed_at = Some(now);
    let message = delivery::encode(&delivery).map_err(|error| error.to_string())?;
    Ok(plain_message(message))
}

/// What was no delivery when it came is none now, but an event or a command of another version may
/// be read by this one.
fn read(raw: &str) -> Result<Again, Refused> {
    if let Ok(delivery) = delivery::decode(raw) {
        return Ok(Again::Told(Box::new(delivery)));
    }
    if let Ok(event) = serde_json::from_str::<EventEnvelope>(raw) {
        let message = event_message(&event).map_err(|e| unwritable(&e))?;
        return Ok(Again::Ours(Queue::Events, message));
    }
    if let Ok(command) = serde_json::from_str::<CommandEnvelope>(raw) {
        let queue = Queue::Commands(command.body.kind().queue());
        let message = command_message(&command).map_err(|e| unwritable(&e))?;
        return Ok(Again::Ours(queue, message));
    }
    Ok(Again::Unreadable)
}

impl Replayed {
    fn skip(&mut self, receipt: &MessageId, why: String) {
        let receipt = receipt.to_string();
        self.skipped.push(Skipped { receipt, why });
    }
}
