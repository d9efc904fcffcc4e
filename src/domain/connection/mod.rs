//! What a connection's spec, its Secret and Jira's answers mean for it.

use std::fmt::Display;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use reqwest::Url;

use crate::api::jira_connection::{Account, Site};
use crate::api::{JiraConnectionSpec, JiraConnectionStatus, NamespacesFrom, Reason};
use crate::domain::base::fault::{Fault, Needs};
use crate::domain::base::standing::{self, Standing};
use crate::jira::{ConnectKind, JiraError, LoginReason};

/// Why a connection cannot be used, and when to test it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Why the connection cannot be used.
    pub fault: Fault,
    /// What has to change before another test can give another result.
    pub cure: Cure,
}

/// What has to happen before a connection becomes usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// It may heal by itself: ask Jira each time.
    AskAgain,
    /// A person must change the credential, the account or the site: ask Jira when the Secret has changed, or slowly.
    Person,
    /// A person must change the spec, or the operator's settings: nothing to ask.
    Spec,
    /// It is wanted so.
    Suspended,
}

impl Diagnosis {
    fn new(reason: Reason, cure: Cure, message: impl Into<String>) -> Self {
        let needs = match cure {
            Cure::AskAgain => Needs::Time,
            Cure::Person | Cure::Spec => Needs::Person,
            Cure::Suspended => Needs::Nothing,
        };
        Self {
            fault: Fault::new(reason, message, needs),
            cure,
        }
    }
}

/// The site's address, if the spec may be acted upon at all.
///
/// # Errors
///
/// When the connection is suspended, or its address is not one the operator may send a credential to.
pub fn permitted_site(
    spec: &JiraConnectionSpec,
    allowed_hosts: &[String],
    insecure_hosts: &[String],
) -> Result<Url, Diagnosis> {
    if spec.suspend {
        return Err(Diagnosis::new(
            Reason::Suspended,
            Cure::Suspended,
            "spec.suspend is set: no call is made",
        ));
    }
    let refused = |message: String| Diagnosis::new(Reason::HostNotAllowed, Cure::Spec, message);
    let url = Url::parse(&spec.url).map_err(|error| refused(format!("spec.url is not an address: {error}")))?;
    let host = url.host_str().unwrap_or_default();
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if host.is_empty() || !plain || url.fragment().is_some() || url.path() != "/" {
        return Err(refused(
            "spec.url must be scheme and host only, such as https://acme.atlassian.net".to_owned(),
        ));
    }
    if !allowed_hosts.iter().any(|pattern| host_matches(pattern, host)) {
        return Err(refused(format!(
            "the operator may not connect to host {host}; whoever runs it can allow the host by --allow-host {host}"
        )));
    }
    if url.scheme() != "https" && !is_listed_insecure(host, url.port_or_known_default(), insecure_hosts) {
        return Err(Diagnosis::new(
            Reason::InsecureUrl,
            Cure::Spec,
            format!(
                "spec.url must begin with https://; plain http to {host} takes --insecure-host {host}, for tests only"
            ),
        ));
    }
    Ok(url)
}

fn host_matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => pattern == host,
    }
}

/// Whether plain http to a host, or to this port of it, was allowed on purpose.
pub fn is_listed_insecure(host: &str, port: Option<u16>, insecure_hosts: &[String]) -> bool {
    insecure_hosts.iter().any(|listed| match listed.split_once(':') {
        Some((name, number)) => name == host && number.parse().ok() == port,
        None => listed == host,
    })
}

/// The token in the bytes of a Secret's key: trimmed at the ends, printable.
///
/// # Errors
///
/// When there is none, or it can be no token.
pub fn token(secret: &str, key: &str, bytes: Option<&[u8]>) -> Result<String, Diagnosis> {
    let wrong = |message: String| Diagnosis::new(Reason::SecretKeyMissing, Cure::Person, message);
    let bytes = bytes.ok_or_else(|| wrong(format!("Secret {secret} has no key {key}")))?;
    let text = std::str::from_utf8(bytes).map_err(|_| wrong(format!("key {key} of Secret {secret} is not text")))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(wrong(format!("key {key} of Secret {secret} is empty")));
    }
    if token
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || !c.is_ascii())
    {
        return Err(wrong(format!(
            "key {key} of Secret {secret} holds characters that no API token has"
        )));
    }
    Ok(token.to_owned())
}

