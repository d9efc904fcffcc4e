//! From what a configuration says about fields to the JSON that Jira takes for them.
//!
//! Each wish is matched to a field by id or by name, shaped by the field's schema and checked against the values Jira
//! allows. What goes wrong is told per field; nothing is sent that is known to be refused. Pure: what Jira accepts comes
//! in as data.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use crate::api::fields::{Assignee, CustomField, DueDate, Fields};
use crate::api::{SecurityFinding, Severity};
use crate::jira::model::{FieldMeta, SiteField, parse_time};
use crate::jira::{AssigneeWish, ProjectMeta};

use super::configuration::{MAX_LISTED, listed, value_id, value_name};
use super::content::short_hash;
use super::render::adf::canonicalize;
use super::render::markdown::from_markdown;

/// Field of the due date.
const DUE_DATE: &str = "duedate";
/// Longest text of one line, in characters.
const MAX_LINE: usize = 255;
/// Longest document, in UTF-16 units of its JSON.
const MAX_DOCUMENT: usize = 32_767;
/// Lists that people add to as well, so that only our entries come and go.
const SHARED_LISTS: [&str; 3] = ["components", "fixVersions", "versions"];
/// Fields that are set by other parts of a configuration or by nobody, with what to use in their place.
const NOT_HERE: [(&str, &str); 10] = [
    ("project", "use projectKey"),
    ("issuetype", "use issueType"),
    ("summary", "it is made from the finding"),
    ("description", "it is made from the finding"),
    ("labels", "use fields.labels"),
    ("priority", "use priority.remap"),
    ("assignee", "use assignee"),
    ("duedate", "use fields.dueDate"),
    ("status", "it follows the finding (statusSync)"),
    ("resolution", "it is set by transitions"),
];

/// A wish that cannot be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field as the user named it.
    pub field: String,
    /// What is wrong and how to cure it.
    pub message: String,
}

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

/// One field with the value that is sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypedField {
    /// Id of the field.
    pub id: String,
    /// The value.
    pub value: Value,
    /// How it is compared.
    pub shape: Shape,
    /// Whether it can be sent with the creation (T15). If not, it is sent by an edit afterwards.
    pub on_create: bool,
}

/// All fields of a configuration, as they are sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypedFields {
    /// Those that are the same for every issue.
    pub fields: Vec<TypedField>,
    /// The due date, which depends on the findings; whether it can be sent with the creation.
    pub due_date: Option<(DueDate, bool)>,
}

impl TypedFields {
    /// Ids of the fields, for reading them.
    pub fn ids(&self) -> impl Iterator<Item = String> + '_ {
        let due = self.due_date.iter().map(|_| DUE_DATE.to_owned());
        self.fields.iter().map(|field| field.id.clone()).chain(due)
    }

    /// The fields of the issue that stands for these findings, whose severity it has.
    pub fn of(&self, findings: &[&SecurityFinding], severity: Severity) -> Vec<TypedField> {
        let mut fields = self.fields.clone();
        if let Some((periods, on_create)) = &self.due_date
            && let Some(date) = due_date(periods, findings, severity)
        {
            fields.push(TypedField {
                id: DUE_DATE.to_owned(),
                value: json!(date.to_string()),
                shape: Shape::Plain,
                on_create: *on_create,
            });
        }
        fields
    }
}

/// The earliest due date of the findings: first seen, else created, plus the period; by the calendar of UTC.
fn due_date(periods: &DueDate, findings: &[&SecurityFinding], severity: Severity) -> Option<Date> {
    let period = SignedDuration::try_from(periods.of(severity)?.0).ok()?;
    let since = |finding: &&SecurityFinding| {
        let seen = finding.spec.first_seen.as_ref();
        seen.or(finding.metadata.creation_timestamp.as_ref()).map(|time| time.0)
    };
    let first = findings.iter().filter_map(since).min()?;
    let due = first.checked_add(period).ok()?;
    Some(due.to_zoned(TimeZone::UTC).date())
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

/// What a user said about one field.
struct Wish<'a> {
    /// How the user named it.
    label: &'a str,
    /// Id or name to look for.
    wanted: &'a str,
    said: Said,
}

