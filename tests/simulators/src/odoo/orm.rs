//! The methods every model has: read, search, create, write, unlink, groups.
use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::access::Right;
use super::db::id_list;
use super::env::{Env, Vals, truthy};
use super::fault::{Class, Fault};
use super::schema::Kind;
use super::{Version, domain, models};

/// `read`: the records that exist, in the order asked for. `classic` shows a many2one as `[id, name]`, else as the id.
pub(super) fn read(
    env: &Env<'_>,
    model: &str,
    ids: &[i64],
    fields: &Value,
    classic: bool,
) -> Result<Value, Fault> {
    env.check(model, Right::Read)?;
    let names = field_names(env, model, fields)?;
    let rows: Vec<Value> = ids
        .iter()
        .filter(|id| env.db.exists(model, **id))
        .map(|id| row(env, model, *id, &names, classic))
        .collect();
    Ok(Value::Array(rows))
}

/// `web_read`: like `read`, with the records that links lead to. Unlike `read` it refuses ids that are gone.
pub(super) fn web_read(
    env: &Env<'_>,
    model: &str,
    ids: &[i64],
    specification: &Value,
) -> Result<Value, Fault> {
    env.check(model, Right::Read)?;
    env.check_exist(model, ids)?;
    let asked = specification.as_object().cloned().unwrap_or_default();
    let names: Vec<&String> = asked.keys().collect();
    let names = field_names(env, model, &json!(names))?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        let mut record = Map::new();
        record.insert("id".into(), Value::from(*id));
        for name in names.iter().filter(|name| *name != "id") {
            let kind = env.world.schema.field(model, name).map(|field| &field.kind);
            let plain = wire(env, kind, env.get(model, *id, name), false);
            let inner = asked.get(name).and_then(|spec| spec.get("fields"));
            let value = match (inner, kind.and_then(Kind::relation)) {
                (Some(inner), Some(target)) => match plain.as_i64() {
                    Some(one) => web_read(env, target, &[one], inner)?
                        .get(0)
                        .cloned()
                        .unwrap_or(Value::Bool(false)),
                    None if plain.is_array() => web_read(env, target, &id_list(&plain), inner)?,
                    None => plain,
                },
                _ => plain,
            };
            record.insert(name.clone(), value);
        }
        rows.push(Value::Object(record));
    }
    Ok(Value::Array(rows))
}

