//! The parts of Jira's documents that this program reads and writes.
//!
//! Reading is lenient: unknown members are ignored, ids are strings whether Jira sends a string or a number, and an
//! absent list is an empty one. Writing is exact: what is not set is not sent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An account (`/myself`, assignees, comment authors).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    /// The only stable identity of a user.
    pub account_id: String,
    /// `atlassian`, `app` or `customer`.
    #[serde(deserialize_with = "or_default")]
    pub account_type: String,
    /// Name for people; not unique.
    #[serde(deserialize_with = "or_default")]
    pub display_name: String,
    /// Hidden by the privacy settings of many: then absent or empty.
    #[serde(deserialize_with = "or_default")]
    pub email_address: String,
    /// Whether the account may log in and be assigned.
    #[serde(deserialize_with = "or_default")]
    pub active: bool,
    /// IANA zone in which Jira reads absolute dates of this account's JQL; only `/myself` tells it.
    pub time_zone: Option<String>,
}

/// `GET /serverInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerInfo {
    /// URL of the site for people, also when asked through the gateway.
    #[serde(deserialize_with = "or_default")]
    pub base_url: String,
    /// `Cloud`, or `Server`/`DataCenter` for a product this program does not speak to.
    #[serde(deserialize_with = "or_default")]
    pub deployment_type: String,
    /// Version for people.
    #[serde(deserialize_with = "or_default")]
    pub version: String,
    /// The site's clock.
    #[serde(deserialize_with = "optional_time")]
    pub server_time: Option<Timestamp>,
}

/// A project with what `GET /project/{key}` tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Project {
    /// Stable id.
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// Key, upper case; changes when the project is re-keyed.
    pub key: String,
    /// Name for people.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// `classic` or `next-gen`.
    pub style: Option<String>,
    /// Whether it is team-managed.
    #[serde(deserialize_with = "or_default")]
    pub simplified: bool,
    /// Whether it is archived: read-only and out of search (trap T21).
    #[serde(deserialize_with = "or_default")]
    pub archived: bool,
    /// Its issue types, also those this account may not create.
    #[serde(deserialize_with = "or_default")]
    pub issue_types: Vec<IssueTypeMeta>,
}

/// An issue type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IssueTypeMeta {
    /// Stable id.
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// Name; may be translated and renamed (trap T20).
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Whether issues of it need a parent.
    #[serde(deserialize_with = "or_default")]
    pub subtask: bool,
}

/// A field of a create or transition screen.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldMeta {
    /// Id such as `summary` or `customfield_10010`.
    #[serde(deserialize_with = "or_default")]
    pub field_id: String,
    /// Usually the same as the id.
    #[serde(deserialize_with = "or_default")]
    pub key: String,
    /// Name for people; not unique.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Whether Jira refuses the screen without a value. Validators may demand more than this tells (trap T11).
    #[serde(deserialize_with = "or_default")]
    pub required: bool,
    /// Whether Jira fills it when nothing is sent.
    #[serde(deserialize_with = "or_default")]
    pub has_default_value: bool,
    /// What a value looks like.
    #[serde(deserialize_with = "or_default")]
    pub schema: FieldSchema,
    /// The values to choose from, as Jira wrote them; empty when free or looked up elsewhere (users).
    #[serde(deserialize_with = "or_default")]
    pub allowed_values: Vec<Value>,
    /// Verbs that `update` accepts: `set`, `add`, `remove`, `edit`, `copy`.
    #[serde(deserialize_with = "or_default")]
    pub operations: Vec<String>,
}

/// The type of a field's value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldSchema {
    /// `string`, `number`, `date`, `datetime`, `array`, `option`, `user`, ...
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// Type of the elements of an array.
    pub items: Option<String>,
    /// Name of a system field.
    pub system: Option<String>,
    /// Type key of a custom field, such as `com.atlassian.jira.plugin.system.customfieldtypes:textarea`.
    pub custom: Option<String>,
    /// Number of a custom field.
    pub custom_id: Option<i64>,
}

/// A field of the site (`GET /field`), on whatever screen it is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SiteField {
    /// Id such as `summary` or `customfield_10010`.
    #[serde(deserialize_with = "or_default")]
    pub id: String,
    /// Name for people; not unique.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// What a value looks like; fields that nobody can write have none.
    pub schema: Option<FieldSchema>,
    /// The one project that has it, for fields of team-managed projects.
    pub scope: Option<FieldScope>,
}

/// Where a field is to be found.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FieldScope {
    /// The project.
    pub project: Option<Project>,
}

/// The one property of a status that is the same on every site.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StatusCategory {
    /// To do.
    New,
    /// In progress.
    Indeterminate,
    /// Done. A resolution need not be set.
    Done,
    /// No category, or one this program does not know.
    #[default]
    Undefined,
}

impl StatusCategory {
    /// Reads a category key (`new`, `indeterminate`, `done`); any other is [`StatusCategory::Undefined`].
    pub fn from_key(key: &str) -> Self {
        match key {
            "new" => Self::New,
            "indeterminate" => Self::Indeterminate,
            "done" => Self::Done,
            _ => Self::Undefined,
        }
    }
}

/// A status of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatusDetails {
    /// Stable id.
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// Name; renamed, translated, duplicated across team-managed projects (trap T20).
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// To do, in progress or done.
    #[serde(rename = "statusCategory", deserialize_with = "category")]
    pub category: StatusCategory,
}

/// The statuses that issues of one type can have in a project (`GET /project/{key}/statuses`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IssueTypeStatuses {
    /// Id of the issue type.
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// Name of the issue type.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Its statuses.
    #[serde(deserialize_with = "or_default")]
    pub statuses: Vec<StatusDetails>,
}

