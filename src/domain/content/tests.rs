//! What is sent to an issue, and what is left to people.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::compare;
use super::*;
use crate::api::security_finding::SyncBase;
use crate::api::{SecurityFinding, Severity, State};
use crate::domain::base::hash::short_hash;
use crate::domain::fields::{Shape, TypedField, TypedFields};
use crate::domain::identity::TicketKey;
use crate::domain::state::urgency::shown;
use crate::jira::model::Issue;

fn change(desired: &Desired, base: Option<&SyncBase>, issue: &Issue) -> Option<Change> {
    compare::change(desired, base, issue, &BTreeMap::new())
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
    let left = completion(&new, &issue("s", &[]), &BTreeMap::new()).unwrap();
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

#[test]
fn content_is_made_anew_when_anything_changes_that_is_read_of_the_findings() {
    let key = TicketKey {
        configuration: "a/b".into(),
        group: vec!["ns".into(), "f".into()],
        slot: 0,
    };
    let finding = || SecurityFinding::new("f", serde_json::from_value(json!({"title": "t"})).unwrap());
    let ticket = |adopted: bool| {
        serde_json::from_value(json!({"ticket": {
            "configuration": "a/b", "group": ["ns", "f"], "slot": 0, "incarnation": 1, "id": "1", "adopted": adopted,
        }}))
        .unwrap()
    };
    let same = |change: &dyn Fn(&mut SecurityFinding)| {
        let mut changed = finding();
        change(&mut changed);
        same_content(&[Arc::new(finding())], &[Arc::new(changed)], &key)
    };
    assert!(same(&|_| {}));
    assert!(same(&|one| one.metadata.resource_version = Some("2".into())));
    assert!(same(&|one| one.status = ticket(false)));
    assert!(!same(&|one| one.status = ticket(true)));
    assert!(!same(&|one| one.spec.title.push('!')));
    assert!(!same(
        &|one| one.metadata.labels = Some(BTreeMap::from([("a".into(), "b".into())]))
    ));
    assert!(!same(&|one| {
        one.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    }));
    assert!(!same_content(&[Arc::new(finding())], &[], &key));
}
