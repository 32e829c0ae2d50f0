//! Cases: written with their order or by themselves, listed by age.

use super::{CASES_INDEX, DynamoOrders};
use crate::error::Refused;
use crate::item::{Draft, Item, text};
use crate::keys;
use crate::limits::{CASE_PAGE, CASE_PAGES, RACE_ROUNDS, expires_s};
use aws_sdk_dynamodb::types::Put;
use futures::future::try_join_all;
use waybill_flow::ports::{CaseQuery, InfraError};
use waybill_model::case::{Case, CaseStatus};
use waybill_model::id::CorrelationId;

impl DynamoOrders {
    /// The case's own row, in the index of cases.
    pub(super) fn case_item(&self, case: &Case) -> Result<Item, InfraError> {
        let row = Draft::new(keys::case(case.id), keys::CASE)
            .text("case_shard", keys::case_shard(case.status, case.class))
            .text("case_sort", keys::case_sort(case));
        self.finish_case(row, case)
    }

    /// The copy at the order; not in the index.
    pub(super) fn case_copy(&self, case: &Case, order: CorrelationId) -> Result<Item, InfraError> {
        let row = Draft::new(keys::order(order), keys::case(case.id));
        self.finish_case(row, case)
    }

    fn finish_case(&self, row: Draft, case: &Case) -> Result<Item, InfraError> {
        let expires = match case.status {
            // An open case stays until somebody closes it.
            CaseStatus::Open => None,
            CaseStatus::Resolved | CaseStatus::Ignored => {
                let closed = case.closed_at.unwrap_or_else(|| self.table.now());
                Some(expires_s(closed.epoch_s(), self.retention.orders_days))
            }
        };
        let row = row.text("case", self.json("case", case)?);
        Ok(row.expires(expires).build())
    }

    /// Read, then write on condition that nobody wrote since.
    pub(super) async fn write_case(&self, case: &Case) -> Result<(), InfraError> {
        for _ in 0..RACE_ROUNDS {
            let old = self.table.get(keys::case(case.id), keys::CASE).await?;
            let known: Option<Case> = match &old {
                Some(item) => Some(self.table.row(item).json("case")?),
                None => None,
            };
            let case = case.clone().found_over(known.as_ref());
            if known.as_ref() == Some(&case) {
                return Ok(());
            }
            let mut writes = vec![self.conditional_case(&case, old.as_ref())?];
            if let Some(order) = case.correlation_id {
                writes.push(self.table.put_of(self.case_copy(&case, order)?)?);
            }
            match self.table.transact(writes).await {
                Ok(()) => return Ok(()),
                Err(Refused::Condition) => {}
                Err(Refused::Infra(error)) => return Err(error),
            }
        }
        let detail = format!("case `{}` changed in each of {RACE_ROUNDS} rounds", case.id);
        Err(self.table.unavailable(detail))
    }

    fn conditional_case(&self, case: &Case, old: Option<&Item>) -> Result<Put, InfraError> {
        let mut put = self.table.put_of(self.case_item(case)?)?;
        match old {
            Some(item) => {
                let old = self.table.row(item);
                put.condition_expression = Some("#case = :old".to_owned());
                put.expression_attribute_names =
                    Some([("#case".to_owned(), "case".to_owned())].into());
                put.expression_attribute_values =
                    Some([(":old".to_owned(), text(old.text("case")?))].into());
            }
            // A row past its TTL counts as absent.
            None => {
                let absent = "attribute_not_exists(pk) OR #ttl <= :now";
                put.condition_expression = Some(absent.to_owned());
                put.expression_attribute_names =
                    Some([("#ttl".to_owned(), crate::item::TTL.to_owned())].into());
                let now_s = crate::item::number(self.table.now().epoch_s());
                put.expression_attribute_values = Some([(":now".to_owned(), now_s)].into());
            }
        }
        Ok(put)
    }

    /// Oldest first. The cursor is the sort key of the last case that was looked at.
    pub(super) async fn list_cases(
        &self,
        query: &CaseQuery,
    ) -> Result<(Vec<Case>, Option<String>), InfraError> {
        let (mut found, mut after) = (Vec::new(), query.cursor.clone());
        for _ in 0..CASE_PAGES {
            let (page, last) = match query.correlation {
                Some(order) => (self.cases_at(order, after.as_deref()).await?, None),
                None => self.cases_in_index(query, after.as_deref()).await?,
            };
            let youngest = page.last().map(|(_, case)| case.opened_at);
            let past = query
                .opened_until
                .is_some_and(|until| youngest > Some(until));
            found.extend(page.into_iter().filter(|(_, case)| query.matches(case)));
            after = last.filter(|_| !past);
            if after.is_none() || found.len() >= query.limit {
                break;
            }
        }
        if found.len() > query.limit {
            found.truncate(query.limit);
            after = found.last().map(|(sort, _)| sort.clone());
        }
        Ok((found.into_iter().map(|(_, case)| case).collect(), after))
    }

    /// All of an order's: there are few.
    async fn cases_at(
        &self,
        order: CorrelationId,
        after: Option<&str>,
    ) -> Result<Vec<(String, Case)>, InfraError> {
        let items = self.table.list(keys::order(order), keys::CASES).await?;
        let mut found = self.read_cases(&items)?;
        found.retain(|(sort, _)| after.is_none_or(|after| sort.as_str() > after));
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found)
    }

    /// A page over the wanted classes, and the place of its last case if there are more.
    async fn cases_in_index(
        &self,
        query: &CaseQuery,
        after: Option<&str>,
    ) -> Result<(Vec<(String, Case)>, Option<String>), InfraError> {
        let classes = match query.class {
            Some(class) => vec![class],
            None => keys::CLASSES.to_vec(),
        };
        let status = query.status.unwrap_or(CaseStatus::Open);
        let filtered = query.code.is_some() || query.connection.is_some() || query.owner.is_some();
        let size = match filtered {
            true => query.limit.max(CASE_PAGE),
            false => query.limit,
        };
        let wanted = size.saturating_add(1);
        let pages = classes.into_iter().map(|class| {
            let call = self
                .table
                .client
                .query()
                .index_name(CASES_INDEX)
                .key_condition_expression("case_shard = :shard AND case_sort > :after")
                .expression_attribute_values(":shard", text(keys::case_shard(status, class)))
                // A range key cannot be compared with an empty text; every sort key is above `0`.
                .expression_attribute_values(
                    ":after",
                    text(after.filter(|a| !a.is_empty()).unwrap_or("0")),
                )
                .limit(i32::try_from(wanted).unwrap_or(i32::MAX));
            self.table.query(call, wanted)
        });
        let items: Vec<Item> = try_join_all(pages).await?.into_iter().flatten().collect();
        let mut found = self.read_cases(&items)?;
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let more = found.len() > size;
        found.truncate(size);
        let last = found.last().map(|(sort, _)| sort.clone());
        Ok((found, last.filter(|_| more)))
    }

    fn read_cases(&self, items: &[Item]) -> Result<Vec<(String, Case)>, InfraError> {
        let read = |item| {
            let case: Case = self.table.row(item).json("case")?;
            Ok((keys::case_sort(&case), case))
        };
        items.iter().map(read).collect()
    }
}
