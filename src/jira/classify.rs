//! From status, headers and body to what they mean.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};

use super::error::{Call, ConnectKind, ErrorBody, JiraError, LoginReason, RateLimitReason, clean};

/// A reply with a 2xx status.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) seen: Seen,
    pub(super) body: Vec<u8>,
}

/// A failed attempt, with what its reply told of the account; nothing where there was no reply.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: JiraError,
    pub(super) seen: Seen,
}

/// What a reply tells of the account that it was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// `X-AAccountId`.
    Account(String),
    /// No such header.
    Nobody,
    /// A login header says that the credential was refused, whatever the status says. Its absence proves nothing.
    Refused(LoginReason),
}

impl Seen {
    fn of(headers: &HeaderMap) -> Self {
        let refused = headers
            .get_all("x-seraph-loginreason")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .find_map(|value| {
                if value.contains("AUTHENTICATION_DENIED") {
                    Some(LoginReason::Captcha)
                } else if value.contains("AUTHENTICATED_FAILED") {
                    Some(LoginReason::Failed)
                } else {
                    None
                }
            });
        if let Some(reason) = refused {
            return Self::Refused(reason);
        }
        match text(headers, "x-aaccountid") {
            Some(account) if !account.is_empty() => Self::Account(clean(account)),
            _ => Self::Nobody,
        }
    }
}

/// Sorts a whole reply into success or a kind of failure.
pub(super) fn classify(call: Call, status: u16, headers: &HeaderMap, body: Vec<u8>) -> Result<Reply, Failure> {
    let seen = Seen::of(headers);
    if (200..300).contains(&status) {
        return Ok(Reply { status, seen, body });
    }
    let error = failure(call, status, headers, &body, &seen);
    Err(Failure { error, seen })
}

fn failure(call: Call, status: u16, headers: &HeaderMap, body: &[u8], seen: &Seen) -> JiraError {
    let parsed = ErrorBody::parse(body);
    let definite = parsed.is_some();
    let ErrorBody { errors, messages } = parsed.unwrap_or_default();
    let login_reason = match seen {
        Seen::Refused(reason) => Some(*reason),
        Seen::Account(_) | Seen::Nobody => None,
    };
    match (status, login_reason) {
        (300..400, _) => {
            let target = text(headers, LOCATION.as_str()).and_then(|to| reqwest::Url::parse(to).ok());
            let location = target
                .as_ref()
                .and_then(|url| url.host_str())
                .map_or("an unknown host".to_owned(), clean);
            JiraError::Redirected { call, status, location }
        }
        (408 | 425 | 500.., _) => JiraError::Unavailable {
            call,
            status,
            retry_after: retry_after(headers),
        },
        (429, _) => {
            let reason = match text(headers, "ratelimit-reason") {
                Some("jira-burst-based") => RateLimitReason::Endpoint,
                Some("jira-per-issue-on-write") => RateLimitReason::Issue,
                _ => RateLimitReason::Site,
            };
            JiraError::RateLimited {
                call,
                reason,
                retry_after: retry_after(headers),
            }
        }
        (401, None) => {
            let scope = messages
                .iter()
                .any(|message| message.to_lowercase().contains("scope does not match"));
            let login_reason = if scope {
                LoginReason::ScopeMismatch
            } else {
                LoginReason::Unknown
            };
            JiraError::Unauthorized {
                call,
                login_reason,
                messages,
                definite,
            }
        }
        (401 | 403 | 404, Some(login_reason)) => JiraError::Unauthorized {
            call,
            login_reason,
            messages,
            definite,
        },
        (403, None) => JiraError::Forbidden {
            call,
            messages,
            definite,
        },
        (409, _) => JiraError::Conflict {
            call,
            messages,
            definite,
        },
        // Without Jira's own words a 404 may come from something in between, or from a site that does not exist.
        (404, None) if definite => JiraError::NotFound { call, messages },
        (400..500, _) if definite => JiraError::Rejected {
            call,
            status,
            errors,
            messages,
        },
        _ => JiraError::Decode {
            call,
            status,
            detail: "an error without a Jira error body".to_owned(),
        },
    }
}

/// `Retry-After` in seconds; the other form, a date, would have to be compared with a clock that is not Jira's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    text(headers, RETRY_AFTER.as_str())?
        .parse()
        .ok()
        .map(Duration::from_secs)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// A failure without a reply: never sent, or sent and lost.
pub(super) fn not_sent_or_lost(call: Call, error: &reqwest::Error) -> JiraError {
    if error.is_connect() {
        let message = with_causes(error);
        let kind = if error.is_dns() {
            ConnectKind::Dns
        } else {
            connect_kind(error, &message)
        };
        JiraError::Connect { call, kind, message }
    } else if error.is_timeout() {
        JiraError::Timeout { call }
    } else {
        JiraError::Interrupted {
            call,
            message: with_causes(error),
        }
    }
}

