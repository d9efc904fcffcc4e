//! Jira-side changes become wake-ups.
//!
//! One search per connection and interval asks for issues of this installation that were updated lately. The search is
//! a hint (trap T4): it lags and flickers, so its window overlaps, and what it names is read by id before anything is
//! believed. Issues whose `updated` is known already are not read again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::api::{FIELD_MANAGER, JiraConnection};
use crate::controllers::registry::{Connection, ObjectKey};
use crate::domain::identity::instance_label;
use crate::jira::JiraError;
use crate::jira::SearchRequest;
use crate::jira::jql;
use crate::jira::model::Issue;
use crate::runtime::readiness;

use super::index::WorkKey;
use super::queue::Lane;
use super::{Tickets, lock};

/// Added to the window of every search, against clocks and search nodes that disagree.
const OVERLAP: Duration = Duration::from_mins(2);
/// How often the cursor is stored, at most.
const CURSOR_INTERVAL: Duration = Duration::from_mins(5);
/// How far a first search reaches back where no cursor is stored.
const FIRST_REACH: Duration = Duration::from_mins(10);
/// How often every issue is read, whatever the searches said: deleted issues and lost labels show nowhere else.
const SWEEP_INTERVAL: Duration = Duration::from_hours(6);
/// Issues of one read of a sweep; passes of tickets go on in between.
const SWEEP_BATCH: usize = 500;
/// Most ids taken from one search.
const MAX_IDS: usize = 100_000;

/// Polls each connection that an enabled configuration uses.
pub(super) async fn run(tickets: Arc<Tickets>) {
    // Before the findings are listed, nobody knows whose an issue is.
    tickets.context.readiness.wait(readiness::FINDINGS).await;
    let mut idle: HashMap<ObjectKey, Poll> = HashMap::new();
    let mut asking: JoinSet<(ObjectKey, Poll)> = JoinSet::new();
    let mut busy: HashSet<ObjectKey> = HashSet::new();
    loop {
        let wanted = tickets.intervals();
        idle.retain(|key, _| wanted.contains_key(key));
        for (key, interval) in wanted {
            if busy.contains(&key) {
                // A slow site holds up nobody else.
                continue;
            }
            let mut poll = idle.remove(&key).unwrap_or_default();
            if poll.next.is_some_and(|next| next > Instant::now()) {
                idle.insert(key, poll);
                continue;
            }
            busy.insert(key.clone());
            let tickets = Arc::clone(&tickets);
            asking.spawn(async move {
                poll.once(&tickets, &key).await;
                poll.next = Some(Instant::now() + interval);
                (key, poll)
            });
        }
        let next = idle.values().filter_map(|poll| poll.next).min();
        let latest = Instant::now() + Duration::from_secs(1);
        tokio::select! {
            Some(done) = asking.join_next() => match done {
                Ok((key, poll)) => {
                    busy.remove(&key);
                    idle.insert(key, poll);
                }
                // One that panicked begins anew.
                Err(_) => busy.clear(),
            },
            () = tokio::time::sleep_until(next.map_or(latest, |next| next.min(latest))) => {}
        }
    }
}

