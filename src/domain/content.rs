//! What an issue should say, and what must be sent to make it say so.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::api::security_finding::SyncBase;
use crate::api::ticket_configuration::TicketConfigurationSpec;
use crate::api::{Reason, SecurityFinding, Severity, State};
use crate::jira::ProjectMeta;
use crate::jira::model::{CreateIssue, EditIssue, EntityProperty, Issue};

use super::fault::Fault;
use super::identity::{PROPERTY, Property, TicketKey, instance_label, is_reserved_label};
use super::plan::is_leaving;
use super::render::{self, template::Compiled as Template};
use super::state::is_open;

/// What an issue should say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// One line.
    pub summary: String,
    /// An ADF document.
    pub description: Value,
    /// Id of the priority; `None` when none is sent.
    pub priority: Option<String>,
    /// All labels of ours.
    pub labels: Vec<String>,
    /// Whether labels can be sent with the creation.
    pub labels_on_screen: bool,
    /// Short hashes of the values above, by field.
    pub hashes: BTreeMap<String, String>,
    /// Hash over everything a refusal may be about; as long as it stays, the same refusal is to be expected.
    pub cause: String,
}

impl Desired {
    /// Whether something differs from what was last written.
    pub fn differs_from(&self, base: &SyncBase) -> bool {
        self.hashes != base.fields || self.labels != base.labels
    }
}

/// What must be sent to an issue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Whole fields.
    pub fields: Map<String, Value>,
    /// Labels to add.
    pub add_labels: Vec<String>,
    /// Labels to take away.
    pub remove_labels: Vec<String>,
}

impl Change {
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
        EditIssue {
            fields: self.fields.clone(),
            update,
            properties: Vec::new(),
        }
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
        issue.fields.labels.retain(|label| !self.remove_labels.contains(label));
        issue.fields.labels.extend(self.add_labels.iter().cloned());
    }
}

/// What the issue of a ticket should say. Findings that are being deleted count only where no other is left.
///
/// # Errors
///
/// When the template does not work with these findings.
pub fn desired(
    members: &[Arc<SecurityFinding>],
    spec: &TicketConfigurationSpec,
    template: Option<&Template>,
    generation: i64,
    project: &ProjectMeta,
    instance: &str,
    key: &TicketKey,
) -> Result<Desired, Fault> {
    let present: Vec<&SecurityFinding> = members
        .iter()
        .map(AsRef::as_ref)
        .filter(|one| !is_leaving(one))
        .collect();
    let shown = if present.is_empty() {
        members.iter().map(AsRef::as_ref).collect()
    } else {
        present
    };
    let rendered = match template {
        Some(template) => template
            .render(&shown, &key.group)
            .map_err(|error| Fault::lasting(Reason::TemplateInvalid, error.to_string()))?,
        None => render::ticket(&shown),
    };
    let open = shown.iter().filter(|finding| is_open(finding.spec.state));
    let highest = open.map(|finding| finding.spec.severity).max();
    let severity = highest
        .or_else(|| shown.iter().map(|finding| finding.spec.severity).max())
        .unwrap_or_default();
    let priority = priority_id(spec, project, severity);
    let mut labels: Vec<String> = spec
        .fields
        .labels
        .iter()
        .filter(|label| !is_reserved_label(label))
        .cloned()
        .collect();
    labels.push(instance_label(instance));
    labels.push(key.label(instance));
    labels.sort();
    labels.dedup();
    let mut hashes = BTreeMap::from([
        ("summary".to_owned(), short_hash(rendered.summary.as_bytes())),
        ("description".to_owned(), hash_of_document(&rendered.description)),
    ]);
    if let Some(priority) = &priority {
        hashes.insert("priority".to_owned(), short_hash(priority.as_bytes()));
    }
    let cause = short_hash(format!("{hashes:?}{labels:?}{generation}{project:?}").as_bytes());
    Ok(Desired {
        summary: rendered.summary,
        description: rendered.description,
        priority,
        labels,
        labels_on_screen: project.labels_on_screen(),
        hashes,
        cause,
    })
}

/// The id of the priority for a severity; none without a remap, or where the project has no priorities.
fn priority_id(spec: &TicketConfigurationSpec, project: &ProjectMeta, severity: Severity) -> Option<String> {
    let wanted = spec.priority.remap.as_ref()?.of(severity);
    let named = |priority: &&crate::jira::model::Priority| {
        priority.id == wanted || priority.name.to_lowercase() == wanted.to_lowercase()
    };
    project
        .priorities
        .iter()
        .find(named)
        .map(|priority| priority.id.clone())
}

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
    // A new issue stands for an active finding; what differs from that is pushed afterwards.
    let property = Property::new(instance, key, incarnation, Some(State::Active));
    CreateIssue {
        fields,
        properties: vec![property_entry(&property)],
    }
}

/// A property as it is sent.
pub fn property_entry(property: &Property) -> EntityProperty {
    EntityProperty {
        key: PROPERTY.to_owned(),
        value: serde_json::to_value(property).unwrap_or_default(),
    }
}

