//! What the writers' processes talk to: the queue, as Lambda hands it to a function, and the queue of outcomes.

use super::Pace;
use super::queue::{BATCH, Counts, Queue};
use crate::Stop;
use crate::loopback::serve;
use crate::workload::orders::{Plan, Run};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::{Event, Outcome};
use waybill_model::id::CorrelationId;

/// How often the queue is looked at for messages.
const LOOK: Duration = Duration::from_millis(10);
/// Longest wait of a writer for messages.
const LONG_POLL: Duration = Duration::from_secs(2);

/// A writer asks for work.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ask {
    /// Which writer.
    pub writer: u32,
}

/// What it gets.
#[derive(Debug, Serialize, Deserialize)]
pub struct Work {
    /// Nothing will come any more.
    pub over: bool,
    /// The function's event; absent when nothing came in time.
    pub event: Option<Value>,
}

/// What became of an event.
#[derive(Debug, Serialize, Deserialize)]
pub struct Finish {
    /// Which writer.
    pub writer: u32,
    /// Receipts to delete.
    pub done: Vec<String>,
    /// How many messages were reported as failed.
    pub failed: usize,
}

/// Receipts and the seconds after which they come back.
pub type Changes = Vec<(String, u32)>;

#[derive(Debug)]
struct Inner {
    queue: Queue,
    pace: Pace,
    /// Writers that have a batch in hand, and since when.
    busy: BTreeMap<u32, Instant>,
    /// Kills that are still to come.
    kills_left: usize,
    /// Writers whose batch is the last that one of them can meet: it is not acknowledged until they are dead.
    condemned: BTreeSet<u32>,
    outcomes: BTreeMap<CorrelationId, BTreeSet<&'static str>>,
    /// What a refused order was told.
    refusals: Vec<String>,
}

type Shared = Arc<Mutex<Inner>>;

/// The server.
#[derive(Debug, Clone)]
pub struct Control {
    /// Its base URL.
    pub url: String,
    inner: Shared,
}

fn lock(inner: &Shared) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    /// Serves these messages.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(bodies: Vec<String>, pace: Pace) -> Result<Self, Stop> {
        let inner = Arc::new(Mutex::new(Inner {
            queue: Queue::new(bodies, pace.visibility),
            pace,
            busy: BTreeMap::new(),
            kills_left: 0,
            condemned: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            refusals: Vec::new(),
        }));
        let router = Router::new()
            .route("/receive", post(receive))
            .route("/finish", post(finish))
            .route("/visibility", post(change))
            .route("/outcomes", post(outcomes))
            .with_state(Arc::clone(&inner));
        let served = serve(router).await;
        Ok(Self {
            url: served.map_err(|e| Stop::new("starting the queue", e))?.url,
            inner,
        })
    }

    /// Messages that are not finished.
    #[must_use]
    pub fn open(&self) -> usize {
        lock(&self.inner).queue.open()
    }

    /// Messages that are.
    #[must_use]
    pub fn finished(&self) -> usize {
        lock(&self.inner).queue.finished()
    }

    /// Writers that have a batch in hand.
    #[must_use]
    pub fn busy(&self) -> Vec<u32> {
        lock(&self.inner).busy.keys().copied().collect()
    }

    /// Since when a writer has its batch in hand.
    #[must_use]
    pub fn busy_since(&self, writer: u32) -> Option<Instant> {
        lock(&self.inner).busy.get(&writer).copied()
    }

    /// So many writers are still to be killed.
    pub fn expect_kills(&self, left: usize) {
        lock(&self.inner).kills_left = left;
    }

    /// A writer that waits for its death: it has done its batch, and was not told that this is known.
    #[must_use]
    pub fn condemned(&self) -> Option<u32> {
        lock(&self.inner).condemned.first().copied()
    }

    /// A writer is no more.
    pub fn gone(&self, writer: u32) {
        let mut inner = lock(&self.inner);
        inner.busy.remove(&writer);
        inner.condemned.remove(&writer);
    }

    /// What happened on the queue.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.inner).queue.counts
    }

    /// Orders whose outcome was not told as done, and nothing else.
    ///
    /// # Errors
    /// Never for plans of this run.
    pub fn untold(&self, run: &Run, plans: &[Plan]) -> Result<Vec<String>, Stop> {
        let mut faults = lock(&self.inner).refusals.clone();
        let outcomes = lock(&self.inner).outcomes.clone();
        for plan in plans {
            let correlation = run.order(plan)?.correlation();
            let told = outcomes.get(&correlation);
            if told.is_none_or(|t| !t.contains("done")) {
                faults.push(format!("order `{}` was never told as done", plan.number));
            }
        }
        Ok(faults)
    }
}

