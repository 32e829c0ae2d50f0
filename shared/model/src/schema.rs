//! JSON Schemas of everything that travels: one document per type of event and of command, and one
//! for the envelope. They are the contract with canonical partners and live in `infra/schemas`;
//! a check fails when they drift from the types.

use crate::command::Command;
use crate::envelope::{Envelope, SCHEMA_MAJOR};
use crate::event::Event;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// One generated document.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaFile {
    /// Path below `infra/schemas`, such as `events/waybill.order.observed.v1.json`.
    pub path: String,
    /// The document.
    pub schema: Value,
}

impl SchemaFile {
    /// The document as it is stored: indented, with a final newline.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{:#}\n", sorted(&self.schema))
    }
}

/// Keys in order, whether or not another crate of the build makes `serde_json` keep theirs.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let entries = keys.into_iter().filter_map(|k| Some((k, map.get(k)?)));
            Value::Object(entries.map(|(k, v)| (k.clone(), sorted(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// What stands in the envelope: the type tells the schema of the data.
#[derive(serde::Serialize, JsonSchema)]
#[schemars(rename = "Body")]
struct AnyBody {
    /// The event's or command's type; it names the schema of `data`.
    #[serde(rename = "type")]
    kind: String,
    /// The content.
    data: Value,
}

/// Every document, by path.
#[must_use]
pub fn all() -> Vec<SchemaFile> {
    let envelope = SchemaFile {
        path: format!("envelope.v{SCHEMA_MAJOR}.json"),
        schema: named("envelope", whole::<Envelope<AnyBody>>()),
    };
    let mut files = vec![envelope];
    files.extend(each("events", whole::<Event>()));
    files.extend(each("commands", whole::<Command>()));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn whole<T: JsonSchema>() -> Value {
    // As read: what has a default may be left out by a partner.
    SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// The content of each variant of a tagged enum, as a document of its own.
fn each(folder: &'static str, schema: Value) -> impl Iterator<Item = SchemaFile> {
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    let variants = match schema.get("oneOf") {
        Some(Value::Array(variants)) => variants.clone(),
        _ => Vec::new(),
    };
    variants.into_iter().filter_map(move |variant| {
        let name = variant.pointer("/properties/type/const")?.as_str()?;
        let mut content = resolved(variant.pointer("/properties/data")?, &definitions)?;
        if let Some(purpose) = variant.get("description") {
            content.insert("description".to_owned(), purpose.clone());
        }
        let used = reachable(&Value::Object(content.clone()), &definitions);
        if !used.is_empty() {
            content.insert("$defs".to_owned(), Value::Object(used));
        }
        Some(SchemaFile {
            path: format!("{folder}/{name}.v{SCHEMA_MAJOR}.json"),
            schema: named(&format!("{folder}/{name}"), Value::Object(content)),
        })
    })
}

/// The content itself, where the variant only refers to it.
fn resolved(content: &Value, definitions: &Value) -> Option<Map<String, Value>> {
    let name = content.get("$ref").and_then(Value::as_str);
    match name.and_then(|r| r.strip_prefix("#/$defs/")) {
        Some(name) => definitions.get(name)?.as_object().cloned(),
        None => content.as_object().cloned(),
    }
}

/// The definitions that are needed, and those that they need.
fn reachable(content: &Value, definitions: &Value) -> Map<String, Value> {
    let mut open = references(content);
    let mut seen = BTreeSet::new();
    let mut used = Map::new();
    while let Some(name) = open.pop_first() {
        if let Some(definition) = definitions.get(&name)
            && seen.insert(name.clone())
        {
            open.extend(references(definition));
            used.insert(name, definition.clone());
        }
    }
    used
}

fn references(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str);
            let own = own.and_then(|r| r.strip_prefix("#/$defs/"));
            own.map(str::to_owned)
                .into_iter()
                .chain(map.values().flat_map(references))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => BTreeSet::new(),
    }
}

/// With an id that carries the major version.
fn named(name: &str, mut schema: Value) -> Value {
    if let Some(map) = schema.as_object_mut() {
        map.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        map.insert(
            "$id".to_owned(),
            json!(format!("urn:waybill:v{SCHEMA_MAJOR}:{name}")),
        );
    }
    schema
}

#[cfg(test)]
mod tests;