/// A value as it was said. Texts may come out of templates before they get here.
#[derive(Clone, Debug)]
enum Said {
    Text(String),
    Texts(Vec<String>),
    Json(Value),
}

impl Said {
    fn of(custom: &CustomField) -> Option<Self> {
        match (&custom.value, &custom.json) {
            (Some(text), None) => Some(Self::Text(text.clone())),
            (None, Some(value)) => Some(Self::Json(value.clone())),
            _ => None,
        }
    }

    /// The one text that it is, if it is one.
    fn one(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.trim().to_owned()),
            Self::Json(value @ (Value::String(_) | Value::Number(_))) => Some(text_of(value).trim().to_owned()),
            Self::Texts(texts) if texts.len() == 1 => texts.first().map(|text| text.trim().to_owned()),
            Self::Texts(_) | Self::Json(_) => None,
        }
    }

    /// The texts that it is: listed, or separated by commas or lines, unless the whole is `known`.
    fn many(&self, known: impl Fn(&str) -> bool) -> Option<Vec<String>> {
        match self {
            Self::Texts(texts) => Some(texts.iter().map(|text| text.trim().to_owned()).collect()),
            Self::Json(Value::Array(items)) => Some(items.iter().map(|item| text_of(item).trim().to_owned()).collect()),
            Self::Text(_) | Self::Json(_) => {
                let text = self.one()?;
                if known(&text) {
                    return Some(vec![text]);
                }
                let parts = text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
                Some(parts.map(str::to_owned).collect())
            }
        }
    }

    /// The value as it is, for types this program does not know.
    fn raw(&self) -> Option<Value> {
        match self {
            Self::Text(_) => None,
            Self::Texts(texts) => Some(json!(texts)),
            Self::Json(value) => Some(value.clone()),
        }
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn wishes(fields: &Fields) -> Vec<Wish<'_>> {
    let wish = |label: &'static str, wanted: &'static str, said: Said| Wish { label, wanted, said };
    let list = |values: &Vec<String>| (!values.is_empty()).then(|| Said::Texts(values.clone()));
    let text = |value: &Option<String>| value.clone().map(Said::Text);
    let known = [
        ("components", "components", list(&fields.components)),
        ("fixVersions", "fixVersions", list(&fields.fix_versions)),
        ("affectsVersions", "versions", list(&fields.affects_versions)),
        ("parent", "parent", text(&fields.parent)),
        ("environment", "environment", text(&fields.environment)),
        ("securityLevel", "security", text(&fields.security_level)),
    ];
    let known = known
        .into_iter()
        .filter_map(|(label, wanted, said)| Some(wish(label, wanted, said?)));
    let custom = fields.custom.iter().map(|custom| Wish {
        label: &custom.field,
        wanted: &custom.field,
        said: Said::of(custom).unwrap_or(Said::Json(Value::Null)),
    });
    known.chain(custom).collect()
}

fn is_called(field: &FieldMeta, wanted: &str) -> bool {
    field.field_id == wanted || field.name.to_lowercase() == wanted.to_lowercase()
}

/// Whether a configuration gives a field a value on every issue.
pub fn fills(fields: &Fields, field: &FieldMeta) -> bool {
    let every = |due: &DueDate| Severity::ALL.iter().all(|severity| due.of(*severity).is_some());
    let dated = field.field_id == DUE_DATE && fields.due_date.as_ref().is_some_and(every);
    dated || wishes(fields).iter().any(|wish| is_called(field, wish.wanted))
}

/// Whether all fields are on the create screen, so that no other need be known.
pub fn all_on_screen(fields: &Fields, project: &ProjectMeta) -> bool {
    let on_screen = |wanted: &str| project.fields.iter().any(|field| is_called(field, wanted));
    wishes(fields).iter().all(|wish| on_screen(wish.wanted))
}

