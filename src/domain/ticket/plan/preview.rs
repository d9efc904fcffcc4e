//! What a dry run shows: the issue as it would be, and what would be done next. Nothing is asked of Jira; what is known
//! of an issue is what the findings have stored.

use std::collections::BTreeMap;

use crate::api::preview::{Preview, PreviewAction};
use crate::api::security_finding::Ticket;
use crate::api::ticket_configuration::TicketConfigurationSpec;
use crate::api::update_policy::UpdatePolicy;
use crate::api::{Reason, SecurityFinding};
use crate::domain::content::{self, Desired};
use crate::domain::content::{POLICY, policy_of};
use crate::domain::identity::is_reserved_label;
use crate::domain::identity::stored_ticket;

use crate::domain::state::sync::{finding_moved, may_push};
use crate::domain::state::table::{category_key, is_open};
use crate::jira::model::StatusCategory;

use super::adoption::named_issue;
use super::{Observed, Plan, Verdict, base_of};

/// Longest value of a field, in characters.
const MAX_TEXT: usize = 200;
/// Most labels that are shown.
const MAX_LABELS: usize = 30;
/// Most fields that are named in the message.
const MAX_NAMED: usize = 10;

/// The plan of a dry run: to do nothing, and to say what would be done.
pub(super) fn preview(
    seen: &Observed<'_>,
    present: &[&SecurityFinding],
    spec: &TicketConfigurationSpec,
    desired: &Desired,
) -> Plan {
    let (action, message) = next_action(seen, present, spec, desired);
    let verdict = match &desired.fault {
        Some(fault) => Verdict::from(fault),
        None => Verdict::Ready(Reason::DryRun, format!("dry run: {message}")),
    };
    let labels = desired.labels.iter().filter(|label| !is_reserved_label(label));
    let given = desired.fields.iter().filter(|field| !field.nothing);
    let fields: BTreeMap<String, String> = given.map(|field| (field.name.clone(), cut(&field.text))).collect();
    let assignee = content::assignee(seen.members, Some(spec));
    Plan {
        preview: Some(Box::new(Preview {
            action,
            message: Some(message),
            summary: desired.summary.clone(),
            project: spec.project_key.clone(),
            issue_type: spec.issue_type.clone(),
            priority: desired.priority_name.clone(),
            assignee: assignee.map(content::assignee_name),
            labels: labels.take(MAX_LABELS).cloned().collect(),
            fields,
        })),
        ..Plan::rest(verdict)
    }
}

fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(MAX_TEXT).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// What would be done next, and in words.
fn next_action(
    seen: &Observed<'_>,
    present: &[&SecurityFinding],
    spec: &TicketConfigurationSpec,
    desired: &Desired,
) -> (PreviewAction, String) {
    let any_open = present.iter().any(|finding| is_open(finding.spec.state));
    match stored_ticket(seen.members, seen.key) {
        None if !any_open => (
            PreviewAction::Nothing,
            "already closed, so no ticket would be opened".to_owned(),
        ),
        None if desired.fault.is_some() => (PreviewAction::Nothing, "Jira would refuse the issue".to_owned()),
        None => match named_issue(present, spec) {
            Err(fault) => (
                PreviewAction::Nothing,
                format!("would open no ticket: {}", fault.message),
            ),
            Ok(Some(key)) => (PreviewAction::Adopt, format!("would adopt {key}")),
            Ok(None) => {
                let (type_, project, summary) = (&spec.issue_type, &spec.project_key, &desired.summary);
                let of = if present.len() > 1 {
                    format!(" for {} findings", present.len())
                } else {
                    String::new()
                };
                (
                    PreviewAction::Open,
                    format!("would open a {type_} in {project}{of}: {summary}"),
                )
            }
        },
        Some(ticket) => with_issue(present, spec, desired, ticket, any_open),
    }
}

fn with_issue(
    present: &[&SecurityFinding],
    spec: &TicketConfigurationSpec,
    desired: &Desired,
    ticket: &Ticket,
    any_open: bool,
) -> (PreviewAction, String) {
    let key = ticket.key.as_deref().unwrap_or("the issue");
    if ticket.lost {
        return (PreviewAction::Nothing, format!("{key} cannot be seen any more"));
    }
    let is_done = ticket
        .status
        .as_ref()
        .is_some_and(|status| status.category == category_key(StatusCategory::Done));
    let moved = present
        .iter()
        .any(|finding| finding_moved(finding.spec.state, base_of(finding), None));
    if may_push(&spec.status_sync) && moved && any_open == is_done {
        return if is_done {
            (PreviewAction::Reopen, format!("would reopen {key}"))
        } else {
            (PreviewAction::Close, format!("would close {key}"))
        };
    }
    let changed = if spec.auto_maintain && desired.fault.is_none() && (any_open || !is_done) {
        changed(present, desired)
    } else {
        Vec::new()
    };
    if changed.is_empty() {
        return (PreviewAction::Nothing, format!("nothing would change in {key}"));
    }
    let message = format!("would change {} of {key}", changed.join(", "));
    (PreviewAction::Update, message)
}

/// Names of what differs from what was last written.
fn changed(present: &[&SecurityFinding], desired: &Desired) -> Vec<String> {
    let Some(base) = present.iter().find_map(|finding| base_of(finding)) else {
        return vec!["what differs".to_owned()];
    };
    let name_of = |id: &String| {
        let field = desired.fields.iter().find(|field| field.id == *id);
        field.map_or_else(|| id.clone(), |field| field.name.clone())
    };
    let again = |id: &str| id != POLICY && policy_of(&desired.policies, id) != UpdatePolicy::CreateOnly;
    let whole = desired
        .hashes
        .iter()
        .filter(|(id, hash)| base.fields.get(*id) != Some(*hash) && again(id));
    let lists = desired
        .lists
        .iter()
        .filter(|(id, list)| base.lists.get(*id) != Some(*list) && again(id));
    let ids = whole.map(|(id, _)| id).chain(lists.map(|(id, _)| id));
    let mut names: Vec<String> = ids.map(name_of).collect();
    if desired.labels != base.labels && again("labels") {
        names.push("labels".to_owned());
    }
    if names.len() > MAX_NAMED {
        let rest = names.len() - MAX_NAMED;
        names.truncate(MAX_NAMED);
        names.push(format!("{rest} more"));
    }
    names
}
