//! Who owns what on an open issue (`spec.updatePolicy`), and so what is sent to it.
//!
//! Three things are compared, as short hashes: the wish, what was last written (the base), and what is there. Jira may
//! show a value otherwise than it was sent, and a rule in Jira may answer every edit with one of its own; so that
//! neither is edited for ever, the base keeps what Jira showed right after a write (`shown`), and what was last put
//! right (`overwrote`), until the field was seen as it should be.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::api::security_finding::SyncBase;
use crate::api::update_policy::UpdatePolicy;
use crate::domain::base::hash::short_hash;
use crate::domain::fields::{Shape, TypedField, has_entry};
use crate::domain::identity::{Property, is_reserved_label};
use crate::jira::Assignable;
use crate::jira::model::Issue;

use super::base::{Resolved, SentFields};
use super::change::{Change, Entries};
use super::policy::{ASSIGNEE, LABELS, policy_of};
use super::wanted::{Desired, hash_of_document};

/// Fields that an issue may have had before the operator knew it: without a base, what is in them is a person's.
pub(super) const MAY_BE_THEIRS: [&str; 4] = ["summary", "description", "priority", ASSIGNEE];

/// What must be sent so that the issue says what it should; `None` when nothing is. `base` is `None` for an issue that
/// nothing is known of: a new one, or one found again.
pub fn change(desired: &Desired, base: Option<&SyncBase>, issue: &Issue, sent: &SentFields) -> Option<Change> {
    let mut change = Change::default();
    for (id, value, on_create) in whole_fields(desired) {
        match to_write(desired, base, issue, sent, id, on_create) {
            Writing::No => continue,
            Writing::Wish => {}
            Writing::Right(over) => drop(change.overwrites.insert(id.to_owned(), over)),
        }
        change.fields.insert(id.to_owned(), value);
    }
    labels(&mut change, desired, base, issue, sent);
    lists(&mut change, desired, base, issue, sent);
    (change != Change::default()).then_some(change)
}

/// What a new issue still lacks of what its create screen does not take.
pub fn completion(desired: &Desired, issue: &Issue, sent: &SentFields) -> Option<Change> {
    let all = change(desired, None, issue, sent)?;
    let of_later = |id: &String| desired.fields.iter().any(|field| field.id == *id && !field.on_create);
    let rest = Change {
        fields: all.fields.into_iter().filter(|(id, _)| of_later(id)).collect(),
        lists: all.lists.into_iter().filter(|(id, _)| of_later(id)).collect(),
        ..Change::default()
    };
    (rest != Change::default()).then_some(rest)
}

/// What is to happen to the assignee.
#[derive(Clone, Debug, PartialEq)]
pub enum Assignment {
    /// Nothing.
    Leave,
    /// Whom the wish means must be found out. With the hash of who is there, if that is put right.
    Resolve(Option<String>),
    /// This is to be sent.
    Set(Value, Option<String>),
}

/// What is to happen to the assignee, given whom the wish means, if that is known. The hash of a wish stands for it,
/// so that a ticket in sync need not ask Jira who is meant; `shown` of the base tells the account.
pub fn assignment(
    desired: &Desired,
    base: Option<&SyncBase>,
    issue: &Issue,
    sent: &SentFields,
    resolved: Option<&Resolved>,
) -> Assignment {
    let over = match to_write(desired, base, issue, sent, ASSIGNEE, true) {
        Writing::No => return Assignment::Leave,
        Writing::Wish => None,
        Writing::Right(over) => Some(over),
    };
    let wish = desired.hashes.get(ASSIGNEE);
    let Some((_, whom)) = resolved.filter(|(of, _)| Some(of) == wish) else {
        return Assignment::Resolve(over);
    };
    let (account, value) = match whom {
        Assignable::Refused(_) => return Assignment::Leave,
        Assignable::Nobody => ("", Value::Null),
        Assignable::Account(id) => (id.as_str(), json!({ "accountId": id })),
    };
    if account == account_of(issue) {
        Assignment::Leave
    } else {
        Assignment::Set(value, over)
    }
}

/// The fields that are written whole: id, value, and whether the creation takes them.
pub(super) fn whole_fields(desired: &Desired) -> impl Iterator<Item = (&str, Value, bool)> {
    let priority = desired
        .priority
        .iter()
        .map(|id| ("priority", json!({ "id": id }), true));
    let typed = desired.fields.iter().filter(|field| field.shape != Shape::SharedList);
    [
        ("summary", json!(desired.summary), true),
        ("description", desired.description.clone(), true),
    ]
    .into_iter()
    .chain(priority)
    .chain(typed.map(|field| (field.id.as_str(), field.value.clone(), field.on_create)))
}

