//! From a value as it was said to the JSON that the type of its field asks for.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use crate::domain::base::words::{MAX_LISTED, listed};
use crate::domain::fields::{value_id, value_name};
use crate::domain::render::adf::size_of;
use crate::domain::render::limits;
use crate::domain::render::markdown::from_markdown;
use crate::domain::render::values::label;
use crate::jira::model::{FieldMeta, parse_time};

use super::compare::Shape;
use super::wish::Said;

/// Longest text of one line, in characters.
const MAX_LINE: usize = 255;
/// Longest document, in UTF-16 units of its JSON.
const MAX_DOCUMENT: usize = 32_767;
/// Lists that people add to as well, so that only our entries come and go.
const SHARED_LISTS: [&str; 3] = ["components", "fixVersions", "versions"];

/// Types of fields that take one text.
const ONES: [&str; 12] = [
    "string",
    "number",
    "date",
    "datetime",
    "option",
    "option-with-child",
    "version",
    "component",
    "priority",
    "securitylevel",
    "user",
    "group",
];
/// Types of the entries of fields that take several.
const LISTS_OF: [&str; 6] = ["string", "option", "version", "component", "user", "group"];

/// The value in the shape that the field's schema asks for.
pub(super) fn shaped(field: &FieldMeta, said: &Said, on_create: bool) -> Result<(Value, Shape), String> {
    let is_text = |item: &Value| item.is_string() || item.is_number();
    match said {
        Said::Json(Value::Null) => return Err("it must have exactly one of: value, json".to_owned()),
        Said::Json(Value::Array(items)) if items.iter().all(is_text) => {}
        Said::Json(value @ (Value::Object(_) | Value::Array(_) | Value::Bool(_))) => {
            return Ok((value.clone(), Shape::Plain));
        }
        Said::Text(_) | Said::Texts(_) | Said::Json(_) | Said::Rendered(_) => {}
    }
    let kind = field.schema.kind.as_str();
    if kind == "array" {
        return list(field, said, on_create);
    }
    let plain = |value: Value| Ok((value, Shape::Plain));
    let one = || said.one().ok_or_else(|| "it takes one value, not a list".to_owned());
    match kind {
        "string" if is_document(field) => {
            if let Some(made) = said.made() {
                return Ok((made.document(), Shape::Document));
            }
            let document = from_markdown(&one()?).to_value();
            let size = size_of(&document);
            if size > MAX_DOCUMENT {
                return Err(format!("the text is too long: {size} of {MAX_DOCUMENT} characters"));
            }
            Ok((document, Shape::Document))
        }
        "string" if variant(field) == "url" => {
            let text = one()?;
            let is_url = text.starts_with("https://") || text.starts_with("http://");
            if is_url && !text.contains(char::is_whitespace) {
                plain(json!(text))
            } else {
                Err(format!(
                    "{} is not an address; it begins with https:// or http://",
                    quoted(&text)
                ))
            }
        }
        "string" if said.made().is_some() => plain(json!(limits::line(&one()?))),
        "string" => line(&one()?).and_then(|text| plain(json!(text))),
        "number" => number(&one()?).and_then(plain),
        "date" => date(&one()?).and_then(plain),
        "datetime" => moment(&one()?).map(|value| (value, Shape::Moment)),
        "option" | "version" | "component" | "priority" | "securitylevel" => {
            pick(field, &one()?, on_create).and_then(plain)
        }
        "option-with-child" => cascade(field, &one()?, on_create).and_then(plain),
        "user" => account(&one()?).and_then(plain),
        "group" => plain(json!({ "name": one()? })),
        "issuelink" if field.field_id == "parent" => parent(&one()?).and_then(plain),
        _ => unknown(field, said),
    }
}

