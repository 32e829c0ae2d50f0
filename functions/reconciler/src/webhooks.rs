//! The steward of subscriptions (features C6): a webhook that a channel deleted is made again, what
//! it would have told is asked for, and webhooks that stay silent become a case.
//!
//! It looks after connections that say by `webhook_url` where their webhooks go.

use crate::{Job, JobError, Ports, Report, literal, poll};
use serde::{Deserialize, Serialize};
use waybill_flow::connections::Connection;
use waybill_flow::ports::{Clock, EffectStore, OrderStore, PartnerPort, Queues, Webhook};
use waybill_lambda_kit::heard;
use waybill_model::case::{Case, CaseId};
use waybill_model::id::Code;
use waybill_model::time::Instant;

/// Name of the checkpoint.
const CHECKPOINT: &str = "webhooks";
/// How long before a poll found something its webhook may have come.
const BEFORE_MS: i64 = 30 * 60 * 1000;
/// How long a silence is only suspected: a webhook may be late, or wait on our own queue.
const SUSPECTED_MS: i64 = 10 * 60 * 1000;
/// What a poll found longer ago is no reason to suspect anything now.
const RECENT_MS: i64 = 20 * 60 * 1000;
/// How far back webhooks are looked for at most.
const HORIZON_MS: i64 = 6 * 60 * 60 * 1000;

/// What is known of a connection's webhooks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Watch {
    /// When all of them were last seen to stand.
    stood_at: Option<Instant>,
    /// Since when one may have been missing, until the poll was told of it.
    gap_since: Option<Instant>,
    /// Topics of the gap that no poll finds.
    unpolled: Vec<String>,
    /// When one was last made.
    made_at: Option<Instant>,
    /// When a poll found something that no webhook told, until one comes.
    suspected_at: Option<Instant>,
}

