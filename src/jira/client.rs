//! The calls, each one a method. Single attempts, retries and identity checks are the transport's business.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::auth::Credentials;
use super::error::JiraError;
use super::limiter::Limiter;
use super::model::{
    Comment, CreateIssue, CreatedIssue, EditIssue, EntityProperty, FieldMeta, Issue, IssueTypeMeta, IssueTypeStatuses,
    Project, ServerInfo, SiteField, Transition, User,
};
use super::stats::CallStats;
use super::transport::{ClientBuildError, ConnectionFault, Op, Transport};

/// Most ids or keys in one `bulkfetch`.
pub const BULK_FETCH_MAX: usize = 100;
/// Most comments in one `comment/list`.
const COMMENT_LIST_MAX: usize = 1000;
/// A guard against paging that never ends.
const MAX_PAGES: usize = 1000;

/// Everything a client is built from. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The site for people and for `/_edge/tenant_info`.
    pub site_url: Url,
    /// Where `/rest/api/3` hangs: the site for a classic token, [`super::scoped_api_base`] for a scoped one.
    pub api_base: Url,
    /// Who we are.
    pub credentials: Credentials,
    /// Account id that the credential must stand for. When `None`, the first account that [`JiraClient::myself`] names
    /// is the expected one from then on.
    pub expected_account: Option<String>,
    /// Limit for one attempt, from sending to the last byte of the reply. Connecting gets at most 10 s of it.
    pub request_timeout: Duration,
    /// The rate limit of this site and account, from [`super::Limiters`].
    pub limiter: Arc<Limiter>,
    /// `User-Agent`; an impossible value is an error of [`JiraClient::new`].
    pub user_agent: String,
    /// Where calls are counted.
    pub stats: CallStats,
}

/// A Jira client for one site and account. Cheap to clone.
#[derive(Debug, Clone)]
pub struct JiraClient {
    transport: Arc<Transport>,
}

/// The right to send one create now: the limiter has granted its slot. See [`JiraClient::create_permit`].
#[derive(Debug)]
#[must_use = "a permit uses up a slot of the rate limit"]
pub struct CreatePermit {
    granted_at: Instant,
}

impl CreatePermit {
    /// When the slot was granted; a permit does not expire by itself.
    pub fn granted_at(&self) -> Instant {
        self.granted_at
    }
}

/// One page's worth of a search.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// The query; must be bounded.
    pub jql: String,
    /// Fields to return. When empty only ids come, not even keys (T5).
    pub fields: Vec<String>,
    /// Issue properties to return, at most 5.
    pub properties: Vec<String>,
    /// Wish for the page size, at most 5000; Jira may return fewer.
    pub max_results: Option<u32>,
    /// Token of the page, from the page before.
    pub page_token: Option<String>,
}

/// A page of search results.
#[derive(Debug, Clone, Default)]
pub struct SearchPage {
    /// The issues. No list says that it is whole: search lags (T4).
    pub issues: Vec<Issue>,
    /// Token of the next page; `None` on the last.
    pub next: Option<String>,
}

/// All pages of a search.
#[derive(Debug, Clone, Default)]
pub struct SearchAll {
    /// The issues of all pages; one may come twice when it changed meanwhile.
    pub issues: Vec<Issue>,
}

/// What `bulkfetch` found. An id in neither list is absent or hidden, as seen by the expected account.
#[derive(Debug, Clone, Default)]
pub struct BulkFetched {
    /// The issues found. Moved ones come under their current key.
    pub issues: Vec<Issue>,
    /// Ids that exist but could not be read, with Jira's message.
    pub errors: BTreeMap<String, String>,
}

/// A comment to be added.
#[derive(Debug, Clone, Default)]
pub struct NewComment {
    /// ADF document.
    pub body: Value,
    /// Properties, set together with the comment; they mark it as ours.
    pub properties: Vec<EntityProperty>,
}

impl JiraClient {
    /// Builds a client. The process must have a rustls crypto provider installed.
    pub fn new(settings: ClientSettings) -> Result<Self, ClientBuildError> {
        Ok(Self {
            transport: Arc::new(Transport::new(settings)?),
        })
    }

    /// The site for people.
    pub fn site_url(&self) -> &Url {
        self.transport.site_url()
    }

    /// The account that replies must be for, once it is known.
    pub fn account_id(&self) -> Option<&str> {
        self.transport.expected_account()
    }

    /// The last fault of the connection as a whole (every 401, every reply for another account, every redirect), until
    /// [`JiraClient::myself`] succeeds.
    pub fn faults(&self) -> watch::Receiver<Option<ConnectionFault>> {
        self.transport.faults()
    }

    /// The counters of calls.
    pub fn stats(&self) -> &CallStats {
        self.transport.stats()
    }

