//! What an integrator checks before going live: whether this Odoo has all that a connection uses,
//! and lets the integration user do all that the adapter does.
//!
//! | module | does |
//! |---|---|
//! | `needs` | connections file → what Odoo must have; pure |
//! | `look` | asks Odoo; only reads |
//! | `judge` | what was seen → findings; pure |
//! | `dry_run` | writes an order as the writer would, in calls that Odoo rolls back as a whole |

mod dry_run;
mod judge;
mod look;
mod needs;

use crate::Odoo;
use crate::error::OdooError;
use crate::session::Session;
use std::collections::BTreeSet;
use tokio::time::Instant;
use waybill_flow::ports::{Clock, Secrets};
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, Sku};

/// How a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, and someone should know it.
    Warning,
    /// Orders or refunds will become cases.
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: `rights`, `taxes` and so on.
    pub topic: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub text: String,
    /// What to change, and where; absent where nothing needs it.
    pub remedy: Option<String>,
}

impl Finding {
    fn good(topic: &'static str, text: impl Into<String>) -> Self {
        Self {
            topic,
            verdict: Verdict::Good,
            text: text.into(),
            remedy: None,
        }
    }

    fn warning(topic: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            topic,
            verdict: Verdict::Warning,
            text: text.into(),
            remedy: Some(remedy.into()),
        }
    }

    fn fault(topic: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            topic,
            verdict: Verdict::Fault,
            text: text.into(),
            remedy: Some(remedy.into()),
        }
    }
}

/// What is checked beyond the connections file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// SKUs that channels sell.
    pub skus: BTreeSet<Sku>,
    /// Whether to write the order that leaves nothing behind.
    pub dry_run: bool,
}

impl<S: Secrets> Odoo<S> {
    /// Checks one Odoo against what the connections file uses of it. Some thirty short calls; nothing
    /// in Odoo is changed, but the dry run draws numbers of orders and transfers that stay unused.
    /// What cannot be reached or entered is a finding too, and then the only one after it.
    ///
    /// # Errors
    /// The connection is not configured as an Odoo.
    pub async fn check(
        &self,
        erp: &ConnectionId,
        wanted: &Wanted,
        clock: &impl Clock,
    ) -> Result<Vec<Finding>, Failure> {
        let (connection, settings) = self.settings(erp)?;
        let mut findings = Vec::new();
        let deadline = Instant::now() + self.limits.batch;
        let ended = self
            .look_around(erp, wanted, clock, deadline, &mut findings)
            .await;
        if let Err(error) = ended {
            findings.push(judge::no_entry(&error, connection, settings));
        }
        Ok(findings)
    }

    async fn look_around(
        &self,
        erp: &ConnectionId,
        wanted: &Wanted,
        clock: &impl Clock,
        deadline: Instant,
        findings: &mut Vec<Finding>,
    ) -> Result<(), OdooError> {
        let Ok((connection, settings)) = self.settings(erp) else {
            return Ok(());
        };
        let mut api = self.identify(connection, settings, deadline).await?;
        let hello = api.hello().await?;
        findings.extend(judge::server(&hello, settings.protocol, clock.now()));
        if !judge::speaks(&hello, settings.protocol) {
            return Ok(());
        }
        Session::open(&mut api).await?;
        api.session.major = hello.major;
        let needs = needs::needs(&self.connections, erp, settings, &wanted.skus, hello.major);
        let seen = look::look(&api, &needs).await?;
        findings.extend(judge::judge(&seen, &needs, clock.now()));
        if wanted.dry_run {
            findings.push(dry_run::dry_run(&api, &needs, &seen, clock.now()).await);
        }
        Ok(())
    }
}
