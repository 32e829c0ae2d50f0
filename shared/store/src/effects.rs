//! The effects table: idempotency records, seen marks, checkpoints.

use crate::codec;
use crate::item::{Draft, key};
use crate::keys;
use crate::limits::Retention;
use crate::table::Table;
use aws_sdk_dynamodb::Client;
use futures::StreamExt as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use waybill_flow::ports::{Claim, Clock, EffectStore, InfraError};
use waybill_model::event::Outcome;
use waybill_model::id::{ConnectionId, MessageId};
use waybill_model::time::Instant;

mod checkpoint;
mod claim;
mod marks;
mod record;

/// Idempotency records, seen marks and checkpoints in DynamoDB; see the crate for the rows.
///
/// Doubt is sticky: once an attempt may have succeeded, every later attempt is in doubt until one
/// completes. A release that did nothing itself says nothing of the attempts before it.
#[derive(Debug, Clone)]
pub struct DynamoEffects {
    table: Table,
    retention: Retention,
}

impl DynamoEffects {
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
            system: "effects",
            clock,
        };
        Self { table, retention }
    }
}

/// Marks moved at once.
const MARKS_AT_ONCE: usize = 16;

impl EffectStore for DynamoEffects {
    async fn claim(
        &self,
        key: &MessageId,
        payload: &str,
        owner: &str,
        now: Instant,
        lease_ms: i64,
    ) -> Result<Claim, InfraError> {
        let wanted = claim::Wanted {
            key,
            payload,
            owner,
            now,
            lease_ms,
        };
        self.claim_effect(&wanted).await
    }

    async fn complete(
        &self,
        key: &MessageId,
        owner: &str,
        outcome: &Outcome,
        now: Instant,
    ) -> Result<(), InfraError> {
        self.complete_effect(key, owner, outcome, now).await
    }

    async fn release(
        &self,
        key: &MessageId,
        owner: &str,
        in_doubt: bool,
    ) -> Result<(), InfraError> {
        self.release_effect(key, owner, in_doubt).await
    }

    async fn reopen(&self, key: &MessageId) -> Result<(), InfraError> {
        self.reopen_effect(key).await
    }

    async fn seen(&self, ids: &[MessageId]) -> Result<Vec<MessageId>, InfraError> {
        let distinct: BTreeSet<&MessageId> = ids.iter().collect();
        let wanted = distinct
            .into_iter()
            .map(|id| key(keys::seen(id), keys::SEEN));
        let items = self.table.batch_get(wanted.collect()).await?;
        let mut found = BTreeSet::new();
        for item in &items {
            found.insert(self.table.row(item).text("pk")?);
        }
        let is_seen = |id: &&MessageId| found.contains(keys::seen(id).as_str());
        Ok(ids.iter().filter(is_seen).cloned().collect())
    }

    async fn mark_seen(&self, ids: &[MessageId], expires: Instant) -> Result<(), InfraError> {
        let distinct: BTreeSet<&MessageId> = ids.iter().collect();
        let row = |id| {
            let row = Draft::new(keys::seen(id), keys::SEEN);
            row.expires(Some(expires.epoch_s())).build()
        };
        let rows = distinct.into_iter().map(row).collect();
        self.table.batch_put(rows).await
    }

    async fn advance(
        &self,
        connection: &ConnectionId,
        marks: &[(String, Instant)],
    ) -> Result<Vec<bool>, InfraError> {
        let moves = marks
            .iter()
            .map(|(name, at)| self.advance_one(connection, name, *at));
        let mut moves = futures::stream::iter(moves.collect::<Vec<_>>()).buffered(MARKS_AT_ONCE);
        let mut moved = Vec::with_capacity(marks.len());
        while let Some(is_newest) = moves.next().await {
            moved.push(is_newest?);
        }
        Ok(moved)
    }

    async fn checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
    ) -> Result<Option<String>, InfraError> {
        let item = self.table.get(keys::checkpoint(connection), name).await?;
        let Some(item) = item else { return Ok(None) };
        let row = self.table.row(&item);
        let bytes = codec::unpack_bytes(row.bytes("value")?)
            .map_err(|error| row.unreadable("value", &error))?;
        let value = String::from_utf8(bytes).map_err(|_| row.unreadable("value", &"not text"))?;
        Ok(Some(value))
    }

    async fn set_checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
        value: &str,
    ) -> Result<(), InfraError> {
        let item = self.checkpoint_item(connection, name, value)?;
        self.table.put(item).await
    }

    async fn swap_checkpoint(
        &self,
        connection: &ConnectionId,
        name: &str,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool, InfraError> {
        let item = self.checkpoint_item(connection, name, value)?;
        self.put_if_expected(item, expected).await
    }
}
