//! The orders table.

use crate::codec;
use crate::error::{is_condition_failed, write_failed};
use crate::item::{Draft, Item, key, number};
use crate::keys;
use crate::limits::{ITEM_BYTES, ITEM_OVERHEAD_BYTES, Retention, STATE_FORMAT, expires_s};
use crate::table::Table;
use aws_sdk_dynamodb::Client;
use std::sync::Arc;
use waybill_flow::ports::{
    ArchiveQuery, Archived, CaseQuery, Clock, Commit, CommitError, InfraError, OrderStore, Parked,
    Stored, TimelineEntry,
};
use waybill_model::case::{Case, CaseId};
use waybill_model::id::{CorrelationId, MessageId, Reference};
use waybill_model::time::Instant;

mod archive;
mod cases;
mod commit;
mod references;
mod stages;

/// Name of the index of orders that wait.
const STAGES_INDEX: &str = "stages";
/// Name of the index of cases.
const CASES_INDEX: &str = "cases";

/// Orders, timelines, references and cases in DynamoDB; see the crate for the rows.
#[derive(Debug, Clone)]
pub struct DynamoOrders {
    table: Table,
    retention: Retention,
}

impl DynamoOrders {
    /// Over the table `table`. The clock says what has expired.
    #[must_use]
    pub fn new(
        client: Client,
        table: impl Into<String>,
        clock: Arc<dyn Clock>,
        retention: Retention,
    ) -> Self {
        let table = Table {
            client,
            name: table.into(),
            system: "orders",
            clock,
        };
        Self { table, retention }
    }

    /// Seconds since the epoch when what is written now expires.
    fn order_expires_s(&self) -> i64 {
        expires_s(self.table.now().epoch_s(), self.retention.orders_days)
    }

    fn read_state(&self, item: &Item) -> Result<Stored, InfraError> {
        let row = self.table.row(item);
        let format = row.number("format")?;
        if format != STATE_FORMAT {
            let why = format!("`{format}`, this version reads `{STATE_FORMAT}`");
            return Err(row.unreadable("format", &why));
        }
        let revision = u64::try_from(row.number("revision")?)
            .map_err(|error| row.unreadable("revision", &error))?;
        let outbox = match row.find_bytes("outbox") {
            Some(_) => row.packed("outbox")?,
            None => Vec::new(),
        };
        Ok(Stored {
            state: row.packed("state")?,
            revision,
            outbox,
        })
    }

    /// The row `STATE` of a commit.
    fn state_item(&self, commit: &Commit, revision: u64) -> Result<Item, InfraError> {
        let state = self.pack("state", &commit.state)?;
        let outbox = match commit.outbox.as_slice() {
            [] => None,
            commands => Some(self.pack("outbox", &commands)?),
        };
        let bytes = state.len() + outbox.as_ref().map_or(0, Vec::len);
        if bytes + ITEM_OVERHEAD_BYTES > ITEM_BYTES {
            return Err(self.table.unavailable(format!(
                "state and outbox of order `{}` take {bytes} bytes compressed, an item takes \
                 {ITEM_BYTES}: nothing was written; split the order's facts",
                commit.correlation
            )));
        }
        let revision = i64::try_from(revision).unwrap_or(i64::MAX);
        let mut row = Draft::new(keys::order(commit.correlation), keys::STATE)
            .number("revision", revision)
            .number("format", STATE_FORMAT)
            .bytes("state", state);
        if let Some(outbox) = outbox {
            row = row.bytes("outbox", outbox);
        }
        let row = match commit.deadline {
            // Whoever waits does not expire.
            Some(deadline) => row
                .number("deadline_ms", deadline.epoch_ms())
                .text("stage_shard", keys::stage_of(commit.correlation)),
            None => row.expires(Some(self.order_expires_s())),
        };
        Ok(row.build())
    }

