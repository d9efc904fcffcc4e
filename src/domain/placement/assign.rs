//! Where a finding belongs: to a ticket, to a group of tickets, or to none, and what its status says when it has none.

use std::collections::BTreeMap;

use crate::api::security_finding::{Category, Create, SelectionStatus};
use crate::api::{CREATE_ANNOTATION, Reason, SecurityFinding, Severity, State};
use crate::domain::base::members::{has_finalizer, is_leaving};
use crate::domain::base::standing::Standing;
use crate::domain::identity::{Record, TicketKey};

use super::group;
use super::select::{Candidate, Candidates, select};

/// Where a finding belongs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// To this ticket.
    Ticket(TicketKey),
    /// To one of the tickets of a group; which one depends on how full they are.
    Group {
        /// Identity of the configuration.
        configuration: String,
        /// What the findings of the group have in common.
        group: Vec<String>,
        /// Most open findings in one ticket.
        room: usize,
    },
    /// To no ticket, and what the status of the finding says about it; `None`: nothing is written.
    Nowhere(Option<Standing>),
}

/// Where a finding belongs, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placement {
    /// Where the finding belongs.
    pub place: Place,
    /// Why this configuration takes the finding, and why the others do not; `None` where no configuration was chosen, as
    /// the finding has its ticket already.
    pub selection: Option<SelectionStatus>,
}

/// Stands for the identity of a configuration where none takes the finding; no configuration can have it.
const NOWHERE: &str = "-";

/// Decides where a finding belongs. `namespace_labels` are the labels of the finding's namespace.
///
/// A finding keeps the ticket that it has, and while a record is open on it, it belongs to the record's ticket, whatever
/// becomes of its spec, its labels, its configuration or the labels of its namespace. A deleted finding that still has
/// the operator's finalizer always belongs to a ticket, as only the pass of a ticket removes the finalizer.
pub(crate) fn assign(
    finding: &SecurityFinding,
    namespace_labels: &BTreeMap<String, String>,
    candidates: &Candidates,
) -> Placement {
    if let Some(key) = kept(finding) {
        return Placement {
            place: Place::Ticket(key),
            selection: None,
        };
    }
    let leaving = is_leaving(finding);
    if let Some(field) = unrecognised(finding).filter(|_| !leaving) {
        let message = format!("the value of {field} is not known to this version of the operator; upgrade it");
        return Placement {
            place: Place::Nowhere(Some(Standing::stalled(Reason::UnrecognisedValue, message))),
            selection: None,
        };
    }
    let selection = select(finding, namespace_labels, candidates);
    let chosen = selection.chosen;
    let shown = SelectionStatus {
        configuration: chosen.map(Candidate::title),
        reasons: selection.reasons,
    };
    // Such a finding may have claimed an issue that its status does not name yet.
    let held = leaving && has_finalizer(finding);
    let place = match chosen {
        Some(candidate) if held => grouped(finding, candidate),
        None if held => Place::Ticket(TicketKey {
            configuration: NOWHERE.to_owned(),
            group: group::group_of(finding, None),
            slot: 0,
        }),
        _ if leaving => Place::Nowhere(None),
        Some(candidate) => match unwanted(finding) {
            Some(standing) => Place::Nowhere(Some(standing)),
            None => grouped(finding, candidate),
        },
        None => Place::Nowhere(Some(unselected(finding, &shown.reasons))),
    };
    Placement {
        place,
        selection: Some(shown),
    }
}

fn grouped(finding: &SecurityFinding, candidate: &Candidate) -> Place {
    let grouping = candidate.grouping();
    let group = group::group_of(finding, grouping);
    Place::Group {
        configuration: candidate.identity().to_owned(),
        room: group::room(&group, grouping),
        group,
    }
}

