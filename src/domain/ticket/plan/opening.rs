//! A ticket without an issue: looked for, waited for, or created.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::ticket_configuration::TicketConfigurationSpec;
use crate::api::{Reason, SecurityFinding};
use crate::domain::base::clock::later;
use crate::domain::base::members::has_finalizer;
use crate::domain::content::Desired;
use crate::domain::identity::Record;
use crate::domain::placement::group;

use crate::domain::state::table::is_open;

use super::adoption::named_issue;
use super::{ConnectionView, Observed, Plan, Step, Timing, Verdict, ready_reason};

/// How long a group without an issue waits for more of its findings, counted from the last one that came.
const GATHERING: Duration = Duration::from_secs(2);
/// How long it waits at most, counted from the first.
const LONGEST_GATHERING: Duration = Duration::from_secs(10);
/// How long an empty look-up is good for.
const LOOK_UP_GOOD_FOR: Duration = Duration::from_secs(20);

pub(super) fn decide_without_issue(
    seen: &Observed<'_>,
    present: &[&SecurityFinding],
    spec: &TicketConfigurationSpec,
    desired: &Desired,
    connection: &ConnectionView,
    record: Option<Record>,
    now: Timestamp,
) -> Plan {
    let memory = seen.memory;
    if let Some(record) = record {
        if record.site.as_deref().is_some_and(|site| site != connection.cloud_id) {
            let message = format!(
                "an issue may have been created on site {}, the connection leads to site {}; nothing is created here \
                 before that is known",
                record.site.as_deref().unwrap_or_default(),
                connection.cloud_id
            );
            return Plan::rest(Verdict::Stalled(Reason::SiteChanged, message));
        }
        match pursue(seen, &record, connection.request_timeout, now) {
            Pursuit::Search(plan) | Pursuit::Wait(plan) => return plan,
            Pursuit::NeverExecuted => {
                let verdict = Verdict::Waiting(Reason::Creating, "the creation never came to be".into());
                return Plan::step(Step::Settle { nonce: record.nonce }, verdict);
            }
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
    if let Some(fault) = desired.fault.as_ref().filter(|_| !nothing_to_open) {
        return Plan::rest(Verdict::from(fault));
    }
    if let Some(refusal) = memory.refusal.as_ref().filter(|refusal| refusal.cause == desired.cause)
        && refusal.retry_at > now
    {
        return Plan::rest(Verdict::from(&refusal.fault)).wake(refusal.retry_at);
    }
    if let Some(until) = gathers(seen, present, spec).filter(|until| *until > now) {
        let message = "waiting a moment for more findings of the group".to_owned();
        return Plan::rest(Verdict::Waiting(Reason::Creating, message)).wake(until);
    }
    if !fresh {
        return Plan::step(
            Step::LookUp,
            Verdict::Waiting(Reason::Creating, "looking for an existing issue".into()),
        );
    }
    match named_issue(present, spec) {
        Err(fault) => return Plan::rest(Verdict::from(&fault)),
        Ok(Some(key)) => {
            let verdict = Verdict::Waiting(Reason::Creating, format!("{key} is being adopted"));
            return Plan::step(Step::Adopt { key: key.to_owned() }, verdict);
        }
        Ok(None) => {}
    }
    let verdict = Verdict::Waiting(Reason::Creating, "the issue is being created".into());
    if !present.iter().all(|finding| has_finalizer(finding)) {
        // The finalizer comes first: a finding that carries a record cannot go before the outcome is settled.
        return Plan::step(Step::Hold, verdict);
    }
    Plan::step(Step::Create { incarnation: 1 }, verdict)
}

/// Until when a group waits for more of its findings, so that a scan that reports many opens one complete issue and
/// does not edit it once for each. A full ticket waits for nothing.
fn gathers(seen: &Observed<'_>, present: &[&SecurityFinding], spec: &TicketConfigurationSpec) -> Option<Timestamp> {
    let gathering = seen.memory.gathering.as_ref()?;
    let open = present.iter().filter(|finding| is_open(finding.spec.state)).count();
    let is_full = open >= group::room(&seen.key.group, spec.grouping.as_ref());
    let until = later(gathering.since, GATHERING).min(later(gathering.begun, LONGEST_GATHERING));
    (!is_full).then_some(until)
}

/// What to do about a creation whose outcome is unknown.
pub(super) enum Pursuit {
    Search(Plan),
    Wait(Plan),
    NeverExecuted,
}

pub(super) fn pursue(seen: &Observed<'_>, record: &Record, request_timeout: Duration, now: Timestamp) -> Pursuit {
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
        .filter(|attempt| attempt.record.nonce == record.nonce)
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
        record.time.as_ref().map(|time| time.0).unwrap_or_default()
    );
    Pursuit::Wait(Plan::rest(Verdict::Waiting(Reason::OutcomeUnknown, message)).wake(next))
}
