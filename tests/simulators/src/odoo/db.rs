//! The database of the simulator: records by model and id, external ids, sequences, and an undo log.
//!
//! A call is a transaction: `mark`, work, and on a fault `rollback_to` the mark. Ids and sequence numbers that were
//! drawn are not given back, as in PostgreSQL.
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

/// A record: field name to raw value (many2one as id or `false`, x2many as an array of ids).
pub(super) type Record = BTreeMap<String, Value>;

/// One row of `ir.model.data`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct XidRow {
    pub(super) id: i64,
    pub(super) model: String,
    pub(super) res_id: i64,
    pub(super) noupdate: bool,
}

#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<i64, Arc<Record>>,
    last_id: i64,
}

#[derive(Debug)]
enum Undo {
    Row {
        model: String,
        id: i64,
        before: Option<Arc<Record>>,
    },
    Xid {
        key: String,
        before: Option<XidRow>,
    },
}

/// All records of one simulated database.
#[derive(Debug, Default)]
pub(super) struct Db {
    tables: BTreeMap<String, Table>,
    xids: BTreeMap<String, XidRow>,
    by_record: HashMap<(String, i64), Vec<String>>,
    sequences: BTreeMap<String, i64>,
    last_xid: i64,
    undo: Vec<Undo>,
    /// many2one field to the one2many fields of its target that mirror it.
    links: HashMap<(String, String), Vec<(String, String)>>,
}

static NOTHING: Value = Value::Null;

impl Db {
    pub(super) fn new(links: HashMap<(String, String), Vec<(String, String)>>) -> Self {
        Self {
            links,
            ..Self::default()
        }
    }

    pub(super) fn mark(&self) -> usize {
        self.undo.len()
    }

    pub(super) fn commit(&mut self) {
        self.undo.clear();
    }

