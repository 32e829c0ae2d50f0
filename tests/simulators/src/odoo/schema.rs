//! Models and fields, read from `schema.txt` for one version.
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::Version;

/// How a field stores and converts its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Text,
    Html,
    Int,
    Float,
    Bool,
    Date,
    Datetime,
    Selection(Vec<(String, String)>),
    Many2one(String),
    One2many { model: String, inverse: String },
    Many2many(String),
}

impl Kind {
    pub(super) fn relation(&self) -> Option<&str> {
        match self {
            Self::Many2one(model) | Self::Many2many(model) | Self::One2many { model, .. } => {
                Some(model)
            }
            _ => None,
        }
    }

    pub(super) fn is_one2many(&self) -> bool {
        matches!(self, Self::One2many { .. })
    }
}

#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) label: String,
    pub(super) kind: Kind,
    pub(super) required: bool,
    pub(super) computed: bool,
    pub(super) default: Option<Value>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) label: String,
    pub(super) fields: BTreeMap<String, Field>,
}

#[derive(Debug, Default)]
pub(super) struct Schema {
    models: BTreeMap<String, Model>,
}

impl Schema {
    pub(super) fn of(version: Version) -> Self {
        let mut schema = Self::default();
        let mut current = String::new();
        for line in include_str!("schema.txt").lines() {
            if let Some(head) = line.strip_prefix("@ ") {
                let (name, label) = head.split_once('|').unwrap_or((head, head));
                current = name.to_owned();
                schema.models.insert(
                    current.clone(),
                    Model {
                        label: label.to_owned(),
                        fields: BTreeMap::new(),
                    },
                );
            } else if !line.starts_with('#')
                && let Some((name, field)) = parse_field(line, version)
                && let Some(model) = schema.models.get_mut(&current)
            {
                model.fields.insert(name, field);
            }
        }
        schema
    }

    pub(super) fn model(&self, name: &str) -> Option<&Model> {
        self.models.get(name)
    }

    pub(super) fn field(&self, model: &str, field: &str) -> Option<&Field> {
        self.models
            .get(model)
            .and_then(|found| found.fields.get(field))
    }

    pub(super) fn label<'a>(&'a self, model: &'a str) -> &'a str {
        self.models
            .get(model)
            .map_or(model, |found| found.label.as_str())
    }

    /// For each many2one, the one2many fields that mirror it.
    pub(super) fn links(&self) -> HashMap<(String, String), Vec<(String, String)>> {
        let mut links: HashMap<(String, String), Vec<(String, String)>> = HashMap::new();
        for (parent, model) in &self.models {
            for (name, field) in &model.fields {
                if let Kind::One2many {
                    model: child,
                    inverse,
                } = &field.kind
                {
                    links
                        .entry((child.clone(), inverse.clone()))
                        .or_default()
                        .push((parent.clone(), name.clone()));
                }
            }
        }
        links
    }
}

fn parse_field(line: &str, version: Version) -> Option<(String, Field)> {
    let mut parts = line.split('|');
    let (name, label, kind, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (marks, default) = flags
        .split_once('=')
        .map_or((flags, None), |(marks, text)| (marks, Some(text)));
    let only_other = match version {
        Version::V17 => marks.contains("19"),
        Version::V19 => marks.contains("17"),
    };
    if only_other {
        return None;
    }
    let kind = parse_kind(kind)?;
    let default =
        default.map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)));
    let field = Field {
        label: label.to_owned(),
        kind,
        required: marks.contains('r'),
        computed: marks.contains('c'),
        default,
    };
    Some((name.to_owned(), field))
}

fn parse_kind(text: &str) -> Option<Kind> {
    let (name, inner) = text.split_once('(').map_or((text, ""), |(name, rest)| {
        (name, rest.strip_suffix(')').unwrap_or(rest))
    });
    Some(match name {
        "char" | "text" | "bin" => Kind::Text,
        "html" => Kind::Html,
        "int" => Kind::Int,
        "float" => Kind::Float,
        "bool" => Kind::Bool,
        "date" => Kind::Date,
        "datetime" => Kind::Datetime,
        "sel" => Kind::Selection(
            inner
                .split(',')
                .filter_map(|item| item.split_once(':'))
                .map(|(value, label)| (value.to_owned(), label.to_owned()))
                .collect(),
        ),
        "m2o" => Kind::Many2one(inner.to_owned()),
        "m2m" => Kind::Many2many(inner.to_owned()),
        "o2m" => {
            let (model, inverse) = inner.rsplit_once('.')?;
            Kind::One2many {
                model: model.to_owned(),
                inverse: inverse.to_owned(),
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_schema_is_understood() {
        let lines = include_str!("schema.txt")
            .lines()
            .filter(|line| !line.starts_with(['#', '@']));
        for line in lines {
            assert!(
                parse_field(line, Version::V17).is_some()
                    || parse_field(line, Version::V19).is_some(),
                "line `{line}` of schema.txt is not understood"
            );
        }
    }

    #[test]
    fn every_relation_leads_to_a_model_and_an_inverse() {
        for version in [Version::V17, Version::V19] {
            let schema = Schema::of(version);
            for (model, found) in &schema.models {
                for (name, field) in &found.fields {
                    if let Some(relation) = field.kind.relation() {
                        assert!(
                            schema.model(relation).is_some(),
                            "{model}.{name} points to unknown `{relation}`"
                        );
                    }
                    if let Kind::One2many {
                        model: child,
                        inverse,
                    } = &field.kind
                    {
                        assert!(
                            schema.field(child, inverse).is_some(),
                            "{model}.{name} has no inverse {child}.{inverse}"
                        );
                    }
                }
            }
        }
    }
}
