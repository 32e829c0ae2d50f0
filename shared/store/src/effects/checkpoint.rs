//! Checkpoints: a small value kept for a connection, one row each.

use super::DynamoEffects;
use crate::codec;
use crate::error::{is_condition_failed, write_failed};
use crate::item::{Draft, Item, text};
use crate::keys;
use crate::limits::{ITEM_BYTES, ITEM_OVERHEAD_BYTES};
use waybill_flow::ports::InfraError;
use waybill_model::id::{ConnectionId, name_uuid};

/// Names the value by its content: compressed bytes can differ between versions of the compressor.
const DIGEST: &str = "digest";

impl DynamoEffects {
    pub(super) fn checkpoint_item(
        &self,
        connection: &ConnectionId,
        name: &str,
        value: &str,
    ) -> Result<Item, InfraError> {
        let packed = codec::pack_bytes(value.as_bytes()).map_err(|error| {
            let detail = format!("checkpoint `{name}` cannot be written: {error}");
            self.table.unavailable(detail)
        })?;
        if packed.len() + ITEM_OVERHEAD_BYTES > ITEM_BYTES {
            return Err(self.table.unavailable(format!(
                "checkpoint `{name}` of `{connection}` takes {} bytes compressed, an item takes \
                 {ITEM_BYTES}: nothing was written; split the value over several names",
                packed.len()
            )));
        }
        let row = Draft::new(keys::checkpoint(connection), name).bytes("value", packed);
        Ok(row.text(DIGEST, digest(value)).build())
    }

    /// Puts a checkpoint, unless another value than `expected` is there.
    pub(super) async fn put_if_expected(
        &self,
        item: Item,
        expected: Option<&str>,
    ) -> Result<bool, InfraError> {
        let call = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(item));
        let call = match expected {
            None => call.condition_expression("attribute_not_exists(pk)"),
            Some(expected) => call
                .condition_expression("#digest = :digest")
                .expression_attribute_names("#digest", DIGEST)
                .expression_attribute_values(":digest", text(digest(expected))),
        };
        match Box::pin(call.send()).await {
            Ok(_) => Ok(true),
            Err(error) if is_condition_failed(&error) => Ok(false),
            Err(error) => Err(write_failed(self.table.system, &error)),
        }
    }
}

fn digest(value: &str) -> String {
    name_uuid(&["checkpoint", value]).to_string()
}