/// A priority; which ones a project has is its own affair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Priority {
    /// Stable id.
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// Name for people.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
}

/// A resolution; set by transitions only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Resolution {
    /// Stable id.
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// Name for people.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
}

/// A step that the workflow offers for one issue right now. Its id means nothing elsewhere and later.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Transition {
    /// Id to post.
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// Name of the step, not of its target.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Status that it leads to.
    pub to: StatusDetails,
    /// Whether it has a screen; only fields of that screen may be sent.
    #[serde(deserialize_with = "or_default")]
    pub has_screen: bool,
    /// Whether its conditions are met; absent in the reply means yes.
    #[serde(deserialize_with = "or_true")]
    pub is_available: bool,
    /// Fields of its screen by id.
    #[serde(deserialize_with = "or_default")]
    pub fields: BTreeMap<String, FieldMeta>,
}

/// An issue as read, with the fields and properties that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Issue {
    /// Stable id; follow this, never the key (trap T8).
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// Current key; empty where a search did not ask for it.
    #[serde(deserialize_with = "or_default")]
    pub key: String,
    /// The fields that were asked for.
    #[serde(deserialize_with = "or_default")]
    pub fields: IssueFields,
    /// The properties that were asked for and exist, by key.
    #[serde(deserialize_with = "or_default")]
    pub properties: BTreeMap<String, Value>,
}

impl Issue {
    /// Splits the key into project and number: `SEC-12` is (`SEC`, 12).
    pub fn project_and_number(&self) -> Option<(&str, u64)> {
        split_key(&self.key)
    }
}

/// Splits an issue key into project key and number.
pub fn split_key(key: &str) -> Option<(&str, u64)> {
    let (project, number) = key.rsplit_once('-')?;
    Some((project, number.parse().ok()?)).filter(|_| !project.is_empty())
}

/// The fields of an issue. One that was not asked for reads like one without a value.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IssueFields {
    /// Title.
    pub summary: Option<String>,
    /// ADF document.
    pub description: Option<Value>,
    /// Where it stands in its workflow.
    pub status: Option<StatusDetails>,
    /// How it was resolved.
    pub resolution: Option<Resolution>,
    /// Priority.
    pub priority: Option<Priority>,
    /// Labels, ours and others'.
    #[serde(deserialize_with = "or_default")]
    pub labels: Vec<String>,
    /// Who works on it.
    pub assignee: Option<User>,
    /// Where it is now; differs from where it was made when it was moved.
    pub project: Option<Project>,
    /// Its issue type.
    pub issuetype: Option<IssueTypeMeta>,
    /// When it was made, by Jira's clock (trap T7).
    #[serde(deserialize_with = "optional_time")]
    pub created: Option<Timestamp>,
    /// When it last changed, by Jira's clock.
    #[serde(deserialize_with = "optional_time")]
    pub updated: Option<Timestamp>,
    /// Every other field that was asked for, as Jira wrote it.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A comment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Comment {
    /// Stable id.
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// Who wrote it; absent for deleted accounts.
    pub author: Option<User>,
    /// ADF document.
    #[serde(deserialize_with = "or_default")]
    pub body: Value,
    /// When it was written, by Jira's clock.
    #[serde(deserialize_with = "optional_time")]
    pub created: Option<Timestamp>,
    /// When it was last edited, by Jira's clock.
    #[serde(deserialize_with = "optional_time")]
    pub updated: Option<Timestamp>,
    /// Its properties, where they were asked for.
    #[serde(deserialize_with = "or_default")]
    pub properties: Vec<EntityProperty>,
}

/// A property of an issue or a comment: JSON that people do not see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntityProperty {
    /// Key, at most 255 characters.
    pub key: String,
    /// Value, at most 32,768 characters of JSON, not empty.
    pub value: Value,
}

/// The answer to a create.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CreatedIssue {
    /// Stable id.
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// Key at the time of creation.
    pub key: String,
}

/// Body of `POST /issue`. The properties are written together with the issue.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CreateIssue {
    /// Values by field id; only fields on the create screen are accepted (trap T15).
    pub fields: Map<String, Value>,
    /// Properties by key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<EntityProperty>,
}

/// Body of `PUT /issue/{id}`. A field may be in `fields` or in `update`, not in both. Screens are not checked.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EditIssue {
    /// Values to replace, by field id; `null` clears.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// Verbs by field id, such as `{"labels": [{"add": "x"}]}`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub update: Map<String, Value>,
    /// Properties to set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<EntityProperty>,
}

impl EditIssue {
    /// Whether there is nothing to send; Jira answers 400 to an empty edit.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.update.is_empty() && self.properties.is_empty()
    }
}

/// Parses Jira's times, `2026-09-25T22:42:39.399-0300`: not RFC 3339, the offset has no colon.
pub fn parse_time(text: &str) -> Result<Timestamp, jiff::Error> {
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).or_else(|_| text.parse())
}

fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn or_true<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(true))
}

pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Text(String),
        Number(i64),
    }
    Ok(match Id::deserialize(deserializer)? {
        Id::Text(text) => text,
        Id::Number(number) => number.to_string(),
    })
}

fn category<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCategory, D::Error> {
    #[derive(Deserialize)]
    struct Category {
        key: Option<String>,
    }
    let category = Option::<Category>::deserialize(deserializer)?;
    Ok(category
        .and_then(|c| c.key)
        .map_or(StatusCategory::Undefined, |key| StatusCategory::from_key(&key)))
}

fn optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Option::<String>::deserialize(deserializer)?
        .map(|text| parse_time(&text).map_err(D::Error::custom))
        .transpose()
}
