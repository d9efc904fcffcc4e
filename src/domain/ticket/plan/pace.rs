//! Edits of one issue keep a distance (`spec.minUpdateInterval`), so that what changes meanwhile goes into one of them.
//! All of it is computed from what is stored, so that a restart shortens and lengthens nothing.

use jiff::Timestamp;

use crate::api::SecurityFinding;
use crate::api::ticket_configuration::TicketConfigurationSpec;
use crate::api::update_policy::UpdatePolicy;
use crate::domain::base::clock::later;
use crate::domain::content::Desired;
use crate::domain::content::{has_content, policy_of};

use super::editing::ticket_base;
use super::{Observed, asks_for_a_look, base_of};

/// End of what is told while an edit waits.
const WAITS: &str = "(minUpdateInterval)";

/// Until when the next edit of the content waits; `None` when it may go at once. Nothing waits when a person asked for
/// a fresh look, or when a severity or a state moved since the content was written.
pub(super) fn held_until(
    seen: &Observed<'_>,
    present: &[&SecurityFinding],
    spec: &TicketConfigurationSpec,
    desired: &Desired,
    now: Timestamp,
) -> Option<Timestamp> {
    let due = later(last_edit(seen, present)?, spec.min_update_interval.0);
    (due > now && !asks_for_a_look(seen.members) && !hurries(present) && !is_urgent(present, desired)).then_some(due)
}

/// When the content was last edited; the completion of a creation does not count.
pub(super) fn last_edit(seen: &Observed<'_>, present: &[&SecurityFinding]) -> Option<Timestamp> {
    let bases = || present.iter().filter_map(|finding| base_of(finding));
    let of_now = seen.memory.edited.filter(|_| bases().any(has_content));
    let stored = bases().filter_map(|base| base.edited.as_ref()).map(|time| time.0).max();
    of_now.max(stored)
}

/// Whether a finding's severity or state is not what it was when the content was written, or a finding has joined that
/// is more severe than all that the content speaks of.
fn hurries(present: &[&SecurityFinding]) -> bool {
    let told = |finding: &SecurityFinding| base_of(finding).and_then(|base| base.content_severity);
    let highest = present.iter().filter_map(|finding| told(finding)).max();
    present.iter().any(|finding| match told(finding) {
        Some(severity) => {
            let state = base_of(finding).and_then(|base| base.content_state);
            severity != finding.spec.severity || state != Some(finding.spec.state)
        }
        None => highest.is_some_and(|highest| finding.spec.severity > highest),
    })
}

/// Whether what severity decides has moved, also because the most severe finding went.
fn is_urgent(present: &[&SecurityFinding], desired: &Desired) -> bool {
    let Some(base) = ticket_base(present) else { return false };
    let moved = |id: &&str| base.fields.get(*id) != desired.hashes.get(*id);
    let follows = |id: &&str| policy_of(&desired.policies, id) != UpdatePolicy::CreateOnly;
    ["priority", "duedate"].iter().any(|id| moved(id) && follows(id))
}

/// What is told while an edit waits.
pub(super) fn waiting(issue: &str, due: Timestamp) -> String {
    format!("in step with {issue} but for its content: the next edit is due at {due} {WAITS}")
}

/// Whether that was told.
pub(super) fn was_waiting(finding: &SecurityFinding) -> bool {
    let conditions = finding.status.iter().flat_map(|status| &status.conditions);
    conditions
        .into_iter()
        .any(|condition| condition.message.ends_with(WAITS))
}
