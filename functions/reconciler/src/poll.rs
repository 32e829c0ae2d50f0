//! The poll backstop: what a lost webhook missed is found by asking.

use crate::{Job, JobError, Ports, Report, literal};
use serde::{Deserialize, Serialize};
use waybill_flow::connections::Connection;
use waybill_flow::ports::{Clock, EffectStore, OrderStore, PartnerPort, Queue, Queues};
use waybill_lambda_kit::delivery;
use waybill_lambda_kit::queues::plain_message;
use waybill_model::case::{Case, CaseId};
use waybill_model::delivery::Delivery;
use waybill_model::failure::Failure;
use waybill_model::id::MessageId;
use waybill_model::ownership::Role;
use waybill_model::time::Instant;

/// Time asked for twice: a channel's clock and index run behind.
const OVERLAP_MS: i64 = 5 * 60 * 1000;
/// How far back a channel is asked the first time.
const FIRST_MS: i64 = 24 * 60 * 60 * 1000;
/// Most pages of one channel in one run: ten thousand orders.
const MAX_PAGES: usize = 200;
/// Time after which a run begins no further page, in milliseconds: the function may run for 300 s,
/// and the next run goes on where this one ended.
const BUDGET_MS: i64 = 200_000;
/// How long a record that was handed in is remembered: longer than any page is asked for again.
const SEEN_MS: i64 = 24 * 60 * 60 * 1000;
/// Name of the checkpoint.
pub(crate) const CHECKPOINT: &str = "poll";
/// Name of the instant from which the next run asks, where that is earlier than it would: blank
/// once it did.
pub(crate) const ASK_FROM: &str = "poll_from";
/// A run that asks no further back than this finds what webhooks should have told just now.
const NEAR_MS: i64 = 30 * 60 * 1000;

/// Where a channel's poll stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Asked for changes from here on.
    since: Instant,
    /// The next page, of a run that was not finished.
    cursor: Option<String>,
    /// When the first page of the unfinished run was asked for.
    started: Instant,
    /// When a run last found something that happened shortly before.
    #[serde(default)]
    pub(crate) found_at: Option<Instant>,
}

/// What one channel gave.
struct Polled {
    deliveries: usize,
    failure: Option<Failure>,
}

