//! Partners and Odoo, through the faults.

use super::{Sandbox, lost, transient};
use crate::partners::Answer;
use crate::sim::MINUTE;
use std::sync::Arc;
use std::time::Duration;
use waybill_flow::connections::PartnerKind;
use waybill_flow::ports::{
    Attempt, Availability, Erp, ErpCommand, ErpOrder, PartnerPort, PolledPage, Webhook,
};
use waybill_model::command::Command;
use waybill_model::delivery::Delivery;
use waybill_model::failure::Failure;
use waybill_model::id::{Code, ConnectionId, CorrelationId, MessageId, Reference, Sku};
use waybill_model::time::Instant;
use waybill_testkit::build;

/// What the channel is subscribed to.
const TOPIC: &str = "everything";
/// Partners that deny what they did deny nearly all of it for so long before they are away.
const GOES_DOWN_MS: i64 = 10 * MINUTE.cast_signed();

/// How long ago that may be true which a channel tells who polls it: its copies lag. More would not be found by the overlap
/// of two polls.
const BEHIND_MS: u64 = 4 * MINUTE;
/// What a poll finds at once.
const PAGE: usize = 8;

/// What a cursor stands for: how it was when, and how many were told.
fn place(cursor: &str) -> (Instant, usize) {
    let (as_of, from) = cursor.split_once('/').expect("a cursor of ours");
    let as_of = Instant::from_epoch_ms(as_of.parse().expect("a time"));
    (as_of, from.parse().expect("a count"))
}

impl PartnerPort for Sandbox {
    async fn execute(
        &self,
        command: &Command,
        correlation: CorrelationId,
        key: &MessageId,
        attempt: Attempt,
    ) -> Result<Vec<Reference>, Failure> {
        let world = Arc::clone(self.world());
        let endpoint =
            waybill_partners::client::target(command).map_or_else(String::new, ToString::to_string);
        let kind = command.kind().as_str();
        // Who looks first does so in a call of its own: between the two, others may write. A helpdesk
        // is always looked at, since a ticket may be anybody's.
        // Who speaks our own format keeps every key for ever, and is not looked at: see `canonical/client.rs`.
        let looks = matches!(command, Command::UpdateTicket(_))
            || (attempt == Attempt::InDoubt && !self.keeps_keys(&endpoint));
        let known = looks && {
            let what = format!("looks for {kind} of {correlation}");
            let look = || Ok(world.partners.lock().unwrap().has(command, correlation));
            self.partner(&endpoint, &what, look).await?
        };
        if self.is_belated(&endpoint, command, (correlation, key), (attempt, known)) {
            return Err(lost(&world.sim, &endpoint));
        }
        let what = format!("{kind} of {correlation}");
        let work = || {
            let (sim, now) = (&world.sim, world.sim.now());
            let mut partners = world.partners.lock().unwrap();
            let known = known || partners.knows(key, now);
            let Answer { result, follow } =
                partners.execute(&world, command, correlation, attempt, known);
            let denied = sim.weather().denied;
            let goes_down = denied > 0 && world.is_out(&endpoint, now.plus_ms(GOES_DOWN_MS));
            let permille = if goes_down { 900 } else { denied };
            let denies = result.is_ok() && sim.fault("done and denied", permille);
            if result.is_ok() && self.keeps_keys(&endpoint) {
                partners.kept.insert(key.clone());
            } else if denies || (result.is_ok() && partners.belated.contains(key)) {
                partners.carried_out.insert(key.clone(), now);
            }
            drop(partners);
            world.follow(follow);
            if denies {
                return Err(transient("partner_error", None));
            }
            result
        };
        self.partner(&endpoint, &what, work).await
    }

