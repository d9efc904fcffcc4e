//! What the statuses of findings say about the issue of their ticket.

use std::sync::Arc;

use crate::api::SecurityFinding;
use crate::api::security_finding::Ticket;

use super::TicketKey;

/// The ticket of a finding, if it is a ticket of this key that has an issue.
pub fn ticket_of<'a>(finding: &'a SecurityFinding, key: &TicketKey) -> Option<&'a Ticket> {
    let ticket = finding.status.as_ref()?.ticket.as_ref()?;
    let fits = ticket.configuration == key.configuration && ticket.group == key.group && ticket.slot == key.slot;
    (fits && ticket.id.is_some()).then_some(ticket)
}

/// What the members say about the ticket's issue: the highest incarnation any of them knows.
pub fn stored_ticket<'a>(members: &'a [Arc<SecurityFinding>], key: &TicketKey) -> Option<&'a Ticket> {
    members
        .iter()
        .filter_map(|member| ticket_of(member, key))
        .max_by_key(|ticket| ticket.incarnation)
}
