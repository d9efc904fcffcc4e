//! The ticket controller: findings in, issues kept true.
//!
//! ```text
//! watch of findings ─┐
//! configurations ────┤                              ┌─ Jira
//! connections ───────┼─> catalog ─> queue ─> pass ──┤
//! poll of Jira ──────┤   (which ticket?)  │         └─ status of each finding
//! timers ────────────┘                    └ observe ─> decide ─> act, until there is nothing to do ─> report
//! ```

mod act;
mod catalog;
mod changes;
mod feed;
mod mailbox;
mod observe;
mod queue;
mod report;
mod stamp;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::controllers::context::Context;
use crate::domain::identity::TicketKey;
use crate::domain::placement::lane::Lane;
use crate::domain::placement::scope::Scope;
use crate::domain::ticket::memory::Memory;
use crate::domain::ticket::plan::asks_for_a_look;
use crate::runtime::readiness;
use crate::runtime::shutdown::Shutdown;

use catalog::{Catalog, WorkKey};
use changes::Watermarks;
use mailbox::{Mailbox, Signal, Signals};
use queue::Queue;

/// Most rounds of observe, decide and act in one pass. A pass that needs more goes on in another.
const MAX_ROUNDS: usize = 12;

/// Pause before a finding that was not as thought is looked at again; the watch brings its newer copy meanwhile.
const OUTDATED_PAUSE: Duration = Duration::from_millis(200);
/// Pause before a pass that failed in a way nobody thought of is tried again.
const PANIC_PAUSE: Duration = Duration::from_mins(1);

/// The wall clock at start, carried on by the monotonic one, so that a clock that jumps shortens no span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Timestamp,
    since: Instant,
}

impl Clock {
    fn new() -> Self {
        Self {
            start: Timestamp::now(),
            since: Instant::now(),
        }
    }

    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.since.elapsed()).unwrap_or(SignedDuration::MAX);
        self.start.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// The instant of a moment to come.
    fn instant(&self, at: Timestamp) -> Instant {
        let from_start = Duration::try_from(at.duration_since(self.start)).unwrap_or_default();
        self.since
            .checked_add(from_start)
            .unwrap_or_else(|| self.since + Duration::from_hours(24))
    }
}

/// Held by the one whose turn it is.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// What the workers share.
pub(crate) struct Tickets {
    context: Context,
    clock: Clock,
    queue: Queue<WorkKey>,
    catalog: Catalog,
    mailbox: Mailbox,
    watermarks: Watermarks,
    memories: Mutex<HashMap<TicketKey, Memory>>,
    /// Issues of tickets whose last finding was let go lately: the search index may not know them yet.
    released: Mutex<HashMap<TicketKey, (String, Instant)>>,
    /// Existing issues, by site and id, that are being claimed: one claims while the others wait.
    claims: Mutex<HashMap<(String, String), Turn>>,
}

/// Runs the ticket controller until shutdown; returns when passes under way have ended.
pub async fn run(context: Context, shutdown: Shutdown) {
    context.readiness.wait(readiness::CONNECTIONS).await;
    context.readiness.wait(readiness::CONFIGURATIONS).await;
    let concurrency = context.settings.concurrency;
    let scopes = Scope::of_watched(&context.settings.watch_namespaces);
    let catalog = Catalog::new(
        Arc::clone(&context.configurations),
        Arc::clone(&context.namespaces),
        context.settings.shared_configuration_namespaces.clone(),
        scopes.iter().cloned(),
    );
    let tickets = Arc::new(Tickets {
        context,
        clock: Clock::new(),
        queue: Queue::default(),
        catalog,
        mailbox: Mailbox::default(),
        watermarks: Watermarks::default(),
        memories: Mutex::default(),
        released: Mutex::default(),
        claims: Mutex::default(),
    });
    let mut background = tokio::task::JoinSet::new();
    feed::spawn(&tickets, scopes, &mut background);
    background.spawn(changes::poller::run(Arc::clone(&tickets)));
    background.spawn(report::tally(Arc::clone(&tickets)));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..concurrency {
        let tickets = Arc::clone(&tickets);
        workers.spawn(async move {
            while let Some(key) = tickets.queue.next().await {
                tickets
                    .context
                    .metrics
                    .queue_depth
                    .set(i64::try_from(tickets.queue.depth()).unwrap_or(i64::MAX));
                // What a pass knew is lost with it; what it did stands in the findings and in Jira.
                if AssertUnwindSafe(tickets.pass(&key)).catch_unwind().await.is_err() {
                    tracing::error!(?key, "a pass panicked; it is tried again");
                    if let WorkKey::Ticket(ticket) = &key {
                        // The signals that the pass took are lost with it.
                        tickets.mailbox.post(ticket, Signal::LookRequested);
                    }
                    tickets
                        .queue
                        .push_at(key.clone(), Lane::Backlog, Instant::now() + PANIC_PAUSE);
                }
                tickets.queue.done(&key);
            }
        });
    }
    shutdown.started().await;
    tickets.queue.close();
    background.abort_all();
    while workers.join_next().await.is_some() {}
}

impl Tickets {
    /// One pass over a key: observe, decide, act until nothing is left to do, then report.
    async fn pass(&self, key: &WorkKey) {
        match key {
            WorkKey::Loose(finding) => self.report_loose(finding).await,
            // Queued again once all findings of the ticket are listed.
            WorkKey::Ticket(ticket) if self.catalog.hold(ticket) => {}
            WorkKey::Ticket(ticket) => {
                let mut memory = lock(&self.memories).remove(ticket).unwrap_or_default();
                self.pass_ticket(ticket, &mut memory).await;
                if memory != Memory::default() {
                    lock(&self.memories).insert(ticket.clone(), memory);
                }
            }
        }
    }

    async fn pass_ticket(&self, key: &TicketKey, memory: &mut Memory) {
        let mut heard = false;
        let mut content = None;
        for _ in 0..MAX_ROUNDS {
            take_in(memory, self.mailbox.drain(key));
            let Some(world) = self.observe(key, memory, &mut content) else {
                // Its findings are gone, or belong elsewhere by now; an issue that is not stored yet is not forgotten.
                if memory.found.is_none() && memory.attempt.is_none() {
                    *memory = Memory::default();
                }
                return;
            };
            if !std::mem::replace(&mut heard, true) && asks_for_a_look(&world.findings) {
                memory.note_wish();
            }
            let plan = world.decide(key, memory, self.clock.now());
            if plan.steps.is_empty() {
                tracing::debug!(ticket = %key, verdict = ?plan.verdict, "nothing left to do");
                return self.conclude(key, memory, &world, &plan).await;
            }
            tracing::debug!(ticket = %key, steps = ?plan.steps, "acting");
            for step in &plan.steps {
                if !self.act(key, memory, &world, step).await {
                    break;
                }
            }
            if std::mem::take(&mut memory.outdated) {
                return self.look_again(key, OUTDATED_PAUSE);
            }
        }
        tracing::warn!(ticket = %key, "a pass took too many rounds; it goes on later");
        self.queue.push_at(
            WorkKey::Ticket(key.clone()),
            Lane::Normal,
            Instant::now() + Duration::from_secs(5),
        );
    }
}

/// Takes in what happened outside of the findings.
fn take_in(memory: &mut Memory, signals: Signals) {
    if let Some(issue) = signals.issue {
        memory.note_issue(*issue);
    }
    // The issue is read by id before anything is decided on it.
    memory.suspect_lost |= signals.issue_gone || signals.look_requested;
    if signals.connection_healed {
        memory.trouble = None;
    }
}

/// Locks, whoever panicked before: every value behind these locks is replaced whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
