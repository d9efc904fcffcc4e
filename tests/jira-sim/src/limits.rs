//! Jira's own rate limits (rest-facts, T14), off unless asked for.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::faults::{FaultKind, rate_limit};

/// Sliding windows per endpoint and per issue.
#[derive(Default)]
pub struct Limiter {
    endpoints: HashMap<(String, &'static str), VecDeque<Instant>>,
    issues: HashMap<String, VecDeque<Instant>>,
}

impl Limiter {
    /// Counts a request; gives the refusal when it is one too many.
    pub fn admit(&mut self, method: &str, route: &'static str, issue: Option<&str>) -> Option<FaultKind> {
        let now = Instant::now();
        let per_second = if matches!(method, "PUT" | "DELETE") { 50 } else { 100 };
        let window = self.endpoints.entry((method.into(), route)).or_default();
        trim(window, now, Duration::from_secs(1));
        if window.len() >= per_second {
            return Some(rate_limit("jira-burst-based", Duration::from_secs(1)));
        }
        window.push_back(now);
        if let Some(issue) = issue.filter(|_| method != "GET") {
            let window = self.issues.entry(issue.into()).or_default();
            trim(window, now, Duration::from_secs(30));
            let recent = window
                .iter()
                .filter(|t| now.duration_since(**t) < Duration::from_secs(2))
                .count();
            if recent >= 20 || window.len() >= 100 {
                let wait = if recent >= 20 { 2 } else { 30 };
                return Some(rate_limit("jira-per-issue-on-write", Duration::from_secs(wait)));
            }
            window.push_back(now);
        }
        None
    }
}

fn trim(window: &mut VecDeque<Instant>, now: Instant, span: Duration) {
    while window.front().is_some_and(|t| now.duration_since(*t) >= span) {
        window.pop_front();
    }
}
