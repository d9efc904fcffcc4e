//! What is stored of the content that was last written (the base), and how it changes when an issue was written.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::security_finding::SyncBase;
use crate::api::update_policy::UpdatePolicy;
use crate::domain::identity::{Property, is_reserved_label};
use crate::jira::Assignable;
use crate::jira::model::Issue;

use super::change::Change;
use super::compare::{actual, hash_of_list, missing, on_create, whole_fields};
use super::policy::{ASSIGNEE, LABELS, policy_of};
use super::wanted::Desired;

/// A field that this process wrote, until a status tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Hash of the wish.
    pub wish: String,
    /// Hash of what was there, where it was put right.
    pub over: Option<String>,
}

/// What this process wrote and no status tells of yet, by field.
pub type SentFields = BTreeMap<String, Sent>;

/// A wish for an assignee, by its hash, and whom it means.
pub type Resolved = (String, Assignable);

/// Whether a base tells of content that was written.
pub fn has_content(base: &SyncBase) -> bool {
    !(base.fields.is_empty() && base.labels.is_empty())
}

/// Takes note in a base that the issue says what it should, as far as that is ours. `known` is the base of the ticket.
pub fn settle(
    base: &mut SyncBase,
    known: Option<&SyncBase>,
    desired: &Desired,
    issue: &Issue,
    sent: &SentFields,
    resolved: Option<&Resolved>,
) {
    let none = SyncBase::default();
    let before = known.unwrap_or(&none);
    let (fields, labels, lists) = agreed(desired, known);
    let (mut shown, mut overwrote) = (BTreeMap::new(), BTreeMap::new());
    for (id, wish) in &fields {
        let Some(there) = actual(desired, issue, id) else {
            continue;
        };
        let now = sent.get(id).filter(|one| one.wish == *wish);
        let dealt_with = now.is_some() || (id == ASSIGNEE && resolved.is_some_and(|(of, _)| of == wish));
        let form = if dealt_with {
            (there != *wish).then(|| there.clone())
        } else {
            before.shown.get(id).cloned()
        };
        let is_right = there == *wish || form.as_ref() == Some(&there);
        let over = match now {
            Some(now) => now.over.clone(),
            None => before.overwrote.get(id).filter(|_| !is_right).cloned(),
        };
        shown.extend(form.map(|form| (id.clone(), form)));
        overwrote.extend(over.map(|over| (id.clone(), over)));
    }
    let of_labels = [(LABELS.to_owned(), desired.labels.clone())];
    for (id, wanted) in desired.lists.clone().into_iter().chain(of_labels) {
        let over = match sent.get(&id).filter(|one| one.wish == hash_of_list(&wanted)) {
            Some(now) => now.over.clone(),
            None if missing(issue, &id, &wanted).is_empty() => None,
            None => before.overwrote.get(&id).cloned(),
        };
        overwrote.extend(over.map(|over| (id, over)));
    }
    (base.fields, base.labels, base.lists) = (fields, labels, lists);
    (base.shown, base.overwrote) = (shown, overwrote);
}

/// Takes note in a base that something is to be put right later: it counts as not written.
pub fn postpone(base: &mut SyncBase, change: &Change) {
    for id in change.overwrites.keys() {
        base.fields.remove(id);
        if id == LABELS {
            base.labels.retain(|label| !change.add_labels.contains(label));
        }
        if let (Some(ours), Some(entries)) = (base.lists.get_mut(id), change.lists.get(id)) {
            ours.retain(|entry| !entries.add.contains(entry));
        }
    }
}

/// Whether something differs from what was last written, of what is ever written again.
pub fn differs(desired: &Desired, base: &SyncBase) -> bool {
    let (fields, labels, lists) = agreed(desired, Some(base).filter(|base| has_content(base)));
    fields != base.fields || labels != base.labels || lists != base.lists
}