async fn receive(State(inner): State<Shared>, Json(ask): Json<Ask>) -> Json<Work> {
    let begun = Instant::now();
    let window = lock(&inner).pace.window;
    let mut first: Option<Instant> = None;
    loop {
        let now = Instant::now();
        {
            let mut inner = lock(&inner);
            inner.busy.remove(&ask.writer);
            if inner.queue.open() == 0 {
                return Json(Work {
                    over: true,
                    event: None,
                });
            }
            let visible = inner.queue.visible(now);
            if visible > 0 {
                first.get_or_insert(now);
            }
            // What another writer took meanwhile is waited for anew.
            if visible == 0 {
                first = None;
            }
            let waited = first.is_some_and(|f| now.duration_since(f) >= window);
            if visible >= BATCH || waited {
                let event = inner.queue.receive(now);
                inner.busy.insert(ask.writer, now);
                return Json(Work { over: false, event });
            }
        }
        if begun.elapsed() > LONG_POLL + window {
            return Json(Work {
                over: false,
                event: None,
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn finish(State(inner): State<Shared>, Json(finish): Json<Finish>) {
    while lock(&inner).must_die(&finish) {
        tokio::time::sleep(LOOK).await;
    }
    let mut inner = lock(&inner);
    inner.busy.remove(&finish.writer);
    if finish.failed > 0 && !finish.done.is_empty() {
        inner.queue.counts.partial_failures += 1;
    }
    for receipt in finish.done {
        inner.queue.delete(&receipt);
    }
}

impl Inner {
    /// Whether too few messages would be left for the kills to come: then this writer is one of them.
    fn must_die(&mut self, finish: &Finish) -> bool {
        let left = self.queue.open().saturating_sub(finish.done.len());
        let must = left < self.kills_left;
        if must {
            self.condemned.insert(finish.writer);
        } else {
            self.condemned.remove(&finish.writer);
        }
        must
    }
}

async fn change(State(inner): State<Shared>, Json(changes): Json<Changes>) {
    let mut inner = lock(&inner);
    let second = inner.pace.second;
    for (receipt, seconds) in changes {
        inner
            .queue
            .change(&receipt, second * seconds, Instant::now());
    }
}

async fn outcomes(State(inner): State<Shared>, Json(bodies): Json<Vec<String>>) {
    let mut inner = lock(&inner);
    for body in bodies {
        let event: Result<EventEnvelope, _> = serde_json::from_str(&body);
        match event {
            Ok(EventEnvelope {
                correlationid,
                body: Event::CommandFinished(finished),
                ..
            }) => {
                let what = match &finished.outcome {
                    Outcome::Done { .. } => "done",
                    Outcome::Rejected { code, detail, .. } => {
                        let told = format!("an order was refused by `{code}`: {detail}");
                        inner.refusals.push(told);
                        "rejected"
                    }
                };
                inner
                    .outcomes
                    .entry(correlationid)
                    .or_default()
                    .insert(what);
            }
            Ok(_) | Err(_) => inner
                .refusals
                .push("a message that is no outcome was told".to_owned()),
        }
    }
}
