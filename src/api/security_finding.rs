//! `SecurityFinding`: one problem, as a security agent reports it, and what became of it in Jira.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{Severity, State};

/// One security problem as its producer reports it. The status tells which Jira issue it has and where that stands.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "jira-findings.dev",
    version = "v1alpha1",
    kind = "SecurityFinding",
    plural = "securityfindings",
    shortname = "sf",
    category = "jira-findings",
    namespaced,
    status = "SecurityFindingStatus",
    derive = "PartialEq",
    doc = "One security problem as its producer reports it. The status tells which Jira issue it has and where that stands.",
    selectable = ".spec.severity",
    selectable = ".spec.category",
    selectable = ".spec.state",
    selectable = ".status.state",
    selectable = ".status.ticket.key",
    printcolumn(name = "Severity", type_ = "string", json_path = ".spec.severity"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Ticket", type_ = "string", json_path = ".status.ticket.key"),
    printcolumn(name = "Jira Status", type_ = "string", json_path = ".status.ticket.status.name"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Assignee",
        type_ = "string",
        json_path = ".status.ticket.assignee",
        priority = 1
    ),
    printcolumn(name = "Asset", type_ = "string", json_path = ".spec.asset.name", priority = 1),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.ticket.url", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.fingerprint) == has(oldSelf.fingerprint) && (!has(self.fingerprint) || self.fingerprint == oldSelf.fingerprint)",
        "message": "fingerprint must stay as it is: the ticket is found by it"
    }
]))]
pub struct SecurityFindingSpec {
    /// What the problem is, in one line.
    #[schemars(length(min = 1, max = 512))]
    pub title: String,
    /// The problem in full, as Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 131_072))]
    pub description: Option<String>,
    /// How bad it is.
    #[serde(default)]
    pub severity: Severity,
    /// Where it stands, in the producer's word.
    #[serde(default)]
    pub state: State,
    /// What kind of problem it is.
    #[serde(default)]
    pub category: Category,
    /// What stays the same when the same problem is reported again; findings of one namespace with the same fingerprint
    /// share one ticket. Default: the name of the object. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub fingerprint: Option<String>,
    /// Who reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// What it was found on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<Asset>,
    /// Where on the asset: a path, a line, a region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub location: Option<String>,
    /// The vulnerability behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vulnerability: Option<Vulnerability>,
    /// The control it violates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    /// How to get rid of it, as Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65_536))]
    pub remediation: Option<String>,
    /// What the producer saw: output, a masked secret, lines of code. Shown as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65_536))]
    pub evidence: Option<String>,
    /// Addresses to read more. Only http and https become links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "atomic"))]
    pub references: Vec<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub tags: Vec<String>,
    /// When the producer first saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Time>,
    /// Anything else the producer wants to say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 100), inner(length(max = 4096)))]
    pub properties: BTreeMap<String, String>,
    /// Wishes about the ticket.
    #[serde(default)]
    pub ticket: TicketWishes,
}

/// What kind of problem a finding is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Category {
    /// A known vulnerability in a package or product.
    Vulnerability,
    /// Something is set up in an unsafe way.
    Misconfiguration,
    /// Something suspicious happened at run time.
    RuntimeAlert,
    /// A secret where it does not belong.
    Secret,
    /// A control of a framework is not met.
    Compliance,
    /// A flaw in source code.
    CodeIssue,
    /// A flaw in an API.
    ApiVulnerability,
    /// Malicious software.
    Malware,
    /// Anything else.
    #[default]
    Other,
    /// A value this version of the operator does not know; shown as a condition of the object.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

impl Category {
    /// The value as written in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vulnerability => "Vulnerability",
            Self::Misconfiguration => "Misconfiguration",
            Self::RuntimeAlert => "RuntimeAlert",
            Self::Secret => "Secret",
            Self::Compliance => "Compliance",
            Self::CodeIssue => "CodeIssue",
            Self::ApiVulnerability => "ApiVulnerability",
            Self::Malware => "Malware",
            Self::Other => "Other",
            Self::Unrecognised => "Unrecognised",
        }
    }
}

/// Who reports a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Name of the producer, for example `trivy`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub version: Option<String>,
    /// Its rule that fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub rule_id: Option<String>,
    /// Where the finding can be seen in the producer's own console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub url: Option<String>,
}

/// What a finding was found on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub name: Option<String>,
    /// Its kind, for example `Deployment`, `container_image`, `AwsS3Bucket`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub kind: Option<String>,
    /// The Kubernetes namespace it lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub namespace: Option<String>,
    /// The cluster it lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub cluster: Option<String>,
    /// The image, with tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub image: Option<String>,
    /// Digest of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub digest: Option<String>,
    /// The region of a cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub region: Option<String>,
    /// The account of a cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub account: Option<String>,
    /// Its IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub ip: Option<String>,
    /// The port the problem was found on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub port: Option<i32>,
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub owner: Option<String>,
}

/// The vulnerability behind a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vulnerability {
    /// Its main id, for example `CVE-2021-42378`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub id: Option<String>,
    /// Other ids of the same thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub identifiers: Vec<String>,
    /// CVSS score, for example `7.2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub cvss: Option<String>,
    /// The package that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub package: Option<String>,
    /// The version in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub installed_version: Option<String>,
    /// The version without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub fixed_version: Option<String>,
}

/// The control a finding violates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// Its id, for example `5.1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub id: Option<String>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub name: Option<String>,
    /// The framework it belongs to, for example `CIS Kubernetes 1.9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub framework: Option<String>,
    /// What it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub expected: Option<String>,
}

