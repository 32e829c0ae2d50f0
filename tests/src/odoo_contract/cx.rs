//! What a case works with: calls, orders of its own, and the notes that are compared between databases.
//!
//! Ids, names of records and the run's own words differ from database to database. They are replaced by what they stand
//! for before they are noted, so that notes of two databases are equal where these behave alike.

use super::target::Target;
use super::wire::{Ask, Said, Wire};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Why a case ends before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Halt {
    /// Waybill relies on something that does not hold.
    Broken(String),
    /// What was to be looked at did not come about, within bounded tries.
    NotProvoked(String),
    /// Something that the case needs was not given.
    Skipped(String),
}

impl From<String> for Halt {
    fn from(why: String) -> Self {
        Self::Broken(why)
    }
}

/// How a case ends.
pub(super) type Checked<T = ()> = Result<T, Halt>;

/// Fails the case unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err($crate::odoo_contract::cx::Halt::Broken(format!($($why)+)));
        }
    };
}
pub(super) use ensure;

/// One case at one database.
#[derive(Debug)]
pub(super) struct Cx<'a> {
    pub(super) target: &'a Target,
    /// Only this run and case has it: part of all names that it makes.
    pub(super) token: String,
    made: AtomicU32,
    notes: Mutex<Map<String, Value>>,
}

impl<'a> Cx<'a> {
    pub(super) fn new(target: &'a Target, token: String) -> Self {
        Self {
            target,
            token,
            made: AtomicU32::new(0),
            notes: Mutex::default(),
        }
    }

    pub(super) fn is_17(&self) -> bool {
        self.target.version < 18
    }

    /// The notes so far.
    pub(super) fn notes(&self) -> Map<String, Value> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.clone()
    }

    /// Notes a value as it is: it must not hold ids.
    pub(super) fn note(&self, name: &str, value: impl Into<Value>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.insert(name.to_owned(), value.into());
    }

    /// Notes what came back; of a result only that it is one.
    pub(super) fn note_said(&self, name: &str, said: &Said) {
        let value = match said {
            Said::Result(_) => json!("a result"),
            Said::Fault {
                status,
                name,
                message,
            } => json!({"status": status, "name": name, "message": self.plain(message)}),
            Said::Page { status, .. } => json!({"page": status}),
            Said::Lost(why) => json!({ "lost": why }),
        };
        self.note(name, value);
    }

    /// Notes a result whose value says the same in every database.
    pub(super) fn note_result(&self, name: &str, said: &Said) {
        match said {
            Said::Result(value) => self.note(name, value.clone()),
            other => self.note_said(name, other),
        }
    }

    /// A text without the run's own words: names of products, the token, and every number.
    pub(super) fn plain(&self, text: &str) -> String {
        let mut text = text.replace(&self.token, "TOKEN");
        let access = &self.target.wire.access;
        for name in self.target.facts.names.values() {
            text = text.replace(name, "PRODUCT");
        }
        for (word, stands_for) in [(&access.database, "DATABASE"), (&access.login, "LOGIN")] {
            text = text.replace(word, stands_for);
        }
        let mut plain = String::with_capacity(text.len());
        for c in text.chars() {
            if !c.is_ascii_digit() {
                plain.push(c);
            } else if !plain.ends_with('#') {
                plain.push('#');
            }
        }
        plain
    }

    /// A word that nothing else has.
    pub(super) fn word(&self, kind: &str) -> String {
        let n = self.made.fetch_add(1, Ordering::Relaxed);
        format!("{kind}_{}_{n}", self.token)
    }

    /// An external id that nothing else has.
    pub(super) fn external_id(&self, kind: &str) -> String {
        format!("waybill_contract.{}", self.word(kind))
    }

    pub(super) async fn ask(&self, ask: Ask) -> Said {
        self.target.wire.ask(&ask).await
    }

    /// The administrator's way in.
    pub(super) fn admin(&self) -> Checked<&Wire> {
        let none = || Halt::Skipped("needs --odoo-admin-key-file".to_owned());
        self.target.admin.as_ref().ok_or_else(none)
    }

    /// The result, which must be one.
    pub(super) async fn get(&self, doing: &str, ask: Ask) -> Checked<Value> {
        self.result(doing, self.ask(ask).await)
    }

    pub(super) fn result(&self, doing: &str, said: Said) -> Checked<Value> {
        match said {
            Said::Result(value) => Ok(value),
            Said::Fault { name, message, .. } => {
                Err(Halt::Broken(format!("{doing}: {name}: {message}")))
            }
            other => Err(Halt::Broken(format!("{doing}: {other:?}"))),
        }
    }

    pub(super) async fn rows(
        &self,
        model: &str,
        domain: Value,
        fields: &[&str],
    ) -> Checked<Vec<Value>> {
        let ask = Ask::of(model, "search_read")
            .arg("domain", domain)
            .kw("fields", json!(fields))
            .kw("order", json!("id"));
        let found = self.get(&format!("searching `{model}`"), ask).await?;
        Ok(found.as_array().cloned().unwrap_or_default())
    }

    pub(super) async fn read(
        &self,
        model: &str,
        ids: &[i64],
        fields: &[&str],
    ) -> Checked<Vec<Value>> {
        let ask = Ask::on(model, "read", ids).kw("fields", json!(fields));
        let found = self.get(&format!("reading `{model}`"), ask).await?;
        Ok(found.as_array().cloned().unwrap_or_default())
    }

    /// How many match.
    pub(super) async fn count(&self, model: &str, domain: Value) -> Checked<u64> {
        let ask = Ask::of(model, "search_count").arg("domain", domain);
        let found = self.get(&format!("counting `{model}`"), ask).await?;
        Ok(found.as_u64().unwrap_or_default())
    }

    /// `load` as Waybill inserts.
    pub(super) fn insert(&self, model: &str, fields: &[&str], data: Value) -> Ask {
        self.update(model, fields, data)
            .with("mode", json!("update"))
            .with("noupdate", json!(true))
    }

    /// `load` as Waybill updates.
    pub(super) fn update(&self, model: &str, fields: &[&str], data: Value) -> Ask {
        Ask::of(model, "load")
            .arg("fields", json!(fields))
            .arg("data", data)
            .with("tz", json!("UTC"))
    }

    /// The ids of a `load`, which must have been taken.
    pub(super) async fn loaded(&self, doing: &str, ask: Ask) -> Checked<Vec<i64>> {
        let said = self.ask(ask).await;
        ids(&said).ok_or_else(|| Halt::Broken(format!("{doing}: {said:?}")))
    }

    /// The states of orders, in the order of the ids.
    pub(super) async fn states(&self, ids: &[i64]) -> Checked<Vec<String>> {
        let rows = self.read("sale.order", ids, &["state"]).await?;
        Ok(rows.iter().map(|r| text(r, "state")).collect())
    }
}

