//! The decision: from what was observed to what is to be done.
//!
//! `decide` is pure and total. A plan names the next steps; after they were taken the ticket is observed and decided
//! anew, until a plan has no steps. Each step may be repeated after a crash. What the user is told (`Verdict`) is part
//! of the plan, so that one place answers both "what happens" and "why does nothing happen".

mod adoption;
mod deletion;
mod editing;
mod keeping;
mod merging;
mod opening;
mod pace;
mod preview;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::preview::Preview;
use crate::api::security_finding::{StateSource, SyncBase};
use crate::api::ticket_configuration::{Mode, TicketConfigurationSpec};
use crate::api::{ConditionType, Reason, SecurityFinding, State};
use crate::domain::base::clock::later;

use crate::domain::base::fault::Fault;
use crate::domain::base::members::{has_finalizer, is_leaving};
use crate::domain::base::standing::{Progress, Standing, reason_of};
use crate::domain::content::{Change, Desired};
use crate::domain::identity::{Record, TicketKey, stored_ticket, ticket_of};
use crate::domain::state::sync::finding_moved;
use crate::domain::ticket::memory::Memory;
use crate::domain::ticket::status::reconcile_wish;

pub use adoption::refuse_adoption;
use deletion::decide_deletion;
use keeping::decide_with_issue;
use opening::decide_without_issue;
use preview::preview;

/// Pause before findings that are being deleted are let go, once those that stay know the ticket.
const HAND_OVER_PAUSE: Duration = Duration::from_secs(1);

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
    pub state: Option<Result<&'a Desired, Fault>>,
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
    /// Take note that the issue of a creation never came to be.
    Settle {
        /// Nonce of the creation.
        nonce: String,
    },
    /// Put the finalizer on present members that lack it, so that none goes without the ticket being told.
    Hold,
    /// Put an open record onto the members that stay, so that those that go need not wait for its outcome.
    HandOver {
        /// The record of the creation.
        record: Box<Record>,
    },
    /// Stamp the record on every present member and create the issue.
    Create {
        /// Which issue for the same thing this is.
        incarnation: u32,
    },
    /// Claim the existing issue that the findings name, unless it cannot be theirs.
    Adopt {
        /// Key of the issue, as the findings name it.
        key: String,
    },
    /// Look whether the named issue was claimed before a crash.
    FindClaim {
        /// Key of the issue, as the findings name it.
        key: String,
    },
    /// Read the issue by id.
    Read {
        /// Id of the issue.
        id: String,
    },
    /// Find out whom the wish for an assignee means.
    ResolveAssignee,
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

impl Verdict {
    /// How the findings stand; `None` where their conditions stay as they are.
    pub fn standing(&self) -> Option<Standing> {
        match self {
            Self::Keep | Self::Unchanged => None,
            Self::Ready(reason, message) => Some(Standing::ready(*reason, message.as_str())),
            Self::Waiting(reason, message) => Some(Standing::waiting(*reason, message.as_str())),
            Self::Stalled(reason, message) => Some(Standing::stalled(*reason, message.as_str())),
        }
    }
}

impl From<&Fault> for Verdict {
    fn from(fault: &Fault) -> Self {
        let make = if fault.is_stalled() {
            Self::Stalled
        } else {
            Self::Waiting
        };
        make(fault.reason, fault.message.clone())
    }
}

impl From<Standing> for Verdict {
    fn from(standing: Standing) -> Self {
        let make = match standing.progress {
            Progress::Ready => Self::Ready,
            Progress::Reconciling => Self::Waiting,
            Progress::Stalled | Progress::Resting => Self::Stalled,
        };
        make(standing.reason, standing.message)
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
    /// In a dry run: what would be done.
    pub preview: Option<Box<Preview>>,
}

impl Plan {
    fn rest(verdict: Verdict) -> Self {
        Self {
            steps: Vec::new(),
            verdict,
            wake_at: None,
            members: Vec::new(),
            preview: None,
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

/// The record of a creation whose outcome is not settled: on any member, those being deleted too, or remembered by this
/// process.
pub fn open_record(members: &[Arc<SecurityFinding>], key: &TicketKey, memory: &Memory) -> Option<Record> {
    let stored = stored_ticket(members, key);
    let carried = members.iter().filter_map(|member| Record::open_on(member).cloned());
    let remembered = memory.attempt.iter().map(|attempt| Record::clone(&attempt.record));
    carried
        .chain(remembered)
        .filter(|record| record.key() == *key && !memory.settled.contains(&record.nonce))
        // A member that was settled speaks for all that carry the same record.
        .filter(|record| stored.is_none_or(|ticket| ticket.incarnation < record.incarnation))
        .max_by(|a, b| (a.incarnation, &a.time).cmp(&(b.incarnation, &b.time)))
}

/// Whether a person asked, on any member, for a fresh look that was not taken yet.
pub fn asks_for_a_look(members: &[Arc<SecurityFinding>]) -> bool {
    members.iter().any(|member| {
        let handled = member
            .status
            .as_ref()
            .and_then(|status| status.last_handled_reconcile_at.as_deref());
        let wish = reconcile_wish(member);
        wish.is_some() && wish != handled
    })
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
            .any(|one| Record::open_on(one).is_some_and(|other| other.nonce == record.nonce))
    };
    let handed_over =
        stored_ticket(seen.members, seen.key).is_none() || present.iter().any(|one| ticket_of(one, seen.key).is_some());
    if leaving && handed_over && record.as_ref().is_none_or(stands_on_present) {
        return Plan::step(Step::Release { partial: true }, Verdict::Keep);
    }
    if leaving && let Some(record) = record.clone().filter(|record| !stands_on_present(record)) {
        if !present.iter().all(|one| has_finalizer(one)) {
            return Plan::step(Step::Hold, Verdict::Keep);
        }
        let record = Box::new(record);
        return Plan::step(Step::HandOver { record }, Verdict::Keep);
    }
    let mut plan = decide_present(seen, &present, record, now);
    if leaving && plan.steps.is_empty() {
        // Those that stay are told of the ticket first; then the others are let go.
        let soon = later(now, HAND_OVER_PAUSE);
        plan.wake_at = Some(plan.wake_at.map_or(soon, |at| at.min(soon)));
    }
    plan
}

fn decide_present(seen: &Observed<'_>, present: &[&SecurityFinding], record: Option<Record>, now: Timestamp) -> Plan {
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
        Err(Some(fault)) => return Plan::rest(held_back(seen, present, &fault)),
    };
    if dry_run(configuration.spec, seen) {
        return preview(seen, present, configuration.spec, desired);
    }
    if let Some(trouble) = seen.memory.waits(now) {
        return Plan::rest(Verdict::from(&trouble.fault)).wake(trouble.until);
    }
    match issue_id(seen) {
        None => decide_without_issue(seen, present, configuration.spec, desired, connection, record, now),
        Some(id) => decide_with_issue(seen, present, configuration, desired, connection, &id, now),
    }
}

/// Configuration and connection, if both can be used. `Err(None)`: not looked at yet.
fn usable<'a>(
    configuration: &ConfigurationView<'a>,
    seen: &'a Observed<'_>,
) -> Result<(&'a Desired, &'a ConnectionView), Option<Fault>> {
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
        Some(Ok(desired)) => *desired,
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

/// The reason of the stored Ready condition.
fn ready_reason(finding: &SecurityFinding) -> Option<&str> {
    reason_of(&finding.status.as_ref()?.conditions, ConditionType::Ready)
}

#[cfg(test)]
mod tests;
