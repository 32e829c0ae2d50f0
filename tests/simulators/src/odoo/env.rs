//! What one call works with: the database, the user, the context.
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::access::{Right, Rights};
use super::db::Db;
use super::fault::{Class, Fault};
use super::schema::Schema;
use super::{OdooConfig, Version};

/// A user as the simulator keeps it: groups already expanded.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) uid: i64,
    pub(super) login: String,
    pub(super) name: String,
    pub(super) groups: BTreeSet<String>,
}

/// What never changes while a simulator runs.
#[derive(Debug)]
pub(super) struct World {
    pub(super) version: Version,
    pub(super) schema: Schema,
    pub(super) rights: Rights,
    pub(super) config: OdooConfig,
}

/// One call's view: Odoo's `env`.
#[derive(Debug)]
pub(super) struct Env<'a> {
    pub(super) db: &'a mut Db,
    pub(super) world: &'a World,
    pub(super) user: &'a Account,
    pub(super) context: Map<String, Value>,
    pub(super) now: Timestamp,
}

pub(super) type Vals = BTreeMap<String, Value>;

impl Env<'_> {
    pub(super) fn version(&self) -> Version {
        self.world.version
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.context.get(key).is_some_and(truthy)
    }

    pub(super) fn in_group(&self, group: &str) -> bool {
        self.user.groups.contains(group)
    }

    /// Refuses what the user's groups do not allow.
    pub(super) fn check(&self, model: &str, right: Right) -> Result<(), Fault> {
        if self.world.rights.allows(&self.user.groups, model, right) {
            return Ok(());
        }
        let label = self.world.schema.label(model).to_owned();
        Err(Fault::new(
            Class::Access,
            self.world.rights.refusal(&label, model, right),
        ))
    }

    /// Refuses ids that are not there, as reading a field of the record would.
    pub(super) fn check_exist(&self, model: &str, ids: &[i64]) -> Result<(), Fault> {
        match ids.iter().find(|id| !self.db.exists(model, **id)) {
            Some(id) => Err(Fault::missing(model, &[*id], self.user.uid)),
            None => Ok(()),
        }
    }

    /// Now, as Odoo stores it: naive UTC to the second.
    pub(super) fn now_text(&self) -> Value {
        Value::from(self.now.strftime("%Y-%m-%d %H:%M:%S").to_string())
    }

    pub(super) fn today_text(&self) -> Value {
        Value::from(self.now.strftime("%Y-%m-%d").to_string())
    }

    pub(super) fn company(&self) -> i64 {
        1
    }

    pub(super) fn display(&self, model: &str, id: i64) -> String {
        super::compute::display_name(self.db, self.world.version, model, id)
    }

    pub(super) fn get(&self, model: &str, id: i64, field: &str) -> Value {
        super::compute::field(self.db, self.world, model, id, field, &self.context)
    }
}

/// Python's truth of a JSON value.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// Python's `repr` of a JSON value.
pub(super) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(flag) => if *flag { "True" } else { "False" }.into(),
        Value::String(text) => format!("'{text}'"),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(repr).collect::<Vec<_>>().join(", ")
        ),
        other => other.to_string(),
    }
}

/// A many2one value: the id, or `false`.
pub(super) fn link(id: i64) -> Value {
    if id == 0 {
        Value::Bool(false)
    } else {
        Value::from(id)
    }
}

/// Rounds half away from zero to `digits` decimals, as `float_round` does.
pub(super) fn round_to(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    let scaled = value * factor;
    let epsilon = scaled.abs() * 2_f64.powi(-50);
    let rounded = (scaled.abs() + epsilon + 0.5).floor();
    let result = rounded.copysign(scaled) / factor;
    if result == 0.0 { 0.0 } else { result }
}

/// Rounds to cents.
pub(super) fn cents(value: f64) -> f64 {
    round_to(value, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_away_from_zero_in_spite_of_binary_fractions() {
        assert_eq!(cents(1.005), 1.01);
        assert_eq!(cents(-1.005), -1.01);
        assert_eq!(cents(2.675), 2.68);
        assert_eq!(cents(0.004), 0.0);
    }
}
