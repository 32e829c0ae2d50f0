//! API keys of the integration user: listed, made, tried, taken away.
//!
//! Keys of 19 end after 90 days at most, those of 17 never. What can make one, tried on real servers:
//!
//! | | 17, 18 | 19 | later releases of 19 |
//! |---|---|---|---|
//! | `res.users.apikeys.generate` and `revoke`, with a key | no | no | if `base.enable_programmatic_api_keys` is set |
//! | the wizard `make_key`, with the user's password | in a web session | in a web session, or over JSON-2 with a key | the same |
//!
//! `/jsonrpc` refuses the wizard: "This method can only be accessed over HTTP".

mod wizard;

use crate::Odoo;
use crate::client::{Api, Key};
use crate::error::{FaultKind, OdooError};
use crate::session::Session;
use crate::wire::{Call, Text};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant as Deadline;
use waybill_flow::ports::keys::{ErpKey, ErpKeys, KEY, KeyError, MadeKey, PASSWORD};
use waybill_flow::ports::keys::{PREVIOUS_KEY, PREVIOUS_KEY_ID};
use waybill_flow::ports::{ConnectionSecrets, Secret, Secrets};
use waybill_model::failure::Failure;
use waybill_model::id::ConnectionId;
use waybill_model::time::{DAY_MS, Instant};
use wizard::Wizard;

const MODEL: &str = "res.users.apikeys";
/// The first version whose keys end.
const EXPIRING_SINCE: u32 = 18;
/// The first version that may have `generate` and `revoke`.
const PROGRAMMATIC_SINCE: u32 = 19;
/// Most that Odoo gives internal users is 90 days; a day less, since it compares with its local time.
const LIVES_DAYS: i64 = 89;

#[derive(Deserialize)]
struct Row {
    id: i64,
    name: Text,
    #[serde(default)]
    create_date: Text,
    #[serde(default)]
    expiration_date: Text,
}

/// Why one way did not lead to a key.
enum Refused {
    /// This Odoo has no such way, or it is not switched on: the next may do.
    NotThisWay(String),
    /// It lives shorter than was asked for.
    AtMostDays(i64),
    /// A person must change something.
    Never {
        detail: String,
        remedy: String,
    },
    Failed(OdooError),
}

impl<S: Secrets> ErpKeys for Odoo<S> {
    async fn keys(&self, erp: &ConnectionId) -> Result<Vec<ErpKey>, Failure> {
        let api = self.open(erp, Deadline::now() + self.limits.batch).await?;
        list(&api).await.map_err(|e| e.failure(erp))
    }

    async fn make_key(
        &self,
        erp: &ConnectionId,
        secrets: &ConnectionSecrets,
        name: &str,
        now: Instant,
    ) -> Result<MadeKey, KeyError> {
        let api = self.open(erp, Deadline::now() + self.limits.batch).await?;
        let value = make(&api, secrets, name, now)
            .await
            .map_err(|refused| refused.error(erp))?;
        let all = list(&api).await.map_err(|e| e.failure(erp))?;
        let named = all.into_iter().filter(|k| k.name == name);
        // The newest, should an earlier run have made one in the same second.
        let key = named.max_by_key(|k| k.id.parse::<i64>().unwrap_or_default());
        let shape = OdooError::Shape("the key that was made is not among the user's keys");
        let key = key.ok_or_else(|| shape.failure(erp))?;
        Ok(MadeKey { id: key.id, value })
    }

    async fn try_key(&self, erp: &ConnectionId, key: &Secret) -> Result<(), Failure> {
        let deadline = Deadline::now() + self.limits.batch;
        let mut api = self.open(erp, deadline).await?;
        let fail = |e: OdooError| e.failure(erp);
        let owner = user(&api).await.map_err(fail)?;
        api.key = Key::only(key.clone());
        api.session = Session::enter(&api).await.map_err(fail)?;
        if user(&api).await.map_err(fail)? == owner {
            Ok(())
        } else {
            Err(fail(OdooError::BadCredentials))
        }
    }

    async fn revoke_key(
        &self,
        erp: &ConnectionId,
        secrets: &ConnectionSecrets,
        id: &str,
    ) -> Result<(), KeyError> {
        let api = self.open(erp, Deadline::now() + self.limits.batch).await?;
        let all = list(&api).await.map_err(|e| e.failure(erp))?;
        if all.iter().all(|key| key.id != id) {
            return Ok(());
        }
        revoke(&api, secrets, id)
            .await
            .map_err(|refused| refused.error(erp))
    }
}

impl Refused {
    fn error(self, erp: &ConnectionId) -> KeyError {
        let (detail, remedy) = match self {
            Self::Failed(error) => return KeyError::Failed(error.failure(erp)),
            Self::Never { detail, remedy } => (detail, remedy),
            Self::NotThisWay(detail) => (detail, NO_WAY.to_owned()),
            Self::AtMostDays(days) => (
                format!("Odoo lets the user's keys live for {days} days only"),
                "raise the API key duration of one of the user's groups in Odoo".to_owned(),
            ),
        };
        KeyError::NotPossible { detail, remedy }
    }
}

const NO_WAY: &str = "store the integration user's password as `api.password` of the connection's secret, or, where this Odoo has it, set the system parameter `base.enable_programmatic_api_keys` to True; else make a key by hand (Preferences, Account Security) and store it as `api.key`";