    /// `GET /myself`: the one dependable test of a credential. [`JiraError::Anonymous`] when it is of another account
    /// than expected.
    pub async fn myself(&self) -> Result<User, JiraError> {
        self.transport.myself().await
    }

    /// `GET /serverInfo`. Answers strangers too, so it proves nothing about the credential.
    pub async fn server_info(&self) -> Result<ServerInfo, JiraError> {
        self.get("server_info", &["serverInfo"], &[]).await
    }

    /// Cloud id of the site (`GET <site>/_edge/tenant_info`, sent without credential).
    pub async fn tenant_info(&self) -> Result<String, JiraError> {
        #[derive(Deserialize)]
        struct TenantInfo {
            #[serde(rename = "cloudId")]
            cloud_id: String,
        }
        let info: TenantInfo = self
            .transport
            .read(&Op::at_site("tenant_info", &["_edge", "tenant_info"]))
            .await?
            .0;
        Ok(info.cloud_id)
    }

    /// `GET /project/{key}`; the key is case-sensitive.
    pub async fn project(&self, key: &str) -> Result<Project, JiraError> {
        self.get("project", &["project", key], &[]).await
    }

    /// Statuses by issue type (`GET /project/{key}/statuses`).
    pub async fn project_statuses(&self, key: &str) -> Result<Vec<IssueTypeStatuses>, JiraError> {
        self.get("project_statuses", &["project", key, "statuses"], &[]).await
    }

    /// Issue types the account may create in a project, all pages. Without the permission: an empty list.
    pub async fn create_issue_types(&self, project: &str) -> Result<Vec<IssueTypeMeta>, JiraError> {
        self.pages(
            "create_issue_types",
            &["issue", "createmeta", project, "issuetypes"],
            &[],
            200,
            &["issueTypes", "values"],
        )
        .await
    }

    /// Fields of the create screen, all pages.
    pub async fn create_fields(&self, project: &str, issue_type_id: &str) -> Result<Vec<FieldMeta>, JiraError> {
        let path = ["issue", "createmeta", project, "issuetypes", issue_type_id];
        self.pages("create_fields", &path, &[], 200, &["fields", "results", "values"])
            .await
    }

    /// All fields of the site, on whatever screen they are (`GET /field`).
    pub async fn site_fields(&self) -> Result<Vec<SiteField>, JiraError> {
        self.get("site_fields", &["field"], &[]).await
    }

    /// Accounts that issues of a project can be assigned to and that match `query` (a name or an exact e-mail address).
    /// One page of at most 50; Jira filters after cutting the page, so a short or empty one does not mean the end (T22).
    pub async fn assignable_users(&self, project: &str, query: &str) -> Result<Vec<User>, JiraError> {
        let query = [
            ("project", project.to_owned()),
            ("query", query.to_owned()),
            ("maxResults", "50".to_owned()),
        ];
        self.get("assignable_users", &["user", "assignable", "search"], &query)
            .await
    }

    /// Whether an account can be assigned to issues of a project.
    pub async fn is_assignable(&self, project: &str, account_id: &str) -> Result<bool, JiraError> {
        let query = [("project", project.to_owned()), ("accountId", account_id.to_owned())];
        let users: Vec<User> = self
            .get("assignable_users", &["user", "assignable", "search"], &query)
            .await?;
        Ok(users.iter().any(|user| user.account_id == account_id))
    }

    /// Waits for a slot of the rate limit for one create, so that the caller can write down its intent between the slot
    /// and the `POST`. Fails with [`JiraError::RateLimited`] at once where the wait would be long.
    pub async fn create_permit(&self, project: &str) -> Result<CreatePermit, JiraError> {
        tracing::trace!(project, "waiting for a slot to create an issue");
        self.transport
            .slot(&Op::write("create_issue", Method::POST, &["issue"], Value::Null))
            .await?;
        Ok(CreatePermit {
            granted_at: Instant::now(),
        })
    }

    /// `POST /issue`, sent at once and exactly once. After an error look at [`JiraError::executed`] before any other
    /// attempt (T1).
    pub async fn create_issue(&self, permit: CreatePermit, issue: &CreateIssue) -> Result<CreatedIssue, JiraError> {
        let waited = permit.granted_at.elapsed();
        tracing::trace!(
            permit_age_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
            "creating an issue"
        );
        let op = Op::write("create_issue", Method::POST, &["issue"], to_json(issue));
        self.transport.send_once(&op).await
    }

    /// `GET /issue/{id or key}`; follows moved issues. `fields` empty means all.
    pub async fn get_issue(&self, id: &str, fields: &[&str], properties: &[&str]) -> Result<Issue, JiraError> {
        let mut query = Vec::new();
        if !fields.is_empty() {
            query.push(("fields", fields.join(",")));
        }
        if !properties.is_empty() {
            query.push(("properties", properties.join(",")));
        }
        self.get("get_issue", &["issue", id], &query).await
    }

