//! Plays a day and waits until it has settled.

use crate::Stop;
use crate::simulators::Simulators;
use crate::stack::{QUEUES, Stack};
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Longest wait for a day to settle after its last event: a message that failed often is tried again after up to a quarter of
/// an hour.
const SETTLE_LIMIT: Duration = Duration::from_secs(1_000);
/// Longest wait of one step of an order's script, in seconds: the simulators' own limit, and that of a day in which
/// functions are killed, where a step may wait for several leases to run out.
const STEP_LIMIT_S: u64 = 300;
const STEP_LIMIT_KILLING_S: u64 = 900;
/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(1000);
/// Looks in a row that must find nothing to do.
const QUIET_LOOKS: u32 = 4;
/// Jobs of the reconciler, each run every so many looks: the schedules of the compressed day.
const JOBS: [(&str, u32); 3] = [("poll", 5), ("overdue", 7), ("stock", 15)];

/// A day that runs.
#[derive(Debug)]
pub struct Day<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// The simulators.
    pub simulators: &'a Simulators,
    /// Client of the queues.
    pub sqs: aws_sdk_sqs::Client,
    /// Whether functions are killed meanwhile: then a job that died is run again by its schedule.
    pub killing: bool,
}

/// Where a day stands.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Orders placed so far.
    pub placed: u64,
    /// Whether the script of the day has ended.
    pub finished: bool,
    /// Webhooks that are on their way.
    pub webhooks: u64,
    /// Messages that wait, by queue.
    pub waiting: Vec<(&'static str, u64)>,
    /// Messages that are being worked on, or hidden until a retry.
    pub working: u64,
}

impl Progress {
    fn is_quiet(&self) -> bool {
        self.finished
            && self.webhooks == 0
            && self.working == 0
            && self.waiting.iter().all(|(_, n)| *n == 0)
    }

    fn line(&self, seconds: u64) -> String {
        let queues: Vec<String> = self
            .waiting
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(q, n)| format!("{q} {n}"))
            .collect();
        let queues = if queues.is_empty() {
            "empty".to_owned()
        } else {
            queues.join(", ")
        };
        format!(
            "{seconds:>4} s  {} orders placed, {} webhooks under way, queues: {queues}, {} at work or to be tried again",
            self.placed, self.webhooks, self.working
        )
    }
}

impl Day<'_> {
    /// Plays it to the end, and then until nothing moves any more. Returns the seconds it took.
    ///
    /// # Errors
    /// A simulator or the stack cannot be asked, or the day does not settle.
    pub async fn play(&self, orders: u32, seed: u64) -> Result<u64, Stop> {
        let begun = Instant::now();
        let limit_s = if self.killing {
            STEP_LIMIT_KILLING_S
        } else {
            STEP_LIMIT_S
        };
        self.simulators
            .post(
                "day",
                &json!({ "orders": orders, "seed": seed, "wait_limit_s": limit_s }),
            )
            .await?;
        let mut quiet = 0;
        let mut finished_at = None;
        for look in 1_u32.. {
            tokio::time::sleep(LOOK).await;
            for (job, every) in JOBS {
                if look.is_multiple_of(every) {
                    self.reconcile(job).await?;
                }
            }
            let progress = self.progress().await?;
            show(&progress.line(begun.elapsed().as_secs()));
            quiet = if progress.is_quiet() { quiet + 1 } else { 0 };
            // A poll after the last event finds what a lost webhook missed.
            if quiet == 1 && finished_at.is_none() {
                self.reconcile("poll").await?;
            }
            if progress.finished && finished_at.is_none() {
                finished_at = Some(Instant::now());
            }
            if quiet >= QUIET_LOOKS {
                break;
            }
            if finished_at.is_some_and(|at| at.elapsed() > SETTLE_LIMIT) {
                let detail = progress.line(begun.elapsed().as_secs());
                return Err(Stop::new("waiting for the day to settle", detail));
            }
        }
        for job in ["overdue", "compare"] {
            self.reconcile(job).await?;
        }
        self.drain().await?;
        Ok(begun.elapsed().as_secs())
    }

    async fn reconcile(&self, job: &str) -> Result<(), Stop> {
        let ran = self.stack.reconcile(&self.simulators.http, job).await?;
        if ran || self.killing {
            return Ok(());
        }
        Err(Stop::new(
            format!("running the reconciler's `{job}`"),
            "its process died",
        ))
    }

    /// Waits until what the last jobs found is done.
    async fn drain(&self) -> Result<(), Stop> {
        let begun = Instant::now();
        let mut quiet = 0;
        while quiet < 2 {
            tokio::time::sleep(LOOK).await;
            quiet = if self.progress().await?.is_quiet() {
                quiet + 1
            } else {
                0
            };
            if begun.elapsed() > SETTLE_LIMIT {
                return Err(Stop::new(
                    "waiting for the reconciler's findings",
                    "not done",
                ));
            }
        }
        Ok(())
    }

    async fn progress(&self) -> Result<Progress, Stop> {
        let day = self.simulators.get("day").await?;
        let mut progress = Progress {
            placed: number(&day, "placed"),
            finished: day
                .get("finished")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            webhooks: number(&day, "webhooks_pending"),
            ..Progress::default()
        };
        for queue in QUEUES {
            let output = format!("{queue}QueueUrl");
            let (waiting, working) = self.stack.depth(&self.sqs, &output).await?;
            progress.waiting.push((queue, waiting));
            progress.working += working;
        }
        Ok(progress)
    }
}

fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or_default()
}

/// One line that replaces the last on a terminal, and is its own elsewhere.
fn show(line: &str) {
    let mut out = std::io::stdout().lock();
    let written = if out.is_terminal() {
        write!(out, "\r\u{1b}[2K{line}")
    } else {
        writeln!(out, "{line}")
    };
    // A closed terminal must not end the run: its exit status is what counts.
    drop(written.and_then(|()| out.flush()));
}
