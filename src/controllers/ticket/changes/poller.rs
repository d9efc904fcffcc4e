//! The poll: asks each site for issues that changed.
//!
//! One search for each connection and interval asks for issues of this installation that were updated lately. A search
//! is a hint (trap T4): it lags and flickers, so its window overlaps with the one before, and the issues that it names
//! are read by id before anything is decided on them. An issue that was handled as the search shows it is not read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::controllers::registry::{Connection, ObjectKey};
use crate::domain::identity::instance_label;
use crate::jira::jql;
use crate::jira::model::Issue;
use crate::jira::{JiraError, SearchRequest};
use crate::runtime::readiness;

use super::super::Tickets;
use super::cursor::Cursor;

/// Added to the window of every search, against clocks and search nodes that disagree.
const OVERLAP: Duration = Duration::from_mins(2);
/// How far a first search reaches back where no cursor is stored.
const FIRST_REACH: Duration = Duration::from_mins(10);
/// How often every issue is read, whatever the searches showed: deleted issues and removed labels show in no search.
const SWEEP_INTERVAL: Duration = Duration::from_hours(6);
/// Issues of one read of a sweep; passes of tickets run between two reads.
const SWEEP_BATCH: usize = 500;
/// Most ids taken from one search.
const MAX_IDS: usize = 100_000;
/// The shortest interval between two polls of a connection.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Polls each connection that a configuration with sync uses. Connections are polled side by side, and each of them once
/// at a time, so that a slow site delays no other.
pub(in super::super) async fn run(tickets: Arc<Tickets>) {
    // Before the findings are listed, the ticket of an issue is not known.
    tickets.context.readiness.wait(readiness::FINDINGS).await;
    let mut idle: HashMap<ObjectKey, Poll> = HashMap::new();
    let mut asking: JoinSet<Poll> = JoinSet::new();
    let mut busy: HashMap<Id, ObjectKey> = HashMap::new();
    loop {
        let wanted = tickets.intervals();
        idle.retain(|key, _| wanted.contains_key(key));
        for (key, interval) in wanted {
            if busy.values().any(|other| *other == key) {
                continue;
            }
            let mut poll = idle.remove(&key).unwrap_or_default();
            if poll.next.is_some_and(|next| next > Instant::now()) {
                idle.insert(key, poll);
                continue;
            }
            let (tickets, connection) = (Arc::clone(&tickets), key.clone());
            let task = asking.spawn(async move {
                poll.once(&tickets, &connection).await;
                poll.next = Some(Instant::now() + interval);
                poll
            });
            busy.insert(task.id(), key);
        }
        let next = idle.values().filter_map(|poll| poll.next).min();
        let latest = Instant::now() + Duration::from_secs(1);
        tokio::select! {
            Some(done) = asking.join_next_with_id() => match done {
                Ok((id, poll)) => idle.extend(busy.remove(&id).map(|key| (key, poll))),
                // A poll that panicked begins anew, from the stored cursor.
                Err(error) => {
                    busy.remove(&error.id());
                }
            },
            () = tokio::time::sleep_until(next.map_or(latest, |next| next.min(latest))) => {}
        }
    }
}

impl Tickets {
    /// The connections to poll, each at the shortest interval of the configurations that use it with sync.
    fn intervals(&self) -> HashMap<ObjectKey, Duration> {
        let mut intervals: HashMap<ObjectKey, Duration> = HashMap::new();
        for entry in self.context.configurations.snapshot().values() {
            if entry.spec.status_sync.enabled && !entry.spec.suspend {
                let interval = entry.spec.status_sync.interval.0.max(SHORTEST_INTERVAL);
                let shortest = intervals.entry(entry.connection_key()).or_insert(interval);
                *shortest = interval.min(*shortest);
            }
        }
        intervals
    }
}

/// The state of polling one connection.
#[derive(Default)]
struct Poll {
    next: Option<Instant>,
    /// When the last search that succeeded was begun.
    last_good: Option<Timestamp>,
    cursor: Cursor,
    next_sweep: Option<Instant>,
}

impl Poll {
    /// One search, and one read for each hundred issues that changed.
    async fn once(&mut self, tickets: &Tickets, key: &ObjectKey) {
        let Some(entry) = tickets.context.connections.get(key) else {
            return;
        };
        let Some(Ok(connection)) = &entry.state else { return };
        if self.last_good.is_none() && self.cursor.newest().is_none() {
            self.cursor.load(&tickets.context.client, key).await;
        }
        let begun = tickets.clock.now();
        match self.ask(tickets, connection, begun).await {
            Ok(handled) => {
                self.last_good = Some(begun);
                if handled > 0 {
                    tracing::debug!(connection = %key, issues = handled, "issues changed in Jira");
                }
            }
            Err(error) => {
                tracing::warn!(connection = %key, %error, "asking Jira for changes failed; the next search reaches further back");
            }
        }
        self.sweep(tickets, key, connection).await;
        self.cursor.store(&tickets.context.client, key).await;
    }

