//! The decision: from what was observed to what is to be done.
//!
//! `decide` is pure and total. A plan names the next steps; after they were taken the ticket is observed and decided
//! anew, until a plan has no steps. Each step may be repeated after a crash. What the user is told (`Verdict`) is part
//! of the plan, so that one place answers both "what happens" and "why does nothing happen".

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::security_finding::{StateSource, SyncBase, Ticket};
use crate::api::ticket_configuration::{DeletionPolicy, Direction, Mode, TicketConfigurationSpec};
use crate::api::{ConditionType, FINALIZER, RECONCILE_ANNOTATION, Reason, SecurityFinding, State};
use crate::jira::model::{Issue, StatusCategory};

use super::content::{Change, Desired, change};
use super::fault::Fault;
use super::identity::{Property, Record, TicketKey};
use super::memory::{IssueKnowledge, Memory, later};
use super::state::{is_open, is_satisfied, openness};
use super::sync::{IssueSide, Merge, finding_moved, merge, source_of};

/// How long an empty look-up is good for.
const LOOK_UP_GOOD_FOR: Duration = Duration::from_secs(20);

/// Time spans that creations are fenced with.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long after its record a creation may still be sent.
    pub send_window: Duration,
    /// How long one call may take.
    pub request_timeout: Duration,
    /// How long Jira's search may lag.
    pub index_lag: Duration,
}

impl Timing {
    /// How long after it was first seen the issue of a record may still turn up.
    pub fn unknown_span(&self) -> Duration {
        self.send_window + self.request_timeout + self.index_lag
    }
}

/// The configuration of the ticket, as far as it can be used.
#[derive(Clone, Debug)]
pub struct ConfigurationView<'a> {
    /// Its spec.
    pub spec: &'a TicketConfigurationSpec,
    /// Its generation.
    pub generation: i64,
    /// What the issue should say, or why the configuration cannot be used. `None`: not looked at yet.
    pub state: Option<Result<Desired, Fault>>,
}

/// The connection of the ticket, as far as it can be used.
#[derive(Clone, Debug)]
pub struct ConnectionView {
    /// Atlassian's id of the site.
    pub cloud_id: String,
    /// How long one call may take.
    pub request_timeout: Duration,
}

/// All that a decision rests on.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// Names the installation.
    pub instance: &'a str,
    /// The ticket.
    pub key: &'a TicketKey,
    /// Every finding of the ticket, those being deleted too.
    pub members: &'a [Arc<SecurityFinding>],
    /// The configuration; `None` when it does not exist.
    pub configuration: Option<ConfigurationView<'a>>,
    /// The connection, or why it cannot be used. `None`: not looked at yet.
    pub connection: Option<Result<ConnectionView, Fault>>,
    /// What this process remembers.
    pub memory: &'a Memory,
    /// Whether the whole process writes nothing to Jira.
    pub dry_run: bool,
    /// Send window and index lag.
    pub timing: Timing,
}

/// One thing to do. Each may be repeated.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Search for the ticket's issue by label.
    LookUp,
    /// Search for the issue of a creation whose outcome is unknown: by label, and by walking the keys.
    FindAttempt {
        /// The record of the creation.
        record: Box<Record>,
    },
    /// Stamp the record on every present member and create the issue.
    Create {
        /// Which issue for the same thing this is.
        incarnation: u32,
    },
    /// Read the issue by id.
    Read {
        /// Id of the issue.
        id: String,
    },
    /// Edit the fields that differ.
    Edit {
        /// Id of the issue.
        id: String,
        /// What to send.
        change: Box<Change>,
    },
    /// Move the issue to where a finding of this state belongs.
    Transition {
        /// Id of the issue.
        id: String,
        /// The state.
        goal: State,
    },
    /// Say in the issue why it is closed now, unless it says so already.
    ExplainClose {
        /// Id of the issue.
        id: String,
    },
    /// Delete the issue.
    Delete {
        /// Id of the issue.
        id: String,
    },
    /// Say, where people look, that an issue is left open.
    LeaveOpen {
        /// Why.
        message: String,
    },
    /// Let deleted findings go.
    Release {
        /// Only the record is settled; members that stay keep the ticket.
        partial: bool,
    },
}

/// What the user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing can be said: the status stays as it is.
    Keep,
    /// As it was before, and true for the present generation too.
    Unchanged,
    /// In sync, or nothing is to be done.
    Ready(Reason, String),
    /// It waits, and goes on by itself.
    Waiting(Reason, String),
    /// A person must act.
    Stalled(Reason, String),
}

