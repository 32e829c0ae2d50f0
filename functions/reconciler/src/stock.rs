//! Availability to the channels: only what changed, safety stock and orders in flight taken off.
//!
//! *In flight* are orders that the channel sold and the ERP does not hold yet: it cannot have
//! reserved them, so they are subtracted here. They are looked for among the orders that wait for
//! something, whichever channel of the same ERP sold them; an order that waits for its payment
//! counts too, since the channel has sold it.

use crate::{Job, JobError, Ports, Report};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use waybill_flow::connections::{ChannelSettings, Connection};
use waybill_flow::plan::keys;
use waybill_flow::ports::{
    Availability, Clock, EffectStore, Erp, OrderStore, Outgoing, Queue, Queues,
};
use waybill_flow::state::OrderState;
use waybill_lambda_kit::queues::command_message;
use waybill_model::command::{Command, CommandQueue, PublishStock};
use waybill_model::envelope::CommandEnvelope;
use waybill_model::event::Outcome;
use waybill_model::id::{ConnectionId, CorrelationId, EffectKey, MessageId, Sku};
use waybill_model::quantity::Quantity;
use waybill_model::stock::{StockKind, StockLevel};
use waybill_model::time::Instant;

/// Levels in one command: one call at the channels that take most.
const MAX_LEVELS: usize = 250;
/// How often everything is published, changed or not: repairs what a command that was given up left.
const FULL_MS: i64 = 6 * 60 * 60 * 1000;
/// Most orders looked through for what is in flight: a day's outage at two thousand orders an hour.
/// While more wait, nothing is published: what is left out of the sum would be sold twice.
const MAX_WAITING: usize = 50_000;
/// Reads of our own table at once.
const CONCURRENCY: usize = 16;
/// Deadlines of orders that wait are in the future.
const HORIZON_MS: i64 = 400 * 24 * 60 * 60 * 1000;
/// Name of the checkpoint.
const CHECKPOINT: &str = "stock";
/// Reported instead of publishing.
const TOO_MANY: &str = "too_many_waiting";

/// Units that were sold and that the ERP has not reserved, by ERP and SKU.
type InFlight = BTreeMap<ConnectionId, BTreeMap<Sku, Quantity>>;

/// What was published last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Published {
    /// When everything was.
    full_at: Option<Instant>,
    /// By SKU.
    levels: BTreeMap<Sku, Quantity>,
}