/// What is taken note of as sent when an issue was created.
pub fn sent_by_creation(desired: &Desired) -> SentFields {
    let mut sent = SentFields::new();
    let whole = whole_fields(desired).filter(|(_, _, on_create)| *on_create);
    let assignee = desired.hashes.contains_key(ASSIGNEE).then_some(ASSIGNEE);
    for id in whole.map(|(id, _, _)| id).chain(assignee) {
        note_sent(&mut sent, desired, id, None);
    }
    if desired.labels_on_screen {
        note_sent(&mut sent, desired, LABELS, None);
    }
    for id in desired.lists.keys().filter(|id| on_create(desired, id)) {
        note_sent(&mut sent, desired, id, None);
    }
    sent
}

/// The issue's property with what a change writes; `None` where it writes no whole field, or the property is gone.
pub fn written(desired: &Desired, issue: &Issue, change: &Change) -> Option<Property> {
    let mut property = Property::of(issue)?;
    let mut after = issue.clone();
    change.apply_to(&mut after);
    let now = change
        .fields
        .keys()
        .filter_map(|id| Some((id.clone(), actual(desired, &after, id)?)));
    property.written.extend(now);
    property.written.retain(|id, _| desired.hashes.contains_key(id));
    (!change.fields.is_empty()).then_some(property)
}

/// The hashes of what a creation writes.
pub fn written_by_creation(desired: &Desired) -> BTreeMap<String, String> {
    let whole = whole_fields(desired).filter(|(_, _, on_create)| *on_create);
    whole
        .filter_map(|(id, _, _)| Some((id.to_owned(), desired.hashes.get(id)?.clone())))
        .collect()
}

/// Takes note of a change that was sent.
pub fn note_change(sent: &mut SentFields, desired: &Desired, change: &Change) {
    if change.is_repair() {
        return;
    }
    let labels = (!change.add_labels.is_empty() || !change.remove_labels.is_empty()).then_some(LABELS);
    let lists = change.lists.keys().map(String::as_str);
    let ids: BTreeSet<&str> = change
        .fields
        .keys()
        .map(String::as_str)
        .chain(labels)
        .chain(lists)
        .collect();
    for id in ids {
        note_sent(sent, desired, id, change.overwrites.get(id).cloned());
    }
}

pub(super) fn note_sent(sent: &mut SentFields, desired: &Desired, id: &str, over: Option<String>) {
    let wish = match desired.hashes.get(id) {
        Some(hash) => hash.clone(),
        None if id == LABELS => hash_of_list(&desired.labels),
        None => hash_of_list(desired.lists.get(id).map_or(&[], Vec::as_slice)),
    };
    sent.insert(id.to_owned(), Sent { wish, over });
}

pub(super) type Agreed = (BTreeMap<String, String>, Vec<String>, BTreeMap<String, Vec<String>>);

/// Fields, labels and lists of a base once the issue says what it should. What is written only once stays as it was
/// then.
pub(super) fn agreed(desired: &Desired, known: Option<&SyncBase>) -> Agreed {
    let once = |id: &str| policy_of(&desired.policies, id) == UpdatePolicy::CreateOnly;
    let Some(known) = known else {
        return (desired.hashes.clone(), desired.labels.clone(), desired.lists.clone());
    };
    let fields = desired.hashes.iter().filter_map(|(id, wish)| {
        let value = if once(id) { known.fields.get(id)? } else { wish };
        Some((id.clone(), value.clone()))
    });
    let lists = desired.lists.iter().filter_map(|(id, wanted)| {
        let entries = if once(id) { known.lists.get(id)? } else { wanted };
        Some((id.clone(), entries.clone()))
    });
    let labels = if once(LABELS) {
        let ours = desired.labels.iter().filter(|label| is_reserved_label(label));
        let theirs = known.labels.iter().filter(|label| !is_reserved_label(label));
        let all: BTreeSet<String> = ours.chain(theirs).cloned().collect();
        all.into_iter().collect()
    } else {
        desired.labels.clone()
    };
    (fields.collect(), labels, lists.collect())
}
