//! How the texts of an issue are made: the template of a `TicketConfiguration`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The texts of an issue. A part that is written here wins over the same part in the ConfigMap, and that one over the
/// preset's; a part that none of them has is as without a template. The variables are described in
/// `docs/templates.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.preset) || has(self.summary) || has(self.description) || has(self.perFinding) || has(self.configMapRef)",
    "message": "template must have a preset, a configMapRef or a text"
}]))]
pub struct Template {
    /// Texts that come with the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// The summary: one line, cut to what Jira takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub summary: Option<String>,
    /// The description, in Markdown. `{{ dynamic_template }}` stands for what `perFinding` gives for all findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32768))]
    pub description: Option<String>,
    /// Written once for each finding, for example one row of a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub per_finding: Option<String>,
    /// A ConfigMap in the namespace of the configuration with the keys `summary`, `description` and `perFinding`, all of
    /// them optional. A change is noticed within a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapRef>,
}

/// A ConfigMap by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapRef {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Texts that come with the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = super::common::undescribed)]
pub enum Preset {
    /// Vulnerable packages of a container image.
    RegistryScanVulnerability,
    /// Unsafe settings of resources in a cloud.
    CloudMisconfiguration,
    /// Unsafe settings in infrastructure as code.
    IacMisconfiguration,
    /// One vulnerability and all the assets that have it.
    VulnerabilityByFinding,
    /// What was found on a host.
    HostEndpoint,
    /// A control that is not met.
    Compliance,
    /// Flaws in source code.
    StaticCodeAnalysis,
    /// Something suspicious at run time.
    RuntimeAlert,
    /// A flaw in an API.
    ApiVulnerability,
    /// Severity, asset and where to read on; nothing of what the producer wrote.
    Minimal,
    /// A value this version of the operator does not know; shown as a condition of the object.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognised,
}

impl Preset {
    /// All presets a user can name.
    pub const ALL: [Self; 10] = [
        Self::RegistryScanVulnerability,
        Self::CloudMisconfiguration,
        Self::IacMisconfiguration,
        Self::VulnerabilityByFinding,
        Self::HostEndpoint,
        Self::Compliance,
        Self::StaticCodeAnalysis,
        Self::RuntimeAlert,
        Self::ApiVulnerability,
        Self::Minimal,
    ];

    /// The value as written in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RegistryScanVulnerability => "RegistryScanVulnerability",
            Self::CloudMisconfiguration => "CloudMisconfiguration",
            Self::IacMisconfiguration => "IacMisconfiguration",
            Self::VulnerabilityByFinding => "VulnerabilityByFinding",
            Self::HostEndpoint => "HostEndpoint",
            Self::Compliance => "Compliance",
            Self::StaticCodeAnalysis => "StaticCodeAnalysis",
            Self::RuntimeAlert => "RuntimeAlert",
            Self::ApiVulnerability => "ApiVulnerability",
            Self::Minimal => "Minimal",
            Self::Unrecognised => "Unrecognised",
        }
    }
}
