//! A ticket with an issue: read when it must be, merged, edited and moved.

use jiff::Timestamp;

use crate::api::security_finding::{StateSource, SyncBase, Ticket};
use crate::api::ticket_configuration::{Direction, TicketConfigurationSpec};
use crate::api::{ConditionType, RECONCILE_ANNOTATION, Reason, SecurityFinding, State};
use crate::domain::content::{Desired, change, completion};
use crate::domain::identity::Property;
use crate::domain::memory::IssueKnowledge;
use crate::domain::standing::reason_of;
use crate::domain::state::{is_open, is_satisfied, openness};
use crate::domain::sync::{IssueSide, Merge, finding_moved, merge, source_of};
use crate::jira::model::{Issue, StatusCategory};

use super::{
    ConfigurationView, ConnectionView, MemberPlan, Observed, Plan, Step, Verdict, base_of, ready_reason, stored_ticket,
};

pub(super) fn decide_with_issue(
    seen: &Observed<'_>,
    present: &[&SecurityFinding],
    configuration: &ConfigurationView<'_>,
    desired: &Desired,
    connection: &ConnectionView,
    id: &str,
    now: Timestamp,
) -> Plan {
    let stored = stored_ticket(seen.members, seen.key);
    if let Some(site) = stored
        .and_then(|ticket| ticket.site.as_deref())
        .filter(|site| *site != connection.cloud_id)
    {
        let message = format!(
            "the ticket is on site {site}, the connection leads to site {}; nothing is written there",
            connection.cloud_id
        );
        return Plan::rest(Verdict::Stalled(Reason::SiteChanged, message));
    }
    let doubled = present
        .iter()
        .any(|finding| has_condition(finding, ConditionType::DuplicatesFound));
    if seen.memory.asked && doubled && seen.memory.duplicates.is_none() {
        return Plan::step(Step::LookUp, Verdict::Keep);
    }
    let issue = match &seen.memory.issue {
        IssueKnowledge::Absent => return Plan::rest(lost(stored)),
        IssueKnowledge::Unknown if needs_reading(seen, present, configuration, desired, stored) => {
            return Plan::step(Step::Read { id: id.to_owned() }, Verdict::Keep);
        }
        IssueKnowledge::Unknown => return Plan::rest(Verdict::Unchanged),
        IssueKnowledge::Present(issue) => issue,
    };
    if !is_ours(seen, issue) {
        return Plan::rest(Verdict::Stalled(Reason::IssueNotOurs, not_ours(&issue.key)));
    }
    reconcile_issue(seen, present, configuration, desired, issue, now)
}

/// Whether an issue is what the ticket says: its property says so in clear or, where somebody removed that, its label
/// does. The id alone is not enough: on another site, or after an import, it may be anybody's.
pub(super) fn is_ours(seen: &Observed<'_>, issue: &Issue) -> bool {
    match Property::of(issue) {
        Some(property) => property.proves(seen.instance, seen.key),
        None => issue.fields.labels.contains(&seen.key.label(seen.instance)) || issue.fields.status.is_none(),
    }
}

pub(super) fn not_ours(key: &str) -> String {
    format!(
        "{key} carries neither the property nor the label of this ticket; nothing is written to it. If it is the right \
         issue, put the label back that starts with jfo-, then set the annotation {RECONCILE_ANNOTATION}"
    )
}

fn lost(stored: Option<&Ticket>) -> Verdict {
    let key = stored.and_then(|ticket| ticket.key.as_deref()).unwrap_or("the issue");
    Verdict::Stalled(
        Reason::IssueLost,
        format!(
            "{key} cannot be seen any more: it was deleted, or hidden from the operator's account; no other issue is \
             opened. Give the account access again, or delete and re-create the finding, then set the annotation \
             {RECONCILE_ANNOTATION}"
        ),
    )
}

