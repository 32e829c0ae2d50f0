//! Raw bodies for replay.

use super::DynamoOrders;
use crate::error::Refused;
use crate::item::{Draft, Item};
use crate::keys;
use crate::limits::{RAW_PART_BYTES, expires_s};
use waybill_flow::ports::{Archived, InfraError};
use waybill_model::id::{CorrelationId, MessageId};
use waybill_model::time::Instant;

impl DynamoOrders {
    /// A pointer by receipt and the body in parts, in one transaction. The body lies with its
    /// order, or with its receipt where the order is not known. It is compressed already.
    pub(super) async fn archive_body(&self, archived: &Archived) -> Result<(), InfraError> {
        let received_s = archived.received_at.epoch_s();
        let expires = Some(expires_s(received_s, self.retention.raw_days));
        let receipt_pk = keys::receipt(&archived.receipt);
        let raw_pk = match archived.correlation {
            Some(order) => keys::order(order),
            None => receipt_pk.clone(),
        };
        let prefix = keys::raw_prefix(archived.received_at, &archived.receipt);
        let pointer = Draft::new(receipt_pk, keys::RECEIPT)
            .text("raw_pk", &raw_pk)
            .text("raw_prefix", &prefix)
            .expires(expires);
        let mut writes = vec![self.table.put_of(pointer.build())?];
        let parts = archived.delivery.as_bytes().chunks(RAW_PART_BYTES);
        for (index, part) in parts.enumerate() {
            let mut row = Draft::new(&raw_pk, format!("{prefix}{index:03}"))
                .text("receipt", archived.receipt.as_str())
                .text("received_at", archived.received_at.to_string())
                .bytes("part", part.to_vec())
                .expires(expires);
            if let Some(order) = archived.correlation {
                row = row.text("correlation", order.to_string());
            }
            writes.push(self.table.put_of(row.build())?);
        }
        match self.table.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Refused::Infra(error)) => Err(error),
            Err(Refused::Condition) => {
                let detail = "an unconditional write was refused on a condition".to_owned();
                Err(self.table.unavailable(detail))
            }
        }
    }

    pub(super) async fn bodies_of(
        &self,
        order: CorrelationId,
    ) -> Result<Vec<Archived>, InfraError> {
        let items = self.table.list(keys::order(order), keys::RAWS).await?;
        self.join_parts(&items)
    }

    pub(super) async fn body_of(&self, id: &MessageId) -> Result<Option<Archived>, InfraError> {
        let pointer = self.table.get(keys::receipt(id), keys::RECEIPT).await?;
        let Some(pointer) = pointer else {
            return Ok(None);
        };
        let pointer = self.table.row(&pointer);
        let (pk, prefix) = (pointer.text("raw_pk")?, pointer.text("raw_prefix")?);
        let items = self.table.list(pk.to_owned(), prefix).await?;
        let mut found = self.join_parts(&items)?.into_iter();
        Ok(found.rfind(|archived| archived.receipt == *id))
    }

    /// Parts come in the order of their keys: by time, receipt, number.
    fn join_parts(&self, items: &[Item]) -> Result<Vec<Archived>, InfraError> {
        let mut bodies: Vec<(Archived, Vec<u8>)> = Vec::new();
        for item in items {
            let archived = self.read_part(item)?;
            let part = self.table.row(item).bytes("part")?;
            match bodies.last_mut() {
                Some((last, body)) if last.receipt == archived.receipt => {
                    body.extend_from_slice(part);
                }
                _ => bodies.push((archived, part.to_vec())),
            }
        }
        let whole = |(archived, body): (Archived, Vec<u8>)| {
            let detail = format!("raw body of receipt `{}` is not text", archived.receipt);
            let delivery = String::from_utf8(body).map_err(|_| InfraError::Corrupt {
                system: self.table.system,
                detail,
            })?;
            Ok(Archived {
                delivery,
                ..archived
            })
        };
        bodies.into_iter().map(whole).collect()
    }

    fn read_part(&self, item: &Item) -> Result<Archived, InfraError> {
        let row = self.table.row(item);
        let receipt = MessageId::new(row.text("receipt")?)
            .map_err(|error| row.unreadable("receipt", &error))?;
        let correlation = match item.contains_key("correlation") {
            true => Some(
                CorrelationId::parse(row.text("correlation")?)
                    .map_err(|error| row.unreadable("correlation", &error))?,
            ),
            false => None,
        };
        Ok(Archived {
            receipt,
            correlation,
            delivery: String::new(),
            received_at: Instant::parse(row.text("received_at")?)
                .map_err(|error| row.unreadable("received_at", &error))?,
        })
    }
}
