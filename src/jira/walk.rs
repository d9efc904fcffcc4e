//! The walk: reading every issue key after a known one, to find an issue whose create was never answered.
//!
//! Search lags by minutes and flickers (T4); reading by key does not. Keys of a project are numbered upwards, so an
//! issue made after number *n* was seen has a number above *n*, unless nobody got that number: failed creates leave
//! gaps, and deleted or hidden issues look like gaps.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::client::{BULK_FETCH_MAX, JiraClient};
use super::error::JiraError;
use super::gateway::ISSUE_PROPERTY;
use super::model::Issue;

/// So many keys in a row must be absent before a walk believes that it has reached the end.
pub(super) const ABSENT_IN_A_ROW: u64 = 300;

const FIELDS: [&str; 7] = [
    "summary",
    "labels",
    "status",
    "resolution",
    "project",
    "created",
    "updated",
];

/// What a walk saw. Cheap to clone; everyone who shared a walk shares its result.
#[derive(Debug, Clone, Default)]
pub struct WalkResult {
    /// The issues that carry our property, also those that have since moved to another project. A shared walk may hold
    /// more than was asked for, from a smaller number on.
    pub issues: Arc<[Issue]>,
    /// The highest issue number seen in the project; the number that the walk started after when there was none.
    pub highest: u64,
}

/// Reads the keys `<project>-<n>` for every n above `after` until [`ABSENT_IN_A_ROW`] are absent.
///
/// A moved issue answers to its old key with its new one, so the reply does not tell which number it had; a chunk with
/// such an issue counts as present to its end, which lengthens the walk and never shortens it.
pub(super) async fn walk(client: &JiraClient, project: &str, after: u64) -> Result<WalkResult, JiraError> {
    let mut highest = after;
    let mut last_present = after;
    let mut next = after.saturating_add(1);
    let mut ours = Vec::new();
    let mut seen = BTreeSet::new();
    while next.saturating_sub(last_present) <= ABSENT_IN_A_ROW && next < u64::MAX {
        let end = next.saturating_add(BULK_FETCH_MAX as u64);
        let keys: Vec<String> = (next..end).map(|number| format!("{project}-{number}")).collect();
        let found = client.bulk_fetch(&keys, &FIELDS, &[ISSUE_PROPERTY]).await?;
        if !found.errors.is_empty() {
            // They exist and could not be read: nothing may be taken for absent in this chunk.
            last_present = end - 1;
        }
        for issue in found.issues {
            match issue.project_and_number() {
                Some((own, number)) if own == project && (next..end).contains(&number) => {
                    highest = highest.max(number);
                    last_present = last_present.max(number);
                }
                _ => last_present = end - 1,
            }
            if issue.properties.contains_key(ISSUE_PROPERTY) && seen.insert(issue.id.clone()) {
                ours.push(issue);
            }
        }
        next = end;
    }
    tracing::debug!(
        project,
        after,
        highest,
        ours = ours.len(),
        "walked the keys of a project"
    );
    Ok(WalkResult {
        issues: ours.into(),
        highest,
    })
}
