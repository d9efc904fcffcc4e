//! Why a connection cannot be used, and what has to change before it can be.

use std::fmt::Display;

use crate::api::Reason;
use crate::domain::base::fault::{Fault, Needs};
use crate::jira::{ConnectKind, JiraError, LoginReason};

/// Why a connection cannot be used, and when to test it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Why the connection cannot be used.
    pub fault: Fault,
    /// What has to change before another test can give another result.
    pub cure: Cure,
}

/// What has to change before another test of a connection can give another result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// Time may be enough: every test calls Jira.
    AskAgain,
    /// A person must change the credential, the account or the site: a test calls Jira when the Secret has changed, and
    /// otherwise rarely.
    Person,
    /// A person must change the spec or the operator's settings: no test calls Jira before.
    Spec,
    /// `spec.suspend` is set: no test calls Jira.
    Suspended,
}

impl Diagnosis {
    pub(super) fn new(reason: Reason, cure: Cure, message: impl Into<String>) -> Self {
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

/// No HTTP client could be built.
pub fn client_unusable(error: &dyn Display) -> Diagnosis {
    Diagnosis::new(
        Reason::SiteUnavailable,
        Cure::Person,
        format!("no client can be built: {error}"),
    )
}

/// Why the site did not give its cloudId. Errors that would stop every other call are diagnosed as such.
pub fn of_cloud_id(error: &JiraError, host: &str) -> Diagnosis {
    match error {
        JiraError::Connect { .. }
        | JiraError::Timeout { .. }
        | JiraError::Interrupted { .. }
        | JiraError::Redirected { .. }
        | JiraError::Unavailable { .. }
        | JiraError::RateLimited { .. } => of_error(error, host, false, None),
        _ => Diagnosis::new(
            Reason::CloudIdUnknown,
            Cure::Person,
            format!("{host} does not tell its cloudId ({error}); is it Jira Cloud? Otherwise set spec.cloudId"),
        ),
    }
}

/// The cloudId that the site gave is not made of letters, digits and hyphens.
pub fn cloud_id_unsound(host: &str) -> Diagnosis {
    let message =
        format!("{host} gives a cloudId that no site of Jira Cloud has; is it Jira Cloud? Otherwise set spec.cloudId");
    Diagnosis::new(Reason::CloudIdUnknown, Cure::Person, message)
}

/// What an error of `GET /myself` or `GET /serverInfo` means for the connection. `scoped` is `spec.auth.basic.scoped`,
/// `expected` is `spec.expectedAccountId`.
pub fn of_error(error: &JiraError, host: &str, scoped: bool, expected: Option<&str>) -> Diagnosis {
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
            format!("{host} gave an answer that Jira Cloud does not give here: {error}"),
        ),
    }
}

fn refused(login_reason: LoginReason, host: &str, scoped: bool) -> Diagnosis {
    let (reason, message) = match login_reason {
        LoginReason::Captcha => (
            Reason::CaptchaRequired,
            format!("{host} asks for a CAPTCHA after too many failed logins: log in once as this account in a browser"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jira::Call;

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
            let diagnosis = of_error(&error, "acme.atlassian.net", false, None);
            assert_eq!((diagnosis.fault.reason, diagnosis.cure), (reason, cure), "{error}");
        }
        let moved = JiraError::Redirected {
            call: call(),
            status: 302,
            location: "new.example.com".to_owned(),
        };
        assert!(
            of_error(&moved, "h", false, None)
                .fault
                .message
                .contains("new.example.com")
        );
        let failed = unauthorized(LoginReason::Failed);
        assert!(
            of_error(&failed, "h", false, None)
                .fault
                .message
                .contains("scoped: true")
        );
        assert!(
            of_error(&failed, "h", true, None)
                .fault
                .message
                .contains("scoped: false")
        );
    }
}