/// Ids of a `load` that was taken.
pub(super) fn ids(said: &Said) -> Option<Vec<i64>> {
    let Said::Result(value) = said else {
        return None;
    };
    let ids = value.get("ids")?.as_array()?;
    ids.iter().map(Value::as_i64).collect()
}

/// Messages of a `load` that was refused.
pub(super) fn messages(said: &Said) -> Option<Vec<Value>> {
    let Said::Result(value) = said else {
        return None;
    };
    if value.get("ids") != Some(&json!(false)) {
        return None;
    }
    value.get("messages")?.as_array().cloned()
}

/// A text, or nothing for `false`.
pub(super) fn text(row: &Value, field: &str) -> String {
    let found = row.get(field).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

/// The id of a link, or 0.
pub(super) fn link(row: &Value, field: &str) -> i64 {
    let found = row.get(field).and_then(|l| l.get(0)?.as_i64());
    found.unwrap_or_default()
}

/// The id of a record.
pub(super) fn id(row: &Value) -> i64 {
    row.get("id").and_then(Value::as_i64).unwrap_or_default()
}

/// A list of ids.
pub(super) fn id_list(row: &Value, field: &str) -> Vec<i64> {
    let list = row.get(field).and_then(Value::as_array);
    list.map(|l| l.iter().filter_map(Value::as_i64).collect())
        .unwrap_or_default()
}

/// An amount with two places.
pub(super) fn amount(row: &Value, field: &str) -> String {
    let found = row.get(field).and_then(Value::as_f64);
    format!("{:.2}", found.unwrap_or_default())
}

impl Cx<'_> {
    /// Notes the answer of a `load`: how many ids, or its messages as far as Waybill reads them.
    pub(super) fn note_load(&self, name: &str, said: &Said) {
        if let Some(ids) = ids(said) {
            return self.note(name, json!({ "ids": ids.len() }));
        }
        let Some(messages) = messages(said) else {
            return self.note_said(name, said);
        };
        let mut notes: Vec<Value> = messages
            .iter()
            .map(|m| {
                json!({
                    "type": m.get("type"),
                    "record": m.get("record"),
                    "rows": m.get("rows"),
                    "field": m.get("field"),
                    "message": self.plain(&text(m, "message")),
                })
            })
            .collect();
        // 17 reads the columns of a record in the order of a Python set, which differs from process to process.
        for of_record in notes.chunk_by_mut(|a, b| a.get("record") == b.get("record")) {
            of_record.sort_by_key(|m| text(m, "message"));
        }
        self.note(name, json!({ "messages": notes }));
    }
}
