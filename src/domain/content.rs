//! What an issue should say, and what must be sent to make it say so.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::api::fields::Assignee;
use crate::api::security_finding::SyncBase;
use crate::api::ticket_configuration::TicketConfigurationSpec;
use crate::api::update_policy::{UpdatePolicies, UpdatePolicy};
use crate::api::{Reason, SecurityFinding, Severity, State};
use crate::jira::model::{CreateIssue, EditIssue, EntityProperty, Issue, Priority, User};
use crate::jira::{Assignable, AssigneeWish, ProjectMeta};

use super::configuration::{MAX_LISTED, listed};
use super::fault::Fault;
use super::fields::{Shape, TypedField, TypedFields, entry_value, has_entry, wished_priority};
use super::identity::{PROPERTY, Property, TicketKey, instance_label, is_reserved_label};
use super::ownership::{self, ASSIGNEE};
use super::plan::{is_leaving, stored_ticket};
use super::render::{self, template::Compiled as Template, values::is_template};
use super::state::is_open;

/// Fields that the model of an issue has members for.
const MODELLED: [&str; 5] = ["summary", "description", "priority", "labels", ASSIGNEE];

/// Most labels of ours on one issue.
const MAX_LABELS: usize = 100;

/// What an issue should say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// One line.
    pub summary: String,
    /// An ADF document.
    pub description: Value,
    /// Id of the priority; `None` when none is sent.
    pub priority: Option<String>,
    /// Its name, for people.
    pub priority_name: Option<String>,
    /// All labels of ours.
    pub labels: Vec<String>,
    /// Whether labels can be sent with the creation.
    pub labels_on_screen: bool,
    /// The fields the configuration asks for besides these.
    pub fields: Vec<TypedField>,
    /// Of the lists among them that people add to as well, what is ours.
    pub lists: BTreeMap<String, Vec<String>>,
    /// Short hashes of the values above, by field, and of the wish for an assignee; none of those lists.
    pub hashes: BTreeMap<String, String>,
    /// Who owns each field.
    pub policies: UpdatePolicies,
    /// Hash over everything a refusal may be about; as long as it stays, the same refusal is to be expected.
    pub cause: String,
    /// Why these findings cannot be written to Jira as they are; the content of the issue waits until that is cured.
    pub fault: Option<Fault>,
}

impl Desired {
    /// With the fields the configuration asks for. `group` is what the findings have in common.
    #[must_use]
    pub fn with_fields(mut self, typed: &TypedFields, members: &[Arc<SecurityFinding>], group: &[String]) -> Self {
        let shown = shown(members);
        let filled = typed.fill(&shown, group, severity_of(&shown));
        self.fields = filled.fields;
        self.fault = self.fault.or(filled.fault);
        self.labels = with_ours(filled.labels, &self.labels);
        for field in &self.fields {
            if field.shape == Shape::SharedList {
                self.lists.insert(field.id.clone(), field.entries());
            } else {
                self.hashes.insert(field.id.clone(), field.hash());
            }
        }
        let all = format!("{}{:?}{:?}{:?}", self.cause, self.hashes, self.lists, self.labels);
        self.cause = short_hash(all.as_bytes());
        self
    }

