//! What an issue should say.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::api::fields::Assignee;
use crate::api::security_finding::SyncBase;
use crate::api::ticket_configuration::TicketConfigurationSpec;
use crate::api::update_policy::{UpdatePolicies, UpdatePolicy};
use crate::api::{Reason, SecurityFinding};
use crate::domain::base::fault::Fault;
use crate::domain::base::hash::short_hash;
use crate::domain::base::members::is_leaving;
use crate::domain::base::words::{MAX_LISTED, listed};
use crate::domain::fields::{Shape, TypedField, TypedFields, wished_priority};
use crate::domain::identity::{TicketKey, instance_label, is_reserved_label, stored_ticket};
use crate::domain::render::{self, template::Compiled as Template, values::is_template};
use crate::domain::state::urgency::{severity_of, shown};
use crate::jira::model::Priority;
use crate::jira::{AssigneeWish, ProjectMeta};

use super::base;
use super::policy::{ASSIGNEE, POLICY, hash_of_policies};

/// Most labels of ours on one issue.
pub(super) const MAX_LABELS: usize = 100;

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
        base::differs(self, base)
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
    let always = hash_of_policies(&spec.update_policy);
    hashes.extend(always.map(|hash| (POLICY.to_owned(), hash)));
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

/// Whether two copies of the members of a ticket make the same content: nothing that [`desired`] reads of them differs.
/// Their statuses count only where they say that the issue was adopted.
pub fn same_content(one: &[Arc<SecurityFinding>], other: &[Arc<SecurityFinding>], key: &TicketKey) -> bool {
    let same = |(one, other): (&Arc<SecurityFinding>, &Arc<SecurityFinding>)| {
        Arc::ptr_eq(one, other)
            || (one.metadata.uid == other.metadata.uid
                && one.metadata.name == other.metadata.name
                && one.metadata.namespace == other.metadata.namespace
                && one.metadata.labels == other.metadata.labels
                && is_leaving(one) == is_leaving(other)
                && one.spec == other.spec)
    };
    let adopted = |members| stored_ticket(members, key).is_some_and(|ticket| ticket.adopted);
    one.len() == other.len() && one.iter().zip(other).all(same) && adopted(one) == adopted(other)
}

fn hash_of_wish(wish: &AssigneeWish) -> String {
    let email = wish.email.as_ref().map(|email| email.to_lowercase());
    short_hash(format!("{:?}{email:?}{:?}", wish.account_id, wish.unassigned).as_bytes())
}

/// Labels, those that there were before first, as many as an issue should have.
pub(super) fn with_ours(more: Vec<String>, before: &[String]) -> Vec<String> {
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
pub(super) fn priority<'a>(
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

/// The hash of an ADF document, whatever Jira added to it.
pub fn hash_of_document(document: &Value) -> String {
    short_hash(render::adf::canonicalize(document).to_string().as_bytes())
}
