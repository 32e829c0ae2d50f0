//! Cells to values: `ir.fields.converter`.
use serde_json::{Map, Value, json};

use super::env::{Env, Vals, truthy};
use super::extract::{Cell, Extracted};
use super::fault::{Class, Fault};
use super::schema::{Field, Kind};
use super::{Version, import};

/// A record ready for `_load_records`.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) xid: Option<String>,
    pub(super) db_id: Option<i64>,
    pub(super) vals: Vals,
}

/// A value that cannot be converted. `%(field)s` stands for the label of the field.
#[derive(Debug)]
struct Refusal {
    text: String,
    info: Map<String, Value>,
    /// Raised with the text alone: the message then lacks `field_name`.
    bare: bool,
}

impl Refusal {
    fn new(text: String) -> Self {
        Self {
            text,
            info: Map::new(),
            bare: false,
        }
    }

    fn bare(text: &str) -> Self {
        Self {
            bare: true,
            ..Self::new(text.to_owned())
        }
    }

    fn with(text: String, moreinfo: Value) -> Self {
        let mut info = Map::new();
        info.insert("moreinfo".into(), moreinfo);
        Self {
            text,
            info,
            bare: false,
        }
    }
}

enum Stop {
    Refused(Refusal),
    Raised(Fault),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

const AMBIGUOUS: &str = "Ambiguous specification for field '%(field)s', only provide one of name, external id or database id";
const REFERENCES: [&str; 3] = ["id", ".id", ""];

/// Converts a top-level record; what does not convert is logged and left out.
pub(super) fn convert(
    env: &Env<'_>,
    model: &str,
    record: &Extracted,
    index: usize,
    info: &Map<String, Value>,
    log: &mut Vec<Value>,
) -> Result<Converted, Fault> {
    let xid = record.raw("id").filter(|value| truthy(value)).map(|value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    });
    let db_id = db_id(env, model, record, index, info, log)?;
    let mut vals = Vals::new();
    for (name, cell) in &record.cells {
        if REFERENCES.contains(&name.as_str()) {
            continue;
        }
        let Some(field) = env.world.schema.field(model, name) else {
            continue;
        };
        match value(env, model, field, cell) {
            Ok(converted) => {
                vals.insert(name.clone(), converted);
            }
            Err(Stop::Raised(fault)) => return Err(fault),
            Err(Stop::Refused(refusal)) => {
                let mut message = info.clone();
                message.insert("type".into(), Value::from("error"));
                message.insert("record".into(), Value::from(index));
                message.insert("field".into(), Value::from(name.as_str()));
                message.insert(
                    "message".into(),
                    Value::from(refusal.text.replace("%(field)s", &field.label)),
                );
                if !refusal.bare {
                    message.insert("field_name".into(), Value::from(field.label.as_str()));
                }
                message.extend(refusal.info);
                log.push(Value::Object(message));
            }
        }
    }
    Ok(Converted { xid, db_id, vals })
}

fn db_id(
    env: &Env<'_>,
    model: &str,
    record: &Extracted,
    index: usize,
    info: &Map<String, Value>,
    log: &mut Vec<Value>,
) -> Result<Option<i64>, Fault> {
    let Some(cell) = record.raw(".id") else {
        return Ok(None);
    };
    if env.version() == Version::V19 && !truthy(cell) {
        return Ok(None);
    }
    let Some(id) = integer(cell) else {
        // Odoo searches for it as it stands, and PostgreSQL refuses.
        return Err(Fault::new(
            Class::InvalidText,
            format!(
                "invalid input syntax for type integer: \"{}\"\n",
                shown(cell)
            ),
        ));
    };
    if env.db.exists(model, id) {
        return Ok(Some(id));
    }
    let mut message = info.clone();
    message.insert("type".into(), Value::from("error"));
    message.insert("record".into(), Value::from(index));
    message.insert("field".into(), Value::from(".id"));
    message.insert(
        "message".into(),
        Value::from(format!("Unknown database identifier '{id}'")),
    );
    log.push(Value::Object(message));
    Ok(None)
}