/// The fields that issues of a project may have besides those on its create screen.
pub fn elsewhere(site: &[SiteField], project: &ProjectMeta) -> Vec<FieldMeta> {
    let here = |field: &&SiteField| {
        let scope = field.scope.as_ref().and_then(|scope| scope.project.as_ref());
        project.field(&field.id).is_none() && scope.is_none_or(|of| of.id == project.project_id)
    };
    let meta = |field: &SiteField| {
        Some(FieldMeta {
            field_id: field.id.clone(),
            key: field.id.clone(),
            name: field.name.clone(),
            schema: field.schema.clone()?,
            ..FieldMeta::default()
        })
    };
    site.iter().filter(here).filter_map(meta).collect()
}

/// Types all fields of a configuration for a project. `elsewhere` are fields that are not on its create screen.
///
/// # Errors
///
/// Every wish that cannot be fulfilled.
pub fn resolve(
    fields: &Fields,
    project: &ProjectMeta,
    elsewhere: &[FieldMeta],
) -> Result<TypedFields, Vec<FieldProblem>> {
    let mut typed = TypedFields {
        fields: Vec::new(),
        due_date: fields
            .due_date
            .clone()
            .map(|due| (due, project.field(DUE_DATE).is_some())),
    };
    let mut problems = Vec::new();
    for wish in wishes(fields) {
        let is_custom = fields.custom.iter().any(|custom| custom.field == wish.label);
        match type_one(&wish, is_custom, project, elsewhere) {
            Ok(field) if typed.fields.iter().any(|other| other.id == field.id) => problems.push(FieldProblem {
                field: wish.label.to_owned(),
                message: format!("{} is given twice", field.id),
            }),
            Ok(field) => typed.fields.push(field),
            Err(message) => problems.push(FieldProblem {
                field: wish.label.to_owned(),
                message,
            }),
        }
    }
    if problems.is_empty() { Ok(typed) } else { Err(problems) }
}

fn type_one(
    wish: &Wish<'_>,
    is_custom: bool,
    project: &ProjectMeta,
    elsewhere: &[FieldMeta],
) -> Result<TypedField, String> {
    let (field, on_create) = find(wish.wanted, project, elsewhere)?;
    if is_custom && let Some((_, cure)) = NOT_HERE.iter().find(|(id, _)| *id == field.field_id) {
        return Err(format!("{} is not set here; {cure}", field.field_id));
    }
    let (value, shape) = shaped(field, &wish.said, on_create)?;
    Ok(TypedField {
        id: field.field_id.clone(),
        value,
        shape,
        on_create,
    })
}

fn find<'a>(
    wanted: &str,
    project: &'a ProjectMeta,
    elsewhere: &'a [FieldMeta],
) -> Result<(&'a FieldMeta, bool), String> {
    for (among, on_create) in [(&project.fields[..], true), (elsewhere, false)] {
        if let Some(field) = among.iter().find(|field| field.field_id == wanted) {
            return Ok((field, on_create));
        }
    }
    for (among, on_create) in [(&project.fields[..], true), (elsewhere, false)] {
        let named: Vec<&FieldMeta> = among.iter().filter(|field| is_called(field, wanted)).collect();
        match named[..] {
            [] => {}
            [field] => return Ok((field, on_create)),
            _ => {
                let ids: Vec<String> = named.iter().map(|field| field.field_id.clone()).collect();
                let ids = listed(&ids, MAX_LISTED);
                return Err(format!("several fields have this name; use the id, one of {ids}"));
            }
        }
    }
    let names: Vec<String> = project.fields.iter().map(|field| field.name.clone()).collect();
    Err(format!(
        "there is no such field; the create screen of {} in {} has {}",
        project.issue_type.name,
        project.key,
        listed(&names, 3 * MAX_LISTED)
    ))
}