/// There is no such Secret.
pub fn secret_not_found(namespace: &str, secret: &str) -> Diagnosis {
    Diagnosis::new(
        Reason::SecretNotFound,
        Cure::Person,
        format!("Secret {namespace}/{secret} does not exist"),
    )
}

/// The operator may not read the Secret.
pub fn secret_forbidden(namespace: &str, secret: &str) -> Diagnosis {
    let message = format!(
        "the operator may not read Secret {namespace}/{secret}: grant its service account get on it in this namespace"
    );
    Diagnosis::new(Reason::SecretForbidden, Cure::Person, message)
}

/// The auth section of the spec has no kind that this version knows.
pub fn auth_missing() -> Diagnosis {
    Diagnosis::new(
        Reason::UnrecognisedValue,
        Cure::Spec,
        "spec.auth must have exactly one of: basic",
    )
}

/// No HTTP client could be built.
pub fn client_unusable(error: &dyn Display) -> Diagnosis {
    Diagnosis::new(
        Reason::SiteUnavailable,
        Cure::Person,
        format!("no client can be built: {error}"),
    )
}

/// Why the cloudId was not found. What would hinder any other call as well is told as such.
pub fn cloud_id_fault(error: &JiraError, host: &str) -> Diagnosis {
    match error {
        JiraError::Connect { .. }
        | JiraError::Timeout { .. }
        | JiraError::Interrupted { .. }
        | JiraError::Redirected { .. }
        | JiraError::Unavailable { .. }
        | JiraError::RateLimited { .. } => fault(error, host, false, None),
        _ => Diagnosis::new(
            Reason::CloudIdUnknown,
            Cure::Person,
            format!("{host} does not tell its cloudId ({error}); is it Jira Cloud? Otherwise set spec.cloudId"),
        ),
    }
}

/// What the site gave as its cloudId can be none.
pub fn cloud_id_unsound(host: &str) -> Diagnosis {
    let message = format!("what {host} gives as its cloudId is none; is it Jira Cloud? Otherwise set spec.cloudId");
    Diagnosis::new(Reason::CloudIdUnknown, Cure::Person, message)
}

/// What an error of `/myself` means for the connection.
pub fn fault(error: &JiraError, host: &str, scoped: bool, expected: Option<&str>) -> Diagnosis {
    let new = Diagnosis::new;
    match error {
        JiraError::Unauthorized { login_reason, .. } => refused(*login_reason, host, scoped),
        JiraError::Anonymous { seen: Some(seen), .. } => new(
            Reason::UnexpectedAccount,
            Cure::Person,
            match expected {
                Some(expected) => format!("the token belongs to account {seen}, not to {expected} (expectedAccountId)"),
                None => format!("the token belongs to account {seen} now, not to the one it belonged to before"),
            },
        ),
        JiraError::Anonymous { seen: None, .. } => refused(LoginReason::Unknown, host, scoped),
        JiraError::Forbidden { .. } => new(
            Reason::Unauthorized,
            Cure::Person,
            format!("{host} forbids the account to use Jira ({error}); it needs access to the product"),
        ),
        JiraError::Connect {
            kind: ConnectKind::Tls,
            message,
            ..
        } => new(
            Reason::TlsFailed,
            Cure::AskAgain,
            format!("no secure connection to {host}: {message}"),
        ),
        JiraError::Connect {
            kind: ConnectKind::Dns, ..
        } => new(
            Reason::SiteUnreachable,
            Cure::AskAgain,
            format!("the host {host} is not known (DNS)"),
        ),
        JiraError::Connect { message, .. } => new(
            Reason::SiteUnreachable,
            Cure::AskAgain,
            format!("no connection to {host}: {message}"),
        ),
        JiraError::Timeout { .. } | JiraError::Interrupted { .. } | JiraError::Stopped => new(
            Reason::SiteUnreachable,
            Cure::AskAgain,
            format!("no answer from {host}: {error}"),
        ),
        JiraError::Redirected { location, .. } => new(
            Reason::SiteMoved,
            Cure::Person,
            format!("{host} redirects to {location}; if the site was renamed, correct spec.url"),
        ),
        JiraError::RateLimited { .. } => new(
            Reason::RateLimited,
            Cure::AskAgain,
            format!("{host} asks for fewer calls: {error}"),
        ),
        JiraError::Unavailable { .. } | JiraError::Decode { .. } => new(
            Reason::SiteUnavailable,
            Cure::AskAgain,
            format!("{host} does not answer as Jira Cloud does: {error}"),
        ),
        JiraError::NotFound { .. } => new(
            Reason::SiteUnavailable,
            Cure::Person,
            format!("there is no Jira at {host}: {error}"),
        ),
        JiraError::Rejected { .. } | JiraError::Conflict { .. } | JiraError::TooMany { .. } => new(
            Reason::SiteUnavailable,
            Cure::AskAgain,
            format!("{host} answers strangely: {error}"),
        ),
    }
}