impl From<&Fault> for Verdict {
    fn from(fault: &Fault) -> Self {
        let make = if fault.stalled { Self::Stalled } else { Self::Waiting };
        make(fault.reason, fault.message.clone())
    }
}

/// What a plan says about one present member.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberPlan {
    /// Its effective state.
    pub state: State,
    /// Whose word that is.
    pub source: StateSource,
    /// What finding and issue last agreed on.
    pub base: Option<SyncBase>,
}

/// The decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to do now, in order. Empty: the pass is over.
    pub steps: Vec<Step>,
    /// What to tell the user once the steps are empty.
    pub verdict: Verdict,
    /// When to look again if nothing happens before.
    pub wake_at: Option<Timestamp>,
    /// One entry for each present member, in order; empty when nothing is known about states.
    pub members: Vec<MemberPlan>,
}

impl Plan {
    fn rest(verdict: Verdict) -> Self {
        Self {
            steps: Vec::new(),
            verdict,
            wake_at: None,
            members: Vec::new(),
        }
    }

    fn step(step: Step, verdict: Verdict) -> Self {
        Self {
            steps: vec![step],
            ..Self::rest(verdict)
        }
    }

    fn wake(mut self, at: Timestamp) -> Self {
        self.wake_at = Some(at);
        self
    }
}

/// Whether a finding is being deleted.
pub fn is_leaving(finding: &SecurityFinding) -> bool {
    finding.metadata.deletion_timestamp.is_some()
}

/// Whether a finding carries the operator's finalizer.
pub fn has_finalizer(finding: &SecurityFinding) -> bool {
    finding
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == FINALIZER)
}

/// The ticket of a finding, if it is a ticket of this key that has an issue.
pub fn ticket_of<'a>(finding: &'a SecurityFinding, key: &TicketKey) -> Option<&'a Ticket> {
    let ticket = finding.status.as_ref()?.ticket.as_ref()?;
    let fits = ticket.configuration == key.configuration && ticket.group == key.group && ticket.slot == key.slot;
    (fits && ticket.id.is_some()).then_some(ticket)
}

/// What the members say about the ticket's issue: the highest incarnation any of them knows.
pub fn stored_ticket<'a>(members: &'a [Arc<SecurityFinding>], key: &TicketKey) -> Option<&'a Ticket> {
    members
        .iter()
        .filter_map(|member| ticket_of(member, key))
        .max_by_key(|ticket| ticket.incarnation)
}

/// The record of a creation whose outcome is not settled, on any member, those being deleted too.
pub fn open_record(members: &[Arc<SecurityFinding>], key: &TicketKey, memory: &Memory) -> Option<Record> {
    let stored = stored_ticket(members, key);
    members
        .iter()
        .filter_map(|member| Record::open_on(member))
        .filter(|record| record.key() == *key && memory.settled.as_deref() != Some(record.nonce.as_str()))
        // A member that was settled speaks for all that carry the same record.
        .filter(|record| stored.is_none_or(|ticket| ticket.incarnation < record.incarnation))
        .max_by(|a, b| (a.incarnation, a.time).cmp(&(b.incarnation, b.time)))
}

/// Decides what to do for a ticket.
pub fn decide(seen: &Observed<'_>, now: Timestamp) -> Plan {
    let present: Vec<&SecurityFinding> = seen
        .members
        .iter()
        .map(AsRef::as_ref)
        .filter(|one| !is_leaving(one))
        .collect();
    let leaving = seen.members.iter().any(|one| is_leaving(one) && has_finalizer(one));
    if present.is_empty() {
        return if leaving {
            decide_deletion(seen, now)
        } else {
            Plan::rest(Verdict::Keep)
        };
    }
    let record = open_record(seen.members, seen.key, seen.memory);
    let stands_on_present = |record: &Record| {
        present
            .iter()
            .any(|one| Record::of(one).is_some_and(|other| other.nonce == record.nonce))
    };
    if leaving && record.as_ref().is_none_or(stands_on_present) {
        return Plan::step(Step::Release { partial: true }, Verdict::Keep);
    }
    let Some(configuration) = &seen.configuration else {
        return Plan::rest(Verdict::Stalled(
            Reason::ConfigurationNotFound,
            format!(
                "the configuration with identity {} does not exist",
                seen.key.configuration
            ),
        ));
    };
    let (desired, connection) = match usable(configuration, seen) {
        Ok(usable) => usable,
        Err(None) => return Plan::rest(Verdict::Keep),
        Err(Some(fault)) => return Plan::rest(held_back(seen, &present, &fault)),
    };
    if dry_run(configuration.spec, seen) {
        return Plan::rest(preview(seen, configuration.spec, &desired));
    }
    if let Some(trouble) = seen.memory.waits(now) {
        return Plan::rest(Verdict::from(&trouble.fault)).wake(trouble.until);
    }
    match issue_id(seen) {
        None => decide_without_issue(seen, &present, &desired, connection, record, now),
        Some(id) => decide_with_issue(seen, &present, configuration, &desired, connection, &id, now),
    }
}

