//! Which site a connection may lead to, and whose account it may use there.

use reqwest::Url;

use super::diagnosis::{Cure, Diagnosis};
use crate::api::jira_connection::{Account, Site};
use crate::api::{ACCEPT_SITE_ANNOTATION, JiraConnectionSpec, Reason};

/// The address of the site, if the operator may call the site at all.
///
/// # Errors
///
/// When the connection is suspended, or the operator may not send a credential to the address.
pub fn permitted(
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

/// Whether `--insecure-host` allows plain http to a host: an entry `host` allows every port, `host:port` one.
pub fn is_listed_insecure(host: &str, port: Option<u16>, insecure_hosts: &[String]) -> bool {
    insecure_hosts.iter().any(|listed| match listed.split_once(':') {
        Some((name, number)) => name == host && number.parse().ok() == port,
        None => listed == host,
    })
}

/// Compares the account that the token belongs to with `spec.expectedAccountId`.
///
/// # Errors
///
/// When the spec expects another account.
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

/// Compares the cloudId of the site with the cloudId that the status has recorded: ids of issues mean nothing in another
/// site.
///
/// # Errors
///
/// When the cloudId differs and the annotation [`ACCEPT_SITE_ANNOTATION`] does not name it.
pub fn check_recorded(recorded: Option<&Site>, found: &str, accepted: Option<&str>) -> Result<(), Diagnosis> {
    match recorded {
        Some(recorded) if recorded.cloud_id != found && accepted != Some(found) => Err(Diagnosis::new(
            Reason::SiteChanged,
            Cure::Person,
            format!(
                "the address now leads to site {found}; tickets were opened in site {} ({}), whose ids mean nothing \
                 here. Restore the address, or annotate {}={found}",
                recorded.cloud_id, recorded.base_url, ACCEPT_SITE_ANNOTATION,
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::base::fault::Needs;

    fn spec(url: &str) -> JiraConnectionSpec {
        serde_json::from_value(json!({
            "url": url,
            "auth": {"basic": {"email": "a@example.com", "tokenSecretRef": {"name": "jira"}}},
        }))
        .unwrap()
    }

    fn reason(url: &str) -> Result<Url, Reason> {
        let allowed = ["acme.atlassian.net", "*.example.com", "127.0.0.1"].map(str::to_owned);
        permitted(&spec(url), &allowed, &["127.0.0.1:8080".to_owned()]).map_err(|diagnosis| diagnosis.fault.reason)
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
        let diagnosis = permitted(&spec("http://h"), &["h".to_owned()], &[]).unwrap_err();
        assert!(
            diagnosis.fault.message.contains("--insecure-host h"),
            "{}",
            diagnosis.fault.message
        );
        let diagnosis = permitted(&spec("https://h"), &[], &[]).unwrap_err();
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
        let diagnosis = permitted(&spec, &[], &[]).unwrap_err();
        assert_eq!(
            (diagnosis.fault.reason, diagnosis.fault.needs),
            (Reason::Suspended, Needs::Nothing)
        );
    }

    #[test]
    fn another_site_stalls_until_it_is_accepted() {
        let site = Site {
            base_url: "https://a".into(),
            cloud_id: "c".into(),
            version: None,
        };
        assert!(check_recorded(None, "d", None).is_ok());
        assert!(check_recorded(Some(&site), "c", None).is_ok());
        assert!(check_recorded(Some(&site), "d", Some("d")).is_ok());
        assert_eq!(
            check_recorded(Some(&site), "d", Some("c")).unwrap_err().fault.reason,
            Reason::SiteChanged
        );
    }
}
