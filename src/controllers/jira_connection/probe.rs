//! The test of a connection: which site it is, whom the token belongs to.

use std::num::NonZeroU32;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use crate::api::JiraConnectionSpec;
use crate::api::jira_connection::{Account, Site};
use crate::controllers::registry::{Connection, ObjectKey};
use crate::domain::connection::{self, Diagnosis, Discovered};
use crate::jira::{
    CallStats, ClientSettings, CloudIdError, Credentials, Gateway, JiraClient, JiraError, Limiters, Metadata,
    RateSettings, resolve_cloud_id, scoped_api_base,
};

/// How the operator presents itself to Jira.
const USER_AGENT: &str = concat!("jira-findings-operator/", env!("CARGO_PKG_VERSION"));

/// How long what a project accepts is believed.
const METADATA_MAX_AGE: Duration = Duration::from_mins(8);

/// Whom to ask, and what the answer is compared with.
pub struct Asked<'a> {
    /// The site.
    pub site: &'a Url,
    /// The spec.
    pub spec: &'a JiraConnectionSpec,
    /// The site as the status has it.
    pub recorded: Option<&'a Site>,
    /// The cloudId that a user accepts instead of the recorded one.
    pub accepted_site: Option<&'a str>,
    /// Where tokens with scopes are sent.
    pub gateway_url: &'a str,
    /// The rate limits of all sites and accounts.
    pub limiters: &'a Limiters,
    /// Where calls are counted.
    pub stats: CallStats,
}

/// What to ask with.
pub struct Credential {
    /// E-mail of the account.
    pub email: String,
    /// The token.
    pub token: SecretString,
    /// Names the Secret and its version.
    pub version: String,
}

/// A site that answered.
pub struct Found {
    /// What it said.
    pub discovered: Discovered,
    /// The client that asked.
    pub client: JiraClient,
}

/// Asks. An `old` client, made from the same settings and credential, is used again, so that the faults it remembers
/// are settled by the answer. The client used is given back even when it was refused.
pub async fn probe(
    asked: &Asked<'_>,
    credential: &Credential,
    old: Option<JiraClient>,
) -> (Option<JiraClient>, Result<Found, Diagnosis>) {
    let host = asked.site.host_str().unwrap_or_default();
    let scoped = asked.spec.auth.basic.as_ref().is_some_and(|basic| basic.scoped);
    let timeout = asked.spec.request_timeout.0;
    let cloud_id = match cloud_id(asked, host, timeout).await {
        Ok(cloud_id) => cloud_id,
        Err(diagnosis) => return (old, Err(diagnosis)),
    };
    if let Err(diagnosis) = connection::check_site(asked.recorded, &cloud_id, asked.accepted_site) {
        return (None, Err(diagnosis));
    }
    let client = match old.map_or_else(|| client(asked, credential, &cloud_id, scoped), Ok) {
        Ok(client) => client,
        Err(diagnosis) => return (None, Err(diagnosis)),
    };
    let result = ask(asked, credential, &client, cloud_id).await;
    let result = result.map_err(|error| match error {
        Refusal::Jira(error) => connection::fault(&error, host, scoped, asked.spec.expected_account_id.as_deref()),
        Refusal::Diagnosed(diagnosis) => diagnosis,
    });
    let found = result.map(|discovered| Found {
        discovered,
        client: client.clone(),
    });
    (Some(client), found)
}

enum Refusal {
    Jira(JiraError),
    Diagnosed(Diagnosis),
}

impl From<JiraError> for Refusal {
    fn from(error: JiraError) -> Self {
        Self::Jira(error)
    }
}

async fn cloud_id(asked: &Asked<'_>, host: &str, timeout: Duration) -> Result<String, Diagnosis> {
    if let Some(cloud_id) = &asked.spec.cloud_id {
        return Ok(cloud_id.clone());
    }
    let cloud_id = resolve_cloud_id(asked.site, timeout, USER_AGENT)
        .await
        .map_err(|error| match error {
            CloudIdError::Build(error) => connection::client_unusable(&error),
            CloudIdError::Jira(error) => connection::cloud_id_fault(&error, host),
        })?;
    // It becomes part of an address.
    let sound = !cloud_id.is_empty() && cloud_id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if sound {
        Ok(cloud_id)
    } else {
        Err(connection::cloud_id_unsound(host))
    }
}

fn client(asked: &Asked<'_>, credential: &Credential, cloud_id: &str, scoped: bool) -> Result<JiraClient, Diagnosis> {
    let api_base = if scoped {
        let gateway = asked
            .gateway_url
            .parse()
            .map_err(|error| connection::client_unusable(&error))?;
        scoped_api_base(&gateway, cloud_id)
    } else {
        asked.site.clone()
    };
    let rate = asked.spec.rate_limit;
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let rate = RateSettings {
        requests_per_second: at_least_one(rate.requests_per_second),
        burst: at_least_one(rate.burst),
    };
    JiraClient::new(ClientSettings {
        site_url: asked.site.clone(),
        api_base,
        credentials: Credentials::Basic {
            email: credential.email.clone(),
            token: credential.token.clone(),
        },
        expected_account: asked.spec.expected_account_id.clone(),
        request_timeout: asked.spec.request_timeout.0,
        limiter: asked.limiters.get(asked.site, &credential.email, rate),
        user_agent: USER_AGENT.to_owned(),
        stats: asked.stats.clone(),
    })
    .map_err(|error| connection::client_unusable(&error))
}

async fn ask(
    asked: &Asked<'_>,
    credential: &Credential,
    client: &JiraClient,
    cloud_id: String,
) -> Result<Discovered, Refusal> {
    let user = client.myself().await?;
    let account = Account {
        id: user.account_id,
        display_name: user.display_name,
    };
    connection::check_account(&account, asked.spec.expected_account_id.as_deref()).map_err(Refusal::Diagnosed)?;
    let server = client.server_info().await?;
    let base_url = if server.base_url.is_empty() {
        asked.site.as_str()
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

/// The connection to share.
pub fn connection(key: ObjectKey, spec: &JiraConnectionSpec, found: &Found) -> Connection {
    Connection {
        key,
        gateway: Gateway::new(found.client.clone()),
        metadata: Metadata::new(found.client.clone(), METADATA_MAX_AGE),
        cloud_id: found.discovered.site.cloud_id.clone(),
        base_url: found.discovered.site.base_url.clone(),
        account_id: found.discovered.account.id.clone(),
        request_timeout: spec.request_timeout.0,
    }
}