impl<O: OrderStore, E: EffectStore, Q: Queues, P, R: Erp, C: Clock, S>
    Ports<'_, O, E, Q, P, R, C, S>
{
    pub(crate) async fn stock(&self) -> Result<Report, JobError> {
        let mut report = Report {
            job: Job::Stock,
            looked_at: 0,
            found: 0,
            failed: Vec::new(),
        };
        let mut by_erp: BTreeMap<&ConnectionId, Vec<(&Connection, &ChannelSettings)>> =
            BTreeMap::new();
        for connection in self.connections.iter() {
            if let Some(channel) = &connection.channel
                && channel.stock_location.is_some()
            {
                let channels = by_erp.entry(&channel.erp).or_default();
                channels.push((connection, channel));
            }
        }
        if by_erp.is_empty() {
            return Ok(report);
        }
        // Levels are as of before anything was read: of two runs at once the one that read later is the newer.
        let now = self.clock.now();
        let Some(in_flight) = self.in_flight(MAX_WAITING).await? else {
            tracing::warn!(
                step = "reconciler",
                most = MAX_WAITING,
                error_code = TOO_MANY,
                "more orders wait than are looked through: no stock is published"
            );
            report.failed.push(TOO_MANY.to_owned());
            return Ok(report);
        };
        let nothing = BTreeMap::new();
        for (erp, channels) in by_erp {
            let answer = self.erp.availability(erp, &[]).await;
            if let Some(connection) = self.connections.get(erp) {
                self.note_answer(connection, answer.as_ref().err(), &mut report)
                    .await?;
            }
            let Ok(available) = answer else { continue };
            report.looked_at += available.len();
            let in_flight = in_flight.get(erp).unwrap_or(&nothing);
            for (connection, settings) in channels {
                let sellable = sellable(&available, settings, in_flight);
                report.found += self.publish(connection, erp, sellable, now).await?;
            }
        }
        Ok(report)
    }

    /// Publishes what differs from the last time, and remembers it once it is on the queue.
    async fn publish(
        &self,
        connection: &Connection,
        erp: &ConnectionId,
        sellable: BTreeMap<Sku, Quantity>,
        now: Instant,
    ) -> Result<usize, JobError> {
        let kept = self.effects.checkpoint(&connection.id, CHECKPOINT).await?;
        let mut published: Published = kept
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let full = published
            .full_at
            .is_none_or(|at| now.ms_since(at) >= FULL_MS);
        let changed: Vec<StockLevel> = sellable
            .iter()
            .filter(|(sku, quantity)| full || published.levels.get(*sku) != Some(*quantity))
            .map(|(sku, quantity)| StockLevel {
                location: erp.clone(),
                sku: sku.clone(),
                kind: StockKind::Available,
                quantity: *quantity,
                at: now,
                lot: None,
            })
            .collect();
        if changed.is_empty() {
            return Ok(0);
        }
        let messages = changed
            .chunks(MAX_LEVELS)
            .enumerate()
            .map(|(index, levels)| self.command(connection, levels, now, index))
            .collect::<Result<Vec<_>, JobError>>()?;
        self.send(Queue::Commands(CommandQueue::Status), messages)
            .await?;
        if full {
            published.full_at = Some(now);
        }
        // What became unknown keeps its last level: the channel still shows that.
        published.levels.extend(sellable);
        let value = serde_json::to_string(&published)?;
        self.effects
            .set_checkpoint(&connection.id, CHECKPOINT, &value)
            .await?;
        Ok(changed.len())
    }

    fn command(
        &self,
        connection: &Connection,
        levels: &[StockLevel],
        now: Instant,
        index: usize,
    ) -> Result<Outgoing, JobError> {
        let correlation = CorrelationId::for_connection(&connection.id);
        let run = format!("{}-{index}", now.epoch_ms());
        let effect = EffectKey::of("channel_stock.publish", Some(&run));
        let mut command = CommandEnvelope::new(
            MessageId::for_effect(correlation, &effect),
            connection.id.clone(),
            now,
            correlation,
            Command::PublishStock(PublishStock {
                channel: connection.id.clone(),
                levels: levels.to_vec(),
            }),
        )
        .for_effect(effect);
        command.configversion = Some(self.connections.version.clone());
        Ok(command_message(&command)?)
    }

    /// Units by ERP and SKU of orders that the ERP does not hold yet; none if more than `most` wait.
    pub(crate) async fn in_flight(&self, most: usize) -> Result<Option<InFlight>, JobError> {
        let horizon = self.clock.now().plus_ms(HORIZON_MS);
        let waiting = self.orders.overdue(horizon, most.saturating_add(1)).await?;
        if waiting.len() > most {
            return Ok(None);
        }
        let mut units = InFlight::new();
        let mut loads = futures::stream::iter(waiting)
            .map(|id| self.orders.load(id))
            .buffered(CONCURRENCY);
        while let Some(stored) = loads.next().await {
            let Some(stored) = stored? else { continue };
            let Some(order) = &stored.state.facts.order else {
                continue;
            };
            let Some(settings) = self.connections.channel(&order.channel) else {
                continue;
            };
            if order.test || order.cancelled.is_some() || is_in_erp(&stored.state) {
                continue;
            }
            let units = units.entry(settings.erp.clone()).or_default();
            for line in &order.lines {
                if let Some(sku) = &line.sku {
                    let known = units.entry(sku.clone()).or_default();
                    *known = known.plus(line.current_quantity);
                }
            }
        }
        Ok(Some(units))
    }
}

fn is_in_erp(state: &OrderState) -> bool {
    let effect = state.effects.get(&keys::sale_order());
    matches!(
        effect.and_then(|e| e.outcome.as_ref()),
        Some(Outcome::Done { .. })
    )
}

/// What the channel may sell. A product whose stock is not known is left out: no number is better
/// than a wrong one.
fn sellable(
    available: &[Availability],
    settings: &ChannelSettings,
    in_flight: &BTreeMap<Sku, Quantity>,
) -> BTreeMap<Sku, Quantity> {
    let sell = |a: &Availability| {
        let sold = in_flight.get(&a.sku).copied().unwrap_or_default();
        let left = a.available?.minus(settings.safety_stock).minus(sold);
        Some((a.sku.clone(), left))
    };
    available.iter().filter_map(sell).collect()
}
