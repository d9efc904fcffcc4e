//! Whether a field says what it should: values that are sent against values that are read.

use serde_json::{Value, json};

use crate::domain::base::hash::short_hash;
use crate::domain::fields::value_id;
use crate::domain::render::adf::canonicalize;
use crate::jira::model::parse_time;

use super::TypedField;

/// How values of a field are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// By the members that are sent; lists without order.
    #[default]
    Plain,
    /// As ADF.
    Document,
    /// As a moment, in whatever zone it is written.
    Moment,
    /// A list that people add to as well.
    SharedList,
}

impl TypedField {
    /// The hash of the value that is sent.
    pub fn hash(&self) -> String {
        self.hash_of(&self.value)
    }

    /// The hash of a value that was read, comparable with [`TypedField::hash`].
    pub fn hash_of(&self, actual: &Value) -> String {
        short_hash(normal(actual, &self.value, self.shape).to_string().as_bytes())
    }

    /// Whether a value that was read is the one that was written last, of which only the hash is remembered. It may have
    /// been written with other members than now.
    pub fn wrote(&self, actual: &Value, hash: &str) -> bool {
        let forms = [
            json!({"id": 0}),
            json!({"value": 0}),
            json!({"name": 0}),
            json!({"accountId": 0}),
            json!({"key": 0}),
            json!({"id": 0, "child": {"id": 0}}),
            json!({"id": 0, "child": {"value": 0}}),
            json!({"value": 0, "child": {"value": 0}}),
        ];
        let as_form = |form: Value| {
            let sent = if actual.is_array() { json!([form]) } else { form };
            short_hash(normal(actual, &sent, self.shape).to_string().as_bytes())
        };
        self.hash_of(actual) == hash || forms.into_iter().any(|form| as_form(form) == hash)
    }

    /// The entries of a shared list, as they are remembered.
    pub fn entries(&self) -> Vec<String> {
        let mut entries: Vec<String> = self.value.as_array().into_iter().flatten().filter_map(entry).collect();
        entries.sort();
        entries.dedup();
        entries
    }
}

/// An entry of a shared list as text: its id, or `name=` and its name where no id is known.
fn entry(value: &Value) -> Option<String> {
    value_id(value).or_else(|| Some(format!("name={}", value.get("name")?.as_str()?)))
}

/// The JSON of an entry.
pub fn entry_value(entry: &str) -> Value {
    match entry.strip_prefix("name=") {
        Some(name) => json!({ "name": name }),
        None => json!({ "id": entry }),
    }
}

/// Whether a list that was read has an entry.
pub fn has_entry(list: &Value, entry: &str) -> bool {
    let fits = |value: &Value| match entry.strip_prefix("name=") {
        Some(name) => value.get("name").and_then(Value::as_str) == Some(name),
        None => value_id(value).as_deref() == Some(entry),
    };
    list.as_array().is_some_and(|list| list.iter().any(fits))
}

/// A value with nothing in it that differs between what is sent and what is read back: of objects the members that are
/// sent, lists in order, numbers as numbers, moments in UTC, documents without what Jira adds.
fn normal(actual: &Value, sent: &Value, shape: Shape) -> Value {
    match (shape, sent, actual) {
        (Shape::Document, _, Value::Object(_)) => canonicalize(actual),
        (Shape::Moment, _, Value::String(text)) => {
            parse_time(text).map_or_else(|_| actual.clone(), |time| json!(time.as_millisecond()))
        }
        (_, Value::Object(sent), Value::Object(actual)) => {
            let members = sent.iter().map(|(key, sent)| {
                let actual = actual.get(key).unwrap_or(&Value::Null);
                (key.clone(), normal(actual, sent, shape))
            });
            Value::Object(members.collect())
        }
        (_, Value::Array(_), Value::Null) => json!([]),
        (_, Value::Array(sent), Value::Array(actual)) => {
            let like = sent.first().unwrap_or(&Value::Null);
            let mut items: Vec<Value> = actual.iter().map(|item| normal(item, like, shape)).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        (_, _, Value::Number(number)) => number.as_f64().map_or_else(|| actual.clone(), |number| json!(number)),
        _ => actual.clone(),
    }
}