fn integer(cell: &Value) -> Option<i64> {
    match cell {
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(flag) => Some(i64::from(*flag)),
        other => other.as_i64(),
    }
}

fn shown(cell: &Value) -> String {
    match cell {
        Value::String(text) => text.clone(),
        other => super::env::repr(other),
    }
}

fn value(env: &Env<'_>, model: &str, field: &Field, cell: &Cell) -> Result<Value, Stop> {
    match cell {
        Cell::Raw(raw) if !truthy(raw) => Ok(Value::Bool(false)),
        Cell::Sub(subs) if subs.is_empty() => Ok(Value::Bool(false)),
        Cell::Raw(raw) => Ok(scalar(env, field, raw)?),
        Cell::Sub(subs) => match &field.kind {
            Kind::One2many { model: child, .. } => one2many(env, child, field, subs),
            Kind::Many2many(target) => many2many(env, model, target, subs),
            _ => many2one(env, field, subs),
        },
    }
}

fn scalar(env: &Env<'_>, field: &Field, raw: &Value) -> Result<Value, Stop> {
    let text = shown(raw);
    Ok(match &field.kind {
        Kind::Float => match raw {
            Value::Number(number) => json!(number.as_f64().unwrap_or(0.0)),
            _ => match text.trim().parse::<f64>() {
                Ok(number) => json!(number),
                Err(_) => {
                    return Err(Refusal::new(format!(
                        "'{text}' does not seem to be a number for field '%(field)s'"
                    ))
                    .into());
                }
            },
        },
        Kind::Int => match integer(raw) {
            Some(number) => json!(number),
            None => {
                return Err(Refusal::new(format!(
                    "'{text}' does not seem to be an integer for field '%(field)s'"
                ))
                .into());
            }
        },
        Kind::Bool => boolean(raw, &text)?,
        Kind::Selection(options) => selection(options, &text)?,
        Kind::Date => {
            let day = text.get(..10).unwrap_or(&text);
            if day.parse::<jiff::civil::Date>().is_err() {
                let hint = Value::from("Use the format '2012-12-31'");
                return Err(Refusal::with(
                    format!("'{text}' does not seem to be a valid date for field '%(field)s'"),
                    hint,
                )
                .into());
            }
            Value::from(day)
        }
        Kind::Datetime => datetime(env, &text)?,
        _ => raw.clone(),
    })
}

/// A boolean cell must be text: Odoo calls `.lower()` on it.
fn boolean(raw: &Value, text: &str) -> Result<Value, Stop> {
    if !raw.is_string() {
        let kind = if raw.is_boolean() { "bool" } else { "int" };
        return Err(Stop::Raised(Fault::new(
            Class::Attribute,
            format!("'{kind}' object has no attribute 'lower'"),
        )));
    }
    match text.to_lowercase().as_str() {
        "1" | "true" | "yes" => Ok(Value::Bool(true)),
        "" | "0" | "false" | "no" => Ok(Value::Bool(false)),
        _ => {
            let hint = Value::from("Use '1' for yes and '0' for no");
            Err(Refusal::with(
                format!("Unknown value '{text}' for boolean field '%(field)s'"),
                hint,
            )
            .into())
        }
    }
}

fn selection(options: &[(String, String)], text: &str) -> Result<Value, Stop> {
    let wanted = text.to_lowercase();
    match options
        .iter()
        .find(|(value, label)| value.to_lowercase() == wanted || label.to_lowercase() == wanted)
    {
        Some((value, _)) => Ok(Value::from(value.as_str())),
        None => {
            let labels: Vec<&str> = options.iter().map(|(_, label)| label.as_str()).collect();
            Err(Refusal::with(
                format!("Value '{text}' not found in selection field '%(field)s'"),
                json!(labels),
            )
            .into())
        }
    }
}

