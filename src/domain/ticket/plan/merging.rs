//! How the members of a ticket stand to its issue: what each says, and what all of them together ask of the issue.

use crate::api::security_finding::{StateSource, SyncBase, Ticket};
use crate::api::ticket_configuration::{StatusMapping, StatusSync, TicketConfigurationSpec};
use crate::api::{SecurityFinding, State};
use crate::domain::identity::Property;
use crate::domain::state::sync::{IssueSide, Merge, may_pull, may_push, merge, source_of};
use crate::domain::state::table::{category_of, from_jira, is_open, is_satisfied, openness};
use crate::jira::model::{Issue, StatusCategory, StatusDetails};

use super::base_of;

/// The merges of all members, and what follows from them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Merged {
    /// One for each member, in order.
    pub merges: Vec<Merge>,
    /// The effective state of each member, and whose word it is.
    pub states: Vec<(State, StateSource)>,
    /// The state the issue is to stand for.
    pub goal: State,
    /// Whether the issue is to be moved there.
    pub push: bool,
}

/// Merges every member with the issue. All pulls come before any push: the issue's word reaches every open member first.
pub(super) fn merge_all(
    present: &[&SecurityFinding],
    issue: IssueSide<'_>,
    sync: &StatusSync,
    is_newcomer: impl Fn(&SecurityFinding) -> bool,
) -> Merged {
    let first: Vec<Merge> = present
        .iter()
        .map(|one| match base_of(one) {
            None if is_newcomer(one) => join(one.spec.state, issue, sync),
            base => merge(one.spec.state, base, issue, sync),
        })
        .collect();
    let pulled = first.iter().find_map(|merge| match merge {
        Merge::Pull(state) => Some(*state),
        Merge::Keep | Merge::Agree | Merge::Push => None,
    });
    let any_open = present.iter().any(|one| is_open(one.spec.state));
    let opens = |merge: Merge, one: &SecurityFinding| merge == Merge::Push && is_newcomer(one);
    let merges: Vec<Merge> = first
        .into_iter()
        .zip(present)
        .map(|(merge, finding)| match (pulled, merge) {
            (Some(state), Merge::Keep | Merge::Push) if is_open(finding.spec.state) && !opens(merge, finding) => {
                Merge::Pull(state)
            }
            // Where others are open, it is them whom a person means who moves the issue.
            (_, Merge::Pull(_)) if any_open && !is_open(finding.spec.state) => Merge::Push,
            (_, merge) => merge,
        })
        .collect();
    let states: Vec<(State, StateSource)> = present
        .iter()
        .zip(&merges)
        .map(|(finding, merge)| effective(finding, *merge, issue, sync))
        .collect();
    let goal = group_state(states.iter().map(|(state, _)| *state));
    // Where the last open member was deleted, nobody moved, and still there is nothing left to do.
    let left = may_push(sync) && !is_open(goal) && issue.pushed.is_some_and(is_open);
    let push = (merges.contains(&Merge::Push) || left) && !is_satisfied(goal, issue.status, &sync.mapping);
    Merged {
        merges,
        states,
        goal,
        push,
    }
}

/// What a finding does that joins a ticket which others have: an open one opens an issue that was closed without it,
/// and takes the issue's word otherwise.
fn join(own: State, issue: IssueSide<'_>, sync: &StatusSync) -> Merge {
    if !sync.enabled {
        return Merge::Keep;
    }
    let done = issue.status.category == StatusCategory::Done;
    if is_satisfied(own, issue.status, &sync.mapping) {
        Merge::Agree
    } else if (!is_open(own) || done) && may_push(sync) {
        Merge::Push
    } else if is_open(own) && may_pull(sync) {
        Merge::Pull(from_jira(issue.status, issue.resolution, &sync.mapping))
    } else {
        Merge::Keep
    }
}

/// A member's effective state after a merge, and whose word it is.
fn effective(finding: &SecurityFinding, merge: Merge, issue: IssueSide<'_>, sync: &StatusSync) -> (State, StateSource) {
    let own = finding.spec.state;
    let before = finding
        .status
        .as_ref()
        .and_then(|status| status.state.zip(status.state_source));
    match merge {
        Merge::Pull(state) => (state, StateSource::JiraStatus),
        Merge::Agree | Merge::Push => (own, source_of(merge).unwrap_or(StateSource::Finding)),
        // What was said before stands, unless the producer has a newer word and status flows.
        Merge::Keep => match (base_of(finding), before) {
            (Some(base), Some((_, StateSource::JiraStatus)))
                if base.state == Some(own) && base.pushes < issue.pushes && may_pull(sync) =>
            {
                // Another member moved the issue on.
                (
                    from_jira(issue.status, issue.resolution, &sync.mapping),
                    StateSource::JiraStatus,
                )
            }
            (Some(base), before) if base.state == Some(own) || !sync.enabled => {
                before.unwrap_or((own, StateSource::Finding))
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

/// Whether, by what is stored, nobody needs the issue any more and it is not closed.
pub(super) fn closes(present: &[&SecurityFinding], stored: &Ticket, mapping: &[StatusMapping]) -> bool {
    let state = |one: &&SecurityFinding| {
        one.status
            .as_ref()
            .and_then(|status| status.state)
            .unwrap_or(one.spec.state)
    };
    let goal = group_state(present.iter().map(state));
    let stands = stored.status.as_ref().is_some_and(|status| {
        let details = StatusDetails {
            id: status.id.clone(),
            name: status.name.clone(),
            category: category_of(&status.category),
        };
        is_satisfied(goal, &details, mapping)
    });
    !is_open(goal) && !stands
}

/// What a member and the issue have agreed on after this.
pub(super) fn next_base(
    finding: &SecurityFinding,
    merge: Merge,
    push_pending: bool,
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
    base
}
