//! Keys of the ERPs: replaced before they end, the one before taken away after a while.
//!
//! A run does one thing at a time, in an order in which it may die anywhere:
//!
//! | step | died after it | the next run |
//! |---|---|---|
//! | make a key | a key that nobody holds | takes it away: its name is ours, its id is not stored |
//! | try it | the same | the same |
//! | store it, with the ERP's id of it and of the one before | both work | goes on from there |
//! | a day later: take the one before away | nothing is left to do | sees nothing to do |
//!
//! Two runs at once would make two keys: a lease for each connection keeps the second out.

mod plan;

use crate::{Job, JobError, Ports, Report, literal};
use plan::{Known, Plan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use waybill_flow::connections::{Connection, ErpSettings};
use waybill_flow::ports::keys::{self, KEY, KEY_ID, PASSWORD, PREVIOUS_KEY, PREVIOUS_KEY_ID};
use waybill_flow::ports::{
    Clock, ConnectionSecrets, EffectStore, Erp, ErpKey, ErpKeys, InfraError, KeyError, OrderStore,
    Queues, Secret, SecretStore,
};
use waybill_model::case::{Case, CaseId};
use waybill_model::failure::Failure;
use waybill_model::id::ConnectionId;
use waybill_model::time::Instant;

/// Name of the lease among a connection's checkpoints.
const LEASE: &str = "key_lease";
/// Twice as long as a run can take.
const LEASE_MS: i64 = 10 * 60 * 1000;
/// Code of the case, and of the metric that the alarm watches.
const CODE: &str = "erp_key_expires";

#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    until: Instant,
}

/// What became of one connection.
enum Kept {
    /// Nothing was to be done, or all was.
    Well { changed: bool },
    /// A person has to do something.
    Worry { detail: String, remedy: String },
    /// The ERP could not be asked.
    NotAsked(Failure),
}

