//! The variables of a template: the whole spec of a finding, and short names for what is used most.
//!
//! The names come from the schema of the API, so that a field that the API gains is a variable at once. A field that a
//! finding does not have is an empty text, an empty list or a map that is empty all the way down: templates need not
//! ask for each step whether it is there, and only a name that does not exist is an error.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use super::splice;
use crate::api::security_finding::SecurityFindingSpec;
use crate::api::{SecurityFinding, Severity};
use crate::domain::placement::group;
use crate::domain::state::table::is_open;

/// Fields of the spec that are Markdown.
const MARKDOWN: [&str; 2] = ["description", "remediation"];

/// A text that is Markdown; everything else a template inserts is shown as it is.
#[derive(Debug)]
pub(super) struct Markdown(pub String);

impl Object for Markdown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.0.trim().is_empty()
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Members, and what to show where the whole is inserted.
#[derive(Debug)]
struct Record {
    shown: String,
    members: BTreeMap<String, Value>,
    /// Whether any name is a member; those that are not set are empty.
    open: bool,
}

impl Object for Record {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let member = self.members.get(key.as_str()?).cloned();
        member.or_else(|| self.open.then(|| Value::from("")))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.members.keys().map(|key| Value::from(key.as_str())).collect())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        let given = |value: &Value| value.is_true() || value.is_number();
        !self.shown.is_empty() || self.members.values().any(given)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn record(shown: &str, members: BTreeMap<String, Value>) -> Value {
    Value::from_object(Record {
        shown: splice::unmarked(shown),
        members,
        open: false,
    })
}

fn text(text: &str) -> Value {
    Value::from(splice::unmarked(text))
}

fn markdown(text: &str) -> Value {
    Value::from_object(Markdown(splice::unmarked(text)))
}

/// What a field is, as far as templates care.
#[derive(Debug)]
enum Shape {
    Text,
    List,
    Map,
    Struct(BTreeMap<String, Shape>),
}

static SPEC: LazyLock<Shape> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<SecurityFindingSpec>();
    shape(schema.as_value())
});

fn shape(schema: &Json) -> Shape {
    for wrapper in ["anyOf", "oneOf", "allOf"] {
        let inner = schema[wrapper].as_array().into_iter().flatten();
        if let Some(inner) = inner.clone().find(|one| one["properties"].is_object()) {
            return shape(inner);
        }
    }
    let is = |kind: &str| {
        schema["type"] == kind
            || schema["type"]
                .as_array()
                .is_some_and(|kinds| kinds.contains(&kind.into()))
    };
    if let Some(properties) = schema["properties"].as_object() {
        let members = properties.iter().map(|(name, member)| (name.clone(), shape(member)));
        return Shape::Struct(members.collect());
    }
    match () {
        () if is("array") => Shape::List,
        () if is("object") => Shape::Map,
        () => Shape::Text,
    }
}

/// Every field of the spec, as a path below `finding`.
#[cfg(test)]
pub(super) fn spec_fields() -> Vec<String> {
    fn walk(shape: &Shape, path: &str, fields: &mut Vec<String>) {
        if let Shape::Struct(members) = shape {
            for (name, member) in members {
                walk(member, &format!("{path}.{name}"), fields);
            }
        } else {
            fields.push(path.to_owned());
        }
    }
    let mut fields = Vec::new();
    walk(&SPEC, "finding", &mut fields);
    fields
}

fn value(shape: &Shape, json: &Json) -> Value {
    match shape {
        Shape::Struct(members) => {
            let members = members
                .iter()
                .map(|(name, shape)| (name.clone(), value(shape, &json[name])));
            record("", members.collect())
        }
        Shape::List => json.as_array().into_iter().flatten().map(scalar).collect(),
        Shape::Map => {
            let members = json.as_object().into_iter().flatten();
            open_map(members.map(|(name, value)| (name.clone(), scalar(value))).collect())
        }
        Shape::Text => scalar(json),
    }
}

fn open_map(members: BTreeMap<String, Value>) -> Value {
    Value::from_object(Record {
        shown: String::new(),
        members,
        open: true,
    })
}

fn scalar(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(""),
        Json::String(string) => text(string),
        Json::Number(number) => number.as_i64().map_or_else(|| text(&number.to_string()), Value::from),
        other => text(&other.to_string()),
    }
}

