//! Templates that come with the operator.

use crate::api::template::Preset;

/// The texts of a preset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts {
    summary: &'static str,
    description: &'static str,
    per_finding: &'static str,
}

impl Texts {
    /// In the order of [`PARTS`](super::template::PARTS).
    pub(super) fn parts(self) -> [&'static str; 3] {
        [self.summary, self.description, self.per_finding]
    }
}

macro_rules! texts {
    ($directory:literal, $summary:literal) => {
        Texts {
            summary: $summary,
            description: include_str!(concat!("presets/", $directory, ".md")),
            per_finding: include_str!(concat!("presets/", $directory, ".finding.md")),
        }
    };
}

/// The texts of a preset; `None` for one that this version does not know.
pub(super) fn of(preset: Preset) -> Option<Texts> {
    Some(match preset {
        Preset::RegistryScanVulnerability => texts!(
            "registry-scan-vulnerability",
            "[{{ group.severity }}] Vulnerable packages in {{ asset | default('a container image') }}{% if count == 1 %}: {{ vulnerability }}{% if vulnerability.package %} in {{ vulnerability.package }}{% endif %}{% endif %}"
        ),
        Preset::CloudMisconfiguration => texts!(
            "cloud-misconfiguration",
            "[{{ group.severity }}] {{ finding.title }}{% if asset %} ({{ asset }}){% endif %}{% if count > 1 %} and {{ count - 1 }} more{% endif %}"
        ),
        Preset::IacMisconfiguration => texts!(
            "iac-misconfiguration",
            "[{{ group.severity }}] {{ finding.title }} in {{ location | default(asset) | default('infrastructure code') }}{% if count > 1 %} and {{ count - 1 }} more{% endif %}"
        ),
        Preset::VulnerabilityByFinding => texts!(
            "vulnerability-by-finding",
            "[{{ group.severity }}] {% if vulnerability.id and vulnerability.id not in finding.title %}{{ vulnerability.id }}: {% endif %}{{ finding.title }}"
        ),
        Preset::HostEndpoint => texts!(
            "host-endpoint",
            "[{{ group.severity }}] {{ finding.title }} on {{ asset | default('a host') }}{% if ip and ip != asset.name %} ({{ ip }}{% if port != '' %}, port {{ port }}{% endif %}){% endif %}{% if count > 1 %} and {{ count - 1 }} more{% endif %}"
        ),
        Preset::Compliance => texts!(
            "compliance",
            "[{{ group.severity }}] {% if finding.control.framework %}{{ finding.control.framework }} {% endif %}{% if finding.control.id %}{{ finding.control.id }}: {% endif %}{{ finding.control.name | default(finding.title) }}"
        ),
        Preset::StaticCodeAnalysis => texts!(
            "static-code-analysis",
            "[{{ group.severity }}] {{ finding.title }}{% if location %} in {{ location }}{% endif %}{% if count > 1 %} and {{ count - 1 }} more{% endif %}"
        ),
        Preset::RuntimeAlert => texts!(
            "runtime-alert",
            "[{{ group.severity }}] {{ finding.title }}{% if asset %} in {% if finding.asset.namespace %}{{ finding.asset.namespace }}/{% endif %}{{ asset }}{% endif %}{% if count > 1 %} and {{ count - 1 }} more{% endif %}"
        ),
        Preset::ApiVulnerability => texts!(
            "api-vulnerability",
            "[{{ group.severity }}] {{ finding.title }}{% if location %}: {{ location }}{% endif %}{% if count > 1 %} and {{ count - 1 }} more{% endif %}"
        ),
        Preset::Minimal => texts!(
            "minimal",
            "[{{ group.severity }}] Security finding {{ finding.namespace }}/{{ finding.name }}"
        ),
        Preset::Unrecognised => return None,
    })
}
