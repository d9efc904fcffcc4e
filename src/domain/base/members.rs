//! What the metadata of a finding says about its part in a ticket.

use crate::api::{FINALIZER, SecurityFinding};

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