    pub(super) fn rollback_to(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some(Undo::Row { model, id, before }) => {
                    let rows = &mut self.tables.entry(model).or_default().rows;
                    match before {
                        Some(record) => rows.insert(id, record),
                        None => rows.remove(&id),
                    };
                }
                Some(Undo::Xid { key, before }) => self.place_xid(key, before),
                None => return,
            }
        }
    }

    pub(super) fn next_in(&mut self, sequence: &str) -> i64 {
        let next = self.sequences.entry(sequence.to_owned()).or_insert(0);
        *next += 1;
        *next
    }

    pub(super) fn insert(&mut self, model: &str, record: Record) -> i64 {
        let table = self.tables.entry(model.to_owned()).or_default();
        table.last_id += 1;
        let id = table.last_id;
        table.rows.insert(id, Arc::new(Record::new()));
        self.undo.push(Undo::Row {
            model: model.to_owned(),
            id,
            before: None,
        });
        for (field, value) in record {
            self.set(model, id, &field, value);
        }
        id
    }

    /// Inserts under a given id, as seeds do.
    pub(super) fn insert_at(&mut self, model: &str, id: i64, record: Record) {
        let table = self.tables.entry(model.to_owned()).or_default();
        table.last_id = table.last_id.max(id);
        table.rows.insert(id, Arc::new(record));
    }

    /// Sets one field and keeps the mirroring one2many fields in step.
    pub(super) fn set(&mut self, model: &str, id: i64, field: &str, value: Value) {
        let before = self.get(model, id, field).clone();
        if before == value {
            return;
        }
        self.write_raw(model, id, field, value.clone());
        let Some(mirrors) = self
            .links
            .get(&(model.to_owned(), field.to_owned()))
            .cloned()
        else {
            return;
        };
        for (parent_model, parent_field) in mirrors {
            if let Some(old) = before.as_i64() {
                let kept: Vec<Value> = self
                    .ids(&parent_model, old, &parent_field)
                    .into_iter()
                    .filter(|child| *child != id)
                    .map(Value::from)
                    .collect();
                self.write_raw(&parent_model, old, &parent_field, Value::Array(kept));
            }
            if let Some(new) = value.as_i64() {
                let mut children: Vec<Value> = self
                    .ids(&parent_model, new, &parent_field)
                    .into_iter()
                    .map(Value::from)
                    .collect();
                children.push(Value::from(id));
                self.write_raw(&parent_model, new, &parent_field, Value::Array(children));
            }
        }
    }

    fn write_raw(&mut self, model: &str, id: i64, field: &str, value: Value) {
        let Some(row) = self
            .tables
            .get_mut(model)
            .and_then(|table| table.rows.get_mut(&id))
        else {
            return;
        };
        self.undo.push(Undo::Row {
            model: model.to_owned(),
            id,
            before: Some(Arc::clone(row)),
        });
        Arc::make_mut(row).insert(field.to_owned(), value);
    }

    pub(super) fn remove(&mut self, model: &str, id: i64) {
        let parents: Vec<String> = self
            .links
            .keys()
            .filter(|(child, _)| child == model)
            .map(|(_, field)| field.clone())
            .collect();
        for field in parents {
            self.set(model, id, &field, Value::Bool(false));
        }
        if let Some(before) = self
            .tables
            .get_mut(model)
            .and_then(|table| table.rows.remove(&id))
        {
            self.undo.push(Undo::Row {
                model: model.to_owned(),
                id,
                before: Some(before),
            });
        }
        for key in self.xids_of(model, id) {
            self.put_xid(&key, None);
        }
    }

    pub(super) fn exists(&self, model: &str, id: i64) -> bool {
        self.record(model, id).is_some()
    }

    pub(super) fn record(&self, model: &str, id: i64) -> Option<&Record> {
        self.tables
            .get(model)
            .and_then(|table| table.rows.get(&id))
            .map(AsRef::as_ref)
    }

    pub(super) fn all(&self, model: &str) -> Vec<i64> {
        self.tables
            .get(model)
            .map(|table| table.rows.keys().copied().collect())
            .unwrap_or_default()
    }

    pub(super) fn get(&self, model: &str, id: i64, field: &str) -> &Value {
        self.record(model, id)
            .and_then(|record| record.get(field))
            .unwrap_or(&NOTHING)
    }

    pub(super) fn num(&self, model: &str, id: i64, field: &str) -> f64 {
        self.get(model, id, field).as_f64().unwrap_or(0.0)
    }

    /// The id in a many2one, 0 when it is empty.
    pub(super) fn id_in(&self, model: &str, id: i64, field: &str) -> i64 {
        self.get(model, id, field).as_i64().unwrap_or(0)
    }

    pub(super) fn text(&self, model: &str, id: i64, field: &str) -> &str {
        self.get(model, id, field).as_str().unwrap_or("")
    }

    pub(super) fn flag(&self, model: &str, id: i64, field: &str) -> bool {
        self.get(model, id, field).as_bool().unwrap_or(false)
    }

    pub(super) fn ids(&self, model: &str, id: i64, field: &str) -> Vec<i64> {
        id_list(self.get(model, id, field))
    }

    /// The first record whose `field` equals `value`.
    pub(super) fn find(&self, model: &str, field: &str, value: &Value) -> Option<i64> {
        let table = self.tables.get(model)?;
        table
            .rows
            .iter()
            .find(|(_, record)| record.get(field) == Some(value))
            .map(|(id, _)| *id)
    }

    pub(super) fn xid(&self, key: &str) -> Option<&XidRow> {
        self.xids.get(key)
    }

    pub(super) fn xid_rows(&self) -> impl Iterator<Item = (&String, &XidRow)> {
        self.xids.iter()
    }

    pub(super) fn xids_of(&self, model: &str, id: i64) -> Vec<String> {
        self.by_record
            .get(&(model.to_owned(), id))
            .cloned()
            .unwrap_or_default()
    }

    pub(super) fn put_xid(&mut self, key: &str, row: Option<(&str, i64, bool)>) {
        let before = self.xids.get(key).cloned();
        let after = row.map(|(model, res_id, noupdate)| XidRow {
            id: before.as_ref().map_or_else(
                || {
                    self.last_xid += 1;
                    self.last_xid
                },
                |old| old.id,
            ),
            model: model.to_owned(),
            res_id,
            noupdate,
        });
        self.undo.push(Undo::Xid {
            key: key.to_owned(),
            before,
        });
        self.place_xid(key.to_owned(), after);
    }

    fn place_xid(&mut self, key: String, row: Option<XidRow>) {
        if let Some(old) = self.xids.remove(&key)
            && let Some(keys) = self.by_record.get_mut(&(old.model, old.res_id))
        {
            keys.retain(|other| *other != key);
        }
        if let Some(row) = row {
            self.by_record
                .entry((row.model.clone(), row.res_id))
                .or_default()
                .push(key.clone());
            self.xids.insert(key, row);
        }
    }
}

/// The ids in an x2many value.
pub(super) fn id_list(value: &Value) -> Vec<i64> {
    value
        .as_array()
        .map(|items| items.iter().filter_map(Value::as_i64).collect())
        .unwrap_or_default()
}
