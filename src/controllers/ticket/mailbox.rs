//! Signals for tickets: what happened outside of the findings since the last pass.
//!
//! A signal is posted whether or not a pass of the ticket runs, and stays until a pass takes it. A pass takes the signals
//! of its ticket at the beginning of each round, so that no decision rests on less than what was known before it.
//! Whoever posts a signal that needs a pass queues the ticket afterwards, in this order.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::domain::identity::TicketKey;
use crate::jira::model::Issue;

/// What happened to a ticket.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Signal {
    /// The issue was read.
    IssueRead(Box<Issue>),
    /// A read of several issues did not show this one.
    IssueGone,
    /// The connection of the ticket's configuration changed: what failed because of it may work now.
    ConnectionHealed,
    /// The issue changed and was not read: it is read before anything is decided on it.
    LookRequested,
}

/// The signals for one ticket that no pass has taken yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Signals {
    /// The issue as it was read; of several reads the newest by `updated`.
    pub issue: Option<Box<Issue>>,
    /// A read of several issues did not show this one. Kept beside a read that does: the issue is read once more, alone.
    pub issue_gone: bool,
    /// The connection changed.
    pub connection_healed: bool,
    /// The issue changed and was not read.
    pub look_requested: bool,
}

impl Signals {
    fn add(&mut self, signal: Signal) {
        match signal {
            Signal::IssueRead(issue) => {
                let newest = self.issue.as_ref().and_then(|known| known.fields.updated);
                if self.issue.is_none() || issue.fields.updated >= newest {
                    self.issue = Some(issue);
                }
            }
            Signal::IssueGone => self.issue_gone = true,
            Signal::ConnectionHealed => self.connection_healed = true,
            Signal::LookRequested => self.look_requested = true,
        }
    }
}

/// The signals for all tickets. No other lock is taken while its lock is held.
#[derive(Debug, Default)]
pub(super) struct Mailbox(Mutex<HashMap<TicketKey, Signals>>);

impl Mailbox {
    /// Adds a signal to those that wait for the ticket's next round.
    pub(super) fn post(&self, ticket: &TicketKey, signal: Signal) {
        let mut mailbox = self.0.lock();
        if let Some(signals) = mailbox.get_mut(ticket) {
            signals.add(signal);
        } else {
            mailbox.entry(ticket.clone()).or_default().add(signal);
        }
    }

    /// Takes all signals for a ticket.
    pub(super) fn drain(&self, ticket: &TicketKey) -> Signals {
        self.0.lock().remove(ticket).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn ticket(name: &str) -> TicketKey {
        TicketKey {
            configuration: "c".into(),
            group: vec!["shop".into(), name.into()],
            slot: 0,
        }
    }

    fn read(key: &str, updated: &str) -> Signal {
        let mut issue = Issue {
            id: "1".into(),
            key: key.into(),
            ..Issue::default()
        };
        issue.fields.updated = Some(updated.parse().unwrap());
        Signal::IssueRead(Box::new(issue))
    }

    #[test]
    fn signals_merge_and_the_newest_read_stays() {
        let mailbox = Mailbox::default();
        let one = ticket("one");
        mailbox.post(&one, read("A-1", "2026-01-01T00:00:00Z"));
        mailbox.post(&one, read("A-3", "2026-01-03T00:00:00Z"));
        mailbox.post(&one, read("A-2", "2026-01-02T00:00:00Z"));
        mailbox.post(&one, Signal::ConnectionHealed);
        mailbox.post(&ticket("two"), Signal::LookRequested);
        let signals = mailbox.drain(&one);
        assert_eq!(signals.issue.unwrap().key, "A-3");
        assert!(signals.connection_healed && !signals.issue_gone && !signals.look_requested);
        assert_eq!(mailbox.drain(&one), Signals::default(), "each signal is taken once");
        assert!(mailbox.drain(&ticket("two")).look_requested);
        assert!(mailbox.0.lock().is_empty(), "a ticket without signals costs nothing");
    }

    #[test]
    fn an_issue_that_was_gone_is_looked_at_though_another_read_showed_it() {
        let mailbox = Mailbox::default();
        let one = ticket("one");
        mailbox.post(&one, Signal::IssueGone);
        mailbox.post(&one, read("A-1", "2026-01-01T00:00:00Z"));
        let signals = mailbox.drain(&one);
        assert!(signals.issue_gone && signals.issue.is_some());
    }

    #[test]
    fn nothing_is_lost_while_a_pass_takes_signals() {
        let mailbox = Arc::new(Mailbox::default());
        let posting = {
            let mailbox = Arc::clone(&mailbox);
            std::thread::spawn(move || {
                for minute in 0..60 {
                    mailbox.post(&ticket("one"), read("A-1", &format!("2026-01-01T00:{minute:02}:00Z")));
                }
                mailbox.post(&ticket("one"), Signal::IssueGone);
            })
        };
        let mut newest = None;
        let mut gone = false;
        let mut take = || {
            let signals = mailbox.drain(&ticket("one"));
            newest = newest.max(signals.issue.and_then(|issue| issue.fields.updated));
            gone |= signals.issue_gone;
        };
        while !posting.is_finished() {
            take();
        }
        posting.join().unwrap();
        take();
        assert_eq!(newest, Some("2026-01-01T00:59:00Z".parse().unwrap()));
        assert!(gone);
    }
}