fn refused(login_reason: LoginReason, host: &str, scoped: bool) -> Diagnosis {
    let (reason, message) = match login_reason {
        LoginReason::Captcha => (
            Reason::CaptchaRequired,
            format!("{host} wants a CAPTCHA after too many failed logins: log in once as this account in a browser"),
        ),
        LoginReason::ScopeMismatch => (
            Reason::ScopeMissing,
            "the token lacks a scope; it needs read:jira-work, write:jira-work and read:jira-user".to_owned(),
        ),
        LoginReason::Failed | LoginReason::Unknown if scoped => (
            Reason::Unauthorized,
            "the token was refused: wrong, expired, revoked, of another e-mail, or it is a token without scopes (then \
             set scoped: false)"
                .to_owned(),
        ),
        LoginReason::Failed | LoginReason::Unknown => (
            Reason::Unauthorized,
            "the token was refused: wrong, expired, revoked, of another e-mail, or it is a token with scopes (then set \
             scoped: true)"
                .to_owned(),
        ),
    };
    Diagnosis::new(reason, Cure::Person, message)
}

/// Checks the account found against the one expected.
///
/// # Errors
///
/// When it is another one.
pub fn check_account(found: &Account, expected: Option<&str>) -> Result<(), Diagnosis> {
    match expected {
        Some(expected) if expected != found.id => Err(Diagnosis::new(
            Reason::UnexpectedAccount,
            Cure::Person,
            format!(
                "the token belongs to {} ({}), not to expectedAccountId {expected}",
                found.display_name, found.id
            ),
        )),
        _ => Ok(()),
    }
}

/// Checks that the site is the one that the tickets are in.
///
/// # Errors
///
/// When it is another one, and that was not accepted by annotation.
pub fn check_site(recorded: Option<&Site>, found: &str, accepted: Option<&str>) -> Result<(), Diagnosis> {
    match recorded {
        Some(recorded) if recorded.cloud_id != found && accepted != Some(found) => Err(Diagnosis::new(
            Reason::SiteChanged,
            Cure::Person,
            format!(
                "the address now leads to site {found}; tickets were opened in site {} ({}), whose ids mean nothing \
                 here. Restore the address, or annotate {}={found}",
                recorded.cloud_id,
                recorded.base_url,
                crate::api::ACCEPT_SITE_ANNOTATION,
            ),
        )),
        _ => Ok(()),
    }
}

/// What a working connection found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// Whom the token belongs to.
    pub account: Account,
    /// What the site says of itself.
    pub site: Site,
    /// Names the Secret and its version.
    pub credential_version: String,
}

/// How a connection stands.
pub fn standing(spec: &JiraConnectionSpec, outcome: &Result<Discovered, Diagnosis>) -> Standing {
    match outcome {
        Ok(found) => {
            let remark = match spec.allowed_namespaces.from {
                NamespacesFrom::Unrecognised => "; allowedNamespaces.from is not known here and read as Same",
                _ => "",
            };
            let message = format!(
                "connected to {} as {}{remark}",
                found.site.base_url, found.account.display_name
            );
            Standing::ready(Reason::Connected, message)
        }
        Err(diagnosis) => Standing::from(&diagnosis.fault),
    }
}

