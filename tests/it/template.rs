//! `template.yaml` as JSON, with CloudFormation's short tags in their long form: `!Ref X` is `{"Ref": "X"}`, `!GetAtt A.B` is
//! `{"Fn::GetAtt": "A.B"}`.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value};

use crate::project;

/// A CloudFormation template.
#[derive(Debug, Clone)]
pub(crate) struct Template(pub(crate) Value);

/// A resource and its logical id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resource<'a> {
    pub(crate) id: &'a str,
    pub(crate) body: &'a Value,
}

impl Template {
    /// The project's template.
    pub(crate) fn of_the_project() -> Self {
        Self::parse(&project::read("template.yaml"))
    }

    /// The template in `text`.
    pub(crate) fn parse(text: &str) -> Self {
        let documents = Yaml::load_from_str(text).expect("the template should be YAML");
        Self(to_json(&documents[0]))
    }

    /// Resources of a type, in the order of their ids.
    pub(crate) fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = Resource<'a>> {
        let all = self.0["Resources"]
            .as_object()
            .expect("a template should have resources");
        all.iter()
            .filter(move |(_, body)| body["Type"] == kind)
            .map(|(id, body)| Resource { id, body })
    }

    /// The resource with this id.
    pub(crate) fn resource(&self, id: &str) -> Option<Resource<'_>> {
        let (id, body) = self.0["Resources"].as_object()?.get_key_value(id)?;
        Some(Resource { id, body })
    }

    /// Queues that functions read, without the dead-letter queues.
    pub(crate) fn queues(&self) -> impl Iterator<Item = Resource<'_>> {
        self.resources("AWS::SQS::Queue")
            .filter(|queue| !queue.id.ends_with("Dlq"))
    }

    /// The functions.
    pub(crate) fn functions(&self) -> impl Iterator<Item = Resource<'_>> {
        self.resources("AWS::Serverless::Function")
    }

    /// Event source mappings as (function, queue id, mapping's properties).
    pub(crate) fn queue_events(&self) -> Vec<(Resource<'_>, &str, &Value)> {
        let events = |function: Resource<'_>| {
            function
                .property("Events")
                .as_object()
                .cloned()
                .unwrap_or_default()
        };
        let mut found = Vec::new();
        for function in self.functions() {
            for name in events(function).keys() {
                let event = &function.property("Events")[name];
                if event["Type"] == "SQS" {
                    let queue = attribute_of(&event["Properties"]["Queue"], "Arn").unwrap_or("");
                    found.push((function, queue, &event["Properties"]));
                }
            }
        }
        found
    }

    /// The same template with the value at a JSON pointer replaced; for showing that a check bites.
    pub(crate) fn with(&self, pointer: &str, value: Value) -> Self {
        let mut changed = self.clone();
        *changed
            .0
            .pointer_mut(pointer)
            .unwrap_or_else(|| panic!("the template has no `{pointer}`")) = value;
        changed
    }

    /// The same template without the entry at a JSON pointer.
    pub(crate) fn without(&self, pointer: &str) -> Self {
        let mut changed = self.clone();
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
        let parent = changed.0.pointer_mut(parent).and_then(Value::as_object_mut);
        let removed = parent.and_then(|parent| parent.remove(&key.replace("~1", "/")));
        assert!(removed.is_some(), "the template has no `{pointer}`");
        changed
    }
}

impl<'a> Resource<'a> {
    /// A property; null where it is absent.
    pub(crate) fn property(self, name: &str) -> &'a Value {
        &self.body["Properties"][name]
    }

    /// Names of a function's environment variables, its own and not the global ones.
    pub(crate) fn variables(self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.property("Environment")["Variables"]
            .as_object()
            .into_iter()
            .flatten()
    }
}

/// `X` of `{"Ref": "X"}`.
pub(crate) fn reference(value: &Value) -> Option<&str> {
    value["Ref"].as_str()
}

/// `X` of `{"Fn::GetAtt": "X.ATTRIBUTE"}`.
pub(crate) fn attribute_of<'a>(value: &'a Value, attribute: &str) -> Option<&'a str> {
    value["Fn::GetAtt"]
        .as_str()?
        .strip_suffix(attribute)?
        .strip_suffix('.')
}

fn to_json(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => Value::from(*value),
        Yaml::Value(Scalar::Integer(value)) => Value::from(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Value::from(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => Value::from(value.as_ref()),
        Yaml::Sequence(items) => items.iter().map(to_json).collect(),
        Yaml::Mapping(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, value)| (text(key), to_json(value)))
                .collect(),
        ),
        Yaml::Tagged(tag, value) => {
            let name = match tag.suffix.as_str() {
                "Ref" | "Condition" => tag.suffix.clone(),
                function => format!("Fn::{function}"),
            };
            Value::Object(Map::from_iter([(name, to_json(value))]))
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            panic!("unexpected YAML: {node:?}")
        }
    }
}

fn text(key: &Yaml<'_>) -> String {
    key.as_str().map_or_else(
        || panic!("a key should be text, not {key:?}"),
        str::to_owned,
    )
}
