//! Turns at an ERP: how many may write at once, and how much, shared by all writers.
//!
//! A writer takes a seat before it writes and leaves it afterwards, with what it learned; both are
//! a compare-and-set of one small document. The pace protects Odoo, it does not keep orders right:
//! so where the document cannot be read or written, writing goes on without it.

use crate::{CALL_MS, LEASE_MS, Ports, TELLING_MS};
use std::time::Duration;
use waybill_flow::pace::{Cap, Lane, Pace, Sample};
use waybill_flow::ports::{Clock, EffectStore, ErpCommand, InfraError};
use waybill_lambda_kit::documents;
use waybill_lambda_kit::telemetry::write_gauges;
use waybill_model::command::CommandQueue;
use waybill_model::failure::Failure;
use waybill_model::id::{Code, ConnectionId};
use waybill_model::time::Instant;

/// Looks at the seats within an invocation: 20 s. A batch takes a few seconds, so a seat comes free
/// in that time; giving the messages back at once would cost a receive each time.
const LOOKS: u32 = 40;
/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// When messages that found no seat come again, in milliseconds.
const AGAIN_MS: u64 = 20_000;

/// A turn at writing.
#[derive(Debug)]
pub(crate) struct Turn {
    erp: ConnectionId,
    owner: String,
    cap: Cap,
    at_once: u32,
    /// As it was when the turn began, with what was learned since.
    pace: Pace,
    learned: Vec<(Sample, Instant)>,
}

impl Turn {
    /// Commands that the next call may hold.
    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.pace.batch).unwrap_or(1).max(1)
    }

    /// Learns from a call that began at `began` and ended at `now`.
    pub(crate) fn learn(&mut self, results: &[Result<(), &Failure>], began: Instant, now: Instant) {
        let troubled = results.iter().any(|r| r.is_err_and(is_trouble));
        let answered = |r: &Result<(), &Failure>| match r {
            Ok(()) => true,
            Err(failure) => matches!(failure, Failure::Rejected { .. }),
        };
        // An Odoo that is away says so quickly.
        if !troubled && !results.iter().any(answered) {
            return;
        }
        let sample = Sample {
            commands: u32::try_from(results.len()).unwrap_or(u32::MAX),
            took_ms: u32::try_from(now.ms_since(began)).unwrap_or_default(),
            at_once: self.at_once,
            troubled,
        };
        self.pace.learn(sample, now, self.cap);
        self.learned.push((sample, now));
    }
}

/// Whether Odoo was asked for too much. A connection that is refused is not that.
fn is_trouble(failure: &Failure) -> bool {
    let code = failure.code();
    ["erp_answer_lost", "erp_concurrency", "erp_out_of_time"].contains(&code.as_str())
}

/// Nobody may write for now.
pub(crate) fn busy(erp: &ConnectionId) -> Failure {
    Failure::Transient {
        code: Code::literal("erp_seats_taken"),
        detail: format!("`{erp}` takes no more writers at once"),
        retry_after_ms: Some(AGAIN_MS),
    }
}

/// The lane of a batch: with an order in it, it is the orders'.
fn lane_of(commands: &[ErpCommand]) -> Lane {
    let is_bulk = |c: &ErpCommand| c.command.kind().queue() == CommandQueue::ErpBulk;
    if commands.iter().all(is_bulk) {
        Lane::Bulk
    } else {
        Lane::Orders
    }
}

impl<O, E: EffectStore, Q, R, C: Clock> Ports<'_, O, E, Q, R, C> {
    /// Waits for a seat, and takes it. None if none comes free in time.
    pub(crate) async fn turn(
        &self,
        erp: &ConnectionId,
        cap: Cap,
        commands: &[ErpCommand],
        until: Instant,
    ) -> Option<Turn> {
        // Who a command is written for is a name that no other attempt has.
        let owner = waybill_lambda_kit::chance::unique().to_string();
        let lane = lane_of(commands);
        for _ in 0..LOOKS {
            let now = self.clock.now();
            if until.ms_since(now) < TELLING_MS + CALL_MS {
                break;
            }
            let taken = self
                .change(erp, cap, |pace| {
                    pace.sit_down(&owner, lane, now, now.plus_ms(LEASE_MS))
                })
                .await;
            let (pace, seat) = match taken {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::warn!(%erp, %error, "the pace cannot be read, writing without it");
                    (Pace::new(cap), Some(1))
                }
            };
            if let Some(at_once) = seat {
                return Some(Turn {
                    erp: erp.clone(),
                    owner,
                    cap,
                    at_once,
                    pace,
                    learned: Vec::new(),
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        None
    }

    /// Ends a turn, and tells the others what it learned.
    pub(crate) async fn end(&self, turn: Turn) {
        let told = self
            .change(&turn.erp, turn.cap, |pace| {
                let before = (pace.batch, pace.writers);
                for (sample, at) in &turn.learned {
                    pace.learn(*sample, *at, turn.cap);
                }
                pace.stand_up(&turn.owner);
                Some(before)
            })
            .await;
        match told {
            Ok((pace, before)) => self.tell(&turn.erp, &pace, before),
            // The seat comes free when its time is over.
            Err(error) => {
                tracing::warn!(erp = %turn.erp, %error, "what was learned of the pace is lost");
            }
        }
    }

    /// As metrics, and a line where it changed: the queue's length by the commands a minute is the
    /// backlog in minutes.
    fn tell(&self, erp: &ConnectionId, pace: &Pace, before: Option<(u32, u32)>) {
        let (batch, writers) = (pace.batch, pace.writers);
        let Some(rate) = pace.per_minute() else {
            return;
        };
        let values = [
            ("commands_per_minute", rate),
            ("batch", batch.into()),
            ("writers", writers.into()),
        ];
        write_gauges(erp.as_str(), &values, self.clock.now());
        if before != Some((batch, writers)) {
            tracing::info!(%erp, batch, writers, rate, "the pace changed");
        }
    }

    /// Changes the document, within what may be done today. Where `change` gives nothing, nothing is
    /// written.
    async fn change<T>(
        &self,
        erp: &ConnectionId,
        cap: Cap,
        change: impl Fn(&mut Pace) -> Option<T>,
    ) -> Result<(Pace, Option<T>), InfraError> {
        let within = |pace: &mut Pace| {
            *pace = pace.clone().within(cap);
            change(pace)
        };
        documents::change(self.effects, erp, || Pace::new(cap), within).await
    }
}
