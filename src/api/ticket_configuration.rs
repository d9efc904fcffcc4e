//! `TicketConfiguration`: which findings become tickets, where, and how they are kept true.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelectorRequirement, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{NamespaceSelection, Period, Severity, State};
use super::fields::{Assignee, Fields};
use super::grouping::Grouping;
use super::security_finding::Category;
use super::template::Template;
use super::update_policy::UpdatePolicies;

/// Which findings become Jira issues, in which project, and how both sides are kept in step.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "jira-findings.dev",
    version = "v1alpha1",
    kind = "TicketConfiguration",
    plural = "ticketconfigurations",
    shortname = "tc",
    category = "jira-findings",
    namespaced,
    status = "TicketConfigurationStatus",
    derive = "PartialEq",
    doc = "Which findings become Jira issues, in which project, and how both sides are kept in step.",
    selectable = ".spec.projectKey",
    printcolumn(name = "Connection", type_ = "string", json_path = ".spec.connectionRef.name"),
    printcolumn(name = "Project", type_ = "string", json_path = ".spec.projectKey"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.issueType"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Ticketed", type_ = "integer", json_path = ".status.findings.ticketed"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.findings.pending"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.findings.failed"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode", priority = 1),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.identity) == has(oldSelf.identity) && (!has(self.identity) || self.identity == oldSelf.identity)",
        "message": "identity must stay as it is: tickets are found by it"
    }
]))]
pub struct TicketConfigurationSpec {
    /// The connection to use.
    pub connection_ref: ConnectionRef,
    /// Name under which tickets of this configuration are found again, for ever. Default `<namespace>/<name>`. Keep it when
    /// a configuration is renamed or moved, and its tickets come along. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$")
    )]
    pub identity: Option<String>,
    /// Key of the Jira project, for example `SEC`. Case-sensitive.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Z][A-Z0-9_]*$"))]
    pub project_key: String,
    /// Name or id of the issue type, as the project knows it.
    #[schemars(length(min = 1, max = 255))]
    pub issue_type: String,
    /// `Live` writes to Jira. `DryRun` computes and shows what would be done, and writes nothing to Jira.
    #[serde(default)]
    pub mode: Mode,
    /// Stop all work for this configuration. Findings keep what they have and wait.
    #[serde(default)]
    pub suspend: bool,
    /// When several configurations match a finding, the highest weight takes it; at the same weight, the first by name.
    #[serde(default = "default_weight")]
    #[schemars(range(min = 0, max = 1000))]
    pub weight: i32,
    /// Which findings to take. Empty: all of them.
    #[serde(default)]
    pub selector: FindingSelector,
    /// From which namespaces to take findings. Default: only its own. Others only where the operator was told that
    /// configurations of this namespace may be shared (`--shared-configuration-namespace`).
    #[serde(default)]
    pub finding_namespaces: NamespaceSelection,
    /// How the texts of an issue are made. Absent: summary and description are the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    /// Which findings share an issue. Absent: each has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grouping: Option<Grouping>,
    /// What to put into the fields of an issue. A value with `{{` or `{%` is a template with the variables of
    /// `docs/templates.md`. What Jira would refuse is told in the condition `Ready`, here or on the finding.
    #[serde(default)]
    pub fields: Fields,
    /// Who is to work on the issues. Absent: what the project does by itself. It is set when the issue is opened;
    /// `updatePolicy.assignee` says what becomes of it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Assignee>,
    /// From severity to Jira priority. Absent: no priority is sent.
    #[serde(default)]
    pub priority: Priority,
    /// Whether the content of an issue follows its finding. Off: it is written once and then left alone.
    #[serde(default = "yes")]
    pub auto_maintain: bool,
    /// Least time between two edits of the content of one issue; what changes meanwhile goes into one edit. Changes of
    /// severity and state are not held back. `0s`: every change at once. At most 24h, default 10m.
    #[serde(default = "default_min_update_interval")]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "!self.contains('d') && duration(self) <= duration('24h')",
        "message": "minUpdateInterval must be at most 24h"
    }]))]
    pub min_update_interval: Period,
    /// Who owns each field once the issue is open. `Always`: the operator, and a person's edit is overwritten.
    /// `UnlessEdited`: it follows the findings until a person edits it. `CreateOnly`: it is written once.
    #[serde(default)]
    pub update_policy: UpdatePolicies,
    /// How status moves between finding and issue.
    #[serde(default)]
    pub status_sync: StatusSync,
    /// Whether a finding may name an existing issue as its ticket (`ticket.issueKey`). `Forbidden` (the default): it gets
    /// no ticket, and is told so. `Allowed`: an issue of this project and issue type that belongs to no other finding;
    /// it is never deleted, and its description is left alone.
    #[serde(default)]
    pub adoption: Adoption,
    /// What happens to the issue when its last finding is deleted. One that a finding named (`ticket.issueKey`) is never
    /// deleted: `Delete` closes it.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// How long a deletion may wait for Jira before the finding is let go and the issue left open. Default 10m.
    #[serde(default = "default_deletion_timeout")]
    pub deletion_timeout: Period,
}

