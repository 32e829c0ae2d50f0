//! Orders whose deadline has passed.

use super::{DynamoOrders, STAGES_INDEX};
use crate::item::{number, text};
use crate::keys;
use crate::limits::STAGE_SHARDS;
use waybill_flow::ports::InfraError;
use waybill_model::id::CorrelationId;
use waybill_model::time::Instant;

impl DynamoOrders {
    /// The longest overdue of every shard, merged. The index is eventually consistent: an order
    /// that was just committed can show up once more, or only the next time.
    ///
    /// One shard after the other: a row takes many times the memory of what is kept of it, and a
    /// long listing of all shards at once would not fit into a function.
    pub(super) async fn overdue_orders(
        &self,
        now: Instant,
        limit: usize,
    ) -> Result<Vec<CorrelationId>, InfraError> {
        let mut late = Vec::new();
        for shard in 0..STAGE_SHARDS {
            let call = self
                .table
                .client
                .query()
                .index_name(STAGES_INDEX)
                .key_condition_expression("stage_shard = :shard AND deadline_ms <= :now")
                .expression_attribute_values(":shard", text(keys::stage(shard)))
                .expression_attribute_values(":now", number(now.epoch_ms()))
                .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX));
            for item in &self.table.query(call, limit).await? {
                let row = self.table.row(item);
                let id = row.text("pk")?.strip_prefix(keys::ORDERS).unwrap_or("");
                let id = CorrelationId::parse(id).map_err(|error| row.unreadable("pk", &error))?;
                late.push((row.number("deadline_ms")?, id));
            }
            late.sort_unstable();
            late.truncate(limit);
        }
        Ok(late.into_iter().map(|(_, id)| id).collect())
    }
}
