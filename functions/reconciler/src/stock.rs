//! Availability to the channels: only what changed, safety stock and orders in flight taken off.
//!
//! *In flight* are orders that the channel sold and the ERP does not hold yet: it cannot have
//! reserved them, so they are subtracted here. They are looked for among the orders that wait for
//! something, whichever channel of the same ERP sold them; an order that waits for its payment
//! counts too, since the channel has sold it.
//!
//! Where it is not known what all is in flight nothing is published, and a case and an alarm say
//! so: what is left out of the sum would be sold twice.

mod in_flight;

use crate::{Job, JobError, Ports, Report, literal};
#[cfg(test)]
pub(crate) use in_flight::Bounds as InFlightBounds;
pub(crate) use in_flight::{InFlight, TooMuch};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use waybill_flow::connections::{ChannelSettings, Connection};
use waybill_flow::ports::{
    Availability, Clock, EffectStore, Erp, OrderStore, Outgoing, Queue, Queues,
};
use waybill_lambda_kit::queues::command_message;
use waybill_model::case::{Case, CaseId};
use waybill_model::command::{Command, CommandQueue, PublishStock};
use waybill_model::envelope::CommandEnvelope;
use waybill_model::id::{ConnectionId, CorrelationId, EffectKey, MessageId, Sku};
use waybill_model::quantity::Quantity;
use waybill_model::stock::{StockKind, StockLevel};
use waybill_model::time::Instant;

/// Levels in one command: one call at the channels that take most.
const MAX_LEVELS: usize = 250;
/// How often everything is published, changed or not: repairs what a command that was given up left.
const FULL_MS: i64 = 6 * 60 * 60 * 1000;
/// How far ahead another run can be: twice as long as a run may take. What was read later than that
/// was read by a clock that is wrong, and holds nobody up.
const AHEAD_MS: i64 = 10 * 60 * 1000;
/// Name of the checkpoint.
const CHECKPOINT: &str = "stock";
/// Code of the case, and of the metric that the alarm watches.
const NOT_PUBLISHED: &str = "stock_not_published";

/// What was published last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Published {
    /// When it was read what was published last; absent where an older version wrote this.
    #[serde(default)]
    read_at: Option<Instant>,
    /// When everything was.
    full_at: Option<Instant>,
    /// By SKU. What is being published is left out: the channel may show one thing or another.
    levels: BTreeMap<Sku, Quantity>,
}

impl Published {
    /// Whether a run that read at `now` comes too late.
    fn is_newer_than(&self, now: Instant) -> bool {
        self.read_at
            .is_some_and(|at| at > now && at.ms_since(now) <= AHEAD_MS)
    }