    /// Compressed JSON of an attribute.
    fn pack<T: serde::Serialize>(&self, name: &str, value: &T) -> Result<Vec<u8>, InfraError> {
        codec::pack(value).map_err(|error| {
            self.table
                .unavailable(format!("`{name}` cannot be written: {error}"))
        })
    }

    /// Plain JSON of an attribute.
    fn json<T: serde::Serialize>(&self, name: &str, value: &T) -> Result<String, InfraError> {
        serde_json::to_string(value).map_err(|error| {
            let error = codec::CodecError::from(error);
            self.table
                .unavailable(format!("`{name}` cannot be written: {error}"))
        })
    }
}

impl OrderStore for DynamoOrders {
    async fn load(&self, correlation: CorrelationId) -> Result<Option<Stored>, InfraError> {
        let item = self
            .table
            .get(keys::order(correlation), keys::STATE)
            .await?;
        item.map(|item| self.read_state(&item)).transpose()
    }

    async fn commit(&self, commit: Commit) -> Result<u64, CommitError> {
        self.write_commit(commit).await
    }

    async fn clear_outbox(
        &self,
        correlation: CorrelationId,
        revision: u64,
    ) -> Result<(), InfraError> {
        let call = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(key(keys::order(correlation), keys::STATE)))
            .update_expression("REMOVE #outbox")
            .condition_expression("#revision = :revision")
            .expression_attribute_names("#outbox", "outbox")
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_values(
                ":revision",
                number(i64::try_from(revision).unwrap_or(i64::MAX)),
            );
        match Box::pin(call.send()).await {
            Ok(_) => Ok(()),
            // Somebody committed since: they send the outbox.
            Err(error) if is_condition_failed(&error) => Ok(()),
            Err(error) => Err(write_failed(self.table.system, &error)),
        }
    }

    async fn resolve(&self, reference: &Reference) -> Result<Vec<CorrelationId>, InfraError> {
        self.resolve_reference(reference).await
    }

    async fn park(&self, parked: &Parked) -> Result<(), InfraError> {
        self.park_event(parked).await
    }

    async fn parked(&self, reference: &Reference) -> Result<Vec<Parked>, InfraError> {
        self.parked_events(reference).await
    }

    async fn unpark(&self, parked: &Parked) -> Result<(), InfraError> {
        self.unpark_event(parked).await
    }

    async fn archive(&self, archived: &Archived) -> Result<(), InfraError> {
        self.archive_body(archived).await
    }

    async fn archived(&self, correlation: CorrelationId) -> Result<Vec<Archived>, InfraError> {
        self.bodies_of(correlation).await
    }

    async fn receipt(&self, receipt: &MessageId) -> Result<Option<Archived>, InfraError> {
        self.body_of(receipt).await
    }

    async fn archived_between(
        &self,
        query: &ArchiveQuery,
    ) -> Result<(Vec<Archived>, Option<String>), InfraError> {
        self.bodies_between(query).await
    }

    async fn timeline(&self, correlation: CorrelationId) -> Result<Vec<TimelineEntry>, InfraError> {
        let pk = keys::order(correlation);
        let items = self.table.list(pk, keys::EVENTS).await?;
        let lines = items.iter().map(|item| self.table.row(item).json("entry"));
        lines.collect()
    }

    async fn overdue(&self, now: Instant, limit: usize) -> Result<Vec<CorrelationId>, InfraError> {
        self.overdue_orders(now, limit).await
    }

    async fn put_case(&self, case: &Case) -> Result<(), InfraError> {
        self.write_case(case).await
    }

    async fn case(&self, id: CaseId) -> Result<Option<Case>, InfraError> {
        let item = self.table.get(keys::case(id), keys::CASE).await?;
        item.map(|item| self.table.row(&item).json("case"))
            .transpose()
    }

    async fn cases(&self, query: &CaseQuery) -> Result<(Vec<Case>, Option<String>), InfraError> {
        self.list_cases(query).await
    }
}
