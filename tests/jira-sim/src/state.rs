//! What the site remembers: issues, their history and what search can see.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use crate::faults::Faults;
use crate::log::Log;
use crate::site::{Site, Status};

/// One issue, as it is now or as the index saw it.
#[derive(Clone, Debug)]
pub struct Issue {
    pub id: u64,
    pub key: String,
    /// Key of its project.
    pub project: String,
    pub issue_type: String,
    /// Written fields in stored form: ids in place of objects.
    pub fields: BTreeMap<String, Value>,
    pub status: String,
    pub resolution: Option<String>,
    pub resolved: Option<Timestamp>,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub creator: String,
    pub comments: Vec<Comment>,
    pub properties: BTreeMap<String, Value>,
    pub changelog: Vec<Change>,
    pub remote_links: Vec<RemoteLink>,
}

/// One comment.
#[derive(Clone, Debug)]
pub struct Comment {
    pub id: u64,
    pub author: String,
    pub update_author: String,
    pub body: Value,
    pub visibility: Option<Value>,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub properties: BTreeMap<String, Value>,
}

/// One changelog entry.
#[derive(Clone, Debug)]
pub struct Change {
    pub id: u64,
    pub author: String,
    pub created: Timestamp,
    pub items: Vec<Value>,
}

/// A link to something outside.
#[derive(Clone, Debug)]
pub struct RemoteLink {
    pub id: u64,
    pub global_id: Option<String>,
    pub body: Value,
}

/// A link between two issues.
#[derive(Clone, Debug)]
pub struct IssueLink {
    pub id: u64,
    pub kind: usize,
    pub inward: u64,
    pub outward: u64,
}

/// Link types: id, name, inward and outward wording.
pub const LINK_TYPES: &[(&str, &str, &str, &str)] = &[
    ("10000", "Blocks", "is blocked by", "blocks"),
    ("10001", "Cloners", "is cloned by", "clones"),
    ("10002", "Duplicate", "is duplicated by", "duplicates"),
    ("10003", "Relates", "relates to", "relates to"),
];

/// The issue with its past versions, newest last.
pub struct Record {
    pub now: Arc<Issue>,
    pub versions: Vec<(Instant, Arc<Issue>)>,
    pub deleted: bool,
}

/// What a page token of search stands for.
pub struct Cursor {
    pub jql: String,
    pub rest: Vec<u64>,
}

/// Behaviour that is not part of the site itself.
#[derive(Clone, Debug)]
pub struct Behaviour {
    pub index_lag: Duration,
    pub flicker_every: u64,
    pub latency: Duration,
    pub tenant_info: bool,
    pub captcha: bool,
    pub rate_limits: bool,
    pub clock_offset: jiff::SignedDuration,
}

/// Everything behind the one lock.
pub struct State {
    pub site: Site,
    pub url: String,
    pub zone: TimeZone,
    pub issues: BTreeMap<u64, Record>,
    /// Present and former keys.
    pub keys: HashMap<String, u64>,
    pub last_number: HashMap<String, u64>,
    pub next_id: u64,
    pub links: Vec<IssueLink>,
    pub cursors: HashMap<String, Cursor>,
    pub searches: u64,
    pub behaviour: Behaviour,
    pub faults: Faults,
    pub log: Log,
    pub limiter: crate::limits::Limiter,
}

impl State {
    pub fn new(site: Site, url: String, behaviour: Behaviour) -> Self {
        let zone = TimeZone::get(&site.time_zone).unwrap_or(TimeZone::UTC);
        Self {
            site,
            url,
            zone,
            issues: BTreeMap::new(),
            keys: HashMap::new(),
            last_number: HashMap::new(),
            next_id: 10_000,
            links: Vec::new(),
            cursors: HashMap::new(),
            searches: 0,
            behaviour,
            faults: Faults::default(),
            log: Log::default(),
            limiter: crate::limits::Limiter::default(),
        }
    }