    /// Searches for issues that changed, reads those that were not handled yet, and hands them to their tickets. Returns
    /// how many issues were read.
    async fn ask(&mut self, tickets: &Tickets, connection: &Connection, now: Timestamp) -> Result<usize, JiraError> {
        let settings = &tickets.context.settings;
        let since = self.last_good.or(self.cursor.newest());
        let request = SearchRequest {
            jql: jql::poll(
                &instance_label(&settings.instance_id),
                window(since, now, settings.index_lag),
            ),
            fields: vec!["updated".to_owned()],
            max_results: Some(5_000),
            ..SearchRequest::default()
        };
        let site = &connection.cloud_id;
        let found = connection.gateway.client().search_all(&request, MAX_IDS).await?;
        let (handled, changed): (Vec<&Issue>, Vec<&Issue>) = found
            .issues
            .iter()
            .partition(|issue| tickets.watermarks.covers(site, issue));
        let changed: Vec<String> = changed.into_iter().map(|issue| issue.id.clone()).collect();
        if !changed.is_empty() {
            for (id, issue) in connection.gateway.read_issues(changed.clone()).await? {
                if let Some(issue) = &issue {
                    tickets.watermarks.note(site, issue);
                    self.cursor.advance(issue.fields.updated);
                }
                tickets.deliver(connection, &id, issue);
            }
        }
        self.cursor
            .advance(handled.iter().filter_map(|issue| issue.fields.updated).max());
        Ok(changed.len())
    }

    /// Reads every issue of the connection's site, seldom. Never right after a start: a restart costs nothing.
    async fn sweep(&mut self, tickets: &Tickets, key: &ObjectKey, connection: &Connection) {
        let pause = SWEEP_INTERVAL.mul_f64(0.8 + 0.4 * rand::random::<f64>());
        let due = *self.next_sweep.get_or_insert_with(|| Instant::now() + pause);
        if due > Instant::now() {
            return;
        }
        let ids = tickets.catalog.issues_of(&connection.cloud_id);
        tracing::info!(connection = %key, issues = ids.len(), "reading every issue");
        for batch in ids.chunks(SWEEP_BATCH) {
            match connection.gateway.read_issues(batch.to_vec()).await {
                Ok(read) => read
                    .into_iter()
                    .for_each(|(id, issue)| tickets.deliver(connection, &id, issue)),
                Err(error) => {
                    tracing::warn!(connection = %key, %error, "not every issue could be read; the next attempt is in an hour");
                    self.next_sweep = Some(Instant::now() + pause / 6);
                    return;
                }
            }
        }
        self.next_sweep = Some(Instant::now() + pause);
    }
}

/// How many minutes a search reaches back that is made `now`: to the beginning of the last good search or to the cursor,
/// and by the lag of the search index and the overlap further.
fn window(since: Option<Timestamp>, now: Timestamp, index_lag: Duration) -> u32 {
    let span = since.map_or(FIRST_REACH, |since| {
        // Negative where the cursor, set by Jira's clock, is ahead.
        Duration::try_from(now.duration_since(since)).unwrap_or_default()
    });
    let span = span.saturating_add(index_lag).saturating_add(OVERLAP);
    u32::try_from(span.as_secs().div_ceil(60)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_reaches_back_to_what_was_handled_and_a_little_further() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (now, lag) = (at("2026-01-01T12:00:00Z"), Duration::from_mins(2));
        assert_eq!(window(None, now, lag), 14);
        assert_eq!(window(Some(at("2026-01-01T11:59:00Z")), now, lag), 5);
        assert_eq!(window(Some(at("2026-01-01T11:59:30Z")), now, lag), 5, "rounded up");
        assert_eq!(
            window(Some(at("2026-01-01T12:10:00Z")), now, lag),
            4,
            "Jira's clock is ahead"
        );
        assert_eq!(window(Some(at("2025-12-31T12:00:00Z")), now, lag), 24 * 60 + 4);
        assert_eq!(window(Some(Timestamp::MIN), Timestamp::MAX, lag), u32::MAX);
    }
}
