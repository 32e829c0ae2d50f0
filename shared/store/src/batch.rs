//! Batches whose items can come back unprocessed.

use crate::error::{not_built, read_failed, write_failed};
use crate::item::Item;
use crate::limits::{BATCH_GET_ITEMS, BATCH_ROUNDS, BATCH_WRITE_ITEMS};
use crate::table::Table;
use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, WriteRequest};
use std::time::Duration;
use waybill_flow::ports::InfraError;

/// First wait before what was left unprocessed is tried again; doubles.
const FIRST_WAIT_MS: u64 = 20;

impl Table {
    /// Items by key, in any order, eventually consistent; absent and expired ones are left out.
    /// `keys` must be distinct.
    pub(crate) async fn batch_get(&self, keys: Vec<Item>) -> Result<Vec<Item>, InfraError> {
        let mut found = Vec::new();
        for chunk in keys.chunks(BATCH_GET_ITEMS) {
            let mut left = chunk.to_vec();
            for round in 0..BATCH_ROUNDS {
                wait(round).await;
                let (items, unprocessed) = self.batch_get_once(left).await?;
                found.extend(items);
                left = unprocessed;
                if left.is_empty() {
                    break;
                }
            }
            self.all_processed(left.len())?;
        }
        let now = self.now();
        found.retain(|item| !self.row(item).is_expired(now));
        Ok(found)
    }

    /// Unconditional puts, each by itself. Keys must be distinct.
    pub(crate) async fn batch_put(&self, items: Vec<Item>) -> Result<(), InfraError> {
        let mut writes = Vec::with_capacity(items.len());
        for item in items {
            let put = PutRequest::builder().set_item(Some(item)).build();
            let put = put.map_err(|error| not_built(self.system, &error))?;
            writes.push(WriteRequest::builder().put_request(put).build());
        }
        for chunk in writes.chunks(BATCH_WRITE_ITEMS) {
            let mut left = chunk.to_vec();
            for round in 0..BATCH_ROUNDS {
                wait(round).await;
                left = self.batch_put_once(left).await?;
                if left.is_empty() {
                    break;
                }
            }
            self.all_processed(left.len())?;
        }
        Ok(())
    }

    async fn batch_get_once(&self, keys: Vec<Item>) -> Result<(Vec<Item>, Vec<Item>), InfraError> {
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).build();
        let wanted = wanted.map_err(|error| not_built(self.system, &error))?;
        let call = self.client.batch_get_item();
        let answer = Box::pin(call.request_items(&self.name, wanted).send()).await;
        let answer = answer.map_err(|error| read_failed(self.system, &error))?;
        let items = answer.responses.unwrap_or_default().remove(&self.name);
        let left = answer.unprocessed_keys.unwrap_or_default();
        let left = left.into_values().flat_map(|keys| keys.keys);
        Ok((items.unwrap_or_default(), left.collect()))
    }

    async fn batch_put_once(
        &self,
        writes: Vec<WriteRequest>,
    ) -> Result<Vec<WriteRequest>, InfraError> {
        let call = self.client.batch_write_item();
        let answer = Box::pin(call.request_items(&self.name, writes).send()).await;
        let answer = answer.map_err(|error| write_failed(self.system, &error))?;
        let left = answer.unprocessed_items.unwrap_or_default();
        Ok(left.into_values().flatten().collect())
    }

    fn all_processed(&self, left: usize) -> Result<(), InfraError> {
        if left == 0 {
            return Ok(());
        }
        Err(self.unavailable(format!(
            "throttled: {left} items of a batch were not processed in {BATCH_ROUNDS} rounds"
        )))
    }
}

async fn wait(round: u32) {
    if round > 0 {
        let ms = FIRST_WAIT_MS.saturating_mul(1 << (round - 1).min(16));
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::wait;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn each_round_waits_twice_as_long_as_the_one_before() {
        let mut waits = Vec::new();
        for round in [0, 1, 2, 3, 5, 17, 18, u32::MAX] {
            let start = Instant::now();
            wait(round).await;
            waits.push(start.elapsed().as_millis());
        }
        let longest = 20 << 16;
        assert_eq!(waits, [0, 20, 40, 80, 320, longest, longest, longest]);
    }
}