    /// Whether something differs from what was last written, of what is ever written again.
    pub fn differs_from(&self, base: &SyncBase) -> bool {
        ownership::differs(self, base)
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

/// What the issue of a ticket should say. Findings that are being deleted count only where no other is left. A template
/// that does not work with these findings, though it compiled, is a fault of them alone.
pub fn desired(
    members: &[Arc<SecurityFinding>],
    spec: &TicketConfigurationSpec,
    template: Option<&Template>,
    generation: i64,
    project: &ProjectMeta,
    instance: &str,
    key: &TicketKey,
) -> Desired {
    let shown = shown(members);
    let mut fault = None;
    let rendered = template.and_then(|template| match template.render(&shown, &key.group) {
        Ok(rendered) => Some(rendered),
        Err(error) => {
            fault = Some(Fault::lasting(Reason::TemplateInvalid, error.to_string()));
            None
        }
    });
    let rendered = rendered.unwrap_or_else(|| render::ticket(&shown));
    let priority = priority(spec, project, &shown).unwrap_or_else(|message| {
        fault.get_or_insert_with(|| Fault::lasting(Reason::FieldInvalid, message));
        None
    });
    let fixed = spec.fields.labels.iter().filter(|label| !is_template(label));
    let wished = shown.iter().flat_map(|finding| &finding.spec.ticket.labels);
    let theirs = fixed.chain(wished).filter(|label| !is_reserved_label(label));
    let labels = with_ours(
        theirs.cloned().collect(),
        &[instance_label(instance), key.label(instance)],
    );
    let mut hashes = BTreeMap::from([
        ("summary".to_owned(), short_hash(rendered.summary.as_bytes())),
        ("description".to_owned(), hash_of_document(&rendered.description)),
    ]);
    if let Some(priority) = &priority {
        hashes.insert("priority".to_owned(), short_hash(priority.id.as_bytes()));
    }
    if let Some(wish) = assignee(members, Some(spec)) {
        hashes.insert(ASSIGNEE.to_owned(), hash_of_wish(&wish.into()));
    }
    let always = ownership::hash_of_policies(&spec.update_policy);
    hashes.extend(always.map(|hash| (ownership::POLICY.to_owned(), hash)));
    let mut policies = spec.update_policy.clone();
    if stored_ticket(members, key).is_some_and(|ticket| ticket.adopted) {
        policies.description = Some(UpdatePolicy::CreateOnly);
    }
    let named: Vec<_> = shown.iter().map(|finding| &finding.spec.ticket.issue_key).collect();
    let cause = short_hash(format!("{hashes:?}{labels:?}{generation}{project:?}{named:?}").as_bytes());
    Desired {
        summary: rendered.summary,
        description: rendered.description,
        priority: priority.map(|priority| priority.id.clone()),
        priority_name: priority.map(|priority| priority.name.clone()),
        labels,
        labels_on_screen: project.labels_on_screen(),
        fields: Vec::new(),
        lists: BTreeMap::new(),
        hashes,
        policies,
        cause,
        fault,
    }
}

fn hash_of_wish(wish: &AssigneeWish) -> String {
    let email = wish.email.as_ref().map(|email| email.to_lowercase());
    short_hash(format!("{:?}{email:?}{:?}", wish.account_id, wish.unassigned).as_bytes())
}

/// The findings an issue speaks of, the most urgent first: those that are being deleted only where no other is left.
pub fn shown(members: &[Arc<SecurityFinding>]) -> Vec<&SecurityFinding> {
    let all = || members.iter().map(AsRef::as_ref);
    let present: Vec<&SecurityFinding> = all().filter(|one| !is_leaving(one)).collect();
    let mut shown: Vec<&SecurityFinding> = if present.is_empty() { all().collect() } else { present };
    shown.sort_by_key(|one| Reverse((is_open(one.spec.state), one.spec.severity)));
    shown
}

/// The highest severity of those that are open, else of all.
pub(super) fn severity_of(shown: &[&SecurityFinding]) -> Severity {
    let open = shown.iter().filter(|finding| is_open(finding.spec.state));
    let highest = open.map(|finding| finding.spec.severity).max();
    highest
        .or_else(|| shown.iter().map(|finding| finding.spec.severity).max())
        .unwrap_or_default()
}

/// Labels, those that there were before first, as many as an issue should have.
fn with_ours(more: Vec<String>, before: &[String]) -> Vec<String> {
    let mut labels: Vec<String> = before.to_vec();
    for label in more {
        if labels.len() < MAX_LABELS && !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels.sort();
    labels
}

/// The priority of an issue: what its findings wish for, else what the remap has for their severity. None where the
/// project has no priorities, or another field has their place.
fn priority<'a>(
    spec: &TicketConfigurationSpec,
    project: &'a ProjectMeta,
    shown: &[&SecurityFinding],
) -> Result<Option<&'a Priority>, String> {
    if spec.priority.field.is_some() || project.priorities.is_empty() {
        return Ok(None);
    }
    let named = |wanted: &str| {
        let fits =
            |priority: &&Priority| priority.id == wanted || priority.name.to_lowercase() == wanted.to_lowercase();
        project.priorities.iter().find(fits)
    };
    if let Some(wanted) = wished_priority(shown) {
        let names: Vec<String> = project.priorities.iter().map(|one| one.name.clone()).collect();
        return named(wanted).map(Some).ok_or_else(|| {
            format!(
                "ticket.priority: project {} has no priority {wanted:?}; it has {}",
                project.key,
                listed(&names, 3 * MAX_LISTED)
            )
        });
    }
    let remap = spec.priority.remap.as_ref();
    Ok(remap.and_then(|remap| named(remap.of(severity_of(shown)))))
}

/// Whom an issue is to be assigned to: as the first finding that says so, else as the configuration.
pub fn assignee<'a>(
    members: &'a [Arc<SecurityFinding>],
    spec: Option<&'a TicketConfigurationSpec>,
) -> Option<&'a Assignee> {
    let present = members.iter().filter(|finding| !is_leaving(finding));
    let mut own = present.filter_map(|finding| finding.spec.ticket.assignee.as_ref());
    own.next().or_else(|| spec?.assignee.as_ref())
}