/// Configuration and connection, if both can be used. `Err(None)`: not looked at yet.
fn usable<'a>(
    configuration: &ConfigurationView<'a>,
    seen: &'a Observed<'_>,
) -> Result<(Desired, &'a ConnectionView), Option<Fault>> {
    if configuration.spec.suspend {
        return Err(Some(Fault::passing(
            Reason::Suspended,
            "the configuration is suspended",
        )));
    }
    let desired = match &configuration.state {
        None => return Err(None),
        Some(Err(fault)) => {
            let message = format!("the configuration is not ready: {}: {}", fault.reason, fault.message);
            return Err(Some(Fault::passing(Reason::ConfigurationNotReady, message)));
        }
        Some(Ok(desired)) => desired.clone(),
    };
    match &seen.connection {
        None => Err(None),
        Some(Err(fault)) => {
            let message = format!("the connection is not ready: {}: {}", fault.reason, fault.message);
            Err(Some(Fault::passing(Reason::ConnectionNotReady, message)))
        }
        Some(Ok(connection)) => Ok((desired, connection)),
    }
}

fn dry_run(spec: &TicketConfigurationSpec, seen: &Observed<'_>) -> bool {
    seen.dry_run || spec.mode != Mode::Live
}

/// What a finding is told while configuration or connection cannot be used: those that have nothing to wait for are
/// left in peace, so that one broken connection is not one message per finding.
fn held_back(seen: &Observed<'_>, present: &[&SecurityFinding], fault: &Fault) -> Verdict {
    let waits = present.iter().any(|finding| {
        ticket_of(finding, seen.key).is_none() || finding_moved(finding.spec.state, base_of(finding), None)
    });
    if waits { Verdict::from(fault) } else { Verdict::Keep }
}

fn preview(seen: &Observed<'_>, spec: &TicketConfigurationSpec, desired: &Desired) -> Verdict {
    let what = match stored_ticket(seen.members, seen.key) {
        Some(ticket) => format!("would keep {} in step", ticket.key.as_deref().unwrap_or("the issue")),
        None => format!(
            "would open a {} in {}: {}",
            spec.issue_type, spec.project_key, desired.summary
        ),
    };
    Verdict::Ready(Reason::DryRun, format!("dry run: {what}"))
}

/// The issue, from the members' statuses or from what this process has just created or found.
fn issue_id(seen: &Observed<'_>) -> Option<String> {
    let stored = stored_ticket(seen.members, seen.key);
    let found = seen.memory.found.as_ref().map(|(id, _)| id);
    match (stored, found) {
        (Some(ticket), Some(id)) if seen.memory.incarnation > Some(ticket.incarnation) => Some(id.clone()),
        (Some(ticket), _) => ticket.id.clone(),
        (None, found) => found.cloned(),
    }
}

fn base_of(finding: &SecurityFinding) -> Option<&SyncBase> {
    finding.status.as_ref()?.sync.as_ref()
}

