//! Every request that arrived, for tests that count and time them.

use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// One request.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// From 1, in order of arrival.
    pub seq: u64,
    /// Arrival on the machine's monotonic clock.
    #[serde(skip)]
    pub started: Instant,
    /// When the reply was ready or the connection dropped; absent while open.
    #[serde(skip)]
    pub finished: Option<Instant>,
    /// Arrival by the wall clock.
    pub at: Timestamp,
    /// From arrival to reply, in milliseconds.
    pub millis: Option<u64>,
    /// HTTP method.
    pub method: String,
    /// Path with ids, without the gateway prefix.
    pub path: String,
    /// Route template, `/rest/api/3/issue/{issueIdOrKey}`; empty when unknown.
    pub route: &'static str,
    /// The operation id of Jira's own specification, `createIssue`.
    pub operation: &'static str,
    /// Decoded query.
    pub query: Vec<(String, String)>,
    /// Came by the gateway path.
    pub gateway: bool,
    /// Status sent; absent while open and when the connection was dropped.
    pub status: Option<u16>,
    /// The account it was authenticated as.
    pub account: Option<String>,
    /// The JSON body of writes and searches.
    pub body: Option<Value>,
    /// The request changed or read state (it was not refused by a fault).
    pub applied: bool,
    /// The fault that struck it, in short.
    pub fault: Option<String>,
    /// Keys of issues that it created.
    pub created: Vec<String>,
}

impl Entry {
    /// Whether it can open issues.
    pub fn is_create(&self) -> bool {
        matches!(self.operation, "createIssue" | "createIssues")
    }

    /// Labels in the body of a create, single or bulk.
    pub fn labels(&self) -> Vec<String> {
        let Some(body) = &self.body else { return Vec::new() };
        let bulk = body["issueUpdates"].as_array().cloned().unwrap_or_default();
        let all = std::iter::once(body).chain(&bulk);
        let set = all
            .clone()
            .flat_map(|b| b["fields"]["labels"].as_array().into_iter().flatten());
        let added = all
            .flat_map(|b| b["update"]["labels"].as_array().into_iter().flatten())
            .filter_map(|v| v.get("add"));
        set.chain(added).filter_map(Value::as_str).map(String::from).collect()
    }
}

/// The log.
#[derive(Default)]
pub struct Log {
    entries: Vec<Entry>,
    last: u64,
}

impl Log {
    pub fn open(&mut self, mut entry: Entry) -> u64 {
        self.last += 1;
        entry.seq = self.last;
        self.entries.push(entry);
        self.last
    }

    pub fn entry(&mut self, seq: u64) -> Option<&mut Entry> {
        // Numbers rise, so the place is found by halving.
        self.entries
            .binary_search_by_key(&seq, |e| e.seq)
            .ok()
            .map(|i| &mut self.entries[i])
    }

    pub fn close(&mut self, seq: u64, status: Option<u16>) {
        if let Some(entry) = self.entry(seq) {
            let now = Instant::now();
            entry.finished = Some(now);
            entry.status = status;
            entry.millis = u64::try_from(now.duration_since(entry.started).as_millis()).ok();
        }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Forgets finished requests; open ones stay, so that they can close.
    pub fn clear(&mut self) {
        self.entries.retain(|e| e.finished.is_none());
    }
}
