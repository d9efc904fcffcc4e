//! Faults on demand: refusals, delays, and replies that never arrive.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "type")]
pub enum FaultKind {
    /// The request is not executed; this is the answer.
    Status {
        /// HTTP status.
        code: u16,
        /// A JSON body; a JSON string is sent as plain text (HTML pages).
        #[serde(default)]
        body: Value,
        /// Further headers, such as `Retry-After`.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// The request is executed after this wait, even if the client has gone.
    Delay {
        /// Milliseconds.
        millis: u64,
    },
    /// The request is executed, then the connection closes without a reply (T1).
    ApplyThenDrop,
    /// The request is executed, then this is the answer (T1).
    ApplyThenStatus {
        /// HTTP status.
        code: u16,
    },
    /// The connection closes and nothing is executed.
    DropBeforeApply,
    /// The request is executed at once, the reply waits.
    ApplyThenDelay {
        /// Milliseconds.
        millis: u64,
    },
}

/// A fault with the requests it strikes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// HTTP method; any when absent.
    #[serde(default)]
    pub method: Option<String>,
    /// An operation name (`createIssue`), a route template
    /// (`/rest/api/3/issue/{issueIdOrKey}`), the end of a path, or a pattern
    /// with `*` over the whole path.
    #[serde(default = "any")]
    pub path: String,
    /// Only requests whose body holds this text.
    #[serde(default)]
    pub body_contains: Option<String>,
    /// How many matching requests pass untouched first.
    #[serde(default)]
    pub skip: u64,
    /// How many requests it strikes; without end when absent.
    #[serde(default)]
    pub times: Option<u64>,
    /// Share of matching requests struck, 0 to 1; all when absent.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Start of the random sequence for `probability`.
    #[serde(default)]
    pub seed: u64,
    /// What happens.
    pub kind: FaultKind,
}

fn any() -> String {
    "*".into()
}

impl Fault {
    /// A fault for every request of an operation, route, path end or pattern.
    pub fn new(path: &str, kind: FaultKind) -> Self {
        Self {
            method: None,
            path: path.into(),
            body_contains: None,
            skip: 0,
            times: None,
            probability: None,
            seed: 1,
            kind,
        }
    }

    /// As [`Fault::new`], for one request.
    pub fn once(path: &str, kind: FaultKind) -> Self {
        Self::new(path, kind).times(1)
    }

    /// Strikes only this many requests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Lets this many matching requests pass first.
    #[must_use]
    pub fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// Strikes only this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Strikes only requests whose body holds `text`.
    #[must_use]
    pub fn body_contains(mut self, text: &str) -> Self {
        self.body_contains = Some(text.into());
        self
    }

    /// Strikes a share of the matching requests, in a sequence fixed by `seed`.
    #[must_use]
    pub fn probability(mut self, share: f64, seed: u64) -> Self {
        self.probability = Some(share);
        self.seed = seed;
        self
    }

    /// 429 with Jira's headers. `reason` is `jira-burst-based`,
    /// `jira-per-issue-on-write`, …; empty leaves the header out.
    pub fn rate_limited(path: &str, reason: &str, retry_after: Duration) -> Self {
        Self::new(path, rate_limit(reason, retry_after))
    }
}

/// The 429 of a limiter.
pub(crate) fn rate_limit(reason: &str, retry_after: Duration) -> FaultKind {
    let mut headers = vec![("Retry-After".into(), retry_after.as_secs_f64().ceil().to_string())];
    if !reason.is_empty() {
        headers.push(("RateLimit-Reason".into(), reason.into()));
    }
    let body = serde_json::json!({"errorMessages": ["Rate limit exceeded."], "errors": {}});
    FaultKind::Status {
        code: 429,
        body,
        headers,
    }
}

struct Armed {
    id: u64,
    fault: Fault,
    random: u64,
}

/// The faults that are set.
#[derive(Default)]
pub struct Faults {
    armed: Vec<Armed>,
    next: u64,
    /// All connections are dropped.
    pub outage: bool,
}

/// What a fault is matched against.
pub struct Target<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub route: &'a str,
    pub operation: &'a str,
    pub body: &'a [u8],
}

impl Faults {
    pub fn add(&mut self, fault: Fault) -> u64 {
        self.next += 1;
        // An odd multiplier spreads small seeds over the whole state.
        let random = fault.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        self.armed.push(Armed {
            id: self.next,
            fault,
            random,
        });
        self.next
    }

    pub fn clear(&mut self) {
        self.armed.clear();
        self.outage = false;
    }

    pub fn list(&self) -> Vec<(u64, Fault)> {
        self.armed.iter().map(|a| (a.id, a.fault.clone())).collect()
    }

    /// The fault that strikes this request, if one does.
    pub fn strike(&mut self, target: &Target) -> Option<FaultKind> {
        for armed in &mut self.armed {
            let fault = &mut armed.fault;
            if fault.times == Some(0) || !matches(fault, target) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if fault.probability.is_some_and(|p| roll(&mut armed.random) >= p) {
                continue;
            }
            if let Some(times) = &mut fault.times {
                *times -= 1;
            }
            return Some(fault.kind.clone());
        }
        None
    }
}

/// The next number in 0..1 (xorshift).
#[allow(clippy::cast_precision_loss, reason = "53 bits fit a double")]
fn roll(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as f64 / (1u64 << 53) as f64
}

fn matches(fault: &Fault, target: &Target) -> bool {
    let text = |needle: &String| target.body.windows(needle.len().max(1)).any(|w| w == needle.as_bytes());
    fault
        .method
        .as_ref()
        .is_none_or(|m| m.eq_ignore_ascii_case(target.method))
        && fault.body_contains.as_ref().is_none_or(text)
        && (fault.path == target.operation || fault.path == target.route || path_matches(&fault.path, target.path))
}

fn path_matches(pattern: &str, path: &str) -> bool {
    if !pattern.contains('*') {
        return path.ends_with(pattern);
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    for (index, part) in parts.iter().enumerate() {
        if index + 1 == parts.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, hit) in [
            ("*", "/a", true),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/b/d", false),
            ("/issue", "/rest/api/3/issue", true),
            ("/issue", "/rest/api/3/issue/1", false),
            ("*/transitions", "/rest/api/3/issue/1/transitions", true),
        ] {
            assert_eq!(path_matches(pattern, path), hit, "{pattern} {path}");
        }
    }
}