fn decide_without_issue(
    seen: &Observed<'_>,
    present: &[&SecurityFinding],
    desired: &Desired,
    connection: &ConnectionView,
    record: Option<Record>,
    now: Timestamp,
) -> Plan {
    let memory = seen.memory;
    if let Some(record) = record {
        match pursue(seen, &record, connection.request_timeout, now) {
            Pursuit::Search(plan) | Pursuit::Wait(plan) => return plan,
            Pursuit::NeverExecuted => {}
        }
    }
    let nothing_to_open = present.iter().all(|finding| !is_open(finding.spec.state));
    let reported = present
        .iter()
        .all(|finding| ready_reason(finding) == Some(Reason::NothingToOpen.as_str()));
    let fresh = memory
        .found_nothing_at
        .is_some_and(|at| later(at, LOOK_UP_GOOD_FOR) > now);
    let closed = || {
        Plan::rest(Verdict::Ready(
            Reason::NothingToOpen,
            "already closed when it was first seen; no ticket is opened".into(),
        ))
    };
    if nothing_to_open && (reported || fresh) {
        return closed();
    }
    if let Some(refusal) = memory.refusal.as_ref().filter(|refusal| refusal.cause == desired.cause)
        && refusal.retry_at > now
    {
        return Plan::rest(Verdict::from(&refusal.fault)).wake(refusal.retry_at);
    }
    if !fresh {
        return Plan::step(
            Step::LookUp,
            Verdict::Waiting(Reason::Creating, "looking for an existing issue".into()),
        );
    }
    let verdict = Verdict::Waiting(Reason::Creating, "the issue is being created".into());
    Plan::step(Step::Create { incarnation: 1 }, verdict)
}

/// What to do about a creation whose outcome is unknown.
enum Pursuit {
    Search(Plan),
    Wait(Plan),
    NeverExecuted,
}

fn pursue(seen: &Observed<'_>, record: &Record, request_timeout: Duration, now: Timestamp) -> Pursuit {
    let search = || {
        let verdict = Verdict::Waiting(
            Reason::OutcomeUnknown,
            "it is not known whether an issue was created; Jira is being searched".into(),
        );
        Pursuit::Search(Plan::step(
            Step::FindAttempt {
                record: Box::new(record.clone()),
            },
            verdict,
        ))
    };
    let Some(attempt) = seen
        .memory
        .attempt
        .as_ref()
        .filter(|attempt| attempt.nonce == record.nonce)
    else {
        return search();
    };
    let timing = Timing {
        request_timeout,
        ..seen.timing
    };
    let settled_at = later(attempt.first_seen, timing.unknown_span());
    let Some(searched) = attempt.searched else {
        return search();
    };
    if searched >= settled_at {
        return Pursuit::NeverExecuted;
    }
    let pause = Duration::from_secs(1 << attempt.searches.min(5));
    let next = later(searched, pause).min(settled_at);
    if next <= now {
        return search();
    }
    let message = format!(
        "a creation at {} had no clear outcome and no issue was found so far; another one is created only when none has turned up by {settled_at}",
        record.time
    );
    Pursuit::Wait(Plan::rest(Verdict::Waiting(Reason::OutcomeUnknown, message)).wake(next))
}

fn decide_with_issue(
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
fn is_ours(seen: &Observed<'_>, issue: &Issue) -> bool {
    match Property::of(issue) {
        Some(property) => property.proves(seen.instance, seen.key),
        None => issue.fields.labels.contains(&seen.key.label(seen.instance)) || issue.fields.status.is_none(),
    }
}

fn not_ours(key: &str) -> String {
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
    if stored.status.is_none() || seen.memory.suspect_lost || asked_to_reconcile(present, seen.memory) {
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

/// Whether the stored status says that finding and issue agree.
fn is_settled(finding: &SecurityFinding) -> bool {
    let settled = [Reason::InSync.as_str(), Reason::Closed.as_str()];
    ready_reason(finding).is_some_and(|reason| settled.contains(&reason))
}

/// The reason of the stored Ready condition.
fn ready_reason(finding: &SecurityFinding) -> Option<&str> {
    let conditions = finding.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions
        .into_iter()
        .find(|condition| condition.type_ == ConditionType::Ready.as_str());
    ready.map(|ready| ready.reason.as_str())
}

/// Whether a person asked for a fresh look that was not taken yet.
pub fn asked_to_reconcile(present: &[&SecurityFinding], memory: &Memory) -> bool {
    let asked = reconcile_annotation(present);
    asked.is_some() && asked != memory.reconcile_seen.as_deref()
}

/// The newest wish for a fresh look among the members.
pub fn reconcile_annotation<'a>(present: &[&'a SecurityFinding]) -> Option<&'a str> {
    let values = present
        .iter()
        .filter_map(|one| one.metadata.annotations.as_ref()?.get(RECONCILE_ANNOTATION));
    values.map(String::as_str).max()
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
    let edit = if spec.auto_maintain && !(is_done && all_closed) {
        change(desired, base, issue)
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
    }
    base
}

