//! What this process remembers about a ticket between two passes.
//!
//! Nothing here is needed for safety: everything that must survive a crash stands in the findings and in Jira. After a
//! restart the memory is empty, and a ticket that is in sync needs none.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::State;
use crate::domain::base::clock::later;
use crate::domain::content::{Resolved, SentFields};
use crate::jira::model::Issue;

use crate::domain::base::backoff::Backoff;
use crate::domain::base::fault::Fault;
use crate::domain::identity::Record;

/// Waits after a failure that passes.
const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(5));

/// What is known of the ticket's issue in Jira.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum IssueKnowledge {
    /// Not read by this process, or known to have changed since.
    #[default]
    Unknown,
    /// As read, or as it is after a successful write.
    Present(Box<Issue>),
    /// It was asked for and is not there, on the word of a reply that was made for the right account.
    Absent,
}

impl IssueKnowledge {
    /// The issue, where it is known.
    pub fn present(&self) -> Option<&Issue> {
        match self {
            Self::Present(issue) => Some(issue),
            Self::Unknown | Self::Absent => None,
        }
    }
}

/// A creation whose outcome is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The record. It counts also when the finding that carried it is gone or has lost it.
    pub record: Box<Record>,
    /// When this process first saw the record, or stamped it.
    pub first_seen: Timestamp,
    /// When the last complete search for its issue was begun; `None` before the first.
    pub searched: Option<Timestamp>,
    /// How many complete searches came back empty.
    pub searches: u32,
}

/// Jira's definite "no" to an issue or an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused; the same thing is not sent again before something changed.
    pub cause: String,
    /// What to tell the user.
    pub fault: Fault,
    /// When to try all the same, as the cure may be on Jira's side.
    pub retry_at: Timestamp,
}

/// A workflow that has no way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Status the issue was in.
    pub status_id: String,
    /// State that was to be reached.
    pub goal: State,
    /// Generation of the configuration that was in force.
    pub generation: i64,
    /// What to tell the user.
    pub fault: Fault,
}

/// A failure that passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What to tell the user.
    pub fault: Fault,
    /// How often in a row.
    pub failures: u32,
    /// Nothing is tried before.
    pub until: Timestamp,
}

/// A group whose findings are still coming in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// How many findings there were.
    pub findings: usize,
    /// Since when there are so many.
    pub since: Timestamp,
    /// When the first was seen.
    pub begun: Timestamp,
}

/// What this process remembers about a ticket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The issue.
    pub issue: IssueKnowledge,
    /// Id and key of an issue that was created or found, kept until they are stored on every member.
    pub found: Option<(String, String)>,
    /// It was told that an issue is left open.
    pub told_left_open: bool,
    /// A group whose findings are still coming in; kept while it has no issue.
    pub gathering: Option<Gathering>,
    /// When a look-up by label found nothing.
    pub found_nothing_at: Option<Timestamp>,
    /// A creation whose outcome is not known.
    pub attempt: Option<Attempt>,
    /// Nonces of creations whose outcome this process knows; written into the statuses by the next report.
    pub settled: BTreeSet<String>,
    /// Incarnation of `found`.
    pub incarnation: Option<u32>,
    /// Keys of other issues with the same identity, once they were looked for.
    pub duplicates: Option<Vec<String>>,
    /// A person asked for a fresh look, and it was not taken yet.
    pub asked: bool,
    /// Jira's definite "no".
    pub refusal: Option<Refusal>,
    /// A workflow that has no way.
    pub blocked: Option<Blocked>,
    /// A failure that passes.
    pub trouble: Option<Trouble>,
    /// Why the issue was opened without the assignee that was asked for.
    pub assignee_missing: Option<String>,
    /// What this process wrote and no status tells of yet.
    pub sent: SentFields,
    /// When this process last edited the content, until a status tells of it.
    pub edited: Option<Timestamp>,
    /// Whom the wish for an assignee means, where that was asked for.
    pub assignable: Option<Resolved>,
    /// The comment that explains a close was posted, or found.
    pub close_commented: bool,
    /// The newest `updated` of the issue that was seen; an older copy of it is not believed.
    pub newest: Option<Timestamp>,
    /// A read of many issues did not show this one; it is read alone before anything is concluded.
    pub suspect_lost: bool,
    /// A finding was not as it was thought to be; the pass ends and another begins when its newer copy is there.
    pub outdated: bool,
}