    fn is_full_due(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| now.ms_since(at) >= FULL_MS)
    }

    /// What the channel is not known to show.
    fn changed(
        &self,
        sellable: &BTreeMap<Sku, Quantity>,
        erp: &ConnectionId,
        now: Instant,
    ) -> Vec<StockLevel> {
        let full = self.is_full_due(now);
        let changed = sellable
            .iter()
            .filter(|(sku, quantity)| full || self.levels.get(*sku) != Some(*quantity));
        let level = |(sku, quantity): (&Sku, &Quantity)| StockLevel {
            location: erp.clone(),
            sku: sku.clone(),
            kind: StockKind::Available,
            quantity: *quantity,
            at: now,
            lot: None,
        };
        changed.map(level).collect()
    }
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
        let by_erp = self.publishing();
        if by_erp.is_empty() {
            return Ok(report);
        }
        // Levels are as of before anything was read: of two runs at once the one that read later is the newer.
        let now = self.clock.now();
        let bounds = in_flight::Bounds::of_run(now);
        let in_flight = match self.in_flight(now, bounds).await? {
            InFlight::Known(units) => units,
            InFlight::Unknown(why) => {
                report.failed.push(NOT_PUBLISHED.to_owned());
                for erp in by_erp.keys() {
                    self.settle_case(erp, Some(why)).await?;
                }
                return Ok(report);
            }
        };
        let nothing = BTreeMap::new();
        for (erp, channels) in by_erp {
            self.settle_case(erp, None).await?;
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

    /// The channels that stock is published to, by ERP.
    fn publishing(&self) -> BTreeMap<&ConnectionId, Vec<(&Connection, &ChannelSettings)>> {
        let mut by_erp: BTreeMap<&ConnectionId, Vec<_>> = BTreeMap::new();
        for connection in self.connections.iter() {
            if let Some(channel) = &connection.channel
                && channel.stock_location.is_some()
            {
                let channels = by_erp.entry(&channel.erp).or_default();
                channels.push((connection, channel));
            }
        }
        by_erp
    }

    /// Opens the case that no stock of this ERP is published, or closes the one that is open.
    async fn settle_case(&self, erp: &ConnectionId, why: Option<TooMuch>) -> Result<(), JobError> {
        let code = literal(NOT_PUBLISHED);
        let id = CaseId::new(erp.as_str(), &code, "stock");
        let now = self.clock.now();
        let Some(why) = why else {
            return Ok(self.orders.resolve_case(id, now).await?);
        };
        let detail = why.detail();
        tracing::warn!(step = "reconciler", partner = %erp, error_code = NOT_PUBLISHED, detail,
            "no stock is published");
        let detail = format!(
            "no stock of `{erp}` is published, and the channels go on with what they were last \
             told: {detail}"
        );
        let case = Case::of_connection(id, erp, code, detail, why.remedy().to_owned(), now);
        Ok(self.orders.put_case(&case).await?)
    }

    /// Publishes what differs from the last time, unless a run that read later did.
    ///
    /// What is about to be sent is taken out of the checkpoint first, and put in once it is on the
    /// queue: whatever becomes of this run, the checkpoint never says that the channel shows what
    /// it may not, and the next run sends what is left out.
    async fn publish(
        &self,
        connection: &Connection,
        erp: &ConnectionId,
        sellable: BTreeMap<Sku, Quantity>,
        now: Instant,
    ) -> Result<usize, JobError> {
        let kept = self.effects.checkpoint(&connection.id, CHECKPOINT).await?;
        let mut published: Published = kept
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        if published.is_newer_than(now) {
            return Ok(overtaken(connection));
        }
        let changed = published.changed(&sellable, erp, now);
        if changed.is_empty() {
            return Ok(0);
        }
        let messages = changed
            .chunks(MAX_LEVELS)
            .enumerate()
            .map(|(index, levels)| self.command(connection, levels, now, index))
            .collect::<Result<Vec<_>, JobError>>()?;
        let full = published.is_full_due(now);
        published.read_at = Some(now);
        for level in &changed {
            published.levels.remove(&level.sku);
        }
        let begun = serde_json::to_string(&published)?;
        if !self.swap(connection, kept.as_deref(), &begun).await? {
            return Ok(overtaken(connection));
        }
        self.send(Queue::Commands(CommandQueue::Status), messages)
            .await?;
        if full {
            published.full_at = Some(now);
        }
        // What became unknown keeps its last level: the channel still shows that.
        published.levels.extend(sellable);
        let done = serde_json::to_string(&published)?;
        if !self.swap(connection, Some(&begun), &done).await? {
            // What was sent here is overtaken by what the newer run sends of the same products.
            overtaken(connection);
        }
        Ok(changed.len())
    }

    /// Keeps the checkpoint, unless another run did meanwhile.
    async fn swap(
        &self,
        connection: &Connection,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool, JobError> {
        let swapped = self
            .effects
            .swap_checkpoint(&connection.id, CHECKPOINT, expected, value);
        Ok(swapped.await?)
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
}

/// Nothing more is published by this run: the one that overtook it does, or the next.
fn overtaken(connection: &Connection) -> usize {
    tracing::info!(step = "reconciler", partner = %connection.id, "another run publishes the stock");
    0
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
