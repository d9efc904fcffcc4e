//! Policies against a small model of an issue that people and Jira change.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::security_finding::SyncBase;
use crate::api::update_policy::{UpdatePolicies, UpdatePolicy};
use crate::domain::base::hash::short_hash;
use crate::domain::content::{Change, Desired, hash_of_document};
use crate::domain::fields::{Shape, TypedField, TypedFields};
use crate::jira::Assignable;
use crate::jira::model::{Issue, Priority, User};

use super::compare::{account_of, whole_fields};
use super::policy::table;
use super::*;

const POLICIES: [UpdatePolicy; 3] = [
    UpdatePolicy::Always,
    UpdatePolicy::UnlessEdited,
    UpdatePolicy::CreateOnly,
];
const WHOLE: [&str; 4] = ["summary", "description", "priority", "customfield_1"];

fn document(text: &str) -> Value {
    json!({"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]})
}

fn policies(policy: UpdatePolicy) -> UpdatePolicies {
    let all = table(&UpdatePolicies::default());
    let all: BTreeMap<&str, UpdatePolicy> = all.iter().map(|(name, ..)| (*name, policy)).collect();
    serde_json::from_value(json!(all)).unwrap()
}

/// A wish: one text in each field that is written whole, entries in the lists, an account.
fn wish(policy: UpdatePolicy, text: &str, entries: &[&str], account: &str) -> Desired {
    let components: Vec<Value> = entries.iter().map(|id| json!({ "id": id })).collect();
    let field = |id: &str, value: Value, shape| TypedField {
        id: id.into(),
        value,
        shape,
        on_create: true,
        ..TypedField::default()
    };
    let typed = TypedFields {
        fields: vec![
            field("customfield_1", json!(text), Shape::Plain),
            field("components", json!(components), Shape::SharedList),
        ],
        ..TypedFields::default()
    };
    let mut labels: Vec<String> = entries.iter().map(ToString::to_string).collect();
    labels.push("jfo-us".into());
    labels.sort();
    let hashes = [
        ("summary", short_hash(text.as_bytes())),
        ("description", hash_of_document(&document(text))),
        ("priority", short_hash(text.as_bytes())),
        (ASSIGNEE, short_hash(format!("wish for {account}").as_bytes())),
    ];
    Desired {
        summary: text.into(),
        description: document(text),
        priority: Some(text.into()),
        labels,
        labels_on_screen: true,
        hashes: hashes.map(|(id, hash)| (id.to_owned(), hash)).into(),
        policies: policies(policy),
        ..Desired::default()
    }
    .with_fields(&typed, &[], &[])
}

/// Jira, with what it does to values by itself.
#[derive(Clone, Default)]
struct Jira {
    issue: Issue,
    /// It stores a summary otherwise than it is sent.
    reforms: bool,
    /// A rule that answers every edit with a summary and an assignee of its own.
    rule: bool,
    edits: usize,
}

impl Jira {
    fn edit(&mut self, change: &Change) {
        change.apply_to(&mut self.issue);
        self.edits += 1;
        if self.reforms {
            let summary = self.issue.fields.summary.get_or_insert_default();
            *summary = summary.trim_end_matches('~').to_owned() + "~";
        }
    }

    fn person_writes(&mut self, id: &str, text: &str) {
        let fields = &mut self.issue.fields;
        match id {
            "summary" => fields.summary = Some(text.into()),
            "description" => fields.description = Some(document(text)),
            "priority" => {
                fields.priority = Some(Priority {
                    id: text.into(),
                    ..Priority::default()
                });
            }
            ASSIGNEE => {
                fields.assignee = Some(User {
                    account_id: text.into(),
                    ..User::default()
                });
            }
            _ => {
                fields.other.insert(id.into(), json!(text));
            }
        }
    }

    /// What a pass sends, and the base after it.
    fn pass(&mut self, desired: &Desired, base: &mut Option<SyncBase>, account: &str) -> Vec<Change> {
        let resolved = (desired.hashes[ASSIGNEE].clone(), Assignable::Account(account.into()));
        let mut sent = if base.is_none() {
            sent_by_creation(desired)
        } else {
            SentFields::new()
        };
        let mut all = Vec::new();
        let mut known = None;
        loop {
            let mut edit = change(desired, base.as_ref(), &self.issue, &sent);
            match assignment(desired, base.as_ref(), &self.issue, &sent, known.as_ref()) {
                Assignment::Leave => {}
                Assignment::Resolve(_) => {
                    known = Some(resolved.clone());
                    continue;
                }
                Assignment::Set(value, over) => {
                    let edit = edit.get_or_insert_default();
                    edit.fields.insert(ASSIGNEE.into(), value);
                    edit.overwrites.extend(over.map(|over| (ASSIGNEE.to_owned(), over)));
                }
            }
            let Some(edit) = edit else { break };
            self.edit(&edit);
            note_change(&mut sent, desired, &edit);
            all.push(edit);
            assert!(all.len() < 3, "it edits for ever: {all:?}");
        }
        let mut next = SyncBase::default();
        settle(&mut next, base.as_ref(), desired, &self.issue, &sent, known.as_ref());
        *base = Some(next);
        if self.rule && !all.is_empty() {
            self.person_writes("summary", "by rule");
            self.person_writes(ASSIGNEE, "by rule");
        }
        all
    }

    /// An issue as it was created, and the base of that.
    fn created(&mut self, desired: &Desired, account: &str) -> Option<SyncBase> {
        let mut everything = change(desired, None, &Issue::default(), &SentFields::new()).unwrap_or_default();
        for (id, value, _) in whole_fields(desired) {
            everything.fields.insert(id.to_owned(), value);
        }
        everything.add_labels.clone_from(&desired.labels);
        let entries = Entries {
            add: desired.lists["components"].clone(),
            remove: Vec::new(),
        };
        everything.lists.insert("components".into(), entries);
        everything
            .fields
            .insert(ASSIGNEE.into(), json!({ "accountId": account }));
        self.edit(&everything);
        let mut base = None;
        assert!(
            self.pass(desired, &mut base, account).is_empty(),
            "a creation needs no edit"
        );
        self.edits = 0;
        base
    }
}

#[test]
fn each_policy_of_a_whole_field_sends_what_it_says() {
    for policy in POLICIES {
        for (moved, edited) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut jira = Jira::default();
            let mut base = jira.created(&wish(policy, "1", &[], "us"), "us");
            let now = wish(policy, if moved { "2" } else { "1" }, &[], "us");
            if edited {
                WHOLE.iter().for_each(|id| jira.person_writes(id, "9"));
            }
            let stale = differs(&now, base.as_ref().unwrap());
            assert_eq!(stale, moved && policy != UpdatePolicy::CreateOnly);
            let sent = jira.pass(&now, &mut base, "us");
            let expected = match policy {
                UpdatePolicy::Always => moved || edited,
                UpdatePolicy::UnlessEdited => moved && !edited,
                _ => false,
            };
            for id in WHOLE {
                let did = sent.iter().any(|change| change.fields.contains_key(id));
                assert_eq!(did, expected, "{policy:?} {id}: moved {moved}, edited {edited}");
            }
            assert!(
                !differs(&now, base.as_ref().unwrap()),
                "{policy:?}: it asks for a read for ever"
            );
            assert!(jira.pass(&now, &mut base, "us").is_empty());
        }
    }
}

#[test]
fn each_policy_of_a_list_adds_and_takes_away_what_it_says() {
    for policy in POLICIES {
        let mut jira = Jira::default();
        let mut base = jira.created(&wish(policy, "1", &["10", "11", "12"], "us"), "us");
        // A person takes one of ours and one of the operator's own away and adds one.
        jira.issue
            .fields
            .labels
            .retain(|label| label != "10" && label != "jfo-us");
        jira.issue.fields.labels.push("theirs".into());
        jira.issue
            .fields
            .other
            .insert("components".into(), json!([{"id": "11"}, {"id": "12"}, {"id": "99"}]));
        // The wish drops one and has a new one.
        let now = wish(policy, "1", &["10", "12", "13"], "us");
        jira.pass(&now, &mut base, "us");
        let mut labels = jira.issue.fields.labels.clone();
        labels.sort();
        let list = jira.issue.fields.other["components"].as_array().unwrap();
        let mut components: Vec<&str> = list.iter().map(|one| one["id"].as_str().unwrap()).collect();
        components.sort_unstable();
        let (expected, own): (&[&str], &[&str]) = match policy {
            UpdatePolicy::Always => (&["10", "12", "13", "jfo-us", "theirs"], &["10", "12", "13", "99"]),
            UpdatePolicy::UnlessEdited => (&["12", "13", "jfo-us", "theirs"], &["12", "13", "99"]),
            _ => (&["11", "12", "jfo-us", "theirs"], &["11", "12", "99"]),
        };
        assert_eq!(labels, expected, "{policy:?}");
        assert_eq!(components, own, "{policy:?}");
        assert!(jira.pass(&now, &mut base, "us").is_empty());
        assert!(!differs(&now, base.as_ref().unwrap()));
    }
}

#[test]
fn each_policy_of_the_assignee_assigns_whom_it_says() {
    for policy in POLICIES {
        for (moved, edited) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut jira = Jira::default();
            let mut base = jira.created(&wish(policy, "1", &[], "us"), "us");
            let account = if moved { "other" } else { "us" };
            if edited {
                jira.person_writes(ASSIGNEE, "a person's choice");
            }
            let now = wish(policy, "1", &[], account);
            jira.pass(&now, &mut base, account);
            let expected = match policy {
                UpdatePolicy::Always => account,
                UpdatePolicy::UnlessEdited if !edited => account,
                _ if edited => "a person's choice",
                _ => "us",
            };
            assert_eq!(
                account_of(&jira.issue),
                expected,
                "{policy:?}: moved {moved}, edited {edited}"
            );
            assert!(jira.pass(&now, &mut base, account).is_empty());
            assert!(!differs(&now, base.as_ref().unwrap()));
        }
    }
}

