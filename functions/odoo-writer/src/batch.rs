//! One batch: read, claim, write by ERP, finish.

use crate::turn::busy;
use crate::{CALL_MS, LEASE_MS, Ports, TELLING_MS};
use futures::future::join_all;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;
use waybill_flow::breaker::Signal;
use waybill_flow::connections::ErpSettings;
use waybill_flow::pace::Cap;
use waybill_flow::ports::{Clock, EffectStore, Erp, ErpCommand, OrderStore, Queues};
use waybill_lambda_kit::batch::{Handled, Record};
use waybill_lambda_kit::ended::{Ended, infra_code};
use waybill_lambda_kit::execute::{Begun, Held, Task, about, out_of_time};
use waybill_lambda_kit::levels;
use waybill_lambda_kit::telemetry::About;
use waybill_model::command::Command;
use waybill_model::failure::Failure;
use waybill_model::id::{Code, ConnectionId, MessageId, RefKind, Reference};
use waybill_model::time::Instant;

/// For a connection that is not there: the adapter says so.
const UNKNOWN: Cap = Cap {
    batch: 50,
    writers: 1,
};

/// Calls that a batch takes: what is counted against `calls_per_minute`.
const CALLS: u32 = 4;
/// Commands that an ERP is tried with that was away.
const PROBE: usize = 1;

type Written = Result<Vec<Reference>, Failure>;

/// A record on its way.
enum Step {
    /// To be written.
    Write {
        task: Box<Task>,
        held: Option<Held>,
        /// Absent where nothing of it is left to be written.
        command: Option<Box<Command>>,
    },
    /// Finished without writing.
    Ended { ended: Ended, about: Box<About> },
}

