//! What can go wrong between this process and a Jira site, by what it means for the caller.
//!
//! The one question that matters after a failed write is whether Jira may have executed it: a second `POST` after a
//! lost reply is how duplicates are made (trap T1). [`JiraError::executed`] answers it, and answers `Unknown` whenever
//! there is no proof.
//!
//! No error carries a credential, a query string or a body: only the method, the path below the base URL, and the
//! messages of Jira's own error body, cut and cleaned.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// Longest message, in characters, that is kept of an error body.
pub const MAX_MESSAGE_CHARS: usize = 500;

/// Most messages (and most field errors) that are kept of one error body.
const MAX_MESSAGES: usize = 50;

/// Which call failed: the method and the path below the base URL, without query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// HTTP method, upper case.
    pub method: &'static str,
    /// Path such as `/rest/api/3/issue/10042`; no host, no query.
    pub path: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Why Jira refused the credential, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginReason {
    /// Too many failed logins: the credential was not even checked (`AUTHENTICATION_DENIED`). Someone must log in with
    /// a browser, or wait.
    Captcha,
    /// The credential was checked and is wrong, expired or revoked (`AUTHENTICATED_FAILED`).
    Failed,
    /// The token is good but lacks a scope that the call needs.
    ScopeMismatch,
    /// Jira gave no reason; a token of the other kind (trap T23) is a usual one.
    Unknown,
}

impl LoginReason {
    fn explain(self) -> &'static str {
        match self {
            Self::Captcha => "too many failed logins, the credential was not checked",
            Self::Failed => "the token is wrong, expired or revoked",
            Self::ScopeMismatch => "the token lacks a scope",
            Self::Unknown => "no reason given; is it a scoped token used as a classic one, or the reverse?",
        }
    }
}

/// What a 429 applies to (`RateLimit-Reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateLimitReason {
    /// The burst bucket of one endpoint and method, shared by everyone on the site.
    Endpoint,
    /// Writes to one issue came too fast (20 in 2 s, 100 in 30 s).
    Issue,
    /// A quota of the whole site or app, or a reason that is not known.
    Site,
}

/// Why no connection came about. The request never left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectKind {
    /// The host name does not resolve.
    Dns,
    /// The host refused the connection.
    Refused,
    /// The TLS handshake failed, usually on a certificate.
    Tls,
    /// Anything else, a connect timeout included.
    Other,
}

/// Whether Jira may have executed the request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Executed {
    /// Certainly not: it may be sent again.
    No,
    /// Perhaps: the outcome must be looked up before anything is sent again.
    Unknown,
}

