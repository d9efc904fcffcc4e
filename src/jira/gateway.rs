//! One gateway per connection: merges the reads of many tickets into few calls.
//!
//! | question | call |
//! |---|---|
//! | which issues carry this label? | one search for up to 200 labels |
//! | how is this issue now? | one `bulkfetch` for up to 100 ids |
//! | did my create arrive? | one walk, shared by all who wait in a project |
//!
//! Writes are not merged; they go through [`Gateway::client`].

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::batch::Batcher;
use super::client::{BULK_FETCH_MAX, JiraClient, SearchRequest};
use super::error::JiraError;
use super::jql;
use super::model::{Issue, split_key};
use super::walk::{WalkResult, walk};

/// Key of the issue property that says what an issue is to us: the ground truth beside the label.
pub const ISSUE_PROPERTY: &str = "jira-findings.dev";

/// Most labels in one search.
const LABELS_PER_SEARCH: usize = 200;
/// How long a look-up waits for others to share its search with.
const LOOK_UP_WINDOW: Duration = Duration::from_millis(30);
/// More issues than this for 200 labels is not a look-up any more but a mistake.
const SEARCH_CAP: usize = 20_000;

/// Fields of an issue found by searching.
const FOUND_FIELDS: [&str; 9] = [
    "labels",
    "status",
    "resolution",
    "created",
    "updated",
    "project",
    "summary",
    "priority",
    "assignee",
];
/// Fields of an issue read to be compared with what it should be.
const READ_FIELDS: [&str; 11] = [
    "summary",
    "description",
    "status",
    "resolution",
    "priority",
    "labels",
    "assignee",
    "project",
    "issuetype",
    "created",
    "updated",
];

/// Merged reads of one connection. Clones share everything; the tasks behind it end with the last clone.
#[derive(Debug, Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: JiraClient,
    look_ups: Batcher<String, Vec<Issue>>,
    reads: Batcher<String, Option<Issue>>,
    projects: Mutex<HashMap<String, Arc<ProjectReads>>>,
    numbers: Arc<Numbers>,
    extra: Extra,
}

/// Fields to read besides [`READ_FIELDS`].
type Extra = Arc<Mutex<BTreeSet<String>>>;

/// Requests that can only share a call within one project.
#[derive(Debug)]
struct ProjectReads {
    walks: Batcher<u64, WalkResult>,
    by_creator: Batcher<u32, Vec<Issue>>,
    seed: Batcher<(), u64>,
}

/// The highest issue number known of each project.
#[derive(Debug, Default)]
struct Numbers(Mutex<HashMap<String, Known>>);

#[derive(Debug, Default, Clone, Copy)]
struct Known {
    highest: u64,
    /// Whether Jira was asked; a number noted in passing may be far below the highest.
    seeded: bool,
}

impl Numbers {
    fn raise(&self, project: &str, number: u64, seeded: bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.entry(project.to_owned()).or_default();
        entry.highest = entry.highest.max(number);
        entry.seeded |= seeded;
    }

    fn get(&self, project: &str) -> Known {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(project)
            .copied()
            .unwrap_or_default()
    }

    fn note_key(&self, key: &str) {
        if let Some((project, number)) = split_key(key) {
            self.raise(project, number, false);
        }
    }

    fn note(&self, issues: &[Issue]) {
        for issue in issues {
            self.note_key(&issue.key);
        }
    }
}

impl Gateway {
    /// Starts the tasks; must be called within a tokio runtime.
    pub fn new(client: JiraClient) -> Self {
        let numbers = Arc::new(Numbers::default());
        let extra = Extra::default();
        let look_ups = {
            let (client, numbers) = (client.clone(), Arc::clone(&numbers));
            Batcher::spawn(LOOK_UP_WINDOW, LABELS_PER_SEARCH, move |labels| {
                let (client, numbers) = (client.clone(), Arc::clone(&numbers));
                async move { find_by_labels(&client, &numbers, labels).await }
            })
        };
        let reads = {
            let (client, numbers, extra) = (client.clone(), Arc::clone(&numbers), Arc::clone(&extra));
            Batcher::spawn(Duration::ZERO, BULK_FETCH_MAX, move |ids| {
                let (client, numbers, extra) = (client.clone(), Arc::clone(&numbers), Arc::clone(&extra));
                async move { read_all(&client, &numbers, &extra, ids).await }
            })
        };
        let projects = Mutex::default();
        Self {
            inner: Arc::new(Inner {
                client,
                look_ups,
                reads,
                projects,
                numbers,
                extra,
            }),
        }
    }

