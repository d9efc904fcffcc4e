//! The next status of a finding, computed in one place.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::preview::Preview;
use crate::api::security_finding::{IssueStatus, SelectionStatus, StateSource, SyncBase, Ticket};
use crate::api::{ConditionType, RECONCILE_ANNOTATION, Reason, SecurityFinding, SecurityFindingStatus, State};
use crate::jira::model::{Issue, StatusCategory};

use crate::domain::base::standing::{Extra, conditions};
use crate::domain::identity::{Property, TicketKey};
use crate::domain::state::table::category_key;
use crate::domain::ticket::memory::IssueKnowledge;
use crate::domain::ticket::plan::Verdict;

/// What is reported of a ticket, the same for all its members.
#[derive(Clone, Debug)]
pub struct TicketReport<'a> {
    /// The ticket.
    pub key: &'a TicketKey,
    /// What was last known of the issue.
    pub issue: &'a IssueKnowledge,
    /// Id and key of an issue that was just created or found.
    pub found: Option<&'a (String, String)>,
    /// Which of the issues opened one after the other that one is.
    pub incarnation: Option<u32>,
    /// Nonces of creations whose outcome is now known.
    pub settled: &'a BTreeSet<String>,
    /// Atlassian's id of the site the issue is on.
    pub site: Option<&'a str>,
    /// Beginning of links, without trailing slash.
    pub base_url: Option<&'a str>,
    /// The ticket as another member has it, for one that just joined.
    pub shared: Option<&'a Ticket>,
    /// Keys of other issues with the same identity; `None` where they were not looked for.
    pub duplicates: Option<&'a [String]>,
    /// Why the issue was opened without the assignee that was asked for, right after that.
    pub assignee_missing: Option<&'a str>,
    /// Whether an account is asked for as assignee.
    pub assignee_wished: bool,
}

/// What is reported of one finding.
#[derive(Clone, Debug)]
pub struct FindingReport<'a> {
    /// What to tell.
    pub verdict: &'a Verdict,
    /// Why this configuration, and why not the others.
    pub selection: Option<&'a SelectionStatus>,
    /// Effective state and merge base, when they were decided.
    pub state: Option<(State, StateSource, Option<&'a SyncBase>)>,
    /// In a dry run: what would be done.
    pub preview: Option<&'a Preview>,
    /// The ticket, for a finding that has or may get one.
    pub ticket: Option<&'a TicketReport<'a>>,
}

/// The next status of a finding. Equal to the present one when there is nothing to write.
pub fn next(finding: &SecurityFinding, report: &FindingReport<'_>, now: Timestamp) -> SecurityFindingStatus {
    let mut status = finding.status.clone().unwrap_or_default();
    if let Some(selection) = report.selection {
        status.selection = Some(selection.clone());
    }
    if let Some(ticket) = report.ticket {
        status.ticket = next_ticket(status.ticket.take(), ticket, now);
    }
    match report.state {
        Some((state, source, base)) => {
            status.state = Some(state);
            status.state_source = Some(source);
            if base.is_some() {
                status.sync = base.cloned();
            }
        }
        None if status.state.is_none() || status.ticket.as_ref().is_none_or(|ticket| ticket.id.is_none()) => {
            status.state = Some(finding.spec.state);
            status.state_source = Some(StateSource::Finding);
        }
        None => {}
    }
    if !matches!(report.verdict, Verdict::Keep) {
        status.preview = report.preview.cloned();
    }
    let duplicates = report.ticket.and_then(|ticket| ticket.duplicates);
    let generation = finding.metadata.generation;
    if *report.verdict == Verdict::Unchanged {
        status.observed_generation = generation;
        status
            .conditions
            .iter_mut()
            .for_each(|condition| condition.observed_generation = generation);
    } else if let Some(standing) = report.verdict.standing() {
        status.observed_generation = generation;
        status.last_handled_reconcile_at = reconcile_wish(finding).map(str::to_owned);
        let mut extras = Vec::new();
        let mut extra = |kind, reason, message| extras.push(Extra { kind, reason, message });
        let told = status
            .conditions
            .iter()
            .find(|one| one.type_ == ConditionType::DuplicatesFound.as_str());
        let message = match duplicates {
            Some([]) => None,
            Some(keys) => {
                let keys = keys.join(", ");
                Some(format!(
                    "other issues carry the same identity and are left alone: {keys}"
                ))
            }
            // Not looked for again: what was found stands.
            None => told.map(|told| told.message.clone()),
        };
        if let Some(message) = message {
            extra(ConditionType::DuplicatesFound, Reason::DuplicatesFound, message);
        }
        if let Verdict::Stalled(Reason::TransitionBlocked, message) = report.verdict {
            extra(
                ConditionType::TransitionBlocked,
                Reason::TransitionBlocked,
                message.clone(),
            );
        }
        if let Some(message) = report.ticket.and_then(|ticket| assignee_missing(finding, ticket)) {
            extra(ConditionType::AssigneeNotSet, Reason::AssigneeNotSet, message);
        }
        status.conditions = conditions(&status.conditions, &standing, &extras, generation, now);
    }
    status
}