/// A failed call, by its meaning for the caller.
///
/// `definite` tells that the reply had a Jira error body; without one, an answer may come from something in between
/// and proves nothing about what Jira did.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JiraError {
    /// The credential is not accepted (401, or another status with a failed login header).
    #[error("{call}: not authenticated: {}{}", login_reason.explain(), listed(messages))]
    Unauthorized {
        /// The failed call.
        call: Call,
        /// Why, as far as Jira says.
        login_reason: LoginReason,
        /// Messages of the error body.
        messages: Vec<String>,
        /// The reply had a Jira error body.
        definite: bool,
    },
    /// The account may not do this (403).
    #[error("{call}: forbidden{}", listed(messages))]
    Forbidden {
        /// The failed call.
        call: Call,
        /// Messages of the error body.
        messages: Vec<String>,
        /// The reply had a Jira error body.
        definite: bool,
    },
    /// Absent or not visible (404), from the account that was expected (trap T2 is ruled out, T3 is not).
    #[error("{call}: not found, or not visible to this account{}", listed(messages))]
    NotFound {
        /// The failed call.
        call: Call,
        /// Messages of the error body.
        messages: Vec<String>,
    },
    /// Jira understood and refuses this input (400, 410, 413, 415, 422, ...). Permanent until something changes.
    #[error("{call}: rejected with {status}{}{}", listed_fields(errors), listed(messages))]
    Rejected {
        /// The failed call.
        call: Call,
        /// HTTP status.
        status: u16,
        /// Message by field id.
        errors: BTreeMap<String, String>,
        /// Messages that belong to no field.
        messages: Vec<String>,
    },
    /// Someone else changed the issue at the same time (409): read again and decide anew.
    #[error("{call}: conflicting update{}", listed(messages))]
    Conflict {
        /// The failed call.
        call: Call,
        /// Messages of the error body.
        messages: Vec<String>,
        /// The reply had a Jira error body.
        definite: bool,
    },
    /// Too many requests (429), or a pause after one that lasts longer than a caller should wait.
    #[error("{call}: rate limited ({reason:?}){}", after(*retry_after))]
    RateLimited {
        /// The failed call.
        call: Call,
        /// What the limit applies to.
        reason: RateLimitReason,
        /// Least time to wait, where it is known.
        retry_after: Option<Duration>,
    },
    /// The site failed to answer properly (5xx, 408, 425).
    #[error("{call}: Jira is unavailable ({status}){}", after(*retry_after))]
    Unavailable {
        /// The failed call.
        call: Call,
        /// HTTP status.
        status: u16,
        /// Least time to wait, where the reply says so.
        retry_after: Option<Duration>,
    },
    /// The request was sent and no whole reply came in time.
    #[error("{call}: timed out")]
    Timeout {
        /// The failed call.
        call: Call,
    },
    /// No connection came about; the request was never sent.
    #[error("{call}: cannot connect ({kind:?}): {message}")]
    Connect {
        /// The failed call.
        call: Call,
        /// What failed.
        kind: ConnectKind,
        /// The cause in words.
        message: String,
    },
    /// The request was sent, the connection broke before the whole reply was there.
    #[error("{call}: the reply was lost: {message}")]
    Interrupted {
        /// The failed call.
        call: Call,
        /// The cause in words.
        message: String,
    },
    /// Jira answered with a redirect. None is followed: a renamed site would see the request without credential.
    #[error("{call}: redirected ({status}) to {location}; redirects are not followed, correct the URL")]
    Redirected {
        /// The failed call.
        call: Call,
        /// HTTP status.
        status: u16,
        /// Host redirected to, or `an unknown host`.
        location: String,
    },
    /// The reply is not what this endpoint answers: HTML, an empty body, other JSON, or too large.
    #[error("{call}: unexpected reply ({status}): {detail}")]
    Decode {
        /// The failed call.
        call: Call,
        /// HTTP status.
        status: u16,
        /// What was wrong; no part of the body.
        detail: String,
    },
    /// A list of results is longer than the caller is ready to take; nothing may be concluded from its beginning.
    #[error("{call}: more than {cap} results")]
    TooMany {
        /// The failed call.
        call: Call,
        /// The cap that was passed.
        cap: usize,
    },
    /// Jira answered as to a stranger, or as to another account than expected (trap T2): absence proves nothing.
    #[error("{call}: answered for {}, not for the expected account", seen.as_deref().unwrap_or("an anonymous caller"))]
    Anonymous {
        /// The failed call.
        call: Call,
        /// The account id that Jira did answer for.
        seen: Option<String>,
        /// The reply was a 4xx with a Jira error body.
        definite: bool,
    },
    /// The connection was taken down before an answer came; a shared read, never a write.
    #[error("the Jira connection was shut down before an answer came")]
    Stopped,
}

