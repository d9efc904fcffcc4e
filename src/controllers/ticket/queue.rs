//! The queue of keys to pass.
//!
//! The queue guarantees: one pass per key at a time; a key that is pushed while its pass runs is passed again; a key is
//! queued once however often it is pushed, at the earliest moment asked for; urgent keys overtake a backlog, and a
//! backlog ages, so that it is not starved. A key that is not queued costs nothing: no timer, no entry.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::domain::placement::lane::Lane;

#[derive(Debug)]
struct Entry {
    /// When and how urgently the key is to be passed; `None` while its pass runs and no other is asked for.
    next: Option<(Instant, Lane)>,
    running: bool,
}

#[derive(Debug)]
struct State<K> {
    entries: HashMap<K, Entry>,
    /// Due keys, by due time plus handicap.
    ready: BTreeSet<(Instant, K)>,
    /// Keys that are not due yet, by due time.
    later: BTreeSet<(Instant, K)>,
    closed: bool,
}

/// The queue. No other lock is taken while its lock is held.
#[derive(Debug)]
pub struct Queue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

impl<K: Clone + Ord + Hash> Default for Queue<K> {
    fn default() -> Self {
        let state = State {
            entries: HashMap::new(),
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }
}

impl<K: Clone + Ord + Hash> Queue<K> {
    /// Asks for a pass over `key` now.
    pub fn push(&self, key: K, lane: Lane) {
        self.push_at(key, lane, Instant::now());
    }

    /// Asks for a pass over `key` at `due`. Of several pushes the earliest moment and the most urgent lane count.
    pub fn push_at(&self, key: K, lane: Lane, due: Instant) {
        let mut state = self.lock();
        let known = state.entries.get(&key).map(|entry| (entry.next, entry.running));
        let (old, running) = known.unwrap_or((None, false));
        let next = old.map_or((due, lane), |(old_due, old_lane)| {
            (old_due.min(due), old_lane.min(lane))
        });
        if let Some(old) = old {
            state.unqueue(&key, old);
        }
        if !running {
            state.enqueue(key.clone(), next);
        }
        state.entries.insert(
            key,
            Entry {
                next: Some(next),
                running,
            },
        );
        drop(state);
        self.changed.notify_one();
    }

    /// The next key to pass, once a key is due; `None` after the queue was closed. The caller calls `done` after the pass.
    pub async fn next(&self) -> Option<K> {
        loop {
            let wait = {
                let mut state = self.lock();
                if state.closed {
                    self.changed.notify_one();
                    return None;
                }
                state.promote(Instant::now());
                if let Some((_, key)) = state.ready.pop_first() {
                    state.entries.insert(
                        key.clone(),
                        Entry {
                            next: None,
                            running: true,
                        },
                    );
                    if !state.ready.is_empty() {
                        self.changed.notify_one();
                    }
                    return Some(key);
                }
                state.later.first().map(|(due, _)| *due)
            };
            match wait {
                Some(due) => tokio::select! {
                    () = tokio::time::sleep_until(due) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }

    /// The pass over `key` is over. If it was pushed meanwhile it is queued now.
    pub fn done(&self, key: &K) {
        let mut state = self.lock();
        let next = state.entries.get(key).and_then(|entry| entry.next);
        match next {
            Some(next) => {
                state.entries.insert(
                    key.clone(),
                    Entry {
                        next: Some(next),
                        running: false,
                    },
                );
                state.enqueue(key.clone(), next);
            }
            None => {
                state.entries.remove(key);
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Ends the queue: waiting workers return, nothing more is handed out.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// How many keys are due and wait for a worker.
    pub fn depth(&self) -> usize {
        self.lock().ready.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock()
    }
}

impl<K: Clone + Ord + Hash> State<K> {
    fn enqueue(&mut self, key: K, (due, lane): (Instant, Lane)) {
        if due <= Instant::now() {
            self.ready.insert((due + lane.handicap(), key));
        } else {
            self.later.insert((due, key));
        }
    }

    fn unqueue(&mut self, key: &K, (due, lane): (Instant, Lane)) {
        self.ready.remove(&(due + lane.handicap(), key.clone()));
        self.later.remove(&(due, key.clone()));
    }

    fn promote(&mut self, now: Instant) {
        while self.later.first().is_some_and(|(due, _)| *due <= now) {
            let Some((due, key)) = self.later.pop_first() else {
                break;
            };
            let lane = self
                .entries
                .get(&key)
                .and_then(|entry| entry.next)
                .map_or(Lane::Normal, |(_, lane)| lane);
            self.ready.insert((due + lane.handicap(), key));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_pass_at_a_time_and_another_when_pushed_meanwhile() {
        let queue = Queue::default();
        queue.push("a", Lane::Normal);
        queue.push("a", Lane::Normal);
        assert_eq!(queue.next().await, Some("a"));
        queue.push("a", Lane::Normal);
        let waiting = tokio::time::timeout(Duration::from_secs(1), queue.next());
        assert!(
            waiting.await.is_err(),
            "a second pass must not begin while the first runs"
        );
        queue.done(&"a");
        assert_eq!(queue.next().await, Some("a"));
        queue.done(&"a");
        assert!(
            queue.lock().entries.is_empty(),
            "a key that is not queued costs nothing"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn urgent_work_overtakes_a_backlog_and_a_backlog_ages() {
        let queue = Queue::default();
        queue.push("old backlog", Lane::Backlog);
        tokio::time::advance(Duration::from_secs(1)).await;
        queue.push("urgent", Lane::Urgent);
        assert_eq!(queue.next().await, Some("urgent"));
        tokio::time::advance(Duration::from_hours(1)).await;
        queue.push("urgent too", Lane::Urgent);
        assert_eq!(queue.next().await, Some("old backlog"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_is_kept_and_shortened_by_an_earlier_wish() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.push_at("a", Lane::Normal, start + Duration::from_mins(1));
        queue.push_at("b", Lane::Normal, start + Duration::from_secs(90));
        queue.push_at("b", Lane::Normal, start + Duration::from_secs(30));
        assert_eq!(queue.next().await, Some("b"));
        assert_eq!(start.elapsed().as_secs(), 30);
        assert_eq!(queue.next().await, Some("a"));
        assert_eq!(start.elapsed().as_secs(), 60);
        queue.close();
        assert_eq!(queue.next().await, None);
    }
}