impl Memory {
    /// Takes note of an open record. One that is new to this process starts the span in which its issue may still turn
    /// up, counted from now, whoever wrote it.
    pub fn note_record(&mut self, record: &Record, now: Timestamp) {
        let known = self
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.record.nonce == record.nonce);
        if !known && !self.settled.contains(&record.nonce) {
            self.attempt = Some(Attempt {
                record: Box::new(record.clone()),
                first_seen: now,
                searched: None,
                searches: 0,
            });
            self.found_nothing_at = None;
        }
    }

    /// Takes note that the outcome of a creation is known, so that its record no longer counts.
    pub fn settle(&mut self, nonce: &str) {
        self.settled.insert(nonce.to_owned());
        self.attempt = self.attempt.take().filter(|attempt| attempt.record.nonce != nonce);
    }

    /// Takes note of how many findings a group without an issue has.
    pub fn note_gathering(&mut self, findings: usize, now: Timestamp) {
        let begun = self.gathering.as_ref().map_or(now, |gathering| gathering.begun);
        if self
            .gathering
            .as_ref()
            .is_none_or(|gathering| gathering.findings != findings)
        {
            self.gathering = Some(Gathering {
                findings,
                since: now,
                begun,
            });
        }
    }

    /// Takes note that a person asked for a fresh look: what was refused or blocked is tried again, what is known is
    /// read again.
    pub fn note_wish(&mut self) {
        self.asked = true;
        self.refusal = None;
        self.blocked = None;
        self.trouble = None;
        self.found_nothing_at = None;
        self.issue = IssueKnowledge::Unknown;
    }

    /// Whether nothing but the age of the issue is remembered.
    pub fn rests(&self) -> bool {
        self.issue == IssueKnowledge::Unknown
            && Self {
                newest: None,
                ..self.clone()
            } == Self::default()
    }

    /// Takes note of the issue as it was read. A copy older than one seen before is dropped.
    pub fn note_issue(&mut self, issue: Issue) {
        let updated = issue.fields.updated;
        if updated.is_none() || updated >= self.newest {
            self.newest = updated.or(self.newest);
            self.issue = IssueKnowledge::Present(Box::new(issue));
        }
    }

    /// Forgets what was kept only until the statuses tell of it.
    pub fn note_stored(&mut self) {
        self.settled.clear();
        self.found = None;
        self.sent.clear();
        self.edited = None;
        self.assignable = None;
    }

    /// Takes note of a failure that passes; what is tried again waits longer each time.
    pub fn note_trouble(&mut self, fault: Fault, least: Option<Duration>, jitter: f64, now: Timestamp) {
        let failures = self
            .trouble
            .as_ref()
            .map_or(0, |trouble| trouble.failures)
            .saturating_add(1);
        let delay = RETRY.delay(failures, jitter).max(least.unwrap_or_default());
        self.trouble = Some(Trouble {
            fault,
            failures,
            until: later(now, delay),
        });
    }

    /// Whether nothing may be tried yet.
    pub fn waits(&self, now: Timestamp) -> Option<&Trouble> {
        self.trouble.as_ref().filter(|trouble| trouble.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_creation_does_not_count_again_once_the_statuses_are_written() {
        let record = Record {
            nonce: "1".into(),
            ..Record::default()
        };
        let mut memory = Memory::default();
        memory.note_record(&record, Timestamp::UNIX_EPOCH);
        assert!(memory.attempt.is_some());
        memory.settle("another");
        assert!(memory.attempt.is_some(), "only the creation that is named");
        memory.settle(&record.nonce);
        memory.note_stored();
        assert_eq!(memory.attempt, None);
    }
}
