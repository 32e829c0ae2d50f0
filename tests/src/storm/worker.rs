//! One writer's process: the handler of `odoo-writer` with its real adapter, fed by the queue of the storm.
//!
//! A new sale order needs no claim, so nothing that keeps orders right is in the function's stores: here they are in memory
//! and die with the process. What must survive a kill is in Odoo, on the queue, and in the outcomes that were told. The
//! pace, which writers share in DynamoDB to spare Odoo, is each process's own here: nothing keeps two from writing at once.

use super::control::{Ask, Changes, Finish, Work};
use crate::Stop;
use crate::workload::link::Key;
use crate::workload::meter::plain_client;
use aws_lambda_events::event::sqs::SqsEvent;
use odoo_writer::{Ports, handle};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use waybill_flow::connections::Connections;
use waybill_flow::ports::{Clock as _, InfraError, Outgoing, Queue, Queues};
use waybill_lambda_kit::batch::{Runner, Visibility};
use waybill_lambda_kit::clock::SystemClock;
use waybill_lambda_kit::endpoints::Endpoints;
use waybill_odoo::Odoo;
use waybill_testkit::{MemoryEffects, MemoryOrders};

/// The function's timeout in the template.
const TIMEOUT_MS: i64 = 60_000;

/// What a process is told on its standard input: the key is on no command line.
#[derive(Clone, Serialize, Deserialize)]
pub struct Setting {
    /// Base URL of the queue.
    pub control: String,
    /// Text of the connections file.
    pub connections: String,
    /// API key.
    pub key: String,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting")
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}

/// The queues' end that is in another process.
#[derive(Debug, Clone)]
struct Remote {
    http: reqwest::Client,
    url: String,
}

impl Remote {
    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, reqwest::Error> {
        let sent = self.http.post(format!("{}/{path}", self.url)).json(body);
        sent.send().await?.error_for_status()?.json().await
    }

    async fn tell(&self, path: &str, body: &impl Serialize) -> Result<(), InfraError> {
        let unknown = |e: reqwest::Error| InfraError::Unknown {
            system: "the storm",
            detail: e.without_url().to_string(),
        };
        let sent = self.http.post(format!("{}/{path}", self.url)).json(body);
        let answer = sent.send().await.map_err(unknown)?;
        answer.error_for_status().map_err(unknown)?;
        Ok(())
    }
}

impl Visibility for Remote {
    async fn change(&self, _: &str, entries: Vec<(String, u32)>) -> Result<(), InfraError> {
        let changes: Changes = entries;
        self.tell("visibility", &changes).await
    }
}

impl Queues for Remote {
    async fn send(&self, _: Queue, messages: Vec<Outgoing>) -> Result<Vec<usize>, InfraError> {
        let bodies: Vec<String> = messages.into_iter().map(|m| m.body).collect();
        self.tell("outcomes", &bodies).await?;
        Ok(Vec::new())
    }
}

/// Works until the queue says that it is over, or is gone.
///
/// # Errors
/// The setting cannot be used.
pub async fn run(writer: u32, setting: &Setting) -> Result<(), Stop> {
    let stop = |e: reqwest::Error| Stop::new("making a client", e);
    let remote = Remote {
        http: plain_client().map_err(stop)?,
        url: setting.control.clone(),
    };
    let connections = Connections::parse(&setting.connections)
        .map_err(|e| Stop::new("reading the connections file", e))?;
    let http = waybill_partners::http::client().map_err(stop)?;
    let key = Key::new(&setting.key);
    let odoo = Odoo::new(connections.clone(), key, http);
    let clock = Arc::new(SystemClock);
    let (orders, effects) = (MemoryOrders::default(), MemoryEffects::new(clock));
    let ports = Ports {
        connections: &connections,
        orders: &orders,
        effects: &effects,
        queues: &remote,
        erp: &odoo,
        clock: &SystemClock,
        endpoints: &Endpoints::new(&connections),
    };
    let runner = Runner {
        step: "odoo-writer",
        visibility: remote.clone(),
        clock: SystemClock,
    };
    // The queue's process ends when the storm does: then so do we.
    while let Ok(Work { over: false, event }) = remote.post("receive", &Ask { writer }).await {
        let Some(event) = event else { continue };
        let event: SqsEvent =
            serde_json::from_value(event).map_err(|e| Stop::new("reading an event", e))?;
        let receipts = receipts(&event);
        let until = SystemClock.now().plus_ms(TIMEOUT_MS);
        // As Lambda does it: an error of the whole batch deletes nothing.
        let Ok(response) = handle(&ports, &runner, event, until).await else {
            continue;
        };
        let failed: BTreeSet<String> = response
            .batch_item_failures
            .into_iter()
            .map(|f| f.item_identifier)
            .collect();
        let done = receipts
            .into_iter()
            .filter(|(id, _)| !failed.contains(id))
            .map(|(_, receipt)| receipt);
        let finish = Finish {
            writer,
            done: done.collect(),
            failed: failed.len(),
        };
        if remote.tell("finish", &finish).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn receipts(event: &SqsEvent) -> BTreeMap<String, String> {
    event
        .records
        .iter()
        .filter_map(|r| Some((r.message_id.clone()?, r.receipt_handle.clone()?)))
        .collect()
}
