//! One event's changes in one transaction.

use super::DynamoOrders;
use crate::error::Refused;
use crate::item::{Draft, Item, number};
use crate::keys;
use crate::limits::TRANSACTION_ITEMS;
use aws_sdk_dynamodb::types::Put;
use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::ports::{Commit, CommitError, InfraError};

/// Rows that every commit has: `STATE` and one line of the timeline.
const FIXED_ITEMS: usize = 2;

impl DynamoOrders {
    /// `STATE` on condition of its revision, with everything else unconditional beside it.
    ///
    /// What does not fit in one transaction is written ahead of it, references first: a reference
    /// or case whose commit then fails belongs to an event that is delivered again and writes it
    /// again, and its key is the same. The other way round, a crash would lose it.
    pub(super) async fn write_commit(&self, commit: Commit) -> Result<u64, CommitError> {
        let revision = commit.expected.unwrap_or(0).saturating_add(1);
        let state = self.conditional_state(&commit, revision)?;
        let mut beside = self.case_items(&commit)?;
        beside.extend(self.reference_items(&commit));
        let room = TRANSACTION_ITEMS.saturating_sub(FIXED_ITEMS);
        if beside.len() > room {
            let ahead = beside.split_off(room);
            self.table.batch_put(ahead).await?;
        }
        beside.push(self.timeline_item(&commit)?);
        let mut writes = vec![state];
        for item in beside {
            writes.push(self.table.put_of(item)?);
        }
        match self.table.transact(writes).await {
            Ok(()) => Ok(revision),
            Err(Refused::Condition) => Err(CommitError::Conflict),
            Err(Refused::Infra(error)) => Err(error.into()),
        }
    }

    fn conditional_state(&self, commit: &Commit, revision: u64) -> Result<Put, InfraError> {
        let mut put = self.table.put_of(self.state_item(commit, revision)?)?;
        let (condition, name, value) = match commit.expected {
            Some(expected) => {
                let expected = i64::try_from(expected).unwrap_or(i64::MAX);
                ("#a = :v", "revision", expected)
            }
            // A row past its TTL counts as absent, as `load` has it.
            None => (
                "attribute_not_exists(pk) OR #a <= :v",
                crate::item::TTL,
                self.table.now().epoch_s(),
            ),
        };
        put.condition_expression = Some(condition.to_owned());
        put.expression_attribute_names = Some([("#a".to_owned(), name.to_owned())].into());
        put.expression_attribute_values = Some([(":v".to_owned(), number(value))].into());
        Ok(put)
    }

    fn timeline_item(&self, commit: &Commit) -> Result<Item, InfraError> {
        let pk = keys::order(commit.correlation);
        let sk = keys::event(commit.event.at, &commit.event.id);
        let entry = self.json("entry", &commit.event)?;
        let row = Draft::new(pk, sk).text("entry", entry);
        Ok(row.expires(Some(self.order_expires_s())).build())
    }

    /// One row a reference, once each: a transaction refuses the same key twice.
    fn reference_items(&self, commit: &Commit) -> Vec<Item> {
        let expires_s = self.order_expires_s();
        let distinct: BTreeSet<_> = commit.references.iter().collect();
        let row = |reference| {
            Draft::new(keys::reference(reference), keys::order(commit.correlation))
                .text("correlation", commit.correlation.to_string())
                .expires(Some(expires_s))
                .build()
        };
        distinct.into_iter().map(row).collect()
    }

    /// Two rows a case: itself, and its copy at the order.
    fn case_items(&self, commit: &Commit) -> Result<Vec<Item>, InfraError> {
        let distinct: BTreeMap<_, _> = commit.cases.iter().map(|c| (c.id, c)).collect();
        let mut items = Vec::with_capacity(distinct.len() * 2);
        for case in distinct.into_values() {
            items.push(self.case_item(case)?);
            items.push(self.case_copy(case, commit.correlation)?);
        }
        Ok(items)
    }
}