/// What must be sent so that the issue says what it should; `None` when it does already.
///
/// A field is sent only when what we want differs both from what we last wrote and from what is there. Summary and
/// priority that a person changed since are left to that person; the description is ours.
pub fn change(desired: &Desired, base: Option<&SyncBase>, issue: &Issue) -> Option<Change> {
    let mut change = Change::default();
    let last = |field: &str| base.and_then(|base| base.fields.get(field));
    let moved = |field: &str| last(field) != desired.hashes.get(field);
    // Without a base, after a restore, what is there may be a person's word.
    let edited = |field: &str, actual: &str| match last(field) {
        Some(last) => *last != short_hash(actual.as_bytes()),
        None => !actual.is_empty(),
    };

    let summary = issue.fields.summary.as_deref().unwrap_or_default();
    if moved("summary") && summary != desired.summary && !edited("summary", summary) {
        change.fields.insert("summary".to_owned(), json!(desired.summary));
    }
    let description = issue.fields.description.as_ref().unwrap_or(&Value::Null);
    if moved("description") && Some(&hash_of_document(description)) != desired.hashes.get("description") {
        change
            .fields
            .insert("description".to_owned(), desired.description.clone());
    }
    let priority = issue
        .fields
        .priority
        .as_ref()
        .map_or("", |priority| priority.id.as_str());
    if let Some(wanted) = desired.priority.as_ref().filter(|wanted| *wanted != priority)
        && moved("priority")
        && !edited("priority", priority)
    {
        change.fields.insert("priority".to_owned(), json!({ "id": wanted }));
    }
    let there = |label: &String| issue.fields.labels.contains(label);
    let ours_before: &[String] = base.map_or(&[], |base| &base.labels);
    // Our own two are always put back; others only when they are new, as a person may have taken them away.
    let wanted = desired
        .labels
        .iter()
        .filter(|label| !ours_before.contains(label) || is_reserved_label(label));
    change.add_labels = wanted.filter(|label| !there(label)).cloned().collect();
    let gone = ours_before
        .iter()
        .filter(|label| !desired.labels.contains(label) && there(label));
    change.remove_labels = gone.cloned().collect();
    (change != Change::default()).then_some(change)
}

fn hash_of_document(document: &Value) -> String {
    short_hash(render::adf::canonicalize(document).to_string().as_bytes())
}

/// Sixteen base32 characters of a SHA-256: enough to tell two values of one field apart.
pub fn short_hash(bytes: &[u8]) -> String {
    let mut text = BASE32_NOPAD.encode(&Sha256::digest(bytes)).to_lowercase();
    text.truncate(16);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desired(summary: &str, labels: &[&str]) -> Desired {
        Desired {
            summary: summary.into(),
            description: json!({"type": "doc", "version": 1, "content": []}),
            labels: labels.iter().map(ToString::to_string).collect(),
            hashes: BTreeMap::from([
                ("summary".to_owned(), short_hash(summary.as_bytes())),
                (
                    "description".to_owned(),
                    hash_of_document(&json!({"type": "doc", "version": 1, "content": []})),
                ),
            ]),
            ..Desired::default()
        }
    }

    fn issue(summary: &str, labels: &[&str]) -> Issue {
        let mut issue = Issue::default();
        issue.fields.summary = Some(summary.into());
        issue.fields.description = Some(json!({"type": "doc", "version": 1, "content": []}));
        issue.fields.labels = labels.iter().map(ToString::to_string).collect();
        issue
    }

    fn base(desired: &Desired) -> SyncBase {
        SyncBase {
            fields: desired.hashes.clone(),
            labels: desired.labels.clone(),
            ..SyncBase::default()
        }
    }

    #[test]
    fn only_what_differs_is_sent_and_applying_it_leaves_nothing() {
        let (old, new) = (desired("old", &["jfo-a", "web"]), desired("new", &["jfo-a", "api"]));
        let mut there = issue("old", &["jfo-a", "web", "theirs"]);
        let sent = change(&new, Some(&base(&old)), &there).unwrap();
        assert_eq!(sent.fields.keys().collect::<Vec<_>>(), ["summary"]);
        assert_eq!(
            (sent.add_labels.clone(), sent.remove_labels.clone()),
            (vec!["api".into()], vec!["web".into()])
        );
        sent.apply_to(&mut there);
        assert_eq!(there.fields.labels, ["jfo-a", "theirs", "api"]);
        assert_eq!(change(&new, Some(&base(&new)), &there), None);
        assert_eq!(change(&new, Some(&base(&old)), &there), None);
    }

    #[test]
    fn a_persons_summary_survives_and_our_labels_come_back() {
        let (old, new) = (desired("old", &["jfo-a"]), desired("new", &["jfo-a"]));
        let there = issue("a person wrote this", &[]);
        let sent = change(&new, Some(&base(&old)), &there).unwrap();
        assert!(sent.fields.is_empty());
        assert_eq!(sent.add_labels, ["jfo-a"]);
    }
}
