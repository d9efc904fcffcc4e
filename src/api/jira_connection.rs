//! `JiraConnection`: how to reach one Jira Cloud site, and as whom.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{NamespaceSelection, Period, SecretKeyRef};

/// A Jira Cloud site and the account the operator uses there.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "jira-findings.dev",
    version = "v1alpha1",
    kind = "JiraConnection",
    plural = "jiraconnections",
    shortname = "jc",
    category = "jira-findings",
    namespaced,
    status = "JiraConnectionStatus",
    derive = "PartialEq",
    doc = "A Jira Cloud site and the account the operator uses there.",
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Account", type_ = "string", json_path = ".status.account.displayName"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct JiraConnectionSpec {
    /// Address of the site, for example `https://acme.atlassian.net`. Its host must be on the operator's list of allowed
    /// hosts. Plain http is accepted only for hosts the operator was told are insecure on purpose.
    #[schemars(
        length(min = 8, max = 253),
        regex(pattern = r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$")
    )]
    pub url: String,
    /// How to authenticate. Exactly one way must be given.
    pub auth: Auth,
    /// Atlassian's id of the site. Discovered when absent; needed only where `/_edge/tenant_info` is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub cloud_id: Option<String>,
    /// The accountId the token must belong to. When set and the token is somebody else's, Ready turns False.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub expected_account_id: Option<String>,
    /// Which namespaces may use this connection. Default: only its own.
    #[serde(default)]
    pub allowed_namespaces: NamespaceSelection,
    /// How long one call to Jira may take, from 1s to 5m. Default 30s.
    #[serde(default = "default_request_timeout")]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "!self.contains('d') && duration(self) >= duration('1s') && duration(self) <= duration('5m')",
        "message": "requestTimeout must be from 1s to 5m"
    }]))]
    pub request_timeout: Period,
    /// How fast the operator may call this site. Connections of the same site and account share one budget.
    #[serde(default)]
    pub rate_limit: RateLimit,
    /// Stop all traffic to this site. Findings keep what they have and wait.
    #[serde(default)]
    pub suspend: bool,
}

/// How to authenticate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.basic)",
    "message": "auth must have exactly one of: basic"
}]))]
pub struct Auth {
    /// E-mail and API token, for users and for service accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
}

/// E-mail and API token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// E-mail of the account the token belongs to. For a service account, its generated address.
    #[schemars(length(min = 3, max = 254), regex(pattern = r"^[^\s:@]+@[^\s:@]+$"))]
    pub email: String,
    /// The Secret that holds the API token. It is read by name; the operator never lists Secrets.
    pub token_secret_ref: SecretKeyRef,
    /// True for an API token with scopes (all tokens of service accounts are): calls then go through Atlassian's gateway,
    /// where alone such tokens work. A token's kind cannot be told from its text.
    #[serde(default)]
    pub scoped: bool,
}

/// Budget of calls to one site by one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Calls per second, sustained. Default 10.
    #[serde(default = "default_requests_per_second")]
    #[schemars(range(min = 1, max = 100))]
    pub requests_per_second: u32,
    /// Calls that may be made at once after a quiet time. Default 20.
    #[serde(default = "default_burst")]
    #[schemars(range(min = 1, max = 200))]
    pub burst: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            requests_per_second: default_requests_per_second(),
            burst: default_burst(),
        }
    }
}

const fn default_requests_per_second() -> u32 {
    10
}

const fn default_burst() -> u32 {
    20
}

const fn default_request_timeout() -> Period {
    Period::seconds(30)
}

/// What the operator found out about a connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JiraConnectionStatus {
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and `Reconciling` or `Stalled` while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Who the token belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// What the site says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// Names the Secret and the version of it that was last used. Not derived from the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_version: Option<String>,
    /// When the connection was last tested with a result that differs from the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_probe_time: Option<Time>,
    /// The newest `updated` of an issue that the status sync has handled; a restart reaches back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_cursor: Option<Time>,
}

/// A Jira account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Atlassian's id of the account.
    pub id: String,
    /// The name people see.
    pub display_name: String,
}

/// Facts about a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// The address browsers use; links to issues start with it.
    pub base_url: String,
    /// Atlassian's id of the site. Issue ids mean something only together with it.
    pub cloud_id: String,
    /// Version of Jira.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}