fn list(field: &FieldMeta, said: &Said, on_create: bool) -> Result<(Value, Shape), String> {
    let known = |text: &str| on_create && allowed(field, text).is_some();
    let texts = || said.many(known).ok_or_else(|| "it takes a list of texts".to_owned());
    let each = |shape: &dyn Fn(&str) -> Result<Value, String>| -> Result<Value, String> {
        let values: Result<Vec<Value>, String> = texts()?.iter().map(|text| shape(text)).collect();
        let mut values = values?;
        values.sort_by_key(Value::to_string);
        values.dedup();
        Ok(Value::Array(values))
    };
    let value = match field.schema.items.as_deref() {
        Some("string") if matches!(said, Said::Rendered(_)) => {
            let mut labels: Vec<String> = texts()?.iter().filter_map(|text| label(text)).collect();
            labels.sort();
            labels.dedup();
            json!(labels)
        }
        Some("string") => each(&|text| {
            let text = line(text)?;
            if text.contains(char::is_whitespace) {
                return Err(format!(
                    "{} contains a space, which Jira refuses in a label",
                    quoted(text)
                ));
            }
            Ok(json!(text))
        })?,
        Some("option" | "version" | "component") => each(&|text| pick(field, text, on_create))?,
        Some("user") => each(&|text| account(text))?,
        Some("group") => each(&|text| Ok(json!({ "name": text })))?,
        _ => return unknown(field, said),
    };
    Ok((value, list_shape(field)))
}

fn unknown(field: &FieldMeta, said: &Said) -> Result<(Value, Shape), String> {
    Ok((said.raw().ok_or_else(|| takes_json(field))?, Shape::Plain))
}

fn takes_json(field: &FieldMeta) -> String {
    let kind = field.schema.custom.as_deref().unwrap_or(&field.schema.kind);
    format!("fields of type {kind} take json, not value")
}

/// Checks that a field can be given as text, before it is known which.
pub(super) fn check_text(field: &FieldMeta) -> Result<(), String> {
    let is_known = match field.schema.kind.as_str() {
        "array" => LISTS_OF.contains(&field.schema.items.as_deref().unwrap_or_default()),
        "issuelink" => field.field_id == "parent",
        kind => ONES.contains(&kind),
    };
    is_known.then_some(()).ok_or_else(|| takes_json(field))
}

/// What a field is when there is nothing in it.
pub(super) fn nothing(field: &FieldMeta) -> (Value, Shape) {
    match field.schema.kind.as_str() {
        "array" => (json!([]), list_shape(field)),
        "datetime" => (Value::Null, Shape::Moment),
        "string" if is_document(field) => (Value::Null, Shape::Document),
        _ => (Value::Null, Shape::Plain),
    }
}

fn list_shape(field: &FieldMeta) -> Shape {
    if SHARED_LISTS.contains(&field.field_id.as_str()) {
        Shape::SharedList
    } else {
        Shape::Plain
    }
}

/// Key or id of an issue.
fn parent(text: &str) -> Result<Value, String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number(text) {
        return Ok(json!({ "id": text }));
    }
    let project = |text: &str| {
        let mut bytes = text.bytes();
        let rest = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        bytes.next().is_some_and(|byte| byte.is_ascii_uppercase()) && bytes.all(rest)
    };
    match text.split_once('-') {
        Some((before, number)) if project(before) && is_number(number) => Ok(json!({ "key": text })),
        _ => Err(format!("{} is not the key or id of an issue", quoted(text))),
    }
}

/// A value for a message; what comes out of findings may be long.
fn quoted(text: &str) -> String {
    let mut quoted: String = text.chars().take(80).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    format!("{quoted:?}")
}

/// The last part of a custom field's type key.
fn variant(field: &FieldMeta) -> &str {
    let custom = field.schema.custom.as_deref().unwrap_or_default();
    custom.rsplit(':').next().unwrap_or_default()
}

fn is_document(field: &FieldMeta) -> bool {
    variant(field) == "textarea" || field.field_id == "environment"
}