/// A naive local time in the zone of the context or the user, as naive UTC.
fn datetime(env: &Env<'_>, text: &str) -> Result<Value, Stop> {
    let bad = || {
        let hint = Value::from("Use the format '2012-12-31 23:59:59'");
        Stop::from(Refusal::with(
            format!("'{text}' does not seem to be a valid datetime for field '%(field)s'"),
            hint,
        ))
    };
    let full = if text.len() == 10 {
        format!("{text} 00:00:00")
    } else {
        text.to_owned()
    };
    let head = full.get(..19).ok_or_else(bad)?;
    let local = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", head).map_err(|_| bad())?;
    let user_zone = env.db.text("res.users", env.user.uid, "tz");
    let zone = env
        .context
        .get("tz")
        .and_then(Value::as_str)
        .unwrap_or(user_zone);
    if zone.is_empty() || zone == "UTC" {
        return Ok(Value::from(head));
    }
    let zone = fixed_zone(zone).ok_or_else(|| {
        Stop::Raised(Fault::new(
            Class::NotSimulated,
            format!("the simulator has no time zone data for `{zone}`"),
        ))
    })?;
    let utc = zone
        .to_ambiguous_timestamp(local)
        .compatible()
        .map_err(|_| bad())?;
    Ok(Value::from(utc.strftime("%Y-%m-%d %H:%M:%S").to_string()))
}

/// `Etc/GMT-1` is an hour *ahead* of UTC. Zones with summer time need data that the simulator has not.
fn fixed_zone(name: &str) -> Option<jiff::tz::TimeZone> {
    let hours: i8 = name.strip_prefix("Etc/GMT")?.parse().ok()?;
    let offset = jiff::tz::Offset::from_hours(hours.checked_neg()?).ok()?;
    Some(jiff::tz::TimeZone::fixed(offset))
}

fn subfield(record: &Extracted) -> Result<(&str, &Value), Refusal> {
    if record
        .cells
        .iter()
        .any(|(name, _)| !REFERENCES.contains(&name.as_str()))
    {
        return Err(Refusal::bare(
            "Can not create Many-To-One records indirectly, import the field separately",
        ));
    }
    match record.cells.as_slice() {
        [(name, Cell::Raw(value))] => Ok((name, value)),
        _ => Err(Refusal::bare(AMBIGUOUS)),
    }
}

fn many2one(env: &Env<'_>, field: &Field, subs: &[Extracted]) -> Result<Value, Stop> {
    let Some(target) = field.kind.relation() else {
        return Ok(Value::Bool(false));
    };
    let Some(record) = subs.first() else {
        return Ok(Value::Bool(false));
    };
    let (by, cell) = subfield(record)?;
    Ok(resolve(env, target, by, cell)?.map_or(Value::Bool(false), Value::from))
}

fn many2many(env: &Env<'_>, _model: &str, target: &str, subs: &[Extracted]) -> Result<Value, Stop> {
    let Some(record) = subs.first() else {
        return Ok(Value::Bool(false));
    };
    let (by, cell) = subfield(record)?;
    let mut ids = Vec::new();
    for part in shown(cell).split(',') {
        if let Some(id) = resolve(env, target, by, &Value::from(part))? {
            ids.push(id);
        }
    }
    Ok(json!([[6, 0, ids]]))
}

/// The record a reference leads to; `None` when the cell says "none".
fn resolve(env: &Env<'_>, target: &str, by: &str, cell: &Value) -> Result<Option<i64>, Stop> {
    let text = shown(cell);
    let (kind, id) = match by {
        ".id" => {
            if cell.is_string()
                && boolean(cell, &text).is_ok_and(|value| value == Value::Bool(false))
            {
                return Ok(None);
            }
            let Some(id) = integer(cell) else {
                return Err(Refusal::with(
                    format!("Invalid database id '{text}' for the field '%(field)s'"),
                    possible(env, target, by),
                )
                .into());
            };
            (
                "database id",
                Some(id).filter(|id| env.db.exists(target, *id)),
            )
        }
        "id" => {
            match boolean(cell, &text) {
                Ok(Value::Bool(false)) => return Ok(None),
                Err(Stop::Raised(fault)) => return Err(Stop::Raised(fault)),
                _ => {}
            }
            let xid = import::full_xid(env, &text);
            let row = env
                .db
                .xid(&xid)
                .filter(|row| env.db.exists(&row.model, row.res_id));
            if let Some(row) = row.filter(|row| row.model != target) {
                let text = format!(
                    "Invalid external ID {xid}: expected model '{target}', found '{}'",
                    row.model
                );
                return Err(Refusal::bare(&text).into());
            }
            ("external id", row.map(|row| row.res_id))
        }
        _ => ("name", by_name(env, target, &text)),
    };
    match id {
        Some(id) => Ok(Some(id)),
        None => {
            let text = format!("No matching record found for {kind} '{text}' in field '%(field)s'");
            Err(Refusal::with(text, possible(env, target, by)).into())
        }
    }
}

