//! What a dry run shows on a finding.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What would be done in Jira, were the configuration's `mode` `Live`. Findings that share an issue show the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// What would be done next.
    pub action: PreviewAction,
    /// What exactly, or why nothing would be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Summary of the issue.
    pub summary: String,
    /// Key of the project.
    pub project: String,
    /// Issue type, as the configuration names it.
    pub issue_type: String,
    /// Name of the priority; absent where none is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// Who would be asked for as assignee: an account id, an e-mail address, or `Unassigned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// Labels, besides those by which the operator finds the issue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub labels: Vec<String>,
    /// The other fields by name, long values cut.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// What a dry run would do next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PreviewAction {
    /// Nothing.
    #[default]
    Nothing,
    /// Open an issue.
    Open,
    /// Make an existing issue the ticket.
    Adopt,
    /// Edit the issue.
    Update,
    /// Move the issue to a done status.
    Close,
    /// Move the issue out of a done status.
    Reopen,
    /// A value this version of the operator does not know.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}