fn field_names(env: &Env<'_>, model: &str, fields: &Value) -> Result<Vec<String>, Fault> {
    let asked: Vec<String> = fields
        .as_array()
        .map(|all| {
            all.iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    let known = env.world.schema.model(model);
    if asked.is_empty() {
        return Ok(known
            .map(|found| found.fields.keys().cloned().collect())
            .unwrap_or_default());
    }
    match asked
        .iter()
        .find(|name| *name != "id" && env.world.schema.field(model, name).is_none())
    {
        Some(name) => Err(invalid_field(env, model, name)),
        None => Ok(asked),
    }
}

fn invalid_field(env: &Env<'_>, model: &str, name: &str) -> Fault {
    let place = if env.version() == Version::V17 {
        "on model"
    } else {
        "on"
    };
    Fault::new(
        Class::Value,
        format!("Invalid field '{name}' {place} '{model}'"),
    )
}

fn row(env: &Env<'_>, model: &str, id: i64, names: &[String], classic: bool) -> Value {
    let mut row = Map::new();
    row.insert("id".into(), Value::from(id));
    for name in names.iter().filter(|name| *name != "id") {
        let raw = env.get(model, id, name);
        let kind = env.world.schema.field(model, name).map(|field| &field.kind);
        row.insert(name.clone(), wire(env, kind, raw, classic));
    }
    Value::Object(row)
}

/// A raw value as `read` shows it.
fn wire(env: &Env<'_>, kind: Option<&Kind>, raw: Value, classic: bool) -> Value {
    match kind {
        Some(Kind::Many2one(_)) if !classic => raw.as_i64().map_or(Value::Bool(false), Value::from),
        Some(Kind::Many2one(target)) => raw.as_i64().map_or(Value::Bool(false), |id| {
            json!([id, env.display(target, id)])
        }),
        Some(Kind::Many2many(_) | Kind::One2many { .. }) => json!(id_list(&raw)),
        Some(Kind::Float) => json!(raw.as_f64().unwrap_or(0.0)),
        Some(Kind::Int) => json!(raw.as_i64().unwrap_or(0)),
        Some(Kind::Bool) => json!(truthy(&raw)),
        _ if !truthy(&raw) => Value::Bool(false),
        _ => raw,
    }
}

/// What `search` and `search_read` take besides the domain.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) offset: usize,
    pub(super) limit: Option<usize>,
    pub(super) order: Option<&'a str>,
}

pub(super) fn search(
    env: &Env<'_>,
    model: &str,
    filter: &Value,
    page: Page<'_>,
) -> Result<Vec<i64>, Fault> {
    env.check(model, Right::Read)?;
    let mut ids = domain::search(env, model, filter)?;
    if hides_archived(env, model, filter) {
        ids.retain(|id| env.db.flag(model, *id, "active"));
    }
    if model == super::keys::MODEL {
        ids.retain(|id| super::keys::visible(env, *id));
    }
    sort(
        env,
        model,
        &mut ids,
        page.order.unwrap_or_else(|| models::default_order(model)),
    )?;
    Ok(ids
        .into_iter()
        .skip(page.offset)
        .take(page.limit.unwrap_or(usize::MAX))
        .collect())
}

/// Archived records are found only where the domain or the context asks for them.
fn hides_archived(env: &Env<'_>, model: &str, filter: &Value) -> bool {
    let asked = |leaf: &Value| leaf.get(0).and_then(Value::as_str) == Some("active");
    let shown = env.context.get("active_test") == Some(&Value::Bool(false));
    env.world.schema.field(model, "active").is_some()
        && !shown
        && !filter.as_array().is_some_and(|all| all.iter().any(asked))
}

fn sort(env: &Env<'_>, model: &str, ids: &mut [i64], order: &str) -> Result<(), Fault> {
    let mut keys: Vec<(String, bool)> = Vec::new();
    for term in order
        .split(',')
        .map(str::trim)
        .filter(|term| !term.is_empty())
    {
        let mut words = term.split_whitespace();
        let name = words.next().unwrap_or("id").to_owned();
        if name != "id" && env.world.schema.field(model, &name).is_none() {
            return Err(Fault::new(
                Class::Value,
                format!("Invalid field '{name}' on model '{model}'"),
            ));
        }
        keys.push((
            name,
            words
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case("desc")),
        ));
    }
    if matches!(keys.as_slice(), [(name, false)] if name == "id") {
        return Ok(());
    }
    ids.sort_by(|left, right| {
        for (name, descending) in &keys {
            let order = compare(&env.get(model, *left, name), &env.get(model, *right, name));
            let order = if *descending { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        left.cmp(right)
    });
    Ok(())
}

fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left
            .as_f64()
            .partial_cmp(&right.as_f64())
            .unwrap_or(Ordering::Equal),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        // PostgreSQL puts what is not set last when it sorts upward.
        _ => truthy(right).cmp(&truthy(left)),
    }
}

pub(super) fn search_read(
    env: &Env<'_>,
    model: &str,
    filter: &Value,
    fields: &Value,
    page: Page<'_>,
    classic: bool,
) -> Result<Value, Fault> {
    let names = field_names(env, model, fields);
    let ids = search(env, model, filter, page)?;
    names?;
    read(env, model, &ids, fields, classic)
}

/// `create` of one record from checked names and converted values.
pub(super) fn create(env: &mut Env<'_>, model: &str, vals: Vals) -> Result<i64, Fault> {
    env.check(model, Right::Create)?;
    check_names(env, model, &vals)?;
    let id = models::create(env, model, vals)?;
    models::created(env, model, &[id])?;
    Ok(id)
}

pub(super) fn write(env: &mut Env<'_>, model: &str, ids: &[i64], vals: Vals) -> Result<(), Fault> {
    env.check(model, Right::Write)?;
    check_names(env, model, &vals)?;
    env.check_exist(model, ids)?;
    for id in ids {
        models::write(env, model, *id, vals.clone())?;
    }
    Ok(())
}