/// Whether a whole field is written now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// It is not.
    No,
    /// It is, as the wish moved.
    Wish,
    /// It is put right; with the hash of what is there.
    Right(String),
}

pub(super) fn to_write(
    desired: &Desired,
    base: Option<&SyncBase>,
    issue: &Issue,
    sent: &SentFields,
    id: &str,
    on_create: bool,
) -> Writing {
    let Some(wish) = desired.hashes.get(id) else {
        return Writing::No;
    };
    let there = actual(desired, issue, id);
    if there.as_ref() == Some(wish) || sent.get(id).is_some_and(|one| one.wish == *wish) {
        return Writing::No;
    }
    let last = base.and_then(|base| base.fields.get(id));
    if last.is_none() && desired.fields.iter().any(|field| field.id == id && field.nothing) {
        // What is to be empty is emptied only where we filled it.
        return Writing::No;
    }
    let shown = base.and_then(|base| base.shown.get(id));
    let when = |due: bool| if due { Writing::Wish } else { Writing::No };
    match policy_of(&desired.policies, id) {
        UpdatePolicy::Always => {
            let back = base.is_some() && last.is_none_or(|last| last == wish);
            match there {
                // A field that was not read is sent once, so that Jira tells what is wrong with it.
                None if last == Some(wish) => Writing::No,
                Some(there) if back => {
                    let overwrote = base.and_then(|base| base.overwrote.get(id));
                    if Some(&there) == shown || Some(&there) == overwrote {
                        Writing::No
                    } else {
                        Writing::Right(there)
                    }
                }
                _ => Writing::Wish,
            }
        }
        UpdatePolicy::UnlessEdited => {
            let theirs = match (last, &there) {
                (Some(last), Some(there)) => {
                    !wrote(desired, issue, id, last) && shown != Some(there) && !was_written(desired, issue, id)
                }
                (None, Some(_)) => {
                    MAY_BE_THEIRS.contains(&id) && !is_empty(issue, id) && !was_written(desired, issue, id)
                }
                (_, None) => false,
            };
            when(last != Some(wish) && !theirs)
        }
        UpdatePolicy::CreateOnly | UpdatePolicy::Unrecognised => {
            let fresh = sent.contains_key("summary");
            when(base.is_none() && !on_create && (fresh || is_empty(issue, id)))
        }
    }
}

/// The hash of what an issue has in a field; `None` where it was not read.
pub(super) fn actual(desired: &Desired, issue: &Issue, id: &str) -> Option<String> {
    let fields = &issue.fields;
    match id {
        "summary" => Some(short_hash(fields.summary.as_deref().unwrap_or_default().as_bytes())),
        "description" => Some(hash_of_document(fields.description.as_ref().unwrap_or(&Value::Null))),
        "priority" => {
            let priority = fields.priority.as_ref().map_or("", |priority| priority.id.as_str());
            Some(short_hash(priority.as_bytes()))
        }
        ASSIGNEE => Some(short_hash(account_of(issue).as_bytes())),
        _ => {
            let typed: &TypedField = desired.fields.iter().find(|field| field.id == id)?;
            fields.other.get(id).map(|value| typed.hash_of(value))
        }
    }
}

/// Whether what an issue has in a field is what was written last, of which only the hash is remembered.
pub(super) fn wrote(desired: &Desired, issue: &Issue, id: &str, last: &str) -> bool {
    let typed = desired.fields.iter().find(|field| field.id == id);
    match typed.zip(issue.fields.other.get(id)) {
        Some((typed, there)) => typed.wrote(there, last),
        None => actual(desired, issue, id).as_deref() == Some(last),
    }
}

/// Whether what an issue has in a field is what its property says that was written last. A finding may not know of it:
/// the process died, or the finding was restored.
pub(super) fn was_written(desired: &Desired, issue: &Issue, id: &str) -> bool {
    let property = Property::of(issue).unwrap_or_default();
    let last = property.written.get(id);
    last.is_some_and(|last| wrote(desired, issue, id, last))
}

pub(super) fn is_empty(issue: &Issue, id: &str) -> bool {
    let nothing = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(_) => false,
    };
    match id {
        "summary" => issue.fields.summary.as_deref().unwrap_or_default().is_empty(),
        "description" => nothing(issue.fields.description.as_ref()),
        "priority" => issue.fields.priority.is_none(),
        ASSIGNEE => issue.fields.assignee.is_none(),
        _ => nothing(issue.fields.other.get(id)),
    }
}

