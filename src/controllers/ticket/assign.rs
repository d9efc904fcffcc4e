//! Where a finding belongs: the choice of its configuration, and what it is told when it gets no ticket.

use std::collections::BTreeMap;

use crate::api::security_finding::{Category, Create, SelectionStatus};
use crate::api::{CREATE_ANNOTATION, Reason, SecurityFinding, Severity, State};
use crate::controllers::registry::{ConfigurationEntry, ObjectKey};
use crate::domain::base::members::{has_finalizer, is_leaving};
use crate::domain::identity::{Record, TicketKey};
use crate::domain::placement::group;
use crate::domain::placement::select::{Candidate, reaches, select};
use crate::domain::ticket::plan::Verdict;

/// Where a finding belongs.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// To the ticket it has, or may have.
    Kept(TicketKey),
    /// To a ticket of a group; which one depends on how full they are.
    Group {
        /// Identity of the configuration.
        configuration: String,
        /// What the findings of the group have in common.
        group: Vec<String>,
        /// Most open findings in one ticket.
        room: usize,
    },
    /// To none, and what to tell it.
    Nowhere(Verdict),
}

/// Where a finding belongs, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Where.
    pub place: Place,
    /// Why this configuration, and why not the others; `None` where nothing was chosen anew.
    pub selection: Option<SelectionStatus>,
}

/// The configurations that a finding may belong to.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    /// All there are.
    pub configurations: &'a [(ObjectKey, ConfigurationEntry)],
    /// Namespaces whose configurations may take findings of others.
    pub shared_namespaces: &'a [String],
    /// Labels of the finding's namespace.
    pub namespace_labels: &'a BTreeMap<String, String>,
}

impl<'a> Choice<'a> {
    fn candidates(self) -> impl Iterator<Item = (Candidate<'a>, &'a ConfigurationEntry)> {
        self.configurations.iter().map(move |(key, entry)| {
            let candidate = Candidate {
                namespace: &key.namespace,
                name: &key.name,
                identity: &entry.identity,
                spec: &entry.spec,
                shared: self.shared_namespaces.contains(&key.namespace),
            };
            (candidate, entry)
        })
    }

    /// Whether the configuration of an identity takes findings of a namespace. One that is gone may come back.
    fn takes(self, identity: &str, namespace: &str) -> bool {
        let mut claiming = self.candidates().filter(|(one, _)| one.identity == identity).peekable();
        let reaching = |(one, _): (Candidate<'_>, _)| reaches(&one, namespace, self.namespace_labels).is_none();
        claiming.peek().is_none() || claiming.any(reaching)
    }
}

/// Stands for the identity of a configuration that is not known any more; none can have it.
const NOWHERE: &str = "-";

/// Decides where a finding belongs.
///
/// A finding keeps its ticket once it has one, and what stands in an open record is not computed anew, whatever changed
/// meanwhile.
pub fn assign(finding: &SecurityFinding, choice: Choice<'_>) -> Placement {
    if let Some(key) = kept(finding, choice) {
        return Placement {
            place: Place::Kept(key),
            selection: None,
        };
    }
    // A deleted finding that is held must be let go by a pass; it may have claimed an issue that its status lacks.
    let held = is_leaving(finding) && has_finalizer(finding);
    if let Some(field) = unrecognised(finding).filter(|_| !held) {
        let message = format!("the value of {field} is not known to this version of the operator; upgrade it");
        return Placement {
            place: Place::Nowhere(Verdict::Stalled(Reason::UnrecognisedValue, message)),
            selection: None,
        };
    }
    let candidates: Vec<Candidate<'_>> = choice.candidates().map(|(candidate, _)| candidate).collect();
    let selection = select(finding, choice.namespace_labels, &candidates);
    let chosen = selection.chosen.and_then(|at| candidates.get(at));
    let told = SelectionStatus {
        configuration: chosen.map(|candidate| format!("{}/{}", candidate.namespace, candidate.name)),
        reasons: selection.reasons,
    };
    let place = match chosen {
        Some(candidate) if held => grouped(finding, candidate),
        None if held => Place::Kept(TicketKey {
            configuration: NOWHERE.to_owned(),
            group: group::group_of(finding, None),
            slot: 0,
        }),
        None if finding.spec.ticket.configuration_ref.is_some() => {
            let why = told.reasons.join("; ");
            Place::Nowhere(Verdict::Stalled(
                Reason::ConfigurationNotFound,
                format!("ticket.configurationRef cannot be followed: {why}"),
            ))
        }
        None => {
            let message = match told.reasons.first() {
                Some(first) => format!("no configuration selects this finding; {first}"),
                None => "there is no configuration that could select this finding".to_owned(),
            };
            Place::Nowhere(Verdict::Ready(Reason::NotSelected, message))
        }
        Some(candidate) => unwanted(finding).map_or_else(|| grouped(finding, candidate), Place::Nowhere),
    };
    Placement {
        place,
        selection: Some(told),
    }
}

fn grouped(finding: &SecurityFinding, candidate: &Candidate<'_>) -> Place {
    let grouping = candidate.spec.grouping.as_ref();
    let group = group::group_of(finding, grouping);
    Place::Group {
        configuration: candidate.identity.to_owned(),
        room: group::room(&group, grouping),
        group,
    }
}

/// The ticket a finding has, or may have because of a record that is open.
pub(super) fn kept(finding: &SecurityFinding, choice: Choice<'_>) -> Option<TicketKey> {
    let namespace = finding.metadata.namespace.as_deref().unwrap_or_default();
    // Anybody who may write the finding may write its annotations: what they say must fit the finding itself, and the
    // configuration must take it.
    let fits = |key: &TicketKey| group::may_claim(finding, &key.group) && choice.takes(&key.configuration, namespace);
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
    Some(key).filter(|key| group::may_hold(finding, &key.group))
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
        let choice = Choice {
            configurations: &configurations(),
            shared_namespaces: &[],
            namespace_labels: &BTreeMap::new(),
        };
        match assign(finding, choice).place {
            Place::Kept(key) => Ok(key),
            Place::Group {
                configuration, group, ..
            } => Ok(TicketKey {
                configuration,
                group,
                slot: 0,
            }),
            Place::Nowhere(verdict) => Err(verdict),
        }
    }