/// Wishes about the ticket of a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketWishes {
    /// `Auto` opens the ticket by itself. `Manual` waits for the annotation `jira-findings.dev/create-requested`. `Never`
    /// opens none; a ticket that exists is still kept true.
    #[serde(default)]
    pub create: Create,
    /// Use this configuration, whatever the selectors say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_ref: Option<ConfigurationRef>,
    /// Who is to work on the issue, in place of the configuration's `assignee`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<super::fields::Assignee>,
    /// Jira priority (name or id) of the issue, in place of the configuration's `priority.remap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub priority: Option<String>,
    /// Labels of the issue, besides the configuration's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 100), regex(pattern = r"^\S+$")), extend("x-kubernetes-list-type" = "atomic"))]
    pub labels: Vec<String>,
    /// Key of an existing issue that is to be the ticket, for example `SEC-42`. The configuration must allow it
    /// (`adoption`). Heard while the finding has no ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 255), regex(pattern = r"^[A-Z][A-Z0-9_]*-[1-9][0-9]*$"))]
    pub issue_key: Option<String>,
}

/// Whether a ticket is opened for a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Create {
    /// By itself.
    #[default]
    Auto,
    /// When a person asks for it.
    Manual,
    /// Never.
    Never,
    /// A value this version of the operator does not know; treated as `Never`.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

/// A configuration by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationRef {
    /// Name of the TicketConfiguration.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace, when it is another one. That configuration must take findings of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// What became of a finding. Agents read `state` back from here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityFindingStatus {
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the finding stands, all things considered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Whose word `state` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_source: Option<StateSource>,
    /// `Ready`, and others while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The Jira issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// What finding and issue last agreed on. The operator needs it to tell who moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncBase>,
    /// Value of the annotation `jira-findings.dev/reconcile-requested-at` that was last acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Why this configuration was chosen, and why the others were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<SelectionStatus>,
    /// While the configuration's `mode` is `DryRun`: what would be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<super::preview::Preview>,
}

/// Whose word the effective state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = super::common::undescribed)]
pub enum StateSource {
    /// The producer's `spec.state`.
    Finding,
    /// The status of the issue in Jira.
    JiraStatus,
    /// A value this version of the operator does not know.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

/// The Jira issue of a finding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// Identity of the configuration it was opened by.
    #[serde(default)]
    pub configuration: String,
    /// What the findings of the ticket have in common: their namespace (`*`: any), and each path they are grouped by with
    /// its value; without grouping, namespace and fingerprint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 512)), extend("x-kubernetes-list-type" = "atomic"))]
    pub group: Vec<String>,
    /// Which of several tickets of one group this is.
    #[serde(default)]
    pub slot: u32,
    /// Counts the issues opened one after the other for the same thing, from 1.
    #[serde(default)]
    pub incarnation: u32,
    /// The record of a creation whose outcome is not settled yet. It is written before the issue is created; the id takes
    /// its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// Atlassian's id of the site; `id` means something only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Id of the issue. It stays when the issue moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Key of the issue, for example `SEC-42`. It changes when the issue moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Address of the issue for a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Key of the project the issue is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Status of the issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<IssueStatus>,
    /// Resolution of the issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// Priority of the issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// Display name of the assignee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// When the issue was created, by Jira's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// When the issue was seen to enter a done status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Time>,
    /// The issue could not be found any more although we can see others: it was deleted or hidden.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
    /// The issue existed before and became the ticket because a finding named it. It is never deleted, and its
    /// description is left alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
}

/// The record of a creation, written to every finding of a ticket before its issue is created. While the record stands,
/// the finding belongs to the record's ticket, and no other issue is created for that ticket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Names this creation.
    #[serde(default)]
    pub nonce: String,
    /// When the record was written, by the operator's clock; for people, never compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// Identity of the configuration.
    #[serde(default)]
    pub configuration: String,
    /// What the findings of the ticket have in common.
    #[serde(default)]
    #[schemars(length(max = 32), inner(length(max = 512)), extend("x-kubernetes-list-type" = "atomic"))]
    pub group: Vec<String>,
    /// Which of several tickets of one group the issue is for.
    #[serde(default)]
    pub slot: u32,
    /// Counts the issues opened one after the other for the same thing, from 1.
    #[serde(default)]
    pub incarnation: u32,
    /// Label that the issue carries.
    #[serde(default)]
    pub label: String,
    /// Key of the project that the issue is created in.
    #[serde(default)]
    pub project: String,
    /// Atlassian's id of the site that the issue is created on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The highest issue number of the project that was known before the creation.
    #[serde(default)]
    pub highest: u64,
}

/// A status of a Jira workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssueStatus {
    /// Id of the status.
    pub id: String,
    /// Name of the status.
    pub name: String,
    /// Category: `new`, `indeterminate` or `done`.
    pub category: String,
}

/// What finding and issue last agreed on, raw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncBase {
    /// The finding's own state at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Id of the issue's status at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_id: Option<String>,
    /// Id of the issue's resolution at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution_id: Option<String>,
    /// For each field the operator keeps, a short hash of the value it last wrote.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// For each list that people add to as well, what the operator last put there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, Vec<String>>,
    /// How often the operator had moved the issue at that time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pushes: u32,
    /// The labels the operator last put on the issue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// For each field that Jira shows otherwise than it was sent, a short hash of what it showed right after that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shown: BTreeMap<String, String>,
    /// For each field that was put right after somebody changed it, a short hash of what was there. It goes when the
    /// field is next seen as it should be; if the same comes back before that, it stays.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overwrote: BTreeMap<String, String>,
    /// When the content of the issue was last edited; its creation does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Time>,
    /// The finding's severity when the content was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_severity: Option<Severity>,
    /// The finding's own state when the content was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_state: Option<State>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Why a configuration was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelectionStatus {
    /// The chosen configuration as `<namespace>/<name>`; absent when none matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// One line for each configuration that was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub reasons: Vec<String>,
}