/// The value in the shape that the field's schema asks for.
fn shaped(field: &FieldMeta, said: &Said, on_create: bool) -> Result<(Value, Shape), String> {
    let is_text = |item: &Value| item.is_string() || item.is_number();
    match said {
        Said::Json(Value::Null) => return Err("it must have exactly one of: value, json".to_owned()),
        Said::Json(Value::Array(items)) if items.iter().all(is_text) => {}
        Said::Json(value @ (Value::Object(_) | Value::Array(_) | Value::Bool(_))) => {
            return Ok((value.clone(), Shape::Plain));
        }
        Said::Text(_) | Said::Texts(_) | Said::Json(_) => {}
    }
    let kind = field.schema.kind.as_str();
    if kind == "array" {
        return list(field, said, on_create);
    }
    let plain = |value: Value| Ok((value, Shape::Plain));
    let one = || said.one().ok_or_else(|| "it takes one value, not a list".to_owned());
    match kind {
        "string" if is_document(field) => {
            let document = from_markdown(&one()?).to_value();
            let size = super::render::adf::size_of(&document);
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
                    "{text:?} is not an address; it begins with https:// or http://"
                ))
            }
        }
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
        "issuelink" if field.field_id == "parent" => {
            let text = one()?;
            let by = if text.bytes().all(|byte| byte.is_ascii_digit()) {
                "id"
            } else {
                "key"
            };
            plain(json!({ by: text }))
        }
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
        Some("string") => each(&|text| {
            let text = line(text)?;
            if text.contains(char::is_whitespace) {
                return Err(format!("{text:?} contains a space, which Jira refuses in a label"));
            }
            Ok(json!(text))
        })?,
        Some("option" | "version" | "component") => each(&|text| pick(field, text, on_create))?,
        Some("user") => each(&|text| account(text))?,
        Some("group") => each(&|text| Ok(json!({ "name": text })))?,
        _ => return unknown(field, said),
    };
    let shared = SHARED_LISTS.contains(&field.field_id.as_str());
    Ok((value, if shared { Shape::SharedList } else { Shape::Plain }))
}

fn unknown(field: &FieldMeta, said: &Said) -> Result<(Value, Shape), String> {
    let schema = &field.schema;
    let kind = schema.custom.as_deref().unwrap_or(&schema.kind);
    let raw = said
        .raw()
        .ok_or_else(|| format!("fields of type {kind} take json, not value"))?;
    Ok((raw, Shape::Plain))
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
        .ok_or_else(|| format!("{text:?} is not a number"))
}

fn date(text: &str) -> Result<Value, String> {
    let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    date.map(|_| json!(text))
        .ok_or_else(|| format!("{text:?} is not a date; write it as 2026-11-30"))
}

fn moment(text: &str) -> Result<Value, String> {
    let time: Timestamp =
        parse_time(text).map_err(|_| format!("{text:?} is not a moment; write it as 2026-11-30T14:39:00Z"))?;
    Ok(json!(time.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()))
}

