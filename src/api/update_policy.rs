//! Who owns a field of an issue once the issue is open: the update policy of a `TicketConfiguration`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to a field when the value it should have changes, or when a person edits it in Jira.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = super::common::undescribed)]
pub enum UpdatePolicy {
    /// The field is the operator's: a person's edit is overwritten.
    Always,
    /// The field follows the findings until a person edits it; from then on it is that person's.
    UnlessEdited,
    /// Written when the issue is opened and never again.
    CreateOnly,
    /// A value this version of the operator does not know; shown as a condition of the object.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

/// Who owns each field once the issue is open. A field left out has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdatePolicies {
    /// Default `UnlessEdited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<UpdatePolicy>,
    /// Default `Always`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<UpdatePolicy>,
    /// Default `UnlessEdited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<UpdatePolicy>,
    /// Default `CreateOnly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<UpdatePolicy>,
    /// Default `UnlessEdited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_date: Option<UpdatePolicy>,
    /// Default: merged. Ours are added and taken away one by one, and people's stay; one of ours that a person takes
    /// away stays away (`UnlessEdited`) or comes back (`Always`). The operator's own two labels always come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<UpdatePolicy>,
    /// Merged like labels. Default `UnlessEdited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub components: Option<UpdatePolicy>,
    /// Merged like labels. Default `UnlessEdited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix_versions: Option<UpdatePolicy>,
    /// Merged like labels. Default `UnlessEdited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affects_versions: Option<UpdatePolicy>,
    /// Default `UnlessEdited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<UpdatePolicy>,
    /// Default `UnlessEdited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<UpdatePolicy>,
    /// Default `UnlessEdited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_level: Option<UpdatePolicy>,
    /// All of `fields.custom`. Default `UnlessEdited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<UpdatePolicy>,
}