    /// The client, for single calls and all writes.
    pub fn client(&self) -> &JiraClient {
        &self.inner.client
    }

    /// Issues that carry a label, as far as search knows: an issue made seconds ago may be missing (T4). The caller
    /// checks the property. Fields: labels, status, resolution, created, updated, project, summary, priority, assignee.
    pub async fn look_up(&self, label: String) -> Result<Vec<Issue>, JiraError> {
        self.inner.look_ups.ask(label).await
    }

    /// One issue by id, with our property and the fields that a ticket owns or watches. `None` is believed: deleted,
    /// or hidden from the expected account (T2 is ruled out, T3 is not).
    pub async fn read_issue(&self, id: String) -> Result<Option<Issue>, JiraError> {
        self.inner.reads.ask(id).await
    }

    /// Many issues by id, 100 a call, beside the queue of single reads so that a sweep delays nobody. Every id asked
    /// for is in the answer.
    pub async fn read_issues(&self, ids: Vec<String>) -> Result<HashMap<String, Option<Issue>>, JiraError> {
        read_all(&self.inner.client, &self.inner.numbers, &self.inner.extra, ids).await
    }

    /// From now on, reads bring these fields too, in [`IssueFields::other`](super::model::IssueFields::other).
    pub fn want_fields<I>(&self, ids: I)
    where
        I: IntoIterator<Item = String>,
    {
        let mut extra = self.inner.extra.lock().unwrap_or_else(PoisonError::into_inner);
        extra.extend(ids.into_iter().filter(|id| !READ_FIELDS.contains(&id.as_str())));
    }

    /// Looks for issues of ours among all keys of a project after number `after`, by reading them until 300 in a row
    /// are absent. Walkers that wait at the same time share one walk, from the smallest `after`; a walk counts for those
    /// who asked before it started. At least 3 calls.
    pub async fn walk(&self, project_key: String, after: u64) -> Result<WalkResult, JiraError> {
        self.project(&project_key).walks.ask(after).await
    }

    /// Issues with our property that this account created in a project in the last `minutes`, for projects whose create
    /// screen has no labels. As stale as any search.
    pub async fn look_up_by_creator(&self, project_key: String, minutes: u32) -> Result<Vec<Issue>, JiraError> {
        self.project(&project_key).by_creator.ask(minutes).await
    }

    /// Takes note of an issue key seen elsewhere, in the answer to a create for one.
    pub fn note_key(&self, key: &str) {
        self.inner.numbers.note_key(key);
    }

    /// The highest issue number known of a project; 0 for an empty one. Asked of Jira once, raised by every reply since.
    /// Any issue made from now on has a higher one.
    pub async fn highest_known(&self, project_key: &str) -> Result<u64, JiraError> {
        let known = self.inner.numbers.get(project_key);
        if known.seeded {
            return Ok(known.highest);
        }
        self.project(project_key).seed.ask(()).await
    }

    fn project(&self, key: &str) -> Arc<ProjectReads> {
        let mut projects = self.inner.projects.lock().unwrap_or_else(PoisonError::into_inner);
        let reads = projects
            .entry(key.to_owned())
            .or_insert_with(|| Arc::new(ProjectReads::spawn(&self.inner.client, &self.inner.numbers, key)));
        Arc::clone(reads)
    }
}