/// Whether the issue must be read to go on. A ticket that is in sync is never read: what is stored says so.
fn needs_reading(
    seen: &Observed<'_>,
    present: &[&SecurityFinding],
    configuration: &ConfigurationView<'_>,
    desired: &Desired,
    stored: Option<&Ticket>,
) -> bool {
    let Some(stored) = stored else { return true };
    if stored.status.is_none() || seen.memory.suspect_lost || seen.memory.asked {
        return true;
    }
    if stored.lost {
        return false;
    }
    let spec = configuration.spec;
    let pushes = spec.status_sync.enabled && spec.status_sync.direction != Direction::FromJira;
    let moved = present
        .iter()
        .any(|finding| finding_moved(finding.spec.state, base_of(finding), None));
    let all_closed = stored.closed.is_some() && present.iter().all(|finding| !is_open(finding.spec.state));
    let stale = present
        .iter()
        .any(|finding| base_of(finding).is_none_or(|base| desired.differs_from(base)));
    let unsynced = present
        .iter()
        .any(|finding| base_of(finding).is_none_or(|base| base.status_id.is_none()));
    let unsettled = present.iter().any(|finding| !is_settled(finding));
    unsettled
        || (spec.status_sync.enabled && unsynced)
        || (moved && pushes)
        || (spec.auto_maintain && stale && !all_closed)
}

fn has_condition(finding: &SecurityFinding, type_: ConditionType) -> bool {
    finding
        .status
        .as_ref()
        .is_some_and(|status| reason_of(&status.conditions, type_).is_some())
}

/// Whether the stored status says that finding and issue agree.
fn is_settled(finding: &SecurityFinding) -> bool {
    let settled = [Reason::InSync.as_str(), Reason::Closed.as_str()];
    ready_reason(finding).is_some_and(|reason| settled.contains(&reason))
}

fn reconcile_issue(
    seen: &Observed<'_>,
    present: &[&SecurityFinding],
    configuration: &ConfigurationView<'_>,
    desired: &Desired,
    issue: &Issue,
    now: Timestamp,
) -> Plan {
    let spec = configuration.spec;
    let Some(status) = issue.fields.status.as_ref() else {
        return Plan::step(Step::Read { id: issue.id.clone() }, Verdict::Keep);
    };
    let property = Property::of(issue).unwrap_or_default();
    let side = IssueSide {
        status,
        resolution: issue.fields.resolution.as_ref(),
        pushed: property.state,
        pushes: property.pushes,
    };
    let merges: Vec<Merge> = present
        .iter()
        .map(|one| merge(one.spec.state, base_of(one), side, &spec.status_sync))
        .collect();
    // All pulls come before any push: the issue's word reaches every open member first.
    let pulled = merges.iter().find_map(|merge| {
        if let Merge::Pull(state) = merge {
            Some(*state)
        } else {
            None
        }
    });
    let merges: Vec<Merge> = merges
        .into_iter()
        .zip(present)
        .map(|(merge, finding)| match (pulled, merge) {
            (Some(state), Merge::Keep | Merge::Push) if is_open(finding.spec.state) => Merge::Pull(state),
            (_, merge) => merge,
        })
        .collect();
    let states: Vec<(State, StateSource)> = present
        .iter()
        .zip(&merges)
        .map(|(finding, merge)| effective(finding, *merge, spec))
        .collect();
    let goal = group_state(states.iter().map(|(state, _)| *state));
    let push = merges.contains(&Merge::Push) && !is_satisfied(goal, status, &spec.status_sync.mapping);

    let all_closed = !present.iter().any(|finding| is_open(finding.spec.state));
    let is_done = status.category == StatusCategory::Done;
    let base = present.iter().find_map(|finding| base_of(finding));
    let edit = if is_done && all_closed {
        None
    } else if spec.auto_maintain {
        change(desired, base, issue)
    } else if base.is_none() {
        completion(desired, issue)
    } else {
        None
    };
    let edit_refused = seen
        .memory
        .refusal
        .as_ref()
        .filter(|one| one.cause == desired.cause && one.retry_at > now);

    let members = present
        .iter()
        .zip(merges.iter().zip(&states))
        .map(|(finding, (merge, (state, source)))| MemberPlan {
            state: *state,
            source: *source,
            base: Some(next_base(finding, *merge, push, edit.is_none(), desired, issue, spec)),
        })
        .collect();
    let mut plan = Plan {
        members,
        ..Plan::rest(Verdict::Ready(Reason::InSync, format!("in step with {}", issue.key)))
    };
    if is_done && all_closed {
        plan.verdict = Verdict::Ready(Reason::Closed, format!("{} is closed", issue.key));
    }

    let reopening = push && is_done && is_open(goal);
    if let (Some(change), None, false) = (edit, edit_refused, reopening) {
        plan.steps.push(Step::Edit {
            id: issue.id.clone(),
            change: Box::new(change),
        });
    } else if let Some(refusal) = edit_refused {
        plan.verdict = Verdict::from(&refusal.fault);
        plan.wake_at = Some(refusal.retry_at);
    }
    if push {
        let blocked = seen.memory.blocked.as_ref().filter(|blocked| {
            blocked.status_id == status.id && blocked.goal == goal && blocked.generation == configuration.generation
        });
        match blocked {
            Some(blocked) => plan.verdict = Verdict::from(&blocked.fault),
            None => plan.steps.push(Step::Transition {
                id: issue.id.clone(),
                goal,
            }),
        }
    }
    plan
}

