//! The wizards of the web client, which want the user's password: `make_key` and `remove` answer
//! with a password check, whose `run_check` does the work.

use super::{MODEL, Refused, password, refusal};
use crate::client::{Api, Web};
use crate::error::OdooError;
use crate::wire::{Call, one_id};
use serde_json::{Value, json};
use waybill_flow::connections::ErpProtocol;
use waybill_flow::ports::{ConnectionSecrets, Secret};

const DESCRIPTION: &str = "res.users.apikeys.description";
const CHECK: &str = "res.users.identitycheck";
/// The first version that takes the password from the context; before, from the wizard.
const CONTEXT_SINCE: u32 = 19;

/// A way to the wizards.
pub(super) struct Wizard<'a> {
    api: &'a Api<'a>,
    password: &'a Secret,
}

/// One conversation: JSON-2 needs none, `/jsonrpc` cannot hold it, so that it is a web session.
enum Line {
    Json2,
    Web(Web),
}

impl<'a> Wizard<'a> {
    /// None where no password is stored.
    pub(super) fn of(api: &'a Api<'a>, secrets: &'a ConnectionSecrets) -> Option<Self> {
        let password = password(secrets)?;
        Some(Self { api, password })
    }

    pub(super) async fn make(&self, name: &str, until: &str) -> Result<Secret, Refused> {
        let line = self.line().await?;
        let mut values = json!({ "name": name });
        if let Some(values) = values.as_object_mut()
            && self.api.session.major >= super::EXPIRING_SINCE
        {
            values.insert("duration".to_owned(), json!("-1"));
            values.insert("expiration_date".to_owned(), json!(until));
        }
        let create = Call::of(DESCRIPTION, "create").argument("vals_list", json!([values]));
        let description = one_id(&self.call(&line, create).await?).map_err(Refused::Failed)?;
        let make = Call::on(DESCRIPTION, "make_key", &[description]);
        let action = self.checked(&line, make).await?;
        let key = action
            .pointer("/context/default_key")
            .and_then(Value::as_str);
        key.map(Secret::new).ok_or(Refused::Failed(OdooError::Shape(
            "make_key: the key is needed in the answer",
        )))
    }

    pub(super) async fn remove(&self, id: i64) -> Result<(), Refused> {
        let line = self.line().await?;
        let remove = Call::on(MODEL, "remove", &[id]);
        self.checked(&line, remove).await.map(|_| ())
    }

    async fn line(&self) -> Result<Line, Refused> {
        Ok(match self.api.settings.protocol {
            ErpProtocol::Json2 => Line::Json2,
            ErpProtocol::JsonRpc => {
                let web = self.api.log_in(self.password).await;
                Line::Web(web.map_err(|error| match error {
                    OdooError::BadCredentials => Refused::Never {
                        detail: "Odoo does not let the integration user in with the stored password".to_owned(),
                        remedy: "store the user's present password as `api.password` of the connection's secret; a user with two-factor authentication cannot be used".to_owned(),
                    },
                    other => Refused::Failed(other),
                })?)
            }
        })
    }

    async fn call(&self, line: &Line, call: Call) -> Result<Value, Refused> {
        let answer = match line {
            Line::Json2 => self.api.call(call).await,
            Line::Web(web) => self.api.call_in(web, call).await,
        };
        answer.map_err(refusal)
    }

    /// Calls a method that asks for the password, and gives it.
    async fn checked(&self, line: &Line, call: Call) -> Result<Value, Refused> {
        let action = self.call(line, call).await?;
        if action.get("res_model").and_then(Value::as_str) != Some(CHECK) {
            // The session gave the password a moment ago.
            return Ok(action);
        }
        let check = action.get("res_id").and_then(Value::as_i64);
        let check = check.ok_or(Refused::Failed(OdooError::Shape(
            "the password check's `res_id` is needed",
        )))?;
        if self.api.session.major < CONTEXT_SINCE {
            let values = json!({"password": self.password.expose()});
            let write = Call::on(CHECK, "write", &[check]).argument("vals", values);
            self.call(line, write).await?;
        }
        let run = Call::on(CHECK, "run_check", &[check])
            .context("password", json!(self.password.expose()));
        self.call(line, run).await
    }
}