impl ProjectReads {
    fn spawn(client: &JiraClient, numbers: &Arc<Numbers>, project: &str) -> Self {
        let project: Arc<str> = project.into();
        let parts = || (client.clone(), Arc::clone(numbers), Arc::clone(&project));
        let walks = {
            let parts = parts();
            Batcher::spawn(Duration::ZERO, usize::MAX, move |starts: Vec<u64>| {
                let (client, numbers, project) = parts.clone();
                async move {
                    let after = starts.iter().copied().min().unwrap_or_default();
                    let result = walk(&client, &project, after).await?;
                    numbers.raise(&project, result.highest, false);
                    Ok(starts.into_iter().map(|start| (start, result.clone())).collect())
                }
            })
        };
        let by_creator = {
            let parts = parts();
            Batcher::spawn(LOOK_UP_WINDOW, usize::MAX, move |spans: Vec<u32>| {
                let (client, numbers, project) = parts.clone();
                async move {
                    let minutes = spans.iter().copied().max().unwrap_or_default();
                    let query = jql::created_recently(&project, minutes);
                    let mut issues = search(&client, &numbers, query).await?;
                    issues.retain(|issue| issue.properties.contains_key(ISSUE_PROPERTY));
                    Ok(spans.into_iter().map(|span| (span, issues.clone())).collect())
                }
            })
        };
        let seed = {
            let parts = parts();
            Batcher::spawn(Duration::ZERO, 1, move |_| {
                let (client, numbers, project) = parts.clone();
                async move {
                    if numbers.get(&project).seeded {
                        return Ok(HashMap::from([((), numbers.get(&project).highest)]));
                    }
                    let request = SearchRequest {
                        jql: jql::latest_in_project(&project),
                        fields: vec!["key".to_owned()],
                        max_results: Some(1),
                        ..SearchRequest::default()
                    };
                    let page = client.search(&request).await?;
                    numbers.note(&page.issues);
                    numbers.raise(&project, 0, true);
                    Ok(HashMap::from([((), numbers.get(&project).highest)]))
                }
            })
        };
        Self {
            walks,
            by_creator,
            seed,
        }
    }
}

/// All issues of a query, each once.
async fn search(client: &JiraClient, numbers: &Numbers, jql: String) -> Result<Vec<Issue>, JiraError> {
    let request = SearchRequest {
        jql,
        fields: FOUND_FIELDS.map(str::to_owned).to_vec(),
        properties: vec![ISSUE_PROPERTY.to_owned()],
        max_results: Some(100),
        page_token: None,
    };
    let mut issues = client.search_all(&request, SEARCH_CAP).await?.issues;
    let mut seen = HashSet::new();
    issues.retain(|issue| seen.insert(issue.id.clone()));
    numbers.note(&issues);
    Ok(issues)
}

async fn find_by_labels(
    client: &JiraClient,
    numbers: &Numbers,
    labels: Vec<String>,
) -> Result<HashMap<String, Vec<Issue>>, JiraError> {
    let query = format!("{} ORDER BY created ASC, key ASC", jql::by_labels(&labels));
    let mut found: HashMap<String, Vec<Issue>> = labels.into_iter().map(|label| (label, Vec::new())).collect();
    for issue in search(client, numbers, query).await? {
        let distinct: HashSet<&String> = issue.fields.labels.iter().collect();
        for label in distinct {
            if let Some(issues) = found.get_mut(label) {
                issues.push(issue.clone());
            }
        }
    }
    Ok(found)
}

/// Reads issues by id. What `bulkfetch` could not read, and anything that is no id (it may answer under another key),
/// is read singly.
async fn read_all(
    client: &JiraClient,
    numbers: &Numbers,
    extra: &Extra,
    ids: Vec<String>,
) -> Result<HashMap<String, Option<Issue>>, JiraError> {
    let extra = extra.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let fields: Vec<&str> = READ_FIELDS
        .into_iter()
        .chain(extra.iter().map(String::as_str))
        .collect();
    let is_id = |id: &String| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let (ids, mut singly): (Vec<String>, Vec<String>) = ids.into_iter().partition(is_id);
    let fetched = client.bulk_fetch(&ids, &fields, &[ISSUE_PROPERTY]).await?;
    numbers.note(&fetched.issues);
    let mut found: HashMap<String, Option<Issue>> = ids.into_iter().map(|id| (id, None)).collect();
    for issue in fetched.issues {
        found.insert(issue.id.clone(), Some(issue));
    }
    singly.extend(
        fetched
            .errors
            .into_keys()
            .filter(|id| found.get(id).is_some_and(Option::is_none)),
    );
    for id in singly {
        let issue = match client.get_issue(&id, &fields, &[ISSUE_PROPERTY]).await {
            Ok(issue) => Some(issue),
            Err(JiraError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        numbers.note(issue.as_slice());
        found.insert(id, issue);
    }
    Ok(found)
}