/// The connection to use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionRef {
    /// Name of the JiraConnection.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace, when it is another one; that connection must allow it (`allowedNamespaces`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// Whether a configuration writes to Jira.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Write to Jira.
    #[default]
    Live,
    /// Show what would be done; write nothing to Jira.
    DryRun,
    /// A value this version of the operator does not know; treated as `DryRun`.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

/// Which findings a configuration takes. All parts that are set must match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingSelector {
    /// Labels the finding must carry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements on the finding's labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<LabelSelectorRequirement>,
    /// The lowest severity to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_severity: Option<Severity>,
    /// The severities to take. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6), extend("x-kubernetes-list-type" = "set"))]
    pub severities: Vec<Severity>,
    /// The categories to take. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub categories: Vec<Category>,
    /// The producers (`source.name`) to take findings from. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub sources: Vec<String>,
    /// Take only findings created after this moment; older ones are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_after: Option<Time>,
}

/// How the priority of an issue is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.field) || has(self.remap)",
    "message": "priority.field must come with priority.remap"
}]))]
pub struct Priority {
    /// The Jira priority (name or id) of each severity. All six must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remap: Option<PriorityRemap>,
    /// The field the values of `remap` go to, by name or id, where it is not the priority: for projects that keep the
    /// priority in a field of their own. Its type decides what a value means, as in `fields.custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub field: Option<String>,
}

/// The Jira priority (name or id) of each severity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct PriorityRemap {
    /// Priority of Critical findings.
    #[schemars(length(min = 1, max = 255))]
    pub critical: String,
    /// Priority of High findings.
    #[schemars(length(min = 1, max = 255))]
    pub high: String,
    /// Priority of Medium findings.
    #[schemars(length(min = 1, max = 255))]
    pub medium: String,
    /// Priority of Low findings.
    #[schemars(length(min = 1, max = 255))]
    pub low: String,
    /// Priority of Informational findings.
    #[schemars(length(min = 1, max = 255))]
    pub informational: String,
    /// Priority of findings of unknown severity.
    #[schemars(length(min = 1, max = 255))]
    pub unknown: String,
}

impl PriorityRemap {
    /// The priority, by name or id, for a severity.
    pub fn of(&self, severity: Severity) -> &str {
        match severity {
            Severity::Critical => &self.critical,
            Severity::High => &self.high,
            Severity::Medium => &self.medium,
            Severity::Low => &self.low,
            Severity::Informational => &self.informational,
            Severity::Unknown | Severity::Unrecognised => &self.unknown,
        }
    }
}

