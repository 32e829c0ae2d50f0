//! `load`: rows in, all or nothing, with Odoo's messages.
use serde_json::{Map, Value, json};

use super::access::Right;
use super::convert::{Converted, convert};
use super::env::{Env, Vals, truthy};
use super::extract::{Extracted, extract};
use super::fault::{Class, Fault};
use super::{Version, models, orm};

struct Pending {
    xid: Option<String>,
    vals: Vals,
    info: Map<String, Value>,
}

/// The rows read so far that are not yet stored, and what there is to say about them.
struct Loader {
    mark: usize,
    batch: Vec<Pending>,
    ids: Vec<i64>,
    messages: Vec<Value>,
}

const TOO_MANY: &str = "Found more than 10 errors and more than one error per 10 records, interrupted to avoid showing too many errors.";

pub(super) fn full_xid(env: &Env<'_>, xid: &str) -> String {
    if xid.contains('.') {
        return xid.to_owned();
    }
    let module = env
        .context
        .get("module")
        .and_then(Value::as_str)
        .unwrap_or("__import__");
    format!("{module}.{xid}")
}

/// `load(fields, data)`: the answer, or the exception that a wrong column raises.
pub(super) fn load(
    env: &mut Env<'_>,
    model: &str,
    fields: &[String],
    data: &[Vec<Value>],
) -> Result<Value, Fault> {
    let paths: Vec<Vec<String>> = fields.iter().map(|field| path(field)).collect();
    check_columns(env, model, &paths)?;
    if data.iter().any(|row| row.len() < paths.len()) {
        return Err(Fault::new(Class::Index, "list index out of range"));
    }
    let rows: Vec<&[Value]> = data.iter().map(Vec::as_slice).collect();
    let mut loader = Loader {
        mark: env.db.mark(),
        batch: Vec::new(),
        ids: Vec::new(),
        messages: Vec::new(),
    };
    for (record, extracted) in extract(&env.world.schema, model, &paths, &rows)
        .into_iter()
        .enumerate()
    {
        let mut info = Map::new();
        info.insert(
            "rows".into(),
            json!({"from": extracted.from, "to": extracted.to}),
        );
        loader.flush_if_referred(env, model, &extracted);
        let mut logged = Vec::new();
        let converted = convert(env, model, &extracted, record, &info, &mut logged)?;
        loader.messages.append(&mut logged);
        info.insert("record".into(), Value::from(record));
        loader.take(env, converted, info);
    }
    loader.flush(env, model);
    if loader
        .messages
        .iter()
        .any(|message| message.get("type") == Some(&Value::from("error")))
    {
        env.db.rollback_to(loader.mark);
        return Ok(json!({"ids": false, "messages": loader.messages, "nextrow": 0}));
    }
    Ok(json!({"ids": loader.ids, "messages": loader.messages, "nextrow": 0}))
}

/// `a/b/id`, `a/.id`, `a.id` and `a:id` as a path.
fn path(field: &str) -> Vec<String> {
    let text = field.replace(':', "/");
    text.split('/')
        .flat_map(|part| match part.strip_suffix(".id") {
            Some(head) if !head.is_empty() => vec![head.to_owned(), ".id".to_owned()],
            _ => vec![part.to_owned()],
        })
        .collect()
}

fn check_columns(env: &Env<'_>, model: &str, paths: &[Vec<String>]) -> Result<(), Fault> {
    for path in paths {
        let mut current = model.to_owned();
        for name in path {
            if matches!(name.as_str(), "id" | ".id") {
                break;
            }
            let Some(field) = env.world.schema.field(&current, name) else {
                return Err(match env.version() {
                    Version::V17 => Fault::new(Class::Key, name.as_str()),
                    Version::V19 => {
                        Fault::new(Class::Value, format!("Invalid field name '{name}'"))
                    }
                });
            };
            match field.kind.relation() {
                Some(relation) => relation.clone_into(&mut current),
                None => break,
            }
        }
    }
    Ok(())
}