impl<O: OrderStore, E: EffectStore, Q: Queues, P: PartnerPort, R, C: Clock, S>
    Ports<'_, O, E, Q, P, R, C, S>
{
    pub(crate) async fn webhooks(&self) -> Result<Report, JobError> {
        let mut report = Report {
            job: Job::Webhooks,
            looked_at: 0,
            found: 0,
            failed: Vec::new(),
        };
        let mut broken = None;
        let asked = |c: &&Connection| c.webhook_url.is_some();
        for connection in self.connections.iter().filter(asked) {
            report.looked_at += 1;
            if let Err(error) = self.look_after(connection, &mut report).await {
                tracing::warn!(step = "reconciler", partner = %connection.id, %error,
                    "the other connections are looked after all the same");
                broken = broken.or(Some(error));
            }
        }
        broken.map_or(Ok(report), Err)
    }

    async fn look_after(
        &self,
        connection: &Connection,
        report: &mut Report,
    ) -> Result<(), JobError> {
        let mut watch = self.watch(connection).await?;
        match self.partners.webhooks(&connection.id).await {
            Ok(Some(webhooks)) => {
                self.restore(connection, &mut watch, webhooks, report)
                    .await?;
            }
            // It answers, and manages no webhooks: an earlier refusal is nobody's work any more.
            Ok(None) => self.note_answer(connection, None, report).await?,
            Err(failure) => self.note_answer(connection, Some(&failure), report).await?,
        }
        let silent = self.listen(connection, &mut watch).await?;
        report.found += usize::from(silent);
        self.keep_watch(connection, &watch).await
    }

    /// Makes what is missing. The gap is written down before, so that a run that dies in between
    /// loses nothing, and told to the poll once all of them stand.
    async fn restore(
        &self,
        connection: &Connection,
        watch: &mut Watch,
        webhooks: Vec<Webhook>,
        report: &mut Report,
    ) -> Result<(), JobError> {
        let now = self.clock.now();
        let missing: Vec<Webhook> = webhooks.into_iter().filter(|w| !w.stands).collect();
        if !missing.is_empty() {
            watch.gap_since = watch.gap_since.or(watch.stood_at);
            let known = watch.unpolled.clone();
            let unpolled = missing.iter().filter(|w| !w.polled).map(|w| &w.topic);
            watch
                .unpolled
                .extend(unpolled.filter(|t| !known.contains(t)).cloned());
            self.keep_watch(connection, watch).await?;
        }
        let mut refused = false;
        for webhook in missing {
            match self
                .partners
                .create_webhook(&connection.id, &webhook.topic)
                .await
            {
                Ok(()) => {
                    tracing::warn!(step = "reconciler", partner = %connection.id,
                        topic = webhook.topic, "a webhook was missing and is made again");
                    watch.made_at = Some(now);
                    report.found += 1;
                }
                Err(failure) => {
                    refused = true;
                    self.note_answer(connection, Some(&failure), report).await?;
                }
            }
        }
        if refused {
            return Ok(());
        }
        self.note_answer(connection, None, report).await?;
        if let Some(since) = watch.gap_since {
            self.ask_again(connection, since).await?;
            self.tell_gap(connection, since, now, &watch.unpolled)
                .await?;
        }
        watch.gap_since = None;
        watch.unpolled.clear();
        watch.stood_at = Some(now);
        Ok(())
    }

    /// Lets the next poll begin where the gap did, or earlier if an earlier gap is not asked for yet.
    async fn ask_again(&self, connection: &Connection, since: Instant) -> Result<(), JobError> {
        let kept = self
            .effects
            .checkpoint(&connection.id, poll::ASK_FROM)
            .await?;
        let earlier = kept.and_then(|text| Instant::parse(&text).ok());
        let from = earlier.map_or(since, |at| at.min(since)).to_string();
        let kept = self
            .effects
            .set_checkpoint(&connection.id, poll::ASK_FROM, &from);
        Ok(kept.await?)
    }

    /// A case for what no poll brings back.
    async fn tell_gap(
        &self,
        connection: &Connection,
        since: Instant,
        now: Instant,
        unpolled: &[String],
    ) -> Result<(), JobError> {
        if unpolled.is_empty() {
            return Ok(());
        }
        let topics: Vec<String> = unpolled.iter().map(|t| format!("`{t}`")).collect();
        let detail = format!(
            "`{}` sent no {} between {since} and {now}: its subscriptions were gone",
            connection.id,
            topics.join(", ")
        );
        let remedy = "look in the channel's admin for what was requested or closed in that time, \
                      and change it there once more (a note is enough) so that it is told; then \
                      ignore this case";
        let case = self.webhook_case(
            connection,
            "webhook_gap",
            &since.to_string(),
            detail,
            remedy,
        );
        Ok(self.orders.put_case(&case).await?)
    }

    /// Whether webhooks stay silent although the poll finds something.
    async fn listen(&self, connection: &Connection, watch: &mut Watch) -> Result<bool, JobError> {
        let now = self.clock.now();
        let found_at = self.found_at(connection).await?;
        let recent = found_at.filter(|at| now.ms_since(*at) < RECENT_MS);
        // What was missed while a subscription was gone says nothing about the new one.
        let explained = |at: &Instant| {
            let made_at = watch.made_at.or(watch.gap_since);
            made_at.is_some_and(|made| at.ms_since(made) < SUSPECTED_MS)
        };
        let Some(at) = watch.suspected_at.or(recent).filter(|at| !explained(at)) else {
            watch.suspected_at = None;
            return Ok(false);
        };
        let from = at.plus_ms(-BEFORE_MS).max(now.plus_ms(-HORIZON_MS));
        let marks = heard::marks(&connection.id, from, now);
        let is_heard = !self.effects.seen(&marks).await?.is_empty();
        let id = CaseId::new(connection.id.as_str(), &literal(SILENT), "");
        if is_heard {
            watch.suspected_at = None;
            self.orders.resolve_case(id, now).await?;
            return Ok(false);
        }
        // The first run that notices waits for the next one.
        let is_known = watch.suspected_at.replace(at).is_some();
        if !is_known || now.ms_since(at) < SUSPECTED_MS {
            return Ok(false);
        }
        let url = connection.webhook_url.as_deref().unwrap_or_default();
        let detail = format!(
            "no webhook of `{}` has come since {from}, although the poll found changes at {at}",
            connection.id
        );
        let remedy = format!(
            "look in the channel's app whether deliveries to `{url}` fail, and with which status; \
             401 means another webhook secret. Meanwhile the poll finds orders within 15 minutes"
        );
        let case = self.webhook_case(connection, SILENT, "", detail, &remedy);
        self.orders.put_case(&case).await?;
        Ok(true)
    }

    async fn found_at(&self, connection: &Connection) -> Result<Option<Instant>, JobError> {
        let kept = self
            .effects
            .checkpoint(&connection.id, poll::CHECKPOINT)
            .await?;
        let kept = kept.and_then(|text| serde_json::from_str::<poll::Checkpoint>(&text).ok());
        Ok(kept.and_then(|kept| kept.found_at))
    }

    fn webhook_case(
        &self,
        connection: &Connection,
        code: &'static str,
        key: &str,
        detail: String,
        remedy: &str,
    ) -> Case {
        let code: Code = literal(code);
        let id = CaseId::new(connection.id.as_str(), &code, key);
        let now = self.clock.now();
        Case::of_connection(id, &connection.id, code, detail, remedy.to_owned(), now)
    }

    /// What another version wrote is begun anew.
    async fn watch(&self, connection: &Connection) -> Result<Watch, JobError> {
        let kept = self.effects.checkpoint(&connection.id, CHECKPOINT).await?;
        let watch = kept.and_then(|text| serde_json::from_str(&text).ok());
        Ok(watch.unwrap_or_default())
    }

    async fn keep_watch(&self, connection: &Connection, watch: &Watch) -> Result<(), JobError> {
        let text = serde_json::to_string(watch)?;
        let kept = self
            .effects
            .set_checkpoint(&connection.id, CHECKPOINT, &text);
        Ok(kept.await?)
    }
}

/// Code of the case of a connection whose webhooks do not come.
const SILENT: &str = "webhooks_silent";