pub(super) fn account_of(issue: &Issue) -> &str {
    let assignee = issue.fields.assignee.as_ref();
    assignee.map_or("", |user| user.account_id.as_str())
}

pub(super) fn on_create(desired: &Desired, id: &str) -> bool {
    desired.fields.iter().any(|field| field.id == id && field.on_create)
}

/// Labels: ours come and go one by one, and the operator's own two are put back whatever the policy.
pub(super) fn labels(
    change: &mut Change,
    desired: &Desired,
    base: Option<&SyncBase>,
    issue: &Issue,
    sent: &SentFields,
) {
    let none = Vec::new();
    let before = base.map_or(&none, |base| &base.labels);
    let ours: Vec<String> = desired
        .labels
        .iter()
        .filter(|one| !is_reserved_label(one))
        .cloned()
        .collect();
    let list = List {
        id: LABELS,
        wanted: &ours,
        before,
        on_create: desired.labels_on_screen,
    };
    if sent
        .get(LABELS)
        .is_some_and(|one| one.wish == hash_of_list(&desired.labels))
    {
        return;
    }
    let (mut entries, over) = list.entries(desired, base, issue);
    entries.remove.retain(|label| !desired.labels.contains(label));
    let missing = missing(issue, LABELS, &desired.labels);
    let add = missing
        .into_iter()
        .filter(|label| is_reserved_label(label) || entries.add.contains(label));
    change.add_labels = add.collect();
    change.remove_labels = entries.remove;
    change.overwrites.extend(over.map(|over| (LABELS.to_owned(), over)));
}

/// Lists that people add to as well.
pub(super) fn lists(change: &mut Change, desired: &Desired, base: Option<&SyncBase>, issue: &Issue, sent: &SentFields) {
    let none = BTreeMap::new();
    let before = base.map_or(&none, |base| &base.lists);
    let ids: BTreeSet<&String> = desired.lists.keys().chain(before.keys()).collect();
    for id in ids {
        let ours = |lists: &BTreeMap<String, Vec<String>>| lists.get(id).cloned().unwrap_or_default();
        let (wanted, before) = (ours(&desired.lists), ours(before));
        if sent.get(id).is_some_and(|one| one.wish == hash_of_list(&wanted)) {
            continue;
        }
        let list = List {
            id,
            wanted: &wanted,
            before: &before,
            on_create: on_create(desired, id),
        };
        let (entries, over) = list.entries(desired, base, issue);
        if entries != Entries::default() {
            change.lists.insert(id.clone(), entries);
            change.overwrites.extend(over.map(|over| (id.clone(), over)));
        }
    }
}

/// One list that people add to as well.
pub(super) struct List<'a> {
    id: &'a str,
    /// What should be there of ours.
    wanted: &'a [String],
    /// What was ours when it was last written.
    before: &'a [String],
    on_create: bool,
}

impl List<'_> {
    /// Entries to add and to take away; of those that are put right, the hash of what is missing.
    fn entries(&self, desired: &Desired, base: Option<&SyncBase>, issue: &Issue) -> (Entries, Option<String>) {
        let policy = policy_of(&desired.policies, self.id);
        let create_only = policy == UpdatePolicy::CreateOnly;
        if create_only && (base.is_some() || self.on_create) {
            return (Entries::default(), None);
        }
        let mut add = missing(issue, self.id, self.wanted);
        let over = hash_of_list(&add);
        let overwrote = base.and_then(|base| base.overwrote.get(self.id));
        let always = policy == UpdatePolicy::Always && base.is_some();
        if !always || overwrote == Some(&over) {
            // One of ours that is not new was taken away by a person.
            add.retain(|entry| !self.before.contains(entry));
        }
        let gone = self.before.iter().filter(|entry| !self.wanted.contains(entry));
        let remove = gone.filter(|entry| is_there(issue, self.id, entry)).cloned().collect();
        let over = (always && !add.is_empty()).then_some(over);
        (Entries { add, remove }, over)
    }
}

pub(super) fn is_there(issue: &Issue, id: &str, entry: &String) -> bool {
    if id == LABELS {
        return issue.fields.labels.contains(entry);
    }
    issue.fields.other.get(id).is_some_and(|list| has_entry(list, entry))
}

pub(super) fn missing(issue: &Issue, id: &str, wanted: &[String]) -> Vec<String> {
    wanted
        .iter()
        .filter(|entry| !is_there(issue, id, entry))
        .cloned()
        .collect()
}

pub(super) fn hash_of_list(entries: &[String]) -> String {
    short_hash(format!("{entries:?}").as_bytes())
}