    /// `PUT /issue/{id}`. Sent a second time at most, and only after a 5xx; `set` and label verbs bear that.
    pub async fn edit_issue(&self, id: &str, edit: &EditIssue) -> Result<(), JiraError> {
        let op = Op::write("edit_issue", Method::PUT, &["issue", id], to_json(edit)).on_issue(id);
        self.transport.send_idempotent(&op).await
    }

    /// `DELETE /issue/{id}`, permanent. Sub-tasks are not deleted with it: Jira refuses instead. Sent a second time at
    /// most, and only after a 5xx; then [`JiraError::NotFound`] may mean that the first one worked.
    pub async fn delete_issue(&self, id: &str) -> Result<(), JiraError> {
        let op = Op::write("delete_issue", Method::DELETE, &["issue", id], Value::Null).on_issue(id);
        self.transport.send_idempotent(&op).await
    }

    /// The steps that the workflow offers this account for an issue right now, with the fields of their screens. Empty
    /// without the transition permission.
    pub async fn transitions(&self, id: &str) -> Result<Vec<Transition>, JiraError> {
        #[derive(Deserialize)]
        struct Transitions {
            #[serde(default)]
            transitions: Vec<Transition>,
        }
        let query = [("expand", "transitions.fields".to_owned())];
        let reply: Transitions = self.get("transitions", &["issue", id, "transitions"], &query).await?;
        Ok(reply.transitions)
    }

    /// `POST /issue/{id}/transitions`, sent exactly once. Only fields of that step's screen may be given; properties are
    /// set together with the move.
    pub async fn transition(
        &self,
        id: &str,
        transition: &str,
        fields: &Map<String, Value>,
        properties: &[EntityProperty],
    ) -> Result<(), JiraError> {
        let mut body = json!({ "transition": { "id": transition } });
        if !properties.is_empty() {
            body["properties"] = to_json(&properties);
        }
        if !fields.is_empty() {
            body["fields"] = Value::Object(fields.clone());
        }
        let op = Op::write("transition", Method::POST, &["issue", id, "transitions"], body).on_issue(id);
        self.transport.slot(&op).await?;
        self.transport.send_once_empty(&op).await
    }

    /// `POST /issue/{id}/comment`, sent exactly once. After an unknown outcome read the list before posting again.
    pub async fn add_comment(&self, id: &str, comment: &NewComment) -> Result<Comment, JiraError> {
        let mut body = json!({ "body": comment.body });
        if !comment.properties.is_empty() {
            body["properties"] = to_json(&comment.properties);
        }
        let op = Op::write("add_comment", Method::POST, &["issue", id, "comment"], body).on_issue(id);
        self.transport.slot(&op).await?;
        self.transport.send_once(&op).await
    }

    /// All comments of an issue that the account may see, oldest first. Their properties cost one call more per 1000
    /// and are fetched only when asked for.
    pub async fn comments(&self, id: &str, with_properties: bool) -> Result<Vec<Comment>, JiraError> {
        let query = [("orderBy", "created".to_owned())];
        let mut comments: Vec<Comment> = self
            .pages("comments", &["issue", id, "comment"], &query, 100, &["comments"])
            .await?;
        if with_properties {
            self.fill_properties(&mut comments).await?;
        }
        Ok(comments)
    }

    async fn fill_properties(&self, comments: &mut [Comment]) -> Result<(), JiraError> {
        #[derive(Deserialize)]
        struct Listed {
            #[serde(default)]
            values: Vec<Comment>,
        }
        let mut by_id = BTreeMap::new();
        for chunk in comments.chunks(COMMENT_LIST_MAX) {
            let ids: Vec<i64> = chunk.iter().filter_map(|comment| comment.id.parse().ok()).collect();
            let op = Op::query("comment_list", &["comment", "list"], json!({ "ids": ids }))
                .with_query(&[("expand", "properties".to_owned())]);
            let listed: Listed = self.transport.read(&op).await?.0;
            by_id.extend(
                listed
                    .values
                    .into_iter()
                    .map(|comment| (comment.id, comment.properties)),
            );
        }
        for comment in comments {
            comment.properties = by_id.remove(&comment.id).unwrap_or_default();
        }
        Ok(())
    }

