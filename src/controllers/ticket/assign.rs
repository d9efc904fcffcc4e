//! Where a finding belongs: the choice of its configuration, and what it is told when it gets no ticket.

use std::collections::BTreeMap;

use crate::api::security_finding::{Category, Create, SelectionStatus};
use crate::api::{CREATE_ANNOTATION, Reason, SecurityFinding, Severity, State};
use crate::controllers::registry::{ConfigurationEntry, ObjectKey};
use crate::domain::identity::{Record, TicketKey};
use crate::domain::plan::{Verdict, has_finalizer, is_leaving};
use crate::domain::select::{Candidate, select};

use super::index::Assignment;

/// Decides where a finding belongs.
///
/// A finding keeps its ticket once it has one, and what stands in an open record is not computed anew, whatever changed
/// meanwhile.
pub fn assign(
    finding: &SecurityFinding,
    namespace_labels: &BTreeMap<String, String>,
    configurations: &[(ObjectKey, ConfigurationEntry)],
    shared_namespaces: &[String],
) -> Assignment {
    if let Some(key) = kept(finding) {
        return Assignment {
            place: Ok(key),
            selection: None,
        };
    }
    if let Some(field) = unrecognised(finding) {
        let message = format!("the value of {field} is not known to this version of the operator; upgrade it");
        return Assignment {
            place: Err(Verdict::Stalled(Reason::UnrecognisedValue, message)),
            selection: None,
        };
    }
    let candidates: Vec<Candidate<'_>> = configurations
        .iter()
        .map(|(key, entry)| Candidate {
            namespace: &key.namespace,
            name: &key.name,
            identity: &entry.identity,
            spec: &entry.spec,
            shared: shared_namespaces.contains(&key.namespace),
        })
        .collect();
    let selection = select(finding, namespace_labels, &candidates);
    let chosen = selection.chosen.and_then(|at| candidates.get(at));
    let told = SelectionStatus {
        configuration: chosen.map(|candidate| format!("{}/{}", candidate.namespace, candidate.name)),
        reasons: selection.reasons,
    };
    let place = match chosen {
        None if finding.spec.ticket.configuration_ref.is_some() => {
            let why = told.reasons.join("; ");
            Err(Verdict::Stalled(
                Reason::ConfigurationNotFound,
                format!("ticket.configurationRef cannot be followed: {why}"),
            ))
        }
        None => {
            let message = match told.reasons.first() {
                Some(first) => format!("no configuration selects this finding; {first}"),
                None => "there is no configuration that could select this finding".to_owned(),
            };
            Err(Verdict::Ready(Reason::NotSelected, message))
        }
        Some(candidate) => match unwanted(finding) {
            Some(verdict) => Err(verdict),
            None => Ok(TicketKey::of(candidate.identity, finding)),
        },
    };
    Assignment {
        place,
        selection: Some(told),
    }
}

/// The ticket a finding has, or may have because of a record that is open.
pub(super) fn kept(finding: &SecurityFinding) -> Option<TicketKey> {
    // Anybody who may write the finding may write its annotations: what they say must fit the finding itself.
    let fits = |key: &TicketKey| key.group == TicketKey::of(&key.configuration, finding).group;
    if let Some(record) = Record::open_on(finding).filter(|record| fits(&record.key())) {
        return Some(record.key());
    }
    let held = is_leaving(finding) && has_finalizer(finding);
    let Some(ticket) = finding.status.as_ref().and_then(|status| status.ticket.as_ref()) else {
        return Record::of(finding)
            .filter(|_| held)
            .map(|record| record.key())
            .filter(fits);
    };
    // Without an issue it is still the ticket's pass that lets a deleted finding go.
    if ticket.id.is_none() && !held {
        return None;
    }
    let key = TicketKey {
        configuration: ticket.configuration.clone(),
        group: ticket.group.clone(),
        slot: ticket.slot,
    };
    Some(key).filter(fits)
}