fn line(text: &str) -> Result<&str, String> {
    if text.contains(['\n', '\r']) {
        return Err("it takes a text of one line".to_owned());
    }
    let length = text.chars().count();
    if length > MAX_LINE {
        return Err(format!("the text is too long: {length} of {MAX_LINE} characters"));
    }
    Ok(text)
}

fn number(text: &str) -> Result<Value, String> {
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(json!(whole));
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number
        .map(|number| json!(number))
        .ok_or_else(|| format!("{} is not a number", quoted(text)))
}

fn date(text: &str) -> Result<Value, String> {
    let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    date.map(|_| json!(text))
        .ok_or_else(|| format!("{} is not a date; write it as 2026-11-30", quoted(text)))
}

fn moment(text: &str) -> Result<Value, String> {
    let time: Timestamp =
        parse_time(text).map_err(|_| format!("{} is not a moment; write it as 2026-11-30T14:39:00Z", quoted(text)))?;
    Ok(json!(time.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()))
}

fn account(text: &str) -> Result<Value, String> {
    if text.contains('@') || text.contains(char::is_whitespace) || text.is_empty() {
        return Err(format!(
            "{} is not an account id; people are given by the id of their account",
            quoted(text)
        ));
    }
    Ok(json!({ "accountId": text }))
}

fn allowed<'a>(field: &'a FieldMeta, text: &str) -> Option<&'a Value> {
    let values = &field.allowed_values;
    let named = |value: &&Value| value_name(value).as_deref() == Some(text);
    let likely = |value: &&Value| value_name(value).is_some_and(|name| name.to_lowercase() == text.to_lowercase());
    values
        .iter()
        .find(|value| value_id(value).as_deref() == Some(text))
        .or_else(|| values.iter().find(named))
        .or_else(|| values.iter().find(likely))
}

/// One of the allowed values, by id. What is allowed is known only of fields on the create screen.
fn pick(field: &FieldMeta, text: &str, on_create: bool) -> Result<Value, String> {
    if !on_create {
        let is_option = field.schema.kind.starts_with("option") || field.schema.items.as_deref() == Some("option");
        let by = if is_option { "value" } else { "name" };
        return Ok(json!({ by: text }));
    }
    let Some(value) = allowed(field, text) else {
        let names: Vec<String> = field
            .allowed_values
            .iter()
            .filter(|value| !is_retired(value))
            .filter_map(value_name)
            .map(|name| if name.contains(',') { quoted(&name) } else { name })
            .collect();
        return Err(format!(
            "{} is not allowed; it can be {}",
            quoted(text),
            listed(&names, MAX_LISTED)
        ));
    };
    if is_retired(value) {
        return Err(format!("{} is archived or disabled", quoted(text)));
    }
    let id = value_id(value).ok_or_else(|| format!("{} has no id", quoted(text)))?;
    Ok(json!({ "id": id }))
}

fn is_retired(value: &Value) -> bool {
    ["archived", "disabled"]
        .iter()
        .any(|member| value.get(member).and_then(Value::as_bool) == Some(true))
}

/// `Parent` or `Parent > Child`.
fn cascade(field: &FieldMeta, text: &str, on_create: bool) -> Result<Value, String> {
    let whole = on_create && allowed(field, text).is_some();
    let Some((parent, child)) = text.split_once('>').filter(|_| !whole) else {
        return pick(field, text, on_create);
    };
    let (parent, child) = (parent.trim(), child.trim());
    let mut value = pick(field, parent, on_create)?;
    let children = allowed(field, parent).and_then(|value| value.get("children")?.as_array());
    let child = match children.filter(|_| on_create) {
        Some(children) => {
            let below = FieldMeta {
                allowed_values: children.clone(),
                ..FieldMeta::default()
            };
            pick(&below, child, true).map_err(|message| format!("below {parent}: {message}"))?
        }
        None => json!({ "value": child }),
    };
    if let Value::Object(members) = &mut value {
        let _: Option<Value> = Map::insert(members, "child".to_owned(), child);
    }
    Ok(value)
}