#[test]
fn a_wish_that_cannot_be_fulfilled_is_asked_about_once() {
    let policy = UpdatePolicy::UnlessEdited;
    let mut jira = Jira::default();
    let base = jira.created(&wish(policy, "1", &[], "us"), "us");
    let now = wish(policy, "1", &[], "stranger");
    let none = SentFields::new();
    let asked = assignment(&now, base.as_ref(), &jira.issue, &none, None);
    assert_eq!(asked, Assignment::Resolve(None));
    let refused = (now.hashes[ASSIGNEE].clone(), Assignable::Refused("stranger".into()));
    let left = assignment(&now, base.as_ref(), &jira.issue, &none, Some(&refused));
    assert_eq!(left, Assignment::Leave);
    let mut next = SyncBase::default();
    settle(&mut next, base.as_ref(), &now, &jira.issue, &none, Some(&refused));
    assert!(!differs(&now, &next));
    assert_eq!(
        assignment(&now, Some(&next), &jira.issue, &none, None),
        Assignment::Leave
    );
    // The next wish is followed: nobody has edited anything.
    let mut base = Some(next);
    jira.pass(&wish(policy, "1", &[], "other"), &mut base, "other");
    assert_eq!(account_of(&jira.issue), "other");
}

#[test]
fn jiras_own_form_of_a_value_is_nobodys_edit() {
    for policy in [UpdatePolicy::Always, UpdatePolicy::UnlessEdited] {
        let mut jira = Jira {
            reforms: true,
            ..Jira::default()
        };
        let mut base = jira.created(&wish(policy, "1", &[], "us"), "us");
        for text in ["2", "3"] {
            let now = wish(policy, text, &[], "us");
            let edits = jira.edits;
            for _ in 0..3 {
                jira.pass(&now, &mut base, "us");
            }
            assert_eq!(jira.issue.fields.summary, Some(format!("{text}~")), "{policy:?}");
            assert_eq!(jira.edits, edits + 1, "{policy:?}: one edit for one change");
        }
        jira.person_writes("summary", "a person's");
        for _ in 0..3 {
            jira.pass(&wish(policy, "3", &[], "us"), &mut base, "us");
        }
        let expected = if policy == UpdatePolicy::Always {
            "3~"
        } else {
            "a person's"
        };
        assert_eq!(jira.issue.fields.summary.as_deref(), Some(expected));
    }
}

