//! API keys: whom they let in, and how a user makes and removes them.
//!
//! Making and removing need the user's password again: the method answers with a wizard, whose `run_check` does the work
//! when the context holds the password. JSON-2 can do so with a key; `/jsonrpc` cannot, since these methods want the
//! browser's request. Later releases of 19 have `generate` and `revoke` beside them, which need a key only.
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::Version;
use super::db::{Db, Record};
use super::env::{Env, Vals};
use super::fault::{Class, Fault};
use super::orm;

pub(super) const MODEL: &str = "res.users.apikeys";
const DESCRIPTION: &str = "res.users.apikeys.description";
const CHECK: &str = "res.users.identitycheck";
/// Where the value stands; no field, so that nobody can read it.
const VALUE: &str = "__value";
/// What a wizard is about: `[method, ids]`.
const REQUEST: &str = "__request";
/// In the context of a call that came over `/jsonrpc`.
pub(super) const NO_REQUEST: &str = "__waybill_no_request";
/// In the context of a call: the caller's password, as the server keeps it.
pub(super) const PASSWORD: &str = "__waybill_password";
/// `api_key_duration` of internal users.
const MOST_DAYS: i64 = 90;
/// `base.programmatic_api_keys_limit`.
const MOST_KEYS: usize = 10;

fn text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn in_days(now: Timestamp, days: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_hours(24 * days))
        .unwrap_or(now)
}

/// When a key that is made now ends at the latest.
pub(super) fn latest(version: Version, now: Timestamp) -> Option<Timestamp> {
    (version == Version::V19).then(|| in_days(now, MOST_DAYS))
}

/// Stores a key.
pub(super) fn put(
    db: &mut Db,
    uid: i64,
    name: &str,
    value: &str,
    now: Timestamp,
    end: Option<Timestamp>,
) -> i64 {
    let end = end.map_or(Value::Bool(false), |end| json!(text(end)));
    let record = [
        ("name", json!(name)),
        ("user_id", json!(uid)),
        // A global key has no scope, which `read` shows as false.
        ("scope", Value::Bool(false)),
        ("create_date", json!(text(now))),
        ("expiration_date", end),
        (VALUE, json!(value)),
    ];
    let record: Record = record.map(|(k, v)| (k.to_owned(), v)).into();
    db.insert(MODEL, record)
}

/// Whose key this is, unless its time is over.
pub(super) fn owner(db: &Db, value: &str, now: Timestamp) -> Option<i64> {
    find(db, value, now).map(|id| db.id_in(MODEL, id, "user_id"))
}

fn find(db: &Db, value: &str, now: Timestamp) -> Option<i64> {
    db.all(MODEL)
        .into_iter()
        .find(|id| db.text(MODEL, *id, VALUE) == value && is_alive(db, *id, now))
}

fn is_alive(db: &Db, id: i64, now: Timestamp) -> bool {
    let end = db.text(MODEL, id, "expiration_date");
    end.is_empty() || *end >= *text(now)
}

/// Takes all keys of a user away.
pub(super) fn clear(db: &mut Db, uid: i64) {
    for id in db.all(MODEL) {
        if db.id_in(MODEL, id, "user_id") == uid {
            db.remove(MODEL, id);
        }
    }
}

/// Puts a key's end long ago.
pub(super) fn expire(db: &mut Db, value: &str) {
    for id in db.all(MODEL) {
        if db.text(MODEL, id, VALUE) == value {
            db.set(MODEL, id, "expiration_date", json!("2000-01-01 00:00:00"));
        }
    }
}

/// Users see their own keys, administrators all.
pub(super) fn visible(env: &Env<'_>, id: i64) -> bool {
    env.in_group("base.group_system") || env.db.id_in(MODEL, id, "user_id") == env.user.uid
}

fn check_end(env: &Env<'_>, end: &Value) -> Result<(), Fault> {
    if env.version() == Version::V17 || env.in_group("base.group_system") {
        return Ok(());
    }
    let Some(end) = end.as_str() else {
        return Err(Fault::validation(
            "The API key must have an expiration date",
        ));
    };
    if *end > *text(in_days(env.now, MOST_DAYS)) {
        let days = format!("{MOST_DAYS}.0");
        return Err(Fault::validation(format!("You cannot exceed {days} days.")));
    }
    Ok(())
}

/// A wizard that describes the key to make.
pub(super) fn describe(env: &mut Env<'_>, mut vals: Vals) -> Result<i64, Fault> {
    if env.version() == Version::V19 {
        let days = vals.get("duration").and_then(Value::as_str).unwrap_or("1");
        let days: i64 = days.parse().unwrap_or(1);
        if days >= 0 && !vals.contains_key("expiration_date") {
            let day = in_days(env.now, days)
                .strftime("%Y-%m-%d 00:00:00")
                .to_string();
            let end = if days == 0 { json!(false) } else { json!(day) };
            vals.insert("expiration_date".to_owned(), end);
        }
        let end = vals.get("expiration_date").cloned().unwrap_or_default();
        check_end(env, &end)?;
    }
    orm::insert(env, DESCRIPTION, vals)
}