impl<O: OrderStore, E: EffectStore, Q: Queues, R: Erp, C: Clock> Ports<'_, O, E, Q, R, C> {
    pub(crate) async fn batch(&self, records: Vec<Record>, until: Instant) -> Vec<Handled> {
        let steps = join_all(records.iter().map(|record| self.begin(record, until))).await;
        let mut by_erp: BTreeMap<ConnectionId, Vec<ErpCommand>> = BTreeMap::new();
        for step in &steps {
            let Step::Write {
                task,
                command: Some(command),
                ..
            } = step
            else {
                continue;
            };
            let Some(erp) = erp_of(&task.envelope.body) else {
                continue;
            };
            let commands = by_erp.entry(erp.clone()).or_default();
            // One message can be in a batch twice; one call must not name one order twice.
            if commands.iter().all(|c| c.key != task.envelope.id) {
                commands.push(ErpCommand {
                    correlation: task.envelope.correlationid,
                    key: task.envelope.id.clone(),
                    command: command.as_ref().clone(),
                });
            }
        }
        let calls = by_erp
            .iter()
            .map(|(erp, commands)| self.write(erp, commands, until));
        let written: BTreeMap<MessageId, Written> =
            join_all(calls).await.into_iter().flatten().collect();
        let finishing = records
            .iter()
            .zip(steps)
            .map(|(record, step)| self.finish(record, step, &written, until));
        join_all(finishing).await
    }

    async fn begin(&self, record: &Record, until: Instant) -> Step {
        let executor = self.executor(until);
        let task = match executor.read(record).await {
            Ok(task) => task,
            Err(ended) => {
                let about = Box::default();
                return Step::Ended { ended, about };
            }
        };
        let command = match levels::newest(self.effects, &task.envelope.body).await {
            Ok(command) => command.map(|c| Box::new(c.into_owned())),
            Err(error) => {
                return Step::Ended {
                    ended: Ended::infra(&error),
                    about: Box::new(about_erp(&task)),
                };
            }
        };
        if !needs_claim(&task.envelope.body) {
            return Step::Write {
                task: Box::new(task),
                held: None,
                command,
            };
        }
        match executor.begin(record, &task).await {
            Begun::Run(held) => Step::Write {
                task: Box::new(task),
                held: Some(held),
                command,
            },
            Begun::Ended(ended) => Step::Ended {
                ended,
                about: Box::new(about_erp(&task)),
            },
        }
    }

    /// Writes to one ERP, in calls of as many as it takes. All of them end in time for the invocation
    /// to tell what became of them; what has no time left is not begun.
    async fn write(
        &self,
        erp: &ConnectionId,
        commands: &[ErpCommand],
        until: Instant,
    ) -> Vec<(MessageId, Written)> {
        let settings = self.connections.get(erp).and_then(|c| c.erp.as_ref());
        let cap = settings.map_or(UNKNOWN, ErpSettings::cap);
        let failed = |failure: Failure| move |c: &ErpCommand| (c.key.clone(), Err(failure.clone()));
        if until.ms_since(self.clock.now()) < TELLING_MS + CALL_MS {
            return commands.iter().map(failed(out_of_time())).collect();
        }
        // No seat is taken for an ERP that is away.
        let door = self.endpoints.door(self.effects, self.clock, LEASE_MS);
        if let Some(away) = door.shut(erp).await {
            return commands.iter().map(failed(away)).collect();
        }
        let Some(mut turn) = self.turn(erp, cap, commands, until).await else {
            return commands.iter().map(failed(busy(erp))).collect();
        };
        let mut written: Vec<(MessageId, Written)> = Vec::with_capacity(commands.len());
        let mut rest = commands;
        while !rest.is_empty() {
            if until.ms_since(self.clock.now()) - TELLING_MS < CALL_MS {
                written.extend(rest.iter().map(failed(out_of_time())));
                break;
            }
            let latest = until.plus_ms(-TELLING_MS - CALL_MS);
            let pass = match door.enter(erp, CALLS, latest).await {
                Ok(pass) => pass,
                Err(away) => {
                    written.extend(rest.iter().map(failed(away)));
                    break;
                }
            };
            let size = if pass.is_probe() { PROBE } else { turn.size() };
            let (chunk, later) = rest.split_at(size.min(rest.len()));
            rest = later;
            let (chunk, ended) = self.still_newest(chunk).await;
            written.extend(ended);
            if chunk.is_empty() {
                door.leave_with(pass, &Signal::Nothing, "").await;
                continue;
            }
            let began = self.clock.now();
            let left_ms = until.ms_since(began) - TELLING_MS;
            let within = Duration::from_millis(u64::try_from(left_ms).unwrap_or_default());
            let mut results = self.erp.write_within(erp, &chunk, within).await;
            results.resize_with(chunk.len(), || Err(unanswered()));
            let seen: Vec<_> = results.iter().map(|r| r.as_ref().map(drop)).collect();
            // A probe asks whether the ERP is there, not how much it takes.
            if !pass.is_probe() {
                turn.learn(&seen, began, self.clock.now());
            }
            let code = seen.iter().find_map(|r| r.err().map(|f| f.code().as_str()));
            let signal = Signal::of_all(seen.iter().copied());
            door.leave_with(pass, &signal, code.unwrap_or_default())
                .await;
            written.extend(chunk.iter().map(|c| c.key.clone()).zip(results));
        }
        self.end(turn).await;
        written
    }

    /// A chunk without the counts that were overtaken since they were begun: by one of the same batch, or by another
    /// writer's while this one waited for its turn.
    async fn still_newest<'a>(
        &self,
        chunk: &'a [ErpCommand],
    ) -> (Cow<'a, [ErpCommand]>, Vec<(MessageId, Written)>) {
        let is_count = |c: &ErpCommand| matches!(c.command, Command::SetStock(_));
        if !chunk.iter().any(is_count) {
            return (Cow::Borrowed(chunk), Vec::new());
        }
        let (mut left, mut ended) = (Vec::with_capacity(chunk.len()), Vec::new());
        for item in chunk {
            match levels::newest(self.effects, &item.command).await {
                Ok(Some(command)) => left.push(ErpCommand {
                    correlation: item.correlation,
                    key: item.key.clone(),
                    command: command.into_owned(),
                }),
                Ok(None) => ended.push((item.key.clone(), Ok(Vec::new()))),
                Err(error) => {
                    let failure = Failure::Transient {
                        code: infra_code(&error),
                        detail: error.to_string(),
                        retry_after_ms: None,
                    };
                    ended.push((item.key.clone(), Err(failure)));
                }
            }
        }
        (Cow::Owned(left), ended)
    }

    async fn finish(
        &self,
        record: &Record,
        step: Step,
        written: &BTreeMap<MessageId, Written>,
        until: Instant,
    ) -> Handled {
        let (task, held, command) = match step {
            Step::Ended { ended, about } => {
                return Handled {
                    ended,
                    about: *about,
                };
            }
            Step::Write {
                task,
                held,
                command,
            } => (task, held, command),
        };
        let result = match written.get(&task.envelope.id) {
            Some(result) => result.clone(),
            None if command.is_none() => Ok(Vec::new()),
            None => Err(Failure::Rejected {
                code: Code::literal("unsupported_command"),
                detail: format!(
                    "an ERP cannot carry out `{}`",
                    task.envelope.body.kind().as_str()
                ),
                remedy: "route this kind of command to its own queue".to_owned(),
            }),
        };
        let mut about = about_erp(&task);
        if let Ok([first, ..]) = result.as_deref() {
            about.odoo_model = odoo_model(first.kind).map(str::to_owned);
            about.odoo_id = Some(first.id.to_string());
        }
        let ended = self
            .executor(until)
            .finish(record, &task, held.as_ref(), result)
            .await;
        Handled { ended, about }
    }
}

