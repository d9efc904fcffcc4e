//! Counts of calls, for metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Counters per operation and outcome. Cheap to clone; clones share the counters, so that a connection keeps them when
/// its client is built anew for a new token.
#[derive(Debug, Clone, Default)]
pub struct CallStats {
    counters: Arc<RwLock<BTreeMap<(&'static str, &'static str), Counter>>>,
}

#[derive(Debug, Default)]
struct Counter {
    count: AtomicU64,
    micros: AtomicU64,
}

/// How often an operation ended in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCount {
    /// Name of the operation, such as `create_issue`; a closed set.
    pub operation: &'static str,
    /// `Success` or a [`super::JiraError::reason`]; a closed set.
    pub outcome: &'static str,
    /// Attempts; a retried call counts each.
    pub count: u64,
    /// Time from sending to the whole reply, summed over all attempts.
    pub total: Duration,
}

impl CallStats {
    /// All counters so far, sorted by operation and outcome.
    pub fn snapshot(&self) -> Vec<CallCount> {
        let counters = self.counters.read().unwrap_or_else(PoisonError::into_inner);
        let counts = counters.iter().map(|((operation, outcome), counter)| CallCount {
            operation,
            outcome,
            count: counter.count.load(Ordering::Relaxed),
            total: Duration::from_micros(counter.micros.load(Ordering::Relaxed)),
        });
        counts.collect()
    }

    pub(super) fn record(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        let add = |counter: &Counter| {
            counter.count.fetch_add(1, Ordering::Relaxed);
            counter
                .micros
                .fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        };
        if let Some(counter) = self
            .counters
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&(operation, outcome))
        {
            add(counter);
            return;
        }
        add(self
            .counters
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry((operation, outcome))
            .or_default());
    }
}