/// How status moves between finding and issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.mapping) || self.mapping.all(m, m.jiraStatuses.all(s, self.mapping.filter(o, o.jiraStatuses.exists(t, t.lowerAscii() == s.lowerAscii())).size() == 1))",
    "message": "mapping must use each Jira status once"
}]))]
pub struct StatusSync {
    /// Off: no calls are made and both sides keep what they have. Switched on again, it catches up with what happened.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Which way status flows: `Bidirectional` (the default), `FromJira` (issues are never moved) or `ToJira` (findings are
    /// never changed).
    #[serde(default)]
    pub direction: Direction,
    /// How often Jira is asked for changes, from 1s to 1h. Default 60s. A connection asks at the shortest interval of
    /// its configurations.
    #[serde(default = "default_interval")]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "!self.contains('d') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",
        "message": "interval must be from 1s to 1h"
    }]))]
    pub interval: Period,
    /// Who wins when finding and issue both moved since they last agreed: `JiraWins` (the default) or `FindingWins`.
    #[serde(default)]
    pub conflict_policy: ConflictPolicy,
    /// Which Jira statuses (name or id) mean which state. The first one of a state is where its findings are moved to.
    /// A state or status not named here follows the status category.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["state"]))]
    pub mapping: Vec<StatusMapping>,
}

impl Default for StatusSync {
    fn default() -> Self {
        Self {
            enabled: true,
            direction: Direction::default(),
            interval: default_interval(),
            conflict_policy: ConflictPolicy::default(),
            mapping: Vec::new(),
        }
    }
}

/// Which way status flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Direction {
    /// Both ways.
    #[default]
    Bidirectional,
    /// The finding follows the issue; the issue is never moved.
    FromJira,
    /// The issue follows the finding; the finding is never changed.
    ToJira,
    /// A value this version of the operator does not know; treated as `FromJira`, which moves no issue.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

/// Who wins when both sides moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConflictPolicy {
    /// The issue's status is taken.
    #[default]
    JiraWins,
    /// The finding's state is pushed.
    FindingWins,
    /// A value this version of the operator does not know; treated as `JiraWins`.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

/// The Jira statuses of one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusMapping {
    /// The state of the finding.
    pub state: State,
    /// Names or ids of Jira statuses; the first is where findings of this state are moved to.
    #[schemars(length(min = 1, max = 20), inner(length(min = 1, max = 100)), extend("x-kubernetes-list-type" = "atomic"))]
    pub jira_statuses: Vec<String>,
}

/// Whether findings may name existing issues as their tickets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Adoption {
    /// A finding that names an issue gets no ticket, and is told so.
    #[default]
    Forbidden,
    /// An issue of this project and issue type that belongs to no other finding becomes the ticket. It is never deleted,
    /// and its description is left alone.
    Allowed,
    /// A value this version of the operator does not know; treated as `Forbidden`.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

/// What happens to an issue when its last finding is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Close it, with a comment that says why.
    #[default]
    Close,
    /// Leave it alone.
    Orphan,
    /// Delete it from Jira. One that a finding named (`ticket.issueKey`) was a person's before: it is closed as under
    /// `Close`.
    Delete,
    /// A value this version of the operator does not know; treated as `Orphan`.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

const fn yes() -> bool {
    true
}

const fn default_weight() -> i32 {
    100
}

const fn default_interval() -> Period {
    Period::seconds(60)
}

const fn default_min_update_interval() -> Period {
    Period::seconds(600)
}

const fn default_deletion_timeout() -> Period {
    Period::seconds(600)
}

/// What the operator found out about a configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketConfigurationStatus {
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and `Reconciling` or `Stalled` while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What the names in the spec mean in Jira today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// How many findings this configuration has. Brought up to date at most every five minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<FindingCounts>,
}

/// What the names in a configuration mean in Jira.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// Id of the project.
    pub project_id: String,
    /// Id of the issue type.
    pub issue_type_id: String,
    /// Names of the statuses an issue of this type can have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<String>,
    /// Names of the priorities an issue can have; empty where the project has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub priorities: Vec<String>,
    /// Names of the fields Jira requires, besides those the operator always sends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_fields: Vec<String>,
}

/// How many findings a configuration has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingCounts {
    /// Findings this configuration takes.
    pub matched: u32,
    /// Those that have an issue.
    pub ticketed: u32,
    /// Those that wait for one.
    pub pending: u32,
    /// Those that a person must look at.
    pub failed: u32,
}
