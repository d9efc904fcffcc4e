//! Whose value counts in each field when a person edited the issue (`spec.updatePolicy`).

use crate::api::update_policy::{UpdatePolicies, UpdatePolicy};
use crate::domain::base::hash::short_hash;

/// Id of the field for the assignee.
pub const ASSIGNEE: &str = "assignee";

/// Id of the field for labels.
pub(super) const LABELS: &str = "labels";

/// The members of `updatePolicy`: name, id of the field, value and default.
pub(super) fn table(said: &UpdatePolicies) -> [(&'static str, &'static str, Option<UpdatePolicy>, UpdatePolicy); 13] {
    use UpdatePolicy::{Always, CreateOnly, UnlessEdited};
    [
        ("summary", "summary", said.summary, UnlessEdited),
        ("description", "description", said.description, Always),
        ("priority", "priority", said.priority, UnlessEdited),
        ("assignee", ASSIGNEE, said.assignee, CreateOnly),
        ("dueDate", "duedate", said.due_date, UnlessEdited),
        ("labels", LABELS, said.labels, UnlessEdited),
        ("components", "components", said.components, UnlessEdited),
        ("fixVersions", "fixVersions", said.fix_versions, UnlessEdited),
        ("affectsVersions", "versions", said.affects_versions, UnlessEdited),
        ("parent", "parent", said.parent, UnlessEdited),
        ("environment", "environment", said.environment, UnlessEdited),
        ("securityLevel", "security", said.security_level, UnlessEdited),
        ("custom", "", said.custom, UnlessEdited),
    ]
}

/// The policy of a field, by its id. Every id that is not a system field's own is a custom field's.
pub fn policy_of(policies: &UpdatePolicies, field: &str) -> UpdatePolicy {
    let rows = table(policies);
    let row = rows.iter().find(|(_, id, _, _)| *id == field);
    match row.or(rows.last()) {
        // Nothing is written on a word that is not understood; the configuration says so.
        Some((_, _, Some(UpdatePolicy::Unrecognised), _)) | None => UpdatePolicy::CreateOnly,
        Some((_, _, said, default)) => said.unwrap_or(*default),
    }
}

/// Stands, among the hashes of a wish, for which fields are always ours: when that changes, the issue is looked at again.
pub const POLICY: &str = "updatePolicy";

/// The hash of which fields are always ours; `None` where it is as by default.
pub fn hash_of_policies(policies: &UpdatePolicies) -> Option<String> {
    let rows = table(policies);
    let said = rows
        .iter()
        .filter(|(_, _, said, _)| *said == Some(UpdatePolicy::Always));
    let names: Vec<&str> = said
        .map(|(name, ..)| *name)
        .filter(|name| *name != "description")
        .collect();
    (!names.is_empty()).then(|| short_hash(names.join(",").as_bytes()))
}

/// Whether a policy has a value this version does not know.
pub fn has_unrecognised(policies: &UpdatePolicies) -> bool {
    let is_unknown = |(_, _, said, _): &(_, _, Option<UpdatePolicy>, _)| *said == Some(UpdatePolicy::Unrecognised);
    table(policies).iter().any(is_unknown)
}