#[test]
fn a_rule_in_jira_that_answers_every_edit_is_given_way() {
    let now = wish(UpdatePolicy::Always, "1", &["10"], "us");
    let mut jira = Jira {
        rule: true,
        ..Jira::default()
    };
    let mut base = jira.created(&now, "us");
    jira.person_writes("summary", "x");
    for _ in 0..20 {
        jira.pass(&now, &mut base, "us");
    }
    assert!(jira.edits <= 2, "{} edits", jira.edits);
    // And one that takes a label away.
    let edits = jira.edits;
    for _ in 0..20 {
        jira.issue.fields.labels.retain(|label| label != "10");
        jira.pass(&now, &mut base, "us");
    }
    assert!(jira.edits <= edits + 1, "{} edits", jira.edits);
}

#[test]
fn a_person_who_insists_is_put_right_each_time() {
    let now = wish(UpdatePolicy::Always, "1", &["10"], "us");
    let mut jira = Jira::default();
    let mut base = jira.created(&now, "us");
    for time in 1..4 {
        jira.person_writes("summary", "mine");
        jira.issue.fields.labels.retain(|label| label != "10");
        assert_eq!(jira.pass(&now, &mut base, "us").len(), 1, "time {time}");
        // The poll shows that it is as it should be.
        assert!(jira.pass(&now, &mut base, "us").is_empty());
        assert_eq!(base.as_ref().unwrap().overwrote, BTreeMap::new());
    }
}

