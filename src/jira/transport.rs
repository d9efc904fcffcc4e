//! One request at a time: sending, classifying the reply, repeating what may be repeated, and finding out for whom Jira
//! answered.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::classify::{Failure, Reply, Seen, classify, not_sent_or_lost, with_causes};
use super::client::ClientSettings;
use super::error::{Call, JiraError, clean};
use super::limiter::Limiter;
use super::model::User;
use super::stats::CallStats;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest reply that is read.
const BODY_CAP: usize = 16 * 1024 * 1024;
/// Attempts of a read, the first included.
const READ_ATTEMPTS: u32 = 3;
const BACKOFF_BASE: Duration = Duration::from_millis(500);
const BACKOFF_CAP: Duration = Duration::from_secs(8);

/// Why a client cannot be built.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientBuildError {
    /// The HTTP client refuses its settings, or the process has no root certificates.
    #[error("cannot build the HTTP client: {0}")]
    Http(String),
    /// The base URL cannot have a path below it.
    #[error("{0} cannot be a base URL")]
    Base(String),
}

/// Something is wrong with the connection as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionFault {
    /// [`JiraError::reason`] of the error.
    pub reason: &'static str,
    /// The error in words, without secrets.
    pub message: String,
    /// When it was met, by this machine's clock.
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Api,
    /// The site itself, without credential.
    Site,
}

/// One operation: what to send, and what it counts as.
#[derive(Debug)]
pub(super) struct Op {
    name: &'static str,
    method: Method,
    base: Base,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Value,
    issue: Option<String>,
}

impl Op {
    fn new(name: &'static str, method: Method, base: Base, path: &[&str], body: Value) -> Self {
        let prefix: &[&str] = if base == Base::Api { &["rest", "api", "3"] } else { &[] };
        let path = prefix.iter().chain(path).map(|segment| (*segment).to_owned()).collect();
        Self {
            name,
            method,
            base,
            path,
            query: Vec::new(),
            body,
            issue: None,
        }
    }

    pub(super) fn get(name: &'static str, path: &[&str]) -> Self {
        Self::new(name, Method::GET, Base::Api, path, Value::Null)
    }

    pub(super) fn at_site(name: &'static str, path: &[&str]) -> Self {
        Self::new(name, Method::GET, Base::Site, path, Value::Null)
    }

    /// A read that is sent as a `POST`.
    pub(super) fn query(name: &'static str, path: &[&str], body: Value) -> Self {
        Self::new(name, Method::POST, Base::Api, path, body)
    }

    pub(super) fn write(name: &'static str, method: Method, path: &[&str], body: Value) -> Self {
        Self::new(name, method, Base::Api, path, body)
    }

