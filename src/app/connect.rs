//! From the spec of a connection and a token to a connection that has been tested against Jira.

use std::num::NonZeroU32;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use crate::api::JiraConnectionSpec;
use crate::api::jira_connection::{Account, Site};
use crate::domain::connection::diagnosis::{self, Diagnosis};
use crate::domain::connection::site;
use crate::domain::connection::status::Discovered;
use crate::jira::{
    CallStats, ClientSettings, CloudIdError, Credentials, Gateway, JiraClient, Limiters, Metadata, RateSettings,
    resolve_cloud_id, scoped_api_base,
};

/// `User-Agent` of the operator's calls to Jira.
const USER_AGENT: &str = concat!("jira-findings-operator/", env!("CARGO_PKG_VERSION"));

/// How long an answer about what a project accepts is used before Jira is asked again.
const METADATA_MAX_AGE: Duration = Duration::from_mins(8);

/// What a test needs beside the credential.
pub(crate) struct Target<'a> {
    /// Address of the site, as `domain::connection::site::permitted` gives it.
    pub site: &'a Url,
    /// The spec of the connection.
    pub spec: &'a JiraConnectionSpec,
    /// The site that the status of the connection has recorded.
    pub recorded: Option<&'a Site>,
    /// The cloudId that a person accepts instead of the recorded one.
    pub accepted_site: Option<&'a str>,
    /// Where tokens with scopes are sent, without trailing slash.
    pub gateway_url: &'a str,
    /// The rate limits of all sites and accounts.
    pub limiters: &'a Limiters,
    /// Where calls are counted.
    pub stats: CallStats,
}

/// An API token and the account that it should belong to.
pub(crate) struct Credential {
    /// E-mail address of the account.
    pub email: String,
    /// The token.
    pub token: SecretString,
    /// Name and version of the place that the token was read from, for the status.
    pub version: String,
}

/// A connection that Jira has answered over.
pub(crate) struct Tested {
    /// Account and site, as Jira describes them.
    pub discovered: Discovered,
    /// The client that made the calls.
    pub client: JiraClient,
}

/// Tests a connection: discovers the cloudId where the spec does not give it, then calls `GET /myself` and
/// `GET /serverInfo`.
///
/// A client of an earlier test with the same settings and credential is used again, because the answer then clears the
/// faults that this client remembers. The client is given back after a failed test as well, if there is one.
pub(crate) async fn test(
    target: &Target<'_>,
    credential: &Credential,
    earlier: Option<JiraClient>,
) -> (Option<JiraClient>, Result<Tested, Diagnosis>) {
    let cloud_id = match cloud_id(target).await {
        Ok(cloud_id) => cloud_id,
        Err(diagnosis) => return (earlier, Err(diagnosis)),
    };
    if let Err(diagnosis) = site::check_recorded(target.recorded, &cloud_id, target.accepted_site) {
        return (None, Err(diagnosis));
    }
    let client = match earlier.map_or_else(|| client(target, credential, &cloud_id), Ok) {
        Ok(client) => client,
        Err(diagnosis) => return (None, Err(diagnosis)),
    };
    let discovered = discover(target, credential, &client, cloud_id).await;
    let tested = discovered.map(|discovered| Tested {
        discovered,
        client: client.clone(),
    });
    (Some(client), tested)
}

impl Target<'_> {
    fn host(&self) -> &str {
        self.site.host_str().unwrap_or_default()
    }

    fn is_scoped(&self) -> bool {
        self.spec.auth.basic.as_ref().is_some_and(|basic| basic.scoped)
    }

    fn expected_account(&self) -> Option<&str> {
        self.spec.expected_account_id.as_deref()
    }
}

async fn cloud_id(target: &Target<'_>) -> Result<String, Diagnosis> {
    if let Some(cloud_id) = &target.spec.cloud_id {
        return Ok(cloud_id.clone());
    }
    let cloud_id = resolve_cloud_id(target.site, target.spec.request_timeout.0, USER_AGENT)
        .await
        .map_err(|error| match error {
            CloudIdError::Build(error) => diagnosis::client_unusable(&error),
            CloudIdError::Jira(error) => diagnosis::of_cloud_id(&error, target.host()),
        })?;
    // The cloudId becomes part of an address.
    let sound = !cloud_id.is_empty() && cloud_id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if sound {
        Ok(cloud_id)
    } else {
        Err(diagnosis::cloud_id_unsound(target.host()))
    }
}

fn client(target: &Target<'_>, credential: &Credential, cloud_id: &str) -> Result<JiraClient, Diagnosis> {
    let api_base = if target.is_scoped() {
        let gateway = target
            .gateway_url
            .parse()
            .map_err(|error| diagnosis::client_unusable(&error))?;
        scoped_api_base(&gateway, cloud_id)
    } else {
        target.site.clone()
    };
    let rate = target.spec.rate_limit;
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let rate = RateSettings {
        requests_per_second: at_least_one(rate.requests_per_second),
        burst: at_least_one(rate.burst),
    };
    JiraClient::new(ClientSettings {
        site_url: target.site.clone(),
        api_base,
        credentials: Credentials::Basic {
            email: credential.email.clone(),
            token: credential.token.clone(),
        },
        expected_account: target.spec.expected_account_id.clone(),
        request_timeout: target.spec.request_timeout.0,
        limiter: target.limiters.get(target.site, &credential.email, rate),
        user_agent: USER_AGENT.to_owned(),
        stats: target.stats.clone(),
    })
    .map_err(|error| diagnosis::client_unusable(&error))
}

/// Whom the token belongs to (`GET /myself`), and what the site is (`GET /serverInfo`).
async fn discover(
    target: &Target<'_>,
    credential: &Credential,
    client: &JiraClient,
    cloud_id: String,
) -> Result<Discovered, Diagnosis> {
    let failed = |error| diagnosis::of_error(&error, target.host(), target.is_scoped(), target.expected_account());
    let user = client.myself().await.map_err(failed)?;
    let account = Account {
        id: user.account_id,
        display_name: user.display_name,
    };
    site::check_account(&account, target.expected_account())?;
    let server = client.server_info().await.map_err(failed)?;
    let base_url = if server.base_url.is_empty() {
        target.site.as_str()
    } else {
        server.base_url.as_str()
    };
    let site = Site {
        base_url: base_url.trim_end_matches('/').to_owned(),
        cloud_id,
        version: Some(server.version).filter(|version| !version.is_empty()),
    };
    Ok(Discovered {
        account,
        site,
        credential_version: credential.version.clone(),
    })
}

/// A connection that can be used.
pub struct Connection {
    /// Batched access to Jira.
    pub gateway: Gateway,
    /// What projects accept, cached.
    pub metadata: Metadata,
    /// Atlassian's id of the site.
    pub cloud_id: String,
    /// Beginning of links for browsers, without trailing slash.
    pub base_url: String,
    /// Id of the account that the token belongs to.
    pub account_id: String,
    /// How long one call to Jira may take.
    pub request_timeout: Duration,
}

impl Connection {
    /// The connection over which a test was successful.
    pub(crate) fn new(spec: &JiraConnectionSpec, tested: &Tested) -> Self {
        let Discovered { account, site, .. } = &tested.discovered;
        Self {
            gateway: Gateway::new(tested.client.clone()),
            metadata: Metadata::new(tested.client.clone(), METADATA_MAX_AGE),
            cloud_id: site.cloud_id.clone(),
            base_url: site.base_url.clone(),
            account_id: account.id.clone(),
            request_timeout: spec.request_timeout.0,
        }
    }
}