async fn user(api: &Api<'_>) -> Result<i64, OdooError> {
    let context = api.call(Call::of("res.users", "context_get")).await?;
    let uid = context.get("uid").and_then(Value::as_i64);
    uid.ok_or(OdooError::Shape("context_get: `uid` is needed"))
}

async fn list(api: &Api<'_>) -> Result<Vec<ErpKey>, OdooError> {
    let uid = user(api).await?;
    let mut fields = vec!["name", "create_date"];
    if api.session.major >= EXPIRING_SINCE {
        fields.push("expiration_date");
    }
    let domain = json!([["user_id", "=", uid]]);
    let rows: Vec<Row> = api.search_read(MODEL, domain, &fields).await?;
    Ok(rows
        .into_iter()
        .map(|row| ErpKey {
            id: row.id.to_string(),
            name: row.name.as_str().to_owned(),
            created: instant(&row.create_date),
            expires: instant(&row.expiration_date),
        })
        .collect())
}

/// Odoo's times are naive UTC.
fn instant(text: &Text) -> Option<Instant> {
    let text = text.0.as_deref()?;
    Instant::parse(&format!("{}Z", text.replace(' ', "T"))).ok()
}

/// Makes a key in the first way that this Odoo has, for as long as it lets.
async fn make(
    api: &Api<'_>,
    secrets: &ConnectionSecrets,
    name: &str,
    now: Instant,
) -> Result<Secret, Refused> {
    let mut days = LIVES_DAYS;
    loop {
        let until = now.plus_ms(days * DAY_MS).to_naive_utc();
        let made = match generate(api, name, &until).await {
            Err(Refused::NotThisWay(why)) => match Wizard::of(api, secrets) {
                Some(wizard) => wizard.make(name, &until).await,
                None => Err(Refused::NotThisWay(why)),
            },
            made => made,
        };
        match made {
            // A minute less: the comparison is with Odoo's clock.
            Err(Refused::AtMostDays(most)) if most > 0 && most < days => days = most - 1,
            made => return made,
        }
        if days < 1 {
            return Err(Refused::AtMostDays(days + 1));
        }
    }
}

async fn generate(api: &Api<'_>, name: &str, until: &str) -> Result<Secret, Refused> {
    if api.session.major < PROGRAMMATIC_SINCE {
        return Err(Refused::NotThisWay(
            "this Odoo makes keys with the user's password only".to_owned(),
        ));
    }
    let call = Call::of(MODEL, "generate")
        .argument("key", json!(api.key.current().expose()))
        .argument("scope", Value::Null)
        .argument("name", json!(name))
        .argument("expiration_date", json!(until));
    match api.call(call).await {
        Ok(Value::String(key)) => Ok(Secret::new(key)),
        Ok(_) => Err(Refused::Failed(OdooError::Shape(
            "generate: a key is needed",
        ))),
        Err(error) => Err(refusal(error)),
    }
}

async fn revoke(api: &Api<'_>, secrets: &ConnectionSecrets, id: &str) -> Result<(), Refused> {
    let held = |name: &str| secrets.api.get(name).map(Secret::expose);
    let value = (held(PREVIOUS_KEY_ID) == Some(id))
        .then(|| held(PREVIOUS_KEY))
        .flatten()
        .filter(|v| Some(*v) != held(KEY));
    let mut why = "its value is not known".to_owned();
    if let Some(value) = value
        && api.session.major >= PROGRAMMATIC_SINCE
    {
        let call = Call::of(MODEL, "revoke").argument("key", json!(value));
        match api.call(call).await.map_err(refusal) {
            Ok(_) => return Ok(()),
            Err(Refused::NotThisWay(text)) => why = text,
            Err(other) => return Err(other),
        }
    }
    match (Wizard::of(api, secrets), id.parse()) {
        (Some(wizard), Ok(id)) => wizard.remove(id).await,
        _ => Err(Refused::NotThisWay(why)),
    }
}

/// What a refusal of Odoo's means for making keys.
fn refusal(error: OdooError) -> Refused {
    let fault = match error {
        // The key itself let the call in: this is about what the method was given.
        OdooError::BadCredentials => {
            return Refused::NotThisWay("Odoo does not take the key for making another".to_owned());
        }
        OdooError::Fault(fault) => fault,
        other => return Refused::Failed(other),
    };
    let text = fault.text();
    match fault.kind {
        FaultKind::Interface if text.contains("does not exist") => Refused::NotThisWay(
            "this release of Odoo makes keys with the user's password only".to_owned(),
        ),
        FaultKind::Business if text.contains("not enabled") => Refused::NotThisWay(text),
        FaultKind::Business if text.contains("cannot exceed") => {
            let number = text.split_whitespace().find_map(|w| w.parse::<f64>().ok());
            #[expect(clippy::cast_possible_truncation, reason = "days, and cut on purpose")]
            Refused::AtMostDays(number.map_or(0, |days| days.floor() as i64))
        }
        FaultKind::Business if text.contains("Password") => Refused::Never {
            detail: format!("Odoo says: {text}"),
            remedy: "store the integration user's present password as `api.password` of the connection's secret".to_owned(),
        },
        FaultKind::Business | FaultKind::Right => Refused::Never {
            detail: format!("Odoo says: {text}"),
            remedy: "mend what Odoo names; take away keys of the user that nobody needs".to_owned(),
        },
        _ => Refused::Failed(OdooError::Fault(fault)),
    }
}

/// Whether the secrets hold what the wizard needs.
fn password(secrets: &ConnectionSecrets) -> Option<&Secret> {
    secrets.api.get(PASSWORD).filter(|p| !p.is_blank())
}