impl Loader {
    fn take(&mut self, env: &Env<'_>, converted: Converted, info: Map<String, Value>) {
        let Converted {
            xid,
            db_id,
            mut vals,
        } = converted;
        let xid = xid.map(|xid| full_xid(env, &xid));
        if let (None, Some(id)) = (&xid, db_id) {
            vals.insert("id".into(), Value::from(id));
        }
        self.batch.push(Pending { xid, vals, info });
    }

    /// A row that refers to an earlier row's external id makes Odoo store what it has first.
    fn flush_if_referred(&mut self, env: &mut Env<'_>, model: &str, extracted: &Extracted) {
        let waiting = |xid: &str| {
            self.batch
                .iter()
                .any(|pending| pending.xid.as_deref() == Some(xid))
        };
        let referred = extracted
            .references()
            .iter()
            .any(|xid| waiting(&full_xid(env, xid)));
        if referred {
            self.flush(env, model);
        }
    }

    fn flush(&mut self, env: &mut Env<'_>, model: &str) {
        let batch = std::mem::take(&mut self.batch);
        let Some(first) = batch.first() else { return };
        let mark = env.db.mark();
        let blame = match load_records(env, model, &batch) {
            Ok(ids) => {
                self.ids.extend(ids);
                return;
            }
            Err(fault) => {
                env.db.rollback_to(mark);
                fault
                    .is_user_error()
                    .then(|| message(env, model, &first.info, &fault))
            }
        };
        // Odoo tries again record by record, and stops after ten errors.
        let mut errors = 0_usize;
        for (index, pending) in batch.iter().enumerate() {
            let before = env.db.mark();
            match load_records(env, model, std::slice::from_ref(pending)) {
                Ok(ids) => self.ids.extend(ids),
                Err(fault) => {
                    let to = if env.version() == Version::V17 {
                        before
                    } else {
                        self.mark
                    };
                    env.db.rollback_to(to);
                    self.messages
                        .push(message(env, model, &pending.info, &fault));
                    errors += 1;
                }
            }
            if errors >= 10 && errors * 10 > index {
                self.messages
                    .push(json!({"type": "warning", "message": TOO_MANY}));
                break;
            }
        }
        if let Some(blame) = blame
            && errors > 0
            && !self.messages.contains(&blame)
        {
            self.messages.insert(0, blame);
        }
    }
}

fn message(env: &Env<'_>, root: &str, info: &Map<String, Value>, fault: &Fault) -> Value {
    let version = env.version();
    let mut message = info.clone();
    message.insert("type".into(), Value::from("error"));
    let text = match (&fault.class, version) {
        (Class::NotNull(model, field, ..), Version::V17) if model != root => {
            format!("Missing required value for the field '{field}'")
        }
        (Class::NotNull(model, field, ..), Version::V19) if model != root => {
            // 19 looks the column up in the loaded model, and so names the wrong field.
            let label = env
                .world
                .schema
                .field(root, field)
                .map_or(field.as_str(), |found| found.label.as_str());
            format!(
                "Missing required value for the field '{label}' ({field}).\nModel: Unknown\n- create/update: a mandatory field is not \
                 set\n- delete: another model requires the record being deleted, you can archive it instead\n"
            )
        }
        (Class::Value | Class::Key | Class::Type | Class::Attribute | Class::Assertion, _) => {
            message.insert("moreinfo".into(), Value::from("Resolve other errors first"));
            format!(
                "Unknown error during import: <class '{}'>: {}",
                fault.name().trim_start_matches("builtins."),
                fault.message
            )
        }
        _ => fault.import_text(version),
    };
    message.insert("message".into(), Value::from(text));
    if let Class::NotNull(model, field, ..) = &fault.class
        && model == root
    {
        message.insert("field".into(), Value::from(field.as_str()));
    }
    Value::Object(message)
}