fn connect_kind(error: &reqwest::Error, message: &str) -> ConnectKind {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return ConnectKind::Tls;
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            if io.kind() == std::io::ErrorKind::ConnectionRefused {
                return ConnectKind::Refused;
            }
            if is_tls(io) {
                return ConnectKind::Tls;
            }
        }
        cause = error.source();
    }
    // Another version of the TLS library below the HTTP client would hide from the test of types above.
    if message.contains("certificate") {
        ConnectKind::Tls
    } else {
        ConnectKind::Other
    }
}

/// Whether an I/O error carries one of the TLS library, also inside a further I/O error, as connectors wrap them.
fn is_tls(error: &std::io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<rustls::Error>() || inner.downcast_ref::<std::io::Error>().is_some_and(is_tls))
}

/// The innermost causes of an error, in words. The outermost one of the HTTP client names the whole URL and is left out.
pub(super) fn with_causes(error: &reqwest::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if words.last() != Some(&text) {
            words.push(text);
        }
        cause = error.source();
    }
    if words.is_empty() {
        "no cause given".to_owned()
    } else {
        clean(&words.join(": "))
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::jira::error::Executed;

    type Row = (
        u16,
        &'static [(&'static str, &'static str)],
        &'static str,
        &'static str,
        Executed,
    );

    fn run(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> JiraError {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let call = Call {
            method: "POST",
            path: "/rest/api/3/issue".into(),
        };
        classify(call, status, &headers, body.as_bytes().to_vec())
            .unwrap_err()
            .error
    }

    #[test]
    fn replies_are_sorted_by_meaning() {
        const JIRA: &str = r#"{"errorMessages":["no"],"errors":{"summary":"is missing"}}"#;
        const HTML: &str = "<html>oops</html>";
        const SCOPE: &str = r#"{"code":401,"message":"Unauthorized; scope does not match"}"#;
        const FAILED: &[(&str, &str)] = &[("x-seraph-loginreason", "AUTHENTICATED_FAILED")];
        const DENIED: &[(&str, &str)] = &[("x-seraph-loginreason", "AUTHENTICATION_DENIED")];
        const BURST: &[(&str, &str)] = &[("ratelimit-reason", "jira-burst-based"), ("retry-after", "7")];
        use Executed::{No, Unknown};
        let table: &[Row] = &[
            (400, &[], JIRA, "Rejected", No),
            (422, &[], JIRA, "Rejected", No),
            (413, &[], JIRA, "Rejected", No),
            (400, &[], HTML, "UnexpectedReply", Unknown),
            (400, &[], "{}", "UnexpectedReply", Unknown),
            (401, &[], JIRA, "Unauthorized", No),
            (401, &[], HTML, "Unauthorized", Unknown),
            (401, DENIED, "", "LoginDenied", Unknown),
            (403, DENIED, JIRA, "LoginDenied", No),
            (404, FAILED, JIRA, "Unauthorized", No),
            (401, &[], SCOPE, "ScopeMissing", No),
            (403, &[], JIRA, "Forbidden", No),
            (404, &[], JIRA, "NotFound", No),
            (404, &[], HTML, "UnexpectedReply", Unknown),
            (408, &[], JIRA, "Unavailable", Unknown),
            (425, &[], JIRA, "Unavailable", Unknown),
            (409, &[], JIRA, "Conflict", No),
            (409, &[], "", "Conflict", Unknown),
            (429, BURST, "", "RateLimited", No),
            (500, &[], JIRA, "Unavailable", Unknown),
            (503, &[], HTML, "Unavailable", Unknown),
            (
                302,
                &[("location", "https://other.example/x?token=t")],
                "",
                "Redirected",
                Unknown,
            ),
        ];
        for (status, headers, body, reason, executed) in table {
            let error = run(*status, headers, body);
            assert_eq!(
                (error.reason(), error.executed()),
                (*reason, *executed),
                "{status} {body}: {error}"
            );
        }
        let JiraError::RateLimited {
            reason, retry_after, ..
        } = run(429, BURST, "")
        else {
            panic!()
        };
        assert_eq!(
            (reason, retry_after),
            (RateLimitReason::Endpoint, Some(Duration::from_secs(7)))
        );
        let redirected = run(302, &[("location", "https://other.example/x?token=t")], "").to_string();
        assert!(
            redirected.contains("other.example") && !redirected.contains("token"),
            "{redirected}"
        );
    }

    #[test]
    fn messages_are_cut_and_clean() {
        let body = format!(r#"{{"errorMessages":["a\u0007b\n{}"]}}"#, "x".repeat(2000));
        let JiraError::Rejected { messages, .. } = run(400, &[], &body) else {
            panic!()
        };
        assert_eq!(messages[0].chars().count(), crate::jira::MAX_MESSAGE_CHARS);
        assert!(messages[0].starts_with("a b x"), "{}", messages[0]);
    }
}