/// Deletion: the outcome of any creation is settled, then the policy is carried out, within a time limit.
fn decide_deletion(seen: &Observed<'_>, now: Timestamp) -> Plan {
    let release = || Plan::step(Step::Release { partial: false }, Verdict::Keep);
    let record = open_record(seen.members, seen.key, seen.memory);
    let id = issue_id(seen);
    if id.is_none() && record.is_none() {
        return release();
    }
    let spec = seen.configuration.as_ref().map(|configuration| configuration.spec);
    if spec.is_some_and(|spec| spec.suspend || dry_run(spec, seen)) || seen.dry_run {
        return release();
    }
    let limit = spec.map_or(Duration::from_mins(10), |spec| spec.deletion_timeout.0);
    let since = seen
        .members
        .iter()
        .filter_map(|one| one.metadata.deletion_timestamp.as_ref())
        .map(|time| time.0)
        .min();
    let deadline = later(since.unwrap_or(now), limit);
    let key = stored_ticket(seen.members, seen.key).and_then(|ticket| ticket.key.clone());
    let wait = |why: String| {
        if deadline <= now {
            let issue = key
                .clone()
                .unwrap_or_else(|| "an issue that may have been created".to_owned());
            let message = format!("{issue} is left open: {why}; gave up after {}", limit.as_secs_f32());
            let steps = vec![Step::LeaveOpen { message }, Step::Release { partial: false }];
            return Plan {
                steps,
                ..Plan::rest(Verdict::Keep)
            };
        }
        let message = format!("waiting to close the issue: {why}; given up at {deadline}");
        Plan::rest(Verdict::Waiting(Reason::Deleting, message)).wake(deadline)
    };
    let Some(configuration) = &seen.configuration else {
        return wait(format!("the configuration {} does not exist", seen.key.configuration));
    };
    if id.is_some()
        && matches!(
            configuration.spec.deletion_policy,
            DeletionPolicy::Orphan | DeletionPolicy::Unrecognised
        )
    {
        return release();
    }
    let connection = match &seen.connection {
        Some(Ok(connection)) => connection,
        Some(Err(fault)) => return wait(format!("the connection is not ready: {}", fault.message)),
        None => return wait("the connection has not been looked at yet".into()),
    };
    if let Some(trouble) = &seen.memory.trouble {
        if deadline <= now {
            return wait(trouble.fault.message.clone());
        }
        if trouble.until > now {
            return Plan {
                wake_at: Some(trouble.until.min(deadline)),
                ..wait(trouble.fault.message.clone())
            };
        }
    }
    let Some(id) = id else {
        let Some(record) = record else { return release() };
        return match pursue(seen, &record, connection.request_timeout, now) {
            Pursuit::Search(plan) => plan,
            Pursuit::Wait(plan) if deadline > now => Plan {
                wake_at: plan.wake_at.min(Some(deadline)),
                ..plan
            },
            Pursuit::Wait(_) => wait("it is not known whether an issue was created".into()),
            Pursuit::NeverExecuted => release(),
        };
    };
    let site = stored_ticket(seen.members, seen.key).and_then(|ticket| ticket.site.as_deref());
    if site.is_some_and(|site| site != connection.cloud_id) {
        return wait("the connection leads to another site".into());
    }
    match &seen.memory.issue {
        IssueKnowledge::Absent => release(),
        IssueKnowledge::Unknown => Plan::step(Step::Read { id }, Verdict::Keep),
        IssueKnowledge::Present(issue) if !is_ours(seen, issue) => wait(not_ours(&issue.key)),
        IssueKnowledge::Present(_) if configuration.spec.deletion_policy == DeletionPolicy::Delete => {
            Plan::step(Step::Delete { id }, Verdict::Keep)
        }
        IssueKnowledge::Present(issue) => {
            let status = issue.fields.status.as_ref();
            if status.is_some_and(|status| status.category == StatusCategory::Done) {
                return release();
            }
            let blocked = seen.memory.blocked.as_ref().filter(|blocked| {
                status.is_some_and(|status| status.id == blocked.status_id)
                    && blocked.generation == configuration.generation
            });
            if let Some(blocked) = blocked {
                return wait(blocked.fault.message.clone());
            }
            let mut plan = Plan::step(Step::ExplainClose { id: id.clone() }, Verdict::Keep);
            plan.steps.push(Step::Transition { id, goal: State::Fixed });
            plan
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
