//! Marks that only move forward: one row each, moved by a conditional write.

use super::DynamoEffects;
use crate::error::{is_condition_failed, write_failed};
use crate::item::{TTL, key, number};
use crate::keys;
use crate::limits::expires_s;
use waybill_flow::ports::InfraError;
use waybill_model::id::ConnectionId;
use waybill_model::time::Instant;

impl DynamoEffects {
    /// Marks `at`, unless a later instant is marked.
    pub(super) async fn advance_one(
        &self,
        connection: &ConnectionId,
        name: &str,
        at: Instant,
    ) -> Result<bool, InfraError> {
        let now = self.table.clock.now();
        let expires = expires_s(now.epoch_s(), self.retention.effects_days);
        let call = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(key(keys::mark(connection, name), keys::MARK)))
            .update_expression("SET #at = :at, #ttl = :ttl")
            .condition_expression("attribute_not_exists(#at) OR #at <= :at")
            .expression_attribute_names("#at", "at_ms")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":at", number(at.epoch_ms()))
            .expression_attribute_values(":ttl", number(expires));
        match Box::pin(call.send()).await {
            Ok(_) => Ok(true),
            Err(error) if is_condition_failed(&error) => Ok(false),
            Err(error) => Err(write_failed(self.table.system, &error)),
        }
    }
}