fn account(text: &str) -> Result<Value, String> {
    if text.contains('@') || text.contains(char::is_whitespace) || text.is_empty() {
        return Err(format!(
            "{text:?} is not an account id; people are given by the id of their account"
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
            .collect();
        return Err(format!(
            "{text:?} is not allowed; it can be {}",
            listed(&names, MAX_LISTED)
        ));
    };
    if is_retired(value) {
        return Err(format!("{text:?} is archived or disabled"));
    }
    let id = value_id(value).ok_or_else(|| format!("{text:?} has no id"))?;
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

impl From<&Assignee> for AssigneeWish {
    fn from(wish: &Assignee) -> Self {
        Self {
            account_id: wish.account_id.clone(),
            email: wish.email.clone(),
            unassigned: wish.unassigned,
        }
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "`json!` reads best where it is passed")]
mod tests {
    use crate::jira::model::IssueTypeMeta;

    use super::*;

    fn project() -> ProjectMeta {
        let options = json!([
            {"id": "1", "value": "Europe", "children": [{"id": "11", "value": "Berlin"}, {"id": "12", "value": "Rome"}]},
            {"id": "2", "value": "Asia, Pacific"},
            {"id": "3", "value": "Moon", "disabled": true},
        ]);
        let custom = |name: &str| format!("com.atlassian.jira.plugin.system.customfieldtypes:{name}");
        let fields = json!([
            {"fieldId": "summary", "name": "Summary", "schema": {"type": "string", "system": "summary"}},
            {"fieldId": "duedate", "name": "Due date", "schema": {"type": "date", "system": "duedate"}},
            {"fieldId": "components", "name": "Components", "schema": {"type": "array", "items": "component"},
                "allowedValues": [{"id": "100", "name": "cluster"}, {"id": "101", "name": "images"}]},
            {"fieldId": "fixVersions", "name": "Fix versions", "schema": {"type": "array", "items": "version"},
                "allowedValues": [{"id": "200", "name": "1.0", "archived": true}, {"id": "201", "name": "2.0"}]},
            {"fieldId": "cf_select", "name": "Region", "schema": {"type": "option", "custom": custom("select")},
                "allowedValues": options},
            {"fieldId": "cf_multi", "name": "Regions", "schema": {"type": "array", "items": "option", "custom": custom("multicheckboxes")},
                "allowedValues": options},
            {"fieldId": "cf_cascade", "name": "Place", "schema": {"type": "option-with-child", "custom": custom("cascadingselect")},
                "allowedValues": options},
            {"fieldId": "cf_line", "name": "Line", "schema": {"type": "string", "custom": custom("textfield")}},
            {"fieldId": "cf_area", "name": "Area", "schema": {"type": "string", "custom": custom("textarea")}},
            {"fieldId": "cf_url", "name": "Link", "schema": {"type": "string", "custom": custom("url")}},
            {"fieldId": "cf_number", "name": "Score", "schema": {"type": "number", "custom": custom("float")}},
            {"fieldId": "cf_date", "name": "Day", "schema": {"type": "date", "custom": custom("datepicker")}},
            {"fieldId": "cf_time", "name": "Moment", "schema": {"type": "datetime", "custom": custom("datetime")}},
            {"fieldId": "cf_labels", "name": "Tags", "schema": {"type": "array", "items": "string", "custom": custom("labels")}},
            {"fieldId": "cf_user", "name": "Contact", "schema": {"type": "user", "custom": custom("userpicker")}},
            {"fieldId": "cf_users", "name": "Contacts", "schema": {"type": "array", "items": "user", "custom": custom("multiuserpicker")}},
            {"fieldId": "cf_group", "name": "Group", "schema": {"type": "group", "custom": custom("grouppicker")}},
            {"fieldId": "cf_odd", "name": "Odd", "schema": {"type": "any", "custom": "com.example:odd"}},
            {"fieldId": "cf_twin1", "name": "Twin", "schema": {"type": "string", "custom": custom("textfield")}},
            {"fieldId": "cf_twin2", "name": "twin", "schema": {"type": "string", "custom": custom("textfield")}},
        ]);
        ProjectMeta {
            project_id: "1".into(),
            key: "SEC".into(),
            name: "Security".into(),
            issue_type: IssueTypeMeta::default(),
            fields: serde_json::from_value(fields).unwrap(),
            statuses: vec![],
            priorities: vec![],
        }
    }

    fn elsewhere_fields() -> Vec<FieldMeta> {
        let site = json!([
            {"id": "parent", "name": "Parent", "schema": {"type": "issuelink", "system": "parent"}},
            {"id": "security", "name": "Security Level", "schema": {"type": "securitylevel", "system": "security"}},
            {"id": "cf_line", "name": "Line", "schema": {"type": "string"}},
            {"id": "cf_off", "name": "Off screen", "schema": {"type": "option"}},
            {"id": "cf_theirs", "name": "Off screen", "schema": {"type": "option"}, "scope": {"type": "PROJECT", "project": {"id": "9"}}},
            {"id": "thumbnail", "name": "Images"},
        ]);
        let site: Vec<SiteField> = serde_json::from_value(site).unwrap();
        elsewhere(&site, &project())
    }

    fn typed(fields: Value) -> Result<TypedFields, Vec<FieldProblem>> {
        resolve(
            &serde_json::from_value(fields).unwrap(),
            &project(),
            &elsewhere_fields(),
        )
    }

    fn value(field: &str, member: &str, said: Value) -> Result<Value, String> {
        match typed(json!({"custom": [{"field": field, member: said}]})) {
            Ok(typed) => Ok(typed.fields[0].value.clone()),
            Err(problems) => Err(problems[0].message.clone()),
        }
    }

    #[test]
    fn each_type_gets_its_shape() {
        for (field, text, sent) in [
            ("region", "europe", json!({"id": "1"})),
            ("cf_select", "2", json!({"id": "2"})),
            ("Regions", "Asia, Pacific", json!([{"id": "2"}])),
            ("Regions", "Europe\nAsia, Pacific", Value::Null),
            ("Place", "Europe > Rome", json!({"id": "1", "child": {"id": "12"}})),
            ("Place", "Europe", json!({"id": "1"})),
            ("Line", " one line ", json!("one line")),
            ("Link", "https://a.test/x", json!("https://a.test/x")),
            ("Score", "7", json!(7)),
            ("Score", "7.5", json!(7.5)),
            ("Day", "2026-11-30", json!("2026-11-30")),
            (
                "Moment",
                "2026-11-30T14:39:00+02:00",
                json!("2026-11-30T12:39:00.000+0000"),
            ),
            ("Tags", "a, b", json!(["a", "b"])),
            ("Contact", "5b10:ac", json!({"accountId": "5b10:ac"})),
            ("Contacts", "a,b", json!([{"accountId": "a"}, {"accountId": "b"}])),
            ("Group", "staff", json!({"name": "staff"})),
        ] {
            match value(field, "value", json!(text)) {
                Ok(typed) => assert_eq!(typed, sent, "{field}: {text}"),
                Err(message) => assert!(sent.is_null(), "{field}: {message}"),
            }
        }
        assert_eq!(value("Area", "value", json!("a **b**")).unwrap()["type"], "doc");
        let listed = json!(["Europe", "Asia, Pacific"]);
        assert_eq!(
            value("Regions", "json", listed).unwrap(),
            json!([{"id": "1"}, {"id": "2"}])
        );
        assert_eq!(value("Score", "json", json!(3)).unwrap(), json!(3));
        assert_eq!(value("Odd", "json", json!({"a": [1]})).unwrap(), json!({"a": [1]}));
        assert_eq!(value("Odd", "json", json!("text")).unwrap(), json!("text"));
        assert_eq!(value("Odd", "json", json!([1, "a"])).unwrap(), json!([1, "a"]));
        assert_eq!(
            value("Regions", "json", json!([{"value": "x"}])).unwrap(),
            json!([{"value": "x"}])
        );
        assert!(value("Line", "json", json!(["a", "b"])).is_err());
    }

    #[test]
    fn what_jira_would_refuse_is_told() {
        for (field, text, told) in [
            ("Colour", "red", "no such field"),
            ("Twin", "x", "use the id, one of cf_twin1, cf_twin2"),
            ("Region", "Mars", "it can be Europe, Asia, Pacific"),
            ("Region", "Moon", "archived or disabled"),
            ("Place", "Europe > Oslo", "it can be Berlin, Rome"),
            ("Line", "two\nlines", "one line"),
            ("Link", "javascript:alert(1)", "https://"),
            ("Score", "many", "not a number"),
            ("Score", "NaN", "not a number"),
            ("Day", "30.11.2026", "not a date"),
            ("Day", "2026-11-30T00:00:00Z", "not a date"),
            ("Moment", "noon", "not a moment"),
            ("Tags", "a b", "space"),
            ("Contact", "mia@acme.test", "account"),
            ("Odd", "x", "take json"),
            ("Summary", "x", "made from the finding"),
        ] {
            let message = value(field, "value", json!(text)).unwrap_err();
            assert!(message.contains(told), "{field}: {message}");
        }
        let both = typed(json!({"custom": [{"field": "Line", "value": "x", "json": 1}]})).unwrap_err();
        assert!(both[0].message.contains("exactly one of"), "{both:?}");
        let problems = typed(json!({"components": ["cluster", "moon"], "fixVersions": ["1.0"],
            "custom": [{"field": "Line", "value": "a"}, {"field": "cf_line", "value": "b"}]}))
        .unwrap_err();
        let told: Vec<String> = problems
            .iter()
            .map(|one| format!("{}: {}", one.field, one.message))
            .collect();
        assert_eq!(
            told,
            [
                "components: \"moon\" is not allowed; it can be cluster, images",
                "fixVersions: \"1.0\" is archived or disabled",
                "cf_line: cf_line is given twice",
            ]
        );
    }

    #[test]
    fn fields_off_the_create_screen_are_set_afterwards() {
        let fields = json!({"parent": "SEC-1", "securityLevel": "Internal", "dueDate": {"High": "7d"},
            "custom": [{"field": "off SCREEN", "value": "x"}]});
        let typed = typed(fields).unwrap();
        let sent: Vec<(&str, &Value, bool)> = typed
            .fields
            .iter()
            .map(|one| (one.id.as_str(), &one.value, one.on_create))
            .collect();
        assert_eq!(
            sent,
            [
                ("parent", &json!({"key": "SEC-1"}), false),
                ("security", &json!({"name": "Internal"}), false),
                ("cf_off", &json!({"value": "x"}), false),
            ]
        );
        assert!(typed.due_date.as_ref().is_some_and(|(_, on_create)| *on_create));
    }

    #[test]
    fn what_is_read_back_is_the_same_as_what_was_sent() {
        let field = |value: Value, shape: Shape| TypedField {
            value,
            shape,
            ..TypedField::default()
        };
        for (sent, read, shape) in [
            (
                json!({"id": "1"}),
                json!({"id": "1", "value": "Europe", "self": "x"}),
                Shape::Plain,
            ),
            (
                json!([{"id": "1"}, {"id": "2"}]),
                json!([{"id": "2", "value": "b"}, {"id": "1", "value": "a"}]),
                Shape::Plain,
            ),
            (
                json!({"id": "1", "child": {"id": "2"}}),
                json!({"id": "1", "value": "a", "child": {"id": "2", "value": "b"}}),
                Shape::Plain,
            ),
            (json!(7), json!(7.0), Shape::Plain),
            (
                json!("2026-11-30T12:39:00.000+0000"),
                json!("2026-11-30T09:39:00.000-0300"),
                Shape::Moment,
            ),
            (json!([]), Value::Null, Shape::Plain),
        ] {
            let field = field(sent, shape);
            assert_eq!(field.hash(), field.hash_of(&read), "{read}");
        }
        let europe = field(json!({"id": "1"}), Shape::Plain);
        assert_ne!(europe.hash(), europe.hash_of(&json!({"id": "2"})));
        assert_ne!(europe.hash(), europe.hash_of(&Value::Null));
    }

    #[test]
    fn the_earliest_finding_makes_the_due_date() {
        let finding = |spec: Value| -> SecurityFinding {
            serde_json::from_value(json!({
                "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
                "metadata": {"name": "f", "creationTimestamp": "2026-03-10T23:30:00Z"}, "spec": spec,
            }))
            .unwrap()
        };
        let created = finding(json!({"title": "t"}));
        let earlier = finding(json!({"title": "t", "firstSeen": "2026-03-01T12:00:00Z"}));
        let periods: DueDate = serde_json::from_value(json!({"High": "7d", "Low": "1h"})).unwrap();
        let due =
            |findings: &[&SecurityFinding], severity| due_date(&periods, findings, severity).map(|d| d.to_string());
        assert_eq!(due(&[&created], Severity::High).as_deref(), Some("2026-03-17"));
        assert_eq!(
            due(&[&created, &earlier], Severity::High).as_deref(),
            Some("2026-03-08")
        );
        assert_eq!(due(&[&created], Severity::Low).as_deref(), Some("2026-03-11"));
        assert_eq!(due(&[&created], Severity::Critical), None);
    }
}