/// The next status. Members of other writers are kept; the time of the test moves only with another change.
pub fn next_status(
    current: &JiraConnectionStatus,
    spec: &JiraConnectionSpec,
    generation: i64,
    outcome: &Result<Discovered, Diagnosis>,
    now: Timestamp,
) -> JiraConnectionStatus {
    let mut next = current.clone();
    next.observed_generation = Some(generation);
    next.conditions = standing::conditions(
        &current.conditions,
        &standing(spec, outcome),
        &[],
        Some(generation),
        now,
    );
    if let Ok(found) = outcome {
        next.account = Some(found.account.clone());
        next.site = Some(found.site.clone());
        next.credential_version = Some(found.credential_version.clone());
    }
    if next != *current {
        next.last_probe_time = Some(Time(now));
    }
    next
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jira::Call;

    fn spec(url: &str) -> JiraConnectionSpec {
        serde_json::from_value(json!({
            "url": url,
            "auth": {"basic": {"email": "a@example.com", "tokenSecretRef": {"name": "jira"}}},
        }))
        .unwrap()
    }

    fn reason(url: &str) -> Result<Url, Reason> {
        let allowed = ["acme.atlassian.net", "*.example.com", "127.0.0.1"].map(str::to_owned);
        permitted_site(&spec(url), &allowed, &["127.0.0.1:8080".to_owned()]).map_err(|diagnosis| diagnosis.fault.reason)
    }

    #[test]
    fn only_listed_hosts_get_a_credential() {
        for good in [
            "https://acme.atlassian.net",
            "https://acme.atlassian.net/",
            "https://a.b.example.com:8443",
        ] {
            assert!(reason(good).is_ok(), "{good}");
        }
        let refused = [
            "https://other.atlassian.net",
            "https://example.com",
            "https://badexample.com",
            "https://.example.com",
            "https://acme.atlassian.net.evil.org",
            "https://acme.atlassian.net@evil.org",
            "https://acme.atlassian.net/x",
            "nonsense",
        ];
        for bad in refused {
            assert_eq!(reason(bad), Err(Reason::HostNotAllowed), "{bad}");
        }
    }

    #[test]
    fn plain_http_takes_a_listed_host_and_port() {
        assert!(reason("http://127.0.0.1:8080").is_ok());
        assert_eq!(reason("http://127.0.0.1:8081"), Err(Reason::InsecureUrl));
        assert_eq!(reason("http://acme.atlassian.net"), Err(Reason::InsecureUrl));
        let diagnosis = permitted_site(&spec("http://h"), &["h".to_owned()], &[]).unwrap_err();
        assert!(
            diagnosis.fault.message.contains("--insecure-host h"),
            "{}",
            diagnosis.fault.message
        );
        let diagnosis = permitted_site(&spec("https://h"), &[], &[]).unwrap_err();
        assert!(
            diagnosis.fault.message.contains("--allow-host h"),
            "{}",
            diagnosis.fault.message
        );
    }

    #[test]
    fn suspend_comes_before_everything_else() {
        let spec = JiraConnectionSpec {
            suspend: true,
            ..spec("http://nowhere")
        };
        let diagnosis = permitted_site(&spec, &[], &[]).unwrap_err();
        assert_eq!(
            (diagnosis.fault.reason, diagnosis.fault.needs),
            (Reason::Suspended, Needs::Nothing)
        );
    }

    #[test]
    fn a_token_is_trimmed_and_printable() {
        assert_eq!(token("s", "k", Some(b"abc\n")).unwrap(), "abc");
        for bad in [
            None,
            Some(&b""[..]),
            Some(b"\n"),
            Some(b"a\nb"),
            Some(b"a\x00b"),
            Some(b"\xff"),
        ] {
            let diagnosis = token("s", "k", bad).unwrap_err();
            assert_eq!(diagnosis.fault.reason, Reason::SecretKeyMissing);
            assert!(diagnosis.fault.message.contains("Secret s"));
        }
    }

    #[test]
    fn each_error_has_a_reason_and_a_cure() {
        let call = || Call {
            method: "GET",
            path: "/rest/api/3/myself".to_owned(),
        };
        let unauthorized = |login_reason| JiraError::Unauthorized {
            call: call(),
            login_reason,
            messages: vec![],
            definite: true,
        };
        let connect = |kind| JiraError::Connect {
            call: call(),
            kind,
            message: "m".to_owned(),
        };
        let cases = [
            (unauthorized(LoginReason::Failed), Reason::Unauthorized, Cure::Person),
            (
                unauthorized(LoginReason::Captcha),
                Reason::CaptchaRequired,
                Cure::Person,
            ),
            (
                unauthorized(LoginReason::ScopeMismatch),
                Reason::ScopeMissing,
                Cure::Person,
            ),
            (connect(ConnectKind::Dns), Reason::SiteUnreachable, Cure::AskAgain),
            (connect(ConnectKind::Refused), Reason::SiteUnreachable, Cure::AskAgain),
            (connect(ConnectKind::Tls), Reason::TlsFailed, Cure::AskAgain),
            (
                JiraError::Timeout { call: call() },
                Reason::SiteUnreachable,
                Cure::AskAgain,
            ),
            (
                JiraError::Redirected {
                    call: call(),
                    status: 302,
                    location: "new.example.com".to_owned(),
                },
                Reason::SiteMoved,
                Cure::Person,
            ),
            (
                JiraError::Unavailable {
                    call: call(),
                    status: 503,
                    retry_after: None,
                },
                Reason::SiteUnavailable,
                Cure::AskAgain,
            ),
            (
                JiraError::Decode {
                    call: call(),
                    status: 200,
                    detail: "HTML".to_owned(),
                },
                Reason::SiteUnavailable,
                Cure::AskAgain,
            ),
        ];
        for (error, reason, cure) in cases {
            let diagnosis = fault(&error, "acme.atlassian.net", false, None);
            assert_eq!((diagnosis.fault.reason, diagnosis.cure), (reason, cure), "{error}");
        }
        let moved = JiraError::Redirected {
            call: call(),
            status: 302,
            location: "new.example.com".to_owned(),
        };
        assert!(
            fault(&moved, "h", false, None)
                .fault
                .message
                .contains("new.example.com")
        );
        let failed = unauthorized(LoginReason::Failed);
        assert!(fault(&failed, "h", false, None).fault.message.contains("scoped: true"));
        assert!(fault(&failed, "h", true, None).fault.message.contains("scoped: false"));
    }

    fn found() -> Discovered {
        Discovered {
            account: Account {
                id: "1".into(),
                display_name: "Bot".into(),
            },
            site: Site {
                base_url: "https://a".into(),
                cloud_id: "c".into(),
                version: None,
            },
            credential_version: "jira/token@7".into(),
        }
    }

    #[test]
    fn another_site_stalls_until_it_is_accepted() {
        let site = found().site;
        assert!(check_site(None, "d", None).is_ok());
        assert!(check_site(Some(&site), "c", None).is_ok());
        assert!(check_site(Some(&site), "d", Some("d")).is_ok());
        assert_eq!(
            check_site(Some(&site), "d", Some("c")).unwrap_err().fault.reason,
            Reason::SiteChanged
        );
    }

    #[test]
    fn a_repeated_test_changes_nothing_and_the_cursor_is_kept() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let cursor = Some(Time(at(1)));
        let current = JiraConnectionStatus {
            sync_cursor: cursor.clone(),
            ..Default::default()
        };
        let first = next_status(&current, &spec("https://a"), 3, &Ok(found()), at(10));
        let second = next_status(&first, &spec("https://a"), 3, &Ok(found()), at(20));
        assert_eq!(first, second);
        assert_eq!(
            (second.sync_cursor.clone(), second.last_probe_time.clone()),
            (cursor, Some(Time(at(10))))
        );
        let lost = secret_not_found("ns", "jira");
        let third = next_status(&second, &spec("https://a"), 3, &Err(lost), at(30));
        assert_eq!(third.site, second.site);
        assert_eq!(third.last_probe_time, Some(Time(at(30))));
    }
}