/// The value of the annotation that asks for a fresh look.
pub fn reconcile_wish(finding: &SecurityFinding) -> Option<&str> {
    finding
        .metadata
        .annotations
        .as_ref()?
        .get(RECONCILE_ANNOTATION)
        .map(String::as_str)
}

/// Why the issue has not the assignee that was asked for when it was opened. What was said then stands until somebody is
/// assigned, or nobody is asked for any more.
fn assignee_missing(finding: &SecurityFinding, ticket: &TicketReport<'_>) -> Option<String> {
    if let Some(message) = ticket.assignee_missing {
        return Some(message.to_owned());
    }
    // Somebody who was assigned when that was said does not make it untrue.
    let before = finding
        .status
        .as_ref()
        .and_then(|status| status.ticket.as_ref()?.assignee.clone());
    let issue = ticket.issue.present();
    let now = issue
        .and_then(|issue| issue.fields.assignee.as_ref())
        .map(|user| user.display_name.clone());
    let assigned = now.is_some() && now != before;
    if assigned || !ticket.assignee_wished {
        return None;
    }
    let conditions = finding.status.iter().flat_map(|status| &status.conditions);
    let mut told = conditions.filter(|one| one.type_ == ConditionType::AssigneeNotSet.as_str());
    told.next().map(|condition| condition.message.clone())
}

fn next_ticket(before: Option<Ticket>, report: &TicketReport<'_>, now: Timestamp) -> Option<Ticket> {
    let key = report.key;
    let fits = |ticket: &Ticket| {
        ticket.configuration == key.configuration && ticket.group == key.group && ticket.slot == key.slot
    };
    let mut ticket = match (before.filter(fits), report.shared) {
        (Some(own), Some(shared)) if own.id.is_none() || own.incarnation < shared.incarnation => Ticket {
            attempt: own.attempt.clone(),
            ..shared.clone()
        },
        (None, Some(shared)) => shared.clone(),
        (Some(own), _) => own,
        (None, None) => Ticket {
            configuration: key.configuration.clone(),
            group: key.group.clone(),
            slot: key.slot,
            ..Ticket::default()
        },
    };
    if let Some((id, issue_key)) = report.found {
        let issue = Issue {
            id: id.clone(),
            key: issue_key.clone(),
            ..Issue::default()
        };
        describe(&mut ticket, &issue, report, now);
    }
    match report.issue {
        IssueKnowledge::Unknown => {}
        IssueKnowledge::Absent => ticket.lost = ticket.id.is_some(),
        IssueKnowledge::Present(issue) => describe(&mut ticket, issue, report, now),
    }
    // A settled record goes, and so does one whose issue another finding of the ticket has stored.
    let stored = ticket.id.as_ref().map(|_| ticket.incarnation);
    ticket.attempt = ticket.attempt.filter(|record| {
        !report.settled.contains(&record.nonce) && stored.is_none_or(|incarnation| incarnation < record.incarnation)
    });
    (ticket.id.is_some() || ticket.attempt.is_some()).then_some(ticket)
}

