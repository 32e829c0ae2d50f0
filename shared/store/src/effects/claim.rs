//! Claim, complete, release, reopen: conditional writes on one row.

use super::DynamoEffects;
use super::record::{CLAIMED, COMPLETED, DONE, Found, REJECTED, RELEASED, Record, claimed};
use crate::codec::CodecError;
use crate::error::{is_condition_failed, write_failed};
use crate::item::{Item, TTL, key, number, text};
use crate::keys;
use crate::limits::{RACE_ROUNDS, expires_s};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use waybill_flow::ports::{Attempt, Claim, InfraError};
use waybill_model::event::Outcome;
use waybill_model::id::MessageId;
use waybill_model::time::Instant;

/// A claim that is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) key: &'a MessageId,
    pub(super) payload: &'a str,
    pub(super) owner: &'a str,
    pub(super) now: Instant,
    pub(super) lease_ms: i64,
}

impl Wanted<'_> {
    pub(super) fn lease_expires(&self) -> Instant {
        self.now.plus_ms(self.lease_ms)
    }
}

impl DynamoEffects {
    /// Puts the row if there is none; else takes over what it finds, if that is free, on
    /// condition that nobody wrote it since.
    pub(super) async fn claim_effect(&self, wanted: &Wanted<'_>) -> Result<Claim, InfraError> {
        let mut known: Option<Record> = None;
        for _ in 0..RACE_ROUNDS {
            let attempt = match known.as_ref().map(|record| record.meet(wanted)) {
                None => Attempt::First,
                Some(Found::Free(attempt)) => attempt,
                Some(Found::Answer(claim)) => return Ok(claim),
            };
            match self.put_claim(wanted, attempt, known.as_ref()).await? {
                Written::Ours => return Ok(Claim::Granted(attempt)),
                Written::Other(found) => known = found,
            }
        }
        Err(self.table.unavailable(format!(
            "effect `{}` was written by others in each of {RACE_ROUNDS} rounds",
            wanted.key
        )))
    }

    async fn put_claim(
        &self,
        wanted: &Wanted<'_>,
        attempt: Attempt,
        seen: Option<&Record>,
    ) -> Result<Written, InfraError> {
        let version = seen.map_or(0, |record| record.version).saturating_add(1);
        let item = claimed(wanted, attempt, version, self.retention.effects_days);
        let call = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let call = match seen {
            None => call.condition_expression("attribute_not_exists(pk)"),
            Some(seen) => call
                .condition_expression("#version = :version AND #owner = :owner")
                .expression_attribute_names("#version", "version")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":version", number(seen.version))
                .expression_attribute_values(":owner", text(&seen.owner)),
        };
        let Err(error) = Box::pin(call.send()).await else {
            return Ok(Written::Ours);
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                let found = match failed.item.clone() {
                    Some(item) => Some(item),
                    None => self.read_row(wanted.key).await?,
                };
                let read = |item: &Item| Record::read(self.table.row(item), wanted.now);
                Ok(Written::Other(found.as_ref().map(read).transpose()?))
            }
            _ => Err(write_failed(self.table.system, &error)),
        }
    }

    /// The row as it is, expired or not. DynamoDB returns it with the failed condition; not every
    /// local stand-in does.
    async fn read_row(&self, id: &MessageId) -> Result<Option<Item>, InfraError> {
        let call = self.table.client.get_item().table_name(&self.table.name);
        let call = call.set_key(Some(key(keys::effect(id), keys::EFFECT)));
        let answer = Box::pin(call.consistent_read(true).send()).await;
        let failed = |error| crate::error::read_failed(self.table.system, &error);
        Ok(answer.map_err(failed)?.item)
    }

    pub(super) async fn complete_effect(
        &self,
        id: &MessageId,
        owner: &str,
        outcome: &Outcome,
        now: Instant,
    ) -> Result<(), InfraError> {
        let json = serde_json::to_string(outcome).map_err(|error| {
            let error = CodecError::from(error);
            self.table
                .unavailable(format!("`outcome` cannot be written: {error}"))
        })?;
        let result = match outcome {
            Outcome::Done { .. } => DONE,
            Outcome::Rejected { .. } => REJECTED,
        };
        let expires = expires_s(now.epoch_s(), self.retention.effects_days);
        let call = self
            .if_held(id, owner)
            .update_expression(
                "SET #status = :status, #outcome = :outcome, #result = :result, #ttl = :ttl \
                 REMOVE #lease ADD #version :one",
            )
            .expression_attribute_names("#outcome", "outcome")
            .expression_attribute_names("#result", "result")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_names("#lease", "lease_expires_ms")
            .expression_attribute_values(":status", text(COMPLETED))
            .expression_attribute_values(":outcome", text(json))
            .expression_attribute_values(":result", text(result))
            .expression_attribute_values(":ttl", number(expires));
        self.update_if(call).await
    }

    pub(super) async fn release_effect(
        &self,
        id: &MessageId,
        owner: &str,
        in_doubt: bool,
    ) -> Result<(), InfraError> {
        let call = self
            .if_held(id, owner)
            .expression_attribute_values(":status", text(RELEASED));
        let call = if in_doubt {
            call.update_expression("SET #status = :status, #doubt = :doubt ADD #version :one")
                .expression_attribute_names("#doubt", "in_doubt")
                .expression_attribute_values(":doubt", AttributeValue::Bool(true))
        } else {
            call.update_expression("SET #status = :status ADD #version :one")
        };
        self.update_if(call).await
    }

    /// An update on condition that `owner` holds the claim.
    fn if_held(&self, id: &MessageId, owner: &str) -> UpdateItemFluentBuilder {
        self.table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(key(keys::effect(id), keys::EFFECT)))
            .condition_expression("#owner = :owner AND #status = :claimed")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":claimed", text(CLAIMED))
            .expression_attribute_values(":one", number(1))
    }

    /// A condition that does not hold is no error: somebody else holds the claim, or it was done.
    async fn update_if(&self, call: UpdateItemFluentBuilder) -> Result<(), InfraError> {
        match Box::pin(call.send()).await {
            Ok(_) => Ok(()),
            Err(error) if is_condition_failed(&error) => Ok(()),
            Err(error) => Err(write_failed(self.table.system, &error)),
        }
    }

    /// Kept, and not deleted: a claim after it may fail, and whoever comes then must look first.
    pub(super) async fn reopen_effect(&self, id: &MessageId) -> Result<(), InfraError> {
        let now = self.table.clock.now();
        let expires = expires_s(now.epoch_s(), self.retention.effects_days);
        let call = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(key(keys::effect(id), keys::EFFECT)))
            .condition_expression("#status = :completed AND #result = :rejected")
            .update_expression(
                "SET #status = :released, #doubt = :doubt, #ttl = :ttl \
                 REMOVE #outcome, #result ADD #version :one",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#result", "result")
            .expression_attribute_names("#outcome", "outcome")
            .expression_attribute_names("#doubt", "in_doubt")
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":completed", text(COMPLETED))
            .expression_attribute_values(":rejected", text(REJECTED))
            .expression_attribute_values(":released", text(RELEASED))
            .expression_attribute_values(":doubt", AttributeValue::Bool(true))
            .expression_attribute_values(":ttl", number(expires))
            .expression_attribute_values(":one", number(1));
        // Absent, running or done: nothing to open.
        self.update_if(call).await
    }
}

/// What became of a conditional put.
enum Written {
    /// Written.
    Ours,
    /// Not written; this is there, or was deleted meanwhile.
    Other(Option<Record>),
}