/// A method that asks for the password first.
pub(super) fn guarded(
    env: &mut Env<'_>,
    model: &str,
    method: &str,
    ids: &[i64],
) -> Result<Value, Fault> {
    if env.flag(NO_REQUEST) {
        let text = "This method can only be accessed over HTTP";
        return Err(Fault::user(text));
    }
    let record: Record = [
        ("create_uid", json!(env.user.uid)),
        (REQUEST, json!([model, method, ids])),
    ]
    .map(|(k, v)| (k.to_owned(), v))
    .into();
    let id = env.db.insert(CHECK, record);
    let (name, context) = match env.version() {
        Version::V17 => ("Security Control", Value::Null),
        Version::V19 => ("Access Control", json!({"dialog_size": "medium"})),
    };
    Ok(json!({
        "type": "ir.actions.act_window", "res_model": CHECK, "res_id": id, "name": name,
        "target": "new", "views": [[false, "form"]], "context": context,
    }))
}

/// Checks the password, and does what the wizard is about.
pub(super) fn run_check(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check_exist(CHECK, ids)?;
    let wizard = ids.first().copied().unwrap_or_default();
    let right = env.context.get(PASSWORD).cloned().unwrap_or_default();
    let given = match env.version() {
        Version::V17 => env.db.get(CHECK, wizard, "password").clone(),
        Version::V19 => env.context.get("password").cloned().unwrap_or_default(),
    };
    if right.is_null() || given != right {
        return Err(Fault::user(
            "Incorrect Password, try again or click on Forgot Password to reset your password.",
        ));
    }
    let request = env.db.get(CHECK, wizard, REQUEST).clone();
    let ids = request.get(2).map(super::db::id_list).unwrap_or_default();
    match request.get(1).and_then(Value::as_str) {
        Some("make_key") => make(env, &ids),
        Some("remove") => remove(env, &ids),
        _ => Err(Fault::new(Class::NotSimulated, "an unknown wizard")),
    }
}

fn make(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check_exist(DESCRIPTION, ids)?;
    let id = ids.first().copied().unwrap_or_default();
    let name = env.db.text(DESCRIPTION, id, "name").to_owned();
    let end = env.db.get(DESCRIPTION, id, "expiration_date").clone();
    check_end(env, &end)?;
    let value = generate(env, &name, &end);
    env.db.remove(DESCRIPTION, id);
    Ok(json!({
        "type": "ir.actions.act_window", "res_model": "res.users.apikeys.show",
        "name": "API Key Ready", "views": [[false, "form"]], "target": "new",
        "context": {"default_key": value},
    }))
}

fn generate(env: &mut Env<'_>, name: &str, end: &Value) -> String {
    let (uid, now) = (env.user.uid, env.now);
    let seed = format!("{uid} {name} {}", env.db.next_in(MODEL));
    let value: String = hex::encode(Sha256::digest(seed)).chars().take(40).collect();
    let id = put(env.db, uid, name, &value, now, None);
    env.db.set(MODEL, id, "expiration_date", end.clone());
    value
}

fn remove(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    if !ids.iter().all(|id| visible(env, *id)) {
        let text = "You can not remove API keys unless they're yours or you are a system user";
        return Err(Fault::new(Class::Access, text));
    }
    for id in ids {
        env.db.remove(MODEL, *id);
    }
    Ok(json!({"type": "ir.actions.act_window_close"}))
}

fn programmatic(env: &Env<'_>) -> Result<(), Fault> {
    let enabled = env.world.config.programmatic_keys == Some(true);
    if enabled || env.in_group("base.group_system") {
        return Ok(());
    }
    Err(Fault::user("Programmatic API keys are not enabled"))
}

/// `generate` of later releases.
pub(super) fn generate_with_key(
    env: &mut Env<'_>,
    args: &Map<String, Value>,
) -> Result<Value, Fault> {
    programmatic(env)?;
    let arg = |name: &str| args.get(name).cloned().unwrap_or_default();
    let mine = env.db.all(MODEL).into_iter().filter(|id| {
        env.db.id_in(MODEL, *id, "user_id") == env.user.uid && is_alive(env.db, *id, env.now)
    });
    if mine.count() >= MOST_KEYS {
        let text = format!("Limit of {MOST_KEYS} API keys is reached for programmatic creation");
        return Err(Fault::user(text));
    }
    let key = arg("key");
    if owner(env.db, key.as_str().unwrap_or_default(), env.now) != Some(env.user.uid) {
        let text = "The provided API key is invalid or does not belong to the current user.";
        return Err(Fault::new(Class::AccessDenied, text));
    }
    check_end(env, &arg("expiration_date"))?;
    let name = arg("name");
    let name = name.as_str().unwrap_or_default();
    Ok(json!(generate(env, name, &arg("expiration_date"))))
}

/// `revoke` of later releases.
pub(super) fn revoke(env: &mut Env<'_>, args: &Map<String, Value>) -> Result<Value, Fault> {
    programmatic(env)?;
    let key = args.get("key").and_then(Value::as_str).unwrap_or_default();
    let Some(id) = find(env.db, key, env.now) else {
        let text = "The provided API key is invalid.";
        return Err(Fault::new(Class::AccessDenied, text));
    };
    remove(env, &[id])?;
    Ok(json!(true))
}
