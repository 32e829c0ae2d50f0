//! One table: the few calls that both stores make.

use crate::error::{Refused, not_built, read_failed, transaction_failed, write_failed};
use crate::item::{Item, Row, key, text};
use crate::limits::QUERY_PAGES;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use std::fmt;
use std::sync::Arc;
use waybill_flow::ports::{Clock, InfraError};
use waybill_model::time::Instant;

/// A table with what is needed to talk to it.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) system: &'static str,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Table {
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn row<'a>(&self, item: &'a Item) -> Row<'a> {
        Row::new(self.system, item)
    }

    /// One item, strongly consistent; an expired one is absent.
    pub(crate) async fn get(&self, pk: String, sk: &str) -> Result<Option<Item>, InfraError> {
        let call = self.client.get_item().table_name(&self.name);
        let call = call.set_key(Some(key(pk, sk))).consistent_read(true);
        let answer = Box::pin(call.send()).await;
        let answer = answer.map_err(|error| read_failed(self.system, &error))?;
        Ok(answer
            .item
            .filter(|item| !self.row(item).is_expired(self.now())))
    }

    /// Every item of a partition whose sort key begins so, in its order, strongly consistent.
    pub(crate) async fn list(&self, pk: String, prefix: &str) -> Result<Vec<Item>, InfraError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":prefix", text(prefix))
            .consistent_read(true);
        self.query(query, usize::MAX).await
    }

    /// The first `wanted` items of a query that are not expired, over as many pages as it takes.
    pub(crate) async fn query(
        &self,
        query: QueryFluentBuilder,
        wanted: usize,
    ) -> Result<Vec<Item>, InfraError> {
        let query = query.table_name(&self.name);
        let (now, mut found, mut from) = (self.now(), Vec::new(), None);
        for _ in 0..QUERY_PAGES {
            if found.len() >= wanted {
                break;
            }
            let page = query.clone().set_exclusive_start_key(from);
            let page = Box::pin(page.send()).await;
            let page = page.map_err(|error| read_failed(self.system, &error))?;
            let items = page.items.unwrap_or_default().into_iter();
            found.extend(items.filter(|item| !self.row(item).is_expired(now)));
            from = page.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        if from.is_some() && found.len() < wanted {
            let detail = format!("more than {QUERY_PAGES} pages in one listing");
            return Err(self.unavailable(detail));
        }
        found.truncate(wanted);
        Ok(found)
    }

    /// An unconditional put.
    pub(crate) async fn put(&self, item: Item) -> Result<(), InfraError> {
        let call = self.client.put_item().table_name(&self.name);
        let answer = Box::pin(call.set_item(Some(item)).send()).await;
        let failed = |error| write_failed(self.system, &error);
        answer.map(|_| ()).map_err(failed)
    }

    /// All or nothing; only the first write may carry a condition.
    pub(crate) async fn transact(&self, writes: Vec<Put>) -> Result<(), Refused> {
        let puts = writes
            .into_iter()
            .map(|put| TransactWriteItem::builder().put(put).build());
        let call = self.client.transact_write_items();
        let answer = Box::pin(call.set_transact_items(Some(puts.collect())).send()).await;
        let failed = |error| transaction_failed(self.system, &error);
        answer.map(|_| ()).map_err(failed)
    }

    /// A put for a transaction.
    pub(crate) fn put_of(&self, item: Item) -> Result<Put, InfraError> {
        let put = Put::builder().table_name(&self.name).set_item(Some(item));
        put.build().map_err(|error| not_built(self.system, &error))
    }

    pub(crate) fn unavailable(&self, detail: String) -> InfraError {
        InfraError::Unavailable {
            system: self.system,
            detail,
        }
    }
}