/// A member's effective state after a merge, and whose word it is.
fn effective(finding: &SecurityFinding, merge: Merge, spec: &TicketConfigurationSpec) -> (State, StateSource) {
    let own = finding.spec.state;
    let previous = finding
        .status
        .as_ref()
        .and_then(|status| status.state.zip(status.state_source));
    match merge {
        Merge::Pull(state) => (state, StateSource::JiraStatus),
        Merge::Agree | Merge::Push => (own, source_of(merge).unwrap_or(StateSource::Finding)),
        // What was said before stands, unless the producer has a newer word and status flows.
        Merge::Keep => match base_of(finding) {
            Some(base) if base.state == Some(own) || !spec.status_sync.enabled => {
                previous.unwrap_or((own, StateSource::Finding))
            }
            _ => (own, StateSource::Finding),
        },
    }
}

/// The state a shared ticket stands for: the most urgent open one, else the first closed one.
fn group_state(states: impl Iterator<Item = State> + Clone) -> State {
    let open = states
        .clone()
        .filter(|state| is_open(*state))
        .max_by_key(|state| openness(*state));
    open.or_else(|| states.min()).unwrap_or_default()
}

fn next_base(
    finding: &SecurityFinding,
    merge: Merge,
    push_pending: bool,
    content_settled: bool,
    desired: &Desired,
    issue: &Issue,
    spec: &TicketConfigurationSpec,
) -> SyncBase {
    let mut base = base_of(finding).cloned().unwrap_or_default();
    let pushes = Property::of(issue).unwrap_or_default().pushes;
    let agreed = match merge {
        Merge::Agree | Merge::Pull(_) => true,
        // Others keep the ticket open: there is nothing to move, and the finding's word is taken note of.
        Merge::Push => !push_pending,
        // The first time, and after our own push: what stands now is what was agreed.
        Merge::Keep => spec.status_sync.enabled && (base.status_id.is_none() || base.pushes < pushes),
    };
    if agreed {
        base.state = Some(finding.spec.state);
        base.status_id = issue.fields.status.as_ref().map(|status| status.id.clone());
        base.resolution_id = issue.fields.resolution.as_ref().map(|resolution| resolution.id.clone());
        base.pushes = pushes;
    }
    if content_settled && spec.auto_maintain || base.fields.is_empty() {
        base.fields.clone_from(&desired.hashes);
        base.labels.clone_from(&desired.labels);
        base.lists.clone_from(&desired.lists);
    }
    base
}
