//! How the values that Jira allows for a field are named in messages.

use serde_json::Value;

use crate::domain::base::words::{MAX_LISTED, listed};
use crate::jira::model::FieldMeta;

/// A field with its id and some of its allowed values.
pub(crate) fn describe(field: &FieldMeta) -> String {
    let values: Vec<String> = field.allowed_values.iter().filter_map(value_name).collect();
    let allowed = if values.is_empty() {
        String::new()
    } else {
        format!(", one of {}", listed(&values, MAX_LISTED))
    };
    format!("{} ({}{allowed})", field.name, field.field_id)
}

/// The name of an allowed value.
pub(crate) fn value_name(value: &Value) -> Option<String> {
    ["name", "value", "key", "id"]
        .iter()
        .find_map(|member| value.get(member)?.as_str())
        .map(str::to_owned)
}

/// The id of an allowed value.
pub(crate) fn value_id(value: &Value) -> Option<String> {
    match value.get("id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}
