//! The bodies of the requests that create and claim issues.

use serde_json::{Map, Value, json};

use crate::api::State;
use crate::domain::identity::{PROPERTY, Property, TicketKey, instance_label};
use crate::jira::model::{CreateIssue, EditIssue, EntityProperty};
use crate::jira::{Assignable, ProjectMeta};

use super::base::written_by_creation;
use super::change::Change;
use super::wanted::Desired;

/// The creation of an issue.
pub fn creation(
    desired: &Desired,
    project: &ProjectMeta,
    instance: &str,
    key: &TicketKey,
    incarnation: u32,
) -> CreateIssue {
    let mut fields = Map::new();
    fields.insert("project".to_owned(), json!({ "id": project.project_id }));
    fields.insert("issuetype".to_owned(), json!({ "id": project.issue_type.id }));
    fields.insert("summary".to_owned(), json!(desired.summary));
    fields.insert("description".to_owned(), desired.description.clone());
    if desired.labels_on_screen {
        fields.insert("labels".to_owned(), json!(desired.labels));
    }
    if let Some(id) = &desired.priority {
        fields.insert("priority".to_owned(), json!({ "id": id }));
    }
    for field in desired.fields.iter().filter(|field| field.on_create && !field.nothing) {
        fields.insert(field.id.clone(), field.value.clone());
    }
    // A new issue stands for an active finding; what differs from that is pushed afterwards.
    let property = Property {
        written: written_by_creation(desired),
        ..Property::new(instance, key, incarnation, Some(State::Active))
    };
    CreateIssue {
        fields,
        properties: vec![property_entry(&property)],
    }
}

/// The edit that claims an existing issue: the property and our own two labels, together.
pub fn claiming(instance: &str, key: &TicketKey) -> EditIssue {
    let labels = Change {
        add_labels: vec![instance_label(instance), key.label(instance)],
        ..Change::default()
    };
    EditIssue {
        properties: vec![property_entry(&Property::adopting(instance, key))],
        ..labels.edit()
    }
}

/// Gives a creation its assignee. Returns why it gets none although one was asked for.
pub fn assign(body: &mut CreateIssue, assignee: &Assignable, project: &ProjectMeta) -> Option<String> {
    let value = match assignee {
        Assignable::Refused(why) => return Some(format!("opened without assignee: {why}")),
        Assignable::Nobody => Value::Null,
        Assignable::Account(_) if project.field("assignee").is_none() => {
            return Some(format!(
                "opened without assignee: the create screen of {} in {} has no such field",
                project.issue_type.name, project.key
            ));
        }
        Assignable::Account(id) => json!({ "accountId": id }),
    };
    if project.field("assignee").is_some() {
        body.fields.insert("assignee".to_owned(), value);
    }
    None
}

/// A property as it is sent.
pub fn property_entry(property: &Property) -> EntityProperty {
    EntityProperty {
        key: PROPERTY.to_owned(),
        value: serde_json::to_value(property).unwrap_or_default(),
    }
}
