//! `reconciler`: finds by looking what nobody told.
//!
//! | job | does |
//! |---|---|
//! | `poll` | asks channels for what changed since the last time, and hands it in as if they had sent it |
//! | `overdue` | wakes orders whose stage is overdue |
//! | `compare` | compares orders that wait for something with what the ERP holds; differences become cases |
//! | `keys` | replaces the ERPs' API keys before they end |
//! | `webhooks` | makes subscriptions again that a channel deleted, and notices webhooks that stay silent |
//! | `stock` | publishes what can be sold to the channels: only what changed |
//!
//! Every job may run twice at once and again after any failure: what it sends is recognised, and a
//! checkpoint is moved only after the send.

mod compare;
mod keys;
mod overdue;
mod poll;
mod stock;
mod webhooks;

use serde::{Deserialize, Serialize};
use waybill_flow::connections::{Connection, Connections};
use waybill_flow::ports::{Clock, InfraError, OrderStore, Outgoing, Queue, Queues};
use waybill_lambda_kit::telemetry::Counters;
use waybill_model::case::{Case, CaseId};
use waybill_model::envelope::EventEnvelope;
use waybill_model::failure::Failure;
use waybill_model::id::{Code, ConnectionId};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Request {
    /// Which job.
    pub job: Job,
}

/// The jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// The poll backstop.
    Poll,
    /// Overdue stages.
    Overdue,
    /// Waybill and the ERP.
    Compare,
    /// Availability to the channels.
    Stock,
    /// Keys of the ERPs.
    Keys,
    /// Subscriptions to webhooks.
    Webhooks,
}

impl Job {
    const fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Overdue => "overdue",
            Self::Compare => "compare",
            Self::Stock => "stock",
            Self::Keys => "keys",
            Self::Webhooks => "webhooks",
        }
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Which job.
    pub job: Job,
    /// What was looked at.
    pub looked_at: usize,
    /// What was sent or opened.
    pub found: usize,
    /// Codes of what was left undone, each counted by a metric: of the failure of every connection
    /// that could not be asked, and of what the job could not do (`erp_key_expires`,
    /// `stock_not_published`), which has its alarm. A person is told by a case; where the connection
    /// is only away, the next run asks again.
    pub failed: Vec<String>,
}

/// Why a job did not run to its end. The schedule runs it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// A store or queue of our own failed.
    #[error(transparent)]
    Infra(#[from] InfraError),
    /// A queue did not accept some messages.
    #[error("{count} message(s) were not accepted by the queue")]
    Unsent {
        /// How many.
        count: usize,
    },
    /// A message could not be written.
    #[error("a message could not be written: {detail}")]
    Unwritable {
        /// Why.
        detail: String,
    },
}

impl From<serde_json::Error> for JobError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unwritable {
            detail: error.to_string(),
        }
    }
}

impl From<JobError> for lambda_runtime::Diagnostic {
    fn from(error: JobError) -> Self {
        Self {
            error_type: "JobError".to_owned(),
            error_message: error.to_string(),
        }
    }
}

/// What the handler needs.
#[derive(Debug)]
pub struct Ports<'a, O, E, Q, P, R, C, S> {
    /// Who is connected.
    pub connections: &'a Connections,
    /// Orders, deadlines, cases.
    pub orders: &'a O,
    /// Checkpoints.
    pub effects: &'a E,
    /// Where findings go.
    pub queues: &'a Q,
    /// Channels.
    pub partners: &'a P,
    /// The ERP.
    pub erp: &'a R,
    /// The clock.
    pub clock: &'a C,
    /// Where the keys are kept.
    pub secrets: &'a S,
}

/// Runs one job.
///
/// # Errors
/// It did not run to its end: run it again.
pub async fn handle<O, E, Q, P, R, C, S>(
    ports: &Ports<'_, O, E, Q, P, R, C, S>,
    request: Request,
) -> Result<Report, JobError>
where
    O: OrderStore,
    E: waybill_flow::ports::EffectStore,
    Q: Queues,
    P: waybill_flow::ports::PartnerPort,
    R: waybill_flow::ports::Erp + waybill_flow::ports::ErpKeys,
    C: Clock,
    S: waybill_flow::ports::SecretStore,
{
    let started = ports.clock.now();
    let result = match request.job {
        Job::Poll => ports.poll().await,
        Job::Overdue => ports.overdue().await,
        Job::Compare => ports.compare().await,
        Job::Stock => ports.stock().await,
        Job::Keys => ports.keys().await,
        Job::Webhooks => ports.webhooks().await,
    };
    let now = ports.clock.now();
    let mut counters = Counters::new("reconciler");
    let duration_ms = now.ms_since(started);
    match &result {
        Ok(report) => {
            let (looked_at, found) = (report.looked_at, report.found);
            tracing::info!(step = "reconciler", job = ?request.job, looked_at, found,
                failed = ?report.failed, outcome = "done", duration_ms, "job");
            counters.add("done", None);
            for code in &report.failed {
                counters.add("failed", Some(code));
            }
        }
        Err(error) => {
            tracing::error!(step = "reconciler", job = ?request.job, %error,
                outcome = "failed", duration_ms, "job");
            counters.add("failed", Some("job_error"));
        }
    }
    counters.write(now);
    result
}

impl<O: OrderStore, E, Q: Queues, P, R, C: Clock, S> Ports<'_, O, E, Q, P, R, C, S> {
    async fn send(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<(), JobError> {
        if messages.is_empty() {
            return Ok(());
        }
        match self.queues.send(queue, messages).await? {
            unsent if unsent.is_empty() => Ok(()),
            unsent => Err(JobError::Unsent {
                count: unsent.len(),
            }),
        }
    }

    /// Notes what a connection answered: one that says no needs a person, one that is away is asked
    /// again by the next run, and one that answers needs nobody any more.
    async fn note_answer(
        &self,
        connection: &Connection,
        failure: Option<&Failure>,
        report: &mut Report,
    ) -> Result<(), JobError> {
        let key = report.job.name();
        let id = CaseId::new(connection.id.as_str(), &literal("could_not_ask"), key);
        let Some(failure) = failure else {
            return Ok(self.orders.resolve_case(id, self.clock.now()).await?);
        };
        report.failed.push(failure.code().to_string());
        tracing::warn!(step = "reconciler", partner = %connection.id, error_class = failure.class(),
            error_code = %failure.code(), "a connection was not asked");
        let remedy = match failure {
            Failure::Rejected { remedy, .. } => remedy.clone(),
            Failure::Poison { .. } => {
                "compare the answer with the partner's documentation and mend the adapter"
                    .to_owned()
            }
            Failure::Transient { .. } | Failure::Indeterminate { .. } => return Ok(()),
        };
        let code = failure.code().clone();
        let detail = format!("`{}`: {}", connection.id, failure.detail());
        let case = Case::of_connection(id, &connection.id, code, detail, remedy, self.clock.now());
        Ok(self.orders.put_case(&case).await?)
    }
}

/// Whose checkpoints those are that belong to no connection.
fn ourselves() -> Result<ConnectionId, JobError> {
    ConnectionId::new(EventEnvelope::OURSELVES).map_err(|_| JobError::Unwritable {
        detail: "our own name is no source".to_owned(),
    })
}

fn literal(code: &'static str) -> Code {
    Code::literal(code)
}

#[cfg(test)]
mod tests;