fn about_erp(task: &Task) -> About {
    let mut about = about(task);
    about.partner = erp_of(&task.envelope.body).map(ToString::to_string);
    about
}

/// Whether two writers at once could do it twice.
fn needs_claim(command: &Command) -> bool {
    !matches!(command, Command::CreateSaleOrder(_))
}

fn erp_of(command: &Command) -> Option<&ConnectionId> {
    match command {
        Command::CreateSaleOrder(c) | Command::AmendSaleOrder(c) => Some(&c.erp),
        Command::CancelSaleOrder(c) => Some(&c.erp),
        Command::RegisterDelivery(c) => Some(&c.erp),
        Command::ReceiveReturn(c) => Some(&c.erp),
        Command::CreateInvoice(c) => Some(&c.erp),
        Command::RegisterPayment(c) => Some(&c.erp),
        Command::CreateCreditNote(c) => Some(&c.erp),
        Command::ReverseCreditNote(c) => Some(&c.erp),
        Command::SetStock(c) => Some(&c.erp),
        Command::CreateFulfillmentOrder(_)
        | Command::CancelFulfillmentOrder(_)
        | Command::SubscribeTracking(_)
        | Command::PublishFulfillment(_)
        | Command::PublishStock(_)
        | Command::UpdateTicket(_)
        | Command::CreateRefund(_) => None,
    }
}

fn odoo_model(kind: RefKind) -> Option<&'static str> {
    match kind {
        RefKind::SaleOrder => Some("sale.order"),
        RefKind::Picking => Some("stock.picking"),
        RefKind::AccountMove => Some("account.move"),
        RefKind::Payment => Some("account.payment"),
        RefKind::OrderNumber
        | RefKind::Refund
        | RefKind::FulfillmentOrder
        | RefKind::Shipment
        | RefKind::TrackingNumber
        | RefKind::Return
        | RefKind::Ticket
        | RefKind::EmailHash => None,
    }
}

/// The adapter answered for fewer commands than it was given.
fn unanswered() -> Failure {
    Failure::Indeterminate {
        code: Code::literal("unanswered"),
        detail: "the batch ended without a result for this command".to_owned(),
    }
}