impl JiraError {
    /// A closed set of `PascalCase` words, for conditions, events and metric labels alike.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unauthorized { login_reason, .. } => match login_reason {
                LoginReason::Captcha => "LoginDenied",
                LoginReason::ScopeMismatch => "ScopeMissing",
                LoginReason::Failed | LoginReason::Unknown => "Unauthorized",
            },
            Self::Forbidden { .. } => "Forbidden",
            Self::NotFound { .. } => "NotFound",
            Self::Rejected { .. } => "Rejected",
            Self::Conflict { .. } => "Conflict",
            Self::RateLimited { .. } => "RateLimited",
            Self::Unavailable { .. } => "Unavailable",
            Self::Timeout { .. } => "Timeout",
            Self::Connect { kind, .. } => match kind {
                ConnectKind::Dns => "HostNotFound",
                ConnectKind::Tls => "TlsFailed",
                ConnectKind::Refused | ConnectKind::Other => "ConnectFailed",
            },
            Self::Interrupted { .. } => "ReplyLost",
            Self::Redirected { .. } => "Redirected",
            Self::Decode { .. } => "UnexpectedReply",
            Self::TooMany { .. } => "TooManyResults",
            Self::Anonymous { .. } => "Anonymous",
            Self::Stopped => "Stopped",
        }
    }

    /// Whether Jira may have executed the request.
    ///
    /// `No` takes proof: the connection failed before anything was sent, a 4xx with a Jira error body (except 408 and
    /// 425), or a 429. All else is `Unknown`.
    pub fn executed(&self) -> Executed {
        let no = match self {
            Self::Connect { .. } | Self::RateLimited { .. } | Self::Rejected { .. } | Self::NotFound { .. } => true,
            Self::Unauthorized { definite, .. }
            | Self::Forbidden { definite, .. }
            | Self::Conflict { definite, .. }
            | Self::Anonymous { definite, .. } => *definite,
            Self::Unavailable { .. }
            | Self::Timeout { .. }
            | Self::Interrupted { .. }
            | Self::Redirected { .. }
            | Self::Decode { .. }
            | Self::TooMany { .. }
            | Self::Stopped => false,
        };
        if no { Executed::No } else { Executed::Unknown }
    }

    /// Whether the fault is the connection's rather than this call's, so that every other call would meet it too.
    pub fn is_connection_fault(&self) -> bool {
        matches!(
            self,
            Self::Unauthorized { .. } | Self::Anonymous { .. } | Self::Redirected { .. } | Self::Connect { .. }
        )
    }

    /// Least time to wait before the next try, where Jira said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// The error body in any of the shapes that Jira and its gateway answer (trap T24): `ErrorCollection`, or
/// `{code, message}`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    pub(super) errors: BTreeMap<String, String>,
    pub(super) messages: Vec<String>,
}

impl ErrorBody {
    /// Reads an error body; `None` when it is not JSON or not one of the known shapes.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(rename = "errorMessages")]
            error_messages: Option<Vec<serde_json::Value>>,
            errors: Option<serde_json::Value>,
            #[serde(rename = "errorMessage")]
            error_message: Option<String>,
            message: Option<String>,
        }
        let raw: Raw = serde_json::from_slice(body).ok()?;
        if raw.error_messages.is_none() && raw.errors.is_none() && raw.error_message.is_none() && raw.message.is_none()
        {
            return None;
        }
        let mut messages: Vec<String> = raw
            .error_messages
            .into_iter()
            .flatten()
            .map(|value| text_of(&value))
            .collect();
        messages.extend(raw.error_message.as_deref().map(clean));
        messages.extend(raw.message.as_deref().map(clean));
        let mut errors = BTreeMap::new();
        match raw.errors {
            Some(serde_json::Value::Object(map)) => {
                errors.extend(
                    map.iter()
                        .take(MAX_MESSAGES)
                        .map(|(field, value)| (clean(field), text_of(value))),
                );
            }
            Some(serde_json::Value::Array(list)) => messages.extend(list.iter().map(text_of)),
            _ => {}
        }
        messages.retain(|message| !message.is_empty());
        messages.truncate(MAX_MESSAGES);
        Some(Self { errors, messages })
    }
}

fn text_of(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| clean(&value.to_string()), clean)
}

/// Replaces control characters by spaces and cuts to [`MAX_MESSAGE_CHARS`].
pub(super) fn clean(text: &str) -> String {
    let cleaned: String = text
        .chars()
        .take(MAX_MESSAGE_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cleaned.trim().to_owned()
}

fn listed(messages: &[String]) -> String {
    if messages.is_empty() {
        String::new()
    } else {
        format!(": {}", messages.join("; "))
    }
}

fn listed_fields(errors: &BTreeMap<String, String>) -> String {
    let fields: Vec<String> = errors
        .iter()
        .map(|(field, message)| format!("{field}: {message}"))
        .collect();
    listed(&fields)
}

fn after(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| format!(", again in {} s", wait.as_secs().max(1)))
}
