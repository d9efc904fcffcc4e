//! Which findings of a ticket count, and how severe they are together.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::api::{SecurityFinding, Severity};
use crate::domain::base::members::is_leaving;

use super::table::is_open;

/// The findings an issue speaks of, the most urgent first: those that are being deleted only where no other is left.
pub fn shown(members: &[Arc<SecurityFinding>]) -> Vec<&SecurityFinding> {
    let all = || members.iter().map(AsRef::as_ref);
    let present: Vec<&SecurityFinding> = all().filter(|one| !is_leaving(one)).collect();
    let mut shown: Vec<&SecurityFinding> = if present.is_empty() { all().collect() } else { present };
    shown.sort_by_key(|one| Reverse((is_open(one.spec.state), one.spec.severity)));
    shown
}

/// The highest severity of those that are open, else of all.
pub fn severity_of(shown: &[&SecurityFinding]) -> Severity {
    let open = shown.iter().filter(|finding| is_open(finding.spec.state));
    let highest = open.map(|finding| finding.spec.severity).max();
    highest
        .or_else(|| shown.iter().map(|finding| finding.spec.severity).max())
        .unwrap_or_default()
}
