//! What a user can say about the fields of an issue and about who is to work on it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::common::{Period, Severity};

/// What to put into the fields of an issue. Names are looked up in Jira when the configuration is reconciled; a value that
/// Jira would refuse is told there, before the first ticket. A value with `{{` or `{%` is a template with the variables
/// of `docs/templates.md`; what it gives for a finding is told on the finding where Jira would refuse it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fields {
    /// Labels every issue carries, besides the operator's own. People's labels are left alone. Labels that begin with
    /// `jfo-` or `jira-findings-` belong to the operator and are dropped. In a template, spaces become `-`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 1024), regex(pattern = r"^\S+$|\{\{|\{%")), extend("x-kubernetes-list-type" = "set"))]
    pub labels: Vec<String>,
    /// Components (name or id). Those that people add are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 1024)), extend("x-kubernetes-list-type" = "set"))]
    pub components: Vec<String>,
    /// Versions (name or id) it is to be fixed in. Those that people add are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 1024)), extend("x-kubernetes-list-type" = "set"))]
    pub fix_versions: Vec<String>,
    /// Versions (name or id) that have it. Those that people add are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 1024)), extend("x-kubernetes-list-type" = "set"))]
    pub affects_versions: Vec<String>,
    /// Key or id of the issue above, for example of an epic: `SEC-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^([A-Z][A-Z0-9_]*-)?[0-9]+$|\{\{|\{%")
    )]
    pub parent: Option<String>,
    /// The field `Environment`, in Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub environment: Option<String>,
    /// Who may see the issue: name or id of a security level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub security_level: Option<String>,
    /// How long after it was first seen a finding is due, by severity. A severity left out has no due date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_date: Option<DueDate>,
    /// Any other field, by name or id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["field"]))]
    pub custom: Vec<CustomField>,
}

/// The value of one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = [{"required": ["value"]}, {"required": ["json"]}]))]
pub struct CustomField {
    /// Name (case does not matter) or id (`customfield_10041`) of the field. Where several fields have the name, the id.
    #[schemars(length(min = 1, max = 255))]
    pub field: String,
    /// Its value as text; it becomes what the type of the field asks for. Options and versions by name or id, people by
    /// account id, dates as `2026-11-30`, moments as `2026-11-30T14:39:00Z`, long texts as Markdown, several values with
    /// commas or on several lines, and the two choices of a cascading select as `Europe > Berlin`. May be a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub value: Option<String>,
    /// Its value as JSON. Text, numbers and lists of text are read like `value`; anything else is sent as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_json")]
    pub json: Option<Value>,
}

fn any_json(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Its value as JSON. Text, numbers and lists of text are read like `value`; anything else is sent as it is.",
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// How long after it was first seen a finding is due.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct DueDate {
    /// For Critical findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical: Option<Period>,
    /// For High findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<Period>,
    /// For Medium findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Period>,
    /// For Low findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<Period>,
    /// For Informational findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub informational: Option<Period>,
    /// For findings of unknown severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Period>,
}

impl DueDate {
    /// The period of a severity.
    pub const fn of(&self, severity: Severity) -> Option<Period> {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::Informational => self.informational,
            Severity::Unknown | Severity::Unrecognised => self.unknown,
        }
    }
}

/// Who is to work on an issue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.accountId), has(self.email), has(self.unassigned)].filter(x, x).size() == 1",
    "message": "assignee must have exactly one of: accountId, email, unassigned"
}]))]
pub struct Assignee {
    /// Atlassian's id of the account; works whatever the privacy settings of the person are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9:_-]+$"))]
    pub account_id: Option<String>,
    /// E-mail address of the account. The operator's account needs the permission to browse users and groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 254), regex(pattern = r"^[^\s@]+@[^\s@]+$"))]
    pub email: Option<String>,
    /// `true`: nobody, also where the project has a default assignee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [{"rule": "self", "message": "unassigned must be true or absent"}]))]
    pub unassigned: Option<bool>,
}