/// Whom a wish for an assignee names, for people.
pub fn assignee_name(wish: &Assignee) -> String {
    let named = wish.email.clone().or_else(|| wish.account_id.clone());
    named.unwrap_or_else(|| "Unassigned".to_owned())
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
    for field in desired.fields.iter().filter(|field| field.on_create && !field.nothing) {
        fields.insert(field.id.clone(), field.value.clone());
    }
    // A new issue stands for an active finding; what differs from that is pushed afterwards.
    let property = Property {
        written: ownership::written_by_creation(desired),
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

/// The hash of an ADF document, whatever Jira added to it.
pub fn hash_of_document(document: &Value) -> String {
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

    fn change(desired: &Desired, base: Option<&SyncBase>, issue: &Issue) -> Option<Change> {
        ownership::change(desired, base, issue, &BTreeMap::new())
    }

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
    fn the_most_urgent_finding_is_shown_first() {
        let finding = |name: &str, severity, state| {
            let spec = serde_json::from_value(json!({"title": name})).unwrap();
            let mut finding = SecurityFinding::new(name, spec);
            (finding.spec.severity, finding.spec.state) = (severity, state);
            Arc::new(finding)
        };
        let members = [
            finding("a", Severity::Low, State::Active),
            finding("b", Severity::Critical, State::Fixed),
            finding("c", Severity::High, State::Active),
            finding("d", Severity::High, State::InProgress),
        ];
        let names: Vec<_> = shown(&members)
            .into_iter()
            .map(|one| one.metadata.name.clone())
            .collect();
        assert_eq!(names, ["c", "d", "a", "b"].map(|name| Some(name.to_owned())));
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
    fn typed_fields_follow_the_configuration_and_leave_people_alone() {
        let typed = |team: &str, components: Value| TypedFields {
            fields: vec![
                TypedField {
                    id: "customfield_1".into(),
                    value: json!({"id": team}),
                    ..TypedField::default()
                },
                TypedField {
                    id: "components".into(),
                    value: components,
                    shape: Shape::SharedList,
                    on_create: true,
                    ..TypedField::default()
                },
            ],
            ..TypedFields::default()
        };
        let with = |typed: &TypedFields| desired("s", &[]).with_fields(typed, &[], &[]);
        let old = with(&typed("1", json!([{"id": "10"}, {"id": "11"}])));
        let new = with(&typed("2", json!([{"id": "11"}, {"id": "12"}])));
        let written = SyncBase {
            lists: old.lists.clone(),
            ..base(&old)
        };
        assert!(new.differs_from(&written) && !old.differs_from(&written));
        let mut there = issue("s", &[]);
        let team = |id: &str| json!({"id": id, "value": "a team"});
        there.fields.other.insert("customfield_1".into(), team("1"));
        there.fields.other.insert(
            "components".into(),
            json!([{"id": "10", "name": "a"}, {"id": "11", "name": "b"}, {"id": "99", "name": "theirs"}]),
        );
        assert_eq!(change(&old, Some(&written), &there), None);
        let sent = change(&new, Some(&written), &there).unwrap();
        assert_eq!(
            Value::Object(sent.fields.clone()),
            json!({"customfield_1": {"id": "2"}})
        );
        assert_eq!(
            Value::Object(sent.edit().update),
            json!({"components": [{"add": {"id": "12"}}, {"remove": {"id": "10"}}]})
        );
        let mut edited = there.clone();
        sent.apply_to(&mut there);
        assert_eq!(change(&new, Some(&written), &there), None);
        edited.fields.other.insert("customfield_1".into(), team("7"));
        let sent = change(&new, Some(&written), &edited).unwrap();
        assert!(sent.fields.is_empty(), "a person chose another team");
        let left = ownership::completion(&new, &issue("s", &[]), &BTreeMap::new()).unwrap();
        assert_eq!(left.fields.keys().collect::<Vec<_>>(), ["customfield_1"]);
        assert!(left.lists.is_empty(), "components are on the create screen");
    }

    #[test]
    fn a_persons_summary_survives_and_our_labels_come_back() {
        let (old, new) = (desired("old", &["jfo-a"]), desired("new", &["jfo-a"]));
        let there = issue("a person wrote this", &[]);
        let sent = change(&new, Some(&base(&old)), &there).unwrap();
        assert!(sent.fields.is_empty());
        assert_eq!(sent.add_labels, ["jfo-a"]);
    }

    #[test]
    fn on_an_adopted_issue_only_what_is_empty_is_filled_and_never_the_description() {
        let mut issue = Issue::default();
        issue.fields.other = json!({"a": "theirs", "b": null, "c": [], "d": ["theirs"]})
            .as_object()
            .cloned()
            .unwrap();
        let all = Change {
            fields: json!({"description": "ours", "a": 1, "b": 2, "c": 3, "d": 4, "e": 5})
                .as_object()
                .cloned()
                .unwrap(),
            ..Change::default()
        };
        let sent = |first: bool| -> Vec<String> {
            let change = all.clone().to_adopted(&issue, first).unwrap();
            change.fields.keys().cloned().collect()
        };
        assert_eq!(sent(true), ["b", "c", "e"]);
        assert_eq!(sent(false), ["a", "b", "c", "d", "e"]);
        let only = Change {
            fields: json!({"description": "ours"}).as_object().cloned().unwrap(),
            ..Change::default()
        };
        assert_eq!(only.to_adopted(&issue, false), None);
    }

    #[test]
    fn a_claim_adds_labels_and_writes_the_property_with_them() {
        let key = TicketKey {
            configuration: "a/b".into(),
            group: vec!["ns".into(), "f".into()],
            slot: 0,
        };
        let edit = claiming("prod", &key);
        assert!(edit.fields.is_empty(), "nothing is replaced");
        assert_eq!(
            edit.update["labels"],
            json!([{"add": "jira-findings-prod"}, {"add": key.label("prod")}])
        );
        assert_eq!(edit.properties.len(), 1);
    }
}
