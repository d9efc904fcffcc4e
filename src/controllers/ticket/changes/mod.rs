//! Changes that people make in Jira, and how the passes of tickets get them.

mod cursor;
pub(super) mod poller;
mod watermarks;

use crate::controllers::registry::Connection;
use crate::domain::placement::lane::Lane;
use crate::jira::model::Issue;

use super::Tickets;
use super::catalog::WorkKey;
use super::mailbox::Signal;

pub(super) use watermarks::Watermarks;

impl Tickets {
    /// Hands an issue that was read, or that a read did not show, to the pass of its ticket.
    fn deliver(&self, connection: &Connection, id: &str, issue: Option<Issue>) {
        // An issue of no ticket: its finding is gone, or its creation is not reported yet and will read the issue itself.
        let Some(ticket) = self.catalog.ticket_of_issue(&connection.cloud_id, id) else {
            return;
        };
        let configuration = self.context.configurations.by_identity(&ticket.configuration);
        if !configuration.is_some_and(|entry| entry.spec.status_sync.enabled) {
            // Nothing flows while sync is off; once it is on again, the issue is read.
            self.mailbox.post(&ticket, Signal::LookRequested);
            return;
        }
        let signal = issue.map_or(Signal::IssueGone, |issue| Signal::IssueRead(Box::new(issue)));
        self.mailbox.post(&ticket, signal);
        self.queue.push(WorkKey::Ticket(ticket), Lane::Normal);
    }
}