    /// `POST /search/jql`, one page. Every page is believed only when the expected account got it (T2).
    pub async fn search(&self, request: &SearchRequest) -> Result<SearchPage, JiraError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            issues: Vec<Issue>,
            next_page_token: Option<String>,
            is_last: Option<bool>,
        }
        let mut body = json!({ "jql": request.jql });
        if !request.fields.is_empty() {
            body["fields"] = json!(request.fields);
        }
        if !request.properties.is_empty() {
            body["properties"] = json!(request.properties);
        }
        if let Some(max_results) = request.max_results {
            body["maxResults"] = json!(max_results);
        }
        if let Some(token) = &request.page_token {
            body["nextPageToken"] = json!(token);
        }
        let op = Op::query("search", &["search", "jql"], body);
        let (page, seen): (Page, _) = self.transport.read(&op).await?;
        self.transport.verify_identity(&op, seen).await?;
        let last = page.is_last == Some(true);
        Ok(SearchPage {
            issues: page.issues,
            next: page.next_page_token.filter(|token| !last && !token.is_empty()),
        })
    }

    /// All pages of a search. More than `cap` issues are [`JiraError::TooMany`]: nothing follows from a part.
    pub async fn search_all(&self, request: &SearchRequest, cap: usize) -> Result<SearchAll, JiraError> {
        let mut request = request.clone();
        let mut all = SearchAll::default();
        for _ in 0..MAX_PAGES {
            let page = self.search(&request).await?;
            all.issues.extend(page.issues);
            if all.issues.len() > cap {
                break;
            }
            match page.next {
                None => return Ok(all),
                // A page that names itself as its successor would never end.
                Some(next) if request.page_token.as_ref() == Some(&next) => break,
                next => request.page_token = next,
            }
        }
        Err(JiraError::TooMany {
            call: Op::query("search", &["search", "jql"], Value::Null).call(),
            cap,
        })
    }

    /// `POST /issue/bulkfetch` for any number of ids or keys, 100 a call, as fresh as single reads. What is missing from
    /// the reply is believed absent only when the expected account got it (T2).
    pub async fn bulk_fetch<S: AsRef<str>>(
        &self,
        ids_or_keys: &[S],
        fields: &[&str],
        properties: &[&str],
    ) -> Result<BulkFetched, JiraError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Reply {
            issues: Vec<Issue>,
            #[serde(default)]
            issue_errors: Vec<IssueError>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct IssueError {
            #[serde(default, deserialize_with = "super::model::id")]
            id: String,
            #[serde(default)]
            error_message: Option<String>,
        }
        let mut found = BulkFetched::default();
        for chunk in ids_or_keys.chunks(BULK_FETCH_MAX) {
            let asked: Vec<&str> = chunk.iter().map(AsRef::as_ref).collect();
            let mut body = json!({ "issueIdsOrKeys": asked, "fields": fields });
            if !properties.is_empty() {
                body["properties"] = json!(properties);
            }
            let op = Op::query("bulk_fetch", &["issue", "bulkfetch"], body);
            let (reply, seen): (Reply, _) = self.transport.read(&op).await?;
            if reply.issues.len() < asked.len() {
                self.transport.verify_identity(&op, seen).await?;
            }
            found.issues.extend(reply.issues);
            found.errors.extend(reply.issue_errors.into_iter().map(|e| {
                (
                    e.id,
                    e.error_message.as_deref().map(super::error::clean).unwrap_or_default(),
                )
            }));
        }
        Ok(found)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &[&str],
        query: &[(&'static str, String)],
    ) -> Result<T, JiraError> {
        Ok(self
            .transport
            .read(&Op::get(operation, path).with_query(query))
            .await?
            .0)
    }

    /// Pages through a list with `startAt`. Ends at `isLast`, at `total`, or at an empty page; a page shorter than asked
    /// for is no end.
    async fn pages<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &[&str],
        query: &[(&'static str, String)],
        page_size: u32,
        members: &[&str],
    ) -> Result<Vec<T>, JiraError> {
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let mut query = query.to_vec();
            query.extend([
                ("startAt", all.len().to_string()),
                ("maxResults", page_size.to_string()),
            ]);
            let op = Op::get(operation, path).with_query(&query);
            let mut page: Map<String, Value> = self.transport.read(&op).await?.0;
            let items = members.iter().find_map(|member| page.remove(*member));
            let items: Vec<T> = items
                .ok_or_else(|| format!("none of {} in the reply", members.join(", ")))
                .and_then(|items| serde_json::from_value(items).map_err(|error| error.to_string()))
                .map_err(|detail| JiraError::Decode {
                    call: op.call(),
                    status: 200,
                    detail,
                })?;
            let empty = items.is_empty();
            all.extend(items);
            let is_last = page.get("isLast").and_then(Value::as_bool);
            let total = page.get("total").and_then(Value::as_u64);
            let reached = total.is_some_and(|total| all.len() as u64 >= total);
            if empty || is_last == Some(true) || (is_last.is_none() && reached) {
                return Ok(all);
            }
        }
        Err(JiraError::TooMany {
            call: Op::get(operation, path).call(),
            cap: all.len(),
        })
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("documents of strings and JSON values always serialize")
}