/// Why no ticket is wanted, if none is.
fn unwanted(finding: &SecurityFinding) -> Option<Verdict> {
    if is_leaving(finding) {
        return Some(Verdict::Keep);
    }
    match finding.spec.ticket.create {
        Create::Auto => None,
        Create::Manual => {
            let asked = finding
                .metadata
                .annotations
                .as_ref()
                .is_some_and(|all| all.contains_key(CREATE_ANNOTATION));
            let message = format!("ticket.create is Manual; set the annotation {CREATE_ANNOTATION} to open the ticket");
            (!asked).then_some(Verdict::Ready(Reason::ManualCreate, message))
        }
        Create::Never | Create::Unrecognised => Some(Verdict::Ready(
            Reason::CreateNever,
            "ticket.create is Never; no ticket is opened".into(),
        )),
    }
}

fn unrecognised(finding: &SecurityFinding) -> Option<&'static str> {
    let spec = &finding.spec;
    let unknown = [
        ("spec.severity", spec.severity == Severity::Unrecognised),
        ("spec.state", spec.state == State::Unrecognised),
        ("spec.category", spec.category == Category::Unrecognised),
        ("spec.ticket.create", spec.ticket.create == Create::Unrecognised),
    ];
    unknown
        .into_iter()
        .find_map(|(field, unknown)| unknown.then_some(field))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;

    fn finding(extra: Value) -> SecurityFinding {
        let mut object = json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
            "metadata": {"name": "f", "namespace": "shop"}, "spec": {"title": "t"},
        });
        for (path, value) in extra.as_object().unwrap() {
            *object.pointer_mut(path).unwrap() = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn configurations() -> Vec<(ObjectKey, ConfigurationEntry)> {
        let key = ObjectKey {
            namespace: "shop".into(),
            name: "c".into(),
        };
        let spec = json!({"connectionRef": {"name": "acme"}, "projectKey": "SEC", "issueType": "Bug"});
        let entry = ConfigurationEntry {
            key: key.clone(),
            identity: "shop/c".into(),
            spec: Arc::new(serde_json::from_value(spec).unwrap()),
            generation: 1,
            state: None,
        };
        vec![(key, entry)]
    }

    fn place(finding: &SecurityFinding) -> Result<TicketKey, Verdict> {
        assign(finding, &BTreeMap::new(), &configurations(), &[]).place
    }

    #[test]
    fn wishes_about_the_ticket_are_heard() {
        assert_eq!(place(&finding(json!({}))).unwrap().configuration, "shop/c");
        let manual = json!({"title": "t", "ticket": {"create": "Manual"}});
        let told = |finding: &SecurityFinding| match place(finding) {
            Err(Verdict::Ready(reason, _) | Verdict::Stalled(reason, _)) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(told(&finding(json!({"/spec": manual}))), Reason::ManualCreate);
        let asked = json!({"name": "f", "namespace": "shop", "annotations": {CREATE_ANNOTATION: "please"}});
        assert!(place(&finding(json!({"/spec": manual, "/metadata": asked}))).is_ok());
        let never = json!({"title": "t", "ticket": {"create": "Never"}});
        assert_eq!(told(&finding(json!({"/spec": never}))), Reason::CreateNever);
        let future = json!({"title": "t", "severity": "Apocalyptic"});
        assert_eq!(told(&finding(json!({"/spec": future}))), Reason::UnrecognisedValue);
        let elsewhere = json!({"name": "f", "namespace": "other"});
        assert_eq!(told(&finding(json!({"/metadata": elsewhere}))), Reason::NotSelected);
    }

    #[test]
    fn a_finding_keeps_its_ticket_whatever_the_selectors_say_now() {
        let mut ticketed = finding(json!({"/metadata": {"name": "f", "namespace": "other"}}));
        ticketed.status = Some(
            serde_json::from_value(json!({"ticket": {
                "configuration": "gone/for-ever", "group": ["other", "f"], "slot": 0, "incarnation": 1, "id": "10001",
            }}))
            .unwrap(),
        );
        assert_eq!(place(&ticketed).unwrap().configuration, "gone/for-ever");
    }
}
