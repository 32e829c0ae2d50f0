//! Replay: what was archived is handed in again as it came, and judged by the code and mappings of
//! now. What of it is known already changes nothing.

use crate::actions::{body, send, unwritable};
use crate::read::{answer, correlation, cursor, invalid};
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

/// What is handed in again, read and not sent yet.
#[derive(Default)]
pub(crate) struct Prepared {
    /// What partners told.
    told: Vec<Outgoing>,
    /// Messages of our own queues, with the receipts that they were put aside under.
    ours: Vec<(MessageId, Queue, Outgoing)>,
    /// What is answered.
    replayed: Replayed,
}

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
    let prepared = of_order(ports, correlation(id)?).await?;
    answer(202, &hand_in(ports, prepared).await?)
}

/// Runs one delivery again, quarantined ones too.
pub(crate) async fn receipt<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    id: &str,
) -> Result<Answer, Refused> {
    let receipt = MessageId::new(id).map_err(|_| Refused::NotFound("receipt"))?;
    let prepared = of_receipt(ports, &receipt).await?;
    answer(202, &hand_in(ports, prepared).await?)
}

/// Everything that is archived of an order, if any of it can be handed in again.
pub(crate) async fn of_order<
    O: OrderStore,
    E: EffectStore,
    Q: Queues,
    S: SecretSource,
    C: Clock,
>(
    ports: &Ports<'_, O, E, Q, S, C>,
    id: CorrelationId,
) -> Result<Prepared, Refused> {
    let archived = ports.orders.archived(id).await?;
    if archived.is_empty() {
        return Err(Refused::NotFound("archived delivery of this order"));
    }
    some(prepare(&archived, ports.clock.now())?)
}

/// One delivery, if it can be handed in again.
pub(crate) async fn of_receipt<
    O: OrderStore,
    E: EffectStore,
    Q: Queues,
    S: SecretSource,
    C: Clock,
>(
    ports: &Ports<'_, O, E, Q, S, C>,
    receipt: &MessageId,
) -> Result<Prepared, Refused> {
    let archived = ports.orders.receipt(receipt).await?;
    let archived = archived.ok_or(Refused::NotFound("receipt"))?;
    some(prepare(std::slice::from_ref(&archived), ports.clock.now())?)
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
        cursor: cursor(asked.cursor.as_ref())?,
    };
    let (mut archived, next) = ports.orders.archived_between(&query).await?;
    archived.retain(|one| asked.wants(one));
    let prepared = prepare(&archived, ports.clock.now())?;
    let mut replayed = hand_in(ports, prepared).await?;
    replayed.cursor = next;
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

fn prepare(archived: &[Archived], now: Instant) -> Result<Prepared, Refused> {
    let mut prepared = Prepared::default();
    for one in archived {
        let receipt = &one.receipt;
        match read(&one.delivery)? {
            Again::Told(delivery) => match message(*delivery, now) {
                Ok(message) => {
                    prepared.told.push(message);
                    prepared.replayed.ids.push(receipt.to_string());
                }
                Err(why) => prepared.replayed.skip(receipt, why),
            },
            Again::Ours(queue, message) => {
                prepared.ours.push((receipt.clone(), queue, message));
                prepared.replayed.ids.push(receipt.to_string());
            }
            Again::Unreadable => {
                let why = "this version reads nothing in it".to_owned();
                prepared.replayed.skip(receipt, why);
            }
        }
    }
    Ok(prepared)
}

/// What of an order or a receipt can be replayed, if anything can.
fn some(prepared: Prepared) -> Result<Prepared, Refused> {
    if prepared.replayed.ids.is_empty() {
        return Err(Refused::Conflict {
            code: "not_replayable",
            message: "what is archived is no delivery".to_owned(),
            remedy: "nothing of a partner is in it; close its case",
        });
    }
    Ok(prepared)
}

/// Puts what was prepared on its queues.
pub(crate) async fn hand_in<O: OrderStore, E: EffectStore, Q: Queues, S: SecretSource, C: Clock>(
    ports: &Ports<'_, O, E, Q, S, C>,
    prepared: Prepared,
) -> Result<Replayed, Refused> {
    let now = ports.clock.now();
    for (receipt, queue, message) in prepared.ours {
        send(ports, queue, vec![message]).await?;
        quarantine::resolve(ports.orders, &receipt, now).await?;
    }
    if !prepared.told.is_empty() {
        send(ports, Queue::Inbound, prepared.told).await?;
    }
    Ok(prepared.replayed)
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