#[test]
fn what_waits_to_be_put_right_is_not_forgotten() {
    let now = wish(UpdatePolicy::Always, "1", &["10"], "us");
    let mut jira = Jira::default();
    let mut base = jira.created(&now, "us");
    jira.person_writes("summary", "mine");
    jira.issue.fields.labels.retain(|label| label != "10");
    let edit = change(&now, base.as_ref(), &jira.issue, &SentFields::new()).unwrap();
    postpone(base.as_mut().unwrap(), &edit);
    assert!(
        differs(&now, base.as_ref().unwrap()),
        "stored data say that an edit is due"
    );
    assert_eq!(jira.pass(&now, &mut base, "us").len(), 1);
    assert_eq!(jira.issue.fields.summary.as_deref(), Some("1"));
    assert!(jira.issue.fields.labels.contains(&"10".to_owned()));
    assert!(!differs(&now, base.as_ref().unwrap()));
}

#[test]
fn a_field_off_the_create_screen_is_written_once() {
    let with = |text: &str| {
        let mut now = wish(UpdatePolicy::CreateOnly, "1", &[], "us");
        let later = TypedField {
            id: "customfield_2".into(),
            value: json!(text),
            ..TypedField::default()
        };
        now.hashes.insert(later.id.clone(), later.hash());
        now.fields.push(later);
        now
    };
    let mut jira = Jira::default();
    // A default of Jira's stands in the field; after the creation it is ours to fill.
    jira.person_writes("customfield_2", "default");
    jira.issue.fields.labels = with("a").labels;
    let mut base = None;
    let sent = jira.pass(&with("a"), &mut base, "us");
    assert_eq!(sent.len(), 1);
    assert_eq!(
        sent[0].fields,
        json!({"customfield_2": "a"}).as_object().unwrap().clone()
    );
    assert!(!differs(&with("b"), base.as_ref().unwrap()));
    assert!(jira.pass(&with("b"), &mut base, "us").is_empty());
    // Found again without a base, what a person wrote stays.
    jira.person_writes("customfield_2", "a person's");
    assert_eq!(change(&with("b"), None, &jira.issue, &SentFields::new()), None);
}

#[test]
fn the_table_names_every_member_and_so_do_the_docs() {
    let schema = serde_json::to_value(schemars::schema_for!(UpdatePolicies)).unwrap();
    let mut members: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    members.sort();
    let mut names = table(&UpdatePolicies::default()).map(|(name, ..)| name);
    names.sort_unstable();
    assert_eq!(members, names);
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    for (name, _, _, default) in table(&UpdatePolicies::default()) {
        let row = docs.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        assert!(
            row.is_some_and(|row| row.contains(&format!("`{default:?}`"))),
            "docs/operations.md has no row for {name} with its default {default:?}"
        );
    }
}

#[test]
fn a_value_that_is_not_known_writes_nothing_and_is_told() {
    let unknown: UpdatePolicies = serde_json::from_value(json!({"summary": "Sometimes"})).unwrap();
    assert!(has_unrecognised(&unknown) && !has_unrecognised(&UpdatePolicies::default()));
    assert_eq!(policy_of(&unknown, "summary"), UpdatePolicy::CreateOnly);
    assert_eq!(policy_of(&unknown, "customfield_7"), UpdatePolicy::UnlessEdited);
    assert_eq!(policy_of(&unknown, "description"), UpdatePolicy::Always);
    assert_eq!(policy_of(&unknown, ASSIGNEE), UpdatePolicy::CreateOnly);
}

proptest! {
    #[test]
    fn what_was_decided_and_done_leaves_nothing_to_do(
        policy in 0..3usize, reforms: bool, rule: bool,
        happenings in prop::collection::vec((0..4u8, 0..5usize, 0..3u8), 1..8),
    ) {
        let policy = POLICIES[policy];
        let (mut text, mut entries, mut account) = ("1".to_owned(), vec!["10"], "us".to_owned());
        let mut jira = Jira { reforms, rule, ..Jira::default() };
        let mut base = jira.created(&wish(policy, &text, &entries, &account), &account);
        for (what, field, value) in happenings {
            match what {
                0 => text = value.to_string(),
                1 => entries = [vec!["10"], vec!["10", "11"], vec![]][usize::from(value)].clone(),
                2 => account = format!("account {value}"),
                _ if field == 4 => jira.issue.fields.labels.clear(),
                _ => jira.person_writes([WHOLE[field.min(3)], ASSIGNEE][usize::from(value / 2)], &value.to_string()),
            }
            let now = wish(policy, &text, &entries, &account);
            // A rule of Jira's may be put right once for each field.
            for _ in 0..4 {
                jira.pass(&now, &mut base, &account);
            }
            let before = base.clone();
            prop_assert!(jira.pass(&now, &mut base, &account).is_empty());
            prop_assert_eq!(&before, &base);
            prop_assert!(!differs(&now, base.as_ref().unwrap()));
        }
    }
}
