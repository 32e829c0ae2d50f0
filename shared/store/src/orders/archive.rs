//! Raw bodies for replay.

use super::DynamoOrders;
use crate::error::Refused;
use crate::item::{Draft, Item, text};
use crate::keys;
use crate::limits::{ARCHIVE_HOURS, ARCHIVE_SHARDS, RAW_PART_BYTES, expires_s};
use futures::future::try_join_all;
use waybill_flow::ports::{ArchiveQuery, Archived, InfraError};
use waybill_model::id::{CorrelationId, MessageId};
use waybill_model::time::Instant;

const HOUR_MS: i64 = 60 * 60 * 1000;

impl DynamoOrders {
    /// A pointer by receipt, one by time, and the body in parts, in one transaction. The body lies with its
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
        let at = archived.received_at;
        let by_time = Draft::new(
            keys::archive_of(at, &archived.receipt),
            keys::archive_sort(at, &archived.receipt),
        )
        .text("receipt", archived.receipt.as_str())
        .text("received_at", at.to_string())
        .expires(expires);
        let mut writes = vec![
            self.table.put_of(pointer.build())?,
            self.table.put_of(by_time.build())?,
        ];
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

    /// Hour by hour, so that a listing of a day reads that day. A receipt that was archived twice
    /// counts at its latest time.
    pub(super) async fn bodies_between(
        &self,
        query: &ArchiveQuery,
    ) -> Result<(Vec<Archived>, Option<String>), InfraError> {
        let end = keys::sort_time(query.to);
        let from = match &query.cursor {
            None => Some(query.from),
            // Of no listing of ours: nothing comes after it.
            Some(cursor) => cursor
                .split('#')
                .next()
                .and_then(|t| Instant::parse(t).ok()),
        };
        let Some(from) = from else {
            return Ok((Vec::new(), None));
        };
        let mut after = query.cursor.clone().unwrap_or(keys::sort_time(from));
        let mut hour = Instant::from_epoch_ms(from.epoch_ms().div_euclid(HOUR_MS) * HOUR_MS);
        let mut found = Vec::new();
        for _ in 0..ARCHIVE_HOURS {
            if hour >= query.to || after >= end {
                return Ok((found, None));
            }
            let wanted = query.limit.saturating_sub(found.len());
            let (bodies, last) = self.bodies_in_hour(hour, &after, &end, wanted).await?;
            found.extend(bodies);
            if last.is_some() {
                return Ok((found, last));
            }
            hour = hour.plus_ms(HOUR_MS);
            after = keys::sort_time(hour);
        }
        let more = hour < query.to;
        Ok((found, more.then_some(after)))
    }

    /// The first `wanted` of an hour after `after`, and the place of the last if there are more.
    async fn bodies_in_hour(
        &self,
        hour: Instant,
        after: &str,
        end: &str,
        wanted: usize,
    ) -> Result<(Vec<Archived>, Option<String>), InfraError> {
        // One more tells whether there are more, and one may be the cursor's own.
        let rows = wanted.saturating_add(2);
        let shards = (0..ARCHIVE_SHARDS).map(|shard| {
            let call = self
                .table
                .client
                .query()
                .key_condition_expression("pk = :pk AND sk BETWEEN :after AND :end")
                .expression_attribute_values(":pk", text(keys::archive(hour, shard)))
                .expression_attribute_values(":after", text(after))
                .expression_attribute_values(":end", text(end))
                .limit(i32::try_from(rows).unwrap_or(i32::MAX));
            self.table.query(call, rows)
        });
        let mut places = Vec::new();
        for item in try_join_all(shards).await?.iter().flatten() {
            let row = self.table.row(item);
            let receipt = MessageId::new(row.text("receipt")?)
                .map_err(|error| row.unreadable("receipt", &error))?;
            places.push((row.text("sk")?.to_owned(), receipt));
        }
        places.retain(|(sort, _)| sort.as_str() > after);
        places.sort_unstable();
        let more = places.len() > wanted;
        places.truncate(wanted);
        let last = places.last().map(|(sort, _)| sort.clone());
        let last = last.or_else(|| Some(after.to_owned())).filter(|_| more);
        let bodies = places.iter().map(|(_, receipt)| self.body_of(receipt));
        let bodies = try_join_all(bodies).await?.into_iter().flatten();
        let is_listed = |body: &Archived| {
            let place = keys::archive_sort(body.received_at, &body.receipt);
            places.iter().any(|(sort, _)| *sort == place)
        };
        Ok((bodies.filter(is_listed).collect(), last))
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
