//! `_extract_records`: rows to nested records.
use serde_json::Value;

use super::env::truthy;
use super::schema::Schema;

/// A cell, or the records below a relational column.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Raw(Value),
    Sub(Vec<Extracted>),
}

/// One record with the rows it came from. The name `""` stands for "by name".
#[derive(Debug, Clone)]
pub(super) struct Extracted {
    pub(super) cells: Vec<(String, Cell)>,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Extracted {
    pub(super) fn raw(&self, name: &str) -> Option<&Value> {
        self.cells.iter().find_map(|(found, cell)| match cell {
            Cell::Raw(value) if found == name => Some(value),
            _ => None,
        })
    }

    /// External ids of other records that this one refers to.
    pub(super) fn references(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (_, cell) in &self.cells {
            let Cell::Sub(subs) = cell else { continue };
            for sub in subs {
                if let Some(text) = sub.raw("id").and_then(Value::as_str) {
                    found.extend(text.split(',').map(str::to_owned));
                }
                found.extend(sub.references());
            }
        }
        found
    }
}

pub(super) fn extract(
    schema: &Schema,
    model: &str,
    paths: &[Vec<String>],
    data: &[&[Value]],
) -> Vec<Extracted> {
    let heads: Vec<&str> = paths
        .iter()
        .map(|path| path.first().map_or("", String::as_str))
        .collect();
    let is_o2m: Vec<bool> = heads
        .iter()
        .map(|head| {
            schema
                .field(model, head)
                .is_some_and(|field| field.kind.is_one2many())
        })
        .collect();
    let continues = |row: &[Value]| {
        let mut any_o2m = false;
        for (o2m, cell) in is_o2m.iter().zip(row) {
            if truthy(cell) {
                if !o2m {
                    return false;
                }
                any_o2m = true;
            }
        }
        any_o2m
    };
    let mut records = Vec::new();
    let mut index = 0;
    while let Some(row) = data.get(index) {
        let extra = data
            .iter()
            .skip(index + 1)
            .take_while(|row| continues(row))
            .count();
        let span: Vec<&[Value]> = data.iter().skip(index).take(extra + 1).copied().collect();
        records.push(record(schema, model, paths, &heads, row, &span, index));
        index += extra + 1;
    }
    records
}

fn record(
    schema: &Schema,
    model: &str,
    paths: &[Vec<String>],
    heads: &[&str],
    row: &[Value],
    span: &[&[Value]],
    from: usize,
) -> Extracted {
    let mut cells: Vec<(String, Cell)> = Vec::new();
    for (column, head) in heads.iter().enumerate() {
        if cells.iter().any(|(name, _)| name == head) {
            continue;
        }
        let Some(relation) = schema
            .field(model, head)
            .and_then(|field| field.kind.relation())
        else {
            cells.push((
                (*head).to_owned(),
                Cell::Raw(row.get(column).cloned().unwrap_or(Value::Null)),
            ));
            continue;
        };
        let columns: Vec<usize> = heads
            .iter()
            .enumerate()
            .filter(|(_, other)| *other == head)
            .map(|(index, _)| index)
            .collect();
        let below: Vec<Vec<String>> = columns
            .iter()
            .filter_map(|column| paths.get(*column))
            .map(|path| {
                let rest: Vec<String> = path.iter().skip(1).cloned().collect();
                if rest.is_empty() {
                    vec![String::new()]
                } else {
                    rest
                }
            })
            .collect();
        let picked: Vec<Vec<Value>> = span
            .iter()
            .map(|row| {
                columns
                    .iter()
                    .map(|column| row.get(*column).cloned().unwrap_or(Value::Null))
                    .collect::<Vec<Value>>()
            })
            .filter(|cells| cells.iter().any(truthy))
            .collect();
        let picked: Vec<&[Value]> = picked.iter().map(Vec::as_slice).collect();
        cells.push((
            (*head).to_owned(),
            Cell::Sub(extract(schema, relation, &below, &picked)),
        ));
    }
    Extracted {
        cells,
        from,
        to: from + span.len() - 1,
    }
}
