//! Partners and Odoo, through the faults.

use super::Sandbox;
use crate::partners::Answer;
use std::sync::Arc;
use std::time::Duration;
use waybill_flow::ports::{
    Attempt, Availability, ConnectionSecrets, Erp, ErpCommand, ErpKey, ErpKeys, ErpOrder, KeyError,
    MadeKey, PartnerPort, PolledPage, Secret,
};
use waybill_model::command::Command;
use waybill_model::delivery::Delivery;
use waybill_model::failure::Failure;
use waybill_model::id::{Code, ConnectionId, CorrelationId, MessageId, Reference, Sku};
use waybill_model::time::Instant;

impl PartnerPort for Sandbox {
    async fn execute(
        &self,
        command: &Command,
        correlation: CorrelationId,
        _key: &MessageId,
        attempt: Attempt,
    ) -> Result<Vec<Reference>, Failure> {
        let world = Arc::clone(self.world());
        let endpoint =
            waybill_partners::client::target(command).map_or_else(String::new, ToString::to_string);
        let kind = command.kind().as_str();
        // Who looks first does so in a call of its own: between the two, others may write. A helpdesk
        // is always looked at, since a ticket may be anybody's.
        let looks = attempt == Attempt::InDoubt || matches!(command, Command::UpdateTicket(_));
        let known = looks && {
            let what = format!("looks for {kind} of {correlation}");
            let look = || Ok(world.partners.lock().unwrap().has(command, correlation));
            self.partner(&endpoint, &what, look).await?
        };
        let what = format!("{kind} of {correlation}");
        let work = || {
            let Answer { result, follow } =
                world
                    .partners
                    .lock()
                    .unwrap()
                    .execute(&world, command, correlation, known);
            world.follow(follow);
            result
        };
        self.partner(&endpoint, &what, work).await
    }

    async fn poll(
        &self,
        connection: &ConnectionId,
        since: Instant,
        _cursor: Option<&str>,
        now: Instant,
    ) -> Result<PolledPage, Failure> {
        let world = Arc::clone(self.world());
        let work = || {
            Ok(PolledPage {
                deliveries: world.changed_since(connection, since, now),
                cursor: None,
            })
        };
        self.partner(connection.as_str(), "polls", work).await
    }

    async fn refetch(&self, delivery: &Delivery) -> Result<Delivery, Failure> {
        Ok(delivery.clone())
    }
}

impl Erp for Sandbox {
    async fn write_within(
        &self,
        erp: &ConnectionId,
        batch: &[ErpCommand],
        within: Duration,
    ) -> Vec<Result<Vec<Reference>, Failure>> {
        let work = crate::erp::write(self, self.world(), erp, batch);
        match tokio::time::timeout(within, work).await {
            Ok(results) => results,
            Err(_) => {
                let late = || {
                    Err(Failure::Indeterminate {
                        code: Code::literal("erp_answer_lost"),
                        detail: "simulated".to_owned(),
                    })
                };
                batch.iter().map(|_| late()).collect()
            }
        }
    }

    async fn availability(
        &self,
        erp: &ConnectionId,
        skus: &[Sku],
    ) -> Result<Vec<Availability>, Failure> {
        let world = Arc::clone(self.world());
        let work = || Ok(world.erp.lock().unwrap().availability(skus));
        self.partner(erp.as_str(), "asks Odoo for stock", work)
            .await
    }

    async fn orders(
        &self,
        erp: &ConnectionId,
        correlations: &[CorrelationId],
    ) -> Result<Vec<ErpOrder>, Failure> {
        let world = Arc::clone(self.world());
        let work = || Ok(world.erp.lock().unwrap().orders(correlations));
        self.partner(erp.as_str(), "asks Odoo for orders", work)
            .await
    }
}

impl ErpKeys for Sandbox {
    async fn keys(&self, _: &ConnectionId) -> Result<Vec<ErpKey>, Failure> {
        Ok(Vec::new())
    }

    async fn make_key(
        &self,
        _: &ConnectionId,
        _: &ConnectionSecrets,
        _: &str,
        _: Instant,
    ) -> Result<MadeKey, KeyError> {
        Err(KeyError::NotPossible {
            detail: "not simulated".to_owned(),
            remedy: "none".to_owned(),
        })
    }

    async fn try_key(&self, _: &ConnectionId, _: &Secret) -> Result<(), Failure> {
        Ok(())
    }

    async fn revoke_key(
        &self,
        _: &ConnectionId,
        _: &ConnectionSecrets,
        _: &str,
    ) -> Result<(), KeyError> {
        Ok(())
    }
}