pub(super) fn unlink(env: &mut Env<'_>, model: &str, ids: &[i64]) -> Result<(), Fault> {
    env.check(model, Right::Unlink)?;
    for id in ids {
        if model == "sale.order" && !matches!(env.db.text(model, *id, "state"), "draft" | "cancel")
        {
            return Err(Fault::user(
                "You can not delete a sent quotation or a confirmed sales order. You must first cancel it.",
            ));
        }
        let children: Vec<(String, Vec<i64>)> =
            env.world
                .schema
                .model(model)
                .map_or_else(Vec::new, |found| {
                    let owned = found
                        .fields
                        .iter()
                        .filter_map(|(name, field)| match &field.kind {
                            Kind::One2many { model: child, .. } if models::owns(model, name) => {
                                Some((child.clone(), env.db.ids(model, *id, name)))
                            }
                            _ => None,
                        });
                    owned.collect()
                });
        for (child, lines) in children {
            for line in lines {
                env.db.remove(&child, line);
            }
        }
        env.db.remove(model, *id);
    }
    Ok(())
}

fn unknown(env: &Env<'_>, model: &str, vals: &Vals) -> Option<String> {
    vals.keys()
        .find(|name| *name != "id" && env.world.schema.field(model, name).is_none())
        .cloned()
}

fn check_names(env: &Env<'_>, model: &str, vals: &Vals) -> Result<(), Fault> {
    let Some(name) = unknown(env, model, vals) else {
        return Ok(());
    };
    let place = if env.version() == Version::V17 {
        "on model"
    } else {
        "in"
    };
    Err(Fault::new(
        Class::Value,
        format!("Invalid field '{name}' {place} '{model}'"),
    ))
}

/// Puts defaults in, refuses empty required columns, stores, then runs the x2many commands.
pub(super) fn insert(env: &mut Env<'_>, model: &str, mut vals: Vals) -> Result<i64, Fault> {
    let fields: Vec<(String, super::schema::Field)> = env
        .world
        .schema
        .model(model)
        .map(|found| found.fields.clone().into_iter().collect())
        .unwrap_or_default();
    let mut record = Vals::new();
    let mut commands = Vec::new();
    for (name, field) in fields {
        let given = vals.remove(&name);
        if field.computed {
            continue;
        }
        match &field.kind {
            Kind::One2many { .. } => commands.extend(given.map(|value| (name, field.kind, value))),
            Kind::Many2many(_) => {
                let value = given
                    .map(|value| many2many(&[], &value))
                    .unwrap_or_default();
                record.insert(name, json!(value));
            }
            _ => {
                let value = match given {
                    Some(value) => column(&field.kind, value),
                    None => field.default.clone().unwrap_or(Value::Bool(false)),
                };
                check_column(env, model, &name, &field, &value)?;
                record.insert(name, value);
            }
        }
    }
    for stamp in ["create_date", "write_date"] {
        if env.world.schema.field(model, stamp).is_some() {
            record.insert(stamp.into(), env.now_text());
        }
    }
    for stamp in ["create_uid", "write_uid"] {
        if env.world.schema.field(model, stamp).is_some() {
            record.insert(stamp.into(), Value::from(env.user.uid));
        }
    }
    let id = env.db.insert(model, record);
    for (name, kind, value) in commands {
        one2many(env, model, id, &name, &kind, &value)?;
    }
    Ok(id)
}

fn check_column(
    env: &Env<'_>,
    model: &str,
    name: &str,
    field: &super::schema::Field,
    value: &Value,
) -> Result<(), Fault> {
    if field.required
        && matches!(value, Value::Null | Value::Bool(false))
        && field.kind != Kind::Bool
    {
        let label = env.world.schema.label(model).to_owned();
        return Err(Fault::new(
            Class::NotNull(
                model.to_owned(),
                name.to_owned(),
                label,
                field.label.clone(),
            ),
            String::new(),
        ));
    }
    if let (Kind::Many2one(target), Some(id)) = (&field.kind, value.as_i64())
        && !env.db.exists(target, id)
    {
        return Err(Fault::missing(target, &[id], env.user.uid));
    }
    Ok(())
}

/// A value as its column keeps it.
fn column(kind: &Kind, value: Value) -> Value {
    match kind {
        // A numeric column has no "empty": false becomes 0.
        Kind::Float => json!(
            value
                .as_f64()
                .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
                .unwrap_or(0.0)
        ),
        Kind::Int => json!(value.as_i64().unwrap_or(0)),
        Kind::Bool => json!(truthy(&value)),
        Kind::Many2one(_) => value.as_i64().map_or(Value::Bool(false), Value::from),
        _ if !truthy(&value) => Value::Bool(false),
        // Plain text in an HTML field becomes a paragraph.
        Kind::Html => match value.as_str() {
            Some(text) if !text.starts_with('<') => Value::from(format!("<p>{text}</p>")),
            _ => value,
        },
        _ => value,
    }
}