impl<O: OrderStore, E: EffectStore, Q: Queues, P: PartnerPort, R, C: Clock, S>
    Ports<'_, O, E, Q, P, R, C, S>
{
    pub(crate) async fn poll(&self) -> Result<Report, JobError> {
        let mut report = Report {
            job: Job::Poll,
            looked_at: 0,
            found: 0,
            failed: Vec::new(),
        };
        let channels = self
            .connections
            .iter()
            .filter(|c| c.has_role(Role::Channel));
        let mut broken = None;
        let until = self.clock.now().plus_ms(BUDGET_MS);
        for connection in channels {
            report.looked_at += 1;
            // One channel's fault must not keep the others from being asked; the first is told
            // once all were.
            if let Err(error) = self.poll_one(connection, until, &mut report).await {
                tracing::warn!(step = "reconciler", partner = %connection.id, %error,
                    "the other channels are asked all the same");
                broken = broken.or(Some(error));
            }
        }
        broken.map_or(Ok(report), Err)
    }

    async fn poll_one(
        &self,
        connection: &Connection,
        until: Instant,
        report: &mut Report,
    ) -> Result<(), JobError> {
        let polled = self.poll_channel(connection, until).await?;
        report.found += polled.deliveries;
        self.note_answer(connection, polled.failure.as_ref(), report)
            .await
    }

    async fn poll_channel(
        &self,
        connection: &Connection,
        until: Instant,
    ) -> Result<Polled, JobError> {
        let now = self.clock.now();
        let mut at = self.checkpoint(connection, now).await?;
        let gap = self.gap(connection).await?;
        if let Some((from, _)) = &gap
            && at.cursor.is_none()
        {
            at.since = at.since.min(from.plus_ms(-OVERLAP_MS));
        }
        let mut deliveries = 0;
        for _ in 0..MAX_PAGES {
            let page = self
                .partners
                .poll(&connection.id, at.since, at.cursor.as_deref(), now)
                .await;
            let page = match page {
                Ok(page) => page,
                Err(failure @ (Failure::Rejected { .. } | Failure::Poison { .. }))
                    if at.cursor.is_some() =>
                {
                    // A cursor is the channel's and lives shortly. Asking anew from the same
                    // instant loses nothing: what was handed in is recognised.
                    tracing::warn!(step = "reconciler", partner = %connection.id,
                        error_code = %failure.code(), "the cursor was refused: asked anew");
                    at.cursor = None;
                    at.started = now;
                    self.keep(connection, &at).await?;
                    continue;
                }
                Err(failure) => {
                    return Ok(Polled {
                        deliveries,
                        failure: Some(failure),
                    });
                }
            };
            let handed_in = self.hand_in(page.deliveries).await?;
            deliveries += handed_in;
            if handed_in > 0 && now.ms_since(at.since) < NEAR_MS {
                at.found_at = Some(now);
            }
            let finished = page.cursor.is_none();
            at.cursor = page.cursor;
            let asked_from = at.since;
            if finished {
                at.since = at.started.plus_ms(-OVERLAP_MS);
            }
            self.keep(connection, &at).await?;
            if finished {
                self.close_gap(connection, gap, asked_from).await?;
                break;
            }
            // Every channel has its first page, so that one that is busy keeps none from its turn.
            if self.clock.now() >= until {
                break;
            }
        }
        Ok(Polled {
            deliveries,
            failure: None,
        })
    }

    /// From when on a gap is to be asked for, and as it is written down.
    async fn gap(&self, connection: &Connection) -> Result<Option<(Instant, String)>, JobError> {
        let text = self.effects.checkpoint(&connection.id, ASK_FROM).await?;
        Ok(text.and_then(|text| Some((Instant::parse(&text).ok()?, text))))
    }

    /// Forgets the gap, if it was asked for and no other was found meanwhile.
    async fn close_gap(
        &self,
        connection: &Connection,
        gap: Option<(Instant, String)>,
        asked_from: Instant,
    ) -> Result<(), JobError> {
        if let Some((from, text)) = gap
            && asked_from <= from
        {
            self.effects
                .swap_checkpoint(&connection.id, ASK_FROM, Some(&text), "")
                .await?;
        }
        Ok(())
    }

    async fn keep(&self, connection: &Connection, at: &Checkpoint) -> Result<(), JobError> {
        let value = serde_json::to_string(at)?;
        let kept = self
            .effects
            .set_checkpoint(&connection.id, CHECKPOINT, &value);
        Ok(kept.await?)
    }

    /// Where the last run ended. One that cannot be read is begun anew: duplicates do no harm.
    async fn checkpoint(
        &self,
        connection: &Connection,
        now: Instant,
    ) -> Result<Checkpoint, JobError> {
        let kept = self.effects.checkpoint(&connection.id, CHECKPOINT).await?;
        let kept = kept.and_then(|text| serde_json::from_str::<Checkpoint>(&text).ok());
        Ok(match kept {
            Some(unfinished) if unfinished.cursor.is_some() => unfinished,
            Some(finished) => Checkpoint {
                started: now,
                ..finished
            },
            // Kept before the channel answers: one that is away for days is asked from here all the same.
            None => {
                let first = Checkpoint {
                    since: now.plus_ms(-FIRST_MS),
                    cursor: None,
                    started: now,
                    found_at: None,
                };
                self.keep(connection, &first).await?;
                first
            }
        })
    }

    /// Sends what no earlier run sent, by receipt: the overlap asks for most records again. Returns how many.
    async fn hand_in(&self, mut deliveries: Vec<Delivery>) -> Result<usize, JobError> {
        let receipts: Vec<MessageId> = deliveries.iter().map(|d| d.receipt.clone()).collect();
        let seen = self.effects.seen(&receipts).await?;
        deliveries.retain(|delivery| !seen.contains(&delivery.receipt));
        let mut messages = Vec::with_capacity(deliveries.len());
        for delivery in &deliveries {
            match delivery::encode(delivery) {
                Ok(message) => messages.push(plain_message(message)),
                Err(error) => self.too_large(delivery, &error.to_string()).await?,
            }
        }
        self.send(Queue::Inbound, messages).await?;
        let sent: Vec<MessageId> = deliveries.into_iter().map(|d| d.receipt).collect();
        let expires = self.clock.now().plus_ms(SEEN_MS);
        self.effects.mark_seen(&sent, expires).await?;
        Ok(sent.len())
    }

    async fn too_large(&self, delivery: &Delivery, detail: &str) -> Result<(), JobError> {
        let code = literal("delivery_too_large");
        let subject = delivery.dedupe_id.as_deref().unwrap_or_default();
        let connection = &delivery.connection;
        let id = CaseId::new(connection.as_str(), &code, subject);
        let detail = format!("a polled record of `{connection}`: {detail}");
        let remedy = "split the order at the channel, or enter it in Odoo by hand; then ignore this case, which \
                      does not close by itself"
            .to_owned();
        let case = Case::of_connection(id, connection, code, detail, remedy, self.clock.now());
        Ok(self.orders.put_case(&case).await?)
    }
}
