//! What must be sent to an issue so that its content is as wanted.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::domain::fields::{entry_value, has_entry};
use crate::domain::identity::is_reserved_label;
use crate::jira::model::{EditIssue, Issue, User};

use super::policy::ASSIGNEE;

/// Fields that the model of an issue has members for.
pub(super) const MODELLED: [&str; 5] = ["summary", "description", "priority", "labels", ASSIGNEE];

/// What must be sent to an issue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Whole fields.
    pub fields: Map<String, Value>,
    /// Labels to add.
    pub add_labels: Vec<String>,
    /// Labels to take away.
    pub remove_labels: Vec<String>,
    /// Entries to add to and to take from lists that people add to as well, by field.
    pub lists: BTreeMap<String, Entries>,
    /// Of fields that are put right although the wish for them did not move: a hash of what is there.
    pub overwrites: BTreeMap<String, String>,
}

/// Entries of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// To add.
    pub add: Vec<String>,
    /// To take away.
    pub remove: Vec<String>,
}

impl Change {
    /// What of it may be sent to an issue that a person made: never the description and, the `first` time, no field that
    /// has a value. `None` when nothing is left.
    #[must_use]
    pub fn to_adopted(mut self, issue: &Issue, first: bool) -> Option<Self> {
        self.fields.remove("description");
        let filled = |id: &String| {
            let value = issue.fields.other.get(id);
            value.is_some_and(|value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()))
        };
        self.fields.retain(|id, _| !first || !filled(id));
        let kept = &self.fields;
        self.overwrites
            .retain(|id, _| id != "description" && (kept.contains_key(id) || !first || !filled(id)));
        (self != Self::default()).then_some(self)
    }

    /// The body of the edit.
    pub fn edit(&self) -> EditIssue {
        let operations = self.add_labels.iter().map(|label| json!({ "add": label }));
        let operations: Vec<Value> = operations
            .chain(self.remove_labels.iter().map(|label| json!({ "remove": label })))
            .collect();
        let mut update = Map::new();
        if !operations.is_empty() {
            update.insert("labels".to_owned(), Value::Array(operations));
        }
        for (field, entries) in &self.lists {
            let add = entries.add.iter().map(|entry| json!({ "add": entry_value(entry) }));
            let remove = entries
                .remove
                .iter()
                .map(|entry| json!({ "remove": entry_value(entry) }));
            update.insert(field.clone(), add.chain(remove).collect());
        }
        EditIssue {
            fields: self.fields.clone(),
            update,
            properties: Vec::new(),
        }
    }

    /// The change without the fields that were refused; `None` where none of them is in it, or nothing is left.
    pub fn without<'a>(&self, refused: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut rest = self.clone();
        for id in refused {
            rest.fields.remove(id);
            rest.lists.remove(id);
            rest.overwrites.remove(id);
            if id == "labels" {
                rest.add_labels.clear();
                rest.remove_labels.clear();
            }
        }
        (rest != *self && rest != Self::default()).then_some(rest)
    }

    /// Only the operator's own labels that are to be put back; `None` when none is.
    pub fn repair(&self) -> Option<Self> {
        let own = self.add_labels.iter().filter(|label| is_reserved_label(label));
        let add_labels: Vec<String> = own.cloned().collect();
        (!add_labels.is_empty()).then(|| Self {
            add_labels,
            ..Self::default()
        })
    }

    /// Whether it only puts back labels of the operator's own; that is no edit of the content.
    pub fn is_repair(&self) -> bool {
        self.repair().as_ref() == Some(self)
    }

    /// The issue as it is once the edit was made.
    pub fn apply_to(&self, issue: &mut Issue) {
        if let Some(summary) = self.fields.get("summary").and_then(Value::as_str) {
            issue.fields.summary = Some(summary.to_owned());
        }
        if let Some(description) = self.fields.get("description") {
            issue.fields.description = Some(description.clone());
        }
        if let Some(id) = self
            .fields
            .get("priority")
            .and_then(|priority| priority.get("id")?.as_str())
        {
            let priority = issue.fields.priority.get_or_insert_default();
            id.clone_into(&mut priority.id);
            priority.name.clear();
        }
        if let Some(assignee) = self.fields.get(ASSIGNEE) {
            let account = assignee.get("accountId").and_then(Value::as_str);
            issue.fields.assignee = account.map(|id| User {
                account_id: id.to_owned(),
                ..User::default()
            });
        }
        issue.fields.labels.retain(|label| !self.remove_labels.contains(label));
        issue.fields.labels.extend(self.add_labels.iter().cloned());
        for (id, value) in &self.fields {
            if !MODELLED.contains(&id.as_str()) {
                issue.fields.other.insert(id.clone(), value.clone());
            }
        }
        for (id, entries) in &self.lists {
            let list = issue.fields.other.entry(id.clone()).or_insert(Value::Null);
            let mut kept: Vec<Value> = list.as_array().cloned().unwrap_or_default();
            kept.retain(|one| {
                let one = Value::Array(vec![one.clone()]);
                !entries.remove.iter().any(|entry| has_entry(&one, entry))
            });
            kept.extend(entries.add.iter().map(|entry| entry_value(entry)));
            *list = Value::Array(kept);
        }
    }
}