fn by_name(env: &Env<'_>, target: &str, text: &str) -> Option<i64> {
    let wanted = Value::from(text);
    if target == "product.product"
        && let Some(id) = env.db.find(target, "default_code", &wanted)
    {
        return Some(id);
    }
    env.db.find(target, "name", &wanted).or_else(|| {
        env.db
            .all(target)
            .into_iter()
            .find(|id| env.display(target, *id) == text)
    })
}

fn possible(env: &Env<'_>, target: &str, by: &str) -> Value {
    let list = if env.version() == Version::V17 {
        "tree,form"
    } else {
        "list,form"
    };
    let mut action = json!({
        "name": "Possible Values", "type": "ir.actions.act_window", "target": "new", "view_mode": list,
        "views": [[false, "list"], [false, "form"]], "context": {"create": false}, "help": "See all possible values",
    });
    if let Some(map) = action.as_object_mut() {
        if by.is_empty() {
            map.insert("res_model".into(), Value::from(target));
        } else {
            map.insert("res_model".into(), Value::from("ir.model.data"));
            map.insert("domain".into(), json!([["model", "=", target]]));
        }
    }
    action
}

/// The commands of a one2many cell. The first refusal inside refuses the whole cell.
fn one2many(env: &Env<'_>, child: &str, field: &Field, subs: &[Extracted]) -> Result<Value, Stop> {
    let mut commands: Vec<Value> = Vec::new();
    for record in subs {
        let mut vals = Map::new();
        for (name, cell) in &record.cells {
            if REFERENCES.contains(&name.as_str()) {
                continue;
            }
            let Some(inner) = env.world.schema.field(child, name) else {
                continue;
            };
            let converted = value(env, child, inner, cell).map_err(|stop| match stop {
                Stop::Refused(mut refusal) => {
                    refusal.text = refusal
                        .text
                        .replace("%(field)s", &format!("%(field)s/{}", inner.label));
                    Stop::Refused(refusal)
                }
                raised => raised,
            })?;
            vals.insert(name.clone(), converted);
        }
        match reference(env, child, field, record)? {
            Reference::Known(id) => {
                commands.push(json!([4, id, 0]));
                commands.push(json!([1, id, vals]));
            }
            Reference::New(xid) => {
                if let Some(xid) = xid {
                    vals.insert("id".into(), Value::from(xid));
                }
                commands.push(json!([0, 0, vals]));
            }
        }
    }
    Ok(Value::Array(commands))
}

enum Reference {
    Known(i64),
    New(Option<String>),
}

fn reference(
    env: &Env<'_>,
    child: &str,
    _field: &Field,
    record: &Extracted,
) -> Result<Reference, Stop> {
    let found: Vec<(&str, &Value)> = record
        .cells
        .iter()
        .filter_map(|(name, cell)| match cell {
            Cell::Raw(value) if REFERENCES.contains(&name.as_str()) => Some((name.as_str(), value)),
            _ => None,
        })
        .collect();
    let (by, cell) = match found.as_slice() {
        [] => return Ok(Reference::New(None)),
        [one] => *one,
        _ => {
            return Err(Refusal::bare(AMBIGUOUS).into());
        }
    };
    match resolve(env, child, by, cell) {
        Ok(Some(id)) => Ok(Reference::Known(id)),
        Ok(None) => Ok(Reference::New(None)),
        Err(Stop::Refused(_)) if by == "id" => Ok(Reference::New(Some(shown(cell)))),
        Err(stop) => Err(stop),
    }
}