/// Stores changed values of one record; `models::write` has said yes.
pub(super) fn store(env: &mut Env<'_>, model: &str, id: i64, vals: Vals) -> Result<(), Fault> {
    for (name, value) in vals {
        let Some(field) = env.world.schema.field(model, &name).cloned() else {
            continue;
        };
        if field.computed {
            continue;
        }
        match &field.kind {
            Kind::One2many { .. } => one2many(env, model, id, &name, &field.kind, &value)?,
            Kind::Many2many(_) => {
                let now = env.db.ids(model, id, &name);
                env.db.set(model, id, &name, json!(many2many(&now, &value)));
            }
            _ => {
                let value = column(&field.kind, value);
                check_column(env, model, &name, &field, &value)?;
                env.db.set(model, id, &name, value);
            }
        }
    }
    if env.world.schema.field(model, "write_date").is_some() {
        let now = env.now_text();
        env.db.set(model, id, "write_date", now);
    }
    if env.world.schema.field(model, "write_uid").is_some() {
        let user = Value::from(env.user.uid);
        env.db.set(model, id, "write_uid", user);
    }
    Ok(())
}

/// The ids after many2many commands `[6, 0, ids]`, `[4, id]`, `[3, id]`, `[5]`; plain ids replace.
fn many2many(now: &[i64], value: &Value) -> Vec<i64> {
    let mut ids = now.to_vec();
    let Some(items) = value.as_array() else {
        return Vec::new();
    };
    if items.iter().all(Value::is_number) {
        return id_list(value);
    }
    for command in items.iter().filter_map(Value::as_array) {
        let id = command.get(1).and_then(Value::as_i64).unwrap_or(0);
        match command.first().and_then(Value::as_i64) {
            Some(6) => ids = command.get(2).map(id_list).unwrap_or_default(),
            Some(5) => ids.clear(),
            Some(4) if !ids.contains(&id) => ids.push(id),
            Some(2 | 3) => ids.retain(|other| *other != id),
            _ => {}
        }
    }
    ids
}

fn one2many(
    env: &mut Env<'_>,
    model: &str,
    id: i64,
    name: &str,
    kind: &Kind,
    value: &Value,
) -> Result<(), Fault> {
    let Kind::One2many {
        model: child,
        inverse,
    } = kind
    else {
        return Ok(());
    };
    let Some(commands) = value.as_array() else {
        return Ok(());
    };
    for command in commands.iter().filter_map(Value::as_array) {
        let target = command.get(1).and_then(Value::as_i64).unwrap_or(0);
        let vals: Vals = command
            .get(2)
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .collect();
        match command.first().and_then(Value::as_i64) {
            Some(0) => {
                let mut vals = vals;
                vals.insert(inverse.clone(), Value::from(id));
                // An external id that `load` found no record for: the line gets it.
                let xid = vals
                    .remove("id")
                    .and_then(|xid| xid.as_str().map(str::to_owned));
                check_names(env, child, &vals)?;
                let line = models::create(env, child, vals)?;
                if let Some(xid) = xid {
                    let (key, noupdate) =
                        (super::import::full_xid(env, &xid), env.flag("noupdate"));
                    env.db.put_xid(&key, Some((child, line, noupdate)));
                }
            }
            Some(1) => {
                env.check_exist(child, &[target])?;
                models::write(env, child, target, vals)?;
            }
            Some(2 | 3) => env.db.remove(child, target),
            Some(4) => env.db.set(child, target, inverse, Value::from(id)),
            Some(5) => {
                for line in env.db.ids(model, id, name) {
                    env.db.remove(child, line);
                }
            }
            Some(6) => {
                let kept = command.get(2).map(id_list).unwrap_or_default();
                for line in env
                    .db
                    .ids(model, id, name)
                    .into_iter()
                    .filter(|line| !kept.contains(line))
                {
                    env.db.remove(child, line);
                }
            }
            _ => {}
        }
    }
    Ok(())
}
