//! A ticket whose last finding is being deleted.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::ticket_configuration::DeletionPolicy;
use crate::api::{Reason, State};
use crate::domain::base::clock::later;
use crate::domain::identity::stored_ticket;
use crate::domain::ticket::memory::IssueKnowledge;
use crate::jira::model::{Issue, StatusCategory};

use super::adoption::{is_adopted, look_for_claim};
use super::keeping::{is_ours, not_ours};
use super::opening::{Pursuit, pursue};
use super::{ConfigurationView, Observed, Plan, Step, Verdict, dry_run, issue_id, open_record};

/// Deletion: the outcome of any creation is settled, then the policy is carried out, within a time limit.
pub(super) fn decide_deletion(seen: &Observed<'_>, now: Timestamp) -> Plan {
    let release = || Plan::step(Step::Release { partial: false }, Verdict::Keep);
    let record = open_record(seen.members, seen.key, seen.memory);
    let id = issue_id(seen);
    let claim = look_for_claim(seen);
    if id.is_none() && record.is_none() && claim.is_none() {
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
    match &configuration.state {
        Some(Ok(_)) => {}
        Some(Err(fault)) => return wait(format!("the configuration is not ready: {}", fault.message)),
        None => return wait("the configuration has not been looked at yet".into()),
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
        let Some(record) = record else {
            return claim.unwrap_or_else(release);
        };
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
        IssueKnowledge::Present(issue)
            if configuration.spec.deletion_policy == DeletionPolicy::Delete && !is_adopted(seen, issue) =>
        {
            Plan::step(Step::Delete { id }, Verdict::Keep)
        }
        IssueKnowledge::Present(issue) => match close(seen, configuration, &id, issue) {
            Ok(plan) => plan,
            Err(blocked) => wait(blocked),
        },
    }
}

/// How the issue is closed before its finding is let go, or what keeps it from being closed.
fn close(seen: &Observed<'_>, configuration: &ConfigurationView<'_>, id: &str, issue: &Issue) -> Result<Plan, String> {
    let status = issue.fields.status.as_ref();
    if status.is_some_and(|status| status.category == StatusCategory::Done) {
        return Ok(Plan::step(Step::Release { partial: false }, Verdict::Keep));
    }
    let blocked = seen.memory.blocked.as_ref().filter(|blocked| {
        status.is_some_and(|status| status.id == blocked.status_id) && blocked.generation == configuration.generation
    });
    if let Some(blocked) = blocked {
        return Err(blocked.fault.message.clone());
    }
    // Explained once it is done: a comment on an issue that could not be closed would be wrong.
    let goal = State::Fixed;
    let mut plan = Plan::step(
        Step::Transition {
            id: id.to_owned(),
            goal,
        },
        Verdict::Keep,
    );
    plan.steps.push(Step::ExplainClose { id: id.to_owned() });
    Ok(plan)
}