/// The ticket that a finding has, or that an open record on it names.
fn kept(finding: &SecurityFinding) -> Option<TicketKey> {
    let fits = |key: &TicketKey| group::may_hold(finding, &key.group);
    if let Some(key) = Record::open_on(finding).map(Record::key).filter(fits) {
        return Some(key);
    }
    let ticket = finding.status.as_ref()?.ticket.as_ref()?;
    // Without an issue, the finding may still be given another ticket, unless it is deleted and waits for its pass.
    let held = is_leaving(finding) && has_finalizer(finding);
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

/// What a finding without a ticket is told when no configuration takes it.
fn unselected(finding: &SecurityFinding, reasons: &[String]) -> Standing {
    if finding.spec.ticket.configuration_ref.is_some() {
        let why = reasons.join("; ");
        let message = format!("ticket.configurationRef cannot be followed: {why}");
        return Standing::stalled(Reason::ConfigurationNotFound, message);
    }
    let message = match reasons.first() {
        Some(first) => format!("no configuration selects this finding; {first}"),
        None => "there is no configuration that could select this finding".to_owned(),
    };
    Standing::ready(Reason::NotSelected, message)
}

/// Why the finding wants no ticket (`spec.ticket.create`); `None` where it wants one.
fn unwanted(finding: &SecurityFinding) -> Option<Standing> {
    match finding.spec.ticket.create {
        Create::Auto => None,
        Create::Manual => {
            let asked = finding
                .metadata
                .annotations
                .as_ref()
                .is_some_and(|all| all.contains_key(CREATE_ANNOTATION));
            let message = format!("ticket.create is Manual; set the annotation {CREATE_ANNOTATION} to open the ticket");
            (!asked).then(|| Standing::ready(Reason::ManualCreate, message))
        }
        Create::Never | Create::Unrecognised => Some(Standing::ready(
            Reason::CreateNever,
            "ticket.create is Never; no ticket is opened",
        )),
    }
}

/// The first field whose value this version of the operator does not know.
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

    fn candidates() -> Candidates {
        let spec = json!({"connectionRef": {"name": "acme"}, "projectKey": "SEC", "issueType": "Bug"});
        let spec = serde_json::from_value(spec).unwrap();
        Candidates::from_iter([Candidate::new("shop", "c", "shop/c", &spec, false)])
    }

    fn place(finding: &SecurityFinding) -> Result<TicketKey, Option<Standing>> {
        match assign(finding, &BTreeMap::new(), &candidates()).place {
            Place::Ticket(key) => Ok(key),
            Place::Group {
                configuration, group, ..
            } => Ok(TicketKey {
                configuration,
                group,
                slot: 0,
            }),
            Place::Nowhere(standing) => Err(standing),
        }
    }

    fn reason(finding: &SecurityFinding) -> Reason {
        place(finding).unwrap_err().unwrap().reason
    }

    #[test]
    fn while_a_record_is_open_a_finding_belongs_to_its_ticket_whatever_else_changes() {
        let stamped = |namespace: &str, group: &[&str]| {
            let record = json!({
                "nonce": "1", "time": "2026-11-23T03:00:00Z", "configuration": "gone/for-ever", "slot": 3,
                "group": group, "incarnation": 1, "label": "l", "project": "SEC", "highest": 1,
            });
            let mut stamped = finding(json!({"/metadata": {"name": "f", "namespace": namespace}}));
            stamped.status = serde_json::from_value(json!({"ticket": {"attempt": record}})).unwrap();
            place(&stamped)
        };
        let kept = stamped("shop", &["shop", "asset.name", "web"]).unwrap();
        assert_eq!((kept.configuration.as_str(), kept.slot), ("gone/for-ever", 3));
        assert_eq!(stamped("other", &["*", "asset.name", "web"]).unwrap().slot, 3);
        let elsewhere = stamped("shop", &["other", "asset.name", "web"]).unwrap();
        assert_eq!(
            elsewhere.slot, 0,
            "a group of another namespace cannot be the finding's"
        );
        let other = stamped("shop", &["shop", "g"]).unwrap();
        assert_eq!(other.slot, 0, "nor can a group made of another finding");
    }

    #[test]
    fn wishes_about_the_ticket_are_followed() {
        assert_eq!(place(&finding(json!({}))).unwrap().configuration, "shop/c");
        let manual = json!({"title": "t", "ticket": {"create": "Manual"}});
        assert_eq!(reason(&finding(json!({"/spec": manual}))), Reason::ManualCreate);
        let asked = json!({"name": "f", "namespace": "shop", "annotations": {CREATE_ANNOTATION: "please"}});
        assert!(place(&finding(json!({"/spec": manual, "/metadata": asked}))).is_ok());
        let never = json!({"title": "t", "ticket": {"create": "Never"}});
        assert_eq!(reason(&finding(json!({"/spec": never}))), Reason::CreateNever);
        let future = json!({"title": "t", "severity": "Apocalyptic"});
        assert_eq!(reason(&finding(json!({"/spec": future}))), Reason::UnrecognisedValue);
        let elsewhere = json!({"name": "f", "namespace": "other"});
        assert_eq!(reason(&finding(json!({"/metadata": elsewhere}))), Reason::NotSelected);
        let named = json!({"title": "t", "ticket": {"configurationRef": {"name": "gone"}}});
        assert_eq!(reason(&finding(json!({"/spec": named}))), Reason::ConfigurationNotFound);
    }

    #[test]
    fn a_deleted_finding_with_the_finalizer_always_has_a_pass_that_removes_it() {
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
        assert_eq!(place(&free), Err(None));
        let free = finding(json!({"/metadata": metadata("other", json!([]))}));
        assert_eq!(place(&free), Err(None));
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