    pub(super) fn with_query(mut self, query: &[(&'static str, String)]) -> Self {
        self.query.extend_from_slice(query);
        self
    }

    /// Names the issue that is written to: Jira limits writes per issue.
    pub(super) fn on_issue(mut self, id: &str) -> Self {
        self.issue = Some(id.to_owned());
        self
    }

    pub(super) fn call(&self) -> Call {
        let method = match self.method {
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::DELETE => "DELETE",
            _ => "GET",
        };
        Call {
            method,
            path: clean(&format!("/{}", self.path.join("/"))),
        }
    }
}

#[derive(Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    site_url: Url,
    api_base: Url,
    authorization: HeaderValue,
    expected: OnceLock<String>,
    limiter: Arc<Limiter>,
    stats: CallStats,
    faults: watch::Sender<Option<ConnectionFault>>,
    request_timeout: Duration,
}

impl Transport {
    pub(super) fn new(settings: ClientSettings) -> Result<Self, ClientBuildError> {
        for base in [&settings.site_url, &settings.api_base] {
            if base.cannot_be_a_base() {
                return Err(ClientBuildError::Base(clean(base.as_str())));
            }
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        // Also without a body: a DELETE without it is answered with 415.
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static("en"));
        headers.insert("x-force-accept-language", HeaderValue::from_static("true"));
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent(settings.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // A server that closes an idle connection just as a create is sent on it makes an unknown outcome.
            .pool_idle_timeout(Duration::from_secs(20))
            .connect_timeout(CONNECT_TIMEOUT.min(settings.request_timeout))
            .timeout(settings.request_timeout)
            .build()
            .map_err(|error| ClientBuildError::Http(with_causes(&error)))?;
        let expected = settings.expected_account.map_or_else(OnceLock::new, OnceLock::from);
        Ok(Self {
            http,
            site_url: settings.site_url,
            api_base: settings.api_base,
            authorization: settings.credentials.header(),
            expected,
            limiter: settings.limiter,
            stats: settings.stats,
            faults: watch::Sender::new(None),
            request_timeout: settings.request_timeout,
        })
    }

    pub(super) fn site_url(&self) -> &Url {
        &self.site_url
    }

    pub(super) fn expected_account(&self) -> Option<&str> {
        self.expected.get().map(String::as_str)
    }

    pub(super) fn faults(&self) -> watch::Receiver<Option<ConnectionFault>> {
        self.faults.subscribe()
    }

    pub(super) fn stats(&self) -> &CallStats {
        &self.stats
    }

    /// Waits for a slot of the rate limit.
    pub(super) async fn slot(&self, op: &Op) -> Result<(), JiraError> {
        let paused = |p: super::limiter::Paused| JiraError::RateLimited {
            call: op.call(),
            reason: p.reason,
            retry_after: Some(p.left),
        };
        self.limiter.ready(op.name, op.issue.as_deref()).await.map_err(paused)
    }

    /// A read: repeated on 5xx, timeout, connection loss and 429, three attempts in all, within a deadline.
    pub(super) async fn read<T: DeserializeOwned>(&self, op: &Op) -> Result<(T, Seen), JiraError> {
        let reply = self.read_reply(op).await;
        let reply = self.judge(op, reply).await?;
        let value = decode(op, &reply)?;
        Ok((value, reply.seen))
    }

    /// A write that is sent exactly once, now: the caller already has its slot.
    pub(super) async fn send_once<T: DeserializeOwned>(&self, op: &Op) -> Result<T, JiraError> {
        let reply = self.attempt(op).await;
        decode(op, &self.judge(op, reply).await?)
    }

    /// As [`Self::send_once`], for endpoints that answer 204.
    pub(super) async fn send_once_empty(&self, op: &Op) -> Result<(), JiraError> {
        let reply = self.attempt(op).await;
        self.judge(op, reply).await.map(drop)
    }

    /// A `PUT` or `DELETE`: repeated once, after a 5xx only.
    pub(super) async fn send_idempotent(&self, op: &Op) -> Result<(), JiraError> {
        self.slot(op).await?;
        let mut reply = self.attempt(op).await;
        if let Err(Failure {
            error:
                JiraError::Unavailable {
                    status: 500..,
                    retry_after,
                    ..
                },
            ..
        }) = &reply
        {
            let wait = backoff(1).max(retry_after.unwrap_or_default());
            if wait <= BACKOFF_CAP {
                tokio::time::sleep(wait).await;
                self.slot(op).await?;
                reply = self.attempt(op).await;
            }
        }
        self.judge(op, reply).await.map(drop)
    }

    /// `GET /myself`, compared with the expected account; remembers the account when none was expected.
    pub(super) async fn myself(&self) -> Result<User, JiraError> {
        let op = Op::get("myself", &["myself"]);
        let user: Result<User, JiraError> = match self.read_reply(&op).await {
            Ok(reply) => decode(&op, &reply),
            Err(failure) => Err(failure.error),
        };
        let user = user.and_then(|user| {
            let expected = self.expected.get_or_init(|| user.account_id.clone());
            if user.account_id.is_empty() || *expected != user.account_id {
                let seen = Some(clean(&user.account_id)).filter(|id| !id.is_empty());
                return Err(JiraError::Anonymous {
                    call: op.call(),
                    seen,
                    definite: false,
                });
            }
            Ok(user)
        });
        match &user {
            Ok(_) => {
                self.faults.send_if_modified(|fault| fault.take().is_some());
            }
            Err(error) => self.report(error),
        }
        user
    }

    /// Whether an emptiness or absence may be believed (T2): yes when the reply was for the expected account, or when
    /// `/myself`, asked now, says that we still are who we should be.
    pub(super) async fn verify_identity(&self, op: &Op, seen: Seen) -> Result<(), JiraError> {
        let result = self.identity(op, seen, false).await;
        if let Err(error) = &result {
            self.report(error);
        }
        result
    }

    async fn identity(&self, op: &Op, seen: Seen, definite: bool) -> Result<(), JiraError> {
        match seen {
            Seen::Account(account) => {
                if self.expected.get().is_none_or(|expected| *expected == account) {
                    return Ok(());
                }
                Err(JiraError::Anonymous {
                    call: op.call(),
                    seen: Some(account),
                    definite,
                })
            }
            Seen::Refused(login_reason) => Err(JiraError::Unauthorized {
                call: op.call(),
                login_reason,
                messages: Vec::new(),
                definite,
            }),
            // A refused `/myself` is told as the failure of this call, whose own `definite` is kept.
            Seen::Nobody => match self.myself().await {
                Ok(_) => Ok(()),
                Err(JiraError::Anonymous { seen, .. }) => Err(JiraError::Anonymous {
                    call: op.call(),
                    seen,
                    definite,
                }),
                Err(JiraError::Unauthorized {
                    login_reason, messages, ..
                }) => Err(JiraError::Unauthorized {
                    call: op.call(),
                    login_reason,
                    messages,
                    definite,
                }),
                // Not asked is not answered: neither absence nor a stranger's reply is proven.
                Err(error) => Err(error),
            },
        }
    }

    /// The end of every call: a 404 is checked for who it was answered to, and a fault of the connection is reported.
    async fn judge(&self, op: &Op, reply: Result<Reply, Failure>) -> Result<Reply, JiraError> {
        let error = match reply {
            Ok(reply) => return Ok(reply),
            Err(failure) => failure,
        };
        // Jira also says that a project in a query does not exist when it only does not for a stranger.
        let says_absent = matches!(error.error, JiraError::NotFound { .. })
            || (op.name == "search" && matches!(error.error, JiraError::Rejected { .. }));
        let error = if says_absent && op.base == Base::Api {
            self.identity(op, error.seen, true).await.err().unwrap_or(error.error)
        } else {
            error.error
        };
        self.report(&error);
        Err(error)
    }

    fn report(&self, error: &JiraError) {
        if matches!(
            error,
            JiraError::Unauthorized { .. } | JiraError::Anonymous { .. } | JiraError::Redirected { .. }
        ) {
            let fault = ConnectionFault {
                reason: error.reason(),
                message: error.to_string(),
                at: Timestamp::now(),
            };
            self.faults.send_replace(Some(fault));
        }
    }

    /// The attempts of a read.
    async fn read_reply(&self, op: &Op) -> Result<Reply, Failure> {
        let deadline = Instant::now() + self.request_timeout.saturating_mul(2) + Duration::from_secs(10);
        let mut attempt = 1;
        loop {
            if let Err(error) = self.slot(op).await {
                return Err(Failure {
                    error,
                    seen: Seen::Nobody,
                });
            }
            let failure = match self.attempt(op).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            let wait = match &failure.error {
                // The limiter knows of the pause and holds the next attempt back.
                JiraError::RateLimited { .. } => Duration::ZERO,
                JiraError::Unavailable { retry_after, .. } => backoff(attempt).max(retry_after.unwrap_or_default()),
                JiraError::Timeout { .. } | JiraError::Interrupted { .. } | JiraError::Connect { .. } => {
                    backoff(attempt)
                }
                _ => return Err(failure),
            };
            if attempt >= READ_ATTEMPTS || Instant::now() + wait > deadline {
                return Err(failure);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// One attempt, counted and logged.
    async fn attempt(&self, op: &Op) -> Result<Reply, Failure> {
        let started = Instant::now();
        let result = self.exchange(op).await;
        let took = started.elapsed();
        let (status, outcome) = match &result {
            Ok(reply) => (Some(reply.status), "Success"),
            Err(failure) => (None, failure.error.reason()),
        };
        if let Err(Failure {
            error: JiraError::RateLimited {
                reason, retry_after, ..
            },
            ..
        }) = &result
        {
            self.limiter
                .penalize(op.name, op.issue.as_deref(), *reason, *retry_after);
        }
        self.stats.record(op.name, outcome, took);
        let call = op.call();
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(method = call.method, path = %call.path, status, outcome, duration_ms, "called Jira");
        result
    }

    async fn exchange(&self, op: &Op) -> Result<Reply, Failure> {
        let mut url = if op.base == Base::Api {
            self.api_base.clone()
        } else {
            self.site_url.clone()
        };
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&op.path);
        }
        if !op.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&op.query);
        }
        let mut request = self.http.request(op.method.clone(), url);
        if op.base == Base::Api {
            request = request.header(AUTHORIZATION, self.authorization.clone());
        }
        if !op.body.is_null() {
            request = request.body(op.body.to_string());
        }
        let failed = |error: &reqwest::Error| Failure {
            error: not_sent_or_lost(op.call(), error),
            seen: Seen::Nobody,
        };
        let mut response = request.send().await.map_err(|error| failed(&error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if body.len() + chunk.len() > BODY_CAP {
                let detail = format!("the reply is larger than {} MiB", BODY_CAP >> 20);
                let error = JiraError::Decode {
                    call: op.call(),
                    status,
                    detail,
                };
                return Err(Failure {
                    error,
                    seen: Seen::Nobody,
                });
            }
            body.extend_from_slice(&chunk);
        }
        classify(op.call(), status, &headers, body)
    }
}

fn backoff(attempt: u32) -> Duration {
    let doubled = BACKOFF_BASE
        .saturating_mul(1 << attempt.saturating_sub(1).min(8))
        .min(BACKOFF_CAP);
    doubled.mul_f64(rand::random_range(0.7..1.3))
}

fn decode<T: DeserializeOwned>(op: &Op, reply: &Reply) -> Result<T, JiraError> {
    serde_json::from_slice(&reply.body).map_err(|error| {
        // The error names a place and a type; unknown variants and values could quote the body, so only the place is kept.
        let detail = format!(
            "not the expected JSON at line {}, column {}",
            error.line(),
            error.column()
        );
        JiraError::Decode {
            call: op.call(),
            status: reply.status,
            detail,
        }
    })
}