impl Tickets {
    /// The connections to poll, each at the shortest interval of its enabled configurations.
    fn intervals(&self) -> HashMap<ObjectKey, Duration> {
        let mut intervals: HashMap<ObjectKey, Duration> = HashMap::new();
        for (_, entry) in self.context.configurations.all() {
            if entry.spec.status_sync.enabled && !entry.spec.suspend {
                let interval = entry.spec.status_sync.interval.0.max(Duration::from_secs(1));
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
    /// The newest `updated` that was handled.
    cursor: Option<Timestamp>,
    stored_cursor: Option<Timestamp>,
    stored_at: Option<Instant>,
    next_sweep: Option<Instant>,
}

impl Poll {
    /// One search, and one read for each hundred issues that changed.
    async fn once(&mut self, tickets: &Tickets, key: &ObjectKey) {
        let Some(entry) = tickets.context.connections.get(key) else {
            return;
        };
        let Some(Ok(connection)) = entry.state else { return };
        if self.last_good.is_none() && self.cursor.is_none() {
            self.cursor = stored_cursor(tickets, key).await;
            self.stored_cursor = self.cursor;
        }
        let begun = tickets.clock.now();
        match self.ask(tickets, &connection, begun).await {
            Ok(handled) => {
                self.last_good = Some(begun);
                if handled > 0 {
                    tracing::debug!(connection = %key, issues = handled, "issues changed in Jira");
                }
            }
            Err(error) => {
                tracing::warn!(connection = %key, %error, "asking Jira for changes failed; the next time reaches further back");
            }
        }
        self.sweep(tickets, key, &connection).await;
        self.store_cursor(tickets, key).await;
    }

    /// Reads every issue of the connection, seldom. Never right after a start: a restart costs nothing.
    async fn sweep(&mut self, tickets: &Tickets, key: &ObjectKey, connection: &Arc<Connection>) {
        let pause = SWEEP_INTERVAL.mul_f64(0.8 + 0.4 * rand::random::<f64>());
        let due = *self.next_sweep.get_or_insert_with(|| Instant::now() + pause);
        if due > Instant::now() {
            return;
        }
        let ids = lock(&tickets.index).issues_of(&connection.cloud_id);
        tracing::info!(connection = %key, issues = ids.len(), "reading every issue");
        for batch in ids.chunks(SWEEP_BATCH) {
            match connection.gateway.read_issues(batch.to_vec()).await {
                Ok(read) => read
                    .into_iter()
                    .for_each(|(id, issue)| tickets.deliver(connection, &id, issue)),
                Err(error) => {
                    tracing::warn!(connection = %key, %error, "not every issue could be read; it is tried again in an hour");
                    self.next_sweep = Some(Instant::now() + pause / 6);
                    return;
                }
            }
        }
        self.next_sweep = Some(Instant::now() + pause);
    }

    async fn ask(
        &mut self,
        tickets: &Tickets,
        connection: &Arc<Connection>,
        now: Timestamp,
    ) -> Result<usize, JiraError> {
        let lag = tickets.context.settings.index_lag;
        let since = self
            .last_good
            .or(self.cursor)
            .unwrap_or_else(|| earlier(now, FIRST_REACH));
        let window = Duration::try_from(now.duration_since(since)).unwrap_or_default() + lag + OVERLAP;
        let minutes = u32::try_from(window.as_secs().div_ceil(60)).unwrap_or(u32::MAX);
        let request = SearchRequest {
            jql: jql::poll(&instance_label(&tickets.context.settings.instance_id), minutes),
            fields: vec!["updated".to_owned()],
            max_results: Some(5_000),
            ..SearchRequest::default()
        };
        let found = connection.gateway.client().search_all(&request, MAX_IDS).await?;
        let (known, changed): (Vec<&Issue>, Vec<&Issue>) = found
            .issues
            .iter()
            .partition(|issue| tickets.knows(&connection.cloud_id, issue));
        let changed: Vec<String> = changed.into_iter().map(|issue| issue.id.clone()).collect();
        if !changed.is_empty() {
            let read = connection.gateway.read_issues(changed.clone()).await?;
            for (id, issue) in read {
                if let Some(issue) = &issue {
                    tickets.note_known(&connection.cloud_id, issue);
                    self.cursor = self.cursor.max(issue.fields.updated);
                }
                tickets.deliver(connection, &id, issue);
            }
        }
        let handled = known.iter().filter_map(|issue| issue.fields.updated).max();
        self.cursor = self.cursor.max(handled);
        Ok(changed.len())
    }

    /// Keeps the cursor in the connection's status, seldom, so that a restart need not reach far back.
    async fn store_cursor(&mut self, tickets: &Tickets, key: &ObjectKey) {
        let due = self.stored_at.is_none_or(|at| at.elapsed() >= CURSOR_INTERVAL);
        let Some(cursor) = self.cursor.filter(|cursor| due && self.stored_cursor < Some(*cursor)) else {
            return;
        };
        let whole = Timestamp::from_second(cursor.as_second()).unwrap_or(cursor);
        let api: Api<JiraConnection> = Api::namespaced(tickets.context.client.clone(), &key.namespace);
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = json!({"status": {"syncCursor": whole.to_string()}});
        match api.patch_status(&key.name, &parameters, &Patch::Merge(&patch)).await {
            Ok(_) => {
                self.stored_cursor = Some(cursor);
                self.stored_at = Some(Instant::now());
            }
            Err(error) => tracing::debug!(connection = %key, %error, "the cursor was not stored"),
        }
    }
}

impl Tickets {
    /// Whether an issue that a search shows was handled as it is: read by a pass, also after a write of our own, or
    /// handed to one.
    fn knows(&self, site: &str, issue: &Issue) -> bool {
        let known = lock(&self.known);
        let handled = known.get(&(site.to_owned(), issue.id.clone()));
        issue
            .fields
            .updated
            .is_some_and(|updated| handled.is_some_and(|handled| *handled >= updated))
    }

    /// Takes note that an issue is handled as it was read.
    pub(super) fn note_known(&self, site: &str, issue: &Issue) {
        if let Some(updated) = issue.fields.updated {
            let mut known = lock(&self.known);
            let handled = known.entry((site.to_owned(), issue.id.clone())).or_insert(updated);
            *handled = updated.max(*handled);
        }
    }

    /// Hands an issue that was read, or found to be gone, to the pass of its ticket.
    fn deliver(&self, connection: &Connection, id: &str, issue: Option<Issue>) {
        let ticket = lock(&self.index).ticket_of_issue(&connection.cloud_id, id).cloned();
        // An issue of nobody's: its finding is gone, or its creation is not reported yet and will read it itself.
        let Some(ticket) = ticket else { return };
        let enabled = |identity: &str| {
            let all = self.context.configurations.all();
            all.iter()
                .any(|(_, entry)| entry.identity == identity && entry.spec.status_sync.enabled)
        };
        if enabled(&ticket.configuration) {
            lock(&self.inbox).insert(ticket.clone(), issue);
            self.queue.push(WorkKey::Ticket(ticket), Lane::Normal);
        } else {
            // Nothing flows now; once it does again, this issue is read.
            lock(&self.memories).entry(ticket).or_default().suspect_lost = true;
        }
    }
}

async fn stored_cursor(tickets: &Tickets, key: &ObjectKey) -> Option<Timestamp> {
    let api: Api<JiraConnection> = Api::namespaced(tickets.context.client.clone(), &key.namespace);
    let connection = api.get_opt(&key.name).await.ok().flatten()?;
    Some(connection.status?.sync_cursor?.0)
}

fn earlier(moment: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| moment.checked_sub(by).ok())
        .unwrap_or(Timestamp::MIN)
}
