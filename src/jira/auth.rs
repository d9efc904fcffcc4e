//! Credentials and the base URL that fits them.
//!
//! A classic API token is used at the site itself, a scoped one only at the gateway under the site's cloud id. Nothing
//! in a token tells its kind, and the wrong pair fails like an anonymous caller (T2, T23): the kind must be configured.

use std::time::Duration;

use data_encoding::BASE64;
use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::client::{ClientSettings, JiraClient};
use super::error::JiraError;
use super::limiter::{Limiters, RateSettings};
use super::stats::CallStats;
use super::transport::ClientBuildError;

/// What a caller proves its identity with. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// API token of a user or a service account; both are sent as HTTP Basic.
    Basic {
        /// E-mail address of the account; for a service account its generated one.
        email: String,
        /// The API token.
        token: SecretString,
    },
}

impl Credentials {
    /// The name that shares one rate limit.
    pub fn account(&self) -> &str {
        match self {
            Self::Basic { email, .. } => email,
        }
    }

    /// The `Authorization` header, marked sensitive so that nothing prints it.
    pub(super) fn header(&self) -> HeaderValue {
        let Self::Basic { email, token } = self;
        let encoded = BASE64.encode(format!("{email}:{}", token.expose_secret()).as_bytes());
        let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).expect("Base64 is printable ASCII");
        value.set_sensitive(true);
        value
    }
}

/// Base URL for a scoped token: `<gateway>/ex/jira/<cloud id>`.
pub fn scoped_api_base(gateway: &Url, cloud_id: &str) -> Url {
    let mut base = gateway.clone();
    if let Ok(mut segments) = base.path_segments_mut() {
        segments.pop_if_empty().extend(["ex", "jira", cloud_id]);
    }
    base
}

/// Asks a site for its cloud id (`GET <site>/_edge/tenant_info`), without any credential.
///
/// Fails with [`JiraError::NotFound`] or [`JiraError::Decode`] where the site has none (not Jira Cloud).
pub async fn resolve_cloud_id(site: &Url, timeout: Duration, user_agent: &str) -> Result<String, CloudIdError> {
    let client = JiraClient::new(ClientSettings {
        site_url: site.clone(),
        api_base: site.clone(),
        credentials: Credentials::Basic {
            email: String::new(),
            token: SecretString::default(),
        },
        expected_account: None,
        request_timeout: timeout,
        limiter: Limiters::default().get(site, "", RateSettings::default()),
        user_agent: user_agent.to_owned(),
        stats: CallStats::default(),
    })?;
    Ok(client.tenant_info().await?)
}

/// Why no cloud id was found.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CloudIdError {
    /// The HTTP client cannot be built.
    #[error(transparent)]
    Build(#[from] ClientBuildError),
    /// The site did not tell it.
    #[error(transparent)]
    Jira(#[from] JiraError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_and_header_show_no_token() {
        let credentials = Credentials::Basic {
            email: "bot@example.com".into(),
            token: "s3cret".into(),
        };
        assert!(!format!("{credentials:?}").contains("s3cret"));
        let header = credentials.header();
        assert_eq!(header.to_str().unwrap(), "Basic Ym90QGV4YW1wbGUuY29tOnMzY3JldA==");
        assert!(!format!("{header:?}").contains("Ym90"));
    }

    #[test]
    fn scoped_base_is_below_the_gateway() {
        for gateway in ["https://api.atlassian.com", "https://api.atlassian.com/"] {
            let base = scoped_api_base(&gateway.parse().unwrap(), "11aa-22bb");
            assert_eq!(base.as_str(), "https://api.atlassian.com/ex/jira/11aa-22bb");
        }
    }
}
