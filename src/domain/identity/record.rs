//! The write-ahead record of a creation, as it stands in the status of a finding.

use crate::api::SecurityFinding;
pub use crate::api::security_finding::Attempt as Record;

use super::TicketKey;

impl Record {
    /// The record that is open on a finding. Only the operator writes statuses, so that the record is believed.
    pub fn open_on(finding: &SecurityFinding) -> Option<&Self> {
        finding.status.as_ref()?.ticket.as_ref()?.attempt.as_ref()
    }

    /// The key of the ticket that the record is about.
    pub fn key(&self) -> TicketKey {
        TicketKey {
            configuration: self.configuration.clone(),
            group: self.group.clone(),
            slot: self.slot,
        }
    }
}