    /// The site's clock, cut to milliseconds as Jira writes it.
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now() + self.behaviour.clock_offset;
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// A timestamp as the API writes it: milliseconds, offset without colon.
    pub fn time(&self, at: Timestamp) -> Value {
        json!(
            at.to_zoned(self.zone.clone())
                .strftime("%Y-%m-%dT%H:%M:%S%.3f%z")
                .to_string()
        )
    }

    pub fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The address shown in `self` members and `serverInfo`.
    pub fn base_url(&self) -> &str {
        self.site.base_url.as_deref().unwrap_or(&self.url)
    }

    /// Finds a living issue by id, key of any case, or former key.
    pub fn find(&self, id_or_key: &str) -> Option<&Arc<Issue>> {
        self.find_id(id_or_key).map(|id| &self.issues[&id].now)
    }

    /// As [`State::find`], giving the id.
    pub fn find_id(&self, id_or_key: &str) -> Option<u64> {
        let id = match id_or_key.parse::<u64>() {
            Ok(id) => id,
            Err(_) => *self
                .keys
                .get(id_or_key)
                .or_else(|| self.keys.get(&id_or_key.to_uppercase()))?,
        };
        self.issues.get(&id).filter(|r| !r.deleted).map(|r| r.now.id)
    }

    /// The next key of a project; keys are never used twice.
    pub fn next_key(&mut self, project: &str) -> String {
        let number = self.last_number.entry(project.into()).or_default();
        *number += 1;
        format!("{project}-{number}")
    }

    /// Stores a new issue.
    pub fn insert(&mut self, issue: Issue) {
        let id = issue.id;
        self.keys.insert(issue.key.clone(), id);
        let issue = Arc::new(issue);
        let versions = vec![(Instant::now(), issue.clone())];
        self.issues.insert(
            id,
            Record {
                now: issue,
                versions,
                deleted: false,
            },
        );
    }

    /// Changes an issue and records a version for the index. `touch` moves
    /// `updated` forward, strictly.
    pub fn change(&mut self, id: u64, touch: bool, apply: impl FnOnce(&mut Issue)) {
        let now = self.now();
        let lag = self.behaviour.index_lag;
        let Some(record) = self.issues.get_mut(&id) else { return };
        let issue = Arc::make_mut(&mut record.now);
        apply(issue);
        if touch {
            issue.updated = now.max(issue.updated + Duration::from_millis(1));
        }
        record.versions.push((Instant::now(), record.now.clone()));
        // Keeps the newest version that the index already knows, and the newer.
        while record.versions.len() > 2 && record.versions[1].0.elapsed() > lag {
            record.versions.remove(0);
        }
    }

    /// What search knows of an issue: the newest version older than the lag.
    pub fn indexed(&self, record: &Record) -> Option<Arc<Issue>> {
        if record.deleted {
            return None;
        }
        let lag = self.behaviour.index_lag;
        record
            .versions
            .iter()
            .rev()
            .find(|(at, _)| at.elapsed() >= lag)
            .map(|(_, issue)| issue.clone())
    }

    /// The status of an issue.
    pub fn status_of(&self, issue: &Issue) -> Status {
        self.site.status(&issue.status).cloned().unwrap_or(Status {
            id: issue.status.clone(),
            name: issue.status.clone(),
            category: crate::site::Category::New,
        })
    }

    /// Adds a changelog entry to `issue`.
    pub fn record_change(&mut self, id: u64, author: &str, items: Vec<Value>) {
        if items.is_empty() {
            return;
        }
        let (change, created) = (self.fresh_id(), self.now());
        if let Some(record) = self.issues.get_mut(&id) {
            let entry = Change {
                id: change,
                author: author.into(),
                created,
                items,
            };
            Arc::make_mut(&mut record.now).changelog.push(entry);
        }
    }

    /// Takes an issue away for good.
    pub fn delete(&mut self, id: u64) {
        if let Some(record) = self.issues.get_mut(&id) {
            record.deleted = true;
            record.versions.clear();
        }
        self.links.retain(|l| l.inward != id && l.outward != id);
    }
}