/// The variables that speak of one finding.
pub(super) fn of_finding(finding: &SecurityFinding) -> BTreeMap<String, Value> {
    let spec = &finding.spec;
    let json = serde_json::to_value(spec).unwrap_or_default();
    let Shape::Struct(shapes) = &*SPEC else {
        return BTreeMap::new();
    };
    let mut members: BTreeMap<String, Value> = shapes
        .iter()
        .map(|(name, shape)| {
            let given = &json[name];
            let value = match given.as_str() {
                Some(text) if MARKDOWN.contains(&name.as_str()) => markdown(text),
                _ => value(shape, given),
            };
            (name.clone(), value)
        })
        .collect();
    members.insert(
        "name".into(),
        text(finding.metadata.name.as_deref().unwrap_or_default()),
    );
    let namespace = finding.metadata.namespace.as_deref().unwrap_or_default();
    members.insert("namespace".into(), text(namespace));
    let labels = finding.metadata.labels.iter().flatten();
    members.insert(
        "labels".into(),
        open_map(labels.map(|(name, value)| (name.clone(), text(value))).collect()),
    );
    let asset = spec.asset.clone().unwrap_or_default();
    let candidates = [
        &asset.name,
        &asset.image,
        &asset.ip,
        &asset.account,
        &asset.cluster,
        &asset.namespace,
        &asset.kind,
        &asset.digest,
        &asset.region,
        &asset.owner,
    ];
    let shown = candidates.into_iter().flatten().find(|one| !one.trim().is_empty());
    let mut short = BTreeMap::from([
        (
            "asset".to_owned(),
            with(&members, "asset", shown.map_or("", String::as_str), []),
        ),
        ("vulnerability".to_owned(), vulnerability(finding, &members)),
        ("location".to_owned(), members["location"].clone()),
        ("severity".to_owned(), members["severity"].clone()),
        ("ip".to_owned(), text(asset.ip.as_deref().unwrap_or_default())),
        (
            "port".to_owned(),
            asset.port.map_or_else(|| Value::from(""), Value::from),
        ),
    ]);
    short.insert("finding".to_owned(), record(&spec.title, members));
    short
}

/// `vulnerability`: what the spec says of it, under the names that other products give to title, description and cure.
fn vulnerability(finding: &SecurityFinding, members: &BTreeMap<String, Value>) -> Value {
    let spec = &finding.spec;
    let vulnerability = spec.vulnerability.clone().unwrap_or_default();
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let solution = match (given(&spec.remediation), given(&vulnerability.package)) {
        (Some(remediation), _) => markdown(&remediation),
        (None, Some(package)) => match given(&vulnerability.fixed_version) {
            Some(fixed) => text(&format!("Update {package} to {fixed} or later.")),
            None => text(&format!("No fixed version of {package} is known yet.")),
        },
        (None, None) => Value::from(""),
    };
    let more = [
        ("name", text(&spec.title)),
        ("description", members["description"].clone()),
        ("solution", solution),
    ];
    with(
        members,
        "vulnerability",
        vulnerability.id.as_deref().unwrap_or(&spec.title),
        more,
    )
}

/// The member of this name, with something to show for the whole and with more members.
fn with<const N: usize>(members: &BTreeMap<String, Value>, name: &str, shown: &str, more: [(&str, Value); N]) -> Value {
    let own = members
        .get(name)
        .and_then(|value| value.downcast_object_ref::<Record>());
    let mut all = own.map(|own| own.members.clone()).unwrap_or_default();
    all.extend(more.map(|(name, value)| (name.to_owned(), value)));
    record(shown, all)
}

/// The variables that speak of the whole ticket.
pub(super) fn of_ticket(findings: &[&SecurityFinding], group: &[String]) -> BTreeMap<String, Value> {
    let open = findings.iter().filter(|finding| is_open(finding.spec.state));
    let highest = open.clone().map(|finding| finding.spec.severity).max();
    let severity = highest
        .or_else(|| findings.iter().map(|finding| finding.spec.severity).max())
        .unwrap_or(Severity::Unknown);
    let values = group::shown(group);
    let key = values.join("/");
    let members = BTreeMap::from([
        ("key".to_owned(), text(&key)),
        ("values".to_owned(), values.iter().map(|one| text(one)).collect()),
        ("severity".to_owned(), Value::from(severity.as_str())),
        ("count".to_owned(), Value::from(findings.len())),
        ("open".to_owned(), Value::from(open.count())),
    ]);
    BTreeMap::from([
        ("count".to_owned(), Value::from(findings.len())),
        ("group".to_owned(), record(&key, members)),
    ])
}

/// A finding as it stands in `findings`: its fields, and its short names where no field has them.
pub(super) fn in_list(variables: &BTreeMap<String, Value>) -> Value {
    let finding = variables["finding"].downcast_object_ref::<Record>();
    let mut members = finding.map(|finding| finding.members.clone()).unwrap_or_default();
    let shown = finding.map(|finding| finding.shown.clone()).unwrap_or_default();
    members.extend(
        variables
            .iter()
            .filter(|(name, _)| *name != "finding")
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    record(&shown, members)
}