impl<O, E, Q, P, R, C, S> Ports<'_, O, E, Q, P, R, C, S>
where
    O: OrderStore,
    E: EffectStore,
    Q: Queues,
    R: Erp + ErpKeys,
    C: Clock,
    S: SecretStore,
{
    pub(crate) async fn keys(&self) -> Result<Report, JobError> {
        let mut report = Report {
            job: Job::Keys,
            looked_at: 0,
            found: 0,
            failed: Vec::new(),
        };
        let mut broken = None;
        for connection in self.connections.iter() {
            let Some(settings) = &connection.erp else {
                continue;
            };
            report.looked_at += 1;
            // One connection's fault must not keep the others' keys from being replaced.
            if let Err(error) = self.keep_one(connection, settings, &mut report).await {
                tracing::warn!(step = "reconciler", partner = %connection.id, %error,
                    "the other keys are looked at all the same");
                broken = broken.or(Some(error));
            }
        }
        broken.map_or(Ok(report), Err)
    }

    async fn keep_one(
        &self,
        connection: &Connection,
        settings: &ErpSettings,
        report: &mut Report,
    ) -> Result<(), JobError> {
        let Some(lease) = self.take_lease(&connection.id).await? else {
            tracing::info!(step = "reconciler", partner = %connection.id, "another run has the keys");
            return Ok(());
        };
        let kept = self.keep_key(connection, settings).await;
        // Given back after a failure too; after a crash it ends by itself.
        self.give_back(&connection.id, &lease).await?;
        let worry = match kept? {
            Kept::Well { changed } => {
                report.found += usize::from(changed);
                None
            }
            Kept::Worry { detail, remedy } => Some((detail, remedy)),
            Kept::NotAsked(failure) if failure.code().as_str() == "erp_credentials" => {
                let detail = format!("Odoo refuses the stored key: {}", failure.detail());
                let remedy = "make a key in Odoo by hand (Preferences, Account Security) and store it as `api.key` of the connection's secret: orders wait until then".to_owned();
                Some((detail, remedy))
            }
            Kept::NotAsked(failure) => {
                return self.note_answer(connection, Some(&failure), report).await;
            }
        };
        report
            .failed
            .extend(worry.is_some().then(|| CODE.to_owned()));
        self.settle_key_case(connection, worry).await?;
        self.note_answer(connection, None, report).await
    }

    async fn keep_key(
        &self,
        connection: &Connection,
        settings: &ErpSettings,
    ) -> Result<Kept, JobError> {
        let erp = &connection.id;
        let secrets = self.secrets.latest(erp).await?;
        let keys = match self.erp.keys(erp).await {
            Ok(keys) => keys,
            Err(failure) => return Ok(Kept::NotAsked(failure)),
        };
        let plan = self.plan_of(erp, settings, &secrets, &keys);
        let days_left = plan.days_left;
        tracing::info!(step = "reconciler", partner = %erp, keys = keys.len(), ?days_left,
            rotate = plan.rotate, revoke = plan.revoke.len(), "keys");
        let mut changed = false;
        for id in &plan.revoke {
            match self.erp.revoke_key(erp, &secrets, id).await {
                Ok(()) => changed = true,
                // It ends by itself, or is of no use to anybody who has not its value.
                Err(KeyError::NotPossible { detail, .. }) => {
                    tracing::warn!(step = "reconciler", partner = %erp, key = %id, detail,
                        "a key that is not used any more stays");
                }
                Err(KeyError::Failed(failure)) => return Ok(Kept::NotAsked(failure)),
            }
        }
        if !plan.rotate {
            return Ok(Kept::Well { changed });
        }
        self.rotate(erp, &secrets, &plan).await
    }

    fn plan_of(
        &self,
        erp: &ConnectionId,
        settings: &ErpSettings,
        secrets: &ConnectionSecrets,
        keys: &[ErpKey],
    ) -> Plan {
        plan::plan(Known {
            connection: erp,
            keys,
            current: keys::current_id(secrets),
            previous: secrets.api.get(PREVIOUS_KEY_ID).map(Secret::expose),
            rotation_days: settings.key_rotation_days,
            now: self.clock.now(),
        })
    }

    async fn rotate(
        &self,
        erp: &ConnectionId,
        secrets: &ConnectionSecrets,
        plan: &Plan,
    ) -> Result<Kept, JobError> {
        let now = self.clock.now();
        let name = plan::name(erp, now);
        let made = match self.erp.make_key(erp, secrets, &name, now).await {
            Ok(made) => made,
            Err(KeyError::NotPossible { detail, remedy }) => {
                // Whoever stored a password expects that it is used; else there is time.
                let expected = secrets.api.contains_key(PASSWORD) || plan.is_urgent();
                return Ok(if expected {
                    worry(plan, &detail, remedy)
                } else {
                    Kept::Well { changed: false }
                });
            }
            Err(KeyError::Failed(failure)) => return Ok(Kept::NotAsked(failure)),
        };
        if let Err(failure) = self.erp.try_key(erp, &made.value).await {
            // The one that works stays; the next run takes the new one away.
            return Ok(Kept::NotAsked(failure));
        }
        let stored = self.store(erp, secrets, plan, &made.id, &made.value).await;
        if let Err(error) = stored {
            // It may be stored all the same: then it is the current one, and nothing is lost.
            tracing::error!(step = "reconciler", partner = %erp, %error, "a new key was not stored");
            return Err(error.into());
        }
        tracing::info!(step = "reconciler", partner = %erp, outcome = "done", "the key was replaced");
        Ok(Kept::Well { changed: true })
    }

    async fn store(
        &self,
        erp: &ConnectionId,
        secrets: &ConnectionSecrets,
        plan: &Plan,
        id: &str,
        value: &Secret,
    ) -> Result<(), InfraError> {
        let mut values = BTreeMap::from([
            (KEY.to_owned(), value.clone()),
            (KEY_ID.to_owned(), keys::mark(id, value)),
            // Empty where it is not known: then it is not taken away.
            (
                PREVIOUS_KEY_ID.to_owned(),
                Secret::new(plan.replaces.clone().unwrap_or_default()),
            ),
        ]);
        if let Some(before) = secrets.api.get(KEY) {
            values.insert(PREVIOUS_KEY.to_owned(), before.clone());
        }
        self.secrets.set_api(erp, &values).await
    }

    async fn take_lease(&self, erp: &ConnectionId) -> Result<Option<String>, JobError> {
        let now = self.clock.now();
        let held = self.effects.checkpoint(erp, LEASE).await?;
        let until = held
            .as_deref()
            .and_then(|text| serde_json::from_str::<Lease>(text).ok())
            .map(|lease| lease.until);
        if until.is_some_and(|until| until > now) {
            return Ok(None);
        }
        let lease = serde_json::to_string(&Lease {
            until: now.plus_ms(LEASE_MS),
        })?;
        let taken = self
            .effects
            .swap_checkpoint(erp, LEASE, held.as_deref(), &lease)
            .await?;
        Ok(taken.then_some(lease))
    }

    async fn give_back(&self, erp: &ConnectionId, lease: &str) -> Result<(), JobError> {
        let over = serde_json::to_string(&Lease {
            until: self.clock.now(),
        })?;
        // Another's by now, if this run took longer than a lease: then it is not ours to give.
        self.effects
            .swap_checkpoint(erp, LEASE, Some(lease), &over)
            .await?;
        Ok(())
    }

    /// Opens the case, or closes the one that is open.
    async fn settle_key_case(
        &self,
        connection: &Connection,
        worry: Option<(String, String)>,
    ) -> Result<(), JobError> {
        let code = literal(CODE);
        let id = CaseId::new(connection.id.as_str(), &code, "key");
        let now = self.clock.now();
        let Some((detail, remedy)) = worry else {
            return Ok(self.orders.resolve_case(id, now).await?);
        };
        let detail = format!("`{}`: {detail}", connection.id);
        let case = Case::of_connection(id, &connection.id, code, detail, remedy, now);
        Ok(self.orders.put_case(&case).await?)
    }
}

fn worry(plan: &Plan, detail: &str, remedy: String) -> Kept {
    let ends = match plan.days_left {
        Some(days) if days < 0 => "the API key has ended".to_owned(),
        Some(days) => format!("the API key ends in {days} day(s)"),
        None => "the API key is older than it may be".to_owned(),
    };
    Kept::Worry {
        detail: format!("{ends}, and Waybill cannot replace it: {detail}"),
        remedy: if plan.days_left.is_some() {
            format!("{remedy}. Orders wait from the day the key ends")
        } else {
            remedy
        },
    }
}

#[cfg(test)]
mod tests;