    async fn poll(
        &self,
        connection: &ConnectionId,
        since: Instant,
        cursor: Option<&str>,
        _: Instant,
    ) -> Result<PolledPage, Failure> {
        let world = Arc::clone(self.world());
        let work = || {
            let sim = &world.sim;
            let (as_of, from) = match cursor {
                Some(cursor) => place(cursor),
                None if sim.fault("poll told the past", sim.weather().stale) => {
                    let late_ms = i64::try_from(sim.below(BEHIND_MS)).expect("a span");
                    (sim.now().plus_ms(-late_ms), 0)
                }
                None => (sim.now(), 0),
            };
            let mut deliveries = world.changed(connection, since, as_of).split_off(from);
            let more = deliveries.len() > PAGE;
            deliveries.truncate(PAGE);
            let cursor = more.then(|| format!("{}/{}", as_of.epoch_ms(), from + PAGE));
            Ok(PolledPage { deliveries, cursor })
        };
        self.partner(connection.as_str(), "polls", work).await
    }

    async fn webhooks(&self, connection: &ConnectionId) -> Result<Option<Vec<Webhook>>, Failure> {
        let world = self.world();
        let list = || {
            let stands = !world.partners.lock().unwrap().is_unsubscribed;
            let topic = TOPIC.to_owned();
            Ok(Some(vec![Webhook {
                topic,
                stands,
                polled: true,
            }]))
        };
        self.partner(connection.as_str(), "asks for subscriptions", list)
            .await
    }

    async fn create_webhook(&self, connection: &ConnectionId, _: &str) -> Result<(), Failure> {
        let world = self.world();
        let make = || {
            world.partners.lock().unwrap().is_unsubscribed = false;
            Ok(())
        };
        self.partner(connection.as_str(), "subscribes", make).await
    }

    async fn refetch(&self, delivery: &Delivery) -> Result<Delivery, Failure> {
        Ok(delivery.clone())
    }
}

impl Sandbox {
    /// Whether an endpoint has to know every key for ever.
    fn keeps_keys(&self, endpoint: &str) -> bool {
        let connection = self.connections().get(&build::connection(endpoint));
        connection.is_some_and(|c| c.partner == PartnerKind::Canonical)
    }

    /// Whether a partner does it only after who asks has gone: then it is done so, with the key that it was asked with.
    /// Levels of stock are left out: which of two calls under way ends last is nobody's to say.
    fn is_belated(
        &self,
        endpoint: &str,
        command: &Command,
        (correlation, key): (CorrelationId, &MessageId),
        (attempt, known): (Attempt, bool),
    ) -> bool {
        let sim = &self.world().sim;
        let is_there = !self.world().is_out(endpoint, sim.now());
        let may_be = is_there && !matches!(command, Command::PublishStock(_));
        if !(may_be && sim.fault("partner does it late", sim.weather().belated)) {
            return false;
        }
        let world = Arc::clone(self.world());
        let (command, key) = (command.clone(), key.clone());
        let keeps = self.keeps_keys(endpoint);
        world.partners.lock().unwrap().belated.insert(key.clone());
        world.plan(1);
        tokio::spawn(async move {
            let sim = &world.sim;
            sim.wait_ms(sim.between(5_000, 120_000)).await;
            let mut partners = world.partners.lock().unwrap();
            let known = known || partners.knows(&key, sim.now());
            let Answer { result, follow } =
                partners.execute(&world, &command, correlation, attempt, known);
            if result.is_ok() && keeps {
                partners.kept.insert(key);
            } else if result.is_ok() {
                partners.carried_out.insert(key, sim.now());
            }
            drop(partners);
            let kind = command.kind().as_str();
            sim.note(format_args!("{kind} of {correlation} is done late"));
            world.follow(follow);
            world.plan(-1);
        });
        true
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
        _: &ConnectionId,
        skus: &[Sku],
    ) -> Result<Vec<Availability>, Failure> {
        let world = Arc::clone(self.world());
        let work = || Ok(world.erp.lock().unwrap().availability(skus));
        self.odoo("asks Odoo for stock", work).await
    }

    async fn orders(
        &self,
        _: &ConnectionId,
        correlations: &[CorrelationId],
    ) -> Result<Vec<ErpOrder>, Failure> {
        let world = Arc::clone(self.world());
        let work = || Ok(world.erp.lock().unwrap().orders(correlations));
        self.odoo("asks Odoo for orders", work).await
    }
}