/// Writes what is known of an issue. The id stays; key, address and project follow the issue where it goes.
fn describe(ticket: &mut Ticket, issue: &Issue, report: &TicketReport<'_>, now: Timestamp) {
    if let Some(incarnation) = report.incarnation {
        ticket.incarnation = incarnation;
    }
    ticket.incarnation = ticket.incarnation.max(1);
    ticket.lost = false;
    ticket.adopted &= ticket.id.as_deref() == Some(issue.id.as_str());
    ticket.adopted |= Property::of(issue).is_some_and(|property| property.adopted);
    ticket.id = Some(issue.id.clone());
    ticket.site = report.site.map(str::to_owned).or(ticket.site.take());
    if !issue.key.is_empty() {
        ticket.url = report
            .base_url
            .map(|base| format!("{base}/browse/{}", issue.key))
            .or(ticket.url.take());
        ticket.project = issue.project_and_number().map(|(project, _)| project.to_owned());
        ticket.key = Some(issue.key.clone());
    }
    let fields = &issue.fields;
    let Some(status) = &fields.status else { return };
    ticket.status = Some(IssueStatus {
        id: status.id.clone(),
        name: status.name.clone(),
        category: category_key(status.category).to_owned(),
    });
    ticket.resolution = fields.resolution.as_ref().map(|resolution| resolution.name.clone());
    ticket.priority = fields.priority.as_ref().map(|priority| priority.name.clone());
    ticket.assignee = fields.assignee.as_ref().map(|user| user.display_name.clone());
    ticket.created = fields.created.map(whole_seconds).or(ticket.created.take());
    ticket.closed = match status.category {
        StatusCategory::Done => Some(
            ticket
                .closed
                .take()
                .unwrap_or_else(|| whole_seconds(fields.updated.unwrap_or(now))),
        ),
        _ => None,
    };
}

/// Kubernetes keeps times to the second; keeping more would look like a difference for ever.
fn whole_seconds(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn finding() -> SecurityFinding {
        serde_json::from_value(json!({
            "apiVersion": "jira-findings.dev/v1alpha1", "kind": "SecurityFinding",
            "metadata": {"name": "f", "namespace": "shop", "generation": 3}, "spec": {"title": "t"},
        }))
        .unwrap()
    }

    fn report(verdict: &Verdict) -> FindingReport<'_> {
        FindingReport {
            verdict,
            selection: None,
            state: None,
            preview: None,
            ticket: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_same_report_twice_changes_nothing() {
        let verdict = Verdict::Waiting(Reason::JiraUnavailable, "later".into());
        let mut finding = finding();
        finding.status = Some(next(&finding, &report(&verdict), at(100)));
        assert_eq!(finding.status, Some(next(&finding, &report(&verdict), at(200))));
    }

    #[test]
    fn ready_is_always_there_and_never_with_both_others() {
        for (verdict, types) in [
            (Verdict::Ready(Reason::InSync, String::new()), vec!["Ready"]),
            (
                Verdict::Waiting(Reason::Creating, String::new()),
                vec!["Ready", "Reconciling"],
            ),
            (
                Verdict::Stalled(Reason::IssueLost, String::new()),
                vec!["Ready", "Stalled"],
            ),
        ] {
            let status = next(&finding(), &report(&verdict), at(1));
            assert_eq!(
                status
                    .conditions
                    .iter()
                    .map(|one| one.type_.as_str())
                    .collect::<Vec<_>>(),
                types
            );
            assert_eq!(status.observed_generation, Some(3));
        }
    }

    #[test]
    fn a_moved_issue_keeps_its_id_and_changes_key_and_address() {
        let key = TicketKey {
            configuration: "a/b".into(),
            group: vec!["shop".into(), "f".into()],
            slot: 0,
        };
        let verdict = Verdict::Ready(Reason::InSync, String::new());
        let issue = |key: &str| {
            IssueKnowledge::Present(Box::new(Issue {
                id: "1".into(),
                key: key.into(),
                ..Issue::default()
            }))
        };
        let settled = BTreeSet::from(["n".to_owned()]);
        let mut finding = finding();
        for (key_now, project) in [("SEC-1", "SEC"), ("OPS-9", "OPS")] {
            let issue = issue(key_now);
            let ticket = TicketReport {
                key: &key,
                issue: &issue,
                found: None,
                incarnation: Some(1),
                settled: &settled,
                site: Some("cloud"),
                base_url: Some("https://acme.test"),
                shared: None,
                duplicates: None,
                assignee_missing: None,
                assignee_wished: false,
            };
            finding.status = Some(next(
                &finding,
                &FindingReport {
                    ticket: Some(&ticket),
                    ..report(&verdict)
                },
                at(1),
            ));
            let stored = finding.status.as_ref().unwrap().ticket.as_ref().unwrap();
            assert_eq!(stored.id.as_deref(), Some("1"));
            assert_eq!(stored.key.as_deref(), Some(key_now));
            assert_eq!(stored.project.as_deref(), Some(project));
            assert_eq!(stored.url, Some(format!("https://acme.test/browse/{key_now}")));
        }
    }
}