/// `_load_records`: creates what is not there, updates what may be, and sets the external ids.
fn load_records(env: &mut Env<'_>, model: &str, batch: &[Pending]) -> Result<Vec<i64>, Fault> {
    let update = env.context.get("mode").and_then(Value::as_str) == Some("update");
    let noupdate = env.context.get("noupdate").is_some_and(truthy);
    let mut ids: Vec<Option<i64>> = Vec::with_capacity(batch.len());
    for pending in batch {
        ids.push(existing(env, model, pending, update)?);
    }
    if let Some(xid) = batch.iter().zip(&ids).find_map(|(pending, id)| {
        pending
            .xid
            .as_ref()
            .filter(|x| id.is_none() && x.contains(' '))
    }) {
        let text = format!(
            "new row for relation \"ir_model_data\" violates check constraint \"ir_model_data_name_nospaces\"\nDETAIL:  Failing row contains ({xid}).\n"
        );
        return Err(Fault::new(Class::Operational, text));
    }
    let mut seen = std::collections::BTreeSet::new();
    let doubled = batch.iter().zip(&ids).any(|(pending, id)| {
        id.is_none()
            && pending
                .xid
                .as_ref()
                .is_some_and(|xid| !seen.insert(xid.clone()))
    });
    if doubled {
        // Two new records with one external id in one statement: PostgreSQL refuses, Odoo falls back to single records.
        return Err(Fault::new(
            Class::Operational,
            "ON CONFLICT DO UPDATE command cannot affect row a second time\n",
        ));
    }
    for (pending, id) in batch.iter().zip(&ids) {
        let Some(id) = *id else { continue };
        let kept = pending
            .xid
            .as_deref()
            .and_then(|xid| env.db.xid(xid))
            .is_some_and(|row| update && row.noupdate);
        if !kept {
            orm::write(env, model, &[id], pending.vals.clone())?;
        }
    }
    if ids.contains(&None) {
        env.check(model, Right::Create)?;
    }
    let mut loaded = Vec::with_capacity(batch.len());
    let mut made = Vec::new();
    for (pending, id) in batch.iter().zip(ids) {
        let id = match id {
            Some(id) => id,
            None => {
                let id = if model == "stock.quant" {
                    super::quants::import(env, pending.vals.clone())?
                } else {
                    models::create(env, model, pending.vals.clone())?
                };
                made.push(id);
                if let Some(xid) = &pending.xid {
                    env.db.put_xid(xid, Some((model, id, noupdate)));
                }
                id
            }
        };
        loaded.push(id);
    }
    models::created(env, model, &made)?;
    super::concurrency::check_conflict(env)?;
    Ok(loaded)
}

fn existing(
    env: &Env<'_>,
    model: &str,
    pending: &Pending,
    update: bool,
) -> Result<Option<i64>, Fault> {
    let Some(xid) = &pending.xid else {
        let id = pending.vals.get("id").and_then(Value::as_i64);
        if id.is_none() && update && env.version() == Version::V19 {
            return Err(Fault::validation(
                "Cannot update a record without specifying its id or xml_id",
            ));
        }
        return Ok(id);
    };
    let Some(row) = env.db.xid(xid) else {
        return Ok(None);
    };
    if row.model != model {
        return Err(Fault::validation(format!(
            "For external id {xid} when trying to create/update a record of model {model} found record of different model {} ({})",
            row.model, row.id
        )));
    }
    Ok(Some(row.res_id).filter(|id| env.db.exists(model, *id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_names_become_paths() {
        assert_eq!(path("partner_id/id"), ["partner_id", "id"]);
        assert_eq!(
            path("order_line/product_id/.id"),
            ["order_line", "product_id", ".id"]
        );
        assert_eq!(path("partner_id.id"), ["partner_id", ".id"]);
        assert_eq!(path("partner_id:id"), ["partner_id", "id"]);
        assert_eq!(path(".id"), [".id"]);
    }
}
