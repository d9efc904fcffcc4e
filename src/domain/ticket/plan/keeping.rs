//! A ticket with an issue: read when it must be, merged, edited and moved.

use jiff::Timestamp;

use crate::api::security_finding::Ticket;
use crate::api::{ConditionType, RECONCILE_ANNOTATION, Reason, SecurityFinding};
use crate::domain::base::members::has_finalizer;
use crate::domain::base::standing::reason_of;
use crate::domain::content::Desired;
use crate::domain::identity::Property;
use crate::domain::identity::{stored_ticket, ticket_of};
use crate::domain::state::sync::{IssueSide, finding_moved, may_push};
use crate::domain::state::table::is_open;
use crate::domain::ticket::memory::IssueKnowledge;
use crate::jira::model::{Issue, StatusCategory};

use super::adoption::is_adopted;
use super::editing::{Content, edit_and_read, ticket_base, wanted_edit};
use super::merging::{Merged, closes, merge_all, next_base};
use super::pace::{held_until, last_edit, waiting, was_waiting};
use super::{ConfigurationView, ConnectionView, MemberPlan, Observed, Plan, Step, Verdict, base_of, ready_reason};

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
        IssueKnowledge::Unknown => {
            let stale = is_stale(present, configuration, desired, stored);
            let held = held_until(seen, present, configuration.spec, desired, now).filter(|_| stale);
            return if needs_reading(seen, present, configuration, stored, stale && held.is_none()) {
                Plan::step(Step::Read { id: id.to_owned() }, Verdict::Keep)
            } else {
                unread(present, stored, held)
            };
        }
        IssueKnowledge::Present(issue) => issue,
    };
    if !is_ours(seen, issue) {
        return Plan::rest(Verdict::Stalled(Reason::IssueNotOurs, not_ours(&issue.key)));
    }
    if !present.iter().all(|finding| has_finalizer(finding)) {
        return Plan::step(Step::Hold, Verdict::Keep);
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
    stored: Option<&Ticket>,
    edit_is_due: bool,
) -> bool {
    let Some(stored) = stored else { return true };
    if stored.status.is_none() || seen.memory.suspect_lost || seen.memory.asked {
        return true;
    }
    if stored.lost {
        return false;
    }
    let spec = configuration.spec;
    let pushes = may_push(&spec.status_sync);
    let moved = present
        .iter()
        .any(|finding| finding_moved(finding.spec.state, base_of(finding), None));
    let unsynced = present
        .iter()
        .any(|finding| base_of(finding).is_none_or(|base| base.status_id.is_none()));
    let unsettled = present.iter().any(|finding| !is_settled(finding));
    unsettled
        || (spec.status_sync.enabled && unsynced)
        || (moved && pushes)
        || (pushes && closes(present, stored, &spec.status_sync.mapping))
        || edit_is_due
}

/// Whether the issue should say something else than what was last written to it.
fn is_stale(
    present: &[&SecurityFinding],
    configuration: &ConfigurationView<'_>,
    desired: &Desired,
    stored: Option<&Ticket>,
) -> bool {
    let all_closed = stored.is_some_and(|stored| stored.closed.is_some())
        && present.iter().all(|finding| !is_open(finding.spec.state));
    let mut bases = present.iter().map(|finding| base_of(finding));
    configuration.spec.auto_maintain
        && !all_closed
        && bases.any(|base| base.is_none_or(|base| desired.differs_from(base)))
}

/// An issue that need not be read now: all is as it was, or the next edit waits.
fn unread(present: &[&SecurityFinding], stored: Option<&Ticket>, held: Option<Timestamp>) -> Plan {
    let key = stored
        .filter(|stored| !stored.lost)
        .and_then(|stored| stored.key.as_deref());
    match (key, held) {
        (Some(key), Some(due)) => Plan::rest(Verdict::Ready(Reason::InSync, waiting(key, due))).wake(due),
        // The wish for an edit passed before the edit was due.
        (Some(key), None) if present.iter().any(|finding| was_waiting(finding)) => {
            Plan::rest(Verdict::Ready(Reason::InSync, in_step(key)))
        }
        _ => Plan::rest(Verdict::Unchanged),
    }
}

fn in_step(key: &str) -> String {
    format!("in step with {key}")
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
    let stored = stored_ticket(seen.members, seen.key);
    let property = Property::of(issue).unwrap_or_default();
    let side = IssueSide {
        status,
        resolution: issue.fields.resolution.as_ref(),
        pushed: property.state,
        pushes: property.pushes,
    };
    let newcomers = |one: &SecurityFinding| stored.is_some() && ticket_of(one, seen.key).is_none();
    let Merged {
        merges,
        states,
        goal,
        push,
    } = merge_all(present, side, &spec.status_sync, newcomers);

    let all_closed = !present.iter().any(|finding| is_open(finding.spec.state));
    let is_done = status.category == StatusCategory::Done;
    let base = ticket_base(present);
    let (edit, unresolved) = if is_done && all_closed {
        (None, false)
    } else {
        wanted_edit(seen, spec, desired, base, issue)
    };
    let edit = if is_adopted(seen, issue) {
        edit.and_then(|change| change.to_adopted(issue, base.is_none()))
    } else {
        edit
    };
    // While the findings cannot be written as they are, the content waits; the status follows.
    let unfit = desired.fault.as_ref().filter(|_| !(is_done && all_closed));
    let edit = edit.filter(|_| unfit.is_none());
    let edit_refused = seen
        .memory
        .refusal
        .as_ref()
        .filter(|one| one.cause == desired.cause && one.retry_at > now);

    let held = held_until(seen, present, spec, desired, now).filter(|_| edit.is_some());
    let content = Content {
        base,
        edit: edit.as_ref(),
        unfit: unfit.is_some(),
        edited: last_edit(seen, present),
        desired,
        issue,
    };
    let members = present
        .iter()
        .zip(merges.iter().zip(&states))
        .map(|(finding, (merge, (state, source)))| {
            let mut next = next_base(finding, *merge, push, issue, spec);
            content.note(&mut next, finding, seen, spec);
            MemberPlan {
                state: *state,
                source: *source,
                base: Some(next),
            }
        })
        .collect();
    let mut plan = Plan {
        members,
        ..Plan::rest(Verdict::Ready(Reason::InSync, in_step(&issue.key)))
    };
    if is_done && all_closed {
        plan.verdict = Verdict::Ready(Reason::Closed, format!("{} is closed", issue.key));
    } else if let Some(fault) = unfit {
        plan.verdict = Verdict::from(fault);
    }

    let reopening = push && is_done && is_open(goal);
    if let Some(refusal) = edit_refused {
        plan.verdict = Verdict::from(&refusal.fault);
        plan.wake_at = Some(refusal.retry_at);
    } else if let (Some(change), false) = (edit, reopening) {
        let id = issue.id.clone();
        match (held, change.repair()) {
            (None, _) if unresolved => return Plan::step(Step::ResolveAssignee, Verdict::Keep),
            (None, _) => plan.steps.extend(edit_and_read(id, change, push)),
            (Some(_), Some(repair)) => plan.steps.extend(edit_and_read(id, repair, push)),
            (Some(due), None) => {
                plan.verdict = Verdict::Ready(Reason::InSync, waiting(&issue.key, due));
                plan.wake_at = Some(due);
            }
        }
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
