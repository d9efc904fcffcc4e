//! The content of an open issue: what is sent to it, and what is taken note of afterwards.

use std::cmp::Reverse;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::SecurityFinding;
use crate::api::security_finding::SyncBase;
use crate::api::ticket_configuration::TicketConfigurationSpec;
use crate::domain::content::{self, Change, Desired};
use crate::domain::content::{ASSIGNEE, Assignment, change, completion, has_content};

use crate::jira::model::Issue;

use super::{Observed, Step, base_of};

/// What the members know of the content that was last written: the newest word, as a status may have been lost.
pub(super) fn ticket_base<'a>(present: &[&'a SecurityFinding]) -> Option<&'a SyncBase> {
    present
        .iter()
        .filter_map(|finding| base_of(finding))
        .filter(|base| has_content(base))
        .min_by_key(|base| Reverse(base.edited.as_ref().map(|time| time.0)))
}

/// What is to be sent to the issue, and whether it must be found out first who the assignee is.
pub(super) fn wanted_edit(
    seen: &Observed<'_>,
    spec: &TicketConfigurationSpec,
    desired: &Desired,
    base: Option<&SyncBase>,
    issue: &Issue,
) -> (Option<Change>, bool) {
    let memory = seen.memory;
    if !spec.auto_maintain {
        let incomplete = base.is_none().then(|| completion(desired, issue, &memory.sent));
        return (incomplete.flatten(), false);
    }
    let mut edit = change(desired, base, issue, &memory.sent);
    let assignment = content::assignment(desired, base, issue, &memory.sent, memory.assignable.as_ref());
    let unresolved = matches!(assignment, Assignment::Resolve(_));
    if let Assignment::Resolve(over) | Assignment::Set(_, over) = &assignment {
        let edit = edit.get_or_insert_default();
        edit.overwrites
            .extend(over.clone().map(|over| (ASSIGNEE.to_owned(), over)));
    }
    if let (Assignment::Set(value, _), Some(edit)) = (assignment, &mut edit) {
        edit.fields.insert(ASSIGNEE.to_owned(), value);
    }
    (edit, unresolved)
}

/// The edit, and a look at what Jira made of it; a transition looks by itself.
pub(super) fn edit_and_read(id: String, change: Change, push: bool) -> Vec<Step> {
    let read = (!change.fields.is_empty() && !push).then(|| Step::Read { id: id.clone() });
    let change = Box::new(change);
    std::iter::once(Step::Edit { id, change }).chain(read).collect()
}

/// What is to be taken note of about the content.
pub(super) struct Content<'a> {
    /// The base of the ticket.
    pub base: Option<&'a SyncBase>,
    /// What is still to be sent.
    pub edit: Option<&'a Change>,
    /// Whether these findings cannot be written as they are.
    pub unfit: bool,
    /// When the content was last edited.
    pub edited: Option<Timestamp>,
    /// What the issue should say.
    pub desired: &'a Desired,
    /// The issue.
    pub issue: &'a Issue,
}

impl Content<'_> {
    /// Takes note in a member's base of what the issue says now.
    pub fn note(
        &self,
        next: &mut SyncBase,
        finding: &SecurityFinding,
        seen: &Observed<'_>,
        spec: &TicketConfigurationSpec,
    ) {
        let memory = seen.memory;
        // Kubernetes keeps times to the second; keeping more would look like a difference for ever.
        let edited = self.edited.and_then(|at| Timestamp::from_second(at.as_second()).ok());
        next.edited = edited.map(Time);
        match (self.edit, self.base) {
            (None, base) if !self.unfit && (spec.auto_maintain || base.is_none()) => {
                let assignable = memory.assignable.as_ref();
                content::settle(next, base, self.desired, self.issue, &memory.sent, assignable);
                next.content_severity = Some(finding.spec.severity);
                next.content_state = Some(finding.spec.state);
            }
            // One that has just joined knows what the others know.
            (_, Some(base)) if !has_content(next) => {
                next.fields.clone_from(&base.fields);
                next.labels.clone_from(&base.labels);
                next.lists.clone_from(&base.lists);
                next.shown.clone_from(&base.shown);
                next.overwrote.clone_from(&base.overwrote);
            }
            _ => {}
        }
        if let Some(edit) = self.edit {
            content::postpone(next, edit);
        }
    }
}
