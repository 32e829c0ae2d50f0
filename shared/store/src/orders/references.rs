//! References, and events that wait for one.

use super::DynamoOrders;
use crate::error::write_failed;
use crate::item::{Draft, key};
use crate::keys;
use crate::limits::expires_s;
use waybill_flow::ports::{InfraError, Parked};
use waybill_model::id::{CorrelationId, Reference};
use waybill_model::time::Instant;

impl DynamoOrders {
    pub(super) async fn resolve_reference(
        &self,
        reference: &Reference,
    ) -> Result<Vec<CorrelationId>, InfraError> {
        let pk = keys::reference(reference);
        let items = self.table.list(pk, keys::ORDERS).await?;
        let read = |item| {
            let row = self.table.row(item);
            let text = row.text("correlation")?;
            CorrelationId::parse(text).map_err(|error| row.unreadable("correlation", &error))
        };
        items.iter().map(read).collect()
    }

    pub(super) async fn park_event(&self, parked: &Parked) -> Result<(), InfraError> {
        let pk = keys::reference(&parked.reference);
        let expires = expires_s(parked.since.epoch_s(), self.retention.parked_days);
        let row = Draft::new(pk, keys::parked(&parked.event.id))
            .bytes("event", self.pack("event", &parked.event)?)
            .text("since", parked.since.to_string())
            .expires(Some(expires));
        self.table.put(row.build()).await
    }

    /// Longest waiting first.
    pub(super) async fn parked_events(
        &self,
        reference: &Reference,
    ) -> Result<Vec<Parked>, InfraError> {
        let pk = keys::reference(reference);
        let items = self.table.list(pk, keys::PARKED).await?;
        let mut found = Vec::with_capacity(items.len());
        for item in &items {
            let row = self.table.row(item);
            found.push(Parked {
                reference: reference.clone(),
                event: row.packed("event")?,
                since: Instant::parse(row.text("since")?)
                    .map_err(|error| row.unreadable("since", &error))?,
            });
        }
        found.sort_by_key(|parked| parked.since);
        Ok(found)
    }

    pub(super) async fn unpark_event(&self, parked: &Parked) -> Result<(), InfraError> {
        let pk = keys::reference(&parked.reference);
        let call = self.table.client.delete_item().table_name(&self.table.name);
        let call = call.set_key(Some(key(pk, keys::parked(&parked.event.id))));
        let answer = Box::pin(call.send()).await;
        let failed = |error| write_failed(self.table.system, &error);
        answer.map(|_| ()).map_err(failed)
    }
}