    #[test]
    fn a_record_is_believed_where_the_configuration_takes_the_finding() {
        let stamped = |configuration: &str, namespace: &str| {
            let record = json!({
                "nonce": "1", "time": "2026-11-23T03:00:00Z", "configuration": configuration, "slot": 3,
                "group": [namespace, "asset.name", "web"], "incarnation": 1, "label": "l", "project": "SEC", "highest": 1,
            });
            let annotations = json!({crate::api::RECORD_ANNOTATION: record.to_string()});
            place(&finding(
                json!({"/metadata": {"name": "f", "namespace": "shop", "annotations": annotations}}),
            ))
        };
        assert_eq!(stamped("shop/c", "shop").unwrap().slot, 3);
        assert_eq!(
            stamped("shop/c", "other").unwrap().slot,
            0,
            "a group of another namespace"
        );
        let elsewhere = |namespace: &str, asset: &str| {
            let record = json!({
                "nonce": "1", "time": "2026-11-23T03:00:00Z", "configuration": "shop/c", "slot": 3,
                "group": ["*", "asset.name", "web"], "incarnation": 1, "label": "l", "project": "SEC", "highest": 1,
            });
            let annotations = json!({crate::api::RECORD_ANNOTATION: record.to_string()});
            let spec = json!({"title": "t", "asset": {"name": asset}});
            let metadata = json!({"name": "f", "namespace": namespace, "annotations": annotations});
            place(&finding(json!({"/metadata": metadata, "/spec": spec})))
        };
        assert_eq!(elsewhere("shop", "web").unwrap().slot, 3);
        assert_eq!(elsewhere("shop", "api").unwrap().slot, 0, "it is not of that group");
        assert!(
            elsewhere("other", "web").is_err(),
            "the configuration takes no findings of that namespace"
        );
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
    fn a_deleted_finding_that_is_held_always_has_a_pass_that_lets_it_go() {
        let metadata = |namespace: &str, finalizers: Value| {
            json!({
                "name": "f", "namespace": namespace, "finalizers": finalizers,
                "deletionTimestamp": "2026-01-01T00:00:00Z",
            })
        };
        let held = json!([crate::api::FINALIZER]);
        let future = json!({"title": "t", "severity": "Apocalyptic"});
        let chosen = finding(json!({"/metadata": metadata("shop", held.clone()), "/spec": future}));
        assert_eq!(place(&chosen).unwrap().configuration, "shop/c");
        let unchosen = finding(json!({"/metadata": metadata("other", held)}));
        assert_eq!(place(&unchosen).unwrap().configuration, NOWHERE);
        let free = finding(json!({"/metadata": metadata("shop", json!([]))}));
        assert_eq!(place(&free), Err(Verdict::Keep));
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
